-- fits_spec.lua: numbers that a dtype cannot hold: compared and calculated with by value, cut where they are
-- bounds, refused where they would be stored. Nothing is wrapped but results of integers.
--
-- What is expected is worked out with Lua's own 64-bit integers, whose comparisons with floats are exact.

local cr = require "cresset"
local samples = require "spec.support.samples"
local values = require "spec.support.values"

local device = values.device
local inf, nan, MAX, MIN = math.huge, 0 / 0, math.maxinteger, math.mininteger
local range = {
  int64 = { MIN, MAX }, int32 = { -1 << 31, (1 << 31) - 1 }, int16 = { -32768, 32767 }, int8 = { -128, 127 },
  uint8 = { 0, 255 },
}
local narrow = { "int32", "int16", "int8", "uint8" }

local function low(d) return range[d][1] end
local function high(d) return range[d][2] end
local function holds(d, n) return n >= low(d) and n <= high(d) end

-- n as an integer of dtype d has it.
local function wrap(n, d)
  if d == "int64" then return n end
  local bits = d == "int32" and 32 or d == "int16" and 16 or 8
  n = n & (1 << bits) - 1
  return low(d) < 0 and n > high(d) and n - (1 << bits) or n
end

local function tensor(list, d) return cr.tensor(list, { dtype = d, device = device }) end

-- The same elements in a contiguous tensor, in one with gaps, and each in a tensor without dims.
local function layouts(list, d)
  local wide = {}
  for i, v in ipairs(list) do wide[2 * i - 1], wide[2 * i] = v, v end
  return { tensor(list, d), tensor(wide, d):reshape(#list, 2):select(2, 1) }
end

-- Elements of d: its ends, what lies beside them, and small ones.
local function elements(d)
  if d == "uint8" then return { 0, 1, 2, 5, 7, 44, 100, 200, 254, 255 } end
  return { low(d), low(d) + 1, -100, -7, -1, 0, 1, 5, 44, 100, high(d) - 1, high(d) }
end

-- Numbers beyond d, and two within it.
local function beyond(d)
  local list = { 3, 44, MAX, MIN, 1 << 40, -(1 << 40) }
  if d ~= "int64" then
    local reach = high(d) - low(d) + 1
    for _, n in ipairs { low(d) - 1, high(d) + 1, 2 * high(d) + 46, low(d) - 300, 3 + reach, -reach, 255, -1 } do
      list[#list + 1] = n
    end
  end
  return list
end

local function same(want, got, what)
  local list = got:dim() == 0 and { got:item() } or got:totable()
  for i = 1, #want do
    if want[i] ~= list[i] then
      error(("%s: element %d is %s, not %s"):format(what, i, list[i], want[i]), 2)
    end
  end
end

-- ---- Elementwise operations: what each makes of x and a number ----------------------------------------

local function power(x, y)
  local r = 1
  while y > 0 do
    if y & 1 == 1 then r = r * x end
    x, y = x * x, y >> 1
  end
  return r
end

local function truth(n) return n ~= 0 end

-- Results wrap into the dtype of x.
local arithmetic = {
  add = function(x, y) return x + y end,
  sub = function(x, y) return x - y end,
  rsub = function(x, y) return y - x end,
  mul = function(x, y) return x * y end,
  bitwise_and = function(x, y) return x & y end,
  bitwise_or = function(x, y) return x | y end,
  bitwise_xor = function(x, y) return x ~ y end,
  pow = function(x, y) return y >= 0 and power(x, y) or nil end,
  bitwise_left_shift = function(x, y) return y < 0 and 0 or x << y end,
  bitwise_right_shift = function(x, y)
    if y < 0 or y > 63 then return x < 0 and -1 or 0 end
    return x // (1 << y)
  end,
}
local comparisons = {
  eq = function(x, y) return x == y end, ne = function(x, y) return x ~= y end,
  lt = function(x, y) return x < y end, le = function(x, y) return x <= y end,
  gt = function(x, y) return x > y end, ge = function(x, y) return x >= y end,
  logical_and = function(x, y) return truth(x) and truth(y) end,
  logical_or = function(x, y) return truth(x) or truth(y) end,
  logical_xor = function(x, y) return truth(x) ~= truth(y) end,
}
-- The exact answer, or an error.
local quotients = {
  floor_divide = function(x, y) return x // y end,
  remainder = function(x, y) return x % y end,
  fmod = function(x, y) return math.fmod(x, y) end,
}
local extremes = { maximum = math.max, fmax = math.max, minimum = math.min, fmin = math.min }
-- Those whose numbers bound or are stored have descriptions of their own below; of the rest nothing that
-- a script passes can be beyond an integer dtype.
local elsewhere = {
  add_scaled = true, sub_scaled = true, addcmul = true, clamp_min = true, clamp_max = true, clamp_both = true,
  where = true, masked_fill = true, threshold = true, hardtanh = true, replace_nonfinite = true, is_near = true,
  div_trunc = true,
}

-- Calls check(d, x, list, n) for every integer dtype, layout and number.
local function each(check)
  for _, d in ipairs(values.integers) do
    local list = elements(d)
    for _, n in ipairs(beyond(d)) do
      for _, x in ipairs(layouts(list, d)) do check(d, x, list, n) end
    end
  end
end

-- f over the list with n on its right or (swapped) left; nil if one answer is nil.
local function map(f, list, n, swapped)
  local want = {}
  for i, v in ipairs(list) do
    if swapped then want[i] = f(n, v) else want[i] = f(v, n) end
    if want[i] == nil then return nil end
  end
  return want
end

describe("a number beyond an integer dtype", function()
  it("has its place in this file for every elementwise operation that takes one", function()
    local missing = {}
    for _, e in ipairs(samples.catalogue().entries) do
      local takes = false
      for _, p in ipairs(e.params) do takes = takes or p.type == "operand" or p.type == "scalar" end
      local integers = not e.promote or e.promote ~= "float"
      if e.pointwise and takes and integers and (e.dtypes or "float int"):find "int" then
        local n = e.name
        local known = arithmetic[n] or comparisons[n] or quotients[n] or extremes[n] or elsewhere[n]
        if not known then missing[#missing + 1] = n end
      end
    end
    assert.same({}, missing)
  end)

  for name, f in pairs(comparisons) do
    it("is compared by value: " .. name, function()
      each(function(d, x, list, n)
        same(map(f, list, n), cr[name](x, n), ("%s %s %d"):format(d, name, n))
        same(map(f, list, n, true), cr[name](n, x), ("%d %s %s"):format(n, name, d))
      end)
    end)
  end

  for name, f in pairs(arithmetic) do
    it("counts by its value, and the result wraps: " .. name, function()
      each(function(d, x, list, n)
        local want = map(f, list, n)
        if not want then return end
        for i, v in ipairs(want) do want[i] = wrap(v, d) end
        same(want, cr[name](x, n), ("%s %s %d"):format(d, name, n))
        if name == "rsub" then return end
        local y = x:clone()
        y[name .. "_"](y, n)
        same(want, y, ("%s %s_ %d"):format(d, name, n))
        same(want, cr.foreach[name]({ x }, n)[1], ("foreach %s %s %d"):format(d, name, n))
      end)
    end)
  end

  for name, f in pairs(quotients) do
    it("gives the exact answer or an error: " .. name, function()
      each(function(d, x, list, n)
        local ok, y = pcall(cr[name], x, n)
        local want = map(f, list, n)
        for i, v in ipairs(want) do want[i] = n == -1 and wrap(v, d) or v end -- the least one has no negative
        if ok then same(want, y, ("%s %s %d"):format(d, name, n)) end
        local reach = name == "fmod" or (name == "floor_divide" and (d ~= "uint8" or n > 0)) or holds(d, n)
          or (name == "remainder" and d == "uint8" and n > 0)
        assert.equal(reach, ok, ("%s %s %d"):format(d, name, n))
      end)
      for _, d in ipairs(narrow) do
        for _, n in ipairs(beyond(d)) do
          local divisors = { 1, 3, high(d) }
          local ok, y = pcall(cr[name], n, tensor(divisors, d))
          if ok then same(map(f, divisors, n, true), y, ("%d %s %s"):format(n, name, d)) end
        end
      end
    end)
  end

  for name, f in pairs(extremes) do
    it("is refused where it would win: " .. name, function()
      each(function(d, x, list, n)
        local ok, y = pcall(cr[name], x, n)
        local wins = not holds(d, n) and f(n, 0) == n
        assert.equal(not wins, ok, ("%s %s %d"):format(d, name, n))
        if ok then same(map(f, list, n), y, ("%s %s %d"):format(d, name, n)) end
      end)
    end)
  end

  it("scales by its value", function()
    for _, d in ipairs(narrow) do
      local x, n = tensor({ 1, 2, 5 }, d), 2 * high(d) + 46
      same({ wrap(1 + n, d), wrap(2 + 2 * n, d), wrap(5 + 5 * n, d) }, x:add(x, n), d)
      same({ wrap(1 - n, d), wrap(2 - 2 * n, d), wrap(5 - 5 * n, d) }, x:sub(x, n), d)
      same({ wrap(1 + n, d), wrap(2 + 4 * n, d), wrap(5 + 25 * n, d) }, x:addcmul(x, x, n), d)
    end
  end)

  it("bounds as far as the dtype goes", function()
    each(function(d, x, list, n)
      local function bound(v) return math.min(math.max(v, low(d)), high(d)) end
      same(map(function(v, b) return math.max(v, bound(b)) end, list, n), x:clamp(n), d)
      same(map(function(v, b) return math.min(v, bound(b)) end, list, n), x:clamp(nil, n), d)
      same(map(function(v, b) return math.max(v, bound(b)) end, list, n), x:clone():clamp_min_(n), d)
      if n >= 0 then
        local within = map(function(v, b) return math.min(math.max(v, bound(-b)), bound(b)) end, list, n)
        same(within, x:clamp(-n, n), d)
        same(within, x:hardtanh(-n, n), d)
      end
    end)
  end)

  it("is refused as the value of threshold, and compared by value as the threshold", function()
    for _, d in ipairs(narrow) do
      local x = tensor({ 1, 2, 5 }, d)
      assert.error_matches(function() x:threshold(2, high(d) + 1) end, "does not fit " .. d, nil, true)
      same({ 7, 7, 7 }, x:threshold(high(d) + 300, 7), d)
      same({ 1, 2, 5 }, x:threshold(low(d) - 300, 7), d)
    end
    same({ 7, 1 }, tensor({ -2, 1 }, "int8"):threshold(-1.5, 7), "a fraction")
    same({ -1 }, tensor({ -1 }, "int8"):threshold(-1.5, 7), "a fraction")
  end)

  it("counts the same in a tensor without dims", function()
    for _, d in ipairs(narrow) do
      local x, n = tensor({ 1, 2, 5 }, d), 2 * high(d) + 46
      local number = tensor(n, "int64")
      assert.equal(d, (x + number).dtype)
      same({ wrap(1 + n, d), wrap(2 + n, d), wrap(5 + n, d) }, x + number, d)
      same({ true, true, true }, x:lt(number), d)
      same({ false, false, false }, x:eq(tensor(low(d) - 1, "int64")), d)
      same({ 1, 2, 5 }, x:clamp(tensor(low(d) - 5, "int64"), number), d)
      same({ 1, 2, 5 }, x:fmod(number), d)
      assert.is_false(pcall(cr.where, x:gt(1), x, number))
      assert.is_false(pcall(cr.maximum, x, number))
    end
  end)
end)

describe("a float beside integers", function()
  local floats = { 0.5, -0.5, 2.5, -2.5, 5.0, 0.0, 254.5, 1e10, -1e10, 0x1p53, 0x1p63, -0x1p63, 1e30, -1e30, inf, -inf,
    nan }

  for name, f in pairs(comparisons) do
    it("is compared by value: " .. name, function()
      for _, d in ipairs(values.integers) do
        local list = elements(d)
        if d == "int64" then
          for _, n in ipairs { (1 << 53) + 1, (1 << 53) - 1, 1 << 53 } do list[#list + 1] = n end
        end
        for _, n in ipairs(floats) do
          for _, x in ipairs(layouts(list, d)) do
            same(map(f, list, n), cr[name](x, n), ("%s %s %g"):format(d, name, n))
            same(map(f, list, n, true), cr[name](n, x), ("%g %s %s"):format(n, name, d))
          end
        end
      end
    end)
  end

  it("is compared by value with bools", function()
    local x = tensor({ true, false }, "bool")
    same({ false, false }, x:eq(1.00000001), "eq")
    same({ true, true }, x:lt(1.00000001), "lt")
    same({ false, true }, x:eq(0.0), "eq 0")
    same({ true, false }, x:gt(-1):logical_and(x:gt(0.5)), "gt")
  end)

  it("finds its place among them by value", function()
    local x = tensor({ 1, 2, 2, 5 }, "uint8")
    local function at(v, right) return x:searchsorted(v, right):item() end
    assert.same({ 2, 4, 4, 5, 1, 5 }, { at(1.5), at(2.5), at(3), at(300), at(-1), at(inf) })
    assert.same({ 2, 4, 4, 5, 1 }, { at(1.5, true), at(2, true), at(2.5, true), at(300, true), at(-1, true) })
    assert.equal(5, at(nan))
  end)
end)

describe("a float that a float dtype cannot hold", function()
  it("is compared by value", function()
    local x = tensor({ inf, 3e38, -inf }, "float32")
    same({ false, true, true }, x:lt(1e300), "lt")
    same({ false, true, true }, x:le(1e300), "le")
    same({ false, false, false }, x:eq(1e300), "eq")
    same({ true, true, false }, x:ge(-1e300), "ge")
    same({ false }, tensor({ inf }, "float16"):eq(1e6), "float16")
  end)

  it("is refused where it is stored, and infinity is not", function()
    for d, n in pairs { float32 = 1e39, float16 = 65536, bfloat16 = 1e39 } do
      local x = tensor({ 1, 2 }, d)
      local function refuses(f) assert.error_matches(f, "does not fit " .. d, nil, true) end
      refuses(function() x:fill_(n) end)
      refuses(function() cr.full({ 1 }, -n, { dtype = d, device = device }) end)
      refuses(function() x:masked_fill(x:gt(1), n) end)
      same({ 1, inf }, x:masked_fill(x:gt(1), inf), d)
      same({ inf, inf }, x:fill_(inf), d)
    end
    same({ 65504 }, cr.full({ 1 }, 65519, { dtype = "float16", device = device }), "rounded down")
  end)
end)

-- ---- Writes --------------------------------------------------------------------------------------------

-- Each writes n into a tensor of d and gives a result that has it; x is what must stay as it was.
local writes = {
  ["full"] = function(_, n, d) return cr.full({ 2 }, n, { dtype = d, device = device }) end,
  ["full of nothing"] = function(_, n, d) return cr.full({ 0 }, n, { dtype = d, device = device }) end,
  ["full_like"] = function(x, n) return cr.full_like(x, n) end,
  ["full_like of another dtype"] = function(_, n, d)
    return cr.full_like(tensor({ 1 }, "float32"), n, { dtype = d })
  end,
  ["new_full"] = function(x, n) return x:new_full({ 2 }, n) end,
  ["tensor"] = function(_, n, d) return cr.tensor({ n, 1 }, { dtype = d, device = device }) end,
  ["fill_"] = function(x, n) return x:fill_(n) end,
  ["fill_ by a tensor"] = function(x, n)
    return x:fill_(tensor(n, math.type(n) == "integer" and "int64" or "float64"))
  end,
  ["x[i] ="] = function(x, n) x[1] = n return x end,
  ["x[range] ="] = function(x, n) x[{ { 1, 2 } }] = n return x end,
  ["x[mask] ="] = function(x, n) x[x:gt(1)] = n return x end,
  ["x[positions] ="] = function(x, n) x[tensor({ 1 }, "int64")] = n return x end,
  ["x[range] = a table"] = function(x, n) x[{ { 1, 2 } }] = { n, 1 } return x end,
  ["x[mask] = a table"] = function(x, n) x[x:lt(2)] = { n } return x end,
  ["copy_ of a table"] = function(x, n) return x:copy_ { n, 1, 2 } end,
  ["masked_fill"] = function(x, n) return x:masked_fill(x:gt(1), n) end,
  ["masked_fill_"] = function(x, n) return x:masked_fill_(x:gt(1), n) end,
  ["masked_fill by a tensor"] = function(x, n)
    return x:masked_fill(x:gt(1), tensor(n, math.type(n) == "integer" and "int64" or "float64"))
  end,
  ["index_fill"] = function(x, n) return x:index_fill(1, tensor({ 1 }, "int64"), n) end,
  ["index_fill_"] = function(x, n) return x:index_fill_(1, tensor({ 1 }, "int64"), n) end,
  ["index_fill by a tensor"] = function(x, n)
    return x:index_fill(1, tensor({ 1 }, "int64"), tensor(n, math.type(n) == "integer" and "int64" or "float64"))
  end,
  ["scatter"] = function(x, n) return x:scatter(1, tensor({ 1 }, "int64"), n) end,
  ["scatter_"] = function(x, n) return x:scatter_(1, tensor({ 1 }, "int64"), n) end,
  ["pad"] = function(x, n) return x:pad({ 1, 0 }, "constant", n) end,
  ["foreach.fill_"] = function(x, n) cr.foreach.fill_({ x }, n) return x end,
}
-- Where beside integers only an integer is stored: a float makes the result a float.
local whole = {
  ["where"] = function(x, n) return cr.where(x:gt(1), x, n) end,
  ["arange"] = function(_, n, d) return cr.arange(n - 1, n + 1, { dtype = d, device = device }) end,
  ["linspace"] = function(_, n, d) return cr.linspace(n, n, 2, { dtype = d, device = device }) end,
  ["randint"] = function(_, n, d) return cr.randint(n, n + 1, { 2 }, { dtype = d, device = device }) end,
  ["random_"] = function(x, n) return x:random_(n, n + 1) end,
}

describe("a number that is written must fit:", function()
  local function refused(name, f, d, n)
    local x = tensor({ 1, 2, 3 }, d)
    local ok, message = pcall(f, x, n, d)
    assert.is_false(ok, ("%s of %s into %s"):format(name, n, d))
    assert.is_truthy(message:find(d, 1, true), message)
    assert.same({ 1, 2, 3 }, x:totable())
    assert.equal(0, x._version)
  end

  local function accepted(name, f, d, n)
    local y = f(tensor({ 1, 2, 3 }, d), n, d)
    assert.equal(d, y.dtype)
    if y:numel() == 0 then return end
    assert.is_true(y:eq(n):any():item(), ("%s of %s into %s"):format(name, n, d))
  end

  for name, f in pairs(writes) do
    it(name, function()
      for _, d in ipairs(values.integers) do
        accepted(name, f, d, low(d))
        accepted(name, f, d, high(d))
        for _, n in ipairs { nan, inf, -inf, 1e30, -1e30, 0x1p63 } do refused(name, f, d, n) end
        if d ~= "int64" then
          for _, n in ipairs { low(d) - 1, high(d) + 1, MAX, MIN, high(d) + 1.0, low(d) - 1.0 } do
            refused(name, f, d, n)
          end
        end
      end
    end)
  end

  for name, f in pairs(whole) do
    it(name, function()
      for _, d in ipairs(narrow) do
        accepted(name, f, d, low(d) + (name == "arange" and 1 or 0))
        accepted(name, f, d, high(d))
        for _, n in ipairs { low(d) - 1, high(d) + 1, 1 << 40, -(1 << 40) } do refused(name, f, d, n) end
      end
    end)
  end

  it("the ends of ranges", function()
    local function refuses(f) assert.error_matches(f, "does not fit", nil, true) end
    refuses(function() cr.arange(0, 300, { dtype = "uint8" }) end)
    refuses(function() cr.arange(-1, 5, { dtype = "uint8" }) end)
    refuses(function() cr.arange(0.0, 1e6, 1e5, { dtype = "float16" }) end)
    refuses(function() cr.linspace(0, 256, 4, { dtype = "uint8" }) end)
    refuses(function() cr.logspace(0, 3, 4, { dtype = "uint8" }) end)
    assert.equal(255, cr.arange(0, 256, { dtype = "uint8" })[256]:item())
    assert.equal(255, cr.linspace(0, 255, 4, { dtype = "uint8" })[4]:item())
    assert.equal(100, cr.logspace(0, 2, 3, { dtype = "uint8" })[3]:item())
    assert.equal(0, cr.arange(300, 300, { dtype = "uint8" }):numel())
  end)

  it("a fraction is cut off, and bool takes every number", function()
    same({ 2, 2 }, cr.full({ 2 }, 2.75, { dtype = "uint8", device = device }), "full")
    same({ 255 }, cr.full({ 1 }, 255.75, { dtype = "uint8", device = device }), "full")
    same({ true }, cr.full({ 1 }, 300, { dtype = "bool", device = device }), "bool")
    same({ true }, cr.full({ 1 }, nan, { dtype = "bool", device = device }), "bool")
  end)
end)

-- ---- 64 bits ---------------------------------------------------------------------------------------------

describe("64-bit integers", function()
  local B = (1 << 53) + 1

  it("are close only if they are", function()
    local function close(a, b, rtol, atol)
      return tensor({ a }, "int64"):isclose(tensor({ b }, "int64"), { rtol = rtol, atol = atol })[1]:item()
    end
    assert.is_false(close(B, B - 1, 0, 0))
    assert.is_true(close(B, B - 1, 0, 1))
    assert.is_false(close(B + 1, B - 1, 0, 1))
    assert.is_false(close(B + 1, B - 1, 0, 1.9))
    assert.is_true(close(MIN, MAX, 0, 0x1p64))
    assert.is_false(close(MIN, MAX, 0, 0x1p63))
    assert.is_true(close(MIN, MAX, 3, 0))
    assert.is_true(close(MAX, MIN, inf, 0))
    assert.is_false(close(MAX, 0, inf, 0))
    assert.is_false(close(MIN, MAX, 1, 0))
    assert.is_true(close(100, 101, 0.01, 0))
    assert.is_false(close(100, 102, 0.01, 0))
    assert.is_true(tensor({ 255 }, "uint8"):isclose(tensor({ 0 }, "uint8"), { rtol = 0, atol = 255 })[1]:item())
    assert.is_false(tensor({ 127 }, "int8"):isclose(tensor({ -128 }, "int8"), { rtol = 0, atol = 254 })[1]:item())
    assert.is_true(tensor({ true }, "bool"):isclose(tensor({ false }, "bool"), { rtol = 0, atol = 1 })[1]:item())
  end)

  it("lie at exact distances", function()
    local function line(a, b, n) return cr.linspace(a, b, n, { dtype = "int64", device = device }):totable() end
    assert.same({ B, B + 1, B + 2, B + 3, B + 4 }, line(B, B + 4, 5))
    assert.same({ MIN, -(1 << 62), 0, (1 << 62) - 1, MAX }, line(MIN, MAX, 5))
    assert.same({ MAX, MIN }, line(MAX, MIN, 2))
    assert.same({ 0, -2, -5 }, line(0, -5, 3))
    assert.same({ -5, -2, 0 }, line(-5, 0, 3))
    assert.same({ 3, 0, -3 }, line(3, -3, 3))
    assert.same({ -3, -1, 0, 1, 3 }, line(-3, 3, 5)) -- -1.5 and 1.5, rounded towards 0
    assert.same({ 7 }, line(7, 9, 1))
  end)

  it("are drawn from all of their range", function()
    local x = cr.zeros({ 4000 }, { dtype = "int64", device = device })
    local odd, negative, far = 0, 0, 0
    for _, v in ipairs(x:random_(MIN, MAX):totable()) do
      odd, negative = odd + (v & 1), negative + (v < 0 and 1 or 0)
      far = far + (math.abs(v) > 1 << 62 and 1 or 0)
    end
    for _, n in ipairs { odd, negative, far } do assert.is_true(n > 1800 and n < 2200) end
    odd = 0
    for _, v in ipairs(x:random_():totable()) do
      odd = odd + (v & 1)
      assert.is_true(v >= 0)
    end
    assert.is_true(odd > 1800 and odd < 2200)
  end)
end)

describe("nonsense", function()
  it("is refused: differences with bools", function()
    local x, b = tensor({ 1.5 }, "float32"), tensor({ true }, "bool")
    for _, pair in ipairs { { x, b }, { b, x }, { b, b }, { b, 1 }, { x, true }, { true, x }, { 1, b } } do
      for _, f in ipairs { cr.sub, cr.rsub } do
        assert.error_matches(function() f(pair[1], pair[2]) end, "bool tensors cannot be subtracted", nil, true)
      end
    end
    assert.error_matches(function() x:sub(b, 2) end, "bool tensors cannot be subtracted", nil, true)
    assert.error_matches(function() x:sub_(b) end, "bool tensors cannot be subtracted", nil, true)
  end)

  it("is refused: hardtanh with min above max, tolerances below 0, a value with dims", function()
    local x = tensor({ 1.5 }, "float32")
    assert.error_matches(function() x:hardtanh(0.5, -0.5) end, "min_val must not be above max_val", nil, true)
    assert.error_matches(function() x:hardtanh_(0.5, -0.5) end, "min_val must not be above max_val", nil, true)
    assert.equal(0.5, x:hardtanh(0.5, 0.5)[1]:item())
    assert.error_matches(function() x:isclose(x, { rtol = -1 }) end, "rtol must not be negative", nil, true)
    assert.error_matches(function() x:isclose(x, { atol = -1 }) end, "atol must not be negative", nil, true)
    assert.error_matches(function() x:masked_fill(x:gt(0), x) end, "a number or a 0-dim tensor", nil, true)
  end)
end)
