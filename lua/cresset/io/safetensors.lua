-- safetensors.lua: the format of Hugging Face's library of this name, read and written.
--
-- Holds true: eight bytes give the length of a JSON header, which names tensors with their dtypes, shapes and places;
-- these fill the rest of the file without gaps or overlaps, and what is not so is refused. Tensors that are read are
-- the file's own bytes, mapped; a file is written as a whole or not at all.

local cr = require "cresset"
local core = require "cresset.io.core"
local json = require "cresset.io.json"
local quote = require("cresset.io.source").quote
local tree = require "cresset.io.tree"

local M = {}

-- The format's names of dtypes, and back.
local kinds = { F = "float", BF = "bfloat", I = "int", U = "uint" }
local dtypes, names = { BOOL = "bool" }, { bool = "BOOL" }
for kind, bits in ("F64 F32 F16 BF16 I64 I32 I16 I8 U64 U32 U16 U8"):gmatch "(%u+)(%d+)" do
  dtypes[kind .. bits], names[kinds[kind] .. bits] = kinds[kind] .. bits, kind .. bits
end

local STRUCTURE = "cresset" -- the entry of the metadata that says how tables are nested

-- ---- Reading ------------------------------------------------------------------------------------

local bytes_of = setmetatable({}, { __index = function(t, dtype)
  t[dtype] = cr.empty({ 0 }, { dtype = dtype }):element_size()
  return t[dtype]
end })

local function read_header(source)
  if source:size() < 8 then
    source:fail("has %d bytes, fewer than a safetensors file begins with", source:size())
  end
  local n = source:unpack("<i8", 0, "the length of the header")
  if n < 0 or n > source:size() - 8 then
    source:fail("its header is said to be longer than the file, which has %d bytes", source:size())
  end
  local ok, header = pcall(json.decode, source:bytes(8, n, "the header"))
  if not ok then source:fail("the header is no JSON: %s", header) end
  if type(header) ~= "table" then source:fail "the header is no JSON object" end
  return header, 8 + n
end

local function is_list(list, n)
  if type(list) ~= "table" or list == json.null then return false end
  for _, v in ipairs(list) do
    if math.type(v) ~= "integer" then return false end
  end
  return (not n or #list == n) and (next(list) == nil or #list > 0)
end

-- What the header says of a tensor, checked: { name =, dtype =, shape =, from =, to = }, offsets within the file.
local function read_entry(source, name, entry, start, raw)
  local label = quote(name)
  if type(entry) ~= "table" or type(entry.dtype) ~= "string" then source:fail("tensor %s has no dtype", label) end
  if not is_list(entry.shape) then source:fail("tensor %s has no shape", label) end
  if not is_list(entry.data_offsets, 2) then source:fail("tensor %s has no two data_offsets", label) end
  local from, to = entry.data_offsets[1], entry.data_offsets[2]
  local room = source:size() - start
  if from < 0 or to < from or to > room then
    source:fail("tensor %s is said to lie at bytes %d to %d of %d", label, from, to, room)
  end
  local dtype, shape = dtypes[entry.dtype], entry.shape
  local count = source.count(shape)
  if not count or #shape > 16 then
    source:fail("tensor %s is said to be of shape %s", label, source.sizes_text(shape))
  end
  if not dtype and not raw then
    source:fail("tensor %s is of dtype %s, which cresset does not have; { raw = true } loads the bytes of such tensors",
      label, quote(entry.dtype))
  end
  if dtype and (count > room or count * bytes_of[dtype] ~= to - from) then
    source:fail("tensor %s of dtype %s and shape %s does not fill its %d bytes", label, entry.dtype,
      source.sizes_text(shape), to - from)
  end
  if not dtype then dtype, shape = "uint8", { to - from } end
  return { name = name, dtype = dtype, shape = shape, from = start + from, to = start + to }
end

-- Every byte after the header belongs to one tensor.
local function check_places(source, entries, start)
  local sorted = table.move(entries, 1, #entries, 1, {})
  table.sort(sorted, function(a, b)
    if a.from ~= b.from then return a.from < b.from end
    if a.to ~= b.to then return a.to < b.to end
    return a.name < b.name
  end)
  local at, before = start, "the header"
  for _, e in ipairs(sorted) do
    if e.from < at then source:fail("tensor %s overlaps %s", quote(e.name), before) end
    if e.from > at then source:fail("%d bytes before tensor %s belong to none", e.from - at, quote(e.name)) end
    at, before = e.to, "tensor " .. quote(e.name)
  end
  if at < source:size() then source:fail("%d bytes at the end belong to no tensor", source:size() - at) end
end

local function read_metadata(source, metadata)
  if metadata == nil then return {} end
  if type(metadata) ~= "table" then source:fail "__metadata__ is no table of strings" end
  for key, value in pairs(metadata) do
    if type(key) ~= "string" or type(value) ~= "string" then source:fail "__metadata__ is no table of strings" end
  end
  return metadata
end

--- The tables that were saved, or one of the tensors by their names; and the metadata.
function M.read(source, options)
  local header, start = read_header(source)
  local metadata = read_metadata(source, header.__metadata__)
  header.__metadata__ = nil
  local entries, by_name = {}, {}
  for name, entry in pairs(header) do
    if type(name) ~= "string" then source:fail "the header is no JSON object" end
    local e = read_entry(source, name, entry, start, options.raw)
    entries[#entries + 1], by_name[name] = e, e
  end
  check_places(source, entries, start)
  local function tensor(name)
    local e = by_name[name]
    if not e then return nil end
    return options.finish(source:tensor(e.from, e.dtype, e.shape))
  end
  local structure = metadata[STRUCTURE]
  metadata[STRUCTURE] = nil
  if structure then return tree.decode(source, structure, by_name, tensor, options.lazy), metadata end
  return tree.flat(by_name, tensor, options.lazy), metadata
end

-- ---- Writing ------------------------------------------------------------------------------------

-- As other writers order them: larger elements first, so that all are aligned, then by name.
local function ordered(tensors)
  local list = {}
  for name, x in pairs(tensors) do list[#list + 1] = { name = name, x = x, size = x:element_size() } end
  table.sort(list, function(a, b)
    if a.size ~= b.size then return a.size > b.size end
    return a.name < b.name
  end)
  return list
end

local function metadata_text(metadata)
  local keys, parts = {}, {}
  for key in pairs(metadata) do keys[#keys + 1] = key end
  if #keys == 0 then return nil end
  table.sort(keys)
  for i, key in ipairs(keys) do parts[i] = json.quote(key) .. ":" .. json.quote(metadata[key]) end
  return '"__metadata__":{' .. table.concat(parts, ",") .. "}"
end

local function header_text(list, metadata)
  local parts, at = { metadata_text(metadata) }, 0
  for _, e in ipairs(list) do
    local last = at + e.x:numel() * e.size
    parts[#parts + 1] = ('%s:{"dtype":"%s","shape":[%s],"data_offsets":[%d,%d]}'):format(json.quote(e.name),
      names[e.x.dtype] or cr.raise(("save: %s tensors have no place in a safetensors file"):format(e.x.dtype)),
      table.concat(e.x.shape, ","), at, last)
    at = last
  end
  local text = "{" .. table.concat(parts, ",") .. "}"
  return text .. (" "):rep(-#text % 8)
end

--- Writes tensors, nested tables of them and plain data. options.metadata: more strings by their names.
function M.write(path, value, options)
  local metadata = {}
  for key, text in pairs(options.metadata or {}) do
    if type(key) ~= "string" or type(text) ~= "string" or not utf8.len(key) or not utf8.len(text) then
      cr.raise "save: metadata must be a table of strings in UTF-8"
    end
    if key == STRUCTURE then cr.raise(('save: the metadata "%s" is cresset\'s own'):format(STRUCTURE)) end
    metadata[key] = text
  end
  local tensors, structure = tree.encode(value)
  metadata[STRUCTURE] = structure
  local list = ordered(tensors)
  local header = header_text(list, metadata)
  local writer <close> = core.writer(path)
  writer:put(string.pack("<I8", #header))
  writer:put(header)
  for _, e in ipairs(list) do writer:put(e.x:detach():cpu():contiguous()) end
  writer:commit()
end

return M
