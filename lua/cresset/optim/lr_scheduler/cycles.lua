-- cycles.lua: schedules that go up and down, with momentum going the other way: again and again, or once.
--
-- Holds true: the formulas are PyTorch's. The momentum is `momentum`, or the first of `betas`.

local options = require "cresset.optim.options"
local Scheduler = require "cresset.optim.lr_scheduler.scheduler"

local check, fail = options.check, options.fail

local M = {}

-- A value for each group, of one for all or a list.
local function spread(self, name, value)
  local n, list = #self.optimizer.param_groups, {}
  if type(value) == "table" then
    if #value ~= n then fail(self.name, "%s must be a number or one for each of %d groups, got %d", name, n, #value) end
    return table.move(value, 1, n, 1, list)
  end
  for i = 1, n do list[i] = value end
  return list
end

local function numbers(x)
  if type(x) ~= "table" then return type(x) ~= "number" and "a number, or a list of one for each group" or nil end
  for _, v in ipairs(x) do
    if type(v) ~= "number" then return "a number, or a list of one for each group" end
  end
end

local function set_momentum(group, use_beta1, momentum)
  if use_beta1 then group.betas = { momentum, group.betas[2] } else group.momentum = momentum end
end

-- Whether the momentum is the first beta; an error where there is none.
local function uses_beta1(self)
  local defaults = self.optimizer.defaults
  if defaults.momentum == nil and defaults.betas == nil then
    fail(self.name, "%s has neither momentum nor betas; cycle_momentum = false does without", self.optimizer.name)
  end
  return defaults.betas ~= nil
end

-- Gives the groups their bounds of momentum, and the largest to begin with.
local function start_momentum(self, found)
  self.use_beta1 = uses_beta1(self)
  local low, high = spread(self, "base_momentum", found.base_momentum), spread(self, "max_momentum", found.max_momentum)
  self.base_momentums, self.max_momentums = low, high
  if found.last_epoch ~= -1 then return end
  for i, group in ipairs(self.optimizer.param_groups) do
    set_momentum(group, self.use_beta1, high[i])
    group.max_momentum, group.base_momentum = high[i], low[i]
  end
end

-- ---- Again and again ---------------------------------------------------------------------------------------

local CyclicLR = Scheduler.class("CyclicLR", { "base_lr", "max_lr" }, {
  base_lr = { nil, numbers }, max_lr = { nil, numbers }, step_size_up = { 2000, check.positive },
  step_size_down = { nil, check.positive },
  mode = { "triangular", check.words("triangular", "triangular2", "exp_range") },
  gamma = { 1.0, check.number }, scale_fn = { nil, check.callable },
  scale_mode = { "cycle", check.words("cycle", "iterations") }, cycle_momentum = { true, check.flag },
  base_momentum = { 0.8, numbers }, max_momentum = { 0.9, numbers },
})
M.CyclicLR = CyclicLR

function CyclicLR:make(found)
  local base = spread(self, "base_lr", found.base_lr)
  self.max_lrs = spread(self, "max_lr", found.max_lr)
  self.total_size = found.step_size_up + (found.step_size_down or found.step_size_up)
  self.step_ratio = found.step_size_up / self.total_size
  self.mode, self.gamma, self.scale_fn = found.mode, found.gamma, found.scale_fn
  self.scale_mode = found.scale_mode
  if not found.scale_fn then self.scale_mode = found.mode == "exp_range" and "iterations" or "cycle" end
  self.cycle_momentum = found.cycle_momentum
  if found.cycle_momentum then start_momentum(self, found) end
  if found.last_epoch == -1 then self:set(base) end
  self:start(found.last_epoch)
  self.base_lrs = base
end

-- The height of the cycles: 1, or less from one to the next.
local function scale(self, x)
  if self.scale_fn then return self.scale_fn(x) end
  return self.mode == "triangular" and 1 or self.mode == "triangular2" and 1 / 2 ^ (x - 1) or self.gamma ^ x
end

function CyclicLR:rates(epoch)
  local cycle = math.floor(1 + epoch / self.total_size)
  local x = 1 + epoch / self.total_size - cycle
  local height = x <= self.step_ratio and x / self.step_ratio or (x - 1) / (self.step_ratio - 1)
  local factor, list = scale(self, self.scale_mode == "cycle" and cycle or epoch), {}
  for i, lr in ipairs(self.base_lrs) do list[i] = lr + (self.max_lrs[i] - lr) * height * factor end
  if self.cycle_momentum then
    for i, group in ipairs(self.optimizer.param_groups) do
      local low, high = self.base_momentums[i], self.max_momentums[i]
      set_momentum(group, self.use_beta1, high - (high - low) * height * factor)
    end
  end
  return list
end

-- ---- Once ----------------------------------------------------------------------------------------------------

local OneCycleLR = Scheduler.class("OneCycleLR", { "max_lr" }, {
  max_lr = { nil, numbers }, total_steps = { nil, check.count }, epochs = { nil, check.count },
  steps_per_epoch = { nil, check.count }, pct_start = { 0.3, check.share },
  anneal_strategy = { "cos", check.words("cos", "linear") }, cycle_momentum = { true, check.flag },
  base_momentum = { 0.85, numbers }, max_momentum = { 0.95, numbers }, div_factor = { 25.0, check.positive },
  final_div_factor = { 1e4, check.positive }, three_phase = { false, check.flag },
})
M.OneCycleLR = OneCycleLR

-- The phases: where each ends, and between which of the group's numbers rate and momentum go.
local function phases_of(total, share, three)
  local up = { end_step = share * total - 1, start_lr = "initial_lr", end_lr = "max_lr",
    start_momentum = "max_momentum", end_momentum = "base_momentum" }
  if not three then
    return { up, { end_step = total - 1, start_lr = "max_lr", end_lr = "min_lr", start_momentum = "base_momentum",
      end_momentum = "max_momentum" } }
  end
  return { up, { end_step = 2 * share * total - 2, start_lr = "max_lr", end_lr = "initial_lr",
    start_momentum = "base_momentum", end_momentum = "max_momentum" },
    { end_step = total - 1, start_lr = "initial_lr", end_lr = "min_lr", start_momentum = "max_momentum",
      end_momentum = "max_momentum" } }
end

function OneCycleLR:make(found)
  local per_epoch = found.epochs and found.steps_per_epoch and found.epochs * found.steps_per_epoch
  self.total_steps = found.total_steps or per_epoch
  if not self.total_steps then fail(self.name, "it needs total_steps, or epochs and steps_per_epoch") end
  self._schedule_phases = phases_of(self.total_steps, found.pct_start, found.three_phase)
  self._anneal_func_type, self.cycle_momentum = found.anneal_strategy, found.cycle_momentum
  local most = spread(self, "max_lr", found.max_lr)
  if found.cycle_momentum then start_momentum(self, found) end
  if found.last_epoch == -1 then
    for i, group in ipairs(self.optimizer.param_groups) do
      group.initial_lr, group.max_lr = most[i] / found.div_factor, most[i]
      group.min_lr = group.initial_lr / found.final_div_factor
    end
  end
  self:start(found.last_epoch)
end

local anneal = {
  cos = function(from, to, share) return to + (from - to) / 2 * (math.cos(math.pi * share) + 1) end,
  linear = function(from, to, share) return (to - from) * share + from end,
}

-- The phase of a step, and how far it is through it.
local function phase_at(self, epoch)
  local start, phases = 0, self._schedule_phases
  for i, phase in ipairs(phases) do
    if epoch <= phase.end_step or i == #phases then return phase, (epoch - start) / (phase.end_step - start) end
    start = phase.end_step
  end
end

function OneCycleLR:rates(epoch)
  if epoch > self.total_steps then
    fail(self.name, "step: the cycle has %d steps, and they are over", self.total_steps)
  end
  local phase, share = phase_at(self, epoch)
  local between, list = anneal[self._anneal_func_type], {}
  for i, group in ipairs(self.optimizer.param_groups) do
    list[i] = between(group[phase.start_lr], group[phase.end_lr], share)
    if self.cycle_momentum then
      set_momentum(group, self.use_beta1, between(group[phase.start_momentum], group[phase.end_momentum], share))
    end
  end
  return list
end

return M
