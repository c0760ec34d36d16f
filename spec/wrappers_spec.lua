-- wrappers_spec.lua: each generated function of cresset_ops.h is the operation of its name.
--
-- A program in C is written from the prototypes alone and from the samples of the catalogue: it calls each function,
-- and the operation by its name, and compares.

local cr = require "cresset"
local program = require "spec.support.program"
local samples = require "spec.support.samples"
local shell = require "spec.support.shell"

local function number(v)
  if v ~= v then return "NAN" end
  if v == math.huge or v == -math.huge then return v < 0 and "-INFINITY" or "INFINITY" end
  return math.type(v) == "integer" and ("INT64_C(%d)"):format(v) or ("%.17g"):format(v)
end

local function array(ctype, list, format)
  local words = {}
  for i, v in ipairs(list) do words[i] = format(v) end
  return ("(%s[]){%s}"):format(ctype, #words > 0 and table.concat(words, ", ") or "0")
end

local function dtype(name) return "CR_" .. name:upper() end

-- The tensors of the call that is being written, in the order of the arguments: C leaves open which argument of a
-- function is computed first.
local made = {}

local function tensor(t)
  local values = t:detach():to("cpu"):to("float64"):reshape(-1):totable()
  made[#made + 1] = ("make(%s, %d, %s, %s)"):format(dtype(t.dtype), t:dim(), array("int64_t", t.shape, number),
    array("double", values, number))
  return "t" .. #made
end

-- What `write` writes, and before it the tensors that it speaks of.
local function with_tensors(write)
  made = {}
  local text, lines = write(), {}
  for i, make in ipairs(made) do lines[i] = ("    cr_tensor *t%d = %s;\n"):format(i, make) end
  return table.concat(lines) .. text
end

local function as_list(v) return type(v) == "table" and v or { v } end

local function scalar(v)
  if type(v) == "boolean" then return ("cr_bool(%s)"):format(v) end
  return (math.type(v) == "integer" and "cr_int(%s)" or "cr_float(%s)"):format(number(v))
end

-- How a value is handed to the C function, by the types of its parameters; and as a cr_value, by what it is. `i` is
-- the parameter's place, `name` a variable's.
local typed, valued = {}, {}
typed["cr_tensor *"] = function(v) return v == nil and "NULL" or tensor(v) end
typed["double"] = function(v, i) return v == nil and ("otherwise(op, %d).u.f"):format(i) or number(v + 0.0) end
typed["int64_t"] = function(v, i) return v == nil and ("otherwise(op, %d).u.i"):format(i) or number(v) end
typed["bool"] = function(v, i) return v == nil and ("otherwise(op, %d).u.i"):format(i) or tostring(v) end
typed["const char *"] = function(v) return v == nil and "NULL" or ("%q"):format(v) end
typed["cr_dtype"] = function(v) return v == nil and "CR_DTYPE_NONE" or dtype(v) end
typed["cr_device"] = function() return "CR_CPU" end
typed["cr_value"] = function(v) return v == nil and "cr_none()" or scalar(v) end
typed["const int64_t *"] = function(v)
  if v == nil then return "NULL, -1" end
  return ("%s, %d"):format(array("int64_t", as_list(v), number), #as_list(v))
end
typed["const double *"] = function(v)
  if v == nil then return "NULL, -1" end
  return ("%s, %d"):format(array("double", as_list(v), function(x) return number(x + 0.0) end), #as_list(v))
end
typed["cr_tensor *const *"] = function(v)
  if v == nil then return "NULL, 0" end
  return ("%s, %d"):format(array("cr_tensor *", v, tensor), #v)
end

function valued.tensor(v) return ("cr_of(%s)"):format(tensor(v)) end
function valued.operand(v) return type(v) == "userdata" and valued.tensor(v) or scalar(v) end
function valued.tensors(v) return ("cr_list(%s)"):format(typed["cr_tensor *const *"](v)) end
function valued.dims(v) return ("cr_ints(%s)"):format(typed["const int64_t *"](v)) end
function valued.floats(v) return ("cr_floats(%s)"):format(typed["const double *"](v)) end
valued.shape, valued.ints = valued.dims, valued.dims
function valued.scalar(v) return scalar(v) end
function valued.float(v) return ("cr_float(%s)"):format(number(v + 0.0)) end
valued.int, valued.dim, valued.bool = scalar, scalar, scalar
function valued.string(v) return ("cr_string(%q)"):format(v) end
function valued.dtype(v) return ("cr_dtype_value(%s)"):format(dtype(v)) end
function valued.device() return "cr_device_value(CR_CPU)" end

-- The types of a prototype's parameters, but for the lengths of lists and where results go; and whether they go
-- somewhere, and their number too.
local function parameters(text)
  local list, several, counted = {}, false, false
  for part in text:gmatch "[^,]+" do
    local ctype = part:match "^%s*(.-%s*%**)%s*[%w_]+%s*$":gsub("%s+$", "")
    if ctype == "cr_tensor **" then several = true
    elseif ctype == "int *" then counted = true
    elseif ctype ~= "int" and part ~= "void" then list[#list + 1] = ctype
    end
  end
  return list, several, counted
end

-- A sample of an entry with tensors where the function takes tensors and numbers where it takes numbers.
local function sample_for(e, types)
  local args = samples.of(e)[1]
  for i, p in ipairs(e.params) do
    if p.type == "operand" and types[i] == "cr_value" and type(args[i]) == "userdata" then args[i] = 2 end
    if p.type == "operand" and types[i] == "cr_tensor *" and type(args[i]) ~= "userdata" then
      local self = type(args[1]) == "userdata" and args[1]:is_floating_point() and args[1]
      args[i] = cr.tensor(args[i] or 1, { dtype = self and self.dtype or nil })
    end
    if p.type == "device" then args[i] = nil end
  end
  return args
end

-- The check of one function, in C.
local function check(result, name, e, text)
  local types, several, counted = parameters(text)
  local args = sample_for(e, types)
  assert(#types == #e.params, name .. " has other parameters than its operation")
  local function by_function()
    local given = {}
    for i, ctype in ipairs(types) do given[i] = typed[ctype](args[i], i - 1) end
    if several then given[#given + 1] = "a" end
    if counted then given[#given + 1] = "&na" end
    local call = ("%s(%s)"):format(name, table.concat(given, ", "))
    return ("    if (%s) complain(\"fails\");\n"):format(result:find "*" and ("!(a[0] = %s)"):format(call) or call)
  end
  local function by_name()
    local given = {}
    for i, p in ipairs(e.params) do given[i] = args[i] == nil and "cr_none()" or valued[p.type](args[i]) end
    return ("    cr_value args[] = {%s};\n    if (%s) complain(\"fails by name\");\n"):format(
      #given > 0 and table.concat(given, ", ") or "{0}",
      e.inplace_only and "cr_call_inplace(op, args)" or "cr_call(op, args, b, &nb)")
  end
  return ([[
static void check_NAME(void) {
  made of_a = {.n = 0}, of_b = {.n = 0};
  cr_tensor *a[CR_MAX_OUTPUTS] = {NULL}, *b[CR_MAX_OUTPUTS] = {NULL};
  int na = RESULTS, nb = na;
  const cr_op *op = begin("NAME", "OPERATION");
  {
    begin_call(&of_a);
FIRST  }
  {
    begin_call(&of_b);
SECOND  }
  end(a, na, &of_a, b, nb, &of_b, BITS);
}
]]):gsub("%u%u%u+", {
    NAME = name, OPERATION = e.name, RESULTS = e.inplace_only and 0 or e.nout, FIRST = with_tensors(by_function),
    SECOND = with_tensors(by_name), BITS = tostring(not samples.is_undefined(e)),
  })
end

describe("the generated functions", function()
  local folder = shell.folder()
  teardown(function() os.execute("rm -rf " .. folder) end)

  local entries = {}
  for _, e in ipairs(samples.catalogue().entries) do entries[e.name] = e end

  local checks, names = {}, {}
  local text = shell.read "build/gen/cresset_ops.h"
  for result, name, declared in text:gmatch "CR_API ([%w_]+ %*?)%s*([%w_]+)%(([^;]*)%);" do
    local e = entries[name:sub(4)] or entries[(name:sub(4):gsub("_scalar$", ""))]
    checks[#checks + 1] = check(result, name, assert(e, name .. " is no operation"), declared)
    names[#names + 1] = name
  end

  it("are as many as there are prototypes", function()
    local _, prototypes = text:gsub("\nCR_API ", "")
    assert.equal(prototypes, #names)
    assert(#names > 300, #names .. " functions")
  end)

  it("give what the operations of their names give, and leave nothing behind #compiles", function()
    local calls = {}
    for i, name in ipairs(names) do calls[i] = ("  check_%s();"):format(name) end
    shell.write(folder .. "/wrappers.c", table.concat({
      '#include "by_name.h"', table.concat(checks, "\n"), "int main(void) {", "  int64_t before = live();",
      table.concat(calls, "\n"), '  function = "the end";',
      '  if (live() != before) complain("tensors are left");', "  return broken != 0;\n}\n" }, "\n"))
    local path = program.make(folder .. "/wrappers.c", folder, "-Ispec/c -lm")
    local said, status = shell.run(path)
    assert.equal("", said)
    assert.equal(0, status)
  end)
end)
