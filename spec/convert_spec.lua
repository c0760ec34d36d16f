-- convert_spec.lua: x:to and its relatives, in each form; cuda_spec.lua has those between devices.

local cr = require "cresset"
local values = require "spec.support.values"
local fails, is_values, tensor, leaf = values.assert_fails, values.assert_values, values.tensor, values.leaf

local function is(t, dtype, want)
  assert.equal(dtype, t.dtype)
  is_values(t, want)
end

describe("to", function()
  local x
  before_each(function() x = tensor { 1.75, -2.5 } end)

  it("takes a dtype, and cuts what an integer cannot hold", function()
    is(x:to "int32", "int32", { 1, -2 })
    is(x:to "float64", "float64", { 1.75, -2.5 })
    is(x:to "bool", "bool", { true, true })
  end)

  it("takes dtype, device and whether to copy, in any order", function()
    is(x:to("cpu", "int8"), "int8", { 1, -2 })
    is(x:to("int8", "cpu"), "int8", { 1, -2 })
    is(x:to("cpu", true, "float16"), "float16", { 1.75, -2.5 })
    assert.equal("cpu", x:to("float16", "cpu").device)
  end)

  it("takes a tensor to be like: of its dtype, on its device", function()
    local like = cr.zeros({ 3, 3 }, { dtype = "int16" })
    local y = x:to(like)
    is(y, "int16", { 1, -2 })
    assert.equal("cpu", y.device)
    assert.same({ 2 }, y.shape)
  end)

  it("takes options by name", function()
    is(x:to { dtype = "uint8" }, "uint8", { 1, 254 })
    is(x:to { device = "cpu" }, "float32", { 1.75, -2.5 })
    is(x:to { dtype = "float16", device = "cpu", copy = true }, "float16", { 1.75, -2.5 })
    is(x:to {}, "float32", { 1.75, -2.5 })
  end)

  it("lets nil stand for what stays as it is", function()
    is(x:to(nil, "int64"), "int64", { 1, -2 })
    is(x:to(nil), "float32", { 1.75, -2.5 })
    is(x:to(), "float32", { 1.75, -2.5 })
  end)

  it("shares memory where nothing changes, unless a copy is asked for", function()
    assert.is_true(x:to("float32"):shares_storage(x))
    assert.is_true(x:to(x):shares_storage(x))
    assert.is_false(x:to("float32", true):shares_storage(x))
    assert.is_false(x:to { copy = true }:shares_storage(x))
    local copy = x:to(true)
    copy[1] = 9
    is_values(x, { 1.75, -2.5 })
  end)

  it("is differentiable from float to float", function()
    local y = leaf { 3, 4 };
    (y:to "float32" * tensor { 2, 5 }):sum():backward()
    is(y.grad, "float64", { 2, 5 })
    assert.is_false(y:to("int64").requires_grad)
  end)

  it("names what it cannot read", function()
    fails(function() x:to(3) end, "to: argument 1", "got the number 3")
    fails(function() x:to("int8", print) end, "to: argument 2", "got a function")
    fails(function() x:to "flot32" end, 'got the string "flot32"', 'did you mean "float32"?')
    fails(function() x:to { dtyp = "int8" } end, "there is no option 'dtyp'", "dtype, device, copy")
    fails(function() x:to { dtype = 3 } end, "to: dtype must be", "got the number 3")
    fails(function() x:to { device = "tpu" } end, "to: device must be", '"tpu"')
    fails(function() x:to { copy = 3 } end, "to: copy must be true or false", "got the number 3")
    fails(function() x:to("int8", "cpu", true, "int8") end, "too many arguments", "got 4", "3 will do")
    fails(function() x.to(3) end, "to: self must be a tensor", "got the number 3")
    fails(function() x.to() end, "to: self must be a tensor", "got nothing")
  end)
end)

describe("type", function()
  it("names the dtype when asked for nothing", function()
    for _, dtype in ipairs(values.dtypes) do
      assert.equal(dtype, cr.zeros({ 2 }, { dtype = dtype }):type())
      assert.equal(dtype, cr.zeros({ 2 }, { dtype = dtype }):type(nil))
    end
  end)

  it("converts to the dtype that it is given", function()
    is(tensor { 1.75, -2.5 }:type "int64", "int64", { 1, -2 })
    fails(function() tensor { 1 }:type "foo" end, "type: dtype must be", 'the string "foo"')
    fails(function() tensor { 1 }.type(3) end, "type: self must be a tensor")
  end)
end)

describe("type_as", function()
  it("converts to the dtype of another tensor", function()
    is(tensor { 1.75, -2.5 }:type_as(tensor({ 1 }, "int16")), "int16", { 1, -2 })
  end)

  it("wants a tensor", function()
    fails(function() tensor { 1 }:type_as "int16" end, "type_as: other must be a tensor", '"int16"')
    fails(function() tensor { 1 }.type_as(3, tensor { 1 }) end, "type_as: self must be a tensor")
  end)
end)

describe("cpu", function()
  it("is the tensor's memory where that is on the CPU already", function()
    local x = cr.tensor { 1, 2 }
    assert.is_true(x:cpu():shares_storage(x))
    fails(function() x.cpu(3) end, "cpu: self must be a tensor", "the number 3")
  end)
end)

describe("cuda", function()
  it("wants a tensor first", function()
    fails(function() cr.tensor { 1 }.cuda(3) end, "cuda: self must be a tensor", "the number 3")
  end)
end)
