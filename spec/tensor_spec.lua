-- tensor_spec.lua: making tensors, what they tell of themselves, dtypes and promotion, numbers out.

local cr = require "cresset"
local values = require "spec.support.values"
local fails, is_values = values.assert_fails, values.assert_values

local MAX, MIN = math.maxinteger, math.mininteger

describe("a tensor from a table", function()
  it("of integers is int64, with any float in it float32", function()
    assert.equal("int64", cr.tensor({ 1, 2 }).dtype)
    assert.equal("float32", cr.tensor({ 1, 2.0 }).dtype)
    assert.equal("bool", cr.tensor({ true, false }).dtype)
  end)

  it("has the table's shape", function()
    assert.same({ 2, 3 }, cr.tensor({ { 1, 2, 3 }, { 4, 5, 6 } }).shape)
    assert.same({ 1, 1, 2 }, cr.tensor({ { { 1, 2 } } }).shape)
    assert.same({ 0 }, cr.tensor({}).shape)
    assert.same({ 2, 0 }, cr.tensor({ {}, {} }).shape)
  end)

  it("may be a number or a boolean: 0-dim", function()
    assert.same({}, cr.tensor(5).shape)
    assert.equal("int64", cr.tensor(5).dtype)
    assert.equal("float32", cr.tensor(5.5).dtype)
    assert.equal("bool", cr.tensor(true).dtype)
  end)

  it("takes a dtype", function()
    for _, dtype in ipairs(values.dtypes) do
      local x = cr.tensor({ 0, 1 }, { dtype = dtype })
      assert.equal(dtype, x.dtype)
    end
  end)

  it("may hold 0-dim tensors, which are numbers of their dtype", function()
    local x = cr.tensor { cr.tensor(1.5, { dtype = "float64" }), cr.tensor(2), 3 }
    is_values(x, { 1.5, 2, 3 })
    assert.equal("float64", x.dtype)
    assert.equal("int32", cr.tensor({ { cr.tensor(1, { dtype = "int32" }) } }).dtype)
    assert.equal("bool", cr.tensor({ cr.tensor(true), false }).dtype)
    assert.equal(9007199254740993, cr.tensor({ cr.tensor(9007199254740993) })[1]:item())
  end)

  it("refuses tensors of more dims, for which there is stack", function()
    fails(function() return cr.tensor { cr.ones(2), cr.ones(2) } end, "tensor", "[1]", "stack")
    fails(function() return cr.tensor { { 1, cr.ones(1) } } end, "tensor", "[1][2]", "stack")
  end)

  it("must be rectangular and hold numbers only", function()
    fails(function() return cr.tensor { { 1, 2 }, { 3 } } end, "tensor", "2", "1")
    fails(function() return cr.tensor { { 1, 2 }, 3 } end, "tensor")
    fails(function() return cr.tensor { 1, "2" } end, "tensor", "string")
    fails(function() return cr.tensor { 1, nil, 3 } end, "tensor")
    fails(function() return cr.tensor { x = 1 } end, "tensor", "beside its list")
    fails(function() return cr.tensor "5" end, "tensor", "string")
    fails(function() return cr.tensor { 1, function() end } end, "tensor", "function")
  end)

  it("that contains itself is refused", function()
    local t = {}
    t[1] = t
    fails(function() return cr.tensor(t) end, "tensor", "16")
  end)

  it("comes back from totable as it was", function()
    for _, t in ipairs { { 1, 2, 3 }, { { 1.5, 2.5 }, { 3.5, 4.5 } }, { true, false }, {}, { {}, {} } } do
      assert.same(t, cr.tensor(t):totable())
    end
    assert.equal(7, cr.tensor(7):totable())
  end)
end)

describe("64-bit integers", function()
  it("never pass through a double", function()
    local big = { 9007199254740993, MAX, MIN, -9007199254740993 }
    local x = cr.tensor(big)
    assert.same(big, x:totable())
    assert.equal(9007199254740993, x[1]:item())
    assert.same({ MAX, MIN }, { x:max():item(), x:min():item() })
    is_values(x + 0, big)
    assert.equal(9007199254740993, (cr.tensor(9007199254740992) + 1):item())
    assert.equal(MIN, (cr.tensor(MAX) + 1):item())
    assert.equal(9007199254740993, cr.full({ 1 }, 9007199254740993)[1]:item())
    assert.is_true(cr.tensor(9007199254740993):ne(9007199254740992):item())
    assert.equal(9007199254740993, cr.arange(9007199254740993, 9007199254740995)[1]:item())
  end)

  it("do so in every integer operation that reads or moves them", function()
    local x = cr.tensor { { 9007199254740993, 1 }, { 3, 9007199254740995 } }
    assert.equal(9007199254740995, x:t():contiguous()[2][2]:item())
    assert.equal(9007199254740993, cr.cat({ x, x })[3][1]:item())
    assert.equal(9007199254740993 + 3, x:sum(1)[1]:item())
    assert.equal(9007199254740993, x:abs()[1][1]:item())
    assert.equal(9007199254740993, (x * 1)[1][1]:item())
    assert.equal(9007199254740993 // 2, (x // 2)[1][1]:item())
    assert.equal(9007199254740993, x:clamp(0)[1][1]:item())
    assert.equal(9007199254740993, cr.where(x:gt(0), x, 0)[1][1]:item())
    assert.equal(9007199254740993, x:reshape(-1)[cr.tensor { 1 }]:item())
  end)
end)

describe("item", function()
  it("gives the Lua number of the dtype's kind", function()
    assert.equal("integer", math.type(cr.tensor(5):item()))
    assert.equal("float", math.type(cr.tensor(5.0):item()))
    assert.equal(true, cr.tensor(true):item())
    assert.equal(0.5, cr.tensor({ { 0.5 } }):item())
  end)

  it("needs exactly one element", function()
    fails(function() return cr.tensor({ 1, 2 }):item() end, "item", "one element", "2")
    fails(function() return cr.zeros({ 0 }):item() end, "item", "0")
  end)
end)

describe("a tensor tells", function()
  local x = cr.zeros({ 2, 3 }, { dtype = "float16" })

  it("its dtype, device, shape, ndim, numel, size, stride, offset", function()
    assert.equal("float16", x.dtype)
    assert.equal("cpu", x.device)
    assert.same({ 2, 3 }, x.shape)
    assert.equal(2, x.ndim)
    assert.equal(6, x:numel())
    assert.equal(3, x:size(2))
    assert.equal(3, x:size(-1))
    assert.same({ 3, 1 }, x:stride())
    assert.equal(0, x:storage_offset())
    assert.equal(3, x[2]:storage_offset())
    assert.is_true(x:is_contiguous())
    assert.is_false(x:t():is_contiguous())
  end)

  it("its shape as a table of its own", function()
    local shape = x.shape
    shape[1] = 99
    assert.same({ 2, 3 }, x.shape)
  end)

  it("whether it is a tensor", function()
    assert.is_true(cr.is_tensor(x))
    assert.is_false(cr.is_tensor(5))
    assert.is_false(cr.is_tensor(io.stdout))
  end)
end)

describe("creation", function()
  it("takes sizes one by one or as a table with options", function()
    assert.same({ 2, 3 }, cr.zeros(2, 3).shape)
    assert.same({ 2, 3 }, cr.zeros({ 2, 3 }, { dtype = "float64" }).shape)
    assert.same({}, cr.zeros({}).shape)
    assert.equal("float64", cr.zeros({ 2 }, { dtype = "float64" }).dtype)
    assert.is_true(cr.ones({ 2 }, { requires_grad = true }).requires_grad)
  end)

  it("has float32 as its first default dtype, which can be changed", function()
    assert.equal("float32", cr.get_default_dtype())
    assert.equal("float32", cr.zeros(1).dtype)
    cr.set_default_dtype("float64")
    local made = { cr.zeros(1).dtype, cr.tensor(1.5).dtype, cr.rand(1).dtype, (cr.tensor { 1 } / 2).dtype }
    cr.set_default_dtype("float32")
    assert.same({ "float64", "float64", "float64", "float64" }, made)
    fails(function() cr.set_default_dtype("int64") end, "int64")
  end)

  it("allows 16 dims, and refuses 17 with a sentence", function()
    local shape = {}
    for i = 1, 16 do shape[i] = 1 end
    shape[16] = 2
    local x = cr.ones(shape)
    assert.equal(2, (x + x:permute { 16, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 1 }):sum():item() / 4)
    shape[17] = 1
    fails(function() return cr.ones(shape) end, "17", "16", "dim")
    fails(function() return x:unsqueeze(1) end, "unsqueeze", "16")
  end)
end)

describe("the promoted dtype", function()
  local makers = {
    dims = function(d) return cr.zeros({ 2 }, { dtype = d }) end,
    zero = function(d) return cr.zeros({}, { dtype = d }) end,
  }
  local numbers = { int = 1, float = 1.5, bool = true }

  for _, row in ipairs(require "spec.oracle.promotion") do
    local left, right, a = row[1], row[2], row[3]
    local wanted = {}
    for word in row[4]:gmatch("%S+") do wanted[#wanted + 1] = word end
    if makers[left] and makers[right] then
      it(("of %s %s with each dtype (%s) is PyTorch's"):format(a, left, right), function()
        for i, b in ipairs(values.dtypes) do
          assert.equal(wanted[i], (makers[left](a) + makers[right](b)).dtype, b)
        end
      end)
    elseif numbers[right] ~= nil then
      it(("of each dtype (%s) with a number (%s) is PyTorch's"):format(left, right), function()
        for i, b in ipairs(values.dtypes) do
          assert.equal(wanted[i], (makers[left](b) + numbers[right]).dtype, b)
          assert.equal(wanted[i], (numbers[right] + makers[left](b)).dtype, b)
        end
      end)
    elseif left == "into" then
      it("of a result may be written to " .. a .. " where PyTorch allows it", function()
        for i, b in ipairs(values.dtypes) do
          local ok = pcall(function() makers.dims(a):add_(makers.dims(b)) end)
          assert.equal(wanted[i] == "yes", ok, b)
        end
      end)
    elseif left == "rules" then
      it("of division, exp, sums, comparisons of " .. a .. " is PyTorch's", function()
        local x = cr.ones({ 2 }, { dtype = a })
        local got = { (x / x).dtype, x:exp().dtype, x:sum().dtype, x:prod().dtype, x:cumsum(1).dtype, x:eq(x).dtype,
          (a == "bool" and x:to("uint8") or x):argmax().dtype }
        assert.same(wanted, got)
      end)
    end
  end

  it("is refused where PyTorch refuses", function()
    local b = cr.tensor { true, false }
    fails(function() return b - b end, "sub", "bool")
    fails(function() return -b end, "neg", "bool")
    fails(function() return cr.tensor({ 2 }) ^ -1 end, "pow", "negative")
    fails(function() return cr.tensor({ 1, 2 }):mean() end, "mean", "int64")
    fails(function() return cr.ones(2, 2):mm(cr.ones({ 2, 2 }, { dtype = "float64" })) end, "mm", "float32", "float64")
    fails(function() return cr.tensor({ 1 }) // 0 end, "zero")
    fails(function() return cr.tensor({ 1 }) % cr.tensor({ 0 }) end, "zero")
  end)
end)

describe("integer division by zero", function()
  it("is no error where nothing is divided", function()
    assert.same({ 0 }, (cr.zeros({ 0 }, { dtype = "int64" }) // 0).shape)
    assert.same({ 0, 2 }, (cr.zeros({ 0, 2 }, { dtype = "int64" }) % cr.tensor { 0, 1 }).shape)
  end)
end)

describe("broadcasting", function()
  it("aligns shapes at the right", function()
    is_values(cr.tensor { { 1 }, { 2 } } + cr.tensor { 10, 20, 30 }, { { 11, 21, 31 }, { 12, 22, 32 } })
    assert.same({ 2, 0 }, (cr.zeros(2, 1) + cr.zeros(1, 0)).shape)
    assert.same({ 2, 3 }, (cr.tensor(5) + cr.zeros(2, 3)).shape)
  end)

  it("refuses sizes that differ, and names the dim", function()
    fails(function() return cr.zeros(2, 3) + cr.zeros(2, 4) end, "add", "2x3", "2x4", "2")
  end)
end)

describe("operators", function()
  it("work elementwise, with numbers on either side", function()
    local x = cr.tensor { 7, -7 }
    is_values(x + 1, { 8, -6 })
    is_values(1 - x, { -6, 8 })
    is_values(x * x, { 49, 49 })
    is_values(x / 2, { 3.5, -3.5 })
    is_values(x // 2, { 3, -4 })
    is_values(x % 4, { 3, 1 })
    is_values(x ^ 2, { 49, 49 })
    is_values(2 ^ cr.tensor { 3, 4 }, { 8, 16 })
    is_values(-x, { -7, 7 })
    is_values(x & 3, { 3, 1 })
    is_values(x | 8, { 15, -7 })
    is_values(x ~ 1, { 6, -8 })
    is_values(~x, { -8, 6 })
    is_values(x << 1, { 14, -14 })
    is_values(x >> 1, { 3, -4 })
    is_values(~cr.tensor { true, false }, { false, true })
  end)

  it("< and <= give a Lua boolean for single elements, and name the method for more", function()
    assert.is_true(cr.tensor(1) < cr.tensor(2))
    assert.is_true(cr.tensor(2) <= 2)
    assert.is_false(cr.tensor { 3.5 } < 2)
    fails(function() return cr.tensor { 1, 2 } < cr.tensor { 2, 3 } end, "<", "lt")
    fails(function() return cr.tensor { 1, 2 } <= 5 end, "<=", "le")
  end)

  it("== is identity", function()
    local x = cr.tensor { 1 }
    assert.is_true(x == x)
    assert.is_false(x == cr.tensor { 1 })
    is_values(x:eq(cr.tensor { 1 }), { true })
  end)
end)

describe("methods", function()
  it("without an underscore are pure, with one they write", function()
    local x, y = cr.tensor { 1, 2 }, cr.tensor { 10, 20 }
    is_values(x:add(y), { 11, 22 })
    is_values(x, { 1, 2 })
    assert.is_true(rawequal(x, x:add_(y)))
    is_values(x, { 11, 22 })
  end)

  it("take named arguments in a last table", function()
    local x = cr.tensor { { 1.0, 2.0 }, { 3.0, 4.0 } }
    is_values(x:sum { dim = 1, keepdim = true }, { { 4, 6 } })
    is_values(x:sum(2, { keepdim = true }), { { 3 }, { 7 } })
    fails(function() return x:sum { dims = 1 } end, "sum", "dims")
  end)
end)
