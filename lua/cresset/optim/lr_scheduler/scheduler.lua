-- scheduler.lua: what all schedules have in common: the rates of an optimizer's groups, step by step.
--
-- Holds true: last_epoch counts the steps from 0, as in PyTorch; a step that fails has changed nothing. What a schedule
-- saves is a plain table: all of its fields but functions and the optimizer.

local cr = require "cresset"
local options = require "cresset.optim.options"

local Scheduler = {}
Scheduler.__index = Scheduler

local fail = options.fail

--- Whether x is an optimizer of cresset.optim.
function Scheduler.is_optimizer(x)
  return type(x) == "table" and type(rawget(x, "param_groups")) == "table"
end

-- Whether x is a table of options: names, not a list.
local function names_options(x)
  return type(x) == "table" and getmetatable(x) == nil and type((next(x))) == "string"
end

-- The arguments by name: those that stand in order, then options. Lists are copied.
local function read(class, given)
  local values, n = {}, given.n
  if n > 0 and names_options(given[n]) then
    for name, value in next, given[n] do
      if not class.options[name] then options.unknown(class.name, name, class.options) end
      values[name] = value
    end
    n = n - 1
  end
  if n > #class.required then
    fail(class.name, "argument %d must be a table of options, got %s", n + 1, options.describe(given[n]))
  end
  for i = 1, n do values[class.required[i]] = given[i] end
  local found = {}
  for _, name in ipairs(class.required) do
    if values[name] == nil then fail(class.name, "the argument '%s' is missing", name) end
  end
  for name in next, class.options do
    found[name] = options.copy(options.value(class.name, name, values[name], class.options))
  end
  return found
end

local function check_resumed(self, last_epoch)
  for i, group in ipairs(self.optimizer.param_groups) do
    if last_epoch == -1 then group.initial_lr = group.initial_lr or options.number_of(group.lr)
    elseif not group.initial_lr then
      fail(self.name, "group %d has no initial_lr, which last_epoch = %d needs; load the optimizer's state first", i,
        last_epoch)
    end
  end
end

--- Begins to count: the rates are those of the first step.
function Scheduler:start(last_epoch)
  check_resumed(self, last_epoch)
  self.base_lrs = {}
  for i, group in ipairs(self.optimizer.param_groups) do self.base_lrs[i] = group.initial_lr end
  self.last_epoch = last_epoch
  self:initial_step()
end

local function construct(class, optimizer, ...)
  if not Scheduler.is_optimizer(optimizer) then
    fail(class.name, "the first argument must be an optimizer, got %s", options.describe(optimizer))
  end
  local found = read(class, table.pack(...))
  local self = setmetatable({ optimizer = optimizer }, class)
  if class.make then class.make(self, found)
  else
    for name, value in next, found do
      if name ~= "last_epoch" then self[name] = value end
    end
    self:start(found.last_epoch)
  end
  return self
end

local function check_last(x) return not (math.type(x) == "integer" and x >= -1) and "a whole number from -1" or nil end

--- A new kind of schedule: `required` names the arguments that stand in order, `known` has all as { name = { default,
-- check } }. rates(self, epoch, initial) gives a list of the groups' rates at a step; closed(self, epoch), if there is
-- one, gives them without those before.
function Scheduler.class(name, required, known)
  known.last_epoch = known.last_epoch or { -1, check_last }
  local class = setmetatable({ name = name, required = required, options = known },
    { __index = Scheduler, __call = construct,
      __tostring = function() return "cresset.optim.lr_scheduler." .. name end })
  class.__index = class
  class.__tostring = function(self) return ("%s (epoch %s)"):format(name, tostring(self.last_epoch)) end
  return class
end

--- The present rates of the groups.
function Scheduler:present()
  local list = {}
  for i, group in ipairs(self.optimizer.param_groups) do list[i] = options.number_of(group.lr) end
  return list
end

--- The present rates, times a factor.
function Scheduler:scaled(factor)
  local list = self:present()
  for i, lr in ipairs(list) do list[i] = lr * factor end
  return list
end

--- f of each base rate.
function Scheduler:of_base(f)
  local list = {}
  for i, lr in ipairs(self.base_lrs) do list[i] = f(lr) end
  return list
end

--- Sets the rates of the groups; one that is a tensor is filled.
function Scheduler:set(rates)
  local groups = self.optimizer.param_groups
  if #rates ~= #groups then
    fail(self.name, "the optimizer has %d groups by now, and the schedule knows %d", #groups, #rates)
  end
  for i, group in ipairs(groups) do
    if cr.is_tensor(group.lr) then cr.no_grad(group.lr.fill_, group.lr, rates[i]) else group.lr = rates[i] end
  end
  self._last_lr = self:present()
end

--- Goes to the next step, or to one that is named.
function Scheduler:advance(epoch, initial)
  local at = epoch or self.last_epoch + 1
  local rates = epoch and self.closed and self:closed(at) or self:rates(at, initial)
  self:set(rates)
  self.last_epoch = at
end

function Scheduler:initial_step()
  self._step_count, self.seen = 1, self.optimizer.steps
  self:advance(nil, true)
end

--- One step of the schedule, after one (or an epoch) of the optimizer. `epoch` goes to a certain step.
function Scheduler:step(epoch)
  if epoch ~= nil and type(epoch) ~= "number" then
    fail(self.name, "step: the epoch must be a number, got %s", options.describe(epoch))
  end
  if self._step_count == 1 and self.seen == self.optimizer.steps then
    cr.warn(self.name .. ": step: the optimizer has taken no step yet, so the first rate is skipped; call opt:step() "
      .. "before the schedule's")
  end
  self:advance(epoch)
  self._step_count = self._step_count + 1
end

--- The rates that the last step has set, a list with one for each group.
function Scheduler:get_last_lr() return table.move(self._last_lr, 1, #self._last_lr, 1, {}) end

-- ---- What is saved ---------------------------------------------------------------------------------------

local private = { optimizer = true, seen = true, schedulers = true, lr_lambdas = true }

local function copy(value)
  if type(value) ~= "table" then return value end
  local made = {}
  for k, v in next, value do
    if type(v) ~= "function" then made[k] = copy(v) end
  end
  return made
end

--- All fields of the schedule but its functions and its optimizer, as a plain table.
function Scheduler:state_dict()
  local dict = {}
  for name, value in next, self do
    if not private[name] and type(value) ~= "function" and not require "cresset.callable"(value) then
      dict[name] = copy(value)
    end
  end
  if self.schedulers then
    dict._schedulers = {}
    for i, s in ipairs(self.schedulers) do dict._schedulers[i] = s:state_dict() end
  end
  return dict
end

local function check_dict(self, dict)
  if type(dict) ~= "table" then
    fail(self.name, "load_state_dict: the dict must be a table, got %s", options.describe(dict))
  end
  for name, value in next, dict do
    local mine = self[name]
    if not private[name] and mine ~= nil and type(mine) ~= "function" and type(mine) ~= type(value) then
      fail(self.name, "load_state_dict: %s must be a %s, got %s", tostring(name), type(mine), options.describe(value))
    end
  end
  if self.schedulers and (type(dict._schedulers) ~= "table" or #dict._schedulers ~= #self.schedulers) then
    fail(self.name, "load_state_dict: there are %d schedules here, and not as many in what is loaded", #self.schedulers)
  end
  for i, s in ipairs(self.schedulers or {}) do check_dict(s, dict._schedulers[i]) end
end

local function take(self, dict)
  for name, value in next, dict do
    local mine = rawget(self, name)
    if not private[name] and name ~= "_schedulers" and type(mine) ~= "function" and mine ~= nil then
      self[name] = copy(value)
    end
  end
  for i, s in ipairs(self.schedulers or {}) do take(s, dict._schedulers[i]) end
end

--- Takes over what state_dict() gave; the rates themselves are in the optimizer's state.
function Scheduler:load_state_dict(dict)
  check_dict(self, dict)
  take(self, dict)
end

return Scheduler
