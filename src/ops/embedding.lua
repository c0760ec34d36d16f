-- embedding.lua: rows of a table, one by one or in bags.
--
-- Holds true: positions are those of gather.lua. Derivatives by the table, and by what multiplies its rows, of every
-- order.

kernel "bag_sums(out, weight, index, starts?, factors?; count, length, entries, columns, padding)"

op [[embedding(weight: tensor, index: tensor, padding_idx: int?, max_norm: float?, norm_type: float = 2.0,
  scale_grad_by_freq: bool = false)]] {
  doc = [[The rows of weight at the positions in index: the shape of index followed by that of a row. The row
    padding_idx gets no gradient; rows whose norm_type-norm is larger than max_norm are first shortened to it, in weight
    itself; scale_grad_by_freq divides the gradient of a row by how often it was read.]],
  method = false, run = "embedding", composite = true,
  samples = function(s)
    return { { s.t({ 4, 3 }), s.i({ 2, 2 }, 1, 4) }, { s.t({ 4, 3 }), s.i({ 2, 2 }, -2, -1), 2 },
      { s.t({ 4, 3 }), s.i({ 1 }, 1, 4), s.none, s.none, 2.0, true }, { s.t({ 4, 3 }), s.i({}, 1, 4) } }
  end,
}

op "embedding_rows(weight: tensor, index: tensor, padding: int, by_freq: bool)" {
  doc = "The rows of weight at the positions in index; padding, a row's number from 1, or 0, has no gradient.",
  hidden = true, lua = "embedding", run = "embedding_rows",
  grad = { weight = function(g, v)
    return g:embedding_backward(v.weight.shape, v.index, v.padding, v.by_freq)
  end },
  samples = function(s) return { { s.t({ 4, 3 }), s.i({ 2, 2 }, 1, 4), 0, false } } end,
}

op "embedding_backward(self: tensor, shape: shape, index: tensor, padding: int, by_freq: bool)" {
  doc = "The gradient of embedding_rows by a weight of a shape for self, the one of its result.",
  hidden = true, lua = "embedding", run = "embedding_backward", composite = true,
  samples = function(s) return { { s.t({ 5, 3 }), { 4, 3 }, s.i({ 5 }, 1, 4), 2, true } } end,
}

op [[embedding_bag(weight: tensor, index: tensor, offsets: tensor?, max_norm: float?, norm_type: float = 2.0,
  scale_grad_by_freq: bool = false, mode: "sum" | "mean" | "max" = "mean", per_sample_weights: tensor?,
  include_last_offset: bool = false, padding_idx: int?)]] {
  doc = [[The sum, mean or maximum of the rows of weight at the positions of each bag: of each row of a 2-dim index, or
    of an index of one dim from each of offsets (positions in it, the first of which is 1) to the next one or the end,
    which include_last_offset says is the last offset. per_sample_weights, in the shape of index, multiply the rows of a
    sum. padding_idx takes no part; a bag without positions gives zeros. The other arguments are those of embedding.]],
  method = false, run = "embedding_bag", composite = true,
  samples = function(s)
    local function starts() return s.i({ 3 }, 2, 2):cumsum(1) - 1 end
    return { { s.t({ 4, 3 }), s.i({ 2, 3 }, 1, 4) },
      { s.t({ 4, 3 }), s.i({ 5 }, 1, 4), s.i({ 2 }, 1, 1), s.none, 2.0, false, "sum", s.t({ 5 }) },
      { s.t({ 4, 3 }), s.i({ 5 }, 1, 4), starts(), s.none, 2.0, false, "max", s.none, false, 2 },
      { s.t({ 4, 3 }), s.i({ 5 }, 1, 4), starts(), s.none, 2.0, false, "mean", s.none, true, 2 },
      { s.t({ 4, 3 }), s.i({ 2, 3 }, 1, 4), s.none, s.none, 2.0, false, "max" } }
  end,
}

op "bag_sums(weight: tensor, index: tensor, starts: tensor?, factors: tensor?, padding: int)" {
  doc = [[The sums of embedding_bag, where no derivative is asked for; starts: where the bags of an index of one dim
    begin.]],
  hidden = true, lua = "embedding_bag", run = "bag_sums", nondiff = true,
  samples = function(s) return { { s.t({ 4, 3 }), s.i({ 2, 3 }, 1, 4), s.none, s.none, 0 } } end,
}
