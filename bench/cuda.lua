-- cuda.lua [ELEMENTS [SIZE]]: the numbers that CUDA is held to, a line each: `name  ours  peer  ratio
-- wanted  verdict`. ELEMENTS is the size of the pointwise cases, SIZE that of the matrices.
--
-- Times are medians of events (launch overhead: of the host's clock, with the queue never full). The
-- peer is PyTorch on the same device (cuda_peer.py); without it only our own columns are filled.

local cr = require "cresset"

local elements = math.tointeger(arg[1] or 1 << 26)
local size = math.tointeger(arg[2] or 4096)
local here = arg[0]:match "^(.*/)" or ""

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

-- Milliseconds per call; f returns a tensor that is given back at once, as reference counts do.
local function gpu(calls, f)
  for _ = 1, 3 do f():close() end
  local times = {}
  for round = 1, 9 do
    local first, last = cr.cuda.Event(), cr.cuda.Event()
    first:record()
    for _ = 1, calls do f():close() end
    last:record()
    last:synchronize()
    times[round] = first:elapsed(last) / calls
  end
  return median(times)
end

-- Nanoseconds that the host takes per call.
local function host(calls, f)
  local times = {}
  for round = 1, 15 do
    cr.cuda.synchronize()
    local start = os.clock()
    for _ = 1, calls do f():close() end
    times[round] = (os.clock() - start) / calls * 1e9
  end
  return median(times)
end

-- What the peer measured, by name; empty without it.
local function peer_numbers()
  local numbers = {}
  local pipe = io.popen(("python3 %scuda_peer.py %d %d 2>/dev/null"):format(here, elements, size))
  for line in pipe:lines() do
    local name, value = line:match "^(.-)\t(%S+)$"
    if name then numbers[name] = tonumber(value) or value end
  end
  pipe:close()
  return numbers
end

local peer = peer_numbers()
local failed = 0

local function emit(...) print(("%-34s %11s %11s %7s  %-24s %s"):format(...)) end
emit("name", "ours", "peer", "ratio", "wanted", "")

-- Prints a row; ratio says how many times less we take.
local function row(name, unit, ours, theirs, wanted, holds)
  if not holds then failed = failed + 1 end
  local ratio = theirs and theirs / ours
  emit(("%s (%s)"):format(name, unit), ("%.4g"):format(ours), theirs and ("%.4g"):format(theirs) or "-",
    ratio and ("%.2f"):format(ratio) or "-", wanted, holds and "ok" or "MISSED")
end

local x = cr.rand({ elements }, { device = "cuda" })
local y = cr.rand({ elements }, { device = "cuda" })
local out = cr.empty({ elements }, { device = "cuda" })

local copy = gpu(10, function()
  out:copy_(x)
  return out:detach()
end)
-- Bytes per millisecond that a copy moves: the better of both libraries' measurements.
local bandwidth = 8 * elements / math.min(copy, peer.copy or copy)

-- A case that memory bounds: moved bytes, and the least share of the bandwidth.
local function bound(name, bytes, share, f)
  local ms = f and gpu(10, f) or copy
  local got, theirs = bytes / ms / bandwidth, peer[name]
  local ratio = theirs and theirs / ms or 1
  row(("%s, %.0f %% of copy"):format(name, 100 * got), "ms", ms, theirs,
    (">= %.0f %%%s"):format(100 * share, share == 0.9 and ", ratio >= 1" or ""),
    got >= share and (share < 0.9 or ratio >= 0.995))
end

bound("copy", 8 * elements, 0.9)
bound("add", 12 * elements, 0.9, function() return x + y end)
bound("mul", 12 * elements, 0.9, function() return x * y end)
bound("gelu", 8 * elements, 0.9, function() return x:gelu() end)
bound("sum", 4 * elements, 0.85, function() return x:sum() end)
bound("max", 4 * elements, 0.85, function() return x:max() end)
local rows = x:reshape(elements // 1024, 1024)
bound("softmax", 8 * elements, 0.85, function() return rows:softmax(2) end)
x, y, out, rows = nil, nil, nil, nil
collectgarbage()
cr.cuda.empty_cache()

for _, kind in ipairs { "float32", "tf32", "bfloat16", "float16" } do
  local dtype = kind == "tf32" and "float32" or kind
  cr.cuda.set_tf32(kind == "tf32")
  local a = cr.randn({ size, size }, { device = "cuda" }):to(dtype)
  local b = cr.randn({ size, size }, { device = "cuda" }):to(dtype)
  local name = "matmul " .. kind
  local ms = gpu(5, function() return a:matmul(b) end)
  row(name, "ms", ms, peer[name], "ratio >= 0.98", not peer[name] or peer[name] / ms >= 0.98)
end

local a, b = cr.ones({ 4 }, { device = "cuda" }), cr.ones({ 4 }, { device = "cuda" })
local launch = host(400, function() return a + b end)
row("a + b, queued", "ns", launch, peer.launch, "ratio >= 2", not peer.launch or peer.launch / launch >= 2)

local function step()
  local t = a
  for _ = 1, 10 do t = (t + b) * 0.5 end
  return t
end
local replay = cr.cuda.graph(step)
local graph = gpu(50, function()
  replay()
  return a:detach()
end) * 1e3
row("20 operations as a graph", "us", graph, peer.step, "ratio >= 5", not peer.step or peer.step / graph >= 5)

-- An upper bound: the making of the tensor, from Lua, is part of it.
local model = cr.empty({ 256 }, { device = "cuda" })
local made = host(2000, function() return cr.empty_like(model) end)
row("memory from the cache", "ns", made, nil, "< 500", made < 500)

print(("ours: %s on %s, matrices by %s"):format(cr.version, cr.cuda.get_device_name(), cr.cuda.gemm_name()))
print(peer.version and "peer: PyTorch " .. peer.version or "peer: missing (python3 finds no PyTorch with CUDA)")
os.exit(failed == 0 and 0 or 1)
