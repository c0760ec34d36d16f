-- torch.lua: what torch.save writes, read and written: zip archives of a pickle and the bytes of storages.
--
-- Holds true: the pickle runs nothing (pickle.lua): besides plain values it may name the classes and functions below,
-- and nothing else. Tensors of one storage share memory here, too; those that are one object there are one here.
-- Layout: torch/serialization.py; a member "<name>/data.pkl", and "<name>/data/<key>" for each storage.

local cr = require "cresset"
local core = require "cresset.io.core"
local pickle = require "cresset.io.pickle"
local zip = require "cresset.io.zip"
local quote = require("cresset.io.source").quote

local M = {}

-- The dtypes of the classes of storages.
local storages = {}
for name, dtype in ([[Double float64 Float float32 Half float16 BFloat16 bfloat16 Long int64 Int int32 Short int16
  Char int8 Byte uint8 Bool bool]]):gmatch "(%w+)%s+(%w+)" do
  storages[name .. "Storage"] = dtype
end

-- ---- Names that a pickle may have ---------------------------------------------------------------

local globals = {}
for class, dtype in pairs(storages) do
  globals["torch." .. class] = { storage = dtype }
  globals["torch.storage." .. class] = globals["torch." .. class]
end
globals["torch.storage.UntypedStorage"] = { storage = "uint8" }
globals["torch.UntypedStorage"] = globals["torch.storage.UntypedStorage"]
for dtype in ("float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool uint16 uint32 uint64"):gmatch "%w+" do
  globals["torch." .. dtype] = dtype
end
globals["torch.double"], globals["torch.float"], globals["torch.half"] = "float64", "float32", "float16"
globals["torch.long"], globals["torch.int"], globals["torch.short"] = "int64", "int32", "int16"

-- A tensor in the making: a table that stands for it until all references to its storage are known.
local function tensor(m, storage, offset, size, stride, dtype)
  local s = type(storage) == "table" and storage.is_storage and storage
  local ints = math.type(offset) == "integer" and offset >= 0 and m:kind(size) == "tuple" and m:kind(stride) == "tuple"
    and #size == #stride and #size <= 16
  for d = 1, ints and #size or 0 do
    ints = ints and math.type(size[d]) == "integer" and size[d] >= 0 and math.type(stride[d]) == "integer"
      and stride[d] >= 0
  end
  if not s or not ints or type(dtype) ~= "string" then m:fail "has a tensor that is none" end
  local t = { is_tensor = true, storage = s, offset = offset, size = size, stride = stride, dtype = dtype }
  m.tensors[#m.tensors + 1] = t
  s.count = s.count + 1
  return t
end

globals["torch._utils._rebuild_tensor_v2"] = { call = function(m, args)
  return tensor(m, args[1], args[2], args[3], args[4], type(args[1]) == "table" and args[1].dtype)
end }
globals["torch._utils._rebuild_tensor"] = globals["torch._utils._rebuild_tensor_v2"]
globals["torch._utils._rebuild_tensor_v3"] = { call = function(m, args)
  return tensor(m, args[1], args[2], args[3], args[4], args[7])
end }
globals["torch._utils._rebuild_parameter"] = { call = function(m, args)
  if type(args[1]) ~= "table" or not args[1].is_tensor then m:fail "has a parameter that is no tensor" end
  return args[1]
end }
globals["torch._utils._rebuild_parameter_with_state"] = globals["torch._utils._rebuild_parameter"]
globals["torch._tensor._rebuild_from_type_v2"] = { call = function(m, args)
  local f = args[1]
  if type(f) ~= "table" or not f.call or m:kind(args[3]) ~= "tuple" then m:fail "has a tensor that is none" end
  return f.call(m, args[3])
end }
globals["torch.nn.parameter.Parameter"] = {}
globals["torch.Tensor"], globals["torch._tensor.Tensor"] = {}, {}
-- With pairs or none.
globals["collections.OrderedDict"] = { call = function(m, args)
  local dict = m:new "dict"
  for _, pair in ipairs(type(args[1]) == "table" and args[1] or {}) do
    if type(pair) ~= "table" then m:fail "has a dict that is none" end
    m:set_items(dict, pair, 2)
  end
  return dict
end }
globals["collections.defaultdict"] = { call = function(m) return m:new "dict" end }
globals["builtins.dict"], globals["__builtin__.dict"] = {}, {}
globals["builtins.list"], globals["__builtin__.list"] = {}, {}
globals["builtins.int"], globals["builtins.float"] = {}, {}
globals["torch.Size"] = { call = function(m, args)
  if type(args[1]) ~= "table" then m:fail "has a torch.Size that is none" end
  return args[1]
end }
globals["torch.device"] = { call = function(m, args)
  local name, number = args[1], args[2]
  if type(name) ~= "string" then m:fail "has a device without a name" end
  return math.type(number) == "integer" and ("%s:%d"):format(name, number) or name
end }
-- Bytes, in the protocols that have no opcode for them: a text of characters below 256.
globals["_codecs.encode"] = { call = function(m, args)
  local text = args[1]
  if type(text) ~= "string" or args[2] ~= "latin1" or not utf8.len(text) then m:fail "has bytes that are none" end
  return (text:gsub(utf8.charpattern, function(c)
    local code = utf8.codepoint(c)
    if code > 255 then m:fail "has bytes that are none" end
    return string.char(code)
  end))
end }
globals["torch.serialization._get_layout"] = { call = function() return "strided" end }

-- ---- Storages and tensors -----------------------------------------------------------------------

-- ("storage", class, key, location, how many)
local function persistent(m, id)
  if type(id) ~= "table" or id[1] ~= "storage" or type(id[2]) ~= "table" or not id[2].storage
    or type(id[3]) ~= "string" or math.type(id[5]) ~= "integer" then
    m:fail "refers to something else than a storage"
  end
  local name, dtype = m.root .. "data/" .. id[3], id[2].storage
  local member = m.members[name]
  if not member then m:fail("refers to the storage %s, which is not there", quote(name)) end
  local s = m.storages[id[3]]
  if not s then
    s = { is_storage = true, dtype = dtype, member = member, count = 0 }
    m.storages[id[3]] = s
  end
  if s.dtype ~= dtype then m:fail("has storage %s as two kinds", quote(name)) end
  return s
end

local sizes = setmetatable({}, { __index = function(t, dtype)
  t[dtype] = cr.empty({ 0 }, { dtype = dtype }):element_size()
  return t[dtype]
end })

-- All elements of a storage in a dtype, in the order of bytes of this machine: one tensor for all who share it.
local function whole(m, s, dtype)
  s.whole = s.whole or {}
  if not s.whole[dtype] then
    local buffer, start = zip.bytes_of(m.source, s.member, false)
    local x = buffer:tensor(start, dtype, { s.member.size // sizes[dtype] })
    s.whole[dtype] = m.swapped and core.swap_bytes(x) or x
  end
  return s.whole[dtype]
end

local function make(m, t)
  local size, last = sizes[t.dtype], t.offset
  if m.source.count(t.size) == nil then m:fail("has a tensor of shape %s", m.source.sizes_text(t.size)) end
  local empty = m.source.count(t.size) == 0
  for d, n in ipairs(t.size) do
    if not empty and (n - 1) > 0 and t.stride[d] > (1 << 56) // (n - 1) then last = 1 << 60 end
    last = math.min(last + (empty and 0 or (n - 1) * t.stride[d]), 1 << 60)
  end
  if empty then return cr.empty({ table.unpack(t.size) }, { dtype = t.dtype }) end
  if last >= t.storage.member.size // size then
    m:fail("has a tensor of shape %s that reaches beyond its storage", m.source.sizes_text(t.size))
  end
  if t.storage.count == 1 and not m.swapped then
    local buffer, start = zip.bytes_of(m.source, t.storage.member, false)
    return buffer:tensor(start + t.offset * size, t.dtype, t.size, t.stride)
  end
  return whole(m, t.storage, t.dtype):as_strided(t.size, t.stride, t.offset):detach()
end

-- Puts tensors in the place of what stands for them, in tables of every depth; no table is walked twice.
local function settle(m, value, options)
  local made, todo, seen = {}, {}, {}
  local function of(v)
    if type(v) ~= "table" then return v end
    if v.is_tensor and not m:kind(v) then
      made[v] = made[v] or options.finish(make(m, v))
      return made[v]
    end
    if not m:kind(v) then m:fail "leaves a name of Python where a value is needed" end
    if not seen[v] then
      seen[v] = true
      todo[#todo + 1] = v
    end
    return v
  end
  local root = of(value)
  while #todo > 0 do
    local t = table.remove(todo)
    for key, v in next, t do t[key] = of(v) end
  end
  return root
end

-- ---- Reading ------------------------------------------------------------------------------------

local function refuse_other(source)
  local head = source:bytes(0, math.min(source:size(), 16), "its head")
  if head:find("^\x80[\2-\5]\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19") then
    source:fail "was written by PyTorch before 1.6, without a zip archive; torch.save it again"
  end
end

--- What was saved: dicts, lists and tuples as tables.
function M.read(source, options)
  refuse_other(source)
  local members = zip.open(source)
  local data
  for _, e in ipairs(members) do
    if e.name:find "/data%.pkl$" and not e.name:find "/.*/" then data = e end
    if e.name:find "/constants%.pkl$" then
      source:fail "is a TorchScript program, which holds code; save its state_dict()"
    end
  end
  if not data then source:fail "has no member data.pkl, so torch.save did not write it" end
  local root = data.name:sub(1, -9)
  local buffer, start = zip.bytes_of(source, data, true)
  local order = members[root .. "byteorder"]
  if order then
    local b, at = zip.bytes_of(source, order, true)
    order = b:bytes(at, order.size)
  end
  local context = { members = members, root = root, storages = {}, tensors = {}, swapped = order == "big" }
  local settings = { globals = globals, persistent = persistent, context = context }
  settings.build = function(_, object) return type(object) == "table" and object.is_tensor end
  local value, m = pickle.read(source, buffer:bytes(start, data.size), settings)
  return settle(m, value, options)
end

-- ---- Writing ------------------------------------------------------------------------------------

local classes = {}
for class, dtype in pairs(storages) do classes[dtype] = class end

local Writer = {}
Writer.__index = Writer

function Writer:add(text) self.parts[#self.parts + 1] = text end

local function refuse(path, message)
  cr.raise(("save: x%s %s"):format(#path > 0 and "[" .. table.concat(path, "][") .. "]" or "", message))
end

function Writer:text(s, path)
  if not utf8.len(s) then refuse(path, "is a string that is no UTF-8, which a .pt file does not take") end
  self:add("X" .. string.pack("<I4", #s) .. s)
end

function Writer:integer(n)
  local short = n >= -0x80000000 and n < 0x80000000
  self:add(short and "J" .. string.pack("<i4", n) or "\x8a\8" .. string.pack("<i8", n))
end

function Writer:ints(list)
  self:add "("
  for _, n in ipairs(list) do self:integer(n) end
  self:add "t"
end

-- A tensor as its elements in row-major order, in a storage of its own; the same tensor again is the same one.
function Writer:tensor(x, path)
  local known = self.tensors[x]
  if known then self:add("j" .. string.pack("<I4", known)) return end
  if not classes[x.dtype] then
    refuse(path, ("is a tensor of %s, which a .pt file does not take; .safetensors does"):format(x.dtype))
  end
  local key = #self.list
  self.list[key + 1] = x
  self:add "ctorch._utils\n_rebuild_tensor_v2\n(("
  self:text("storage", path)
  self:add("ctorch\n" .. classes[x.dtype] .. "\n")
  self:text(tostring(key), path)
  self:text("cpu", path)
  self:integer(x:numel())
  self:add "tQK\0"
  local shape, stride, step = x.shape, {}, 1
  for d = #shape, 1, -1 do stride[d], step = step, step * math.max(shape[d], 1) end
  self:ints(shape)
  self:ints(stride)
  self:add "\x89ccollections\nOrderedDict\n)RtR"
  self.tensors[x] = self.count
  self:add("r" .. string.pack("<I4", self.count))
  self.count = self.count + 1
end

function Writer:table(t, path)
  if self.open[t] or #path > 100 then refuse(path, "is nested too deep, or a table that it stands in") end
  local meta = getmetatable(t)
  if meta ~= nil and (type(meta) ~= "table" or meta.__index ~= nil) then
    refuse(path, "is an object with methods; save what its state_dict() gives")
  end
  self.open[t] = true
  local n, keys = #t, {}
  for key in next, t do keys[#keys + 1] = key end
  local list = n > 0 and n == #keys
  self:add(list and "](" or "}(")
  if not list then table.sort(keys, function(a, b) return tostring(a) < tostring(b) end) end
  for i, key in ipairs(keys) do
    key = list and i or key
    path[#path + 1] = type(key) == "string" and quote(key) or tostring(key)
    if not list then self:value(key, path) end
    self:value(t[key], path)
    path[#path] = nil
  end
  self:add(list and "e" or "u")
  self.open[t] = nil
end

function Writer:value(v, path)
  if cr.is_tensor(v) then self:tensor(v, path)
  elseif type(v) == "table" then self:table(v, path)
  elseif type(v) == "string" then self:text(v, path)
  elseif type(v) == "boolean" then self:add(v and "\x88" or "\x89")
  elseif math.type(v) == "integer" then self:integer(v)
  elseif type(v) == "number" then self:add("G" .. string.pack(">d", v))
  else refuse(path, "is a " .. type(v) .. ", which a .pt file does not take") end
end

--- Writes tensors, nested tables and plain values as torch.load(path) reads them: lists as lists, the rest as dicts.
function M.write(path, value)
  local w = setmetatable({ parts = {}, list = {}, tensors = {}, open = {}, count = 0 }, Writer)
  w:add "\x80\2"
  w:value(value, {})
  w:add "."
  local writer <close> = core.writer(path)
  local archive = zip.create(writer)
  archive:add("archive/data.pkl", { table.concat(w.parts) }, 64)
  archive:add("archive/byteorder", { "little" }, 64)
  for i, x in ipairs(w.list) do
    archive:add(("archive/data/%d"):format(i - 1), { x:detach():cpu():contiguous() }, 64)
  end
  archive:add("archive/version", { "3\n" }, 64)
  archive:finish()
  writer:commit()
end

return M
