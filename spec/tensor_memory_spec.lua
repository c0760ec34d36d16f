-- tensor_memory_spec.lua: the memory of a tensor: where it is, how large, and how it is exchanged.

local cr = require "cresset"
local values = require "spec.support.values"
local fails, is_values = values.assert_fails, values.assert_values

describe("resize_", function()
  it("keeps the first elements, and tells the new shape", function()
    local x = cr.tensor { 1, 2, 3, 4 }
    assert.is_true(rawequal(x, x:resize_(2, 2)))
    is_values(x, { { 1, 2 }, { 3, 4 } })
    is_values(x:resize_ { 3 }, { 1, 2, 3 })
    is_values(x:resize_(), 1)
  end)

  it("makes room for more elements", function()
    local x = cr.tensor { 1, 2 }:resize_(3, 1000)
    assert.same({ 3, 1000 }, x.shape)
    is_values(x[1][{ { 1, 2 } }], { 1, 2 })
  end)

  it("wants sizes, one after the other or in a list, and nothing beside", function()
    local x = cr.tensor { 1, 2, 3 }
    fails(function() x:resize_ { 2, foo = 1 } end, 'resize_: shape has the key "foo" beside its list')
    fails(function() x:resize_ { 2, [7] = 1 } end, "shape has the number 7 as a key beside its list")
    fails(function() x:resize_ { 2, [true] = 1 } end, "shape has true as a key beside its list")
    fails(function() x:resize_ { 2, 2.5 } end, "shape[2] must be an integer, got the number 2.5")
    fails(function() x:resize_ "a" end, "shape must be an integer", 'the string "a"')
    fails(function() x:resize_(-1) end, "size -1 of dim 1 is negative")
    local many = {}
    for i = 1, 17 do many[i] = 1 end
    fails(function() x:resize_(many) end, "may have 16 entries at most, got 17")
    fails(function() x:resize_(table.unpack(many)) end, "at most 16 dims, got 17")
    is_values(x, { 1, 2, 3 })
  end)
end)

describe("pointer", function()
  it("is where the first element lies", function()
    local x = cr.tensor({ 1, 2, 3 }, { dtype = "float64" })
    assert.equal("userdata", type(x:pointer()))
    assert.equal(x:pointer(), x:view(3, 1):pointer())
    assert.are_not.equal(x:pointer(), x[{ { 2, 3 } }]:pointer())
  end)

  it("is refused for what is part of a graph", function()
    local x = values.leaf { 1, 2 }
    fails(function() return x:pointer() end, "requires grad", "x:detach():pointer()")
    assert.equal("userdata", type(x:detach():pointer()))
  end)
end)

describe("set_data", function()
  it("takes over memory and shape of another tensor", function()
    local x, y = cr.tensor { 1, 2, 3 }, cr.tensor { { 4, 5 }, { 6, 7 } }
    assert.is_true(rawequal(x, x:set_data(y)))
    is_values(x, { { 4, 5 }, { 6, 7 } })
    assert.is_true(x:shares_storage(y))
  end)

  it("makes a leaf one of another floating dtype, which no graph from before can use", function()
    local x = values.leaf { 1, 2 }
    local square, twice = (x * x):sum(), x * 2
    x:set_data(cr.tensor({ 3, 4, 5 }, { dtype = "float32" }))
    assert.equal("float32", x.dtype)
    assert.is_true(x.requires_grad)
    fails(function() square:backward() end, "modified")
    -- The graph from before is still there, but does not decide what new gradients are like.
    cr.mul(x, 3):sum():backward()
    assert.is_truthy(twice.grad_fn)
    assert.equal("float32", x.grad.dtype)
    is_values(x.grad, { 3, 3, 3 })
    fails(function() x:set_data(cr.ones({ 2 }, { dtype = "float64" })) end, "a float32 tensor with a gradient")
    fails(function() values.leaf({ 1 }):mul(2):set_data(cr.ones({ 1 }, { dtype = "float32" })) end, "cannot take over")
  end)

  it("wants a tensor of the same dtype", function()
    local x = cr.tensor { 1, 2, 3 }
    fails(function() x:set_data(3) end, "set_data: source must be a tensor", "the number 3")
    fails(function() x:set_data(cr.ones(2, 2)) end, "int64", "float32")
    is_values(x, { 1, 2, 3 })
  end)
end)

describe("the size of", function()
  it("an element is that of its dtype, in bytes", function()
    local bytes = { float64 = 8, float32 = 4, float16 = 2, bfloat16 = 2, int64 = 8, int32 = 4, int16 = 2, int8 = 1,
      uint8 = 1, bool = 1 }
    for dtype, n in pairs(bytes) do assert.equal(n, cr.zeros({ 3 }, { dtype = dtype }):element_size()) end
  end)

  it("the way to the first element is counted in elements", function()
    local x = cr.zeros(4, 5)
    assert.equal(0, x:storage_offset())
    assert.equal(12, x[3][3]:storage_offset())
  end)
end)

describe("as_strided over memory that elements share", function()
  -- What PyTorch documents: the gradient is that of the memory, shared among the elements that lie there.
  it("gives a derivative by every element once", function()
    local x = values.leaf { 1, 2, 3, 4 }
    local windows = x:as_strided({ 3, 2 }, { 1, 1 })
    is_values(windows, { { 1, 2 }, { 2, 3 }, { 3, 4 } })
    windows:sum():backward()
    is_values(x.grad, { 1, 2, 2, 1 })
  end)

  it("shares it among the elements of a base that lie in one place", function()
    local base = values.leaf { 5 }
    local wide = base:expand(4)
    wide:as_strided({ 1 }, { 1 }):sum():backward()
    is_values(base.grad, { 1 })
  end)

  it("gives second derivatives", function()
    local x = values.leaf { 1, 2, 3, 4 }
    assert.is_true(cr.gradgradcheck(function(t) return (t:as_strided({ 3, 2 }, { 1, 1 }) ^ 3):sum() end, { x }))
  end)
end)
