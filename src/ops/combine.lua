-- combine.lua: tensors made of the elements, or the blocks, of several others.
--
-- Holds true: every result has memory of its own.

op "block_diag(tensors: tensors)" {
  variadic = true,
  doc = [[A matrix with the tensors of a list as its blocks from the upper left to the lower right, and zeros elsewhere;
    in their promoted dtype. A vector counts as a row, a 0-dim tensor as a block of one element.]],
  method = false, composite = true, run = "block_diag",
  samples = function(s)
    return { { { s.t({ 2, 3 }), s.t({ 1, 2 }) } }, { { s.t({}), s.t({ 2 }) } }, { { s.t({ 2, 2 }) } },
      { { s.t({ 0, 2 }), s.t({ 2, 1 }) } } }
  end,
}

op "cartesian_prod(tensors: tensors)" {
  variadic = true,
  doc = [[A row for each way to take one element of each vector of a list, the last one's elements changing first.
    A single vector is given back as it is.]],
  method = false, composite = true, run = "cartesian_prod",
  samples = function(s)
    return { { { s.t({ 2 }), s.t({ 3 }) } }, { { s.t({ 3 }) } }, { { s.t({ 2 }), s.t({ 1 }), s.t({ 2 }) } },
      { { s.t({ 0 }), s.t({ 2 }) } } }
  end,
}

op "combinations(self: tensor, r: int = 2, with_replacement: bool = false)" {
  doc = [[A row for each way to take r elements of a vector, in the order of their positions; with_replacement: an
    element may be taken more than once.]],
  composite = true, run = "combinations",
  samples = function(s)
    return { { s.t({ 4 }) }, { s.t({ 3 }), 2, true }, { s.t({ 4 }), 3 }, { s.t({ 2 }), 3 }, { s.t({ 3 }), 1 },
      { s.t({ 0 }), 2, true } }
  end,
}
