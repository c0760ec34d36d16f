-- rule.lua: optimizers whose step is a rule of cr.foreach.step_ on each parameter.
--
-- Holds true: the numbers of a row are computed in double, once for all parameters of a group that have taken equally
-- many steps. All tensors of the state begin as zeros unless the class says otherwise.

local cr = require "cresset"
local options = require "cresset.optim.options"
local Optimizer = require "cresset.optim.optimizer"

local function make_state(self, state, p, group)
  state.step = 0
  for _, name in pairs(self.lists(group)) do
    if name then state[name] = cr.zeros_like(p) end
  end
end

-- A tensor of the state, of which an error says that it is not there.
local function own(self, state, name)
  if not name then return false end
  local t = state[name]
  if not t then options.fail(self.name, "the state has no %s; it began without", name) end
  return t
end

local function step_rows(self, rows, group)
  local sets, lists = {}, self.lists(group)
  local a, b, c = lists[1], lists[2], lists[3]
  local switches = self.switches and self.switches(group) or 0
  for _, p in ipairs(group.params) do
    local grad = p.grad
    if grad then
      local state = self:state_of(p, group)
      local step = state.step + 1
      local numbers = sets[step] or self.numbers(group, step, state, rows)
      if not self.apart then sets[step] = numbers end
      rows:keep(state, "step", step)
      rows:add(p, grad, own(self, state, a), own(self, state, b), own(self, state, c), numbers, switches)
    end
  end
end

--- A class of optimizers with the fields of `spec`: options; rule; lists(group), the names of up to three tensors of
-- the state, false for one that is not there; numbers(group, step, state, rows). It may have switches(group); apart,
-- where parameters have numbers of their own; make_state(self, state, p, group); and what else a class may have.
return function(name, spec)
  local class = Optimizer.class(name, spec.options)
  class.step_rows, class.make_state = step_rows, make_state
  for key, value in next, spec do
    if key ~= "options" then class[key] = value end
  end
  return class
end
