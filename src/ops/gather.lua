-- gather.lua: reading along one dim by tensors of positions.
--
-- Holds true: positions count from 1, negative ones from the end, in int64 or int32 tensors; 0 and what
-- lies outside is an error.

kernel "gather(out, from, index; size, step, dim)"

op "index_select(self: tensor, dim: dim, index: tensor)" {
  doc = "The positions that a 0-dim or 1-dim index lists, along dim.",
  stores = true, run = "index_select",
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
  grad = { self = function(g, v) return g:index_select(v.dim, v.index) end },
  samples = function(s) return { { s.t({ 4, 2 }), { 3, 2 }, 1, s.i({ 4 }, 1, 3) } } end,
}

op "gather(self: tensor, dim: dim, index: tensor)" {
  doc = [[out[i, j] = self[index[i, j], j] for dim 1, and so on. index has as many dims as self and is no larger in
    the other dims.]],
  stores = true, run = "gather",
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

op "take_along_dim(self: tensor, indices: tensor, dim: dim?)" {
  aliases = "take_along_axis",
  doc = "gather with both tensors broadcast in the other dims; without dim of the flattened tensors.",
  composite = true,
  stores = true, run = "take_along_dim",
  samples = function(s) return { { s.t({ 3, 2 }), s.i({ 2, 1 }, 1, 3), 1 }, { s.t({ 3, 2 }), s.i({ 4 }, 1, 6) } } end,
}
