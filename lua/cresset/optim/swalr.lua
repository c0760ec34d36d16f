-- swalr.lua: SWALR: rates that go to those of averaged weights, and stay there.
--
-- Holds true: the formulas are PyTorch's.

local options = require "cresset.optim.options"
local Scheduler = require "cresset.optim.lr_scheduler.scheduler"

local check, fail = options.check, options.fail

local function check_rate(x)
  if type(x) ~= "table" then return check.nonnegative(x) end
  for _, v in ipairs(x) do
    if check.nonnegative(v) then return "a number of at least 0, or a list of them" end
  end
end

local SWALR = Scheduler.class("SWALR", { "swa_lr" }, {
  swa_lr = { nil, check_rate }, anneal_epochs = { 10, check.whole },
  anneal_strategy = { "cos", check.words("cos", "linear") },
})

function SWALR:make(found)
  local groups, rates = self.optimizer.param_groups, found.swa_lr
  if type(rates) == "table" and #rates ~= #groups then
    fail(self.name, "swa_lr must be a number or one for each of %d groups, got %d", #groups, #rates)
  end
  for i, group in ipairs(groups) do group.swa_lr = type(rates) == "table" and rates[i] or rates end
  self.anneal_epochs, self._anneal_strategy = found.anneal_epochs, found.anneal_strategy
  self:start(found.last_epoch)
end

-- How far the way is done after so many steps.
local function done(self, step)
  local t = math.max(0, math.min(1, step / math.max(1, self.anneal_epochs)))
  return self._anneal_strategy == "linear" and t or (1 - math.cos(math.pi * t)) / 2
end

function SWALR:rates(_, initial)
  local list, step = self:present(), initial and 0 or self._step_count
  if self.anneal_epochs == 0 then step = math.max(1, step) end
  local before, now = done(self, step - 1), done(self, step)
  for i, group in ipairs(self.optimizer.param_groups) do
    local goal = group.swa_lr
    local first = before == 1 and goal or (list[i] - before * goal) / (1 - before)
    list[i] = goal * now + first * (1 - now)
  end
  return list
end

return SWALR
