-- gguf.lua: the format of ggml and llama.cpp, read: tensors, quantized ones as float32, and the metadata.
--
-- Holds true: versions 2 and 3, little endian. Tensors that are not quantized are the file's own bytes, mapped. No
-- count is believed that the file has no bytes for. Format: ggml/docs/gguf.md.

local tree = require "cresset.io.tree"

local M = {}

local MAGIC = "GGUF"

-- ---- Numbers in their order ---------------------------------------------------------------------

local Reader = {}
Reader.__index = Reader

function Reader:take(format, what)
  local v = self.source:unpack(format, self.at, what)
  self.at = self.at + string.packsize(format)
  return v
end

-- A count, each of whose things takes `least` bytes.
function Reader:count(what, least)
  local n = self:take("<i8", what)
  if n < 0 or n > (self.source:size() - self.at) // least then
    self.source:fail("has too large a count of %s for its %d bytes", what, self.source:size())
  end
  return n
end

function Reader:string(what)
  local n = self:count(what, 1)
  local s = self.source:bytes(self.at, n, what)
  self.at = self.at + n
  return s
end

-- By the number of the kind; integers of 64 bits without a sign come as their bits.
local formats = { [0] = "B", "b", "<I2", "<i2", "<I4", "<i4", "<f", "B", [10] = "<i8", [11] = "<i8", [12] = "<d" }
local BOOL, STRING, ARRAY = 7, 8, 9
local DEPTH = 8

function Reader:value(kind, depth)
  if kind == STRING then return self:string "a text" end
  if kind == ARRAY then
    if depth > DEPTH then self.source:fail("has arrays nested deeper than %d", DEPTH) end
    local of = self:take("<I4", "an array")
    local format = formats[of]
    if not format and of ~= STRING and of ~= ARRAY then self.source:fail("has values of the unknown kind %d", of) end
    local list = {}
    for i = 1, self:count("elements", format and string.packsize(format) or 8) do list[i] = self:value(of,
      depth + 1) end
    return list
  end
  local format = formats[kind]
  if not format then self.source:fail("has values of the unknown kind %d", kind) end
  local v = self:take(format, "its metadata")
  if kind == BOOL then return v ~= 0 end
  return v
end

-- ---- Tensors ------------------------------------------------------------------------------------

-- By the number of the kind: a dtype, or a kind of blocks, how many numbers one has, and its bytes.
local kinds = {
  [0] = { dtype = "float32", size = 4 }, [1] = { dtype = "float16", size = 2 }, [30] = { dtype = "bfloat16", size = 2 },
  [24] = { dtype = "int8", size = 1 }, [25] = { dtype = "int16", size = 2 }, [26] = { dtype = "int32", size = 4 },
  [27] = { dtype = "int64", size = 8 }, [28] = { dtype = "float64", size = 8 },
  [2] = { blocks = "q4_0", count = 32, size = 18 }, [3] = { blocks = "q4_1", count = 32, size = 20 },
  [8] = { blocks = "q8_0", count = 32, size = 34 }, [12] = { blocks = "q4_K", count = 256, size = 144 },
  [14] = { blocks = "q6_K", count = 256, size = 210 },
}
local others = { [6] = "q5_0", [7] = "q5_1", [9] = "q8_1", [10] = "q2_K", [11] = "q3_K", [13] = "q5_K", [15] = "q8_K",
  [16] = "iq2_xxs", [17] = "iq2_xs", [18] = "iq3_xxs", [19] = "iq1_s", [20] = "iq4_nl", [21] = "iq3_s", [22] = "iq2_s",
  [23] = "iq4_xs", [29] = "iq1_m", [34] = "tq1_0", [35] = "tq2_0", [39] = "mxfp4" }

-- { name =, kind =, shape =, count =, offset =, size = }, from the innermost size outwards in the file.
local function read_info(r)
  local source, name = r.source, r:string "the name of a tensor"
  local label, n = source.quote(name), r:take("<I4", "a tensor")
  if n > 16 then source:fail("tensor %s is said to have %d dims", label, n) end
  local shape = {}
  for d = n, 1, -1 do shape[d] = r:take("<i8", "a tensor") end
  local number, offset = r:take("<I4", "a tensor"), r:take("<i8", "a tensor")
  local kind, count = kinds[number], source.count(shape)
  if not kind then
    source:fail("tensor %s is of kind %s, which is not known; f32, f16, bf16, q8_0, q4_0, q4_1, q4_K and q6_K are",
      label,
      others[number] or tostring(number))
  end
  if not count then source:fail("tensor %s is said to be of shape %s", label, source.sizes_text(shape)) end
  local per = kind.count or 1
  if count % per ~= 0 or n > 0 and shape[n] % per ~= 0 then
    source:fail("tensor %s of shape %s has no whole blocks of %d", label, source.sizes_text(shape), per)
  end
  return { name = name, kind = kind, shape = shape, blocks = count // per, offset = offset }
end

-- Every tensor lies in the data, and none on another.
local function check_places(source, infos, start, alignment)
  local room, before = source:size() - start, 0
  local sorted = table.move(infos, 1, #infos, 1, {})
  table.sort(sorted, function(a, b) return a.offset < b.offset end)
  for _, info in ipairs(sorted) do
    local label = source.quote(info.name)
    if info.offset < 0 or info.offset % alignment ~= 0 or info.offset > room
      or info.blocks > (room - info.offset) // info.kind.size then
      source:fail("tensor %s does not lie in the file's %d bytes", label, source:size())
    end
    if info.offset < before then source:fail("tensor %s overlaps another one", label) end
    before = info.offset + info.blocks * info.kind.size
  end
end

--- A table of tensors by their names; and the metadata.
function M.read(source, options)
  if source:size() < 24 or source:bytes(0, 4, "the magic") ~= MAGIC then source:fail "is no GGUF file" end
  local r = setmetatable({ source = source, at = 4 }, Reader)
  local version = r:take("<I4", "the version")
  if version ~= 2 and version ~= 3 then
    source:fail("is of version %d of GGUF%s; 2 and 3 are known", version,
      version & 0xffff == 0 and ", or big endian" or "")
  end
  local tensors, pairs_ = r:count("tensors", 24), r:count("metadata", 13)
  local metadata = {}
  for _ = 1, pairs_ do
    local key = r:string "a key"
    if metadata[key] ~= nil then source:fail("has the key %s twice", source.quote(key)) end
    metadata[key] = r:value(r:take("<I4", "its metadata"), 1)
  end
  local infos, by_name = {}, {}
  for i = 1, tensors do
    infos[i] = read_info(r)
    if by_name[infos[i].name] then source:fail("has tensor %s twice", source.quote(infos[i].name)) end
    by_name[infos[i].name] = infos[i]
  end
  local alignment = metadata["general.alignment"] or 32
  if math.type(alignment) ~= "integer" or alignment < 1 or alignment > 1 << 20 then
    source:fail "has an alignment that is none"
  end
  local start = r.at + -r.at % alignment
  if tensors > 0 then check_places(source, infos, start, alignment) end
  return tree.flat(by_name, function(name)
    local info = by_name[name]
    local kind, at = info.kind, start + info.offset
    if kind.dtype then return options.finish(source:tensor(at, kind.dtype, info.shape)) end
    return options.finish(source.buffer:dequantize(kind.blocks, source.base + at, info.blocks * kind.size, info.shape))
  end, options.lazy), metadata
end

return M
