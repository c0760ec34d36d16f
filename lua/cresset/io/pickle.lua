-- pickle.lua: Python's pickles, read by a machine that can do nothing but build plain values.
--
-- Holds true: no name leads to code. A name of Python (GLOBAL) is looked up in the caller's table, and what is not
-- there is refused by its name; calls reach only functions of that table. Dicts, lists and tuples become tables, None
-- an absent value (false in a list), bytes and texts strings. Work and memory are in proportion to the bytes.
-- Protocols 0 to 5, the opcodes that PyTorch writes: https://docs.python.org/3/library/pickletools.html.

local M = {}

-- A name of Python on the stack; a mark; None.
local NONE, MARK = {}, {}

local Machine = {}
Machine.__index = Machine

function Machine:fail(message, ...)
  self.source:fail("the pickle " .. message, ...)
end

function Machine:push(v)
  self.top = self.top + 1
  self.stack[self.top] = v
end

function Machine:pop()
  local v = self.stack[self.top]
  if v == nil or v == MARK then self:fail "takes from an empty stack" end
  self.stack[self.top] = nil
  self.top = self.top - 1
  return v
end

-- What was pushed since the last mark: a list, and how many.
function Machine:pop_mark()
  local at = table.remove(self.marks)
  if not at then self:fail "has no mark where one is needed" end
  local list, n = {}, self.top - at
  for i = 1, n do
    list[i] = self.stack[at + i]
    self.stack[at + i] = nil
  end
  self.stack[at] = nil
  self.top = at - 1
  return list, n
end

function Machine:take(format)
  local size = string.packsize(format)
  if self.at + size - 1 > #self.text then self:fail "ends inside an opcode" end
  local v = string.unpack(format, self.text, self.at)
  self.at = self.at + size
  return v
end

function Machine:string(n)
  if n < 0 or n > #self.text - self.at + 1 then self:fail "ends inside a string" end
  self.at = self.at + n
  return self.text:sub(self.at - n, self.at - 1)
end

function Machine:line()
  local stop = self.text:find("\n", self.at, true)
  if not stop then self:fail "ends inside a line" end
  local line = self.text:sub(self.at, stop - 1)
  self.at = stop + 1
  return line
end

function Machine:global(module, name)
  local value = self.globals[module .. "." .. name]
  if value == nil then
    self:fail("asks for %s, which is not among the names that are allowed: nothing of it was run",
      self.source.quote(module .. "." .. name))
  end
  self:push(value)
end

-- ---- Values -------------------------------------------------------------------------------------

-- A dict, a list or a tuple in the making: its table, with what it is.
local function new(machine, kind)
  local t = {}
  machine.kinds[t] = kind
  return t
end

local function list_of(machine, kind, items, n)
  local t = new(machine, kind)
  for i = 1, n do
    local v = items[i]
    t[i] = v ~= NONE and v or false
  end
  return t
end

function Machine:append(list, items, n)
  if self.kinds[list] ~= "list" then self:fail "appends to what is no list" end
  for i = 1, n do
    local v = items[i]
    list[#list + 1] = v ~= NONE and v or false
  end
end

local simple = { string = true, number = true, boolean = true }

function Machine:set_items(dict, items, n)
  if self.kinds[dict] ~= "dict" or n % 2 == 1 then self:fail "sets items of what is no dict" end
  for i = 1, n, 2 do
    local key, v = items[i], items[i + 1]
    if not simple[type(key)] or key ~= key then self:fail "has a dict with keys that are no strings or numbers" end
    if v == NONE then v = nil end
    dict[key] = v
  end
end

-- Python's integers of any length, little endian: up to 64 bits.
local function long(machine, n)
  local bytes = machine:string(n)
  if n == 0 then return 0 end
  if n > 8 and not (n == 9 and bytes:byte(9) == 0) then machine:fail "has an integer of more than 64 bits" end
  if n == 9 then return (string.unpack("<I8", bytes)) end -- from 2^63 to 2^64: the bits
  return (string.unpack("<i" .. n, bytes))
end

-- ---- Opcodes ------------------------------------------------------------------------------------

local op = {}

local function remember(m, key)
  local v = m.stack[m.top]
  if v == nil or v == MARK then m:fail "remembers what is not there" end
  m.memo[key] = v
end
local function recall(m, key)
  local v = m.memo[key]
  if v == nil then m:fail "recalls what it has not seen" end
  m:push(v)
end

op["\x80"] = function(m)
  local version = m:take "B"
  if version > 5 then m:fail("is of protocol %d, and 0 to 5 are known", version) end
end
op["\x95"] = function(m) m:take "<i8" end
op["("] = function(m)
  m:push(MARK)
  m.marks[#m.marks + 1] = m.top
end
op["0"] = function(m) m:pop() end
op["1"] = function(m) m:pop_mark() end
op["2"] = function(m)
  local v = m:pop()
  m:push(v)
  m:push(v)
end
op["N"] = function(m) m:push(NONE) end
op["\x88"] = function(m) m:push(true) end
op["\x89"] = function(m) m:push(false) end
op["J"] = function(m) m:push(m:take "<i4") end
op["K"] = function(m) m:push(m:take "B") end
op["M"] = function(m) m:push(m:take "<I2") end
op["G"] = function(m) m:push(m:take ">d") end
op["\x8a"] = function(m) m:push(long(m, m:take "B")) end
op["\x8b"] = function(m) m:push(long(m, m:take "<i4")) end
op["I"] = function(m)
  local line = m:line()
  if line == "00" or line == "01" then m:push(line == "01") return end
  m:push(math.tointeger(tonumber(line)) or m:fail "has an integer that is none")
end
op["L"] = function(m)
  m:push(math.tointeger(tonumber((m:line():gsub("L$", "")))) or m:fail "has an integer that is none")
end
op["F"] = function(m)
  local line = m:line()
  m:push(tonumber(line) and tonumber(line) + 0.0 or m:fail "has a float that is none")
end
op["X"] = function(m) m:push(m:string(m:take "<I4")) end
op["\x8c"] = function(m) m:push(m:string(m:take "B")) end
op["\x8d"] = function(m) m:push(m:string(m:take "<i8")) end
op["U"], op["C"] = op["\x8c"], op["\x8c"]
op["T"], op["B"] = function(m) m:push(m:string(m:take "<i4")) end, op["X"]
op["\x8e"] = op["\x8d"]
op["V"] = function(m) m:push(m:line()) end
op["]"] = function(m) m:push(new(m, "list")) end
op["}"] = function(m) m:push(new(m, "dict")) end
op[")"] = function(m) m:push(new(m, "tuple")) end
op["l"] = function(m) m:push(list_of(m, "list", m:pop_mark())) end
op["t"] = function(m) m:push(list_of(m, "tuple", m:pop_mark())) end
for n, code in ipairs { "\x85", "\x86", "\x87" } do
  op[code] = function(m)
    local items = {}
    for i = n, 1, -1 do items[i] = m:pop() end
    m:push(list_of(m, "tuple", items, n))
  end
end
op["d"] = function(m)
  local dict = new(m, "dict")
  m:set_items(dict, m:pop_mark())
  m:push(dict)
end
op["a"] = function(m)
  local v = m:pop()
  m:append(m.stack[m.top], { v }, 1)
end
op["e"] = function(m)
  local items, n = m:pop_mark()
  m:append(m.stack[m.top], items, n)
end
op["s"] = function(m)
  local v, key = m:pop(), m:pop()
  m:set_items(m.stack[m.top], { key, v }, 2)
end
op["u"] = function(m)
  local items, n = m:pop_mark()
  m:set_items(m.stack[m.top], items, n)
end
op["q"] = function(m) remember(m, m:take "B") end
op["r"] = function(m) remember(m, m:take "<I4") end
op["p"] = function(m) remember(m, m:line()) end
op["\x94"] = function(m)
  m.count = m.count + 1
  remember(m, m.count - 1)
end
op["h"] = function(m) recall(m, m:take "B") end
op["j"] = function(m) recall(m, m:take "<I4") end
op["g"] = function(m) recall(m, m:line()) end
op["c"] = function(m)
  local module, name = m:line(), m:line()
  m:global(module, name)
end
op["\x93"] = function(m)
  local name, module = m:pop(), m:pop()
  if type(name) ~= "string" or type(module) ~= "string" then m:fail "has a name that is none" end
  m:global(module, name)
end
-- A call: of what the caller's table has, with a tuple.
op["R"] = function(m)
  local args, f = m:pop(), m:pop()
  if m.kinds[args] ~= "tuple" then m:fail "calls with what is no tuple" end
  if type(f) ~= "table" or type(f.call) ~= "function" then m:fail "calls what is no function" end
  local v = f.call(m, args)
  m:push(v == nil and NONE or v)
end
op["\x81"] = op["R"]
-- The state of an object: of what the caller's functions made, they take it.
op["b"] = function(m)
  local state, object = m:pop(), m.stack[m.top]
  if m.build and m.build(m, object, state) then return end
  if m.kinds[object] ~= "dict" then m:fail "gives a state to what takes none" end
end
op["Q"] = function(m) m:push(m.persistent(m, m:pop())) end
op["P"] = function(m) m:push(m.persistent(m, m:line())) end

--- A new dict, list or tuple for functions of the caller's table.
function Machine:new(kind) return new(self, kind) end

--- What kind of value it is: "dict", "list", "tuple", or nil.
function Machine:kind(v) return self.kinds[v] end

--- Reads one pickle from a text. settings: globals = names to values, of which { call = f(machine, args) } may be
--- called; persistent = f(machine, id) for what lies elsewhere; build = f(machine, object, state); context = what
--- these need, as fields of the machine. Gives the value and the machine.
function M.read(source, text, settings)
  local m = setmetatable({ source = source, text = text, at = 1, top = 0, stack = {}, marks = {}, memo = {}, kinds = {},
    count = 0, globals = settings.globals, persistent = settings.persistent, build = settings.build }, Machine)
  for name, v in pairs(settings.context or {}) do m[name] = v end
  while true do
    local code = text:sub(m.at, m.at)
    if code == "" then m:fail "has no end" end
    m.at = m.at + 1
    if code == "." then break end
    local f = op[code]
    if not f then m:fail("has the opcode 0x%02x at byte %d, which is not known", code:byte(), m.at - 2) end
    f(m)
  end
  local value = m:pop()
  if value == NONE then return nil, m end
  return value, m
end

return M
