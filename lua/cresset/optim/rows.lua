-- rows.lua: the rows of a step: what all groups of an optimizer give to one call of cr.foreach.step_.
--
-- Holds true: the call writes all or nothing, and what is to be kept of it in Lua is put into places that are there
-- already, so that a step that has failed can be taken again.

local cr = require "cresset"

local M = {}
M.__index = M

function M.new()
  return setmetatable({ n = 0, params = {}, grads = {}, {}, {}, {}, sets = {}, switches = {}, kept = {} }, M)
end

--- A row: a parameter, its gradient, the rule's own tensors (or false), the numbers and switches of the rule.
function M:add(p, grad, a, b, c, numbers, switches)
  local i = self.n + 1
  self.n = i
  self.params[i], self.grads[i] = p, grad
  self[1][i], self[2][i], self[3][i] = a or false, b or false, c or false
  self.sets[i], self.switches[i] = numbers, switches or 0
end

--- Once the call has done it, state[key] becomes value; it holds something by then.
function M:keep(state, key, value)
  local kept = self.kept
  local n = #kept
  kept[n + 1], kept[n + 2], kept[n + 3] = state, key, value
end

-- One set of numbers where all rows have the same, else all sets in one list; so for switches.
local function joined(sets)
  local alike = true
  for i = 2, #sets do alike = alike and sets[i] == sets[1] end
  if alike then return sets[1] end
  if type(sets[1]) == "number" then return sets end
  local all = {}
  for _, set in ipairs(sets) do table.move(set, 1, #set, #all + 1, all) end
  return all
end

--- Does the step.
function M:run(rule)
  if self.n == 0 then return end
  cr.foreach.step_(self.params, self.grads, self[1], self[2], self[3], rule, joined(self.sets), joined(self.switches))
  local kept = self.kept
  for k = 1, #kept, 3 do kept[k][kept[k + 1]] = kept[k + 2] end
end

return M
