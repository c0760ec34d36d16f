-- arith.lua: arithmetic: sums, products, quotients and powers.
--
-- Holds true: operands broadcast and promote by the rules of the Array API; integers wrap; true
-- division of integers gives the default float dtype. Beside floats, numbers are rounded to the dtype of
-- the computation; beside integers they count by their value, whether the dtype could hold them or not,
-- and it is the result that wraps. `x:f_(...)` writes the result to x.

local function zero(g) return ops.zeros_like(g) end

op "add(self: operand, other: operand)" {
  doc = "The sum. On bools, or.",
  pointwise = "x + y", dtypes = "float int bool", inplace = true,
  grad = {
    self = function(g) return g end,
    other = function(g) return g end,
  },
  samples = { pairs = { -2, 2 } },
}

op "add_scaled(self: operand, other: operand, alpha: scalar)" {
  doc = "self + alpha other.",
  lua = "add", pointwise = "x + a * y", dtypes = "float int bool", check = "scale", inplace = true,
  grad = {
    self = function(g) return g end,
    other = function(g, v) return g * v.alpha:conj() end,
  },
  samples = function(s) return { { s.t({ 2, 3 }, -2, 2), s.t({ 3 }, -2, 2), 2 } } end,
}

op "sub(self: operand, other: operand)" {
  aliases = "subtract",
  doc = "The difference. Bools cannot be subtracted from each other.",
  pointwise = "x - y", dtypes = "float int bool", check = "sub", inplace = true,
  grad = {
    self = function(g) return g end,
    other = function(g) return -g end,
  },
  samples = { pairs = { -2, 2 } },
}

op "sub_scaled(self: operand, other: operand, alpha: scalar)" {
  doc = "self - alpha other.",
  lua = "sub", pointwise = "x - a * y", dtypes = "float int bool", check = "sub_scaled", inplace = true,
  grad = {
    self = function(g) return g end,
    other = function(g, v) return -(g * v.alpha:conj()) end,
  },
  samples = function(s) return { { s.t({ 2, 3 }, -2, 2), s.t({ 3 }, -2, 2), 2 } } end,
}

op "rsub(self: operand, other: operand)" {
  doc = "other - self.",
  pointwise = "y - x", dtypes = "float int bool", check = "sub",
  grad = {
    self = function(g) return -g end,
    other = function(g) return g end,
  },
  samples = { pairs = { -2, 2 } },
}

op "rsub_scaled(self: operand, other: operand, alpha: scalar)" {
  doc = "other - alpha self.",
  lua = "rsub", body = function(v) return ops.sub_scaled(v.other, v.self, v.alpha) end,
  samples = function(s) return { { s.t({ 2, 3 }, -2, 2), s.t({ 3 }, -2, 2), 2 }, { s.t({ 3 }, -2, 2), 1.5, 0.5 } } end,
}

op "mul(self: operand, other: operand)" {
  aliases = "multiply",
  doc = "The product, element by element. On bools, and.",
  pointwise = "x * y", dtypes = "float int bool", inplace = true,
  grad = {
    self = function(g, v) return g * v.other:conj() end,
    other = function(g, v) return g * v.self:conj() end,
  },
  samples = { pairs = { -2, 2 } },
}

op "div(self: operand, other: operand)" {
  aliases = "divide true_divide",
  doc = "The quotient; of integers, in the default float dtype.",
  pointwise = "x / y", promote = "float", inplace = true,
  grad = {
    self = function(g, v) return g / v.other:conj() end,
    other = function(g, v) return ops.div_d(g, v.self:conj(), v.other:conj()) end,
  },
  samples = { pairs = { 0.5, 2 } },
}

op "div_d(grad: operand, self: operand, other: operand)" {
  doc = "The derivative of self / other by other: -grad self / other^2.",
  pointwise = "-x * (y / z) / z", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.div_d(g, v.self:conj(), v.other:conj()) end,
    self = function(g, v) return ops.div_d(g, v.grad:conj(), v.other:conj()) end,
    other = function(g, v) return ops.div_d(g * v.grad:conj() * -2, v.self:conj(), v.other:conj()) / v.other:conj() end,
  },
  samples = function(s) return { { s.t({ 3 }, 0.5, 2), s.t({ 3 }, 0.5, 2), s.t({ 3 }, 0.5, 2) } } end,
}

op [[div_mode(self: operand, other: operand, rounding_mode: "trunc" | "floor")]] {
  doc = [[The quotient, rounded: "floor" rounds down, like //, and "trunc" towards zero.]],
  lua = "div", run = "div_mode", composite = true, inplace = true,
  samples = function(s)
    return { { s.t({ 2, 3 }, -4, 4), s.t({ 3 }, 0.5, 2), "floor" }, { s.t({ 3 }, -4, 4), s.t({ 3 }, 0.5, 2), "trunc" } }
  end,
}

op "div_trunc(self: operand, other: operand)" {
  doc = "The quotient, rounded towards zero.",
  lua = "div", pointwise = "div_trunc(x, y)", check = "divisor", hidden = true,
  grad = { self = zero, other = zero },
  samples = { uneven = { 0.5, 2 } },
}

op "floor_divide(self: operand, other: operand)" {
  doc = [[The quotient, rounded down; what // does. Integers cannot be divided by zero. A number whose quotients
    or rests the integer dtype may not hold is an error.]],
  pointwise = "floor_div(x, y)", quick = "unless(floor_div_of(x, y, fmod_near(x, y)), quotient_far(x, y))",
  check = "divisor", inplace = true,
  grad = { self = zero, other = zero },
  samples = { uneven = { 0.5, 2 } },
}

op "remainder(self: operand, other: operand)" {
  doc = "self - other floor(self / other), with the sign of other; what % does.",
  pointwise = "remainder(x, y)", quick = "unless(remainder_of(fmod_near(x, y), y), quotient_far(x, y))",
  check = "divisor", inplace = true,
  grad = {
    self = function(g) return g end,
    other = function(g, v) return -(g * ops.floor_divide(v.self, v.other)) end,
  },
  samples = { uneven = { 0.5, 2 } },
}

op "fmod(self: operand, other: operand)" {
  doc = "self - other trunc(self / other), with the sign of self.",
  pointwise = "fmod(x, y)", quick = "unless(fmod_near(x, y), quotient_far(x, y))", check = "divisor", inplace = true,
  grad = {
    self = function(g) return g end,
    other = function(g, v) return -(g * ops.div_trunc(v.self, v.other)) end,
  },
  samples = { uneven = { 0.5, 2 } },
}

op "neg(self: tensor)" {
  aliases = "negative",
  doc = "The negative.",
  pointwise = "-x", dtypes = "float int bool", check = "neg", inplace = true,
  grad = { self = function(g) return -g end },
}

op "positive(self: tensor)" {
  doc = "A copy of the elements.",
  pointwise = "x", dtypes = "float int bool",
  grad = { self = function(g) return g end },
}

op "conj(self: tensor)" {
  doc = "The complex conjugate. A real number is its own: of a tensor of them self is the result.",
  run = "conj", identity = "real",
  grad = { self = function(g) return g:conj() end },
  samples = function(s) return { { s.t({ 2, 3 }) }, { s.t({}) }, { s.i({ 2, 3 }, -3, 3) }, { s.b { 2 } } } end,
}

op "abs(self: tensor)" {
  aliases = "absolute",
  doc = "The absolute value; its derivative at 0 is 0.",
  pointwise = "abs(x)", inplace = true,
  grad = { self = function(g, v) return g * v.self:sign() end },
  samples = { domain = { 0.5, 2 } },
}

op "sign(self: tensor)" {
  aliases = "sgn",
  doc = "-1, 0 or 1; 0 for NaN.",
  pointwise = "sign(x)", dtypes = "float int bool", inplace = true,
  grad = { self = zero },
  samples = { domain = { 0.5, 2 } },
}

-- ---- Powers ----

op "square(self: tensor)" {
  doc = "The square, x * x.",
  pointwise = "x * x", inplace = true,
  grad = { self = function(g, v) return g * ops.twice(v.self:conj()) end },
}

op "twice(self: tensor)" {
  doc = "x + x: the derivative of the square.",
  pointwise = "x + x", hidden = true,
  grad = { self = function(g) return ops.twice(g) end },
}

op "cube(self: tensor)" {
  doc = "x * x * x.",
  pointwise = "x * x * x", hidden = true,
  grad = { self = function(g, v) return g * ops.cube_d(v.self:conj()) end },
}

op "cube_d(self: tensor)" {
  doc = "3 x^2: the derivative of the cube.",
  pointwise = "3 * (x * x)", dtypes = "float", hidden = true,
  grad = { self = function(g, v) return g * v.self:conj() * 6 end },
}

op "sqrt(self: tensor)" {
  doc = "The square root; NaN for negative elements. Its derivative at 0 is inf.",
  pointwise = "sqrt(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return g / (v.out:conj() * 2) end },
  samples = { domain = { 0.5, 2 } },
}

op "rsqrt(self: tensor)" {
  autocast = { cuda = "float32" },
  doc = "1 / sqrt(x).",
  pointwise = "1 / sqrt(x)", promote = "float", inplace = true,
  grad = { self = function(g, v) return g * ops.cube(v.out:conj()) * -0.5 end },
  samples = { domain = { 0.5, 2 } },
}

op "sqrt_d(self: tensor)" {
  doc = "0.5 / sqrt(x): the derivative of the square root, as a power.",
  pointwise = "0.5 / sqrt(x)", dtypes = "float", hidden = true,
  grad = { self = function(g, v) return g * ops.cube(v.out:conj()) * -2 end },
  samples = { domain = { 0.5, 2 } },
}

op "reciprocal(self: tensor)" {
  autocast = { cuda = "float32" },
  doc = "The reciprocal, 1 / x.",
  pointwise = "1 / x", promote = "float", inplace = true,
  grad = { self = function(g, v) return -(g * (v.out:conj() * v.out:conj())) end },
  samples = { domain = { 0.5, 2 } },
}

op "recip_square(self: tensor)" {
  doc = "The reciprocal of the square, 1 / x^2.",
  pointwise = "1 / x / x", dtypes = "float", hidden = true,
  grad = { self = function(g, v) return g * -2 / ops.cube(v.self:conj()) end },
  samples = { domain = { 0.5, 2 } },
}

op "pow(self: operand, exponent: operand)" {
  autocast = { cuda = "float32" },
  doc = [[self to the power of exponent; what ^ does. Integers have no negative powers. The derivative by the
    exponent is 0 where the base is 0 and the exponent is not negative.]],
  pointwise = "pow(x, y)", check = "pow", inplace = true,
  grad = {
    self = function(g, v) return g * ops.pow_d(v.self:conj(), v.exponent:conj()) end,
    exponent = function(g, v) return g * ops.pow_log(v.self:conj(), v.exponent:conj()) end,
  },
  samples = { pairs = { 0.5, 2 } },
}

op "pow_d(self: operand, exponent: operand)" {
  doc = "exponent self^(exponent - 1), and 0 wherever the exponent is 0.",
  pointwise = "y == 0 ? 0 : y * pow(x, y - 1)", dtypes = "float", hidden = true,
  grad = {
    self = function(g, v) return g * ops.pow_part(v.self:conj(), v.exponent:conj(), 2, 0) end,
    exponent = function(g, v) return g * ops.pow_part(v.self:conj(), v.exponent:conj(), 1, 1) end,
  },
  samples = { pairs = { 0.5, 2 } },
}

op "pow_log(self: operand, exponent: operand)" {
  doc = "self^exponent log(self), and 0 where the exponent wins against an infinite logarithm.",
  pointwise = "pow_log(x, y)", dtypes = "float", hidden = true,
  grad = {
    self = function(g, v) return g * ops.pow_part(v.self:conj(), v.exponent:conj(), 1, 1) end,
    exponent = function(g, v) return g * ops.pow_part(v.self:conj(), v.exponent:conj(), 0, 2) end,
  },
  samples = { pairs = { 0.5, 2 } },
}

op "pow_part(self: operand, exponent: operand, n: scalar, m: scalar)" {
  doc = "The n-th derivative by self of the m-th derivative by exponent of self^exponent.",
  pointwise = "pow_part(x, y, a, b)", dtypes = "float", hidden = true,
  grad = {
    self = function(g, v) return g * ops.pow_part(v.self:conj(), v.exponent:conj(), v.n + 1, v.m) end,
    exponent = function(g, v) return g * ops.pow_part(v.self:conj(), v.exponent:conj(), v.n, v.m + 1) end,
  },
  samples = function(s)
    return { { s.t({ 3 }, 0.5, 2), s.t({ 3 }, 0.5, 2), 2, 1 }, { s.t({ 3 }, 0.5, 2), 3, 1, 0 } }
  end,
}

-- ---- Several operands ----

op "lerp(self: tensor, end: tensor, weight: operand)" {
  doc = "self + weight (end - self), computed from the nearer side. All tensors have one floating dtype.",
  pointwise = "lerp(x, y, z)", dtypes = "float", check = "same_dtype", inplace = true,
  grad = {
    self = function(g, v) return ops.lerp_rest(g, v.weight:conj()) end,
    ["end"] = function(g, v) return g * v.weight:conj() end,
    weight = function(g, v) return g * (v["end"]:conj() - v.self:conj()) end,
  },
  samples = function(s)
    return {
      { s.t({ 2, 3 }, -2, 2), s.t({ 3 }, -2, 2), s.t({ 2, 1 }, 0.6, 0.9) },
      { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2), 0.25 },
    }
  end,
}

op "lerp_rest(grad: tensor, weight: operand)" {
  doc = "grad (1 - weight): the derivative of lerp by self.",
  pointwise = "x * (1 - y)", dtypes = "float", hidden = true,
  grad = {
    grad = function(g, v) return ops.lerp_rest(g, v.weight:conj()) end,
    weight = function(g, v) return -(g * v.grad:conj()) end,
  },
  samples = { pairs = { 0.5, 2 } },
}

local three = function(s)
  return {
    { s.t({ 2, 3 }, 0.5, 2), s.t({ 3 }, 0.5, 2), s.t({ 2, 1 }, 0.5, 2) },
    { s.t({ 3 }, 0.5, 2), s.t({ 3 }, 0.5, 2), s.t({ 3 }, 0.5, 2), 2 },
  }
end

op "addcmul(self: tensor, tensor1: operand, tensor2: operand, value: scalar = 1)" {
  autocast = { cuda = "widest" },
  doc = "self + value tensor1 tensor2.",
  pointwise = "x + a * y * z", check = "scale_product", inplace = true,
  grad = {
    self = function(g) return g end,
    tensor1 = function(g, v) return g * v.tensor2:conj() * v.value:conj() end,
    tensor2 = function(g, v) return g * v.tensor1:conj() * v.value:conj() end,
  },
  samples = three,
}

op "addcdiv(self: tensor, tensor1: operand, tensor2: operand, value: scalar = 1)" {
  autocast = { cuda = "widest" },
  doc = "self + value tensor1 / tensor2, on floats only.",
  pointwise = "x + a * y / z", dtypes = "float", inplace = true,
  grad = {
    self = function(g) return g end,
    tensor1 = function(g, v) return g * v.value:conj() / v.tensor2:conj() end,
    tensor2 = function(g, v) return ops.div_d(g * v.value:conj(), v.tensor1:conj(), v.tensor2:conj()) end,
  },
  samples = three,
}
