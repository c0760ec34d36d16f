-- cosine.lua: schedules along a cosine: down to a least rate and up again, or down and back at once (warm restarts).
--
-- Holds true: the formulas are PyTorch's.

local options = require "cresset.optim.options"
local Scheduler = require "cresset.optim.lr_scheduler.scheduler"

local check, fail = options.check, options.fail
local cos, pi = math.cos, math.pi

local M = {}

local CosineAnnealingLR = Scheduler.class("CosineAnnealingLR", { "T_max" },
  { T_max = { nil, check.positive }, eta_min = { 0.0, check.number } })
M.CosineAnnealingLR = CosineAnnealingLR

function CosineAnnealingLR:closed(epoch)
  return self:of_base(function(lr)
    return self.eta_min + (lr - self.eta_min) * (1 + cos(pi * epoch / self.T_max)) / 2
  end)
end

function CosineAnnealingLR:rates(epoch, initial)
  local list, T, least = self:present(), self.T_max, self.eta_min
  if initial then return list end
  if (epoch - 1 - T) % (2 * T) == 0 then -- at the bottom, the quotient below is 0 / 0
    for i, lr in ipairs(list) do list[i] = lr + (self.base_lrs[i] - least) * (1 - cos(pi / T)) / 2 end
    return list
  end
  local factor = (1 + cos(pi * epoch / T)) / (1 + cos(pi * (epoch - 1) / T))
  for i, lr in ipairs(list) do list[i] = factor * (lr - least) + least end
  return list
end

local Restarts = Scheduler.class("CosineAnnealingWarmRestarts", { "T_0" },
  { T_0 = { nil, check.count }, T_mult = { 1, check.count }, eta_min = { 0.0, check.number } })
M.CosineAnnealingWarmRestarts = Restarts

function Restarts:make(found)
  self.T_0, self.T_i, self.T_mult, self.eta_min = found.T_0, found.T_0, found.T_mult, found.eta_min
  self.T_cur = found.last_epoch
  self:start(found.last_epoch)
end

function Restarts:rates()
  return self:of_base(function(lr)
    return self.eta_min + (lr - self.eta_min) * (1 + cos(pi * self.T_cur / self.T_i)) / 2
  end)
end

-- Where a step, which need not be whole, lies: how far in its cycle, and how long that is.
local function place(self, epoch)
  local first, mult = self.T_0, self.T_mult
  if epoch < first then return epoch, first end
  if mult == 1 then return epoch % first, self.T_i end
  local n = math.floor(math.log(epoch / first * (mult - 1) + 1, mult))
  return epoch - first * (mult ^ n - 1) / (mult - 1), first * mult ^ n
end

--- As other schedules' step; `epoch` may be a fraction, as of batches in an epoch.
function Restarts:step(epoch)
  if epoch ~= nil and not (type(epoch) == "number" and epoch >= 0) then
    fail(self.name, "step: the epoch must be a number of at least 0, got %s", options.describe(epoch))
  end
  if epoch == nil and self.last_epoch < 0 then epoch = 0 end
  if epoch then self.T_cur, self.T_i = place(self, epoch)
  else
    epoch, self.T_cur = self.last_epoch + 1, self.T_cur + 1
    if self.T_cur >= self.T_i then self.T_cur, self.T_i = self.T_cur % self.T_i, self.T_i * self.T_mult end
  end
  self.last_epoch = math.floor(epoch)
  self:set(self:rates())
end

function Restarts:initial_step()
  self._step_count, self.seen = 0, self.optimizer.steps
  self:step()
end

return M
