-- unique.lua: the different elements of a tensor, and whether elements are among those of another one.
--
-- Holds true: positions are 1-based; every NaN is one of its own.

op([[unique(self: tensor, sorted: bool = true, return_inverse: bool = false, return_counts: bool = false,
    dim: dim?) -> ...]]) {
  aliases = "unique_values",
  doc = [[The different elements, in order; then, if asked for, where each element of self is among them, and how often
    each occurs. With dim the parts of self at each position along it are compared whole, by their elements in turn.
    Every NaN is one of its own.]],
  run = "unique", nondiff = true,
  samples = function(s)
    return { { s.i({ 2, 3 }, 1, 3) }, { s.i({ 7 }, 1, 3), true, true, true }, { s.t({ 0 }), true, true, true },
      { s.i({}, 1, 3), true, false, true }, { s.i({ 5, 2 }, 1, 2), true, true, true, 1 },
      { s.i({ 2, 6 }, 1, 2), true, true, true, -1 } }
  end,
}

op "unique_consecutive(self: tensor, return_inverse: bool = false, return_counts: bool = false, dim: dim?) -> ..." {
  doc = "The same as unique, but equal elements are one only where they follow each other; in the order of self.",
  run = "unique", nondiff = true,
  samples = function(s)
    return { { s.i({ 2, 3 }, 1, 3) }, { s.i({ 7 }, 1, 2), true, true }, { s.i({ 5, 2 }, 1, 2), true, true, 1 } }
  end,
}

op "unique_all(self: tensor) -> values, indices, inverse, counts" {
  doc = [[The different elements, in order; where each of them first is among all elements in a row; where each element
    of self is among the different ones; and how often each occurs. Every NaN is one of its own.]],
  run = "unique_all", nondiff = true,
  samples = function(s) return { { s.i({ 2, 5 }, 1, 4) }, { s.t({ 0 }) }, { s.i({}, 1, 3) } } end,
}

op "unique_counts(self: tensor) -> values, counts" {
  doc = "The different elements, in order, and how often each occurs.",
  run = "unique_some", nondiff = true,
  samples = function(s) return { { s.i({ 2, 5 }, 1, 4) }, { s.t({ 0 }) } } end,
}

op "unique_inverse(self: tensor) -> values, inverse" {
  doc = "The different elements, in order, and where each element of self is among them.",
  run = "unique_some", nondiff = true,
  samples = function(s) return { { s.i({ 2, 5 }, 1, 4) }, { s.t({ 0 }) } } end,
}

op "isin(elements: operand, test_elements: operand, assume_unique: bool = false, invert: bool = false)" {
  doc = [[Whether each of elements equals any of test_elements (or none: invert); one of both may be a number.
    Compared in their promoted dtype; NaN equals nothing. assume_unique changes nothing.]],
  run = "isin", nondiff = true,
  samples = function(s)
    return { { s.i({ 2, 5 }, 1, 6), s.i({ 4 }, 1, 6) }, { s.t({ 3 }), 0.5, false, true }, { 2, s.i({ 3 }, 1, 3) },
      { s.i({ 3 }, 1, 3), s.i({ 0 }, 1, 2) }, { s.i({}, 1, 3), s.i({ 2, 2 }, 1, 3) } }
  end,
}
