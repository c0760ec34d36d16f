-- adamax.lua: Adamax: Adam with the largest size of the gradient of late in the place of the mean of squares.
--
-- Holds true: the formulas are PyTorch's.

local options = require "cresset.optim.options"
local rule = require "cresset.optim.rule"

local check = options.check

return rule("Adamax", {
  rule = "adamax",
  like_parameter = { "exp_avg", "exp_inf" },
  options = {
    lr = { 2e-3, check.rate }, betas = { { 0.9, 0.999 }, check.betas }, eps = { 1e-8, check.nonnegative },
    weight_decay = { 0, check.nonnegative }, foreach = { nil, check.flag }, maximize = { false, check.flag },
    differentiable = { false, check.undifferentiable }, capturable = { false, check.flag },
  },
  lists = function() return { "exp_avg", "exp_inf" } end,
  numbers = function(group, step)
    local beta1, beta2 = group.betas[1], group.betas[2]
    return { group.weight_decay, group.maximize and -1 or 1, 1 - beta1, beta2, group.eps,
      options.number_of(group.lr) / (1 - beta1 ^ step) }
  end,
})
