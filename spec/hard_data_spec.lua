-- hard_data_spec.lua: numbers and sizes that leave the common ways: rare arguments in a row, long lines, bytes, halves.

local cr = require "cresset"
local values = require "spec.support.values"

local inf, nan = math.huge, 0 / 0

local function alike(a, b) return (a ~= a and b ~= b) or a == b and (a ~= 0 or 1 / a == 1 / b) end

local function on_one_thread(f)
  local threads = cr.get_num_threads()
  cr.set_num_threads(1)
  local ok, result = pcall(f)
  cr.set_num_threads(threads)
  return assert(ok and result, result)
end

local function alike_all(got, want)
  got, want = values.flat(got), values.flat(want)
  assert.are.equal(#want, #got)
  for i, v in ipairs(want) do assert(alike(got[i], v), ("element %d is %s, not %s"):format(i, got[i], v)) end
end

describe("where most arguments are far out of the usual range,", function()
  local rare = { -3.5, inf, 1e-41, nan, 1e30, -inf, 2.0 ^ 100, 1e7, -0.0, 3e9, -1e-40, 0.0, 1.5, -1 }

  -- Rare ones among usual ones, then hardly another for a while, then as at first.
  local function mostly(dtype)
    local list = {}
    for i = 1, 3000 do
      local often = i > 600 and i < 2600 and 7 or 1
      list[i] = i % 8 < often and rare[i * 5 % #rare + 1] or (i * 0.618034) % 1 * 20 + 0.01
    end
    return list, cr.tensor(list, { dtype = dtype })
  end

  for _, name in ipairs { "log", "log2", "log10", "log1p", "sin", "cos", "tan", "exp", "exp2" } do
    for _, dtype in ipairs { "float32", "float64" } do
      it(("%s gives in %s what it gives alone, in place as well"):format(name, dtype), function()
        local list, x = mostly(dtype)
        local known, alone = {}, {}
        for i, v in ipairs(list) do
          local key, one = ("%a"):format(v), cr.tensor({ v }, { dtype = dtype })
          known[key] = known[key] or one[name](one):item()
          alone[i] = known[key]
        end
        local want = cr.tensor(alone, { dtype = dtype })
        alike_all(x[name](x), want)
        alike_all(x[name .. "_"](x), want)
      end)
    end
  end
end)

describe("of angles up to the largest number, in float32,", function()
  for name, most in pairs { sin = 1.25, cos = 1.25, tan = 3.25 } do
    it(name .. " is as near as that of float64", function()
      local list = {}
      for i = 1, 20000 do list[i] = (1 + (i * 0.618034) % 1) * 2.0 ^ (10 + i % 117) * (i % 2 * 2 - 1) end
      local x = cr.tensor(list, { dtype = "float32" })
      local got = x[name](x):to "float64"
      local want = x:to "float64"
      want = want[name](want)
      local unit = (want:abs():log2():floor() - 23):exp2()
      assert.is_true(((got - want):abs() / unit):max():item() <= most)
    end)
  end
end)

describe("of negative numbers, a power", function()
  it("with a whole exponent has the sign of as many factors", function()
    for _, dtype in ipairs { "float32", "float64" } do
      local x = cr.linspace(-2, 2, 4001, { dtype = dtype })
      local y, square = x, x * x
      for n = 3, 7, 2 do
        y = y * square
        local p = x ^ n
        assert.is_true((p - y):abs():le(y:abs() * 1e-6):all():item())
        assert.is_true(p:sign():equal(x:sign()))
        assert.is_true((x ^ (n + 1)):ge(0):all():item())
      end
    end
  end)

  it("with another one is not a number", function()
    local x = cr.linspace(-2, 2, 4001)
    assert.is_true((x ^ 2.5):isnan():equal(x:lt(0)))
  end)
end)

describe("a number times a power of two", function()
  it("that is infinite or 0 is so too", function()
    local x = cr.tensor { 2, -3, 0, 2, -3, 0, 5 }
    local power = cr.tensor { inf, inf, inf, -inf, -inf, -inf, nan }
    alike_all(x:ldexp(power), cr.tensor { inf, -inf, nan, 0, -0.0, 0, nan })
  end)

  it("has its value where the power alone leaves the range", function()
    alike_all(cr.tensor({ 2 ^ -140, 2 ^ 100 }):ldexp(cr.tensor { 200, -220 }), cr.tensor { 2 ^ 60, 2 ^ -120 })
  end)
end)

describe("a line that all threads sort", function()
  local n = 2 ^ 18 + 77 | 0

  local function check(x, descending)
    local sorted, at = x:sort(1, descending)
    assert.is_true(x:argsort(1, descending):equal(at))
    assert.are.equal(n, cr.zeros(n):scatter(1, at, 1):sum():item())
    alike_all(x:gather(1, at)[{ { 1, 3000 } }], sorted[{ { 1, 3000 } }])
    alike_all(x:gather(1, at)[{ { -3000, -1 } }], sorted[{ { -3000, -1 } }])
    local a, b = sorted[{ { 1, -2 } }], sorted[{ { 2, -1 } }]
    if descending then a, b = b, a end
    local kept = at[{ { 1, -2 } }]:lt(at[{ { 2, -1 } }])
    local a_nan, b_nan = a:isnan(), b:isnan()
    local equal = a:eq(b) | (a_nan & b_nan)
    assert.is_true((a:lt(b) | (b_nan & a_nan:logical_not()) | (equal & kept)):all():item())
    alike_all(on_one_thread(function() return (x:sort(1, descending)) end)[{ { 1, 3000 } }], sorted[{ { 1, 3000 } }])
  end

  for _, dtype in ipairs { "float32", "float64", "int64" } do
    it("is in order, equals as they stood: " .. dtype, function()
      cr.manual_seed(3)
      local x = (cr.randn { n } * 3000):round():to(dtype)
      if dtype ~= "int64" then
        x[{ { 100, 120 } }] = nan
        x[{ { n // 2, n // 2 + 9 } }] = -0.0
        x[7], x[8] = inf, -inf
      end
      check(x, false)
      check(x, true)
    end)
  end

  it("has an odd number of digits, one, or none that differ", function()
    local x = cr.arange(1, n):to "int64"
    x = cr.cat { x, x[{ { 1, 1 } }] }
    check(x % 5 + 1000 * (x % 3), false)
    check(x % 5, true)
    check(x * 0 + 7, false)
    check(x * 0 + 7, true)
    check((x * 0):to "float32" + 2.5, false)
  end)

  it("is one of several", function()
    cr.manual_seed(9)
    local x = cr.randn { 3, n }
    local sorted, at = x:sort(2)
    for row = 1, 3 do
      local alone, alone_at = x[row]:sort(1)
      assert.is_true(sorted[row]:equal(alone) and at[row]:equal(alone_at))
    end
  end)
end)

describe("the largest of a long row", function()
  local n = 300001

  local function at(x, name) return (x[name](x, x.ndim)):totable() end

  for _, dtype in ipairs { "float32", "float64", "int64", "int16", "bfloat16" } do
    it("is the first of equal ones, wherever they stand: " .. dtype, function()
      cr.manual_seed(5)
      local x = cr.randint(-100, 100, { 3, n }):to(dtype)
      for row, places in ipairs { { 1, 2, n }, { 200000, 200001, 70000 }, { n, n - 1 } } do
        for _, place in ipairs(places) do x[row][place] = 101 end
      end
      assert.same({ 1, 70000, n - 1 }, at(x, "argmax"))
      assert.same({ 1, 70000, n - 1 }, at(-x, "argmin"))
      assert.same({ 1, 70000, n - 1 }, on_one_thread(function() return at(x, "argmax") end))
      local value, place = x[2]:max(1)
      assert.same({ 101, 70000 }, { value:item(), place:item() })
    end)
  end

  it("is the first that is not a number", function()
    local x = cr.arange(1, n + 1):to "float32"
    x[250000], x[131073] = nan, nan
    assert.are.equal(131073, x:argmax():item())
    assert.are.equal(131073, x:argmin():item())
  end)
end)

describe("whether any or all elements are other than zero", function()
  -- By the elements' number, which is another way.
  local function check(x, dims)
    local dtype = x.dtype == "uint8" and "uint8" or "bool"
    local some, none = x:ne(0):to "int64", x:eq(0):to "int64"
    for _, keep in ipairs { false, true } do
      local any, all = x:any(dims, keep), x:all(dims, keep)
      assert.are.equal(dtype, any.dtype)
      assert.are.equal(dtype, all.dtype)
      assert.is_true(any:to("int64"):equal(some:sum(dims, keep):gt(0):to "int64"))
      assert.is_true(all:to("int64"):equal(none:sum(dims, keep):eq(0):to "int64"))
    end
  end

  for _, dtype in ipairs(values.dtypes) do
    it("is found along every dim and in every layout: " .. dtype, function()
      cr.manual_seed(8)
      for _, share in ipairs { 0.002, 0.5, 0.998 } do
        local x = cr.rand({ 37, 300, 21 }):lt(share):to(dtype)
        for _, t in ipairs { x, x:permute(3, 1, 2), x[{ {}, { 2, -1, 3 }, { 3, -1, 2 } }] } do
          check(t)
          for dim = 1, 3 do check(t, dim) end
          check(t, { 1, 2 })
          check(t, { 1, 3 })
        end
      end
    end)

    it("is found at the ends of long rows and columns: " .. dtype, function()
      for _, shape in ipairs { { 200003, 1 }, { 1, 200003 }, { 2, 150001 }, { 150001, 3 }, { 5000, 70 } } do
        local none, every = cr.zeros(shape, { dtype = dtype }), cr.ones(shape, { dtype = dtype })
        none[-1][-1], every[-1][-1] = 1, 0
        for _, t in ipairs { none, every, none:mul(0):to(dtype) } do
          check(t)
          check(t, 1)
          check(t, 2)
        end
      end
    end)
  end

  it("takes NaN for something, and zeros of both signs for nothing", function()
    for _, dtype in ipairs(values.floats) do
      assert.is_false(cr.tensor({ 0.0, -0.0 }, { dtype = dtype }):any():item())
      assert.is_true(cr.tensor({ -0.0, nan }, { dtype = dtype }):any():item())
      assert.is_true(cr.tensor({ nan, nan }, { dtype = dtype }):all():item())
    end
  end)

  it("is true of all and false of any of none", function()
    assert.same({ true, true }, cr.zeros(2, 0):all(2):totable())
    assert.same({ false, false }, cr.zeros(2, 0):any(2):totable())
  end)
end)

describe("arithmetic of halves, in one pass or by way of float32,", function()
  local kinds = { add = "float32", sub = "float32", mul = "float32", div = "float32" }

  -- Numbers of all sizes, and special ones.
  local function numbers(dtype, seed)
    cr.manual_seed(seed)
    local x = (cr.randn { 6000 } * 8):exp() * cr.randn { 6000 }:sign()
    x[{ { 1, 12 } }] = cr.tensor { 0.0, -0.0, inf, -inf, nan, 1, -1, 6e-8, -6e-5, 65504, 1e-40, 3e38 }
    return x:to(dtype)[cr.randperm(6000)]
  end

  for _, dtype in ipairs { "float16", "bfloat16" } do
    for name, wide in pairs(kinds) do
      it(("is rounded once from float32: %s of %s"):format(name, dtype), function()
        local x, y = numbers(dtype, 1), numbers(dtype, 2)
        local function want(a, b) return a:to(wide)[name](a:to(wide), b):to(dtype) end
        alike_all(x[name](x, y), want(x, y:to(wide)))
        for _, number in ipairs { 3, 0.1, -0.5 } do
          local b = cr.tensor({ number }, { dtype = "float32" })
          alike_all(x[name](x, number), want(x, b))
        end
        local rows = x:reshape(20, 300)
        alike_all(rows[name](rows, y[{ { 1, 300 } }]), want(rows, y[{ { 1, 300 } }]:to(wide)))
        alike_all(rows:t()[name](rows:t(), rows:t()), want(rows:t(), rows:t():to(wide)))
        local twin = x:clone()
        alike_all(twin[name .. "_"](twin, y), want(x, y:to(wide)))
      end)
    end
  end
end)

describe("many numbers at equal distances", function()
  it("count from the nearer end", function()
    for _, n in ipairs { 1, 2, 1023, 5000 } do
      local first, last = -3.7, 11.3
      local x = cr.linspace(first, last, n, { dtype = "float64" }):totable()
      local step = n > 1 and (last - first) / (n - 1) or 0
      for i = 0, n - 1 do
        local want = i < (n + 1) // 2 and first + step * i or last - step * (n - 1 - i)
        assert.are.equal(want, x[i + 1])
      end
      assert.is_true(cr.linspace(first, last, n):equal(cr.tensor(x, { dtype = "float32" })))
    end
  end)
end)
