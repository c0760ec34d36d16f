-- multi_hook.lua: one hook on several tensors.
--
-- Holds true: in one backward pass the function runs at most once. In the mode "all" it gets a table
-- with the gradient of each tensor, as soon as the last has come; tensors that the pass did not reach
-- have none (nil), and then the function runs at the end of the pass.

local cr = require "cresset"
local callable = require "cresset.callable"

local M = {}

local Handle = {}
Handle.__index = Handle

--- Takes the hook off all tensors.
function Handle:remove()
  for _, handle in ipairs(self) do handle:remove() end
end
Handle.__close = Handle.remove

local function check(tensors, f, mode)
  if type(tensors) ~= "table" or #tensors == 0 then
    cr.raise "register_multi_grad_hook: tensors must be a table of at least one tensor"
  end
  for i, x in ipairs(tensors) do
    if not cr.is_tensor(x) then
      cr.raise(("register_multi_grad_hook: tensors[%d] must be a tensor, got a %s"):format(i, type(x)))
    elseif not x.requires_grad then
      cr.raise(("register_multi_grad_hook: tensors[%d] does not require grad"):format(i))
    end
  end
  if not callable(f) then
    cr.raise(("register_multi_grad_hook: the hook must be a function, got a %s"):format(type(f)))
  end
  if mode ~= "all" and mode ~= "any" then
    local got = type(mode) == "string" and require("cresset.suggest").quote(mode, '"') or "a " .. type(mode)
    cr.raise(("register_multi_grad_hook: mode must be \"all\" or \"any\", got %s"):format(got))
  end
end

--- Calls f(grads) when all tensors have their gradients, or f(grad) when the first has (mode "any").
-- Returns a handle with remove().
function M.register(tensors, f, mode)
  mode = mode or "all"
  check(tensors, f, mode)
  local count = #tensors
  local pass -- what has come in the present backward pass: { grads, n, done }

  local function finish(p)
    if p.done then return end
    p.done = true
    f(p.grads)
  end

  local function begin()
    local p = { grads = {}, n = 0, done = false }
    pass = p
    cr.queue_callback(function()
      if pass == p then pass = nil end
      if mode == "all" then finish(p) end
    end)
    return p
  end

  local handle = setmetatable({}, Handle)
  for i = 1, count do
    handle[i] = tensors[i]:register_hook(function(g)
      local p = pass or begin()
      p.n = p.n + 1
      if mode == "all" then
        p.grads[i] = g
        if p.n == count then finish(p) end
      elseif not p.done then
        p.done = true
        f(g)
      end
    end)
  end
  return handle
end

return M
