-- cuda_ops_spec.lua: every operation gives on a CUDA device what it gives on the CPU: over dtypes and
-- layouts, forward and backward; integers and random draws to the last bit.

local cr = require "cresset"
local values = require "spec.support.values"
local samples = require "spec.support.samples"
local layouts = require "spec.support.layouts"
local device = require "spec.support.device"

local on_device = device.only(describe)

local function to(name)
  return function(t) return t:to(name) end
end

local call, undefined = samples.repeatable, samples.is_undefined

-- The results (first failing reads included, since a device tells of bad indices only then).
local function outcome(e, args)
  return pcall(function()
    local results = call(e, args)
    for i, r in ipairs(results) do results[i] = type(r) == "userdata" and r:cpu() or r end
    return results
  end)
end

-- Calls on both devices with tensors of one dtype in one layout.
local function compare(problems, what, e, args, arrange)
  local ok_here, here = outcome(e, samples.map(args, arrange))
  local ok_there, there = outcome(e, samples.map(samples.map(args, to "cuda"), arrange))
  if ok_here ~= ok_there then
    problems[#problems + 1] = ok_here and ("%s: fails there: %s"):format(what, there)
      or ("%s: fails on the CPU only: %s"):format(what, here)
  elseif ok_here then
    samples.compare(problems, what, there, here)
  end
end

local function as_is(t) return t end

on_device("a CUDA device gives what the CPU gives for", function()
  samples.specify(it, function(e) return not undefined(e) and not e.creates end, function(problems, e, k, args)
    args = samples.map(args, to "cpu")
    for _, dtype in ipairs(values.dtypes) do
      local cast = samples.map(args, samples.in_dtype(dtype))
      compare(problems, ("sample %d, %s"):format(k, dtype), e, cast, as_is)
      if values.is_float[dtype] and not samples.by_memory[e.name] then
        for _, kind in ipairs(layouts.names) do
          compare(problems, ("sample %d, %s, %s"):format(k, dtype, kind), e, cast, layouts.kinds[kind])
        end
      end
    end
  end)
end)

on_device("made on a CUDA device, the same comes from", function()
  samples.specify(it, function(e) return e.creates and not undefined(e) end, function(problems, e, k, args)
    local there = samples.map(args, to "cuda")
    local last = there[there.n]
    if type(last) == "table" and #last == 0 and next(last) then
      there[there.n] = setmetatable({ device = "cuda" }, { __index = last })
      for key, value in pairs(last) do there[there.n][key] = value end
    else
      there.n = there.n + 1
      there[there.n] = { device = "cuda" }
    end
    local ok_here, here = outcome(e, args)
    local ok_there, made = pcall(call, e, there)
    if ok_here ~= ok_there then
      problems[#problems + 1] = ("sample %d: %s"):format(k, tostring(ok_here and made or here))
    elseif ok_here then
      assert.equal("cuda:0", made[1].device)
      samples.compare(problems, "sample " .. k, { made[1]:cpu() }, here)
    end
  end)
end)

-- The gradients of the weighted sum of all results by all inputs, on the CPU.
local function gradients(e, args)
  local leaves = {}
  local given = samples.map_inputs(e, args, function(t)
    local leaf = t:detach():clone():requires_grad_()
    leaves[#leaves + 1] = leaf
    return leaf
  end)
  local loss
  for i, r in ipairs(call(e, given)) do
    if type(r) == "userdata" and r.requires_grad then
      local w = values.generate(r.shape, -1, 1, "float64", 899 + i):to(r.device)
      local part = (r * w:to(r.dtype)):sum()
      loss = loss and loss + part or part
    end
  end
  if not loss then return {} end
  local list = table.pack(cr.grad(loss, leaves, { allow_unused = true }))
  for i = 1, list.n do
    if list[i] then
      assert.equal(leaves[i].device, list[i].device)
      list[i] = list[i]:cpu()
    end
  end
  return list
end

on_device("a CUDA device gives the CPU's gradients of", function()
  local function wanted(e) return not e.nondiff and not undefined(e) and not e.creates end
  samples.specify(it, wanted, function(problems, e, k, args)
    args = samples.map(args, to "cpu")
    local want, got = gradients(e, args), gradients(e, samples.map(args, to "cuda"))
    for i = 1, want.n or 0 do
      local problem = values.tensors_differ(got[i], want[i], 1e-10, 1e-11)
      if problem then problems[#problems + 1] = ("sample %d, input %d: %s"):format(k, i, problem) end
    end
  end)
end)

on_device("random draws on a CUDA device", function()
  local function equal(what, make)
    it(what, function()
      cr.manual_seed(11)
      local here = make("cpu")
      cr.manual_seed(11)
      local there = make("cuda")
      assert.is_true(here:equal(there:cpu()))
      -- The generator has gone on by the same number of draws.
      local after_there = cr.rand(3)
      cr.manual_seed(11)
      make("cpu")
      assert.is_true(cr.rand(3):equal(after_there))
    end)
  end
  for _, dtype in ipairs { "float64", "float32", "float16", "bfloat16" } do
    equal("equal the CPU's: rand, " .. dtype, function(d) return cr.rand({ 5000 }, { dtype = dtype, device = d }) end)
    equal("equal the CPU's: randn, " .. dtype, function(d) return cr.randn({ 5001 }, { dtype = dtype, device = d }) end)
    local function empty(d) return cr.empty({ 3001 }, { dtype = dtype, device = d }) end
    equal("equal the CPU's: cauchy_, " .. dtype, function(d) return empty(d):cauchy_(1.0, 0.5) end)
    equal("equal the CPU's: geometric_, " .. dtype, function(d) return empty(d):geometric_(0.125) end)
    equal("equal the CPU's: log_normal_, " .. dtype, function(d) return empty(d):log_normal_(0.5, 2.0) end)
  end
  equal("equal the CPU's: randint", function(d) return cr.randint(-5, 1000, { 3000 }, { device = d }) end)
  equal("equal the CPU's: geometric_, int8", function(d)
    return cr.empty({ 3000 }, { dtype = "int8", device = d }):geometric_(0.015625)
  end)
  equal("equal the CPU's: randperm", function(d) return cr.randperm(3000, { device = d }) end)
  equal("equal the CPU's: bernoulli", function(d) return cr.full({ 3000 }, 0.3, { device = d }):bernoulli() end)
  equal("equal the CPU's: multinomial", function(d)
    return cr.arange(1, 40, { dtype = "float32", device = d }):multinomial(20, true)
  end)
  equal("equal the CPU's: dropout", function(d) return cr.ones({ 3000 }, { device = d }):dropout(0.4, true) end)
end)

on_device("large tensors on a CUDA device", function()
  local function both(what, f)
    it(what, function()
      cr.manual_seed(3)
      local x = cr.randn(203, 517)
      local here, there = f(x), f(x:to "cuda"):cpu()
      local worst = (here - there):abs():max():item()
      assert(worst <= 2e-5 * math.max(1, here:abs():max():item()), "differs by " .. worst)
    end)
  end
  both("cdist", function(x) return cr.cdist(x, x:narrow(1, 5, 90)) end)
  both("cdist with p = 3", function(x) return cr.cdist(x, x:narrow(1, 5, 90), 3) end)
  both("histc", function(x) return x:histc(70, -2, 2) end)
  both("histogram", function(x) return (x:histogram(50)) end)
  for _, reduce in ipairs { "sum", "prod", "mean", "amax", "amin" } do
    both("scatter_reduce with " .. reduce, function(x)
      local index = cr.arange(0, x:numel()):remainder(37):add(1):reshape(x.shape):to(x.device)
      return x:scatter_reduce(1, index, x, reduce)
    end)
  end
  for _, dim in ipairs { 1, 2 } do
    both("sum along dim " .. dim, function(x) return x:sum(dim) end)
    both("softmax along dim " .. dim, function(x) return x:softmax(dim) end)
    both("cumsum along dim " .. dim, function(x) return x:cumsum(dim) end)
    both("max along dim " .. dim, function(x) return (x:max(dim)) end)
    both("var along dim " .. dim, function(x) return x:var(dim) end)
    both("mode along dim " .. dim, function(x) return (x:mul(9):round():mode(dim)) end)
    both("quantile along dim " .. dim, function(x) return x:quantile(0.3, dim) end)
    both("nanmedian along dim " .. dim, function(x) return (x:nanmedian(dim)) end)
  end
  both("sum of all", function(x) return x:sum() end)
  both("a product of matrices", function(x) return x:matmul(x:t()) end)
  both("a transposed copy", function(x) return x:t():contiguous() end)
  both("a reduction of a transposed view", function(x) return x:t():sum(2) end)
  both("a broadcast chain", function(x) return (x * x[1] + x[{ {}, 2 }]:unsqueeze(2)):gelu() end)
  both("index_add", function(x)
    local i = (cr.arange(0, 203, { dtype = "int64", device = x.device }) % 7) + 1
    return cr.zeros({ 7, 517 }, { device = x.device }):index_add(1, i, x)
  end)
  both("a second time, bit for bit", function(x)
    assert.is_true(x:sum(1):equal(x:sum(1)))
    return x:sum(1)
  end)
end)

on_device("long lines on a device", function()
  -- Long enough for several blocks to a line, with a rest.
  local function same_median(x, dim, name)
    name = name or "median"
    local want, at = x[name](x, dim)
    local y = x:to "cuda"
    local got, found = y[name](y, dim)
    values.assert_same(got:to "cpu", want)
    assert.is_true(found:to "cpu":equal(at))
  end

  it("have the CPU's medians, at the first of equal elements", function()
    cr.manual_seed(5)
    same_median(cr.randn(70001), 1)
    same_median(cr.randn(3, 70000, { dtype = "float64" }), 2)
    same_median(cr.randn(70001, 2), 1)
    same_median(cr.randint(-3, 3, { 70000 }), 1)
    same_median((cr.randn(70000) * 2):to "float16", 1)
  end)

  it("have NaN as their median if they hold one, at the first", function()
    local x = cr.randn(2, 70000)
    x[{ 1, 60001 }], x[{ 1, 300 }] = 0 / 0, 0 / 0
    same_median(x, 2)
  end)

  it("have the CPU's medians of what is no NaN", function()
    local x = cr.randn(3, 70001)
    x[{ 1, 60001 }], x[{ 1, 300 }], x[3] = 0 / 0, 0 / 0, 0 / 0
    x[2]:masked_fill_(x[2]:gt(0), 0 / 0)
    same_median(x, 2, "nanmedian")
    same_median(x:t(), 1, "nanmedian")
    same_median(x:reshape(-1, 3):narrow(1, 1, 5000), 2, "nanmedian")
    same_median(cr.randint(-3, 3, { 70000 }), 1, "nanmedian")
  end)

  it("have the CPU's running sums, whatever their dtype", function()
    for _, dtype in ipairs { "bool", "uint8", "int32", "int64", "float16", "bfloat16", "float64" } do
      local x = cr.randint(0, 2, { 2, 9001 }):to(dtype)
      values.assert_same(x:to "cuda":cumsum(2):to "cpu", x:cumsum(2))
      values.assert_same(x:to "cuda":cumprod(2):to "cpu", x:cumprod(2))
    end
  end)

  it("have softmaxes that keep NaN and infinities apart", function()
    for _, n in ipairs { 5, 300, 1024, 3000 } do
      local x = cr.randn(4, n)
      x[{ 1, n // 2 }], x[{ 2, 1 }], x[3] = 0 / 0, -math.huge, -math.huge
      for _, f in ipairs { "softmax", "log_softmax" } do
        values.assert_same(x:to "cuda"[f](x:to "cuda", 2):to "cpu", x[f](x, 2))
      end
    end
  end)
end)
