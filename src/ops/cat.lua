-- join.lua: copies, conversions and joins of tensors.
--
-- Holds true: every result has memory of its own, except where the doc says that self is returned.
-- What is rearranged without arithmetic (flip, cat, tile) is a copy between strided views.

-- ---- Copies and conversions --------------------------------------------------------------------------

op "clone(self: tensor)" {
  doc = "A copy with memory of its own, in self's order of dims in memory.",
  run = "clone",
  grad = { self = function(g) return g end },
  samples = function(s) return { { s.t({ 2, 3 }) }, { s.t({}) }, { s.t({ 0, 2 }) } } end,
}

op "contiguous(self: tensor)" {
  doc = "self if its elements lie in row-major order without gaps, else a copy of which that is true.",
  run = "contiguous",
  grad = { self = function(g) return g end },
  samples = function(s) return { { s.t({ 2, 3 }) }, { s.t({}) } } end,
}

op "to(self: tensor, dtype: dtype?, device: device?, copy: bool = false)" {
  aliases = "astype",
  doc = "self in another dtype, on another device; self itself where nothing changes, unless `copy` is true.",
  run = "to",
  grad = { self = function(g, v) return g:to(v.self.dtype, v.self.device) end },
  samples = function(s) return { { s.t({ 2, 3 }), "float64" }, { s.t({ 2, 3 }), s.none, s.none, true } } end,
}

-- The short names of conversions. Only one to float64 has differences that are exact enough to check a
-- derivative by.
for _, cast in ipairs {
  { "double", "float64" }, { "float", "float32" }, { "half", "float16" }, { "bfloat16", "bfloat16" },
  { "long", "int64" }, { "int", "int32" }, { "short", "int16" }, { "char", "int8" }, { "byte", "uint8" },
  { "bool", "bool" },
} do
  local name, dtype = cast[1], cast[2]
  op("to_" .. name .. "(self: tensor)") {
    doc = ('to "%s".'):format(dtype),
    lua = name,
    func = false,
    body = function(v) return v.self:to(dtype) end,
    samples = function(s) return { { name == "double" and s.t({ 2, 3 }) or s.i({ 2, 3 }, -3, 3) } } end,
  }
end

op "copy_(self: tensor, src: tensor)" {
  doc = "Writes src, broadcast to self's shape and converted to its dtype and device, into self.",
  inplace = "only",
  rewrites = true,
  run = "copy_",
  grad = { self = function(g) return g:zeros_like() end, src = function(g) return g end },
  samples = function(s)
    return { { s.t({ 2, 3 }), s.t({ 2, 3 }) }, { s.t({ 2, 3 }), s.t({ 3 }) }, { s.t({}), s.t({}) } }
  end,
}

op "fill_(self: tensor, value: operand)" {
  doc = [[Writes a number, or the element of a 0-dim tensor, into every element of self, whose dtype must be able
    to hold it.]],
  inplace = "only",
  rewrites = true,
  run = "fill_",
  grad = { self = function(g) return g:zeros_like() end, value = function(g) return g end },
  samples = function(s) return { { s.t({ 2, 3 }), 2 }, { s.t({ 2, 3 }), s.t({}) } } end,
}

op "zero_(self: tensor)" {
  doc = "Writes 0 into every element of self.",
  inplace = "only",
  rewrites = true,
  run = "zero_",
  grad = { self = function(g) return g:zeros_like() end },
  samples = function(s) return { { s.t({ 2, 3 }) } } end,
}

op "corner(self: tensor, shape: shape)" {
  doc = "Zeros of a shape of as many dims with self in their first corner, as far as it reaches.",
  hidden = true,
  run = "corner",
  grad = { self = function(g, v) return g:corner(v.self.shape) end },
  samples = function(s) return { { s.t({ 2, 3 }), { 3, 2 } }, { s.t({ 2 }), { 4 } } } end,
}

-- ---- Joins and rearrangements --------------------------------------------------------------------------

for _, name in ipairs { "cat", "concat" } do
  op(name .. "(tensors: tensors, dim: dim = 1)") {
    doc = [[The tensors one after the other along dim, in their promoted dtype. They agree in every other size, but
      an empty 1-dim tensor joins anything.]],
    aliases = name == "cat" and "concatenate" or nil,
    method = false,
    composite = true,
    run = "cat",
    samples = function(s)
      return { { { s.t({ 2, 3 }), s.t({ 1, 3 }) } }, { { s.t({ 2, 1 }), s.t({ 2, 2 }), s.t({ 2, 0 }) }, -1 },
        { { s.t({ 0 }), s.t({ 2, 2 }) } } }
    end,
  }
end

op "join(tensors: tensors, dim: int, sizes: ints)" {
  doc = "cat of tensors whose sizes along dim (from 1) are known; a tensor of size -1 is left out.",
  hidden = true,
  run = "join",
  kernels = { "join" },
  grad = "join",
  samples = function(s) return { { { s.t({ 2, 3 }), s.t({ 1, 3 }) }, 1, { 2, 1 } } } end,
}

op "stack(tensors: tensors, dim: dim = 1)" {
  doc = "Tensors of one shape joined along a new dim.",
  method = false,
  composite = true,
  run = "stack",
  samples = function(s) return { { { s.t({ 2 }), s.t({ 2 }) } }, { { s.t({}), s.t({}), s.t({}) }, -1 } } end,
}

op "hstack(tensors: tensors)" {
  doc = "cat along dim 2, or along dim 1 of tensors of fewer than 2 dims.",
  method = false,
  composite = true,
  run = "hstack",
  samples = function(s) return { { { s.t({ 2, 1 }), s.t({ 2, 2 }) } }, { { s.t({ 2 }), s.t({ 1 }) } } } end,
}

op "vstack(tensors: tensors)" {
  aliases = "row_stack",
  doc = "cat along dim 1, of tensors with at least 2 dims: a vector counts as a row.",
  method = false,
  composite = true,
  run = "vstack",
  samples = function(s) return { { { s.t({ 2 }), s.t({ 2 }) } }, { { s.t({ 1, 2 }), s.t({ 3, 2 }) } } } end,
}

op "tile(self: tensor, repeats: shape)" {
  aliases = "repeat",
  doc = [[self repeated repeats[i] times along dim i (PyTorch's repeat, a word that Lua keeps for itself). Missing
    counts, or missing dims of self, come in front as 1.]],
  composite = true,
  run = "tile",
  samples = function(s)
    return { { s.t({ 2, 3 }), { 2, 2 } }, { s.t({ 3 }), { 2, 2 } }, { s.t({ 2, 3 }), { 2 } }, { s.t({ 2 }), { 0 } } }
  end,
}

op "repeat_interleave(self: tensor, repeats: int, dim: dim?)" {
  doc = "Each position along dim repeated, next to itself; without dim of all elements in one dimension.",
  composite = true,
  run = "repeat_interleave",
  samples = function(s) return { { s.t({ 2, 3 }), 2 }, { s.t({ 2, 3 }), 3, -1 }, { s.t({ 2, 3 }), 0, 1 } } end,
}

op "repeat_interleave_each(self: tensor, repeats: tensor, dim: dim?, output_size: int?)" {
  doc = [[The i-th position along dim repeated repeats[i] times, next to itself; without dim of all elements in one
    dimension. A single number serves all positions. output_size is the sum of repeats, where it is known.]],
  lua = "repeat_interleave",
  composite = true,
  run = "repeat_interleave_each",
  samples = function(s)
    return { { s.t({ 2, 3 }), s.i({ 3 }, 0, 3), 2 }, { s.t({ 2, 2 }), s.i({ 4 }, 0, 2) },
      { s.t({ 2, 3 }), s.i({}, 2, 2), 1 } }
  end,
}

op "flip(self: tensor, dims: dims)" {
  doc = "A copy with the order along the dims reversed.",
  run = "flip",
  grad = { self = function(g, v) return g:flip(v.dims) end },
  samples = function(s) return { { s.t({ 2, 3 }), { 1 } }, { s.t({ 2, 3 }), { 1, -1 } }, { s.t({ 0, 3 }), { 1 } } } end,
}

op "roll(self: tensor, shifts: ints, dims: dims?)" {
  doc = "A copy moved by shifts[i] positions along dims[i], around the end; without dims of all elements in one row.",
  composite = true,
  run = "roll",
  samples = function(s)
    return { { s.t({ 2, 3 }), { 1 } }, { s.t({ 2, 3 }), { -1, 1 }, { 2, 1 } }, { s.t({ 3 }), { 5 }, { 1 } } }
  end,
}

for _, name in ipairs { "tril", "triu" } do
  op(name .. "(self: tensor, diagonal: int = 0)") {
    doc = name == "tril" and "The elements of the matrices on and below a diagonal; 0 elsewhere."
      or "The elements of the matrices on and above a diagonal; 0 elsewhere.",
    inplace = true,
    run = "triangle",
    kernels = { "triangle" },
    grad = { self = function(g, v) return g[name](g, v.diagonal) end },
    samples = function(s) return { { s.t({ 3, 3 }) }, { s.t({ 2, 3, 4 }), 1 }, { s.t({ 3, 2 }), -1 } } end,
  }
end

op "diff(self: tensor, n: int = 1, dim: dim = -1, prepend: tensor?, append: tensor?)" {
  doc = [[The differences of neighbours along dim, n times over; of bools, whether they differ. What is to be prepended
    or appended is joined to self along dim first.]],
  run = "diff", composite = true,
  samples = function(s)
    return { { s.t({ 2, 4 }) }, { s.t({ 4, 2 }), 2, 1 }, { s.t({ 2 }), 3 }, { s.t({ 3 }), 0 },
      { s.t({ 2, 2 }), 1, -1, s.t({ 2, 1 }), s.t({ 2, 2 }) }, { s.t({ 2, 2 }), 2, 1, nil, s.t({ 1, 2 }) } }
  end,
}

op [[pad(self: tensor, pad: ints, mode: "constant" | "reflect" | "replicate" | "circular" = "constant",
  value: scalar = 0)]] {
  doc = [[self with more elements around it: pad lists how many before and after, of the last dim first. They are
    `value`, or copies: "replicate" of the edge, "reflect" of what lies beyond it, "circular" of the other end. A
    negative number takes elements away.]],
  run = "pad", composite = true,
  samples = function(s)
    return { { s.t({ 2, 3 }), { 1, 2 } }, { s.t({ 2, 3 }), { -1, 1, 2, 0 }, "constant", 1.5 },
      { s.t({ 2, 3 }), { 2, 1 }, "reflect" }, { s.t({ 1, 2, 3 }), { 1, 0, 0, 2 }, "replicate" },
      { s.t({ 2, 3 }), { 3, 1 }, "circular" } }
  end,
}
