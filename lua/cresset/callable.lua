-- callable.lua: whether a value can be called, by itself or through its metatable.
--
-- Holds true: it runs no code of the caller's and never fails, whatever f and its metatable are. A tensor's
-- call is an index, so a tensor is no function.

local cr = require "cresset"

return function(f)
  for _ = 1, 10 do -- __call may itself be something that has one
    if type(f) == "function" then return true end
    if cr.is_tensor(f) then return false end
    local meta = getmetatable(f)
    if type(meta) ~= "table" then return false end
    f = rawget(meta, "__call")
  end
  return false
end
