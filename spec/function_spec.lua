-- function_spec.lua: custom Functions written in Lua: calls, results, gradients, memory.

local cr = require "cresset"
local values = require "spec.support.values"
local leaf, plain = values.leaf, values.plain
local is_values = values.assert_values

local function square()
  return cr.Function {
    name = "Square",
    forward = function(ctx, x)
      ctx:save_for_backward(x)
      return x * x
    end,
    backward = function(ctx, g)
      local x = ctx:saved_tensors()
      return 2 * x * g
    end,
  }
end

-- A Function of one tensor whose halves are given; the backward passes its gradient on by default.
local function simple(forward, backward)
  return cr.Function { name = "Simple", forward = forward, backward = backward or function(_, g) return g end }
end

describe("a Function whose backward writes to its gradient", function()
  local function scaling() return simple(function(_, x) return x * 1 end, function(_, g) return g:mul_(10) end) end

  it("leaves that of another branch as it is", function()
    local x, y = leaf { 1, 2 }, leaf { 1, 2 };
    (scaling()(x) + y):backward(plain { 1, 1 })
    is_values(x.grad, { 10, 10 })
    is_values(y.grad, { 1, 1 })
    x.grad, y.grad = nil, nil;
    (y + scaling()(x)):sum():backward()
    is_values(x.grad, { 10, 10 })
    is_values(y.grad, { 1, 1 })
  end)

  it("leaves what the caller gave to backward as it is", function()
    local x, g = leaf { 1, 2 }, plain { 1, 1 }
    scaling()(x):backward(g)
    is_values(g, { 1, 1 })
    is_values(x.grad, { 10, 10 })
  end)

  it("leaves a retained gradient as it is, also through a view of its own", function()
    local x = leaf { 1, 2 }
    local y = simple(function(_, t) return t * 1 end, function(_, g)
      g[1] = 100
      return g
    end)(x)
    y:retain_grad();
    (y * 3):sum():backward()
    is_values(y.grad, { 3, 3 })
    is_values(x.grad, { 100, 3 })
  end)

  it("passes second derivatives on", function()
    local x = leaf { 2 }
    local y = simple(function(ctx, t)
      ctx:save_for_backward(t)
      return t * t
    end, function(ctx, g) return g * 2 * ctx:saved_tensors() end)(x)
    local g = cr.grad(y + x * 1, x, { create_graph = true })
    is_values(g:detach(), { 5 })
    is_values(cr.grad(g, x), { 2 })
  end)
end)

describe("a Function", function()
  it("is called like a function, or by apply", function()
    local Square = square()
    local x = leaf { 3 }
    Square(x):backward()
    is_values(x.grad, { 6 })
    is_values(Square.apply(x):detach(), { 9 })
  end)

  it("is a node named after it", function()
    local y = square()(leaf { 3 })
    assert.truthy(y.grad_fn:name():find("Square", 1, true))
  end)

  it("runs its forward without recording, while inputs still show requires_grad", function()
    local seen = {}
    local F = simple(function(_, x)
      seen = { x.requires_grad, cr.is_grad_enabled(), (x * 2).requires_grad }
      return x * 2
    end)
    F(leaf { 1 })
    assert.same({ true, false, false }, seen)
  end)

  it("runs its backward without recording, unless a graph is to be created", function()
    local seen = {}
    local F = simple(function(_, x) return x * 2 end, function(_, g)
      seen[#seen + 1] = cr.is_grad_enabled()
      return g * 2
    end)
    local x = leaf { 1 }
    local y = F(x)
    cr.grad(y, x, { retain_graph = true })
    cr.grad(y, x, { create_graph = true })
    assert.same({ false, true }, seen)
  end)

  it("can be differentiated twice through its Lua backward", function()
    local Square = square()
    local x = leaf(3)
    local g = cr.grad(Square(x), x, { create_graph = true })
    is_values(cr.grad(g, x), 2)
    assert.is_true(cr.gradcheck(Square, { leaf { 1, 2 } }))
    assert.is_true(cr.gradgradcheck(Square, { leaf { 1, 2 } }))
  end)

  it("makes no node if no input requires grad", function()
    local y = square()(plain { 3 })
    assert.is_nil(y.grad_fn)
    assert.is_false(y.requires_grad)
  end)

  it("makes no node under no_grad", function()
    local y = cr.no_grad(function() return square()(leaf { 3 }) end)
    assert.is_nil(y.grad_fn)
  end)

  it("without a backward fails when backward reaches it", function()
    local F = cr.Function { name = "Half", forward = function(_, x) return x * 2 end }
    values.assert_fails(function() F(leaf { 1 }):backward() end, "Half", "backward")
  end)

  it("returns several results, whose gradients arrive together", function()
    local F = cr.Function {
      name = "Both",
      forward = function(ctx, x, y)
        ctx:save_for_backward(x, y)
        return x + y, x * y
      end,
      backward = function(ctx, gs, gp)
        local x, y = ctx:saved_tensors()
        return gs + gp * y, gs + gp * x
      end,
    }
    local x, y = leaf { 2 }, leaf { 5 }
    local s, p = F(x, y);
    (s * 10 + p):backward()
    is_values(x.grad, { 15 })
    is_values(y.grad, { 12 })
  end)

  it("passes results that are no tensors through", function()
    local F = simple(function(_, x) return x * 2, "words", 7, nil end)
    local y, words, number, none = F(leaf { 1 })
    assert.same({ "words", 7 }, { words, number })
    assert.is_nil(none)
    y:backward()
  end)

  it("takes arguments that are no tensors, whose gradient is nil", function()
    local Power = cr.Function {
      name = "Power",
      forward = function(ctx, x, n)
        ctx:save_for_backward(x)
        ctx.n = n
        return x ^ n
      end,
      backward = function(ctx, g)
        local x = ctx:saved_tensors()
        return g * ctx.n * x ^ (ctx.n - 1), nil
      end,
    }
    local x = leaf { 2 }
    Power(x, 3):backward()
    is_values(x.grad, { 12 })
  end)

  it("does not see tensors inside tables", function()
    local F = cr.Function {
      name = "Table",
      forward = function(_, list) return list[1] * 2 end,
      backward = function(_, g) return g end,
    }
    local y = F { leaf { 1 } }
    assert.is_false(y.requires_grad)
  end)

  it("can be called inside another's forward and backward", function()
    local Square = square()
    local Fourth = cr.Function {
      name = "Fourth",
      forward = function(ctx, x)
        ctx:save_for_backward(x)
        return Square(Square(x))
      end,
      backward = function(ctx, g)
        local x = ctx:saved_tensors()
        local copy = x:detach():requires_grad_()
        local y = cr.enable_grad(function() return Square(Square(copy)) end)
        y:backward(g)
        return copy.grad
      end,
    }
    local x = leaf { 2 }
    Fourth(x):backward()
    is_values(x.grad, { 32 })
  end)
end)

describe("a Function that writes to its input", function()
  local function double()
    return cr.Function {
      name = "Double",
      forward = function(ctx, x)
        x:mul_(2)
        ctx:mark_dirty(x)
        return x
      end,
      backward = function(_, g) return g * 2 end,
    }
  end

  it("marks it dirty and returns the same tensor with a new history", function()
    local x = leaf { 1, 2 }
    local y = x * 1
    local z = double()(y)
    assert.equal(y:storage_id(), z:storage_id())
    assert.truthy(y.grad_fn:name():find("Double", 1, true))
    z:sum():backward()
    is_values(x.grad, { 2, 2 })
  end)

  it("changes the history of the base if the input is a view", function()
    local x = leaf { 1, 2 }
    local y = x * 1
    double()(y[1])
    y:sum():backward()
    is_values(x.grad, { 2, 1 })
  end)
end)

describe("a Function that returns its input", function()
  it("gives a view of it with a history of its own", function()
    local F = simple(function(_, x) return x end, function(_, g) return g * 10 end)
    local x = leaf { 1 }
    local y = F(x)
    assert.is_false(y.is_leaf)
    assert.equal(x:storage_id(), y:storage_id())
    y:backward()
    is_values(x.grad, { 10 })
    assert.is_true(x.is_leaf)
  end)
end)

describe("the gradients that a Function returns", function()
  it("may be nil for no gradient, and extra nils are accepted", function()
    local F = cr.Function {
      name = "Nils",
      forward = function(_, a, b) return a * b end,
      backward = function(_, g) return nil, g, nil, nil end,
    }
    local a, b = leaf { 1 }, leaf { 2 }
    F(a, b):backward()
    assert.is_nil(a.grad)
    is_values(b.grad, { 1 })
  end)

  it("are ignored for inputs that do not require grad", function()
    local F = cr.Function {
      name = "Ignored",
      forward = function(_, a, b) return a * b end,
      backward = function(_, g) return g, g end,
    }
    local a, b = leaf { 1 }, plain { 2 }
    F(a, b):backward()
    is_values(a.grad, { 1 })
    assert.is_nil(b.grad)
  end)

  it("are summed to the input's shape if they broadcast from it", function()
    local x = leaf { 1, 2 }
    local F = simple(function(_, t) return t * 1 end, function() return cr.ones({ 3, 2 }, { dtype = "float64" }) end)
    F(x):sum():backward()
    is_values(x.grad, { 3, 3 })
  end)

  it("are cast to the input's dtype", function()
    local x = leaf { 1, 2 }
    simple(function(_, t) return t * 1 end, function() return cr.ones(2) end)(x):sum():backward()
    assert.equal("float64", x.grad.dtype)
  end)
end)

describe("memory of a Function", function()
  local function live()
    collectgarbage()
    collectgarbage()
    return cr.memory.stats().objects
  end

  it("is released with its results", function()
    local F = square()
    local before = live()
    for _ = 1, 10 do F(leaf { 1, 2, 3 }):sum():backward() end
    assert.equal(before, live())
  end)

  it("is released after an error in either half", function()
    local bad_forward = simple(function() error "no" end)
    local bad_backward = simple(function(_, x) return x * 2 end, function() error "no" end)
    pcall(bad_forward, leaf { 1 })
    local before = live()
    for _ = 1, 5 do
      pcall(bad_forward, leaf { 1 })
      pcall(function() bad_backward(leaf { 1 }):backward() end)
    end
    assert.equal(before, live())
  end)

  it("of intermediates stored on the context is released too", function()
    local F = simple(function(ctx, x)
      ctx.middle = x * 3
      return ctx.middle * 2
    end, function(ctx, g) return g * ctx.middle end)
    local before = live()
    for _ = 1, 5 do F(leaf { 1 }):backward() end
    assert.equal(before, live())
  end)

  -- The graph keeps the context, so a context that kept the graph would never be collected.
  it("of a result stored on the context is released with the result", function()
    local F = simple(function(ctx, x)
      ctx.out, ctx.view, ctx.again = x:exp(), nil, nil
      ctx.view, ctx.again = ctx.out:view(-1), ctx.out
      return ctx.out
    end, function(ctx, g) return g * ctx.out end)
    F(leaf { 1, 2 }):sum():backward()
    local before = live()
    for _ = 1, 5 do F(leaf { 1, 2 }):sum():backward() end
    for _ = 1, 5 do F(leaf { 1, 2 }) end
    assert.equal(before, live())
  end)

  it("of an input that was modified in place and stored is released too", function()
    local F = simple(function(ctx, x)
      x:mul_(2)
      ctx:mark_dirty(x)
      ctx.x = x
      return x
    end, function(_, g) return g * 2 end)
    F(leaf { 1, 2 } * 1):sum():backward()
    local before = live()
    for _ = 1, 5 do F(leaf { 1, 2 } * 1):sum():backward() end
    assert.equal(before, live())
  end)
end)
