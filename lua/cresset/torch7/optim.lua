-- optim.lua: Torch7's optim: f(opfunc, x, config, state) steps that write x.
--
-- Holds true: opfunc(x) gives a loss and its gradient by x, both flat tensors; a step returns x and a table of the
-- losses that it saw. What lasts between steps is in `state`, or in `config` where there is none. Formulas are
-- Torch7's, which differ from PyTorch's in places (dampening, where epsilon stands).

local classes = require "cresset.torch7.class"
local optim = classes.package("optim", {})

local function like(x) return x:clone():zero() end

-- Gradient with the decay of weights added.
local function decayed(config, x, g)
  local wd = config.weightDecay or 0
  return wd ~= 0 and g:clone():add(wd, x) or g
end

local function setup(config, state)
  config = config or {}
  return config, state or config
end

function optim.sgd(opfunc, x, config, state)
  config, state = setup(config, state)
  local momentum = config.momentum or 0
  local dampening = config.dampening or momentum
  local nesterov = config.nesterov or false
  if nesterov and (momentum <= 0 or dampening ~= 0) then
    error("optim.sgd: nesterov needs a momentum above 0 and dampening = 0", 2)
  end
  local fx, g = opfunc(x)
  g = decayed(config, x, g)
  if config.weightDecays then g = g:clone():add(config.weightDecays:clone():cmul(x)) end
  if momentum ~= 0 then
    if not state.dfdx then
      state.dfdx = g:clone()
    else
      state.dfdx:mul(momentum):add(1 - dampening, g)
    end
    g = nesterov and g:clone():add(momentum, state.dfdx) or state.dfdx
  end
  state.evalCounter = state.evalCounter or 0
  local rate = (config.learningRate or 1e-3) / (1 + state.evalCounter * (config.learningRateDecay or 0))
  if config.learningRates then
    x:add(-rate, g:clone():cmul(config.learningRates))
  else
    x:add(-rate, g)
  end
  state.evalCounter = state.evalCounter + 1
  return x, { fx }
end

function optim.adam(opfunc, x, config, state)
  config, state = setup(config, state)
  local b1, b2, eps = config.beta1 or 0.9, config.beta2 or 0.999, config.epsilon or 1e-8
  local fx, g = opfunc(x)
  g = decayed(config, x, g)
  state.t = (state.t or 0) + 1
  state.m, state.v = state.m or like(g), state.v or like(g)
  state.m:mul(b1):add(1 - b1, g)
  state.v:mul(b2):addcmul(1 - b2, g, g)
  local rate = (config.learningRate or 0.001) / (1 + (state.t - 1) * (config.learningRateDecay or 0))
  local step = rate * math.sqrt(1 - b2 ^ state.t) / (1 - b1 ^ state.t)
  x:addcdiv(-step, state.m, state.v:clone():sqrt():add(eps))
  return x, { fx }
end

function optim.adamax(opfunc, x, config, state)
  config, state = setup(config, state)
  local b1, b2, eps = config.beta1 or 0.9, config.beta2 or 0.999, config.epsilon or 1e-38
  local fx, g = opfunc(x)
  state.t = (state.t or 0) + 1
  state.m, state.u = state.m or like(g), state.u or like(g)
  state.m:mul(b1):add(1 - b1, g)
  state.u:mul(b2)
  state.u:cmax(g:clone():abs():add(eps))
  x:addcdiv(-(config.learningRate or 0.002) / (1 - b1 ^ state.t), state.m, state.u)
  return x, { fx }
end

function optim.adagrad(opfunc, x, config, state)
  config, state = setup(config, state)
  local fx, g = opfunc(x)
  g = decayed(config, x, g)
  state.evalCounter = state.evalCounter or 0
  state.paramVariance = state.paramVariance or like(g)
  state.paramVariance:addcmul(1, g, g)
  local rate = (config.learningRate or 1e-3) / (1 + state.evalCounter * (config.learningRateDecay or 0))
  x:addcdiv(-rate, g, state.paramVariance:clone():sqrt():add(1e-10))
  state.evalCounter = state.evalCounter + 1
  return x, { fx }
end

function optim.adadelta(opfunc, x, config, state)
  config, state = setup(config, state)
  local rho, eps = config.rho or 0.9, config.eps or 1e-6
  local fx, g = opfunc(x)
  g = decayed(config, x, g)
  state.paramVariance, state.accDelta = state.paramVariance or like(g), state.accDelta or like(g)
  state.paramVariance:mul(rho):addcmul(1 - rho, g, g)
  local std = state.paramVariance:clone():add(eps):sqrt()
  local delta = state.accDelta:clone():add(eps):sqrt():cdiv(std):cmul(g)
  x:add(-1, delta)
  state.accDelta:mul(rho):addcmul(1 - rho, delta, delta)
  return x, { fx }
end

function optim.rmsprop(opfunc, x, config, state)
  config, state = setup(config, state)
  local alpha, eps = config.alpha or 0.99, config.epsilon or 1e-8
  local fx, g = opfunc(x)
  g = decayed(config, x, g)
  state.m = state.m or like(g):fill(config.initialMean or 0)
  state.m:mul(alpha):addcmul(1 - alpha, g, g)
  x:addcdiv(-(config.learningRate or 1e-2), g, state.m:clone():sqrt():add(eps))
  return x, { fx }
end

function optim.nag(opfunc, x, config, state)
  config, state = setup(config, state)
  local momentum = config.momentum or 0.9
  if momentum <= 0 then error("optim.nag: momentum must be above 0, got " .. momentum, 2) end
  state.evalCounter = state.evalCounter or 0
  if state.dfdx then x:add(momentum, state.dfdx) end
  local fx, g = opfunc(x)
  g = decayed(config, x, g)
  local rate = (config.learningRate or 1e-3) / (1 + state.evalCounter * (config.learningRateDecay or 0))
  state.dfdx = state.dfdx and state.dfdx:mul(momentum) or like(g)
  state.dfdx:add(-rate, g)
  x:add(-rate, g)
  state.evalCounter = state.evalCounter + 1
  return x, { fx }
end

function optim.asgd(opfunc, x, config, state)
  config, state = setup(config, state)
  local eta0, lambda = config.eta0 or 1e-4, config.lambda or 1e-4
  local alpha, t0 = config.alpha or 0.75, config.t0 or 1e6
  state.eta_t, state.mu_t, state.t = state.eta_t or eta0, state.mu_t or 1, state.t or 0
  local fx, g = opfunc(x)
  state.t = state.t + 1
  x:mul(1 - lambda * state.eta_t):add(-state.eta_t, g)
  state.ax = state.ax or like(x)
  if state.mu_t ~= 1 then
    state.ax:add(state.mu_t, x:clone():add(-1, state.ax))
  else
    state.ax:copy(x)
  end
  state.eta_t = eta0 / (1 + lambda * eta0 * state.t) ^ alpha
  state.mu_t = 1 / math.max(1, state.t - t0)
  return x, { fx }, state.ax
end

function optim.rprop(opfunc, x, config, state)
  config, state = setup(config, state)
  local up, down = config.etaplus or 1.2, config.etaminus or 0.5
  local most, least = config.stepsizemax or 50, config.stepsizemin or 1e-6
  local losses = {}
  for i = 1, config.niter or 1 do
    local fx, g = opfunc(x)
    losses[i] = fx
    state.delta = state.delta or like(g)
    state.stepsize = state.stepsize or like(g):fill(config.stepsize or 0.1)
    local sign = state.delta:clone():cmul(g):sign()
    local kept = sign:ge(0):typeAs(g)
    local factor = sign:clone():apply(function(s) return s > 0 and up or s < 0 and down or 1 end)
    state.stepsize:cmul(factor):clamp(least, most)
    local now = g:clone():cmul(kept)
    x:add(-1, now:clone():sign():cmul(state.stepsize))
    state.delta:copy(now)
  end
  return x, losses
end

-- Conjugate gradients are not kept; limited-memory BFGS with steps of a fixed rate, as Torch7's without a line search.
function optim.lbfgs(opfunc, x, config, state)
  config, state = setup(config, state)
  local most = config.maxIter or 20
  local limit = config.maxEval or most * 1.25
  local tolFun, tolX, keep = config.tolFun or 1e-5, config.tolX or 1e-9, config.nCorrection or 100
  local fx, g = opfunc(x)
  local losses, evaluations = { fx }, 1
  if g:clone():abs():sum() <= tolFun then return x, losses end
  local steps, changes = state.old_dirs or {}, state.old_stps or {}
  local direction, scale, iteration = state.d, state.Hdiag or 1, 0
  local previous = state.g_prev
  while iteration < most do
    iteration = iteration + 1
    state.nIter = (state.nIter or 0) + 1
    if state.nIter == 1 then
      direction = g:clone():mul(-1)
    else
      local y, s = g:clone():add(-1, previous), direction:clone():mul(state.step)
      local ys = y:dot(s)
      if ys > 1e-10 then
        if #steps == keep then
          table.remove(steps, 1)
          table.remove(changes, 1)
        end
        steps[#steps + 1], changes[#changes + 1] = s, y
        scale = ys / y:dot(y)
      end
      local q, al = g:clone():mul(-1), {}
      for i = #steps, 1, -1 do
        al[i] = steps[i]:dot(q) / changes[i]:dot(steps[i])
        q:add(-al[i], changes[i])
      end
      direction = q:mul(scale)
      for i = 1, #steps do
        local be = changes[i]:dot(direction) / changes[i]:dot(steps[i])
        direction:add(al[i] - be, steps[i])
      end
    end
    previous = g:clone()
    local before = fx
    local slope = g:dot(direction)
    if slope > -tolX then break end
    local t = state.nIter == 1 and math.min(1, 1 / g:clone():abs():sum()) * (config.learningRate or 1)
      or (config.learningRate or 1)
    state.step = t
    if config.lineSearch then
      local values = { config.lineSearch(opfunc, x, t, direction, fx, g, slope, config.lineSearchOptions) }
      fx, g, state.step = values[1], values[2], values[4]
      if values[3] ~= x then x:copy(values[3]) end
      evaluations = evaluations + (values[5] or 1)
    else
      x:add(t, direction)
      if iteration ~= most then
        fx, g = opfunc(x)
        evaluations = evaluations + 1
      end
    end
    losses[#losses + 1] = fx
    if evaluations >= limit or g:clone():abs():sum() <= tolFun then break end
    if direction:clone():mul(state.step):abs():sum() <= tolX or math.abs(fx - before) < tolX then break end
  end
  state.old_dirs, state.old_stps, state.d, state.Hdiag, state.g_prev = steps, changes, direction, scale, previous
  return x, losses, evaluations
end

-- Counts of guesses by class: rows are the targets, columns the predictions.
local Confusion = classes.class "optim.ConfusionMatrix"
function Confusion:__init(n, names)
  if type(n) == "table" then n, names = #n, n end
  self.nclasses, self.classes = n, names or {}
  for i = 1, n do self.classes[i] = self.classes[i] or i end
  self:zero()
end
function Confusion:zero()
  self.mat = {}
  for i = 1, self.nclasses do
    self.mat[i] = {}
    for j = 1, self.nclasses do self.mat[i][j] = 0 end
  end
  self.totalValid = 0
end
local function winner(x)
  if type(x) == "number" then return x end
  if x:nElement() == 1 then return x:reshape(1)[1] end
  local _, at = x:reshape(x:nElement()):max(1)
  return at[1]
end
function Confusion:add(prediction, target)
  local p, t = winner(prediction), winner(target)
  self.mat[math.tointeger(t)][math.tointeger(p)] = self.mat[math.tointeger(t)][math.tointeger(p)] + 1
end
function Confusion:batchAdd(predictions, targets)
  for i = 1, predictions:size(1) do self:add(predictions[i], targets[i]) end
end
function Confusion:updateValids()
  local right, all, valid, union = 0, 0, 0, 0
  self.valids = {}
  for i = 1, self.nclasses do
    local row, column = 0, 0
    for j = 1, self.nclasses do row, column = row + self.mat[i][j], column + self.mat[j][i] end
    right, all = right + self.mat[i][i], all + row
    self.valids[i] = self.mat[i][i] / row
    if row > 0 then valid = valid + self.valids[i] end
    if row + column > 0 then union = union + self.mat[i][i] / (row + column - self.mat[i][i]) end
  end
  self.totalValid, self.averageValid, self.averageUnionValid = right / all, valid / self.nclasses, union / self.nclasses
end
function Confusion:__tostring()
  self:updateValids()
  local lines = { "ConfusionMatrix:" }
  for i, row in ipairs(self.mat) do
    local cells = {}
    for j, n in ipairs(row) do cells[j] = ("%8d"):format(n) end
    local rate = ("%.3f%%  [class: %s]"):format(100 * self.valids[i], self.classes[i])
    lines[#lines + 1] = ("[%s]   %s"):format(table.concat(cells), rate)
  end
  lines[#lines + 1] = (" + average row correct: %.6f%%"):format(100 * self.averageValid)
  lines[#lines + 1] = (" + average rowUcol correct (VOC measure): %.6f%%"):format(100 * self.averageUnionValid)
  lines[#lines + 1] = (" + global correct: %.6f%%"):format(100 * self.totalValid)
  return table.concat(lines, "\n")
end

return optim
