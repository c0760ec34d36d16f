-- grid_inputs.lua: the tensors that both sides of the grid compute with, and what is compared of the results.
--
-- Holds true: grid_peer.py makes the same elements, bit for bit: integers are mixed by the same formula, and what
-- follows is rounded once a step. Beyond `block` elements they repeat. What was made is kept until `clear`.

local cr = require "cresset"

local M = {}

local block = 1 << 20
local made = {}

function M.clear() made = {} end

-- Whole numbers below 2^24, mixed of their place and the seed.
local function mixed(n, seed)
  local h = (cr.arange(0, n, 1, { dtype = "int64" }) * 2654435761 + seed * 40503) & 0xffffffff
  h = ((h ~ (h >> 15)) * 2246822519) & 0xffffffff
  return (h ~ (h >> 13)) & 0xffffff
end

local function unit(n, seed) return mixed(n, seed):to "float64" / 16777216 end

local function normal(n, seed)
  local sum = mixed(n, seed) + mixed(n, seed + 1) + mixed(n, seed + 2) + mixed(n, seed + 3)
  return (sum:to "float64" / 16777216 - 2) * 1.7320508075688772
end

M.large = { float64 = 1e15, float32 = 1e15, bfloat16 = 1e15, float16 = 30000.0, int64 = 1e15, int32 = 1e9,
  uint8 = 250.0 }

local kinds = {
  uniform = unit,
  randn = normal,
  positive = function(n, seed) return unit(n, seed) * 10 + 0.1 end,
  large = function(n, seed, dtype) return (unit(n, seed) * 2 - 1) * M.large[dtype] end,
  equal = function(n) return cr.full({ n }, 1.5, { dtype = "float64" }) end,
  special = function(n, seed)
    local x, which = normal(n, seed), mixed(n, seed + 4) & 7
    return x:masked_fill(which:eq(0), -(0 / 0)):masked_fill(which:eq(1), math.huge):masked_fill(which:eq(2), -math.huge)
  end,
}

local function flat(kind, dtype, n, seed)
  local x = kinds[kind](math.min(n, block), seed, dtype)
  if dtype:find "int" and kind ~= "large" then x = x * 10 end
  if dtype:find "^u" then x = x:abs() end
  if dtype:find "float16" then x = x:to "float32" end
  x = x:to(dtype)
  return n <= block and x or x:unsqueeze(1):expand(n // block, block):reshape(n)
end

local layouts = {
  contiguous = function(make, rows, columns) return make(rows * columns):reshape(rows, columns) end,
  transposed = function(make, rows, columns) return make(rows * columns):reshape(columns, rows):t() end,
  sliced = function(make, rows, columns)
    return make(rows * columns * 2):reshape(rows, columns * 2):slice(2, 1, -1, 2)
  end,
  broadcast = function(make, rows, columns) return make(columns):reshape(1, columns):expand(rows, columns) end,
}

-- A matrix of a kind, dtype and layout.
function M.make(kind, dtype, rows, columns, layout, seed)
  local key = table.concat({ kind, dtype, rows, columns, layout, seed }, " ")
  if not made[key] then
    made[key] = layouts[layout](function(n) return flat(kind, dtype, n, seed) end, rows, columns)
  end
  return made[key]
end

-- Positions below `limit`, 1-based, as many as asked.
function M.positions(n, limit, seed) return mixed(n, seed) % limit + 1 end

local samples, ends = 4096, 512

local function word(v)
  if v == true then return "1" elseif v == false then return "0" end
  if math.type(v) == "integer" then return tostring(v) end
  return v ~= v and "nan" or ("%.17g"):format(v)
end

-- What is compared of a tensor: its dtype, sizes, so many elements spread over it and its last ones.
function M.values(x)
  if type(x) ~= "userdata" then return "number - " .. word(x) end
  local flattened, list = x:detach():reshape(-1), { x.dtype, #x.shape > 0 and table.concat(x.shape, "x") or "-" }
  local n = flattened:numel()
  if n > 0 then
    local few = { flattened:slice(1, 1, -1, math.max(1, n // samples)), flattened:slice(1, math.max(1, n - ends), -1) }
    for _, part in ipairs(few) do
      for _, v in ipairs(part:totable()) do list[#list + 1] = word(v) end
    end
  end
  return table.concat(list, " ")
end

return M
