-- convert.lua: a module in another dtype, on another device, or once more.
--
-- Holds true: parameters stay the objects that they are, so an optimizer that holds them keeps them; buffers are
-- replaced. All new memory is there before anything changes. A clone shares no tensor and no module with its original,
-- but what was shared within the original is shared within the clone.

local cr = require "cresset"
local module = require "cresset.nn.module"
local parameter = require "cresset.nn.parameter"
local walk = require "cresset.nn.walk"

local M = {}

local Module, fail, record = module.Module, module.fail, module.record

local function is_dtype(x) return type(x) == "string" and rawget(cr, x) == x end

-- The dtype and the device that the arguments of `to` name.
local function read(self, ...)
  local dtype, device
  for i = 1, select("#", ...) do
    local x = select(i, ...)
    if cr.is_tensor(x) then dtype, device = x.dtype, x.device
    elseif type(x) == "table" then dtype, device = x.dtype or dtype, x.device or device
    elseif is_dtype(x) then dtype = x
    elseif type(x) == "string" then device = x
    elseif x ~= nil then
      fail(self, "to takes a dtype, a device, a tensor or { dtype =, device = }, not a %s", type(x))
    end
  end
  if dtype and not (is_dtype(dtype) and cr.isdtype(dtype, "real floating")) then
    fail(self, "to takes a floating dtype for a module's parameters, not %s",
      require("cresset.suggest").quote(tostring(dtype), '"'))
  end
  return dtype, device
end

-- What `to` makes of a tensor; the tensor itself where nothing changes.
local function moved(t, dtype, device)
  if t and dtype and t:is_floating_point() then t = t:to(dtype) end
  return t and device and t:to(device) or t
end

local function convert(self, dtype, device)
  local parameters, buffers, places = {}, {}, walk.modules(self, "", false)
  for i, p in ipairs(self:parameters()) do
    parameters[i] = { p, moved(p, dtype, device), moved(p.grad, dtype, device) }
  end
  for _, b in ipairs(self:buffers()) do buffers[b] = moved(b, dtype, device) end
  for _, at in ipairs(parameters) do
    if at[1] ~= at[2] then
      at[1].grad = nil
      at[1]:set_data(at[2])
      at[1].grad = at[3]
    end
  end
  for _, at in ipairs(places) do
    local r = record(at[2])
    for _, name in ipairs(r.order) do
      if r.kinds[name] == "buffer" and r.slots[name] then r.slots[name] = buffers[r.slots[name]] end
    end
  end
end

--- net:to("cuda"), net:to("float64"), net:to { dtype =, device = }, net:to(tensor): moves the parameters and buffers,
-- casts those that are floats, and gives the module.
function Module:to(...)
  local dtype, device = read(self, ...)
  cr.no_grad(convert, self, dtype, device)
  return self
end

for name, dtype in pairs { half = cr.float16, float = cr.float32, double = cr.float64, bfloat16 = cr.bfloat16 } do
  Module[name] = function(self) return self:to(dtype) end
end

function Module:type(dtype) return self:to(dtype) end

function Module:cpu() return self:to "cpu" end

function Module:cuda(device) return self:to(device or "cuda") end

-- ---- Copies ----------------------------------------------------------------------------------------------

-- Tables that Lua programs share: modules of `require`, and classes.
local function is_shared(t)
  if rawget(t, "class_name") then return true end
  for _, loaded in pairs(package.loaded) do
    if rawequal(loaded, t) then return true end
  end
  local meta = getmetatable(t)
  return type(meta) == "table" and rawget(meta, "lazy") ~= nil
end

local copy

local function copy_tensor(t)
  local mark = parameter.mark_of(t)
  if not t.is_leaf then return t:detach():clone() end -- a field that a call has computed
  local c = t:deepcopy()
  if mark == "parameter" then
    local grad = c.grad
    c = parameter.Parameter(c, t.requires_grad)
    c.grad = grad
  elseif mark then
    c = parameter.Buffer(c, mark == "buffer")
  end
  return c
end

local function copy_table(t, memo)
  local c = {}
  memo[t] = c
  for key, value in next, t do c[copy(key, memo)] = copy(value, memo) end
  return setmetatable(c, getmetatable(t))
end

local function copy_module(m, memo)
  local r = record(m)
  local c = module.new(r.class)
  local into = record(c)
  memo[m] = c
  for key, value in next, r.slots do into.slots[key] = copy(value, memo) end
  into.order = table.move(r.order, 1, #r.order, 1, {})
  for name, kind in next, r.kinds do into.kinds[name] = kind end
  for name in next, r.transient do into.transient[name] = true end
  if r.computed then module.compute(c, r.computed) end
  if r.hooks then
    into.__call, into.hooks = r.__call, {}
    for kind, list in next, r.hooks do into.hooks[kind] = table.move(list, 1, #list, 1, {}) end
  end
  return c
end

function copy(value, memo)
  if memo[value] ~= nil then return memo[value] end
  if cr.is_tensor(value) then
    memo[value] = copy_tensor(value)
    return memo[value]
  end
  if type(value) ~= "table" then return value end
  if record(value) then return copy_module(value, memo) end
  return is_shared(value) and value or copy_table(value, memo)
end

--- A module like this one that shares nothing with it: parameters with their gradients, buffers, submodules and
-- fields; functions (hooks, too) are the same.
function Module:clone() return copy(self, {}) end
Module.deepcopy = Module.clone

function M.clone(m)
  if not record(m) then cr.raise(("clone: the argument must be a module, got a %s"):format(type(m))) end
  return m:clone()
end

return M
