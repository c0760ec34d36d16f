-- broadcast_spec.lua: elementwise operations on operands that repeat, or whose rows lie apart, give what they give
-- on copies of their full shape.

local cr = require "cresset"

local function same(f, shape, ...)
  local full = {}
  for i, x in ipairs { ... } do full[i] = x:expand(shape):clone() end
  return f(...):equal(f(table.unpack(full)))
end

describe("an elementwise operation", function()
  -- Rows short and long, whole blocks and not, and one so long that it is shared out.
  for _, n in ipairs { 1, 5, 64, 101, 256, 300, 517, 769, 1000, 1024, 9001 } do
    it("broadcasts rows and columns to rows of " .. n, function()
      for _, dtype in ipairs { "float32", "float64", "int64", "uint8", "float16" } do
        local function t(...) return cr.randint(1, 9, { ... }):to(dtype) end
        local add, sub = function(x, y) return x + y end, function(x, y) return x - y end
        assert.is_true(same(sub, { 7, n }, t(7, n), t(7, 1)))
        assert.is_true(same(sub, { 7, n }, t(7, 1), t(1, n)))
        assert.is_true(same(add, { 7, n }, t(n), t(7, n)))
        assert.is_true(same(sub, { 3, 4, n }, t(3, 1, n), t(4, n)))
        assert.is_true(same(sub, { 3, 4, n }, t(3, 1, 1), t(3, 4, n)))
        assert.is_true(same(add, { 3, n }, t(3, n + 5):narrow(2, 4, n), t(3, n)))
        assert.is_true(same(cr.where, { 3, n }, t(3, n):gt(4), t(3, 1), t(n)))
        assert.is_true(same(function(x, y) return x:gt(y) end, { 3, n }, t(3, n), t(3, 1)))
      end
    end)

    it("broadcasts into itself and into given rows of " .. n, function()
      local x, y = cr.rand(5, n), cr.rand(5, 1)
      local want = x - y
      local rows = cr.zeros(5, n + 9)
      cr.sub(x, y, { out = rows:narrow(2, 3, n) })
      assert.is_true(rows:narrow(2, 3, n):equal(want))
      assert.equal(0, rows:narrow(2, n + 3, 7):abs():sum():item())
      assert.is_true(x:sub_(y):equal(want))
      assert.is_true(rows:narrow(2, 1, n):copy_(want):add_(y):equal(want + y))
    end)
  end
end)
