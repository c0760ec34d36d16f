-- gen.lua: turns the catalogue into C: `lua5.4 src/catalogue/gen.lua build/gen`.
--
-- Holds true: the output is tables and straight-line calls, never an algorithm; a file is rewritten
-- only when its text changes. What it writes:
--   kernels.h        the ids of kernels and pointwise expressions (backends see these)
--   op_ids.h         the ids of operations (the engine sees these)
--   cresset_ops.h    public prototypes
--   ops.c            descriptors, saved values, derivatives, composites
--   api.c            the bodies of the public prototypes
--   pointwise.inc    CR__LOOP(op, suffix, inputs, numbers, result, expression) per compute dtype
--   quick.inc        CR__QUICK(op, suffix, inputs, numbers, expression) of those that have a quick form
--   cpu_table.inc    the CPU's kernels, by id
--   cuda_table.inc   CUDA's kernels, by id
--   catalogue_id.h   CR__CATALOGUE: equal for an engine and a plug-in that fit together

local here = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = here .. "/?.lua;" .. package.path
local catalogue = require "catalogue"
local trace = require "trace"

local out_dir = assert(arg[1], "usage: gen.lua OUTPUT_DIRECTORY")
local cat = catalogue.load(here .. "/../ops")
-- Those that only serve derivatives come last: cr_op_find and its sisters end before them.
local entries, npublic = {}, 0
for _, hidden in ipairs { false, true } do
  for _, e in ipairs(cat.entries) do
    if (e.hidden or false) == hidden then entries[#entries + 1] = e end
  end
  npublic = hidden and npublic or #entries
end

local function write(name, lines)
  local text = table.concat(lines, "\n") .. "\n"
  local path = out_dir .. "/" .. name
  local old = io.open(path, "r")
  if old then
    local same = old:read("a") == text
    old:close()
    if same then return end
  end
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

local function header(what)
  return { "/* " .. what .. " Generated from the catalogue by gen.lua. */" }
end

local function quote(s)
  return '"' .. s:gsub('[\\"]', "\\%0"):gsub("\n%s*", " ") .. '"'
end

local function fail(e, message, ...)
  error(("catalogue: %s: " .. message):format(e.name, ...), 0)
end

-- ---- Ids ------------------------------------------------------------------------------------

local kernels = {}
for _, e in ipairs(entries) do
  for _, k in ipairs(e.kernels or {}) do
    if not kernels[k] then
      kernels[k] = true
      kernels[#kernels + 1] = k
    end
  end
end

local function write_ids()
  local h = header("Ids of kernels and pointwise expressions.")
  h[#h + 1] = "#ifndef CR__KERNELS_H\n#define CR__KERNELS_H\n\ntypedef enum cr__kernel_id {"
  for _, k in ipairs(kernels) do h[#h + 1] = "  CR__K_" .. k .. "," end
  h[#h + 1] = "  CR__K_COUNT\n} cr__kernel_id;\n\ntypedef enum cr__pointwise_id {"
  for _, e in ipairs(entries) do
    if e.pointwise then h[#h + 1] = "  CR__PW_" .. e.name .. "," end
  end
  h[#h + 1] = "  CR__PW_COUNT\n} cr__pointwise_id;\n\n#endif"
  write("kernels.h", h)

  h = header("Ids of operations.")
  h[#h + 1] = "#ifndef CR__OP_IDS_H\n#define CR__OP_IDS_H\n\ntypedef enum cr__op_id {"
  for _, e in ipairs(entries) do h[#h + 1] = "  CR__OP_" .. e.name .. "," end
  h[#h + 1] = "  CR__OP_COUNT\n} cr__op_id;\n\n#endif"
  write("op_ids.h", h)

  h = header("The CPU's kernels.")
  for _, k in ipairs(kernels) do h[#h + 1] = ("int cr__cpu_%s(cr__launch *k);"):format(k) end
  h[#h + 1] = "static const cr__kernel cpu_kernels[CR__K_COUNT + 1] = {"
  for _, k in ipairs(kernels) do h[#h + 1] = ("    [CR__K_%s] = cr__cpu_%s,"):format(k, k) end
  h[#h + 1] = "};"
  write("cpu_table.inc", h)

  local names = {}
  for _, k in ipairs(kernels) do names[#names + 1] = k end
  for _, e in ipairs(entries) do
    if e.pointwise then names[#names + 1] = e.name end
  end
  local sum = 5381
  for c in table.concat(names, " "):gmatch(".") do sum = (sum * 33 ~ c:byte()) & 0xffffffff end
  h = header("What an engine and a plug-in must agree on.")
  h[#h + 1] = ('#define CR__CATALOGUE "%d.%08x"'):format(#names, sum)
  write("catalogue_id.h", h)

  h = header("CUDA's kernels.")
  for _, k in ipairs(kernels) do h[#h + 1] = ('extern "C" int cr__cuda_%s(cr__launch *k);'):format(k) end
  h[#h + 1] = "static const cr__kernel cuda_kernels[CR__K_COUNT + 1] = {"
  for _, k in ipairs(kernels) do h[#h + 1] = ("    cr__cuda_%s,"):format(k) end
  h[#h + 1] = "    NULL};"
  write("cuda_table.inc", h)
end

-- ---- Pointwise expressions --------------------------------------------------------------------

local suffixes = { float = { "f64", "f32" }, int = { "i64", "i32", "i16", "i8", "u8" }, bool = { "b8" } }

-- Gives every function the suffix of its type and every number the type T.
local function specialize(text, suffix)
  text = text:gsub("%f[%w_.][%d]+%.?%d*[eE]?%-?%d*", function(number)
    return "((T)" .. number .. ")"
  end)
  return (text:gsub("%f[%w_]([%a_][%w_]*)(%s*%()", suffix .. "_%1%2"))
end

local function categories(e)
  return e.dtypes or e.promote == "float" and "float" or "float int"
end

local function count_numbers(e)
  local n = 0
  for _, p in ipairs(e.params) do
    if not catalogue.types[p.type].tensor then n = n + 1 end
  end
  return n
end

local function write_pointwise()
  local h = header("Pointwise expressions by compute dtype.")
  for _, e in ipairs(entries) do
    if e.pointwise then
      local nk = count_numbers(e)
      -- What promotes to float is computed in float, whatever it accepts.
      local computed = e.promote == "float" and "float" or categories(e)
      for category in computed:gmatch("%a+") do
        if not suffixes[category] then fail(e, "unknown category '%s' in dtypes", category) end
        for _, suffix in ipairs(suffixes[category]) do
          h[#h + 1] = ("CR__LOOP(%s, %s, %d, %d, %s, %s)"):format(e.name, suffix, #e.params - nk, nk,
            e.promote == "bool" and "bool" or "same", specialize(e.pointwise, suffix))
        end
      end
    end
  end
  write("pointwise.inc", h)
end

local function write_quick()
  local h = header("Quick forms of pointwise expressions, of which NaN says nothing.")
  for _, e in ipairs(entries) do
    for _, suffix in ipairs(e.quick and suffixes.float or {}) do
      local nk = count_numbers(e)
      h[#h + 1] = ("CR__QUICK(%s, %s, %d, %d, %s)"):format(e.name, suffix, #e.params - nk, nk,
        specialize(e.quick, suffix))
    end
  end
  write("quick.inc", h)
end

-- ---- Public prototypes and their bodies ---------------------------------------------------------

-- How a parameter looks in C: its declaration and the cr_value made of it.
local plain = {
  tensor = { "cr_tensor *%s", "cr_of(%s)" },
  operand = { "cr_tensor *%s", "cr_of(%s)" },
  tensors = { "cr_tensor *const *%s, int n%s", "cr_list(%s, n%s)" },
  scalar = { "cr_value %s", "%s" },
  int = { "int64_t %s", "cr_int(%s)" },
  float = { "double %s", "cr_float(%s)" },
  bool = { "bool %s", "cr_bool(%s)" },
  dim = { "int64_t %s", "cr_int(%s)" },
  dims = { "const int64_t *%s, int n%s", "cr_ints(%s, n%s)" },
  shape = { "const int64_t *%s, int n%s", "cr_ints(%s, n%s)" },
  ints = { "const int64_t *%s, int n%s", "cr_ints(%s, n%s)" },
  string = { "const char *%s", "cr_string(%s)" },
  dtype = { "cr_dtype %s", "cr_dtype_value(%s)" },
  device = { "cr_device %s", "cr_device_value(%s)" },
}
-- An optional number or dim is a cr_value, so that it can be cr_none().
local boxed = { "cr_value %s", "%s" }
local boxable = { int = true, float = true, bool = true, dim = true, device = true, scalar = true }

local reserved = { ["default"] = true, ["int"] = true, ["float"] = true, ["double"] = true, ["long"] = true,
  ["short"] = true, ["char"] = true, ["bool"] = true, ["register"] = true, ["signed"] = true }

local function c_name(name)
  return reserved[name] and name .. "_" or name
end

local function c_param(p, as_number)
  local form = plain[p.type]
  if as_number or (p.optional and not p.has_default and boxable[p.type]) then form = boxed end
  local name = c_name(p.name)
  if p.type == "tensors" and p.optional then -- NULL: absent
    return (form[1]:gsub("%%s", name)), ("%s ? cr_list(%s, n%s) : cr_none()"):format(name, name, name)
  end
  return (form[1]:gsub("%%s", name)), (form[2]:gsub("%%s", name))
end

-- Returns the prototype of one form of e; `number` is the operand that is a number in it.
local function prototype(e, number, suffix)
  local declarations, values = {}, {}
  for i, p in ipairs(e.params) do
    declarations[i], values[i] = c_param(p, p == number)
  end
  local result = "cr_tensor *"
  if e.inplace_only then
    result = "int "
  elseif e.nout ~= 1 then
    result = "int "
    declarations[#declarations + 1] = "cr_tensor **out"
    if e.variable then declarations[#declarations + 1] = "int *nout" end
  end
  if #declarations == 0 then declarations[1] = "void" end
  return ("%scr_%s%s(%s)"):format(result, e.name, suffix, table.concat(declarations, ", ")), values
end

local function write_api()
  local h = header("One prototype per operation.")
  h[#h + 1] = "#ifndef CRESSET_OPS_H\n#define CRESSET_OPS_H\n"
  local c = header("The bodies of the public prototypes.")
  c[#c + 1] = '#include "autograd/graph.h"\n'
  local function emit(e, number, suffix)
    local proto, values = prototype(e, number, suffix)
    h[#h + 1] = "CR_API " .. proto .. ";"
    c[#c + 1] = proto .. " {"
    c[#c + 1] = ("  cr_value args[] = {%s};"):format(#values > 0 and table.concat(values, ", ") or "{0}")
    local id = "CR__OP_" .. e.name
    if e.inplace_only then
      c[#c + 1] = ("  return cr_call_inplace(&cr__ops[%s], args);"):format(id)
    elseif e.nout == 1 then
      c[#c + 1] = ("  return cr__op1(%s, args);"):format(id)
    else
      c[#c + 1] = ("  return cr_call(&cr__ops[%s], args, out, %s);"):format(id, e.variable and "nout" or "NULL")
    end
    c[#c + 1] = "}"
  end
  for _, e in ipairs(entries) do
    if not e.hidden then
      h[#h + 1] = "/* " .. e.signature .. "\n * " .. e.doc:gsub("\n%s*", "\n * ") .. " */"
      emit(e, nil, "")
      local last
      for _, p in ipairs(e.params) do
        if p.type == "operand" and p.index > 0 then last = p end
      end
      if last then emit(e, last, "_scalar") end
    end
  end
  h[#h + 1] = "\n#endif"
  write("cresset_ops.h", h)
  write("api.c", c)
end

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

local function write_descriptors(c)
  for _, e in ipairs(entries) do
    if #e.params > 0 then
      c[#c + 1] = ("static const cr_param params_%s[] = {"):format(e.name)
      for _, p in ipairs(e.params) do
        c[#c + 1] = ("    {%s, CR_P_%s, %s, %s, %s},"):format(quote(p.name), catalogue.types[p.type].enum,
          tostring(p.optional), tostring(p.variadic or false), c_default(p))
      end
      c[#c + 1] = "};"
    end
    if e.nout > 1 then
      local names = {}
      for i, name in ipairs(e.outputs) do names[i] = quote(name) end
      c[#c + 1] = ("static const char *const outputs_%s[] = {%s};"):format(e.name, table.concat(names, ", "))
    end
    if #e.aliases > 0 then
      local names = {}
      for i, alias in ipairs(e.aliases) do names[i] = quote(alias) end
      c[#c + 1] = ("static const char *const aliases_%s[] = {%s, NULL};"):format(e.name, table.concat(names, ", "))
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
local accepts = { float = "CR__FLOAT_OK", int = "CR__INTS_OK", bool = "CR__BOOL_OK" }

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

local function pointwise_fields(e)
  local mask, noperand = 0, 0
  for _, p in ipairs(e.params) do
    if catalogue.types[p.type].tensor then
      if p.name == e.mask then mask = mask | 1 << noperand end
      noperand = noperand + 1
    end
  end
  if e.mask and mask == 0 then fail(e, "mask names '%s', which is no operand", e.mask) end
  local dtypes = {}
  for category in categories(e):gmatch("%a+") do dtypes[#dtypes + 1] = accepts[category] end
  if e.promote and not rules[e.promote] then fail(e, "unknown promote '%s'", e.promote) end
  return ("     .pointwise = CR__PW_%s, .rule = %s, .dtypes = %s, .noperand = %d, .mask = %d%s%s"):format(e.name,
    rules[e.promote] or "CR__PROMOTE", table.concat(dtypes, " | "), noperand, mask, role_bits(e),
    e.check and ", .check = cr__check_" .. e.check or "")
end

local function write_impls(c, formulas)
  c[#c + 1] = "const cr__impl cr__impls[] = {"
  for _, e in ipairs(entries) do
    local f = formulas[e.name]
    local parts = { ("    {.node_name = %s"):format(quote(node_name(e.name))) }
    if e.pointwise then
      parts[#parts + 1] = pointwise_fields(e)
    else
      parts[#parts + 1] = ("     .pointwise = -1, .run = cr__run_%s"):format(e.body and e.name or e.run)
    end
    if f then
      parts[#parts + 1] = ("     .backward = %s, .diff = diff_%s, .ndiff = %d"):format(f.c_name, e.name, #f.diff)
      if #f.saves > 0 then
        parts[#parts + 1] = ("     .saves = saves_%s, .nsave = %d"):format(e.name, #f.saves)
      end
    end
    if e.composite then parts[#parts + 1] = "     .composite = true" end
    if e.rewrites then parts[#parts + 1] = "     .rewrites = true" end
    if e.inplace == "header" then parts[#parts + 1] = "     .header = true" end
    if e.multi_view then parts[#parts + 1] = "     .multi_view = true" end
    c[#c + 1] = table.concat(parts, ",\n") .. "},"
  end
  c[#c + 1] = "};"
end

local function write_ops()
  local c = header("Descriptors, derivatives and composites.")
  c[#c + 1] = '#include "autograd/graph.h"\n'
  local seen = {}
  local function declare(text)
    if not seen[text] then c[#c + 1] = text end
    seen[text] = true
  end
  for _, e in ipairs(entries) do
    if e.run then declare(("int cr__run_%s(const cr_op *, const cr_value *, cr_tensor **, int *);"):format(e.run)) end
    if e.check then
      declare(("int cr__check_%s(const cr_op *, const cr_value *, cr_tensor **, int *);"):format(e.check))
    end
    if type(e.grad) == "string" then
      declare(("int cr__grad_%s(cr_node *, const cr_value *, cr_tensor **);"):format(e.grad))
    end
  end
  c[#c + 1] = ""
  write_descriptors(c)
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
  write_impls(c, formulas)
  write("ops.c", c)
end

write_ids()
write_pointwise()
write_quick()
write_api()
write_ops()
