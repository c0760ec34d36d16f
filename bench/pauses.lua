-- pauses.lua [--live N,N,...] [--calls N] [--mode MODE] [--wall] [--plain]: `make pauses`, how long single calls
-- wait for the collector, while that many tensors live; with lua5.4 for the modes of hosts.
--
-- Holds true: each call of `a + b`, 4 floats, is timed by itself, in processor time, which the rest of the
-- machine lengthens less (--wall: by the clock on the wall). What the machine adds shows with no live tensors
-- too. For the floor, `--plain` makes empty tables with a finalizer instead.

local options = { live = "0,100000,1000000", calls = "2000000" }
do
  local i = 1
  while arg[i] do
    local name = arg[i]:match "^%-%-(%a+)$" or error("pauses: what is " .. arg[i] .. "?", 0)
    if name == "wall" or name == "plain" then
      options[name] = true
    else
      i = i + 1
      options[name] = arg[i] or error("pauses: a value must follow --" .. name, 0)
    end
    i = i + 1
  end
end
if options.mode then collectgarbage(options.mode) end

local cr = require "cresset"
cr.set_num_threads(1)
local now = options.wall and cr.clock or os.clock

local finalizer = { __gc = function() end }
local make, call
if options.plain then
  make = function() return setmetatable({}, finalizer) end
  call = make
else
  local a, b = cr.ones(4), cr.ones(4)
  make = function() return cr.ones(4) end
  call = function() return a + b end
end

-- How often calls took how long: a count for each 1/8 power of two of microseconds.
local function measure(calls)
  local counts, longest, total = {}, 0, now()
  local log = math.log
  for _ = 1, calls do
    local start = now()
    local _ = call()
    local took = now() - start
    if took > longest then longest = took end
    if took > 4e-6 then
      local k = log(took * 1e6, 2) * 8 // 1
      counts[k] = (counts[k] or 0) + 1
    end
  end
  return counts, longest, now() - total
end

local function beyond(counts, microseconds)
  local n = 0
  for k, count in pairs(counts) do
    if 2 ^ (k / 8) >= microseconds then n = n + count end
  end
  return n
end

-- The time that all but this share of the calls stayed below, or 4 us.
local function quantile(counts, share, calls)
  local keys, left = {}, share * calls
  for k in pairs(counts) do keys[#keys + 1] = k end
  table.sort(keys, function(x, y) return x > y end)
  for _, k in ipairs(keys) do
    left = left - counts[k]
    if left < 0 then return 2 ^ ((k + 1) / 8) end
  end
  return 4
end

-- The middle one of the calls that took more than 20 us, which the collector's steps do.
local function middle(counts)
  return quantile(counts, 0.5, beyond(counts, 20))
end

print(("%9s %10s %12s %10s %9s %9s %8s %8s %8s"):format("live", "build ms", "longest ms", "p99.9 us", "> 20 us",
  "middle us", "> 1 ms", "mean ns", "whole"))
for live in options.live:gmatch "%d+" do
  local held, calls = {}, tonumber(options.calls)
  local start = now()
  for i = 1, tonumber(live) do held[i] = make() end
  local built = now() - start
  collectgarbage()
  local before = cr.memory.pace().collections
  local counts, longest, total = measure(calls)
  print(("%9d %10.1f %12.3f %10.1f %9d %9.0f %8d %8.0f %8d"):format(#held, built * 1e3, longest * 1e3,
    quantile(counts, 0.001, calls), beyond(counts, 20), middle(counts), beyond(counts, 1000), total / calls * 1e9,
    cr.memory.pace().collections - before))
  held = nil -- luacheck: ignore
  collectgarbage()
  collectgarbage()
end
