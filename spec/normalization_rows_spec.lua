-- normalization_rows_spec.lua: normalizations of rows of every length and place are those that float64 gives.

local cr = require "cresset"

-- f's result and its gradients by x and two scales, of a dtype.
local function run(f, dtype, x, w, b, g)
  local leaves = {}
  for i, t in ipairs { x, w, b } do leaves[i] = t:to(dtype):detach():clone():requires_grad_() end
  local y = f(leaves[1], leaves[2], leaves[3])
  y:backward(g:to(dtype))
  return { y:detach(), leaves[1].grad, leaves[2].grad, leaves[3].grad }
end

local names = { "result", "gradient of the input", "gradient of the weight", "gradient of the bias" }
local tolerance = { float32 = 2e-6, float16 = 4e-3, bfloat16 = 3e-2 }

-- That of x (rounded to the dtype first) f gives what it gives in float64.
local function agrees(what, f, dtype, x, channels)
  local function round(t) return t:to(dtype):double() end
  x = round(x)
  local w, b, g = round(cr.rand(channels) + 0.5), round(cr.rand(channels)), round(cr.randn(x.shape))
  local got, wanted = run(f, dtype, x, w, b, g), run(f, "float64", x, w, b, g)
  for i = 1, 4 do
    local off = (got[i]:double() - wanted[i]):abs():max():item()
    local size = math.max(wanted[i]:abs():max():item(), 1)
    local text = ("%s, %s, %s: off by %g of %g"):format(what, dtype, names[i], off, size)
    assert.is_true(off <= tolerance[dtype] * size, text)
  end
end

local function layer(n) return function(x, w, b) return cr.layer_norm(x, { n }, w, b) end end
local function rms(n) return function(x, w, b) return cr.rms_norm(x, { n }, w, 0.25) + b:sum() * 0 end end
local function batch(x, w, b) return cr.batch_norm(x, nil, nil, w, b, true) end
local function instance(x, w, b) return cr.instance_norm(x, nil, nil, w, b) end
local function group(groups) return function(x, w, b) return cr.group_norm(x, groups, w, b) end end

describe("in float32 and 16 bits, and of every shape, what float64 gives is what comes of", function()
  before_each(function() cr.manual_seed(3) end)

  it("layer_norm and rms_norm", function()
    for _, n in ipairs { 1, 2, 7, 8, 15, 16, 17, 31, 33, 64, 100, 511, 1025, 4097, 9000 } do
      for _, rows in ipairs { 1, 3, 6, 37 } do
        if rows * n <= 40000 then
          local what = ("%d rows of %d"):format(rows, n)
          agrees("layer_norm, " .. what, layer(n), "float32", cr.randn(rows, n) * 2 + 3, { n })
          agrees("rms_norm, " .. what, rms(n), "float32", cr.randn(rows, n), { n })
          if n % 3 ~= 1 then agrees("layer_norm, " .. what, layer(n), "bfloat16", cr.randn(rows, n), { n }) end
        end
      end
    end
  end)

  it("batch_norm", function()
    for _, shape in ipairs { { 5, 1 }, { 37, 5 }, { 100, 33 }, { 70, 600 }, { 5, 3, 2 }, { 40, 6, 3, 5 },
      { 9, 40, 4, 4 }, { 3, 5, 7, 7 }, { 2, 3, 70, 70 }, { 33, 2, 1 } } do
      for _, dtype in ipairs { "float32", "float16" } do
        agrees("batch_norm of " .. table.concat(shape, "x"), batch, dtype, cr.randn(shape) + 1, { shape[2] })
      end
    end
  end)

  it("group_norm and instance_norm", function()
    for _, shape in ipairs { { 5, 12 }, { 3, 12, 2 }, { 2, 12, 5, 3 }, { 4, 36, 7, 7 }, { 2, 6, 50, 50 },
      { 1, 72, 4, 4 } } do
      local what = table.concat(shape, "x")
      for _, groups in ipairs { 1, 2, 6 } do
        for _, dtype in ipairs { "float32", "bfloat16" } do
          local x = cr.randn(shape) - 2
          agrees(("group_norm of %s in %d"):format(what, groups), group(groups), dtype, x, { shape[2] })
        end
      end
      if #shape > 2 then agrees("instance_norm of " .. what, instance, "float32", cr.randn(shape), { shape[2] }) end
    end
  end)
end)

describe("a row's standard", function()
  local function off(x)
    local y = cr.layer_norm(x, { x.shape[2] }, nil, nil, 0.0):double()
    return (y - cr.layer_norm(x:double(), { x.shape[2] }, nil, nil, 0.0)):abs():max():item()
  end

  before_each(function() cr.manual_seed(4) end)

  it("is as good where the first elements say nothing of the others", function()
    local x = cr.randn(5, 3000)
    x[{ {}, { 1, 100 } }] = x[{ {}, { 1, 100 } }] * 1e-3 + 1e4
    assert.is_true(off(x) < 1e-5)
    x = cr.randn(5, 3000):sort()
    assert.is_true(off(x) < 1e-6)
    x = cr.randn(5, 3000) * 1e-3 + 0.1
    x[{ {}, 1 }] = 1000
    assert.is_true(off(x) < 1e-5)
    local columns = cr.randn(500, 20)
    columns[{ { 1, 40 } }] = 1e4
    local y = cr.batch_norm(columns, nil, nil, nil, nil, true, 0.1, 0.0):double()
    local wanted = cr.batch_norm(columns:double(), nil, nil, nil, nil, true, 0.1, 0.0)
    assert.is_true((y - wanted):abs():max():item() < 1e-5)
  end)

  it("of equal elements gives 0", function()
    for _, n in ipairs { 3, 16, 65, 1000, 5000 } do
      local x = cr.full({ 3, n }, 0.1)
      assert.equal(0, cr.layer_norm(x, { n }):abs():max():item())
      assert.equal(0, cr.batch_norm(x:t():contiguous(), nil, nil, nil, nil, true):abs():max():item())
    end
  end)

  it("is that of numbers as large or small as their dtype has", function()
    for _, scale in ipairs { 1e30, 1e-30, 3e37 } do
      for _, n in ipairs { 3, 40, 700 } do
        local x = cr.randn(4, n)
        local wanted = cr.layer_norm(x:double(), { n }, nil, nil, 0.0)
        local y = cr.layer_norm(x * scale, { n }, nil, nil, 0.0):double()
        assert.is_true((y - wanted):abs():max():item() < 1e-5, scale .. " of " .. n)
        y = cr.batch_norm((x * scale):t():contiguous(), nil, nil, nil, nil, true, 0.1, 0.0):double()
        assert.is_true((y:t() - wanted):abs():max():item() < 1e-5, scale .. " in columns of " .. n)
      end
    end
  end)

  it("is NaN where an element is, and there alone", function()
    local x = cr.randn(6, 50)
    x[{ 2, 50 }], x[{ 5, 1 }] = 0 / 0, math.huge
    local y = cr.layer_norm(x, { 50 }):isnan():all(2)
    assert.same({ false, true, false, false, true, false }, y:totable())
    y = cr.batch_norm(x:t():contiguous(), nil, nil, nil, nil, true):isnan():all(1)
    assert.same({ false, true, false, false, true, false }, y:totable())
  end)
end)
