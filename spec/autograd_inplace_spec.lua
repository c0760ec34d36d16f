-- autograd_inplace_spec.lua: version counters, writes in place, views of a graph.

local cr = require "cresset"
local values = require "spec.support.values"
local leaf, plain, fails = values.leaf, values.plain, values.assert_fails
local is_values = values.assert_values

describe("the version of a tensor", function()
  it("counts writes in place", function()
    local x = plain { 1, 2 }
    local v = x._version
    x:add_(1)
    x[1] = 5
    x:fill_(0)
    assert.equal(v + 3, x._version)
  end)

  it("does not change by reading or by pure operations", function()
    local x = plain { 1, 2 }
    local v = x._version
    assert.equal(4, #{ x + 1, x[1], x:sum(), x:clone() })
    assert.equal(v, x._version)
  end)

  it("is shared by views and detached tensors", function()
    local x = plain { 1, 2 }
    local view, detached = x[1], x:detach()
    view:add_(1)
    detached:add_(1)
    assert.equal(x._version, view._version)
    assert.equal(x._version, detached._version)
    assert.equal(2, x._version)
  end)

  it("is not shared by data, whose writes it does not count", function()
    local x = plain { 1, 2 }
    x.data:add_(1)
    assert.equal(0, x._version)
    is_values(x, { 2, 3 })
  end)

  it("is kept when data is assigned", function()
    local x = leaf { 1, 2 }
    local v = x._version
    x.data = plain { 5, 6, 7 }
    assert.equal(v, x._version)
    is_values(x:detach(), { 5, 6, 7 })
    assert.is_true(x.is_leaf)
    assert.is_true(x.requires_grad)
  end)
end)

describe("a tensor that was saved and then modified", function()
  it("makes backward fail with the shape, the node, both versions", function()
    local x = leaf { 1, 2, 3 }
    local y = x:exp()
    y:add_(1)
    fails(function() y:sum():backward() end, "modified", "in place", "Exp", "add_", "3", "version 1", "version 0")
  end)

  it("is no matter if the operation did not save it", function()
    local x = leaf { 1, 2 }
    local y = x * 1
    local z = y + 1
    y:mul_(5)
    z:sum():backward()
    is_values(x.grad, { 1, 1 })
  end)

  it("is found through a view", function()
    local x = leaf { 1, 2 }
    local w = plain { 3, 4 }
    local y = x * w
    w[1] = 100
    fails(function() y:sum():backward() end, "modified", "Mul")
  end)

  it("is found through a detached tensor", function()
    local x = leaf { 1, 2 }
    local y = x:exp()
    y:detach():zero_()
    fails(function() y:sum():backward() end, "modified")
  end)

  it("is not found through data: the gradient is silently that of the new values", function()
    local x = leaf { 1, 2 }
    local y = x:exp()
    y.data:zero_()
    y:sum():backward()
    is_values(x.grad, { 0, 0 })
  end)

  it("is found when parameters step between two backward passes over one graph", function()
    local w, x = leaf { 1, 2 }, leaf { 3, 4 }
    local loss = (w * x):sum()
    loss:backward { retain_graph = true }
    cr.no_grad(function() w:sub_(w.grad * 0.1) end)
    fails(function() loss:backward() end, "modified", "Mul")
  end)
end)

describe("a write in place inside a graph", function()
  it("puts the new operation into the tensor's history", function()
    local x = leaf { 1, 2 }
    local y = x * 2
    y:mul_(3)
    y:add_(x)
    y:sum():backward()
    is_values(x.grad, { 7, 7 })
  end)

  it("by an operation on a tensor outside makes it require grad", function()
    local x = leaf { 1, 2 }
    local y = plain { 10, 20 }
    y:mul_(x)
    assert.is_true(y.requires_grad)
    y:sum():backward()
    is_values(x.grad, { 10, 20 })
  end)

  it("to a view changes the history of its base", function()
    local x = leaf { 1, 2, 3 }
    local y = x * 1
    y[2]:mul_(10)
    y:sum():backward()
    is_values(x.grad, { 1, 10, 1 })
  end)

  it("to a base changes the history of its views", function()
    local x = leaf { 1, 2, 3 }
    local y = x * 1
    local v = y[{ { 2, 3 } }]
    y:mul_(plain { 1, 10, 100 })
    v:sum():backward()
    is_values(x.grad, { 0, 10, 100 })
  end)

  it("to one view changes the history of its siblings", function()
    local x = leaf { { 1, 2 }, { 3, 4 } }
    local y = x * 1
    local row, column = y[1], y:select(2, 1)
    row:mul_(10)
    assert.not_nil(column.grad_fn)
    column:sum():backward()
    is_values(x.grad, { { 10, 0 }, { 1, 0 } })
  end)

  it("to one view is seen by the next operation on another, whoever asks for its place first", function()
    local x = leaf { { 1, 2 }, { 3, 4 } }
    local c = (x * 1):t()
    c[1]:fill_(5);
    (c * c):sum():backward()
    is_values(x.grad, { { 0, 4 }, { 0, 8 } })
    local Twice = cr.Function { name = "Twice", forward = function(_, t) return t * 2 end,
      backward = function(_, g) return g * 2 end }
    local y = leaf { 1, 2 }
    local d = (y * 1):view(2, 1)
    d[1]:fill_(5)
    Twice(d):sum():backward()
    is_values(y.grad, { 0, 2 })
  end)

  it("to a view of a view reaches the base", function()
    local x = leaf { { 1, 2 }, { 3, 4 } }
    local y = x * 1
    y:t()[1]:mul_(5)
    y:sum():backward()
    is_values(x.grad, { { 5, 1 }, { 5, 1 } })
  end)

  it("of a tensor that requires grad into a slice of one that does not", function()
    local base = plain { 0, 0, 0 }
    local x = leaf { 4, 5 }
    base[{ { 1, 2 } }]:copy_(x)
    assert.is_true(base.requires_grad);
    (base * plain { 1, 2, 3 }):sum():backward()
    is_values(x.grad, { 1, 2 })
  end)

  it("keeps derivatives of the second order right", function()
    local x = leaf { 1, 2, 3 }
    cr.gradgradcheck(function(t)
      local y = t * t
      y[{ { 1, 2 } }]:mul_(t[3])
      return y
    end, { x })
  end)
end)

describe("views that one operation returned together", function()
  it("cannot be written to in place", function()
    local y = leaf { 1, 2 } * 1
    local a = y:unbind()
    fails(function() a:mul_(2) end, "unbind", "view", "in place", "several views")
    local b = y:split(1)
    fails(function() b:add_(1) end, "split", "in place")
    local c = y:chunk(2)
    fails(function() c:add_(1) end, "in place")
  end)

  it("cannot be used after their base was written to", function()
    local y = leaf { 1, 2 } * 1
    local a = y:unbind()
    y:mul_(2)
    fails(function() return a.grad_fn end, "unbind", "base")
  end)

  it("may be written to if no gradient is at stake", function()
    local y = plain { 1, 2 }
    local a = y:unbind()
    a:mul_(5)
    is_values(y, { 5, 2 })
  end)
end)

describe("a view made under no_grad", function()
  it("cannot be written to in place once the mode is on again", function()
    local y = leaf { 1, 2 } * 1
    local v = cr.no_grad(function() return y[1] end)
    fails(function() v:mul_(2) end, "no_grad", "view", "in place")
  end)

  it("may be written to under no_grad", function()
    local y = leaf { 1, 2 } * 1
    cr.no_grad(function()
      local v = y[1]
      v:mul_(2)
    end)
    is_values(y:detach(), { 2, 2 })
  end)
end)

describe("detach_", function()
  it("takes a tensor out of its graph in place", function()
    local x = leaf { 1 }
    local y = x * 2
    y:detach_()
    assert.is_true(y.is_leaf)
    assert.is_false(y.requires_grad)
  end)

  it("is refused for a view", function()
    local y = leaf { 1, 2 } * 1
    local v = y[1]
    fails(function() v:detach_() end, "detach", "view")
  end)
end)

describe("a tensor whose elements share memory", function()
  it("cannot be written to in place", function()
    local x = plain({ 1 }):expand(3)
    fails(function() x:add_(1) end, "add", "share one memory location", "clone")
    fails(function() x:fill_(1) end, "share one memory location")
    is_values(x, { 1, 1, 1 })
  end)
end)

describe("resize_", function()
  it("gives a tensor another shape in place", function()
    local x = plain { 1, 2, 3, 4 }
    x:resize_(2, 2)
    is_values(x, { { 1, 2 }, { 3, 4 } })
  end)

  it("is refused for a tensor that requires grad", function()
    fails(function() leaf({ 1, 2 }):resize_(3) end, "resize", "require")
  end)
end)

describe("the result of a write in place", function()
  it("may not grow", function()
    fails(function() plain({ 1, 2, 3 }):add_(plain { { 1, 1, 1 }, { 2, 2, 2 } }) end, "add_", "3", "2x3")
  end)

  it("must be representable in the tensor's category", function()
    fails(function() cr.tensor({ 1, 2 }):add_(0.5) end, "add_", "int64", "float32")
    fails(function() cr.tensor({ true }):add_(1) end, "add_", "bool", "int64")
    local narrow = values.tensor({ 1, 2 }, "float16")
    narrow:add_(plain { 0.5, 0.5 })
    assert.equal("float16", narrow.dtype)
  end)

  it("is right when an argument shares the tensor's memory", function()
    local x = plain { 1, 2, 3, 4 }
    x[{ { 2, 4 } }]:copy_(x[{ { 1, 3 } }])
    is_values(x, { 1, 1, 2, 3 })
    local y = plain { { 1, 2 }, { 3, 4 } }
    y:add_(y:t())
    is_values(y, { { 2, 5 }, { 5, 8 } })
  end)
end)
