-- mask.lua: the elements that are true, and reading and writing by them.
--
-- Holds true: masks are bool; what they choose is taken in row-major order.

kernel "count_true(from; count)"
kernel "nonzero(out, from; as_offsets: bool, step: int[dims])"

op "masked_select(self: tensor, mask: tensor)" {
  doc = "The elements where a bool mask is true, in one dim; self and mask are broadcast together.",
  composite = true,
  stores = true, run = "masked_select",
  samples = function(s) return { { s.t({ 2, 3 }), s.b({ 2, 3 }) }, { s.t({ 3 }), s.b({ 2, 1 }) } } end,
}

op "masked_scatter(self: tensor, mask: tensor, source: tensor)" {
  doc = "self with the elements of source, in order, written where a bool mask, broadcast to self, is true.",
  inplace = true,
  rewrites = true,
  stores = true, run = "masked_scatter",
  grad = {
    self = function(g, v) return g:masked_fill(v.mask, 0) end,
    source = function(g, v) return g:masked_source(v.mask, v.source.shape) end,
  },
  samples = function(s)
    return { { s.t({ 2, 3 }), s.b({ 2, 3 }), s.t({ 6 }) },
      { s.t({ 2, 3 }), s.b({ 3 }), s.t({ 3, 3 }) } }
  end,
}

op "masked_source(self: tensor, mask: tensor, shape: shape)" {
  doc = "The elements of self where mask is true, in order, followed by zeros, in a shape.",
  hidden = true,
  composite = true,
  run = "masked_source",
  samples = function(s) return { { s.t({ 2, 3 }), s.b({ 2, 3 }), { 8 } } } end,
}

op "nonzero(self: tensor)" {
  doc = "The positions of the nonzero elements: a row per element, a column per dim, int64.",
  run = "nonzero",
  nondiff = true,
  samples = function(s) return { { s.t({ 2, 3 }) }, { s.b({ 2, 3 }) }, { s.t({}) }, { s.t({ 0, 2 }) } } end,
}

op "nonzero_static(self: tensor, size: int, fill_value: int = -1)" {
  doc = [[The first `size` rows of nonzero, with rows of fill_value behind them where there are fewer: a shape that does
    not depend on the elements.]],
  run = "nonzero_static",
  nondiff = true,
  samples = function(s)
    return { { s.t({ 2, 3 }), 4 }, { s.b({ 2, 3 }), 8, 0 }, { s.t({}), 2 }, { s.t({ 0, 2 }), 1 }, { s.t({ 3 }), 0 } }
  end,
}

op "argwhere(self: tensor)" {
  doc = "nonzero by NumPy's name.",
  body = function(v) return v.self:nonzero() end,
  samples = function(s) return { { s.b({ 2, 3 }) } } end,
}

op "where_positions(condition: tensor) -> ..." {
  doc = "The positions of the nonzero elements, a 1-dim int64 tensor per dim.",
  lua = "where",
  composite = true,
  run = "where_positions",
  samples = function(s) return { { s.b({ 2, 3 }) }, { s.b({}) } } end,
}

op "one_hot(self: tensor, num_classes: int?)" {
  doc = [[An int64 tensor with a last dim of num_classes (absent or -1: the largest class) that is 1 at the class (from
    1) in self and 0 elsewhere.]],
  run = "one_hot",
  nondiff = true,
  samples = function(s) return { { s.i({ 4 }, 1, 3), 3 }, { s.i({ 2, 2 }, 1, 3) }, { s.i({}, 2, 2), 4 } } end,
}
