-- stateless.lua: a module called with other parameters than its own.
--
-- Holds true: the module has its own tensors back when the call ends, however it ends. Meanwhile every caller of the
-- module sees the others, so a call that yields must not be left to wait.

local cr = require "cresset"
local module = require "cresset.nn.module"
local walk = require "cresset.nn.walk"

local M = {}

local NAME = "functional_call"

-- Where the tensors of a module are, by name.
local function places_of(m)
  local places = {}
  for _, kind in ipairs { "parameter", "buffer" } do
    for _, at in ipairs(walk.tensors(m, kind, "", true, true)) do places[at[1]] = at end
  end
  return places
end

local Swap = {}
Swap.__close = function(swapped)
  for _, at in ipairs(swapped) do module.record(at[3]).slots[at[4]] = at[2] end
end

-- Puts tensors in the places of others; shared ones are replaced wherever they are, as PyTorch does.
local function swap(m, tensors)
  local places = places_of(m)
  local swapped, by_own = setmetatable({}, Swap), {}
  for name, t in pairs(tensors) do
    local at = places[name]
    if not at then
      local near = type(name) == "string" and require("cresset.suggest").nearest(name, places)
      cr.raise(("%s: this %s has no parameter or buffer %s%s"):format(NAME, m.class_name,
        require("cresset.suggest").quote(tostring(name)), near and ("; did you mean '%s'?"):format(near) or ""))
    end
    if not cr.is_tensor(t) then cr.raise(("%s: '%s' must be a tensor, got a %s"):format(NAME, name, type(t))) end
    by_own[at[2]] = t
  end
  for _, at in pairs(places) do
    if by_own[at[2]] then
      swapped[#swapped + 1] = at
      module.record(at[3]).slots[at[4]] = by_own[at[2]]
    end
  end
  return swapped
end

--- functional_call(module, tensors, ...): module(...) with the tensors of a table by name in the place of its
-- parameters and buffers; gradients flow to them.
function M.functional_call(m, tensors, ...)
  if not module.is_module(m) then cr.raise(("%s: takes a module, got a %s"):format(NAME, type(m))) end
  if type(tensors) ~= "table" or module.is_module(tensors) then
    cr.raise(("%s: the tensors must be a table by name, got a %s"):format(NAME, type(tensors)))
  end
  local _ <close> = swap(m, tensors)
  return m(...)
end

return M
