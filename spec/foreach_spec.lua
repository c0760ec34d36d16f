-- foreach_spec.lua: one operation on each tensor of a list, and the fused steps of optimizers.

local cr = require "cresset"
local values = require "spec.support.values"
local oracle = require "spec.support.oracle"

local foreach = cr.foreach

local function filled(shape, value, dtype)
  return cr.full(shape, value, { dtype = dtype or "float32", device = values.device })
end

-- Lists of tensors of several shapes, dtypes and layouts, which agree for every seed.
local function lists(seed)
  return {
    values.generate({ 2, 3 }, -2, 2, "float32", seed),
    values.generate({ 4 }, -2, 2, "float64", seed + 1),
    values.generate({ 3, 2 }, -2, 2, "float32", seed + 2):t(),
    values.generate({}, -2, 2, "float32", seed + 3),
    values.generate({ 0, 2 }, -2, 2, "float32", seed + 4),
  }
end

local function assert_same(got, want, rtol, atol)
  assert.equal(#want, #got)
  for i = 1, #want do
    assert.is_nil(values.tensors_differ(got[i], want[i], rtol, atol), "tensor " .. i)
  end
end

-- The sentence of an error, as far as "; usage:".
local function refused(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  return (message:gsub("^[^ ]*:%d+: ", ""):gsub("; usage:.*", ""))
end

describe("cr.foreach", function()
  it("writes what the operation writes to each tensor", function()
    local calls = {
      { "add_", lists(20) }, { "add_", lists(20), { alpha = -0.5 } }, { "add_", 3 }, { "sub_", lists(20) },
      { "mul_", 0.5 }, { "mul_", lists(30) }, { "div_", 4 }, { "addcmul_", lists(20), lists(30), 0.5 },
      { "addcdiv_", lists(20), lists(30) }, { "lerp_", lists(20), 0.25 }, { "neg_" }, { "abs_" }, { "zero_" },
      { "copy_", lists(40) }, { "clamp_", -1, 1 },
    }
    for _, call in ipairs(calls) do
      local name, self, want = call[1], lists(7), lists(7)
      local result = foreach[name](self, table.unpack(call, 2))
      assert.equal(self, result)
      for i, t in ipairs(want) do
        local args = {}
        for k = 2, #call do
          local listed = type(call[k]) == "table" and #call[k] > 0
          args[k - 1] = listed and call[k][i] or call[k]
        end
        t[name](t, table.unpack(args))
      end
      assert_same(self, want)
    end
  end)

  it("gives a table of results where nothing is written", function()
    local self = lists(3)
    local roots, norms = foreach.exp(self), foreach.norm(self)
    for i, t in ipairs(self) do
      assert.is_nil(values.tensors_differ(roots[i], t:exp()))
      assert.is_nil(values.tensors_differ(norms[i], t:norm()))
    end
  end)

  it("takes a number for each tensor, or one tensor for all", function()
    local list = { filled({ 2 }, 1), filled({ 3 }, 1) }
    foreach.mul_(list, { 2, 3 })
    foreach.add_(list, filled({}, 10))
    assert.same({ 12, 12 }, list[1]:totable())
    assert.same({ 13, 13, 13 }, list[2]:totable())
  end)

  it("leaves alone what stands beside false", function()
    local list = { filled({ 2 }, 1), filled({ 2 }, 1), false }
    foreach.add_(list, { false, filled({ 2 }, 1), filled({ 2 }, 1) })
    assert.same({ 1, 1 }, list[1]:totable())
    assert.same({ 2, 2 }, list[2]:totable())
    assert.equal(0, list[1]._version)
    local results = foreach.neg { false, list[2] }
    assert.is_false(results[1])
    assert.same({ -2, -2 }, results[2]:totable())
  end)

  it("does nothing to an empty list", function()
    assert.same({}, foreach.add_({}, {}))
    assert.same({}, foreach.sqrt {})
    foreach.sgd_({}, {}, { lr = 0.1 })
    foreach.adam_({}, {}, {}, {}, { step = 1 })
  end)

  it("records each call for backward", function()
    local x, y = filled({ 2 }, 3):requires_grad_(), filled({ 3 }, 2):requires_grad_()
    local squares = foreach.mul({ x, y }, { x, y })
    foreach.mul_(squares, 2)
    local total = squares[1]:sum() + squares[2]:sum()
    total:backward()
    assert.same({ 12, 12 }, x.grad:totable())
    assert.same({ 8, 8, 8 }, y.grad:totable())
  end)

  it("writes nothing where any of the calls is wrong", function()
    local list = { filled({ 2 }, 1), filled({ 3 }, 1), filled({ 2 }, 1, "int64") }
    local function fails(sentence, f, ...)
      assert.equal(sentence, refused(f, ...))
      for _, t in ipairs(list) do
        assert.equal(0, t._version)
        assert.equal(1, t:min():item())
      end
    end
    fails("foreach.add_: tensor 2: output with shape 3 cannot grow to the broadcast shape 2x3",
      foreach.add_, list, { 1, filled({ 2, 3 }, 1), 1 })
    fails("foreach.add_: tensor 3: the result is float32, which a tensor of int64 cannot hold",
      foreach.add_, list, 0.5)
    fails("foreach.addcdiv_: tensor 3: cannot compute in int64; it takes floats", foreach.addcdiv_, list, 1, 1)
    fails("foreach.add_: self has 3 tensors and other 2 entries", foreach.add_, list, { 1, 2 })
    fails('foreach.add_: other[2] must be a tensor, a number or false, got the string "x"',
      foreach.add_, list, { 1, "x", 1 })
    fails("foreach.sqrt_: self[4] must be a tensor or false, got the number 5",
      foreach.sqrt_, { list[1], list[2], list[3], 5 })
    fails("foreach.add_: self must be a table of tensors; x:add_(...) is for a single one",
      foreach.add_, list[1], list[1])
    local leaf = filled({ 2 }, 1):requires_grad_()
    fails("foreach.mul_: tensor 2: self is a leaf that requires grad and cannot be written in place with gradients "
      .. "recorded; use no_grad, or write out of place", foreach.mul_, { list[1], leaf }, 2)
    cr.no_grad(foreach.mul_, { leaf }, 2)
    assert.same({ 2, 2 }, leaf:totable())
  end)

  it("has no field that is no operation", function()
    for wrong, advice in pairs { nope = "", cat = "; there is cr.cat", sum_ = "; did you mean 'cr.foreach.sum'?",
      mull_ = "; did you mean 'cr.foreach.mul_'?", [("z"):rep(60)] = "" } do
      assert.equal(("cresset.foreach has no operation '%s'%s"):format(wrong, advice),
        refused(function() return foreach[wrong] end))
    end
    assert.is_nil(foreach[1])
    assert.is_nil(foreach._NAME)
  end)

  it("knows its names, and tells what it is when it is printed", function()
    local names = getmetatable(foreach).names()
    assert.is_true(names.add_ and names.sqrt and names.adam_ and names.sgd_ and names.multiply)
    assert.is_nil(names.cat)
    for name in pairs(names) do assert.is_function(foreach[name], name) end
    for _, op in ipairs(cr.operations()) do
      local known = pcall(function() return foreach[op.lua] end)
      assert.equal(known, names[op.lua] == true, op.lua)
    end
    assert.truthy(tostring(foreach):find("cr.foreach.NAME(list, ...)", 1, true))
  end)
end)

describe("an optimizer's fused step", function()
  local state_of = { adam_ = { "exp_avgs", "exp_avg_sqs", "max_exp_avg_sqs" }, sgd_ = { "momentum_buffers" } }

  -- Takes the three steps that oracle/cases_update.py took; `arrange` lays tensors out.
  local function steps(case, arrange)
    local name, dtype, options = case[1], case[2], {}
    for key, value in pairs(case[3]) do options[key] = value end
    local params, state, shapes = {}, {}, { { 2, 3 }, { 5 } }
    for i, shape in ipairs(shapes) do params[i] = arrange(values.generate(shape, -2, 2, dtype, i)) end
    for k = 1, #case - 4 do
      state[k] = {}
      for i, p in ipairs(params) do state[k][i] = arrange(cr.zeros_like(p)) end
      options[state_of[name][k]] = state[k]
    end
    for step = 1, 3 do
      local grads = {}
      for i, shape in ipairs(shapes) do
        grads[i] = arrange(values.generate(shape, -2, 2, dtype, 10 * step + i - 1))
      end
      if name == "adam_" then options.step = step else options.first = step == 1 end
      options.params, options.grads = params, grads
      foreach[name](options)
    end
    return params, state
  end

  local function check(arrange)
    for _, case in ipairs(require "spec.oracle.update") do
      local params, state = steps(case, arrange)
      table.insert(state, 1, params)
      for k, list in ipairs(state) do
        for i, t in ipairs(list) do
          local dtype, shape, numbers = oracle.parse_tensor(case[3 + k][i])
          assert.is_nil(values.differs(t, dtype, shape, numbers))
        end
      end
    end
  end

  it("is PyTorch's", function()
    check(function(t) return t end)
  end)

  it("does not depend on how tensors lie in memory", function()
    local turn = 0
    check(function(t) -- every other one transposed, or with gaps
      turn = turn + 1
      if turn % 2 == 0 then return t end
      if t.ndim == 2 then return t:t():clone():t() end
      local wide = cr.zeros(t.shape[1], 2, { dtype = t.dtype, device = t.device })
      local view = wide:select(2, 1)
      return view:copy_(t)
    end)
  end)

  it("is within rounding of the formula in half precision", function()
    for _, dtype in ipairs { "float16", "bfloat16" } do
      local p, g = values.generate({ 700 }, -2, 2, dtype, 1), values.generate({ 700 }, -2, 2, dtype, 2)
      local m = values.generate({ 700 }, -1, 1, dtype, 3)
      local wide_p, wide_m = p:float(), m:float()
      foreach.sgd_({ p }, { g }, { m }, { lr = 0.5, momentum = 0.25 })
      wide_m:mul_(0.25):add_(g:float())
      wide_p:sub_(wide_m, { alpha = 0.5 })
      assert.is_nil(values.tensors_differ(m, wide_m:to(dtype)))
      assert.is_nil(values.tensors_differ(p, wide_p:to(dtype)))
    end
  end)

  it("takes a step number for each parameter", function()
    local function start() return { filled({ 2 }, 1), filled({ 2 }, 1) } end
    local function zeros() return { filled({ 2 }, 0), filled({ 2 }, 0) } end
    local g, p, q = start(), start(), start()
    foreach.adam_(p, g, zeros(), zeros(), { step = { 1, 5 } })
    foreach.adam_({ q[1] }, { g[1] }, { filled({ 2 }, 0) }, { filled({ 2 }, 0) }, { step = 1 })
    foreach.adam_({ q[2] }, { g[2] }, { filled({ 2 }, 0) }, { filled({ 2 }, 0) }, { step = 5 })
    assert_same(p, q, 0, 0)
  end)

  it("skips a parameter whose gradient is false, its state too", function()
    local p, m = { filled({ 2 }, 1), filled({ 2 }, 1) }, { filled({ 2 }, 0), filled({ 2 }, 0) }
    foreach.sgd_(p, { false, filled({ 2 }, 1) }, m, { lr = 0.5, momentum = 0.9 })
    assert.same({ 1, 1 }, p[1]:totable())
    assert.same({ 0.5, 0.5 }, p[2]:totable())
    assert.same({ 0, 1, 0, 1 }, { p[1]._version, p[2]._version, m[1]._version, m[2]._version })
  end)

  it("gives the same bits on any number of threads", function()
    local function run(threads)
      local before = cr.get_num_threads()
      cr.set_num_threads(threads)
      local p, g, m, v = {}, {}, {}, {}
      for i, n in ipairs { 70001, 3, 90000, 129 } do
        p[i], g[i] = values.generate({ n }, -2, 2, "float32", i), values.generate({ n }, -2, 2, "float32", i + 9)
        m[i], v[i] = filled({ n }, 0), filled({ n }, 0)
      end
      for step = 1, 2 do foreach.adam_(p, g, m, v, { step = step, weight_decay = 0.1 }) end
      cr.set_num_threads(before)
      return p
    end
    assert_same(run(1), run(3), 0, 0)
  end)

  it("counts as a write, so that saved tensors complain", function()
    local w = filled({ 2 }, 3):requires_grad_()
    local y = (w * w):sum()
    cr.no_grad(foreach.sgd_, { w }, { filled({ 2 }, 1) }, { lr = 0.5 })
    assert.equal(1, w._version)
    local ok, message = pcall(y.backward, y)
    assert.is_false(ok)
    assert.truthy(message:find("foreach.sgd_", 1, true))
  end)

  it("writes nothing where memory is out", function()
    local function made(shape, seed) return values.generate(shape, -2, 2, "float32", seed) end
    local params, grads = { made({ 2, 3 }, 1), made({ 3, 2 }, 2):t() }, { made({ 2, 3 }, 3), made({ 2, 3 }, 4) }
    local m, v, failures = foreach.zeros_like(params), foreach.zeros_like(grads), 0
    local versions = { params[1]._version, params[2]._version }
    finally(function() cr.debug.fail_alloc(0) end)
    repeat
      cr.debug.fail_alloc(failures + 1)
      local ok, message = pcall(foreach.adam_, params, grads, m, v, { step = 1 })
      cr.debug.fail_alloc(0)
      if not ok then
        failures = failures + 1
        assert.truthy(message:find("out of memory", 1, true))
        assert.same(versions, { params[1]._version, params[2]._version })
      end
    until ok
    assert.truthy(failures > 3)
  end)

  it("refuses bad lists in a sentence, and writes nothing", function()
    local p, g = { filled({ 2 }, 1), filled({ 3 }, 1) }, { filled({ 2 }, 1), filled({ 3 }, 1) }
    local m, v = { filled({ 2 }, 1), filled({ 3 }, 1) }, { filled({ 2 }, 1), filled({ 3 }, 1) }
    local function fails(sentence, f, ...)
      assert.equal(sentence, refused(f, ...))
      for _, list in ipairs { p, g, m, v } do
        for _, t in ipairs(list) do assert.equal(0, t._version) end
      end
    end
    local adam, sgd = foreach.adam_, foreach.sgd_
    fails("foreach.adam_: the argument 'step' is missing", adam, p, g, m, v)
    fails("foreach.adam_: steps count from 1, got 0", adam, p, g, m, v, { step = 0 })
    fails("foreach.adam_: step must be one number or one for each of 2 params, got 3 numbers",
      adam, p, g, m, v, { step = { 1, 2, 3 } })
    fails("foreach.adam_: beta2 must be at least 0 and below 1, got 1", adam, p, g, m, v, { step = 1, beta2 = 1 })
    fails("foreach.adam_: params has 2 tensors and grads 1", adam, p, { g[1] }, m, v, { step = 1 })
    fails("foreach.adam_: exp_avgs[2] has shape 2 and params[2] 3", adam, p, g, { m[1], m[1] }, v, { step = 1 })
    fails("foreach.adam_: exp_avg_sqs[2] is missing; only grads may hold false",
      adam, p, g, m, { v[1], false }, { step = 1 })
    fails("foreach.adam_: grads[2] is float64 and params[2] float32; convert one of them",
      adam, p, { g[1], g[2]:double() }, m, v, { step = 1 })
    fails("foreach.adam_: params[2] is int64; updates are of floating tensors",
      adam, { p[1], p[2]:long() }, g, m, v, { step = 1 })
    fails("foreach.adam_: grads[2] must be a tensor, got the number 5", adam, p, { g[1], 5 }, m, v, { step = 1 })
    fails("foreach.sgd_: the argument 'lr' is missing", sgd, p, g)
    fails("foreach.sgd_: momentum needs momentum_buffers", sgd, p, g, { lr = 1, momentum = 0.9 })
    fails("foreach.sgd_: nesterov needs a momentum above 0 and no dampening", sgd, p, g, { lr = 1, nesterov = true })
    fails("foreach.sgd_: params must be a table of tensors, got the number 5", sgd, 5, g, { lr = 1 })
    local leaf = filled({ 3 }, 1):requires_grad_()
    fails("foreach.sgd_: params[2] requires grad, and an update has no derivative; call it under no_grad",
      sgd, { p[1], leaf }, g, { lr = 1 })
    fails("foreach.sgd_: several elements of self share one memory location (an expanded tensor?); clone it before "
      .. "writing", sgd, { p[1], filled({}, 1):expand(3) }, g, { lr = 1 })
  end)

  it("refuses tensors that share memory, unless both are only read", function()
    local flat, g = filled({ 6 }, 1), filled({ 3 }, 1)
    local halves = { flat:narrow(1, 1, 3), flat:narrow(1, 4, 3) }
    foreach.sgd_(halves, { g, g }, { lr = 0.5 })
    assert.same({ 0.5, 0.5, 0.5, 0.5, 0.5, 0.5 }, flat:totable())
    local across = { flat:narrow(1, 1, 3), flat:narrow(1, 3, 3) }
    assert.equal("foreach.sgd_: params[1] and params[2] share memory; clone one of them",
      refused(foreach.sgd_, across, { g, g }, { lr = 0.5 }))
    assert.equal("foreach.sgd_: params[1] and params[2] share memory; clone one of them",
      refused(foreach.sgd_, { g, g }, { halves[1], halves[2] }, { lr = 0.5 }))
    local sentence = refused(foreach.sgd_, halves, { halves[2], g }, { lr = 0.5 })
    assert.truthy(sentence:find "grads%[1%]" and sentence:find "params%[2%]")
  end)
end)
