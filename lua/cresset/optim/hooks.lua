-- hooks.lua: lists of functions that are called at certain moments, each of which can be taken off again.
--
-- Holds true: they are called in the order in which they came, but for those that asked to be first; one that takes
-- itself off while it runs disturbs no other.

local callable = require "cresset.callable"
local options = require "cresset.optim.options"

local M = {}

local Handle = {}
Handle.__index = Handle

--- Takes the hook off; again, it does nothing.
function Handle:remove()
  for i, hook in ipairs(self.list) do
    if hook == self then return table.remove(self.list, i) and nil end
  end
end
Handle.__close = Handle.remove

--- Adds f to a list; gives a handle with remove().
function M.add(owner, list, f, prepend)
  if not callable(f) then options.fail(owner, "the hook must be a function, got %s", options.describe(f)) end
  local handle = setmetatable({ list = list, f = f }, Handle)
  table.insert(list, prepend and 1 or #list + 1, handle)
  return handle
end

--- Calls every hook with what is given; returns the last value that is not nil.
function M.call(list, ...)
  if #list == 0 then return nil end
  local value
  for _, hook in ipairs(table.move(list, 1, #list, 1, {})) do
    local result = hook.f(...)
    if result ~= nil then value = result end
  end
  return value
end

return M
