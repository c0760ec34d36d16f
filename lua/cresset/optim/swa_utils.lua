-- swa_utils.lua: optim.swa_utils: averages of a model's weights, their statistics, and the rates that go with them.
--
-- Holds true: the formulas are PyTorch's; an update writes all weights or none.

local cr = require "cresset"
local nn = require "cresset.nn"
local options = require "cresset.optim.options"

local M = { SWALR = require "cresset.optim.swalr" }

local check, fail = options.check, options.fail

-- ---- Ways of averaging -------------------------------------------------------------------------------------

-- The floating tensors of both lists, and the others.
local function split(averages, current)
  local floats, now, rest = {}, {}, {}
  for i, a in ipairs(averages) do
    if a:is_floating_point() then floats[#floats + 1], now[#now + 1] = a, current[i]
    else rest[#rest + 1] = i end
  end
  return floats, now, rest
end

-- Moves averages so far towards the current values; what is no float is computed as one, and cut.
local function move(averages, current, share)
  local floats, now, rest = split(averages, current)
  if floats[1] then cr.foreach.lerp_(floats, now, share) end
  for _, i in ipairs(rest) do averages[i]:copy_(averages[i] * (1 - share) + current[i] * share) end
end

local function check_decay(owner, decay)
  if decay == nil then return 0.999 end
  if check.share(decay) then fail(owner, "decay must be a number from 0 to 1, got %s", options.describe(decay)) end
  return decay
end

--- f(averages, current), two lists of tensors: each average becomes decay (0.999) times itself and the rest current.
function M.get_ema_multi_avg_fn(decay)
  decay = check_decay("get_ema_multi_avg_fn", decay)
  return function(averages, current) cr.no_grad(move, averages, current, 1 - decay) end
end

--- f(averages, current, n): each average of n values takes one more.
function M.get_swa_multi_avg_fn()
  return function(averages, current, n) cr.no_grad(move, averages, current, 1 / (n + 1)) end
end

--- The same for one tensor: f(average, current) gives the new average.
function M.get_ema_avg_fn(decay)
  decay = check_decay("get_ema_avg_fn", decay)
  return function(average, current)
    return cr.no_grad(function() return average * decay + current * (1 - decay) end)
  end
end

--- f(average, current, n) gives the new average.
function M.get_swa_avg_fn()
  return function(average, current, n)
    return cr.no_grad(function() return average + (current - average) / (n + 1) end)
  end
end

-- ---- The averaged model ----------------------------------------------------------------------------------------

local known = {
  device = { nil, function(x) return type(x) ~= "string" and "the name of a device" or nil end },
  avg_fn = { nil, check.callable }, multi_avg_fn = { nil, check.callable }, use_buffers = { false, check.flag },
}

local AveragedModel = nn.class "AveragedModel"
M.AveragedModel = AveragedModel

--- A copy of a model whose weights are averages. Options: avg_fn(average, current, n) or multi_avg_fn(averages,
-- current, n), n the count so far; without, means of all; use_buffers (false): average buffers, too; device.
function AveragedModel:init(model, given)
  if type(model) ~= "table" or type(model.parameters) ~= "function" then
    fail("AveragedModel", "the first argument must be a module, got %s", options.describe(model))
  end
  local o = options.read("AveragedModel", given, known)
  if o.avg_fn and o.multi_avg_fn then fail("AveragedModel", "give avg_fn or multi_avg_fn, not both") end
  self.module = model:clone()
  if o.device then self.module:to(o.device) end
  self.n_averaged = nn.Buffer(cr.tensor(0, { device = o.device }))
  self.avg_fn, self.multi_avg_fn, self.use_buffers = o.avg_fn, o.multi_avg_fn, o.use_buffers
end

function AveragedModel:forward(...) return self.module(...) end

local function tensors_of(m, buffers)
  local list = m:parameters()
  return buffers and table.move(m:buffers(), 1, #m:buffers(), #list + 1, list) or list
end

-- The current values on the devices of the averages; an error where they do not fit.
local function matched(averages, current)
  if #averages ~= #current then
    fail("AveragedModel", "update_parameters: the model has %d tensors, and its average %d", #current, #averages)
  end
  local here = {}
  for i, a in ipairs(averages) do
    if a.shape ~= current[i].shape then
      fail("AveragedModel", "update_parameters: tensor %d has shape %s, and its average %s", i,
        tostring(current[i].shape), tostring(a.shape))
    end
    here[i] = current[i]:detach():to(a.device)
  end
  return here
end

local function update(self, model)
  local averages = tensors_of(self.module, self.use_buffers)
  local current, n = matched(averages, tensors_of(model, self.use_buffers)), self.n_averaged:item()
  if n == 0 then cr.foreach.copy_(averages, current)
  elseif self.avg_fn then
    local values = {}
    for i, a in ipairs(averages) do values[i] = self.avg_fn(a:detach(), current[i], n) end
    cr.foreach.copy_(averages, values)
  else
    (self.multi_avg_fn or M.get_swa_multi_avg_fn())(averages, current, n)
  end
  if not self.use_buffers then
    local buffers = self.module:buffers()
    if buffers[1] then cr.foreach.copy_(buffers, matched(buffers, model:buffers())) end
  end
  self.n_averaged:add_(1)
end

--- Takes the present weights of the model into the averages.
function AveragedModel:update_parameters(model)
  if type(model) ~= "table" or type(model.parameters) ~= "function" then
    fail("AveragedModel", "update_parameters: the argument must be a module, got %s", options.describe(model))
  end
  cr.no_grad(update, self, model)
end

-- ---- Statistics of normalizations --------------------------------------------------------------------------------

local function normalizations(model)
  local list = {}
  for _, m in ipairs(model:modules()) do
    if type(m.reset_running_stats) == "function" then list[#list + 1] = m end
  end
  return list
end

local function run(loader, model, device)
  for input in loader do
    if type(input) == "table" and not getmetatable(input) then input = input[1] end
    if device then input = input:to(device) end
    model(input)
  end
end

--- Goes through a loader once, so that the batch normalizations of a model know the statistics of what they see with
-- its weights. Of a batch, the first value goes into the model. Options: device.
function M.update_bn(loader, model, given)
  local device = options.read("update_bn", given, { device = known.device }).device
  local list = normalizations(model)
  if #list == 0 then return end
  local momenta, was = {}, model.training
  for i, m in ipairs(list) do momenta[i] = m.momentum end
  local _ <close> = setmetatable({}, { __close = function()
    for i, m in ipairs(list) do m.momentum = momenta[i] end
    model:train(was)
  end})
  model:train()
  for _, m in ipairs(list) do
    m:reset_running_stats()
    m.momentum = nil -- a mean of all batches
  end
  cr.no_grad(run, loader, model, device)
end

return M
