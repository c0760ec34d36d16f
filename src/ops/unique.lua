-- unique.lua: the different elements of a tensor.
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
