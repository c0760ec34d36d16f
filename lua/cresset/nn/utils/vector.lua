-- vector.lua: the parameters of a model as one vector, and back.

local cr = require "cresset"

local M = {}

local function check(name, parameters)
  if type(parameters) ~= "table" then
    cr.raise(("%s: the parameters must be a list of tensors, got a %s"):format(name, type(parameters)))
  end
  for i = 1, #parameters do
    if not cr.is_tensor(parameters[i]) then
      cr.raise(("%s: parameter %d must be a tensor, got a %s"):format(name, i, type(parameters[i])))
    end
  end
end

--- parameters_to_vector(parameters): all elements, one tensor after the other; gradients flow.
function M.parameters_to_vector(parameters)
  check("parameters_to_vector", parameters)
  local flat = {}
  for i, p in ipairs(parameters) do flat[i] = p:reshape(-1) end
  if #flat == 0 then return cr.zeros { 0 } end
  return cr.cat(flat)
end

--- vector_to_parameters(vector, parameters): copies the elements of a vector into the parameters.
function M.vector_to_parameters(vector, parameters)
  check("vector_to_parameters", parameters)
  if not cr.is_tensor(vector) or vector.ndim ~= 1 then
    cr.raise(("vector_to_parameters: the vector must be a tensor of 1 dim, got %s"):format(cr.is_tensor(vector)
      and "one of shape " .. tostring(vector.shape) or "a " .. type(vector)))
  end
  local count = 0
  for _, p in ipairs(parameters) do count = count + p:numel() end
  if count ~= vector:numel() then
    cr.raise(("vector_to_parameters: the vector has %d elements, the parameters have %d"):format(vector:numel(), count))
  end
  cr.no_grad(function()
    local at = 1
    for _, p in ipairs(parameters) do
      p:copy_(vector:narrow(1, at, p:numel()):reshape(p.shape))
      at = at + p:numel()
    end
  end)
end

return M
