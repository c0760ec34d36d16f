-- tails_spec.lua: values and derivatives of every elementwise operation in tails, at tiny and huge arguments, kinks and
-- infinities.
--
-- What is expected was computed with mpmath (tails/record.py), correctly rounded; a result may be 8 units in the last
-- place off, and more where a unit of its arguments makes more. tails/record.py describes the lines that are read here.

local cr = require "cresset"
local samples = require "spec.support.samples"
local values = require "spec.support.values"

local FAMILIES = { "activation", "arith", "choose", "loss", "math", "special" }
local WIDEST = 8 -- units in the last place

local special = { nan = 0 / 0, inf = math.huge, ["-inf"] = -math.huge }

-- Reads "1 2*3 4~20 ?": numbers, repeated ones, and how many units each may be off; false where nothing is asked.
local function parse(text)
  local numbers, units = {}, {}
  for word in text:gmatch("%S+") do
    local number, most, times = word:match("^([^*~]+)~?(%d*)%*?(%d*)$")
    for _ = 1, tonumber(times) or 1 do
      numbers[#numbers + 1] = number ~= "?" and (special[number] or tonumber(number)) + 0.0
      units[#numbers] = tonumber(most) or WIDEST
    end
  end
  return numbers, units
end

-- e with 2^(e - 1) <= size < 2^e, for a normal number; any number below -1000 for others.
local function exponent_of(size)
  local bits = string.unpack("<i8", string.pack("<d", size))
  return (bits >> 52) - 1022
end

-- The distance from the size of a number to the next of its dtype.
local function unit(number, dtype)
  local exponent = exponent_of(math.abs(number))
  if dtype == "float32" then return 2.0 ^ math.max(exponent - 24, -149) end
  return 2.0 ^ math.max(exponent - 53, -1074)
end

local function units_apart(got, want, dtype)
  if got ~= got or want ~= want then return got ~= got and want ~= want and 0 or math.huge end
  if got == want then return 0 end
  if math.abs(want) == math.huge then return math.huge end
  return math.abs(got - want) / unit(want, dtype)
end

local function tensors_of(case)
  local list = {}
  for i, text in ipairs(case[4]) do
    list[i] = cr.tensor(parse(text), { dtype = case[3], device = values.device, requires_grad = true })
  end
  return list
end

local function call(case, tensors, suffix)
  local by_name = { x = tensors[1], y = tensors[2], z = tensors[3] }
  local args = { n = #case[2] }
  for i, a in ipairs(case[2]) do
    if a == "x > y" then a = tensors[1]:gt(tensors[2])
    elseif a == "x > 0" then a = tensors[1]:gt(0)
    elseif a == "nil" then a = nil
    elseif a == "tensor 0.25" then a = cr.tensor({ 0.25 }, { dtype = case[3], device = values.device })
    else a = by_name[a] or a end
    args[i] = a
  end
  local name = case[1] .. (suffix or "")
  if not suffix and type(cr[name]) == "function" then return cr[name](table.unpack(args, 1, args.n)) end
  return args[1][name](table.unpack(args, 1, args.n))
end

local function name_of(case, at)
  local points = {}
  for i, text in ipairs(case[4]) do points[i] = ("%.17g"):format(parse(text)[at]) end
  local args = {}
  for i, a in ipairs(case[2]) do args[i] = tostring(a) end
  return ("%s(%s) in %s at %s"):format(case[1], table.concat(args, ", "), case[3], table.concat(points, ", "))
end

-- Notes each element that is further off than it may.
local function compare(problems, case, what, got, text)
  local numbers, units = parse(text)
  local found = got and values.flat(got)
  for i, want in ipairs(numbers) do
    local value = found and found[i] or 0.0 -- no gradient: the operation is constant
    local apart = want and units_apart(value, want, case[3]) or 0
    if apart > units[i] then
      problems[#problems + 1] = ("%s, %s: %.17g, not %.17g (%.3g units)"):format(name_of(case, i), what, value, want,
        apart)
    end
  end
end

local function gradients(result, tensors)
  if not result.requires_grad then return {} end
  return table.pack(cr.grad(result:sum(), tensors, { create_graph = true, allow_unused = true }))
end

local function check(problems, case)
  local tensors = tensors_of(case)
  local result = call(case, tensors)
  compare(problems, case, "value", result, case[5])
  local first, at = gradients(result, tensors), 0
  for i, name in ipairs { "x", "y", "z" } do
    if not tensors[i] then break end
    compare(problems, case, "slope by " .. name, first[i], case[6][i])
    local second = first[i] and gradients(first[i], tensors) or {}
    for j = i, #tensors do
      at = at + 1
      local both = ("second derivative by %s and %s"):format(name, ("xyz"):sub(j, j))
      compare(problems, case, both, second[j], case[7][at])
    end
  end
end

-- The twin in place, on a copy of what lies in the leaf: its gradients alone.
local function check_in_place(problems, case)
  local tensors = tensors_of(case)
  local written = { tensors[1] * 1, tensors[2], tensors[3] }
  local result = call(case, written, "_")
  compare(problems, case, "value in place", result, case[5])
  for i, g in ipairs(gradients(result, tensors)) do
    compare(problems, case, "slope in place by " .. ("xyz"):sub(i, i), g, case[6][i])
  end
end

local function cases()
  local list = {}
  for _, family in ipairs(FAMILIES) do
    for _, case in ipairs(require("spec.tails." .. family)) do list[#list + 1] = case end
  end
  return list
end

local function none(problems)
  local more = #problems - 20
  if more > 0 then
    problems = { table.unpack(problems, 1, 20) }
    problems[21] = ("and %d more"):format(more)
  end
  assert.are.equal("", table.concat(problems, "\n"))
end

describe("elementwise operations", function()
  it("all have their exact values recorded", function()
    local recorded, missing = {}, {}
    for _, case in ipairs(cases()) do recorded[case[1]] = true end
    for _, e in ipairs(samples.catalogue().entries) do
      if e.pointwise and e.grad and not e.hidden and not recorded[e.lua] then missing[#missing + 1] = e.name end
    end
    assert.are.same({}, missing)
  end)

  for _, family in ipairs(FAMILIES) do
    it("are exact, and so are their derivatives: " .. family, function()
      local problems = {}
      for _, case in ipairs(require("spec.tails." .. family)) do check(problems, case) end
      none(problems)
    end)
  end

  it("have the same derivatives in place", function()
    local writes, problems = {}, {}
    for _, e in ipairs(samples.catalogue().entries) do
      if e.inplace and not e.hidden then writes[e.lua] = true end
    end
    for _, case in ipairs(cases()) do
      if writes[case[1]] and case[2][1] == "x" then check_in_place(problems, case) end
    end
    none(problems)
  end)

  it("gives numbers at equal distances over the whole range of a dtype", function()
    local most = { float64 = 1.7976931348623157e308, float32 = 3.4028234663852886e38 }
    for dtype, size in pairs(most) do
      local x = cr.linspace(-size, size, 5, { dtype = dtype, device = values.device }):totable()
      assert.are.same({ -size, -size / 2, 0.0, size / 2, size }, x)
    end
  end)
end)
