-- strided.lua: elements chosen by sizes and strides, or by their place beside a diagonal.
--
-- Holds true: the derivative of a view of overlapping elements adds up what lies in one place.

kernel "triangle(out, from; diagonal, upper: bool)"

for _, name in ipairs { "tril", "triu" } do
  op(name .. "(self: tensor, diagonal: int = 0)") {
    doc = name == "tril" and "The elements of the matrices on and below a diagonal; 0 elsewhere."
      or "The elements of the matrices on and above a diagonal; 0 elsewhere.",
    inplace = true,
    stores = true, run = "triangle",
    grad = { self = function(g, v) return g[name](g, v.diagonal) end },
    samples = function(s) return { { s.t({ 3, 3 }) }, { s.t({ 2, 3, 4 }), 1 }, { s.t({ 3, 2 }), -1 } } end,
  }
end

op "unfold(self: tensor, dim: dim, size: int, step: int)" {
  doc = [[A view of all ranges of `size` positions along dim that begin `step` positions apart: dim counts the
    ranges, and a new last dim the positions in them. They share memory where they overlap.]],
  func = false,
  view = true,
  run = "unfold",
  grad = { self = function(g, v) return g:unfold_backward(v.self.shape, v.dim, v.size, v.step) end },
  samples = function(s)
    return { { s.t({ 5 }), 1, 2, 1 }, { s.t({ 2, 6 }), -1, 2, 3 }, { s.t({ 4, 2 }), 1, 3, 1 }, { s.t({}), 1, 1, 1 },
      { s.t({ 3 }), 1, 0, 2 } }
  end,
}

op "unfold_backward(self: tensor, shape: shape, dim: dim, size: int, step: int)" {
  doc = "Zeros of a shape with self added where unfold(dim, size, step) would show them.",
  hidden = true,
  run = "unfold_backward",
  grad = { self = function(g, v) return g:unfold(v.dim, v.size, v.step) end },
  samples = function(s)
    return { { s.t({ 4, 2 }), { 5 }, 1, 2, 1 }, { s.t({ 2, 2, 2 }), { 2, 6 }, 2, 2, 3 }, { s.t({ 1 }), {}, 1, 1, 1 } }
  end,
}

op "as_strided(self: tensor, size: shape, stride: ints, storage_offset: int?)" {
  doc = [[A view of self's memory with any sizes and strides, in elements; storage_offset counts elements from 0 at the
    start of the memory and is self's own if absent.]],
  view = true,
  inplace = "header",
  run = "as_strided",
  grad = {
    self = function(g, v)
      return g:restride(v.size, v.stride, v.storage_offset, v.self.shape, v.self.stride, v.self.offset, 1)
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
