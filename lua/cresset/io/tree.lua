-- tree.lua: nested tables as a flat table of tensors and a text that says how they were nested.
--
-- Holds true: decode(encode(x)) has the same tables as x: integers and floats apart, lists and keys of any plain kind,
-- strings of any bytes, empty tables; a table or a tensor that stands in several places is one again. A flat table of
-- tensors by strings, none of them shared, needs no text. What cannot be saved is refused with the path of its keys.
-- The text is JSON: numbers, truths and strings as they are; lists as arrays; all else as an object of one key:
--   {"table": {...}}  {"pairs": [[key, value], ...]}  {"same": n}: the n-th table, in order of their beginnings
--   {"tensor": name}  {"float": "inf"|"-inf"|"nan"}  {"hex": "..."}: a string that is no UTF-8

local cr = require "cresset"
local json = require "cresset.io.json"
local quote = require("cresset.io.source").quote

local M = {}

local DEPTH = 100
local RESERVED = "__metadata__" -- the one name that a file does not leave to tensors

-- ---- Out of tables ------------------------------------------------------------------------------

local function path_text(path)
  local parts = {}
  for i, key in ipairs(path) do
    parts[i] = type(key) == "string" and "[" .. quote(key) .. "]" or ("[%s]"):format(tostring(key))
  end
  return "x" .. table.concat(parts)
end

local function refuse(path, message, ...)
  cr.raise(("save: %s " .. message):format(path_text(path), ...))
end

-- What tells tensors apart: two with the same elements of one storage are the same to a file.
local function identity(x)
  if x:numel() == 0 then return x end
  return ("%s %s %s %s %d"):format(x:storage_id(), x.dtype, table.concat(x.shape, ","), table.concat(x:stride(), ","),
    x:storage_offset())
end

local Encoder = {}
Encoder.__index = Encoder

-- A name that no other tensor has, made of the keys.
function Encoder:name_of(path)
  local parts = {}
  for i, key in ipairs(path) do
    local text = tostring(key)
    parts[i] = utf8.len(text) and text or text:gsub("[\x80-\xff%c]", "?")
  end
  local name = #parts > 0 and table.concat(parts, ".") or "tensor"
  local free, n = name, 1
  while self.tensors[free] or free == RESERVED do
    n = n + 1
    free = name .. "#" .. n
  end
  return free
end

function Encoder:tensor(x, path)
  local known = identity(x)
  local name = self.known[known]
  if not name then
    name = self:name_of(path)
    self.known[known], self.tensors[name] = name, x
  end
  return '{"tensor":' .. json.quote(name) .. "}"
end

local function scalar(v)
  if type(v) == "boolean" then return tostring(v) end
  if type(v) == "string" then
    if utf8.len(v) then return json.quote(v) end
    return '{"hex":"' .. v:gsub(".", function(c) return ("%02x"):format(c:byte()) end) .. '"}'
  end
  if v ~= v then return '{"float":"nan"}' end
  if v == math.huge or v == -math.huge then return v > 0 and '{"float":"inf"}' or '{"float":"-inf"}' end
  return json.number(v)
end

local plain = { boolean = true, number = true, string = true }

-- Whether the table is a list with nothing beside it, has strings for keys only, or else.
local function kind_of(t)
  local n = 0
  for key in next, t do
    n = n + 1
    if type(key) ~= "string" then n = nil break end
    if not utf8.len(key) then return "pairs" end
  end
  if n then return "table" end
  local length, count = rawlen(t), 0
  for key in next, t do
    if math.type(key) ~= "integer" or key < 1 or key > length then return "pairs" end
    count = count + 1
  end
  return count == length and "list" or "pairs"
end

-- The keys in an order that does not depend on the run.
local function sorted_keys(t)
  local keys, rank = {}, { number = 1, string = 2, boolean = 3 }
  for key in next, t do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    local ra, rb = rank[type(a)] or 4, rank[type(b)] or 4
    if ra ~= rb then return ra < rb end
    if ra == 3 then return not a and b end
    return ra < 3 and a < b
  end)
  return keys
end

-- Whether a table is only its keys: it may say in which order pairs gives them, as a state_dict does, and no more.
local function is_plain(t)
  local meta = getmetatable(t)
  return meta == nil or type(meta) == "table" and meta.__index == nil
end

function Encoder:table(t, path)
  if self.open[t] then refuse(path, "is the table that it stands in: a cycle cannot be saved") end
  if self.seen[t] then return ('{"same":%d}'):format(self.seen[t]) end
  if #path >= DEPTH then refuse(path, "is nested deeper than %d tables", DEPTH) end
  if not is_plain(t) then
    refuse(path, "is an object with methods, not a table of plain data; save what its state_dict() gives")
  end
  self.count = self.count + 1
  self.seen[t], self.open[t] = self.count, true
  local kind, parts = kind_of(t), {}
  for i, key in ipairs(sorted_keys(t)) do
    path[#path + 1] = key
    if not plain[type(key)] then refuse(path, "has a %s for a key", type(key)) end
    local value = self:value(rawget(t, key), path)
    path[#path] = nil
    parts[i] = kind == "list" and value or kind == "table" and json.quote(key) .. ":" .. value
      or "[" .. scalar(key) .. "," .. value .. "]"
  end
  self.open[t] = nil
  local text = table.concat(parts, ",")
  return kind == "list" and "[" .. text .. "]" or kind == "table" and '{"table":{' .. text .. "}}"
    or '{"pairs":[' .. text .. "]}"
end

function Encoder:value(v, path)
  if plain[type(v)] then return scalar(v) end
  if cr.is_tensor(v) then return self:tensor(v, path) end
  if type(v) == "table" then return self:table(v, path) end
  refuse(path, "is a %s; a file takes tensors, tables, numbers, strings and booleans", type(v))
end

-- The same table, if all its entries are tensors by names that a file may have, and none comes twice; else nil.
local function flat_tensors(value)
  if type(value) ~= "table" or next(value) == nil or not is_plain(value) then return nil end
  local tensors, known = {}, {}
  for key, x in next, value do
    if type(key) ~= "string" or key == RESERVED or not utf8.len(key) or not cr.is_tensor(x) then return nil end
    local same = identity(x)
    if known[same] then return nil end
    known[same], tensors[key] = true, x
  end
  return tensors
end

--- A flat table of tensors, and the text; nil where the value is such a table itself.
function M.encode(value)
  local tensors = flat_tensors(value)
  if tensors then return tensors, nil end
  local e = setmetatable({ tensors = {}, known = {}, seen = {}, open = {}, count = 0 }, Encoder)
  local text = e:value(value, {})
  return e.tensors, text
end

-- ---- Back to tables -----------------------------------------------------------------------------

-- Entries that are made when they are first asked for: `make` by key.
local function lazily(t, make)
  local function get(_, key)
    local f = make[key]
    if not f then return nil end
    make[key] = nil
    local value = f()
    rawset(t, key, value)
    return value
  end
  return setmetatable(t, {
    __index = get,
    __newindex = function(_, key, value)
      make[key] = nil
      rawset(t, key, value)
    end,
    __len = function()
      local n = rawlen(t)
      while rawget(t, n + 1) ~= nil or make[n + 1] do n = n + 1 end
      return n
    end,
    __pairs = function()
      local keys = {}
      for key in next, t do keys[#keys + 1] = key end
      for key in next, make do keys[#keys + 1] = key end
      local i = 0
      return function()
        i = i + 1
        if keys[i] ~= nil then return keys[i], t[keys[i]] end
      end
    end,
  })
end

--- A flat table of the named tensors.
function M.flat(names, tensor, lazy)
  local t, make = {}, {}
  for name in pairs(names) do
    if lazy then make[name] = function() return tensor(name) end else t[name] = tensor(name) end
  end
  return lazy and lazily(t, make) or t
end

local Decoder = {}
Decoder.__index = Decoder

function Decoder:fail(message, ...)
  self.source:fail("the structure in its metadata " .. message, ...)
end

function Decoder:begin(t)
  self.tables[#self.tables + 1] = t
  return t
end

-- Puts the value that a node stands for at a key.
function Decoder:put(t, make, key, node)
  local name = type(node) == "table" and rawget(node, "tensor")
  if not (name and self.lazy) then
    t[key] = self:value(node)
    return
  end
  self:check_name(name)
  make[key] = function() return self:tensor(name) end
end

function Decoder:check_name(name)
  if type(name) ~= "string" or not self.names[name] then
    self:fail("names a tensor %s, which is not there", type(name) == "string" and quote(name) or "without a name")
  end
  self.used[name] = true
end

-- One tensor for one name, in as many places as there are.
function Decoder:tensor(name)
  local x = self.made[name]
  if x == nil then
    x = self.make(name)
    self.made[name] = x
  end
  return x
end

local floats = { inf = math.huge, ["-inf"] = -math.huge, nan = cr.nan }

local special = {}
function special.tensor(d, name)
  d:check_name(name)
  return d:tensor(name)
end
function special.float(d, text)
  return floats[text] or d:fail "has a float that is none"
end
function special.hex(d, text)
  if type(text) ~= "string" or #text % 2 == 1 or text:find "%X" then d:fail "has a string that is none" end
  return (text:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end))
end
function special.same(d, n)
  return math.type(n) == "integer" and d.tables[n] or d:fail "repeats a table that is not there"
end
special["table"] = function(d, entries)
  if type(entries) ~= "table" or #entries > 0 then d:fail "has a table that is none" end
  local t, make, keys = d:begin {}, {}, {}
  for key in pairs(entries) do keys[#keys + 1] = key end
  table.sort(keys) -- tables are counted in the order in which they were written
  for _, key in ipairs(keys) do d:put(t, make, key, entries[key]) end
  return next(make) and lazily(t, make) or t
end
function special.pairs(d, list)
  if type(list) ~= "table" then d:fail "has a table that is none" end
  local t, make = d:begin {}, {}
  for _, pair in ipairs(list) do
    if type(pair) ~= "table" or #pair ~= 2 then d:fail "has a table that is none" end
    local key = d:value(pair[1])
    if not plain[type(key)] or key ~= key then d:fail "has a key that is none" end
    d:put(t, make, key, pair[2])
  end
  return next(make) and lazily(t, make) or t
end

function Decoder:value(node)
  if node == json.null then self:fail "has null in it" end
  if type(node) ~= "table" then return node end
  local kind = next(node)
  if type(kind) == "string" then
    if next(node, kind) ~= nil or not special[kind] then self:fail("has %s in it", quote(kind)) end
    return special[kind](self, node[kind])
  end
  local t, make = self:begin {}, {}
  for i, entry in ipairs(node) do self:put(t, make, i, entry) end
  return next(make) and lazily(t, make) or t
end

--- What encode was given, of the text and the tensors that there are.
function M.decode(source, text, names, make, lazy)
  local d = setmetatable({ source = source, names = names, make = make, lazy = lazy }, Decoder)
  d.tables, d.made, d.used = {}, {}, {}
  local ok, root = pcall(json.decode, text)
  if not ok then d:fail("is no JSON: %s", root) end
  local value = d:value(root)
  for name in pairs(names) do
    if not d.used[name] then d:fail("does not say where tensor %s belongs", quote(name)) end
  end
  return value
end

return M
