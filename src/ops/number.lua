-- number.lua: what numbers are made of: divisors, mantissas and exponents, steps, and the numbers next to them.
--
-- Holds true: what is said of a floating number is exact, subnormal ones included.

op "gcd(self: tensor, other: tensor)" {
  doc = "The greatest common divisor of two integers, without a sign; of 0 and x it is |x|.",
  pointwise = "gcd(x, y)", dtypes = "int", inplace = true, nondiff = true,
  samples = function(s)
    return { { s.i({ 2, 3 }, -12, 12), s.i({ 3 }, -12, 12) }, { s.i({}, 0, 9), s.i({ 2 }, 0, 9) },
      { s.i({ 0 }, 1, 2), s.i({ 1 }, 1, 2) } }
  end,
}

op "lcm(self: tensor, other: tensor)" {
  doc = "The least common multiple of two integers, without a sign; 0 if one of them is 0.",
  pointwise = "lcm(x, y)", dtypes = "int", inplace = true, nondiff = true,
  samples = function(s)
    return { { s.i({ 2, 3 }, -12, 12), s.i({ 3 }, -12, 12) }, { s.i({}, 0, 9), s.i({ 2 }, 0, 9) },
      { s.i({ 0 }, 1, 2), s.i({ 1 }, 1, 2) } }
  end,
}

op "heaviside(self: tensor, values: tensor)" {
  doc = "The step from 0 to 1: 0 where self is negative or NaN, 1 where it is positive, and values where it is 0.",
  pointwise = "x == 0 ? y : x > 0 ? 1 : 0", dtypes = "float int bool", inplace = true, nondiff = true,
  samples = { tensors = { -2, 2 } },
}

-- ---- Parts of floating numbers -----------------------------------------------------------------------

op "frexp(self: tensor) -> mantissa, exponent" {
  doc = [[self as mantissa * 2^exponent with a mantissa from 1/2 up to 1 in size, and an int32 exponent; of 0, infinity
    and NaN the number itself and 0.]],
  body = function(v) return v.self:frexp_mantissa(), v.self:frexp_exponent():to "int32" end,
  samples = function(s) return { { s.t({ 2, 3 }, 0.25, 8) }, { s.t({}, -2, -1) }, { s.t({ 0 }) } } end,
}

op "frexp_mantissa(self: tensor)" {
  doc = "The mantissa that frexp gives. The exponent does not move with self.",
  hidden = true, pointwise = "frexp_mantissa(x)", dtypes = "float",
  grad = { self = function(g, v) return g:ldexp(-v.self:frexp_exponent()) end },
  samples = { domain = { 0.53125, 0.9375 } },
}

op "frexp_exponent(self: tensor)" {
  doc = "The exponent that frexp gives, as a float.",
  hidden = true, pointwise = "frexp_exponent(x)", dtypes = "float", nondiff = true,
  samples = { domain = { -2, 2 } },
}

op "nextafter(self: tensor, other: tensor)" {
  doc = [[The number of the dtype that follows self on the way to other; other where they are equal. Its derivative is
    that of self.]],
  run = "nextafter", composite = true, inplace = true,
  samples = function(s)
    return { { s.t({ 2, 3 }), s.t({ 3 }) }, { s.t({}), s.t({ 2 }) }, { s.t({ 0 }), s.t({ 1 }) } }
  end,
}

op "next_number(self: tensor, other: tensor, kind: int)" {
  doc = "The number after self on the way to other: of float16 (kind 1), of bfloat16 (2), or of the dtype itself (0).",
  hidden = true, pointwise = "next(x, y, a)", dtypes = "float",
  grad = { self = function(g) return g end, other = function(g) return ops.zeros_like(g) end },
  samples = function(s) return { { s.t({ 2, 3 }), s.t({ 3 }), 0 } } end,
}
