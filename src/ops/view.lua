-- shape.lua: views: the same elements in other shapes, orders and sections.
--
-- Holds true: an operation marked `view` shares memory with its first argument; the derivative of a
-- view that drops elements is an operation of its own, which fills a zero tensor of the old shape, so
-- that a derivative of any order neither writes in place nor keeps more than shapes.

-- ---- The same elements in another shape ----------------------------------------------------------

op "alias(self: tensor)" {
  doc = "Another handle on the same memory and in the same place of the graph.",
  hidden = true,
  view = true,
  run = "alias",
  grad = { self = function(g) return g end },
  samples = function(s) return { { s.t({ 2, 3 }) }, { s.t({}) } } end,
}

op "detach(self: tensor)" {
  doc = "The same memory outside every graph. In-place writes through either are seen by both and are counted.",
  view = true,
  run = "alias",
  nondiff = true,
  samples = function(s) return { { s.t({ 2, 3 }) }, { s.t({}) } } end,
}

op "view(self: tensor, shape: shape)" {
  doc = [[The same memory in another shape; one size may be -1 and follows from the others. An error where the
    strides do not allow it: use reshape.]],
  view = true,
  run = "view",
  grad = { self = function(g, v) return g:reshape(v.self.shape) end },
  samples = function(s)
    return { { s.t({ 2, 3 }), { 3, 2 } }, { s.t({ 2, 3 }), { -1 } }, { s.t({}), { 1, 1 } },
      { s.t({ 0, 3 }), { 3, 0 } } }
  end,
}

op "view_as(self: tensor, other: tensor)" {
  doc = "view(other.shape).",
  body = function(v) return v.self:view(v.other.shape) end,
  samples = function(s) return { { s.t({ 2, 3 }), s.t({ 6 }) } } end,
}

op "reshape(self: tensor, shape: shape)" {
  doc = [[The elements in row-major order in another shape; one size may be -1 and follows from the others.
    A view where the strides allow it, else a copy.]],
  composite = true,
  run = "reshape",
  samples = function(s)
    return { { s.t({ 2, 3 }), { 3, 2 } }, { s.t({ 2, 3 }), { -1, 1 } }, { s.t({}), { 1 } }, { s.t({ 0, 3 }), { 0 } } }
  end,
}

op "reshape_copy(self: tensor, shape: shape)" {
  doc = "A contiguous copy in another shape of as many elements.",
  hidden = true,
  run = "reshape_copy",
  grad = { self = function(g, v) return g:reshape(v.self.shape) end },
  samples = function(s) return { { s.t({ 2, 3 }), { 3, 2 } } } end,
}

op "reshape_as(self: tensor, other: tensor)" {
  doc = "reshape(other.shape).",
  body = function(v) return v.self:reshape(v.other.shape) end,
  samples = function(s) return { { s.t({ 2, 3 }), s.t({ 6 }) } } end,
}

op "ravel(self: tensor)" {
  doc = "All elements in one dimension; a view where possible.",
  body = function(v) return v.self:reshape { -1 } end,
  samples = function(s) return { { s.t({ 2, 3 }) }, { s.t({}) } } end,
}

op "flatten(self: tensor, first: dim = 1, last: dim = -1)" {
  doc = "The dims from first to last made one; a view where possible. A 0-dim tensor becomes one of 1 element.",
  composite = true,
  run = "flatten",
  samples = function(s)
    return { { s.t({ 2, 3, 2 }) }, { s.t({ 2, 3, 2 }), 2 }, { s.t({ 2, 3, 2 }), 1, -2 }, { s.t({}) } }
  end,
}

op "unflatten(self: tensor, dim: dim, sizes: shape)" {
  doc = "The dim split into several of the given sizes, of which one may be -1; a view where possible.",
  composite = true,
  run = "unflatten",
  samples = function(s) return { { s.t({ 2, 6 }), 2, { 3, -1 } }, { s.t({ 4, 2 }), -2, { 2, 2 } } } end,
}

-- ---- Dims moved, dropped, added, repeated ----------------------------------------------------------

op "permute(self: tensor, dims: dims)" {
  aliases = "permute_dims",
  doc = "A view whose i-th dim is the dims[i]-th of self. Every dim is named once.",
  view = true,
  run = "permute",
  grad = { self = function(g, v) return g:permute_back(v.dims) end },
  samples = function(s) return { { s.t({ 2, 3, 4 }), { 3, 1, 2 } }, { s.t({ 2, 3 }), { -1, 1 } }, { s.t({}), {} } } end,
}

op "permute_back(self: tensor, dims: dims)" {
  doc = "The view that undoes permute(dims).",
  hidden = true,
  view = true,
  run = "permute",
  grad = { self = function(g, v) return g:permute(v.dims) end },
  samples = function(s) return { { s.t({ 2, 3, 4 }), { 3, 1, 2 } } } end,
}

op "transpose(self: tensor, dim0: dim, dim1: dim)" {
  doc = "A view with two dims swapped.",
  view = true,
  inplace = "header",
  run = "transpose",
  grad = { self = function(g, v) return g:transpose(v.dim0, v.dim1) end },
  samples = function(s) return { { s.t({ 2, 3 }), 1, 2 }, { s.t({ 2, 3, 4 }), -1, 1 }, { s.t({}), 1, 1 } } end,
}

for _, name in ipairs { "swapaxes", "swapdims" } do
  op(name .. "(self: tensor, axis0: dim, axis1: dim)") {
    doc = "transpose by another name.",
    inplace = "header",
    body = function(v) return v.self:transpose(v.axis0, v.axis1) end,
    samples = function(s) return { { s.t({ 2, 3 }), 1, 2 } } end,
  }
end

op "t(self: tensor)" {
  aliases = "T H",
  doc = "The transpose of a matrix, as a view; a tensor of fewer dims as it is.",
  composite = true,
  inplace = "header",
  run = "t",
  samples = function(s) return { { s.t({ 2, 3 }) }, { s.t({ 3 }) }, { s.t({}) } } end,
}

op "mT(self: tensor)" {
  aliases = "matrix_transpose mH adjoint",
  doc = "A view with the last two dims swapped: the transposes of a batch of matrices.",
  composite = true,
  run = "mT",
  samples = function(s) return { { s.t({ 2, 3 }) }, { s.t({ 2, 3, 4 }) } } end,
}

op "movedim(self: tensor, source: dims, destination: dims)" {
  aliases = "moveaxis",
  doc = "A view with the source dims moved to the destinations; the others keep their order.",
  composite = true,
  run = "movedim",
  samples = function(s) return { { s.t({ 2, 3, 4 }), { 1 }, { -1 } }, { s.t({ 2, 3, 4 }), { 1, 2 }, { 3, 1 } } } end,
}

op "squeeze(self: tensor, dim: dims?)" {
  doc = "A view without the dims of size 1, or without those of them that `dim` names.",
  view = true,
  inplace = "header",
  run = "squeeze",
  grad = { self = function(g, v) return g:reshape(v.self.shape) end },
  samples = function(s)
    return { { s.t({ 1, 3, 1 }) }, { s.t({ 1, 3, 1 }), { -1 } }, { s.t({ 2, 3 }), { 1 } }, { s.t({}), { 1 } } }
  end,
}

op "unsqueeze(self: tensor, dim: dim)" {
  aliases = "expand_dims",
  doc = "A view with a new dim of size 1 at `dim`, from 1 to ndim + 1 or, from the end, -1 to -(ndim + 1).",
  view = true,
  inplace = "header",
  run = "unsqueeze",
  grad = { self = function(g, v) return g:reshape(v.self.shape) end },
  samples = function(s)
    return { { s.t({ 2, 3 }), 1 }, { s.t({ 2, 3 }), -1 }, { s.t({ 2, 3 }), 3 },
      { s.t({}), 1 } }
  end,
}

-- ---- Parts ---------------------------------------------------------------------------------------

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

op "basic_index(self: tensor, entries: ints)" {
  doc = [[A view by several entries, of four numbers each: 0, n keeps n dims; 1, i selects; 2, first, last, step takes a
    range (2 + 4: from the start, 2 + 8: to the end); 3, n puts a new dim of size 0 or 1. Dims that remain are
    kept. What x[{...}] is made of.]],
  method = false,
  func = false,
  view = true,
  run = "basic_index",
  grad = { self = function(g, v) return g:basic_index_backward(v.self.shape, v.entries) end },
  samples = function(s)
    return { { s.t({ 2, 3 }), { 1, 2, 0, 0, 1, -1, 0, 0 } }, { s.t({ 2, 5, 3 }), { 0, 1, 0, 0, 6, 0, -2, 2 } },
      { s.t({ 4, 2 }), { 10, 2, 0, 1, 3, 1, 0, 0, 1, 1, 0, 0 } }, { s.t({ 2 }), { 3, 0, 0, 0, 2, 2, 1, 1 } } }
  end,
}

op "basic_index_backward(self: tensor, shape: shape, entries: ints)" {
  doc = "Zeros of a shape with self in the part that basic_index would show.",
  hidden = true,
  run = "basic_index_backward",
  grad = { self = function(g, v) return g:basic_index(v.entries) end },
  samples = function(s)
    return { { s.t({}), { 2, 3 }, { 1, 2, 0, 0, 1, -1, 0, 0 } },
      { s.t({ 2, 3 }), { 2, 5 }, { 0, 1, 0, 0, 2, 1, 3, 1 } } }
  end,
}

op "narrow(self: tensor, dim: dim, start: int, length: int)" {
  doc = "A view of `length` positions from `start` along dim.",
  composite = true,
  run = "narrow",
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
  run = "diag",
  samples = function(s) return { { s.t({ 3 }) }, { s.t({ 2 }), -1 }, { s.t({ 3, 4 }), 1 } } end,
}

op "as_strided(self: tensor, size: shape, stride: ints, offset: int?)" {
  doc = [[A view of self's memory with any sizes and strides, in elements; `offset` counts elements from 0 at the
    start of the memory and is self's own if absent.]],
  view = true,
  inplace = "header",
  run = "as_strided",
  grad = {
    self = function(g, v)
      return g:restride(v.size, v.stride, v.offset, v.self.shape, v.self.stride, v.self.offset, 1)
    end,
  },
  samples = function(s)
    return { { s.t({ 6 }), { 2, 3 }, { 3, 1 }, 0 }, { s.t({ 6 }), { 3, 2 }, { 1, 2 }, 1 }, { s.t({ 4 }), {}, {}, 2 } }
  end,
}

op([[restride(self: tensor, from_size: shape, from_stride: ints, from_offset: int?, size: shape, stride: ints,
    offset: int?, base: int)]]) {
  doc = [[Adds self into zeroed memory by the first geometry (elements that overlap add up) and reads that memory by
    the second. Elements that overlap in the base, which is the first geometry (0) or the second (1), share what
    lies there. An absent offset equals the other one.]],
  hidden = true,
  run = "restride",
  kernels = { "add_strided" },
  grad = {
    self = function(g, v)
      return g:restride(v.size, v.stride, v.offset, v.from_size, v.from_stride, v.from_offset, 1 - v.base)
    end,
  },
  samples = function(s)
    return { { s.t({ 3, 2 }), { 3, 2 }, { 1, 1 }, 0, { 4 }, { 1 }, 0, 1 },
      { s.t({ 2 }), { 2 }, { 1 }, 0, { 2, 2 }, { 1, 0 }, 0, 1 } }
  end,
}

-- Several views at once. Writing to one of them in place is against autograd's rules.

op "split(self: tensor, size: int, dim: dim = 1) -> ..." {
  doc = "Views of `size` positions each along dim; the last one may be smaller.",
  view = true,
  multi_view = true,
  run = "split",
  grad = "split",
  samples = function(s) return { { s.t({ 5, 2 }), 2 }, { s.t({ 2, 4 }), 2, -1 } } end,
}

for _, name in ipairs { "split_list", "split_with_sizes" } do
  op(name .. "(self: tensor, sizes: ints, dim: dim = 1) -> ...") {
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
