-- custom_cast.lua: custom Functions and autocast: custom_fwd and custom_bwd, for their two halves.
--
-- Holds true: the backward half computes in the mode that the forward half had, whenever it runs. With a dtype to cast
-- to, both compute with autocast off.

local cr = require "cresset"
local callable = require "cresset.callable"
local options = require "cresset.optim.options"

local M = {}

local fail, check = options.fail, options.check

local dtypes = check.words("float16", "bfloat16", "float32", "float64")
local known = {
  device_type = { "cuda", check.words("cpu", "cuda") }, cast_inputs = { nil, dtypes },
}

local function read(owner, f, given, allowed)
  if not callable(f) then fail(owner, "the half must be a function, got %s", options.describe(f)) end
  return options.read(owner, given, allowed)
end

-- Floating tensors of that device, but for float64, in another dtype; tables with what is in them.
local function cast(x, device, dtype)
  if cr.is_tensor(x) then
    local here = x.device:match "^%a+" == device
    return here and x:is_floating_point() and x.dtype ~= "float64" and x:to(dtype) or x
  end
  if type(x) ~= "table" or getmetatable(x) then return x end
  local made = {}
  for k, v in next, x do made[k] = cast(v, device, dtype) end
  return made
end

--- The forward half f(ctx, ...) of a Function that remembers the mode of autocast. Options: device_type ("cuda"),
-- cast_inputs: where autocast is on, the floating arguments come in this dtype, and f runs with it off.
function M.custom_fwd(f, given)
  local o = read("custom_fwd", f, given, known)
  return function(ctx, ...)
    local device = o.device_type
    ctx._dtype = cr.get_autocast_dtype(device)
    ctx._fwd_used_autocast = cr.is_autocast_enabled(device)
    if not o.cast_inputs or not ctx._fwd_used_autocast then return f(ctx, ...) end
    ctx._fwd_used_autocast = false
    local args = table.pack(...)
    for i = 1, args.n do args[i] = cast(args[i], device, o.cast_inputs) end
    return cr.autocast(device, { enabled = false }, f, ctx, table.unpack(args, 1, args.n))
  end
end

--- The backward half f(ctx, ...) of such a Function: it runs in the mode of the forward half.
function M.custom_bwd(f, given)
  local o = read("custom_bwd", f, given, { device_type = known.device_type })
  return function(ctx, ...)
    return cr.autocast(o.device_type, { enabled = ctx._fwd_used_autocast, dtype = ctx._dtype }, f, ctx, ...)
  end
end

return M
