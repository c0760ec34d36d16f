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

-- What of the state are numbers becomes tensors on the device of the parameter; equal ones are one tensor.
local function on_device(self, state, p, made)
  for name in next, self.numbers_of_state do
    local x = state[name]
    if type(x) == "number" then
      local key = ("%s %s %.17g"):format(p.device, name, x)
      made[key] = made[key] or cr.tensor(x + 0.0, { dtype = "float32", device = p.device })
      state[name] = made[key]
    end
  end
end

local function off_device(self, state)
  for name in next, self.numbers_of_state do
    if cr.is_tensor(state[name]) then state[name] = state[name]:item() end
  end
end

-- The numbers of a parameter's step, and what is kept of it, which parameters that have taken as many share.
local function numbers_of(self, rows, group, state, sets)
  local before = rows.on_device and self.apart and state[self.apart] or state.step
  local set = sets[before]
  if not set then
    set = { step = state.step + 1 }
    set.numbers = self.numbers(group, rows.on_device and set.step:double() or set.step, state, rows)
    if not self.apart or rows.on_device then sets[before] = set end
    if rows.on_device then rows:keep(state, "step", set.step) end
  end
  if not rows.on_device then rows:keep(state, "step", set.step) end
  return set.numbers
end

-- A parameter that takes no step counts by itself from now on.
local function part(self, group, sets)
  for _, p in ipairs(group.params) do
    local state = self.state[p]
    if state and not p.grad then
      local shared = sets[state.step] or self.apart and sets[state[self.apart]]
      for name in next, shared and self.numbers_of_state or {} do state[name] = state[name]:clone() end
    end
  end
end

local function step_rows(self, rows, group, device)
  local sets, lists, made = {}, self.lists(group), {}
  local a, b, c = lists[1], lists[2], lists[3]
  local switches = self.switches and self.switches(group) or 0
  rows.on_device = rows.on_device or group.capturable
  for _, p in ipairs(group.params) do
    local grad = p.grad
    if grad and (not device or p.device == device) then
      local state = self:state_of(p, group)
      if group.capturable then on_device(self, state, p, made)
      elseif type(state.step) ~= "number" then off_device(self, state) end
      local numbers = numbers_of(self, rows, group, state, sets)
      rows:add(p, grad, own(self, state, a), own(self, state, b), own(self, state, c), numbers, switches)
    end
  end
  if group.capturable then part(self, group, sets) end
end

--- A class of optimizers with the fields of `spec`: options; rule; lists(group), the names of up to three tensors of
-- the state, false for one that is not there; numbers(group, step, state, rows). It may have switches(group); apart,
-- a number in the state by which parameters differ; make_state(self, state, p, group); and what else a class may have.
return function(name, spec)
  local class = Optimizer.class(name, spec.options)
  class.step_rows, class.make_state = step_rows, make_state
  for key, value in next, spec do
    if key ~= "options" then class[key] = value end
  end
  return class
end
