-- spectral_norm.lua: a weight divided by its largest singular value (Miyato et al. 2018), by a hook before forward.
--
-- Holds true: the parameter is NAME_orig, the buffers NAME_u and NAME_v are the singular vectors as far as power
-- iteration knows them: a step in each call in training. parametrizations.spectral_norm is the same in the newer form.

local cr = require "cresset"
local arguments = require "cresset.nn.arguments"
local module = require "cresset.nn.module"
local weight_norm = require "cresset.nn.utils.weight_norm"

local M = {}

--- A weight as a matrix whose rows are its dim `dim`.
function M.matrix(w, dim)
  if dim < 0 then dim = w.ndim + 1 + dim end
  if dim ~= 1 then w = w:transpose(1, dim) end
  return w:reshape(w:size(1), -1)
end

--- Power iteration in place: u and v, of length 1, turn towards the singular vectors of the largest singular value.
function M.iterate(w, u, v, steps, eps)
  cr.no_grad(function()
    for _ = 1, steps do
      v:copy_(w:t():mv(u):normalize(2, 1, eps))
      u:copy_(w:mv(v):normalize(2, 1, eps))
    end
  end)
end

--- The largest singular value by u and v, whose gradient reaches the weight alone.
function M.sigma(w, u, v) return u:clone():dot(w:mv(v:clone())) end

--- The dim whose rows count: 2 of transposed convolutions, whose weights begin with the inputs, else 1.
function M.dim_of(m)
  return m.class_name:find "^ConvTranspose" and 2 or 1
end

local takes = arguments.signature [[name: string = "weight", n_power_iterations: positive = 1, eps: number = 1e-12,
  dim: int?]]

local function compute(m, o)
  local w = m[o.name .. "_orig"]
  local u, v = m[o.name .. "_u"], m[o.name .. "_v"]
  local matrix = M.matrix(w, o.dim)
  if m.training then M.iterate(matrix:detach(), u, v, o.n_power_iterations, o.eps) end
  return w / M.sigma(matrix, u, v)
end

--- spectral_norm(module, { name = "weight", n_power_iterations = 1, eps = 1e-12, dim = })
function M.spectral_norm(m, ...)
  local o = arguments.read("spectral_norm", takes, ...)
  weight_norm.check("spectral_norm", m, o.name)
  o.dim = o.dim or M.dim_of(m)
  local weight = m[o.name]
  local matrix = M.matrix(weight:detach(), o.dim)
  local options = { dtype = weight.dtype, device = weight.device }
  module.forget(m, o.name)
  m:register_parameter(o.name .. "_orig", weight)
  m[o.name] = weight:detach()
  m:register_buffer(o.name .. "_u", cr.randn({ matrix:size(1) }, options):normalize(2, 1, o.eps))
  m:register_buffer(o.name .. "_v", cr.randn({ matrix:size(2) }, options):normalize(2, 1, o.eps))
  local function hook(self) self[o.name] = compute(self, o) end
  m:register_forward_pre_hook(hook)
  m["_spectral_norm_" .. o.name] = { dim = o.dim, hook = hook }
  return m
end

--- remove_spectral_norm(module, name): makes the weight a parameter again, as it is now.
function M.remove_spectral_norm(m, name)
  name = weight_norm.read(name)
  local normed = module.is_module(m) and m["_spectral_norm_" .. name]
  if not normed then cr.raise(("remove_spectral_norm: '%s' is not normed by spectral_norm"):format(name)) end
  m["_spectral_norm_" .. name] = nil
  return weight_norm.undo(m, name, normed.hook, { "_orig", "_u", "_v" }, function()
    local w = m[name .. "_orig"]
    return w / M.sigma(M.matrix(w, normed.dim), m[name .. "_u"], m[name .. "_v"])
  end)
end

return M
