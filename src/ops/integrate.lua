-- integrate.lua: integrals by the rule of trapezoids, and slopes by differences, of functions known at points.
--
-- Holds true: the points lie at equal distances, or where a tensor says; a 0-dim tensor has one point.

for _, words in ipairs { { "trapezoid", "The integral along dim", "its trapezoids", " trapz" },
  { "cumulative_trapezoid", "The integrals along dim from the first point to each later one", "their trapezoids" } } do
  local name, what, whose, alias = table.unpack(words)
  op(name .. "(y: tensor, x: tensor?, dx: scalar = 1, dim: dim = -1)") {
    aliases = alias and alias:sub(2),
    doc = ([[%s of what has the values y, by %s: half the sum of neighbours times their distance, which is dx, or
      that of the points x. x is a vector, or broadcasts to y from the last dim on.]]):format(what, whose),
    run = "trapezoid", composite = true,
    samples = function(s)
      return { { s.t({ 2, 4 }) }, { s.t({ 3, 2 }), s.none, 0.5, 1 }, { s.t({ 2, 3 }), s.t({ 3 }) },
        { s.t({ 3, 2 }), s.t({ 3 }), 1, 1 }, { s.t({ 2, 3 }), s.t({ 2, 3 }), 1, 2 }, { s.t({ 2, 1 }) } }
    end,
  }
end

local how = [[The slopes of self along each of dims (all, if absent), a tensor for each: differences of the neighbours
  on both sides, %s. At the edges from the nearest two points, or with edge_order = 2 three.]]

op "gradient(self: tensor, spacing: floats?, dim: dims?, edge_order: int = 1) -> ..." {
  doc = how:format "which are spacing apart: one number (1, if absent), or one for each dim",
  run = "gradient", composite = true,
  samples = function(s)
    return { { s.t({ 4 }) }, { s.t({ 3, 4 }), 0.5 }, { s.t({ 3, 4 }), 2, { 2 }, 2 },
      { s.t({ 2, 3 }), { 1, 0.5 }, { -1, 1 } } }
  end,
}

op "gradient_at(self: tensor, spacing: tensors, dim: dims?, edge_order: int = 1) -> ..." {
  doc = how:format [[for points where the tensors in spacing, one for each dim, say: vectors of places, or 0-dim
    distances]],
  lua = "gradient", run = "gradient_at", composite = true,
  samples = function(s)
    local places = s.t({ 4 }):msort()
    return { { s.t({ 4 }), { places } }, { s.t({ 3, 4 }), { s.t({}, 1, 2), places } },
      { s.t({ 2, 4 }), { places }, { 2 }, 2 } }
  end,
}
