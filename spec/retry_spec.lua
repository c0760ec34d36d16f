-- retry_spec.lua: a call that runs out of memory is made again after a collection, as if for the first time.
--
-- Each allocation of a piece of work fails once, with the repetition on; data, version, gradient and the
-- generator's place must be those of an undisturbed run. Without the repetition a failed call changes nothing.

local cr = require "cresset"
local samples = require "spec.support.samples"

local function flat(x) return x:detach():reshape(-1):totable() end

-- What a piece of work has done, as one table of plain values.
local function outcome(work)
  cr.manual_seed(7)
  local results = table.pack(work())
  local seen = { cr.get_rng_state().offset }
  for i = 1, results.n do
    seen[#seen + 1] = cr.is_tensor(results[i]) and { flat(results[i]), results[i]._version } or results[i]
  end
  return seen
end

local function with_each_failure(work)
  local want = outcome(work)
  for n = 1, 300 do
    cr.debug.fail_alloc(n, { retry = true })
    local ok, got = pcall(outcome, work)
    local happened = cr.debug.fail_left() <= 0
    cr.debug.fail_alloc(0)
    if ok then
      assert.are.same(want, got, "with allocation " .. n .. " failing")
    elseif not tostring(got):find("out of memory", 1, true) then
      error(got, 0)
    end
    if not happened then return end
  end
  error "the work never ended"
end

local function leaf() return cr.tensor({ 0.1, 0.5, 0.9 }, { dtype = "float64", requires_grad = true }) end

-- y:name_(...) recorded, and the gradient through it.
local function twin(name, ...)
  local args = table.pack(...)
  return function()
    local x = leaf()
    local y = x * 1
    y[name](y, table.unpack(args, 1, args.n))
    return y, (cr.grad(y:sum(), x))
  end
end

describe("a call repeated after a collection", function()
  after_each(function() cr.debug.fail_alloc(0) end)

  for _, name in ipairs { "exp_", "tanh_", "sigmoid_", "sqrt_", "reciprocal_", "square_", "neg_" } do
    it("applies " .. name .. " once", function() with_each_failure(twin(name)) end)
  end
  it("applies cumprod_ once", function() with_each_failure(twin("cumprod_", 1)) end)
  it("applies hypot_ once", function() with_each_failure(twin("hypot_", cr.ones(3, { dtype = "float64" }))) end)

  it("writes a view once", function()
    with_each_failure(function()
      local x = leaf()
      local y = x * 1
      local v = y:narrow(1, 1, 2)
      v:exp_()
      return y, v, (cr.grad(y:sum(), x))
    end)
  end)
  it("assigns once", function()
    with_each_failure(function()
      local x = leaf()
      local y = x * 1
      y[2] = y[3] * 2
      return y, (cr.grad(y:sum(), x))
    end)
  end)
  it("applies a foreach twin once to each tensor", function()
    with_each_failure(function()
      local x, z = leaf(), leaf()
      local a, b = x * 1, z * 2
      cr.foreach.exp_({ a, b })
      return a, b, (cr.grad(a:sum() + b:sum(), x))
    end)
  end)

  it("updates parameters and their momenta once", function()
    with_each_failure(function()
      local p, g, m = cr.ones(4), cr.full({ 4 }, 0.5), cr.ones(4)
      local q, h, k = cr.ones(2, 3):t(), cr.full({ 3, 2 }, 0.5), cr.ones(3, 2)
      cr.foreach.sgd_({ p, q }, { g, h }, { m, k }, { lr = 0.5, momentum = 0.25 })
      cr.foreach.adam_({ p, q }, { g, h }, { m, k }, { cr.ones(4), cr.ones(3, 2) }, { step = 2 })
      return p, q, m, k
    end)
  end)

  it("is counted once by a checkpoint", function()
    with_each_failure(function()
      local x, w = leaf(), leaf()
      local y = cr.checkpoint(function(a, b) return ((a * b):exp() * (a / b)):dropout(0.5):tanh() end, x, w)
      return y, cr.grad(y:sum(), { x, w })
    end)
  end)

  local draws = {
    dropout = function() return cr.ones(50):dropout(0.5) end,
    bernoulli = function() return cr.full({ 50 }, 0.5):bernoulli() end,
    randperm = function() return cr.randperm(20) end,
    multinomial = function() return cr.ones(20):multinomial(5) end,
    ["foreach.dropout"] = function() return table.unpack(cr.foreach.dropout({ cr.ones(9), cr.ones(9) }, 0.5)) end,
    normal_ = function() return cr.zeros(20):normal_() end,
  }
  for name, draw in pairs(draws) do
    it("draws the same numbers in " .. name, function() with_each_failure(draw) end)
  end
end)

describe("a call that raises", function()
  after_each(function() cr.debug.fail_alloc(0) end)

  it("has drawn nothing", function()
    cr.manual_seed(1)
    local before = cr.get_rng_state().offset
    assert.has_error(function() cr.multinomial(cr.zeros(10), 3) end)
    assert.are.equal(before, cr.get_rng_state().offset)
  end)

  it("leaves data, version and graph of the tensor it would have written", function()
    for _, name in ipairs { "exp_", "tanh_", "sigmoid_", "sqrt_", "reciprocal_" } do
      for n = 1, 50 do
        local x = leaf()
        local y = x * 1
        local data, version = flat(y), y._version
        cr.debug.fail_alloc(n)
        local ok = pcall(y[name], y)
        local happened = cr.debug.fail_left() <= 0
        cr.debug.fail_alloc(0)
        if not ok then
          assert.are.same(data, flat(y))
          assert.are.equal(version, y._version)
          assert.are.same({ 1, 1, 1 }, flat(cr.grad(y:sum(), x)))
        end
        if not happened then break end
      end
    end
  end)

  it("leaves the tensor as it was when a saved-tensor hook refuses the result", function()
    local x = leaf()
    local y = x * 1
    local data, version = flat(y), y._version
    local ok = pcall(function()
      local _ <close> = cr.saved_tensors_hooks(function() error "no" end, function(v) return v end)
      y:exp_()
    end)
    assert.is_false(ok)
    assert.are.same(data, flat(y))
    assert.are.equal(version, y._version)
  end)
end)

-- A tensor with the values of x, in the middle of a graph if it can be.
local function target(x)
  local y = x:detach():clone()
  return y:is_floating_point() and y:requires_grad_() * 1 or y
end

-- Calls the twin with each allocation failing; whatever fails must leave no trace.
local function fail_twin(method, sample)
  for n = 1, 100 do
    local y = target(sample[1])
    local want = { flat(y), y._version, cr.get_rng_state().offset }
    cr.debug.fail_alloc(n)
    local ok = pcall(method, y, table.unpack(sample, 2, sample.n or #sample))
    local happened = cr.debug.fail_left() <= 0
    cr.debug.fail_alloc(0)
    if not ok then assert.are.same(want, { flat(y), y._version, cr.get_rng_state().offset }) end
    if not happened then return end
  end
end

describe("running out of memory leaves no trace in place of", function()
  after_each(function() cr.debug.fail_alloc(0) end)
  for _, e in ipairs(samples.public()) do
    if e.inplace and e.inplace ~= "header" and not e.inplace_only then
      it(e.name, function()
        for _, sample in ipairs(samples.of(e)) do
          if cr.is_tensor(sample[1]) then fail_twin(sample[1][e.lua .. "_"], sample) end
        end
      end)
    end
  end
end)
