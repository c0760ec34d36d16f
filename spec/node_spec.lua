-- node_spec.lua: what a node of a graph shows of itself and of what it has saved.

local cr = require "cresset"
local values = require "spec.support.values"
local fails, is_values, leaf = values.assert_fails, values.assert_values, values.leaf

describe("a node", function()
  it("has a name, which it is printed by", function()
    local n = leaf { 1, 2 }:exp().grad_fn
    assert.equal("ExpBackward", n:name())
    assert.equal("<ExpBackward>", tostring(n))
  end)

  it("is one object, whichever way it is reached", function()
    local x = leaf { 1, 2 }
    local y = x:exp()
    local z = y * 2
    assert.is_true(y.grad_fn == z.grad_fn.next_functions[1][1])
    assert.is_false(y.grad_fn == x:exp().grad_fn)
    assert.is_false(y.grad_fn == z)
  end)

  it("of a leaf tells the leaf", function()
    local x = leaf { 1, 2 }
    local accumulates = x:exp().grad_fn.next_functions[1][1]
    assert.equal("AccumulateGrad", accumulates:name())
    assert.is_true(accumulates.variable == x)
    assert.is_nil(x:exp().grad_fn.variable)
  end)

  it("says what it has not", function()
    local n = leaf { 1, 2 }:exp().grad_fn
    fails(function() return n.foo end, "a node has no field or method 'foo'")
    fails(function() return n[3] end, "a node has no field or method the number 3")
    fails(function() return n.saved_foo end, "ExpBackward has no field 'saved_foo'")
  end)
end)

describe("what a node has saved is shown as", function()
  it("a tensor", function()
    local n = leaf { 1, 4 }:sqrt().grad_fn
    assert.same({ "out" }, n:saved_names())
    is_values(n.saved_out, { 1, 2 })
  end)

  it("a list of tensors, with false for what is not there", function()
    local x = leaf { { 1, 2 }, { 3, 4 } } * 1
    x[{ {}, cr.tensor({ 2 }, { device = values.device }) }] = leaf { { 5 }, { 6 } }
    local indices = x.grad_fn.saved_indices
    assert.equal("table", type(indices))
    local tensors = 0
    for _, t in ipairs(indices) do
      if t then
        tensors = tensors + 1
        assert.equal("int64", t.dtype)
      end
    end
    assert.equal(1, tensors)
  end)

  it("a number, whole or not", function()
    local whole, part = leaf { 1 }:hardtanh(-2, 3).grad_fn, leaf { 1 }:leaky_relu(0.25).grad_fn
    assert.equal("integer", math.type(whole.saved_min_val))
    assert.equal(-2, whole.saved_min_val)
    assert.equal(0.25, part.saved_negative_slope)
  end)

  it("a boolean, or nil for what was left out", function()
    local x, y = leaf { 1, 2 }, leaf { 3, 5 }
    local n = cr.l1_loss(x, y).grad_fn
    assert.is_false(n.saved_keepdim)
    assert.is_nil(n.saved_dim)
  end)

  it("a shape, as a list of integers", function()
    local n = leaf { { 1 }, { 2 } }:expand(2, 3).grad_fn
    local list = n["saved_self.shape"]
    assert.same({ 2, 1 }, { table.unpack(list) })
    assert.equal("integer", math.type(list[1]))
  end)

  it("a dtype, by its name", function()
    local x, from = leaf { 1, 2, 3 }, leaf { 4, 5 }
    local to = cr.tensor({ 1, 3 }, { device = values.device })
    local n = x:scatter(1, to, from, "multiply").grad_fn
    local found
    for _, name in ipairs(n:saved_names()) do
      if name:find "dtype$" then found = n["saved_" .. name] end
    end
    assert.equal("float64", found)
  end)

  it("an error after backward has freed it", function()
    local y = leaf { 1, 4 }:sqrt()
    local n = y.grad_fn
    y:sum():backward()
    fails(function() return n.saved_out end, "freed")
  end)
end)
