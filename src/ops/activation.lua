-- activation.lua: the nonlinearities of neural networks.
--
-- Holds true: at a kink the derivative is 0 for relu, relu6, hardtanh, hardshrink and softshrink, as
-- in PyTorch. NaN stays NaN. Those without a doubt for integers take them; the rest take floats.

-- Infinite arguments brought to where what falls exponentially is 0, and what it is multiplied with finite.
local function near(x) return ops.clamp_both(x, -1e4, 1e4) end

local triple = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2), 0.25 } } end

op "relu(self: tensor)" {
  doc = "max(x, 0).",
  pointwise = "x <= 0 ? 0 : x", inplace = true,
  grad = { self = function(g, v) return ops.threshold_d(g, v.out, 0) end },
}

op "threshold(self: tensor, threshold: scalar, value: scalar)" {
  doc = "x where x > threshold, else value.",
  pointwise = "x <= a ? b : x", numbers = { value = "stored" }, inplace = true,
  grad = { self = function(g, v) return ops.threshold_d(g, v.self, v.threshold) end },
  samples = function(s) return { { s.t({ 2, 3 }, -2, 2), 0.5, -1 }, { s.t({ 0 }, -2, 2), 0, 0 } } end,
}

op "threshold_d(grad: tensor, self: tensor, threshold: scalar)" {
  doc = "grad where self > threshold, else 0.",
  pointwise = "y <= a ? 0 : x", dtypes = "float", hidden = true,
  grad = { grad = function(g, v) return ops.threshold_d(g, v.self, v.threshold) end },
  samples = triple,
}

op "hardtanh(self: tensor, min_val: scalar = -1, max_val: scalar = 1)" {
  doc = "x brought into [min_val, max_val], of which min_val is not the larger; the derivative on the edges is 0.",
  pointwise = "clamp(x, a, b)", numbers = "bound", check = "hardtanh", inplace = true,
  grad = { self = function(g, v) return ops.hardtanh_d(g, v.self, v.min_val, v.max_val) end },
  samples = function(s) return { { s.t({ 2, 3 }, -2, 2) }, { s.t({ 3 }, -2, 2), -0.55, 0.35 } } end,
}

op "hardtanh_d(grad: tensor, self: tensor, min_val: scalar, max_val: scalar)" {
  doc = "grad where min_val < self < max_val, else 0.",
  pointwise = "y > a && y < b ? x : 0", dtypes = "float", hidden = true,
  grad = { grad = function(g, v) return ops.hardtanh_d(g, v.self, v.min_val, v.max_val) end },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2), -1.05, 1.05 } } end,
}

op "relu6(self: tensor)" {
  doc = "x brought into [0, 6].",
  pointwise = "clamp(x, 0, 6)", inplace = true,
  grad = { self = function(g, v) return ops.hardtanh_d(g, v.self, 0, 6) end },
}

op "leaky_relu(self: tensor, negative_slope: float = 0.01)" {
  doc = "x where x > 0, else negative_slope x.",
  pointwise = "x > 0 ? x : x * a", dtypes = "float", inplace = true,
  grad = { self = function(g, v) return ops.leaky_relu_d(g, v.self, v.negative_slope) end },
}

op "leaky_relu_d(grad: tensor, self: tensor, negative_slope: float)" {
  doc = "grad where self > 0, else negative_slope grad.",
  pointwise = "y > 0 ? x : x * a", dtypes = "float", hidden = true,
  grad = { grad = function(g, v) return ops.leaky_relu_d(g, v.self, v.negative_slope) end },
  samples = triple,
}

-- ---- elu and its kin: x for x > 0, else c (exp(x / w) - 1), all times a factor ----

op "elu(self: tensor, alpha: float = 1)" {
  doc = "x where x > 0, else alpha (exp(x) - 1).",
  pointwise = "elu(x, a, 1)", quick = "unless(x, x <= 0)", dtypes = "float", inplace = true,
  grad = { self = function(g, v) return ops.elu_d(g, v.self, v.alpha, 1, 1) end },
}

op "celu(self: tensor, alpha: float = 1)" {
  doc = "x where x > 0, else alpha (exp(x / alpha) - 1).",
  pointwise = "elu(x, a, a)", quick = "unless(x, x <= 0)", dtypes = "float", inplace = true,
  grad = { self = function(g, v) return ops.elu_d(g, v.self, v.alpha, v.alpha, 1) end },
}

op "selu(self: tensor)" {
  doc = "1.0507 times elu(x, 1.6733), with the constants of self-normalizing networks.",
  pointwise = "elu(x, 1.6732632423543772848, 1) * 1.0507009873554804934",
  quick = "unless(x * 1.0507009873554804934, x <= 0)", dtypes = "float", inplace = true,
  grad = { self = function(g, v) return ops.elu_d(g, v.self, 1.6732632423543772848, 1, 1.0507009873554804934) end },
}

op "elu_d(grad: tensor, self: tensor, coefficient: float, width: float, factor: float)" {
  doc = "The derivative of factor elu(x, coefficient, width).",
  pointwise = "x * (y <= 0 ? a / b * exp(y / b) : 1) * c", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.elu_d(g, v.self, v.coefficient, v.width, v.factor) end,
    self = function(g, v)
      return ops.elu_dd(g * v.grad, v.self, v.coefficient / v.width / v.width * v.factor, v.width)
    end,
  },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2), 0.5, 2, 1.5 } } end,
}

op "elu_dd(grad: tensor, self: tensor, coefficient: float, width: float)" {
  doc = "grad coefficient exp(x / width) for x <= 0, else 0: derivatives of elu from the second on.",
  pointwise = "y <= 0 ? x * a * exp(y / b) : 0", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.elu_dd(g, v.self, v.coefficient, v.width) end,
    self = function(g, v) return ops.elu_dd(g * v.grad, v.self, v.coefficient / v.width, v.width) end,
  },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2), 0.5, 2 } } end,
}

-- ---- gelu ----

op [[gelu(self: tensor, approximate: "none" | "tanh" = "none")]] {
  doc = [[x times the normal distribution function of x; with approximate = "tanh", by
    0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).]],
  run = "gelu", composite = true,
  samples = function(s)
    return { { s.t({ 2, 3 }, -2, 2) }, { s.t({ 2, 3 }, -2, 2), "tanh" }, { s.t({ 0 }, -2, 2) } }
  end,
}

op "gelu_erf(self: tensor)" {
  doc = "gelu by the error function.",
  lua = "gelu", pointwise = "gelu(x)", dtypes = "float", hidden = true,
  grad = { self = function(g, v) return ops.gelu_erf_d(g, v.self) end },
}

op "gelu_erf_d(grad: tensor, self: tensor)" {
  doc = "grad (cdf(x) + x pdf(x)) of the normal distribution.",
  pointwise = "x * gelu_d(y)", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.gelu_erf_d(g, v.self) end,
    self = function(g, v)
      local x = near(v.self)
      local square = x * x
      return g * v.grad * ops.rsub(square, 2) * (square * -0.5):exp() * 0.39894228040143267794
    end,
  },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2) } } end,
}

op "gelu_tanh(self: tensor)" {
  doc = "gelu by tanh.",
  lua = "gelu", pointwise = "gelu_tanh(x)", dtypes = "float", hidden = true,
  grad = { self = function(g, v) return ops.gelu_tanh_d(g, v.self) end },
}

op "gelu_tanh_d(grad: tensor, self: tensor)" {
  doc = "The derivative of gelu by tanh.",
  pointwise = "x * gelu_tanh_d(y)", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.gelu_tanh_d(g, v.self) end,
    -- With u = k (x + c x^3) and the logistic function s, gelu is x s(u): s'(u) (2 u' + x u'' - x u'^2 tanh(u / 2)).
    self = function(g, v)
      local x, k, c = near(v.self), 1.59576912160573071176, 0.044715
      local square = x * x
      local u = x * (square * c + 1) * k
      local slope, bend = square * (3 * c * k) + k, square * (6 * c * k)
      return ops.sigmoid_d(g * v.grad * (slope * 2 + bend - x * slope * slope * (u * 0.5):tanh()), u)
    end,
  },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2) } } end,
}

-- ---- Smooth ones ----

op "silu(self: tensor)" {
  doc = "x sigmoid(x), also known as swish.",
  pointwise = "silu(x)", dtypes = "float", inplace = true,
  grad = { self = function(g, v) return ops.silu_d(g, v.self) end },
}

op "silu_d(grad: tensor, self: tensor)" {
  doc = "grad s (1 + x (1 - s)) with s = sigmoid(x).",
  pointwise = "silu_d(x, y)", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.silu_d(g, v.self) end,
    self = function(g, v)
      local x = near(v.self)
      return ops.sigmoid_d(g * v.grad * (x * (x * -0.5):tanh() + 2), x)
    end,
  },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2) } } end,
}

op "mish(self: tensor)" {
  doc = "x tanh(softplus(x)).",
  pointwise = "mish(x)", dtypes = "float", inplace = true,
  grad = { self = function(g, v) return ops.mish_d(g, v.self) end },
}

op "mish_d(grad: tensor, self: tensor)" {
  doc = "The derivative of mish.",
  pointwise = "mish_d(x, y)", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.mish_d(g, v.self) end,
    self = function(g, v) return ops.mish_dd(g * v.grad, v.self) end,
  },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2) } } end,
}

op "mish_dd(grad: tensor, self: tensor)" {
  doc = "The second derivative of mish.",
  pointwise = "mish_dd(x, y)", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.mish_dd(g, v.self) end,
    -- With s = sigmoid(x), r = 1 - s and q = 1 / (1 + r^2), mish is x t for t = (1 - r^2) q. The derivatives of t are
    -- t1 = s (2 r q)^2, t2 = t1 c, t3 = t1 (c^2 + c') for c = r - 2 s t. The third of mish is 3 t2 + x t3.
    self = function(g, v)
      local x = near(v.self)
      local s, r = x:sigmoid(), (-x):sigmoid()
      local square = r * r
      local q = (square + 1):reciprocal()
      local t, root = ops.rsub(square, 1) * q, r * q
      local c = r - s * t * 2
      local bend = -(s * r * (t * 2 + 1)) - (s * root):square() * 8
      return g * v.grad * (c * 3 + x * (c * c + bend)) * s * root * 4 * root
    end,
  },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2) } } end,
}

op "softplus(self: tensor, beta: float = 1, threshold: float = 20)" {
  autocast = { cuda = "float32" },
  doc = [[log(1 + exp(beta x)) / beta, and x where beta x > threshold. A threshold of 20 or more changes nothing:
    nothing overflows beyond it.]],
  pointwise = "softplus(x, a, b)", dtypes = "float",
  grad = { self = function(g, v) return ops.softplus_d(g, v.self, v.beta, v.threshold) end },
  samples = function(s) return { { s.t({ 2, 3 }, -2, 2) }, { s.t({ 3 }, -2, 2), 2, 1.05 } } end,
}

op "softplus_d(grad: tensor, self: tensor, beta: float, threshold: float)" {
  doc = "grad sigmoid(beta x), and grad where softplus is a line.",
  pointwise = "is_line(y * a, b) ? x : x * sigmoid(y * a)", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.softplus_d(g, v.self, v.beta, v.threshold) end,
    self = function(g, v) return ops.softplus_dd(g * v.grad * v.beta, v.self, v.beta, v.threshold) end,
  },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2), 2, 1.05 } } end,
}

op "softplus_dd(grad: tensor, self: tensor, beta: float, threshold: float)" {
  doc = "grad times the derivative of sigmoid at beta x, and 0 where softplus is a line.",
  pointwise = "is_line(y * a, b) ? 0 : sigmoid_d(x, y * a)", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.softplus_dd(g, v.self, v.beta, v.threshold) end,
    self = function(g, v)
      local bend = (v.self * (v.beta * -0.5)):tanh() * v.beta
      return ops.softplus_dd(g * v.grad * bend, v.self, v.beta, v.threshold)
    end,
  },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2), 2, 1.05 } } end,
}

op "logsigmoid(self: tensor)" {
  doc = "log(sigmoid(x)), exact where sigmoid(x) is close to 0 or 1.",
  pointwise = "log_sigmoid(x)", dtypes = "float",
  grad = { self = function(g, v) return g * ops.sigmoid(-v.self) end },
}

op "softsign(self: tensor)" {
  doc = "x / (1 + |x|).",
  pointwise = "softsign(x)", promote = "float",
  grad = { self = function(g, v) return ops.softsign_d(g, v.self) end },
  samples = { domain = { 0.5, 2 } },
}

op "softsign_d(grad: tensor, self: tensor)" {
  doc = "grad / (1 + |x|)^2: the derivative of softsign.",
  pointwise = "softsign_d(x, y)", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.softsign_d(g, v.self) end,
    self = function(g, v) return ops.softsign_d(g * v.grad * v.self:sign() * -2, v.self) / (v.self:abs() + 1) end,
  },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, 0.5, 2) } } end,
}

op "tanhshrink(self: tensor)" {
  doc = "x - tanh(x).",
  pointwise = "tanhshrink(x)", dtypes = "float",
  grad = { self = function(g, v) return g * v.self:tanh():square() end },
}

-- ---- Piecewise ones ----

op "hardsigmoid(self: tensor)" {
  doc = "x / 6 + 1 / 2, brought into [0, 1].",
  pointwise = "clamp(x + 3, 0, 6) / 6", dtypes = "float", inplace = true,
  grad = { self = function(g, v) return ops.hardtanh_d(g, v.self, -3, 3) / 6 end },
}

op "hardswish(self: tensor)" {
  doc = "x hardsigmoid(x).",
  pointwise = "x <= -3 ? 0 : x < 3 ? x * (x + 3) / 6 : x", dtypes = "float", inplace = true,
  grad = { self = function(g, v) return ops.hardswish_d(g, v.self) end },
}

op "hardswish_d(grad: tensor, self: tensor)" {
  doc = "grad (x / 3 + 1 / 2) for -3 < x < 3, 0 below, grad above.",
  pointwise = "y <= -3 ? 0 : y < 3 ? x * (y / 3 + 0.5) : x", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.hardswish_d(g, v.self) end,
    self = function(g, v) return ops.hardtanh_d(g * v.grad / 3, v.self, -3, 3) end,
  },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2) } } end,
}

op "hardshrink(self: tensor, lambd: float = 0.5)" {
  doc = "0 where |x| <= lambd, else x.",
  pointwise = "x >= -a && x <= a ? 0 : x", dtypes = "float",
  grad = { self = function(g, v) return ops.shrink_d(g, v.self, v.lambd) end },
}

op "softshrink(self: tensor, lambd: float = 0.5)" {
  doc = "x moved towards 0 by lambd; 0 where |x| <= lambd.",
  pointwise = "x > a ? x - a : x < -a ? x + a : x * 0", dtypes = "float",
  grad = { self = function(g, v) return ops.shrink_d(g, v.self, v.lambd) end },
}

op "shrink_d(grad: tensor, self: tensor, lambd: float)" {
  doc = "grad where |self| > lambd, else 0.",
  pointwise = "y > a || y < -a ? x : 0", dtypes = "float", hidden = true,
  grad = { grad = function(g, v) return ops.shrink_d(g, v.self, v.lambd) end },
  samples = triple,
}

op "prelu(self: tensor, weight: tensor)" {
  autocast = "lower",
  doc = "x where x > 0, else weight x; weight has one element, or one for each position of dim 2.",
  run = "prelu", composite = true,
  samples = function(s) return { { s.t({ 2, 3 }, 0.5, 2), s.t({ 3 }) }, { s.t({ 4 }, -2, -0.5), s.t({ 1 }) } } end,
}

op "prelu_by(self: tensor, weight: tensor)" {
  doc = "x where x > 0, else weight x; weight broadcasts.",
  pointwise = "x > 0 ? x : y * x", hidden = true,
  grad = {
    self = function(g, v) return ops.prelu_d(g, v.self, v.weight) end,
    weight = function(g, v) return ops.prelu_rest(g * v.self, v.self) end,
  },
}

op "prelu_d(grad: tensor, self: tensor, weight: tensor)" {
  doc = "grad where self > 0, else weight grad.",
  pointwise = "y > 0 ? x : x * z", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.prelu_d(g, v.self, v.weight) end,
    weight = function(g, v) return ops.prelu_rest(g * v.grad, v.self) end,
  },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2) } } end,
}

op "prelu_rest(grad: tensor, self: tensor)" {
  doc = "0 where self > 0, else grad.",
  pointwise = "y > 0 ? 0 : x", dtypes = "float", hidden = true,
  grad = { grad = function(g, v) return ops.prelu_rest(g, v.self) end },
}

op "glu(self: tensor, dim: dim = -1)" {
  doc = "The first half of dim times the sigmoid of the second half.",
  run = "glu", composite = true,
  samples = function(s) return { { s.t({ 2, 4 }) }, { s.t({ 2, 3 }), 1 }, { s.t({ 0, 2 }) } } end,
}
