-- gen.lua: turns the catalogue into C: `lua5.4 src/catalogue/gen.lua build/gen`, or another folder of entries
-- as second argument.
--
-- Holds true: the output is tables and straight-line calls, never an algorithm. A mistake in an entry is one
-- sentence that names it, and an exit status of 1. What it writes:
--   kernels.h        the ids of kernels and pointwise expressions (backends see these)
--   slots.h          what a launch hands each kernel, by name (backends see these), and slot_views.inc: how many views
--   op_ids.h         the ids of operations (the engine sees these)
--   cresset_ops.h    public prototypes
--   calls.h          calls of operations from within the engine
--   runs.h           the functions that carry operations out, and where derivatives find what was saved
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

local function generate(out_dir, ops_dir)
  local cat = catalogue.load(ops_dir or here .. "/../ops")
  catalogue.check_names(cat, here .. "/..")
  catalogue.check_launches(cat, here .. "/..")
  -- Those that only serve derivatives come last: cr_op_find and its sisters end before them.
  local entries, npublic = {}, 0
  for _, hidden in ipairs { false, true } do
    for _, e in ipairs(cat.entries) do
      if (e.hidden or false) == hidden then entries[#entries + 1] = e end
    end
    npublic = hidden and npublic or #entries
  end
  require("ids").write(out_dir, cat, entries)
  require("kernels").write(out_dir, cat)
  require("loops").write(out_dir, entries)
  require("api").write(out_dir, entries)
  require("runs").write(out_dir, entries)
  require("tables").write(out_dir, cat, entries, npublic)
end

if not arg[1] then
  io.stderr:write "usage: gen.lua OUTPUT_DIRECTORY [DIRECTORY_OF_ENTRIES]\n"
  os.exit(2)
end
local ok, message = pcall(generate, arg[1], arg[2])
if not ok then
  io.stderr:write(tostring(message), "\n")
  os.exit(1)
end
