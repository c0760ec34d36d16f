-- part.lua: a helper of busted that runs a part of each file: `busted --helper=spec/support/part.lua -Xhelper 2/4`.
--
-- Holds true: of the ideas (`it`) of a file, in order, part k of n has every n-th from the k-th on; each is in one.

local busted = require "busted"

local k, n = arg[1]:match "^(%d+)/(%d+)$"
k, n = tonumber(k), tonumber(n)
assert(n and k >= 1 and k <= n, "part.lua: " .. arg[1] .. " is no part; 2/4 is")

local count = 0
local function mine()
  count = count + 1
  return nil, count % n == k % n
end
for _, descriptor in ipairs { "it", "pending" } do
  busted.subscribe({ "register", descriptor }, mine, { priority = 1 })
end
