-- simple.lua: modules without parameters: activations, functions of elements, reshaping, parts and sums.
--
-- Holds true: each is a row: its arguments by name, with defaults, and what it computes from its input.

local cr = require "cresset"
local T = require "cresset.torch7.tensor"
local classes = require "cresset.torch7.class"
local base = require "cresset.torch7.nn.module"
local Native = base.Native

-- names: fields that the constructor's arguments are kept in; defaults: their values where left out.
local function simple(name, names, defaults, compute)
  local C = classes.class("nn." .. name, "nn.Native")
  function C:__init(...)
    Native.__init(self)
    local given = { ... }
    for i, field in ipairs(names) do
      if given[i] == nil then self[field] = defaults[i] else self[field] = given[i] end
    end
  end
  C.compute = compute
  return C
end

local function plain(name, f)
  simple(name, {}, {}, function(_, x) return f(x) end)
end

-- Softmax goes over the channels: the first dim of vectors and images, the second of batches.
local function channel(x) return (x:dim() == 1 or x:dim() == 3) and 1 or 2 end

plain("Tanh", cr.tanh)
plain("Sigmoid", cr.sigmoid)
plain("ReLU6", cr.relu6)
plain("SoftSign", cr.softsign)
plain("LogSigmoid", cr.logsigmoid)
plain("TanhShrink", cr.tanhshrink)
plain("Abs", cr.abs)
plain("Sqrt", cr.sqrt)
plain("Square", cr.square)
plain("Exp", cr.exp)
plain("Log", cr.log)
plain("GELU", cr.gelu)
plain("SoftMax", function(x) return cr.softmax(x, channel(x)) end)
plain("LogSoftMax", function(x) return cr.log_softmax(x, channel(x)) end)
plain("SoftMin", function(x) return cr.softmax(-x, channel(x)) end)
plain("SpatialSoftMax", function(x) return cr.softmax(x, channel(x)) end)
plain("SpatialLogSoftMax", function(x) return cr.log_softmax(x, channel(x)) end)
plain("Contiguous", function(x) return x:contiguous() * 1 end)
plain("Copy", function(x) return x * 1 end)

simple("ReLU", { "inplace" }, { false }, function(_, x) return cr.relu(x) end)
simple("LeakyReLU", { "negval", "inplace" }, { 0.01, false },
  function(self, x) return cr.leaky_relu(x, self.negval) end)
simple("ELU", { "alpha", "inplace" }, { 1, false }, function(self, x) return cr.elu(x, self.alpha) end)
simple("SoftPlus", { "beta" }, { 1 }, function(self, x) return cr.softplus(x, self.beta) end)
simple("SoftShrink", { "lambda" }, { 0.5 }, function(self, x) return cr.softshrink(x, self.lambda) end)
simple("HardShrink", { "lambda" }, { 0.5 }, function(self, x) return cr.hardshrink(x, self.lambda) end)
simple("HardTanh", { "min_val", "max_val", "inplace" }, { -1, 1, false },
  function(self, x) return cr.hardtanh(x, self.min_val, self.max_val) end)
simple("Clamp", { "min_val", "max_val" }, { -1, 1 },
  function(self, x) return cr.hardtanh(x, self.min_val, self.max_val) end)
simple("Threshold", { "threshold", "val", "inplace" }, { 1e-6, 0, false },
  function(self, x) return cr.threshold(x, self.threshold, self.val) end)
simple("Power", { "pow" }, {}, function(self, x) return cr.pow(x, self.pow) end)
simple("MulConstant", { "constant_scalar", "inplace" }, { 1, false },
  function(self, x) return x * self.constant_scalar end)
simple("AddConstant", { "constant_scalar", "inplace" }, { 0, false },
  function(self, x) return x + self.constant_scalar end)

-- Passes its input on, a tensor or a table.
local Identity = classes.class("nn.Identity", "nn.Module")
function Identity:updateOutput(input)
  self.output = input
  return input
end
function Identity:updateGradInput(_, gradOutput)
  self.gradInput = gradOutput
  return gradOutput
end

-- As Identity, but backward changes the sign.
local Reversal = classes.class("nn.GradientReversal", "nn.Identity")
function Reversal:__init(lambda)
  base.Module.__init(self)
  self.lambda = lambda or 1
end
function Reversal:setLambda(lambda) self.lambda = lambda end
function Reversal:updateGradInput(_, gradOutput)
  self.gradInput = gradOutput:clone():mul(-self.lambda)
  return self.gradInput
end

-- As Identity, but adds the slope of an absolute sum to the gradient.
local Penalty = classes.class("nn.L1Penalty", "nn.Identity")
function Penalty:__init(weight)
  base.Module.__init(self)
  self.l1weight = weight
end
function Penalty:updateGradInput(input, gradOutput)
  self.gradInput = input:clone():sign():mul(self.l1weight):add(gradOutput)
  return self.gradInput
end

-- Shapes ------------------------------------------------------------------------------------------------------------

local function product(list)
  local n = 1
  for _, s in ipairs(list) do n = n * s end
  return n
end

-- Sizes of one sample; a first dim before them is the batch, which the last argument may demand or forbid.
local Reshape = classes.class("nn.Reshape", "nn.Native")
function Reshape:__init(...)
  Native.__init(self)
  local list = { ... }
  if type(list[#list]) == "boolean" then self.batchMode = table.remove(list) end
  self.size = T.sizes("Reshape", table.unpack(list))
end
function Reshape:compute(x)
  local size = table.move(self.size, 1, #self.size, 1, {})
  local n = product(size)
  local batch = self.batchMode
  if batch == nil then batch = x:numel() ~= n or (x.shape[1] == 1 and x:dim() > 1) end
  if batch then table.insert(size, 1, x.shape[1]) end
  return x:reshape(size)
end
function Reshape:__tostring() return "nn.Reshape(" .. table.concat(self.size, "x") .. ")" end

local View = classes.class("nn.View", "nn.Native")
function View:__init(...)
  Native.__init(self)
  self.size = T.sizes("View", ...)
end
function View:setNumInputDims(n)
  self.numInputDims = n
  return self
end
function View:compute(x)
  local size = table.move(self.size, 1, #self.size, 1, {})
  local n, unknown = product(size), false
  for _, s in ipairs(size) do unknown = unknown or s < 0 end
  local batch
  if self.numInputDims then
    batch = x:dim() > self.numInputDims
  else
    batch = not unknown and x:numel() ~= n
  end
  if batch then table.insert(size, 1, unknown and x.shape[1] or x:numel() // n) end
  return x:reshape(size)
end
function View:__tostring() return "nn.View(" .. table.concat(self.size, ", ") .. ")" end

local Collapse = classes.class("nn.Collapse", "nn.Native")
function Collapse:__init(dims)
  Native.__init(self)
  self.dims = dims
end
function Collapse:compute(x) return x:flatten(x:dim() - self.dims + 1, x:dim()) end

-- Pairs of dims that change places, one pair after the other.
local Transpose = classes.class("nn.Transpose", "nn.Native")
function Transpose:__init(...)
  Native.__init(self)
  self.permutations = { ... }
end
function Transpose:compute(x)
  for _, pair in ipairs(self.permutations) do x = x:transpose(pair[1], pair[2]) end
  return x:contiguous() * 1
end

-- A dim as it was counted in one sample: moved by one where the input has more dims.
local function shifted(self, x, dim)
  if dim < 0 then return x:dim() + dim + 1 end
  if self.numInputDims and self.numInputDims >= 0 and x:dim() > self.numInputDims then return dim + 1 end
  return dim
end
local function counts_dims(C)
  function C:setNumInputDims(n)
    self.numInputDims = n
    return self
  end
end

counts_dims(simple("Unsqueeze", { "pos", "numInputDims" }, {}, function(self, x)
  return x:unsqueeze(shifted(self, x, self.pos))
end))
counts_dims(simple("Squeeze", { "dim", "numInputDims" }, {}, function(self, x)
  if self.dim then return x:squeeze(shifted(self, x, self.dim)) end
  return x:squeeze()
end))
simple("Replicate", { "nfeatures", "dim", "ndim" }, { 1, 1 }, function(self, x)
  local dim = self.dim
  if self.ndim and x:dim() > self.ndim then dim = dim + 1 end
  local size = {}
  for i = 1, x:dim() + 1 do size[i] = i == dim and self.nfeatures or -1 end
  return x:unsqueeze(dim):expand(size)
end)
simple("Narrow", { "dimension", "index", "length" }, { 1, 1, 1 }, function(self, x)
  local dim = self.dimension < 0 and x:dim() + self.dimension + 1 or self.dimension
  local n = self.length
  if n < 0 then n = x.shape[dim] - self.index + n + 2 end
  return x:narrow(dim, self.index, n)
end)
simple("Select", { "dimension", "index" }, {}, function(self, x) return x:select(self.dimension, self.index) end)
simple("Index", { "dimension" }, {}, function(self, x)
  return cr.index_select(x[1], self.dimension, x[2]:detach():to "int64")
end)
simple("Padding", { "dim", "pad", "nInputDim", "value" }, { 1, 1, nil, 0 }, function(self, x)
  local dim = self.dim
  if self.nInputDim and x:dim() > self.nInputDim then dim = dim + 1 end
  local pads = {}
  for i = 1, 2 * (x:dim() - dim) do pads[i] = 0 end
  pads[#pads + 1] = self.pad < 0 and -self.pad or 0
  pads[#pads + 1] = self.pad > 0 and self.pad or 0
  return cr.pad(x, pads, { value = self.value })
end)

-- Sums and extremes along a dim -------------------------------------------------------------------------------------

local function reduction(name, f)
  local C = simple(name, { "dimension", "nInputDims" }, { 1, -1 }, function(self, x)
    local dim = self.dimension < 0 and x:dim() + self.dimension + 1 or self.dimension
    if self.nInputDims > 0 and x:dim() == self.nInputDims + 1 then dim = dim + 1 end
    local y = f(x, dim, self)
    return y:dim() == 0 and y:view { 1 } or y
  end)
  return C
end
reduction("Mean", function(x, dim) return cr.mean(x, dim) end)
reduction("Max", function(x, dim) return (cr.max(x, dim)) end)
reduction("Min", function(x, dim) return (cr.min(x, dim)) end)
local Sum = reduction("Sum", function(x, dim, self)
  local y = cr.sum(x, dim, self.keepDims or false)
  return self.sizeAverage and y / x.shape[dim] or y
end)
local Sum_init = Sum.__init
function Sum:__init(dimension, nInputDims, sizeAverage, keepDims)
  Sum_init(self, dimension, nInputDims)
  self.sizeAverage, self.keepDims = sizeAverage or false, keepDims or false
end
