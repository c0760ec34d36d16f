-- tables.lua: ops.c: the descriptors of operations, what they save, their derivatives, composites.
--
-- Holds true: a descriptor tells a binding all that it needs, an implementation all that the dispatcher does.

local catalogue = require "catalogue"
local output = require "output"
local loops = require "loops"
local runs = require "runs"
local trace = require "trace"
local autocast = require "autocast"
local write, header, quote, fail = output.write, output.header, output.quote, output.fail

local M = {}

-- ---- Descriptors --------------------------------------------------------------------------------

local function c_default(p)
  if not p.has_default then return "{0}" end
  local d = p.default
  if d == math.huge or d == -math.huge then
    return ("{CR_FLOAT, 0, {.f = %s1.0 / 0.0}}"):format(d < 0 and "-" or "")
  elseif type(d) == "boolean" then
    return ("{CR_BOOLEAN_VALUE, 0, {.i = %d}}"):format(d and 1 or 0)
  elseif type(d) == "string" then
    return ("{CR_STRING, 0, {.s = %s}}"):format(quote(d))
  elseif p.type == "float" or math.type(d) == "float" then
    return ("{CR_FLOAT, 0, {.f = %.17g}}"):format(d)
  end
  return ("{CR_INT, 0, {.i = %d}}"):format(d)
end

local function op_flags(e)
  local flags = {}
  local function flag(condition, name)
    if condition then flags[#flags + 1] = "CR_OP_" .. name end
  end
  flag(e.inplace, "INPLACE")
  flag(e.method ~= false and not e.creates and not e.hidden, "METHOD")
  flag(e.func ~= false and not e.hidden and not e.inplace_only, "FUNCTION")
  flag(e.view, "VIEW")
  flag(e.grad or e.composite, "DIFFERENTIABLE")
  flag(e.creates, "CREATES")
  flag(e.inplace_only, "INPLACE_ONLY")
  flag(e.warns, "WARNS")
  flag(e.truth, "TRUTH")
  return #flags > 0 and table.concat(flags, " | ") or "0"
end

-- A list of strings in C, up to a NULL.
local function names_of(name, list)
  local quoted = {}
  for i, item in ipairs(list) do quoted[i] = quote(item) end
  return ("static const char *const %s[] = {%s, NULL};"):format(name, table.concat(quoted, ", "))
end

local function write_descriptors(c, entries, npublic)
  for _, e in ipairs(entries) do
    if #e.params > 0 then
      for _, p in ipairs(e.params) do
        if p.choices then c[#c + 1] = names_of(("choices_%s_%s"):format(e.name, p.name), p.choices) end
      end
      c[#c + 1] = ("static const cr_param params_%s[] = {"):format(e.name)
      for _, p in ipairs(e.params) do
        c[#c + 1] = ("    {%s, CR_P_%s, %s, %s, %s, %s, %s},"):format(quote(p.name), catalogue.types[p.type].enum,
          tostring(p.optional), tostring(p.variadic or false), c_default(p),
          p.choices and ("choices_%s_%s"):format(e.name, p.name) or "NULL", p.also and quote(p.also) or "NULL")
      end
      c[#c + 1] = "};"
    end
    if e.nout > 1 then
      local names = {}
      for i, name in ipairs(e.outputs) do names[i] = quote(name) end
      c[#c + 1] = ("static const char *const outputs_%s[] = {%s};"):format(e.name, table.concat(names, ", "))
    end
    if #e.aliases > 0 then
      c[#c + 1] = names_of("aliases_" .. e.name, e.aliases)
    end
  end
  c[#c + 1] = ("\nconst int cr__npublic = %d;\nconst cr_op cr__ops[] = {"):format(npublic)
  for _, e in ipairs(entries) do
    c[#c + 1] = ("    {%s, %s,\n     %s,\n     %s,\n     %s, CR__OP_%s, %s, %d, %d, %s, %s},"):format(quote(e.name),
      quote(e.lua), quote(e.signature), quote(e.doc), #e.params > 0 and "params_" .. e.name or "NULL", e.name,
      op_flags(e), #e.params, e.nout, e.nout > 1 and "outputs_" .. e.name or "NULL",
      #e.aliases > 0 and "aliases_" .. e.name or "NULL")
  end
  c[#c + 1] = "};\n"
end

-- ---- Implementations ----------------------------------------------------------------------------

local function node_name(name)
  return (name:gsub("^_*%l", string.upper):gsub("_(%w)", string.upper):gsub("_", "")) .. "Backward"
end

local rules = { float = "CR__PROMOTE_FLOAT", bool = "CR__PROMOTE_BOOL", self = "CR__PROMOTE_SELF" }
local roles = { bound = "CR__BOUND", stored = "CR__STORED", largest = "CR__LARGEST", smallest = "CR__SMALLEST" }
local accepts = { float = "CR__FLOAT_OK", int = "CR__INTS_OK", bool = "CR__BOOL_OK", complex = "CR__COMPLEX_OK" }

-- `numbers`: one role for every number, or a table of roles by parameter; those not named count by value.
local function role_bits(e)
  local bits = {}
  for i, p in ipairs(e.params) do
    local role = e.numbers
    if type(role) == "table" then role = role[p.name] end
    if role and not roles[role] then fail(e, "unknown role '%s' of a number", role) end
    if role and p.name ~= e.mask then bits[#bits + 1] = ("%s << %d"):format(roles[role], 4 * (i - 1)) end
  end
  for name in pairs(type(e.numbers) == "table" and e.numbers or {}) do
    if not e.by_name[name] then fail(e, "numbers names '%s', which is no parameter", name) end
  end
  return #bits > 0 and (", .roles = %s"):format(table.concat(bits, " | ")) or ""
end

local few = { float = "CR__FEW_FLOATS", int = "CR__FEW_INTS", bool = "CR__FEW_BOOL" }

-- The dtypes in which calls of few elements go the short way: what the operation is given is what it gives.
local function few_bits(e)
  local bits = {}
  if e.mask or e.promote == "bool" then return "0" end
  for category in loops.categories(e):gmatch "%a+" do
    if category == "float" or e.promote ~= "float" then bits[#bits + 1] = few[category] end
  end
  return #bits > 0 and table.concat(bits, " | ") or "0"
end

local function pointwise_fields(e, thunks)
  local mask, noperand = 0, 0
  for _, p in ipairs(e.params) do
    if catalogue.types[p.type].tensor then
      if p.name == e.mask then mask = mask | 1 << noperand end
      noperand = noperand + 1
    end
  end
  if e.mask and mask == 0 then fail(e, "mask names '%s', which is no operand", e.mask) end
  local dtypes = {}
  for category in loops.categories(e):gmatch("%a+") do dtypes[#dtypes + 1] = accepts[category] end
  if e.promote and not rules[e.promote] then fail(e, "unknown promote '%s'", e.promote) end
  return ("     .pointwise = CR__PW_%s, .rule = %s, .dtypes = %s, .few = %s, .noperand = %d, .mask = %d%s%s"):format(
    e.name, rules[e.promote] or "CR__PROMOTE", table.concat(dtypes, " | "), few_bits(e), noperand, mask, role_bits(e),
    e.check and ", .check = " .. (thunks.check[e.name] or "cr__check_" .. e.check) or "")
end

-- What the dispatcher takes for each parameter without a look at the value.
local function kinds_of(e)
  local kinds = {}
  for i, p in ipairs(e.params) do
    local absent = p.optional and not p.has_default
    kinds[i] = "CR__TAKES_" .. catalogue.types[p.type].enum .. (absent and " | CR__KIND(CR_NONE)" or "")
  end
  return #kinds > 0 and (",\n     .kinds = (const uint16_t[]){%s}"):format(table.concat(kinds, ", ")) or ""
end

local function write_impls(c, entries, formulas, thunks)
  c[#c + 1] = "const cr__impl cr__impls[] = {"
  for _, e in ipairs(entries) do
    local f = formulas[e.name]
    local parts = { ("    {.node_name = %s%s"):format(quote(node_name(e.name)), kinds_of(e)) }
    if e.pointwise then
      parts[#parts + 1] = pointwise_fields(e, thunks)
    else
      local run = thunks.run[e.name] or "cr__run_" .. (e.body and e.name or e.run)
      parts[#parts + 1] = "     .pointwise = -1, .run = " .. run
    end
    if f then
      parts[#parts + 1] = ("     .backward = %s, .diff = diff_%s, .ndiff = %d"):format(f.c_name, e.name, #f.diff)
      if #f.saves > 0 then
        parts[#parts + 1] = ("     .saves = saves_%s, .nsave = %d"):format(e.name, #f.saves)
      end
    end
    parts[#parts] = parts[#parts] .. autocast.fields(e)
    if e.composite then parts[#parts + 1] = "     .composite = true" end
    if e.rewrites then parts[#parts + 1] = "     .rewrites = true" end
    if e.inplace == "header" then parts[#parts + 1] = "     .header = true" end
    if e.multi_view then parts[#parts + 1] = "     .multi_view = true" end
    c[#c + 1] = table.concat(parts, ",\n") .. "},"
  end
  c[#c + 1] = "};"
end

-- ---- The file -----------------------------------------------------------------------------------

function M.write(out_dir, cat, entries, npublic)
  local c = header("Descriptors, derivatives and composites.")
  c[#c + 1] = '#include "autograd/graph.h"\n#include "runs.h"\n'
  local seen = {}
  local function declare(text)
    if not seen[text] then c[#c + 1] = text end
    seen[text] = true
  end
  for _, e in ipairs(entries) do
    if type(e.grad) == "string" then
      declare(("int cr__grad_%s(cr_node *, const cr_value *, cr_tensor **);"):format(e.grad))
    end
  end
  c[#c + 1] = ""
  write_descriptors(c, entries, npublic)
  local formulas = {}
  local tracer = trace.new(cat)
  for _, e in ipairs(entries) do
    if e.grad then
      formulas[e.name] = tracer.derivative(e)
      for _, line in ipairs(formulas[e.name].lines) do c[#c + 1] = line end
    elseif e.body then
      for _, line in ipairs(tracer.body(e)) do c[#c + 1] = line end
    end
  end
  write_impls(c, entries, formulas, runs.thunks(c, entries))
  write(out_dir, "ops.c", c)
end

return M
