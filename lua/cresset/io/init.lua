-- init.lua: cr.save and cr.load, cr.frombuffer: files by the ends of their names, and bytes.
--
-- Holds true: a format's file is loaded when the first file of that format is. A path that cannot be read or written,
-- and a file that is not what its name says, is an error of one sentence that begins with "load:" or "save:".

local cr = require "cresset"
local core = require "cresset.io.core"
local Source = require "cresset.io.source"
local quote = Source.quote

local M = {}

-- By the end of the name: the module, and whether it writes.
local formats = {
  safetensors = { "cresset.io.safetensors", true },
  npy = { "cresset.io.npy", true },
  npz = { "cresset.io.npz", true },
  gguf = { "cresset.io.gguf" },
  t7 = { "cresset.io.t7" },
  pt = { "cresset.io.torch", true },
  pth = { "cresset.io.torch", true },
}

local function known(writing)
  local list = {}
  for ending, format in pairs(formats) do
    if format[2] or not writing then list[#list + 1] = "." .. ending end
  end
  table.sort(list)
  return table.concat(list, ", ", 1, #list - 1) .. (#list > 1 and " or " or "") .. list[#list]
end

-- The module for a path.
local function format_of(what, path, writing)
  if type(path) ~= "string" then
    cr.raise(("%s: path must be a string, got %s"):format(what, cr.is_tensor(path) and "a tensor" or type(path)))
  end
  if path:find("\0", 1, true) then cr.raise(what .. ": path has a zero byte in it") end
  local ending = path:match "%.([%w_]+)$"
  local format = formats[ending and ending:lower()]
  if not format then
    cr.raise(("%s: %s does not end in %s"):format(what, quote(path), known(writing)))
  end
  if writing and not format[2] then
    cr.raise(("save: %s files are only read; names that end in %s are written"):format("." .. ending:lower(),
      known(true)))
  end
  return require(format[1])
end

local function check_options(what, options, allowed)
  if options == nil then return {} end
  if type(options) ~= "table" then
    cr.raise(("%s: options must be a table, got a %s"):format(what, type(options)))
  end
  for key in pairs(options) do
    if not allowed[key] then
      local names = {}
      for name in pairs(allowed) do names[#names + 1] = name end
      table.sort(names)
      cr.raise(("%s: there is no option '%s'; there are: %s"):format(what, tostring(key), table.concat(names, ", ")))
    end
  end
  return options
end

local load_options = { lazy = true, device = true, dtype = true, raw = true, metadata = true }
local save_options = { metadata = true, compressed = true }

-- Calls f, and makes a sentence about the path of what fails in the core.
local function guarded(what, path, f, ...)
  local results = table.pack(pcall(f, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local message = results[2]
  if type(message) ~= "string" or message:find(what .. ":", 1, true) then error(message, 0) end
  message = message:gsub("^[^\n]-:%d+: ", "")
  local about = message:find(quote(path), 1, true) or message:find("out of memory", 1, true)
  cr.raise(("%s: %s%s"):format(what, about and "" or quote(path) .. ": ", message))
end

-- What becomes of each tensor that was read: `dtype` is for floats only.
local function finisher(options)
  local device, dtype = options.device, options.dtype
  if not device and not dtype then return function(x) return x end end
  if dtype then cr.finfo(dtype) end
  if device then cr.empty({ 0 }, { device = device }) end
  return function(x)
    return x:to { device = device, dtype = dtype and cr.isdtype(x.dtype, "real floating") and dtype or nil }
  end
end

local function read(format, path, options)
  local settings = { lazy = options.lazy, raw = options.raw, finish = finisher(options) }
  local value, metadata = format.read(Source.open(path), settings)
  if not options.metadata then return value end -- alone, so that load_state_dict(cr.load(path)) has one argument
  return value, metadata or {}
end

--- Reads a file.
function M.load(path, options)
  options = check_options("load", options, load_options)
  return guarded("load", path, read, format_of("load", path, false), path, options)
end

--- Writes a file.
function M.save(path, value, options)
  options = check_options("save", options, save_options)
  local format = format_of("save", path, true)
  if value == nil then cr.raise "save: there is nothing to save: value is nil" end
  return guarded("save", path, format.write, path, value, options)
end

-- ---- Bytes --------------------------------------------------------------------------------------

local buffer_options = { offset = true, count = true }

local function whole(name, n)
  if n ~= nil and (math.type(n) ~= "integer" or n < 0) then
    cr.raise(("frombuffer: %s must be an integer from 0, got %s"):format(name, tostring(n)))
  end
  return n
end

-- The shape: as given, or all elements that there are.
local function shape_of(shape, count, room, size)
  if math.type(shape) == "integer" then shape = { shape } end
  if shape == nil then
    count = whole("count", count)
    if not count and room % size ~= 0 then
      cr.raise(("frombuffer: the %d bytes are no whole number of elements of %d bytes"):format(room, size))
    end
    return { count or room // size }
  end
  if count ~= nil then cr.raise "frombuffer: count is for buffers without a shape" end
  if type(shape) ~= "table" then cr.raise("frombuffer: shape must be a table of sizes, got a " .. type(shape)) end
  local n = Source.count(shape)
  if not n then cr.raise(("frombuffer: shape must have sizes from 0, got %s"):format(Source.sizes_text(shape))) end
  return shape, n
end

--- A tensor of the bytes of a string, which are copied, or of an open file, which is mapped.
function M.frombuffer(source, dtype, shape, options)
  if type(shape) == "table" and options == nil and next(shape) ~= nil and #shape == 0 then
    shape, options = nil, shape
  end
  options = check_options("frombuffer", options, buffer_options)
  local offset = whole("offset", options.offset) or 0
  local is_file = io.type(source)
  if type(source) ~= "string" and not is_file then
    cr.raise(("frombuffer: the source must be a string of bytes or a file of io.open, got %s"):format(
      cr.is_tensor(source) and "a tensor" or "a " .. type(source)))
  end
  if is_file == "closed file" then cr.raise "frombuffer: the file is closed" end
  if not pcall(cr.promote_types, dtype, dtype) then
    cr.raise(("frombuffer: dtype must be a dtype, got %s"):format(type(dtype) == "string" and quote(dtype)
      or type(dtype)))
  end
  local buffer = is_file and guarded("frombuffer", "file", core.map_file, source, "file")
  local size, room = cr.empty({ 0 }, { dtype = dtype }):element_size(), #(buffer or source) - offset
  if room < 0 then
    cr.raise(("frombuffer: offset %d is beyond the %d bytes"):format(offset, room + offset))
  end
  local sizes = shape_of(shape, options.count, room, size)
  local n = Source.count(sizes)
  if n > room // size then
    cr.raise(("frombuffer: %s of shape %s needs %d bytes, and there are %d from offset %d on"):format(dtype,
      Source.sizes_text(sizes), n * size, room, offset))
  end
  if buffer then return buffer:tensor(offset, dtype, sizes) end
  return core.string_tensor(source, offset, dtype, sizes)
end

return M
