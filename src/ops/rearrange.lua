-- rearrange.lua: tensors repeated, reversed, moved around.
--
-- Holds true: every result has memory of its own; nothing is computed.

op "tile(self: tensor, repeats: shape)" {
  aliases = "repeat",
  doc = [[self repeated repeats[i] times along dim i (PyTorch's repeat, a word that Lua keeps for itself). Missing
    counts, or missing dims of self, come in front as 1.]],
  composite = true,
  stores = true, run = "tile",
  samples = function(s)
    return { { s.t({ 2, 3 }), { 2, 2 } }, { s.t({ 3 }), { 2, 2 } }, { s.t({ 2, 3 }), { 2 } }, { s.t({ 2 }), { 0 } } }
  end,
}

op "repeat_interleave(self: tensor, repeats: int, dim: dim?)" {
  doc = "Each position along dim repeated, next to itself; without dim of all elements in one dimension.",
  composite = true,
  stores = true, run = "repeat_interleave",
  samples = function(s) return { { s.t({ 2, 3 }), 2 }, { s.t({ 2, 3 }), 3, -1 }, { s.t({ 2, 3 }), 0, 1 } } end,
}

op "repeat_interleave_each(self: tensor, repeats: tensor, dim: dim?, output_size: int?)" {
  doc = [[The i-th position along dim repeated repeats[i] times, next to itself; without dim of all elements in one
    dimension. A single number serves all positions. output_size is the sum of repeats, where it is known.]],
  lua = "repeat_interleave",
  composite = true,
  stores = true, run = "repeat_interleave_each",
  samples = function(s)
    return { { s.t({ 2, 3 }), s.i({ 3 }, 0, 3), 2 }, { s.t({ 2, 2 }), s.i({ 4 }, 0, 2) },
      { s.t({ 2, 3 }), s.i({}, 2, 2), 1 } }
  end,
}

op "flip(self: tensor, dims: dims)" {
  doc = "A copy with the order along the dims reversed.",
  stores = true, run = "flip",
  grad = { self = function(g, v) return g:flip(v.dims) end },
  samples = function(s) return { { s.t({ 2, 3 }), { 1 } }, { s.t({ 2, 3 }), { 1, -1 } }, { s.t({ 0, 3 }), { 1 } } } end,
}

op "roll(self: tensor, shifts: ints, dims: dims?)" {
  doc = "A copy moved by shifts[i] positions along dims[i], around the end; without dims of all elements in one row.",
  composite = true,
  stores = true, run = "roll",
  samples = function(s)
    return { { s.t({ 2, 3 }), { 1 } }, { s.t({ 2, 3 }), { -1, 1 }, { 2, 1 } }, { s.t({ 3 }), { 5 }, { 1 } } }
  end,
}

op "fliplr(self: tensor)" {
  doc = "A copy with the order along dim 2 reversed: each row of a matrix from right to left.",
  composite = true,
  stores = true, run = "flip_side",
  samples = function(s) return { { s.t({ 2, 3 }) }, { s.t({ 2, 3, 2 }) }, { s.t({ 0, 2 }) } } end,
}

op "flipud(self: tensor)" {
  doc = "A copy with the order along dim 1 reversed: the rows of a matrix from bottom to top.",
  composite = true,
  stores = true, run = "flip_side",
  samples = function(s) return { { s.t({ 3 }) }, { s.t({ 2, 3 }) }, { s.t({ 0, 2 }) } } end,
}

op "rot90(self: tensor, k: int = 1, dims: dims?)" {
  doc = [[A copy turned k times by a quarter of a circle in the plane of two dims (1 and 2 if absent), from the first
    of them towards the second; a negative k turns the other way.]],
  composite = true,
  stores = true, run = "rot90",
  samples = function(s)
    return { { s.t({ 2, 3 }) }, { s.t({ 2, 3 }), 2 }, { s.t({ 2, 3 }), -1 }, { s.t({ 2, 3 }), 4 },
      { s.t({ 2, 3, 2 }), 1, { 3, 1 } } }
  end,
}
