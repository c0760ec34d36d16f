-- init.lua: optim.lr_scheduler: schedules of learning rates, each loaded when it is first used.
--
-- Holds true: a name that does not exist is an error with the nearest that does.

local cr = require "cresset"

local files = {
  LRScheduler = "scheduler", LambdaLR = "factors", MultiplicativeLR = "factors", StepLR = "factors",
  MultiStepLR = "factors", ConstantLR = "factors", LinearLR = "factors", ExponentialLR = "factors",
  PolynomialLR = "factors", CosineAnnealingLR = "cosine", CosineAnnealingWarmRestarts = "cosine", CyclicLR = "cycles",
  OneCycleLR = "cycles", ReduceLROnPlateau = "plateau", SequentialLR = "combined", ChainedScheduler = "combined",
}

return setmetatable({}, { files = files, __index = function(self, name)
  if type(name) ~= "string" or name:sub(1, 1) == "_" then return nil end
  local file = files[name]
  if not file then
    local suggest = require "cresset.suggest"
    local near = suggest.nearest(name, files)
    cr.raise(("cresset.optim.lr_scheduler has no %s%s"):format(suggest.quote(name),
      near and ("; did you mean 'lr_scheduler.%s'?"):format(near) or ""))
  end
  local loaded = require("cresset.optim.lr_scheduler." .. file)
  local value = rawget(loaded, name) or loaded
  rawset(self, name, value)
  return value
end })
