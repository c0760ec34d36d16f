-- criterions.lua: losses: a number forward, the gradient of the input backward.
--
-- Holds true: sizeAverage (true at first) divides by the number of elements or rows, as each criterion of Torch7
-- does. Classes count from 1.

local cr = require "cresset"
local T = require "cresset.torch7.tensor"
local classes = require "cresset.torch7.class"
local base = require "cresset.torch7.nn.module"
local NativeCriterion = base.NativeCriterion

local function raw(t, like)
  if T.is(t) then return like and t.raw:to(like.dtype) or t.raw end
  if type(t) == "number" then return cr.tensor(t, { dtype = like and like.dtype or "int64" }) end
  error("a target is a tensor or a number, got a " .. type(t), 0)
end

local function reduction(self) return self.sizeAverage and "mean" or "sum" end

-- names: the constructor's arguments; sizeAverage is a field of each.
local function criterion(name, names, defaults, compute)
  local C = classes.class("nn." .. name, "nn.NativeCriterion")
  function C:__init(...)
    NativeCriterion.__init(self)
    self.sizeAverage = true
    local given = { ... }
    for i, field in ipairs(names) do
      if given[i] ~= nil then self[field] = given[i] else self[field] = defaults[i] end
    end
    if self.sizeAverage == nil then self.sizeAverage = true end
  end
  C.compute = compute
  return C
end

local sized = { "sizeAverage" }
local averaged = { true }

criterion("MSECriterion", sized, averaged, function(self, x, t)
  return cr.mse_loss(x, raw(t, x):reshape(x.shape), { reduction = reduction(self) })
end)
criterion("AbsCriterion", sized, averaged, function(self, x, t)
  return cr.l1_loss(x, raw(t, x):reshape(x.shape), { reduction = reduction(self) })
end)
criterion("SmoothL1Criterion", sized, averaged, function(self, x, t)
  return cr.smooth_l1_loss(x, raw(t, x):reshape(x.shape), { reduction = reduction(self) })
end)

-- A row of logarithms and a class, or rows and as many classes.
local function classes_of(x, t)
  local target = raw(t):to "int64"
  if x:dim() == 1 then return target:reshape {} end
  return target
end
local function nll(self, x, t)
  local weight = self.weights and self.weights.raw:to(x.dtype)
  local options = { weight = weight, reduction = reduction(self), ignore_index = self.ignoreIndex or -100 }
  return cr.nll_loss(x, classes_of(x, t), options)
end
local Nll = criterion("ClassNLLCriterion", { "weights", "sizeAverage", "ignoreIndex" }, { nil, true, -100 }, nll)
criterion("SpatialClassNLLCriterion", { "weights", "sizeAverage" }, { nil, true }, nll)
criterion("CrossEntropyCriterion", { "weights", "sizeAverage" }, { nil, true }, function(self, x, t)
  local rows = x:dim() == 1 and x or x:reshape { x.shape[1], -1 }
  return nll(self, cr.log_softmax(rows, -1), t)
end)
Nll.__tostring = function() return "nn.ClassNLLCriterion" end

criterion("BCECriterion", { "weights", "sizeAverage" }, { nil, true }, function(self, x, t)
  local eps = 1e-12
  local y = raw(t, x):reshape(x.shape)
  local loss = -(y * cr.log(x + eps) + (1 - y) * cr.log(1 - x + eps))
  if self.weights then loss = loss * self.weights.raw:to(x.dtype) end
  return self.sizeAverage and loss:mean() or loss:sum()
end)
criterion("DistKLDivCriterion", sized, averaged, function(self, x, t)
  return cr.kl_div(x, raw(t, x), { reduction = reduction(self) })
end)

local function mean_or_sum(self, loss) return self.sizeAverage and loss:mean() or loss:sum() end

criterion("MarginCriterion", { "margin" }, { 1 }, function(self, x, t)
  return mean_or_sum(self, cr.relu(self.margin - x * raw(t, x)))
end)
criterion("SoftMarginCriterion", sized, averaged, function(self, x, t)
  return cr.soft_margin_loss(x, raw(t, x), { reduction = reduction(self) })
end)
criterion("MultiMarginCriterion", { "p", "weights", "margin" }, { 1, nil, 1 }, function(self, x, t)
  local weight = self.weights and self.weights.raw:to(x.dtype)
  local options = { p = self.p, margin = self.margin, weight = weight, reduction = reduction(self) }
  return cr.multi_margin_loss(x, classes_of(x, t), options)
end)
criterion("MultiLabelMarginCriterion", sized, averaged, function(self, x, t)
  return cr.multilabel_margin_loss(x, raw(t):to "int64", { reduction = reduction(self) })
end)
criterion("MultiLabelSoftMarginCriterion", { "weights" }, {}, function(self, x, t)
  local weight = self.weights and self.weights.raw:to(x.dtype)
  local rows = x:dim() == 1 and x:unsqueeze(1) or x
  local options = { weight = weight, reduction = reduction(self) }
  return cr.multilabel_soft_margin_loss(rows, raw(t, x):reshape(rows.shape), options)
end)
criterion("HingeEmbeddingCriterion", { "margin" }, { 1 }, function(self, x, t)
  return cr.hinge_embedding_loss(x, raw(t, x):reshape(raw(t):numel() == x:numel() and x.shape or raw(t).shape),
    { margin = self.margin, reduction = reduction(self) })
end)
criterion("L1HingeEmbeddingCriterion", { "margin" }, { 1 }, function(self, x, t)
  local distance = (x[1] - x[2]):abs():sum()
  if (type(t) == "number" and t or t.raw:item()) == 1 then return distance end
  return cr.relu(self.margin - distance)
end)
criterion("CosineEmbeddingCriterion", { "margin" }, { 0 }, function(self, x, t)
  local a, b = x[1], x[2]
  if a:dim() == 1 then a, b = a:unsqueeze(1), b:unsqueeze(1) end
  return cr.cosine_embedding_loss(a, b, raw(t, a):reshape { -1 }, { margin = self.margin, reduction = reduction(self) })
end)
criterion("MarginRankingCriterion", { "margin" }, { 1 }, function(self, x, t)
  local options = { margin = self.margin, reduction = reduction(self) }
  return cr.margin_ranking_loss(x[1], x[2], raw(t, x[1]):expand(x[1].shape), options)
end)
criterion("L1Cost", {}, {}, function(_, x) return x:abs():sum() end)

-- Classes as the corners of a simplex: MSE between the input and the corner of its class.
local Simplex = criterion("ClassSimplexCriterion", { "nClasses" }, {}, function(self, x, t)
  local corners = self.simplexTarget.raw:to(x.dtype)
  local target = cr.index_select(corners, 1, raw(t):to "int64":reshape { -1 })
  return cr.mse_loss(x, target:reshape(x.shape), { reduction = reduction(self) })
end)
local simplex_init = Simplex.__init
function Simplex:__init(n)
  simplex_init(self, n)
  -- n unit vectors in n - 1 dims with equal angles, then a zero for the n-th one
  local k = n - 1
  local a = cr.zeros({ n, n }, { dtype = "float64" })
  for i = 1, k do
    local rest = 0
    for j = 1, i - 1 do rest = rest + a[{ i, j }]:item() ^ 2 end
    a[{ i, i }] = math.sqrt(1 - rest)
    for j = i + 1, n do
      local dot = 0
      for c = 1, i - 1 do dot = dot + a[{ i, c }]:item() * a[{ j, c }]:item() end
      a[{ j, i }] = (-1 / k - dot) / a[{ i, i }]:item()
    end
  end
  self.simplexTarget = T.wrap(a)
end

-- Several losses ----------------------------------------------------------------------------------------------------

-- Each on its own input and target, or all on one pair; added up with weights.
local function several(name, own)
  local C = classes.class("nn." .. name, "nn.Criterion")
  function C:__init(repeatTarget)
    base.Criterion.__init(self)
    self.criterions, self.weights, self.repeatTarget = {}, {}, repeatTarget
  end
  function C:add(c, weight)
    self.criterions[#self.criterions + 1] = c
    self.weights[#self.weights + 1] = weight or 1
    return self
  end
  local function pair(self, i, input, target)
    if not own then return input, target end
    return input[i], self.repeatTarget and target or target[i]
  end
  function C:updateOutput(input, target)
    self.output = 0
    for i, c in ipairs(self.criterions) do
      self.output = self.output + self.weights[i] * c:updateOutput(pair(self, i, input, target))
    end
    return self.output
  end
  function C:updateGradInput(input, target)
    local list = {}
    for i, c in ipairs(self.criterions) do
      local weight = self.weights[i]
      list[i] = base.map(c:updateGradInput(pair(self, i, input, target)), function(g) return g:clone():mul(weight) end)
    end
    if not own then
      local sum = list[1]
      for i = 2, #list do sum:add(list[i]) end
      list = sum
    end
    self.gradInput = list
    return list
  end
end
several("ParallelCriterion", true)
several("MultiCriterion", false)
