-- products_spec.lua: products of matrices of every kind of shape and place in memory, against sums in float64.
-- Their numbers are eighths, or integers, so that the sums are exact in every dtype that sums are made in.

local cr = require "cresset"

local function eighths(shape, dtype)
  local x = cr.randint(-8, 9, shape):to(dtype)
  return dtype:find "int" and x or x / 8
end

-- How r x c of a matrix may lie in memory.
local layouts = {
  plain = function(r, c, dtype) return eighths({ r, c }, dtype) end,
  transposed = function(r, c, dtype) return eighths({ c, r }, dtype):t() end,
  ["rows apart"] = function(r, c, dtype) return eighths({ r, c + 3 }, dtype):narrow(2, 3, c) end,
  ["columns apart"] = function(r, c, dtype) return eighths({ c, r + 3 }, dtype):narrow(2, 3, r):t() end,
  scattered = function(r, c, dtype) return eighths({ r, c, 2 }, dtype):select(3, 2) end,
  ["one row"] = function(r, c, dtype) return eighths({ 1, c }, dtype):expand(r, c) end,
}

local function whole(x, dtype) return dtype:find "int" and x:to "int64" or x:to "float64" end

local function right(got, a, b, dtype, added)
  local want = (whole(a, dtype):unsqueeze(-1) * whole(b, dtype):unsqueeze(-3)):sum(-2)
  if added then want = want + whole(added, dtype) end
  return got:equal(want:to(dtype))
end

-- Calls f(a, b, what) for each pair of layouts and some sizes around the borders of the ways to multiply.
local function each(dtype, f)
  for _, size in ipairs { { 1, 9, 40 }, { 2, 17, 21 }, { 3, 33, 64 }, { 5, 6, 130 }, { 16, 20, 131 }, { 17, 20, 70 },
    { 8, 64, 1100 }, { 1, 30, 1500 }, { 40, 4, 35 }, { 33, 1, 64 } } do
    local m, n, k = table.unpack(size)
    for first, left in pairs(layouts) do
      for second, other in pairs(layouts) do
        f(left(m, k, dtype), other(k, n, dtype), ("%s by %s, %d x %d x %d"):format(first, second, m, k, n))
      end
    end
  end
end

describe("the product of matrices", function()
  for _, dtype in ipairs { "float64", "float32", "bfloat16", "float16", "int64", "int32", "int8" } do
    it("is right wherever they lie, in " .. dtype, function()
      local wrong = {}
      each(dtype, function(a, b, what)
        if not right(a:mm(b), a, b, dtype) then wrong[#wrong + 1] = what end
      end)
      assert.same({}, wrong)
    end)
  end

  it("is added to what linear adds", function()
    for _, dtype in ipairs { "float64", "float32", "bfloat16" } do
      for rows = 1, 17 do
        local x, weight, bias = eighths({ rows, 70 }, dtype), eighths({ 21, 70 }, dtype), eighths({ 21 }, dtype)
        assert.is_true(right(cr.linear(x, weight, bias), x, weight:t(), dtype, bias))
      end
    end
  end)

  it("of a batch is the product of each", function()
    for _, m in ipairs { 1, 2, 7, 16 } do
      local a, b = eighths({ 5, m, 70 }, "float32"), eighths({ 5, 19, 70 }, "float32"):transpose(2, 3)
      assert.is_true(right(a:bmm(b), a, b, "float32"))
      assert.is_true(right(b:transpose(2, 3):bmm(a:transpose(2, 3)), b:transpose(2, 3), a:transpose(2, 3), "float32"))
      local one = b:select(1, 1):expand(5, 70, 19)
      assert.is_true(right(a:bmm(one), a, one, "float32"))
    end
  end)

  it("of few rows has the same digits alone as beside others", function()
    local weight = cr.randn(203, 333)
    local x = cr.randn(6, 333)
    local all = x:mm(weight:t())
    for rows = 2, 6 do
      assert.is_true(x:narrow(1, 1, rows):mm(weight:t()):equal(all:narrow(1, 1, rows)))
      assert.is_true(x:mm(weight:narrow(1, rows, 100):t()):equal(all:narrow(2, rows, 100)))
    end
  end)

  it("passes on what is no number", function()
    local x, weight = cr.ones(2, 40), cr.ones(9, 40)
    weight[{ 3, 40 }], weight[{ 5, 1 }] = cr.nan, cr.inf
    local y = x:mm(weight:t())
    assert.is_true(y:isnan():any(1):equal(cr.arange(1, 10):eq(3)))
    assert.equal(cr.inf, y[{ 1, 5 }]:item())
  end)
end)
