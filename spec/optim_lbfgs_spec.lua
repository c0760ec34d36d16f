-- optim_lbfgs_spec.lua: LBFGS: its evaluations and steps against PyTorch's, and what an error leaves behind.

local cr = require "cresset"
local oracle = require "spec.support.oracle"
local values = require "spec.support.values"

local optim = cr.optim
local fails = values.assert_fails

local functions = {}

function functions.rosenbrock(p)
  local x, y = p:narrow(1, 1, #p - 1), p:narrow(1, 2, #p - 1)
  return ((1 - x) ^ 2 + 100 * (y - x ^ 2) ^ 2):sum()
end

function functions.quadratic(p)
  local scale = cr.arange(1, #p + 1, { dtype = "float64" })
  return (scale * (p - 0.5) ^ 2):sum() + (p ^ 4):sum() * 0.125
end

local function start(list) return cr.tensor(list, { dtype = "float64", requires_grad = true }) end

local function closure_of(opt, p, f)
  return function()
    opt:zero_grad()
    local loss = f(p)
    loss:backward()
    return loss
  end
end

local function near(want, got, what)
  assert(math.abs(got - want) <= 1e-7 * math.max(1, math.abs(want)), ("%s: %.17g, not %.17g"):format(what, got, want))
end

describe("LBFGS", function()
  it("goes where PyTorch's goes, with as many evaluations", function()
    for c, case in ipairs(require "spec.oracle.lbfgs") do
      local name, list, options, shown = table.unpack(case)
      local p = start(list)
      local opt = optim.LBFGS({ p }, options)
      for k, row in ipairs(shown) do
        local what = ("%s %d, step %d"):format(name, c, k)
        local loss = opt:step(closure_of(opt, p, functions[name]))
        local _, _, numbers = oracle.parse_tensor(row[1])
        for i, x in ipairs(numbers) do near(x, p[i]:item(), what) end
        near(row[2], loss:item(), what .. ", loss")
        assert.equal(row[3], opt.state[p].n_iter, what)
        assert.equal(row[4], opt.state[p].func_evals, what)
      end
    end
  end)

  it("steps several parameters as one vector, and takes one without gradient for zeros", function()
    local whole, a, b = start { 2, -1, 0.25 }, start { 2 }, start { { -1, 0.25 } }
    local one, two = optim.LBFGS({ whole }, { max_iter = 5 }), optim.LBFGS({ a, b }, { max_iter = 5 })
    one:step(closure_of(one, whole, functions.quadratic))
    two:step(closure_of(two, nil, function() return functions.quadratic(cr.cat { a, b:view(2) }) end))
    assert.is_nil(values.tensors_differ(cr.cat { a, b:view(2) }:detach(), whole:detach(), 1e-12, 1e-12))
    local idle = start { 1 }
    local opt = optim.LBFGS { whole, idle }
    opt:step(closure_of(opt, whole, functions.quadratic))
    assert.equal(1, idle:item())
  end)

  it("has left all as it was where the closure fails, or memory is out", function()
    for _, search in ipairs { false, "strong_wolfe" } do
      local p = start { -1.5, 2 }
      local opt = optim.LBFGS({ p }, { line_search_fn = search or nil, lr = 0.01 })
      local good, calls = closure_of(opt, p, functions.rosenbrock), 0
      opt:step(good)
      local before, state = p:detach():clone(), opt:state_dict()
      local ok, err = pcall(opt.step, opt, function()
        calls = calls + 1
        if calls == 3 then error("enough", 0) end
        return good()
      end)
      assert.is_false(ok)
      assert.equal("enough", err)
      assert.is_true(p:detach():equal(before))
      assert.same(state.state[1].n_iter, opt.state[p].n_iter)
      assert.equal(state.state[1].d, opt.state[p].d)
    end
  end)

  it("goes on as if nothing had been, once its state was saved and loaded", function()
    for _, search in ipairs { false, "strong_wolfe" } do
      local whole, part = start { -1.5, 2, 0.5 }, start { -1.5, 2, 0.5 }
      local options = { max_iter = 3, line_search_fn = search or nil, lr = search and 1 or 0.001 }
      local a, b = optim.LBFGS({ whole }, options), optim.LBFGS({ part }, options)
      a:step(closure_of(a, whole, functions.rosenbrock))
      b:step(closure_of(b, part, functions.rosenbrock))
      local c = optim.LBFGS({ part }, options)
      c:load_state_dict(b:state_dict())
      a:step(closure_of(a, whole, functions.rosenbrock))
      c:step(closure_of(c, part, functions.rosenbrock))
      assert.is_true(part:detach():equal(whole:detach()))
    end
  end)

  it("refuses what does not fit, in a sentence", function()
    local p, q = start { 1 }, start { 1 }
    fails(function() optim.LBFGS { { params = { p } }, { params = { q } } } end,
      "LBFGS: there can be one group of parameters only")
    local opt = optim.LBFGS { p }
    fails(function() opt:step() end, "LBFGS: step: it needs a closure that computes the loss and its gradients")
    fails(function() opt:step(function() return "x" end) end,
      'LBFGS: step: the closure must return the loss, it returned the string "x"')
    fails(function() optim.LBFGS({ p }, { line_search_fn = "wolfe" }) end,
      'line_search_fn must be "strong_wolfe", got the string "wolfe"')
  end)
end)
