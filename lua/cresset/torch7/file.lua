-- file.lua: torch.save and torch.load: Torch7's own files, binary.
--
-- Holds true: what is written is read by Torch7 and by cr.load; no code is written or run, so functions are refused. An
-- object that is saved twice is one object again; tensors that are views of one memory are not, each brings its own.

local cr = require "cresset"
local classes = require "cresset.torch7.class"
local core = require "cresset.io.core"
local storage = require "cresset.torch7.storage"
local T = require "cresset.torch7.tensor"

local M = {}

local NIL, NUMBER, STRING, TABLE, OBJECT, BOOLEAN = 0, 1, 2, 3, 4, 5

local function int(n) return string.pack("<i4", n) end
local function text(s) return int(#s) .. s end

-- Fields of modules that hold what lasts from a call of forward to the next one of backward.
local passing = { _graph = true, _last = true, _recording = true }

local Writer = {}
Writer.__index = Writer

-- Writes the kind and the number of an object; whether it was written before.
function Writer:known(kind, x)
  local index = self.indices[x]
  if not index then
    self.count = self.count + 1
    self.indices[x] = self.count
  end
  self.file:put(int(kind) .. int(index or self.count))
  return index ~= nil
end

function Writer:class(name) self.file:put(text "V 1" .. text(name)) end

function Writer:elements(raw, kind)
  self.file:put(int(OBJECT))
  self.count = self.count + 1
  self.file:put(int(self.count))
  self:class("torch." .. kind .. "Storage")
  self.file:put(string.pack("<i8", raw:numel()))
  if raw:numel() > 0 then self.file:put(raw:reshape { -1 }:contiguous()) end
end

function Writer:tensor(x)
  if self:known(OBJECT, x) then return end
  local kind = T.kind_of(x)
  kind = kind == "Cuda" and "Float" or kind
  self:class("torch." .. kind .. "Tensor")
  local raw = x.raw:cpu():contiguous()
  local n = x:dim()
  local head, step, strides = { int(n) }, 1, {}
  for d = n, 1, -1 do
    strides[d] = step
    step = step * raw.shape[d]
  end
  for d = 1, n do head[#head + 1] = string.pack("<i8", raw.shape[d]) end
  for d = 1, n do head[#head + 1] = string.pack("<i8", strides[d]) end
  head[#head + 1] = string.pack("<i8", 1)
  self.file:put(table.concat(head))
  if n == 0 then return self.file:put(int(NIL)) end
  self:elements(raw, kind)
end

function Writer:storage(x)
  if self:known(OBJECT, x) then return end
  self:class(x:type())
  local raw = x.raw or cr.tensor(x.list, { dtype = "int64" })
  self.file:put(string.pack("<i8", raw:numel()))
  if raw:numel() > 0 then self.file:put(raw:contiguous()) end
end

function Writer:fields(x, keep)
  local n = 0
  for key in next, x do n = n + (keep(key) and 1 or 0) end
  self.file:put(int(n))
  for key, value in next, x do
    if keep(key) then
      self:value(key, key)
      self:value(value, key)
    end
  end
end

local function all() return true end
local function lasting(key) return not passing[key] end

function Writer:value(x, key)
  local what = type(x)
  if x == nil then
    self.file:put(int(NIL))
  elseif what == "number" then
    self.file:put(int(NUMBER) .. string.pack("<d", x))
  elseif what == "string" then
    self.file:put(int(STRING) .. text(x))
  elseif what == "boolean" then
    self.file:put(int(BOOLEAN) .. int(x and 1 or 0))
  elseif T.is(x) then
    self:tensor(x)
  elseif storage.is(x) then
    self:storage(x)
  elseif what == "table" and classes.typename(x) then
    if self:known(OBJECT, x) then return end
    self:class(classes.typename(x))
    self.count = self.count + 1
    self.file:put(int(TABLE) .. int(self.count))
    self:fields(x, lasting)
  elseif what == "table" then
    if self:known(TABLE, x) then return end
    self:fields(x, all)
  else
    error(("torch.save: '%s' is a %s, which a file cannot hold"):format(tostring(key), what), 0)
  end
end

--- torch.save(path, x): a number, string, boolean, table, tensor, storage or object of a class. The old file stays
-- until the new one is whole.
function M.save(path, x)
  local file <close> = core.writer(path)
  local writer = setmetatable({ file = file, indices = {}, count = 0 }, Writer)
  local ok, message = pcall(writer.value, writer, x, "it")
  if not ok then error(message, 2) end
  file:commit()
end

-- Objects of the file as Torch7's; no table is walked twice.
local function revive(value)
  local done = {}
  local function of(v)
    if cr.is_tensor(v) then
      done[v] = done[v] or T.wrap(v)
      return done[v]
    end
    if type(v) ~= "table" then return v end
    if done[v] then return done[v] end
    if v.is_storage then
      done[v] = storage.of(v.data, T.kind_of { raw = v.data })
      return done[v]
    end
    local object = v
    if v.__class then
      object = classes.factory(v.__class)
      v.__class = nil
    end
    done[v] = object
    for key, child in next, v do rawset(object, key, of(child)) end
    return object
  end
  return of(value)
end

--- torch.load(path): what torch.save of Torch7 or of this module wrote, in binary or in digits.
function M.load(path)
  if type(path) ~= "string" then error("torch.load: path: a string is needed, got a " .. type(path), 2) end
  local source = require("cresset.io.source").open(path)
  return revive((require("cresset.io.t7").objects(source, function(x) return x end)))
end

return M
