-- json.lua: JSON, read and written, for the headers and the metadata of files.
--
-- Holds true: numbers without a fraction or an exponent are Lua integers, the others floats; null is M.null. What is
-- no JSON, a key that comes twice and too deep a nesting are errors: plain strings that say what and where.

local M = {}

M.null = setmetatable({}, { __tostring = function() return "null" end })

local DEPTH = 512

-- ---- Reading ------------------------------------------------------------------------------------

local find, sub, byte, char = string.find, string.sub, string.byte, string.char

local function fail(at, message, ...)
  error(("byte %d: " .. message):format(at, ...), 0)
end

local escapes = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

-- The character of \uXXXX at `at` (of the backslash), and where the text goes on.
local function unicode(text, at)
  local digits = text:match("^%x%x%x%x", at + 2)
  if not digits then fail(at, "\\u needs four hexadecimal digits") end
  local code = tonumber(digits, 16)
  if code >= 0xD800 and code < 0xDC00 then
    local low = tonumber(text:match("^\\u(%x%x%x%x)", at + 6) or "0", 16)
    if low < 0xDC00 or low > 0xDFFF then fail(at, "half of a surrogate pair stands alone") end
    return utf8.char(0x10000 + (code - 0xD800 << 10) + low - 0xDC00), at + 12
  end
  if code >= 0xDC00 and code <= 0xDFFF then fail(at, "half of a surrogate pair stands alone") end
  return utf8.char(code), at + 6
end

-- The string whose opening quote is at `at`, and where the text goes on.
local function read_string(text, at)
  local first, last = find(text, '^[^"\\%c]*"', at + 1)
  if first then return sub(text, first, last - 1), last + 1 end
  local parts, from = {}, at + 1
  while true do
    local stop = find(text, '["\\%c]', from)
    if not stop then fail(at, "the string has no end") end
    parts[#parts + 1] = sub(text, from, stop - 1)
    local c = char(byte(text, stop))
    if c == '"' then return table.concat(parts), stop + 1 end
    if c ~= "\\" and byte(c) ~= 127 then fail(stop, "a control character stands in a string") end
    local escape = sub(text, stop + 1, stop + 1)
    if c ~= "\\" then
      parts[#parts + 1], from = c, stop + 1
    elseif escape == "u" then
      parts[#parts + 1], from = unicode(text, stop)
    else
      if not escapes[escape] then fail(stop, "\\%s is no escape", escape) end
      parts[#parts + 1], from = escapes[escape], stop + 2
    end
  end
end

local function read_number(text, at)
  local _, last, whole = find(text, "^(-?%d+)", at)
  if not last then fail(at, "expected a value") end
  if find(whole, "^-?0%d") then fail(at, "a number begins with 0") end
  local _, fraction = find(text, "^%.%d+", last + 1)
  local _, exponent = find(text, "^[eE][+-]?%d+", (fraction or last) + 1)
  local stop = exponent or fraction or last
  if stop > last then return tonumber(sub(text, at, stop)) + 0.0, stop + 1 end
  local number = math.tointeger(tonumber(whole))
  if not number then fail(at, "the integer has more than 64 bits") end
  return number, stop + 1
end

local function skip(text, at) return (select(2, find(text, "^[ \t\r\n]*", at))) + 1 end

local read_value

local function read_array(text, at, depth)
  local list, n = {}, 0
  at = skip(text, at + 1)
  if byte(text, at) == 93 then return list, at + 1 end
  while true do
    n = n + 1
    list[n], at = read_value(text, at, depth)
    at = skip(text, at)
    local c = byte(text, at)
    if c == 93 then return list, at + 1 end
    if c ~= 44 then fail(at, "expected , or ] in an array") end
    at = skip(text, at + 1)
  end
end

local function read_object(text, at, depth)
  local object = {}
  at = skip(text, at + 1)
  if byte(text, at) == 125 then return object, at + 1 end
  while true do
    if byte(text, at) ~= 34 then fail(at, "expected a key") end
    local key, value
    local where = at
    key, at = read_string(text, at)
    if object[key] ~= nil then fail(where, 'the key "%s" comes twice', key) end
    at = skip(text, at)
    if byte(text, at) ~= 58 then fail(at, "expected : after a key") end
    value, at = read_value(text, skip(text, at + 1), depth)
    object[key] = value
    at = skip(text, at)
    local c = byte(text, at)
    if c == 125 then return object, at + 1 end
    if c ~= 44 then fail(at, "expected , or } in an object") end
    at = skip(text, at + 1)
  end
end

local words = { t = { "true", true }, f = { "false", false }, n = { "null", M.null } }

function read_value(text, at, depth)
  local c = byte(text, at)
  if c == 34 then return read_string(text, at) end
  if c == 123 or c == 91 then
    if depth >= DEPTH then fail(at, "nested deeper than %d levels", DEPTH) end
    return (c == 123 and read_object or read_array)(text, at, depth + 1)
  end
  local word = c and words[char(c)]
  if word and sub(text, at, at + #word[1] - 1) == word[1] then return word[2], at + #word[1] end
  return read_number(text, at)
end

--- The value of a JSON text; what follows it may be spaces only.
function M.decode(text)
  local value, at = read_value(text, skip(text, 1), 0)
  at = skip(text, at)
  if at <= #text then fail(at, "something follows the value") end
  return value
end

-- ---- Writing ------------------------------------------------------------------------------------

local quoted = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

--- A string, valid UTF-8, as JSON.
function M.quote(s)
  return '"' .. s:gsub('[%c"\\]', function(c) return quoted[c] or ("\\u%04x"):format(byte(c)) end) .. '"'
end

--- A finite number: an integer as it is, a float with what makes it one.
function M.number(x)
  if math.type(x) == "integer" then return ("%d"):format(x) end
  local text = ("%.15g"):format(x)
  if tonumber(text) ~= x then text = ("%.17g"):format(x) end
  return text:find "[.eE]" and text or text .. ".0"
end

return M
