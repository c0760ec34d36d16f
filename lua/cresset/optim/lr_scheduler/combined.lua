-- combined.lua: schedules made of others: one after the other, or all at once.
--
-- Holds true: the rules are PyTorch's; the schedules are of one optimizer.

local options = require "cresset.optim.options"
local Scheduler = require "cresset.optim.lr_scheduler.scheduler"

local fail = options.fail

local M = {}

local function check_list(name, list, optimizer)
  if type(list) ~= "table" or getmetatable(list) or #list == 0 then
    fail(name, "schedulers must be a list of at least one schedule, got %s", options.describe(list))
  end
  for i, s in ipairs(list) do
    if type(s) ~= "table" or not Scheduler.is_optimizer(rawget(s, "optimizer")) then
      fail(name, "schedulers[%d] must be a schedule, got %s", i, options.describe(s))
    elseif s.name == "ReduceLROnPlateau" then
      fail(name, "schedulers[%d] is a ReduceLROnPlateau, whose steps need a measure; step it by itself", i)
    elseif s.optimizer ~= (optimizer or list[1].optimizer) then
      fail(name, "schedulers[%d] is of another optimizer", i)
    end
  end
end

local function any() end

-- ---- One after the other -------------------------------------------------------------------------------------

local SequentialLR = Scheduler.class("SequentialLR", { "schedulers", "milestones" },
  { schedulers = { nil, any }, milestones = { nil, any } })
M.SequentialLR = SequentialLR

-- The schedules have taken their first steps, which only the first one should have.
local function undo(s)
  for _, part in ipairs(s.schedulers or {}) do undo(part) end
  if not s.schedulers and s.last_epoch then s.last_epoch = s.last_epoch - 1 end
end

-- Which schedule a step belongs to.
local function turn(milestones, epoch)
  local i = 1
  while milestones[i] and milestones[i] <= epoch do i = i + 1 end
  return i
end

function SequentialLR:make(found)
  local list, milestones = found.schedulers, found.milestones
  check_list(self.name, list, self.optimizer)
  if type(milestones) ~= "table" or #milestones ~= #list - 1 then
    fail(self.name, "milestones must be a list of %d steps for %d schedules", #list - 1, #list)
  end
  self.schedulers, self._milestones, self.last_epoch = list, milestones, found.last_epoch + 1
  local first = {}
  for i, group in ipairs(self.optimizer.param_groups) do first[i] = group.initial_lr end
  self:set(first)
  undo(self)
  local now = list[turn(milestones, 0)]
  now:initial_step()
  self._last_lr = now:get_last_lr()
end

function SequentialLR:step()
  local epoch = self.last_epoch + 1
  local i = turn(self._milestones, epoch)
  local now = self.schedulers[i]
  if i > 1 and self._milestones[i - 1] == epoch then now:advance(0) else now:step() end
  self.last_epoch = epoch
  self._last_lr = now:get_last_lr()
end

-- A schedule that is nested begins as it was made.
function SequentialLR:initial_step()
  local now = self.schedulers[turn(self._milestones, 0)]
  now:initial_step()
  self._last_lr = now:get_last_lr()
end

-- ---- All at once -----------------------------------------------------------------------------------------------

local ChainedScheduler = Scheduler.class("ChainedScheduler", { "schedulers" }, { schedulers = { nil, any } })

function ChainedScheduler:step()
  for _, s in ipairs(self.schedulers) do s:step() end
  self._last_lr = self:present()
end

-- The first argument are the schedules here.
M.ChainedScheduler = setmetatable(ChainedScheduler, { __index = Scheduler,
  __tostring = getmetatable(ChainedScheduler).__tostring,
  __call = function(class, list, given)
    local optimizer = options.read(class.name, given, { optimizer = { nil, any } }).optimizer
    check_list(class.name, list, optimizer)
    local self = setmetatable({ schedulers = list, optimizer = list[1].optimizer }, class)
    self._last_lr = self:present()
    return self
  end })

return M
