-- grad_scaler.lua: cr.GradScaler: losses are scaled up so that small gradients survive float16, and gradients back
-- down before the step.
--
-- Holds true: the rules are PyTorch's. A step with a gradient that is infinite or NaN is left out, and the scale falls;
-- after so many steps without one it grows.

local cr = require "cresset"
local options = require "cresset.optim.options"

local check, fail = options.check, options.fail

local Scaler = {}
Scaler.__index = Scaler

local READY, UNSCALED, STEPPED = "ready", "unscaled", "stepped"

local function check_growth(x) return not (type(x) == "number" and x > 1) and "a number above 1" or nil end
local function check_backoff(x)
  return not (type(x) == "number" and x > 0 and x < 1) and "a number between 0 and 1" or nil
end

local known = {
  init_scale = { 2.0 ^ 16, check.positive }, growth_factor = { 2.0, check_growth },
  backoff_factor = { 0.5, check_backoff }, growth_interval = { 2000, check.count }, enabled = { true, check.flag },
}

--- A scaler. The device ("cuda" unless it is named) may come first; options: init_scale (65536), growth_factor (2),
-- backoff_factor (0.5), growth_interval (2000), enabled (true).
local function construct(class, device, given)
  if type(device) == "table" and given == nil then device, given = nil, device end
  if device ~= nil and type(device) ~= "string" then
    fail("GradScaler", "the device must be its name, got %s", options.describe(device))
  end
  local o = options.read("GradScaler", given, known)
  return setmetatable({ _scale = o.init_scale, _growth_factor = o.growth_factor, _backoff_factor = o.backoff_factor,
    _growth_interval = o.growth_interval, _growth_tracker = 0, _enabled = o.enabled, device = device or "cuda",
    states = setmetatable({}, { __mode = "k" }) }, class)
end

-- What is known of an optimizer since the last update: its stage, and whether an infinity was found.
local function state_of(self, opt)
  local state = self.states[opt]
  if not state then
    state = { stage = READY }
    self.states[opt] = state
  end
  return state
end

local function check_optimizer(name, opt)
  if type(opt) ~= "table" or type(rawget(opt, "param_groups")) ~= "table" then
    fail("GradScaler", "%s: the argument must be an optimizer, got %s", name, options.describe(opt))
  end
end

--- The outputs times the scale: a tensor, or a table of them (nested, too), or several.
function Scaler:scale(...)
  if not self._enabled then return ... end
  local function scaled(x)
    if cr.is_tensor(x) then return x * cr.tensor(self._scale, { dtype = "float32", device = x.device }) end
    if type(x) ~= "table" then fail("GradScaler", "scale: outputs must be tensors, got %s", options.describe(x)) end
    local made = {}
    for k, v in next, x do made[k] = scaled(v) end
    return made
  end
  local list = table.pack(...)
  for i = 1, list.n do list[i] = scaled(list[i]) end
  return table.unpack(list, 1, list.n)
end

-- The gradients of an optimizer's parameters; with float16 ones refused unless they are allowed.
local function gradients(opt, allow_half)
  local list = {}
  for _, group in ipairs(opt.param_groups) do
    for _, p in ipairs(group.params) do
      local grad = p.grad
      if grad then
        if grad.dtype == "float16" and not allow_half then
          fail("GradScaler", "unscale_: a gradient is float16; parameters are float32, and autocast casts them")
        end
        list[#list + 1] = grad
      end
    end
  end
  return list
end

-- Whether any gradient has an element that is infinite or NaN.
local function has_infinity(grads)
  for _, grad in ipairs(grads) do
    if not grad:isfinite():all():item() then return true end
  end
  return false
end

local function unscale(state, grads, factor)
  state.found_inf = has_infinity(grads)
  if grads[1] then cr.foreach.mul_(grads, factor) end
  state.stage = UNSCALED
end

--- Divides the gradients of an optimizer by the scale, so that they can be looked at or clipped before the step; once
-- between two updates.
function Scaler:unscale_(opt)
  if not self._enabled then return end
  check_optimizer("unscale_", opt)
  local state = state_of(self, opt)
  if state.stage == UNSCALED then
    fail("GradScaler", "unscale_: this was called already for this optimizer since the last update()")
  elseif state.stage == STEPPED then fail("GradScaler", "unscale_: this comes before step, not after it") end
  cr.no_grad(unscale, state, gradients(opt), 1 / self._scale)
end

--- Takes the optimizer's step unless a gradient is infinite or NaN; gives what opt:step(...) gives, or nil.
function Scaler:step(opt, ...)
  check_optimizer("step", opt)
  if not self._enabled then return opt:step(...) end
  if ... ~= nil then fail("GradScaler", "step: closures are not possible with gradients that are scaled") end
  local state = state_of(self, opt)
  if state.stage == STEPPED then
    fail("GradScaler", "step: this was called already since the last update()")
  end
  if state.stage == READY then self:unscale_(opt) end
  if state.found_inf == nil then fail("GradScaler", "step: no infinity was looked for") end
  local result
  if not state.found_inf then result = opt:step() end
  state.stage = STEPPED
  return result
end

local function any_found(self)
  local any, found = false, false
  for _, state in next, self.states do
    if state.found_inf ~= nil then any, found = true, found or state.found_inf end
  end
  return any, found
end

--- Changes the scale after what the steps have found; or sets it to new_scale.
function Scaler:update(new_scale)
  if not self._enabled then return end
  if new_scale ~= nil then
    local x = cr.is_tensor(new_scale) and new_scale:item() or new_scale
    if check.positive(x) then
      fail("GradScaler", "update: new_scale must be a number above 0, got %s", options.describe(new_scale))
    end
    self._scale = x
  else
    local any, found = any_found(self)
    if not any then fail("GradScaler", "update: no step has looked for infinities since the last one") end
    if found then
      self._scale, self._growth_tracker = self._scale * self._backoff_factor, 0
    else
      self._growth_tracker = self._growth_tracker + 1
      if self._growth_tracker == self._growth_interval then
        local grown = self._scale * self._growth_factor
        if grown < 3.4028235e38 then self._scale = grown end -- what float32 holds
        self._growth_tracker = 0
      end
    end
  end
  for opt in next, self.states do self.states[opt] = nil end
end

--- The scale: 1 where the scaler is not enabled.
function Scaler:get_scale() return self._enabled and self._scale or 1.0 end

function Scaler:get_growth_factor() return self._growth_factor end
function Scaler:get_backoff_factor() return self._backoff_factor end
function Scaler:get_growth_interval() return self._growth_interval end
function Scaler:is_enabled() return self._enabled end

--- Whether the last look at the gradients of an optimizer, since update(), has found an infinity; nil for no look.
function Scaler:found_inf(opt)
  check_optimizer("found_inf", opt)
  local state = self.states[opt]
  return state and state.found_inf
end

local function setter(field, must)
  return function(self, x)
    local wrong = must(x)
    if wrong then fail("GradScaler", "set%s must be %s, got %s", field, wrong, options.describe(x)) end
    self[field] = x
  end
end
Scaler.set_growth_factor = setter("_growth_factor", check_growth)
Scaler.set_backoff_factor = setter("_backoff_factor", check_backoff)
Scaler.set_growth_interval = setter("_growth_interval", check.count)

--- A plain table, with PyTorch's names; empty where the scaler is not enabled.
function Scaler:state_dict()
  if not self._enabled then return {} end
  return { scale = self._scale, growth_factor = self._growth_factor, backoff_factor = self._backoff_factor,
    growth_interval = self._growth_interval, _growth_tracker = self._growth_tracker }
end

--- Takes over what state_dict() gave.
function Scaler:load_state_dict(dict)
  if not self._enabled then return end
  if type(dict) ~= "table" then
    fail("GradScaler", "load_state_dict: the dict must be a table, got %s", options.describe(dict))
  elseif next(dict) == nil then
    fail("GradScaler", "load_state_dict: the dict is empty; it may come from a scaler that was not enabled")
  end
  local must = { scale = check.positive, growth_factor = check_growth, backoff_factor = check_backoff,
    growth_interval = check.count, _growth_tracker = check.whole }
  for name, f in next, must do
    local wrong = f(dict[name])
    if wrong then
      fail("GradScaler", "load_state_dict: %s must be %s, got %s", name, wrong, options.describe(dict[name]))
    end
  end
  self._scale, self._growth_factor, self._backoff_factor = dict.scale, dict.growth_factor, dict.backoff_factor
  self._growth_interval, self._growth_tracker = dict.growth_interval, dict._growth_tracker
end

function Scaler:__tostring()
  return ("GradScaler (scale %g%s)"):format(self:get_scale(), self._enabled and "" or ", not enabled")
end

return setmetatable(Scaler, { __call = construct })
