-- optim_spec.lua: the optimizers of cresset.optim: their steps against PyTorch's, and what is promised about them.

local cr = require "cresset"
local values = require "spec.support.values"
local oracle = require "spec.support.oracle"

local optim = cr.optim
local fails, message_of = values.assert_fails, values.message_of

local SHAPES = { { 2, 3 }, { 5 }, { 3, 2, 2 } }

local function parameters(shapes, dtype)
  local list = {}
  for i, shape in ipairs(shapes) do list[i] = values.generate(shape, -2, 2, dtype, i):requires_grad_() end
  return list
end

-- The gradients of oracle/cases_optim.py: the second parameter has none at each fifth step.
local function give_gradients(params, step)
  for i, p in ipairs(params) do
    if i == 2 and step % 5 == 4 then p.grad = nil
    else
      local g = values.generate(p.shape, -2, 2, p.dtype, 10 * step + i - 1)
      p.grad = g * 0.5 + p:detach() * 0.25
    end
  end
end

local function make(case, params)
  local given = params
  if #case.groups > 0 then
    given = {}
    for k, group in ipairs(case.groups) do
      given[k] = {}
      for name, value in pairs(group) do given[k][name] = value end
      given[k].params = {}
      for j, i in ipairs(group.params) do given[k].params[j] = params[i] end
    end
  end
  return optim[case[1]](given, case[3])
end

local tolerance = { float64 = 1e-12, float32 = 1e-6 }

local function assert_recorded(t, text, where, loose)
  local dtype, shape, numbers = oracle.parse_tensor(text)
  local near = loose or tolerance[dtype]
  local problem = values.differs(t, dtype, shape, numbers, near, near)
  if problem then error(where .. ": " .. problem, 2) end
end

local function assert_state(state, want, where, loose)
  for name, value in pairs(want) do
    if type(value) == "string" then assert_recorded(state[name], value, where .. "." .. name, loose)
    else
      local got, near = state[name], 1e-12
      if cr.is_tensor(got) then got, near = got:item(), tolerance[got.dtype] end
      assert(math.abs(got - value) <= near * math.abs(value), where .. "." .. name)
    end
  end
end

describe("an optimizer", function()
  local cases = require "spec.oracle.optim"

  it("takes PyTorch's steps", function()
    for k, case in ipairs(cases) do
      local where = ("%s %d (%s)"):format(case[1], k, case[2])
      local params = parameters(case.shapes or SHAPES, case[2])
      local opt = make(case, params)
      -- A sum in another order may turn the last bit of Muon's bfloat16.
      local loose = case[1] == "Muon" and (case[3].lr or 1e-3) * 2 ^ -7 or nil
      for step = 1, 12 do
        give_gradients(params, step)
        opt:step()
        for i, text in ipairs(case.shown[step] or {}) do
          assert_recorded(params[i], text, ("%s, step %d, parameter %d"):format(where, step, i), loose)
        end
      end
      for i, want in ipairs(case.states) do assert_state(opt.state[params[i]] or {}, want, where .. " state", loose) end
    end
  end)

  it("goes on as if nothing had been, once its state was saved and loaded", function()
    for k, case in ipairs(cases) do
      local shapes = case.shapes or SHAPES
      local whole, part = parameters(shapes, case[2]), parameters(shapes, case[2])
      local opt, first = make(case, whole), make(case, part)
      for step = 1, 5 do
        give_gradients(whole, step)
        give_gradients(part, step)
        opt:step()
        first:step()
      end
      local second = make(case, part)
      second:load_state_dict(first:state_dict())
      for step = 6, 9 do
        give_gradients(whole, step)
        give_gradients(part, step)
        opt:step()
        second:step()
      end
      for i, p in ipairs(whole) do
        assert.is_nil(values.tensors_differ(part[i], p, 0, 0), ("%s %d, parameter %d"):format(case[1], k, i))
      end
    end
  end)

  it("leaves alone what has no gradient", function()
    for _, name in ipairs { "SGD", "AdamW", "RMSprop", "Rprop", "ASGD" } do
      local params = parameters(SHAPES, "float32")
      params[1].grad = cr.ones_like(params[1])
      local before = params[2]:detach():clone()
      local opt = optim[name](params)
      opt:step()
      assert.is_true(params[2]:detach():equal(before))
      assert.equal(0, params[2]._version)
      assert.is_true(params[1]._version > 0)
    end
  end)

  it("has PyTorch's defaults", function()
    local p = parameters(SHAPES, "float32")
    local function has(name, want)
      local group = optim[name](p).param_groups[1]
      for key, value in pairs(want) do assert.same(value, group[key], name .. "." .. key) end
    end
    has("SGD", { lr = 1e-3, momentum = 0, dampening = 0, weight_decay = 0, nesterov = false, maximize = false })
    has("Adam", { lr = 1e-3, betas = { 0.9, 0.999 }, eps = 1e-8, weight_decay = 0, amsgrad = false })
    has("AdamW", { lr = 1e-3, betas = { 0.9, 0.999 }, eps = 1e-8, weight_decay = 1e-2, amsgrad = false })
    has("RMSprop", { lr = 1e-2, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0, centered = false })
    has("Adagrad", { lr = 1e-2, lr_decay = 0, weight_decay = 0, initial_accumulator_value = 0, eps = 1e-10 })
    has("Adadelta", { lr = 1.0, rho = 0.9, eps = 1e-6, weight_decay = 0 })
    has("Adamax", { lr = 2e-3, betas = { 0.9, 0.999 }, eps = 1e-8, weight_decay = 0 })
    has("NAdam", { lr = 2e-3, betas = { 0.9, 0.999 }, eps = 1e-8, weight_decay = 0, momentum_decay = 4e-3 })
    has("RAdam", { lr = 1e-3, betas = { 0.9, 0.999 }, eps = 1e-8, weight_decay = 0, decoupled_weight_decay = false })
    has("Rprop", { lr = 1e-2, etas = { 0.5, 1.2 }, step_sizes = { 1e-6, 50 } })
    has("ASGD", { lr = 1e-2, lambd = 1e-4, alpha = 0.75, t0 = 1e6, weight_decay = 0 })
  end)

  it("passes NaN on as PyTorch does", function()
    for _, name in ipairs { "SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam",
      "ASGD" } do
      local p = cr.tensor({ 1, 2 }, { requires_grad = true, dtype = "float32" })
      p.grad = cr.tensor { cr.nan, 1 }
      optim[name]({ p }):step()
      local list = p:detach():totable()
      assert(list[1] ~= list[1] and list[2] == list[2], name)
    end
    local p = cr.tensor({ 1, 2 }, { requires_grad = true, dtype = "float32" })
    p.grad = cr.tensor { cr.nan, 1 }
    optim.Rprop({ p }):step() -- the sign of NaN is 0
    assert.equal(1, p[1]:item())
  end)

  it("computes 16-bit parameters in float32, with a state of their dtype", function()
    for _, dtype in ipairs { "float16", "bfloat16" } do
      for _, name in ipairs { "SGD", "AdamW", "RMSprop", "Adadelta" } do
        local p = values.generate({ 33 }, -2, 2, dtype, 1):requires_grad_()
        local wide = p:detach():float():requires_grad_()
        local options = name == "SGD" and { lr = 0.5, momentum = 0.5 } or { lr = 0.125 }
        local a, b = optim[name]({ p }, options), optim[name]({ wide }, options)
        p.grad = values.generate({ 33 }, -2, 2, dtype, 2)
        wide.grad = p.grad:float()
        a:step()
        b:step()
        assert.is_nil(values.tensors_differ(p:detach(), wide:detach():to(dtype), 0, 0), name)
        for _, t in pairs(a.state[p]) do
          if cr.is_tensor(t) then assert.equal(dtype, t.dtype) end
        end
      end
    end
  end)
end)

describe("optim: a step", function()
  local function start()
    local p = cr.tensor({ 1.0, 2.0 }, { dtype = "float64", requires_grad = true })
    return p, optim.SGD({ p }, { lr = 0.1 })
  end

  it("calls the closure with gradients on, and gives its loss", function()
    local p, opt = start()
    local called = 0
    local loss = cr.no_grad(function()
      return opt:step(function()
        called = called + 1
        assert.is_true(cr.is_grad_enabled())
        opt:zero_grad()
        local l = (p * p):sum()
        l:backward()
        return l
      end)
    end)
    assert.equal(1, called)
    assert.equal(5, loss:item())
    values.assert_values(p, { 0.8, 1.6 }, 1e-15)
    assert.is_true(cr.is_grad_enabled())
    assert.is_true(p.requires_grad and p.is_leaf)
  end)

  it("passes an error of the closure on, and has done nothing", function()
    local p, opt = start()
    p.grad = cr.ones_like(p)
    local mark = {}
    local ok, err = pcall(opt.step, opt, function() error(mark) end)
    assert.is_false(ok)
    assert.equal(mark, err)
    assert.is_true(cr.is_grad_enabled())
    values.assert_values(p, { 1, 2 })
  end)

  it("works in a coroutine, with a closure that yields", function()
    local p, opt = start()
    local co = coroutine.wrap(function()
      opt:step(function()
        coroutine.yield "half"
        p.grad = cr.ones_like(p)
      end)
      return "done"
    end)
    assert.equal("half", co())
    assert.is_true(cr.is_grad_enabled())
    assert.equal("done", co())
    values.assert_values(p, { 0.9, 1.9 }, 1e-15)
  end)

  it("writes nothing where memory is out, and may be taken again", function()
    finally(function() cr.debug.fail_alloc(0) end)
    for _, name in ipairs { "SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam",
      "Rprop", "ASGD", "Adafactor", "Muon" } do
      local options = name == "SGD" and { momentum = 0.9 } or nil
      local shapes = name == "Muon" and { { 2, 3 }, { 3, 2 } } or SHAPES
      local want, got = parameters(shapes, "float32"), parameters(shapes, "float32")
      local function groups(list) return { { params = { list[1] } }, { params = { list[2], list[3] }, lr = 0.25 } } end
      local a, b = optim[name](groups(want), options), optim[name](groups(got), options)
      for step = 1, 3 do
        give_gradients(want, step)
        give_gradients(got, step)
        a:step()
        local failures = 0
        repeat
          local before = cr.foreach.clone(got)
          cr.debug.fail_alloc(failures + 1)
          local ok, message = pcall(b.step, b)
          cr.debug.fail_alloc(0)
          if not ok then
            failures = failures + 1
            assert(tostring(message):find "memory", message)
            for i, p in ipairs(got) do assert.is_true(p:detach():equal(before[i]:detach()), name) end
          end
        until ok
        assert(failures > 1, name)
        for i, p in ipairs(want) do assert.is_nil(values.tensors_differ(got[i], p, 0, 0), name .. step) end
      end
    end
  end)

  it("is the same for parameters that do not lie in one piece", function()
    for _, name in ipairs { "SGD", "Adam", "RAdam", "Rprop" } do
      local plain = values.generate({ 4, 3 }, -2, 2, "float64", 5):requires_grad_()
      local turned = values.generate({ 4, 3 }, -2, 2, "float64", 5):t():clone():t():requires_grad_()
      local gapped = cr.zeros({ 4, 6 }, { dtype = "float64", device = values.device })
      local part = gapped[{ {}, { 1, -1, 2 } }]
      part:copy_(plain:detach())
      part:requires_grad_()
      local opt = optim[name]({ plain, turned, part }, { lr = 0.1 })
      for step = 1, 3 do
        for _, p in ipairs { plain, turned, part } do
          p.grad = values.generate({ 4, 3 }, -2, 2, "float64", 10 + step)
        end
        opt:step()
      end
      assert.is_true(turned:detach():equal(plain:detach()), name)
      assert.is_true(part:detach():equal(plain:detach()), name)
    end
  end)

  it("does nothing to parameters without elements, and nothing where nothing has a gradient", function()
    local empty = cr.zeros({ 0, 3 }, { requires_grad = true })
    local opt = optim.Adam { empty, (cr.ones({}, { requires_grad = true })) }
    opt:step()
    empty.grad = cr.zeros(0, 3)
    opt:step()
    assert.equal(1, opt.state[empty].step)
  end)

  it("refuses gradients of another dtype in a sentence", function()
    local p = cr.ones({ 2 }, { requires_grad = true })
    local opt = optim.Adam { p }
    fails(function() opt:step(5) end, "Adam: step: the closure must be a function, got the number 5")
    fails(function() opt.step() end, "step")
  end)
end)

describe("optim: groups", function()
  it("have options of their own, and the common ones for the rest", function()
    local a, b, c = table.unpack(parameters(SHAPES, "float32"))
    local opt = optim.SGD({ { params = { a } }, { params = b, lr = 0.5 } }, { lr = 0.1, momentum = 0.9 })
    assert.equal(2, #opt.param_groups)
    assert.equal(0.1, opt.param_groups[1].lr)
    assert.equal(0.5, opt.param_groups[2].lr)
    assert.equal(0.9, opt.param_groups[2].momentum)
    opt:add_param_group { params = { c }, momentum = 0, name = "head" }
    assert.equal("head", opt.param_groups[3].name)
    assert.equal(0.1, opt.param_groups[3].lr)
    for _, p in ipairs { a, b, c } do p.grad = cr.ones_like(p) end
    local before = c:detach():clone()
    opt:step()
    assert.is_nil(values.tensors_differ(c:detach(), before - 0.1))
    assert.is_nil(opt.state[c])
    assert.is_true(cr.is_tensor(opt.state[a].momentum_buffer))
  end)

  it("do not share what their options hold", function()
    local a, b = table.unpack(parameters(SHAPES, "float32"))
    local betas = { 0.5, 0.5 }
    local opt = optim.Adam({ { params = { a } }, { params = { b } } }, { betas = betas })
    opt.param_groups[1].betas[1] = 0.25
    assert.same({ 0.5, 0.5 }, opt.param_groups[2].betas)
    assert.same({ 0.5, 0.5 }, betas)
  end)

  it("take their parameters from an iterator of names and tensors, too", function()
    local a, b = table.unpack(parameters(SHAPES, "float32"))
    local i = 0
    local opt = optim.SGD(function()
      i = i + 1
      if i <= 2 then return ({ "a", "b" })[i], ({ a, b })[i] end
    end)
    assert.same({ "a", "b" }, opt.param_groups[1].param_names)
    assert.equal(b, opt.param_groups[1].params[2])
    assert.same({ "a", "b" }, opt:state_dict().param_groups[1].param_names)
  end)

  it("follow a change of their options at the next step", function()
    local p = cr.zeros({ 1 }, { requires_grad = true })
    local opt = optim.SGD({ p }, { lr = 1 })
    p.grad = cr.ones(1)
    opt:step()
    opt.param_groups[1].lr = 0.25
    opt:step()
    assert.equal(-1.25, p:item())
  end)

  it("take a learning rate in a tensor", function()
    local p, lr = cr.zeros({ 1 }, { requires_grad = true }), cr.tensor(0.5)
    local opt = optim.SGD({ p }, { lr = lr })
    p.grad = cr.ones(1)
    opt:step()
    lr:fill_(0.25)
    opt:step()
    assert.equal(-0.75, p:item())
  end)
end)

describe("optim: bad input", function()
  local p = cr.ones({ 2 }, { requires_grad = true })

  it("to a constructor is one sentence, at the caller's line", function()
    local function refused(sentence, f) assert.equal(sentence, message_of(f)) end
    refused("SGD: params is empty; there is nothing to optimize", function() optim.SGD {} end)
    refused("SGD: params must be a list of tensors, got nil", function() optim.SGD() end)
    refused("SGD: params must be a list of tensors, got a tensor; { x } is a list of one", function() optim.SGD(p) end)
    refused("SGD: parameter 2 must be a tensor, got the number 5", function() optim.SGD { p, 5 } end)
    refused("SGD: parameter 1 is no leaf: it was computed from other tensors, which are what can be optimized",
      function() optim.SGD { p * 2 } end)
    refused("Adam: parameter 1 is int64; only floating tensors can be optimized",
      function() optim.Adam { cr.tensor { 1, 2 } } end)
    refused("SGD: parameter 2 is the same tensor as parameter 1", function() optim.SGD { p, p } end)
    refused("SGD: parameter 2 is the same tensor as parameter 1", function() optim.SGD { p, p:detach() } end)
    refused("SGD: parameter 1 is in group 1, too",
      function() optim.SGD { { params = { p } }, { params = { p } } } end)
    refused("SGD: the group has no params", function() optim.SGD { { param = { p } } } end)
    refused("SGD: there is no option 'learning_rate'", function() optim.SGD({ p }, { learning_rate = 0.1 }) end)
    refused("SGD: there is no option 'momentun'; did you mean 'momentum'?",
      function() optim.SGD({ p }, { momentun = 0.1 }) end)
    refused("SGD: there is no option 'wieght_decay'; did you mean 'weight_decay'?",
      function() optim.SGD { { params = { p }, wieght_decay = 1 } } end)
    refused("SGD: the options must be a table such as { lr = 0.1 }, got the number 0.1",
      function() optim.SGD({ p }, 0.1) end)
    refused("Adam: lr must be a number of at least 0 (or a tensor of one), got the number -1",
      function() optim.Adam({ p }, { lr = -1 }) end)
    refused("Adam: lr must be a number of at least 0 (or a tensor of one), got the number nan",
      function() optim.Adam({ p }, { lr = 0 / 0 }) end)
    refused("Adam: betas must be a list of two numbers from 0 to below 1, got a table",
      function() optim.Adam({ p }, { betas = { 0.9, 1 } }) end)
    refused("Adam: amsgrad must be true or false, got the number 1", function() optim.Adam({ p }, { amsgrad = 1 }) end)
    refused("SGD: nesterov needs a momentum above 0 and no dampening",
      function() optim.SGD({ p }, { nesterov = true }) end)
    refused("Rprop: etas must be a list of a number between 0 and 1 and one above 1, got a table",
      function() optim.Rprop({ p }, { etas = { 1.5, 2 } }) end)
    refused("Adam: differentiable must be false: a step is not recorded for backward, got true",
      function() optim.Adam({ p }, { differentiable = true }) end)
    refused("cresset.optim has no 'AdamX'; did you mean 'optim.Adam'?", function() return optim.AdamX end)
    refused("cresset.optim has no 'SparseAdam'; gradients are dense here: optim.Adam does",
      function() return optim.SparseAdam end)
    local ok, message = pcall(function() optim.SGD {} end)
    assert.is_false(ok)
    assert.truthy(message:find "^[^:]*optim_spec.lua:%d+: SGD")
  end)

  it("to add_param_group leaves the optimizer as it was", function()
    local opt = optim.SGD({ p }, { lr = 0.1 })
    fails(function() opt:add_param_group { params = {} } end, "empty")
    fails(function() opt:add_param_group { params = { p } } end, "is in group 1")
    fails(function() opt:add_param_group(5) end, "a group must be a table { params = list, ... }, got the number 5")
    assert.equal(1, #opt.param_groups)
  end)

  it("to load_state_dict leaves the optimizer as it was", function()
    local q = cr.ones({ 3 }, { requires_grad = true })
    local opt, other, two = optim.Adam { p }, optim.Adam { q }, optim.Adam { { params = { p } }, { params = { q } } }
    q.grad, p.grad = cr.ones(3), cr.ones(2)
    other:step()
    fails(function() opt:load_state_dict(5) end, "load_state_dict: the dict must be a table, got the number 5")
    fails(function() opt:load_state_dict {} end, "the dict must have state and param_groups")
    fails(function() opt:load_state_dict(two:state_dict()) end, "there are 1 groups here, and 2 in what is loaded")
    fails(function() opt:load_state_dict(optim.Adam({ p, q }):state_dict()) end,
      "group 1 has 1 parameters here, and 2 in what is loaded")
    fails(function() opt:load_state_dict(other:state_dict()) end,
      "exp_avg of parameter 1 has shape 3, and the parameter 2")
    local dict = opt:state_dict()
    dict.param_groups[1].lr = "fast"
    fails(function() opt:load_state_dict(dict) end, "lr must be a number")
    assert.is_nil(next(opt.state))
    assert.equal(1e-3, opt.param_groups[1].lr)
  end)
end)

describe("optim: state_dict", function()
  it("is plain tables in PyTorch's structure, with parameters numbered from 1", function()
    local a, b, c = table.unpack(parameters(SHAPES, "float32"))
    local opt = optim.Adam({ { params = { a } }, { params = { b, c }, lr = 0.5 } }, { amsgrad = true })
    a.grad, c.grad = cr.ones_like(a), cr.ones_like(c)
    opt:step()
    local dict = opt:state_dict()
    assert.same({ 1 }, dict.param_groups[1].params)
    assert.same({ 2, 3 }, dict.param_groups[2].params)
    assert.equal(0.5, dict.param_groups[2].lr)
    assert.is_nil(dict.state[2])
    assert.equal(1, dict.state[3].step)
    for _, name in ipairs { "exp_avg", "exp_avg_sq", "max_exp_avg_sq" } do
      assert.is_true(cr.is_tensor(dict.state[1][name]))
    end
  end)

  it("is copied when it is loaded, into the dtype of the parameters", function()
    local p = cr.ones({ 2 }, { requires_grad = true })
    local q = cr.ones({ 2 }, { requires_grad = true, dtype = "bfloat16" })
    local a, b = optim.Adam { p }, optim.Adam { q }
    p.grad = cr.ones(2)
    a:step()
    b:load_state_dict(a:state_dict())
    assert.equal("bfloat16", b.state[q].exp_avg.dtype)
    assert.equal(1, b.state[q].step)
    local c = optim.Adam { p }
    c:load_state_dict(a:state_dict())
    assert.is_false(c.state[p].exp_avg:shares_storage(a.state[p].exp_avg))
  end)

  it("of PyTorch is understood: numbered from 0, with counts in tensors", function()
    local p = cr.ones({ 2 }, { requires_grad = true })
    local opt = optim.Adam { p }
    opt:load_state_dict {
      state = { [0] = { step = cr.tensor(3.0), exp_avg = cr.ones(2), exp_avg_sq = cr.ones(2) } },
      param_groups = { { lr = 0.5, betas = { 0.5, 0.5 }, eps = 1e-8, weight_decay = 0, amsgrad = false,
        params = { 0 } } },
    }
    assert.equal(3, opt.state[p].step)
    assert.equal(0.5, opt.param_groups[1].lr)
    assert.is_false(opt.param_groups[1].maximize)
    p.grad = cr.ones(2)
    opt:step()
    assert.equal(4, opt.state[p].step)
  end)
end)

describe("optim: zero_grad", function()
  it("takes gradients away, or makes them zeros", function()
    local p = cr.ones({ 2 }, { requires_grad = true })
    local opt = optim.SGD { p }
    p.grad = cr.ones(2)
    local kept = p.grad
    opt:zero_grad { set_to_none = false }
    values.assert_values(kept, { 0, 0 })
    values.assert_values(p.grad, { 0, 0 })
    opt:zero_grad()
    assert.is_nil(p.grad)
    opt:zero_grad(false)
    assert.is_nil(p.grad)
    fails(function() opt:zero_grad { set_to_nil = true } end, "there is no option 'set_to_nil'")
  end)
end)

describe("optim: hooks", function()
  it("run around each step, and can be taken off", function()
    local p = cr.ones({ 2 }, { requires_grad = true })
    local opt = optim.SGD { p }
    local log = {}
    local a = opt:register_step_pre_hook(function(o) log[#log + 1] = o == opt and "pre" or "?" end)
    local b = opt:register_step_post_hook(function() log[#log + 1] = "post" end)
    local c = optim.Optimizer.register_optimizer_step_pre_hook(function() log[#log + 1] = "any" end)
    opt:step(function() log[#log + 1] = "closure" end)
    assert.same({ "any", "pre", "closure", "post" }, log)
    a:remove()
    b:remove()
    c:remove()
    c:remove()
    opt:step()
    assert.equal(4, #log)
    fails(function() opt:register_step_pre_hook(5) end, "SGD: the hook must be a function, got the number 5")
  end)

  it("see and replace what is saved and loaded", function()
    local p = cr.ones({ 2 }, { requires_grad = true })
    local opt = optim.SGD { p }
    opt:register_state_dict_post_hook(function(_, dict) dict.more = 1 end)
    assert.equal(1, opt:state_dict().more)
    opt:register_load_state_dict_pre_hook(function(_, dict)
      dict.param_groups[1].lr = 7
      return dict
    end)
    opt:load_state_dict(opt:state_dict())
    assert.equal(7, opt.param_groups[1].lr)
  end)
end)

describe("an optimizer as text", function()
  it("is PyTorch's, with groups numbered from 1", function()
    local p = cr.ones({ 2 }, { requires_grad = true })
    local lines = { "SGD (", "Parameter Group 1", "    dampening: 0", "    differentiable: false", "    lr: 0.1",
      "    maximize: false", "    momentum: 0", "    nesterov: false", "    weight_decay: 0", ")" }
    assert.equal(table.concat(lines, "\n"),
      tostring(optim.SGD({ p }, { lr = 0.1 })))
    assert.truthy(tostring(optim.Adam { p }):find("    betas: (0.9, 0.999)", 1, true))
  end)
end)
