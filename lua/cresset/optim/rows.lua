-- rows.lua: the rows of a step: what all groups of an optimizer give to one call of cr.foreach.step_.
--
-- Holds true: the call writes all or nothing, and what is to be kept of it in Lua is put into places that are there
-- already, so that a step that has failed can be taken again. Numbers may be tensors, which the device reads when the
-- step runs: so they can change from one launch of a graph to the next.

local cr = require "cresset"

local M = {}
M.__index = M

function M.new()
  return setmetatable({ n = 0, params = {}, grads = {}, {}, {}, {}, sets = {}, switches = {}, kept = {}, targets = {},
    values = {} }, M)
end

--- A row: a parameter, its gradient, the rule's own tensors (or false), the numbers and switches of the rule.
function M:add(p, grad, a, b, c, numbers, switches)
  local i = self.n + 1
  self.n = i
  self.params[i], self.grads[i] = p, grad
  self[1][i], self[2][i], self[3][i] = a or false, b or false, c or false
  self.sets[i], self.switches[i] = numbers, switches or 0
end

--- Once the call has done it, state[key] becomes value; it holds something by then. A tensor is written in place.
function M:keep(state, key, value)
  local old = state[key]
  if cr.is_tensor(value) and cr.is_tensor(old) and value.ndim == 0 then
    self.targets[#self.targets + 1], self.values[#self.values + 1] = old, value:to(old.dtype)
    return
  end
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

-- The numbers in a tensor: those that are tensors already, and runs of constants, which `cache` keeps by what they
-- are, as a graph must find them where they were.
local function table_of(numbers, device, cache)
  local parts, run = {}, {}
  local function flush()
    if run[1] == nil then return end
    local key = device .. ":" .. table.concat(run, " ")
    cache[key] = cache[key] or cr.tensor(run, { dtype = "float64", device = device })
    parts[#parts + 1], run = cache[key], {}
  end
  for _, x in ipairs(numbers) do
    if type(x) == "number" then run[#run + 1] = x + 0.0
    else
      flush()
      parts[#parts + 1] = x:double():view(1)
    end
  end
  flush()
  return cr.cat(parts)
end

--- Does the step. `cache` keeps constants on devices for the next ones; `on_device` of rows says that numbers are to
-- be read there.
function M:run(rule, cache)
  if self.n == 0 then return end
  local numbers, switches, on_device = joined(self.sets), joined(self.switches), nil
  if self.on_device then numbers, on_device = nil, table_of(numbers, self.params[1].device, cache) end
  cr.foreach.step_(self.params, self.grads, self[1], self[2], self[3], rule, numbers, switches, on_device)
  if self.targets[1] then cr.foreach.copy_(self.targets, self.values) end
  local kept = self.kept
  for k = 1, #kept, 3 do kept[k][kept[k + 1]] = kept[k + 2] end
end

return M
