-- parameter.lua: which tensors are parameters and buffers: nn.Parameter marks one, nn.Buffer another.
--
-- Holds true: the mark belongs to the tensor as a Lua object, and goes with it: it keeps no tensor alive.

local cr = require "cresset"

local M = {}

local marks = setmetatable({}, { __mode = "k" })

--- "parameter", "buffer", "transient" (a buffer that is in no state_dict), or nil.
function M.mark_of(x) return marks[x] end

function M.is_parameter(x) return marks[x] == "parameter" end

--- nn.Parameter(t, requires_grad): a leaf over t's memory that a module finds when it is assigned to one of its fields.
function M.Parameter(t, requires_grad)
  if not cr.is_tensor(t) then
    cr.raise(("Parameter: the data must be a tensor (cr.tensor makes one of a table), got a %s"):format(type(t)))
  end
  if type(requires_grad) == "table" then requires_grad = requires_grad.requires_grad end
  if requires_grad == nil then requires_grad = true end
  if type(requires_grad) ~= "boolean" then
    cr.raise(("Parameter: requires_grad must be true or false, got a %s"):format(type(requires_grad)))
  end
  if requires_grad and not t:is_floating_point() then
    cr.raise(("Parameter: a tensor of dtype %s has no gradient; nn.Parameter(t, false) makes a parameter without one")
      :format(t.dtype))
  end
  local p = t:detach()
  if requires_grad then p:requires_grad_(true) end
  marks[p] = "parameter"
  return p
end

--- nn.Buffer(t, { persistent = }): t, as an alias that becomes a buffer when it is assigned to a field of a module.
function M.Buffer(t, persistent)
  if not cr.is_tensor(t) then cr.raise(("Buffer: the data must be a tensor, got a %s"):format(type(t))) end
  if type(persistent) == "table" then persistent = persistent.persistent end
  local b = t:detach()
  marks[b] = persistent == false and "transient" or "buffer"
  return b
end

return M
