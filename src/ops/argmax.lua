-- argmax.lua: the largest or smallest element along a dim and its position.
--
-- Holds true: of equal elements the first is chosen; the first NaN comes before all numbers.

kernel "argmax(values?, indices, from; dim, smallest: bool)"

local function along_one(s)
  return { { s.t({ 2, 3 }, -2, 2), 2 }, { s.t({ 3, 2, 2 }, -2, 2), -3, true }, { s.t({}, -2, 2), 1 } }
end

for _, words in ipairs { { "max", "largest" }, { "min", "smallest" } } do
  local name, most = table.unpack(words)

  op(name .. "_dim(self: tensor, dim: dim, keepdim: bool = false) -> values, indices") {
    doc = ("The %s element along dim and its position, the first one of several."):format(most),
    lua = name, run = "argmax",
    grad = { self = function(g, v) return g:put_reduced(v.indices, v.self.shape, v.dim, v.keepdim) end },
    samples = along_one,
  }
end

op "put_reduced(self: tensor, indices: tensor, shape: shape, dim: dim, keepdim: bool = false)" {
  doc = "Zeros of the shape, with self at the positions along dim that a reduction has chosen.",
  run = "put_reduced", composite = true, hidden = true,
  samples = function(s)
    return { { s.t({ 3 }, -2, 2), s.i({ 3 }, 1, 2), { 2, 3 }, 1 },
      { s.t({ 2, 1 }, -2, 2), s.i({ 2, 1 }, 1, 3), { 2, 3 }, -1, true } }
  end,
}

for _, words in ipairs { { "argmax", "largest" }, { "argmin", "smallest" } } do
  local name, most = table.unpack(words)

  op(name .. "(self: tensor, dim: dim?, keepdim: bool = false)") {
    doc = ([[The position of the %s element along dim, the first one of several or the first NaN; without
      dim, its position in row-major order.]]):format(most),
    run = "argmax", nondiff = true,
    samples = function(s)
      return { { s.t({ 2, 3 }, -2, 2) }, { s.t({ 2, 3 }, -2, 2), -1, true }, { s.t({}, -2, 2), 1 } }
    end,
  }
end
