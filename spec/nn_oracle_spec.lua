-- nn_oracle_spec.lua: modules against PyTorch's: outputs, gradients by inputs and parameters, running statistics, keys.
--
-- Holds true: the recorded files (oracle/cases_modules.py) speak PyTorch's language, but for the arguments of classes,
-- which they have as Lua. Parameters hold numbers that both sides make by the same formula.

local cr = require "cresset"
local nn = cr.nn
local oracle = require "spec.support.oracle"
local values = require "spec.support.values"

local TOLERANCE = 1e-9
local coarse = { Hardsigmoid = 1e-7 } -- PyTorch's slope there is 1 / 6 in float32

-- The tensor that a text stands for; generated ones are leaves.
local function tensor_of(text, leaves)
  local lo, hi, seed = text:match "^T %S+ %S+ (%S+) (%S+) (%S+)$"
  local dtype, shape, list = oracle.parse_tensor(text)
  if not lo then return values.from_list(list, shape, dtype) end
  local t = values.generate(shape, tonumber(lo), tonumber(hi), dtype, tonumber(seed)):requires_grad_()
  leaves[#leaves + 1] = t
  return t
end

local function build(v, leaves)
  if type(v) == "string" then return tensor_of(v, leaves) end
  local list = {}
  for i, x in ipairs(v) do list[i] = build(x, leaves) end
  return list
end

local function fill(module, keys)
  local i, dict = 0, module:state_dict()
  for key in keys:gmatch "%S+" do
    local t = dict[key]
    if t:is_floating_point() then
      local lo = key:find "var$" and 0.5 or -0.5
      local shape = { table.unpack(t.shape) }
      cr.no_grad(function() t:copy_(values.generate(shape, lo, lo + 1, "float64", 11 + i)) end)
    end
    i = i + 1
  end
end

local function flat(list, v)
  if cr.is_tensor(v) then list[#list + 1] = v
  elseif type(v) == "table" then for _, x in ipairs(v) do flat(list, x) end end
  return list
end

local function keys_of(module)
  local list = {}
  for key in pairs(module:state_dict()) do list[#list + 1] = key end
  table.sort(list)
  return table.concat(list, " ")
end

local function sorted(keys)
  local list = {}
  for key in keys:gmatch "%S+" do list[#list + 1] = key end
  table.sort(list)
  return table.concat(list, " ")
end

-- The loss of which the recorded gradients are those: the outputs times generated weights.
local function loss_of(outputs)
  local loss
  for i, y in ipairs(outputs) do
    if y.requires_grad then
      local part = (y * values.generate({ table.unpack(y.shape) }, -1, 1, "float64", 899 + i)):sum()
      loss = loss and loss + part or part
    end
  end
  return loss
end

local function differs(t, text, tolerance)
  if text == "N" then return t ~= nil and "there is a gradient" or nil end
  if not t then return "there is none" end
  local _, shape, list = oracle.parse_tensor(text)
  return values.differs(t, nil, shape, list, tolerance, tolerance)
end

-- Runs a case; gives a list of what differs.
local function check(case)
  local class, args, run, inputs, keys, outs, grads, buffers, more = table.unpack(case)
  local problems, leaves, given = {}, {}, {}
  local function expect(what, t, text)
    local problem = differs(t, text, coarse[class] or TOLERANCE)
    if problem then problems[#problems + 1] = ("%s(%s), %s, %s: %s"):format(class, args, run, what, problem) end
  end
  local env = { cr = cr, nn = nn }
  local module = assert(load(("return nn.%s(%s)"):format(class, args), "=case", "t", env))():double():to(values.device)
  assert.equal(sorted(keys), keys_of(module), class)
  fill(module, keys)
  module:train(run == "train")
  for i, v in ipairs(inputs) do given[i] = build(v, leaves) end
  if more ~= "" then
    local options = assert(load("return { " .. more .. " }", "=case", "t", env))()
    for key, v in pairs(options) do options[key] = cr.is_tensor(v) and v:to(values.device) or v end
    given[#given + 1] = options
  end
  local outputs = flat({}, { module(table.unpack(given)) })
  assert.equal(#outs, #outputs, class)
  for i, text in ipairs(outs) do expect("output " .. i, outputs[i], text) end
  local loss = loss_of(outputs)
  if #grads > 0 then
    loss:backward()
    table.move(module:parameters(), 1, #module:parameters(), #leaves + 1, leaves)
    assert.equal(#grads, #leaves, class)
    for i, text in ipairs(grads) do expect("gradient " .. i, leaves[i].grad, text) end
  end
  local floats = {}
  for _, b in ipairs(module:buffers()) do
    if b:is_floating_point() then floats[#floats + 1] = b end
  end
  for i, text in ipairs(buffers) do expect("buffer " .. i, floats[i], text) end
  return problems
end

local done = {}

for _, file in ipairs { "modules", "modules_sequence" } do
  local by_class, order = {}, {}
  for _, case in ipairs(require("spec.oracle." .. file)) do
    local class = case[1]
    if not by_class[class] then
      by_class[class] = {}
      order[#order + 1] = class
    end
    table.insert(by_class[class], case)
    done[class] = true
  end

  describe("as in PyTorch, nn.", function()
    for _, class in ipairs(order) do
      it(class, function()
        local all = {}
        for _, case in ipairs(by_class[class]) do
          for _, problem in ipairs(check(case)) do all[#all + 1] = problem end
        end
        assert(#all == 0, table.concat(all, "\n"))
      end)
    end
  end)
end

it("every class is compared with PyTorch, or is a container", function()
  local others = {}
  for name, where in pairs(getmetatable(nn).lazy) do
    local class = where[2] and nn[name]
    if type(class) == "table" and rawget(class, "class_name") and not done[name] then others[#others + 1] = name end
  end
  table.sort(others)
  assert.same({ "ModuleDict", "ModuleList", "NLLLoss2d", "ParameterDict", "ParameterList", "Sequential" }, others)
end)
