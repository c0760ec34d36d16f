-- npy.lua: NumPy's format for one array, read and written.
--
-- Holds true: little-endian arrays are the file's own bytes, in either order of dims; those of other machines are
-- turned around. Structured dtypes, objects, texts, dates and complex numbers are refused by their names.

local cr = require "cresset"
local core = require "cresset.io.core"
local Source = require "cresset.io.source"

local M = {}

-- NumPy's codes of dtypes, kind and bytes, and back.
local prefixes = { f = "float", i = "int", u = "uint" }
local dtypes, codes = { b1 = "bool" }, { bool = "|b1" }
for kind, bytes in ("f8 f4 f2 i8 i4 i2 i1 u8 u4 u2 u1"):gmatch "(%l)(%d)" do
  local dtype = prefixes[kind] .. bytes * 8
  dtypes[kind .. bytes], codes[dtype] = dtype, (bytes == "1" and "|" or "<") .. kind .. bytes
end

local kinds = { O = "Python objects", S = "byte strings", U = "strings", V = "records", M = "dates", m = "time spans",
  c = "complex numbers", a = "byte strings" }

-- ---- Reading ------------------------------------------------------------------------------------

-- The value of a key in the header, which is a Python dict: a string, a truth or a tuple of sizes.
local function field(source, header, key)
  local rest = header:match("['\"]" .. key .. "['\"]%s*:%s*(.*)$")
  if not rest then source:fail("the header has no '%s'", key) end
  local text = rest:match "^'([^']*)'" or rest:match '^"([^"]*)"'
  if text then return text end
  local truth = rest:match "^(%u%l+)"
  if truth == "True" or truth == "False" then return truth == "True" end
  local inside = rest:match "^%(([%d%s,L]*)%)"
  if inside then
    local sizes = {}
    for part in inside:gmatch "[^,%s]+" do
      local size = math.tointeger(tonumber(part:match "^(%d+)L?$"))
      if not size then source:fail("the header's '%s' is no tuple of sizes", key) end
      sizes[#sizes + 1] = size
    end
    return sizes
  end
  if key == "descr" and rest:find "^%[" then
    source:fail "holds a structured array, whose records have no dtype here"
  end
  source:fail("the header's '%s' is nothing that is known", key)
end

local function read_header(source)
  if source:size() < 10 or source:bytes(0, 6, "the magic") ~= "\x93NUMPY" then source:fail "is no npy file" end
  local major = source:unpack("B", 6, "the version")
  if major < 1 or major > 3 then source:fail("is of version %d of npy, and 1 to 3 are known", major) end
  local format = major == 1 and "<I2" or "<I4"
  local n = source:unpack(format, 8, "the length of the header")
  local start = 8 + string.packsize(format)
  return source:bytes(start, n, "the header"), start + n
end

-- The dtype and whether its bytes are to be turned around.
local function dtype_of(source, descr)
  if type(descr) ~= "string" then source:fail "the header's 'descr' is no dtype" end
  local order, code = descr:match "^([<>=|]?)(.*)$"
  if dtypes[code] then return dtypes[code], order == ">" end
  local kind = kinds[code:sub(1, 1)]
  source:fail("holds %s (dtype %s), for which there is no dtype here", kind or "elements of an unknown kind",
    Source.quote(descr))
end

--- The array as a tensor.
function M.read(source, options)
  local header, start = read_header(source)
  local dtype, swapped = dtype_of(source, field(source, header, "descr"))
  local columns, shape = field(source, header, "fortran_order"), field(source, header, "shape")
  if type(columns) ~= "boolean" or type(shape) ~= "table" then source:fail "the header is damaged" end
  local count, size = source.count(shape), cr.empty({ 0 }, { dtype = dtype }):element_size()
  if not count or #shape > 16 then source:fail("is said to be of shape %s", source.sizes_text(shape)) end
  if count > (source:size() - start) // size then
    source:fail("has %d bytes of elements, and shape %s of %s needs %s", source:size() - start,
      source.sizes_text(shape), dtype, count > 1 << 58 and "more than there can be" or tostring(count * size))
  end
  local stride
  if columns then
    local step = 1
    stride = {}
    for d, n in ipairs(shape) do stride[d], step = step, step * n end
  end
  if swapped then -- the mapping is private: no file sees it
    local flat = core.swap_bytes(source:tensor(start, dtype, { count }))
    local x = columns and count > 0 and flat:as_strided(shape, stride) or flat:view(shape)
    return options.finish(x:detach())
  end
  return options.finish(source:tensor(start, dtype, shape, count > 0 and stride or nil))
end

-- ---- Writing ------------------------------------------------------------------------------------

--- The head of a file for a tensor's elements in row-major order.
function M.header(x)
  local code = codes[x.dtype]
  if not code then
    cr.raise(("save: NumPy has no %s; save x:float() or use a .safetensors file"):format(x.dtype))
  end
  local sizes = table.concat(x.shape, ", ") .. (x.ndim == 1 and "," or "")
  local text = ("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }"):format(code, sizes)
  local padding = -(10 + #text + 1) % 64
  return "\x93NUMPY\1\0" .. string.pack("<I2", #text + padding + 1) .. text .. (" "):rep(padding) .. "\n"
end

--- Writes one tensor.
function M.write(path, x)
  if not cr.is_tensor(x) then
    cr.raise(("save: a .npy file holds one tensor, got a %s; .npz and .safetensors take tables"):format(type(x)))
  end
  local header = M.header(x)
  local writer <close> = core.writer(path)
  writer:put(header)
  writer:put(x:detach():cpu():contiguous())
  writer:commit()
end

return M
