-- api.lua: the public C prototypes of operations, and their bodies.
--
-- Holds true: a body packs its arguments and calls the dispatcher, no more.

local output = require "output"
local write, header = output.write, output.header

local M = {}

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

function M.write(out_dir, entries)
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
  write(out_dir, "cresset_ops.h", h)
  write(out_dir, "api.c", c)
end

return M
