-- catalogue.lua: reads the catalogue of operations (ops/*.lua) into plain entries.
--
-- Holds true: an entry says everything about an operation that any other part of the project needs:
-- the generator, the manual and the specs all read it from here. A mistake in an entry names the
-- operation and the field.

local autocast = require "autocast"
local kernels = require "kernels"

local M = {}

-- The types a parameter may have; `tensor` marks those that carry tensors.
M.types = {
  tensor = { enum = "TENSOR", tensor = true },
  operand = { enum = "OPERAND", tensor = true },
  tensors = { enum = "TENSORS", tensor = true },
  scalar = { enum = "SCALAR", number = true },
  int = { enum = "INT", number = true },
  float = { enum = "FLOAT", number = true },
  bool = { enum = "BOOL", number = true },
  dim = { enum = "DIM" },
  dims = { enum = "DIMS" },
  shape = { enum = "SHAPE" },
  ints = { enum = "INTS" },
  floats = { enum = "FLOATS" },
  string = { enum = "STRING" },
  dtype = { enum = "DTYPE" },
  device = { enum = "DEVICE" },
}

-- Fields that an entry may have, so that a misspelt one is found.
local fields = {}
for name in ([[doc lua method func hidden inplace pointwise quick promote mask numbers dtypes check run body saves
  composite view multi_view rewrites creates warns truth aliases identity grad nondiff samples
  variadic stores also autocast]]):gmatch("%S+") do
  fields[name] = true
end

local function fail(entry, message, ...)
  error(("catalogue: %s: " .. message):format(entry, ...), 0)
end

local literals = { ["true"] = true, ["false"] = false, ["inf"] = math.huge, ["-inf"] = -math.huge }

local function parse_default(where, text)
  if text:match('^".*"$') then return text:sub(2, -2) end
  if literals[text] ~= nil then return literals[text] end
  local number = math.tointeger(text) or tonumber(text)
  if number == nil then fail(where, "cannot read the default %s", text) end
  return number
end

-- `"a" | "b"` becomes a list of the words.
local function parse_choices(where, name, text)
  local choices = {}
  for word in (text .. "|"):gmatch "%s*([^|]-)%s*|" do
    local choice = word:match '^"([%w_]+)"$'
    if not choice then fail(where, "cannot read the choice %s of parameter %s", word, name) end
    choices[#choices + 1] = choice
  end
  return choices
end

-- A string that is one of several words: `mode: "floor" | "trunc" = "floor"`, or with a ? where it may be absent.
local function parse_choice(where, name, text)
  local words, default = text:match '^(.-)%s*=%s*"([%w_]+)"$'
  words = words or text
  local optional = words:sub(-1) == "?"
  local param = { name = name, type = "string", optional = optional or default ~= nil, default = default,
    has_default = default ~= nil }
  param.choices = parse_choices(where, name, optional and words:sub(1, -2) or words)
  local known = default == nil
  for _, choice in ipairs(param.choices) do known = known or choice == default end
  if not known then fail(where, "the default of %s is none of its choices", name) end
  return param
end

-- Whole numbers, or one of several words in their place: `padding: ints | "same" | "valid" = 0`.
local function parse_mixed(where, name, text)
  local words, default = text:match "^(.-)%s*=%s*(%-?%d+)$"
  local param = { name = name, type = "ints", mixed = true, optional = default ~= nil, has_default = default ~= nil,
    default = math.tointeger(default) }
  param.choices = parse_choices(where, name, words or text)
  return param
end

local function parse_param(where, text)
  local mixed, alternatives = text:match('^([%a_][%w_]*)%s*:%s*ints%s*|%s*(".*)$')
  if mixed then return parse_mixed(where, mixed, alternatives) end
  local choosing, words = text:match('^([%a_][%w_]*)%s*:%s*(".*)$')
  if choosing then return parse_choice(where, choosing, words) end
  local name, type, default = text:match("^([%a_][%w_]*)%s*:%s*([%a]+%??)%s*=%s*(.+)$")
  if not name then
    name, type = text:match("^([%a_][%w_]*)%s*:%s*([%a]+%??)$")
  end
  if not name then fail(where, "cannot read the parameter '%s'", text) end
  local optional = type:sub(-1) == "?"
  local base = optional and type:sub(1, -2) or type
  if not M.types[base] then fail(where, "parameter %s has an unknown type '%s'", name, base) end
  local param = { name = name, type = base, optional = optional or default ~= nil }
  if default then
    param.default = parse_default(where, default)
    param.has_default = true
  end
  return param
end

-- "name(a: t, b: t = 1) -> x, y" becomes name, params, outputs.
local function parse_signature(signature)
  local name, inside, rest = signature:match("^([%a_][%w_]*)%((.-)%)%s*(.*)$")
  if not name then fail(signature, "cannot read the signature") end
  local params = {}
  for text in inside:gmatch("[^,]+") do
    params[#params + 1] = parse_param(name, (text:gsub("^%s+", ""):gsub("%s+$", "")))
  end
  local outputs = { "out" }
  if rest ~= "" then
    local list = rest:match("^%->%s*(.+)$")
    if not list then fail(name, "cannot read the results '%s'", rest) end
    outputs = {}
    for output in list:gmatch("[%w_%.]+") do outputs[#outputs + 1] = output end
  end
  return name, params, outputs
end

local function check_entry(e)
  for field in pairs(e.raw) do
    if not fields[field] then fail(e.name, "unknown field '%s'", field) end
  end
  if type(e.doc) ~= "string" then fail(e.name, "has no doc") end
  local ways = (e.pointwise and 1 or 0) + (e.run and 1 or 0) + (e.body and 1 or 0)
  if ways ~= 1 then fail(e.name, "needs exactly one of pointwise, run, body; has %d", ways) end
  local ways_grad = (e.grad and 1 or 0) + (e.nondiff and 1 or 0)
  local free = e.composite or e.body
  if not free and ways_grad ~= 1 then fail(e.name, "needs exactly one of grad and nondiff") end
  if free and ways_grad ~= 0 then fail(e.name, "is a composite: its parts carry the derivative") end
  if type(e.saves) == "string" then
    local known = false
    for _, name in ipairs(e.outputs) do known = known or name == e.saves end
    if not known then fail(e.name, "saves '%s', which is no result", e.saves) end
  end
  if type(e.grad) == "table" then
    for key, value in pairs(e.grad) do
      local name = math.type(key) and value or key
      local p = e.by_name[name]
      if key ~= "joint" and not p then fail(e.name, "grad names '%s', which is no parameter", name) end
      if p and not M.types[p.type].tensor then fail(e.name, "grad names '%s', which is no tensor", name) end
    end
    local names, joint = #e.grad > 0, e.grad.joint
    if names and type(joint) ~= "function" then fail(e.name, "grad lists parameters, but has no joint formula") end
    if joint and not names then fail(e.name, "its joint formula lists no parameters") end
  end
end

-- ---- Expressions --------------------------------------------------------------------------------

-- What an expression calls its tensors and its numbers, in the order of the signature.
local operands, numbers = { "x", "y", "z", "w" }, { "a", "b", "c", "d" }

-- Names a tensor or a number of the entry by the next letter of its list.
local function name_params(e)
  local known, ntensor, nnumber = { T = true }, 0, 0
  for _, p in ipairs(e.params) do
    local tensor = M.types[p.type].tensor
    ntensor, nnumber = ntensor + (tensor and 1 or 0), nnumber + (tensor and 0 or 1)
    local letter = tensor and operands[ntensor] or not tensor and numbers[nnumber]
    if not letter then
      fail(e.name, "%s is one %s too many: a pointwise operation takes %d tensors and %d numbers at most", p.name,
        tensor and "tensor" or "number", #operands, #numbers)
    end
    known[letter] = true
  end
  return known
end

local function check_expression(e, field)
  local known = name_params(e)
  local text = e[field]:gsub("%f[%w_.]%d+%.?%d*[eE]?%-?%d*", " ") -- without numbers
  for name, after in text:gmatch "%f[%w_]([%a_][%w_]*)%s*(%(?)" do
    if after == "" and not known[name] then
      fail(e.name, "%s reads '%s', which names none of its tensors and numbers", field, name)
    end
  end
end

local function new_entry(signature, raw, family)
  local name, params, outputs = parse_signature(signature)
  local e = { name = name, signature = signature, params = params, outputs = outputs, raw = raw, family = family }
  for key, value in pairs(raw) do e[key] = value end
  e.by_name = {}
  for i, p in ipairs(params) do
    p.index = i - 1
    e.by_name[p.name] = p
  end
  e.variable = outputs[1] == "..."
  e.nout = e.variable and 0 or #outputs
  e.lua = raw.lua or name
  e.aliases = {}
  for alias in (raw.aliases or ""):gmatch("%S+") do e.aliases[#e.aliases + 1] = alias end
  e.inplace_only = raw.inplace == "only"
  e.composite = raw.composite or raw.body ~= nil
  -- In Lua the last list of sizes or dims may be spelled out: x:view(2, 3).
  for i = #params, 1, -1 do
    local t = params[i].type
    if t == "shape" or t == "dims" then
      local rest_optional = true
      for j = i + 1, #params do rest_optional = rest_optional and params[j].optional end
      params[i].variadic = t == "shape" or (i == #params and not params[i].optional)
      params[i].variadic = params[i].variadic and rest_optional
      break
    end
  end
  -- So may the list of tensors where the entry says so, cr.einsum("i,i", x, y): what follows it is given by name.
  if raw.variadic then
    local last = #params
    while params[last].optional or params[last].default ~= nil do last = last - 1 end
    local p = params[last]
    if p.type ~= "tensors" then fail(name, "is variadic, but %s is no list of tensors", p.name) end
    p.variadic = true
  end
  for own, also in pairs(raw.also or {}) do
    local found = false
    for _, p in ipairs(params) do
      if p.name == also then fail(name, "has a parameter %s, which is also another one's name", also) end
      if p.name == own then p.also, found = also, true end
    end
    if not found then fail(name, "has no parameter %s that could also be called %s", own, also) end
  end
  check_entry(e)
  local wrong = autocast.wrong(e.autocast)
  if wrong then fail(name, "%s", wrong) end
  if e.pointwise then check_expression(e, "pointwise") end
  if e.quick then check_expression(e, "quick") end
  return e
end

local function list_files(directory, ending)
  local pipe = assert(io.popen(("ls '%s'"):format(directory)))
  local names = {}
  for name in pipe:lines() do
    if name:sub(-#ending) == ending then names[#names + 1] = name end
  end
  pipe:close()
  table.sort(names)
  return names
end

-- Entries that share a name in Lua share the aliases that one of them declares; no alias is another name.
local function share_aliases(entries)
  local owner, names, lists = {}, {}, {}
  for _, e in ipairs(entries) do names[e.lua] = true end
  for _, e in ipairs(entries) do
    for _, alias in ipairs(e.aliases) do
      if owner[alias] then fail(e.name, "the alias %s is one of %s too", alias, owner[alias]) end
      if names[alias] then fail(e.name, "the alias %s is the name of an operation", alias) end
      owner[alias] = e.name
    end
    if #e.aliases > 0 then lists[e.lua] = e.aliases end
  end
  for _, e in ipairs(entries) do e.aliases = lists[e.lua] or e.aliases end
end

-- Takes the declaration of a kernel.
local function add_kernel(list, seen, text)
  local k = kernels.parse(text)
  if seen[k.name] then fail("kernel " .. k.name, "is declared twice") end
  seen[k.name] = true
  list[#list + 1] = k
end

-- Returns the list of entries in `directory`, sorted by file and place, and that of the kernels declared there;
-- `ops`, seen by formulas as a global, is a table that the generator fills.
function M.load(directory)
  local entries, by_name, declared, seen = {}, {}, {}, {}
  local ops = {}
  for _, file in ipairs(list_files(directory, ".lua")) do
    local family = file:gsub("%.lua$", "")
    local env = setmetatable({ ops = ops }, { __index = _G })
    env.op = function(signature)
      return function(raw)
        local e = new_entry(signature, raw, family)
        if by_name[e.name] then fail(e.name, "is declared twice") end
        by_name[e.name] = e
        entries[#entries + 1] = e
      end
    end
    env.kernel = function(text) add_kernel(declared, seen, text) end
    assert(loadfile(directory .. "/" .. file, "t", env))()
  end
  share_aliases(entries)
  return { entries = entries, by_name = by_name, ops = ops, kernels = declared }
end

-- ---- Names that are written by hand ---------------------------------------------------------------

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

-- Fails where an operation has the name of a function that is written by hand, in C or in Lua; `source` is
-- the folder that has cresset.h and the binding.
function M.check_names(cat, source)
  local in_c, in_lua = {}, {}
  for name in read(source .. "/cresset.h"):gmatch "%f[%w_]cr_([%w_]+)%(" do in_c[name] = "cresset.h" end
  local in_a_table = { ["cuda.c"] = true, ["stream.c"] = true } -- their functions are cr.cuda's
  for _, file in ipairs(list_files(source .. "/binding", ".c")) do
    local text = in_a_table[file] and "" or read(source .. "/binding/" .. file)
    for list in text:gmatch "luaL_Reg functions%[%] = (.-);" do
      for name in list:gmatch '{"([%w_]+)"' do in_lua[name] = "binding/" .. file end
    end
  end
  for _, e in ipairs(cat.entries) do
    local where = in_c[e.name] or e.func ~= false and in_lua[e.lua]
    if where and not e.hidden then fail(e.name, "a function of this name is written by hand, in %s", where) end
  end
end

-- Fails where a declared kernel is launched nowhere; `source` is the folder that has the run functions.
function M.check_launches(cat, source)
  if #cat.kernels == 0 then return end
  local texts = {}
  for _, folder in ipairs { "/ops", "/tensor" } do
    for _, file in ipairs(list_files(source .. folder, ".c")) do
      texts[#texts + 1] = read(source .. folder .. "/" .. file)
    end
  end
  kernels.check_launched(cat, table.concat(texts))
end

return M
