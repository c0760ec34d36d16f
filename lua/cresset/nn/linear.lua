-- linear.lua: Identity, Linear, Bilinear.

local cr = require "cresset"
local arguments = require "cresset.nn.arguments"
local initial = require "cresset.nn.initial"
local module = require "cresset.nn.module"
local show = require "cresset.nn.show"

local M = {}

local class, read, signature = module.class, arguments.read, arguments.signature

M.Identity = class "Identity"

--- Identity(...): gives what it is given; any arguments do.
function M.Identity.forward(_, ...) return ... end

-- ---- Linear ------------------------------------------------------------------------------------------

local Linear = class "Linear"
M.Linear = Linear

local takes = signature "in_features: count, out_features: count, bias: bool = true, device: device?, dtype: dtype?"

--- Linear(in_features, out_features, { bias = true }): x weight^T + bias over the last dim. weight is
-- out_features x in_features, uniform within 1 / sqrt(in_features), as bias.
function Linear:init(...)
  local a = read("Linear", takes, ...)
  self.in_features, self.out_features = a.in_features, a.out_features
  self.weight = initial.empty(a, a.out_features, a.in_features)
  self:register_parameter("bias", a.bias and initial.empty(a, a.out_features) or nil)
  self:reset_parameters()
end

function Linear:reset_parameters() initial.kaiming(self.weight, self.bias) end

local linear = cr.linear

function Linear:forward(x) return linear(x, self.weight, self.bias) end

function Linear:extra_repr()
  return ("in_features=%d, out_features=%d, bias=%s"):format(self.in_features, self.out_features, self.bias ~= nil)
end

-- ---- Bilinear ----------------------------------------------------------------------------------------

local Bilinear = class "Bilinear"
M.Bilinear = Bilinear

local takes_two = signature [[in1_features: positive, in2_features: positive, out_features: positive, bias: bool = true,
  device: device?, dtype: dtype?]]

--- Bilinear(in1_features, in2_features, out_features, { bias = true }): x1^T weight[k] x2 + bias[k].
function Bilinear:init(...)
  local a = read("Bilinear", takes_two, ...)
  self.in1_features, self.in2_features, self.out_features = a.in1_features, a.in2_features, a.out_features
  self.weight = initial.empty(a, a.out_features, a.in1_features, a.in2_features)
  self:register_parameter("bias", a.bias and initial.empty(a, a.out_features) or nil)
  self:reset_parameters()
end

function Bilinear:reset_parameters()
  local bound = 1 / math.sqrt(self.weight:size(2))
  initial.uniform(bound, self.weight, self.bias)
end

function Bilinear:forward(x1, x2) return cr.bilinear(x1, x2, self.weight, self.bias) end

function Bilinear:extra_repr()
  return show.fields(self, "in1_features in2_features out_features") .. ", bias=" .. tostring(self.bias ~= nil)
end

return M
