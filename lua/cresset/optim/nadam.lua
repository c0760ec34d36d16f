-- nadam.lua: NAdam: Adam with Nesterov's momentum, whose weight grows with the steps.
--
-- Holds true: the formulas are PyTorch's. The product of the weights so far is a float32 there (a float64 where that is
-- the default dtype), and is rounded as one here.

local options = require "cresset.optim.options"
local rule = require "cresset.optim.rule"

local check = options.check

local NAdam = rule("NAdam", {
  rule = "nadam", apart = "mu_product",
  like_parameter = { "exp_avg", "exp_avg_sq" },
  numbers_of_state = { step = true, mu_product = true },
  options = {
    lr = { 2e-3, check.rate }, betas = { { 0.9, 0.999 }, check.betas }, eps = { 1e-8, check.nonnegative },
    weight_decay = { 0, check.nonnegative }, momentum_decay = { 4e-3, check.nonnegative },
    decoupled_weight_decay = { false, check.flag }, foreach = { nil, check.flag }, maximize = { false, check.flag },
    capturable = { false, check.flag }, differentiable = { false, check.undifferentiable },
  },
  lists = function() return { "exp_avg", "exp_avg_sq" } end,
  numbers = function(group, step, state, rows)
    local beta1, beta2 = group.betas[1], group.betas[2]
    local lr, decay, decoupled = options.number_of(group.lr), group.weight_decay, group.decoupled_weight_decay
    local mu = beta1 * (1 - 0.5 * 0.96 ^ (step * group.momentum_decay))
    local next_mu = beta1 * (1 - 0.5 * 0.96 ^ ((step + 1) * group.momentum_decay))
    local product = options.kept(state.mu_product * options.kept(mu))
    rows:keep(state, "mu_product", product)
    return { decoupled and 0 or decay, group.maximize and -1 or 1, decoupled and 1 - lr * decay or 1, 1 - beta1, beta2,
      1 - beta2, group.eps, 1 - beta2 ^ step, lr * (1 - mu) / (1 - product), lr * next_mu / (1 - product * next_mu) }
  end,
})

local make_state = NAdam.make_state
function NAdam:make_state(state, p, group)
  make_state(self, state, p, group)
  state.mu_product = 1.0
end

return NAdam
