-- sort.lua: elements in order.
--
-- Holds true: every sort is stable, in both directions; NaN is larger than any number, -0 equal to 0.
-- Positions are 1-based. A 0-dim tensor has one element along dim 1.

local function along_one(s)
  return { { s.t({ 2, 3 }, -2, 2) }, { s.t({ 3, 2, 2 }, -2, 2), 1, true }, { s.t({}, -2, 2), 1 }, { s.t({ 0, 2 }), 1 } }
end

-- Elements that came from given positions along dim go back there.
local function put_back(g, v) return g:gather_backward(v.self.shape, v.dim, v.indices) end

op "sort(self: tensor, dim: dim = -1, descending: bool = false, stable: bool = true) -> values, indices" {
  doc = "The elements in ascending (or descending) order along dim, and their positions; always stable.",
  run = "sort", kernels = { "sort" },
  grad = { self = put_back },
  samples = along_one,
}

op "argsort(self: tensor, dim: dim = -1, descending: bool = false, stable: bool = true)" {
  doc = "The positions that would put the elements in order along dim; always stable.",
  run = "sort", nondiff = true,
  samples = along_one,
}

op "msort(self: tensor)" {
  doc = "The elements in ascending order along the first dim.",
  run = "msort", composite = true,
  samples = function(s) return { { s.t({ 3, 2 }, -2, 2) } } end,
}

op "topk(self: tensor, k: int, dim: dim = -1, largest: bool = true, sorted: bool = true) -> values, indices" {
  doc = "The k largest (or smallest) elements along dim, and their positions; always in order.",
  run = "topk",
  grad = { self = put_back },
  samples = function(s)
    return { { s.t({ 2, 5 }, -2, 2), 2 }, { s.t({ 4, 2 }, -2, 2), 3, 1, false }, { s.t({}, -2, 2), 1 },
      { s.t({ 3 }, -2, 2), 0 } }
  end,
}

op "kthvalue(self: tensor, k: int, dim: dim = -1, keepdim: bool = false) -> values, indices" {
  doc = "The k-th smallest element along dim, and its position.",
  run = "kthvalue", composite = true,
  samples = function(s)
    return { { s.t({ 2, 5 }, -2, 2), 2 }, { s.t({ 4, 2 }, -2, 2), 4, 1, true }, { s.t({}, -2, 2), 1 } }
  end,
}

-- ---- What is in order ------------------------------------------------------------------------------

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

op([[searchsorted(sorted_sequence: tensor, values: operand, right: bool = false, side: "left" | "right"?,
    sorter: tensor?, out_int32: bool = false)]]) {
  doc = [[The first positions at which values could be put in without harm to the order of the last dim: before equal
    elements, or with right = true (or side = "right") after them. A sequence of one dim serves all values. sorter has
    the positions that put an unsorted sequence in order, as argsort gives them; with out_int32 the result is int32.]],
  run = "searchsorted", kernels = { "search" }, nondiff = true,
  samples = function(s)
    local line, lines = s.t({ 5 }):msort(), s.t({ 2, 4 }):sort()
    local mixed = s.t({ 2, 4 })
    return { { line, s.t({ 2, 3 }) }, { line, s.t({}), true }, { line, 0.5 }, { lines, s.t({ 2, 3 }) },
      { mixed, s.t({ 2, 3 }), false, "right", mixed:argsort(), true } }
  end,
}

op "bucketize(self: operand, boundaries: tensor, right: bool = false, out_int32: bool = false)" {
  doc = "searchsorted(boundaries, self): the bucket that each element falls into, from 1; in int32 with out_int32.",
  run = "searchsorted", nondiff = true,
  samples = function(s)
    return { { s.t({ 2, 3 }), s.t({ 4 }):msort() }, { s.t({ 3 }), s.t({ 4 }):msort(), true, true } }
  end,
}
