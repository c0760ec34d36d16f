-- fuzz.lua: random calls of every operation through Lua: `make fuzz SEED=n CALLS=n`.
--
-- Holds true: the same seed makes the same calls. Arguments follow an operation's signature, with edges
-- (no dims, no elements, strides of 0, huge numbers, NaN) and now and then something of a wrong kind.
-- Whatever is passed, a call gives results or raises one sentence, and one that raised has changed
-- neither its tensors nor the random generator. The last call is named in the file LOG, for the case that
-- it ends the process.

local cr = require "cresset"

local seed, calls = tonumber(arg[1]) or 1, tonumber(arg[2]) or 20000
local log = arg[3] and assert(io.open(arg[3], "w"))

math.randomseed(seed)
local device = os.getenv "CRESSET_SPEC_DEVICE" or "cpu"
cr.memory.limit(256 << 20) -- sizes are drawn from all integers
cr.set_warning_handler(function() end)
local random = math.random
local function pick(list) return list[random(#list)] end

local dtypes = { "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool",
  "uint16", "uint32", "uint64" }
local shapes = { {}, { 1 }, { 3 }, { 2, 3 }, { 3, 1 }, { 1, 3 }, { 0 }, { 2, 0 }, { 4, 4 }, { 2, 3, 4 },
  { 17 }, { 33, 5 } }
local numbers = { 0, 1, -1, 2, 3, 0.5, -2.5, 1e30, -1e300, 300, math.huge, -math.huge, 0 / 0, true, false,
  math.maxinteger, math.mininteger }
local words = { "mean", "sum", "none", "floor", "trunc", "reflect", "circular", "constant", "left", "amax",
  "ij,jk->ik", "" }

local function tensor()
  local shape, dtype = pick(shapes), pick(dtypes)
  if random(3) == 1 then dtype = "float32" end
  local x = cr.randint(-3, 5, shape, { device = random(3) > 1 and device or "cpu" }):to(dtype)
  if dtype:find "float" and random(8) == 1 then x = x / 0 end
  local way = random(8)
  if way == 1 and x:dim() >= 2 then x = x:transpose(1, -1) end
  if way == 2 and x:dim() >= 1 then x = x:unsqueeze(1):expand(3, table.unpack(shape)) end
  if way == 3 and x:dim() >= 1 and x:size(1) > 1 then x = x:slice(1, 1, -1, 2) end
  if way == 4 and dtype:find "float" then x = x:detach():requires_grad_() end
  return x
end

local function integers(most)
  local t = {}
  for i = 1, random(0, 4) do t[i] = random(-2, most) end
  return t
end

local make = {
  tensor = tensor,
  operand = function() return random(2) == 1 and tensor() or pick(numbers) end,
  tensors = function()
    local t = {}
    for i = 1, random(0, 3) do t[i] = tensor() end
    return t
  end,
  scalar = function() return pick(numbers) end,
  int = function() return random(12) == 1 and pick { math.maxinteger, math.mininteger, 1 << 40 } or random(-3, 6) end,
  float = function() return pick(numbers) end,
  bool = function() return random(2) == 1 end,
  dim = function() return random(-4, 4) end,
  dims = function() return integers(4) end,
  shape = function() return integers(5) end,
  ints = function() return integers(6) end,
  floats = function()
    local t = {}
    for i = 1, random(0, 4) do t[i] = pick(numbers) end
    return t
  end,
  string = function() return pick(words) end,
  dtype = function() return pick(dtypes) end,
  device = function() return random(2) == 1 and device or "cpu" end,
}
local kinds = {}
for kind in pairs(make) do kinds[#kinds + 1] = kind end
table.sort(kinds)

-- The kinds of an operation's parameters, in order: { kind =, optional = }.
local function parameters(signature)
  local list = {}
  for kind, rest in signature:gmatch "[%w_]+: (%a+)([^,)]*)" do
    list[#list + 1] = { kind = kind, optional = rest:find "[?=]" ~= nil }
  end
  return list
end

local operations = {}
for _, op in ipairs(cr.operations()) do
  if not op.hidden and (op.func or op.method) then
    operations[#operations + 1] = { op = op, parameters = parameters(op.signature) }
  end
end

-- What a failed call must leave as it was.
local function state_of(arguments, n)
  local kept = { rng = cr.get_rng_state() }
  for i = 1, n do
    if cr.is_tensor(arguments[i]) then
      local x = arguments[i]
      kept[i] = { version = x._version, shape = x.shape, values = x:detach():clone() }
    end
  end
  return kept
end

local function same_bits(a, b)
  if a.dtype:find "float" then return a:eq(b):logical_or(a:ne(a):logical_and(b:ne(b))):all():item() end
  return a:eq(b):all():item()
end

local function unchanged(arguments, n, kept)
  local rng = cr.get_rng_state()
  if rng.offset ~= kept.rng.offset or rng.seed ~= kept.rng.seed then return "it has spent random numbers" end
  for i = 1, n do
    local was, x = kept[i], arguments[i]
    if was then
      if x._version ~= was.version then return ("argument %d has another version"):format(i) end
      if table.concat(x.shape, "x") ~= table.concat(was.shape, "x") then
        return ("argument %d has another shape"):format(i)
      end
      if not same_bits(x:detach(), was.values) then return ("argument %d has other elements"):format(i) end
    end
  end
end

local function describe(name, arguments, n)
  local t = {}
  for i = 1, n do
    local v = arguments[i]
    if cr.is_tensor(v) then t[i] = ("%s(%s)"):format(v.dtype, table.concat(v.shape, "x"))
    elseif type(v) == "table" then t[i] = ("{%d}"):format(#v)
    else t[i] = tostring(v) end
  end
  return ("%s(%s)"):format(name, table.concat(t, ", "))
end

-- What a kernel finds wrong is told when a device is waited for, be it by the call itself; by then what is valid has
-- been written.
local function found_late(ok, message)
  if device == "cpu" then return false end
  local told = not ok and tostring(message):find("on cuda, ", 1, true) ~= nil
  return not pcall(cr.cuda.synchronize) or told
end

local raised, faults = 0, 0
for call = 1, calls do
  cr.manual_seed(seed * 1000003 + call)
  local chosen = pick(operations)
  local arguments, n = {}, 0
  for i, p in ipairs(chosen.parameters) do
    if p.optional and random(2) == 1 then break end
    local kind = random(40) == 1 and pick(kinds) or p.kind
    arguments[i], n = make[kind](), i
  end
  local op = chosen.op
  local name = op.inplace and not op.inplace_only and random(4) == 1 and op.lua .. "_" or op.lua
  local x = arguments[1]
  local f = rawget(cr, name)
  if not f and op.method and cr.is_tensor(x) then f = x[name] end
  if f then
    local what = describe(name, arguments, n)
    if log then log:seek("set") log:write(call, " ", what, (" "):rep(200 - #what), "\n") log:flush() end
    local kept = state_of(arguments, n)
    local ok, result = pcall(f, table.unpack(arguments, 1, n))
    local fault
    if found_late(ok, result) then
      raised = raised + 1
    elseif ok then
      if cr.is_tensor(result) and result.requires_grad and result:numel() > 0 and random(4) == 1 then
        local done, message = pcall(function() result:sum():backward() end)
        if not done and tostring(message):find "promise" then fault = "backward: " .. message end
        found_late(true)
      end
    else
      raised = raised + 1
      fault = unchanged(arguments, n, kept)
      if type(result) ~= "string" or result:find "\n" then fault = "the error is not one line of text" end
      if tostring(result):find "internal" then fault = tostring(result) end
    end
    if fault then
      faults = faults + 1
      io.stderr:write(("call %d of seed %d: %s: %s\n"):format(call, seed, what, fault))
    end
  end
end
print(("%d calls, %d of them raised, %d faults"):format(calls, raised, faults))
os.exit(faults == 0)
