-- math.lua: exponentials, logarithms, trigonometry, rounding, and functions made of them.
--
-- Holds true: integers and bools are computed in the default float dtype, except by the rounding
-- functions, which give integers back unchanged. Outside its domain a function gives NaN.

local function zero(g) return ops.zeros_like(g) end

op "exp(self: tensor)" {
  autocast = { cuda = "float32" },
  doc = "e to the power of each element.",
  pointwise = "exp(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return g * v.out:conj() end },
}

op "exp2(self: tensor)" {
  doc = "2 to the power of each element.",
  pointwise = "exp2(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return g * ops.exp2_d(v.self:conj(), 0.69314718055994530942) end },
}

op "exp2_d(self: tensor, coefficient: float)" {
  doc = "coefficient 2^x, finite wherever the product is.",
  pointwise = "exp2_d(x, a)", dtypes = "float", hidden = true,
  grad = { self = function(g, v) return g * ops.exp2_d(v.self:conj(), v.coefficient * 0.69314718055994530942) end },
  samples = function(s) return { { s.t({ 2, 3 }, -2, 2), 0.75 } } end,
}

op "expm1(self: tensor)" {
  autocast = { cuda = "float32" },
  doc = "exp(x) - 1, exact near 0.",
  pointwise = "expm1(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return g * v.self:conj():exp() end },
}

op "log(self: tensor)" {
  autocast = { cuda = "float32" },
  doc = "The natural logarithm.",
  pointwise = "log(x)", quick = "log_near(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return g / v.self:conj() end },
  samples = { domain = { 0.5, 2 } },
}

op "log2(self: tensor)" {
  autocast = { cuda = "float32" },
  doc = "The logarithm to the base of 2.",
  pointwise = "log2(x)", quick = "log2_near(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return g / v.self:conj() * 1.44269504088896340736 end },
  samples = { domain = { 0.5, 2 } },
}

op "log10(self: tensor)" {
  autocast = { cuda = "float32" },
  doc = "The logarithm to the base of 10.",
  pointwise = "log10(x)", quick = "log10_near(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return g / v.self:conj() * 0.43429448190325182765 end },
  samples = { domain = { 0.5, 2 } },
}

op "log1p(self: tensor)" {
  autocast = { cuda = "float32" },
  doc = "log(1 + x), exact near 0.",
  pointwise = "log1p(x)", quick = "log1p_near(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return g / (v.self:conj() + 1) end },
  samples = { domain = { -0.5, 2 } },
}

op "sin(self: tensor)" {
  doc = "The sine of an angle in radians.",
  pointwise = "sin(x)", quick = "sin_near(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return g * v.self:conj():cos() end },
}

op "cos(self: tensor)" {
  doc = "The cosine of an angle in radians.",
  pointwise = "cos(x)", quick = "cos_near(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return -(g * v.self:conj():sin()) end },
}

op "tan(self: tensor)" {
  autocast = { cuda = "float32" },
  doc = "The tangent of an angle in radians.",
  pointwise = "tan(x)", quick = "tan_near(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return g * (v.out:conj() * v.out:conj() + 1) end },
  samples = { domain = { -1, 1 } },
}

op "asin(self: tensor)" {
  autocast = { cuda = "float32" },
  aliases = "arcsin",
  doc = "The angle in [-pi/2, pi/2] whose sine is x.",
  pointwise = "asin(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return ops.asin_d(g, v.self:conj()) end },
  samples = { domain = { -0.75, 0.75 } },
}

op "asin_d(grad: tensor, self: tensor)" {
  doc = "grad / sqrt(1 - x^2): the derivative of asin.",
  pointwise = "x / sqrt((1 - y) * (1 + y))", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.asin_d(g, v.self:conj()) end,
    self = function(g, v)
      local x = v.self:conj()
      return ops.asin_d(ops.atanh_d(g * v.grad:conj() * x, x), x)
    end,
  },
  samples = { tensors = { -0.75, 0.75 } },
}

op "acos(self: tensor)" {
  autocast = { cuda = "float32" },
  aliases = "arccos",
  doc = "The angle in [0, pi] whose cosine is x.",
  pointwise = "acos(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return -ops.asin_d(g, v.self:conj()) end },
  samples = { domain = { -0.75, 0.75 } },
}

op "atan(self: tensor)" {
  aliases = "arctan",
  doc = "The angle in (-pi/2, pi/2) whose tangent is x.",
  pointwise = "atan(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return ops.atan_d(g, v.self:conj()) end },
}

op "atan_d(grad: tensor, self: tensor)" {
  doc = "grad / (1 + x^2): the derivative of atan.",
  pointwise = "atan_d(x, y)", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.atan_d(g, v.self:conj()) end,
    self = function(g, v)
      local x = v.self:conj()
      return ops.atan_d(g * v.grad:conj(), x) * ops.over_square(x, ops.ones_like(x)) * -2
    end,
  },
  samples = { tensors = { -2, 2 } },
}

op "sinh(self: tensor)" {
  autocast = { cuda = "float32" },
  doc = "The hyperbolic sine.",
  pointwise = "sinh(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return g * v.self:conj():cosh() end },
}

op "cosh(self: tensor)" {
  autocast = { cuda = "float32" },
  doc = "The hyperbolic cosine.",
  pointwise = "cosh(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return g * v.self:conj():sinh() end },
}

op "tanh(self: tensor)" {
  doc = "The hyperbolic tangent.",
  pointwise = "tanh(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return ops.tanh_d(g, v.self:conj()) end },
}

op "tanh_d(grad: tensor, self: tensor)" {
  doc = "grad / cosh(x)^2: the derivative of tanh.",
  pointwise = "tanh_d(x, y)", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.tanh_d(g, v.self:conj()) end,
    self = function(g, v) return ops.tanh_d(g * v.grad:conj() * v.self:conj():tanh() * -2, v.self:conj()) end,
  },
  samples = { tensors = { -2, 2 } },
}

op "asinh(self: tensor)" {
  aliases = "arcsinh",
  doc = "The inverse of sinh.",
  pointwise = "asinh(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return ops.asinh_d(g, v.self:conj()) end },
}

op "asinh_d(grad: tensor, self: tensor)" {
  doc = "grad / sqrt(1 + x^2): the derivative of asinh.",
  pointwise = "x / hypot(1, y)", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.asinh_d(g, v.self:conj()) end,
    self = function(g, v)
      local x = v.self:conj()
      return -(ops.asinh_d(g * v.grad:conj(), x) * ops.over_square(x, ops.ones_like(x)))
    end,
  },
  samples = { tensors = { -2, 2 } },
}

op "acosh(self: tensor)" {
  aliases = "arccosh",
  doc = "The inverse of cosh for x >= 1.",
  pointwise = "acosh(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return ops.acosh_d(g, v.self:conj()) end },
  samples = { domain = { 1.5, 3 } },
}

op "acosh_d(grad: tensor, self: tensor)" {
  doc = "grad / sqrt(x^2 - 1): the derivative of acosh.",
  pointwise = "x / (sqrt(abs(y) - 1) * sqrt(abs(y) + 1))", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.acosh_d(g, v.self:conj()) end,
    -- By x / (x^2 - 1) = 1 / ((x - 1) (1 + 1 / x)), which does not overflow.
    self = function(g, v)
      local x = v.self:conj()
      return -(ops.acosh_d(g * v.grad:conj(), x) / (x - 1) / (x:reciprocal() + 1))
    end,
  },
  samples = { tensors = { 1.5, 3 } },
}

op "atanh(self: tensor)" {
  aliases = "arctanh",
  doc = "The inverse of tanh for -1 < x < 1.",
  pointwise = "atanh(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return ops.atanh_d(g, v.self:conj()) end },
  samples = { domain = { -0.75, 0.75 } },
}

op "atanh_d(grad: tensor, self: tensor)" {
  doc = "grad / (1 - x^2): the derivative of atanh.",
  pointwise = "x / ((1 - y) * (1 + y))", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.atanh_d(g, v.self:conj()) end,
    self = function(g, v)
      local x = v.self:conj()
      return ops.atanh_d(ops.atanh_d(g * v.grad:conj() * x * 2, x), x)
    end,
  },
  samples = { tensors = { -0.75, 0.75 } },
}

op "atan2(self: tensor, other: tensor)" {
  autocast = { cuda = "widest" },
  aliases = "arctan2",
  doc = "The angle of the point (other, self), in [-pi, pi]. The derivatives at the origin are 0.",
  pointwise = "atan2(x, y)", promote = "float", inplace = true,
  grad = {
    self = function(g, v) return g * ops.over_square(v.other, v.self) end,
    other = function(g, v) return -(g * ops.over_square(v.self, v.other)) end,
  },
  samples = { tensors = { 0.5, 2 } },
}

op "over_square(self: tensor, other: tensor)" {
  doc = "self / (self^2 + other^2), and 0 at the origin.",
  pointwise = "over_square(x, y)", dtypes = "float", hidden = true,
  grad = {
    self = function(g, v)
      local p, q = ops.over_square(v.self, v.other), ops.over_square(v.other, v.self)
      return g * (q - p) * (q + p)
    end,
    other = function(g, v)
      return g * ops.over_square(v.self, v.other) * ops.over_square(v.other, v.self) * -2
    end,
  },
  samples = { tensors = { 0.5, 2 } },
}

op "hypot(self: tensor, other: tensor)" {
  doc = "sqrt(self^2 + other^2) without overflow on the way.",
  pointwise = "hypot(x, y)", dtypes = "float", inplace = true,
  grad = {
    self = function(g, v) return ops.hypot_d(g, v.self, v.other) end,
    other = function(g, v) return ops.hypot_d(g, v.other, v.self) end,
  },
  samples = { tensors = { 0.5, 2 } },
}

op "hypot_d(grad: tensor, self: tensor, other: tensor)" {
  doc = "grad self / hypot(self, other): the derivative of hypot by self.",
  pointwise = "hypot_d(x, y, z)", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.hypot_d(g, v.self, v.other) end,
    self = function(g, v)
      local n = v.self:hypot(v.other)
      return ops.hypot_d(ops.hypot_d(g * v.grad, v.other, v.self) / n, v.other, v.self)
    end,
    other = function(g, v)
      local n = v.self:hypot(v.other)
      return -(ops.hypot_d(ops.hypot_d(g * v.grad, v.self, v.other), v.other, v.self) / n)
    end,
  },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, 0.5, 2), s.t({ 3 }, 0.5, 2) } } end,
}

op "sigmoid(self: tensor)" {
  aliases = "expit",
  doc = "1 / (1 + exp(-x)).",
  pointwise = "sigmoid(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return ops.sigmoid_d(g, v.self:conj()) end },
}

op "sigmoid_d(grad: tensor, self: tensor)" {
  doc = "grad s(x) s(-x): the derivative of sigmoid.",
  pointwise = "sigmoid_d(x, y)", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.sigmoid_d(g, v.self:conj()) end,
    self = function(g, v) return ops.sigmoid_d(g * v.grad:conj() * (v.self:conj() * -0.5):tanh(), v.self:conj()) end,
  },
  samples = { tensors = { -2, 2 } },
}

op "sigmoid2(self: tensor)" {
  doc = "1 / (1 + 2^-x).",
  pointwise = "sigmoid2(x)", dtypes = "float", hidden = true,
  grad = { self = function(g, v) return ops.sigmoid2_d(g * 0.69314718055994530942, v.self) end },
  samples = { domain = { -2, 2 } },
}

op "sigmoid2_d(grad: tensor, self: tensor)" {
  doc = "grad times the derivative of sigmoid2, but for its factor log(2).",
  pointwise = "sigmoid2_d(x, y)", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.sigmoid2_d(g, v.self) end,
    self = function(g, v)
      local bend = (v.self * -0.34657359027997265471):tanh() * 0.69314718055994530942
      return ops.sigmoid2_d(g * v.grad * bend, v.self)
    end,
  },
  samples = { tensors = { -2, 2 } },
}

op "logit(self: tensor, eps: float = -1)" {
  doc = "log(x / (1 - x)), the inverse of sigmoid; x is first brought into [eps, 1 - eps] unless eps < 0.",
  pointwise = "logit(x, a)", promote = "float", inplace = true,
  grad = { self = function(g, v) return ops.logit_d(g, v.self, v.eps) end },
  samples = { domain = { 0.25, 0.75 } },
}

op "logit_d(grad: tensor, self: tensor, eps: float)" {
  doc = "grad / (x (1 - x)) inside [eps, 1 - eps], else 0; without eps NaN outside [0, 1].",
  pointwise = "a < 0 ? (y < 0 || y > 1 ? x * nan(y) : x / (y * (1 - y))) : y < a || y > 1 - a ? 0 : x / (y * (1 - y))",
  dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.logit_d(g, v.self, v.eps) end,
    self = function(g, v)
      local d = ops.logit_d(ops.ones_like(g), v.self, v.eps)
      return g * v.grad * d * d * (v.self * 2 - 1)
    end,
  },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, 0.25, 0.75), -1 } } end,
}

op "logaddexp(self: tensor, other: tensor)" {
  doc = "log(exp(self) + exp(other)) without overflow on the way.",
  pointwise = "logaddexp(x, y)", dtypes = "float",
  grad = {
    self = function(g, v) return g * ops.gap(v.self, v.other):sigmoid() end,
    other = function(g, v) return g * ops.gap(v.other, v.self):sigmoid() end,
  },
  samples = { tensors = { -2, 2 } },
}

op "gap(self: tensor, other: tensor)" {
  doc = "self - other, and 0 where they are equal, be they infinite.",
  pointwise = "gap(x, y)", dtypes = "float", hidden = true,
  grad = {
    self = function(g) return g end,
    other = function(g) return -g end,
  },
  samples = { tensors = { -2, 2 } },
}

op "logaddexp2(self: tensor, other: tensor)" {
  doc = "log2(2^self + 2^other) without overflow on the way.",
  pointwise = "logaddexp2(x, y)", dtypes = "float",
  grad = {
    self = function(g, v) return g * ops.sigmoid2(ops.gap(v.self, v.other)) end,
    other = function(g, v) return g * ops.sigmoid2(ops.gap(v.other, v.self)) end,
  },
  samples = { tensors = { -2, 2 } },
}

op "ldexp(self: operand, other: tensor)" {
  doc = "self times 2 to the power of other, in floats.",
  -- In two steps, for the power alone may leave the range; infinite ones have no half to be taken from.
  pointwise = "x * exp2(trunc(clamp(y, -9999, 9999) / 2)) * exp2(y - trunc(clamp(y, -9999, 9999) / 2))",
  promote = "float",
  grad = {
    self = function(g, v) return ops.ldexp(g, v.other) end,
    other = function(g, v) return g * v.out * 0.69314718055994530942 end,
  },
  samples = function(s) return { { s.t({ 2, 3 }, -2, 2), s.t({ 3 }, -2, 2) } } end,
}

op "float_power(self: tensor, exponent: operand)" {
  doc = "self to the power of exponent, computed in float64.",
  run = "float_power", composite = true,
  samples = function(s) return { { s.t({ 2, 3 }, 0.5, 2), s.t({ 3 }, -2, 2) }, { s.t({ 3 }, 0.5, 2), 2 } } end,
}

op "copysign(self: tensor, other: operand)" {
  doc = "The magnitude of self with the sign of other, whose zeros have signs too.",
  pointwise = "copysign(x, y)", promote = "float", inplace = true,
  grad = {
    self = function(g, v) return ops.copysign_d(g, v.self, v.other) end,
    other = zero,
  },
  samples = { tensors = { 0.5, 2 } },
}

op "copysign_d(grad: tensor, self: tensor, other: operand)" {
  doc = "grad, negated where the signs of self and other differ; 0 where self is 0.",
  pointwise = "x * sign(y) * copysign(1, z)", dtypes = "float", hidden = true,
  grad = { grad = function(g, v) return ops.copysign_d(g, v.self, v.other) end },
  samples = function(s) return { { s.t({ 3 }, 0.5, 2), s.t({ 3 }, 0.5, 2), s.t({ 3 }, 0.5, 2) } } end,
}

-- ---- Rounding: the derivative is 0 everywhere ----

op "floor(self: tensor)" {
  doc = "Rounded down.",
  pointwise = "floor(x)", inplace = true, grad = { self = zero }, samples = { domain = { 0.1, 0.9 } },
}

op "ceil(self: tensor)" {
  doc = "Rounded up.",
  pointwise = "ceil(x)", inplace = true, grad = { self = zero }, samples = { domain = { 0.1, 0.9 } },
}

op "trunc(self: tensor)" {
  aliases = "fix",
  doc = "Rounded towards zero.",
  pointwise = "trunc(x)", inplace = true, grad = { self = zero }, samples = { domain = { 0.1, 0.9 } },
}

op "round(self: tensor)" {
  doc = "Rounded to the nearest integer, halves to the even one.",
  pointwise = "round(x)", inplace = true, grad = { self = zero }, samples = { domain = { 0.6, 1.4 } },
}

op "round_decimals(self: tensor, decimals: int)" {
  doc = "Rounded to a number of decimals; a negative number rounds to tens, hundreds and so on.",
  lua = "round", pointwise = "round_to(x, a)", dtypes = "float", inplace = true, grad = { self = zero },
  samples = function(s) return { { s.t({ 2, 3 }, 1.01, 1.04), 1 } } end,
}

op "frac(self: tensor)" {
  doc = "x - trunc(x).",
  pointwise = "x - trunc(x)", dtypes = "float", inplace = true,
  grad = { self = function(g) return g end },
  samples = { domain = { 0.1, 0.9 } },
}

-- ---- Conversions ----

op "deg2rad(self: tensor)" {
  doc = "Degrees to radians.",
  pointwise = "x * 0.017453292519943295769", promote = "float", inplace = true,
  grad = { self = function(g) return g * 0.017453292519943295769 end },
}

op "rad2deg(self: tensor)" {
  doc = "Radians to degrees.",
  pointwise = "x * 57.295779513082320877", promote = "float", inplace = true,
  grad = { self = function(g) return g * 57.295779513082320877 end },
}

op "nan_to_num(self: tensor, nan: float = 0, posinf: float?, neginf: float?)" {
  doc = [[NaN replaced by nan, inf by posinf, -inf by neginf; without those, by the largest and the smallest
    number of the dtype. Integers and bools stay as they are.]],
  run = "nan_to_num", composite = true, inplace = true,
  samples = function(s) return { { s.t({ 2, 3 }, -2, 2) }, { s.t({ 3 }, -2, 2), 1.5, 2.5, -2.5 } } end,
}

op "replace_nonfinite(self: tensor, nan: float, posinf: float, neginf: float)" {
  doc = "NaN, inf and -inf replaced by three numbers.",
  pointwise = "isnan(x) ? a : isposinf(x) ? b : isneginf(x) ? c : x", numbers = "stored", hidden = true,
  grad = { self = function(g, v) return ops.where(v.self:isfinite(), g, 0) end },
  samples = function(s) return { { s.t({ 3 }, -2, 2), 0, 1, -1 } } end,
}
