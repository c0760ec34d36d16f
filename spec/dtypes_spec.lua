-- dtypes_spec.lua: what the module says about dtypes, promotion and shapes, beside any operation.

local cr = require "cresset"
local values = require "spec.support.values"

local fails = values.assert_fails

describe("finfo", function()
  it("tells the limits of floating dtypes", function()
    local f = cr.finfo "float64"
    assert.same({ "float64", 64, 2.0 ^ -52, math.huge > f.max, -f.max, 2.0 ^ -1022 },
      { f.dtype, f.bits, f.eps, f.max * 2 == math.huge, f.min, f.tiny })
    assert.equal(3.4028234663852886e38, cr.finfo("float32").max)
    assert.equal(1.1754943508222875e-38, cr.finfo("float32").smallest_normal)
    assert.equal(65504, cr.finfo("float16").max)
    assert.equal(0.0009765625, cr.finfo("float16").eps)
    assert.equal(3.3895313892515355e38, cr.finfo("bfloat16").max)
    assert.equal(0.0078125, cr.finfo("bfloat16").eps)
  end)

  it("tells how many decimals are sure", function()
    local function resolution(dtype) return ("%.0e"):format(cr.finfo(dtype).resolution) end
    assert.same({ "1e-15", "1e-06", "1e-03", "1e-02" },
      { resolution "float64", resolution "float32", resolution "float16", resolution "bfloat16" })
  end)

  it("takes a tensor, or the default dtype", function()
    assert.equal("float64", cr.finfo(cr.zeros({ 2 }, { dtype = "float64" })).dtype)
    assert.equal("float32", cr.finfo().dtype)
  end)

  it("refuses integers, and what is no dtype", function()
    fails(function() cr.finfo "int64" end, "finfo: int64 is not a floating dtype; iinfo tells of integers")
    fails(function() cr.finfo "real" end, 'finfo: dtype must be a dtype or a tensor, got the string "real"')
    fails(function() cr.finfo(3) end, "finfo: dtype must be a dtype or a tensor, got the number 3")
  end)
end)

describe("iinfo", function()
  it("tells the limits of integer dtypes", function()
    local function limits(dtype)
      local i = cr.iinfo(dtype)
      return { i.dtype, i.bits, i.min, i.max }
    end
    assert.same({ "int8", 8, -128, 127 }, limits "int8")
    assert.same({ "uint8", 8, 0, 255 }, limits "uint8")
    assert.same({ "int16", 16, -32768, 32767 }, limits "int16")
    assert.same({ "int32", 32, -2147483648, 2147483647 }, limits "int32")
    assert.same({ "int64", 64, math.mininteger, math.maxinteger }, limits "int64")
    assert.equal("int64", cr.iinfo(cr.tensor { 1 }).dtype)
  end)

  it("refuses floats, bool and nothing at all", function()
    fails(function() cr.iinfo "float32" end, "iinfo: float32 is not an integer dtype; finfo tells of floats")
    fails(function() cr.iinfo "bool" end, "iinfo: bool is not an integer dtype")
    fails(function() cr.iinfo() end, "iinfo: dtype must be a dtype or a tensor, got nil")
  end)
end)

describe("isdtype", function()
  it("knows the kinds of the Array API", function()
    assert.is_true(cr.isdtype("int8", "signed integer"))
    assert.is_false(cr.isdtype("uint8", "signed integer"))
    assert.is_true(cr.isdtype("uint8", "unsigned integer"))
    assert.is_true(cr.isdtype("uint8", "integral"))
    assert.is_true(cr.isdtype("bfloat16", "real floating"))
    assert.is_false(cr.isdtype("float32", "complex floating"))
    assert.is_true(cr.isdtype("float32", "numeric"))
    assert.is_false(cr.isdtype("bool", "numeric"))
    assert.is_true(cr.isdtype("bool", "bool"))
  end)

  it("takes a dtype for a kind, and several kinds", function()
    assert.is_true(cr.isdtype("int32", "int32"))
    assert.is_false(cr.isdtype("int32", "int64"))
    assert.is_true(cr.isdtype("int32", { "bool", "integral" }))
    assert.is_false(cr.isdtype("float32", { "bool", "integral" }))
  end)

  it("refuses what is no kind", function()
    fails(function() cr.isdtype("int32", "whole") end, 'isdtype: kind must be a dtype, bool, signed integer',
      'got the string "whole"')
    fails(function() cr.isdtype "int32" end, "isdtype: the argument 'kind' is missing")
    fails(function() cr.isdtype("no", "bool") end, 'isdtype: dtype must be a dtype or a tensor, got the string "no"')
  end)
end)

describe("can_cast", function()
  it("lets no element lose its category", function()
    assert.is_true(cr.can_cast("int64", "float16"))
    assert.is_true(cr.can_cast("float64", "float16"))
    assert.is_true(cr.can_cast("int64", "int8"))
    assert.is_true(cr.can_cast("bool", "uint8"))
    assert.is_false(cr.can_cast("float16", "int64"))
    assert.is_false(cr.can_cast("int8", "bool"))
  end)

  it("refuses what is no dtype", function()
    fails(function() cr.can_cast("int", "float32") end, "can_cast: from must be a dtype or a tensor")
    fails(function() cr.can_cast("int8", nil) end, "can_cast: to must be a dtype or a tensor, got nil")
  end)
end)

describe("result_type", function()
  local function i32(...) return cr.zeros({ ... }, { dtype = "int32" }) end

  it("is that of the operation on the same arguments", function()
    local arguments = { cr.zeros(2), i32(2), i32(), cr.zeros({}, { dtype = "float64" }), true, 3, 2.5,
      cr.zeros({ 1 }, { dtype = "bool" }), cr.zeros({ 2 }, { dtype = "float16" }) }
    for _, a in ipairs(arguments) do
      for _, b in ipairs(arguments) do
        if cr.is_tensor(a) or cr.is_tensor(b) then
          assert.equal(cr.add(a, b).dtype, cr.result_type(a, b))
        end
      end
    end
  end)

  it("takes dtypes, and any number of arguments", function()
    assert.equal("float64", cr.result_type("int32", "float64"))
    assert.equal("int32", cr.result_type(i32(2), 3, true))
    assert.equal("float32", cr.result_type(1, 2.5))
    assert.equal("bool", cr.result_type(true))
    assert.equal("float16", cr.result_type(cr.zeros({ 2 }, { dtype = "float16" }), cr.zeros {}, 2.5))
  end)

  it("refuses nothing at all, and other values", function()
    fails(function() cr.result_type() end, "result_type: needs at least one tensor, number or dtype")
    fails(function() cr.result_type(1, {}) end,
      "result_type: argument 2 must be a tensor, a number or a dtype, got a table")
    fails(function() cr.result_type("real") end,
      'argument 1 must be a tensor, a number or a dtype, got the string "real"')
  end)
end)

describe("broadcast_shapes", function()
  it("gives the shape of what an operation makes of such tensors", function()
    assert.same({ 2, 3, 4 }, cr.broadcast_shapes({ 3, 1 }, { 2, 1, 4 }))
    assert.same({ 2, 3 }, cr.broadcast_shapes({ 2, 1 }, 3, {}))
    assert.same({ 0, 2 }, cr.broadcast_shapes({ 0, 1 }, { 1, 2 }))
    assert.same({}, cr.broadcast_shapes())
    assert.same({ 4 }, cr.broadcast_shapes { 4 })
  end)

  it("refuses shapes that do not", function()
    fails(function() cr.broadcast_shapes({ 2, 3 }, { 2, 4 }) end,
      "broadcast_shapes: sizes 3 and 4 of the last dims do not broadcast")
    fails(function() cr.broadcast_shapes({ 2, 3 }, { 4, 1 }) end,
      "broadcast_shapes: sizes 2 and 4 of the dims 2 from the end do not broadcast")
    fails(function() cr.broadcast_shapes({ 2 }, "a") end,
      'broadcast_shapes: shape 2 must be a table of sizes, got the string "a"')
    fails(function() cr.broadcast_shapes { -1 } end, "broadcast_shapes: shape 1 has the size -1")
  end)
end)

describe("resize_as_", function()
  it("gives a tensor the shape of another one", function()
    local x = cr.zeros(2)
    assert.equal(x, x:resize_as_(cr.zeros(3, 4)))
    assert.same({ 3, 4 }, x.shape)
    fails(function() x:resize_as_(3) end, "resize_as_: other must be a tensor, got the number 3")
  end)
end)

describe("a tensor of given strides", function()
  it("has them", function()
    assert.same({ 1, 4 }, cr.empty_strided({ 4, 3 }, { 1, 4 }):stride())
    assert.same({ 0, 2 }, cr.zeros(2):new_empty_strided({ 3, 2 }, { 0, 2 }):stride())
    assert.same({ 2, 1, 6 }, cr.empty_permuted({ 3, 2, 4 }, { 3, 1, 2 }):stride())
  end)
end)
