-- parametrizations.lua: ready-made ones: nn.utils.parametrizations.weight_norm and spectral_norm.

local cr = require "cresset"
local arguments = require "cresset.nn.arguments"
local module = require "cresset.nn.module"
local parametrize = require "cresset.nn.utils.parametrize"
local spectral = require "cresset.nn.utils.spectral_norm"
local weight_norm = require "cresset.nn.utils.weight_norm"

local M = {}

-- ---- A length times a direction ----------------------------------------------------------------------------

local WeightNorm = module.class "WeightNorm"

function WeightNorm:init(dim) self.dim = dim end

function WeightNorm:forward(g, v) return v * (g / weight_norm.norms(v, self.dim)) end

function WeightNorm:right_inverse(weight) return weight_norm.norms(weight, self.dim), weight end

--- weight_norm(module, name, dim): the weight as original0 (its norms) times the direction of original1.
function M.weight_norm(m, name, dim)
  name, dim = weight_norm.read(name, dim)
  weight_norm.check("weight_norm", m, name)
  return parametrize.register_parametrization(m, name, WeightNorm(dim), { unsafe = true })
end

-- ---- A matrix of norm 1 ------------------------------------------------------------------------------------

local SpectralNorm = module.class "SpectralNorm"

function SpectralNorm:init(weight, o)
  self.dim, self.steps, self.eps = o.dim, o.n_power_iterations, o.eps
  if weight.ndim < 2 then return end
  local matrix = spectral.matrix(weight:detach(), self.dim)
  local options = { dtype = weight.dtype, device = weight.device }
  self:register_buffer("_u", cr.randn({ matrix:size(1) }, options):normalize(2, 1, self.eps))
  self:register_buffer("_v", cr.randn({ matrix:size(2) }, options):normalize(2, 1, self.eps))
  spectral.iterate(matrix, self._u, self._v, 15, self.eps)
end

function SpectralNorm:forward(weight)
  if weight.ndim < 2 then return weight:normalize(2, 1, self.eps) end
  local matrix = spectral.matrix(weight, self.dim)
  if self.training then spectral.iterate(matrix:detach(), self._u, self._v, self.steps, self.eps) end
  return weight / spectral.sigma(matrix, self._u, self._v)
end

function SpectralNorm.right_inverse(_, weight) return weight end

local takes = arguments.signature [[name: string = "weight", n_power_iterations: positive = 1, eps: number = 1e-12,
  dim: int?]]

--- spectral_norm(module, { name = "weight", n_power_iterations = 1, eps = 1e-12, dim = }): the weight divided by its
-- largest singular value.
function M.spectral_norm(m, ...)
  local o = arguments.read("spectral_norm", takes, ...)
  weight_norm.check("spectral_norm", m, o.name)
  o.dim = o.dim or spectral.dim_of(m)
  return parametrize.register_parametrization(m, o.name, SpectralNorm(m[o.name], o))
end

return require "cresset.nn.namespace"("nn.utils.parametrizations", {}, M)
