-- conformance.lua: what `make conformance` prints: how much of what PyTorch 2.13 answered is given here, by family.
--
--     lua5.4 spec/conformance.lua [FAMILY...]
--
-- Holds true: every recorded case of spec/oracle counts, forward and, where PyTorch has one, its gradient; second
-- gradients are those of the cases whose tensors are generated, for spelled ones stand at kinks and poles, by finite
-- differences; CUDA is whatever device there is, emulated or not. "worst" is the largest distance from what was
-- recorded, in units of the last place of a result's largest element; where PyTorch's own answer is known to be coarse
-- it does not count. The exit status is 0 only if all passed.

local cr = require "cresset"
local device = require "spec.support.device"
local oracle = require "spec.support.oracle"
local samples = require "spec.support.samples"
local values = require "spec.support.values"

local digits = { float64 = 53, float32 = 24, float16 = 11, bfloat16 = 8 }

-- The distance between two numbers of the dtype beside each other, about the largest number of the list; nil where all
-- are what the specs' absolute tolerance takes for 0, of which the recorded one may be what rounding left.
local function spacing(list, dtype)
  local size = 0
  for _, v in ipairs(list) do
    if math.abs(v) < math.huge then size = math.max(size, math.abs(v)) end
  end
  return size >= values.tolerance[dtype][2] and 2.0 ^ (math.floor(math.log(size, 2)) + 1 - digits[dtype]) or nil
end

-- The largest distance of the results from those recorded, kept by dtype in `worst`.
local function measure(case, results, worst)
  for i, text in ipairs(case[3]) do
    local dtype, _, list, tag = oracle.parse_tensor(text)
    local unit = digits[dtype] and tag ~= "E" and spacing(list, dtype)
    local got = unit and values.flat(results[i]) or {}
    for k, v in ipairs(got) do
      local distance = math.abs(v - list[k])
      if distance < math.huge then worst[dtype] = math.max(worst[dtype] or 0, distance / unit) end
    end
  end
end

-- ---- Second gradients -------------------------------------------------------------------------------------

-- True if every tensor of the case that has a gradient is generated.
local function is_smooth(case)
  local function spelled(arg)
    if type(arg) == "string" then return arg:find "^V float64" end
    for _, item in ipairs(type(arg) == "table" and arg or {}) do
      if spelled(item) then return true end
    end
  end
  return not spelled(case[2])
end

-- The results that have gradients and are exact enough for differences.
local function differentiable(case, leaves)
  local kept = {}
  for _, r in ipairs(oracle.results(case[1], (oracle.arguments(case, leaves)))) do
    if r.requires_grad and r.dtype == "float64" then kept[#kept + 1] = r end
  end
  return table.unpack(kept)
end

-- The generated tensors a little off their lattice, on which there are ties and kinks.
local function inputs_of(case)
  local _, leaves = oracle.arguments(case)
  for i, leaf in ipairs(leaves) do
    leaves[i] = (leaf + values.scatter(leaf.shape, 0, 2e-3, "float64", 300 + i)):requires_grad_()
  end
  return leaves
end

-- Nil if the second derivatives agree with differences of first ones, else what does not.
local function second(case, leaves)
  local ok, problem = pcall(cr.gradgradcheck, function(...) return differentiable(case, { ... }) end, leaves)
  return not ok and tostring(problem) or nil
end

-- ---- Counting -----------------------------------------------------------------------------------------------

local function new_count() return { operations = 0, worst = {} } end

local function count(c, what, problem, case)
  local n = c[what] or { passed = 0, all = 0 }
  c[what] = n
  n.all = n.all + 1
  if not problem then
    n.passed = n.passed + 1
  else
    c.problems = c.problems or {}
    c.problems[#c.problems + 1] = ("%s of %s:\n    %s"):format(what, oracle.describe(case), problem)
  end
end

local function run_case(c, case)
  local forward, gradient, results = oracle.run(case)
  count(c, "forward", forward, case)
  if not forward and not oracle.is_coarse(case[1]) then measure(case, results, c.worst) end
  if not case[4] then return end
  count(c, "gradient", gradient, case)
  if case[1]:sub(-1) == "_" or samples.once[case[1]] or not is_smooth(case) then return end
  local leaves = inputs_of(case)
  if differentiable(case, leaves) then count(c, "second", second(case, leaves), case) end
end

local function run_family(name)
  local c, seen = new_count(), {}
  for _, case in ipairs(require("spec.oracle." .. name)) do
    if not seen[case[1]] then c.operations, seen[case[1]] = c.operations + 1, true end
    values.device = "cpu"
    run_case(c, case)
    if not device.skip then
      values.device = "cuda"
      count(c, "cuda", oracle.check(case), case)
    end
  end
  return c
end

-- ---- The table -----------------------------------------------------------------------------------------------

local columns = { "forward", "gradient", "second", "cuda" }

local function share(n) return n and ("%d/%d"):format(n.passed, n.all) or "-" end

local function distance(c, dtype) return c.worst[dtype] and ("%.3g"):format(c.worst[dtype]) or "0" end

local function print_line(name, c)
  print(("%-16s%6d%12s%12s%12s%12s%12s%10s"):format(name, c.operations, share(c.forward), share(c.gradient),
    share(c.second), share(c.cuda), distance(c, "float64"), distance(c, "float32")))
end

local function add(total, c)
  total.operations = total.operations + c.operations
  for _, what in ipairs(columns) do
    local n, more = total[what] or { passed = 0, all = 0 }, c[what]
    if more then total[what] = { passed = n.passed + more.passed, all = n.all + more.all } end
  end
  for dtype, worst in pairs(c.worst) do total.worst[dtype] = math.max(total.worst[dtype] or 0, worst) end
end

local wanted = #arg > 0 and arg or oracle.families()
local total, problems = new_count(), {}
print(("%-16s%6s%12s%12s%12s%12s%12s%10s"):format("family", "ops", "forward", "gradient", "second", "CUDA",
  "worst f64", "f32"))
for _, name in ipairs(wanted) do
  local c = run_family(name)
  print_line(name, c)
  add(total, c)
  for _, problem in ipairs(c.problems or {}) do problems[#problems + 1] = problem end
end
if device.skip then print("CUDA: " .. device.skip) end
for name, why in pairs(samples.once) do print(("%s has no second gradient: %s"):format(name, why)) end
for _, problem in ipairs(problems) do print(problem) end
print_line("total", total)
os.exit(#problems == 0)
