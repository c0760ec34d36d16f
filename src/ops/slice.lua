-- slice.lua: parts of tensors along one dim, as views.
--
-- Holds true: positions count from 1, negative ones from the end. The derivative of a part is zeros with
-- the gradient in its place.

op "select(self: tensor, dim: dim, index: int)" {
  doc = "A view of one position along dim, which goes.",
  view = true,
  run = "select",
  grad = { self = function(g, v) return g:select_backward(v.self.shape, v.dim, v.index) end },
  samples = function(s) return { { s.t({ 2, 3 }), 1, 2 }, { s.t({ 2, 3 }), -1, -1 }, { s.t({ 4 }), 1, 3 } } end,
}

op "select_backward(self: tensor, shape: shape, dim: dim, index: int)" {
  doc = "Zeros of a shape with self at one position along dim.",
  hidden = true,
  run = "select_backward",
  grad = { self = function(g, v) return g:select(v.dim, v.index) end },
  samples = function(s) return { { s.t({ 3 }), { 2, 3 }, 1, 2 }, { s.t({}), { 3 }, 1, -1 } } end,
}

op "slice(self: tensor, dim: dim, first: int?, last: int?, step: int = 1)" {
  doc = [[A view of the positions first, first + step, ... up to and including last along dim. Negative ends count
    from the end; absent ones mean the whole dim. last = first - 1 gives an empty range.]],
  view = true,
  run = "slice",
  grad = {
    self = function(g, v) return g:slice_backward(v.self.shape, v.dim, v.first, v.last, v.step) end,
  },
  samples = function(s)
    return { { s.t({ 5, 2 }), 1, 2, 4 }, { s.t({ 2, 5 }), -1, s.none, s.none, 2 }, { s.t({ 5 }), 1, -3, -1 },
      { s.t({ 3 }), 1, 2, 1 } }
  end,
}

op "slice_backward(self: tensor, shape: shape, dim: dim, first: int?, last: int?, step: int = 1)" {
  doc = "Zeros of a shape with self in a range of dim.",
  hidden = true,
  run = "slice_backward",
  grad = { self = function(g, v) return g:slice(v.dim, v.first, v.last, v.step) end },
  samples = function(s)
    return { { s.t({ 3, 2 }), { 5, 2 }, 1, 2, 4 },
      { s.t({ 2, 3 }), { 2, 5 }, 2, s.none, s.none, 2 } }
  end,
}

op "narrow(self: tensor, dim: dim, start: int, length: int)" {
  doc = "A view of `length` positions from `start` along dim.",
  composite = true,
  stores = true, run = "narrow",
  samples = function(s)
    return { { s.t({ 5, 2 }), 1, 2, 3 }, { s.t({ 2, 3 }), -1, -2, 2 },
      { s.t({ 3 }), 1, 1, 0 } }
  end,
}

op "diagonal(self: tensor, offset: int = 0, dim1: dim = 1, dim2: dim = 2)" {
  doc = "A view of the diagonal of two dims, as the last dim; a positive offset lies above the main one.",
  view = true,
  run = "diagonal",
  grad = { self = function(g, v) return g:diagonal_backward(v.self.shape, v.offset, v.dim1, v.dim2) end },
  samples = function(s)
    return { { s.t({ 3, 4 }) }, { s.t({ 3, 4 }), 1 }, { s.t({ 3, 4 }), -1 }, { s.t({ 2, 3, 4 }), 0, -1, 1 },
      { s.t({ 2, 2 }), 5 } }
  end,
}

op "diagonal_backward(self: tensor, shape: shape, offset: int, dim1: dim, dim2: dim)" {
  doc = "Zeros of a shape with self on a diagonal of two dims.",
  hidden = true,
  run = "diagonal_backward",
  grad = { self = function(g, v) return g:diagonal(v.offset, v.dim1, v.dim2) end },
  samples = function(s) return { { s.t({ 3 }), { 3, 4 }, 0, 1, 2 }, { s.t({ 2 }), { 3, 3 }, -1, 1, 2 } } end,
}

op "diag(self: tensor, diagonal: int = 0)" {
  doc = "The diagonal of a matrix, or a matrix of zeros with a vector on its diagonal.",
  composite = true,
  stores = true, run = "diag",
  samples = function(s) return { { s.t({ 3 }) }, { s.t({ 2 }), -1 }, { s.t({ 3, 4 }), 1 } } end,
}

-- Several views at once. Writing to one of them in place is against autograd's rules.

op "split(self: tensor, split_size: int, dim: dim = 1) -> ..." {
  doc = "Views of split_size positions each along dim; the last one may be smaller.",
  view = true,
  multi_view = true,
  run = "split",
  grad = "split",
  samples = function(s) return { { s.t({ 5, 2 }), 2 }, { s.t({ 2, 4 }), 2, -1 } } end,
}

for _, name in ipairs { "split_list", "split_with_sizes" } do
  op(name .. "(self: tensor, split_sizes: ints, dim: dim = 1) -> ...") {
    doc = "Views of the given sizes along dim, which add up to its size.",
    lua = name == "split_list" and "split" or name,
    view = true,
    multi_view = true,
    run = "split_with_sizes",
    grad = "split",
    samples = function(s) return { { s.t({ 5, 2 }), { 2, 0, 3 } }, { s.t({ 2, 4 }), { 1, 3 }, 2 } } end,
  }
end

op "chunk(self: tensor, chunks: int, dim: dim = 1) -> ..." {
  doc = "At most `chunks` views of equal size along dim; the last one may be smaller.",
  view = true,
  multi_view = true,
  run = "chunk",
  grad = "split",
  samples = function(s) return { { s.t({ 5, 2 }), 2 }, { s.t({ 2, 4 }), 3, -1 } } end,
}

op "unbind(self: tensor, dim: dim = 1) -> ..." {
  aliases = "unstack",
  doc = "A view per position along dim.",
  view = true,
  multi_view = true,
  run = "unbind",
  grad = "unbind",
  samples = function(s) return { { s.t({ 3, 2 }) }, { s.t({ 2, 3 }), -1 } } end,
}
