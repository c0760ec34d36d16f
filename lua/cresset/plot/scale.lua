-- scale.lua: from values to places: ranges, round steps for axes, and numbers as an axis has them.
--
-- Holds true: what is not finite has no place, and changes no range. A range is never empty.

local M = {}

local function is_finite(v) return v == v and v ~= math.huge and v ~= -math.huge end
M.is_finite = is_finite

--- The least and the largest finite value of lists of numbers; -1 and 1 around a single one, 0 and 1 of none.
function M.range(lists)
  local low, high = math.huge, -math.huge
  for _, list in ipairs(lists) do
    for _, v in ipairs(list) do
      if is_finite(v) then low, high = math.min(low, v), math.max(high, v) end
    end
  end
  if low > high then return 0.0, 1.0 end
  if low == high then
    local room = low == 0 and 1 or math.abs(low) * 0.5
    return low - room, high + room
  end
  if not is_finite(high - low) then low, high = low / 2, high / 2 end
  return low, high
end

--- Round numbers from low to high, about `count` of them.
function M.ticks(low, high, count)
  local raw = (high - low) / count
  local power = 10.0 ^ math.floor(math.log(raw, 10))
  local step = power
  for _, factor in ipairs { 1, 2, 5, 10 } do
    step = factor * power
    if step >= raw * 0.999 then break end
  end
  local list, first = {}, math.ceil(low / step - 1e-9)
  for i = 0, 50 do
    local v = (first + i) * step
    if v > high + step * 1e-6 then break end
    list[#list + 1] = math.abs(v) < step * 1e-9 and 0.0 or v
  end
  return list
end

function M.number(v)
  if v == math.floor(v) and math.abs(v) < 1e6 then return ("%d"):format(math.tointeger(v) or 0) end
  return ("%.4g"):format(v)
end

return M
