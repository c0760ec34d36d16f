-- pieces.lua: tensors taken apart into a number of pieces, or at positions.
--
-- Holds true: pieces are views; one that has no positions is empty. A position at which a piece begins counts
-- from 1, a negative one from the end, and one beyond the end leaves the last piece empty.

local function even(text)
  return [[The number of views along ]] .. text .. [[, all of the same size: an error where they cannot be.]]
end

local function at(text)
  return "Views along " .. text .. " that begin at its start and at each of the positions that are listed."
end

op "tensor_split(self: tensor, sections: int, dim: dim = 1) -> ..." {
  doc = [[As many views along dim as sections says, the first ones longer by one position where they cannot be of the
    same size.]],
  composite = true, stores = true, run = "tensor_split",
  samples = function(s) return { { s.t({ 5, 2 }), 3 }, { s.t({ 2, 4 }), 2, -1 }, { s.t({ 2 }), 3 } } end,
}

op "tensor_split_at(self: tensor, indices: ints, dim: dim = 1) -> ..." {
  doc = [[Views along dim that begin at its start and at each of the positions in indices, and end before the next of
    them.]],
  lua = "tensor_split", composite = true, stores = true, run = "tensor_split",
  samples = function(s)
    return { { s.t({ 5, 2 }), { 2, 4 } }, { s.t({ 2, 4 }), { -2 }, 2 }, { s.t({ 3 }), { 1, 9 } },
      { s.t({ 5 }), { 4, 2 } } }
  end,
}

for _, words in ipairs { { "hsplit", "dim 2, or dim 1 of a vector", { 4, 2 } }, { "vsplit", "dim 1", { 2, 3 } },
  { "dsplit", "dim 3", { 2, 1, 4 } } } do
  local name, along, shape = table.unpack(words)
  op(name .. "(self: tensor, sections: int) -> ...") {
    doc = even(along), composite = true, stores = true, run = "tensor_split",
    samples = function(s) return { { s.t(shape), 2 } } end,
  }
  op(name .. "_at(self: tensor, indices: ints) -> ...") {
    doc = at(along), lua = name, composite = true, stores = true, run = "tensor_split",
    samples = function(s) return { { s.t(shape), { 2 } }, { s.t(shape), { -1, 7 } } } end,
  }
end
