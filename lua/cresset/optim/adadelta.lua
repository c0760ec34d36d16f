-- adadelta.lua: Adadelta: steps as long as those of late, in units of the root of the mean of the gradient's squares.
--
-- Holds true: the formulas are PyTorch's.

local options = require "cresset.optim.options"
local rule = require "cresset.optim.rule"

local check = options.check

return rule("Adadelta", {
  rule = "adadelta",
  like_parameter = { "square_avg", "acc_delta" },
  options = {
    lr = { 1.0, check.rate },
    rho = { 0.9, check.share },
    eps = { 1e-6, check.nonnegative }, weight_decay = { 0, check.nonnegative }, foreach = { nil, check.flag },
    capturable = { false, check.flag }, maximize = { false, check.flag },
    differentiable = { false, check.undifferentiable },
  },
  lists = function() return { "square_avg", "acc_delta" } end,
  numbers = function(group)
    return { group.weight_decay, group.maximize and -1 or 1, group.rho, 1 - group.rho, group.eps,
      options.number_of(group.lr) }
  end,
})
