-- adafactor.lua: Adafactor: the mean of squares of a matrix kept as means of its rows and columns.
--
-- Holds true: the formulas are PyTorch's. All that is new is computed before anything is written, in one call.

local cr = require "cresset"
local options = require "cresset.optim.options"
local Optimizer = require "cresset.optim.optimizer"
local writes = require "cresset.optim.writes"

local check = options.check

local function check_eps(x)
  local fits = type(x) == "table" and (x[1] == nil or not check.nonnegative(x[1])) and not check.nonnegative(x[2])
  return not fits and "a list of two numbers of at least 0, the first of which may be nil" or nil
end

local function check_decay(x) return not (type(x) == "number" and x <= 0) and "a number of at most 0" or nil end

local Adafactor = Optimizer.class("Adafactor", {
  lr = { 1e-2, check.rate },
  beta2_decay = { -0.8, check_decay },
  eps = { { nil, 1e-3 }, check_eps },
  d = { 1.0, function(x) return not (type(x) == "number" and x >= 1) and "a number of at least 1" or nil end },
  weight_decay = { 0.0, check.nonnegative }, foreach = { nil, check.flag }, maximize = { false, check.flag },
})

function Adafactor:make_state(state, p, group)
  state.step = 0
  if p.ndim > 1 then
    local rows, columns = p.shape, p.shape
    rows[p.ndim], columns[p.ndim - 1] = 1, 1
    state.row_var = cr.zeros(rows, { dtype = p.dtype, device = p.device })
    state.col_var = cr.zeros(columns, { dtype = p.dtype, device = p.device })
  else
    state.variance = cr.zeros_like(p)
  end
  return self, group
end

-- The mean of squares along a dim, which stays.
local function mean_square(grad, dim)
  return grad:norm(2, dim, { keepdim = true }):square():div(grad:size(dim))
end

-- What the squares are taken for, with the new means.
local function estimate(todo, state, grad, share, eps)
  if grad.ndim <= 1 then
    return todo:set(state.variance, state.variance:lerp(grad * grad, share))
  end
  local rows = todo:set(state.row_var, state.row_var:lerp(mean_square(grad, -1), share))
  local columns = todo:set(state.col_var, state.col_var:lerp(mean_square(grad, -2), share))
  return (rows:matmul(columns)):div(rows:mean(-2, { keepdim = true }):clamp_min(eps))
end

local function step_parameter(self, todo, group, p, grad)
  local state = self:state_of(p, group)
  local step, lr = state.step + 1, options.number_of(group.lr)
  local eps1 = group.eps[1] or cr.finfo(p.dtype).eps
  local count = p:numel()
  local alpha = math.max(group.eps[2], p:norm(2):item() / count ^ 0.5) * math.min(lr, 1 / step ^ 0.5)
  if group.maximize then grad = -grad end
  local x = p:detach()
  if group.weight_decay ~= 0 then x = x * (1 - lr * group.weight_decay) end
  local update = estimate(todo, state, grad, step ^ group.beta2_decay, eps1):clamp_min(eps1 * eps1):rsqrt() * grad
  local denom = math.max(1, update:norm(2):item() / (count ^ 0.5 * group.d))
  todo:set(p, x:add(update, { alpha = -alpha / denom }))
  todo:keep(state, "step", step)
end

function Adafactor:update(closure) return writes.step(self, closure, step_parameter) end

return Adafactor
