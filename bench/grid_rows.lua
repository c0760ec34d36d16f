-- grid_rows.lua: the rows of the grid: how one is drawn, what it runs on either side, and whether both results agree.
--
-- Holds true: the same seed draws the same rows, whatever the machine and its speed. A row is of square matrices.

local inputs = require "grid_inputs"

local M = {}

local dtypes = { "float32", "float32", "float32", "float64", "bfloat16", "float16", "int64", "int32", "uint8" }
local layouts = { "contiguous", "contiguous", "transposed", "sliced", "broadcast" }
local kinds = { "randn", "randn", "uniform", "positive", "large", "special", "equal" }
local most = 1 << 24

-- ---- Drawing -------------------------------------------------------------------------------------

-- A generator of whole numbers 1 to n of its own: Lua's may be another in another build.
local function generator(seed)
  local state = seed * 0x9E3779B97F4A7C15 + 1
  return function(n)
    state = state * 6364136223846793005 + 1442695040888963407
    return ((state >> 33) % n) + 1
  end
end

-- A function that draws the next row: an operation, dtype, size, layout, data and threads.
function M.drawing(seed, operations)
  local random = generator(seed)
  local function pick(list) return list[random(#list)] end
  return function()
    local op = pick(operations)
    local row = { op = op, dtype = pick(dtypes), layout = pick(layouts), kind = pick(kinds), threads = random(2) }
    local steps = 0
    while 4 ^ (steps + 1) <= (op.limit or most) do steps = steps + 1 end
    row.side = 1 << (random(steps + 1) - 1)
    if (row.dtype:find "int" or op.finite) and row.kind == "special" then row.kind = "uniform" end
    if op.fits and row.kind == "large" then row.kind = "uniform" end
    return row
  end
end

function M.name(row)
  return ("%s, %s %d^2 %s, %s, %d"):format(row.op.name, row.dtype, row.side, row.layout, row.kind, row.threads)
end

-- ---- Both sides ----------------------------------------------------------------------------------

local bytes = { float64 = 8, int64 = 8, float32 = 4, int32 = 4, bfloat16 = 2, float16 = 2, uint8 = 1 }

-- How many results are held: those of a while, and of no more than 256 MB.
local function held(row)
  return math.max(2, math.min(8, (256 << 20) // (row.side * row.side * bytes[row.dtype])))
end

local function uses(op, name) return op.ours:find("%f[%w_]" .. name .. "%f[^%w_]") ~= nil end

-- What measure.row wants: setup, ours, peer_setup, peer.
function M.fill(row)
  local side, second = row.side, row.layout
  local first = second
  if row.op.second and second == "broadcast" then first = "contiguous" end -- a whole matrix and a row
  local ours = { 'local inputs = require "grid_inputs"', ("local r, c = %d, %d"):format(side, side) }
  local peer = { "import collections, grid_peer", ("r, c = %d, %d"):format(side, side) }
  local function make(name, rows, layout, seed, after_ours, after_peer)
    local arguments = ("%q, %q, %d, %d, %q, %d"):format(row.kind, row.dtype, rows, side, layout, seed)
    ours[#ours + 1] = ("local %s = inputs.make(%s)%s"):format(name, arguments, after_ours or "")
    peer[#peer + 1] = ("%s = grid_peer.make(%s)%s"):format(name, arguments, after_peer or "")
  end
  make("x", side, first, 1)
  if row.op.second then make("y", side, second, 11) end
  if uses(row.op, "v") then make("v", 1, "contiguous", 21, ":reshape(c)", ".reshape(c)") end
  if uses(row.op, "i") then
    ours[#ours + 1] = "local i = inputs.positions(r * c, r, 31):reshape(r, c)"
    peer[#peer + 1] = "i = grid_peer.positions(r * c, r, 31).reshape(r, c)"
  end
  if uses(row.op, "m") then
    ours[#ours + 1] = "local m = inputs.positions(r * c, 2, 41):reshape(r, c):eq(1)"
    peer[#peer + 1] = "m = grid_peer.positions(r * c, 2, 41).reshape(r, c).eq(0)"
  end
  local n = held(row)
  ours[#ours + 1] = "local ring, at = {}, 1"
  peer[#peer + 1] = ("keep = collections.deque(maxlen=%d).append"):format(n)
  row.setup, row.peer_setup = table.concat(ours, "\n"), table.concat(peer, "\n")
  row.ours = ("ring[at], at = %s, at %% %d + 1"):format(row.op.ours, n)
  row.peer = ("keep(%s)"):format(row.op.theirs)
  row.round_seconds, row.rounds, row.budget = 0.02, 5, 1
  row.first_calls = n + 4 -- what is held, and what garbage waits for the collector
  return row
end

-- ---- Agreement -----------------------------------------------------------------------------------

-- Of these the first result alone: among equals, either may name another position.
local positional = { cummax = true, cummin = true, median = true, nanmedian = true, mode = true, max = true, min = true,
  kthvalue = true, sort = true, topk = true }

local tolerance = { float64 = 1e-9, float32 = 2e-4, float16 = 1e-2, bfloat16 = 4e-2 }
local epsilon = { float64 = 2 ^ -52, float32 = 2 ^ -23, float16 = 2 ^ -10, bfloat16 = 2 ^ -7 }
local magnitude = { randn = 1, uniform = 1, positive = 10, special = 1, equal = 1.5 }

-- Of infinities PyTorch makes NaN of inf * 0 here, where there is a limit, as spec/support/oracle.lua has it.
local limits = { gelu = true, hardswish = true, mish = true, silu = true, sinc = true, softsign = true }

-- What our side gives, in words.
local function results(row)
  local text = "local cr = ...\n" .. row.setup .. "\nreturn " .. row.op.ours
  local list = table.pack(assert(load(text))(require "cresset"))
  if type(list[1]) == "table" then list = list[1] end
  for k, v in ipairs(list) do list[k] = inputs.values(row.op.positions and v - 1 or v) end
  return list
end

local function numbers_of(text)
  local dtype, shape, rest = text:match "^(%S+) (%S+) ?(.*)$"
  local list = {}
  for word in rest:gmatch "%S+" do
    list[#list + 1] = word == "nan" and 0 / 0 or word == "inf" and math.huge or word == "-inf" and -math.huge
      or tonumber(word)
  end
  return dtype, shape, list
end

local function mean_of(list)
  local sum, n = 0, 0
  for _, v in ipairs(list) do
    if v == v and math.abs(v) < math.huge then sum, n = sum + math.abs(v), n + 1 end
  end
  return n > 0 and sum / n or 0
end

-- What differs of one result in words, or nil.
local function differs(row, ours, theirs)
  local dtype, shape, a = numbers_of(ours)
  local their_dtype, their_shape, b = numbers_of(theirs)
  if dtype ~= their_dtype and dtype ~= "number" then return ("dtype %s, not %s"):format(dtype, their_dtype) end
  if shape ~= their_shape then return ("shape %s, not %s"):format(shape, their_shape) end
  if #a ~= #b then return ("%d elements, not %d"):format(#a, #b) end
  local coarse = epsilon[dtype] and epsilon[row.dtype] and epsilon[row.dtype] > epsilon[dtype] and row.dtype or dtype
  local rtol = tolerance[coarse] or 0
  local atol = rtol * math.max(mean_of(b), 1e-3)
  if row.op.fold and epsilon[coarse] then
    atol = atol + 8 * row.side * epsilon[coarse] * (magnitude[row.kind] or inputs.large[row.dtype])
  end
  for k, v in ipairs(a) do
    local w = b[k]
    local same = v == w or w ~= w and (v ~= v or limits[row.op.name]) or math.abs(v - w) <= atol + rtol * math.abs(w)
    if not same then return ("%.9g, not %.9g, in %d of %d"):format(v, w, k, #a) end
  end
end

-- What differs between both sides, in words, or nil. Raises what either side cannot do.
function M.difference(row, peer)
  local ours = results(row)
  peer:ask("setup", row.peer_setup)
  local theirs = {}
  local text = peer:ask("value", ("grid_peer.results(%s)"):format(row.op.theirs))
  for part in (text .. ";"):gmatch "([^;]*);" do theirs[#theirs + 1] = part end
  local first_only = positional[row.op.name:match "^%S+"]
  if #ours ~= #theirs and not first_only then return ("%d results, not %d"):format(#ours, #theirs) end
  for k = 1, first_only and 1 or #ours do
    local problem = differs(row, ours[k], theirs[k])
    if problem then return problem end
  end
end

return M
