-- convolutions.lua: convolutions, pools, paddings and resizing of lines, images and volumes.
--
-- Holds true: arguments come as in Torch7: numbers of planes, kernel width before height, steps, paddings; an image
-- may come without a batch.

local cr = require "cresset"
local classes = require "cresset.torch7.class"
local base = require "cresset.torch7.nn.module"
local Native, parameter = base.Native, base.parameter

local function class(name, parent) return classes.class("nn." .. name, "nn." .. (parent or "Native")) end

-- Weights and biases of one size for all kinds of convolutions.
local function reset(self, weight_size, stdv)
  local fan = 1
  for _, k in ipairs(self.kernel) do fan = fan * k end
  local bound = stdv and stdv * math.sqrt(3) or 1 / math.sqrt(fan * self.nInputPlane)
  parameter(self, "weight", weight_size, bound)
  parameter(self, "bias", { self.nOutputPlane }, bound)
end

local function noBias(self)
  self.bias, self.gradBias = nil, nil
  return self
end

local Conv = class "SpatialConvolution"
function Conv:__init(inputs, outputs, kW, kH, dW, dH, padW, padH, groups)
  Native.__init(self)
  self.nInputPlane, self.nOutputPlane, self.kW, self.kH = inputs, outputs, kW, kH
  self.dW, self.dH = dW or 1, dH or dW or 1
  self.padW = padW or 0
  self.padH = padH or self.padW
  self.dilationW, self.dilationH, self.groups = 1, 1, groups or 1
  self.kernel = { kH, kW }
  self:reset()
end
function Conv:reset(stdv)
  reset(self, { self.nOutputPlane, self.nInputPlane // (self.groups or 1), self.kH, self.kW }, stdv)
  return self
end
Conv.noBias = noBias
function Conv:compute(x)
  local w = self:param "weight"
  if w:dim() ~= 4 then w = w:reshape { self.nOutputPlane, -1, self.kH, self.kW } end
  return cr.conv2d(x, w, self:param "bias", {
    stride = { self.dH, self.dW }, padding = { self.padH or 0, self.padW or 0 },
    dilation = { self.dilationH or 1, self.dilationW or 1 }, groups = self.groups or 1,
  })
end
function Conv:__tostring()
  local s = ("%s(%d -> %d, %dx%d"):format(classes.typename(self), self.nInputPlane, self.nOutputPlane, self.kW, self.kH)
  local padded = (self.padW or 0) ~= 0 or (self.padH or 0) ~= 0
  if self.dW ~= 1 or self.dH ~= 1 or padded then s = s .. (", %d,%d"):format(self.dW, self.dH) end
  if padded then s = s .. (", %d,%d"):format(self.padW, self.padH) end
  return s .. ")" .. (self.bias and "" or " without bias")
end
class("SpatialConvolutionMM", "SpatialConvolution")

local Dilated = class("SpatialDilatedConvolution", "SpatialConvolution")
function Dilated:__init(inputs, outputs, kW, kH, dW, dH, padW, padH, dilationW, dilationH)
  Conv.__init(self, inputs, outputs, kW, kH, dW, dH, padW, padH)
  self.dilationW, self.dilationH = dilationW or 1, dilationH or dilationW or 1
end

local DepthWise = class("SpatialDepthWiseConvolution", "SpatialConvolution")
function DepthWise:__init(inputs, multiplier, kW, kH, dW, dH, padW, padH)
  Conv.__init(self, inputs, inputs * multiplier, kW, kH, dW, dH, padW, padH, inputs)
end

local Full = class "SpatialFullConvolution"
function Full:__init(inputs, outputs, kW, kH, dW, dH, padW, padH, adjW, adjH)
  Native.__init(self)
  self.nInputPlane, self.nOutputPlane, self.kW, self.kH = inputs, outputs, kW, kH
  self.dW, self.dH, self.padW, self.padH = dW or 1, dH or dW or 1, padW or 0, padH or padW or 0
  self.adjW, self.adjH = adjW or 0, adjH or adjW or 0
  self.kernel = { kH, kW }
  self:reset()
end
function Full:reset(stdv)
  reset(self, { self.nInputPlane, self.nOutputPlane, self.kH, self.kW }, stdv)
  return self
end
Full.noBias = noBias
function Full:compute(x)
  return cr.conv_transpose2d(x, self:param "weight", self:param "bias", {
    stride = { self.dH, self.dW }, padding = { self.padH, self.padW }, output_padding = { self.adjH, self.adjW },
  })
end

-- Lines: steps x planes, or a batch of them.
local Temporal = class "TemporalConvolution"
function Temporal:__init(inputs, outputs, kW, dW)
  Native.__init(self)
  self.inputFrameSize, self.outputFrameSize, self.kW, self.dW = inputs, outputs, kW, dW or 1
  local bound = 1 / math.sqrt(kW * inputs)
  parameter(self, "weight", { outputs, inputs * kW }, bound)
  parameter(self, "bias", { outputs }, bound)
end
function Temporal:compute(x)
  -- a row of weights holds the frames of a kernel one after the other
  local w = self:param("weight"):view({ self.outputFrameSize, self.kW, self.inputFrameSize }):transpose(2, 3)
  return cr.conv1d(x:transpose(-1, -2), w, self:param "bias", { stride = self.dW }):transpose(-1, -2):contiguous()
end

local Volumetric = class "VolumetricConvolution"
function Volumetric:__init(inputs, outputs, kT, kW, kH, dT, dW, dH, padT, padW, padH)
  Native.__init(self)
  self.nInputPlane, self.nOutputPlane, self.kernel = inputs, outputs, { kT, kH, kW }
  self.step = { dT or 1, dH or 1, dW or 1 }
  self.padding = { padT or 0, padH or padT or 0, padW or padT or 0 }
  reset(self, { outputs, inputs, kT, kH, kW })
end
Volumetric.noBias = noBias
function Volumetric:compute(x)
  return cr.conv3d(x, self:param "weight", self:param "bias", { stride = self.step, padding = self.padding })
end

-- Pools -------------------------------------------------------------------------------------------------------------

local function ceil_and_floor(C)
  function C:ceil()
    self.ceil_mode = true
    return self
  end
  function C:floor()
    self.ceil_mode = false
    return self
  end
end

local function image_pool(name, f)
  local C = class(name)
  ceil_and_floor(C)
  function C:__init(kW, kH, dW, dH, padW, padH)
    Native.__init(self)
    self.kW, self.kH, self.dW, self.dH = kW, kH, dW or kW, dH or kH
    self.padW, self.padH, self.ceil_mode = padW or 0, padH or 0, false
  end
  function C:compute(x) return f(self, x, { self.kH, self.kW }, { self.dH, self.dW }, { self.padH, self.padW }) end
  function C:__tostring()
    local s = ("nn.%s(%dx%d, %d,%d"):format(name, self.kW, self.kH, self.dW, self.dH)
    if self.padW ~= 0 or self.padH ~= 0 then s = s .. (", %d,%d"):format(self.padW, self.padH) end
    return s .. ")"
  end
  return C
end
image_pool("SpatialMaxPooling", function(self, x, kernel, stride, padding)
  return (cr.max_pool2d(x, kernel, { stride = stride, padding = padding, ceil_mode = self.ceil_mode }))
end)
local Average = image_pool("SpatialAveragePooling", function(self, x, kernel, stride, padding)
  return cr.avg_pool2d(x, kernel, {
    stride = stride, padding = padding, ceil_mode = self.ceil_mode, count_include_pad = not self.exclude_pad,
  })
end)
function Average:setCountExcludePad()
  self.exclude_pad = true
  return self
end
function Average:setCountIncludePad()
  self.exclude_pad = false
  return self
end

local adaptive = {
  SpatialAdaptiveMaxPooling = "adaptive_max_pool2d",
  SpatialAdaptiveAveragePooling = "adaptive_avg_pool2d",
}
for name, op in pairs(adaptive) do
  local C = class(name)
  function C:__init(W, H)
    Native.__init(self)
    self.W, self.H = W, H
  end
  function C:compute(x) return (cr[op](x, { self.H, self.W })) end
end

local LP = class "SpatialLPPooling"
function LP:__init(_, p, kW, kH, dW, dH)
  Native.__init(self)
  self.p, self.kW, self.kH, self.dW, self.dH = p, kW, kH, dW or kW, dH or kH
end
function LP:compute(x) return cr.lp_pool2d(x, self.p, { self.kH, self.kW }, { stride = { self.dH, self.dW } }) end

local TemporalMax = class "TemporalMaxPooling"
function TemporalMax:__init(kW, dW)
  Native.__init(self)
  self.kW, self.dW = kW, dW or kW
end
function TemporalMax:compute(x)
  local y = cr.max_pool1d(x:transpose(-1, -2), self.kW, { stride = self.dW })
  return y:transpose(-1, -2):contiguous()
end

for name, op in pairs { VolumetricMaxPooling = "max_pool3d", VolumetricAveragePooling = "avg_pool3d" } do
  local C = class(name)
  ceil_and_floor(C)
  function C:__init(kT, kW, kH, dT, dW, dH, padT, padW, padH)
    Native.__init(self)
    self.kernel, self.step = { kT, kH, kW }, { dT or kT, dH or kH, dW or kW }
    self.padding, self.ceil_mode = { padT or 0, padH or 0, padW or 0 }, false
  end
  function C:compute(x)
    return (cr[op](x, self.kernel, { stride = self.step, padding = self.padding, ceil_mode = self.ceil_mode }))
  end
end

-- Paddings and sizes ------------------------------------------------------------------------------------------------

local paddings = {
  SpatialZeroPadding = "constant",
  SpatialReflectionPadding = "reflect",
  SpatialReplicationPadding = "replicate",
}
for name, mode in pairs(paddings) do
  local C = class(name)
  function C:__init(left, right, top, bottom)
    Native.__init(self)
    self.pad = { left, right or left, top or left, bottom or left }
  end
  function C:compute(x) return cr.pad(x, self.pad, { mode = mode }) end
end

local function resize(name, options)
  local C = class(name)
  function C:__init(first)
    Native.__init(self)
    if type(first) == "table" then
      self.size = { first.oheight, first.owidth }
    else
      self.scale = first
    end
  end
  function C:compute(x)
    local batch = x:dim() == 3 and x:unsqueeze(1) or x
    local y = cr.interpolate(batch, {
      size = self.size, scale_factor = not self.size and { self.scale, self.scale } or nil,
      mode = options.mode, align_corners = options.align_corners,
    })
    return x:dim() == 3 and y:squeeze(1) or y
  end
end
resize("SpatialUpSamplingNearest", { mode = "nearest" })
resize("SpatialUpSamplingBilinear", { mode = "bilinear", align_corners = true })

local Shuffle = class "PixelShuffle"
function Shuffle:__init(factor)
  Native.__init(self)
  self.factor = factor
end
function Shuffle:compute(x) return cr.pixel_shuffle(x, self.factor) end

