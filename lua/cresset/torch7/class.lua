-- class.lua: Torch7's classes: torch.class, torch.type, torch.isTypeOf, torch.typename.
--
-- Holds true: a class is the metatable of its objects and its own __index; its parent is reached by inheritance. A
-- class "pkg.Name" is put into the package's table, of which this file knows those it was told; no global is set.

local M = {}

local classes = {} -- name -> class
local packages = {} -- name -> table of a package
local constructors = setmetatable({}, { __mode = "k" }) -- what is called to make an object -> its class

function M.package(name, t)
  packages[name] = t
  return t
end

-- The class of a name, whose file may have to be loaded by asking its package.
function M.getmetatable(name)
  local package, short = tostring(name):match "^(.-)%.([^.]+)$"
  if not classes[name] and packages[package] then pcall(function() return packages[package][short] end) end
  return classes[name]
end

-- A class is found by its own fields, then by its parent's.
local function make(name, parent)
  local class = { __typename = name }
  class.__index = class
  if parent then
    for _, event in ipairs { "__tostring", "__len", "__call", "__eq", "__add", "__sub", "__mul", "__div", "__unm" } do
      class[event] = parent[event]
    end
  end
  return setmetatable(class, { __index = parent })
end

local function construct(class, ...)
  local object = setmetatable({}, class)
  local init = object.__init
  if init then init(object, ...) end
  return object
end

-- The class and its parent's table: methods are put into the first, and the second is called for what it overrides.
function M.class(name, parent_name, module)
  if type(name) ~= "string" then error("torch.class: name: a string is needed, got a " .. type(name), 2) end
  local parent
  if parent_name then
    parent = M.getmetatable(parent_name)
    if not parent then error("torch.class: there is no class '" .. tostring(parent_name) .. "' to inherit from", 2) end
  end
  local class = make(name, parent)
  local maker = setmetatable({}, {
    __call = function(_, ...) return construct(class, ...) end,
    __index = class,
    __newindex = class,
  })
  constructors[maker] = class
  classes[name] = class
  local package, short = name:match "^(.-)%.([^.]+)$"
  if module then
    module[short or name] = maker
  elseif package then
    local home = packages[package]
    if not home then error("torch.class: there is no package '" .. package .. "' for class '" .. name .. "'", 2) end
    home[short] = maker
  elseif M.globals then
    _G[name] = maker
  end
  return class, parent, maker
end

-- An object of a class that __init does not see, as factories and readers of files make it.
function M.factory(name)
  local class = M.getmetatable(name)
  if not class then error("torch.factory: there is no class '" .. tostring(name) .. "'", 2) end
  return setmetatable({}, class)
end

-- The class behind an object, a class or what is called to make objects.
local function class_of(x)
  if type(x) ~= "table" then return nil end
  if constructors[x] then return constructors[x] end
  if rawget(x, "__typename") then return x end
  local class = getmetatable(x)
  return type(class) == "table" and rawget(class, "__typename") and class or nil
end

function M.typename(x)
  local class = class_of(x)
  if not class then return nil end
  return class.typename_of and class.typename_of(x) or class.__typename
end

function M.type(x) return M.typename(x) or type(x) end

function M.isTypeOf(x, what)
  local class, wanted = class_of(x), class_of(what)
  local name = M.typename(x)
  if type(what) == "string" and name and (name == what or name:match(what)) then return true end
  while class do
    if class == wanted or (type(what) == "string" and class.__typename == what) then return true end
    local meta = getmetatable(class)
    class = meta and meta.__index
  end
  return false
end

return M
