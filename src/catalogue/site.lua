-- site.lua: writes the manual as pages for mkdocs, which makes HTML of them: `make docs`.
-- `lua5.4 src/catalogue/site.lua OUTPUT_DIRECTORY`, from the root of the checkout, with the module where Lua finds it.
--
-- Holds true: docs/*.md are taken as they are, with links out of the folder turned into words; each family of the
-- catalogue has a page, and each operation there its signature, forms, dtypes and an example. Which dtypes it takes
-- and what the example prints is no claim: it was tried.

local here = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = here .. "/?.lua;" .. package.path
local catalogue = require "catalogue"
local cr = require "cresset"
local examples = require "examples"
local reference = require "reference"

local out_dir = assert(arg[1], "usage: site.lua OUTPUT_DIRECTORY")

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

local function write(name, text)
  local file = assert(io.open(out_dir .. "/" .. name, "w"))
  file:write(text)
  file:close()
end

-- ---- What an operation takes ------------------------------------------------------------------------------

-- Casts what is a tensor of a floating dtype, also in lists.
local function cast(v, dtype)
  if cr.is_tensor(v) then return v:is_floating_point() and v:to(dtype) or v end
  if type(v) ~= "table" then return v end
  local copy = {}
  for key, item in pairs(v) do copy[key] = cast(item, dtype) end
  return copy
end

-- The dtype of the first result for arguments of a dtype; nil, and the reason, if they are refused.
local function outcome(e, dtype)
  local args = examples.sample_of(e, cr)
  for i = 1, args.n do args[i] = cast(args[i], dtype) end
  local ok, result = pcall(function()
    local f = e.method ~= false and args[1][e.lua] or cr[e.lua]
    return (f(table.unpack(args, 1, args.n)))
  end)
  if not ok then return nil, tostring(result) end
  if type(result) == "table" then result = result[1] end
  return cr.is_tensor(result) and result.dtype or type(result)
end

-- "float64 and float32 give their own; int64 gives float32; bool is refused", in groups.
local function dtype_lines(e)
  local same, others, refused, reason = {}, {}, {}, nil
  for _, dtype in ipairs(reference.dtypes) do
    local result, why = outcome(e, dtype)
    if not result then
      refused[#refused + 1] = dtype
      reason = reason or why
    elseif result == dtype then same[#same + 1] = dtype
    else
      others[result] = others[result] or {}
      table.insert(others[result], dtype)
    end
  end
  local lines = {}
  if #same > 0 then lines[1] = "the result has the dtype of the input for " .. table.concat(same, ", ") end
  for _, result in ipairs { "float32", "float64", "int64", "bool", "boolean" } do
    if others[result] then
      lines[#lines + 1] = ("it is %s for %s"):format(result == "boolean" and "true or false" or result,
        table.concat(others[result], ", "))
    end
  end
  if #refused > 0 then lines[#lines + 1] = "refused: " .. table.concat(refused, ", ") end
  local text = table.concat(lines, "; ") .. "."
  return reason and text .. ("\n\nOf %s it says: `%s`"):format(refused[1], reason:gsub("^[^\n]-:%d+: ", "")) or text
end

local function has_floats(e)
  local args = examples.sample_of(e, cr)
  for i = 1, args.n do
    local v = type(args[i]) == "table" and args[i][1] or args[i]
    if cr.is_tensor(v) and v:is_floating_point() then return true end
  end
  return false
end

-- ---- Pages ----------------------------------------------------------------------------------------------------

local function operation(e)
  local md = { "## " .. e.name, "", "`" .. e.signature .. "`", "", reference.flat(e.doc), "",
    reference.remarks(e) .. ".", "" }
  if has_floats(e) and not e.inplace_only then
    md[#md + 1] = "Dtypes: " .. dtype_lines(e) .. "\n"
  end
  local program = examples.program(e, cr)
  md[#md + 1] = "```lua\n" .. program .. "\n```\n\n```text\n" .. examples.run(program, cr) .. "\n```\n"
  return table.concat(md, "\n")
end

-- Links to what is no page of the site become the words that they were made of.
local function only_pages(text)
  return (text:gsub("%[([^%]]+)%]%((%.%./[^%)]*)%)", "%1"):gsub("%]%(docs/", "](")
    :gsub("%[([^%]]+)%]%(([%w_%-]+%.md)%)", function(words, page)
      return (page == "CONTRIBUTING.md" or page == "CHANGELOG.md") and words or nil
    end))
end

local pages = { { "tutorial", "Tutorial" }, { "from-pytorch", "Coming from PyTorch or Torch7" },
  { "indexing", "Indexing" }, { "dtypes", "Dtypes" }, { "functions", "Custom Functions" },
  { "memory-and-threads", "Memory and threads" }, { "embedding", "Embedding in C" }, { "cuda", "CUDA" },
  { "install", "Installing" }, { "speed", "Speed" }, { "elementwise", "Elementwise calls" } }

local nav = { "site_name: Cresset", "docs_dir: pages", "site_dir: html", "theme: readthedocs",
  "use_directory_urls: false", "nav:", "  - Cresset: index.md" }

os.execute(("mkdir -p '%s/pages'"):format(out_dir))
write("pages/index.md", only_pages(read "README.md"))
write("pages/architecture.svg", read "docs/architecture.svg")
for _, page in ipairs(pages) do
  write("pages/" .. page[1] .. ".md", only_pages(read("docs/" .. page[1] .. ".md")))
  nav[#nav + 1] = ("  - %s: %s.md"):format(page[2], page[1])
end

write("pages/functions-by-hand.md", "# What is written by hand\n\n" .. table.concat(reference.entries(), "\n"))
nav[#nav + 1] = "  - What is written by hand: functions-by-hand.md"
nav[#nav + 1] = "  - Operations:"
for _, family in ipairs(reference.families(catalogue.load(here .. "/../ops"))) do
  local md = { "# Operations: " .. family.name, "" }
  for _, e in ipairs(family) do
    if examples.is_called(e) then md[#md + 1] = operation(e) end
  end
  if #md > 2 then
    write(("pages/op-%s.md"):format(family.name), table.concat(md, "\n"))
    nav[#nav + 1] = ("      - %s: op-%s.md"):format(family.name, family.name)
  end
end
write("mkdocs.yml", table.concat(nav, "\n") .. "\n")
