-- autograd_backward_spec.lua: what backward and grad ask for, and what they give.

local cr = require "cresset"
local values = require "spec.support.values"
local leaf, plain, fails = values.leaf, values.plain, values.assert_fails
local is_values = values.assert_values

describe("the root of backward", function()
  it("must require grad", function()
    fails(function() plain({ 1 }):backward() end, "does not require grad")
    fails(function() cr.backward({ leaf { 1 }, plain { 2 } }) end, "2", "does not require grad")
  end)

  it("must have one element unless a gradient is given", function()
    fails(function() (leaf { 1, 2 } * 2):backward() end, "backward", "one element", "2")
  end)

  it("may be of shape 1x1", function()
    local x = leaf { { 3 } };
    (x * x):backward()
    is_values(x.grad, { { 6 } })
  end)

  it("may be a leaf", function()
    local x = leaf(3)
    x:backward()
    is_values(x.grad, 1)
  end)

  it("may be differentiated by itself", function()
    local x = leaf { 1, 2 }
    is_values(cr.grad(x, x, { grad_outputs = plain { 1, 1 } }), { 1, 1 })
    local s = leaf(2)
    is_values(cr.grad(s, s), 1)
  end)
end)

describe("the gradient given to backward", function()
  it("must have the root's shape", function()
    fails(function() (leaf { 1, 2 } * 2):backward(plain { 1, 1, 1 }) end, "shape", "3", "2")
  end)

  it("is cast to the root's dtype", function()
    local x = leaf { 1, 2 };
    (x * 2):backward(values.tensor({ 1, 10 }, "float32"))
    assert.equal("float64", x.grad.dtype)
    is_values(x.grad, { 2, 20 })
  end)

  it("may be given by position or by name", function()
    local x = leaf { 1, 2 }
    local y = x * 2
    y:backward(plain { 1, 10 }, { retain_graph = true })
    y:backward { gradient = plain { 100, 1000 } }
    is_values(x.grad, { 202, 2020 })
  end)
end)

describe("several roots", function()
  it("add up", function()
    local x = leaf { 1, 2 }
    cr.backward({ (x * 2):sum(), (x * x):sum() })
    is_values(x.grad, { 4, 6 })
  end)

  it("count twice if named twice", function()
    local x = leaf { 1, 2 }
    local y = (x * 2):sum()
    cr.backward({ y, y })
    is_values(x.grad, { 4, 4 })
  end)

  it("need as many gradients", function()
    local x = leaf { 1, 2 }
    fails(function() cr.backward({ x * 1, x * 2 }, { grad_tensors = { plain { 1, 1 } } }) end, "2", "1", "gradient")
  end)

  it("may mix given and implied gradients", function()
    local x = leaf { 1, 2 }
    cr.backward({ x * 1, (x * 2):sum() }, { grad_tensors = { plain { 10, 20 }, false } })
    is_values(x.grad, { 12, 22 })
  end)
end)

describe("the inputs of backward", function()
  it("are the only tensors whose grad it adds to", function()
    local x, y = leaf { 1 }, leaf { 2 };
    (x * y):backward { inputs = { x } }
    is_values(x.grad, { 2 })
    assert.is_nil(y.grad)
  end)

  it("may be non-leaves", function()
    local x = leaf { 3 }
    local y = x * x;
    (y * 5):backward { inputs = { y } }
    is_values(y.grad, { 5 })
    assert.is_nil(x.grad)
  end)

  it("may not be an empty list", function()
    fails(function() leaf(1):backward { inputs = {} } end, "inputs", "empty")
  end)
end)

describe("grad", function()
  it("returns one value per input and leaves every grad alone", function()
    local x, y = leaf { 1, 2 }, leaf { 3, 4 }
    local gx, gy = cr.grad((x * y):sum(), { x, y })
    is_values(gx, { 3, 4 })
    is_values(gy, { 1, 2 })
    assert.is_nil(x.grad)
    assert.is_nil(y.grad)
  end)

  it("takes gradients of the outputs", function()
    local x = leaf { 1, 2 }
    is_values(cr.grad(x * x, x, { grad_outputs = plain { 10, 100 } }), { 20, 400 })
    is_values(cr.grad({ x * 2, x * 3 }, { x }, { grad_outputs = { plain { 1, 1 }, plain { 10, 10 } } }), { 32, 32 })
  end)

  it("may be asked for the same input twice", function()
    local x = leaf { 1, 2 }
    local a, b = cr.grad((x * x):sum(), { x, x })
    is_values(a, { 2, 4 })
    is_values(b, { 2, 4 })
  end)

  it("reaches tensors inside the graph", function()
    local x = leaf { 2 }
    local y = x * x
    is_values(cr.grad(y * y, y), { 8 })
  end)

  it("needs inputs", function()
    fails(function() return cr.grad(leaf(1) * 2, {}) end, "grad", "inputs")
  end)

  it("refuses an input that does not require grad", function()
    fails(function() return cr.grad(leaf(1) * 2, { plain(1) }) end, "1", "does not require grad")
  end)

  it("refuses an input that the outputs do not depend on", function()
    local x, y = leaf { 1 }, leaf { 2 }
    fails(function() return cr.grad(x * 2, { x, y }) end, "2", "not used", "allow_unused")
  end)

  it("gives nil for an unused input if that is allowed", function()
    local x, y = leaf { 1 }, leaf { 2 }
    local gx, gy = cr.grad(x * 2, { x, y }, { allow_unused = true })
    is_values(gx, { 2 })
    assert.is_nil(gy)
  end)

  it("gives zeros that require grad for an unused input if asked to materialize", function()
    local x, y = leaf { 1 }, leaf { 2, 3 }
    local _, gy = cr.grad(x * 2, { x, y }, { materialize_grads = true })
    is_values(gy:detach(), { 0, 0 })
    assert.is_true(gy.requires_grad)
  end)

  it("maps over a leading dim of the gradients if they are batched", function()
    local x = leaf { 1, 2 }
    local jacobian = cr.grad(x * x, x, { grad_outputs = plain { { 1, 0 }, { 0, 1 } }, is_grads_batched = true })
    is_values(jacobian, { { 2, 0 }, { 0, 4 } })
  end)
end)

describe("the engine", function()
  it("runs backward inside no_grad", function()
    local x = leaf { 3 }
    local y = x * x
    cr.no_grad(function() y:backward() end)
    is_values(x.grad, { 6 })
  end)

  it("may be entered again from a hook", function()
    local x, inner = leaf { 2 }, leaf { 5 }
    local y = x * 3
    y:register_hook(function(g)
      cr.enable_grad(function() (inner * inner):backward() end)
      return g * 10
    end)
    y:backward()
    is_values(x.grad, { 30 })
    is_values(inner.grad, { 10 })
  end)

  it("passes an error of a hook on unchanged and stays usable", function()
    local x = leaf { 2 }
    local y = x * 3
    local problem = { "mine" }
    local handle = y:register_hook(function() error(problem) end)
    local ok, caught = pcall(y.backward, y, { retain_graph = true })
    assert.is_false(ok)
    assert.is_true(rawequal(problem, caught))
    handle:remove()
    y:backward()
    is_values(x.grad, { 3 })
  end)

  it("walks a chain of 150,000 nodes, and frees it, without recursion", function()
    local x = leaf(1)
    local y = x
    for _ = 1, 150000 do y = y * 1 end
    y:backward()
    is_values(x.grad, 1)
    y = nil -- luacheck: ignore
    collectgarbage()
    local z = x
    for _ = 1, 150000 do z = z + 1 end
    z = nil -- luacheck: ignore
    collectgarbage()
  end)

  it("visits a node once however many paths lead to it", function()
    local x = leaf(1)
    local y = x
    for _ = 1, 60 do y = y + y end
    y:backward()
    is_values(x.grad, 2.0 ^ 60)
  end)
end)

describe("what nobody asks for", function()
  it("is not computed: its saved values may have changed", function()
    local x, w = leaf { 1, 2 }, leaf { 3, 4 }
    local h = x * 1
    local y = (h * w):sum()
    cr.no_grad(function() h:add_(1) end)
    is_values(cr.grad(y, { x }, { retain_graph = true }), { 3, 4 })
    fails(function() return cr.grad(y, { w }) end, "modified")
  end)

  it("is computed where a hook of the node wants to see it", function()
    local x, w, seen = leaf { 1, 2 }, leaf { 3, 4 }, nil
    local y = x * w
    y.grad_fn:register_hook(function(inputs) seen = inputs end)
    cr.grad(y:sum(), { x })
    is_values(seen[2], { 1, 2 })
  end)

  it("is not in the way of second derivatives", function()
    local x, w = leaf { 1, 2 }, leaf { 3, 4 }
    local g = cr.grad((x * w):pow(2):sum(), { x }, { create_graph = true })
    is_values(cr.grad(g:sum(), { w }), { 4 * 1 * 3, 4 * 2 * 4 })
  end)
end)
