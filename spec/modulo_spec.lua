-- modulo_spec.lua: fmod, remainder and floor_divide of floating numbers are exact whatever the quotient,
-- in vectors as one by one. math.fmod, which is exact, says what is right.

local cr = require "cresset"

local function same(a, b) return a == b and 1 / a == 1 / b or a ~= a and b ~= b end

-- x[i] and y[i] of a dtype, as it rounds them.
local function operands(dtype, make)
  local xs, ys = {}, {}
  for i = 1, 4000 do xs[i], ys[i] = make() end
  return cr.tensor(xs, { dtype = cr[dtype] }), cr.tensor(ys, { dtype = cr[dtype] })
end

local function rounded(dtype, number) return cr.tensor(number, { dtype = cr[dtype] }):item() end

local function fmod(x, y)
  if y == 0 or x ~= x or y ~= y or math.abs(x) == math.huge then return 0 / 0 end
  return math.fmod(x, y)
end

local function remainder(x, y)
  local r = fmod(x, y)
  return r ~= 0 and (r < 0) ~= (y < 0) and r + y or r
end

local function assert_all(dtype, op, expected, x, y)
  local got, xs, ys = x[op](x, y):totable(), x:totable(), y:totable()
  for i = 1, #got do
    local wanted = rounded(dtype, expected(xs[i], ys[i]))
    assert(same(wanted, got[i]), ("%s(%s, %s) is %s, not %s"):format(op, xs[i], ys[i], got[i], wanted))
  end
end

local bits = {
  float32 = function() return (("<f"):unpack(("<I4"):pack(math.random(0, 0xffffffff)))) end,
  float64 = function() return (("<d"):unpack(("<i8"):pack(math.random(0)))) end,
}
local special = { 0.0, -0.0, 1 / 0, -1 / 0, 0 / 0, 1, -1, 3.5, -7, 1e30, 1e-40, 5e-324, 2.0 ^ 23, 2.0 ^ 53 + 2 }

for _, dtype in ipairs { "float32", "float64" } do
  local kinds = {
    ["numbers of any exponent"] = function() return bits[dtype](), bits[dtype]() end,
    ["numbers of like size"] = function() return math.random() * 2000 - 1000, math.random() - 0.5 end,
    ["multiples of the divisor and their neighbours"] = function()
      local y = rounded(dtype, math.random() * 50 + 1)
      return rounded(dtype, y * math.random(-1000, 1000)), math.random(2) == 1 and y or -y
    end,
    ["zeros, infinities, NaN, subnormals"] = function()
      return special[math.random(#special)], special[math.random(#special)]
    end,
  }
  for kind, make in pairs(kinds) do
    describe(dtype .. ", " .. kind .. ":", function()
      it("fmod is exact", function() assert_all(dtype, "fmod", fmod, operands(dtype, make)) end)

      it("remainder is the nearest to the exact one", function()
        assert_all(dtype, "remainder", remainder, operands(dtype, make))
      end)

      it("floor_divide is the same for one pair as for many", function()
        local x, y = operands(dtype, make)
        local all = x:floor_divide(y):totable()
        for i = 1, #all, 7 do assert(same(all[i], x[i]:floor_divide(y[i]):item())) end
      end)
    end)
  end

  it("floor_divide rounds the true quotient down: " .. dtype, function()
    local x, y = operands(dtype, function() return math.random(-1000000, 1000000), math.random(1, 999) end)
    local got, xs, ys = x:floor_divide(y):totable(), x:totable(), y:totable()
    for i = 1, #got do assert.equal(math.tointeger(xs[i]) // math.tointeger(ys[i]), got[i]) end
  end)
end
