-- broadcast.lua: tensors seen in larger shapes, one at a time or several together.
--
-- Holds true: nothing is copied; the gradient of a broadcast is a sum over what was repeated.

op "expand(self: tensor, shape: shape)" {
  doc = "A view broadcast to a shape, without copying; -1 keeps a size. New dims come in front.",
  view = true,
  run = "expand",
  grad = { self = function(g, v) return g:sum_to(v.self.shape) end },
  samples = function(s)
    return { { s.t({ 1, 3 }), { 2, 3 } }, { s.t({ 3, 1 }), { 2, -1, 4 } }, { s.t({}), { 2 } }, { s.t({ 1 }), { 0 } } }
  end,
}

op "expand_as(self: tensor, other: tensor)" {
  doc = "expand(other.shape).",
  body = function(v) return v.self:expand(v.other.shape) end,
  samples = function(s) return { { s.t({ 1, 3 }), s.t({ 2, 3 }) } } end,
}

op "broadcast_to(self: tensor, shape: shape)" {
  doc = "expand by NumPy's name.",
  body = function(v) return v.self:expand(v.shape) end,
  samples = function(s) return { { s.t({ 1, 3 }), { 2, 3 } } } end,
}

op "broadcast_tensors(tensors: tensors) -> ..." {
  variadic = true,
  aliases = "broadcast_arrays",
  doc = "Views of the tensors of a list, all expanded to the shape that they broadcast to.",
  composite = true,
  stores = true, run = "broadcast_tensors",
  method = false,
  samples = function(s)
    return { { { s.t({ 2, 1 }), s.t({ 3 }) } }, { { s.t({}), s.t({ 2 }), s.t({ 1, 1 }) } },
      { { s.t({ 0, 2 }), s.t({ 1 }) } } }
  end,
}

op [[meshgrid(tensors: tensors, indexing: "ij" | "xy" = "ij") -> ...]] {
  variadic = true,
  doc = [[The grid that the tensors of a list span, each of one dim (or none): as many views as tensors, and as many
    dims, the i-th view having the i-th tensor along dim i. indexing = "xy" swaps the first two dims.]],
  composite = true,
  stores = true, run = "meshgrid",
  method = false,
  samples = function(s)
    return { { { s.t({ 2 }), s.t({ 3 }) } }, { { s.t({ 2 }), s.t({}), s.t({ 3 }) }, "xy" }, { { s.t({ 3 }) } },
      { { s.t({ 0 }), s.t({ 2 }) }, "xy" } }
  end,
}

op "sum_to_size(self: tensor, size: shape)" {
  doc = "The sum over the dims by which self would be broadcast from a shape, in that shape.",
  func = false,
  composite = true,
  run = "sum_to_size",
  samples = function(s) return { { s.t({ 2, 3 }), { 1, 3 } }, { s.t({ 2, 3 }), {} }, { s.t({ 2, 3 }), { 3 } } } end,
}

op "sum_to(self: tensor, shape: shape)" {
  doc = "The sum over the dims by which self is broadcast from `shape`: what a gradient of a broadcast needs.",
  hidden = true,
  composite = true,
  run = "sum_to",
  samples = function(s) return { { s.t({ 2, 3 }), { 1, 3 } }, { s.t({ 2, 3 }), {} }, { s.t({ 2, 3 }), { 2, 3 } } } end,
}
