-- container.lua: modules and parameters in lists and tables: Sequential, ModuleList, ModuleDict, ParameterList,
-- ParameterDict.
--
-- Holds true: the names of a list's members are PyTorch's, from "0" on, in state_dict, named_modules, tostring and
-- errors; Lua's positions count from 1: net[1] has the name "0". `slots[1..n]` has the members in their order beside
-- the names, so that net[i] is a plain look-up.

local cr = require "cresset"
local module = require "cresset.nn.module"
local parameter = require "cresset.nn.parameter"

local M = {}

local class, fail, record, is_module = module.class, module.fail, module.record, module.is_module

-- The names of a container's members of a kind, in the order in which they came.
local function members_of(self, kind)
  local r, list = record(self), {}
  for _, key in ipairs(r.order) do
    if r.kinds[key] == kind and r.slots[key] then list[#list + 1] = key end
  end
  return list
end

-- ---- Lists of members --------------------------------------------------------------------------------------

-- What lists of modules and of parameters have in common. `kind` is "module" or "parameter".
local function make_list(name, kind)
  local List = class(name)

  local function take(self, value)
    if kind == "parameter" and cr.is_tensor(value) and not parameter.is_parameter(value) then
      return parameter.Parameter(value)
    end
    if kind == "module" and is_module(value) or kind == "parameter" and cr.is_tensor(value) then return value end
    fail(self, "its members are %ss, got %s", kind, cr.is_tensor(value) and "a tensor" or "a " .. type(value))
  end

  --- Puts the members at their positions; a member that is nil leaves the list.
  function List:__changed()
    local r = record(self)
    local n = 0
    for _, key in ipairs(r.order) do
      if r.kinds[key] == kind and r.slots[key] then
        n = n + 1
        r.slots[n] = r.slots[key]
      end
    end
    for i = n + 1, #r.slots do r.slots[i] = nil end
  end

  function List:__len() return #record(self).slots end

  -- The names of the members, in order.
  local function names(self) return members_of(self, kind) end

  -- Gives the list other members; names that are numbers follow their order.
  local function set(self, members, keys)
    for _, key in ipairs(names(self)) do module.forget(self, key) end
    for i, member in ipairs(members) do
      local key = keys[i]
      if not key or key:find "^%d+$" then key = tostring(i - 1) end
      if kind == "module" then self:add_module(key, member) else self:register_parameter(key, member) end
    end
  end

  local function position(self, i, most, what)
    local n = math.type(i) == "float" and math.tointeger(i) or i
    if math.type(n) ~= "integer" then fail(self, "%s takes a position from 1, not a %s", what, type(i)) end
    if n < 0 then n = most + 1 + n end
    if n < 1 or n > most then fail(self, "there is no position %d in a list of %d", i, #self) end
    return n
  end

  function List.__assign(self, i, value)
    local n = #self
    if i == n + 1 and value ~= nil then return self:append(value) end
    local at = position(self, i, n, "a list")
    if value == nil then return self:remove(at) end
    self[names(self)[at]] = take(self, value)
  end

  --- Adds a member at the end, and gives the list.
  function List:append(value)
    take(self, value)
    local n, r = #self, record(self)
    while r.kinds[tostring(n)] and r.slots[tostring(n)] do n = n + 1 end
    if kind == "module" then self:add_module(tostring(n), value)
    else self:register_parameter(tostring(n), take(self, value)) end
    return self
  end

  --- Adds the members of a list at the end, and gives the list.
  function List:extend(list)
    if type(list) ~= "table" then fail(self, "extend takes a list, not a %s", type(list)) end
    for i = 1, #list do take(self, list[i]) end
    for i = 1, #list do self:append(list[i]) end
    return self
  end

  --- Puts a member before the one at a position, and gives the list.
  function List:insert(i, value)
    local members, keys = table.move(self, 1, #self, 1, {}), names(self)
    local at = position(self, i, #self + 1, "insert")
    table.insert(members, at, take(self, value))
    table.insert(keys, at, "0")
    set(self, members, keys)
    return self
  end

  --- Takes the member at a position (the last one without it) out of the list, and gives it.
  function List:remove(i)
    local at = position(self, i == nil and #self or i, #self, "remove")
    local members, keys = table.move(self, 1, #self, 1, {}), names(self)
    local gone = table.remove(members, at)
    table.remove(keys, at)
    set(self, members, keys)
    return gone
  end
  List.pop = List.remove

  --- A list of the same class of the members from one position to another, which are shared.
  function List:slice(first, last)
    local n = #self
    first, last = first or 1, last or n
    if first < 0 then first = n + 1 + first end
    if last < 0 then last = n + 1 + last end
    local part, keys = module.new(record(self).class), names(self)
    set(part, table.move(self, math.max(first, 1), math.min(last, n), 1, {}),
      table.move(keys, math.max(first, 1), math.min(last, n), 1, {}))
    return part
  end

  function List.__pairs(self) return ipairs(self) end

  -- Negative positions count from the end.
  function List.__fallback(of)
    return { __index = function(slots, key)
      if math.type(key) == "integer" then return key < 0 and rawget(slots, #slots + 1 + key) or nil end
      return of[key]
    end }
  end

  return module.refall(List), take
end

-- Members that are given as a list, as arguments, or in pairs { name, member }.
local function each_given(self, f, ...)
  local list = { ... }
  if #list == 1 and type(list[1]) == "table" and not is_module(list[1]) then list = list[1] end
  local n = 0
  for _ in next, list do n = n + 1 end
  if n ~= #list then fail(self, "takes a list: members in their order, or pairs { name, member }") end
  for i = 1, n do
    local given = list[i]
    if type(given) == "table" and not is_module(given) then
      if #given ~= 2 or type(given[1]) ~= "string" then
        fail(self, "entry %d must be a member or a pair { name, member }", i)
      end
      f(given[1], given[2])
    else
      f(nil, given)
    end
  end
end

local ModuleList = make_list("ModuleList", "module")
M.ModuleList = ModuleList

--- ModuleList { m1, m2 }: a list of modules that a module's forward uses as it likes.
function ModuleList:init(...)
  each_given(self, function(name, member)
    if name then fail(self, "members have no names; nn.ModuleDict has") end
    self:append(member)
  end, ...)
end

local Sequential = make_list("Sequential", "module")
M.Sequential = Sequential

--- Sequential { m1, m2 }, or { { "name", m1 }, ... }: calls each with what the one before gave.
function Sequential:init(...)
  each_given(self, function(name, member)
    if not is_module(member) then self:append(member) end -- raises
    if name then self:add_module(name, member) else self:append(member) end
  end, ...)
end

-- Hands all that one member gives on to the next.
local function run(members, i, n, ...)
  if i >= n then
    if n == 0 then return ... end
    return members[i](...)
  end
  return run(members, i + 1, n, members[i](...))
end

function Sequential:forward(...)
  local members = getmetatable(self).slots
  return run(members, 1, #members, ...)
end

local ParameterList = make_list("ParameterList", "parameter")
M.ParameterList = ParameterList

--- ParameterList { t1, t2 }: a list of parameters; plain tensors become parameters.
function ParameterList:init(list)
  if list ~= nil then self:extend(list) end
end

-- ---- Tables of members --------------------------------------------------------------------------------------

local function make_dict(name, kind)
  local Dict = class(name)

  function Dict:init(members)
    if members ~= nil then self:update(members) end
  end

  --- Puts in the members of a table by name (in the order of their names), or of a list of pairs { name, member }.
  function Dict:update(members)
    if type(members) ~= "table" or is_module(members) and not members.keys then
      fail(self, "takes a table of %ss by name, not a %s", kind, type(members))
    end
    local list = {}
    for key, member in pairs(members) do
      local pair = math.type(key) and type(member) == "table" and not is_module(member)
      if pair then key, member = member[1], member[2] end
      list[#list + 1] = { key, member }
    end
    if #members == 0 then table.sort(list, function(a, b) return tostring(a[1]) < tostring(b[1]) end) end
    for _, at in ipairs(list) do self:set(at[1], at[2]) end
    return self
  end

  --- Makes a member, or nil, the one of a name: as d[name] = member.
  function Dict:set(key, member)
    if kind == "parameter" and cr.is_tensor(member) and not parameter.is_parameter(member) then
      member = parameter.Parameter(member)
    end
    if member == nil then return module.forget(self, key) end
    if record(self).kinds[key] then
      self[key] = member
    elseif kind == "module" then
      self:add_module(key, member)
    else
      self:register_parameter(key, member)
    end
  end

  --- A list of the names, in the order in which they came.
  function Dict:keys() return members_of(self, kind) end

  --- A list of the members.
  function Dict:values()
    local list = self:keys()
    for i, key in ipairs(list) do list[i] = record(self).slots[key] end
    return list
  end

  --- for name, member in d:items() do
  function Dict:items()
    local keys, i = self:keys(), 0
    return function()
      i = i + 1
      if keys[i] then return keys[i], record(self).slots[keys[i]] end
    end
  end

  function Dict:contains(key) return record(self).kinds[key] == kind and record(self).slots[key] ~= nil end

  --- Takes the member of a name out, and gives it.
  function Dict:pop(key)
    local member = record(self).slots[key]
    if not self:contains(key) then
      fail(self, "there is no member %s", require("cresset.suggest").quote(tostring(key)))
    end
    module.forget(self, key)
    return member
  end

  function Dict:__len() return #self:keys() end

  function Dict.__pairs(self) return self:items() end

  return Dict
end

M.ModuleDict = make_dict("ModuleDict", "module")
M.ParameterDict = make_dict("ParameterDict", "parameter")

return M
