-- sgd.lua: stochastic gradient descent, with momentum.
--
-- Holds true: the formulas are PyTorch's SGD's: buf = momentum buf + (1 - dampening) grad, at first grad itself.

local cr = require "cresset"
local options = require "cresset.optim.options"
local Optimizer = require "cresset.optim.optimizer"

local check = options.check

local SGD = Optimizer.class("SGD", {
  lr = { 1e-3, check.rate }, momentum = { 0, check.nonnegative }, dampening = { 0, check.number },
  weight_decay = { 0, check.nonnegative }, nesterov = { false, check.flag }, maximize = { false, check.flag },
  foreach = { nil, check.flag }, differentiable = { false, check.undifferentiable }, fused = { nil, check.flag },
})
SGD.rule = "sgd"
SGD.like_parameter = { "momentum_buffer" }

local MOMENTUM, NESTEROV, FIRST = 1, 2, 4

function SGD.check(group)
  if group.nesterov and (group.momentum <= 0 or group.dampening ~= 0) then
    options.fail("SGD", "nesterov needs a momentum above 0 and no dampening")
  end
end

function SGD.make_state() end

function SGD:step_rows(rows, group, device)
  local momentum = group.momentum
  local numbers = { group.weight_decay, group.maximize and -1 or 1, options.number_of(group.lr), momentum,
    1 - group.dampening }
  local on = momentum == 0 and 0 or MOMENTUM | (group.nesterov and NESTEROV or 0)
  for _, p in ipairs(group.params) do
    local grad = p.grad
    if device and p.device ~= device then grad = nil end
    if grad and momentum == 0 then rows:add(p, grad, false, false, false, numbers, 0)
    elseif grad then
      local state = self:state_of(p)
      local buffer = state.momentum_buffer
      local first = not buffer
      if first then -- the place is there before the step
        buffer, state.momentum_buffer = cr.zeros_like(p), false
        rows:keep(state, "momentum_buffer", buffer)
      end
      rows:add(p, grad, buffer, false, false, numbers, first and on | FIRST or on)
    end
  end
end

return SGD
