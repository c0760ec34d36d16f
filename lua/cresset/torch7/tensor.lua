-- tensor.lua: Torch7's tensors: an object that holds one of Cresset's in its field `raw`.
--
-- Holds true: methods that are named as verbs write the tensor they are called on, as in Torch7, and return it;
-- views share memory. A tensor without elements has no dims. All of a type's tensors have its dtype. Which tensor of
-- Cresset an object holds may change (resize, set), the object itself stays what scripts hold.

local cr = require "cresset"
local classes = require "cresset.torch7.class"
local storage = require "cresset.torch7.storage"

local Tensor = classes.class("torch.Tensor", nil, {})
local M = { Tensor = Tensor }

local dtypes = {
  Double = "float64", Float = "float32", Half = "float16", Long = "int64", Int = "int32", Short = "int16",
  Char = "int8", Byte = "uint8", Cuda = "float32",
}
local names = {}
for name, dtype in pairs(dtypes) do
  if name ~= "Cuda" then names[dtype] = name end
end
M.dtypes = dtypes
M.default = "Double"

-- Where the tensors of a type are.
local function device_of(name) return name == "Cuda" and "cuda" or "cpu" end

-- "torch.DoubleTensor", "Double" or a tensor -> "Double"
local function kind(what, where)
  if type(what) == "string" then
    local name = what:match "^torch%.(%a+)Tensor$" or what:match "^(%a+)Tensor$" or what
    if dtypes[name] then return name end
    error(where .. ": there is no type '" .. what .. "' of tensors", 3)
  end
  return M.kind_of(what)
end
M.kind = kind

function M.kind_of(x) return x.raw.device ~= "cpu" and "Cuda" or names[x.raw.dtype] end

function Tensor.typename_of(x)
  if not rawget(x, "raw") then return "torch.Tensor" end
  return "torch." .. M.kind_of(x) .. "Tensor"
end

function M.is(x) return type(x) == "table" and getmetatable(x) == Tensor end

-- Returns an object around a tensor of Cresset; bools become bytes.
function M.wrap(raw)
  if raw.dtype == "bool" then raw = raw:to "uint8" end
  return setmetatable({ raw = raw }, Tensor)
end
local wrap = M.wrap

-- The tensor of Cresset in an object, or a sentence.
function M.raw(x, where)
  if M.is(x) then return x.raw end
  error((where or "torch") .. ": a tensor is needed, got a " .. classes.type(x), 3)
end

function M.options(name) return { dtype = dtypes[name], device = device_of(name) } end

-- Sizes that were given as numbers, as one table or as a storage; nothing gives nil.
local function sizes(where, ...)
  local first = ...
  if type(first) ~= "table" then
    local list = table.pack(...)
    for i = 1, list.n do
      if math.type(list[i]) ~= "integer" then
        local whole = math.tointeger(list[i])
        if not whole then error(where .. ": sizes are integers, got " .. tostring(list[i]), 3) end
        list[i] = whole
      end
    end
    list.n = nil
    return list
  end
  local list = {}
  for i = 1, #first do list[i] = first[i] end
  return list
end
M.sizes = sizes

function M.empty(name) return wrap(cr.zeros({ 0 }, M.options(name))) end

-- torch.Tensor(): nothing, sizes, a table of numbers, a tensor or a storage whose memory is shared.
function M.new(name, ...)
  local first = ...
  if first == nil then return M.empty(name) end
  if M.is(first) then
    if M.kind_of(first) ~= name then
      error(("torch.%sTensor: cannot share the memory of a %s"):format(name, first:type()), 2)
    end
    return wrap(first.raw)
  end
  if storage.is(first) then
    if first.raw then return wrap(select("#", ...) > 1 and storage.view(first, select(2, ...)) or first.raw) end
    return wrap(cr.zeros(sizes("torch.Tensor", first), M.options(name)))
  end
  if type(first) == "table" then return wrap(cr.tensor(first, M.options(name))) end
  return wrap(cr.zeros(sizes("torch.Tensor", ...), M.options(name)))
end

-- What a method writes: in place where the shape is right, as a new tensor of the object's type where it is not.
function M.store(self, value)
  local raw = self.raw
  if cr.is_same_size(raw, value) then
    raw:copy_(value)
  elseif raw:numel() == value:numel() and raw:numel() > 0 and raw:is_contiguous() then
    self.raw = raw:view(value.shape)
    self.raw:copy_(value)
  else
    self.raw = value:to(raw.dtype):clone()
  end
  return self
end

-- Metamethods -------------------------------------------------------------------------------------------------------

-- An index as Cresset takes it: bytes are masks, a storage lists numbers.
local function place(i)
  if M.is(i) then
    local raw = i.raw
    return raw.dtype == "uint8" and raw:bool() or raw:to "int64"
  end
  if storage.is(i) then return sizes("index", i) end
  return i
end

local function at(self, key)
  local part = self.raw[place(key)]
  if part:dim() == 0 then return part:item() end
  return wrap(part)
end

function Tensor.__index(self, key)
  local kind_of_key = type(key)
  if kind_of_key == "string" then return Tensor[key] end
  if kind_of_key == "number" or kind_of_key == "table" then return at(self, key) end
  return nil
end

function Tensor.__newindex(self, key, value)
  if type(key) == "string" then return rawset(self, key, value) end
  local index = place(key)
  if M.is(value) then
    value = value.raw
    if not M.is(key) then
      local part = self.raw[index]
      if part:numel() == value:numel() then value = value:reshape(part.shape) end
    elseif value:dim() > 0 then
      self.raw:masked_scatter_(index, value:to(self.raw.dtype))
      return
    end
    value = value:to(self.raw.dtype)
  end
  self.raw[index] = value
end

function Tensor.__len(self) return self:size() end

function Tensor.__tostring(self)
  local raw = self.raw
  if raw:numel() == 0 then return "[" .. self:type() .. " with no dimension]" end
  return (tostring(raw):gsub("%[%w+ tensor of size ([%dx]+)[^%]]*%]$", "[" .. self:type() .. " of size %1]"))
end

-- Sizes and types ---------------------------------------------------------------------------------------------------

function Tensor:type(name)
  if not name then return Tensor.typename_of(self) end
  local to = kind(name, "type")
  if to == M.kind_of(self) then return self end
  return wrap(self.raw:to(M.options(to)))
end

for name in pairs(dtypes) do
  Tensor[name:lower()] = function(self) return self:type(name) end
end

function Tensor:typeAs(other) return self:type(M.kind_of(other)) end

function Tensor:dim() return self.raw:numel() == 0 and 0 or self.raw:dim() end
Tensor.nDimension = Tensor.dim

function Tensor:size(d)
  local shape = self.raw.shape
  if d then
    if self:dim() == 0 or not shape[d] then
      error(("size: dim %s of a tensor of %d dims"):format(tostring(d), self:dim()), 2)
    end
    return shape[d]
  end
  local list = {}
  for i = 1, self:dim() do list[i] = shape[i] end
  return storage.Long(list)
end

function Tensor:stride(d)
  local strides = self.raw:stride()
  if d then return strides[d] end
  local list = {}
  for i = 1, self:dim() do list[i] = strides[i] end
  return storage.Long(list)
end

function Tensor:nElement() return self.raw:numel() end
Tensor.numel = Tensor.nElement

function Tensor:storageOffset() return self.raw:storage_offset() + 1 end
function Tensor:storage() return storage.of(self.raw, M.kind_of(self)) end
function Tensor:isContiguous() return self.raw:is_contiguous() end
function Tensor:contiguous() return self.raw:is_contiguous() and self or wrap(self.raw:contiguous()) end
function Tensor:isSameSizeAs(other) return cr.is_same_size(self.raw, other.raw) end
Tensor.isSize = function(self, size)
  local mine = self:size()
  if #mine ~= #size then return false end
  for i = 1, #mine do
    if mine[i] ~= size[i] then return false end
  end
  return true
end
function Tensor:clone() return wrap(self.raw:clone()) end
function Tensor:new(...) return M.new(M.kind_of(self), ...) end
function Tensor:isTensor() return M.is(self) end
function Tensor:totable() return self.raw:totable() end
Tensor.table = Tensor.totable
-- x:set(other): the memory of another tensor, or of a storage from an offset on.
function Tensor:set(other, ...)
  if other == nil then
    self.raw = M.empty(M.kind_of(self)).raw
  elseif M.is(other) then
    self.raw = other.raw
  else
    self.raw = storage.view(other, ...)
  end
  return self
end

-- Resizing keeps the elements in their order as far as there are any; more of them are 0.
function Tensor:resize(...)
  local list = sizes("resize", ...)
  local n = 1
  for _, size in ipairs(list) do n = n * size end
  local raw, old = self.raw, self.raw:numel()
  if n == old and raw:is_contiguous() then
    self.raw = raw:view(list)
    return self
  end
  local fresh = cr.zeros({ n }, { dtype = raw.dtype, device = raw.device })
  local kept = math.min(n, old)
  if kept > 0 then fresh:narrow(1, 1, kept):copy_(raw:reshape { -1 }:narrow(1, 1, kept)) end
  self.raw = fresh:view(list)
  return self
end

function Tensor:resizeAs(other)
  if cr.is_same_size(self.raw, other.raw) then return self end
  return self:resize(other:size())
end

function Tensor:copy(other)
  local from = M.raw(other, "copy")
  if from:numel() ~= self.raw:numel() then
    error(("copy: %d elements into %d"):format(from:numel(), self.raw:numel()), 2)
  end
  self.raw:copy_(from:reshape(self.raw.shape))
  return self
end

function Tensor:fill(value)
  self.raw:fill_(value)
  return self
end

function Tensor:zero() return self:fill(0) end

return M
