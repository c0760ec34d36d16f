-- oracle.lua: reads the cases that oracle/record.py recorded and runs them.
--
-- Holds true: the files speak PyTorch's language, with 0-based dims and positions; everything turns
-- 1-based here, and nowhere else. See record.py for the notation.

local cr = require "cresset"
local shell = require "spec.support.shell"
local values = require "spec.support.values"

local M = {}

local function words(text)
  local list = {}
  for word in text:gmatch("%S+") do list[#list + 1] = word end
  return list
end

local special = { nan = -(0 / 0), inf = math.huge, ["-inf"] = -math.huge, ["-0"] = -0.0 }

local function number(word) return special[word] or math.tointeger(word) or tonumber(word) end

local function parse_shape(word)
  local shape = {}
  if word ~= "-" then
    for size in word:gmatch("%d+") do shape[#shape + 1] = math.tointeger(size) end
  end
  return shape
end

local function one_based(dim) return dim < 0 and dim or dim + 1 end

-- Reads "V dtype shape numbers": dtype, shape, list of numbers.
function M.parse_tensor(text)
  local w = words(text)
  local list = {}
  for i = 4, #w do
    local v = number(w[i])
    if w[1] == "X" then v = one_based(v) end
    list[#list + 1] = v
  end
  return w[2], parse_shape(w[3]), list, w[1]
end

local function spelled(text)
  local dtype, shape, list = M.parse_tensor(text)
  if dtype == "bool" then
    for i, v in ipairs(list) do list[i] = v ~= 0 end
  end
  return values.from_list(list, shape, dtype)
end

-- Notes a float64 tensor in `leaves`; gives it, or what is `given` in its place.
local function note(t, leaves, given)
  leaves[#leaves + 1] = t
  return given and given[#leaves] or t
end

-- Turns an argument of a case into what Lua passes.
local function build(arg, leaves, given)
  if type(arg) == "table" then
    local list = {}
    for i, item in ipairs(arg) do list[i] = build(item, leaves, given) end
    return list
  elseif type(arg) ~= "string" then
    return arg
  end
  local tag, rest = arg:match("^(%u) ?(.*)$")
  if tag == "N" then return nil end
  if tag == "S" then return rest end
  if tag == "D" then
    local dims = words(rest)
    for i, d in ipairs(dims) do dims[i] = one_based(math.tointeger(d)) end
    return #dims == 1 and dims[1] or dims
  elseif tag == "O" then
    local options = {}
    for key, value in rest:gmatch("(%w+)=(%S+)") do options[key] = value end
    return options
  elseif tag == "T" then
    local w = words(rest)
    local t = values.generate(parse_shape(w[2]), number(w[3]), number(w[4]), w[1], number(w[5]))
    return w[1] == "float64" and note(t, leaves, given) or t
  end
  local t = spelled(arg)
  return tag == "V" and t.dtype == "float64" and note(t, leaves, given) or t
end

-- The arguments of a case as a packed list, and its float64 tensors; `given` ones take the place of these.
function M.arguments(case, given)
  local args, leaves = { n = #case[2] }, {}
  for i = 1, args.n do args[i] = build(case[2][i], leaves, given) end
  return args, leaves
end

-- Calls an operation by its Lua name: a function of the module, or a method of the first argument. ":name" is the
-- method where a function of that name is another operation.
function M.call(name, args)
  local method = name:match "^:(.+)"
  if method then return args[1][method](table.unpack(args, 1, args.n)) end
  local f = rawget(cr, name) or cr.methods()[name] == nil and cr[name]
  if name:sub(-1) == "_" or type(f) ~= "function" then
    local self = args[1]
    return self[name](self, table.unpack(args, 2, args.n))
  end
  return f(table.unpack(args, 1, args.n))
end

-- The results as a list of tensors (an operation may return several values).
function M.results(name, args)
  local list = table.pack(M.call(name, args))
  if list.n == 1 and type(list[1]) == "table" then return list[1] end
  if type(list[1]) == "boolean" then list[1] = cr.tensor(list[1]) end
  return list
end

-- The sum of the differentiable results, each times fixed weights, as a scalar; nil if there are none.
local function weighted(results)
  local loss
  for i, r in ipairs(results) do
    if r.requires_grad then
      local w = values.generate(r.shape, -1, 1, "float64", 899 + i)
      local part = (r * w:to(r.dtype)):sum():to("float64")
      loss = loss and loss + part or part
    end
  end
  return loss
end

-- Of infinite arguments PyTorch makes NaN of inf * 0 here, where there is a limit; tails_spec.lua knows it.
local limits = { gelu = true, hardswish = true, mish = true, silu = true, sinc = true, softsign = true }
local endless = { inf = true, ["-inf"] = true }

-- PyTorch's softplus is a line from 20 on, which differs from it by 1e-9.
local looser = { softplus = 1e-10 }

-- Whether PyTorch's answers of the operation are known to be coarser than their dtype: its sinc of whole numbers is
-- what rounding leaves of 0.
function M.is_coarse(name) return looser[name] ~= nil or name == "sinc" end

-- The recorded list, with what is in `got` where an argument without end gave NaN.
local function with_limits(case, list, got)
  if not limits[(case[1]:gsub("_$", ""))] then return list end
  local given = words(case[2][1])
  local found = given[1] == "V" and values.flat(got)
  for i, v in ipairs(list) do
    if v ~= v and found and endless[given[i + 3]] then list[i] = found[i] end
  end
  return list
end

local function check_results(case, results)
  local wanted = case[3]
  for i, text in ipairs(wanted) do
    local dtype, shape, list, tag = M.parse_tensor(text)
    if results[i] then list = with_limits(case, list, results[i]) end
    local rtol = dtype == "float64" and looser[case[1]] or nil
    local problem = values.differs(results[i], dtype, shape, tag ~= "E" and list or nil, rtol)
    if problem then return ("result %d: %s"):format(i, problem) end
  end
  if #results ~= #wanted then return ("gives %d results, not %d"):format(#results, #wanted) end
end

-- Where PyTorch's own derivative has constants in single precision, or a short series, float64 agrees
-- only so far.
local single = { hardsigmoid = 1e-7, hardsigmoid_ = 1e-7, binary_cross_entropy = 1e-7, digamma = 1e-8 }

local function check_gradients(case, results, leaves)
  local name, wanted = case[1], case[4]
  local loss = weighted(results)
  local found = loss and table.pack(cr.grad(loss, leaves, { allow_unused = true })) or {}
  for i, leaf in ipairs(leaves) do
    local _, shape, list = nil, leaf.shape, {}
    if wanted[i] ~= "N" then _, shape, list = M.parse_tensor(wanted[i]) end
    if found[i] == nil then
      for _, v in ipairs(list) do
        if v ~= 0 then return ("no gradient for tensor %d, expected %s"):format(i, wanted[i]) end
      end
    elseif wanted[i] ~= "N" then
      list = i == 1 and with_limits(case, list, found[i]) or list
      local problem = values.differs(found[i], "float64", shape, list, single[name] or 1e-9, 1e-10)
      if problem then return ("gradient of tensor %d: %s"):format(i, problem) end
    end
  end
end

-- Runs one case. Returns what differs of its results and of its gradients, a sentence each or nil; then the results,
-- and the arguments that they came from.
function M.run(case)
  local name, gradients = case[1], case[4]
  local args, leaves = M.arguments(case)
  if gradients then
    for _, leaf in ipairs(leaves) do leaf:requires_grad_() end
    if name:sub(-1) == "_" then args[1] = args[1]:clone() end
  end
  local ok, results = pcall(M.results, name, args)
  if not ok then return tostring(results) end
  local checked, problem = pcall(check_results, case, results)
  local derived, of_gradients = true, nil
  if gradients then derived, of_gradients = pcall(check_gradients, case, results, leaves) end
  return problem and tostring(problem) or (not checked and "failed") or nil,
    of_gradients and tostring(of_gradients) or (not derived and "failed") or nil, results, leaves
end

-- The same as one sentence, or nil.
function M.check(case)
  local of_results, of_gradients = M.run(case)
  return of_results or of_gradients
end

local function show(arg)
  if type(arg) == "table" then
    local list = {}
    for i, item in ipairs(arg) do list[i] = show(item) end
    return "{" .. table.concat(list, ", ") .. "}"
  end
  return type(arg) == "string" and "[" .. arg .. "]" or tostring(arg)
end

-- A case as text, for messages.
function M.describe(case)
  local list = {}
  for i, arg in ipairs(case[2]) do list[i] = show(arg) end
  return ("%s(%s)"):format(case[1], table.concat(list, ", "))
end

-- Files of this folder that hold something else than cases, for specs of their own.
local others = { lbfgs = true, autocast = true, schedules = true, optim = true, elementary = true,
  extreme_folds = true, promotion = true,
  update = true, modules = true, modules_sequence = true }

-- The names of the families that cases were recorded for.
function M.families()
  local list = {}
  for _, path in ipairs(shell.lines "ls spec/oracle/*.lua") do
    local name = path:match "([%w_]+)%.lua$"
    if not others[name] then list[#list + 1] = name end
  end
  return list
end

-- The cases of all families, by operation.
function M.load()
  local by_name = {}
  for _, family in ipairs(M.families()) do
    for _, case in ipairs(require("spec.oracle." .. family)) do
      local list = by_name[case[1]] or {}
      by_name[case[1]] = list
      list[#list + 1] = case
    end
  end
  return by_name
end

return M
