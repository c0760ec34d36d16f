-- autograd_tools_spec.lua: looking at a graph, checking derivatives, finding NaN, checkpoints.

local cr = require "cresset"
local values = require "spec.support.values"
local leaf, plain, fails = values.leaf, values.plain, values.assert_fails
local is_values = values.assert_values

describe("detach", function()
  it("gives the same memory outside the graph", function()
    local x = leaf { 1, 2 }
    local y = x * 2
    local d = y:detach()
    assert.is_false(d.requires_grad)
    assert.is_nil(d.grad_fn)
    assert.equal(y:storage_id(), d:storage_id())
  end)
end)

describe("a node", function()
  it("has the name of its operation", function()
    assert.truthy((leaf { 1 } * plain { 2 }).grad_fn:name():lower():find("mul", 1, true))
  end)

  it("leads to the next nodes, in the order of the operation's arguments", function()
    local x, y = leaf { 1 }, leaf { 2 }
    local z = x:exp() * y
    local nexts = z.grad_fn.next_functions
    assert.equal(2, #nexts)
    assert.truthy(nexts[1][1]:name():lower():find("exp", 1, true))
    assert.equal(1, nexts[1][2])
    assert.is_true(rawequal(y, nexts[2][1].variable) or y:storage_id() == nexts[2][1].variable:storage_id())
  end)

  it("has no next node where no gradient goes", function()
    local z = leaf { 1 } * plain { 2 }
    assert.is_false(z.grad_fn.next_functions[2][1])
  end)

  it("of a leaf accumulates into that leaf", function()
    local x = leaf { 1 }
    local node = (x * 2).grad_fn.next_functions[1][1]
    assert.truthy(node:name():find("Accumulate", 1, true))
    node.variable.grad = plain { 5 }
    is_values(x.grad, { 5 })
  end)

  it("shows what it saved, by name", function()
    local x, w = leaf { 1, 2 }, plain { 3, 4 }
    local node = (x * w).grad_fn
    is_values(node.saved_other, { 3, 4 })
    local e = x:exp()
    is_values(e.grad_fn.saved_out:detach(), values.flat(e))
  end)

  it("is equal to itself, however it was reached", function()
    local y = leaf { 1 } * 2
    assert.is_true(y.grad_fn == y.grad_fn)
  end)
end)

describe("gradcheck", function()
  it("accepts right derivatives", function()
    assert.is_true(cr.gradcheck(function(x, y) return x * y, x:sin() end, { leaf { 1, 2 }, leaf { 3, 4 } }))
  end)

  it("finds wrong ones and names output and input", function()
    local Wrong = cr.Function {
      name = "Wrong",
      forward = function(_, x, y) return x * y end,
      backward = function(_, g) return g, g end,
    }
    fails(function() cr.gradcheck(Wrong, { leaf { 2, 3 }, leaf { 4, 5 } }) end, "gradcheck", "output 1", "input 1")
    assert.is_false((cr.gradcheck(Wrong, { leaf { 2, 3 }, leaf { 4, 5 } }, { raise_exception = false })))
  end)

  it("warns if an input is not float64", function()
    local warnings = values.warnings_of(function()
      pcall(cr.gradcheck, function(x) return x * 2 end, { cr.ones({ 2 }, { requires_grad = true }) })
    end)
    assert.equal(1, #warnings)
    assert.truthy(warnings[1]:find("float64", 1, true))
  end)

  it("refuses an input whose elements share memory", function()
    local x = plain({ 1 }):expand(3):detach():requires_grad_()
    fails(function() cr.gradcheck(function(t) return t * 2 end, { x }) end, "gradcheck", "memory")
  end)

  it("refuses inputs of which none requires grad", function()
    fails(function() cr.gradcheck(function(t) return t * 2 end, { plain { 1 } }) end, "gradcheck", "require")
  end)

  it("finds derivatives that change from run to run", function()
    local n = 0
    local Shaky = cr.Function {
      name = "Shaky",
      forward = function(_, x) return x * 1 end,
      backward = function(_, g)
        n = n + 1
        return g * (1 + n * 1e-9)
      end,
    }
    fails(function() cr.gradcheck(Shaky, { leaf { 1, 2 } }) end, "gradcheck")
    assert.is_true(cr.gradcheck(Shaky, { leaf { 1, 2 } }, { nondet_tol = 1e-3 }))
  end)

  it("checks that an undefined gradient is taken for zero", function()
    local Careless = cr.Function {
      name = "Careless",
      forward = function(ctx, x)
        ctx:set_materialize_grads(false)
        return x * 1
      end,
      backward = function(_, g) return g or plain { 5 } end,
    }
    assert.is_false((pcall(cr.gradcheck, Careless, { leaf { 1 } })))
    assert.is_true(cr.gradcheck(Careless, { leaf { 1 } }, { check_undefined_grad = false }))
  end)

  it("has a fast mode that checks one direction of each input", function()
    assert.is_true(cr.gradcheck(function(x) return x * x end, { leaf { 1, 2 } }, { fast_mode = true }))
    local Wrong = cr.Function {
      name = "Wrong",
      forward = function(_, x) return x * x end,
      backward = function(_, g) return g end,
    }
    assert.is_false((pcall(cr.gradcheck, Wrong, { leaf { 3, 4 } }, { fast_mode = true })))
  end)

  it("leaves its inputs as they were", function()
    local x = leaf { 1, 2 }
    cr.gradcheck(function(t) return t * t end, { x })
    is_values(x:detach(), { 1, 2 })
    assert.is_nil(x.grad)
  end)
end)

describe("gradgradcheck", function()
  it("accepts right second derivatives and finds wrong ones", function()
    assert.is_true(cr.gradgradcheck(function(x) return x ^ 3 end, { leaf { 1, 2 } }))
    local Wrong = cr.Function {
      name = "WrongTwice",
      forward = function(ctx, x)
        ctx:save_for_backward(x)
        return x * x
      end,
      backward = function(ctx, g) return ctx:saved_tensors():detach() * 2 * g end,
    }
    assert.is_true(cr.gradcheck(Wrong, { leaf { 1, 2 } }))
    assert.is_false((pcall(cr.gradgradcheck, Wrong, { leaf { 1, 2 } })))
  end)
end)

describe("anomaly mode", function()
  it("names the operation whose gradient is NaN and the Lua line that called it", function()
    local message = fails(function()
      cr.detect_anomaly(function()
        local x = leaf { -1 }
        local y = x:sqrt() -- the forward call
        y:backward()
      end)
    end, "Sqrt", "nan")
    assert.truthy(message:find("autograd_tools_spec.lua", 1, true))
  end)

  it("has a scoped form", function()
    assert.is_false((pcall(function()
      local _ <close> = cr.detect_anomaly()
      leaf({ -1 }):sqrt():backward()
    end)))
    leaf({ -1 }):sqrt():backward()
  end)

  it("can leave NaN alone and only keep traces", function()
    cr.detect_anomaly(function() leaf({ -1 }):sqrt():backward() end, { check_nan = false })
  end)

  it("is off at first", function()
    local x = leaf { -1 }
    x:sqrt():backward()
    local g = x.grad:item()
    assert.is_true(g ~= g)
  end)
end)

describe("checkpoint", function()
  local function layer(x, w) return (x * w):tanh() end

  for _, reentrant in ipairs { false, true } do
    local how = reentrant and "reentrant" or "non-reentrant"

    it("gives the same value and gradients, " .. how, function()
      local x, w = leaf { 1, 2 }, leaf { 0.5, 0.25 }
      local gx, gw = cr.grad(layer(x, w):sum(), { x, w })
      cr.checkpoint(layer, x, w, { use_reentrant = reentrant }):sum():backward()
      values.assert_same(x.grad, gx)
      values.assert_same(w.grad, gw)
    end)

    it("runs the function again in backward, with the same random numbers, " .. how, function()
      local calls, masks = 0, {}
      local function noisy(x)
        calls = calls + 1
        local y = cr.dropout(x, 0.5)
        masks[calls] = y:detach():clone()
        return y * 1
      end
      local x = cr.ones({ 64 }, { requires_grad = true })
      local y = cr.checkpoint(noisy, x, { use_reentrant = reentrant })
      cr.rand(3)
      y:sum():backward()
      assert.equal(2, calls)
      values.assert_same(masks[2], masks[1])
      values.assert_same(x.grad, masks[1])
    end)
  end

  it("keeps no memory for the function's inside", function()
    local function deep(x)
      for _ = 1, 20 do x = x:sin() end
      return x
    end
    local x = cr.ones({ 1000 }, { requires_grad = true })
    collectgarbage()
    local before = cr.memory.stats().allocated
    local y = cr.checkpoint(deep, x, { use_reentrant = false })
    collectgarbage()
    local kept = cr.memory.stats().allocated - before
    assert(kept < 4 * 4000 + 4096, "a checkpoint of 20 steps keeps " .. kept .. " bytes")
    y:sum():backward()
  end)

  it("of the reentrant kind warns if no input requires grad, and gives no gradients", function()
    local w = leaf { 1 }
    local warnings, y = values.warnings_of(function()
      return cr.checkpoint(function(x) return x * w end, plain { 2 }, { use_reentrant = true })
    end)
    assert.equal(1, #warnings)
    assert.is_false(y.requires_grad)
  end)

  it("of the non-reentrant kind reaches tensors that are no inputs", function()
    local w = leaf { 1 }
    cr.checkpoint(function(x) return x * w end, plain { 2 }, { use_reentrant = false }):backward()
    is_values(w.grad, { 2 })
  end)

  it("of the reentrant kind cannot be used with grad", function()
    local x = leaf { 1 }
    local y = cr.checkpoint(function(t) return t * t end, x, { use_reentrant = true })
    fails(function() return cr.grad(y, x) end, "checkpoint", "grad")
  end)

  it("of the non-reentrant kind works with grad", function()
    local x = leaf { 3 }
    local y = cr.checkpoint(function(t) return t * t end, x, { use_reentrant = false })
    is_values(cr.grad(y, x), { 6 })
  end)
end)

describe("hooks on saved tensors", function()
  it("pack what is saved and unpack it in backward", function()
    local packed = 0
    local x = leaf { 2, 3 }
    local y
    do
      local _ <close> = cr.saved_tensors_hooks(function(t)
        packed = packed + 1
        return t:totable()
      end, function(list) return plain(list) end)
      y = (x * x):sum()
    end
    assert.is_true(packed >= 1)
    y:backward()
    is_values(x.grad, { 4, 6 })
  end)
end)
