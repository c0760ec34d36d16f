-- t7_nn.lua: modules of Torch7's nn, as its files have them, made modules of cr.nn.
--
-- Holds true: a module becomes the one of ours that computes the same, with its weights as parameters; what has no
-- counterpart there (View, tables of results) is a small class of this file. One that is not known is refused by name.
-- Classes of cudnn are those of nn. Criteria stay tables of their fields.

local cr = require "cresset"
local nn = require "cresset.nn"
local quote = require("cresset.io.source").quote

local M = {}

-- ---- What only Torch7 has -----------------------------------------------------------------------

-- Gives each sample of a batch another shape; `sizes` has at most one -1.
local View = nn.class "View"
function View:init(sizes)
  self.sizes, self.count = sizes, 1
  for _, n in ipairs(sizes) do self.count = n > 0 and self.count and self.count * n or nil end
end
function View:forward(x)
  if self.count and x:numel() == self.count and (x.ndim == 0 or x.shape[1] ~= 1) then return x:reshape(self.sizes) end
  if not self.count and x.ndim > #self.sizes then return x:reshape { x.shape[1], table.unpack(self.sizes) } end
  return x:reshape(self.count and { -1, table.unpack(self.sizes) } or self.sizes)
end

-- Each of its modules on the same input: a list of the results.
local ConcatTable = nn.class "ConcatTable"
function ConcatTable:init(modules) self.parts = nn.ModuleList(modules) end
function ConcatTable:forward(x)
  local results = {}
  for i = 1, #self.parts do results[i] = self.parts[i](x) end
  return results
end

-- Each of its modules on one of a list of inputs.
local ParallelTable = nn.class "ParallelTable"
function ParallelTable:init(modules) self.parts = nn.ModuleList(modules) end
function ParallelTable:forward(list)
  local results = {}
  for i = 1, #self.parts do results[i] = self.parts[i](list[i]) end
  return results
end

-- A list of tensors joined along a dim, which counts from that of a sample where `dims` says how many it has.
local JoinTable = nn.class "JoinTable"
function JoinTable:init(dim, dims) self.dim, self.dims = dim, dims end
function JoinTable:forward(list)
  local more = self.dims and list[1].ndim > self.dims and self.dim > 0 and 1 or 0
  return cr.cat(list, self.dim + more)
end

-- A list of tensors folded by an operation.
local Fold = nn.class "Fold"
function Fold:init(name) self.name = name end
function Fold:forward(list)
  local result = list[1]
  for i = 2, #list do result = result[self.name](result, list[i]) end
  return result
end

-- x * factor + term
local Affine = nn.class "Affine"
function Affine:init(factor, term) self.factor, self.term = factor, term end
function Affine:forward(x) return x * self.factor + self.term end

-- ---- One maker for each class -------------------------------------------------------------------

local makers = {}

local function parts(v, context)
  local list = {}
  for i, part in ipairs(type(v.modules) == "table" and v.modules or {}) do
    list[i] = context.of(part)
    if not nn.is_module(list[i]) then context.fail(v, "has a part that is no module") end
  end
  return list
end

-- A weight of the module, in a shape if one is given.
local function weight(v, context, name, shape)
  local x = v[name]
  if not cr.is_tensor(x) then context.fail(v, "has no " .. name) end
  if shape then
    local n = 1
    for _, size in ipairs(shape) do n = n * size end
    if n ~= x:numel() then
      context.fail(v, ("has a %s of shape %s, where %d elements belong"):format(name, tostring(x.shape), n))
    end
    x = x:reshape(shape)
  end
  return nn.Parameter(x:contiguous())
end

-- The numbers of fields; an absent one is what stands after its name: { "kW", 1 }.
local function numbers(v, context, ...)
  local list = {}
  for i, field in ipairs { ... } do
    local name, otherwise = field, nil
    if type(field) == "table" then name, otherwise = field[1], field[2] end
    local n = v[name]
    if n == nil then n = otherwise end
    if math.type(n) ~= "integer" or n < 0 or n > 1 << 31 then context.fail(v, "has no number " .. name) end
    list[i] = n
  end
  return table.unpack(list)
end

local function put(module, v, context, shape)
  module.weight = weight(v, context, "weight", shape)
  if v.bias then module.bias = weight(v, context, "bias") end
  return module
end

function makers.Linear(v, context)
  local w = weight(v, context, "weight")
  if w.ndim ~= 2 then context.fail(v, "has a weight that is no matrix") end
  return put(nn.Linear(w.shape[2], w.shape[1], { bias = v.bias ~= nil }), v, context)
end

function makers.SpatialConvolution(v, context)
  local from, to, kw, kh, dw, dh = numbers(v, context, "nInputPlane", "nOutputPlane", "kW", "kH", { "dW", 1 }, { "dH",
    1 })
  local pw, ph, lw, lh, groups = numbers(v, context, { "padW", v.padding or 0 }, { "padH", v.padding or 0 },
    { "dilationW", 1 }, { "dilationH", 1 }, { "groups", 1 })
  if groups < 1 or from % groups ~= 0 then context.fail(v, "has groups that do not fit") end
  local conv = nn.Conv2d(from, to, { kh, kw }, { stride = { dh, dw }, padding = { ph, pw }, dilation = { lh, lw },
    groups = groups, bias = v.bias ~= nil })
  return put(conv, v, context, { to, from // groups, kh, kw })
end
makers.SpatialConvolutionMM, makers.SpatialDilatedConvolution = makers.SpatialConvolution, makers.SpatialConvolution

function makers.SpatialFullConvolution(v, context)
  local from, to, kw, kh, dw, dh = numbers(v, context, "nInputPlane", "nOutputPlane", "kW", "kH", { "dW", 1 }, { "dH",
    1 })
  local pw, ph, aw, ah = numbers(v, context, { "padW", 0 }, { "padH", 0 }, { "adjW", 0 }, { "adjH", 0 })
  local conv = nn.ConvTranspose2d(from, to, { kh, kw }, { stride = { dh, dw }, padding = { ph, pw },
    output_padding = { ah, aw }, bias = v.bias ~= nil })
  return put(conv, v, context, { from, to, kh, kw })
end

local function pooling(name, counts)
  return function(v, context)
    local kw, kh, dw, dh, pw, ph = numbers(v, context, "kW", "kH", { "dW", v.kW }, { "dH", v.kH }, { "padW", 0 },
      { "padH", 0 })
    local options = { stride = { dh, dw }, padding = { ph, pw }, ceil_mode = v.ceil_mode == true }
    if counts then options.count_include_pad = v.count_include_pad ~= false end
    return nn[name]({ kh, kw }, options)
  end
end
makers.SpatialMaxPooling, makers.SpatialAveragePooling = pooling "MaxPool2d", pooling("AvgPool2d", true)

local function batch_norm(name)
  return function(v, context)
    local mean, var = v.running_mean, v.running_var
    if not var and cr.is_tensor(v.running_std) then var = v.running_std:pow(-2) - (v.eps or 1e-5) end
    if not cr.is_tensor(mean) or not cr.is_tensor(var) then context.fail(v, "has no running statistics") end
    local affine = cr.is_tensor(v.weight)
    local bn = nn[name](mean:numel(), { eps = v.eps, momentum = v.momentum, affine = affine })
    if affine then put(bn, v, context) end
    bn.running_mean, bn.running_var = mean:contiguous(), var:contiguous()
    return bn
  end
end
makers.BatchNormalization, makers.SpatialBatchNormalization = batch_norm "BatchNorm1d", batch_norm "BatchNorm2d"

function makers.LookupTable(v, context)
  local w = weight(v, context, "weight")
  if w.ndim ~= 2 then context.fail(v, "has a weight that is no matrix") end
  local e = nn.Embedding(w.shape[1], w.shape[2])
  e.weight = w
  return e
end

function makers.PReLU(v, context)
  local w = weight(v, context, "weight")
  local m = nn.PReLU(w:numel())
  m.weight = w
  return m
end

local function sizes_of(v)
  local size, list = v.size, {}
  if type(size) == "table" and size.is_storage then size = size.data end
  if cr.is_tensor(size) then size = size:totable() end
  for i, n in ipairs(type(size) == "table" and size or {}) do list[i] = math.tointeger(n) end
  return list
end
function makers.View(v, context)
  local sizes = sizes_of(v)
  if #sizes == 0 then context.fail(v, "has no sizes") end
  return View(sizes)
end
makers.Reshape = makers.View

function makers.SpatialZeroPadding(v, context)
  return nn.ZeroPad2d { numbers(v, context, "pad_l", "pad_r", "pad_t", "pad_b") }
end
function makers.SpatialUpSamplingNearest(v, context)
  return nn.Upsample { scale_factor = numbers(v, context, "scale_factor"), mode = "nearest" }
end
function makers.SpatialCrossMapLRN(v, context)
  return nn.LocalResponseNorm(numbers(v, context, "size"), { alpha = v.alpha, beta = v.beta, k = v.k })
end

function makers.Sequential(v, context) return nn.Sequential(parts(v, context)) end
function makers.ConcatTable(v, context) return ConcatTable(parts(v, context)) end
function makers.ParallelTable(v, context) return ParallelTable(parts(v, context)) end
function makers.Concat(v, context)
  return nn.Sequential { ConcatTable(parts(v, context)), JoinTable(numbers(v, context, "dimension")) }
end
function makers.JoinTable(v, context)
  return JoinTable(numbers(v, context, "dimension"), math.type(v.nInputDims) == "integer" and v.nInputDims > 0
    and v.nInputDims or nil)
end
for name, operation in pairs { CAddTable = "add", CSubTable = "sub", CMulTable = "mul", CDivTable = "div" } do
  makers[name] = function() return Fold(operation) end
end
function makers.MulConstant(v) return Affine(v.constant_scalar or 1, 0) end
function makers.AddConstant(v) return Affine(1, v.constant_scalar or 0) end

function makers.Threshold(v)
  if (v.threshold or 0) == 0 and (v.val or 0) == 0 then return nn.ReLU() end
  return nn.Threshold(v.threshold, v.val)
end
function makers.HardTanh(v) return nn.Hardtanh { min_val = v.min_val, max_val = v.max_val } end
function makers.LeakyReLU(v) return nn.LeakyReLU { negative_slope = v.negval } end
function makers.ELU(v) return nn.ELU { alpha = v.alpha } end
function makers.SoftPlus(v) return nn.Softplus { beta = v.beta, threshold = v.threshold } end
function makers.Dropout(v) return nn.Dropout { p = v.p } end
function makers.SpatialDropout(v) return nn.Dropout2d { p = v.p } end
-- Over the features: the last dim of a vector or of a batch of them.
function makers.LogSoftMax() return nn.LogSoftmax(-1) end
function makers.SoftMax() return nn.Softmax(-1) end
function makers.SpatialSoftMax() return nn.Softmax(-3) end
function makers.SpatialLogSoftMax() return nn.LogSoftmax(-3) end
for theirs, ours in pairs { ReLU = "ReLU", ReLU6 = "ReLU6", Tanh = "Tanh", Sigmoid = "Sigmoid", SoftSign = "Softsign",
  LogSigmoid = "LogSigmoid", Identity = "Identity", Copy = "Identity", Contiguous = "Identity" } do
  makers[theirs] = function() return nn[ours]() end
end

-- ---- The whole ----------------------------------------------------------------------------------

--- The module of ours for an object of the file, or nil if it is none of nn. of(v) gives what v becomes.
function M.convert(source, v, of)
  local library, name = v.__class:match "^(%l+)%.([%w_]+)$"
  if library ~= "nn" and library ~= "cudnn" or name:find "Criterion$" then return nil end
  local maker = makers[name]
  if not maker then source:fail("holds a %s, for which there is no module here", quote(v.__class)) end
  local context = { of = of }
  function context.fail(object, message) source:fail("the module %s %s", quote(object.__class), message) end
  local module = maker(v, context)
  if v.train == false then module:eval() end
  return module
end

return M
