-- ours.lua CASE: measures one case on Cresset and prints `number` lines, in the order of run.lua's
-- rows for it. Times are of the fastest of several rounds; peer.py does the same on PyTorch.

local function status(field)
  for line in io.lines "/proc/self/status" do
    local kb = line:match("^" .. field .. ":%s+(%d+) kB")
    if kb then return kb / 1024 end
  end
end

local function fastest(rounds, calls, f)
  local best = math.huge
  for _ = 1, rounds do
    local start = os.clock()
    f(calls)
    best = math.min(best, os.clock() - start)
  end
  return best / calls
end

local cases = {}

function cases.require()
  local start = os.clock()
  require "cresset"
  print((os.clock() - start) * 1e3)
  print(status "VmRSS")
end

function cases.add()
  local cr = require "cresset"
  local a, b = cr.ones(4), cr.ones(4)
  print(1e9 * fastest(10, 200000, function(calls)
    for _ = 1, calls do local _ = a + b end
  end))
end

function cases.backward()
  local cr = require "cresset"
  local x, b = cr.ones(4):requires_grad_(), cr.ones(4)
  print(1e6 * fastest(10, 50000, function(calls)
    for _ = 1, calls do (x * b):sum():backward() end
  end))
end

function cases.chain()
  local cr = require "cresset"
  local x = cr.ones(4):requires_grad_()
  print(fastest(3, 1, function()
    local y = x
    for _ = 1, 1000000 do y = y + 1 end
    y:sum():backward()
    y = nil -- luacheck: ignore
    collectgarbage()
  end))
end

function cases.temporaries()
  local cr = require "cresset"
  local x = cr.ones(1 << 18)
  for _ = 1, 2000 do local _ = x + 1 end
  print(status "VmHWM")
end

cases[arg[1]]()
