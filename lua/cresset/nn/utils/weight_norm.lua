-- weight_norm.lua: a weight as a length times a direction (Salimans and Kingma 2016), by a hook before forward.
--
-- Holds true: the parameters are NAME_g and NAME_v; NAME is a plain field that each call computes anew.
-- parametrizations.weight_norm is the same in the newer form.

local cr = require "cresset"
local hooks = require "cresset.nn.hooks"
local module = require "cresset.nn.module"
local parameter = require "cresset.nn.parameter"

local M = {}

--- The norms of v over all dims but one (false: over all), in a shape that broadcasts.
function M.norms(v, dim)
  if not dim then return v:norm() end
  local at = dim < 0 and v.ndim + 1 + dim or dim
  local others = {}
  for d = 1, v.ndim do
    if d ~= at then others[#others + 1] = d end
  end
  if #others == 0 then return v:abs() end
  return v:norm(2, others, true)
end

local function check(name, m, field)
  if not module.is_module(m) then cr.raise(("%s: takes a module, got a %s"):format(name, type(m))) end
  if module.record(m).kinds[field] ~= "parameter" or not m[field] then
    cr.raise(("%s: this %s has no parameter %s"):format(name, m.class_name,
      require("cresset.suggest").quote(tostring(field))))
  end
end
M.check = check

local function read(name, dim)
  if type(name) == "table" then name, dim = name.name, name.dim end
  if dim == nil then dim = 1 end
  return name or "weight", dim
end
M.read = read

local function compute(m, name, dim)
  local g, v = m[name .. "_g"], m[name .. "_v"]
  return v * (g / M.norms(v, dim))
end

--- weight_norm(module, name, dim): name is "weight", dim 1 (the outputs of most layers) without them; dim = false takes
-- the norm of the whole. Gives the module.
function M.weight_norm(m, name, dim)
  name, dim = read(name, dim)
  check("weight_norm", m, name)
  local weight = m[name]
  local g = cr.no_grad(M.norms, weight, dim)
  module.forget(m, name)
  m:register_parameter(name .. "_g", parameter.Parameter(g))
  m:register_parameter(name .. "_v", weight)
  m[name] = compute(m, name, dim)
  local function hook(self) self[name] = compute(self, name, dim) end
  m:register_forward_pre_hook(hook)
  m["_weight_norm_" .. name] = { dim = dim, hook = hook }
  return m
end

--- Makes the weight a parameter again, with the value that `value` gives, and takes hook and parts away.
function M.undo(m, name, hook, parts, value)
  local weight = cr.no_grad(value)
  hooks.remove(m, "forward_pre", hook)
  for _, part in ipairs(parts) do module.forget(m, name .. part) end
  m[name] = nil
  m:register_parameter(name, parameter.Parameter(weight))
  return m
end

--- remove_weight_norm(module, name): makes the weight a parameter again, as it is now.
function M.remove_weight_norm(m, name)
  name = read(name)
  local normed = module.is_module(m) and m["_weight_norm_" .. name]
  if not normed then cr.raise(("remove_weight_norm: '%s' is not normed by weight_norm"):format(name)) end
  m["_weight_norm_" .. name] = nil
  return M.undo(m, name, normed.hook, { "_g", "_v" }, function() return compute(m, name, normed.dim) end)
end

return M
