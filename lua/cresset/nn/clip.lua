-- clip.lua: gradients cut to a norm or to a range: what nn.utils.clip_grad_norm_ and its kin are.
--
-- Holds true: the formulas are PyTorch's; parameters without gradient count as nothing. All gradients are written in
-- one call of cr.foreach, or none.

local cr = require "cresset"
local options = require "cresset.optim.options"

local M = {}

local check, fail = options.check, options.fail

local known = {
  norm_type = { 2.0, check.number }, error_if_nonfinite = { false, check.flag }, foreach = { nil, check.flag },
}

-- The list that is meant by a tensor, a list of them, or an iterator.
local function list_of(owner, what, given)
  local list = given
  if cr.is_tensor(given) then list = { given }
  elseif type(given) == "function" then
    list = {}
    for a, b in given do list[#list + 1] = b ~= nil and b or a end
  elseif type(given) ~= "table" then
    fail(owner, "%s must be a tensor or a list of tensors, got %s", what, options.describe(given))
  end
  for i, x in ipairs(list) do
    if not cr.is_tensor(x) then fail(owner, "%s[%d] must be a tensor, got %s", what, i, options.describe(x)) end
  end
  return list
end

local function gradients(owner, parameters)
  local grads = {}
  for _, p in ipairs(list_of(owner, "parameters", parameters)) do
    grads[#grads + 1] = p.grad
  end
  return grads
end

local function total(owner, tensors, o)
  if #tensors == 0 then return cr.tensor(0.0) end
  local norms, device = cr.foreach.norm(tensors, o.norm_type), tensors[1].device
  for i, norm in ipairs(norms) do
    if norm.device ~= device then norms[i] = norm:to(device) end
  end
  local norm = cr.stack(norms):norm(o.norm_type)
  local x = o.error_if_nonfinite and norm:item() or 0
  if x ~= x or x == cr.inf then
    fail(owner, "the norm of order %g is %s, so nothing can be cut to it; error_if_nonfinite = false cuts all the same",
      o.norm_type, tostring(x))
  end
  return norm
end

--- The norm of all tensors as one vector, a tensor of one element. Options: norm_type (2), error_if_nonfinite (false).
function M.get_total_norm(tensors, given)
  local o = options.read("get_total_norm", given, known)
  return cr.no_grad(total, "get_total_norm", list_of("get_total_norm", "tensors", tensors), o)
end

--- Multiplies gradients with what brings the norm of all of them down to max_norm; gives the norm that they had.
-- Options as get_total_norm's.
function M.clip_grad_norm_(parameters, max_norm, given)
  local o = options.read("clip_grad_norm_", given, known)
  if type(max_norm) ~= "number" then
    fail("clip_grad_norm_", "max_norm must be a number, got %s", options.describe(max_norm))
  end
  local grads = gradients("clip_grad_norm_", parameters)
  return cr.no_grad(function()
    local norm = total("clip_grad_norm_", grads, o)
    M.clip_grads_with_norm_(parameters, max_norm, norm)
    return norm
  end)
end

--- Multiplies gradients with max_norm / (total_norm + 1e-6) where that is below 1.
function M.clip_grads_with_norm_(parameters, max_norm, total_norm)
  local owner = "clip_grads_with_norm_"
  if type(max_norm) ~= "number" then fail(owner, "max_norm must be a number, got %s", options.describe(max_norm)) end
  if not cr.is_tensor(total_norm) then
    fail(owner, "total_norm must be a tensor, got %s", options.describe(total_norm))
  end
  local grads, factors = gradients(owner, parameters), {}
  if #grads == 0 then return end
  cr.no_grad(function()
    local factor = (max_norm / (total_norm + 1e-6)):clamp_max(1)
    for i, grad in ipairs(grads) do factors[i] = grad.device == factor.device and factor or factor:to(grad.device) end
    cr.foreach.mul_(grads, factors)
  end)
end

--- Cuts each element of the gradients to -clip_value ... clip_value.
function M.clip_grad_value_(parameters, clip_value, given)
  options.read("clip_grad_value_", given, { foreach = known.foreach })
  if type(clip_value) ~= "number" then
    fail("clip_grad_value_", "clip_value must be a number, got %s", options.describe(clip_value))
  end
  local grads = gradients("clip_grad_value_", parameters)
  if #grads > 0 then cr.no_grad(cr.foreach.clamp_, grads, -clip_value, clip_value) end
end

return M
