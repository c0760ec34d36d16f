-- autograd_leaves_spec.lua: which tensors require grad, which are leaves, and how the flag changes.

local cr = require "cresset"
local values = require "spec.support.values"
local leaf, plain, fails = values.leaf, values.plain, values.assert_fails

describe("a result", function()
  it("requires grad if an input does and the gradient mode is on", function()
    local y = leaf { 1, 2 } * plain { 3, 4 }
    assert.is_true(y.requires_grad)
    assert.is_false(y.is_leaf)
    assert.not_nil(y.grad_fn)
  end)

  it("is a leaf without grad_fn if no input requires grad", function()
    local y = plain { 1, 2 } * 2
    assert.is_false(y.requires_grad)
    assert.is_true(y.is_leaf)
    assert.is_nil(y.grad_fn)
  end)

  it("is a leaf without grad_fn if the gradient mode is off", function()
    local y = cr.no_grad(function() return leaf { 1, 2 } * 2 end)
    assert.is_false(y.requires_grad)
    assert.is_true(y.is_leaf)
    assert.is_nil(y.grad_fn)
  end)

  it("of a non-differentiable operation does not require grad", function()
    assert.is_false(leaf({ 1, 2 }):argmax().requires_grad)
    assert.is_false(leaf({ 1, 2 }):gt(1).requires_grad)
  end)
end)

describe("only floating point tensors", function()
  it("may be made with requires_grad", function()
    fails(function() return cr.tensor({ 1, 2 }, { requires_grad = true }) end, "floating point", "int64")
    fails(function() return cr.zeros({ 2 }, { dtype = "bool", requires_grad = true }) end, "floating point", "bool")
  end)

  it("may be told to require grad", function()
    fails(function() cr.tensor({ 1, 2 }):requires_grad_() end, "floating point", "int64")
    fails(function() cr.tensor({ 1, 2 }).requires_grad = true end, "floating point")
  end)

  it("and that in each of the four float dtypes", function()
    for _, dtype in ipairs(values.floats) do
      assert.is_true(cr.zeros({ 2 }, { dtype = dtype, requires_grad = true }).requires_grad)
    end
  end)
end)

describe("the requires_grad flag", function()
  it("can be switched on a leaf, and the method returns the tensor", function()
    local x = plain { 1 }
    assert.is_true(rawequal(x, x:requires_grad_()))
    assert.is_true(x.requires_grad)
    x:requires_grad_(false)
    assert.is_false(x.requires_grad)
    x.requires_grad = true
    assert.is_true(x.requires_grad)
  end)

  it("of a non-leaf cannot be turned off, and the error recommends detach", function()
    local y = leaf { 1 } * 2
    fails(function() y.requires_grad = false end, "leaf", "detach")
    fails(function() y:requires_grad_(false) end, "leaf", "detach")
  end)

  it("of a non-leaf may be set to what it is", function()
    local y = leaf { 1 } * 2
    y:requires_grad_()
    y:requires_grad_(true)
    assert.is_false(y.is_leaf)
  end)

  it("is kept by factories inside no_grad", function()
    local x = cr.no_grad(function() return cr.zeros({ 2 }, { requires_grad = true }) end)
    assert.is_true(x.requires_grad)
    assert.is_true(x.is_leaf)
  end)
end)

describe("writing in place to a leaf that requires grad", function()
  it("is refused", function()
    local x = leaf { 1, 2 }
    fails(function() x:add_(1) end, "leaf", "in place")
    values.assert_values(x:detach(), { 1, 2 })
  end)

  it("is refused through a view of it", function()
    local x = leaf { 1, 2 }
    fails(function() x[1]:add_(1) end, "view of a leaf", "in place")
    fails(function() x[1] = 5 end, "leaf")
    values.assert_values(x:detach(), { 1, 2 })
  end)

  it("is refused through another view of its base that was made from it", function()
    for _, change in ipairs {
      function(w) w:view(2, 2):normal_() end,
      function(w) w:view(2, 2):t():mul_(2) end,
      function(w) w[1] = 5 end,
      function(w) w[{ { 1, 2 } }]:copy_(cr.ones(2)) end,
      function(w) w:unsqueeze(1)[1]:add_(1) end,
    } do
      local flat = cr.zeros(4)
      local w = flat[{ { 1, 4 } }]:requires_grad_()
      fails(function() change(w) end, "leaf", "in place")
      values.assert_values(flat, { 0, 0, 0, 0 })
      assert.is_true(w.is_leaf);
      (w * 2):sum():backward()
      values.assert_values(w.grad, { 2, 2, 2, 2 })
    end
  end)

  it("through its base is an error when the leaf is used next, if gradients were recorded", function()
    local flat, x = cr.zeros(4), cr.ones(4):requires_grad_()
    local w = flat[{ { 1, 2 } }]:requires_grad_()
    flat:add_(1)
    flat[{ { 2, 3 } }]:mul_(2)
    values.assert_values((w * 1):detach(), { 1, 2 })
    flat:mul_(x)
    assert.is_true(w.is_leaf)
    fails(function() return w * 2 end, "leaf", "view", "modified in place")
    fails(function() w:sum():backward() end, "leaf", "view", "modified in place")
  end)

  it("is allowed under no_grad, and counted", function()
    local x = leaf { 1, 2 }
    local before = x._version
    cr.no_grad(function() x:add_(1) end)
    assert.equal(before + 1, x._version)
    values.assert_values(x:detach(), { 2, 3 })
    assert.is_true(x.is_leaf)
    assert.is_true(x.requires_grad)
  end)
end)

describe("a conversion", function()
  it("that changes nothing returns the tensor itself", function()
    local x = leaf { 1, 2 }
    local same = x:to("float64")
    assert.is_true(same.is_leaf)
    assert.equal(x:storage_id(), same:storage_id())
    same:sum():backward()
    values.assert_values(x.grad, { 1, 1 })
  end)

  it("that changes the dtype gives a non-leaf, whose gradient comes back in the old dtype", function()
    local x = leaf { 1, 2 }
    local y = x:to("float32")
    assert.is_false(y.is_leaf)
    y:sum():backward()
    assert.equal("float64", x.grad.dtype)
  end)

  it("of a product with a number makes a non-leaf as well", function()
    local w = leaf { 1, 2 } * 0.01
    assert.is_false(w.is_leaf)
  end)
end)

describe("copying a tensor of a graph into another", function()
  it("makes the destination require grad", function()
    local x, b = leaf { 1, 2 }, plain { 0, 0 }
    b:copy_(x)
    assert.is_true(b.requires_grad)
    b:sum():backward()
    values.assert_values(x.grad, { 1, 1 })
  end)

  it("by assignment to a slice makes the whole destination require grad", function()
    local a, b = leaf { 5 }, plain { 1, 2, 3 }
    b[{ { 2, 2 } }] = a
    assert.is_true(b.requires_grad);
    (b * plain { 1, 10, 100 }):sum():backward()
    values.assert_values(a.grad, { 10 })
  end)

  it("as a constant zeroes the gradient of the slice that it overwrites", function()
    local x = leaf { 1, 2, 3 }
    local y = x * 2
    y[2] = 7
    y:sum():backward()
    values.assert_values(x.grad, { 2, 0, 2 })
  end)
end)

describe("reading the values of a tensor that requires grad", function()
  it("is allowed by item and totable", function()
    local x = leaf { 1.5, 2 }
    assert.equal(1.5, x[1]:item())
    assert.same({ 1.5, 2 }, x:totable())
  end)
end)

describe("a deep copy", function()
  it("of a leaf is a leaf of its own, with its gradient", function()
    local x = leaf { 1, 2 }
    x.grad = plain { 3, 4 }
    local y = x:deepcopy()
    assert.is_true(y.is_leaf)
    assert.is_true(y.requires_grad)
    assert.not_equal(x:storage_id(), y:storage_id())
    values.assert_values(y.grad, { 3, 4 })
    y.grad:fill_(0)
    values.assert_values(x.grad, { 3, 4 })
  end)

  it("of a non-leaf is refused", function()
    fails(function() return (leaf { 1 } * 2):deepcopy() end, "deepcopy", "leaves", "clone")
  end)
end)

describe("an operation that writes to `out`", function()
  it("gives the result in the caller's tensor", function()
    local out = plain { 0, 0 }
    local result = cr.add(plain { 1, 2 }, plain { 3, 4 }, { out = out })
    values.assert_values(out, { 4, 6 })
    values.assert_same(result, out)
  end)

  it("resizes an empty tensor", function()
    local out = cr.zeros({ 0 }, { dtype = "float64", device = values.device })
    cr.add(plain { 1, 2 }, plain { 3, 4 }, { out = out })
    values.assert_values(out, { 4, 6 })
  end)

  it("does not take part in automatic differentiation", function()
    fails(function() cr.add(leaf { 1, 2 }, plain { 3, 4 }, { out = plain { 0, 0 } }) end, "add", "out",
      "not differentiable")
    fails(function() cr.add(plain { 1, 2 }, plain { 3, 4 }, { out = leaf { 0, 0 } }) end, "add", "out")
  end)

  it("is allowed under no_grad", function()
    local out = plain { 0, 0 }
    cr.no_grad(function() cr.add(leaf { 1, 2 }, 1, { out = out }) end)
    values.assert_values(out, { 2, 3 })
  end)
end)
