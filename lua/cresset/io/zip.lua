-- zip.lua: zip archives: their members by name, and new ones.
--
-- Holds true: members are stored or deflated, with the fields for more than 4 GB where these are needed; encrypted ones
-- and other methods are refused. Members lie apart from one another within the file, and none is said to be larger than
-- its bytes can inflate to (1032 times). Format: PKWARE's APPNOTE.

local core = require "cresset.io.core"

local M = {}

local RATIO = 1032 -- the most that deflate makes of a byte
local NONE32, NONE16 = 0xffffffff, 0xffff

-- ---- Reading ------------------------------------------------------------------------------------

-- Where the central directory lies: its offset, its size and how many entries there are.
local function find_directory(source)
  local size = source:size()
  local most = math.min(size, 22 + 65535)
  local tail = most >= 22 and source:bytes(size - most, most, "the end of the archive") or ""
  local at
  for i = #tail - 21, 1, -1 do
    if tail:byte(i) == 80 and tail:sub(i, i + 3) == "PK\5\6" then at = size - most + i - 1 break end
  end
  if not at then source:fail "is no zip archive, or was cut short: it has no directory" end
  local count, length, offset = source:unpack("<I2I4I4", at + 10, "the directory's end")
  if count ~= NONE16 and length ~= NONE32 and offset ~= NONE32 then return offset, length, count, at end
  if at < 20 or source:bytes(at - 20, 4, "the directory's end") ~= "PK\6\7" then return offset, length, count, at end
  local far = source:unpack("<i8", at - 12, "the directory's end")
  if far < 0 or source:bytes(far, 4, "the large directory's end") ~= "PK\6\6" then
    source:fail "the end of its directory is damaged"
  end
  count, length, offset = source:unpack("<i8i8i8", far + 32, "the large directory's end")
  return offset, length, count, far
end

-- Sizes and offset that did not fit into their fields.
local function read_extra(source, e, extra)
  local at = 1
  while at + 3 <= #extra do
    local id, n = string.unpack("<I2I2", extra, at)
    if id == 1 and at + 3 + n <= #extra then
      local data, place = extra:sub(at + 4, at + 3 + n), 1
      for _, name in ipairs { "size", "packed", "offset" } do
        if e[name] == NONE32 then
          if place + 7 > #data then source:fail("member %s has no sizes", source.quote(e.name)) end
          e[name], place = string.unpack("<i8", data, place)
        end
      end
    end
    at = at + 4 + n
  end
end

-- The entry of the directory at an offset, and where the next one is.
local function read_entry(source, at)
  if source:bytes(at, 4, "its directory") ~= "PK\1\2" then source:fail "its directory is damaged" end
  local flags, method, crc, packed, size, name_size, extra_size, comment_size, offset =
    source:unpack("<xxxxxxxxI2I2xxxxI4I4I4I2I2I2xxxxxxxxI4", at, "its directory")
  local name = source:bytes(at + 46, name_size, "its directory")
  local e = { name = name, flags = flags, method = method, crc = crc, packed = packed, size = size, offset = offset }
  read_extra(source, e, source:bytes(at + 46 + name_size, extra_size, "its directory"))
  return e, at + 46 + name_size + extra_size + comment_size
end

local function check_entry(source, e)
  local label = source.quote(e.name)
  if e.flags & 1 ~= 0 then source:fail("member %s is encrypted", label) end
  if e.method ~= 0 and e.method ~= 8 then
    source:fail("member %s is compressed by method %d; stored and deflated ones are known", label, e.method)
  end
  if e.size < 0 or e.packed < 0 or e.offset < 0 or e.method == 0 and e.size ~= e.packed
    or e.method == 8 and e.size // RATIO > e.packed + 64 then
    source:fail("member %s is said to have %d bytes out of %d", label, e.size, e.packed)
  end
  if source:bytes(e.offset, 4, "member " .. label) ~= "PK\3\4" then
    source:fail("member %s is not where it should be", label)
  end
  local name_size, extra_size = source:unpack("<I2I2", e.offset + 26, "member " .. label)
  if source:bytes(e.offset + 30, name_size, "member " .. label) ~= e.name then
    source:fail("member %s has another name in its place", label)
  end
  e.start = e.offset + 30 + name_size + extra_size
  if e.packed > source:size() or e.start > source:size() - e.packed then
    source:fail("member %s ends beyond the file", label)
  end
end

--- The members: a list, also by name: { name =, size =, start = (of its bytes), packed =, method =, crc = }.
function M.open(source)
  local offset, length, count, stop = find_directory(source)
  if count < 0 or offset < 0 or length < 0 or count > length // 46 or offset > stop or length > stop - offset then
    source:fail "its directory is damaged"
  end
  local members, at = {}, offset
  for i = 1, count do
    local e
    e, at = read_entry(source, at)
    check_entry(source, e)
    if members[e.name] then source:fail("member %s comes twice", source.quote(e.name)) end
    members[i], members[e.name] = e, e
  end
  local sorted, before = table.move(members, 1, #members, 1, {}), 0
  table.sort(sorted, function(a, b) return a.offset < b.offset end)
  for _, e in ipairs(sorted) do
    if e.offset < before then source:fail("member %s overlaps another one", source.quote(e.name)) end
    before = e.start + e.packed
  end
  if before > stop then source:fail "its directory overlaps a member" end
  return members
end

--- Where the bytes of a member are: a buffer and an offset in it; checked against its sum if `check`.
function M.bytes_of(source, e, check)
  local buffer, start = source.buffer, e.start
  if e.method == 8 then
    local ok, inflated, made = pcall(buffer.inflate, buffer, e.start, e.packed, e.size, true)
    if not ok then
      source:fail("member %s: %s", source.quote(e.name), (tostring(inflated):gsub("^[^\n]-:%d+: ", "")))
    end
    if made ~= e.size then
      source:fail("member %s has %d bytes and is said to have %d", source.quote(e.name), made, e.size)
    end
    buffer, start = inflated, 0
  end
  if check and buffer:crc(start, e.size) ~= e.crc then
    source:fail("member %s is damaged: its check sum is another", source.quote(e.name))
  end
  return buffer, start
end

-- ---- Writing ------------------------------------------------------------------------------------

local Archive = {}
Archive.__index = Archive

--- A new archive, into a writer. With `compressed`, members are deflated.
function M.create(writer, compressed)
  return setmetatable({ writer = writer, compressed = compressed, at = 0, directory = {} }, Archive)
end

function Archive:put(bytes, n)
  self.writer:put(bytes)
  self.at = self.at + (n or #bytes)
end

local function length_of(part) return type(part) == "string" and #part or part:numel() * part:element_size() end

-- The field for numbers of 64 bits.
local function wide(...) return string.pack("<I2I2" .. ("I8"):rep(select("#", ...)), 1, 8 * select("#", ...), ...) end

-- Bytes without a meaning that let a member begin at a multiple of `align`.
local function filling(at, align)
  local n = -(at + 4) % align
  return string.pack("<I2I2", 0x4246, n) .. ("Z"):rep(n)
end

--- Adds a member of strings and contiguous tensors, one after the other. align: where its bytes begin.
function Archive:add(name, parts, align)
  local size, crc = 0, 0
  for _, part in ipairs(parts) do
    size, crc = size + length_of(part), core.crc32(part, crc)
  end
  local method, packed = 0, size
  if self.compressed then
    local whole = {}
    for i, part in ipairs(parts) do whole[i] = type(part) == "string" and part or part:tobytes() end
    parts = { core.deflate(table.concat(whole)) }
    method, packed = 8, #parts[1]
  end
  local large = size >= NONE32 or packed >= NONE32
  local extra = large and wide(size, packed) or ""
  if align then extra = extra .. filling(self.at + 30 + #name + #extra, align) end
  local offset = self.at
  local sizes = { large and NONE32 or packed, large and NONE32 or size }
  local common = string.pack("<I2I2I2I2I2I4I4I4I2", large and 45 or 20, 0x800, method, 0, 0x21, crc, sizes[1], sizes[2],
    #name)
  self:put("PK\3\4" .. common .. string.pack("<I2", #extra) .. name .. extra)
  for _, part in ipairs(parts) do self:put(part, length_of(part)) end
  local far = offset >= NONE32
  local numbers = {}
  if large then numbers = { size, packed } end
  if far then numbers[#numbers + 1] = offset end
  local field = #numbers > 0 and wide(table.unpack(numbers)) or ""
  local rest = string.pack("<I2I2I2I2I4I4", #field, 0, 0, 0, 0, far and NONE32 or offset)
  self.directory[#self.directory + 1] = "PK\1\2" .. string.pack("<I2", 45) .. common .. rest .. name .. field
end

--- Writes the directory.
function Archive:finish()
  local offset, n = self.at, #self.directory
  local text = table.concat(self.directory)
  self:put(text)
  if n >= NONE16 or #text >= NONE32 or offset >= NONE32 then
    local far = self.at
    self:put("PK\6\6" .. string.pack("<I8I2I2I4I4I8I8I8I8", 44, 45, 45, 0, 0, n, n, #text, offset))
    self:put("PK\6\7" .. string.pack("<I4I8I4", 0, far, 1))
    n, offset = NONE16, NONE32
  end
  self:put("PK\5\6" .. string.pack("<I2I2I2I2I4I4I2", 0, 0, n, n, #text, offset, 0))
end

return M
