-- scan.lua: operations along one dim that keep its size: running sums, products and extremes,
-- and the differences of neighbours.
--
-- Holds true: a 0-dim tensor has one element along dim 1. Positions are 1-based. The derivative of a
-- running sum is a sum from the other end, that of a running product a linear recurrence, which has
-- the recurrence from the other end as its own; so all orders exist, in linear time.

kernel "scan(out, from, factor?; lines: lines, kind, reverse: bool)"
kernel "cumulative(values, indices, from; lines: lines, smallest: bool)"

local function along_one(s)
  return { { s.t({ 2, 3 }, -2, 2), 2 }, { s.t({ 3, 2, 2 }, -2, 2), -3 }, { s.t({}, -2, 2), 1 } }
end

-- ---- Scans ----------------------------------------------------------------------------------------

op "cumsum(self: tensor, dim: dim, dtype: dtype?)" {
  autocast = { cuda = "float32" },
  aliases = "cumulative_sum",
  doc = "The sums of the elements along dim up to each one; of integers and bool in int64.",
  run = "scan", inplace = true,
  grad = { self = function(g, v) return g:cumsum_reverse(v.dim) end },
  samples = along_one,
}

op "cumsum_reverse(self: tensor, dim: dim)" {
  doc = "The sums of the elements along dim from each one to the last.",
  run = "scan", hidden = true,
  grad = { self = function(g, v) return g:cumsum(v.dim) end },
  samples = along_one,
}

-- y_i = x_1 ... x_i, so dx_k is the product before k times s_k, with s_k = g_k + x_{k+1} s_{k+1}.
op "cumprod(self: tensor, dim: dim, dtype: dtype?)" {
  autocast = { cuda = "float32" },
  aliases = "cumulative_prod",
  doc = "The products of the elements along dim up to each one; of integers and bool in int64.",
  run = "scan", inplace = true,
  grad = { self = function(g, v)
    return v.out:conj():shift(v.dim, 1, 1) * g:recurrence_reverse(v.self:conj(), v.dim)
  end },
  samples = along_one,
}

op "cumprod_reverse(self: tensor, dim: dim)" {
  doc = "The products of the elements along dim from each one to the last.",
  run = "scan", hidden = true,
  grad = { self = function(g, v)
    return v.out:conj():shift(v.dim, -1, 1) * g:recurrence(v.self:conj():shift(v.dim, 1, 0), v.dim)
  end },
  samples = along_one,
}

local function recurrence_samples(s)
  return { { s.t({ 2, 3 }, -2, 2), s.t({ 2, 3 }, -2, 2), 2 }, { s.t({ 3, 2 }, -2, 2), s.t({ 3, 2 }, -2, 2), 1 },
    { s.t({}, -2, 2), s.t({}, -2, 2), 1 } }
end

op "recurrence(self: tensor, factor: tensor, dim: dim)" {
  doc = "y_k = self_k + factor_k * y_{k-1} along dim, from the first.",
  run = "recurrence", hidden = true,
  grad = {
    self = function(g, v) return g:recurrence_reverse(v.factor:conj(), v.dim) end,
    factor = function(g, v) return g:recurrence_reverse(v.factor:conj(), v.dim) * v.out:conj():shift(v.dim, 1, 0) end,
  },
  samples = recurrence_samples,
}

op "recurrence_reverse(self: tensor, factor: tensor, dim: dim)" {
  doc = "y_k = self_k + factor_{k+1} * y_{k+1} along dim, from the last.",
  run = "recurrence", hidden = true,
  grad = {
    self = function(g, v) return g:recurrence(v.factor:conj(), v.dim) end,
    factor = function(g, v) return g:recurrence(v.factor:conj(), v.dim):shift(v.dim, 1, 0) * v.out:conj() end,
  },
  samples = recurrence_samples,
}

op "shift(self: tensor, dim: dim, by: int, fill: scalar)" {
  doc = "Moves the elements along dim by some places; the places that become free are filled.",
  run = "shift", hidden = true,
  grad = { self = function(g, v) return g:shift(v.dim, 0 - v.by, 0) end },
  samples = function(s)
    return { { s.t({ 2, 3 }, -2, 2), 2, 1, 1.0 }, { s.t({ 2, 3 }, -2, 2), 1, -1, 0 }, { s.t({}, -2, 2), 1, 1, 1 } }
  end,
}

-- y_k = log(e^y_{k-1} + e^x_k), so dx_k = p_k s_k with s_k = g_k + (1 - p_{k+1}) s_{k+1} for the share p_k =
-- sigmoid(x_k - y_{k-1}) that x_k has of the sum.
op "logcumsumexp(self: tensor, dim: dim)" {
  doc = "The logarithm of the sums of exp(self) along dim up to each element, computed without overflow.",
  run = "scan",
  grad = { self = function(g, v)
    local odds = v.self:log_odds(v.out:shift(v.dim, 1, -math.huge))
    return odds:sigmoid() * g:recurrence_reverse((-odds):sigmoid(), v.dim)
  end },
  samples = along_one,
}

op "log_odds(self: tensor, other: tensor)" {
  doc = "self - other, of two logarithms: for two infinite ones 0, for two of 0 -infinity.",
  hidden = true, dtypes = "float",
  pointwise = "x == y ? (isneginf(x) ? x : 0) : x - y",
  grad = {
    self = function(g) return g end,
    other = function(g) return -g end,
  },
  samples = function(s) return { { s.t({ 2, 3 }, -2, 0), s.t({ 2, 3 }, 0.125, 2) } } end,
}

op "cummax(self: tensor, dim: dim) -> values, indices" {
  doc = "The largest element along dim up to each one, and its position, the last one of several.",
  run = "cumulative",
  grad = { self = function(g, v) return g:put_reduced(v.indices, v.self.shape, v.dim, true) end },
  samples = along_one,
}

op "cummin(self: tensor, dim: dim) -> values, indices" {
  doc = "The smallest element along dim up to each one, and its position, the last one of several.",
  run = "cumulative",
  grad = { self = function(g, v) return g:put_reduced(v.indices, v.self.shape, v.dim, true) end },
  samples = along_one,
}

-- ---- Differences of neighbours ---------------------------------------------------------------------

op "diff(self: tensor, n: int = 1, dim: dim = -1, prepend: tensor?, append: tensor?)" {
  doc = [[The differences of neighbours along dim, n times over; of bools, whether they differ. What is to be prepended
    or appended is joined to self along dim first.]],
  run = "diff", composite = true,
  samples = function(s)
    return { { s.t({ 2, 4 }) }, { s.t({ 4, 2 }), 2, 1 }, { s.t({ 2 }), 3 }, { s.t({ 3 }), 0 },
      { s.t({ 2, 2 }), 1, -1, s.t({ 2, 1 }), s.t({ 2, 2 }) }, { s.t({ 2, 2 }), 2, 1, nil, s.t({ 1, 2 }) } }
  end,
}
