-- index.lua: reading and writing by positions, and the operations built on it.
--
-- Holds true: positions count from 1, negative ones from the end, in int64 or int32 tensors; 0 and
-- what lies outside is an error, found before anything is written. Where a position is written twice
-- the last write stands (its derivative is then given to every writer); sums are taken in the order of
-- the positions. A number that self's dtype cannot hold is refused.

-- ---- Along one dim ----------------------------------------------------------------------------------

op "index_select(self: tensor, dim: dim, index: tensor)" {
  doc = "The positions that a 0-dim or 1-dim index lists, along dim.",
  run = "index_select",
  kernels = { "pick" },
  grad = {
    self = function(g, v) return g:index_select_backward(v.self.shape, v.dim, v.index) end,
  },
  samples = function(s)
    return { { s.t({ 3, 2 }), 1, s.i({ 4 }, -3, -1) }, { s.t({ 2, 3 }), -1, s.i({ 2 }, 1, 3) },
      { s.t({ 3, 2 }), 1, s.i({ 0 }, 1, 1) } }
  end,
}

op "index_select_backward(self: tensor, shape: shape, dim: dim, index: tensor)" {
  doc = "Zeros of a shape with the parts of self added at the positions that index lists along dim.",
  hidden = true,
  run = "index_select_backward",
  kernels = { "place" },
  grad = { self = function(g, v) return g:index_select(v.dim, v.index) end },
  samples = function(s) return { { s.t({ 4, 2 }), { 3, 2 }, 1, s.i({ 4 }, 1, 3) } } end,
}

op "gather(self: tensor, dim: dim, index: tensor)" {
  doc = [[out[i, j] = self[index[i, j], j] for dim 1, and so on. index has as many dims as self and is no larger in
    the other dims.]],
  run = "gather",
  grad = { self = function(g, v) return g:gather_backward(v.self.shape, v.dim, v.index) end },
  samples = function(s)
    return { { s.t({ 3, 2 }), 1, s.i({ 2, 2 }, 1, 3) }, { s.t({ 2, 3 }), -1, s.i({ 2, 4 }, -3, -1) },
      { s.t({}), 1, s.i({}, 1, 1) } }
  end,
}

op "gather_backward(self: tensor, shape: shape, dim: dim, index: tensor)" {
  doc = "Zeros of a shape with the elements of self added at the positions in index along dim.",
  hidden = true,
  run = "gather_backward",
  grad = { self = function(g, v) return g:gather(v.dim, v.index) end },
  samples = function(s) return { { s.t({ 2, 2 }), { 3, 2 }, 1, s.i({ 2, 2 }, 1, 3) } } end,
}

op "scatter(self: tensor, dim: dim, index: tensor, src: operand)" {
  doc = [[self with src[i, j] (or the number src) written to [index[i, j], j] for dim 1, and so on. src is at least
    as large as index.]],
  inplace = true,
  rewrites = true,
  run = "scatter",
  grad = {
    self = function(g, v) return g:scatter(v.dim, v.index, 0) end,
    src = function(g, v) return g:gather(v.dim, v.index):corner(v.src.shape) end,
  },
  samples = function(s)
    return { { s.t({ 3, 2 }), 1, s.i({ 1, 2 }, 1, 3), s.t({ 1, 2 }) }, { s.t({ 3, 2 }), -1, s.i({ 3, 1 }, 1, 2), 2.5 },
      { s.t({ 3, 2 }), 1, s.i({ 1, 1 }, 1, 3), s.t({ 2, 2 }) } }
  end,
}

op "scatter_add(self: tensor, dim: dim, index: tensor, src: tensor)" {
  doc = "self with src[i, j] added at [index[i, j], j] for dim 1, and so on. src is at least as large as index.",
  inplace = true,
  rewrites = true,
  run = "scatter",
  grad = {
    self = function(g) return g end,
    src = function(g, v) return g:gather(v.dim, v.index):corner(v.src.shape) end,
  },
  samples = function(s)
    return { { s.t({ 3, 2 }), 1, s.i({ 4, 2 }, 1, 3), s.t({ 4, 2 }) },
      { s.t({ 3, 2 }), -1, s.i({ 2, 2 }, -2, -1), s.t({ 3, 2 }) } }
  end,
}

op [[scatter_reduced(self: tensor, dim: dim, index: tensor, src: operand, reduce: "add" | "multiply")]] {
  doc = [[self with src[i, j] (or the number src) added to ("add") or multiplied with ("multiply") what is at
    [index[i, j], j] for dim 1, and so on, one after the other. src is at least as large as index.]],
  lua = "scatter",
  inplace = true,
  composite = true,
  run = "scatter_reduced",
  samples = function(s)
    return { { s.t({ 3, 2 }, 0.5, 2), 1, s.i({ 4, 2 }, 1, 3), s.t({ 4, 2 }, 0.5, 2), "multiply" },
      { s.t({ 3, 2 }), -1, s.i({ 2, 2 }, -2, -1), s.t({ 3, 2 }), "add" },
      { s.t({ 3 }), 1, s.i({ 5 }, 1, 3), 2.5, "multiply" }, { s.t({ 3 }), 1, s.i({ 2 }, 1, 3), s.t({}), "multiply" } }
  end,
}

-- The product of the other factors that came to an element's place, without dividing by zero.
local function other_factors(g, v)
  local zero = v.src:eq(0):to(v.src.dtype)
  local zeros = g:zeros_like():scatter_add(v.dim, v.index, zero):gather(v.dim, v.index)
  local filled = v.src:masked_fill(v.src:eq(0), 1)
  local rest = g:ones_like():scatter_multiply(v.dim, v.index, filled):gather(v.dim, v.index)
  return (rest / filled):masked_fill(zeros:ne(zero), 0)
end

op "scatter_multiply(self: tensor, dim: dim, index: tensor, src: tensor)" {
  doc = "self multiplied with src[i, j] at [index[i, j], j] for dim 1, and so on. src has index's shape.",
  hidden = true,
  rewrites = true,
  run = "scatter",
  grad = {
    self = function(g, v) return g * g:ones_like():scatter_multiply(v.dim, v.index, v.src) end,
    src = function(g, v)
      return g:gather(v.dim, v.index) * v.self:gather(v.dim, v.index) * other_factors(g, v)
    end,
  },
  samples = function(s) return { { s.t({ 3, 2 }, 0.5, 2), 1, s.i({ 4, 2 }, 1, 3), s.t({ 4, 2 }, 0.5, 2) } } end,
}

op "index_add(self: tensor, dim: dim, index: tensor, source: tensor, alpha: scalar = 1)" {
  doc = "self with alpha times the parts of source added at the positions that index lists along dim.",
  inplace = true,
  rewrites = true,
  run = "index_add",
  grad = {
    self = function(g) return g end,
    source = function(g, v) return g:index_select(v.dim, v.index):mul(v.alpha) end,
  },
  samples = function(s)
    return { { s.t({ 3, 2 }), 1, s.i({ 4 }, 1, 3), s.t({ 4, 2 }) },
      { s.t({ 2, 3 }), -1, s.i({ 2 }, 1, 3), s.t({ 2, 2 }), 2 } }
  end,
}

op "index_copy(self: tensor, dim: dim, index: tensor, source: tensor)" {
  doc = "self with the parts of source written at the positions that index lists along dim.",
  inplace = true,
  rewrites = true,
  run = "index_copy",
  grad = {
    self = function(g, v) return g:index_fill(v.dim, v.index, 0) end,
    source = function(g, v) return g:index_select(v.dim, v.index) end,
  },
  samples = function(s)
    return { { s.t({ 3, 2 }), 1, s.i({ 1 }, 1, 3), s.t({ 1, 2 }) },
      { s.t({ 2, 3 }), -1, s.i({ 1 }, -3, -1), s.t({ 2, 1 }) } }
  end,
}

op "index_fill(self: tensor, dim: dim, index: tensor, value: operand)" {
  doc = "self with a number, or the element of a 0-dim tensor, written at the positions that index lists along dim.",
  inplace = true,
  rewrites = true,
  run = "index_fill",
  grad = {
    self = function(g, v) return g:index_fill(v.dim, v.index, 0) end,
    value = function(g, v) return g:index_keep(v.dim, v.index) end,
  },
  samples = function(s)
    return { { s.t({ 3, 2 }), 1, s.i({ 2 }, 1, 3), 2 }, { s.t({ 2, 3 }), -1, s.i({ 2 }, -3, -1), s.t({}) } }
  end,
}

op "index_keep(self: tensor, dim: dim, index: tensor)" {
  doc = "self with zeros at every position along dim that index does not list.",
  hidden = true,
  run = "index_keep",
  grad = { self = function(g, v) return g:index_keep(v.dim, v.index) end },
  samples = function(s) return { { s.t({ 3, 2 }), 1, s.i({ 2 }, 1, 3) } } end,
}

op "take(self: tensor, index: tensor)" {
  doc = "The elements at positions of the flattened tensor, in the shape of index.",
  run = "take",
  grad = {
    self = function(g, v)
      return ops.index_backward(g, { v.self.numel }, { v.index }):reshape(v.self.shape)
    end,
  },
  samples = function(s) return { { s.t({ 2, 3 }), s.i({ 2, 2 }, 1, 6) }, { s.t({ 2, 3 }), s.i({}, -6, -1) } } end,
}

op "take_along_dim(self: tensor, index: tensor, dim: dim?)" {
  aliases = "take_along_axis",
  doc = "gather with both tensors broadcast in the other dims; without dim of the flattened tensors.",
  composite = true,
  run = "take_along_dim",
  samples = function(s) return { { s.t({ 3, 2 }), s.i({ 2, 1 }, 1, 3), 1 }, { s.t({ 3, 2 }), s.i({ 4 }, 1, 6) } } end,
}

op "embedding(weight: tensor, index: tensor)" {
  doc = "The rows of weight at the positions in index: the shape of index followed by that of a row.",
  method = false,
  run = "embedding",
  grad = { weight = function(g, v) return ops.index_backward(g, v.weight.shape, { v.index }) end },
  samples = function(s) return { { s.t({ 4, 3 }), s.i({ 2, 2 }, 1, 4) } } end,
}

-- ---- By tensors of positions, and masks -----------------------------------------------------------------

op "index(self: tensor, indices: tensors)" {
  doc = [[The elements where indices say, a tensor per dim (none: the whole dim), broadcast together. A bool tensor
    takes as many dims as it has and stands for the positions where it is true. The dims of the indices come where
    the indexed dims were, or in front if those were apart.]],
  func = false,
  method = false,
  run = "index",
  kernels = { "offset", "nonzero", "count_true" },
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
  doc = [[self with values, broadcast to the shape that index(self, indices) has, written or (accumulate) added where
    indices say.]],
  inplace = true,
  rewrites = true,
  run = "index_put",
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

op "masked_select(self: tensor, mask: tensor)" {
  doc = "The elements where a bool mask is true, in one dim; self and mask are broadcast together.",
  composite = true,
  run = "masked_select",
  samples = function(s) return { { s.t({ 2, 3 }), s.b({ 2, 3 }) }, { s.t({ 3 }), s.b({ 2, 1 }) } } end,
}

op "masked_scatter(self: tensor, mask: tensor, source: tensor)" {
  doc = "self with the elements of source, in order, written where a bool mask, broadcast to self, is true.",
  inplace = true,
  rewrites = true,
  run = "masked_scatter",
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

op "one_hot(self: tensor, classes: int?)" {
  doc = [[An int64 tensor with a last dim of `classes` (absent: the largest class) that is 1 at the class (from 1) in
    self and 0 elsewhere.]],
  run = "one_hot",
  nondiff = true,
  samples = function(s) return { { s.i({ 4 }, 1, 3), 3 }, { s.i({ 2, 2 }, 1, 3) }, { s.i({}, 2, 2), 4 } } end,
}
