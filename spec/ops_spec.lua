-- ops_spec.lua: what holds for every operation of the catalogue, whatever it computes.
--
-- An operation is checked against PyTorch's recorded answers, against itself in every layout and
-- dtype, by numerical derivatives of the first and the second order, and against its in-place twin.

local cr = require "cresset"
local values = require "spec.support.values"
local samples = require "spec.support.samples"
local layouts = require "spec.support.layouts"
local oracle = require "spec.support.oracle"

local recorded = oracle.load()
-- Random operations cannot agree with recorded numbers; random_spec checks their distributions.
local draws = require "spec.support.distributions"

local call, report, compare, undefined = samples.repeatable, samples.report, samples.compare, samples.is_undefined

-- Calls in a protected way; an error becomes a problem.
local function attempt(problems, what, f, ...)
  local ok, result = pcall(f, ...)
  if ok then return result end
  problems[#problems + 1] = what .. ": " .. tostring(result)
end

describe("the catalogue", function()
  local covered = {}
  setup(function()
    for name, cases in pairs(recorded) do
      for _, case in ipairs(cases) do
        local e = samples.entry_for(name, (oracle.arguments(case)))
        if e then covered[e.name] = true end
      end
    end
  end)

  it("has a recorded answer or a known distribution for every public operation", function()
    local missing = {}
    for _, e in ipairs(samples.public()) do
      if not covered[e.name] and not draws[e.name] then missing[#missing + 1] = e.name end
    end
    assert.same({}, missing)
  end)

  it("has every operation that an answer was recorded for", function()
    local unknown = {}
    for recorded_as in pairs(recorded) do
      local name = recorded_as:gsub("^:", "")
      local known = pcall(function() return cr[name] end) or pcall(function() return cr.zeros(1)[name] end)
      if not known then unknown[#unknown + 1] = name end
    end
    table.sort(unknown)
    assert.same({}, unknown)
  end)

  it("gives samples for every operation, hidden ones too", function()
    local problems = {}
    for _, e in ipairs(samples.catalogue().entries) do attempt(problems, e.name, samples.of, e) end
    report(problems)
  end)

  it("documents every operation in whole sentences", function()
    local problems = {}
    for _, e in ipairs(samples.catalogue().entries) do
      if #e.doc < 5 or not e.doc:match("[%.%)%]]%s*$") then problems[#problems + 1] = e.name .. ": " .. e.doc end
    end
    report(problems)
  end)
end)

describe("PyTorch's recorded answer is given by", function()
  local names = {}
  for name in pairs(recorded) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    it(name, function()
      local problems = {}
      for _, case in ipairs(recorded[name]) do
        local problem = oracle.check(case)
        if problem then problems[#problems + 1] = oracle.describe(case) .. ":\n    " .. problem end
      end
      report(problems)
    end)
  end
end)

local function clone(t) return t:contiguous():clone() end

describe("layouts and dtypes do not change the result of", function()
  local function wanted(e) return not undefined(e) and not samples.by_memory[e.name] end
  samples.specify(it, wanted, function(problems, e, k, args)
    for _, dtype in ipairs(values.floats) do
      local cast = samples.map(args, samples.in_dtype(dtype))
      for _, kind in ipairs(layouts.names) do
        local strided = samples.map(cast, layouts.kinds[kind])
        local what = ("sample %d, %s, %s"):format(k, dtype, kind)
        local want = attempt(problems, what .. " (contiguous)", call, e, samples.map(strided, clone))
        local got = attempt(problems, what, call, e, strided)
        if want and got then compare(problems, what, got, want) end
      end
    end
  end)
end)

-- The function of the differentiable inputs that gradcheck wants, and those inputs.
local function as_function(e, args)
  local inputs = {}
  samples.map_inputs(e, args, function(t)
    inputs[#inputs + 1] = t:detach():clone():requires_grad_()
    return t
  end)
  local function f(...)
    local given, k = { ... }, 0
    local results = call(e, samples.map_inputs(e, args, function()
      k = k + 1
      return given[k]
    end))
    local kept = {}
    for _, r in ipairs(results) do
      if r.requires_grad then kept[#kept + 1] = r end
    end
    return table.unpack(kept)
  end
  return f, inputs
end

local function differentiable(e)
  return not e.nondiff and not undefined(e)
end

for _, check in ipairs { "gradcheck", "gradgradcheck" } do
  local function wanted(e) return differentiable(e) and not (check == "gradgradcheck" and samples.is_once(e)) end
  describe(check .. " accepts the derivatives of", function()
    samples.specify(it, wanted, function(problems, e, k, args)
      local f, inputs = as_function(e, args)
      if #inputs > 0 and select("#", f(table.unpack(inputs))) > 0 then
        attempt(problems, "sample " .. k, cr[check], f, inputs)
      end
    end)
  end)
end

-- What PyTorch's table of promotions says: may a result of one dtype be written to another?
local may_write = {}
for _, row in ipairs(require "spec.oracle.promotion") do
  if row[1] == "into" then
    may_write[row[3]] = {}
    local i = 0
    for word in row[4]:gmatch("%S+") do
      i = i + 1
      may_write[row[3]][values.dtypes[i]] = word == "yes"
    end
  end
end

-- One that changes only headers is view_spec's.
local function has_twin(e) return e.inplace and not e.inplace_only and e.inplace ~= "header" end

describe("the in-place twin writes the pure result for", function()
  samples.specify(it, has_twin, function(problems, e, k, args)
    local pure = call(e, args)[1]
    local self = args[1]:clone()
    local same = values.shape_text(self.shape) == values.shape_text(pure.shape)
    if samples.is_random(e) then cr.manual_seed(7) end
    local ok, result = pcall(self[e.lua .. "_"], self, table.unpack(args, 2, args.n))
    local fits = same and may_write[self.dtype][pure.dtype]
    if fits and not ok then
      problems[#problems + 1] = ("sample %d: %s"):format(k, result)
    elseif fits then
      compare(problems, "sample " .. k, { self }, { pure:to(self.dtype) })
      if not rawequal(result, self) then problems[#problems + 1] = "does not return its tensor" end
    elseif ok then
      problems[#problems + 1] = ("sample %d: a result that does not fit was written"):format(k)
    end
  end)
end)

describe("the gradient through the in-place twin equals the pure one for", function()
  local function wanted(e) return has_twin(e) and differentiable(e) end
  samples.specify(it, wanted, function(problems, e, k, args)
    local f, inputs = as_function(e, args)
    local pure = { f(table.unpack(inputs)) }
    if #inputs == 0 or #pure == 0 then return end
    if values.shape_text(pure[1].shape) ~= values.shape_text(args[1].shape) then return end
    local want = table.pack(cr.grad({ pure[1]:sum() }, inputs, { allow_unused = true }))
    local n = 0
    local twin = samples.map_inputs(e, args, function()
      n = n + 1
      return inputs[n]
    end)
    local self = twin[1]:clone()
    if samples.is_random(e) then cr.manual_seed(7) end
    self[e.lua .. "_"](self, table.unpack(twin, 2, twin.n))
    local got = table.pack(cr.grad({ self:sum() }, inputs, { allow_unused = true }))
    for i = 1, #inputs do
      local problem = values.tensors_differ(got[i], want[i])
      if problem then problems[#problems + 1] = ("sample %d, input %d: %s"):format(k, i, problem) end
    end
  end)
end)
