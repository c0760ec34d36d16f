-- npz.lua: NumPy's archives of arrays, read and written.
--
-- Holds true: a member "name.npy" is the tensor of that name; one that is no array is a string of its bytes, as
-- numpy.load has it. Members that are stored lie mapped, those that are deflated are inflated when they are made.

local cr = require "cresset"
local core = require "cresset.io.core"
local npy = require "cresset.io.npy"
local tree = require "cresset.io.tree"
local zip = require "cresset.io.zip"

local M = {}

--- A table of tensors by their names.
function M.read(source, options)
  local names, members = {}, zip.open(source)
  for _, e in ipairs(members) do
    local name = e.name:match "^(.*)%.npy$" or e.name
    if names[name] then source:fail("has two members %s", source.quote(name)) end
    names[name] = e
  end
  return tree.flat(names, function(name)
    local e = names[name]
    local buffer, start = zip.bytes_of(source, e, true)
    if not e.name:find "%.npy$" then return buffer:bytes(start, e.size) end
    return npy.read(source:member("member " .. source.quote(e.name), buffer, start, e.size), options)
  end, options.lazy)
end

local function checked(value)
  if type(value) ~= "table" then
    cr.raise(("save: a .npz file holds a table of tensors, got a %s"):format(cr.is_tensor(value) and "tensor"
      or type(value)))
  end
  local names = {}
  for name, x in pairs(value) do
    if type(name) ~= "string" or name == "" or not utf8.len(name) or name:find "%z" then
      cr.raise("save: the names of arrays in a .npz file are strings, got " .. tostring(name))
    end
    if not cr.is_tensor(x) then
      cr.raise(("save: %s is a %s; a .npz file holds tensors only, .safetensors takes tables"):format(name, type(x)))
    end
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- Writes a table of tensors by names; options.compressed deflates them.
function M.write(path, value, options)
  local names, headers = checked(value), {}
  for i, name in ipairs(names) do headers[i] = npy.header(value[name]) end
  local writer <close> = core.writer(path)
  local archive = zip.create(writer, options.compressed)
  for i, name in ipairs(names) do
    archive:add(name .. ".npy", { headers[i], value[name]:detach():cpu():contiguous() }, 64)
  end
  archive:finish()
  writer:commit()
end

return M
