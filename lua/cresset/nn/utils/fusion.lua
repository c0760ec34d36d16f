-- fusion.lua: a batch norm that has learned, put into the layer before it.

local cr = require "cresset"
local module = require "cresset.nn.module"
local parameter = require "cresset.nn.parameter"

local M = {}

-- The parameters of a layer whose results a batch norm would scale: w and b times s, moved. `out` is w's dim of
-- outputs.
local function fuse(w, b, mean, var, eps, weight, bias, out)
  b = b or cr.zeros_like(mean)
  local s = (var + eps):rsqrt()
  if weight then s = s * weight end
  local shape = {}
  for d = 1, w.ndim do shape[d] = d == out and -1 or 1 end
  local moved = (b - mean) * s
  if bias then moved = moved + bias end
  return w * s:reshape(shape), moved
end

--- fuse_conv_bn_weights(w, b, mean, var, eps, bn_weight, bn_bias, transpose): the weight and bias of both in one.
function M.fuse_conv_bn_weights(w, b, mean, var, eps, bn_weight, bn_bias, transpose)
  return fuse(w, b, mean, var, eps, bn_weight, bn_bias, transpose and 2 or 1)
end

function M.fuse_linear_bn_weights(w, b, mean, var, eps, bn_weight, bn_bias)
  return fuse(w, b, mean, var, eps, bn_weight, bn_bias, 1)
end

local function evaluate(name, layer, norm, transpose)
  for _, m in ipairs { layer, norm } do
    if not module.is_module(m) then cr.raise(("%s: takes two modules, got a %s"):format(name, type(m))) end
    if m.training then cr.raise(("%s: the %s is in training; only modules in evaluation can be fused"):format(name,
      m.class_name)) end
  end
  if not norm.running_mean then cr.raise(name .. ": the batch norm has no running statistics") end
  local fused = layer:clone()
  local w, b = cr.no_grad(fuse, layer.weight, layer.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight,
    norm.bias, transpose and 2 or 1)
  fused.weight = parameter.Parameter(w, layer.weight.requires_grad)
  fused.bias = parameter.Parameter(b, not layer.bias or layer.bias.requires_grad)
  return fused
end

--- fuse_conv_bn_eval(conv, bn, transpose): a convolution that does what both do in evaluation.
function M.fuse_conv_bn_eval(conv, bn, transpose) return evaluate("fuse_conv_bn_eval", conv, bn, transpose) end

--- fuse_linear_bn_eval(linear, bn): the same of a Linear.
function M.fuse_linear_bn_eval(linear, bn) return evaluate("fuse_linear_bn_eval", linear, bn) end

return M
