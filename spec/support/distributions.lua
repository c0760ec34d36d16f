-- distributions.lua: what each random operation draws from, by its name in the catalogue.
--
-- Holds true: an entry has `draw`, which returns N numbers; their `mean` and `variance`; the bounds
-- `low` (may occur) and `high` (may occur, or with `below` may not); `whole` if all are integers.

local cr = require "cresset"

local N = 20000

local function like(dtype) return cr.zeros({ N }, { dtype = dtype or "float32" }) end

-- 10 values with equal probability, from low on.
local function ten(low) return { mean = low + 4.5, variance = 8.25, low = low, high = low + 9, whole = true } end

local function with(t, draw)
  local copy = { draw = draw }
  for k, v in pairs(t) do copy[k] = v end
  return copy
end

local unit = { mean = 0.5, variance = 1 / 12, low = 0, high = 1, below = true }
local normal = { mean = 0, variance = 1, low = -7, high = 7 }
local shifted = { mean = 3, variance = 4, low = -13, high = 19 }
local coin = { mean = 0.25, variance = 0.1875, low = 0, high = 1, whole = true }

-- What is left of ones where a quarter is dropped.
local function channels(f)
  return { mean = 1, variance = 1 / 3, low = 0, high = 4 / 3 + 1e-6, draw = function() return f(cr.ones(N)) end }
end

-- The same where what is dropped becomes -1.758 and all is scaled and shifted, so that mean and variance of
-- standardized numbers stay: two values that are a (1 + 1.758) apart.
local function shifted_ones(f)
  local alpha, p = 1.7580993408473766, 0.25
  local a = ((alpha * alpha * p + 1) * (1 - p)) ^ -0.5
  local high = a + alpha * a * p
  return { mean = a * (1 - p), variance = p * (1 - p) * (a * (1 + alpha)) ^ 2, low = high - a * (1 + alpha) - 1e-6,
    high = high + 1e-6, draw = function() return f(cr.ones(N)) end }
end

return {
  N = N,
  rand = with(unit, function() return cr.rand(N) end),
  rand_like = with(unit, function() return cr.rand_like(like()) end),
  randn = with(normal, function() return cr.randn(N) end),
  randn_like = with(normal, function() return cr.randn_like(like("float64")) end),
  normal = with(shifted, function() return cr.normal(3.0, 2.0, { N }) end),
  normal_at = with(shifted, function() return cr.normal(cr.full({ N }, 3.0), cr.full({ 1 }, 2.0)) end),
  normal_ = with(shifted, function() return like("float64"):normal_(3.0, 2.0) end),
  randint_to = with(ten(0), function() return cr.randint(10, { N }) end),
  randint = with(ten(-5), function() return cr.randint(-5, 5, { N }) end),
  randint_like_to = with(ten(0), function() return cr.randint_like(like(), 10) end),
  randint_like = with(ten(-5), function() return cr.randint_like(like(), -5, 5) end),
  random_ = with(ten(-5), function() return like("int16"):random_(-5, 5) end),
  uniform_ = {
    mean = 1, variance = 3, low = -2, high = 4, below = true,
    draw = function() return like("float64"):uniform_(-2.0, 4.0) end,
  },
  exponential_ = {
    mean = 0.5, variance = 0.25, low = 0, high = 20,
    draw = function() return like("float64"):exponential_(2.0) end,
  },
  -- Of the Cauchy distribution, which has no mean, what its angles are: uniform.
  cauchy_ = with(unit, function()
    return like("float64"):cauchy_(3.0, 2.0):sub(3.0):div(2.0):atan() / math.pi + 0.5
  end),
  geometric_ = {
    mean = 4, variance = 12, low = 1, high = 200, whole = true,
    draw = function() return like("int32"):geometric_(0.25) end,
  },
  log_normal_ = {
    mean = math.exp(0.125), variance = (math.exp(0.25) - 1) * math.exp(0.25), low = 0, high = 60,
    draw = function() return like("float64"):log_normal_(0.0, 0.5) end,
  },
  bernoulli_ = with(coin, function() return like("uint8"):bernoulli_(0.25) end),
  bernoulli_of_ = with(coin, function() return like():bernoulli_(cr.full({ 1 }, 0.25)) end),
  bernoulli = with(coin, function() return cr.bernoulli(cr.full({ N }, 0.25)) end),
  bernoulli_p = with(coin, function() return cr.bernoulli(like(), 0.25) end),
  dropout = {
    mean = 1, variance = 1 / 3, low = 0, high = 4 / 3 + 1e-6,
    draw = function() return cr.dropout(cr.ones(N), 0.25) end,
  },
  dropout1d = channels(function(x) return cr.dropout1d(x:reshape(100, -1, 1), 0.25) end),
  dropout2d = channels(function(x) return cr.dropout2d(x:reshape(100, -1, 1, 1), 0.25) end),
  dropout3d = channels(function(x) return cr.dropout3d(x:reshape(-1, 1, 1, 1), 0.25) end),
  alpha_dropout = shifted_ones(function(x) return x:alpha_dropout(0.25, true) end),
  feature_alpha_dropout = shifted_ones(function(x) return x:reshape(100, -1):feature_alpha_dropout(0.25, true) end),
  rrelu = {
    mean = -2, variance = 1 / 3, low = -3, high = -1,
    draw = function() return cr.rrelu(-cr.ones(N), 1.0, 3.0, true) end,
  },
  randperm = {
    mean = (N + 1) / 2, variance = (N * N - 1) / 12, low = 1, high = N, whole = true,
    draw = function() return cr.randperm(N) end,
  },
  multinomial = {
    mean = 2.25, variance = 0.6875, low = 1, high = 3, whole = true,
    draw = function() return cr.multinomial(cr.tensor { 1.0, 1.0, 2.0 }, N, true) end,
  },
}
