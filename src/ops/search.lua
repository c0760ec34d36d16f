-- search.lua: places in sequences that are in order.
--
-- Holds true: places are 1-based, and NaN stands behind all numbers.

kernel "search(out, lines, values; count, length, right: bool, each)"

op([[searchsorted(sorted_sequence: tensor, values: operand, right: bool = false, side: "left" | "right"?,
    sorter: tensor?, out_int32: bool = false)]]) {
  doc = [[The first positions at which values could be put in without harm to the order of the last dim: before equal
    elements, or with right = true (or side = "right") after them. A sequence of one dim serves all values. sorter has
    the positions that put an unsorted sequence in order, as argsort gives them; with out_int32 the result is int32.]],
  run = "searchsorted", nondiff = true,
  samples = function(s)
    local line, lines = s.t({ 5 }):msort(), s.t({ 2, 4 }):sort()
    local mixed = s.t({ 2, 4 })
    return { { line, s.t({ 2, 3 }) }, { line, s.t({}), true }, { line, 0.5 }, { lines, s.t({ 2, 3 }) },
      { mixed, s.t({ 2, 3 }), false, "right", mixed:argsort(), true } }
  end,
}

op "bucketize(self: operand, boundaries: tensor, right: bool = false, out_int32: bool = false)" {
  doc = "searchsorted(boundaries, self): the bucket that each element falls into, from 1; in int32 with out_int32.",
  run = "bucketize", nondiff = true,
  samples = function(s)
    return { { s.t({ 2, 3 }), s.t({ 4 }):msort() }, { s.t({ 3 }), s.t({ 4 }):msort(), true, true } }
  end,
}
