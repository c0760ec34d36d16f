-- manual.lua: writes what people and editors read of all public names.
-- `lua5.4 src/catalogue/manual.lua OUTPUT_DIRECTORY`, from the root of the checkout, makes
--   reference.md      every name: call, meaning; of operations signature, forms, dtypes, derivative
--   cresset.d.lua     annotations for editors (LuaLS)
--
-- Holds true: it says nothing but what the catalogue and lua/cresset/entries.lua say; no file of the engine needs
-- its output.

local here = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = here .. "/?.lua;" .. package.path
local catalogue = require "catalogue"
local reference = require "reference"
local trace = require "trace"

local sections = reference.sections

local out_dir = assert(arg[1], "usage: manual.lua OUTPUT_DIRECTORY")
local cat = catalogue.load(here .. "/../ops")
trace.new(cat)

local families = reference.families(cat)
local flat = reference.flat

local function write(name, lines)
  local file = assert(io.open(out_dir .. "/" .. name, "w"))
  file:write(table.concat(lines, "\n"), "\n")
  file:close()
end

-- ---- reference.md -----------------------------------------------------------------------------

-- How a heading is called in links.
local function anchor(heading) return (heading:lower():gsub("[^%w%s_-]", ""):gsub("%s", "-")) end

local function write_contents(md)
  for _, section in ipairs(sections) do
    md[#md + 1] = ("- [%s](#%s)"):format(section[1], anchor(section[1]))
  end
  for _, family in ipairs(families) do
    md[#md + 1] = ("- [operations: %s](#%s)"):format(family.name, family.name)
  end
  md[#md + 1] = ""
end

local function write_reference()
  local md = { "# Reference manual", "", "Every public name: what is written by hand, then the operations of the "
    .. "catalogue, family by family. `x` is a tensor, `cr` the module; `cr.help \"name\"` tells the same.", "" }
  write_contents(md)
  table.move(reference.entries(), 1, #reference.entries(), #md + 1, md)
  table.move({ "# Operations", "", "Generated from the catalogue. Dims and positions count from 1, negative ones "
    .. "from the end. `operand` is a tensor or a number; a type with `?` may be nil.", "",
    "A number is never wrapped into a dtype that cannot hold it. Compared or calculated with, it counts by its "
    .. "value, and only results of integers wrap; as a bound (clamp) it is the nearest number that fits; where it "
    .. "would be written it is an error. `to` and `copy_` convert between dtypes as C does.", "" }, 1, 5, #md + 1, md)
  for _, family in ipairs(families) do
    md[#md + 1] = "## " .. family.name
    md[#md + 1] = ""
    for _, e in ipairs(family) do
      md[#md + 1] = ("### %s\n\n`%s`\n\n%s\n\n%s.\n"):format(e.name, e.signature, flat(e.doc), reference.remarks(e))
    end
  end
  write("reference.md", md)
end

-- ---- cresset.d.lua ------------------------------------------------------------------------------

local lua_types = {
  tensor = "cresset.Tensor", operand = "cresset.Tensor|number|boolean", tensors = "cresset.Tensor[]",
  scalar = "number|boolean", int = "integer", float = "number", bool = "boolean", dim = "integer",
  dims = "integer|integer[]", shape = "integer|integer[]", ints = "integer[]", floats = "number|number[]",
  string = "string",
  dtype = "string", device = "string",
}
local keywords = reference.keywords

-- `"a"|"b"`, as editors read it.
local function choice_type(p)
  return (p.mixed and "integer|" .. lua_types[p.type] .. "|" or "") .. '"' .. table.concat(p.choices, '"|"') .. '"'
end

local function annotate(lines, e, called, owner, first, suffix)
  lines[#lines + 1] = "---" .. flat(e.doc)
  local names = {}
  for i = first, #e.params do
    local p = e.params[i]
    local name = keywords[p.name] and p.name .. "_" or p.name
    names[#names + 1] = name
    lines[#lines + 1] = ("---@param %s%s %s"):format(name, p.optional and "?" or "",
      p.choices and choice_type(p) or lua_types[p.type])
  end
  local results = {}
  for _ = 1, e.variable and 1 or e.nout do results[#results + 1] = "cresset.Tensor" end
  if not e.lua:find(".", 1, true) then -- what updates lists gives nothing
    lines[#lines + 1] = e.truth and "---@return boolean"
      or "---@return " .. table.concat(results, ", ") .. (e.variable and " ..." or "")
  end
  lines[#lines + 1] = ("function %s%s%s(%s) end"):format(owner, called, suffix, table.concat(names, ", "))
  lines[#lines + 1] = ""
end

local function annotate_forms(lines, e, called)
  local only, method = e.inplace_only, e.method ~= false and not e.creates
  if keywords[called] then return end
  if called:find(".", 1, true) then annotate(lines, e, called, "cr.", 1, "") end
  if e.func ~= false and not only then annotate(lines, e, called, "cr.", 1, "") end
  if method then annotate(lines, e, called, "Tensor:", 2, "") end
  if e.inplace and not only then annotate(lines, e, called, "Tensor:", 2, "_") end
end

-- The classes that editors know, by the owner that entries.lua names.
local classes = {
  { "x", "cresset.Tensor" }, { "node", "cresset.Node" }, { "handle", "cresset.Handle" }, { "ctx", "cresset.Context" },
  { "stream", "cresset.Stream" }, { "event", "cresset.Event" }, { "cr.memory", "cresset.memory" },
  { "cr.debug", "cresset.debug" }, { "cr.cuda", "cresset.cuda" }, { "cr.foreach", "cresset.foreach" },
  { "module", "cresset.Module" }, { "cr.nn", "cresset.nn" }, { "opt", "cresset.Optimizer" },
  { "cr.optim", "cresset.optim" }, { "cr", "cresset" },
}

local function annotate_class(lines, owner, class)
  lines[#lines + 1] = "---@class " .. class
  for _, section in ipairs(sections) do
    for i = 2, #section do
      local name, _, doc, kind = table.unpack(section[i])
      local of, last = name:match "^(.*)[%.:]([%w_]+)$"
      if of == owner then
        lines[#lines + 1] = ("---@field %s %s # %s"):format(last, kind:gsub("%(self", "(self: " .. class), doc)
      end
    end
  end
end

local function write_annotations()
  local lines = { "---@meta cresset", "" }
  for _, class in ipairs(classes) do
    annotate_class(lines, class[1], class[2])
    if class[1] == "x" then lines[#lines + 1] = "local Tensor = {}" end
    lines[#lines + 1] = ""
  end
  table.move({ "local cr = {}", "cr.foreach = {}", "" }, 1, 3, #lines, lines) -- behind the class of the module
  for _, family in ipairs(families) do
    for _, e in ipairs(family) do
      annotate_forms(lines, e, e.lua)
      for _, alias in ipairs(e.aliases) do annotate_forms(lines, e, alias) end
    end
  end
  lines[#lines + 1] = "return cr"
  write("cresset.d.lua", lines)
end

write_reference()
write_annotations()
