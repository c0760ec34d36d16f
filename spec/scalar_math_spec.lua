-- scalar_math_spec.lua: how far the elementary functions are from exact values, and what they give at the limits.
--
-- Errors are counted in units in the last place of the result, subnormal results included.

local cr = require "cresset"
local values = require "spec.support.values"
local recorded = require "spec.oracle.elementary"

local inf, nan = math.huge, 0 / 0

-- The largest errors of float32 and float64. The recorded value of a float64 result is rounded itself.
local bounds = {
  exp = { 1, 1.5 }, exp2 = { 1.25, 1.75 }, expm1 = { 1.75, 2.5 }, log = { 1, 1.5 }, log2 = { 1, 1.5 },
  log10 = { 1, 1.5 },
  log1p = { 1.5, 1.75 }, sin = { 1.25, 1.75 }, cos = { 1.25, 1.75 }, tan = { 3, 3.25 }, asin = { 1.75, 2.25 },
  acos = { 1.25, 1.75 }, atan = { 2.25, 2.75 }, sinh = { 1.5, 2 }, cosh = { 2, 2 }, tanh = { 2.5, 2.75 },
  asinh = { 1.75, 2.25 }, acosh = { 2, 2.5 }, atanh = { 1.75, 2.25 }, erf = { 1.25, 1.75 }, erfc = { 3.25, 3.75 },
  sigmoid = { 2.5, 3 }, lgamma = { 1, 4 }, sinc = { 2.5, 3 }, pow = { 0.75, 2 }, atan2 = { 2.25, 2.75 },
  hypot = { 1, 1.5 },
}

-- The distance of numbers of this size.
local function unit(x, dtype)
  local bits, least = dtype == "float32" and 24 or 53, dtype == "float32" and -126 or -1022
  if x == 0 then return 2.0 ^ (least - bits + 1) end
  local exponent = math.floor(math.log(math.abs(x), 2))
  if 2.0 ^ exponent > math.abs(x) then exponent = exponent - 1 end
  return 2.0 ^ (math.max(exponent, least) - bits + 1)
end

local function columns(rows, dtype)
  local list = {}
  for k = 1, #rows[1] do
    local column = {}
    for i, row in ipairs(rows) do column[i] = row[k] end
    list[k] = k < #rows[1] and cr.tensor(column, { dtype = dtype, device = values.device }) or column
  end
  return list
end

local function worst(name, dtype)
  local c = columns(recorded[name], dtype)
  local got = values.flat(c[1][name](table.unpack(c, 1, #c - 1)))
  local want, most, at = c[#c], 0, nil
  for i, w in ipairs(want) do
    local off = got[i] == w and 0 or math.abs(got[i] - w) / unit(w, dtype)
    if dtype == "float32" and math.abs(w) > 3.4028236e38 then off = got[i] == (w > 0 and inf or -inf) and 0 or inf end
    if off ~= off or off > most then
      most, at = off, ("%s at %s: %a, not %a"):format(name, table.concat(recorded[name][i], " ", 1, #c - 1), got[i], w)
    end
  end
  return most, at
end

describe("close to the exact values is", function()
  for name, bound in pairs(bounds) do
    for k, dtype in ipairs { "float32", "float64" } do
      it(name .. " in " .. dtype, function()
        local most, at = worst(name, dtype)
        assert(most <= bound[k], ("%s: %.2f units off, %s"):format(name, most, at or ""))
      end)
    end
  end
end)

-- Arguments and results; 0.0 and -0.0 are told apart.
local limits = {
  exp = { { -inf, 0.0 }, { inf, inf }, { 0.0, 1 }, { -0.0, 1 }, { 1000, inf }, { -1000, 0.0 } },
  exp2 = { { -inf, 0.0 }, { inf, inf }, { 0.0, 1 }, { 10, 1024 }, { -3, 0.125 }, { 2000, inf }, { -2000, 0.0 } },
  expm1 = { { -inf, -1 }, { inf, inf }, { 0.0, 0.0 }, { -0.0, -0.0 }, { 1e-45, 1e-45 }, { 1000, inf }, { -1000, -1 } },
  log = { { 0.0, -inf }, { -0.0, -inf }, { -1, nan }, { inf, inf }, { -inf, nan }, { 1, 0.0 } },
  log2 = { { 0.0, -inf }, { -1, nan }, { inf, inf }, { 1, 0.0 }, { 1024, 10 }, { 0.125, -3 }, { 2.0 ^ -140, -140 } },
  log10 = { { 0.0, -inf }, { -1, nan }, { inf, inf }, { 1, 0.0 }, { 1000, 3 }, { 1e10, 10 } },
  log1p = { { -1, -inf }, { -2, nan }, { inf, inf }, { 0.0, 0.0 }, { -0.0, -0.0 }, { 1e-45, 1e-45 }, { -inf, nan } },
  sin = { { 0.0, 0.0 }, { -0.0, -0.0 }, { inf, nan }, { -inf, nan }, { 1e-45, 1e-45 } },
  cos = { { 0.0, 1 }, { -0.0, 1 }, { inf, nan }, { -inf, nan }, { 1e-45, 1 } },
  tan = { { 0.0, 0.0 }, { -0.0, -0.0 }, { inf, nan }, { -inf, nan }, { -1e-45, -1e-45 } },
  asin = { { 0.0, 0.0 }, { -0.0, -0.0 }, { 1.5, nan }, { -inf, nan }, { 1e-45, 1e-45 } },
  acos = { { 1, 0.0 }, { 1.5, nan }, { -inf, nan } },
  atan = { { 0.0, 0.0 }, { -0.0, -0.0 }, { 1e-45, 1e-45 } },
  sinh = { { 0.0, 0.0 }, { -0.0, -0.0 }, { inf, inf }, { -inf, -inf }, { 1e-45, 1e-45 },
    { 1000, inf }, { -1000, -inf } },
  cosh = { { 0.0, 1 }, { -0.0, 1 }, { inf, inf }, { -inf, inf }, { 1000, inf }, { -1000, inf } },
  tanh = { { 0.0, 0.0 }, { -0.0, -0.0 }, { inf, 1 }, { -inf, -1 }, { 1e-45, 1e-45 }, { 100, 1 } },
  asinh = { { 0.0, 0.0 }, { -0.0, -0.0 }, { inf, inf }, { -inf, -inf }, { 1e-45, 1e-45 } },
  acosh = { { 1, 0.0 }, { inf, inf }, { 0.5, nan }, { -inf, nan } },
  atanh = { { 0.0, 0.0 }, { -0.0, -0.0 }, { 1, inf }, { -1, -inf }, { 1.5, nan }, { 1e-45, 1e-45 } },
  erf = { { 0.0, 0.0 }, { -0.0, -0.0 }, { inf, 1 }, { -inf, -1 }, { 100, 1 } },
  erfc = { { 0.0, 1 }, { inf, 0.0 }, { -inf, 2 }, { 100, 0.0 }, { -100, 2 } },
  sigmoid = { { 0.0, 0.5 }, { inf, 1 }, { -inf, 0.0 }, { 1000, 1 }, { -1000, 0.0 } },
  lgamma = { { 1, 0.0 }, { 2, 0.0 }, { 0.0, inf }, { -1, inf }, { -2, inf }, { inf, inf }, { -inf, inf } },
  sinc = { { 0.0, 1 }, { 1, 0.0 }, { -3, -0.0 }, { 1e30, 0.0 } },
}
local limits_of_two = {
  pow = {
    { 0.0, 0, 1 }, { nan, 0, 1 }, { 1, nan, 1 }, { nan, 1, nan }, { 2, nan, nan }, { -1, inf, 1 }, { -1, -inf, 1 },
    { 0.0, -3, inf }, { -0.0, -3, -inf }, { -0.0, -2, inf }, { -0.0, 3, -0.0 }, { -0.0, 2, 0.0 }, { 0.0, 0.5, 0.0 },
    { 0.5, inf, 0.0 }, { 0.5, -inf, inf }, { 2, inf, inf }, { 2, -inf, 0.0 }, { inf, -2, 0.0 }, { inf, 0.5, inf },
    { -inf, 3, -inf }, { -inf, 2, inf }, { -inf, -3, -0.0 }, { -inf, 0.5, inf }, { -2, 0.5, nan }, { -2, 3, -8 },
    { -2, 2, 4 }, { 10, 10, 1e10 }, { 3, 4, 81 }, { 4, 0.5, 2 }, { 2, -149, 2.0 ^ -149 }, { 1.5, 1e9, inf },
    { 1.5, -1e9, 0.0 }, { -1.5, 1e30, inf }, { 2.0 ^ -140, 0.5, 2.0 ^ -70 }, { 9, -0.5, 1 / 3 },
  },
  atan2 = {
    { 0.0, 1, 0.0 }, { -0.0, 1, -0.0 }, { 0.0, 0.0, 0.0 }, { -0.0, 0.0, -0.0 }, { nan, 1, nan }, { 1, nan, nan },
    { 1, inf, 0.0 }, { -1, inf, -0.0 }, { nan, inf, nan }, { 1e-45, 1, 1e-45 }, { 1e-320, 1e38, 0.0 },
  },
  hypot = {
    { 3, 4, 5 }, { -3, -4, 5 }, { 0.0, -0.0, 0.0 }, { inf, nan, inf }, { nan, -inf, inf }, { nan, 1, nan },
    { 1, nan, nan }, { 3e-45, 4e-45, 5e-45 }, { 3 * 2.0 ^ 126, 4 * 2.0 ^ 124, math.sqrt(10) * 2.0 ^ 126 },
  },
}

local function in_type(v, dtype) return cr.tensor({ v }, { dtype = dtype }):item() end

local function alike(a, b) return (a ~= a and b ~= b) or a == b and (a ~= 0 or 1 / a == 1 / b) end

local function check(name, rows)
  for _, dtype in ipairs { "float32", "float64" } do
    for n = 1, 2 do -- by itself, and among others
      local c = columns(rows, dtype)
      for k = 1, n == 2 and #c - 1 or 0 do c[k] = cr.cat { c[k], c[k], c[k] } end
      local got = values.flat(c[1][name](table.unpack(c, 1, #c - 1)))
      for i, v in ipairs(got) do
        local row = rows[(i - 1) % #rows + 1]
        local want = in_type(row[#row], dtype)
        if name == "hypot" and want == want and want < inf then
          assert.is_true(math.abs(v - want) <= unit(want, dtype))
        else
          local arguments = table.concat(row, ", ", 1, #row - 1)
          assert(alike(v, want), ("%s of %s in %s is %a, not %a"):format(name, arguments, dtype, v, want))
        end
      end
    end
  end
end

describe("at the limits of its domain", function()
  for name, rows in pairs(limits) do
    it(name .. " gives what the C standard says", function()
      rows[#rows + 1] = { nan, nan }
      check(name, rows)
    end)
  end
  for name, rows in pairs(limits_of_two) do
    it(name .. " gives what the C standard says", function() check(name, rows) end)
  end

  it("the quadrant decides about atan2 of infinities and zeros", function()
    local y = cr.tensor({ 0.0, -0.0, inf, inf, -inf, 1, -1, 1 }, { dtype = "float64" })
    local x = cr.tensor({ -1, -0.0, inf, -inf, -inf, 0.0, -0.0, -inf }, { dtype = "float64" })
    local pi = math.pi
    local want = { pi, -pi, pi / 4, 3 * pi / 4, -3 * pi / 4, pi / 2, -pi / 2, pi }
    for i, v in ipairs(y:atan2(x):totable()) do assert.is_true(math.abs(v - want[i]) < 1e-15) end
  end)
end)

-- Far angles, subnormal numbers and the ends of the range are left to slower forms, block by block.
describe("among a thousand others, an argument far out of the usual range", function()
  local rare = { 0.0, -0.0, -1, inf, -inf, nan, 1e-45, -1e-40, 1e30, 2.0 ^ 100, 1e7, 3e9 }

  local function mixed(dtype, shift)
    local list = {}
    for i = 1, 1000 do
      list[i] = i % 37 == shift and rare[i // 37 % #rare + 1] or (i * 0.618034) % 1 * 20 + 0.01
    end
    return list, cr.tensor(list, { dtype = dtype, device = values.device })
  end

  local function alike_all(got, want)
    for i, v in ipairs(want) do assert(alike(got[i], v), ("element %d is %a, not %a"):format(i, got[i], v)) end
  end

  for _, name in ipairs { "log", "log2", "log10", "log1p", "sin", "cos", "tan" } do
    for _, dtype in ipairs { "float32", "float64" } do
      it(("gives %s in %s what it gives alone, in place as well"):format(name, dtype), function()
        local list, x = mixed(dtype, 5)
        local alone = {}
        for i, v in ipairs(list) do
          local one = cr.tensor({ v }, { dtype = dtype, device = values.device })
          alone[i] = one[name](one):item()
        end
        alike_all(values.flat(x[name](x)), alone)
        alike_all(values.flat(x[name .. "_"](x)), alone)
      end)
    end
  end

  for _, name in ipairs { "pow", "fmod", "remainder", "floor_divide" } do
    it(("gives %s of two the same in place of the first as in a new tensor"):format(name), function()
      local _, x = mixed("float32", 5)
      local _, y = mixed("float32", 11)
      local want = values.flat(x[name](x, y))
      alike_all(values.flat(x[name .. "_"](x, y)), want)
    end)
  end
end)
