-- t7.lua: what torch.save of Torch7 wrote, read: binary and ascii, tensors, storages, tables, and its nn modules.
--
-- Holds true: objects that the file has once are one object; tensors of one storage share memory. Integers of 64 bits
-- stay exact. Functions are refused: no code of a file is run. Objects of classes are tables with their fields, or what
-- t7_nn.lua makes of them. Layout: torch7's File.lua and serialize of tensors.

local cr = require "cresset"
local core = require "cresset.io.core"

local M = {}

local NIL, NUMBER, STRING, TABLE, OBJECT, BOOLEAN = 0, 1, 2, 3, 4, 5
local DEPTH = 180 -- tables in tables: the file's nesting is walked by calls

-- ---- The two ways of writing --------------------------------------------------------------------

local Binary = {}
Binary.__index = Binary

function Binary:take(format, what)
  local v = self.source:unpack(format, self.at, what)
  self.at = self.at + string.packsize(format)
  return v
end
function Binary:int() return self:take("<i4", "a number") end
function Binary:long() return self:take("<i8", "a number") end
function Binary:double() return self:take("<d", "a number") end
function Binary:truth() return self:int() ~= 0 end
function Binary:string()
  local n = self:int()
  local s = self.source:bytes(self.at, n, "a text")
  self.at = self.at + n
  return s
end
function Binary:longs(n)
  local list = {}
  for i = 1, n do list[i] = self:long() end
  return list
end
-- n elements, as a tensor over the file's bytes.
function Binary:elements(kind, n)
  local room = self.source:size() - self.at
  if n > room // kind.size then self.source:fail("ends inside a storage of %d elements", n) end
  local x = self.source:tensor(self.at, kind.dtype, { n })
  self.at = self.at + n * kind.size
  return x
end

local Ascii = {}
Ascii.__index = Ascii

-- The next word: everything up to a space or the end of the line.
function Ascii:word()
  local first, last = self.text:find("%S+", self.at)
  if not first then self.source:fail "ends inside a number" end
  self.at = last + 1
  return self.text:sub(first, last)
end
function Ascii:long()
  local word = self:word()
  return math.tointeger(tonumber(word)) or self.source:fail("has %s where an integer belongs", self.source.quote(word))
end
Ascii.int = Ascii.long
local odd = { nan = cr.nan, ["-nan"] = cr.nan, inf = math.huge, ["-inf"] = -math.huge }
function Ascii:double()
  local word = self:word()
  local x = odd[word:lower()] or tonumber(word) or self.source:fail("has %s where a number belongs",
    self.source.quote(word))
  return x + 0.0
end
function Ascii:truth() return self:long() ~= 0 end
function Ascii:string()
  local n = self:long()
  local from = self.at + 1 -- after the end of the line
  if n < 0 or from + n - 1 > #self.text then self.source:fail "ends inside a text" end
  self.at = from + n
  return self.text:sub(from, from + n - 1)
end
Ascii.longs = Binary.longs
function Ascii:elements(kind, n)
  if n > (#self.text - self.at + 2) // 2 then self.source:fail("ends inside a storage of %d elements", n) end
  if kind.bytes then -- characters come as they are, after the end of the line
    local from = self.at + 1
    if from + n - 1 > #self.text then self.source:fail("ends inside a storage of %d elements", n) end
    self.at = from + n
    return core.string_tensor(self.text, from - 1, kind.dtype, { n })
  end
  local list, take = {}, kind.dtype:find "^float" and self.double or self.long
  for i = 1, n do list[i] = take(self) end
  return cr.tensor(n > 0 and list or {}, { dtype = kind.dtype })
end

-- ---- Objects ------------------------------------------------------------------------------------

-- The dtypes of Torch7's classes; those of CUDA come to the CPU.
local elements = {}
for name, dtype, size in ([[Double float64 8 Float float32 4 Half float16 2 Long int64 8 Int int32 4 Short int16 2
  Char int8 1 Byte uint8 1 Cuda float32 4 CudaDouble float64 8 CudaHalf float16 2 CudaLong int64 8 CudaInt int32 4
  CudaShort int16 2 CudaChar int8 1 CudaByte uint8 1]]):gmatch "(%w+)%s+(%w+)%s+(%d)" do
  elements[name] = { dtype = dtype, size = math.tointeger(tonumber(size)), bytes = size == "1" }
end

local Reader = {}
Reader.__index = Reader

function Reader:storage(kind)
  local n = self.from:long()
  if n < 0 then self.source:fail "has a storage of negative size" end
  return { is_storage = true, kind = kind, data = self.from:elements(kind, n) }
end

-- A view of its storage: sizes, strides, and a place from 1.
function Reader:tensor(kind, depth)
  local source, from = self.source, self.from
  local n = from:int()
  if n < 0 or n > 16 then source:fail("has a tensor of %d dims", n) end
  local shape, stride, first = from:longs(n), from:longs(n), from:long()
  local storage = self:value(depth + 1)
  if storage == nil or n == 0 then return cr.empty({ 0 }, { dtype = kind.dtype }) end
  if type(storage) ~= "table" or not storage.is_storage or storage.kind.dtype ~= kind.dtype then
    source:fail "has a tensor whose storage is none"
  end
  local count, last, room = source.count(shape), first, storage.data:numel()
  for d = 1, n do
    if not count or stride[d] < 0 or stride[d] > 1 << 40 then
      source:fail("has a tensor of shape %s with strides %s", source.sizes_text(shape), source.sizes_text(stride))
    end
    if count > 0 and shape[d] > 1 and stride[d] > room then last = room + 1 end
    last = math.min(last + (shape[d] - 1) * stride[d], 1 << 61)
  end
  if count == 0 then return cr.empty(shape, { dtype = kind.dtype }) end
  if first < 1 or last > room then
    source:fail("has a tensor of shape %s that reaches beyond its storage of %d", source.sizes_text(shape), room)
  end
  return self.finish(storage.data:as_strided(shape, stride, first - 1):detach())
end

function Reader:object(depth)
  local index = self.from:int()
  local known = self.objects[index]
  if known ~= nil then return known end
  local class = self.from:string()
  if class:find "^V %d+$" then class = self.from:string() end -- the version was first
  local name, what = class:match "^torch%.(%w-)(Tensor)$"
  if not name then name, what = class:match "^torch%.(%w-)(Storage)$" end
  local kind = elements[name]
  if kind and what == "Storage" then
    self.objects[index] = self:storage(kind)
  elseif kind then
    self.objects[index] = self:tensor(kind, depth)
  else
    local object = {}
    self.objects[index] = object
    local fields = self:value(depth + 1)
    if fields ~= nil and type(fields) ~= "table" then
      self.source:fail("has a %s without fields", self.source.quote(class))
    end
    for key, v in pairs(fields or {}) do object[key] = v end
    object.__class = class
    self.classes = true
  end
  return self.objects[index]
end

function Reader:table(depth)
  local index = self.from:int()
  local known = self.objects[index]
  if known ~= nil then return known end
  local t, n = {}, self.from:int()
  self.objects[index] = t
  if n < 0 then self.source:fail "has a table of negative size" end
  for _ = 1, n do
    local key, v = self:value(depth + 1), self:value(depth + 1)
    if key == nil or key ~= key then self.source:fail "has a table with a key that is none" end
    t[key] = v
  end
  return t
end

-- A whole number is an integer here: Torch7 had doubles only.
local function number(x)
  return math.tointeger(x) or x
end

function Reader:value(depth)
  if depth > DEPTH then self.source:fail("is nested deeper than %d tables", DEPTH) end
  local kind = self.from:int()
  if kind == NIL then return nil end
  if kind == NUMBER then return number(self.from:double()) end
  if kind == STRING then return self.from:string() end
  if kind == BOOLEAN then return self.from:truth() end
  if kind == TABLE then return self:table(depth) end
  if kind == OBJECT then return self:object(depth) end
  if kind >= 6 and kind <= 8 then self.source:fail "holds a function, which would be code: it is refused" end
  self.source:fail("has a value of the unknown kind %d", kind)
end

-- Whether the file begins with a number written in digits.
local function is_ascii(source)
  return source:bytes(0, math.min(source:size(), 2), "its head"):find "^%d%s" ~= nil
end

--- What was saved, as it is in the file: tensors of Cresset, tables, { is_storage, data } for storages, and tables of
-- fields with their class in __class; and whether there are such.
function M.objects(source, finish)
  if source:size() < 4 and not is_ascii(source) then source:fail "is no file of Torch7" end
  local from
  if is_ascii(source) then
    from = setmetatable({ source = source, text = source:bytes(0, source:size(), "its text"), at = 1 }, Ascii)
  else
    from = setmetatable({ source = source, at = 0 }, Binary)
  end
  local r = setmetatable({ source = source, from = from, objects = {}, finish = finish }, Reader)
  local value = r:value(1)
  return value, r.classes
end

--- The same with storages as tensors of one dim, and objects of nn as modules of cr.nn.
function M.read(source, options)
  local value, classes = M.objects(source, options.finish)
  return M.settle(source, value, classes), nil
end

-- Storages that stand for themselves become tensors, modules of nn those of ours; no table is walked twice.
function M.settle(source, value, classes)
  if type(value) ~= "table" then return value end
  local modules = classes and require "cresset.io.t7_nn"
  local done, open = {}, {}
  local function of(v)
    if type(v) ~= "table" then return v end
    if v.is_storage then return v.data end
    if done[v] ~= nil then return done[v] end
    if type(v.__class) == "string" and modules then
      if open[v] then source:fail "holds a module that is a part of itself" end
      open[v] = true
      done[v] = modules.convert(source, v, of)
      if done[v] then return done[v] end
    end
    done[v] = v
    for key, child in next, v do v[key] = of(child) end
    return v
  end
  return of(value)
end

return M
