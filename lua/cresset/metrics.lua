-- metrics.lua: cr.metrics, what is said of a model's answers: accuracy, F1, AUC, confusion, running means.
--
-- Holds true: classes count from 1. Scores are a row for each sample, or the numbers of classes themselves. Nothing is
-- recorded for backward. Results are Lua numbers, or tensors where there is one for each class.

local cr = require "cresset"

local check = require "cresset.data.check"

local M = {}

local fail, describe = check.fail, check.describe

-- ---- Arguments -----------------------------------------------------------------------------------------------

local function tensor_arg(op, name, x)
  if type(x) == "table" then x = cr.tensor(x) end
  if not cr.is_tensor(x) then fail("%s: %s must be a tensor, got %s", op, name, describe(x)) end
  return x:detach():cpu()
end

local function targets_arg(op, target)
  target = tensor_arg(op, "target", target)
  if target.ndim ~= 1 or not cr.isdtype(target.dtype, "integral") then
    fail("%s: target must be class numbers in one dim, got %s", op, describe(target))
  end
  return target:to "int64"
end

-- The class numbers that scores or numbers stand for.
local function classes_arg(op, x, n)
  x = tensor_arg(op, "the first argument", x)
  if x.ndim == 2 and #x == n then return x:argmax(2), x:size(2) end
  if x.ndim == 1 and #x == n and cr.isdtype(x.dtype, "integral") then return x:to "int64" end
  fail("%s: expected scores of %d rows or %d class numbers, got %s", op, n, n, describe(x))
end

local function highest(x) return #x == 0 and 0 or x:amax():item() end

-- ---- Shares of right answers -----------------------------------------------------------------------------------

--- accuracy(scores or classes, target): the share of right answers, from 0 to 1; NaN where there are none.
function M.accuracy(scores, target)
  target = targets_arg("accuracy", target)
  local guess = classes_arg("accuracy", scores, #target)
  return guess:eq(target):sum():item() / #target
end

--- top_k(scores, target, k): the share of samples whose class is among the k best scores.
function M.top_k(scores, target, k)
  target = targets_arg("top_k", target)
  scores = tensor_arg("top_k", "scores", scores)
  if scores.ndim ~= 2 or #scores ~= #target then
    fail("top_k: scores must have a row for each of %d samples, got %s", #target, describe(scores))
  end
  k = check.integer("top_k", "k", k, 1)
  if k > scores:size(2) then fail("top_k: k is %d, and there are %d classes", k, scores:size(2)) end
  local _, best = scores:topk(k, { dim = 2 })
  return best:eq(target:unsqueeze(2)):any(2):sum():item() / #target
end

--- confusion(scores or classes, target, { classes = }): an int64 tensor; row i counts what samples of class i were
-- taken for.
function M.confusion(scores, target, options)
  local o = check.options("confusion", options, { "classes" })
  target = targets_arg("confusion", target)
  local guess, columns = classes_arg("confusion", scores, #target)
  local n = check.integer("confusion", "classes", o.classes, 1,
    math.max(1, columns or 0, highest(target), highest(guess)))
  if #target > 0 and (math.min(target:amin():item(), guess:amin():item()) < 1
    or math.max(highest(target), highest(guess)) > n) then
    fail("confusion: class numbers must be from 1 to %d", n)
  end
  local cell = (target - 1) * n + guess
  return cell:bincount({ minlength = n * n }):narrow(1, 1, n * n):view(n, n)
end

-- ---- Precision, recall, F1 ------------------------------------------------------------------------------------

local averages = { macro = true, micro = true, none = true, weighted = true }

-- What both counts leave undefined is 0, as scikit-learn has it.
local function ratio(part, whole) return cr.where(whole:gt(0), part / whole:clamp_min(1), part * 0) end

local function scores_of(op, scores, target, options)
  local o = check.options(op, options, { "average", "classes" })
  local average = o.average == nil and "macro" or o.average
  if not averages[average] then
    fail('%s: average must be "macro", "micro", "weighted" or "none", got %s', op, describe(average))
  end
  local table_of = M.confusion(scores, target, { classes = o.classes }):to "float64"
  local right, guessed, there = table_of:diagonal(), table_of:sum(1), table_of:sum(2)
  if average == "micro" then
    right, guessed, there = right:sum():view(1), guessed:sum():view(1), there:sum():view(1)
  end
  local p, r = ratio(right, guessed), ratio(right, there)
  local f = ratio(2 * right, guessed + there)
  local function reduce(x)
    if average == "none" then return x end
    if average == "weighted" then return (x * there):sum():item() / math.max(1, there:sum():item()) end
    if average == "micro" then return x:item() end
    local seen = (guessed + there):gt(0) -- classes that are nowhere say nothing
    if not seen:any():item() then return 0.0 end
    return x:masked_select(seen):mean():item()
  end
  return reduce(p), reduce(r), reduce(f)
end

--- precision(scores or classes, target, { average = "macro", classes = }): of what was taken for a class, the share
-- that is of it. average: the mean over classes ("macro"), over samples ("micro"), by the size of classes
-- ("weighted"), or a tensor for all classes ("none").
function M.precision(scores, target, options) return (scores_of("precision", scores, target, options)) end

--- recall(...): of what is of a class, the share that was taken for it. As precision.
function M.recall(scores, target, options) return (select(2, scores_of("recall", scores, target, options))) end

--- f1(...): the harmonic mean of both. As precision.
function M.f1(scores, target, options) return (select(3, scores_of("f1", scores, target, options))) end

-- ---- The curve of a score ----------------------------------------------------------------------------------------

--- auc(scores, target): the area under the ROC curve: the chance that a sample of the one kind has a higher score than
-- one of the other, ties counting half. target: booleans, 0 and 1, or classes 1 and 2. NaN where one kind is missing.
function M.auc(scores, target)
  scores, target = tensor_arg("auc", "scores", scores), tensor_arg("auc", "target", target)
  if scores.ndim ~= 1 or scores.shape ~= target.shape then
    fail("auc: scores and target must be of one dim and one size, got %s and %s", describe(scores), describe(target))
  end
  if scores:is_floating_point() and scores:isnan():any():item() then fail "auc: scores have NaN in them" end
  local positive = target
  if target.dtype ~= "bool" then
    local low, high = #target > 0 and target:amin():item() or 0, highest(target)
    if low < 0 or high > 2 or low == 0 and high == 2 then
      fail("auc: target must be booleans, 0 and 1, or classes 1 and 2, got numbers from %g to %g", low, high)
    end
    positive = target:eq(high == 2 and 2 or 1)
    if low == 1 and high == 1 then positive = target:eq(1) end
  end
  local sorted, order = scores:sort()
  local kinds = positive:index_select(1, order):to "float64"
  local n, pos = #kinds, kinds:sum():item()
  if pos == 0 or pos == n then return 0 / 0 end
  local _, inverse, counts = sorted:unique { return_inverse = true, return_counts = true }
  local last = counts:cumsum(1):to "float64" -- the rank of the last of equal scores; their mean rank for each
  local rank = last - (counts:to "float64" - 1) / 2
  local sum = (rank:index_select(1, inverse:flatten()) * kinds):sum():item()
  return (sum - pos * (pos + 1) / 2) / (pos * (n - pos))
end

-- ---- Running means -----------------------------------------------------------------------------------------------

local Mean = {}
Mean.__index = Mean

--- Mean(): a running mean. m:add(value, weight): a number or a tensor, each element of which counts; m:value();
-- m:reset().
function M.Mean() return setmetatable({ sum = 0.0, weight = 0.0, kept = {} }, Mean) end

-- Tensors are added up when the value is asked for, so that nobody waits for a device in between.
local function settle(self)
  for _, item in ipairs(self.kept) do
    self.sum = self.sum + item[1]:to("float64"):sum():item() * item[2]
    self.weight = self.weight + item[2] * item[1]:numel()
  end
  self.kept = {}
end

function Mean:add(value, weight)
  weight = weight == nil and 1 or weight
  if type(weight) ~= "number" or weight < 0 then fail("add: weight must be at least 0, got %s", describe(weight)) end
  if cr.is_tensor(value) then
    self.kept[#self.kept + 1] = { value:detach():clone(), weight }
    if #self.kept >= 256 then settle(self) end
  elseif type(value) == "number" then
    self.sum, self.weight = self.sum + value * weight, self.weight + weight
  else
    fail("add: value must be a number or a tensor, got %s", describe(value))
  end
  return self
end
function Mean:value()
  settle(self)
  return self.sum / self.weight
end
function Mean:reset()
  self.sum, self.weight, self.kept = 0.0, 0.0, {}
  return self
end
Mean.__tostring = function(self) return ("%.6g"):format(self:value()) end

return setmetatable(M, { __index = function(_, name)
  if type(name) ~= "string" or name:sub(1, 1) == "_" then return nil end
  require("cresset.suggest").no_member("metrics", name)
end })
