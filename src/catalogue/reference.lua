-- reference.lua: what a reference says of public names: entries written by hand, families, how operations are called.
--
-- Holds true: it says nothing but what the catalogue and lua/cresset/entries.lua say, and writes no file.

package.path = "lua/?.lua;" .. package.path

local M = {}

-- The names of dtypes, from the list in the public header.
local function dtypes()
  local list = {}
  for line in io.lines "src/cresset.h" do
    list[#list + 1] = line:match "^%s*X%(%u+%d*, (%l+%d*), %d, CR_%u+%)"
  end
  assert(#list > 0, "no dtypes in src/cresset.h")
  return list
end

M.dtypes = dtypes()

-- What no parameter can be called in Lua.
M.keywords = {}
for word in ("end repeat function not and or in for while until local"):gmatch "%a+" do M.keywords[word] = true end

-- The sections of what is written by hand: lists { title, entries... }; see lua/cresset/entries.lua.
M.sections = require "cresset.entries"(M.dtypes)

-- The public entries of a catalogue by family: lists with a name, in the order of the files.
function M.families(cat)
  local families = {}
  for _, e in ipairs(cat.entries) do
    local last = families[#families]
    if not last or last.name ~= e.family then
      last = { name = e.family }
      families[#families + 1] = last
    end
    if not e.hidden then last[#last + 1] = e end
  end
  return families
end

-- A text in one line.
function M.flat(doc)
  return (doc:gsub("%s*\n%s*", " "))
end

local function forms(e)
  local list = {}
  local method = e.method ~= false and not e.creates
  local in_table = e.lua:find(".", 1, true) -- foreach.adam_
  if in_table or (e.func ~= false and not e.inplace_only) then list[#list + 1] = ("`cr.%s`"):format(e.lua) end
  if method then list[#list + 1] = ("`x:%s`"):format(e.lua) end
  if e.inplace then
    if not e.inplace_only then list[#list + 1] = ("`x:%s_`"):format(e.lua) end
  end
  return table.concat(list, ", ")
end

-- How an operation is called, and what else holds for it.
function M.remarks(e)
  local list = { forms(e) }
  if #e.aliases > 0 then list[#list + 1] = "also called " .. table.concat(e.aliases, ", ") end
  if e.truth then list[#list + 1] = "true or false in Lua" end
  if e.pointwise then list[#list + 1] = "elementwise over " .. (e.dtypes or "float int"):gsub(" ", ", ") end
  if e.view then list[#list + 1] = "shares memory with its first argument" end
  if e.nondiff then list[#list + 1] = "not differentiable" end
  return table.concat(list, "; ")
end

-- What is written by hand, as Markdown: a list of paragraphs.
function M.entries()
  local md = {}
  for _, section in ipairs(M.sections) do
    md[#md + 1] = ("## %s\n"):format(section[1])
    for i = 2, #section do
      local name, call, doc = table.unpack(section[i])
      local ending = doc:find "%.$" and "" or "."
      md[#md + 1] = ("### %s\n\n`%s`\n\n%s%s\n"):format(name, call, doc:gsub("^%l", string.upper), ending)
    end
  end
  return md
end

return M
