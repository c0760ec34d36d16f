-- adam.lua: Adam and AdamW: steps along the mean of gradients, in units of the root of the mean of their squares.
--
-- Holds true: the formulas are PyTorch's; the bias of the means, which begin with zeros, is corrected in double.

local options = require "cresset.optim.options"
local rule = require "cresset.optim.rule"

local check = options.check

local function lists(group) return { "exp_avg", "exp_avg_sq", group.amsgrad and "max_exp_avg_sq" } end

local function numbers(group, step)
  local beta1, beta2 = group.betas[1], group.betas[2]
  local lr, decay, decoupled = options.number_of(group.lr), group.weight_decay, group.decoupled_weight_decay
  return { decoupled and 0 or decay, group.maximize and -1 or 1, decoupled and 1 - lr * decay or 1, 1 - beta1, beta2,
    1 - beta2, group.eps, lr / (1 - beta1 ^ step), (1 - beta2 ^ step) ^ 0.5 }
end

local function class(name, weight_decay, decoupled, forced)
  return rule(name, {
    rule = "adam", lists = lists, numbers = numbers, forced = forced,
    like_parameter = { "exp_avg", "exp_avg_sq", "max_exp_avg_sq" },
    switches = function(group) return group.amsgrad and 1 or 0 end,
    options = {
      lr = { 1e-3, check.rate }, betas = { { 0.9, 0.999 }, check.betas }, eps = { 1e-8, check.nonnegative },
      weight_decay = { weight_decay, check.nonnegative }, amsgrad = { false, check.flag },
      maximize = { false, check.flag }, foreach = { nil, check.flag }, capturable = { false, check.flag },
      differentiable = { false, check.undifferentiable }, fused = { nil, check.flag },
      decoupled_weight_decay = decoupled,
    },
  })
end

return {
  Adam = class("Adam", 0, { false, check.flag }),
  -- The decay of AdamW is always its own, whatever is loaded.
  AdamW = class("AdamW", 1e-2, { true, function(x) return x ~= true and "true; optim.Adam has the other" or nil end },
    { decoupled_weight_decay = true }),
}
