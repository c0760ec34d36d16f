-- cuda.lua [ELEMENTS [SIZE]]: the numbers that CUDA is held to, a line each. A line is `name  ours
-- peer  ratio  wanted  verdict`. ELEMENTS is the size of the pointwise cases, SIZE that of the matrices. The last
-- line names what was missed, if anything was, and the exit status is 3 then.
--
-- Times are medians over rounds of many calls between two events (launch overhead: of the wall
-- clock, with the queue never full). The peer, PyTorch on the same device (cuda_peer.py), measures in
-- turns with us, so that a device whose clock drifts does so for both; without it only our own columns
-- are filled, and what asks for a ratio is not judged.

local cr = require "cresset"

local elements = math.tointeger(arg[1] or 1 << 26)
local size = math.tointeger(arg[2] or 4096)
local here = arg[0]:match "^(.*/)" or ""
local ROUNDS = 9

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

-- Milliseconds per call; f returns a tensor that is given back at once, as reference counts do.
local function gpu(calls, f)
  for _ = 1, 2 do f():close() end
  local first, last = cr.cuda.Event(), cr.cuda.Event()
  first:record()
  for _ = 1, calls do f():close() end
  last:record()
  last:synchronize()
  return first:elapsed(last) / calls
end

-- Nanoseconds that the host takes per call.
local function host(calls, f)
  cr.cuda.synchronize()
  local start = cr.clock()
  for _ = 1, calls do f():close() end
  local nanoseconds = (cr.clock() - start) / calls * 1e9
  cr.cuda.synchronize()
  return nanoseconds
end

-- ---- The peer: a process that is asked for one case at a time -----------------------------------------

local Peer = {}

function Peer.start()
  local pipe = os.tmpname()
  os.remove(pipe)
  if not os.execute("mkfifo " .. pipe) then return end
  -- The cat: to write to a process that has ended would end this one.
  local command = "LD_LIBRARY_PATH=${PEER_LIBRARY_PATH-$LD_LIBRARY_PATH} python3 %scuda_peer.py %d %d 2> /dev/null > %s"
    .. "; exec cat > /dev/null"
  local asks = io.popen(command:format(here, elements, size, pipe), "w")
  Peer.answers = io.open(pipe)
  os.remove(pipe)
  Peer.version = (Peer.answers:read "l" or ""):match "^version\t(.*)"
  Peer.asks = Peer.version and asks
end

-- What the peer takes for a case; nil without a peer.
function Peer.measure(name)
  if not Peer.asks then return nil end
  Peer.asks:write(name, "\n")
  Peer.asks:flush()
  local answer = Peer.answers:read "l"
  if not answer then Peer.asks, Peer.version = nil, nil end
  return answer and assert(tonumber(answer:match "\t(.*)$"), answer)
end

-- Our median and the peer's.
local function both(name, measure)
  local ours, theirs = {}, {}
  for round = 1, ROUNDS do
    ours[round] = measure()
    theirs[#theirs + 1] = Peer.measure(name)
  end
  return median(ours), #theirs == ROUNDS and median(theirs) or nil
end

-- Our median, of what has no counterpart.
local function alone(measure)
  local ours = {}
  for round = 1, ROUNDS do ours[round] = measure() end
  return median(ours)
end

-- ---- Rows ---------------------------------------------------------------------------------------------

local missed = {}

local function emit(...) print(("%-34s %11s %11s %7s  %-24s %s"):format(...)) end

-- Prints a row. The ratio says how many times less we take; `least` is what it must be (nil: anything)
-- once it is rounded as it is printed. `holds`: what else is asked.
local function row(name, unit, ours, theirs, least, wanted, holds)
  local ratio = theirs and theirs / ours
  local good = holds ~= false and (not least or not ratio or ratio >= least - 0.005)
  local verdict = good and (least and not ratio and "no peer" or (least or holds) and "ok" or "-") or "MISSED"
  if not good then missed[#missed + 1] = name end
  emit(("%s (%s)"):format(name, unit), ("%.4g"):format(ours), theirs and ("%.4g"):format(theirs) or "-",
    ratio and ("%.2f"):format(ratio) or "-", wanted, verdict)
end

Peer.start()
emit("name", "ours", "peer", "ratio", "wanted", "")

local x = cr.rand({ elements }, { device = "cuda" })
local y = cr.rand({ elements }, { device = "cuda" })
local out = cr.empty({ elements }, { device = "cuda" })
local rows = x:reshape(elements // 1024, 1024)
local columns = rows:t()

-- What memory can do: CUDA's own copy from device to device, which this is on both sides. In bytes
-- per millisecond, read and written.
local copy, their_copy = both("copy", function()
  return gpu(10, function()
    out:copy_(x)
    return out:detach()
  end)
end)
local bandwidth = 8 * elements / copy
row(("copy, %.0f GB/s"):format(bandwidth / 1e6), "ms", copy, their_copy, 1, "ratio >= 1")

-- A case that memory bounds: the bytes it moves per element, the least share of the bandwidth, and
-- the least ratio.
local function bound(name, bytes, share, least, f)
  local ms, theirs = both(name, function() return gpu(10, f) end)
  local got = bytes * elements / ms / bandwidth
  local wanted = (">= %.0f %%%s"):format(100 * share, least and ", ratio >= 1" or "")
  row(("%s, %.0f %% of copy"):format(name, 100 * got), "ms", ms, theirs, least, wanted, got >= share)
end

bound("add", 12, 0.9, 1, function() return x + y end)
bound("mul", 12, 0.9, 1, function() return x * y end)
bound("gelu", 8, 0.9, 1, function() return x:gelu() end)
bound("to float16", 6, 0.9, 1, function() return x:to "float16" end)
bound("transposed copy", 8, 0.9, 1, function() return columns:contiguous() end)
bound("sum", 4, 0.85, nil, function() return x:sum() end)
bound("sum of rows", 4, 0.85, nil, function() return rows:sum(2) end)
bound("max", 4, 0.85, nil, function() return x:max() end)
bound("softmax", 8, 0.85, nil, function() return rows:softmax(2) end)
bound("var of rows", 4, 0.85, nil, function() return rows:var(2) end)
x, y, out, rows, columns = nil, nil, nil, nil, nil
collectgarbage()
cr.cuda.empty_cache()

for _, kind in ipairs { "float32", "tf32", "bfloat16", "float16" } do
  local dtype = kind == "tf32" and "float32" or kind
  cr.cuda.set_tf32(kind == "tf32")
  local a = cr.randn({ size, size }, { device = "cuda" }):to(dtype)
  local b = cr.randn({ size, size }, { device = "cuda" }):to(dtype)
  local name = "matmul " .. kind
  local ms, theirs = both(name, function()
    return gpu(5, function() return a:matmul(b) end)
  end)
  row(name, "ms", ms, theirs, 0.98, "ratio >= 0.98")
end
cr.cuda.set_tf32(false)

local a, b = cr.ones({ 4 }, { device = "cuda" }), cr.ones({ 4 }, { device = "cuda" })
local launch, their_launch = both("launch", function()
  return host(400, function() return a + b end)
end)
row("a + b, queued", "ns", launch, their_launch, 2, "ratio >= 2")

local function step()
  local t = a
  for _ = 1, 10 do t = (t + b) * 0.5 end
  return t
end
local replay = cr.cuda.graph(step)
-- The peer's are the same operations one by one, and so are ours in the row before.
local eager, their_eager = both("step", function() return gpu(50, step) * 1e3 end)
row("20 operations", "us", eager, their_eager, nil, "")
local graph = alone(function()
  return gpu(50, function()
    replay()
    return a:detach()
  end) * 1e3
end)
row("20 operations as a graph", "us", graph, their_eager, 5, "ratio >= 5")

-- More than what is asked for: the tensor, made from Lua and given back, is part of it.
local model = cr.empty({ 256 }, { device = "cuda" })
local made = alone(function()
  return host(2000, function() return cr.empty_like(model) end)
end)
row("empty_like(256), from the cache", "ns", made, nil, nil, "< 500", made < 500)

print(("ours: %s on %s, matrices by %s"):format(cr.version, cr.cuda.get_device_name(), cr.cuda.gemm_name()))
print(Peer.version and "peer: PyTorch " .. Peer.version or "peer: missing (python3 finds no PyTorch with CUDA)")
if #missed > 0 then
  print("missed: " .. table.concat(missed, "; "))
  os.exit(3)
end
