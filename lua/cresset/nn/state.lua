-- state.lua: state_dict and load_state_dict: what a module has learned, as a table of tensors by name.
--
-- Holds true: the keys are PyTorch's; the tensors share the module's memory, outside every graph. Loading compares
-- everything first: where anything does not fit, one error tells all of it and nothing has changed.

local cr = require "cresset"
local module = require "cresset.nn.module"
local parameter = require "cresset.nn.parameter"
local walk = require "cresset.nn.walk"

local M = {}

local Module, fail, record = module.Module, module.fail, module.record

-- All that a state_dict has: a list of { key, tensor, module, name, kind }, shared tensors at each of their places.
local function entries(m)
  local list = {}
  for _, at in ipairs(walk.modules(m, "", true)) do
    local r = record(at[2])
    for _, kind in ipairs { "parameter", "buffer" } do
      for _, name in ipairs(r.order) do
        local t = r.kinds[name] == kind and not r.transient[name] and r.slots[name]
        if t then list[#list + 1] = { walk.join(at[1], name), t, at[2], name, kind } end
      end
    end
  end
  return list
end

local function run_hooks(m, name, ...)
  for _, at in ipairs(walk.modules(m, "", true)) do
    local hooks = record(at[2]).hooks
    for _, f in ipairs(hooks and hooks[name] or {}) do f.call(at[2], at[1] == "" and "" or at[1] .. ".", ...) end
  end
end

--- The table of all parameters and persistent buffers by name. Options: prefix (put before the names), keep_vars (the
-- parameters themselves instead of tensors outside every graph).
function Module:state_dict(options)
  local o = options or {}
  if type(o) ~= "table" then fail(self, "state_dict takes an options table, not a %s", type(o)) end
  for key in next, o do
    if key ~= "prefix" and key ~= "keep_vars" then
      fail(self, "state_dict has no option %s; it has prefix and keep_vars",
        require("cresset.suggest").quote(tostring(key)))
    end
  end
  local dict = {}
  for _, e in ipairs(entries(self)) do dict[(o.prefix or "") .. e[1]] = o.keep_vars and e[2] or e[2]:detach() end
  run_hooks(self, "state_dict", dict)
  return dict
end

-- ---- Loading -------------------------------------------------------------------------------------------

-- { ["0"] = { weight = t } } as { ["0.weight"] = t }.
local function flatten(t, prefix, flat)
  for key, value in pairs(t) do
    local name = prefix .. tostring(key)
    if type(value) == "table" and getmetatable(value) == nil then flatten(value, name .. ".", flat)
    else flat[name] = value end
  end
  return flat
end

local function quoted(names)
  local list = {}
  for i, name in ipairs(names) do list[i] = '"' .. name .. '"' end
  return table.concat(list, ", ")
end

-- The one value of a list of entries that does not fit, as a sentence; nil if it fits.
local function misfit(e, value)
  if not cr.is_tensor(value) then return ('"%s" is a %s, not a tensor'):format(e[1], type(value)) end
  if value.shape ~= e[2].shape then
    return ('"%s" has shape %s here and %s there'):format(e[1], tostring(e[2].shape), tostring(value.shape))
  end
end

-- Compares a flat table with the entries: what is missing, what is too much (both sorted), and sentences on the rest.
local function compare(list, flat)
  local known, missing, misfits, unexpected = {}, {}, {}, {}
  for _, e in ipairs(list) do
    known[e[1]] = true
    local value = flat[e[1]]
    if value ~= nil then misfits[#misfits + 1] = misfit(e, value)
    elseif e[4] ~= "num_batches_tracked" then missing[#missing + 1] = e[1] end -- old files have no such counts
  end
  for key in next, flat do
    if not known[key] then unexpected[#unexpected + 1] = key end
  end
  table.sort(unexpected)
  return missing, unexpected, misfits
end

local function put(list, flat, assign)
  for _, e in ipairs(list) do
    local value, m = flat[e[1]], record(e[3])
    if value ~= nil and assign then
      value = value:detach()
      m.slots[e[4]] = e[5] == "buffer" and value or parameter.Parameter(value, e[2].requires_grad)
    elseif value ~= nil then
      e[2]:copy_(value)
    end
  end
end

--- Copies the tensors of a state_dict into those of the module. Options: strict (true; false leaves out what is
-- missing on either side), assign (the tensors themselves become the module's). Gives { missing_keys =,
-- unexpected_keys = }.
function Module:load_state_dict(dict, options)
  local strict, assign = options, nil
  if type(options) == "table" then strict, assign = options.strict, options.assign end
  if type(dict) ~= "table" or record(dict) then
    fail(self, "load_state_dict takes a table of tensors, as state_dict gives, not a %s",
      record(dict) and "module" or type(dict))
  end
  local flat = flatten(dict, "", {})
  run_hooks(self, "load_pre", flat)
  local list = entries(self)
  local missing, unexpected, misfits = compare(list, flat)
  local problems = {}
  if strict ~= false and #missing > 0 then problems[1] = "missing " .. quoted(missing) end
  if strict ~= false and #unexpected > 0 then problems[#problems + 1] = "unexpected " .. quoted(unexpected) end
  table.move(misfits, 1, #misfits, #problems + 1, problems)
  if #problems > 0 then
    cr.raise(("load_state_dict: the tensors do not fit this %s: %s"):format(self.class_name,
      table.concat(problems, "; ")))
  end
  cr.no_grad(put, list, flat, assign)
  local result = { missing_keys = missing, unexpected_keys = unexpected }
  run_hooks(self, "load_post", result)
  return result
end

return M
