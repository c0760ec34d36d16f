-- muon.lua: Muon: steps of matrices along the orthogonal part of their momentum.
--
-- Holds true: the formulas are PyTorch's: the orthogonal part comes of iterations of Newton and Schulz in bfloat16. All
-- that is new is computed before anything is written, in one call.

local cr = require "cresset"
local options = require "cresset.optim.options"
local Optimizer = require "cresset.optim.optimizer"
local writes = require "cresset.optim.writes"

local check = options.check

local Muon = Optimizer.class("Muon", {
  lr = { 1e-3, check.rate }, weight_decay = { 0.1, check.nonnegative }, momentum = { 0.95, check.nonnegative },
  nesterov = { true, check.flag },
  ns_coefficients = { { 3.4445, -4.7750, 2.0315 }, check.list(3, check.number, "a list of three numbers") },
  eps = { 1e-7, check.nonnegative },
  ns_steps = { 5, function(x) return not (math.type(x) == "integer" and x >= 0 and x < 100)
    and "a whole number from 0 to below 100" or nil end },
  adjust_lr_fn = { nil, check.words("original", "match_rms_adamw") },
})
Muon.like_parameter = { "momentum_buffer" }

function Muon:check_group(group)
  for i, p in ipairs(group.params) do
    if p.ndim ~= 2 then
      options.fail(self.name, "parameter %d has shape %s; only matrices can be optimized", i, tostring(p.shape))
    end
  end
end

function Muon.make_state(_, state, p) state.momentum_buffer = cr.zeros_like(p) end

-- beta c + alpha a b of bfloat16, rounded once.
local function add_product(c, a, b, beta, alpha)
  return cr.addmm(c:float(), a:float(), b:float(), { beta = beta, alpha = alpha }):to "bfloat16"
end

-- The nearest orthogonal matrix, about: its singular values come near 1.
local function orthogonal(m, group)
  local a, b, c = table.unpack(group.ns_coefficients)
  local tall = m:size(1) > m:size(2)
  local x = m:to "bfloat16"
  if tall then x = x:t() end
  x = x / x:norm():clamp_min(group.eps)
  for _ = 1, group.ns_steps do
    local gram = x:matmul(x:t())
    x = add_product(x, add_product(gram, gram, gram, b, c), x, a, 1)
  end
  return tall and x:t() or x
end

-- The rate of a matrix of this shape.
local function adjusted(lr, how, shape)
  local rows, columns = shape[1], shape[2]
  if how == "match_rms_adamw" then return lr * 0.2 * math.sqrt(math.max(rows, columns)) end
  return lr * math.sqrt(math.max(1, rows / columns))
end

local function step_parameter(self, todo, group, p, grad)
  local lr, momentum = options.number_of(group.lr), group.momentum
  local state = self:state_of(p, group)
  local buffer = todo:set(state.momentum_buffer, state.momentum_buffer:lerp(grad, 1 - momentum))
  local update = orthogonal(group.nesterov and grad:lerp(buffer, momentum) or buffer, group)
  local x = p:detach() * (1 - lr * group.weight_decay)
  todo:set(p, x:add(update:to(p.dtype), { alpha = -adjusted(lr, group.adjust_lr_fn, p.shape) }))
end

function Muon:update(closure) return writes.step(self, closure, step_parameter) end

return Muon
