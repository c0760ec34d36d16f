-- arguments.lua: reads what a class is called with: a signature, and arguments by position or by name.
--
-- Holds true: arguments may be given in order, by name in a table at the end, or all by name. A name that does not
-- exist, an argument given twice, a missing one and a wrong value are errors that name the class and the argument.

local cr = require "cresset"

local M = {}

local function quote(s, mark) return require("cresset.suggest").quote(s, mark) end

local function describe(v)
  if v == nil then return "nothing" end
  if type(v) == "string" then return "the string " .. quote(v, '"') end
  if type(v) == "number" then return "the number " .. tostring(v) end
  if type(v) == "boolean" then return tostring(v) end
  if cr.is_tensor(v) then return "a tensor" end
  local meta = getmetatable(v)
  local name = type(meta) == "table" and rawget(meta, "__name")
  if type(name) == "string" then return "a module (" .. name .. ")" end
  return "a " .. type(v)
end
M.describe = describe

-- ---- Kinds of values -----------------------------------------------------------------------------------

-- Each takes a value and gives what it stands for, or nil and what it must be.
local kinds = {}

function kinds.any(v) return v end

function kinds.int(v)
  local n = type(v) == "number" and math.tointeger(v)
  if n then return n end
  return nil, "an integer"
end

function kinds.count(v)
  local n = type(v) == "number" and math.tointeger(v)
  if n and n >= 0 then return n end
  return nil, "an integer from 0"
end

function kinds.positive(v)
  local n = type(v) == "number" and math.tointeger(v)
  if n and n >= 1 then return n end
  return nil, "an integer from 1"
end

function kinds.number(v)
  if type(v) == "number" then return v end
  return nil, "a number"
end

function kinds.probability(v)
  if type(v) == "number" and v >= 0 and v <= 1 then return v end
  return nil, "a number from 0 to 1"
end

-- false stands for none, as a table cannot hold nil.
function kinds.momentum(v)
  if type(v) == "number" or v == false then return v end
  return nil, "a number, or false"
end

function kinds.bool(v)
  if type(v) == "boolean" then return v end
  return nil, "true or false"
end

function kinds.string(v)
  if type(v) == "string" then return v end
  return nil, "a string"
end

kinds["function"] = function(v)
  if require "cresset.callable"(v) then return v end
  return nil, "a function"
end

function kinds.tensor(v)
  if cr.is_tensor(v) then return v end
  return nil, "a tensor"
end

function kinds.module(v)
  if require("cresset.nn.module").is_module(v) then return v end
  return nil, "a module"
end

-- What a transformer's layer has between its two Linears.
function kinds.activation(v)
  if v == "relu" or v == "gelu" then return v end
  if type(v) ~= "string" and require "cresset.callable"(v) then return v end
  return nil, '"relu", "gelu" or a function'
end

function kinds.table(v)
  if type(v) == "table" then return v end
  return nil, "a table"
end

-- A list of integers; a number is a list of one.
function kinds.sizes(v)
  if type(v) == "number" then v = { v } end
  if type(v) ~= "table" then return nil, "an integer or a table of integers" end
  local list = {}
  for i = 1, #v do
    list[i] = type(v[i]) == "number" and math.tointeger(v[i])
    if not list[i] then return nil, "an integer or a table of integers" end
  end
  return list
end

-- A number for each of n dims; `words` are strings that may stand for them, `holes` lets numbers be absent (false).
local function several(n, words, holes)
  local wanted = n == 1 and "an integer" or ("an integer or a table of %d"):format(n)
  for _, word in ipairs(words or {}) do wanted = wanted .. (' or "%s"'):format(word) end
  return function(v)
    for _, word in ipairs(words or {}) do
      if v == word then return v end
    end
    local list = {}
    for d = 1, n do
      local x = v
      if type(v) == "table" then x = v[d] end
      list[d] = type(x) == "number" and math.tointeger(x)
      if not list[d] and not (holes and (x == nil or x == false)) then return nil, wanted end
    end
    if type(v) == "table" and #v ~= n then return nil, wanted end
    return list
  end
end

-- The same, checked, and left as it was given.
local function as_given(check)
  return function(v)
    local list, wanted = check(v)
    if list and type(v) == "table" then return list end
    return list and math.tointeger(v), wanted
  end
end

-- Numbers before and behind each of n dims, the last dim's first; a number stands for all.
local function sides(n)
  return function(v)
    local list, all = {}, type(v) == "table" and v or nil
    for i = 1, 2 * n do
      local x = v
      if all then x = all[i] end
      list[i] = type(x) == "number" and math.tointeger(x)
    end
    for i = 1, 2 * n do
      if not list[i] or all and #all ~= 2 * n then return nil, ("an integer or a table of %d"):format(2 * n) end
    end
    return list
  end
end

-- A number, or a list of numbers.
function kinds.numbers(v)
  if type(v) == "number" then return v end
  if type(v) ~= "table" or #v == 0 then return nil, "a number or a table of numbers" end
  local list = {}
  for i, x in ipairs(v) do
    if type(x) ~= "number" then return nil, "a number or a table of numbers" end
    list[i] = x
  end
  return list
end

for n = 1, 3 do
  kinds["given" .. n] = as_given(several(n))
  kinds["sides" .. n] = sides(n)
  kinds["ints" .. n] = several(n)
  kinds["padding" .. n] = several(n, { "same", "valid" })
  kinds["output" .. n] = several(n, nil, true)
end

local function one_of(words)
  local wanted = '"' .. table.concat(words, '", "') .. '"'
  return function(v)
    for _, word in ipairs(words) do
      if v == word then return v end
    end
    return nil, "one of " .. wanted
  end
end

function kinds.dtype(v)
  if type(v) == "string" and rawget(cr, v) == v then return v end
  return nil, "the name of a dtype"
end

kinds.device = kinds.string

-- ---- Signatures --------------------------------------------------------------------------------------------

local constants = { ["true"] = true, ["false"] = false }

local function constant(text)
  if text == nil then return nil end
  if constants[text] ~= nil then return constants[text] end
  return math.tointeger(text) or tonumber(text) or text:match '^"(.*)"$'
end

--- signature "p: number = 0.5, mode: sum|mean = "mean", bias: tensor?": a list of { name, kind, default, optional }.
function M.signature(text)
  local list = { names = {} }
  for part in text:gmatch "[^,]+" do
    local name, kind, optional, default = part:match "^%s*([%w_]+): ([%w_|-]+)(%??)%s*=?%s*(.-)%s*$"
    local words = {}
    for word in (kind:find "|" and kind or ""):gmatch "[^|]+" do words[#words + 1] = word end
    list[#list + 1] = { name = name, check = #words > 0 and one_of(words) or assert(kinds[kind], kind),
      default = constant(default ~= "" and default or nil), optional = optional ~= "" or default ~= "" }
    list.names[name] = list[#list]
  end
  return list
end

local function usage(signature)
  local parts = {}
  for i, p in ipairs(signature) do parts[i] = p.name .. (p.optional and "?" or "") end
  return table.concat(parts, ", ")
end

local function is_options(v)
  if type(v) ~= "table" or getmetatable(v) ~= nil then return false end
  return type(next(v)) == "string"
end

local function refuse(owner, signature, message, ...)
  cr.raise(("%s: %s; it takes %s"):format(owner, message:format(...), usage(signature)))
end

local function unknown(owner, signature, name)
  if type(name) ~= "string" then refuse(owner, signature, "options have names, got [%s]", tostring(name)) end
  local near = require("cresset.suggest").nearest(name, signature.names)
  refuse(owner, signature, "there is no option %s%s", quote(name), near and ("; did you mean '%s'?"):format(near) or "")
end

--- read("Linear", signature, ...): the values by name, checked, defaults put in.
function M.read(owner, signature, ...)
  local n, values = select("#", ...), {}
  local args = { ... }
  local options = n > 0 and is_options(args[n]) and args[n] or nil
  if n > 0 and type(args[n]) == "table" and next(args[n]) == nil and getmetatable(args[n]) == nil
    and (n > #signature or signature[n].optional) then
    options = args[n]
  end
  if options then n = n - 1 end
  if n > #signature then refuse(owner, signature, "got %d arguments", n) end
  for i = 1, n do values[signature[i].name] = args[i] end
  for name, value in next, options or {} do
    if not signature.names[name] then unknown(owner, signature, name) end
    if values[name] ~= nil then refuse(owner, signature, "%s is given twice", name) end
    values[name] = value
  end
  for _, p in ipairs(signature) do
    local value = values[p.name]
    if value == nil then value = p.default end
    if value ~= nil then
      local checked, wanted = p.check(value)
      if checked == nil then refuse(owner, signature, "%s must be %s, got %s", p.name, wanted, describe(value)) end
      values[p.name] = checked
    elseif not p.optional then
      refuse(owner, signature, "%s is missing", p.name)
    end
  end
  return values
end

return M
