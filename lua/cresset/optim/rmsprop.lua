-- rmsprop.lua: RMSprop: steps in units of the root of the mean of the gradient's squares.
--
-- Holds true: the formulas are PyTorch's; `centered` takes the square of the mean off the mean of squares.

local options = require "cresset.optim.options"
local rule = require "cresset.optim.rule"

local check = options.check

local CENTERED, MOMENTUM = 1, 2

return rule("RMSprop", {
  rule = "rmsprop",
  like_parameter = { "square_avg", "grad_avg", "momentum_buffer" },
  options = {
    lr = { 1e-2, check.rate }, alpha = { 0.99, check.nonnegative }, eps = { 1e-8, check.nonnegative },
    weight_decay = { 0, check.nonnegative }, momentum = { 0, check.nonnegative }, centered = { false, check.flag },
    capturable = { false, check.flag }, foreach = { nil, check.flag }, maximize = { false, check.flag },
    differentiable = { false, check.undifferentiable },
  },
  lists = function(group)
    return { "square_avg", group.centered and "grad_avg", group.momentum > 0 and "momentum_buffer" }
  end,
  switches = function(group) return (group.centered and CENTERED or 0) | (group.momentum > 0 and MOMENTUM or 0) end,
  numbers = function(group)
    return { group.weight_decay, group.maximize and -1 or 1, group.alpha, 1 - group.alpha, group.eps,
      options.number_of(group.lr), group.momentum }
  end,
})
