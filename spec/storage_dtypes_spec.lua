-- storage_dtypes_spec.lua: uint16, uint32 and uint64: what is made, moved, converted and told of them, and that
-- nothing else takes them. Expected values are written by hand from what the bits mean.

local cr = require "cresset"
local refuses = require "spec.support.refuses"

local stored = { "uint16", "uint32", "uint64" }
local most = { uint16 = 65535, uint32 = 4294967295, uint64 = -1 } -- of uint64 the bits
local others = { "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool" }

local function of(dtype, values) return cr.tensor(values, { dtype = dtype }) end
local function is(expected, dtype, x)
  assert.equal(dtype, x.dtype)
  assert.same(expected, x:totable())
end

describe("a dtype for storage", function()
  for _, dtype in ipairs(stored) do
    local high = most[dtype]
    it("is made of numbers: " .. dtype, function()
      is({ { 0, 0 } }, dtype, cr.zeros({ 1, 2 }, { dtype = dtype }))
      is({ 1, 1 }, dtype, cr.ones({ 2 }, { dtype = dtype }))
      is({ high }, dtype, cr.full({ 1 }, high, { dtype = dtype }))
      is({ 7, 2, high }, dtype, of(dtype, { 7.9, 2, high }))
      is({ 1, 0 }, dtype, of(dtype, { true, false }))
      is({}, dtype, cr.empty({ 0 }, { dtype = dtype }))
      is(5, dtype, cr.scalar_tensor(5, { dtype = dtype }))
      is({ 0, 0 }, dtype, of(dtype, { 1, 2 }):zeros_like())
      assert.equal(tonumber(dtype:match "%d+") // 8, cr.zeros({ 1 }, { dtype = dtype }):element_size())
    end)

    it("refuses numbers that it cannot hold: " .. dtype, function()
      refuses("does not fit " .. dtype, cr.full, { 1 }, -1.0, { dtype = dtype })
      refuses("does not fit " .. dtype, of, dtype, { 2.0 ^ 64 })
      refuses("does not fit " .. dtype, of, dtype, { 0 / 0 })
      refuses("does not fit " .. dtype, of, dtype, { -3.0 })
      local x = of(dtype, { 1, 2 })
      refuses("does not fit", x.fill_, x, -1.0)
      if dtype ~= "uint64" then
        refuses("does not fit " .. dtype, of, dtype, { high + 1 })
        refuses("does not fit " .. dtype, of, dtype, { -1 })
      end
      assert.same({ 1, 2 }, x:totable())
    end)

    it("converts from and to every other, by value: " .. dtype, function()
      for _, other in ipairs(others) do
        local x = of(other, { 0, 1, 1 })
        is({ 0, 1, 1 }, dtype, x:to(dtype))
        assert.is_true(x:to(dtype):to(other):equal(x))
        is({ 0, 1 }, dtype, x[{ { 1, -1, 2 } }]:to(dtype)) -- not contiguous
      end
      is({ 100, 3 }, dtype, of("float32", { 100.9, 3.2 }):to(dtype))
      is({ high }, dtype, of("int64", { -1 }):to(dtype)) -- wraps
      is({ high }, dtype, of("int8", { -1 }):to(dtype))
      is({ false, true }, "bool", of(dtype, { 0, high }):to "bool")
      is({ -1 }, "int64", of(dtype, { high }):to "int64" * (dtype == "uint64" and 1 or -1) + (dtype == "uint64" and 0
        or high - 1))
      for _, other in ipairs(stored) do
        is({ 0, 65535 }, other, of(dtype, { 0, 65535 }):to(other))
      end
    end)

    it("is indexed, viewed, moved, joined and compared: " .. dtype, function()
      local x = of(dtype, { { 1, 2, 3 }, { 4, 5, high } })
      is({ 4, 5, high }, dtype, x[2])
      is({ { 3 }, { high } }, dtype, x[{ {}, { 3, 3 } }])
      is({ { 1, 4 }, { 2, 5 }, { 3, high } }, dtype, x:t():contiguous())
      is({ 1, 2, 3, 4, 5, high }, dtype, x:reshape(6))
      is({ { 4, 5, high }, { 1, 2, 3 } }, dtype, x[cr.tensor { 2, 1 }])
      is({ high }, dtype, x[x:eq(high)])
      is({ { 1, 2, 3 }, { 4, 5, high }, { 1, 2, 3 }, { 4, 5, high } }, dtype, cr.cat({ x, x }, 1))
      assert.same({ 2, 2, 3 }, { table.unpack(cr.stack { x, x }.shape) })
      is({ { 3, 2, 1 }, { high, 5, 4 } }, dtype, x:flip(2))
      is({ { 1, 2, 3 }, { 4, 5, high } }, dtype, x:clone())
      is({ { 1, 3 }, { 4, high } }, dtype, x:index_select(2, cr.tensor { 1, 3 }))
      is({ { 3 }, { high } }, dtype, x:gather(2, cr.tensor { { 3 }, { 3 } }))
      is({ { 0, 1, 2, 3 }, { 0, 4, 5, high } }, dtype, cr.pad(x, { 1, 0 }))
      is({ 1, 2, 3, 1, 2, 3 }, dtype, x[1]:tile(2))
      is({ 4, 5, high }, dtype, (select(2, x:unbind(1))))
      local y = x:clone()
      y[1] = 9
      y[{ 2, 3 }] = 8
      y[y:eq(4)] = 6
      is({ { 9, 9, 9 }, { 6, 5, 8 } }, dtype, y)
      y[cr.tensor { 1 }] = of(dtype, { high, 0, 1 })
      is({ high, 0, 1 }, dtype, y[1])
      y:copy_(x)
      assert.is_true(y:equal(x))
      assert.is_false(y:equal(x:flip(1)))
      is({ { 1, 2, 3 }, { 4, 5, high } }, dtype, cr.where(x:eq(0), y, x))
      is({ { 7, 7, 7 }, { 4, 5, high } }, dtype, cr.where(cr.tensor { { true }, { false } }, of(dtype, 7), x))
      assert.same({ { true, false, false }, { false, false, false } }, x:eq(1):totable())
      assert.same({ false, true }, x[2][{ { 2, 3 } }]:ne(of(dtype, { 5, 1 })):totable())
      assert.same({ true, false, false }, x[1]:eq(1.0):totable())
      assert.same({ false, false, false }, x[1]:eq(1.5):totable())
      local list = { cr.zeros({ 2, 3 }, { dtype = dtype }) }
      cr.foreach.copy_(list, { x })
      assert.is_true(list[1]:equal(x))
    end)

    it("is told as Lua integers: " .. dtype, function()
      assert.equal("integer", math.type(of(dtype, 3):item()))
      assert.equal(high, of(dtype, high):item())
      is({ high }, dtype, of(dtype, { of(dtype, high):item() })) -- and back
      local text = tostring(of(dtype, { 1, high }))
      assert(text:find(({ uint16 = "65535", uint32 = "4294967295", uint64 = "18446744073709551615" })[dtype], 1, true))
      assert(text:find("[" .. dtype .. " tensor of size 2]", 1, true), text)
      assert.same({ dtype, 0, high }, { cr.iinfo(dtype).dtype, cr.iinfo(dtype).min, cr.iinfo(dtype).max })
      assert.is_true(cr.isdtype(dtype, "unsigned integer"))
    end)

    it("joins floats only: " .. dtype, function()
      assert.equal("float16", cr.promote_types(dtype, "float16"))
      assert.equal(dtype, cr.promote_types(dtype, dtype))
      is({ 1.5 }, "float32", of(dtype, { 1 }) + cr.tensor { 0.5 })
      for _, other in ipairs { "int64", "int8", "uint8", "bool", dtype == "uint16" and "uint32" or "uint16" } do
        refuses("promote_types: .* no dtype in common", cr.promote_types, dtype, other)
        refuses("result_type: .* no dtype in common", cr.result_type, of(dtype, { 1 }), of(other, { 1 }))
        refuses("no dtype in common", cr.cat, { of(dtype, { 1 }), of(other, { 1 }) }, 1)
        refuses("no dtype in common", cr.add, of(dtype, { 1 }), of(other, { 1 }))
        refuses("no dtype in common", cr.eq, of(dtype, { 1 }), of(other, { 1 }))
      end
      is({ 1, 2.5 }, "float32", cr.cat({ of(dtype, { 1 }), cr.tensor { 2.5 } }, 1))
    end)

    it("is refused where something is computed: " .. dtype, function()
      local x = of(dtype, { { 1, 2 }, { 3, 4 } })
      for _, call in ipairs {
        function() return x + 1 end, function() return x * x end, function() return -x end, function() return x & 1 end,
        function() return x:sum() end, function() return x:max() end, function() return x:sort() end,
        function() return x:cumsum(1) end, function() return x:mm(x) end, function() return x:argmax() end,
        function() return x:add_(1) end, function() return x:unique() end, function() return x:clamp(0, 1) end,
        function() return cr.arange(0, 4, { dtype = dtype }) end, function() return x:softmax(1) end,
        function() return cr.rand({ 2 }, { dtype = dtype }) end, function() return x:random_() end,
        function() return x:index_add(1, cr.tensor { 1 }, x[{ { 1, 1 } }]) end,
        function() return x:index_put({ cr.tensor { 1 } }, x[1], true) end,
        function() return cr.tensor({ 1, 2 }):sum({ dtype = dtype }) end,
        function() return cr.einsum("ij->i", x) end, function() return cr.tensor({ 1, 2 })[x[1]] end,
      } do
        local ok, message = pcall(call)
        assert(not ok, "call is not refused: " .. tostring(message))
        assert(message:find(dtype, 1, true), message)
      end
      assert.same({ { 1, 2 }, { 3, 4 } }, x:totable())
      refuses("float", function() x:requires_grad_() end)
    end)
  end

  it("orders uint16 and uint32, and uint64 by equality only", function()
    assert.same({ true, false }, of("uint32", { 1, 4294967295 }):lt(2):totable())
    assert.same({ true }, of("uint16", { 65535 }):gt(of("uint16", { 1 })):totable())
    refuses("uint64", function() return of("uint64", { 1 }):lt(2) end)
    assert.same({ true, false }, of("uint64", { math.mininteger, 0 }):eq(2.0 ^ 63):totable())
    assert.same({ false }, of("uint64", { -1 }):eq(-1.0):totable())
  end)

  it("keeps 64 bits on every way", function()
    local bits = { 0, 1, math.maxinteger, math.mininteger, math.mininteger + 1, -1, (1 << 53) + 1 }
    local x = of("uint64", bits)
    assert.same(bits, x:totable())
    assert.same(bits, x:to("int64"):totable())
    assert.same(bits, x:to("int64"):to("uint64"):totable())
    assert.same({ 0.0, 1.0, 2.0 ^ 63, 2.0 ^ 63, 2.0 ^ 63, 2.0 ^ 64, 2.0 ^ 53 }, x:to("float64"):totable())
    assert.same({ 2.0 ^ 63 }, of("uint64", { math.mininteger }):to("float32"):totable())
    assert.same({ math.mininteger }, cr.tensor({ 2.0 ^ 63 }, { dtype = "float64" }):to("uint64"):totable())
    assert.same({ math.mininteger }, of("uint64", { 2.0 ^ 63 }):totable())
    assert.same({ 2.0 ^ 63 }, cr.zeros({ 1 }, { dtype = "float64" }):fill_(of("uint64", math.mininteger)):totable())
    refuses("does not fit int64", function()
      cr.zeros({ 1 }, { dtype = "int64" }):fill_(of("uint64", math.mininteger))
    end)
    refuses("uint64, which holds 0 to 18446744073709551615", cr.full, { 1 }, 2.0 ^ 64, { dtype = "uint64" })
  end)

  it("converts long rows as it does single elements", function()
    for _, dtype in ipairs(stored) do
      for _, other in ipairs { "float32", "float64", "int64", "int32", "int16", "uint8", "float16" } do
        local x = (cr.arange(0, 1000, { dtype = "int64" }) % 200):to(other)
        assert.is_true(x:to(dtype):to(other):equal(x), dtype .. " " .. other)
        assert.is_true(x[{ { 1, -1, 3 } }]:to(dtype):to(other):equal(x[{ { 1, -1, 3 } }]))
      end
    end
  end)
end)
