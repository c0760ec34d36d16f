-- extreme_folds_spec.lua: reductions, scans, softmaxes, normalizations and losses of huge, tiny, confident and
-- masked numbers: results, gradients and gradients of gradients.
--
-- Holds true: the recorded numbers (oracle/extreme_folds.lua, and extreme_folds.py, which made them) are exact,
-- and come with the units in the last place that each may be off. Below the smallest normal number a result
-- may be 0.

local cr = require "cresset"
local values = require "spec.support.values"
local rows = require "spec.oracle.extreme_folds"

local inf, nan = math.huge, 0 / 0
local weights = { 1, -0.5, 0.375, 2, -1.5, 0.75 }
local direction = { 0.5, 1, -0.25, 0.75, -1, 0.125 }

local function vector(list, dtype)
  return cr.tensor(list, { dtype = dtype or "float64", device = values.device })
end

local function like(list, x) return vector(list, x.dtype) end

local function class(k) return cr.tensor(k, { device = values.device }) end

local sum = { reduction = "sum" }

-- How each row's name is called, with its further arguments.
local calls = {
  softmax = function(x) return x:softmax(1) end,
  softmin = function(x) return x:softmin(1) end,
  log_softmax = function(x) return x:log_softmax(1) end,
  logsumexp = function(x) return x:logsumexp(1) end,
  logcumsumexp = function(x) return x:logcumsumexp(1) end,
  cumsum = function(x) return x:cumsum(1) end,
  cumprod = function(x) return x:cumprod(1) end,
  cross_entropy = function(x, k) return cr.cross_entropy(x, class(k)) end,
  smoothed_cross_entropy = function(x, k, s) return cr.cross_entropy(x, class(k), { label_smoothing = s }) end,
  soft_cross_entropy = function(x, t) return cr.cross_entropy(x, like(t, x)) end,
  var = function(x, correction) return x:var(nil, correction) end,
  std = function(x, correction) return x:std(nil, correction) end,
  layer_norm = function(x, eps) return cr.layer_norm(x, { #x }, nil, nil, eps) end,
  rms_norm = function(x, eps) return cr.rms_norm(x, { #x }, nil, eps) end,
  group_norm = function(x, eps) return cr.group_norm(x:reshape(1, 1, #x), 1, nil, nil, eps):flatten() end,
  normalize = function(x, p) return x:normalize(p, 1) end,
  cosine_similarity = function(x)
    local half = #x // 2
    return cr.cosine_similarity(x[{ { 1, half } }], x[{ { half + 1, #x } }], 1)
  end,
  dist = function(x) return x[{ { 1, 2 } }]:dist(x[{ { 3, 4 } }]) end,
  bce_with_logits = function(x, t, weight)
    local options = { reduction = "sum", pos_weight = weight and like({ weight }, x) }
    return cr.binary_cross_entropy_with_logits(x, like(t, x), options)
  end,
  kl_div = function(x, t, logs) return cr.kl_div(x, like(t, x), { reduction = "sum", log_target = logs }) end,
  l1_loss = function(x, t) return cr.l1_loss(x, like(t, x), sum) end,
  mse_loss = function(x, t) return cr.mse_loss(x, like(t, x), sum) end,
  smooth_l1_loss = function(x, t, beta) return cr.smooth_l1_loss(x, like(t, x), "sum", beta) end,
  huber_loss = function(x, t, delta) return cr.huber_loss(x, like(t, x), "sum", delta) end,
}

local bits = { float64 = 52, float32 = 23 }
local least = { float64 = 2.0 ^ -1022, float32 = 2.0 ^ -126 }

-- What keeps a number from being the exact one: nil if nothing does.
local function wrong(got, want, allowed, dtype)
  if allowed == 0 or got == want then return nil end
  if got ~= got or math.abs(got) == inf then return ("%s, not %.17g"):format(got, want) end
  local size = math.max(math.abs(want), least[dtype])
  local ulp = 2.0 ^ (math.floor(math.log(size, 2)) - bits[dtype])
  local off = math.abs(got - want) / ulp
  if off <= allowed or (math.abs(want) < least[dtype] and math.abs(got) <= least[dtype]) then return nil end
  return ("%.17g, not %.17g: %.3g units off, not %d"):format(got, want, off, allowed)
end

local function compare(problems, what, got, want, allowed, dtype)
  local flat = values.flat(got:detach())
  if #flat ~= #want then problems[#problems + 1] = what .. ": another number of elements" end
  for i, y in ipairs(want) do
    local problem = wrong(flat[i], y, allowed[i], dtype)
    if problem then problems[#problems + 1] = ("%s[%d] is %s"):format(what, i, problem) end
  end
end

local function described(row)
  local parts = {}
  for _, x in ipairs(row[3]) do parts[#parts + 1] = ("%.17g"):format(x) end
  local arguments = {}
  for _, a in ipairs(row[4]) do
    arguments[#arguments + 1] = type(a) == "table" and "{" .. table.concat(a, ", ") .. "}" or tostring(a)
  end
  return ("%s %s { %s } (%s)"):format(row[1], row[2], table.concat(parts, ", "), table.concat(arguments, ", "))
end

local function check(row)
  local name, dtype, given, arguments = row[1], row[2], row[3], row[4]
  local problems, n = {}, #given
  local x = vector(given, dtype):requires_grad_()
  local f = calls[name] or function(t, ...) return t[name](t, ...) end
  local y = f(x, table.unpack(arguments))
  compare(problems, "result", y, row[5], row[6], dtype)
  local seed = y.ndim == 0 and vector({ 1 }, dtype):reshape({}) or vector({ table.unpack(weights, 1, #y) }, dtype)
  local g = cr.grad(y, x, { grad_outputs = seed, create_graph = true })
  compare(problems, "gradient", g, row[7], row[8], dtype)
  if g.requires_grad then
    local v = vector({ table.unpack(direction, 1, n) }, dtype)
    local gg = cr.grad(g, x, { grad_outputs = v, allow_unused = true }) or cr.zeros_like(x)
    compare(problems, "second gradient", gg, row[9], row[10], dtype)
  end
  if #problems == 0 then return nil end
  return described(row) .. ":\n    " .. table.concat(problems, "\n    ")
end

describe("to the last digits, extreme numbers do not spoil", function()
  local names, by_name = {}, {}
  for _, row in ipairs(rows) do
    if not by_name[row[1]] then
      by_name[row[1]] = {}
      names[#names + 1] = row[1]
    end
    table.insert(by_name[row[1]], row)
  end
  table.sort(names)
  for _, name in ipairs(names) do
    it(name, function()
      local problems = {}
      for _, row in ipairs(by_name[name]) do problems[#problems + 1] = check(row) end
      assert(#problems == 0, ("%d of %d rows:\n  %s"):format(#problems, #by_name[name],
        table.concat(problems, "\n  ", 1, math.min(#problems, 12))))
    end)
  end
end)

local function leaf(list, dtype) return vector(list, dtype):requires_grad_() end

local function has(t, want)
  local got = values.flat(t:detach())
  for i, x in ipairs(want) do
    local same = got[i] == x or (x ~= x and got[i] ~= got[i]) or math.abs(got[i] - x) <= 1e-6 * math.abs(x)
    assert(same, ("element %d is %s, not %s"):format(i, got[i], x))
  end
end

describe("an infinite number leaves a limit", function()
  it("in logsumexp, whose slope goes to the infinite elements alone, evenly", function()
    local x = leaf { inf, 1, inf }
    has(x:logsumexp(1), { inf })
    has(cr.grad(x:logsumexp(1), x), { 0.5, 0, 0.5 })
    local y = leaf { -inf, -inf }
    has(cr.grad(y:logsumexp(1), y), { 0, 0 })
  end)

  it("in logsumexp over several dims", function()
    local x = vector({ 0, 40, -inf, 1 }):reshape(2, 2):requires_grad_()
    local flat = x:detach():flatten():requires_grad_()
    has(cr.grad(x:logsumexp({ 1, 2 }), x):flatten(), values.flat(cr.grad(flat:logsumexp(1), flat)))
  end)

  it("in logcumsumexp behind infinite elements", function()
    local x = leaf { -inf, -inf, 1, inf, 2 }
    has(x:logcumsumexp(1), { -inf, -inf, 1, inf, inf })
    has(cr.grad(x:logcumsumexp(1)[3], x), { 0, 0, 1, 0, 0 })
    has(cr.grad(x:logcumsumexp(1)[5], x), { 0, 0, 0, 1, 0 })
  end)

  it("in binary cross entropy of an infinite score that is right", function()
    local x = leaf { inf, -inf }
    local loss = cr.binary_cross_entropy_with_logits(x, vector { 1, 0 }, sum)
    has(loss, { 0 })
    has(cr.grad(loss, x), { 0, 0 })
    local weight = { reduction = "sum", pos_weight = vector { 3, 3 } }
    has(cr.binary_cross_entropy_with_logits(x, vector { 1, 0 }, weight), { 0 })
    has(cr.binary_cross_entropy_with_logits(x, vector { 0, 1 }, sum), { inf })
  end)

  it("in divergences of classes that both sides rule out", function()
    local x, t = leaf { -inf, -1 }, leaf { -inf, 0 }
    local loss = cr.kl_div(x, t, { reduction = "sum", log_target = true })
    has(loss, { 1 })
    local gx, gt = cr.grad(loss, { x, t })
    has(gx, { 0, -1 })
    has(gt, { 0, 2 })
  end)

  it("in cross entropy with probabilities, where a masked class has none", function()
    local x, t = leaf { -inf, 1, 1 }, leaf { 0, 0.5, 0.5 }
    local loss = cr.cross_entropy(x, t)
    has(loss, { math.log(2) })
    local gx, gt = cr.grad(loss, { x, t })
    has(gx, { 0, 0, 0 })
    has(gt, { 0, math.log(2), math.log(2) })
  end)
end)

describe("an extreme value that is NaN", function()
  it("has a gradient of NaN for all elements, over dims and over the whole", function()
    local x = leaf { 1, nan, 2 }
    for _, name in ipairs { "amax", "amin", "max", "min", "median" } do
      has(cr.grad(x[name](x), x), { nan, nan, nan })
    end
  end)
end)

describe("a vector of zeros", function()
  it("has no direction: normalize and cosine_similarity give 0, and gradients of 0", function()
    local x, y = leaf { 0, 0, 0 }, leaf { 1, 2, 3 }
    has(x:normalize(2, 1), { 0, 0, 0 })
    has(cr.grad(x:normalize(2, 1):sum(), x), { 0, 0, 0 })
    local cosine = cr.cosine_similarity(x, y, 1)
    has(cosine, { 0 })
    local gx, gy = cr.grad(cosine, { x, y })
    has(gx, { 0, 0, 0 })
    has(gy, { 0, 0, 0 })
  end)

  it("has the spread 0 and the gradient 0", function()
    local x = leaf { 2, 2, 2 }
    has(cr.grad(x:std(), x), { 0, 0, 0 })
  end)
end)

describe("cosine_similarity", function()
  it("broadcasts along its dim, too", function()
    local x = vector({ 1, 2 }):reshape(1, 2)
    local y = vector({ 1, 2, 3, 4 }):reshape(2, 2)
    has(cr.cosine_similarity(x, y, { dim = 1 }), { 0.89442719099991588, 0.94868329805051380 })
  end)

  it("is never more than 1, and has a slope where rounding would make it so", function()
    cr.manual_seed(5)
    local x = cr.randn({ 500, 3 }, { device = values.device })
    assert.is_true(cr.cosine_similarity(x, 3 * x, 2):max():item() <= 1)
    local y = (x * 3):requires_grad_()
    cr.cosine_similarity(x, y, 2):sum():backward()
    assert.is_true(y.grad:abs():max():item() < 1e-5)
  end)

  it("takes eps for the product of the norms where that is less", function()
    has(cr.cosine_similarity(vector { 3, 4 }, vector { 3, 4 }, 1, 100), { 0.25 })
    has(cr.cosine_similarity(vector { 3e3, 4e3 }, vector { 3e-9, 4e-9 }, 1), { 1 })
  end)
end)

describe("scaled_dot_product_attention", function()
  local attend = cr.scaled_dot_product_attention
  local masks = {
    bool = function() return cr.tensor({ { false, false }, { true, false } }, { device = values.device }) end,
    float = function() return vector({ -inf, -inf, 0, -inf }, "float32"):reshape(2, 2) end,
  }

  for kind, mask in pairs(masks) do
    it(("gives 0 and gradients of 0 for a row that may see nothing, by a %s mask"):format(kind), function()
      cr.manual_seed(1)
      local q = cr.randn({ 1, 2, 4 }, { device = values.device, requires_grad = true })
      local k, v = q:detach():clone():requires_grad_(), q:detach():clone():requires_grad_()
      local y = attend(q, k, v, mask())
      has(y[{ 1, 1 }], { 0, 0, 0, 0 })
      has(y[{ 1, 2 }], values.flat(v[{ 1, 1 }]:detach()))
      local gq, gk, gv = cr.grad(y:sum(), { q, k, v })
      has(gq[{ 1, 1 }], { 0, 0, 0, 0 })
      has(gv:flatten(), { 1, 1, 1, 1, 0, 0, 0, 0 })
      assert.is_false(gk:isnan():any():item())
    end)
  end

  it("keeps scores of half precision in float32", function()
    cr.manual_seed(3)
    local function made(scale) return cr.randn({ 1, 64, 64 }, { device = values.device }) * scale end
    local q, k, v = made(3), made(3), made(1)
    for dtype, bound in pairs { float16 = 0.002, bfloat16 = 0.016 } do
      local a, b, c = q:to(dtype), k:to(dtype), v:to(dtype)
      local got = attend(a, b, c)
      assert.equal(dtype, got.dtype)
      local want = attend(a:double(), b:double(), c:double())
      assert.is_true((got:double() - want):abs():max():item() <= bound)
    end
  end)
end)

describe("in operands of 0 dims", function()
  local zero, one = vector({ 2 }):reshape({}), vector({ 3 }, "float32")

  it("float_power computes in float64 all the same", function()
    assert.equal("float64", cr.float_power(zero:float(), one).dtype)
    has(cr.float_power(zero:float(), one), { 8 })
  end)

  it("ldexp keeps the float64 of a number against exponents that are integers", function()
    assert.equal("float64", cr.ldexp(zero, vector({ 3 }, "int64")).dtype)
    has(cr.ldexp(vector({ 2.0 ^ -100 }, "float32"), vector({ 200 }, "int64")), { 2.0 ^ 100 })
  end)

  it("addr of truths is a truth", function()
    local t = cr.tensor({ true, false }, { device = values.device })
    local y = cr.zeros({ 2, 2 }, { dtype = "bool", device = values.device }):addr(t, t)
    assert.equal("bool", y.dtype)
    assert.same({ { true, false }, { false, false } }, y:totable())
  end)
end)

describe("pad in a circle", function()
  it("takes away what negative numbers say before it copies", function()
    local x = vector({ 0, 1, 2, 3 }):reshape(1, 4)
    has(x:pad({ -1, 1 }, { mode = "circular" }):flatten(), { 1, 2, 3, 1 })
    has(x:pad({ 2, -2 }, { mode = "circular" }):flatten(), { 0, 1, 0, 1 })
  end)
end)

describe("an empty out", function()
  it("takes the shape of an empty result", function()
    local out = cr.zeros(0, { device = values.device })
    cr.add(cr.zeros({ 1, 0, 3 }, { device = values.device }), 1, { out = out })
    assert.is_true(out.shape == cr.zeros(1, 0, 3).shape)
  end)
end)
