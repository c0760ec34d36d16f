-- autograd_kinks_spec.lua: the gradients that the engine gives where there is no derivative.

local values = require "spec.support.values"
local cr = require "cresset"
local leaf, plain = values.leaf, values.plain

local inf = math.huge

-- The gradient of the sum of f at the values.
local function slope(f, at)
  local x = leaf(at)
  local g = cr.grad(f(x):sum(), x)
  return g
end

local function has(at, f, want) values.assert_values(slope(f, at), want) end

describe("the gradient", function()
  it("of abs, relu and sign at 0 is 0", function()
    has({ 0, -2, 2 }, function(x) return x:abs() end, { 0, -1, 1 })
    has({ 0, -2, 2 }, function(x) return x:relu() end, { 0, 0, 1 })
    has({ 0, -2, 2 }, function(x) return x:sign() end, { 0, 0, 0 })
  end)

  it("of a norm at 0 is 0, of any order", function()
    has({ 0, 0 }, function(x) return x:norm() end, { 0, 0 })
    has({ 0, 0 }, function(x) return x:norm(1) end, { 0, 0 })
    has({ 0, 0 }, function(x) return x:norm(3) end, { 0, 0 })
    has({ 0, 0 }, function(x) return x:norm(inf) end, { 0, 0 })
  end)

  it("of the standard deviation of equal numbers is 0", function()
    has({ 3, 3, 3 }, function(x) return x:std() end, { 0, 0, 0 })
  end)

  it("of sqrt at 0 is infinite", function()
    has({ 0, 4 }, function(x) return x:sqrt() end, { inf, 0.25 })
  end)

  it("of an extreme value is shared evenly by equal elements", function()
    has({ 1, 3, 3, 2 }, function(x) return x:max() end, { 0, 0.5, 0.5, 0 })
    has({ 1, 3, 3, 2 }, function(x) return x:amax() end, { 0, 0.5, 0.5, 0 })
    has({ 1, 1, 3, 1 }, function(x) return x:amin() end, { 1 / 3, 1 / 3, 0, 1 / 3 })
  end)

  it("of the median of all is shared evenly by equal elements", function()
    has({ 3, 3, 3, 1 }, function(x) return x:median() end, { 1 / 3, 1 / 3, 1 / 3, 0 })
  end)

  it("of maximum and minimum is shared evenly by both sides", function()
    local x, y = leaf { 1, 2 }, leaf { 1, 5 }
    local gx, gy = cr.grad(cr.maximum(x, y):sum(), { x, y })
    values.assert_values(gx, { 0.5, 0 })
    values.assert_values(gy, { 0.5, 1 })
  end)

  it("of max along a dim goes to the one index that it returns", function()
    local x = leaf { { 1, 3, 3 } }
    local v, i = x:max(2)
    local g = cr.grad(v:sum(), x)
    local at = i[1]:item()
    local want = { { 0, 0, 0 } }
    want[1][at] = 1
    values.assert_values(g, want)
  end)

  it("of clamp is 1 on its edges and 0 outside", function()
    has({ -1, 1, 0, 2, -3 }, function(x) return x:clamp(-1, 1) end, { 1, 1, 1, 0, 0 })
  end)

  it("of hardtanh and relu6 is 0 on their edges", function()
    has({ -1, 1, 0 }, function(x) return x:hardtanh() end, { 0, 0, 1 })
    has({ 0, 6, 3 }, function(x) return x:relu6() end, { 0, 0, 1 })
  end)

  it("of prod is exact where elements are zero", function()
    has({ 0, 2, 3 }, function(x) return x:prod() end, { 6, 0, 0 })
    has({ 0, 2, 0 }, function(x) return x:prod() end, { 0, 0, 0 })
  end)

  it("of where passes NaN of the branch that was not selected", function()
    local x = leaf { -1, 4 }
    local y = cr.where(x:gt(0), x:sqrt(), values.plain { 0, 0 })
    local g = values.flat(cr.grad(y:sum(), x))
    assert.is_true(g[1] ~= g[1])
    assert.equal(0.25, g[2])
  end)

  it("of pow at 0 is finite where the power is, and zero to the zero has slope zero", function()
    has({ 0, 2 }, function(x) return x ^ 2 end, { 0, 4 })
    has({ 0, 2 }, function(x) return x ^ 0 end, { 0, 0 })
    has({ 0, 2 }, function(x) return x ^ 1 end, { 1, 1 })
  end)

  it("of atan2 at the origin is 0", function()
    has({ 0 }, function(x) return cr.atan2(x, plain { 0 }) end, { 0 })
    has({ 0 }, function(x) return cr.atan2(plain { 0 }, x) end, { 0 })
  end)

  it("of hypot at the origin is no number", function()
    local g = values.flat(slope(function(x) return cr.hypot(x, plain { 0 }) end, { 0 }))
    assert.is_true(g[1] ~= g[1])
  end)

  it("of binary cross entropy stays finite at 0 and 1, where the loss is 100", function()
    local p = leaf { 0, 1 }
    local loss = cr.binary_cross_entropy(p, plain { 1, 0 })
    values.assert_values(loss:detach(), 100)
    for _, v in ipairs(values.flat(cr.grad(loss, p))) do assert.is_true(v == v and math.abs(v) < inf) end
  end)
end)
