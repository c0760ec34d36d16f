-- module.lua: what a module is: a table whose parameters, buffers and submodules are found by assignment.
--
-- Holds true: a module's own table stays empty; its fields lie in `slots` of its metatable, its record, so that each
-- assignment is seen and each read is a plain look-up: slots, class, parent classes. `order` has the names that were
-- registered, as they came; `kinds` says what each is: "parameter", "buffer" or "module". A module is never part of
-- itself. `call` is the frame by which errors find the modules whose calls are running (place.lua).

local cr = require "cresset"
local parameter = require "cresset.nn.parameter"

local M = {}

local Module = { class_name = "Module" }
M.Module = Module

local mark_of = parameter.mark_of

--- The record of a module; nil for any other value.
local function record(x)
  if type(x) ~= "table" then return nil end
  local r = getmetatable(x)
  if type(r) == "table" and rawget(r, "slots") and rawget(r, "kinds") then return r end
end
M.record = record

--- nn.is_module(x, class): whether x is a module, and if a class is given, whether of it or of one that came from it.
function M.is_module(x, class)
  local r = record(x)
  if not r or class == nil then return r ~= nil end
  local own = r.class
  while own and own ~= class do own = rawget(own, "super") end
  return own ~= nil
end

local function kind_of(value)
  if type(value) == "userdata" then return mark_of(value) end
  if record(value) then return "module" end
end

--- Raises an error about a module: "Linear: ...".
local function fail(self, message, ...)
  cr.raise(self.class_name .. ": " .. message:format(...))
end
M.fail = fail

-- ---- Assignment --------------------------------------------------------------------------------------

-- Whether a module has another one among its parts, or is it.
local function contains(m, part)
  if m == part then return true end
  local r = getmetatable(m)
  for _, name in ipairs(r.order) do
    local child = r.kinds[name] == "module" and r.slots[name]
    if child and contains(child, part) then return true end
  end
  return false
end

local function check_name(self, kind, name)
  if type(name) ~= "string" then
    fail(self, "a %s needs a name, got %s; a list of modules is an nn.ModuleList", kind,
      math.type(name) and "the number " .. name or "a " .. type(name))
  end
  local quoted = require("cresset.suggest").quote(name)
  if name == "" or name:find(".", 1, true) then
    fail(self, "%s cannot name a %s: names have letters, and no dots", quoted, kind)
  end
  if Module[name] ~= nil or name == "training" then
    fail(self, "%s cannot name a %s: modules have a method or a field of that name", quoted, kind)
  end
end

local function register(self, r, kind, name, value)
  check_name(self, kind, name)
  if kind == "module" and value and contains(value, self) then
    fail(self, "as '%s', %s would become part of itself; a plain table keeps it out: self.%s = { module }", name,
      value == self and "it" or "a module", name)
  end
  if not r.kinds[name] then r.order[#r.order + 1] = name end
  r.kinds[name] = kind
  r.slots[name] = value
  if r.class.__changed then r.class.__changed(self) end
end

local wants = {
  parameter = "is a parameter, and takes nn.Parameter(t) or nil",
  buffer = "is a buffer, and takes a tensor or nil",
  module = "is a submodule, and takes a module or nil",
}

local function got(value)
  if cr.is_tensor(value) then return "a plain tensor" end
  return value == false and "false" or "a " .. type(value)
end

local function assign(self, name, value)
  local r = getmetatable(self)
  local kind, new = r.kinds[name], kind_of(value)
  if math.type(name) and r.class.__assign then return r.class.__assign(self, name, value) end
  if not kind and not new then
    if r.computed and r.computed[name] then return r.computed[name].set(self, value) end
    r.slots[name] = value
    return
  end
  if new == "transient" or new == "buffer" then
    register(self, r, "buffer", name, value)
    r.transient[name] = new == "transient" or nil
  elseif new then
    register(self, r, new, name, value)
    r.transient[name] = nil
  elseif value == nil or kind == "buffer" and cr.is_tensor(value) then
    r.slots[name] = value
    if r.class.__changed then r.class.__changed(self) end
  else
    fail(self, "'%s' %s, not %s", name, wants[kind], got(value))
  end
end

-- ---- Calls and classes ----------------------------------------------------------------------------------

-- The variable keeps the frame: without it Lua would make a tail call.
local function call(self, ...)
  local _ <close> = nil
  return self:forward(...)
end
M.call = call

function Module:forward()
  fail(self, "this class has no forward; it is a function %s:forward(x)", self.class_name)
end

local function fields(self)
  local r = getmetatable(self)
  if r.class.__pairs then return r.class.__pairs(self) end
  return next, r.slots, nil
end

local function length(self)
  local size = getmetatable(self).class.__len
  return size and size(self) or 0
end

local function text(self) return self:describe() end

-- What the slots of a class's modules fall back on.
local fallbacks = setmetatable({}, { __mode = "k" })

--- Returns a module of a class whose init has not run.
function M.new(class)
  local slots = setmetatable({ training = true }, fallbacks[class])
  return setmetatable({}, { __index = slots, __newindex = assign, __call = call, __pairs = fields, __len = length,
    __tostring = text, __name = class.class_name, class = class, slots = slots, kinds = {}, order = {},
    transient = {} })
end

local function construct(class, ...)
  local self = M.new(class)
  if class.init then class.init(self, ...) end
  return self
end

local function is_class(x) return x == Module or fallbacks[x] ~= nil end

--- nn.class(name, parent): a class of modules. Its init, if there is one, is called with the arguments of NAME(...),
-- forward with those of a module's call. It has whatever parent has, nn.Module without one.
function M.class(name, parent)
  if type(name) ~= "string" or not name:find "^[%a_][%w_]*$" then
    cr.raise(('class: the name must be a word, as in nn.class "Block", got %s'):format(type(name) == "string"
      and require("cresset.suggest").quote(name) or "a " .. type(name)))
  end
  if parent == nil then parent = Module end
  if type(parent) ~= "table" or not is_class(parent) then
    cr.raise(("class: the parent of '%s' must be a class, as nn.Module is, got a %s"):format(name,
      record(parent) and "module" or type(parent)))
  end
  local class = setmetatable({ class_name = name, super = parent },
    { __index = parent, __call = construct, __tostring = function() return "nn.class: " .. name end })
  fallbacks[class] = parent.__fallback and parent.__fallback(class) or { __index = class }
  return class
end

--- Lets the class's own `__fallback` say what its modules fall back on, once it is there.
function M.refall(class)
  fallbacks[class] = class.__fallback(class)
  return class
end

setmetatable(Module, { __call = construct, __tostring = function() return "nn.class: Module" end })
fallbacks[Module] = { __index = Module }

--- Makes fields that are computed when they are read: by name { get = function(self), set = function(self, value) }.
function M.compute(self, computed)
  local r = getmetatable(self)
  r.computed = computed
  local fallback = fallbacks[r.class].__index
  local plain = type(fallback) == "function" and fallback or function(_, key) return fallback[key] end
  setmetatable(r.slots, next(computed) == nil and fallbacks[r.class] or { __index = function(slots, key)
    local field = computed[key]
    if field then return field.get(self) end
    return plain(slots, key)
  end })
end

-- ---- Registration by name ---------------------------------------------------------------------------------

-- A field that holds something else is not turned into a part by name: assignment would tell of that.
local function is_free(self, r, name, kind)
  if not r.kinds[name] and rawget(r.slots, name) ~= nil then
    fail(self, "'%s' cannot name a %s: it is a field already", tostring(name), kind)
  end
end

--- Makes t, an nn.Parameter or nil, the parameter of that name.
function Module:register_parameter(name, t)
  local r = getmetatable(self)
  if t ~= nil and mark_of(t) ~= "parameter" then
    fail(self, "register_parameter takes nn.Parameter(t) or nil for '%s', not %s", tostring(name), got(t))
  end
  is_free(self, r, name, "parameter")
  register(self, r, "parameter", name, t)
end

--- Makes t, a tensor or nil, a buffer: it moves with the module and, if persistent (the default), is in its
-- state_dict, but no optimizer changes it.
function Module:register_buffer(name, t, persistent)
  local r = getmetatable(self)
  if type(persistent) == "table" then persistent = persistent.persistent end
  if t ~= nil and not cr.is_tensor(t) then
    fail(self, "register_buffer takes a tensor or nil for '%s', not a %s", tostring(name), type(t))
  end
  is_free(self, r, name, "buffer")
  register(self, r, "buffer", name, t)
  r.transient[name] = persistent == false or nil
end

--- Makes a module, or nil, the submodule of that name; register_module is the same.
function Module:add_module(name, module)
  local r = getmetatable(self)
  if module ~= nil and not record(module) then
    fail(self, "add_module takes a module or nil for '%s', not a %s", tostring(name), type(module))
  end
  is_free(self, r, name, "module")
  register(self, r, "module", name, module)
end
Module.register_module = Module.add_module

--- Takes a submodule, parameter or buffer of that name away, as a field that never was.
function M.forget(self, name)
  local r = getmetatable(self)
  r.slots[name], r.kinds[name], r.transient[name] = nil, nil, nil
  for i, other in ipairs(r.order) do
    if other == name then table.remove(r.order, i) break end
  end
  if r.class.__changed then r.class.__changed(self) end
end

return M
