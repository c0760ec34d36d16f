-- function_context_spec.lua: what a custom Function's context keeps, tells and decides.

local cr = require "cresset"
local values = require "spec.support.values"
local leaf, plain = values.leaf, values.plain
local is_values = values.assert_values

-- A Function of one tensor whose halves are given; the backward passes its gradient on by default.
local function simple(forward, backward)
  return cr.Function { name = "Simple", forward = forward, backward = backward or function(_, g) return g end }
end

describe("the context of a Function", function()
  it("keeps tensors and nil: the last call of save_for_backward wins", function()
    local seen
    local F = simple(function(ctx, x)
      ctx:save_for_backward(x * 5)
      ctx:save_for_backward(x, nil, x * 2)
      return x * 1
    end, function(ctx, g)
      seen = table.pack(ctx:saved_tensors())
      return g
    end)
    F(leaf { 4 }):backward()
    assert.equal(3, seen.n)
    is_values(seen[1]:detach(), { 4 })
    assert.is_nil(seen[2])
    is_values(seen[3], { 8 })
  end)

  it("returns saved inputs with their history", function()
    local x = leaf { 4 }
    local y = x * 1
    local seen
    local F = simple(function(ctx, t)
      ctx:save_for_backward(t)
      return t * 2
    end, function(ctx, g)
      seen = ctx:saved_tensors()
      return g * 2
    end)
    cr.grad(F(y), x)
    assert.is_true(seen.requires_grad)
    assert.equal(y.grad_fn:name(), seen.grad_fn:name())
  end)

  it("has free fields of its own, and no tensor method gets in the way", function()
    local F = simple(function(ctx, x)
      ctx.scale, ctx.words = 3, { "a" }
      return x * ctx.scale
    end, function(ctx, g)
      assert.same({ "a" }, ctx.words)
      return g * ctx.scale
    end)
    local x = leaf { 1 }
    F(x):backward()
    is_values(x.grad, { 3 })
  end)

  it("says which inputs need a gradient: tensors that require grad, whatever backward was asked for", function()
    local seen
    local F = cr.Function {
      name = "Needs",
      forward = function(_, a, b, n) return a * b * n end,
      backward = function(ctx, g)
        seen = { ctx.needs_input_grad[1], ctx.needs_input_grad[2], ctx.needs_input_grad[3], ctx.needs_input_grad[4] }
        return g, nil, nil, nil
      end,
    }
    local a, c = leaf { 1 }, leaf { 1 }
    F(a, plain { 2 }, 3, c):backward { inputs = { c }, retain_graph = true }
    F(a, plain { 2 }, 3, c):backward()
    assert.same({ true, false, false, true }, seen)
  end)

  it("gives zeros for results without a gradient, or nil where told so", function()
    local seen
    local function make(materialize)
      return cr.Function {
        name = "Two",
        forward = function(ctx, x)
          if materialize ~= nil then ctx:set_materialize_grads(materialize) end
          return x * 1, x * 2
        end,
        backward = function(_, a, b)
          seen = { a, b, n = 2 }
          return a
        end,
      }
    end
    local a = make()(leaf { 1, 2 })
    a:sum():backward()
    is_values(seen[2], { 0, 0 })
    a = make(false)(leaf { 1, 2 })
    a:sum():backward()
    assert.is_nil(seen[2])
  end)

  it("may mark results as not differentiable; backward still gets a zero for them", function()
    local seen
    local F = cr.Function {
      name = "Mark",
      forward = function(ctx, x)
        local a, b = x * 1, x * 2
        ctx:mark_non_differentiable(b)
        return a, b
      end,
      backward = function(_, ga, gb)
        seen = gb
        return ga
      end,
    }
    local a, b = F(leaf { 1 })
    assert.is_true(a.requires_grad)
    assert.is_false(b.requires_grad)
    a:backward()
    is_values(seen, { 0 })
  end)

  it("makes integer and bool results non-differentiable by itself", function()
    local F = simple(function(_, x) return x * 1, x:gt(0), x:argmax() end)
    local a, b, c = F(leaf { 1, 2 })
    assert.is_true(a.requires_grad)
    assert.is_false(b.requires_grad)
    assert.is_false(c.requires_grad)
    a:sum():backward()
  end)
end)

describe("an intermediate stored on the context", function()
  -- It has no history: the first derivative is right, the second silently lacks a part.
  local Cube = simple(function(ctx, x)
    ctx:save_for_backward(x)
    ctx.square = x * x
    return ctx.square * x
  end, function(ctx, g) return g * ctx.square * 3 end)

  it("serves the first derivative", function()
    assert.is_true(cr.gradcheck(Cube, { leaf { 1, 2 } }))
  end)

  it("is found by gradgradcheck", function()
    assert.is_false((pcall(cr.gradgradcheck, Cube, { leaf { 1, 2 } })))
  end)
end)

describe("a result stored on the context", function()
  local Exp = simple(function(ctx, x)
    ctx.out = x:exp()
    return ctx.out
  end, function(ctx, g) return g * ctx.out end)

  it("has its history in backward, so derivatives of every order are right", function()
    assert.is_true(cr.gradcheck(Exp, { leaf { 0.5, 1 } }))
    assert.is_true(cr.gradgradcheck(Exp, { leaf { 0.5, 1 } }))
  end)

  it("is there, without its place in the graph, once the graph is gone", function()
    local kept
    local F = simple(function(ctx, x)
      kept, ctx.out = ctx, x * 2
      return ctx.out
    end)
    F(leaf { 3 }):backward()
    collectgarbage()
    is_values(kept.out, { 6 })
    assert.is_false(kept.out.requires_grad)
  end)

  it("may be replaced by another value in backward", function()
    local seen
    local F = simple(function(ctx, x)
      ctx.out = x * 2
      return ctx.out
    end, function(ctx, g)
      ctx.out = g * 5
      seen = ctx.out
      return g
    end)
    F(leaf { 3 }):backward()
    assert.is_nil(seen.grad_fn)
    is_values(seen, { 5 })
  end)

  it("is among several results the one that was stored", function()
    local F = simple(function(ctx, x)
      local a, b = x * 2, x:exp()
      ctx.b = b
      return a, b
    end, function(ctx, ga, gb) return ga * 2 + gb * ctx.b end)
    assert.is_true(cr.gradgradcheck(F, { leaf { 0.5, 1 } }))
  end)
end)
