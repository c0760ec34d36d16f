-- archive.lua: archive(members): the bytes of a zip file of stored members, a list of { name, bytes }.
--
-- Holds true: the check sums are right, so that damage done later reaches what is inside. Layout: PKWARE's APPNOTE.

local crc_table = {}
for b = 0, 255 do
  local c = b
  for _ = 1, 8 do c = c & 1 == 1 and c >> 1 ~ 0xEDB88320 or c >> 1 end
  crc_table[b] = c
end
local function crc(bytes)
  local c = 0xffffffff
  for i = 1, #bytes do c = crc_table[(c ~ bytes:byte(i)) & 255] ~ c >> 8 end
  return c ~ 0xffffffff
end

return function(members)
  local parts, directory, at = {}, {}, 0
  for i, m in ipairs(members) do
    local common = string.pack("<I2I2I2I2I2I4I4I4I2I2", 20, 0, 0, 0, 33, crc(m[2]), #m[2], #m[2], #m[1], 0)
    parts[i] = "PK\3\4" .. common .. m[1] .. m[2]
    directory[i] = "PK\1\2" .. string.pack("<I2", 20) .. common .. string.pack("<I2I2I2I4I4", 0, 0, 0, 0, at) .. m[1]
    at = at + #parts[i]
  end
  local d = table.concat(directory)
  return table.concat(parts) .. d .. "PK\5\6" .. string.pack("<I2I2I2I2I4I4I2", 0, 0, #members, #members, #d, at, 0)
end
