-- lbfgs.lua: L-BFGS: steps along gradients bent by the curvature that the last ones have shown.
--
-- Holds true: the steps are PyTorch's, with its line search (wolfe.lua) or without. A step that an error ends, in the
-- closure or for want of memory, leaves parameters and state as they were before it.

local cr = require "cresset"
local options = require "cresset.optim.options"
local Optimizer = require "cresset.optim.optimizer"

local check = options.check

local LBFGS = Optimizer.class("LBFGS", {
  lr = { 1, check.rate }, max_iter = { 20, check.count }, max_eval = { nil, check.count },
  tolerance_grad = { 1e-7, check.number }, tolerance_change = { 1e-9, check.number },
  history_size = { 100, check.count }, line_search_fn = { nil, check.words "strong_wolfe" },
})

function LBFGS:begin()
  local group = self.param_groups[1]
  group.max_eval = group.max_eval or group.max_iter * 5 // 4
  return self
end

function LBFGS:check_group()
  if #self.param_groups > 0 then options.fail("LBFGS", "there can be one group of parameters only") end
end

-- ---- All parameters as one vector ------------------------------------------------------------------------

local function gather(params)
  local parts = {}
  for i, p in ipairs(params) do
    local grad = p.grad
    parts[i] = grad and grad:reshape(-1) or cr.zeros({ p:numel() }, { dtype = p.dtype, device = p.device })
  end
  return cr.cat(parts, 1)
end

local function move(params, t, d)
  local first = 1
  for _, p in ipairs(params) do
    local n = p:numel()
    p:add_(d:narrow(1, first, n):view(p.shape), { alpha = t })
    first = first + n
  end
end

local function largest(x) return x:abs():max():item() end

local function number_of(loss)
  if cr.is_tensor(loss) then return loss:item() end
  if type(loss) ~= "number" then
    options.fail("LBFGS", "step: the closure must return the loss, it returned %s", options.describe(loss))
  end
  return loss
end

-- ---- The direction ---------------------------------------------------------------------------------------

local function copy(list) return list and table.move(list, 1, #list, 1, {}) or {} end

-- What the steps so far have shown: the changes of gradients and parameters, and what follows of them.
local function learn(s, grad, history_size)
  local y, step = grad:sub(s.prev_flat_grad), s.d:mul(s.t)
  local ys = y:dot(step):item()
  if ys ~= ys or ys <= 1e-10 then return end
  if #s.old_dirs == history_size then
    table.remove(s.old_dirs, 1)
    table.remove(s.old_stps, 1)
    table.remove(s.ro, 1)
  end
  table.insert(s.old_dirs, y)
  table.insert(s.old_stps, step)
  table.insert(s.ro, 1 / ys)
  s.H_diag = ys / y:dot(y):item()
end

-- The two loops over the history.
local function bend(s, grad)
  local n, al, q = #s.old_dirs, {}, grad:neg()
  for i = n, 1, -1 do
    al[i] = s.old_stps[i]:dot(q):item() * s.ro[i]
    q:add_(s.old_dirs[i], { alpha = -al[i] })
  end
  local r = q:mul(s.H_diag)
  for i = 1, n do
    local be = s.old_dirs[i]:dot(r):item() * s.ro[i]
    r:add_(s.old_stps[i], { alpha = al[i] - be })
  end
  return r
end

-- ---- Steps -----------------------------------------------------------------------------------------------

-- One iteration from where value and gradient are known; gives those at its end, the evaluations that it took, and
-- whether it is the last one.
local function iterate(group, params, closure, s, loss, grad, last, evals)
  if s.n_iter == 1 then
    s.d, s.old_dirs, s.old_stps, s.ro, s.H_diag = grad:neg(), {}, {}, {}, 1
  else
    learn(s, grad, group.history_size)
    s.d = bend(s, grad)
  end
  s.prev_flat_grad, s.prev_loss = grad, loss
  local lr = options.number_of(group.lr)
  s.t = s.n_iter == 1 and math.min(1, 1 / grad:abs():sum():item()) * lr or lr
  local slope = grad:dot(s.d):item()
  if slope > -group.tolerance_change then return loss, grad, 0, true end
  local d, took, flat = s.d, 0, false
  if group.line_search_fn then
    local start = cr.foreach.clone(params)
    local function objective(t)
      move(params, t, d)
      local value = number_of(cr.enable_grad(closure))
      local gradient = gather(params)
      cr.foreach.copy_(params, start)
      return value, gradient
    end
    loss, grad, s.t, took = require("cresset.optim.wolfe").search(objective, s.t, d, loss, grad, slope, largest(d),
      1e-9, group.max_eval - evals)
    move(params, s.t, d)
    flat = largest(grad) <= group.tolerance_grad
  else
    move(params, s.t, d)
    if not last then
      loss, grad, took = number_of(cr.enable_grad(closure)), gather(params), 1
      flat = largest(grad) <= group.tolerance_grad
    end
  end
  local ended = last or evals + took >= group.max_eval or flat or largest(d:mul(s.t)) <= group.tolerance_change
    or math.abs(loss - s.prev_loss) < group.tolerance_change
  return loss, grad, took, ended
end

local kept = { "func_evals", "n_iter", "d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss" }

-- A copy of the state to work with: tensors in it are replaced, never written.
local function open(state)
  local s = { func_evals = 0, n_iter = 0 }
  for _, name in ipairs(kept) do s[name] = state[name] == nil and s[name] or state[name] end
  s.old_dirs, s.old_stps, s.ro = copy(s.old_dirs), copy(s.old_stps), copy(s.ro)
  return s
end

local function run(self, closure)
  local group = self.param_groups[1]
  local params = group.params
  local s = open(self.state[params[1]] or {})
  local original = cr.enable_grad(closure)
  local loss, grad, evals = number_of(original), gather(params), 1
  s.func_evals = s.func_evals + 1
  local ended = grad:numel() == 0 or largest(grad) <= group.tolerance_grad
  if not ended then
    local n, took = 0
    while n < group.max_iter and not ended do
      n, s.n_iter = n + 1, s.n_iter + 1
      loss, grad, took, ended = iterate(group, params, closure, s, loss, grad, n == group.max_iter, evals)
      evals, s.func_evals = evals + took, s.func_evals + took
    end
    self.state[params[1]] = s
  end
  return original
end

function LBFGS:update(closure)
  if not closure then options.fail("LBFGS", "step: it needs a closure that computes the loss and its gradients") end
  local params = self.param_groups[1].params
  local start = cr.foreach.clone(params)
  local _ <close> = setmetatable({}, { __close = function(_, err)
    if err ~= nil then cr.no_grad(cr.foreach.copy_, params, start) end
  end})
  return run(self, closure)
end

--- What PyTorch keeps in tensors of one element are numbers here.
function LBFGS:loaded()
  local function plain(x) return cr.is_tensor(x) and x.ndim == 0 and x:item() or x end
  for _, state in next, self.state do
    for key, value in next, state do state[key] = plain(value) end
    for i, value in ipairs(state.ro or {}) do state.ro[i] = plain(value) end
    state.al = nil
  end
end

return LBFGS
