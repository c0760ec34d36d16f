-- asgd.lua: ASGD: gradient descent whose rate falls, with the average of the parameters in the state (ax).
--
-- Holds true: the formulas are PyTorch's. The rate (eta) and the share of the average (mu) are float32 there (float64
-- where that is the default dtype), and are rounded so here.

local cr = require "cresset"
local options = require "cresset.optim.options"
local rule = require "cresset.optim.rule"

local check = options.check

local ASGD = rule("ASGD", {
  rule = "asgd", apart = "eta",
  like_parameter = { "ax" },
  numbers_of_state = { step = true, eta = true, mu = true },
  options = {
    lr = { 1e-2, check.rate }, lambd = { 1e-4, check.number }, alpha = { 0.75, check.number },
    t0 = { 1e6, check.number }, weight_decay = { 0, check.nonnegative }, foreach = { nil, check.flag },
    maximize = { false, check.flag }, differentiable = { false, check.undifferentiable },
    capturable = { false, check.flag },
  },
  lists = function() return { "ax" } end,
  numbers = function(group, step, state, rows)
    local lr = options.number_of(group.lr)
    rows:keep(state, "eta", options.kept(lr / (1 + group.lambd * lr * step) ^ group.alpha))
    local after = step - group.t0
    after = type(after) == "number" and math.max(1, after) or after:clamp_min(1)
    rows:keep(state, "mu", options.kept(1 / after))
    return { group.weight_decay, group.maximize and -1 or 1, 1 - group.lambd * state.eta, state.eta, state.mu }
  end,
})

function ASGD:make_state(state, p, group)
  state.step, state.ax, state.mu = 0, cr.zeros_like(p), 1.0
  state.eta = options.kept(options.number_of(group.lr))
  return self
end

return ASGD
