-- loss.lua: how far predictions are from targets.
--
-- Holds true: a loss is computed element by element (the hidden *_elements), weighted, and then
-- folded as `reduction` says: "mean", "sum" or "none" (kl_div also "batchmean"). Each loss has a derivative
-- by each of its float tensors.

kernel "check_probabilities(from)"
kernel "check_variances(from)"

local function pair(s) return { { s.t({ 2, 3 }, -2, 2), s.t({ 2, 3 }, -2, 2) } } end

local function reductions(s)
  return {
    { s.t({ 2, 3 }, -2, 2), s.t({ 2, 3 }, -2, 2) }, { s.t({ 4 }, -2, 2), s.t({ 4 }, -2, 2), "sum" },
    { s.t({ 2, 3 }, -2, 2), s.t({ 2, 3 }, -2, 2), "none" }, { s.t({}, -2, 2), s.t({}, -2, 2) },
  }
end

-- With a threshold that no distance hits: derivatives jump there.
local function thresholds(s)
  return {
    { s.t({ 2, 3 }, -2, 2), s.t({ 2, 3 }, -2, 2), "mean", 0.7 }, { s.t({ 4 }, -2, 2), s.t({ 4 }, -2, 2), "sum", 1.3 },
    { s.t({}, -2, 2), s.t({}, -2, 2), "none", 0.7 },
  }
end

-- ---- Distances ------------------------------------------------------------------------------------

op [[l1_loss(input: tensor, target: tensor, reduction: "none" | "mean" | "sum" = "mean")]] {
  autocast = "float32",
  doc = "The mean (or sum) of |input - target|; its gradient is 0 where they are equal.",
  method = false, warns = true,
  run = "distance", composite = true,
  samples = reductions,
}

op [[mse_loss(input: tensor, target: tensor, reduction: "none" | "mean" | "sum" = "mean")]] {
  autocast = "float32",
  doc = "The mean (or sum) of (input - target)^2.",
  method = false, warns = true,
  run = "distance", composite = true,
  samples = reductions,
}

op [[smooth_l1_loss(input: tensor, target: tensor, reduction: "none" | "mean" | "sum" = "mean", beta: float = 1.0)]] {
  autocast = "float32",
  doc = [[Like l1_loss, but d^2 / (2 beta) for distances d below beta, and reduced by beta / 2 above; with
    beta = 0 it is l1_loss.]],
  method = false, warns = true,
  run = "distance", composite = true,
  samples = thresholds,
}

op [[huber_loss(input: tensor, target: tensor, reduction: "none" | "mean" | "sum" = "mean", delta: float = 1.0)]] {
  autocast = "float32",
  doc = "smooth_l1_loss times its threshold: d^2 / 2 for distances d up to delta, delta * (d - delta / 2) above.",
  method = false, warns = true,
  run = "distance", composite = true,
  samples = thresholds,
}

op "l1_elements(input: tensor, target: tensor)" {
  doc = "|input - target|.",
  hidden = true, pointwise = "abs(x - y)", dtypes = "float",
  grad = {
    input = function(g, v) return g * (v.input - v.target):sign() end,
    target = function(g, v) return g * (v.target - v.input):sign() end,
  },
  samples = pair,
}

op "mse_elements(input: tensor, target: tensor)" {
  doc = "(input - target)^2.",
  hidden = true, pointwise = "(x - y) * (x - y)", dtypes = "float",
  grad = {
    input = function(g, v) return g * ((v.input - v.target) * 2) end,
    target = function(g, v) return g * ((v.target - v.input) * 2) end,
  },
  samples = pair,
}

op "smooth_l1_elements(input: tensor, target: tensor, beta: float)" {
  doc = "d^2 / (2 beta) for d = |input - target| below beta, else d - beta / 2.",
  hidden = true, dtypes = "float",
  pointwise = "abs(x - y) < a ? 0.5 * (x - y) * ((x - y) / a) : abs(x - y) - 0.5 * a",
  grad = {
    input = function(g, v) return g * ((v.input - v.target) / v.beta):clamp(-1, 1) end,
    target = function(g, v) return g * ((v.target - v.input) / v.beta):clamp(-1, 1) end,
  },
  samples = function(s) return { { s.t({ 2, 3 }, -2, 2), s.t({ 2, 3 }, -2, 2), 0.7 } } end,
}

op "huber_elements(input: tensor, target: tensor, delta: float)" {
  doc = "d^2 / 2 for d = |input - target| below delta, else delta * (d - delta / 2).",
  hidden = true, dtypes = "float",
  pointwise = "abs(x - y) < a ? 0.5 * (x - y) * (x - y) : a * (abs(x - y) - 0.5 * a)",
  grad = {
    input = function(g, v) return g * (v.input - v.target):clamp(-v.delta, v.delta) end,
    target = function(g, v) return g * (v.target - v.input):clamp(-v.delta, v.delta) end,
  },
  samples = function(s) return { { s.t({ 2, 3 }, -2, 2), s.t({ 2, 3 }, -2, 2), 0.7 } } end,
}

-- ---- Probabilities of two classes -----------------------------------------------------------------

local function chances(s)
  return {
    { s.t({ 2, 3 }, 0.125, 0.875), s.t({ 2, 3 }, 0, 1) },
    { s.t({ 4 }, 0.125, 0.875), s.t({ 4 }, 0, 1), s.t({ 4 }, 0.5, 2), "sum" },
    { s.t({ 2, 3 }, 0.125, 0.875), s.t({ 2, 3 }, 0, 1), s.none, "none" },
  }
end

op [[binary_cross_entropy(input: tensor, target: tensor, weight: tensor?,
  reduction: "none" | "mean" | "sum" = "mean")]] {
  autocast = { cpu = "float32", cuda = "refused" },
  doc = [[The mean (or sum) of -(target * log(input) + (1 - target) * log(1 - input)) for probabilities input
    in [0, 1]; each logarithm counts as -100 where it is less.]],
  method = false, run = "binary_cross_entropy", composite = true,
  samples = chances,
}

op "bce_elements(input: tensor, target: tensor)" {
  doc = "Binary cross entropy without a reduction, its logarithms clamped at -100.",
  hidden = true, dtypes = "float",
  pointwise = "(y - 1) * maximum(log1p(-x), -100) - y * maximum(log(x), -100)",
  grad = {
    input = function(g, v) return g * v.input:bce_slope(v.target) end,
    target = function(g, v)
      return g * ((-v.input):log1p() - v.input:log())
    end,
  },
  samples = function(s) return { { s.t({ 2, 3 }, 0.125, 0.875), s.t({ 2, 3 }, 0, 1) } } end,
}

-- (x - y) / (x (1 - x)) is (1 - y) / (1 - x) - y / x, and with a constant below it a line.
op "bce_slope(input: tensor, target: tensor)" {
  doc = "The derivative of bce_elements by input: (input - target) / (input * (1 - input)), never divided by 0.",
  hidden = true, dtypes = "float",
  pointwise = "(x - y) / maximum(x * (1 - x), 1e-12)",
  grad = {
    input = function(g, v)
      local inside = (v.input * (1 - v.input)):gt(1e-12)
      local x = ops.where(inside, v.input, 0.5)
      local bend = v.target / x:square() + ops.rsub(v.target, 1) / ops.rsub(x, 1):square()
      return g * ops.where(inside, bend, 1e12)
    end,
    target = function(g, v) return -g / (v.input * (1 - v.input)):clamp_min(1e-12) end,
  },
  samples = function(s) return { { s.t({ 2, 3 }, 0.125, 0.875), s.t({ 2, 3 }, 0, 1) } } end,
}

op [[binary_cross_entropy_with_logits(input: tensor, target: tensor, weight: tensor?,
  reduction: "none" | "mean" | "sum" = "mean", pos_weight: tensor?)]] {
  autocast = "float32",
  doc = [[binary_cross_entropy of sigmoid(input), computed without overflow; pos_weight multiplies the part
    of each loss that comes from target, by class (it is broadcast).]],
  method = false, run = "binary_cross_entropy", composite = true,
  samples = function(s)
    local cases = chances(s)
    cases[#cases + 1] = { s.t({ 2, 3 }, -2, 2), s.t({ 2, 3 }, 0, 1), s.none, "mean", s.t({ 3 }, 0.5, 2) }
    return cases
  end,
}

op "bce_logits_elements(input: tensor, target: operand)" {
  doc = "Binary cross entropy of sigmoid(input) without a reduction; 0 of an infinite input that is right.",
  hidden = true, dtypes = "float",
  pointwise = "(y == (x > 0 ? 1 : 0) ? 0 : ((x > 0 ? 1 : 0) - y) * x) + log1p(exp(-abs(x)))",
  grad = {
    input = function(g, v) return g * v.input:bce_logits_slope(v.target) end,
    target = function(g, v) return -(g * v.input) end,
  },
  samples = pair,
}

-- sigmoid(x) = 1 - sigmoid(-x): the form whose parts do not round the difference away.
op "bce_logits_slope(input: tensor, target: operand)" {
  doc = "The derivative of bce_logits_elements by input: sigmoid(input) - target, exact near 0 and 1.",
  hidden = true, dtypes = "float",
  pointwise = "x > 0 ? (1 - y) - sigmoid(-x) : sigmoid(x) - y",
  grad = {
    input = function(g, v) return g * (v.input:sigmoid() * (-v.input):sigmoid()) end,
    target = function(g) return -g end,
  },
  samples = pair,
}

op [[kl_div(input: tensor, target: tensor, reduction: "none" | "mean" | "sum" | "batchmean" = "mean",
  log_target: bool = false)]] {
  autocast = "float32",
  doc = [[The mean (or sum) of target * (log(target) - input) where input holds logarithms of probabilities;
    with log_target, target holds them too. "batchmean" divides the sum by the size of the first dim.]],
  method = false, run = "kl_div", composite = true,
  samples = function(s)
    return { { s.t({ 2, 3 }, -2, 0), s.t({ 2, 3 }, 0.25, 1) },
      { s.t({ 2, 3 }, -2, 0), s.t({ 2, 3 }, 0.25, 1), "batchmean" },
      { s.t({ 2, 3 }, -2, 0), s.t({ 2, 3 }, -2, 0), "sum", true } }
  end,
}

op "kl_log_elements(input: tensor, target: tensor)" {
  doc = "exp(target) * (target - input), 0 where exp(target) is 0.",
  hidden = true, dtypes = "float",
  pointwise = "exp(y) == 0 ? 0 : exp(y) * (y - x)",
  grad = {
    input = function(g, v) return -(g * v.target:exp()) end,
    target = function(g, v)
      local share = v.target:exp()
      return g * share * (v.target - v.input + 1):masked_fill(share:eq(0), 0)
    end,
  },
  samples = function(s) return { { s.t({ 2, 3 }, -2, 0), s.t({ 2, 3 }, -2, 0) } } end,
}

op "kl_elements(input: tensor, target: tensor)" {
  doc = "target * (log(target) - input), 0 where target is 0.",
  hidden = true, dtypes = "float",
  pointwise = "y == 0 ? 0 : y * (log(y) - x)",
  grad = {
    input = function(g, v) return -(g * v.target) end,
    target = function(g, v)
      local zero = v.target:eq(0)
      return g * (v.target:masked_fill(zero, 1):log() + 1 - v.input):masked_fill(zero, 0)
    end,
  },
  samples = function(s) return { { s.t({ 2, 3 }, -2, 0), s.t({ 2, 3 }, 0.25, 1) } } end,
}

-- What a class of no weight adds, though it be impossible (and its logarithm infinite).
op "weigh(input: tensor, weight: tensor)" {
  doc = "input * weight, 0 where weight is 0 and input infinite.",
  hidden = true, dtypes = "float",
  pointwise = "y == 0 && isinf(x) ? 0 : x * y",
  grad = {
    input = function(g, v) return g * v.weight end,
    weight = function(g, v) return g:weigh_d(v.input, v.weight) end,
  },
  samples = pair,
}

op "weigh_d(grad: tensor, input: tensor, weight: tensor)" {
  doc = "The derivative of weigh by weight.",
  hidden = true, dtypes = "float",
  pointwise = "z == 0 && isinf(y) ? 0 : x * y",
  grad = {
    grad = function(g, v) return g:weigh_d(v.input, v.weight) end,
    input = function(g, v) return g * v.grad end,
  },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2), s.t({ 3 }, 0.5, 2) } } end,
}

-- ---- Likelihoods ----------------------------------------------------------------------------------

op [[gaussian_nll_loss(input: tensor, target: tensor, var: operand, full: bool = false, eps: float = 1e-6,
  reduction: "none" | "mean" | "sum" = "mean")]] {
  doc = [[The mean (or sum) of (log(var) + (input - target)^2 / var) / 2, where var counts as eps at least (which its
    gradient does not know); full adds log(2 pi) / 2. var is a number, or has the shape of input, without the last dim
    or with a size of 1 in one.]],
  method = false, run = "gaussian_nll_loss", composite = true,
  samples = function(s)
    return { { s.t({ 2, 3 }), s.t({ 2, 3 }), s.t({ 2, 3 }, 0.5, 2) },
      { s.t({ 2, 3 }), s.t({ 2, 3 }), s.t({ 2 }, 0.5, 2), true, 1e-6, "sum" },
      { s.t({ 2, 3 }), s.t({ 2, 3 }), s.t({ 1, 3 }, 0.5, 2), false, 1e-6, "none" }, { s.t({ 4 }), s.t({ 4 }), 0.5 } }
  end,
}

op "gaussian_elements(input: tensor, target: tensor, var: operand)" {
  doc = "(log(var) + (input - target)^2 / var) / 2; no square of a difference leaves the range.",
  hidden = true, dtypes = "float",
  pointwise = "0.5 * (log(z) + (x - y) * ((x - y) / z))",
  grad = {
    input = function(g, v) return g * ((v.input - v.target) / v.var) end,
    target = function(g, v) return g * ((v.target - v.input) / v.var) end,
    var = function(g, v)
      local d = v.input - v.target
      return g * 0.5 * (ops.rsub(d * (d / v.var), 1) / v.var)
    end,
  },
  samples = function(s) return { { s.t({ 2, 3 }), s.t({ 2, 3 }), s.t({ 3 }, 0.5, 2) } } end,
}

op "hold_above(self: tensor, lowest: float)" {
  doc = "The larger of self and lowest, where the gradient passes as if it were self.",
  hidden = true, pointwise = "maximum(x, a)", dtypes = "float",
  grad = { self = function(g) return g end },
  samples = function(s) return { { s.t({ 2, 3 }, 1, 2), 0.5 } } end,
}

op [[poisson_nll_loss(input: tensor, target: tensor, log_input: bool = true, full: bool = false, eps: float = 1e-8,
  reduction: "none" | "mean" | "sum" = "mean")]] {
  autocast = "float32",
  doc = [[The mean (or sum) of exp(input) - target * input, where input is the logarithm of the rate, or else of
    input - target * log(input + eps). full adds what target alone decides, by Stirling's formula for targets above
    1.]],
  method = false, run = "poisson_nll_loss", composite = true,
  samples = function(s)
    return { { s.t({ 2, 3 }), s.t({ 2, 3 }, 0, 4) },
      { s.t({ 2, 3 }, 0.5, 2), s.t({ 2, 3 }, 1.5, 4), false, true, 1e-8, "sum" },
      { s.t({ 4 }), s.t({ 4 }, 0, 0.75), true, true, 1e-8, "none" } }
  end,
}

op "poisson_log_elements(input: tensor, target: tensor)" {
  doc = "exp(input) - target * input.",
  hidden = true, pointwise = "exp(x) - y * x", dtypes = "float",
  grad = {
    input = function(g, v) return g * (v.input:exp() - v.target) end,
    target = function(g, v) return -(g * v.input) end,
  },
  samples = pair,
}

op "poisson_elements(input: tensor, target: tensor, eps: float)" {
  doc = "input - target * log(input + eps).",
  hidden = true, pointwise = "x - y * log(x + a)", dtypes = "float",
  grad = {
    input = function(g, v) return g * ops.rsub(v.target / (v.input + v.eps), 1) end,
    target = function(g, v) return -(g * (v.input + v.eps):log()) end,
  },
  samples = function(s) return { { s.t({ 2, 3 }, 0.5, 2), s.t({ 2, 3 }, 0, 4), 1e-8 } } end,
}

op "stirling(self: tensor)" {
  doc = "log(self!) by Stirling's formula, 0 up to 1.",
  hidden = true, dtypes = "float",
  pointwise = "x <= 1 ? 0 : x * log(x) - x + 0.5 * log(6.28318530717958647693 * x)",
  grad = { self = function(g, v)
    local few = v.self:le(1)
    local x = v.self:masked_fill(few, 1)
    return g * (x:log() + 0.5 / x):masked_fill(few, 0)
  end },
  samples = { domain = { 1.25, 4 } },
}
