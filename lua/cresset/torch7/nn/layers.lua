-- layers.lua: modules with parameters, and those that act differently in training.
--
-- Holds true: parameters begin as Torch7's do: from -stdv to stdv, with stdv 1 / sqrt(number of inputs).

local cr = require "cresset"
local T = require "cresset.torch7.tensor"
local classes = require "cresset.torch7.class"
local base = require "cresset.torch7.nn.module"
local Native, parameter = base.Native, base.parameter

local function class(name) return classes.class("nn." .. name, "nn.Native") end

local Linear = class "Linear"
function Linear:__init(inputs, outputs, bias)
  Native.__init(self)
  self.inputs, self.outputs = inputs, outputs
  self.has_bias = bias ~= false
  self:reset()
end
function Linear:reset(stdv)
  local bound = stdv and stdv * math.sqrt(3) or 1 / math.sqrt(self.inputs)
  parameter(self, "weight", { self.outputs, self.inputs }, bound)
  if self.has_bias then parameter(self, "bias", { self.outputs }, bound) end
  return self
end
function Linear:noBias()
  self.has_bias, self.bias, self.gradBias = false, nil, nil
  return self
end
function Linear:compute(x) return cr.linear(x, self:param "weight", self:param "bias") end
function Linear:__tostring()
  return ("nn.Linear(%d -> %d)%s"):format(self.inputs, self.outputs, self.bias and "" or " without bias")
end

local Bilinear = class "Bilinear"
function Bilinear:__init(left, right, outputs, bias)
  Native.__init(self)
  local bound = 1 / math.sqrt(left)
  parameter(self, "weight", { outputs, left, right }, bound)
  if bias ~= false then parameter(self, "bias", { outputs }, bound) end
end
function Bilinear:compute(x) return cr.bilinear(x[1], x[2], self:param "weight", self:param "bias") end

-- Sums and products with parameters of the input's sizes.
local Add = class "Add"
function Add:__init(size, scalar)
  Native.__init(self)
  parameter(self, "bias", { scalar and 1 or size }, 1 / math.sqrt(scalar and 1 or size))
end
function Add:compute(x) return x + self:param "bias" end

local function sized(name, field, f)
  local C = class(name)
  function C:__init(...)
    Native.__init(self)
    local size, n = T.sizes(name, ...), 1
    for _, s in ipairs(size) do n = n * s end
    parameter(self, field, size, 1 / math.sqrt(n))
  end
  function C:compute(x) return f(x, self:param(field)) end
end
sized("CAdd", "bias", function(x, b) return x + b end)
sized("CMul", "weight", function(x, w) return x * w end)

local Mul = class "Mul"
function Mul:__init()
  Native.__init(self)
  parameter(self, "weight", { 1 }, 1)
end
function Mul:compute(x) return x * self:param "weight" end

local PReLU = class "PReLU"
function PReLU:__init(channels)
  Native.__init(self)
  parameter(self, "weight", { math.max(channels or 0, 1) })
  self.weight:fill(0.25)
end
function PReLU:compute(x) return cr.prelu(x, self:param "weight") end

-- Distances to, and cosines with, each of the outputs' weights.
local Euclidean = class "Euclidean"
function Euclidean:__init(inputs, outputs)
  Native.__init(self)
  parameter(self, "weight", { inputs, outputs }, 1 / math.sqrt(inputs))
end
function Euclidean:compute(x)
  local flat = x:dim() == 1 and x:unsqueeze(1) or x
  local y = cr.norm(flat:unsqueeze(3) - self:param "weight", 2, 2)
  return x:dim() == 1 and y:squeeze(1) or y
end

local Cosine = class "Cosine"
function Cosine:__init(inputs, outputs)
  Native.__init(self)
  parameter(self, "weight", { outputs, inputs }, 1 / math.sqrt(inputs))
end
function Cosine:compute(x)
  local w = self:param "weight"
  return cr.linear(cr.normalize(x, 2, -1), cr.normalize(w, 2, -1))
end

local LookupTable = class "LookupTable"
function LookupTable:__init(n, size, padding, max_norm, norm_type)
  Native.__init(self)
  self.paddingValue, self.maxNorm, self.normType = padding or 0, max_norm, norm_type
  parameter(self, "weight", { n, size })
  self.weight:normal(0, 1)
end
function LookupTable:compute(x)
  local padding = self.paddingValue > 0 and self.paddingValue or nil
  return cr.embedding(self:param "weight", x:detach():to "int64",
    { padding_idx = padding, max_norm = self.maxNorm, norm_type = self.normType })
end
function LookupTable:updateGradInput(input, gradOutput)
  Native.updateGradInput(self, input, gradOutput)
  self.gradInput = T.empty(T.kind_of(input))
  return self.gradInput
end
function LookupTable:__tostring()
  return ("nn.LookupTable(%d -> %d)"):format(self.weight:size(1), self.weight:size(2))
end

-- In training only --------------------------------------------------------------------------------------------------

local function dropout(name, op, default)
  local C = class(name)
  function C:__init(p)
    Native.__init(self)
    self.p = p or default
    if self.p >= 1 or self.p < 0 then
      error(("nn.%s: p must be at least 0 and less than 1, got %s"):format(name, self.p), 3)
    end
  end
  function C:compute(x) return self.train and cr[op](x, self.p, true) or x * 1 end
  function C:__tostring() return ("nn.%s(%g)"):format(name, self.p) end
end
dropout("Dropout", "dropout", 0.5)
dropout("SpatialDropout", "dropout2d", 0.5)

local BN = class "BatchNormalization"
function BN:__init(n, eps, momentum, affine)
  Native.__init(self)
  self.eps, self.momentum = eps or 1e-5, momentum or 0.1
  local kind = T.kind(self._type, "reset")
  self.running_mean = T.new(kind, n)
  self.running_var = T.new(kind, n):fill(1)
  if affine ~= false then
    parameter(self, "weight", { n })
    parameter(self, "bias", { n })
    self.weight:uniform()
  end
end
function BN:compute(x)
  return cr.batch_norm(x, self.running_mean.raw, self.running_var.raw, self:param "weight", self:param "bias",
    { training = self.train, momentum = self.momentum, eps = self.eps })
end
function BN:__tostring()
  return ("%s (%dD) (%d)"):format(classes.typename(self), self.nDim or 2, self.running_mean:size(1))
end
for name, dims in pairs { SpatialBatchNormalization = 4, VolumetricBatchNormalization = 5 } do
  local C = classes.class("nn." .. name, "nn.BatchNormalization")
  C.nDim = dims
end

local Normalize = class "Normalize"
function Normalize:__init(p, eps)
  Native.__init(self)
  self.p, self.eps = p, eps or 1e-10
end
function Normalize:compute(x) return cr.normalize(x, self.p, -1, self.eps) end

local LRN = class "SpatialCrossMapLRN"
function LRN:__init(size, alpha, beta, k)
  Native.__init(self)
  self.size, self.alpha, self.beta, self.k = size, alpha or 0.0001, beta or 0.75, k or 1
end
function LRN:compute(x)
  local batch = x:dim() == 3 and x:unsqueeze(1) or x
  local y = cr.local_response_norm(batch, self.size, self.alpha, self.beta, self.k)
  return x:dim() == 3 and y:squeeze(1) or y
end
