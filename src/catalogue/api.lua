-- api.lua: calls of operations by typed prototypes: the public ones with their bodies, and those of the engine.
--
-- Holds true: a body packs its arguments and calls the dispatcher, no more.

local ctypes = require "ctypes"
local output = require "output"
local write, header = output.write, output.header

local M = {}

-- A function as two pieces: its declaration and the lines of its body.
local function emit(e, prefix, suffix, number)
  local declaration, values = ctypes.call(e, prefix, suffix, number)
  local body = { ("  cr_value args[] = {%s};"):format(#values > 0 and table.concat(values, ", ") or "{0}") }
  local id = "CR__OP_" .. e.name
  if e.inplace_only then
    body[2] = ("  return cr_call_inplace(&cr__ops[%s], args);"):format(id)
  elseif e.nout == 1 then
    body[2] = ("  return cr__op1(%s, args);"):format(id)
  else
    body[2] = ("  return cr_call(&cr__ops[%s], args, out, %s);"):format(id, e.variable and "nout" or "NULL")
  end
  return declaration, table.concat(body, "\n")
end

-- Calls visit(declaration, body) for each form of e: the last operand may be a number.
local function each_form(e, prefix, visit)
  visit(emit(e, prefix, ""))
  local last
  for _, p in ipairs(e.params) do
    if p.type == "operand" and p.index > 0 then last = p end
  end
  if last then visit(emit(e, prefix, "_scalar", last)) end
end

local function write_public(out_dir, entries)
  local h = header("One prototype per operation.")
  h[#h + 1] = "#ifndef CRESSET_OPS_H\n#define CRESSET_OPS_H\n"
  local c = header("The bodies of the public prototypes.")
  c[#c + 1] = '#include "autograd/graph.h"\n'
  for _, e in ipairs(entries) do
    if not e.hidden then
      h[#h + 1] = "/* " .. e.signature .. "\n * " .. e.doc:gsub("\n%s*", "\n * ") .. " */"
      each_form(e, "cr_", function(declaration, body)
        h[#h + 1] = "CR_API " .. declaration .. ";"
        c[#c + 1] = declaration .. " {\n" .. body .. "\n}"
      end)
    end
  end
  h[#h + 1] = "\n#endif"
  write(out_dir, "cresset_ops.h", h)
  write(out_dir, "api.c", c)
end

local function write_calls(out_dir, entries)
  local h = header("Calls of operations from within the engine, all arguments given.")
  h[#h + 1] = '#ifndef CR__CALLS_H\n#define CR__CALLS_H\n\n#include "tensor/dispatch.h"\n'
  for _, e in ipairs(entries) do
    h[#h + 1] = "/* " .. e.signature:gsub("\n%s*", " ") .. " */"
    each_form(e, "cr__call_", function(declaration, body)
      h[#h + 1] = "static inline " .. declaration .. " {\n" .. body .. "\n}"
    end)
  end
  h[#h + 1] = "\n#endif"
  write(out_dir, "calls.h", h)
end

function M.write(out_dir, entries)
  write_public(out_dir, entries)
  write_calls(out_dir, entries)
end

return M
