-- callable.lua: callable(f): whether f can be called, by itself or through its metatable.
--
-- Holds true: it runs no code of the caller's and never fails, whatever f and its metatable are.

return function(f)
  if type(f) == "function" then return true end
  local meta = getmetatable(f)
  return type(meta) == "table" and rawget(meta, "__call") ~= nil
end
