-- nn.lua: the module `cresset.nn`: layers, losses, containers, and what makes layers of one's own.
--
-- Holds true: a class is loaded with its family's file (nn/FAMILY.lua) at the first use of its name; a name that
-- does not exist is an error that names the nearest one.

local cr = require "cresset"
local module = require "cresset.nn.module"
local parameter = require "cresset.nn.parameter"

local convert = require "cresset.nn.convert"

for _, name in ipairs { "walk", "state", "hooks", "show", "place" } do require("cresset.nn." .. name) end

local nn = {
  Module = module.Module, class = module.class, is_module = module.is_module,
  Parameter = parameter.Parameter, Buffer = parameter.Buffer, is_parameter = parameter.is_parameter,
  clone = convert.clone,
}

-- The classes and functions of each file.
local families = {
  container = "Sequential ModuleList ModuleDict ParameterList ParameterDict",
  linear = "Identity Linear Bilinear",
}

-- What is a table of its own.
local tables = {}

local lazy = {}
for file, names in pairs(families) do
  for name in names:gmatch "%S+" do lazy[name] = { "cresset.nn." .. file, name } end
end
for name, file in pairs(tables) do lazy[name] = { "cresset.nn." .. file } end

local function index(_, name)
  local where = lazy[name]
  if where then
    local value = require(where[1])
    if where[2] then value = value[where[2]] end
    rawset(nn, name, value)
    return value
  end
  if type(name) ~= "string" or name:sub(1, 1) == "_" then return nil end
  local known = {}
  for key in next, lazy do known[key] = true end
  for key in next, nn do known[key] = true end
  local suggest = require "cresset.suggest"
  local near = suggest.nearest(name, known)
  local told = near and ("; did you mean 'nn.%s'?"):format(near) or ""
  cr.raise("cresset.nn has no " .. suggest.quote(name) .. told)
end

return setmetatable(nn, { __index = index, lazy = lazy })
