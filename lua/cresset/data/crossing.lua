-- crossing.lua: Lua values as a text and a list of tensors, which go from one Lua state to another.
--
-- Holds true: what arrives is equal to what was sent: tables with their metatables, cycles and shared parts, functions
-- with their upvalues, tensors over the same memory. What a loaded module is, or has as a field, arrives as that
-- module's in the other state; the real globals arrive as those of the other state, and any other environment as a
-- copy. What cannot cross (C functions of nobody, userdata, coroutines) is refused with the way that leads to it.

local cr = require "cresset"

local M = {}

local pack, unpack = string.pack, string.unpack

-- ---- Values that modules have ------------------------------------------------------------------------------

-- The name of a module, or of a field in one, by its value; made anew for each crossing, since modules load meanwhile.
local function known_values()
  local known = {}
  local function add(value, module, field)
    local kind = type(value)
    if (kind == "table" or kind == "function") and not known[value] then known[value] = { module, field } end
  end
  local names = {}
  for name in pairs(package.loaded) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    if name ~= "_G" then add(package.loaded[name], name, "") end
  end
  for _, name in ipairs(names) do
    local module = package.loaded[name]
    if type(module) == "table" then
      for key, value in next, module do
        if type(key) == "string" and (name ~= "_G" or type(value) == "function") then add(value, name, key) end
      end
    end
  end
  return known
end

local function module_value(name, field)
  if field == "" then return require(name) end
  local module = name == "_G" and _G or require(name)
  local value = module[field]
  if value == nil then error(("%s.%s is not there in a worker"):format(name, field), 0) end
  return value
end

-- ---- Writing ------------------------------------------------------------------------------------------------

local shapes = getmetatable(cr.zeros(1).shape) -- of tables of sizes, which cross as plain ones

-- Raises what encode() gives back: the way to a value, and what it is.
local function refuse(way, what) error({ way = way, what = what }, 0) end

local writers = {}

local function write(self, value, way)
  writers[type(value)](self, value, way)
end

local function put(self, text) self.out[#self.out + 1] = text end

-- True where the value was written before: then it is named by its number.
local function again(self, value)
  local id = self.ids[value]
  if id then
    put(self, pack("<c1I4", "R", id))
    return true
  end
  self.count = self.count + 1
  self.ids[value] = self.count
end

-- True where the value is a module's.
local function from_module(self, value)
  local known = self.known[value]
  if not known then return false end
  put(self, pack("<c1s4s4", "W", known[1], known[2]))
  return true
end

writers["nil"] = function(self) put(self, "N") end
writers.boolean = function(self, value) put(self, value and "T" or "F") end
writers.string = function(self, value) put(self, pack("<c1s8", "S", value)) end
function writers.number(self, value)
  put(self, math.type(value) == "integer" and pack("<c1i8", "I", value) or pack("<c1d", "D", value))
end

local function step(way, key)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" then return ("%s.%s"):format(way, key) end
  return ("%s[%s]"):format(way, type(key) == "string" and ("%q"):format(key) or tostring(key))
end

function writers.table(self, value, way)
  if value == _G then return put(self, "E") end
  if from_module(self, value) or again(self, value) then return end
  put(self, "M")
  for key, item in next, value do
    write(self, key, way .. "'s key")
    write(self, item, step(way, key))
  end
  put(self, "N")
  local meta = getmetatable(value)
  if meta == shapes then meta = nil end
  if meta ~= nil and type(meta) ~= "table" then refuse(way, "a table with a hidden metatable") end
  write(self, meta, way .. "'s metatable")
end

writers["function"] = function(self, f, way)
  if from_module(self, f) or again(self, f) then return end
  if not (debug and debug.getupvalue) then refuse(way, "a function, in a state without debug") end
  local good, code = pcall(string.dump, f)
  if not good then refuse(way, "a function written in C") end
  local upvalues = {}
  while debug.getupvalue(f, #upvalues + 1) do upvalues[#upvalues + 1] = (debug.getupvalue(f, #upvalues + 1)) end
  put(self, pack("<c1s8I1", "L", code, #upvalues))
  for i, name in ipairs(upvalues) do
    local id = debug.upvalueid(f, i)
    local shared = self.variables[id]
    if shared then
      put(self, pack("<c1I4I1", "J", shared[1], shared[2]))
    else
      self.variables[id] = { self.ids[f], i }
      put(self, "V")
      write(self, select(2, debug.getupvalue(f, i)), ("%s's upvalue %s"):format(way, name))
    end
  end
end

function writers.userdata(self, value, way)
  if not cr.is_tensor(value) then
    local meta = getmetatable(value)
    local name = type(meta) == "table" and meta.__name
    refuse(way, type(name) == "string" and ("a userdata (%s)"):format(name) or "a userdata")
  end
  if value.device ~= "cpu" then refuse(way, ("a tensor on %s"):format(value.device)) end
  local at = self.places[value]
  if not at then
    at = #self.tensors + 1
    self.tensors[at], self.places[value] = value, at
  end
  put(self, pack("<c1I4", "X", at))
end

function writers.thread(_, _, way) refuse(way, "a coroutine") end

--- Returns the text and the list of tensors of a value; or nil and a sentence part that tells what of it cannot cross,
-- "NAME.field is a userdata".
function M.encode(value, name)
  local self = { out = {}, ids = {}, count = 0, known = known_values(), variables = {}, tensors = {}, places = {} }
  local good, problem = pcall(write, self, value, name)
  if good then return table.concat(self.out), self.tensors end
  if type(problem) == "table" and problem.way then return nil, ("%s is %s"):format(problem.way, problem.what) end
  return nil, ("%s cannot be written down: %s"):format(name, tostring(problem))
end

-- ---- Reading -------------------------------------------------------------------------------------------------

local readers = {}

local function read(self)
  local tag = self.text:sub(self.at, self.at)
  self.at = self.at + 1
  return readers[tag](self)
end

local function take(self, format)
  local a, b, at = unpack(format, self.text, self.at)
  self.at = at or b
  return a, at and b
end

function readers.N() return nil end
function readers.T() return true end
function readers.F() return false end
function readers.E() return _G end
function readers.S(self) return (take(self, "<s8")) end
function readers.I(self) return (take(self, "<i8")) end
function readers.D(self) return (take(self, "<d")) end
function readers.R(self) return self.values[take(self, "<I4")] end
function readers.X(self) return self.tensors[take(self, "<I4")] end
function readers.W(self) return module_value(take(self, "<s4s4")) end

function readers.M(self)
  local t = {}
  self.values[#self.values + 1] = t
  while true do
    local key = read(self)
    if key == nil then break end
    t[key] = read(self)
  end
  return setmetatable(t, read(self))
end

function readers.L(self)
  local code, n = take(self, "<s8I1")
  local f = assert(load(code, "=function", "b"))
  self.values[#self.values + 1] = f
  for i = 1, n do
    local tag = take(self, "<c1")
    if tag == "J" then
      local other, j = take(self, "<I4I1")
      debug.upvaluejoin(f, i, self.values[other], j)
    else
      debug.setupvalue(f, i, read(self))
    end
  end
  return f
end

--- The value of what encode() gave; the tensors as they have arrived.
function M.decode(text, tensors)
  return read { text = text, at = 1, values = {}, tensors = tensors }
end

return M
