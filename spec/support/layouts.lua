-- layouts.lua: the same values in other arrangements of memory.

local cr = require "cresset"

local M = {}

-- Dims reversed in memory.
local function transposed(t)
  local order = {}
  for d = 1, t.ndim do order[d] = t.ndim + 1 - d end
  return t:permute(order):clone():contiguous():permute(order)
end

-- Every second element, from an offset on, of a larger tensor that holds other numbers elsewhere.
local function sliced(t)
  local shape = {}
  for d, size in ipairs(t.shape) do shape[d] = 2 * size + 2 end
  local big = cr.full(shape, t.dtype == "bool" and true or 77, { dtype = t.dtype, device = t.device })
  local view = big
  for d, size in ipairs(t.shape) do
    view = view:slice(d, 2, 2 * size + 1, 2)
  end
  view:copy_(t)
  return view
end

-- One position of the first dim of more than one, repeated without memory of its own.
local function broadcast(t)
  for d, size in ipairs(t.shape) do
    if size > 1 then return t:narrow(d, 1, 1):expand(t.shape) end
  end
  return t:expand(t.shape)
end

-- Each makes a view of t's values (broadcast: of some of them).
M.kinds = { transposed = transposed, sliced = sliced, broadcast = broadcast }
M.names = { "transposed", "sliced", "broadcast" }

return M
