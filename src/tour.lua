-- tour.lua: writes docs/tour.md, which has a line for each source file: the first sentence of its first comment.
-- `lua5.4 tour.lua OUTPUT_FILE`, from the root of the checkout; `make docs` does it.
--
-- Holds true: the same tree gives the same page. A file without a first sentence is an error that names it.

local folders = "src lua cuda examples bench spec"
local kinds = { "c", "h", "cu", "cuh", "cpp", "lua", "py", "sh" }
-- Values that programs have recorded, a file for each case: their folders hold the programs, which have a line.
local recorded = { "^spec/oracle/.*%.lua$", "^spec/tails/.*%.lua$" }

local function is_source(path)
  for _, pattern in ipairs(recorded) do
    if path:find(pattern) then return false end
  end
  return true
end

-- All source files, in the order of their bytes: folder by folder.
local function sources()
  local names = {}
  for i, kind in ipairs(kinds) do names[i] = ("-name '*.%s'"):format(kind) end
  local pipe = assert(io.popen(("find %s -type f \\( %s \\)"):format(folders, table.concat(names, " -o "))))
  local list = {}
  for path in pipe:lines() do
    if is_source(path) then
      local folder, name = path:match "^(.*)/([^/]+)$"
      list[#list + 1] = { path = path, folder = folder, name = name }
    end
  end
  pipe:close()
  table.sort(list, function(a, b)
    if a.folder ~= b.folder then return a.folder < b.folder end
    return a.name < b.name
  end)
  return list
end

-- The lines of the first comment (C, Lua, shell) or docstring (Python) without its marks, up to an empty one.
local function first_comment(text)
  local lines = {}
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    if not line:find "^#!" then
      local words = line:gsub("^%s*/%*+", ""):gsub("%*/.*$", ""):gsub("^%s*%*%s?", ""):gsub('^"""', "")
        :gsub('""".*$', ""):gsub("^%-%-+", ""):gsub("^#+%s", ""):gsub("^//+", "")
      words = words:match "^%s*(.-)%s*$"
      if words == "" then break end
      lines[#lines + 1] = words
      if line:find("*/", 1, true) then break end
    end
  end
  return table.concat(lines, " ")
end

-- "name.c: what it is. More." gives "what it is". Options may stand between the name and the colon.
local function sentence(file)
  local handle = assert(io.open(file.path))
  local text = first_comment(handle:read "a")
  handle:close()
  local plain = file.name:gsub("%p", "%%%0")
  local said = text:match("^[%w_/]-" .. plain .. "[^:]*:%s+(.*)$")
  said = said and (said:match "^(.-)[%.;]%s" or said:match "^(.-)%.?$")
  if not said or said == "" then
    error(file.path .. ': must open with a comment "' .. file.name .. ': what it is."', 0)
  end
  return said
end

local function page()
  local md = { "# Source tour", "", "A line for each source file: the first sentence of its first comment. `make docs` "
    .. "writes this page.", "", "Each file goes on to say what holds true in it. How an operation is added is told in "
    .. "[CONTRIBUTING.md](../CONTRIBUTING.md), and how the parts hang together in [the front page](../README.md)." }
  local folder
  for _, file in ipairs(sources()) do
    if file.folder ~= folder then
      folder = file.folder
      local head = { "", "## " .. folder, "", "| file | what it holds |", "|---|---|" }
      table.move(head, 1, #head, #md + 1, md)
    end
    md[#md + 1] = ("| [%s](../%s) | %s |"):format(file.name, file.path, (sentence(file):gsub("|", "\\|")))
  end
  return table.concat(md, "\n") .. "\n"
end

local out = assert(arg[1], "usage: tour.lua OUTPUT_FILE")
local text = page()
local file = assert(io.open(out, "w"))
file:write(text)
file:close()
