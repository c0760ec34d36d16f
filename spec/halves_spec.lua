-- halves_spec.lua: what float16 and bfloat16 have loops of their own for gives what float32 gives, rounded.
local cr = require "cresset"

-- All numbers with so many bits of exponent and mantissa.
local function all_numbers(exponent_bits, mantissa_bits)
  local most, unit, list = (1 << exponent_bits) - 1, 1 << mantissa_bits, {}
  for sign = 1, -1, -2 do
    for e = 0, most do
      for m = 0, unit - 1 do
        local size = e == most and (m == 0 and math.huge or 0 / 0)
          or (e == 0 and m or unit + m) * 2.0 ^ (math.max(e, 1) - (most >> 1) - mantissa_bits)
        list[#list + 1] = sign * size
      end
    end
  end
  return cr.tensor(list, { dtype = "float32" })
end

local layouts = { float16 = { 5, 10 }, bfloat16 = { 8, 7 } }

-- Equal numbers of one sign, or NaN beside NaN.
local function same(a, b)
  local both = a:isnan():logical_and(b:isnan())
  local alike = a:eq(b):logical_and(a:signbit():eq(b:signbit()))
  return both:logical_or(alike):all():item()
end

local of_one = { "floor", "ceil", "trunc", "round", "sqrt", "reciprocal", "square", "neg", "abs", "relu" }
local of_two = { "maximum", "minimum", "fmax", "fmin", "add", "sub", "mul", "div" }

for _, dtype in ipairs { "float16", "bfloat16" } do
  describe(dtype, function()
    local x = all_numbers(table.unpack(layouts[dtype])):to(dtype)
    local others = { x:flip(1), x:roll(12345, 1), cr.zeros_like(x), cr.full_like(x, -0.0), x }

    for _, name in ipairs(of_one) do
      it("has the " .. name .. " of float32, rounded", function()
        assert.is_true(same(x[name](x), x:to("float32")[name](x:to "float32"):to(dtype)))
      end)
    end

    for _, name in ipairs(of_two) do
      it("has the " .. name .. " of float32, rounded", function()
        for _, y in ipairs(others) do
          local wide, with = x:to "float32", y:to "float32"
          assert.is_true(same(x[name](x, y), wide[name](wide, with):to(dtype)))
          assert.is_true(same(y[name](y, x), with[name](with, wide):to(dtype)))
        end
      end)
    end

    it("is negated in place, and where it lies in steps", function()
      local y = x:clone()
      y:neg_()
      assert.is_true(same(y, x:to("float32"):neg():to(dtype)))
      local every_third = x:slice(1, 1, -1, 3)
      assert.is_true(same(every_third:abs(), every_third:to("float32"):abs():to(dtype)))
    end)
  end)
end
