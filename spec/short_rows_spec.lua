-- short_rows_spec.lua: many rows of few elements give what each row gives by itself.

local cr = require "cresset"

local lengths = { 2, 3, 4, 5, 7, 8, 13, 16, 17, 31, 33, 50, 64, 100, 127, 128 }
local ROWS = 45

local dtypes = { "float32", "float64", "int64", "int32", "int8", "float16" }
local is_float = { float32 = true, float64 = true, float16 = true }

-- Numbers with ties and zeros of both signs; one row in five has a NaN, one an infinity.
local function rows_of(n, dtype, plain)
  cr.manual_seed(n)
  if not is_float[dtype] then return cr.randint(-9, 10, { ROWS, n }):to(dtype) end
  local x = cr.randn({ ROWS, n }) * 4
  x = cr.where(x:abs():lt(1), x * 0, x:mul(2):round() / 2)
  for i = 1, plain and 0 or ROWS, 5 do
    x[{ i, i % n + 1 }] = 0 / 0
    if i < ROWS then x[{ i + 1, i % n + 1 }] = (i % 2 * 2 - 1) * math.huge end
  end
  return x:to(dtype)
end

local function each_row(x, f)
  local list = {}
  for i = 1, x.shape[1] do list[i] = f(x[{ { i, i } }]) end
  return cr.cat(list, 1)
end

local tolerance = { float16 = 2e-3, float32 = 2e-6, float64 = 1e-14 }
-- Sums that cancel are compared by the size of what was added up.
local function agree(what, a, b, scale)
  assert.are.equal(b.dtype, a.dtype, what)
  if not is_float[a.dtype] then return assert.is_true(a:equal(b), what) end
  local near = tolerance[a.dtype]
  assert.is_true(a:allclose(b, { rtol = near * 4, atol = near * (scale or 1), equal_nan = true }), what)
end

-- How large what is added up may become.
local scale = { sum = 500, cumsum = 500, mean = 10, prod = 1e-3, cumprod = 1e-3 }

local floats = {
  mean = function(x) return x:mean(2) end,
  norm = function(x) return x:norm(2, 2) end,
  var = function(x) return x:var(2) end,
  logsumexp = function(x) return x:logsumexp(2) end,
  softmax = function(x) return x:softmax(2) end,
  log_softmax = function(x) return x:log_softmax(2) end,
  logcumsumexp = function(x) return x:logcumsumexp(2) end,
}
local all = {
  sum = function(x) return x:sum(2) end,
  prod = function(x) return (is_float[x.dtype] and x:sign() or x):prod(2) end,
  amax = function(x) return x:amax(2) end,
  amin = function(x) return x:amin(2) end,
  any = function(x) return x:any(2) end,
  all = function(x) return x:all(2) end,
  cumsum = function(x) return x:cumsum(2) end,
  cumprod = function(x) return (is_float[x.dtype] and x:sign() or x):cumprod(2) end,
  cummax = function(x) return (x:cummax(2)) end,
  ["positions of cummin"] = function(x) return (select(2, x:cummin(2))) end,
  argmax = function(x) return x:argmax(2) end,
  argmin = function(x) return x:argmin(2) end,
  max = function(x) return (x:max(2)) end,
  ["positions of min"] = function(x) return (select(2, x:min(2))) end,
}

local function check(name, f)
  for _, dtype in ipairs(dtypes) do
    for _, n in ipairs(floats[name] and not is_float[dtype] and {} or lengths) do
      local x = rows_of(n, dtype, scale[name] or name == "var")
      agree(("%s of rows of %d, %s"):format(name, n, dtype), f(x), each_row(x, f), scale[name])
    end
  end
end

describe("Many rows of few elements:", function()
  for name, f in pairs(floats) do it(name .. " is that of each row", function() check(name, f) end) end
  for name, f in pairs(all) do it(name .. " is that of each row", function() check(name, f) end) end

  it("gaps between them change nothing", function()
    for _, n in ipairs(lengths) do
      local wide = cr.randn(ROWS, n + 5)
      local x = wide[{ {}, { 3, n + 2 } }]
      for name, f in pairs(all) do
        local same = f(x):eq(f(x:contiguous())):all():item()
        assert.is_true(same, ("%s of rows of %d"):format(name, n))
      end
    end
  end)

  it("reversed sums start at the end", function()
    for _, n in ipairs(lengths) do
      local x = cr.randint(-9, 10, { ROWS, n }):to("float64"):requires_grad_()
      local weight = cr.randint(-9, 10, { ROWS, n }):to("float64")
      x:cumsum(2):backward(weight)
      assert.is_true(x.grad:equal(weight:flip(2):cumsum(2):flip(2)), "rows of " .. n)
    end
  end)

  for _, name in ipairs { "softmax", "log_softmax" } do
    it("the gradient of " .. name .. " is that of each row", function()
      for _, dtype in ipairs { "float32", "float64" } do
        for _, n in ipairs(lengths) do
          cr.manual_seed(n)
          local x, g = cr.randn({ ROWS, n }, { dtype = dtype }) * 4, cr.randn({ ROWS, n }, { dtype = dtype })
          local function gradient(of, weight)
            local leaf = of:clone():requires_grad_()
            leaf[name](leaf, 2):backward(weight)
            return leaf.grad
          end
          local parts = {}
          for i = 1, ROWS do parts[i] = gradient(x[{ { i, i } }], g[{ { i, i } }]) end
          agree(("%s of rows of %d, %s"):format(name, n, dtype), gradient(x, g), cr.cat(parts, 1), 8)
          local columns = gradient(x:t():contiguous():t(), g)
          agree(("%s of columns of %d, %s"):format(name, n, dtype), columns, cr.cat(parts, 1), 8)
        end
      end
    end)
  end

  it("sums of squares that leave the range of float32 are right", function()
    local x = cr.ones(ROWS, 31)
    x[{ 7 }] = 1e30
    x[{ 8 }] = 1e-30
    x[{ 9 }] = 0
    local norm = x:norm(2, 2)
    local root = math.sqrt(31)
    assert.is_true(math.abs(norm[{ 7 }]:item() / 1e30 / root - 1) < 1e-6)
    assert.is_true(math.abs(norm[{ 8 }]:item() / 1e-30 / root - 1) < 1e-6)
    assert.are.equal(0, norm[{ 9 }]:item())
    assert.is_true(math.abs(norm[{ 10 }]:item() / root - 1) < 1e-6)
  end)

  it("few columns of many rows have the softmax of each column", function()
    for _, w in ipairs { 1, 2, 3, 5, 16, 33 } do
      local x = cr.randn(1000, w)
      for _, name in ipairs { "softmax", "log_softmax" } do
        local columns = x:t():contiguous()
        agree(("%s of %d columns"):format(name, w), x[name](x, 1), each_row(columns, function(row)
          return row[name](row, 2)
        end):t():contiguous(), 8)
      end
    end
  end)
end)
