-- float_math_spec.lua: how close the elementary functions of float32 come to those of float64.
--
-- Errors are counted in units in the last place of the result, subnormal results included.

local cr = require "cresset"

-- Both signs of magnitudes from 1e-44 to 1e38, and every part of the range where results are finite.
local function arguments()
  cr.manual_seed(1)
  local sizes = (cr.rand({ 20000 }, "float64") * 82 - 44) * math.log(10)
  local near = cr.rand({ 40000 }, "float64") * 220 - 110
  return cr.cat({ sizes:exp(), -sizes:exp(), near, near / 100 }):to "float32"
end

-- The distance from a float32 number of this size to the next.
local function unit(size) return (size:clamp_min(2.0 ^ -126):log2():floor() - 23):exp2() end

-- The largest error of f in units in the last place, where the result of float64 fits into float32.
local function worst(f)
  local x = arguments()
  local got, want = f(x):to "float64", f(x:to "float64")
  local fits = want:abs():le(3.4028234e38)
  assert.is_true(got:abs():le(3.4028235e38):logical_or(fits:logical_not()):all():item())
  assert.is_true(got:abs():ge(3.4028234e38):logical_or(fits):all():item())
  return cr.where(fits, (got - want):abs() / unit(want:abs()), 0.0):max():item()
end

describe("in float32, within 4 units in the last place of any argument,", function()
  for _, name in ipairs { "exp", "sigmoid", "tanh", "gelu", "lgamma" } do
    it("computes " .. name, function()
      assert.is_true(worst(function(x) return x[name](x) end) <= 4)
    end)
  end

  it("gives the limits at infinity, and NaN of NaN", function()
    local x = cr.tensor { math.huge, -math.huge, 0 / 0 }
    for name, limits in pairs { exp = { math.huge, 0 }, sigmoid = { 1, 0 }, tanh = { 1, -1 } } do
      local y = x[name](x)
      assert.are.equal(limits[1], y[1]:item())
      assert.are.equal(limits[2], y[2]:item())
      assert.is_true(y[3]:isnan():item())
    end
  end)

  it("computes gelu's derivative, whose two terms cancel around -0.75: of 1/4 there, and of itself far out", function()
    local function slope(x)
      x = x:detach():requires_grad_()
      x:gelu():sum():backward()
      return x.grad:to "float64"
    end
    local x = arguments()
    x = x[x:abs():lt(1e6)]
    local got, want = slope(x), slope(x:to "float64")
    local error, far = (got - want):abs(), x:lt(-3)
    assert.is_true((error / unit(want:abs():clamp_min(0.25))):max():item() <= 4)
    assert.is_true((error / unit(want:abs()))[far]:max():item() <= 4)
  end)

  it("gives for gelu its limits at infinity, and keeps the sign of 0", function()
    local y = cr.tensor { math.huge, -math.huge, 0 / 0, -0.0, -1e30, -1e-45 }:gelu()
    assert.are.equal(math.huge, y[1]:item())
    assert.are.equal(0, y[2]:item())
    assert.is_true(y[3]:isnan():item())
    assert.is_true(y[{ { 4, 6 } }]:eq(0):all():item())
    assert.is_true(y[{ { 4, 6 } }]:signbit():all():item())
  end)

  it("gives an element the same result wherever it lies", function()
    local x = arguments():view(2, -1)
    for _, name in ipairs { "exp", "sigmoid", "tanh", "gelu" } do
      local y, apart = x[name](x), x:t():contiguous():t()
      assert.is_true(y:eq(apart[name](apart)):logical_or(y:isnan()):all():item())
      assert.are.equal(y[{ 2, 7 }]:item(), x[{ 2, 7 }][name](x[{ 2, 7 }]):item())
    end
  end)

  it("computes softmax, where nothing is lost before the exponential", function()
    cr.manual_seed(2)
    local x = cr.rand(200, 100) * -80
    x[{ {}, 1 }] = 0
    local got, want = x:softmax(2):to "float64", x:to("float64"):softmax(2)
    assert.is_true(((got - want):abs() / unit(want)):max():item() <= 4)
  end)

  it("gives 0 in softmax for -infinity, and NaN for a line with NaN in it or nothing but -infinity", function()
    local inf = math.huge
    local y = cr.tensor({ { 1, -inf, -1000, 1 }, { 1, 0 / 0, 1, 1 }, { -inf, -inf, -inf, -inf } }):softmax(2)
    assert.are.same({ 0.5, 0, 0, 0.5 }, y[1]:totable())
    assert.is_true(y[{ { 2, 3 } }]:isnan():all():item())
  end)
end)
