-- examples.lua: a program for each operation of the catalogue that shows what it does, made of the entry's samples.
--
-- Holds true: a program is whole but for `cr`, and prints what the operation gives; its numbers are short, so that a
-- reader can follow them. Tensors are of the default dtype unless the entry asks for another.

local keywords = require("reference").keywords

local M = {}

-- ---- Samples -----------------------------------------------------------------------------------------------

-- What a function of samples gets. Elements lie on no lattice, rounded to hundredths.
local function maker(cr)
  local s, seed = { none = {} }, 0
  local function made(shape, dtype, element)
    local n, list = 1, {}
    for _, size in ipairs(shape) do n = n * size end
    for k = 1, n do
      seed = seed + 1
      list[k] = element((seed * 0.6180339887498949) % 1)
    end
    if n == 0 then return cr.zeros(shape, { dtype = dtype }) end
    return cr.tensor(list, { dtype = dtype }):reshape(shape)
  end
  function s.t(shape, lo, hi, dtype)
    lo, hi = lo or -2, hi or 2
    local whole = dtype and not dtype:find "float"
    if dtype == "bool" then return s.b(shape) end
    return made(shape, dtype or "float32", function(u)
      return whole and math.floor(lo) + math.floor(u * (hi - lo + 1)) or math.floor((lo + (hi - lo) * u) * 100) / 100
    end)
  end
  function s.i(shape, lo, hi)
    return made(shape, "int64", function(u) return math.floor(lo) + math.floor(u * (hi - lo + 1)) end)
  end
  function s.b(shape) return made(shape, "bool", function(u) return u < 0.5 end) end
  return s
end

-- An elementwise entry names a range instead of samples: one sample, with a tensor for each operand.
local function by_range(e, s)
  local _, range = next(e.samples or {})
  local lo, hi = (range or { -2, 2 })[1], (range or { -2, 2 })[2]
  local args = {}
  for i, p in ipairs(e.params) do
    if p.type == "tensor" or p.type == "operand" then
      args[i] = p.name == e.mask and s.b { 2, 3 } or s.t({ 2, 3 }, lo, hi)
    end
  end
  return { args }
end

-- The arguments of the sample that shows most: tensors with elements, but few; the first of such samples.
local function sample_of(e, cr)
  local s = maker(cr)
  local list = type(e.samples) == "function" and e.samples(s) or by_range(e, s)
  local chosen = list[1]
  for k = #list, 1, -1 do
    local most, least = 0, math.huge
    for i = 1, #e.params do
      if cr.is_tensor(list[k][i]) then
        most, least = math.max(most, list[k][i]:numel()), math.min(least, list[k][i]:numel())
      end
    end
    if least > 0 and most <= 12 and (most > 1 or k == 1) then chosen = list[k] end
  end
  local args = { n = 0 }
  for i = 1, #e.params + 1 do
    if chosen[i] ~= nil and chosen[i] ~= s.none then args[i], args.n = chosen[i], i end
  end
  return args
end

-- The arguments of an example, made anew, as a packed list.
M.sample_of = sample_of

-- Whether scripts can call the entry by a name.
function M.is_called(e) return not e.hidden and (e.method ~= false or e.func ~= false) end

-- ---- As text ------------------------------------------------------------------------------------------------

local literal

local function list_literal(list)
  local words = {}
  for i, v in ipairs(list) do words[i] = literal(v) end
  for key, v in pairs(list) do
    if type(key) == "string" then words[#words + 1] = ("%s = %s"):format(key, literal(v)) end
  end
  return #words == 0 and "{}" or "{ " .. table.concat(words, ", ") .. " }"
end

local function tensor_literal(t)
  local options = {}
  if t.dtype ~= "float32" and t.dtype ~= "int64" and t.dtype ~= "bool" then
    options[1] = ("dtype = %q"):format(t.dtype)
  end
  if t:numel() == 0 then return ("cr.zeros(%s)"):format(list_literal(t.shape)) end
  local text = literal(t:dim() == 0 and t:item() or t:totable())
  return ("cr.tensor(%s%s)"):format(text, options[1] and ", { " .. options[1] .. " }" or "")
end

function literal(v)
  if type(v) == "userdata" and v.dtype then return tensor_literal(v) end
  if type(v) == "table" or type(v) == "userdata" then return list_literal(v) end
  if math.type(v) == "float" then
    if v == math.huge then return "math.huge" elseif v == -math.huge then return "-math.huge" end
    local text = ("%.6g"):format(v)
    return text:find "[%.en]" and text or text .. ".0"
  end
  return type(v) == "string" and ("%q"):format(v) or tostring(v)
end

-- The name of a parameter as that of a local.
local function local_name(p)
  if p.name == "self" then return "x" end
  return (keywords[p.name] or p.name == "cr") and p.name .. "_" or p.name
end

local function called(e)
  return e.inplace_only and e.lua:sub(-1) ~= "_" and e.lua .. "_" or e.lua
end

-- The lines that name the tensors of a call, and the words of its arguments.
local function arguments(e, args)
  local lines, words = {}, {}
  for i = 1, args.n do
    local v, p = args[i], e.params[i]
    local holds = type(v) == "userdata" or (type(v) == "table" and type(v[1]) == "userdata")
    if holds and p then
      lines[#lines + 1] = ("local %s = %s"):format(local_name(p), literal(v))
      words[i] = local_name(p)
    else
      words[i] = v == nil and "nil" or literal(v)
    end
  end
  return lines, words
end

-- What follows the call: the results one below the other.
local function printing(e, call)
  if e.lua:find(".", 1, true) then return { call, ("print(%s[1])"):format(local_name(e.params[1])) } end
  if e.nout == 1 and not e.variable then return { ("print(%s)"):format(call) } end
  return { ("for _, result in ipairs { %s } do print(result) end"):format(call) }
end

-- Runs a program; gives what it printed.
function M.run(program, cr)
  local out = {}
  local function note(...)
    local words = table.pack(...)
    for i = 1, words.n do words[i] = tostring(words[i]) end
    out[#out + 1] = table.concat(words, "\t")
  end
  assert(load(program, "=example", "t", setmetatable({ cr = cr, print = note }, { __index = _G })))()
  return table.concat(out, "\n")
end

-- Whether a program moves the random generator.
local function draws(program, cr)
  local before = cr.get_rng_state().offset
  M.run(program, cr)
  return cr.get_rng_state().offset ~= before
end

-- The program of an entry that scripts can call; one that draws random numbers begins with a seed.
function M.program(e, cr)
  local args = sample_of(e, cr)
  local lines, words = arguments(e, args)
  local name = called(e)
  local is_method = e.method ~= false and not e.creates and not name:find(".", 1, true) and e.params[1]
    and words[1] == local_name(e.params[1])
  local call = is_method and ("%s:%s(%s)"):format(words[1], name, table.concat(words, ", ", 2))
    or ("cr.%s(%s)"):format(name, table.concat(words, ", "))
  for _, line in ipairs(printing(e, call)) do lines[#lines + 1] = line end
  if draws(table.concat(lines, "\n"), cr) then table.insert(lines, 1, "cr.manual_seed(1)") end
  return table.concat(lines, "\n")
end

return M
