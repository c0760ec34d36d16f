-- walk.lua: the parts of a module: its parameters, buffers and submodules, by name or as lists.
--
-- Holds true: names are PyTorch's ("0.weight", "layers.0.self_attn.in_proj_weight"), in the order of assignment, a
-- module's own before those of its submodules. What is in two places has the name of the first, and is given once.
-- Lists and iterators are made whole: what is changed meanwhile does not disturb them.

local module = require "cresset.nn.module"

local M = {}

local Module, fail, record = module.Module, module.fail, module.record

local function join(prefix, name) return prefix == "" and name or prefix .. "." .. name end
M.join = join

-- The arguments (prefix, recurse) of named_..., in order or by name.
local function read(prefix, recurse)
  if type(prefix) == "table" then prefix, recurse = prefix.prefix, prefix.recurse end
  return prefix or "", recurse ~= false
end

-- Adds { name, module } of a module and all below it; `seen` is nil where each place counts.
local function gather(m, prefix, seen, list)
  if seen and seen[m] then return list end
  if seen then seen[m] = true end
  list[#list + 1] = { prefix, m }
  local r = record(m)
  for _, name in ipairs(r.order) do
    local child = r.kinds[name] == "module" and r.slots[name]
    if child then gather(child, join(prefix, name), seen, list) end
  end
  return list
end

--- All places of modules, as a list of { name, module }; shared ones come once unless `places`.
function M.modules(m, prefix, places)
  return gather(m, prefix or "", not places and {} or nil, {})
end

--- All tensors of a kind, as a list of { name, tensor, module, own name }; shared ones come once unless `places`.
function M.tensors(m, kind, prefix, recurse, places)
  local list, seen = {}, {}
  local modules = recurse == false and { { prefix or "", m } } or M.modules(m, prefix, places)
  for _, at in ipairs(modules) do
    local r = record(at[2])
    for _, name in ipairs(r.order) do
      local t = r.kinds[name] == kind and r.slots[name]
      if t and (places or not seen[t]) then
        seen[t] = true
        list[#list + 1] = { join(at[1], name), t, at[2], name }
      end
    end
  end
  return list
end

-- An iterator of the first two entries of each element.
local function each(list)
  local i = 0
  return function()
    i = i + 1
    local at = list[i]
    if at then return at[1], at[2] end
  end
end

local function seconds(list)
  for i, at in ipairs(list) do list[i] = at[2] end
  return list
end

--- A list of the parameters; with recurse = false, of the module's own only.
function Module:parameters(recurse)
  local _, all = read(nil, type(recurse) == "table" and recurse.recurse or recurse)
  return seconds(M.tensors(self, "parameter", "", all))
end

--- for name, parameter in net:named_parameters() do
function Module:named_parameters(prefix, recurse)
  local p, all = read(prefix, recurse)
  return each(M.tensors(self, "parameter", p, all))
end

function Module:buffers(recurse)
  local _, all = read(nil, type(recurse) == "table" and recurse.recurse or recurse)
  return seconds(M.tensors(self, "buffer", "", all))
end

function Module:named_buffers(prefix, recurse)
  local p, all = read(prefix, recurse)
  return each(M.tensors(self, "buffer", p, all))
end

-- The direct submodules; one that has two names comes once.
local function children(self)
  local r, list, seen = record(self), {}, {}
  for _, name in ipairs(r.order) do
    local child = r.kinds[name] == "module" and r.slots[name]
    if child and not seen[child] then
      seen[child] = true
      list[#list + 1] = { name, child }
    end
  end
  return list
end

function Module:children() return seconds(children(self)) end

function Module:named_children() return each(children(self)) end

--- The module itself and all below it.
function Module:modules() return seconds(M.modules(self)) end

--- for name, module in net:named_modules() do; the name of the module itself is "".
function Module:named_modules(prefix, remove_duplicate)
  if type(prefix) == "table" then prefix, remove_duplicate = prefix.prefix, prefix.remove_duplicate end
  return each(M.modules(self, prefix, remove_duplicate == false))
end

-- ---- By name --------------------------------------------------------------------------------------------

local function find_module(self, method, path)
  if type(path) ~= "string" then fail(self, "%s takes a name such as \"0.weight\", not a %s", method, type(path)) end
  local here = self
  for name in path:gmatch "[^.]+" do
    local r = record(here)
    local child = r.kinds[name] == "module" and r.slots[name]
    if not child then
      fail(self, "%s: %s has no submodule %s", method, here == self and "it" or "its " .. here.class_name,
        require("cresset.suggest").quote(name))
    end
    here = child
  end
  return here
end

--- The module of a name that named_modules gives.
function Module:get_submodule(path) return find_module(self, "get_submodule", path) end

--- Puts a module in the place of the one of a name.
function Module:set_submodule(path, other)
  if type(path) ~= "string" or path == "" then fail(self, "set_submodule takes the name of a submodule") end
  if not record(other) then fail(self, "set_submodule takes a module for '%s', not a %s", path, type(other)) end
  find_module(self, "set_submodule", path)
  local before, name = path:match "^(.*)%.([^.]+)$"
  find_module(self, "set_submodule", before or "")[name or path] = other
end

local function find_tensor(self, method, kind, path)
  if type(path) ~= "string" then fail(self, "%s takes a name such as \"0.weight\", not a %s", method, type(path)) end
  local before, name = path:match "^(.*)%.([^.]+)$"
  local m = before and find_module(self, method, before) or self
  name = name or path
  local r = record(m)
  if r.kinds[name] ~= kind or not r.slots[name] then
    fail(self, "%s: there is no %s %s", method, kind, require("cresset.suggest").quote(path))
  end
  return r.slots[name]
end

function Module:get_parameter(path) return find_tensor(self, "get_parameter", "parameter", path) end

function Module:get_buffer(path) return find_tensor(self, "get_buffer", "buffer", path) end

-- ---- All parts at once ------------------------------------------------------------------------------------

--- Calls f(module) for all submodules, from below, then for the module itself, and gives it.
function Module:apply(f)
  if not require "cresset.callable"(f) then fail(self, "apply takes a function, not a %s", type(f)) end
  for _, child in ipairs(self:children()) do child:apply(f) end
  f(self)
  return self
end

--- Sets `training` of the module and all below it (dropout and batch norm look at it), and gives the module.
function Module:train(on)
  if on == nil then on = true end
  if type(on) ~= "boolean" then fail(self, "train takes true or false, not a %s", type(on)) end
  record(self).slots.training = on
  for _, child in ipairs(self:children()) do child:train(on) end
  return self
end

function Module:eval() return self:train(false) end

--- Sets requires_grad of all parameters: false freezes them.
function Module:requires_grad_(on)
  if on == nil then on = true end
  if type(on) ~= "boolean" then fail(self, "requires_grad_ takes true or false, not a %s", type(on)) end
  for _, p in ipairs(self:parameters()) do p:requires_grad_(on) end
  return self
end

--- Takes the gradients of all parameters away, or makes them zero with set_to_none = false.
function Module:zero_grad(set_to_none)
  if type(set_to_none) == "table" then set_to_none = set_to_none.set_to_none end
  for _, p in ipairs(self:parameters()) do
    if set_to_none == false and p.grad then
      p.grad:detach_()
      p.grad:zero_()
    else
      p.grad = nil
    end
  end
end

return M
