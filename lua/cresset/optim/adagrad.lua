-- adagrad.lua: Adagrad: steps in units of the root of the sum of the gradient's squares.
--
-- Holds true: the formulas are PyTorch's; the state is there from the beginning, as its first value is an option.

local cr = require "cresset"
local options = require "cresset.optim.options"
local rule = require "cresset.optim.rule"

local check = options.check

local Adagrad = rule("Adagrad", {
  rule = "adagrad",
  like_parameter = { "sum" },
  options = {
    lr = { 1e-2, check.rate }, lr_decay = { 0, check.nonnegative }, weight_decay = { 0, check.nonnegative },
    initial_accumulator_value = { 0, check.nonnegative }, eps = { 1e-10, check.nonnegative },
    foreach = { nil, check.flag }, maximize = { false, check.flag },
    differentiable = { false, check.undifferentiable }, fused = { nil, check.flag },
  },
  lists = function() return { "sum" } end,
  numbers = function(group, step)
    return { group.weight_decay, group.maximize and -1 or 1, group.eps,
      options.number_of(group.lr) / (1 + (step - 1) * group.lr_decay) }
  end,
})

function Adagrad:make_state(state, p)
  state.step = 0
  state.sum = cr.full_like(p, self.defaults.initial_accumulator_value)
end

function Adagrad:begin()
  for _, group in ipairs(self.param_groups) do
    for _, p in ipairs(group.params) do self:state_of(p, group) end
  end
  return self
end

return Adagrad
