-- optimizer.lua: what all optimizers have in common: groups, state, steps, hooks, and what is saved of them.
--
-- Holds true: a step that fails has changed nothing, or may be taken again with the same result. The state of a
-- parameter is a plain table of tensors and numbers in PyTorch's structure; `step` counts steps as a number.

local cr = require "cresset"
local groups = require "cresset.optim.groups"
local hooks = require "cresset.optim.hooks"
local options = require "cresset.optim.options"
local saved = require "cresset.optim.saved"

local Optimizer = {}
Optimizer.__index = Optimizer

local moments = { "step_pre", "step_post", "state_dict_pre", "state_dict_post", "load_pre", "load_post" }
local everywhere = { step_pre = {}, step_post = {} } -- hooks on the steps of all optimizers

local function construct(class, params, given)
  local self = setmetatable({ param_groups = {}, state = {}, hooks = {}, steps = 0, constants = {} }, class)
  for _, moment in ipairs(moments) do self.hooks[moment] = {} end
  local list = groups.split(class.name, params)
  self.defaults = options.read(class.name, given, class.options)
  if class.check then class.check(self.defaults) end
  for _, group in ipairs(list) do self:add_param_group(group) end
  self:begin()
  return self
end

--- A new kind of optimizer. `known` is { name = { default, check } }; methods are put into the table that this
-- gives: step_rows(rows, group) adds rows for rows.lua, or update(closure) does all of a step and gives the loss.
function Optimizer.class(name, known)
  local class = setmetatable({ name = name, options = known }, { __index = Optimizer, __call = construct,
    __tostring = function() return "cresset.optim." .. name end })
  class.__index, class.__tostring = class, Optimizer.__tostring
  return class
end

--- What of a state is a number here, and a tensor of one element in PyTorch.
Optimizer.numbers_of_state = { step = true }

--- What an optimizer does when its groups are there.
function Optimizer:begin() return self end

--- Adds a group { params = list, lr = ... }; what it does not say is as in the other groups.
function Optimizer:add_param_group(group)
  local read = groups.read(self.name, group, self.param_groups, self.defaults, self.options)
  if self.check then self.check(read) end
  if self.check_group then self:check_group(read) end
  table.insert(self.param_groups, read)
  self.devices = nil
end

-- ---- Steps ---------------------------------------------------------------------------------------------

--- The state of a parameter, made at its first step; `make(state, p, group)` fills it.
function Optimizer:state_of(p, group)
  local state = self.state[p]
  if state then return state end
  state = {}
  self:make_state(state, p, group)
  self.state[p] = state
  return state
end

local function check_device(self, group)
  if not group.capturable then return end
  for i, p in ipairs(group.params) do
    if p.device == "cpu" then
      options.fail(self.name, "capturable steps are for CUDA graphs; parameter %d is on the cpu", i)
    end
  end
end

-- The devices of all parameters, if there are several.
local function devices_of(self)
  local list, seen = {}, {}
  for _, group in ipairs(self.param_groups) do
    for _, p in ipairs(group.params) do
      if not seen[p.device] then
        seen[p.device] = true
        list[#list + 1] = p.device
      end
    end
  end
  return #list > 1 and list or { false }
end

--- A step of the class's rule on all rows, in one call for each device; gives the closure's loss.
function Optimizer:update(closure)
  local loss
  if closure then loss = cr.enable_grad(closure) end
  self.devices = self.devices or devices_of(self)
  for _, device in ipairs(self.devices) do
    local rows = require("cresset.optim.rows").new()
    for _, group in ipairs(self.param_groups) do
      check_device(self, group)
      self:step_rows(rows, group, device)
    end
    rows:run(self.rule, self.constants)
  end
  return loss
end

--- Takes a step: with a closure that computes the loss and its gradients, which is called and whose loss this gives.
function Optimizer:step(closure)
  if getmetatable(self) == nil or not self.param_groups then
    cr.raise "step: it is a method, opt:step()"
  end
  if closure ~= nil and not require "cresset.callable"(closure) then
    options.fail(self.name, "step: the closure must be a function, got %s", options.describe(closure))
  end
  local other = hooks.call(everywhere.step_pre, self, closure)
  if other ~= nil then closure = other end
  other = hooks.call(self.hooks.step_pre, self, closure)
  if other ~= nil then closure = other end
  local loss = cr.no_grad(self.update, self, closure)
  self.steps = self.steps + 1
  hooks.call(self.hooks.step_post, self, closure)
  hooks.call(everywhere.step_post, self, closure)
  return loss
end

local zero_grad_options = { set_to_none = { true, options.check.flag } }

--- Takes the gradients of all parameters away; { set_to_none = false } makes them zeros.
function Optimizer:zero_grad(given)
  local set_to_none = given
  if type(given) == "table" then
    set_to_none = options.read(self.name .. ": zero_grad", given, zero_grad_options).set_to_none
  elseif given ~= nil and type(given) ~= "boolean" then
    options.fail(self.name, "zero_grad: set_to_none must be true or false, got %s", options.describe(given))
  end
  local zeroed = {}
  for _, group in ipairs(self.param_groups) do
    for _, p in ipairs(group.params) do
      if set_to_none ~= false then p.grad = nil
      elseif p.grad then
        local grad = p.grad
        if grad.grad_fn then grad:detach_() else grad.requires_grad = false end
        zeroed[#zeroed + 1] = grad
      end
    end
  end
  if zeroed[1] then cr.no_grad(cr.foreach.zero_, zeroed) end
end

-- ---- Hooks ---------------------------------------------------------------------------------------------

local function registrar(moment)
  return function(self, f, prepend) return hooks.add(self.name, self.hooks[moment], f, prepend) end
end

--- f(opt, closure) before each step; what it returns takes the place of the closure. Gives a handle with :remove().
Optimizer.register_step_pre_hook = registrar "step_pre"
--- f(opt, closure) after each step.
Optimizer.register_step_post_hook = registrar "step_post"
--- f(opt) before state_dict().
Optimizer.register_state_dict_pre_hook = registrar "state_dict_pre"
--- f(opt, dict) with what state_dict() gives; what it returns takes its place.
Optimizer.register_state_dict_post_hook = registrar "state_dict_post"
--- f(opt, dict) before a dict is loaded; what it returns takes its place.
Optimizer.register_load_state_dict_pre_hook = registrar "load_pre"
--- f(opt) once a dict was loaded.
Optimizer.register_load_state_dict_post_hook = registrar "load_post"

--- f(opt, closure) before and after each step of any optimizer.
function Optimizer.register_optimizer_step_pre_hook(f) return hooks.add("optim", everywhere.step_pre, f) end
function Optimizer.register_optimizer_step_post_hook(f) return hooks.add("optim", everywhere.step_post, f) end

-- ---- What is saved ---------------------------------------------------------------------------------------

--- { state = { [number of the parameter] = { ... } }, param_groups = { { params = numbers, lr = ... } } }: plain
-- tables. The tensors are the optimizer's own.
function Optimizer:state_dict()
  hooks.call(self.hooks.state_dict_pre, self)
  local dict = saved.pack(self)
  local other = hooks.call(self.hooks.state_dict_post, self, dict)
  return other ~= nil and other or dict
end

--- Takes over what state_dict() gave, also of an optimizer of PyTorch: copies, in the dtypes of the parameters and on
-- their devices. Groups must be as many and as long as here.
function Optimizer:load_state_dict(dict)
  if type(dict) ~= "table" then
    options.fail(self.name, "load_state_dict: the dict must be a table, got %s", options.describe(dict))
  end
  local other = hooks.call(self.hooks.load_pre, self, dict)
  if other ~= nil then dict = other end
  local state, list = saved.unpack(self, dict)
  self.state, self.param_groups = state, list
  if self.loaded then self:loaded() end
  hooks.call(self.hooks.load_post, self)
end

local function text_of(value)
  if type(value) == "table" and not getmetatable(value) then
    local parts = {}
    for i, v in ipairs(value) do parts[i] = text_of(v) end
    return "(" .. table.concat(parts, ", ") .. ")"
  end
  return cr.is_tensor(value) and tostring(value:item()) or tostring(value)
end

function Optimizer:__tostring()
  local lines = { self.name .. " (" }
  for i, group in ipairs(self.param_groups) do
    lines[#lines + 1] = ("Parameter Group %d"):format(i)
    local names = {}
    for name in next, group do
      if name ~= "params" then names[#names + 1] = tostring(name) end
    end
    table.sort(names)
    for _, name in ipairs(names) do lines[#lines + 1] = ("    %s: %s"):format(name, text_of(group[name])) end
  end
  lines[#lines + 1] = ")"
  return table.concat(lines, "\n")
end

return Optimizer
