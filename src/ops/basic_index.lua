-- basic_index.lua: what x[{...}] does with positions and ranges: several of them at once, as one view.
--
-- Holds true: the binding and C write the same list of parts.

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
