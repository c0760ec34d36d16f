-- source.lua: a file that is being read: its bytes, its name for messages, and numbers out of it.
--
-- Holds true: whatever is wrong with a file is raised by fail, as one sentence that begins with "load:" and the path.
-- Offsets count bytes from 0. No byte outside the file is read, whatever a file says of itself.

local cr = require "cresset"
local core = require "cresset.io.core"

local function quote(s) return getmetatable(cr).quote(s, '"') end

local Source = { quote = quote }
Source.__index = Source

function Source.open(path)
  local buffer = core.map(path)
  return setmetatable({ path = path, buffer = buffer, base = 0, length = #buffer, prefix = "" }, Source)
end

-- A part of another source: the bytes [base, base + length) of a buffer.
function Source:member(name, buffer, base, length)
  return setmetatable({ path = self.path, buffer = buffer, base = base, length = length, prefix = name .. ": " },
    Source)
end

-- What a message has of the file is told on one line, and not at length.
local function plain(text)
  text = text:gsub("%c", function(c) return ("\\x%02x"):format(c:byte()) end)
  return #text <= 400 and text or text:sub(1, 397):gsub("[\xc0-\xff][\x80-\xbf]*$", "") .. "..."
end

function Source:fail(message, ...)
  if select("#", ...) > 0 then message = message:format(...) end
  message = plain(message)
  cr.raise(("load: %s: %s%s"):format(quote(self.path), self.prefix, message))
end

function Source:size() return self.length end

-- n bytes from an offset as a string; `what` they are, for the message where the file ends before.
function Source:bytes(offset, n, what)
  local size = self.length
  if offset < 0 or n < 0 or offset > size or n > size - offset then
    self:fail("ends inside %s, after %d bytes", what, size)
  end
  return self.buffer:bytes(self.base + offset, n)
end

-- Numbers by a format of string.unpack, whose size is known.
function Source:unpack(format, offset, what)
  return string.unpack(format, self:bytes(offset, string.packsize(format), what))
end

-- Elements from an offset on, of which the caller knows that they lie inside.
function Source:tensor(offset, dtype, shape, stride)
  return self.buffer:tensor(self.base + offset, dtype, shape, stride)
end

-- The product of sizes; nil where one is no size or the product is beyond what memory addresses.
function Source.count(sizes)
  local n, zero = 1, false
  for _, size in ipairs(sizes) do
    if math.type(size) ~= "integer" or size < 0 then return nil end
    zero = zero or size == 0
  end
  if zero then return 0 end
  for _, size in ipairs(sizes) do
    if n > (1 << 62) // size then return nil end
    n = n * size
  end
  return n
end

-- Sizes as a message has them.
function Source.sizes_text(sizes) return "{" .. table.concat(sizes, ", ") .. "}" end

return Source
