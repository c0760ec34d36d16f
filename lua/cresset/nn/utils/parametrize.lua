-- parametrize.lua: parameters that are functions of others: nn.utils.parametrize.
--
-- Holds true: m.NAME is computed when it is read, by the modules of m.parametrizations.NAME, whose `original` (or
-- original0, original1, ...) is what is learned; assigning to it goes through right_inverse. Within `cached` it is
-- computed once. State dictionaries have PyTorch's keys ("parametrizations.weight.original").

local cr = require "cresset"
local module = require "cresset.nn.module"
local parameter = require "cresset.nn.parameter"

local M = {}

local record = module.record

local function fail(message, ...) cr.raise("register_parametrization: " .. message:format(...)) end

-- ---- The cache -------------------------------------------------------------------------------------------

local depth, cache = 0, {}

local Scope = {}
Scope.__index = Scope
function Scope:__close()
  if self.left then return end
  self.left = true
  depth = depth - 1
  if depth == 0 then cache = {} end
end

--- local _ <close> = cached(), or cached(f, ...): within it each parametrized tensor is computed once.
function M.cached(f, ...)
  depth = depth + 1
  local scope = setmetatable({}, Scope)
  if f == nil then return scope end
  local here <close> = scope -- luacheck: ignore
  return f(...)
end

-- ---- The list of one tensor ----------------------------------------------------------------------------

local Super = require("cresset.nn.container").ModuleList
local List = module.class("ParametrizationList", Super)

-- The tensors that are learned, as several values.
local function originals(list)
  if list.original then return list.original end
  local all, i = {}, 0
  while list["original" .. i] do
    all[i + 1] = list["original" .. i]
    i = i + 1
  end
  return table.unpack(all)
end

function List:forward()
  local x
  for i = 1, #self do
    if i == 1 then x = self[1](originals(self)) else x = self[i](x) end
  end
  return x
end

local function make_original(list, name, t, buffer)
  if buffer then list:register_buffer(name, t:detach())
  else list:register_parameter(name, parameter.is_parameter(t) and t or parameter.Parameter(t, t.requires_grad)) end
end

-- What the learned tensors must be so that the tensor is `value`: through the right inverses, from the last.
local function inverse(list, value)
  local x = { value }
  for i = #list, 1, -1 do
    local m = list[i]
    if not m.right_inverse then
      cr.raise(("%s: this parametrization has no right_inverse, so no value can be assigned"):format(m.class_name))
    end
    x = { m:right_inverse(table.unpack(x)) }
  end
  return x
end

local function assign(list, value)
  if not cr.is_tensor(value) then
    cr.raise(("a parametrized tensor takes a tensor, got a %s"):format(type(value)))
  end
  cr.no_grad(function()
    local found, now = inverse(list, value), { originals(list) }
    if #found ~= #now then cr.raise(("right_inverse gave %d tensors, not %d"):format(#found, #now)) end
    for i, t in ipairs(now) do
      if t.shape ~= found[i].shape then t:set_data(found[i]) else t:copy_(found[i]) end
    end
  end)
end

local function value_of(m, name)
  local list = m.parametrizations[name]
  if depth == 0 then return list() end
  if cache[list] == nil then cache[list] = list() end
  return cache[list]
end

local function field(name)
  return { get = function(self) return value_of(self, name) end,
    set = function(self, value) return assign(self.parametrizations[name], value) end }
end

-- ---- Registering -----------------------------------------------------------------------------------------

local function check(m, name, parametrization)
  if not module.is_module(m) then fail("takes a module, got a %s", type(m)) end
  if not module.is_module(parametrization) then
    fail("the parametrization must be a module, got a %s", type(parametrization))
  end
  local r = record(m)
  local kind = r.kinds[name]
  if r.computed and r.computed[name] then return "more" end
  if kind ~= "parameter" and kind ~= "buffer" or not r.slots[name] then
    fail("this %s has no parameter or buffer %s", m.class_name, require("cresset.suggest").quote(tostring(name)))
  end
  return kind
end

local function same_kind(name, before, after)
  if not cr.is_tensor(after) then
    fail("the parametrization of '%s' must give a tensor, gave a %s", name, type(after))
  end
  if after.shape ~= before.shape or after.dtype ~= before.dtype then
    fail("the parametrization makes '%s' (shape %s, %s) one of shape %s, %s; unsafe = true allows that", name,
      tostring(before.shape), before.dtype, tostring(after.shape), after.dtype)
  end
end

-- A parametrization of a tensor that has none yet.
local function first(m, name, kind, parametrization, unsafe)
  local r = record(m)
  local before = r.slots[name]
  local list = List(parametrization)
  local found = { before }
  if parametrization.right_inverse then
    found = cr.no_grad(function() return { parametrization:right_inverse(before) } end)
  end
  local buffer = kind == "buffer"
  if #found == 1 then
    local t = found[1]
    if not rawequal(t, before) and t.shape == before.shape and t.dtype == before.dtype and not buffer then
      cr.no_grad(function() before:copy_(t) end) -- the same object, which an optimizer may hold
      t = before
    end
    make_original(list, "original", t, buffer)
  else
    for i, t in ipairs(found) do
      if before.requires_grad then t = parameter.Parameter(t) end
      make_original(list, "original" .. i - 1, t, buffer)
    end
  end
  if not unsafe then same_kind(name, before, cr.no_grad(function() return list() end)) end
  if not m.parametrizations then
    m.parametrizations = require("cresset.nn.container").ModuleDict()
    m.class_name = "Parametrized" .. m.class_name
  end
  module.forget(m, name)
  m.parametrizations:set(name, list)
  local fields = { [name] = field(name) }
  for key, value in next, r.computed or {} do fields[key] = value end
  module.compute(m, fields)
end

--- register_parametrization(module, name, parametrization, { unsafe = false }): from now on module.NAME is what the
-- parametrization, a module, makes of a learned tensor. A right_inverse method of it gives the tensor for a value.
function M.register_parametrization(m, name, parametrization, unsafe)
  if type(unsafe) == "table" then unsafe = unsafe.unsafe end
  local kind = check(m, name, parametrization)
  if kind == "more" then
    if not unsafe then
      local before = cr.no_grad(function() return m[name] end)
      same_kind(name, before, cr.no_grad(function() return parametrization(before) end))
    end
    m.parametrizations[name]:append(parametrization)
  else
    parametrization:train(m.training)
    first(m, name, kind, parametrization, unsafe)
  end
  return m
end

--- is_parametrized(module, name): whether a tensor of the module, or any without a name, has parametrizations.
function M.is_parametrized(m, name)
  local r = record(m)
  local fields = r and r.computed
  if not fields then return false end
  if name == nil then return next(fields) ~= nil end
  return fields[name] ~= nil
end

--- remove_parametrizations(module, name, { leave_parametrized = true }): makes the tensor a plain one again, with the
-- value that it has, or with that of its original.
function M.remove_parametrizations(m, name, leave)
  if type(leave) == "table" then leave = leave.leave_parametrized end
  if not M.is_parametrized(m, name) then
    cr.raise(("remove_parametrizations: '%s' has none"):format(tostring(name)))
  end
  local r, list = record(m), m.parametrizations[name]
  local kind = #list:parameters(false) > 0 and "parameter" or "buffer"
  local original = list.original
  if leave == false and not original then
    cr.raise(("remove_parametrizations: '%s' has several originals, so it keeps its value"):format(name))
  end
  local value = original
  if leave ~= false then
    value = cr.no_grad(function() return list():clone() end)
    if original and kind == "parameter" then value = original:set_data(value) end
  end
  local fields = {}
  for key, f in next, r.computed do
    if key ~= name then fields[key] = f end
  end
  module.compute(m, fields)
  module.forget(m.parametrizations, name)
  if #m.parametrizations == 0 then
    module.forget(m, "parametrizations")
    m.class_name = nil
  end
  if kind == "buffer" then
    m:register_buffer(name, value)
  else
    local learned = list:parameters(false)[1].requires_grad
    m:register_parameter(name, parameter.is_parameter(value) and value or parameter.Parameter(value, learned))
  end
  return m
end

return M
