-- view.lua: the same elements in other shapes and orders of dims.
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
  stores = true, run = "reshape",
  samples = function(s)
    return { { s.t({ 2, 3 }), { 3, 2 } }, { s.t({ 2, 3 }), { -1, 1 } }, { s.t({}), { 1 } }, { s.t({ 0, 3 }), { 0 } } }
  end,
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

op "flatten(self: tensor, start_dim: dim = 1, end_dim: dim = -1)" {
  doc = "The dims from start_dim to end_dim made one; a view where possible. A 0-dim tensor becomes one of 1 element.",
  composite = true,
  stores = true, run = "flatten",
  samples = function(s)
    return { { s.t({ 2, 3, 2 }) }, { s.t({ 2, 3, 2 }), 2 }, { s.t({ 2, 3, 2 }), 1, -2 }, { s.t({}) } }
  end,
}

op "unflatten(self: tensor, dim: dim, sizes: shape)" {
  doc = "The dim split into several of the given sizes, of which one may be -1; a view where possible.",
  composite = true,
  stores = true, run = "unflatten",
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

for _, pair in ipairs { { "swapaxes", "axis" }, { "swapdims", "dim" } } do
  local name, word = pair[1], pair[2]
  op(("%s(self: tensor, %s0: dim, %s1: dim)"):format(name, word, word)) {
    doc = "transpose by another name.",
    inplace = "header",
    body = function(v) return v.self:transpose(v[word .. 0], v[word .. 1]) end,
    samples = function(s) return { { s.t({ 2, 3 }), 1, 2 } } end,
  }
end

op "t(self: tensor)" {
  aliases = "T H",
  doc = "The transpose of a matrix, as a view; a tensor of fewer dims as it is.",
  composite = true,
  inplace = "header",
  stores = true, run = "t",
  samples = function(s) return { { s.t({ 2, 3 }) }, { s.t({ 3 }) }, { s.t({}) } } end,
}

op "mT(self: tensor)" {
  aliases = "matrix_transpose mH adjoint",
  doc = "A view with the last two dims swapped: the transposes of a batch of matrices.",
  composite = true,
  stores = true, run = "mT",
  samples = function(s) return { { s.t({ 2, 3 }) }, { s.t({ 2, 3, 4 }) } } end,
}

op "movedim(self: tensor, source: dims, destination: dims)" {
  aliases = "moveaxis",
  doc = "A view with the source dims moved to the destinations; the others keep their order.",
  composite = true,
  stores = true, run = "movedim",
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
