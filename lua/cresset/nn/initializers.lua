-- initializers.lua: cr.nn.init: ways to fill a tensor before training. All work in place, outside every graph, and give
-- the tensor.
--
-- Sources: Glorot and Bengio 2010 (xavier), He et al. 2015 (kaiming), Saxe et al. 2013 (orthogonal), Martens 2010
-- (sparse).

local cr = require "cresset"
local arguments = require "cresset.nn.arguments"

local M = {}

-- Defines a function: its signature begins with the tensor; f(t, values) fills it.
local function define(name, takes, f)
  local signature = arguments.signature("tensor: tensor" .. (takes ~= "" and ", " .. takes or ""))
  M[name] = function(...)
    local a = arguments.read(name, signature, ...)
    cr.no_grad(f, a.tensor, a)
    return a.tensor
  end
end

local function fail(name, message, ...) cr.raise(name .. ": " .. message:format(...)) end

define("uniform_", "a: number = 0.0, b: number = 1.0", function(t, o) t:uniform_(o.a, o.b) end)
define("normal_", "mean: number = 0.0, std: number = 1.0", function(t, o) t:normal_(o.mean, o.std) end)
define("constant_", "val: number", function(t, o) t:fill_(o.val) end)
define("ones_", "", function(t) t:fill_(1) end)
define("zeros_", "", function(t) t:zero_() end)

-- The distribution function of the normal distribution.
local function normal_cdf(x)
  if x == math.huge then return 1.0 end
  if x == -math.huge then return 0.0 end
  return cr.tensor(x / math.sqrt(2), { dtype = cr.float64 }):erf():item() / 2 + 0.5
end

--- trunc_normal_(t, mean, std, a, b): normal numbers between a and b, by the inverse of the distribution function.
define("trunc_normal_", "mean: number = 0.0, std: number = 1.0, a: number = -2.0, b: number = 2.0", function(t, o)
  local low, high = normal_cdf((o.a - o.mean) / o.std), normal_cdf((o.b - o.mean) / o.std)
  t:uniform_(2 * low - 1, 2 * high - 1):erfinv_():mul_(o.std * math.sqrt(2)):add_(o.mean):clamp_(o.a, o.b)
end)

define("eye_", "", function(t)
  if t.ndim ~= 2 then fail("eye_", "takes a tensor of 2 dims, got one of shape %s", tostring(t.shape)) end
  t:copy_(cr.eye(t:size(1), t:size(2)))
end)

--- dirac_(t, groups): the weight of a convolution that passes its channels on.
define("dirac_", "groups: positive = 1", function(t, o)
  if t.ndim < 3 or t.ndim > 5 then
    fail("dirac_", "takes a tensor of 3, 4 or 5 dims, got one of shape %s", tostring(t.shape))
  end
  if t:size(1) % o.groups ~= 0 then fail("dirac_", "dim 1 (%d) must be divisible by groups", t:size(1)) end
  local out = t:size(1) // o.groups
  t:zero_()
  for g = 0, o.groups - 1 do
    for d = 1, math.min(out, t:size(2)) do
      local at = { g * out + d, d }
      for k = 3, t.ndim do at[k] = t:size(k) // 2 + 1 end
      t[at] = 1
    end
  end
end)

-- ---- By the number of inputs and outputs -----------------------------------------------------------------

-- How many numbers each output is made of, and how many outputs each input goes into.
local function fans(name, t)
  if t.ndim < 2 then
    fail(name, "fans are counted of tensors of at least 2 dims, got one of shape %s", tostring(t.shape))
  end
  local field = 1
  for d = 3, t.ndim do field = field * t:size(d) end
  return t:size(2) * field, t:size(1) * field
end

local gains = { linear = 1, conv1d = 1, conv2d = 1, conv3d = 1, conv_transpose1d = 1, conv_transpose2d = 1,
  conv_transpose3d = 1, sigmoid = 1, tanh = 5 / 3, relu = math.sqrt(2), selu = 3 / 4 }

--- calculate_gain(nonlinearity, param): the factor of a standard deviation that a function after a layer asks for.
function M.calculate_gain(nonlinearity, param)
  if nonlinearity == "leaky_relu" then
    if param ~= nil and type(param) ~= "number" then
      fail("calculate_gain", "the slope of leaky_relu must be a number, got a %s", type(param))
    end
    return math.sqrt(2 / (1 + (param or 0.01) ^ 2))
  end
  if gains[nonlinearity] then return gains[nonlinearity] end
  local known = { leaky_relu = true }
  for name in next, gains do known[name] = true end
  local near = type(nonlinearity) == "string" and require("cresset.suggest").nearest(nonlinearity, known)
  fail("calculate_gain", "there is no gain for %s%s", arguments.describe(nonlinearity),
    near and ("; did you mean '%s'?"):format(near) or "")
end

define("xavier_uniform_", "gain: number = 1.0", function(t, o)
  local fan_in, fan_out = fans("xavier_uniform_", t)
  local bound = math.sqrt(3) * o.gain * math.sqrt(2 / (fan_in + fan_out))
  t:uniform_(-bound, bound)
end)

define("xavier_normal_", "gain: number = 1.0", function(t, o)
  local fan_in, fan_out = fans("xavier_normal_", t)
  t:normal_(0, o.gain * math.sqrt(2 / (fan_in + fan_out)))
end)

local kaiming = 'a: number = 0, mode: fan_in|fan_out = "fan_in", nonlinearity: string = "leaky_relu"'

-- The standard deviation that keeps the size of what passes a layer.
local function spread(name, t, o)
  local fan_in, fan_out = fans(name, t)
  return M.calculate_gain(o.nonlinearity, o.a) / math.sqrt(o.mode == "fan_in" and fan_in or fan_out)
end

define("kaiming_uniform_", kaiming, function(t, o)
  if t:numel() == 0 then return end
  local bound = math.sqrt(3) * spread("kaiming_uniform_", t, o)
  t:uniform_(-bound, bound)
end)

define("kaiming_normal_", kaiming, function(t, o)
  if t:numel() == 0 then return end
  t:normal_(0, spread("kaiming_normal_", t, o))
end)

-- ---- Matrices ------------------------------------------------------------------------------------------

-- Makes the rows of a matrix orthonormal, each in the space of the rows up to it (Gram-Schmidt, twice for the digits).
local function orthonormal(a)
  for i = 1, a:size(1) do
    local v = a[i]
    local before = i > 1 and a:narrow(1, 1, i - 1)
    for _ = 1, before and 2 or 0 do v = v - before:t():mv(before:mv(v)) end
    a[i] = v / v:norm()
  end
  return a
end

--- orthogonal_(t, gain): a random matrix with orthonormal rows or columns, uniform among these, times gain; dims from 2
-- on count as one.
define("orthogonal_", "gain: number = 1.0", function(t, o)
  if t.ndim < 2 then fail("orthogonal_", "takes at least 2 dims, got a tensor of shape %s", tostring(t.shape)) end
  if t:numel() == 0 then return end
  local rows, columns = t:size(1), t:numel() // t:size(1)
  local wide = rows <= columns
  local a = cr.randn({ wide and rows or columns, wide and columns or rows }, { dtype = cr.float64, device = t.device })
  a = orthonormal(a)
  if not wide then a = a:t() end
  t:copy_((a * o.gain):reshape(t.shape))
end)

--- sparse_(t, sparsity, std): normal numbers, in each column that share of zeros.
define("sparse_", "sparsity: probability, std: number = 0.01", function(t, o)
  if t.ndim ~= 2 then fail("sparse_", "takes a tensor of 2 dims, got one of shape %s", tostring(t.shape)) end
  local rows, columns = t:size(1), t:size(2)
  local zeros = math.ceil(o.sparsity * rows)
  t:normal_(0, o.std)
  for column = 1, zeros > 0 and columns or 0 do
    t:select(2, column):index_fill_(1, cr.randperm(rows):narrow(1, 1, zeros), 0)
  end
end)

local lazy = {}
return require "cresset.nn.namespace"("nn.init", lazy, M)
