-- compare.lua: comparisons, tests of elements, logic and bits.
--
-- Holds true: comparisons and tests give bool and have no derivative. Tensors are promoted before they
-- are compared; a number is compared by its value, whether their dtype could hold it or not, and with
-- integers exactly. In logic any number but zero is true. Bit operations take integers and bools.

local ints = function(s)
  return { { s.i({ 2, 3 }, 0, 9), s.i({ 3 }, 0, 9) }, { s.i({ 3 }, 0, 9), 3 }, { s.i({ 0 }, 0, 9), s.i({ 1 }, 0, 9) } }
end

local comparison = function(s)
  return {
    { s.i({ 2, 3 }, 0, 3), s.i({ 3 }, 0, 3) }, { s.t({ 2, 3 }, -2, 2), s.t({ 2, 1 }, -2, 2) }, { s.i({ 4 }, 0, 3), 2 },
    { s.t({ 0 }, -2, 2), s.t({}, -2, 2) },
  }
end

local function compare(name, text, doc, aliases)
  op(name .. "(self: operand, other: operand)") {
    doc = doc, aliases = aliases, pointwise = text, promote = "bool", dtypes = "float int bool", inplace = true,
    nondiff = true, samples = comparison,
  }
end

compare("eq", "x == y", "True where the elements are equal; NaN equals nothing.")
compare("ne", "x != y", "True where the elements differ.", "not_equal")
compare("lt", "x < y", "True where self is less than other.", "less")
compare("le", "x <= y", "True where self is less than other or equal.", "less_equal")
compare("gt", "x > y", "True where self is greater than other.", "greater")
compare("ge", "x >= y", "True where self is greater than other or equal.", "greater_equal")
compare("logical_and", "(x != 0) & (y != 0)", "True where both are true.")
compare("logical_or", "(x != 0) | (y != 0)", "True where one of both is true, or both are.")
compare("logical_xor", "(x != 0) != (y != 0)", "True where just one of both is true.")

local function test(name, text, doc)
  op(name .. "(self: tensor)") {
    doc = doc, pointwise = text, promote = "bool", dtypes = "float int bool", nondiff = true,
    inplace = name == "logical_not",
  }
end

test("logical_not", "x == 0", "True where the element is false.")
test("isnan", "isnan(x)", "True where the element is NaN.")
test("isinf", "isinf(x)", "True where the element is inf or -inf.")
test("isposinf", "isposinf(x)", "True where the element is inf.")
test("isneginf", "isneginf(x)", "True where the element is -inf.")
test("isfinite", "isfinite(x)", "True where the element is neither NaN nor infinite.")
test("signbit", "signbit(x)", "True where the sign is negative, that of -0.0 included.")

op "isclose(self: tensor, other: tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = false)" {
  doc = [[True where |self - other| <= atol + rtol |other|, and where both are equal; with equal_nan also where
    both are NaN. Integers are compared exactly; beside a float they are promoted. Tolerances are not negative.]],
  run = "isclose", composite = true,
  samples = function(s)
    return { { s.t({ 2, 3 }, -2, 2), s.t({ 3 }, -2, 2) }, { s.t({}, -2, 2), s.t({ 2 }, -2, 2), 0.5, 0.5, true },
      { s.i({ 2, 3 }, 0, 9), s.i({ 3 }, 0, 9), 0.5, 1.0 } }
  end,
}

op "is_close(self: tensor, other: tensor, rtol: float, atol: float, equal_nan: bool)" {
  doc = "isclose on floats.",
  lua = "isclose", pointwise = "is_close(x, y, a, b, c)", promote = "bool", dtypes = "float", hidden = true,
  nondiff = true,
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2), 0.5, 0.5, true } } end,
}

op "is_near(self: tensor, other: tensor, within: operand)" {
  doc = "True where integers are at most `within` apart, which is read without a sign.",
  lua = "isclose", pointwise = "is_near(x, y, z)", promote = "bool", dtypes = "int", hidden = true, nondiff = true,
  samples = function(s)
    return { { s.i({ 3 }, 0, 9), s.i({ 3 }, 0, 9), 2 }, { s.i({ 3 }, 0, 9), s.i({ 1 }, 0, 9), s.i({ 3 }, 0, 9) } }
  end,
}

local function bits(name, text, doc, dtypes)
  op(name .. "(self: operand, other: operand)") {
    doc = doc, pointwise = text, dtypes = dtypes or "int bool", inplace = true, nondiff = true, samples = ints,
  }
end

bits("bitwise_and", "x & y", "The bits set in both; on bools, and.")
bits("bitwise_or", "x | y", "The bits set in either; on bools, or.")
bits("bitwise_xor", "x ^ y", "The bits set in just one; on bools, exclusive or.")
bits("bitwise_left_shift", "shl(x, y)", "The bits moved up by other; 0 if other is negative or moves all out.", "int")
bits("bitwise_right_shift", "shr(x, y)",
  "The bits moved down by other, keeping the sign; 0 or -1 if other is negative or moves all out.", "int")

op "bitwise_not(self: tensor)" {
  aliases = "bitwise_invert",
  doc = "Every bit turned over; on bools, not.",
  pointwise = "bit_not(x)", dtypes = "int bool", inplace = true, nondiff = true,
  samples = function(s) return { { s.i({ 2, 3 }, 0, 9) }, { s.b({ 3 }) }, { s.i({ 0 }, 0, 9) } } end,
}

-- ---- Whole tensors ---------------------------------------------------------------------------------

op "equal(self: tensor, other: tensor)" {
  doc = "Whether both have the same shape and equal elements: true or false. NaN equals nothing.",
  stores = true, run = "equal", nondiff = true, truth = true,
  samples = function(s)
    return { { s.t({ 2, 3 }, -2, 2), s.t({ 2, 3 }, -2, 2) }, { s.t({ 2 }, -2, 2), s.t({ 3 }, -2, 2) } }
  end,
}

op "allclose(self: tensor, other: tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = false)" {
  doc = "Whether |self - other| <= atol + rtol * |other| for all elements: true or false.",
  run = "allclose", nondiff = true, truth = true,
  samples = function(s) return { { s.t({ 2, 3 }, -2, 2), s.t({ 3 }, -2, 2) } } end,
}
