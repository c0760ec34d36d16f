-- ctypes.lua: how a parameter of an operation looks in C: to those who call (public and inside), and to the
-- functions that carry calls out.
--
-- Holds true: each type stands here once, so that who calls and who is called change together.

local catalogue = require "catalogue"

local M = {}

local reserved = { ["default"] = true, ["int"] = true, ["float"] = true, ["double"] = true, ["long"] = true,
  ["short"] = true, ["char"] = true, ["bool"] = true, ["register"] = true, ["signed"] = true }

local function c_name(name)
  return reserved[name] and name .. "_" or name
end

-- ---- Calls --------------------------------------------------------------------------------------

-- A declaration and the cr_value made of it.
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
  floats = { "const double *%s, int n%s", "cr_floats(%s, n%s)" },
  string = { "const char *%s", "cr_string(%s)" },
  dtype = { "cr_dtype %s", "cr_dtype_value(%s)" },
  device = { "cr_device %s", "cr_device_value(%s)" },
}
-- An optional number or dim is a cr_value, so that it can be cr_none().
local boxed = { "cr_value %s", "%s" }
local boxable = { int = true, float = true, bool = true, dim = true, device = true, scalar = true }

local function call_param(p, as_number)
  local form = plain[p.type]
  if as_number or p.mixed or (p.optional and not p.has_default and boxable[p.type]) then form = boxed end
  local name = c_name(p.name)
  if p.type == "tensors" and p.optional then -- NULL: absent
    return (form[1]:gsub("%%s", name)), ("%s ? cr_list(%s, n%s) : cr_none()"):format(name, name, name)
  end
  return (form[1]:gsub("%%s", name)), (form[2]:gsub("%%s", name))
end

-- Returns the declaration of a function that calls e, PREFIX..e.name..SUFFIX, and the cr_values of its arguments;
-- `number` is the operand that is a number in it.
function M.call(e, prefix, suffix, number)
  local declarations, values = {}, {}
  for i, p in ipairs(e.params) do
    declarations[i], values[i] = call_param(p, p == number)
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
  return ("%s%s%s%s(%s)"):format(result, prefix, e.name, suffix, table.concat(declarations, ", ")), values
end

-- ---- What carries a call out --------------------------------------------------------------------

-- For each type: a declaration, and the same of one that may be absent; what it is made of, `$` being the
-- cr_value of a call whose arguments have been checked, and the same where it may be absent; what is absent.
local list = { "cr__ints %s", nil, "(cr__ints){$.u.is, $.n}", "cr__given_ints(&$)", "(cr__ints){NULL, -1}" }
local whole = { "int64_t %s", "const int64_t *%s", "$.u.i", "cr__given_int(&$)", "NULL" }
local value = { "cr_value %s", nil, "$", nil, "cr_none()" }
local forms = {
  tensor = { "cr_tensor *%s", nil, "$.u.t", "cr__given_tensor(&$)", "NULL" },
  tensors = { "cr__tensors %s", nil, "(cr__tensors){$.u.ts, $.n}", "cr__given_tensors(&$)",
    "(cr__tensors){NULL, -1}" },
  operand = value, scalar = value, int = whole, dim = whole, dims = list, shape = list, ints = list,
  floats = { "cr__floats %s", nil, "(cr__floats){$.u.fs, $.n}", "cr__given_floats(&$)", "(cr__floats){NULL, -1}" },
  float = { "double %s", "const double *%s", "$.u.f", "cr__given_float(&$)", "NULL" },
  bool = { "bool %s", nil, "$.u.i", nil, "false" },
  string = { "const char *%s", nil, "$.u.s", "cr__given_string(&$)", "NULL" },
  choice = { "int %s", nil, "$.n", "cr__given_choice(&$)", "-1" },
  dtype = { "cr_dtype %s", nil, "(cr_dtype)$.u.i", "cr__given_dtype(&$)", "CR_DTYPE_NONE" },
  device = { "cr_device %s", nil, "(cr_device)$.u.i", "cr__given_device(&$)", "-1" },
}

local function form_of(p) return p.mixed and value or forms[p.choices and "choice" or p.type] end

-- Whether two parameters look alike in C.
function M.alike(p, q)
  local same = table.concat(p.choices or {}, " ") == table.concat(q.choices or {}, " ")
  return form_of(p) == form_of(q) and same
end

-- The declaration of a parameter of a run function; `absent`: it may be.
function M.declared(p, absent)
  local form = form_of(p)
  return ((absent and form[2] or form[1]):gsub("%%s", c_name(p.name)))
end

-- The argument for parameter p that entry e makes of `args`.
function M.argument(e, p, absent)
  local form, mine = form_of(p), e.by_name[p.name]
  if not mine then return form[5] end
  return ((absent and form[4] or form[3]):gsub("%$", ("args[%d]"):format(mine.index)))
end

-- An absent truth would be neither true nor false.
function M.has_absent_form(p) return p.type ~= "bool" end

M.is_tensor = function(p) return catalogue.types[p.type].tensor end

return M
