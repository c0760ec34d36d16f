-- sort_spec.lua: the order that sorts promise, in long lines and in any layout.

local cr = require "cresset"
local values = require "spec.support.values"

local floats = { "float64", "float32", "float16", "bfloat16" }
local wholes = { "int64", "int32", "int16", "int8", "uint8", "bool" }

-- True if a may stand before b.
local function in_order(a, b, descending)
  if descending then a, b = b, a end
  return b ~= b or a <= b
end

-- Checks one line against its source: order, positions, and the order of equals.
local function check(source, sorted, positions, descending)
  local seen = {}
  for i = 1, #sorted do
    local at = positions[i]
    assert(not seen[at], "a position stands twice")
    seen[at] = true
    assert(source[at] == sorted[i] or source[at] ~= source[at], "a value that does not stand at its position")
    if i > 1 then
      local a, b = sorted[i - 1], sorted[i]
      assert(in_order(a, b, descending), "out of order")
      local equal = a == b or (a ~= a and b ~= b)
      assert(not equal or positions[i - 1] < at, "equals have changed places")
    end
  end
end

local function numbers(t)
  local list = t:totable()
  for i, v in ipairs(list) do
    if type(v) == "boolean" then list[i] = v and 1 or 0 end
  end
  return list
end

local function sorts(x, descending)
  local sorted, positions = x:sort(1, descending)
  check(numbers(x), numbers(sorted), numbers(positions), descending)
  assert.is_nil(values.tensors_differ(x:argsort(1, descending), positions))
end

describe("a sort", function()
  for _, dtype in ipairs(floats) do
    it("puts long lines in order, equals as they stood, NaN last: " .. dtype, function()
      cr.manual_seed(3)
      local x = (cr.randn { 3000 } * 30):round():to(dtype)
      x[{ { 100, 120 } }] = 0 / 0
      x[7], x[8], x[2000], x[2001] = math.huge, -math.huge, 0.0, -0.0
      for _, descending in ipairs { false, true } do
        sorts(x, descending)
        sorts(x[{ { 1, 40 } }], descending)
      end
    end)
  end

  for _, dtype in ipairs(wholes) do
    it("puts long lines in order, equals as they stood: " .. dtype, function()
      cr.manual_seed(4)
      local x = cr.randint(-300, 300, { 3000 }):to(dtype)
      for _, descending in ipairs { false, true } do
        sorts(x, descending)
        sorts(x[{ { 1, 40 } }], descending)
      end
    end)
  end

  it("keeps the sign of zero and the bits of what it moves", function()
    local sorted = cr.tensor({ 1.0, -0.0, -1.0, 0.0 }, { dtype = "float64" }):sort()
    assert.are.equal(-math.huge, 1 / sorted[2]:item())
    assert.are.equal(math.huge, 1 / sorted[3]:item())
  end)

  it("goes along any dim of any layout, on any number of threads", function()
    cr.manual_seed(5)
    local x = cr.rand { 40, 50, 60 }
    local want = x:sort(2)
    local moved, places = x:permute(3, 1, 2):sort(3)
    assert.is_true(moved:permute(2, 3, 1):equal(want))
    assert.is_true(x:permute(3, 1, 2):gather(3, places):equal(moved))
    local threads = cr.get_num_threads()
    cr.set_num_threads(1)
    local alone = x:sort(2)
    cr.set_num_threads(threads)
    assert.is_true(alone:equal(want))
    assert.is_true(want[{ {}, { 2, -1 } }]:ge(want[{ {}, { 1, -2 } }]):all():item())
  end)

  it("gives the gradient back to the places that elements came from", function()
    local x = cr.tensor({ 3.0, 1.0, 2.0 }, { requires_grad = true })
    local sorted, positions = x:sort()
    assert.is_false(positions.requires_grad)
    ;(sorted * cr.tensor { 1.0, 10.0, 100.0 }):sum():backward()
    assert.same({ 100, 1, 10 }, x.grad:totable())
  end)
end)

describe("the first few of an order", function()
  it("are those of the whole", function()
    cr.manual_seed(6)
    local x = cr.randn { 4, 500 }
    local sorted, places = x:sort(2, true)
    local most, at = x:topk(7)
    assert.is_true(most:equal(sorted[{ {}, { 1, 7 } }]))
    assert.is_true(at:equal(places[{ {}, { 1, 7 } }]))
    local least = x:topk(7, 2, false)
    assert.is_true(x:kthvalue(7):equal(least[{ {}, 7 }]))
  end)

  it("cannot be more than there are", function()
    values.assert_fails(function() cr.zeros(2, 3):topk(4) end, "topk: k must be from 0 to 3, the size of dim 2, got 4")
    values.assert_fails(function() cr.zeros(2, 3):kthvalue(0, 1) end,
      "kthvalue: k must be from 1 to 2, the size of dim 1, got 0")
  end)

  it("keeps the order of equal elements in lines of any length, dtype and layout", function()
    local function compare(x, descending)
      local ordered, positions = x:sort(2, descending)
      local rows, at, sorted = x:totable(), positions:totable(), ordered:totable()
      for r, row in ipairs(rows) do
        for i = 1, #row do
          assert.equal(row[at[r][i]], sorted[r][i])
          local before, here = at[r][i - 1], at[r][i]
          if before then
            local low, high = row[before], row[here]
            if descending then low, high = high, low end
            assert.is_true(low < high or low == high and before < here)
          end
        end
      end
    end
    for _, n in ipairs { 1, 2, 7, 16, 100, 128, 129, 256, 257, 600 } do
      for _, dtype in ipairs { "float32", "float64", "int64", "int32", "uint8" } do
        local x = cr.randint(0, 5, { 9, n }):to(dtype)
        compare(x, false)
        compare(x, true)
        compare(cr.randint(0, 100, { n, 9 }):to(dtype):t(), false)
      end
    end
  end)
end)
