-- init.lua: cresset.optim: optimizers, schedules of their learning rates, averages of weights.
--
-- Holds true: a name is loaded when it is first used, from the file of its family; one that does not exist is an
-- error with the nearest that does.

local cr = require "cresset"

local M = {}

-- Names by the file that defines them; a file alone is the thing itself.
local files = {
  SGD = "sgd", Adam = "adam", AdamW = "adam", RMSprop = "rmsprop", Adagrad = "adagrad", Adadelta = "adadelta",
  Adamax = "adamax", NAdam = "nadam", RAdam = "radam", Rprop = "rprop", ASGD = "asgd", LBFGS = "lbfgs",
  Adafactor = "adafactor", Muon = "muon", Optimizer = "optimizer", lr_scheduler = "lr_scheduler",
  swa_utils = "swa_utils",
}

local function index(_, name)
  if type(name) ~= "string" or name:sub(1, 1) == "_" then return nil end
  local file = files[name]
  if not file then
    local suggest = require "cresset.suggest"
    local near = name == "SparseAdam" and "; gradients are dense here: optim.Adam does"
      or suggest.nearest(name, files) and ("; did you mean 'optim.%s'?"):format(suggest.nearest(name, files)) or ""
    cr.raise(("cresset.optim has no %s%s"):format(suggest.quote(name), near))
  end
  local loaded = require("cresset.optim." .. file)
  local value = rawget(loaded, name) or loaded
  rawset(M, name, value)
  return value
end

return setmetatable(M, { __index = index, files = files })
