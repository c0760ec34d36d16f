-- runs.lua: runs.h, the prototypes of the functions that carry operations out, and how a call comes to them.
--
-- Holds true: such a function gets the parameters of the signature by name, each in a type of its own. Entries that
-- share one have the union of their parameters, in the order in which these first appear; what an entry lacks is
-- not given, as tensor/given.h says it; of a bool, false.

local ctypes = require "ctypes"
local output = require "output"
local write, header, fail, wrap = output.write, output.header, output.fail, output.wrap

local M = {}

local results = { "none", "one", "several", "variable" } -- from the narrowest
for i, name in ipairs(results) do results[name] = i end

-- How the results of e's run function come back.
local function result_of(e)
  return e.rewrites and "none" or e.variable and "variable" or e.nout == 1 and "one" or "several"
end

-- Adds e to the function: new parameters, and which of all may be absent.
local function join(f, e, field)
  local first = #f.entries == 0
  for _, p in ipairs(e.params) do
    local known = f.by_name[p.name]
    if known and not ctypes.alike(known.param, p) then
      fail(e, 'its %s has another type than that of %s, with which it shares %s = "%s"', p.name, known.entry.name,
        field, f.name)
    end
    if not known then
      known = { param = p, entry = e, absent = not first }
      f.params[#f.params + 1], f.by_name[p.name] = known, known
    end
    if p.optional and not p.has_default then
      if not ctypes.has_absent_form(p) then fail(e, "its %s may be absent: a bool needs a default", p.name) end
      known.absent = true
    end
  end
  for _, known in ipairs(f.params) do known.absent = known.absent or not e.by_name[known.param.name] end
  for _, known in ipairs(f.params) do known.absent = known.absent and ctypes.has_absent_form(known.param) end
  f.entries[#f.entries + 1] = e
end

-- The functions that `field` ("run" or "check") names: a list, also by name.
local function collect(entries, field)
  local functions = {}
  for _, e in ipairs(entries) do
    local name = e[field]
    if name then
      local f = functions[name]
      if not f then
        f = { name = name, field = field, params = {}, by_name = {}, entries = {}, result = "none" }
        functions[#functions + 1], functions[name] = f, f
      end
      join(f, e, field)
      local result = field == "check" and "none" or result_of(e)
      if #f.entries > 1 and (result == "none") ~= (f.result == "none") then
        fail(e, 'rewrites its argument, or does not, unlike %s, with which it shares run = "%s"', f.entries[1].name,
          name)
      end
      if results[result] > results[f.result] then f.result = result end
    end
  end
  return functions
end

-- ---- Prototypes ---------------------------------------------------------------------------------

local function prototype(f)
  local list = { "const cr_op *op" }
  for _, known in ipairs(f.params) do list[#list + 1] = ctypes.declared(known.param, known.absent) end
  if f.result == "several" or f.result == "variable" then list[#list + 1] = "cr_tensor **out" end
  if f.result == "variable" then list[#list + 1] = "int *nout" end
  return wrap(("%scr__%s_%s(%s);"):format(f.result == "one" and "cr_tensor *" or "int ", f.field, f.name,
    table.concat(list, ", ")))
end

-- The names of what a derivative that is written in C finds saved, in order.
local function saved_names(e)
  local list = {}
  for _, p in ipairs(e.params) do
    if e.saves or not ctypes.is_tensor(p) then list[#list + 1] = p.name end
  end
  if type(e.saves) == "string" then list[#list + 1] = e.saves end
  return list
end

-- Where it finds them: CR__SAVED_NAME_PARAMETER.
local function saved_slots(h, entries)
  local seen, places = {}, {}
  for _, e in ipairs(entries) do
    for i, saved in ipairs(type(e.grad) == "string" and saved_names(e) or {}) do
      local name = ("CR__SAVED_%s_%s"):format(e.grad, saved)
      if seen[name] and places[name] ~= i then
        fail(e, 'saves its %s elsewhere than %s, with which it shares grad = "%s"', saved, seen[name], e.grad)
      end
      if not seen[name] then h[#h + 1] = ("enum { %s = %d };"):format(name, i - 1) end
      seen[name], places[name] = seen[name] or e.name, i
    end
  end
end

function M.write(out_dir, entries)
  local h = header("The functions that carry operations out.")
  h[#h + 1] = '#ifndef CR__RUNS_H\n#define CR__RUNS_H\n\n#include "tensor/dispatch.h"\n#include "tensor/given.h"\n'
  for _, field in ipairs { "run", "check" } do
    for _, f in ipairs(collect(entries, field)) do
      for _, e in ipairs(f.entries) do h[#h + 1] = "/* " .. e.signature:gsub("\n%s*", " ") .. " */" end
      h[#h + 1] = prototype(f)
    end
  end
  h[#h + 1] = "\n/* What a derivative unpacks, by number. */"
  saved_slots(h, entries)
  h[#h + 1] = "\n#endif"
  write(out_dir, "runs.h", h)
end

-- ---- From a call to the function ----------------------------------------------------------------

-- What refuses dtypes that are for storage, unless e takes them: it says `stores`, or is a view.
local function gate(e)
  if e.stores or e.view then return nil end
  local conditions = {}
  for i, p in ipairs(e.params) do
    local arg = ("args[%d]"):format(i - 1)
    if p.type == "tensor" and not p.optional then
      conditions[#conditions + 1] = ("cr__is_stored(%s.u.t->dtype)"):format(arg)
    elseif p.type == "tensors" then
      conditions[#conditions + 1] = ("cr__lists_stored(&%s)"):format(arg)
    elseif ctypes.is_tensor(p) or p.type == "dtype" then
      conditions[#conditions + 1] = ("cr__names_stored(&%s)"):format(arg)
    end
  end
  if #conditions == 0 then return nil end
  return wrap(("  if (CR__UNLIKELY(%s)) return cr__refuse_stored(op, args);"):format(table.concat(conditions, " || ")))
end

-- The statements of a thunk for entry e of function f.
local function body(f, e)
  local list = { "op" }
  for _, known in ipairs(f.params) do list[#list + 1] = ctypes.argument(e, known.param, known.absent) end
  if f.result == "several" or f.result == "variable" then list[#list + 1] = "out" end
  if f.result == "variable" then list[#list + 1] = "nout" end
  local call = ("cr__%s_%s(%s);"):format(f.field, f.name, table.concat(list, ", "))
  local unused = {}
  if not call:find "args%[" then unused[#unused + 1] = "(void)args" end
  if f.result == "none" then unused[#unused + 1] = "(void)out" end
  if f.result ~= "variable" then unused[#unused + 1] = "(void)nout" end
  local lines = { unused[1] and ("  %s;"):format(table.concat(unused, ", ")) }
  lines[#lines + 1] = f.field == "run" and gate(e) or nil
  lines[#lines + 1] = wrap((f.result == "one" and "  out[0] = " or "  return ") .. call)
  if f.result == "one" then lines[#lines + 1] = "  return out[0] ? 0 : (int)cr_error_code();" end
  return table.concat(lines, "\n")
end

-- Appends a thunk for each layout of arguments to the lines c. Returns the names: by field and entry.
function M.thunks(c, entries)
  local names, seen = { run = {}, check = {} }, {}
  for _, field in ipairs { "run", "check" } do
    for _, f in ipairs(collect(entries, field)) do
      for _, e in ipairs(f.entries) do
        local text = body(f, e)
        if not seen[text] then
          seen[text] = ("%s_%s"):format(field, e.name)
          c[#c + 1] = ("static int %s(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {\n%s\n}")
            :format(seen[text], text)
        end
        names[field][e.name] = seen[text]
      end
    end
  end
  return names
end

return M
