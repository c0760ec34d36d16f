-- index.lua: reading and writing by tensors of positions and masks, one for each dim.
--
-- Holds true: positions are those of gather.lua; what is written follows the rules of scatter.lua. Several
-- tensors of positions are raveled into one of offsets.

kernel "ravel_index(out, index; size, step, dim, first: bool)"

-- ---- By one tensor of positions ---------------------------------------------------------------------

op "take(self: tensor, index: tensor)" {
  doc = "The elements at positions of the flattened tensor, in the shape of index.",
  stores = true, run = "take",
  grad = {
    self = function(g, v)
      return ops.index_backward(g, { v.self.numel }, { v.index }):reshape(v.self.shape)
    end,
  },
  samples = function(s) return { { s.t({ 2, 3 }), s.i({ 2, 2 }, 1, 6) }, { s.t({ 2, 3 }), s.i({}, -6, -1) } } end,
}

-- ---- By tensors of positions, and masks -----------------------------------------------------------------

op "index(self: tensor, indices: tensors)" {
  doc = [[The elements where indices say, a tensor per dim (none: the whole dim), broadcast together. A bool tensor
    takes as many dims as it has and stands for the positions where it is true. The dims of the indices come where
    the indexed dims were, or in front if those were apart.]],
  func = false,
  method = false,
  stores = true, run = "index",
  grad = { self = function(g, v) return g:index_backward(v.self.shape, v.indices) end },
  samples = function(s)
    return { { s.t({ 3, 2 }), { s.i({ 4 }, 1, 3) } }, { s.t({ 3, 2 }), { s.i({ 2, 1 }, 1, 3), s.i({ 2 }, -2, -1) } },
      { s.t({ 2, 3 }), { s.b({ 2, 3 }) } } }
  end,
}

op "index_backward(self: tensor, shape: shape, indices: tensors)" {
  doc = "Zeros of a shape with the elements of self added where indices say.",
  hidden = true,
  run = "index_backward",
  grad = { self = function(g, v) return g:index(v.indices) end },
  samples = function(s) return { { s.t({ 4, 2 }), { 3, 2 }, { s.i({ 4 }, 1, 3) } } } end,
}

op "index_put(self: tensor, indices: tensors, values: operand, accumulate: bool = false)" {
  autocast = { cuda = "widest" },
  doc = [[self with values, broadcast to the shape that index(self, indices) has, written or (accumulate) added where
    indices say.]],
  inplace = true,
  rewrites = true,
  stores = true, run = "index_put",
  grad = {
    self = function(g, v) return g:index_clear(v.indices, v.accumulate) end,
    values = function(g, v) return g:index(v.indices) end,
  },
  samples = function(s)
    return { { s.t({ 3, 2 }), { s.i({ 1 }, 1, 3) }, s.t({ 2 }) },
      { s.t({ 3, 2 }), { s.i({ 4 }, 1, 3) }, s.t({ 4, 2 }), true },
      { s.t({ 3, 2 }), { s.b({ 3, 2 }) }, 2 } }
  end,
}

op "index_clear(self: tensor, indices: tensors, keep: bool)" {
  doc = "self with zeros where indices say; self itself if keep is true.",
  hidden = true,
  run = "index_clear",
  grad = { self = function(g, v) return g:index_clear(v.indices, v.keep) end },
  samples = function(s) return { { s.t({ 3, 2 }), { s.i({ 1 }, 1, 3) }, false } } end,
}

op "unravel_index(indices: tensor, shape: shape) -> ..." {
  doc = [[The positions along each dim of a tensor of a shape that belong to positions of its elements in a row: int64
    tensors of the shape of indices, one for each dim. All count from 1.]],
  run = "unravel_index", method = false, nondiff = true,
  samples = function(s)
    return { { s.i({ 4 }, 1, 6), { 2, 3 } }, { s.i({ 2, 2 }, 1, 24), { 2, 3, 4 } }, { s.i({}, 1, 3), { 3 } },
      { s.i({ 0 }, 1, 3), { 3, 0 } } }
  end,
}
