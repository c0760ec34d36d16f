-- checkpoint.lua: trades time for memory: what f saves is dropped, and computed again in backward.
--
-- Holds true: f runs twice on the same inputs, with the same random numbers and the same mode of autocast, so it
-- must do the same both times; where it saves other tensors the second time, that is an error.

local cr = require "cresset"
local callable = require "cresset.callable"

local M = {}

local known = { use_reentrant = false, preserve_rng_state = true }

-- Whether a last table is one of options: a name in it is ours, or nearly so. Others are f's.
local function is_options(last)
  if type(last) ~= "table" then return false end
  for key in next, last do
    if known[key] ~= nil then return true end
    if type(key) == "string" and require("cresset.suggest").nearest(key, known) then return true end
  end
  return false
end

-- Splits a last table of options from the arguments.
local function split_options(...)
  local args = table.pack(...)
  local last = args[args.n]
  local o = { use_reentrant = known.use_reentrant, preserve_rng_state = known.preserve_rng_state }
  if not is_options(last) then return args, o end
  for key, value in next, last do
    if known[key] == nil then
      local name = type(key) == "string" and require("cresset.suggest").quote(key) or tostring(key)
      cr.raise(("checkpoint: there is no option %s; there are: use_reentrant, preserve_rng_state"):format(name))
    end
    if type(value) ~= "boolean" then
      cr.raise(("checkpoint: %s must be true or false, got a %s"):format(key, type(value)))
    end
    o[key] = value
  end
  args[args.n] = nil
  args.n = args.n - 1
  return args, o
end

-- Calls body with the random state that forward began with, and puts the present one back.
local function with_rng(state, body)
  if not state then return body() end
  local now = cr.get_rng_state()
  cr.set_rng_state(state)
  local results = table.pack(pcall(body))
  cr.set_rng_state(now)
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

-- How autocast is set now, for autocast_as.
local function autocast_now()
  local set = { cache_enabled = cr.is_autocast_cache_enabled() }
  for _, device in ipairs { "cpu", "cuda" } do
    set[device] = { enabled = cr.is_autocast_enabled(device), dtype = cr.get_autocast_dtype(device) }
  end
  return set
end

-- A scope of autocast on one kind of device, as it was then.
local function autocast_as(set, device)
  local as = set[device]
  return cr.autocast(device, { enabled = as.enabled, dtype = as.dtype, cache_enabled = set.cache_enabled })
end

-- ---- With saved-tensor hooks: nothing is saved but a number ------------------------------------------

local function describe(x)
  return table.concat(x.shape, "x") .. " " .. x.dtype
end

-- A call that runs out of memory is repeated, and packs again: the engine puts false at 1 of the handles of
-- the first attempt (binding/mode.c). They are the last ones of the list, and do not count.
local handle = { true }

local function live_count(handles)
  while #handles > 0 and not handles[#handles][1] do handles[#handles] = nil end
  return #handles
end

local function add_handle(handles)
  local n = live_count(handles) + 1
  handles[n] = setmetatable({ n }, handle)
  return n, handles[n]
end

local function recompute(frame)
  local found, again = {}, {}
  local function keep(x)
    local n, mine = add_handle(again)
    if frame.seen[n] ~= nil and frame.seen[n] ~= describe(x) then
      cr.raise(("checkpoint: saved tensor %d is %s in the second run of the function, where it was %s in the first")
        :format(n, describe(x), frame.seen[n]))
    end
    found[n] = x:detach()
    return mine
  end
  with_rng(frame.rng, function()
    local _ <close> = autocast_as(frame.autocast, "cpu")
    local _ <close> = autocast_as(frame.autocast, "cuda")
    local _ <close> = cr.enable_grad()
    local _ <close> = cr.saved_tensors_hooks(keep, function(h) return found[h[1]] end)
    return frame.f(table.unpack(frame.args, 1, frame.args.n))
  end)
  local n, first = live_count(again), live_count(frame.handles)
  if n ~= first then
    cr.raise(("checkpoint: the second run of the function saved %d tensors, the first one %d: it must do the same "
      .. "both times"):format(n, first))
  end
  frame.found = found
end

local function with_hooks(f, args, o)
  local frame = { f = f, args = args, seen = {}, handles = {}, found = {} }
  frame.rng, frame.autocast = o.preserve_rng_state and cr.get_rng_state(), autocast_now()
  local function pack(x)
    local n, mine = add_handle(frame.handles)
    frame.seen[n] = describe(x)
    return mine
  end
  -- A tensor is handed out once, so that memory goes while backward walks; a second backward over a
  -- retained graph computes again.
  local function unpack(h)
    local i = h[1]
    if frame.found[i] == nil then recompute(frame) end
    local x = frame.found[i]
    frame.found[i] = nil
    return x
  end
  local _ <close> = cr.saved_tensors_hooks(pack, unpack)
  return f(table.unpack(args, 1, args.n))
end

-- ---- Reentrant: a Function whose backward runs a backward of its own ----------------------------------

local function detached(args)
  local copy = { n = args.n }
  for i = 1, args.n do
    local x = args[i]
    if cr.is_tensor(x) then
      copy[i] = x:detach()
      copy[i].requires_grad = x.requires_grad
    else
      copy[i] = x
    end
  end
  return copy
end

-- Tensors are saved, so that a write to one of them after the call is found; the rest is kept as it is.
local function save(ctx, args)
  local tensors = { n = 0 }
  ctx.rest = { n = args.n }
  for i = 1, args.n do
    if cr.is_tensor(args[i]) then
      tensors.n = tensors.n + 1
      tensors[tensors.n] = args[i]
    else
      ctx.rest[i] = args[i]
    end
    ctx.rest[-i] = cr.is_tensor(args[i])
  end
  ctx:save_for_backward(table.unpack(tensors, 1, tensors.n))
end

local function restore(ctx)
  local saved, args, k = table.pack(ctx:saved_tensors()), { n = ctx.rest.n }, 0
  for i = 1, ctx.rest.n do
    if ctx.rest[-i] then
      k = k + 1
      args[i] = saved[k]
    else
      args[i] = ctx.rest[i]
    end
  end
  return args
end

local Checkpoint -- made at first use

local function make_function()
  return cr.Function {
    name = "Checkpoint",
    forward = function(ctx, f, rng, ...)
      ctx.f, ctx.rng, ctx.autocast = f, rng, autocast_now()
      save(ctx, table.pack(...))
      return f(...)
    end,
    backward = function(ctx, ...)
      if not cr.is_checkpoint_valid() then
        cr.raise("checkpoint: with use_reentrant = true only backward() without inputs works, not cr.grad(); "
          .. "use_reentrant = false works with both")
      end
      local grads, args = table.pack(...), detached(restore(ctx))
      local results = table.pack(with_rng(ctx.rng, function()
        local _ <close> = autocast_as(ctx.autocast, "cpu")
        local _ <close> = autocast_as(ctx.autocast, "cuda")
        local _ <close> = cr.enable_grad()
        return ctx.f(table.unpack(args, 1, args.n))
      end))
      local roots, gradients = {}, {}
      for i = 1, results.n do
        if cr.is_tensor(results[i]) and results[i].requires_grad and grads[i] then
          roots[#roots + 1], gradients[#gradients + 1] = results[i], grads[i]
        end
      end
      if #roots == 0 then
        cr.raise "checkpoint: no result of the function requires grad"
      end
      cr.backward(roots, { grad_tensors = gradients })
      local out = { nil, nil }
      for i = 1, args.n do out[i + 2] = cr.is_tensor(args[i]) and args[i].grad or nil end
      return table.unpack(out, 1, args.n + 2)
    end,
  }
end

local function reentrant(f, args, o)
  local any = false
  for i = 1, args.n do any = any or (cr.is_tensor(args[i]) and args[i].requires_grad) end
  if not any then
    cr.warn "checkpoint: no input requires grad, so with use_reentrant = true no gradient will flow"
  end
  Checkpoint = Checkpoint or make_function()
  return Checkpoint(f, o.preserve_rng_state and cr.get_rng_state() or false, table.unpack(args, 1, args.n))
end

--- Calls f(...) and keeps none of what it saves. The last argument may be a table of options:
-- use_reentrant (false), preserve_rng_state (true).
function M.checkpoint(f, ...)
  if not callable(f) then
    local kind = cr.is_tensor(f) and "tensor" or type(f)
    cr.raise(("checkpoint: the first argument must be a function, got %s"):format(f == nil and "nil" or "a " .. kind))
  end
  local args, o = split_options(...)
  if o.use_reentrant then return reentrant(f, args, o) end
  return with_hooks(f, args, o)
end

return M
