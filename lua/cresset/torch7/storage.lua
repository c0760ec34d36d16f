-- storage.lua: Torch7's storages: one line of numbers, of which tensors are views.
--
-- Holds true: a storage made of sizes holds a table of integers (the sizes of tensors are such storages); one that
-- belongs to a tensor holds a one-dimensional view of its memory, in `raw`.

local cr = require "cresset"

local Storage = { __typename = "torch.Storage" }
local M = {}

function M.is(x) return type(x) == "table" and getmetatable(x) == Storage end

local function make(fields) return setmetatable(fields, Storage) end

-- Integers, from a table or so many zeros.
function M.Long(x, ...)
  local list = {}
  if type(x) == "table" then
    for i = 1, #x do list[i] = x[i] end
  else
    for i = 1, x or 0 do list[i] = 0 end
    if select("#", ...) > 0 then list = { x, ... } end
  end
  return make { list = list, kind = "Long" }
end

function M.new(kind, dtype, x)
  if kind == "Long" then return M.Long(x) end
  local raw
  if type(x) == "table" then
    raw = cr.tensor(x, { dtype = dtype })
  else
    raw = cr.zeros({ x or 0 }, { dtype = dtype })
  end
  return make { raw = raw, kind = kind }
end

-- The memory from its start to the last element of a tensor.
function M.of(raw, kind)
  local last = raw:storage_offset()
  local strides = raw:stride()
  for d, size in ipairs(raw.shape) do last = last + (size - 1) * strides[d] end
  return make { raw = raw:as_strided({ raw:numel() == 0 and 0 or last + 1 }, { 1 }, 0), kind = kind }
end

-- A view: offset (from 1), then pairs of size and stride, or two storages of them.
function M.view(self, offset, ...)
  if not self.raw then error("set: a storage of sizes holds no numbers of tensors", 3) end
  local size, stride = {}, {}
  local first, second = ...
  if M.is(first) or type(first) == "table" then
    for i = 1, #first do size[i] = first[i] end
    for i = 1, second and #second or 0 do stride[i] = second[i] end
  else
    local rest = { ... }
    for i = 1, #rest, 2 do
      size[#size + 1] = rest[i]
      stride[#stride + 1] = rest[i + 1]
    end
  end
  if #size == 0 then size[1] = #self - (offset or 1) + 1 end
  local step = 1
  for i = #size, 1, -1 do
    if not stride[i] or stride[i] < 0 then stride[i] = step end
    step = stride[i] * size[i]
  end
  return self.raw:as_strided(size, stride, (offset or 1) - 1)
end

local methods = {}

function methods:size() return #self end
function methods:totable()
  if self.raw then return self.raw:totable() end
  return table.move(self.list, 1, #self.list, 1, {})
end
methods.table = methods.totable
function methods:type() return "torch." .. self.kind .. "Storage" end
function methods:fill(value)
  for i = 1, #self do self[i] = value end
  return self
end
function methods:copy(other)
  for i = 1, #self do self[i] = other[i] end
  return self
end
function methods:resize(n)
  if self.raw then
    local fresh = cr.zeros({ n }, { dtype = self.raw.dtype })
    local kept = math.min(n, #self)
    if kept > 0 then fresh:narrow(1, 1, kept):copy_(self.raw:narrow(1, 1, kept)) end
    self.raw = fresh
  else
    for i = n + 1, #self.list do self.list[i] = nil end
    for i = #self.list + 1, n do self.list[i] = 0 end
  end
  return self
end

function Storage.__index(self, key)
  if type(key) == "number" then
    local raw = rawget(self, "raw")
    if not raw then return rawget(self, "list")[key] end
    if key < 1 or key > raw:numel() then error("a storage has no element " .. tostring(key), 2) end
    return raw[key]:item()
  end
  return methods[key]
end

function Storage.__newindex(self, key, value)
  if type(key) ~= "number" then return rawset(self, key, value) end
  local raw = rawget(self, "raw")
  local n = #self
  if key < 1 or key > n then error("a storage of " .. n .. " has no element " .. tostring(key), 2) end
  if raw then raw[key] = value else rawget(self, "list")[key] = value end
end

function Storage.__len(self)
  local raw = rawget(self, "raw")
  return raw and raw:numel() or #rawget(self, "list")
end

function Storage.__eq(a, b)
  if #a ~= #b then return false end
  for i = 1, #a do
    if a[i] ~= b[i] then return false end
  end
  return true
end

function Storage.__tostring(self)
  local lines = {}
  for i = 1, #self do lines[i] = (" %s\n"):format(self[i]) end
  return table.concat(lines) .. ("[torch.%sStorage of size %d]"):format(self.kind, #self)
end

function Storage.typename_of(x) return "torch." .. rawget(x, "kind") .. "Storage" end

return M
