-- plateau.lua: ReduceLROnPlateau: a lower rate once a measure has stopped getting better.
--
-- Holds true: the rules are PyTorch's.

local cr = require "cresset"
local options = require "cresset.optim.options"
local Scheduler = require "cresset.optim.lr_scheduler.scheduler"

local check, fail = options.check, options.fail

local function check_factor(x) return not (type(x) == "number" and x < 1) and "a number below 1" or nil end

local function check_least(x)
  return type(x) ~= "number" and type(x) ~= "table" and "a number or a list of them" or nil
end

local Plateau = Scheduler.class("ReduceLROnPlateau", {}, {
  mode = { "min", check.words("min", "max") }, factor = { 0.1, check_factor }, patience = { 10, check.whole },
  threshold = { 1e-4, check.number }, threshold_mode = { "rel", check.words("rel", "abs") },
  cooldown = { 0, check.whole },
  min_lr = { 0, check_least },
  eps = { 1e-8, check.number }, last_epoch = { 0, check.whole },
})

-- The least rate of each group.
local function least_rates(self, min_lr)
  local n, list = #self.optimizer.param_groups, {}
  if type(min_lr) == "table" then
    if #min_lr ~= n then fail(self.name, "min_lr must be a number or one for each of %d groups, got %d", n, #min_lr) end
    return table.move(min_lr, 1, n, 1, list)
  end
  for i = 1, n do list[i] = min_lr end
  return list
end

function Plateau:make(found)
  for name, value in next, found do
    if name ~= "min_lr" then self[name] = value end
  end
  self.min_lrs = least_rates(self, found.min_lr)
  if type(found.min_lr) == "number" then self.default_min_lr = found.min_lr end
  self._last_lr = self:present()
  self.best = found.mode == "min" and cr.inf or -cr.inf
  self.cooldown_counter, self.num_bad_epochs = 0, 0
end

local function is_better(self, x)
  local best, threshold = self.best, self.threshold
  if self.mode == "min" then
    return x < (self.threshold_mode == "rel" and best * (1 - threshold) or best - threshold)
  end
  return x > (self.threshold_mode == "rel" and best * (threshold + 1) or best + threshold)
end

local function reduce(self)
  local list = self:present()
  if #list ~= #self.min_lrs then
    if not self.default_min_lr then
      fail(self.name, "step: the optimizer has %d groups by now, and min_lr was given for %d", #list, #self.min_lrs)
    end
    self.min_lrs = least_rates(self, self.default_min_lr)
  end
  for i, lr in ipairs(list) do
    local lower = math.max(lr * self.factor, self.min_lrs[i])
    if lr - lower > self.eps then list[i] = lower end
  end
  self:set(list)
end

--- Tells the measure, a number or a tensor of one element.
function Plateau:step(measure)
  local x = cr.is_tensor(measure) and measure:numel() == 1 and measure:item() or measure
  if type(x) ~= "number" then
    fail(self.name, "step: it needs the measure that is watched, a number, got %s", options.describe(measure))
  end
  self.last_epoch = self.last_epoch + 1
  if is_better(self, x) then self.best, self.num_bad_epochs = x, 0
  else self.num_bad_epochs = self.num_bad_epochs + 1 end
  if self.cooldown_counter > 0 then
    self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
  end
  if self.num_bad_epochs > self.patience then
    reduce(self)
    self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
  end
  self._last_lr = self:present()
end

return Plateau
