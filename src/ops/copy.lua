-- copy.lua: copies, conversions and fills of tensors.
--
-- Holds true: every result has memory of its own, except where the doc says that self is returned.

kernel "copy(to, from)"
kernel "fill(to; number: scalar)"

op "clone(self: tensor)" {
  doc = "A copy with memory of its own, in self's order of dims in memory.",
  stores = true, run = "clone",
  grad = { self = function(g) return g end },
  samples = function(s) return { { s.t({ 2, 3 }) }, { s.t({}) }, { s.t({ 0, 2 }) } } end,
}

op "contiguous(self: tensor)" {
  doc = "self if its elements lie in row-major order without gaps, else a copy of which that is true.",
  stores = true, run = "contiguous",
  grad = { self = function(g) return g end },
  samples = function(s) return { { s.t({ 2, 3 }) }, { s.t({}) } } end,
}

op "to(self: tensor, dtype: dtype?, device: device?, copy: bool = false)" {
  aliases = "astype",
  doc = "self in another dtype, on another device; self itself where nothing changes, unless `copy` is true.",
  stores = true, run = "to",
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
  stores = true, run = "copy_",
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
  stores = true, run = "fill_",
  grad = { self = function(g) return g:zeros_like() end, value = function(g) return g end },
  samples = function(s) return { { s.t({ 2, 3 }), 2 }, { s.t({ 2, 3 }), s.t({}) } } end,
}

op "zero_(self: tensor)" {
  doc = "Writes 0 into every element of self.",
  inplace = "only",
  rewrites = true,
  stores = true, run = "zero_",
  grad = { self = function(g) return g:zeros_like() end },
  samples = function(s) return { { s.t({ 2, 3 }) } } end,
}

op "corner(self: tensor, shape: shape)" {
  doc = "Zeros of a shape of as many dims with self in their first corner, as far as it reaches.",
  hidden = true,
  stores = true, run = "corner",
  grad = { self = function(g, v) return g:corner(v.self.shape) end },
  samples = function(s) return { { s.t({ 2, 3 }), { 3, 2 } }, { s.t({ 2 }), { 4 } } } end,
}

op "reshape_copy(self: tensor, shape: shape)" {
  doc = "A contiguous copy in another shape of as many elements.",
  hidden = true,
  stores = true, run = "reshape_copy",
  grad = { self = function(g, v) return g:reshape(v.self.shape) end },
  samples = function(s) return { { s.t({ 2, 3 }), { 3, 2 } } } end,
}
