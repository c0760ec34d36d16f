-- factors.lua: schedules that multiply the learning rate with a factor.
--
-- Holds true: the formulas are PyTorch's, from one step to the next, and closed ones for a step that is named.

local options = require "cresset.optim.options"
local Scheduler = require "cresset.optim.lr_scheduler.scheduler"

local check, fail = options.check, options.fail

local M = {}

-- ---- Functions of the step ---------------------------------------------------------------------------------

-- A function for each group, of one for all or a list.
local function functions(self, given)
  local groups, list = #self.optimizer.param_groups, given
  if type(given) ~= "table" or getmetatable(given) then
    list = {}
    for i = 1, groups do list[i] = given end
  end
  if #list ~= groups then
    fail(self.name, "lr_lambda must be a function, or one for each of %d groups, got %d", groups, #list)
  end
  for i, f in ipairs(list) do
    if check.callable(f) then fail(self.name, "lr_lambda[%d] must be a function, got %s", i, options.describe(f)) end
  end
  return list
end

local function factor(self, i, epoch)
  local x = self.lr_lambdas[i](epoch)
  if type(x) ~= "number" then
    fail(self.name, "lr_lambda must return a number, it returned %s", options.describe(x))
  end
  return x
end

local function make(self, found)
  self.lr_lambdas = functions(self, found.lr_lambda)
  self:start(found.last_epoch)
end

local function any() end

local LambdaLR = Scheduler.class("LambdaLR", { "lr_lambda" }, { lr_lambda = { nil, any } })
LambdaLR.make = make
function LambdaLR:rates(epoch)
  local list = {}
  for i, lr in ipairs(self.base_lrs) do list[i] = lr * factor(self, i, epoch) end
  return list
end

local MultiplicativeLR = Scheduler.class("MultiplicativeLR", { "lr_lambda" }, { lr_lambda = { nil, any } })
MultiplicativeLR.make = make
function MultiplicativeLR:rates(epoch, initial)
  local list = self:present()
  for i, lr in ipairs(list) do list[i] = initial and lr or lr * factor(self, i, epoch) end
  return list
end

M.LambdaLR, M.MultiplicativeLR = LambdaLR, MultiplicativeLR

-- ---- Steps at certain times ----------------------------------------------------------------------------------

local StepLR = Scheduler.class("StepLR", { "step_size" },
  { step_size = { nil, check.count }, gamma = { 0.1, check.number } })
function StepLR:rates(epoch)
  return self:scaled((epoch == 0 or epoch % self.step_size ~= 0) and 1 or self.gamma)
end
function StepLR:closed(epoch)
  return self:of_base(function(lr) return lr * self.gamma ^ (epoch // self.step_size) end)
end

local function check_milestones(x)
  if type(x) ~= "table" or getmetatable(x) then return "a list of whole numbers" end
  for _, n in ipairs(x) do
    if math.type(n) ~= "integer" then return "a list of whole numbers" end
  end
end

-- How many of the milestones a test holds for.
local function count(list, test)
  local n = 0
  for _, at in ipairs(list) do n = n + (test(at) and 1 or 0) end
  return n
end

local MultiStepLR = Scheduler.class("MultiStepLR", { "milestones" },
  { milestones = { nil, check_milestones }, gamma = { 0.1, check.number } })
function MultiStepLR:rates(epoch)
  local n = count(self.milestones, function(at) return at == epoch end)
  return self:scaled(n == 0 and 1 or self.gamma ^ n)
end
function MultiStepLR:closed(epoch)
  local n = count(self.milestones, function(at) return at <= epoch end)
  return self:of_base(function(lr) return lr * self.gamma ^ n end)
end

local ConstantLR = Scheduler.class("ConstantLR", {},
  { factor = { 1 / 3, check.share }, total_iters = { 5, check.whole } })
function ConstantLR:rates(epoch)
  if epoch == 0 then return self:scaled(self.factor) end
  return epoch ~= self.total_iters and self:present() or self:scaled(1 / self.factor)
end
function ConstantLR:closed(epoch)
  return self:of_base(function(lr) return lr * (self.factor + (epoch >= self.total_iters and 1 - self.factor or 0)) end)
end

M.StepLR, M.MultiStepLR, M.ConstantLR = StepLR, MultiStepLR, ConstantLR

-- ---- Steady changes --------------------------------------------------------------------------------------------

local function check_start(x)
  return not (type(x) == "number" and x > 0 and x <= 1) and "a number above 0 and at most 1" or nil
end

local LinearLR = Scheduler.class("LinearLR", {}, {
  start_factor = { 1 / 3, check_start }, end_factor = { 1.0, check.share }, total_iters = { 5, check.whole },
})
function LinearLR:rates(epoch, initial)
  if epoch == 0 then return self:scaled(self.start_factor) end
  if initial or epoch > self.total_iters then return self:present() end
  local change = self.end_factor - self.start_factor
  return self:scaled(1 + change / (self.total_iters * self.start_factor + (epoch - 1) * change))
end
function LinearLR:closed(epoch)
  local change = self.end_factor - self.start_factor
  return self:of_base(function(lr)
    return lr * (self.start_factor + change * math.min(self.total_iters, epoch) / self.total_iters)
  end)
end

local ExponentialLR = Scheduler.class("ExponentialLR", { "gamma" }, { gamma = { nil, check.number } })
function ExponentialLR:rates(_, initial) return initial and self:present() or self:scaled(self.gamma) end
function ExponentialLR:closed(epoch)
  return self:of_base(function(lr) return lr * self.gamma ^ epoch end)
end

local PolynomialLR = Scheduler.class("PolynomialLR", {},
  { total_iters = { 5, check.count }, power = { 1.0, check.number } })
function PolynomialLR:rates(epoch, initial)
  local total = self.total_iters
  if initial or epoch > total then return self:present() end
  return self:scaled(((1 - epoch / total) / (1 - (epoch - 1) / total)) ^ self.power)
end
function PolynomialLR:closed(epoch)
  local total = self.total_iters
  return self:of_base(function(lr) return lr * (1 - math.min(total, epoch) / total) ^ self.power end)
end

M.LinearLR, M.ExponentialLR, M.PolynomialLR = LinearLR, ExponentialLR, PolynomialLR

return M
