-- squares.lua: a dataset that holds an open file, so that it can only be made where it is used.

return function(n)
  if n == "wrong" then return 5 end
  local file = io.tmpfile()
  local set = { file = file }
  function set:get(i) return self.file:seek "set", i * i end
  return setmetatable(set, { __len = function() return n end })
end
