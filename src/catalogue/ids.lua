-- ids.lua: the ids of operations, kernels and pointwise expressions, and the tables of kernels.
--
-- Holds true: ids follow the order of the entries; an engine and a plug-in that agree on CR__CATALOGUE agree
-- on all of them.

local output = require "output"
local write, header = output.write, output.header

local M = {}

-- The names of all kernels, in the order of their declarations.
local function kernels_of(cat)
  local kernels = {}
  for i, k in ipairs(cat.kernels) do kernels[i] = k.name end
  return kernels
end

local function write_enums(out_dir, entries, kernels)
  local h = header("Ids of kernels and pointwise expressions.")
  h[#h + 1] = "#ifndef CR__KERNELS_H\n#define CR__KERNELS_H\n\ntypedef enum cr__kernel_id {"
  for _, k in ipairs(kernels) do h[#h + 1] = "  CR__K_" .. k .. "," end
  h[#h + 1] = "  CR__K_COUNT\n} cr__kernel_id;\n\n#define CR__KERNELS(X) \\"
  for _, k in ipairs(kernels) do h[#h + 1] = ("  X(%s) \\"):format(k) end
  h[#h + 1] = "\ntypedef enum cr__pointwise_id {"
  for _, e in ipairs(entries) do
    if e.pointwise then h[#h + 1] = "  CR__PW_" .. e.name .. "," end
  end
  h[#h + 1] = "  CR__PW_COUNT\n} cr__pointwise_id;\n\n#endif"
  write(out_dir, "kernels.h", h)

  h = header("Ids of operations.")
  h[#h + 1] = "#ifndef CR__OP_IDS_H\n#define CR__OP_IDS_H\n\ntypedef enum cr__op_id {"
  for _, e in ipairs(entries) do h[#h + 1] = "  CR__OP_" .. e.name .. "," end
  h[#h + 1] = "  CR__OP_COUNT\n} cr__op_id;\n\n/* What a string argument may be: its number in the signature. */"
  for _, e in ipairs(entries) do
    for _, p in ipairs(e.params) do
      local names = {}
      for i, choice in ipairs(p.choices or {}) do names[i] = ("CR__%s_%s_%s"):format(e.name, p.name, choice) end
      if p.choices then h[#h + 1] = ("enum { %s };"):format(table.concat(names, ", ")) end
    end
  end
  h[#h + 1] = "\n#endif"
  write(out_dir, "op_ids.h", h)
end

-- A kernel that a backend leaves out has the address NULL: the symbols are weak.
local function write_tables(out_dir, kernels)
  local h = header("The CPU's kernels.")
  for _, k in ipairs(kernels) do
    h[#h + 1] = ("__attribute__((weak)) int cr__cpu_%s(cr__launch *k);"):format(k)
  end
  h[#h + 1] = "static const cr__kernel cpu_kernels[CR__K_COUNT + 1] = {"
  for _, k in ipairs(kernels) do h[#h + 1] = ("    [CR__K_%s] = cr__cpu_%s,"):format(k, k) end
  h[#h + 1] = "};"
  write(out_dir, "cpu_table.inc", h)

  h = header("CUDA's kernels.")
  for _, k in ipairs(kernels) do
    h[#h + 1] = ('extern "C" __attribute__((weak)) int cr__cuda_%s(cr__launch *k);'):format(k)
  end
  h[#h + 1] = "static const cr__kernel cuda_kernels[CR__K_COUNT + 1] = {"
  for _, k in ipairs(kernels) do h[#h + 1] = ("    cr__cuda_%s,"):format(k) end
  h[#h + 1] = "    NULL};"
  write(out_dir, "cuda_table.inc", h)
end

-- Equal for an engine and a plug-in that number kernels and expressions alike, and agree on the slots.
local function write_catalogue_id(out_dir, cat, entries, kernels)
  local names = {}
  for _, k in ipairs(kernels) do names[#names + 1] = k end
  for _, k in ipairs(cat.kernels) do names[#names + 1] = k.text end
  for _, e in ipairs(entries) do
    if e.pointwise then names[#names + 1] = e.name end
  end
  local sum = 5381
  for c in table.concat(names, " "):gmatch(".") do sum = (sum * 33 ~ c:byte()) & 0xffffffff end
  local h = header("What an engine and a plug-in must agree on.")
  h[#h + 1] = ('#define CR__CATALOGUE "%d.%08x"'):format(#names, sum)
  write(out_dir, "catalogue_id.h", h)
end

function M.write(out_dir, cat, entries)
  local kernels = kernels_of(cat)
  write_enums(out_dir, entries, kernels)
  write_tables(out_dir, kernels)
  write_catalogue_id(out_dir, cat, entries, kernels)
end

return M
