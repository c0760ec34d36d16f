-- values.lua: the inputs of the specs, and how results are compared.
--
-- Holds true: inputs come from a formula, the same one as in oracle/record.py, so that a recorded
-- case names its inputs instead of storing them. Comparing never uses an operation that could share
-- a mistake with the one under test: values are read out as Lua numbers.

local cr = require "cresset"

local M = {}

local floor = math.floor

-- Where the specs' tensors are made: CRESSET_SPEC_DEVICE=cuda runs what uses them on another device.
M.device = os.getenv "CRESSET_SPEC_DEVICE" or "cpu"

M.floats = { "float64", "float32", "float16", "bfloat16" }
M.integers = { "int64", "int32", "int16", "int8", "uint8" }
M.dtypes = { "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool" }
M.is_float = {}
for _, name in ipairs(M.floats) do M.is_float[name] = true end

-- The k-th (from 1) number in [0, 1) of the sequence `seed`.
local function unit(k, seed)
  local u = k * 0.6180339887498949 + seed * 0.7548776662466927
  return u - floor(u)
end

function M.count(shape)
  local n = 1
  for _, size in ipairs(shape) do n = n * size end
  return n
end

-- A tensor of the dtype and shape from a flat list of numbers or booleans.
function M.from_list(list, shape, dtype)
  if #list == 0 then return cr.zeros(shape, { dtype = dtype, device = M.device }) end
  return cr.tensor(list, { dtype = dtype, device = M.device }):reshape(shape)
end

-- The generated tensor that oracle/record.py calls T.
function M.generate(shape, lo, hi, dtype, seed)
  local list = {}
  for k = 1, M.count(shape) do
    local u = unit(k, seed)
    if dtype == "bool" then
      list[k] = u < 0.5
    elseif M.is_float[dtype] then
      list[k] = lo + (2 * floor(u * 64) + 1) * (hi - lo) / 128
    else
      list[k] = floor(lo) + floor(u * (hi - lo + 1))
    end
  end
  return M.from_list(list, shape, dtype)
end

-- A tensor of numbers that lie on no lattice: sums and differences of them meet no kink.
function M.scatter(shape, lo, hi, dtype, seed)
  local list = {}
  for k = 1, M.count(shape) do list[k] = lo + (hi - lo) * unit(k, seed) end
  return M.from_list(list, shape, dtype)
end

-- The elements in row-major order as Lua numbers (or booleans).
function M.flat(t)
  if t:numel() == 0 then return {} end
  local list = t:detach():reshape(-1):totable()
  return list
end

-- How far a result of a dtype may be from the truth: relative, absolute.
M.tolerance = {
  float64 = { 1e-11, 1e-12 },
  float32 = { 4e-6, 1e-6 },
  float16 = { 3e-3, 1e-4 },
  bfloat16 = { 2e-2, 1e-3 },
}

local function as_number(v)
  if v == true then return 1 end
  if v == false then return 0 end
  return v
end

-- True if the numbers agree: NaN with NaN, infinities and integers exactly, the rest within tolerance.
function M.near(a, b, rtol, atol)
  a, b = as_number(a), as_number(b)
  if a == b then return true end
  if a ~= a or b ~= b then return a ~= a and b ~= b end
  if math.abs(a) == math.huge or math.abs(b) == math.huge then return false end
  return math.abs(a - b) <= atol + rtol * math.abs(b)
end

local function show(list)
  local words = {}
  for i = 1, math.min(#list, 24) do words[i] = tostring(list[i]) end
  return table.concat(words, " ")
end

function M.shape_text(shape)
  return #shape == 0 and "0-dim" or table.concat(shape, "x")
end

-- Returns nil if t has the dtype (nil: any), the shape and the values of the list, else what differs.
function M.differs(t, dtype, shape, list, rtol, atol)
  if type(t) ~= "userdata" then return ("got %s (%s), not a tensor"):format(type(t), tostring(t)) end
  if dtype and t.dtype ~= dtype then return ("dtype is %s, not %s"):format(t.dtype, dtype) end
  if M.shape_text(t.shape) ~= M.shape_text(shape) then
    return ("shape is %s, not %s"):format(M.shape_text(t.shape), M.shape_text(shape))
  end
  if not list then return nil end
  local tolerance = M.tolerance[t.dtype] or { 0, 0 }
  rtol, atol = rtol or tolerance[1], atol or tolerance[2]
  local got = M.flat(t)
  for i = 1, #list do
    if not M.near(got[i], list[i], rtol, atol) then
      return ("element %d is %s, not %s\n  got  %s\n  want %s"):format(i, tostring(got[i]), tostring(list[i]),
        show(got), show(list))
    end
  end
end

-- Returns nil if both tensors (or nils, numbers) agree, else what differs.
function M.tensors_differ(a, b, rtol, atol)
  if type(b) ~= "userdata" then
    if type(a) == "userdata" then return "got a tensor, not " .. tostring(b) end
    return not (a == b or M.near(a, b, 0, 0)) and ("got %s, not %s"):format(tostring(a), tostring(b)) or nil
  end
  return M.differs(a, b.dtype, b.shape, M.flat(b), rtol, atol)
end

-- Asserts that t holds exactly these numbers (a number, or nested tables).
function M.assert_values(t, want, rtol, atol)
  local shape, list = {}, {}
  local function walk(v, depth)
    if type(v) ~= "table" then
      list[#list + 1] = v
      return
    end
    shape[depth] = #v
    for _, item in ipairs(v) do walk(item, depth + 1) end
  end
  walk(want, 1)
  local problem = M.differs(t, nil, shape, list, rtol, atol)
  if problem then error(problem, 2) end
end

function M.assert_same(a, b, rtol, atol)
  local problem = M.tensors_differ(a, b, rtol, atol)
  if problem then error(problem, 2) end
end

-- A float64 leaf that requires grad, from a number or nested tables.
function M.leaf(v) return cr.tensor(v, { dtype = "float64", device = M.device, requires_grad = true }) end

-- A tensor of the dtype that its contents ask for, or of another.
function M.tensor(v, dtype) return cr.tensor(v, { dtype = dtype, device = M.device }) end

-- A float64 tensor outside every graph.
function M.plain(v) return cr.tensor(v, { dtype = "float64", device = M.device }) end

-- Calls f and returns the message of the error that it must raise, without position.
function M.message_of(f, ...)
  local ok, message = pcall(f, ...)
  if ok then error("no error was raised", 2) end
  if type(message) ~= "string" then error("the error is no string: " .. tostring(message), 2) end
  return (message:gsub("^[^\n]-:%d+: ", "", 1))
end

-- Asserts that f raises one sentence that holds every one of the plain words.
function M.assert_fails(f, ...)
  local message = M.message_of(f)
  for _, word in ipairs { ... } do
    if not message:find(word, 1, true) then
      error(("the message lacks '%s': %s"):format(word, message), 2)
    end
  end
  return message
end

-- Runs f and returns the warnings that it gave, then its results.
function M.warnings_of(f)
  local list = {}
  cr.set_warning_handler(function(sentence) list[#list + 1] = sentence end)
  local results = table.pack(pcall(f))
  cr.set_warning_handler(nil)
  if not results[1] then error(results[2], 2) end
  return list, table.unpack(results, 2, results.n)
end

return M
