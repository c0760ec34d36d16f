-- statistics.lua: quantiles, the most frequent element, covariance and correlation.
--
-- Holds true: what lies between two elements is interpolated as PyTorch does it; a NaN decides, except where
-- the name says that it is left out.

for _, words in ipairs { { "quantile", "NaN if there is one" }, { "nanquantile", "those that are NaN left out" } } do
  local name, nan = table.unpack(words)
  op(name .. [[(self: tensor, q: operand, dim: dim?, keepdim: bool = false,
    interpolation: "linear" | "lower" | "higher" | "midpoint" | "nearest" = "linear")]]) {
    autocast = { cpu = "float32" },
    doc = ([[The elements below which a share q, from 0 to 1, of all elements (or of those along dim) lies, %s. q is a
      number, or a vector of self's dtype, whose quantiles are the first dim of the result. A place between two elements
      is interpolated in a line, or as interpolation says.]]):format(nan),
    run = "quantile", composite = true,
    samples = function(s)
      return { { s.t({ 2, 5 }), 0.3125 }, { s.t({ 2, 5 }), 0.625, 2 }, { s.t({ 4, 3 }), 0.4, 1, true, "midpoint" },
        { s.t({ 4 }), 0.3, 1, false, "nearest" }, { s.t({ 4 }), 0.3, s.none, true, "lower" },
        { s.t({ 2, 4 }), 0.3, -1, true, "higher" }, { s.t({}), 0.5 } }
    end,
  }
end

op "mode_of(self: tensor, dim: dim = -1, keepdim: bool = false) -> values, indices" {
  doc = [[The most frequent element along dim, the smallest one of several, and the last position where it stands. A NaN
    equals no other.]],
  lua = "mode", run = "mode",
  grad = { self = function(g, v) return g:put_reduced(v.indices, v.self.shape, v.dim, v.keepdim) end },
  samples = function(s)
    return { { s.t({ 2, 3 }) }, { s.t({ 3, 2, 2 }), 1, true }, { s.t({}) }, { s.i({ 3, 7 }, 1, 3), 2 },
      { s.t({ 1, 2 }), 1 } }
  end,
}

op "cov(self: tensor, correction: int = 1, fweights: tensor?, aweights: tensor?)" {
  doc = [[The covariances of the rows of a matrix, whose columns are observations; the variance of a vector. Sums of
    products are divided by the number of observations less correction. fweights (integers) say how often each
    observation occurs, aweights (floats) how much it counts.]],
  run = "cov", composite = true,
  samples = function(s)
    return { { s.t({ 2, 4 }) }, { s.t({ 5 }), 0 }, { s.t({ 3, 4 }), 1, s.i({ 4 }, 1, 3) },
      { s.t({ 2, 3 }), 1, s.none, s.t({ 3 }, 0.5, 2) }, { s.t({ 2, 3 }), 0, s.i({ 3 }, 1, 3), s.t({ 3 }, 0.5, 2) } }
  end,
}

op "corrcoef(self: tensor)" {
  doc = [[The correlation coefficients of the rows of a matrix, whose columns are observations: covariances divided by
    both standard deviations. NaN where a row does not vary.]],
  run = "corrcoef", composite = true,
  samples = function(s) return { { s.t({ 2, 4 }) }, { s.t({ 3, 5 }) }, { s.t({ 4 }) } } end,
}
