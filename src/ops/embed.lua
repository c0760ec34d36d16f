-- embed.lua: tensors put into larger ones: on diagonals, at positions, in ranges; and the positions of triangles.
--
-- Holds true: what is given has a copy of its own. The derivative by the larger tensor is zero where another one
-- was put, and the derivative by that one is the same part of the gradient.

op "diag_embed(self: tensor, offset: int = 0, dim1: dim = -2, dim2: dim = -1)" {
  doc = [[Zeros with one dim more than self, of which the elements along the last dim of self are a diagonal in dim1 and
    dim2; a positive offset lies above the main one.]],
  composite = true, stores = true, run = "diag_embed",
  samples = function(s)
    return { { s.t({ 3 }) }, { s.t({ 2, 3 }), 1 }, { s.t({ 2, 3 }), -2, 1, 3 }, { s.t({ 2, 0 }) } }
  end,
}

op "diagflat(self: tensor, offset: int = 0)" {
  doc = "A matrix of zeros with all elements of self on a diagonal; a positive offset lies above the main one.",
  body = function(v) return v.self:reshape { -1 }:diag(v.offset) end,
  samples = function(s) return { { s.t({ 3 }) }, { s.t({ 2, 2 }), -1 }, { s.t({}), 2 } } end,
}

local function part_grads(part, put)
  return {
    self = function(g, v) return put(g, part(g, v):zeros_like(), v) end,
    src = function(g, v) return part(g, v) end,
  }
end

op "diagonal_scatter(self: tensor, src: tensor, offset: int = 0, dim1: dim = 1, dim2: dim = 2)" {
  doc = "A copy of self with src, of the shape of self:diagonal(offset, dim1, dim2), written to that diagonal.",
  stores = true, run = "diagonal_scatter",
  grad = part_grads(function(g, v) return g:diagonal(v.offset, v.dim1, v.dim2) end,
    function(g, zeros, v) return g:diagonal_scatter(zeros, v.offset, v.dim1, v.dim2) end),
  samples = function(s)
    return { { s.t({ 3, 3 }), s.t({ 3 }) }, { s.t({ 3, 4 }), s.t({ 2 }), -1 },
      { s.t({ 2, 3, 2 }), s.t({ 3, 2 }), 0, 1, 3 } }
  end,
}

op "select_scatter(self: tensor, src: tensor, dim: dim, index: int)" {
  doc = "A copy of self with src, of the shape of self:select(dim, index), written there.",
  stores = true, run = "select_scatter",
  grad = part_grads(function(g, v) return g:select(v.dim, v.index) end,
    function(g, zeros, v) return g:select_scatter(zeros, v.dim, v.index) end),
  samples = function(s)
    return { { s.t({ 3, 2 }), s.t({ 2 }), 1, 2 }, { s.t({ 2, 3 }), s.t({ 2 }), -1, -1 }, { s.t({ 3 }), s.t({}), 1, 1 } }
  end,
}

op "slice_scatter(self: tensor, src: tensor, dim: dim = 1, first: int?, last: int?, step: int = 1)" {
  doc = "A copy of self with src, of the shape of self:slice(dim, first, last, step), written there.",
  stores = true, run = "slice_scatter",
  grad = part_grads(function(g, v) return g:slice(v.dim, v.first, v.last, v.step) end,
    function(g, zeros, v) return g:slice_scatter(zeros, v.dim, v.first, v.last, v.step) end),
  samples = function(s)
    return { { s.t({ 4, 2 }), s.t({ 2, 2 }), 1, 2, 3 }, { s.t({ 2, 5 }), s.t({ 2, 3 }), -1, s.none, s.none, 2 },
      { s.t({ 3 }), s.t({ 3 }) }, { s.t({ 3 }), s.t({ 0 }), 1, 2, 1 } }
  end,
}

op "as_strided_scatter(self: tensor, src: tensor, size: shape, stride: ints, storage_offset: int?)" {
  doc = [[A copy of self, laid out in memory as self is, with src written to what as_strided(size, stride, offset) of it
    would show. No two elements of self, nor of that view, may share memory.]],
  stores = true, run = "as_strided_scatter",
  grad = {
    self = function(g, v)
      local hit = ops.ones_like(v.src):restride(v.size, v.stride, v.storage_offset, v.self.shape, v.self.stride,
        v.self.offset, 1)
      return g:masked_fill(hit:ne(0), 0)
    end,
    src = function(g, v)
      return g:restride(v.self.shape, v.self.stride, v.self.offset, v.size, v.stride, v.storage_offset, 0)
    end,
  },
  samples = function(s)
    return { { s.t({ 6 }), s.t({ 2, 2 }), { 2, 2 }, { 3, 1 }, 1 }, { s.t({ 2, 3 }), s.t({ 2 }), { 2 }, { 4 } },
      { s.t({ 4 }), s.t({}), {}, {}, 2 } }
  end,
}

-- ---- The positions of triangles --------------------------------------------------------------------

for _, name in ipairs { "tril_indices", "triu_indices" } do
  local side = name == "tril_indices" and "below" or "above"
  op(name .. "(row: int, col: int, offset: int = 0, dtype: dtype?, device: device?)") {
    doc = ([[The rows (in the first row of the result) and the columns (in the second) of the elements of a matrix
    on and %s a diagonal, from 1, in row-major order; int64 without a dtype.]]):format(side),
    run = "triangle_indices", creates = true, nondiff = true,
    samples = function()
      return { { 3, 3 }, { 2, 4, 1 }, { 4, 2, -1 }, { 0, 3 }, { 2, 3, 0, "int32" }, { 2, 2, -3 } }
    end,
  }
end
