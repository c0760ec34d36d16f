-- special.lua: special functions: the error function, the gamma function and their kin.
--
-- Holds true: integers and bools are computed in the default float dtype. Outside its domain a function
-- gives NaN. The sources of the formulas are named in scalar_special.h and
-- scalar_polygamma.h.

op "erf(self: tensor)" {
  doc = "The error function.",
  pointwise = "erf(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return ops.erf_d(g, v.self) end },
}

op "erfc(self: tensor)" {
  doc = "1 - erf(x), exact for large x.",
  pointwise = "erfc(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return -ops.erf_d(g, v.self) end },
}

op "erf_d(grad: tensor, self: tensor)" {
  doc = "grad 2 / sqrt(pi) exp(-x^2): the derivative of erf.",
  pointwise = "x * 1.1283791670955125739 * exp(-y * y)", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.erf_d(g, v.self) end,
    self = function(g, v)
      local x = ops.clamp_both(v.self, -1e4, 1e4)
      return ops.erf_d(g * v.grad * x * -2, x)
    end,
  },
  samples = { tensors = { -2, 2 } },
}

op "erfinv(self: tensor)" {
  autocast = { cuda = "float32" },
  doc = "The inverse of erf: inf at 1, -inf at -1, NaN beyond.",
  pointwise = "erfinv(x)", quick = "erfinv_quick(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return g * (v.out * v.out):exp() * 0.88622692545275801365 end },
  samples = { domain = { -0.875, 0.875 } },
}

op "lgamma(self: tensor)" {
  aliases = "gammaln",
  doc = "The logarithm of the absolute value of the gamma function.",
  pointwise = "lgamma(x)", quick = "lgamma_right(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return g * v.self:digamma() end },
  samples = { domain = { 0.5, 3 } },
}

op "digamma(self: tensor)" {
  aliases = "psi",
  doc = "The derivative of lgamma; -inf at 0 (inf at -0), NaN at negative integers.",
  pointwise = "digamma(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return g * v.self:polygamma(1) end },
  samples = { domain = { 0.5, 3 } },
}

op "polygamma(self: tensor, n: int)" {
  doc = "The n-th derivative of digamma, n from 0 on. As a function it may also be called polygamma(n, x).",
  pointwise = "polygamma(x, a)", promote = "float", check = "polygamma", inplace = true,
  grad = { self = function(g, v) return g * v.self:polygamma(v.n + 1) end },
  samples = function(s)
    return { { s.t({ 2, 3 }, 0.5, 3), 1 }, { s.t({ 3 }, -0.75, -0.25), 2 }, { s.t({ 0, 2 }), 0 } }
  end,
}

op "polygamma_of(n: int, self: tensor)" {
  doc = "The n-th derivative of digamma, n from 0 on.",
  lua = "polygamma", method = false,
  body = function(v) return v.self:polygamma(v.n) end,
  samples = function(s) return { { 1, s.t({ 2, 3 }, 0.5, 3) } } end,
}

op "sinc(self: tensor)" {
  doc = "sin(pi x) / (pi x), and 1 at 0.",
  pointwise = "sinc(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return g * ops.sinc_part(v.self:conj(), 1) end },
  samples = { domain = { 0.25, 2 } },
}

op "sinc_part(self: tensor, n: int)" {
  doc = "The n-th derivative of sinc.",
  pointwise = "sinc_part(x, a)", dtypes = "float", hidden = true,
  grad = { self = function(g, v) return g * ops.sinc_part(v.self:conj(), v.n + 1) end },
  samples = function(s) return { { s.t({ 2, 3 }, -2, 2), 1 }, { s.t({ 3 }, -2, 2), 3 } } end,
}

op "xlogy(self: operand, other: operand)" {
  doc = "self log(other), and 0 where self is 0 and other is not NaN.",
  pointwise = "xlogy(x, y)", promote = "float", inplace = true,
  grad = {
    self = function(g, v) return ops.xlogy_d(g, v.self, v.other) end,
    other = function(g, v) return g * (v.self / v.other) end,
  },
  samples = { tensors = { 0.5, 2 } },
}

op "xlogy_d(grad: tensor, self: operand, other: operand)" {
  doc = "grad log(other), and 0 where self is 0 and other is not positive.",
  pointwise = "y == 0 && z <= 0 ? 0 : xlogy(x, z)", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.xlogy_d(g, v.self, v.other) end,
    other = function(g, v) return g * v.grad / v.other end,
  },
  samples = function(s) return { { s.t({ 3 }, 0.5, 2), s.t({ 3 }, 0.5, 2), s.t({ 3 }, 0.5, 2) } } end,
}
