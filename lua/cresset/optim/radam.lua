-- radam.lua: RAdam: Adam that takes steps of gradient descent until its means are sure enough.
--
-- Holds true: the formulas are PyTorch's; the variance of the adaptive rate is rectified once rho is above 5.

local cr = require "cresset"
local options = require "cresset.optim.options"
local rule = require "cresset.optim.rule"

local check = options.check

return rule("RAdam", {
  rule = "radam",
  like_parameter = { "exp_avg", "exp_avg_sq" },
  options = {
    lr = { 1e-3, check.rate }, betas = { { 0.9, 0.999 }, check.betas }, eps = { 1e-8, check.nonnegative },
    weight_decay = { 0, check.nonnegative }, decoupled_weight_decay = { false, check.flag },
    foreach = { nil, check.flag }, maximize = { false, check.flag }, capturable = { false, check.flag },
    differentiable = { false, check.undifferentiable },
  },
  lists = function() return { "exp_avg", "exp_avg_sq" } end,
  numbers = function(group, step)
    local beta1, beta2 = group.betas[1], group.betas[2]
    local lr, decay, decoupled = options.number_of(group.lr), group.weight_decay, group.decoupled_weight_decay
    local bias2 = 1 - beta2 ^ step
    local most = 2 / (1 - beta2) - 1
    local rho = most - 2 * step * beta2 ^ step / bias2
    local square = (rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)
    local rectifier
    if type(rho) == "number" then rectifier = rho > 5 and square ^ 0.5 or 0
    else rectifier = cr.where(rho:gt(5), square:clamp_min(0):sqrt(), 0) end
    return { decoupled and 0 or decay, group.maximize and -1 or 1, decoupled and 1 - lr * decay or 1, 1 - beta1, beta2,
      1 - beta2, group.eps, 1 - beta1 ^ step, lr, bias2 ^ 0.5, rectifier }
  end,
})
