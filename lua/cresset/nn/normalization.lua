-- normalization.lua: BatchNorm, InstanceNorm, LayerNorm, GroupNorm, RMSNorm, LocalResponseNorm.

local cr = require "cresset"
local arguments = require "cresset.nn.arguments"
local initial = require "cresset.nn.initial"
local module = require "cresset.nn.module"
local show = require "cresset.nn.show"
local simple = require "cresset.nn.simple"

local M = {}

local class, fail = module.class, module.fail

-- ---- With running statistics -------------------------------------------------------------------------------

local function one_zero(self)
  if self.weight then self.weight:fill_(1) end
  if self.bias then self.bias:zero_() end
end

local function reset_running(self)
  if not self.track_running_stats then return end
  self.running_mean:zero_()
  self.running_var:fill_(1)
  self.num_batches_tracked:zero_()
end

local function prepare(self, a)
  for _, name in ipairs { "num_features", "eps", "affine", "track_running_stats" } do self[name] = a[name] end
  self.momentum = a.momentum
  self:register_parameter("weight", a.affine and initial.empty(a, a.num_features) or nil)
  self:register_parameter("bias", a.affine and initial.empty(a, a.num_features) or nil)
  local on, options = a.track_running_stats, { dtype = a.dtype or cr.get_default_dtype(), device = a.device }
  self:register_buffer("running_mean", on and cr.zeros({ a.num_features }, options) or nil)
  self:register_buffer("running_var", on and cr.ones({ a.num_features }, options) or nil)
  self:register_buffer("num_batches_tracked", on and cr.zeros({}, { dtype = cr.int64, device = a.device }) or nil)
  self:reset_parameters()
end

local function statistics_class(name, defaults, dims, wanted)
  local class_of = class(name)
  local takes = arguments.signature(([[num_features: positive, eps: number = 1e-05, momentum: momentum = 0.1,
    affine: bool = ON, track_running_stats: bool = ON, device: device?, dtype: dtype?]]):gsub("ON", defaults))

  function class_of:init(...) prepare(self, arguments.read(name, takes, ...)) end

  function class_of:reset_running_stats() cr.no_grad(reset_running, self) end

  function class_of:reset_parameters()
    self:reset_running_stats()
    cr.no_grad(one_zero, self)
  end

  function class_of:extra_repr()
    return self.num_features .. ", " .. show.fields(self, "eps momentum affine track_running_stats")
  end

  function class_of:check(x)
    local ndim = x.ndim
    if not dims[ndim] then fail(self, "takes %s, got a tensor of shape %s", wanted, tostring(x.shape)) end
    return ndim
  end

  return class_of
end

local batch_norm = cr.batch_norm

-- How much of the batch's statistics goes into the running ones; without a momentum, all batches count alike. Then the
-- counter, which is advanced once the call has succeeded.
local function share(self)
  if not (self.training and self.track_running_stats) then return self.momentum or 0 end
  local seen = self.num_batches_tracked
  return self.momentum or seen and 1 / (seen:item() + 1) or 0, seen
end

local function forward(self, x)
  self:check(x)
  local training, mean, var = self.training, self.running_mean, self.running_var
  local momentum, seen = share(self)
  local by_batch = training or not mean and not var
  if training and not self.track_running_stats then mean, var = nil, nil end
  local y = batch_norm(x, mean, var, self.weight, self.bias, by_batch, momentum, self.eps)
  if seen then seen:add_(1) end
  return y
end

for n, at in ipairs { { { [2] = true, [3] = true }, "2 or 3 dims (N, C) or (N, C, L)" },
  { { [4] = true }, "4 dims (N, C, H, W)" }, { { [5] = true }, "5 dims (N, C, D, H, W)" } } do
  local name = ("BatchNorm%dd"):format(n)
  --- BatchNorm2d(num_features, { eps = 1e-5, momentum = 0.1, affine = true, track_running_stats = true }): momentum =
  -- false makes the running statistics the mean of all batches.
  M[name] = statistics_class(name, "true", at[1], at[2])
  M[name].forward = forward
end

for n = 1, 3 do
  local name = ("InstanceNorm%dd"):format(n)
  M[name] = statistics_class(name, "false", { [n + 1] = true, [n + 2] = true },
    ("%d dims, or %d with those of a batch"):format(n + 1, n + 2))

  M[name].forward = function(self, x)
    local single = self:check(x) == n + 1
    if single then x = x:unsqueeze(1) end
    local y = cr.instance_norm(x, self.running_mean, self.running_var, self.weight, self.bias,
      self.training or not self.track_running_stats, self.momentum or 0, self.eps)
    return single and y:squeeze(1) or y
  end
end

-- ---- Without ---------------------------------------------------------------------------------------------

local LayerNorm = class "LayerNorm"
M.LayerNorm = LayerNorm

local takes_layer = arguments.signature [[normalized_shape: sizes, eps: number = 1e-05,
  elementwise_affine: bool = true, bias: bool = true, device: device?, dtype: dtype?]]

--- LayerNorm(normalized_shape, { eps = 1e-5, elementwise_affine = true, bias = true }): over the last dims.
function LayerNorm:init(...)
  local a = arguments.read("LayerNorm", takes_layer, ...)
  self.normalized_shape, self.eps, self.elementwise_affine = a.normalized_shape, a.eps, a.elementwise_affine
  local shape = a.normalized_shape
  self:register_parameter("weight", a.elementwise_affine and initial.empty(a, table.unpack(shape)) or nil)
  self:register_parameter("bias", a.elementwise_affine and a.bias and initial.empty(a, table.unpack(shape)) or nil)
  self:reset_parameters()
end

function LayerNorm:reset_parameters() cr.no_grad(one_zero, self) end

local layer_norm = cr.layer_norm

function LayerNorm:forward(x) return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps) end

function LayerNorm:extra_repr()
  return show.value(self.normalized_shape) .. ", " .. show.fields(self, "eps elementwise_affine")
end

local RMSNorm = class "RMSNorm"
M.RMSNorm = RMSNorm

local takes_rms = arguments.signature [[normalized_shape: sizes, eps: number?, elementwise_affine: bool = true,
  device: device?, dtype: dtype?]]

--- RMSNorm(normalized_shape, { eps = nil, elementwise_affine = true }): eps is that of the dtype if it is not given.
function RMSNorm:init(...)
  local a = arguments.read("RMSNorm", takes_rms, ...)
  self.normalized_shape, self.eps, self.elementwise_affine = a.normalized_shape, a.eps, a.elementwise_affine
  self:register_parameter("weight", a.elementwise_affine and initial.empty(a, table.unpack(a.normalized_shape)) or nil)
  self:reset_parameters()
end

function RMSNorm:reset_parameters() cr.no_grad(one_zero, self) end

function RMSNorm:forward(x) return cr.rms_norm(x, self.normalized_shape, self.weight, self.eps) end

RMSNorm.extra_repr = LayerNorm.extra_repr

local GroupNorm = class "GroupNorm"
M.GroupNorm = GroupNorm

local takes_group = arguments.signature [[num_groups: positive, num_channels: positive, eps: number = 1e-05,
  affine: bool = true, device: device?, dtype: dtype?]]

--- GroupNorm(num_groups, num_channels, { eps = 1e-5, affine = true }).
function GroupNorm:init(...)
  local a = arguments.read("GroupNorm", takes_group, ...)
  if a.num_channels % a.num_groups ~= 0 then
    fail(self, "num_channels (%d) must be divisible by num_groups (%d)", a.num_channels, a.num_groups)
  end
  self.num_groups, self.num_channels, self.eps, self.affine = a.num_groups, a.num_channels, a.eps, a.affine
  self:register_parameter("weight", a.affine and initial.empty(a, a.num_channels) or nil)
  self:register_parameter("bias", a.affine and initial.empty(a, a.num_channels) or nil)
  self:reset_parameters()
end

function GroupNorm:reset_parameters() cr.no_grad(one_zero, self) end

function GroupNorm:forward(x) return cr.group_norm(x, self.num_groups, self.weight, self.bias, self.eps) end

function GroupNorm:extra_repr()
  return ("%d, %d, "):format(self.num_groups, self.num_channels) .. show.fields(self, "eps affine")
end

M.LocalResponseNorm = simple("LocalResponseNorm", [[size: positive, alpha: number = 0.0001, beta: number = 0.75,
  k: number = 1.0]], function(self, x)
  return cr.local_response_norm(x, self.size, self.alpha, self.beta, self.k)
end, "size alpha beta k")

return M
