-- function_errors_spec.lua: custom Functions that break a rule: each fails with a sentence that names it.

local cr = require "cresset"
local values = require "spec.support.values"
local leaf, plain, fails = values.leaf, values.plain, values.assert_fails

local function make(forward, backward, more)
  local description = { name = "Mine", forward = forward, backward = backward }
  for k, v in pairs(more or {}) do description[k] = v end
  return cr.Function(description)
end

local function double(_, x) return x * 2 end
local function pass(_, g) return g end

describe("declaring a Function", function()
  it("needs a table with a forward", function()
    fails(function() cr.Function(5) end, "Function", "table")
    fails(function() cr.Function { name = "Empty" } end, "Empty", "forward")
    fails(function() cr.Function { forward = 5 } end, "forward", "function")
  end)

  it("refuses fields that it does not know", function()
    fails(function() cr.Function { forward = double, backwards = pass } end, "backwards")
  end)
end)

describe("save_for_backward", function()
  it("takes tensors and nil only", function()
    local F = make(function(ctx, x)
      ctx:save_for_backward(x, 5)
      return x * 1
    end, pass)
    fails(function() F(leaf { 1 }) end, "Mine", "save_for_backward", "2", "number")
  end)

  it("notices a saved tensor that was modified", function()
    local F = make(function(ctx, x)
      ctx:save_for_backward(x)
      return x * 1
    end, function(ctx, g) return g * ctx:saved_tensors() end)
    local x = leaf { 1 } * 1
    local y = F(x)
    x:add_(1)
    fails(function() y:backward() end, "Mine", "modified")
  end)

  it("has nothing left after the graph was freed", function()
    local F = make(function(ctx, x)
      ctx:save_for_backward(x)
      return x * 1
    end, function(ctx, g) return g * ctx:saved_tensors() end)
    local y = F(leaf { 1 })
    y:backward()
    fails(function() y:backward() end, "Mine", "second time", "retain_graph")
  end)
end)

describe("mark_dirty", function()
  it("wants the marked tensor among the results", function()
    local F = make(function(ctx, x)
      x:add_(1)
      ctx:mark_dirty(x)
      return x * 2
    end, pass)
    fails(function() F(leaf { 1 } * 1) end, "Mine", "dirty", "return")
  end)

  it("refuses a leaf that requires grad", function()
    local F = make(function(ctx, x)
      x:add_(1)
      ctx:mark_dirty(x)
      return x
    end, pass)
    fails(function() F(leaf { 1 }) end, "leaf")
  end)

  it("refuses a view if there is more than one result", function()
    local F = make(function(ctx, x)
      x:add_(1)
      ctx:mark_dirty(x)
      return x, x * 2
    end, pass)
    fails(function() F((leaf { 1, 2 } * 1)[1]) end, "Mine", "view")
  end)
end)

describe("backward of a Function", function()
  it("must return a gradient per input", function()
    local F = cr.Function { name = "Two", forward = function(_, a, b) return a * b end, backward = pass }
    fails(function() F(leaf { 1 }, leaf { 2 }):backward() end, "Two", "gradients", "2", "1")
  end)

  it("must not return more gradients than there are inputs", function()
    local F = make(double, function(_, g) return g, g end)
    fails(function() F(leaf { 1 }):backward() end, "Mine", "gradients", "1", "2")
  end)

  it("must return nil for an input that is no tensor", function()
    local F = cr.Function {
      name = "Scale",
      forward = function(_, x, n) return x * n end,
      backward = function(_, g) return g, g end,
    }
    fails(function() F(leaf { 1 }, 3):backward() end, "Scale", "2", "tensor")
  end)

  it("must return tensors or nil", function()
    local F = make(double, function() return 5 end)
    fails(function() F(leaf { 1 }):backward() end, "Mine", "tensor", "number")
  end)

  it("must return gradients of the input's shape", function()
    local F = make(double, function() return plain { 1, 2, 3 } end)
    fails(function() F(leaf { 1, 2 }):sum():backward() end, "Mine", "1", "3", "2")
  end)
end)

describe("an error thrown in a Function", function()
  it("passes out of forward unchanged, whatever its type", function()
    local problem = { code = 7 }
    local F = make(function() error(problem) end, pass)
    local ok, caught = pcall(F, leaf { 1 })
    assert.is_false(ok)
    assert.is_true(rawequal(problem, caught))
  end)

  it("passes out of backward unchanged", function()
    local problem = { code = 7 }
    local F = make(double, function() error(problem) end)
    local y = F(leaf { 1 })
    local ok, caught = pcall(y.backward, y)
    assert.is_false(ok)
    assert.is_true(rawequal(problem, caught))
  end)

  it("keeps the traceback of the Lua code that threw", function()
    local F = make(double, function()
      local function thrower() error "from inside" end
      thrower()
    end)
    local y = F(leaf { 1 })
    local _, trace = xpcall(y.backward, function(message) return debug.traceback(message) end, y)
    assert.truthy(trace:find("from inside", 1, true))
    assert.truthy(trace:find("function_errors_spec.lua", 1, true))
  end)

  it("leaves modes and engine as they were", function()
    local F = make(function() error "no" end, pass)
    pcall(F, leaf { 1 })
    assert.is_true(cr.is_grad_enabled())
    local x = leaf { 3 };
    (x * x):backward()
    values.assert_values(x.grad, { 6 })
  end)

  it("is caught inside a coroutine", function()
    local F = make(function() error "inner" end, pass)
    local co = coroutine.create(function()
      local ok, message = pcall(F, leaf { 1 })
      assert(not ok and message:find "inner")
      return "went on"
    end)
    local ok, result = coroutine.resume(co)
    assert.is_true(ok)
    assert.equal("went on", result)
  end)
end)

describe("coroutine.yield inside a Function", function()
  it("fails with a sentence in forward, and the process goes on", function()
    local F = make(function(_, x)
      coroutine.yield()
      return x * 2
    end, pass)
    local co = coroutine.create(function() return F(leaf { 1 }) end)
    local ok, message = coroutine.resume(co)
    assert.is_false(ok)
    assert.truthy(tostring(message):find("yield", 1, true))
  end)

  it("fails with a sentence in backward, and the process goes on", function()
    local F = make(double, function(_, g)
      coroutine.yield()
      return g
    end)
    local co = coroutine.create(function() F(leaf { 1 }):backward() end)
    local ok, message = coroutine.resume(co)
    assert.is_false(ok)
    assert.truthy(tostring(message):find("yield", 1, true))
    assert.is_true(cr.is_grad_enabled())
  end)

  it("is no obstacle around them", function()
    local F = make(double, function(_, g) return g * 2 end)
    local co = coroutine.wrap(function()
      local x = leaf { 1 }
      local y = F(x)
      coroutine.yield()
      y:backward()
      return x.grad:item()
    end)
    co()
    assert.equal(2, co())
  end)
end)

describe("a Function whose backward calls backward", function()
  it("on another graph works", function()
    local inner = leaf { 5 }
    local F = make(double, function(_, g)
      cr.enable_grad(function() (inner * inner):backward() end)
      return g * 2
    end)
    local x = leaf { 1 }
    F(x):backward()
    values.assert_values(x.grad, { 2 })
    values.assert_values(inner.grad, { 10 })
  end)

  it("to any depth that Lua allows, fails with a sentence beyond it", function()
    local F
    F = make(double, function(ctx, g)
      ctx.depth = 1
      cr.enable_grad(function() F(leaf { 1 }):backward() end)
      return g
    end)
    local ok, message = pcall(function() F(leaf { 1 }):backward() end)
    assert.is_false(ok)
    assert.truthy(tostring(message):find("overflow", 1, true) or tostring(message):find("deep", 1, true))
    assert.is_true(cr.is_grad_enabled())
  end)
end)

describe("a once_differentiable Function", function()
  local function once() return make(double, function(_, g) return g * 2 end, { once_differentiable = true }) end

  it("refuses a second derivative through an incoming gradient that requires grad", function()
    local x = leaf { 3 }
    local y = once()(x)
    local g = cr.grad((y * y):sum(), x, { create_graph = true })
    fails(function() g:backward() end, "Mine", "once")
  end)

  it("is merely not differentiable again if the incoming gradient is a constant", function()
    local x = leaf { 3 }
    local g = cr.grad(once()(x), x, { create_graph = true })
    assert.is_false(g.requires_grad)
  end)
end)

describe("a view that a Function returned", function()
  it("of its input cannot be written to in place", function()
    local F = make(function(_, x) return x[1] end, function(_, g) return cr.stack { g, g } end)
    local y = F(leaf { 1, 2 } * 1)
    fails(function() y:mul_(2) end, "view", "Function", "in place")
  end)
end)
