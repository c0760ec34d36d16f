-- reduce.lua: operations that fold dimensions: sums, extremes, spread, norms, truth.
--
-- Holds true: without `dim`, or with an empty list of dims, all dims are folded; a folded dim goes
-- unless keepdim, which leaves it with size 1. Positions are 1-based. NaN wins every comparison of
-- magnitude. A derivative spreads its gradient back with expand_reduced, and every op that only
-- serves derivatives is linear or has a derivative of its own, so all orders exist.

kernel "reduce(out, from; mask, fold, map, finish, compute, power: float, number: float)"

-- The arguments of most reductions: the ways to say which dims, and the edges.
local function everywhere(s)
  return {
    { s.t({ 2, 3 }, -2, 2) }, { s.t({ 2, 3 }, -2, 2), { 1 } }, { s.t({ 2, 3, 2 }, -2, 2), { 1, -1 }, true },
    { s.t({}, -2, 2) }, { s.t({}, -2, 2), { -1 } },
  }
end

local function with_empty(s)
  local cases = everywhere(s)
  cases[#cases + 1] = { s.t({ 2, 0 }, -2, 2), { 2 } }
  return cases
end

-- g, back in the shape of self.
local function spread(g, v) return g:expand_reduced(v.self.shape, v.dim, v.keepdim) end

-- The gradient of an extreme value: shared evenly by all elements that have it. If one element is
-- NaN, so is the value, which nothing equals, and the gradient of all.
local function spread_ties(g, v)
  local ties = v.self:eq(v.out:expand_reduced(v.self.shape, v.dim, v.keepdim))
  return spread(g, v) * ties / ties:sum(v.dim, true)
end

-- The same for the whole tensor.
local function spread_ties_all(g, v)
  local ties = v.self:eq(v.out)
  return g * ties / ties:sum()
end

-- ---- Sums and products --------------------------------------------------------------------------

op "sum(self: tensor, dim: dims?, keepdim: bool = false, dtype: dtype?)" {
  autocast = { cuda = "float32" },
  doc = "The sum over dims. Integers and bool are summed in int64, unless dtype names another.",
  run = "reduce",
  grad = { self = spread },
  samples = with_empty,
}

op "nansum(self: tensor, dim: dims?, keepdim: bool = false, dtype: dtype?)" {
  doc = "The sum over dims of the elements that are not NaN.",
  run = "reduce",
  grad = { self = function(g, v) return spread(g, v) * v.self:isnan():logical_not() end },
  samples = with_empty,
}

op "mean(self: tensor, dim: dims?, keepdim: bool = false, dtype: dtype?)" {
  doc = "The mean over dims, of a float dtype: integers need a dtype, or a conversion before.",
  run = "reduce",
  grad = { self = function(g, v) return g:expand_mean(v.self.shape, v.dim, v.keepdim) end },
  samples = everywhere,
}

op "nanmean(self: tensor, dim: dims?, keepdim: bool = false)" {
  doc = "The mean over dims of the elements that are not NaN.",
  body = function(v)
    return v.self:nansum(v.dim, v.keepdim) / v.self:isnan():logical_not():sum(v.dim, v.keepdim)
  end,
  samples = everywhere,
}

op "prod(self: tensor, dim: dims?, keepdim: bool = false, dtype: dtype?)" {
  autocast = "float32",
  doc = "The product over dims. Integers and bool are multiplied in int64, unless dtype names another.",
  run = "reduce",
  grad = { self = function(g, v) return spread(g, v) * v.self:conj():prod_others(v.dim) end },
  samples = with_empty,
}

op "prod_others(self: tensor, dim: dims?)" {
  doc = "For each element, the product of the others along dims: exact where elements are zero.",
  run = "prod_others", composite = true, hidden = true,
  samples = function(s)
    return { { s.t({ 2, 3 }, -2, 2) }, { s.t({ 2, 3, 2 }, -2, 2), { 1, 3 } }, { s.t({}, -2, 2) } }
  end,
}

op "count_nonzero(self: tensor, dim: dims?)" {
  doc = "How many elements along dims are not zero, in int64. NaN is not zero.",
  run = "reduce", nondiff = true,
  samples = function(s)
    return { { s.t({ 2, 3 }, -2, 2) }, { s.b { 2, 3 }, { 1 } }, { s.t({ 2, 0 }, -2, 2), { 2 } } }
  end,
}

op "expand_reduced(self: tensor, shape: shape, dim: dims?, keepdim: bool = false)" {
  doc = "The view of a reduction's result that repeats it along the dims that were folded.",
  run = "expand_reduced", view = true, hidden = true,
  grad = { self = function(g, v) return g:sum(v.dim, v.keepdim) end },
  samples = function(s)
    return { { s.t({ 3 }, -2, 2), { 2, 3 }, { 1 } }, { s.t({ 2, 1 }, -2, 2), { 2, 3 }, { 2 }, true },
      { s.t({}, -2, 2), { 2, 3 } } }
  end,
}

op "expand_mean(self: tensor, shape: shape, dim: dims?, keepdim: bool = false)" {
  doc = "expand_reduced of self divided by the number of elements that were folded into one.",
  run = "expand_mean", hidden = true,
  grad = { self = function(g, v) return g:mean_or_zero(v.dim, v.keepdim) end },
  samples = function(s)
    return { { s.t({ 3 }, -2, 2), { 2, 3 }, { 1 } }, { s.t({ 2, 1 }, -2, 2), { 2, 3 }, { 2 }, true },
      { s.t({}, -2, 2), { 2, 3 } } }
  end,
}

op "mean_or_zero(self: tensor, dim: dims?, keepdim: bool = false)" {
  doc = "The mean over dims, 0 of no elements: the transpose of expand_mean.",
  run = "reduce", hidden = true,
  grad = { self = function(g, v) return g:expand_mean(v.self.shape, v.dim, v.keepdim) end },
  samples = with_empty,
}

-- ---- Extremes -------------------------------------------------------------------------------------

op "amax(self: tensor, dim: dims?, keepdim: bool = false)" {
  doc = "The largest element over dims; NaN if there is one. Equal elements share the gradient evenly.",
  run = "reduce",
  grad = { self = spread_ties },
  samples = everywhere,
}

op "amin(self: tensor, dim: dims?, keepdim: bool = false)" {
  doc = "The smallest element over dims; NaN if there is one. Equal elements share the gradient evenly.",
  run = "reduce",
  grad = { self = spread_ties },
  samples = everywhere,
}

op "aminmax(self: tensor, dim: dims?, keepdim: bool = false) -> min, max" {
  doc = "Both extremes over dims: the results of amin and amax.",
  body = function(v) return v.self:amin(v.dim, v.keepdim), v.self:amax(v.dim, v.keepdim) end,
  samples = everywhere,
}

local whole = function(s) return { { s.t({ 2, 3 }, -2, 2) }, { s.t({}, -2, 2) } } end

for _, words in ipairs { { "max", "largest", "larger" }, { "min", "smallest", "smaller" } } do
  local name, most, more = table.unpack(words)

  op(name .. "(self: tensor)") {
    doc = ("The %s element of all, 0-dim. Equal elements share the gradient evenly."):format(most),
    run = "reduce",
    grad = { self = spread_ties_all },
    samples = whole,
  }

  op(name .. "_other(self: tensor, other: tensor)") {
    doc = ("The %s one of each pair of elements: the same as %simum."):format(more, name),
    lua = name,
    body = function(v) return v.self[name .. "imum"](v.self, v.other) end,
    samples = function(s) return { { s.t({ 2, 3 }, -2, 2), s.t({ 3 }, -2, 2) } } end,
  }
end

-- ---- Spread, norms and logarithms of sums ---------------------------------------------------------

local function spread_samples(s)
  return {
    { s.t({ 2, 3 }, -2, 2) }, { s.t({ 2, 3 }, -2, 2), { 1 }, 0 }, { s.t({ 3, 2, 2 }, -2, 2), { 1, -1 }, 2, true },
    { s.t({ 4 }, -2, 2), s.none, 0 },
  }
end

op "var(self: tensor, dim: dims?, correction: scalar = 1, keepdim: bool = false)" {
  also = { correction = "unbiased" },
  doc = [[The variance over dims: squared distances from the mean, summed and divided by n - correction
    (true and false stand for 1 and 0).]],
  run = "reduce",
  grad = { self = function(g, v) return g:var_backward(v.self, v.dim, v.correction, v.keepdim) end },
  samples = spread_samples,
}

op "std(self: tensor, dim: dims?, correction: scalar = 1, keepdim: bool = false)" {
  also = { correction = "unbiased" },
  doc = "The standard deviation over dims: the square root of var. Its gradient is 0 where it is 0.",
  run = "reduce",
  grad = { self = function(g, v)
    return g:std_backward(v.self, v.out, v.dim, v.correction, v.keepdim)
  end },
  samples = spread_samples,
}

op "var_backward(self: tensor, input: tensor, dim: dims?, correction: scalar = 1, keepdim: bool = false)" {
  doc = "The gradient of var for self, the one of its result: 2 / (n - correction) * (input - mean).",
  run = "var_backward", composite = true, hidden = true,
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 2, 3 }, -2, 2), { 1 }, 1 } } end,
}

op [[std_backward(self: tensor, input: tensor, std: tensor, dim: dims?, correction: scalar = 1,
  keepdim: bool = false)]] {
  doc = "The gradient of std for self, the one of its result: (input - mean) / std / (n - correction); 0 where flat.",
  run = "std_backward", composite = true, hidden = true,
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 2, 3 }, -2, 2), s.t({ 3 }, 1, 2), { 1 }, 1 } } end,
}

op "var_mean(self: tensor, dim: dims?, correction: scalar = 1, keepdim: bool = false) -> var, mean" {
  also = { correction = "unbiased" },
  doc = "The variance and the mean over dims.",
  body = function(v)
    return v.self:var(v.dim, v.correction, v.keepdim), v.self:mean(v.dim, v.keepdim)
  end,
  samples = spread_samples,
}

op "std_mean(self: tensor, dim: dims?, correction: scalar = 1, keepdim: bool = false) -> std, mean" {
  also = { correction = "unbiased" },
  doc = "The standard deviation and the mean over dims.",
  body = function(v)
    return v.self:std(v.dim, v.correction, v.keepdim), v.self:mean(v.dim, v.keepdim)
  end,
  samples = spread_samples,
}

op "norm(self: tensor, p: scalar = 2, dim: dims?, keepdim: bool = false, dtype: dtype?)" {
  autocast = { cuda = "float32" },
  doc = [[The p-norm over dims of a float tensor: (sum |x|^p)^(1/p); p = 0 counts what is not zero, p = inf
    and -inf take the largest and smallest |x|. The gradient is 0 where self is 0.]],
  run = "norm",
  grad = { self = function(g, v) return g:norm_backward(v.self, v.out, v.p, v.dim, v.keepdim) end },
  samples = function(s)
    return {
      { s.t({ 2, 3 }, -2, 2) }, { s.t({ 2, 3 }, -2, 2), 1, { 1 } }, { s.t({ 2, 3, 2 }, 1, 2), 3, { 1, -1 }, true },
      { s.t({ 3 }, 1, 2), 2.5 }, { s.t({ 3 }, 1, 2), 0.5 }, { s.t({ 3 }, 1, 2), 1.5 },
      { s.t({ 2, 3 }, -2, 2), math.huge, { 2 } }, { s.t({ 2, 3 }, -2, 2), -math.huge, { 2 } },
      { s.t({ 2, 3 }, -2, 2), 0, { 2 } },
    }
  end,
}

op "norm_named(self: tensor, p: string, dim: dims?, keepdim: bool = false, dtype: dtype?)" {
  autocast = { cuda = "float32" },
  doc = "The Frobenius norm over dims: the only p with a name is \"fro\", the same as 2.",
  lua = "norm", run = "norm_named", composite = true,
  samples = function(s) return { { s.t({ 2, 3 }, -2, 2), "fro" }, { s.t({ 2, 3 }, -2, 2), "fro", { 2 } } } end,
}

op "norm_backward(self: tensor, input: tensor, norm: tensor, p: scalar, dim: dims?, keepdim: bool = false)" {
  doc = "The gradient of norm for self, the one of its result; 0 where input is 0.",
  run = "norm_backward", composite = true, hidden = true,
  samples = function(s)
    return { { s.t({ 3 }, -2, 2), s.t({ 2, 3 }, 1, 2), s.t({ 3 }, 1, 2), 3, { 1 } } }
  end,
}

op "norm_share(self: tensor, norm: tensor, q: float)" {
  doc = [[The sign of self times (|self| / norm)^q, 0 where self or norm is 0: the quotient is taken first, lest a power
    leaves the range, but for a small power, which would bring it back from where the quotient is 0.]],
  hidden = true, dtypes = "float",
  pointwise = [[x == 0 || y == 0 ? 0 : copysign(abs(a) >= 1 || abs(x) / y > 1e-30 ? pow(abs(x) / y, a)
    : pow(abs(x), a) / pow(y, a), x)]],
  grad = {
    self = function(g, v)
      return g * v.q * (v.out / v.self:masked_fill(v.self:eq(0), math.huge))
    end,
    norm = function(g, v)
      return g * v.q * (v.out / v.norm:masked_fill(v.norm:eq(0), math.huge)) * -1
    end,
  },
  samples = function(s) return { { s.t({ 2, 3 }, 0.5, 2), s.t({ 2, 3 }, 0.5, 2), 1.5 } } end,
}

op "logsumexp(self: tensor, dim: dims?, keepdim: bool = false)" {
  autocast = { cuda = "float32" },
  doc = [[The logarithm of the sum of exp(self) over dims, computed without overflow. Elements that are infinite share
    the gradient evenly.]],
  run = "logsumexp",
  grad = { self = function(g, v)
    local out = v.out:expand_reduced(v.self.shape, v.dim, v.keepdim)
    return spread(g, v):masked_fill(out:isneginf(), 0) * v.self:finite_logs(out):softmax_over(v.dim)
  end },
  samples = everywhere,
}

op "finite_logs(self: tensor, total: tensor)" {
  doc = [[self, whose logarithm of sums is total; where total is infinite, other numbers with the same shares: 0 for
    infinity and -infinity for the rest.]],
  hidden = true, dtypes = "float",
  pointwise = "isneginf(y) ? 0 : isposinf(y) ? log(isposinf(x)) : x",
  grad = { self = function(g, v) return g:masked_fill(v.total:isinf(), 0) end },
  samples = function(s) return { { s.t({ 2, 3 }, -2, 2), s.t({ 2, 3 }, -2, 2) } } end,
}

op "softmax_over(self: tensor, dim: dims?)" {
  doc = "softmax along several dims taken together.",
  run = "softmax_over", composite = true, hidden = true,
  samples = function(s)
    return { { s.t({ 2, 3 }, -2, 2), { 1 } }, { s.t({ 2, 3, 2 }, -2, 2), { 1, 3 } }, { s.t({}, -2, 2) } }
  end,
}

-- ---- Truth ----------------------------------------------------------------------------------------

local function truths(s)
  return { { s.b { 2, 3 } }, { s.t({ 2, 3 }, -2, 2), { 1 } }, { s.b { 2, 0 }, { 2 }, true }, { s.b {} } }
end

op "all(self: tensor, dim: dims?, keepdim: bool = false)" {
  doc = "Whether all elements over dims are other than zero, in bool (of uint8: in uint8). True of none.",
  run = "reduce", nondiff = true, samples = truths,
}

op "any(self: tensor, dim: dims?, keepdim: bool = false)" {
  doc = "Whether any element over dims is other than zero, in bool (of uint8: in uint8). False of none.",
  run = "reduce", nondiff = true, samples = truths,
}
