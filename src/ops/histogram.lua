-- histogram.lua: how often numbers occur: whole ones, and those between edges.
--
-- Holds true: counts are exact, whatever the dtype; NaN, and what lies outside all bins, is not counted. Sums of
-- weights are taken in the order of the elements. Nothing here has a derivative.

op "bincount(self: tensor, weights: tensor?, minlength: int = 0)" {
  doc = [[How often each whole number from 1 to the largest one (and to minlength at least) occurs in a vector of
    integers: out[k] is the count of k, or the sum of the weights where self is k. Counts are int64; sums are float32
    for float32 weights, else float64. A number below 1 is an error.]],
  run = "bincount", nondiff = true,
  samples = function(s)
    return { { s.i({ 9 }, 1, 4) }, { s.i({ 5 }, 1, 3), s.t({ 5 }) }, { s.i({ 0 }, 1, 2), s.none, 3 },
      { s.i({ 3 }, 1, 2), s.t({ 3 }), 4 } }
  end,
}

op "histc(self: tensor, bins: int = 100, min: scalar = 0, max: scalar = 0)" {
  doc = [[How many elements lie in each of so many bins of equal width from min to max (the smallest and the largest
    element if both are equal), in the dtype of self, a floating one. max itself is in the last bin.]],
  run = "histc", nondiff = true,
  samples = function(s)
    return { { s.t({ 2, 9 }), 4, -2, 2 }, { s.t({ 7 }), 3 }, { s.t({ 0 }), 2 }, { s.t({ 5 }), 5, -1, 0.5 },
      { s.t({}), 1 } }
  end,
}

op([[histogram(self: tensor, bins: int = 100, min: float?, max: float?, weight: tensor?, density: bool = false)
    -> hist, bin_edges]]) {
  doc = [[The sums of weight (or counts) of the elements in each of so many bins of equal width from min to max (the
    smallest and the largest element if they are absent), in the dtype of self, and the edges of the bins. max itself is
    in the last bin. density: divided by their sum and the widths of the bins.]],
  run = "histogram", nondiff = true,
  samples = function(s)
    return { { s.t({ 2, 5 }), 4, -2.0, 2.0 }, { s.t({ 7 }), 3 }, { s.t({ 6 }), 2, -1.0, 1.0, s.t({ 6 }, 0, 1) },
      { s.t({ 9 }), 3, s.none, s.none, s.none, true } }
  end,
}

op [[histogram_at(self: tensor, bins: tensor, weight: tensor?, density: bool = false) -> hist, bin_edges]] {
  doc = [[The sums of weight (or counts) of the elements between the edges in bins, a vector in ascending order, in the
    dtype of self, and the edges. The last one is in the last bin.]],
  lua = "histogram", run = "histogram_at", nondiff = true,
  samples = function(s)
    return { { s.t({ 2, 5 }), s.t({ 4 }):msort() }, { s.t({ 6 }), s.t({ 3 }):msort(), s.t({ 6 }, 0, 1), true } }
  end,
}

op "histogramdd(self: tensor, bins: ints, range: tensor?, weight: tensor?, density: bool = false) -> ..." {
  doc = [[A histogram of points, which the last dim of self holds: bins[d] bins along dim d of the result, or so many
    along each, between the two numbers in range[d] (absent: the smallest and the largest). Results are the sums of
    weight, or counts, and the edges along each dim.]],
  run = "histogramdd", nondiff = true,
  samples = function(s)
    return { { s.t({ 9, 2 }), { 2, 3 } }, { s.t({ 2, 3, 1 }), 4 },
      { s.t({ 5, 2 }), { 2, 2 }, (s.t({ 2, 2 }):sort()), s.t({ 5 }, 0, 1), true } }
  end,
}

op "histogramdd_at(self: tensor, bins: tensors, weight: tensor?, density: bool = false) -> ..." {
  doc = "The same between the edges that bins lists for each dim, vectors in ascending order.",
  lua = "histogramdd", run = "histogramdd_at", nondiff = true,
  samples = function(s)
    return { { s.t({ 9, 2 }), { s.t({ 3 }):msort(), s.t({ 4 }):msort() } },
      { s.t({ 5, 1 }), { s.t({ 3 }):msort() }, s.t({ 5 }, 0, 1), true } }
  end,
}

op "bin_of(self: tensor, low: float, high: float, bins: float)" {
  doc = "Which one of so many bins of equal width from low to high an element lies in, from 1; bins + 1: in none.",
  hidden = true, pointwise = "x >= a && x <= b ? minimum(floor((x - a) * (c / (b - a))), c - 1) + 1 : c + 1",
  dtypes = "float", nondiff = true,
  samples = function(s) return { { s.t({ 2, 5 }), -1.0, 1.5, 4.0 } } end,
}
