-- docs_spec.lua: what the pages say is true: snippets run, on a device where they ask cr.cuda for one, links lead
-- somewhere, what programs write is up to date.

local cr = require "cresset"

local shell = require "spec.support.shell"
local read = shell.read

-- The snippets of a page in a language, with the lines where they begin.
local function snippets(text, language)
  local list, current, number = {}, nil, 0
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    number = number + 1
    if not current and line:match "^%s*```(%l*)%s*$" == language then
      current = { line = number + 1 }
    elseif current and line:match "^%s*```%s*$" then
      list[#list + 1] = { line = current.line, text = table.concat(current, "\n") }
      current = nil
    elseif current then
      current[#current + 1] = line
    end
  end
  return list
end

-- Runs a snippet with `cr` known and print silenced. One that declares an operation is loaded only:
-- its place is the catalogue.
local function run(snippet, name)
  local chunk = assert(load(snippet.text, "@" .. name, "t", setmetatable({ cr = cr, print = function() end },
    { __index = _G })))
  if not snippet.text:find "^%s*op[ %(]" then chunk() end
end

-- What heading lines of a page are called in links: small letters, a dash for each space.
local function anchors(text)
  local set = {}
  for heading in text:gmatch "\n#+ ([^\n]+)" do
    set[heading:lower():gsub("[^%w%s_-]", ""):gsub("%s", "-")] = true
  end
  return set
end

-- Snippets are code: what stands in them is no link and no path of this tree.
local function prose(text) return (text:gsub("\n```.-\n```", "\n")) end

for _, page in ipairs(shell.lines "ls README.md CONTRIBUTING.md CHANGELOG.md docs/*.md") do
  local folder = page:match "^(.*/)" or ""

  describe("the page " .. page, function()
    local text = read(page) or ""
    it("is there", function() assert.is_true(#text > 0) end)

    for _, snippet in ipairs(snippets(text, "lua")) do
      it("has a snippet that runs: line " .. snippet.line, function() run(snippet, page .. ":" .. snippet.line) end)
    end

    -- #compiles: what a machine without headers and compilers cannot do.
    for _, snippet in ipairs(snippets(text, "c")) do
      it("has C that compiles: line " .. snippet.line .. " #compiles", function()
        local told, status = shell.run("env -u LD_PRELOAD cc -std=c11 -Wall -Wextra -Werror -Isrc -Ibuild/gen "
          .. "$(pkg-config --cflags lua5.4) -fsyntax-only -x c -", snippet.text .. "\n")
        assert.equal(0, status, told)
      end)
    end

    it("links to pages and headings that exist", function()
      local broken = {}
      for target in prose(text):gmatch "%]%(([^%)%s]+)%)" do
        local path, anchor = target:match "^([^#]*)#?(.*)$"
        if not target:find "^https?:" then
          local other = path == "" and text or read(folder .. path)
          if not other or anchor ~= "" and not anchors(other)[anchor] then broken[#broken + 1] = target end
        end
      end
      assert.same({}, broken)
    end)

    it("names no file that does not exist", function()
      local gone = {}
      for path in prose(text):gmatch "`([%w_/%.%-]+%.%a+)`" do
        if path:find "^[^/].*/" and not path:find "^build/" and not read(path) then gone[#gone + 1] = path end
      end
      assert.same({}, gone)
    end)
  end)
end

-- #compiles: the programs belong to those that build the library.
describe("the pages that programs write #compiles", function()
  -- A program of this tree by its name, wherever it lies; what it writes is compared with what is there.
  local function is_current(program, page)
    local fresh = os.tmpname()
    local path = assert(shell.lines("find src -name " .. program)[1], program)
    assert(os.execute(("lua5.4 %s %s"):format(path, fresh)))
    local text = read(fresh)
    os.remove(fresh)
    assert(text == read(page), page .. " is out of date: make docs")
  end

  it("have a line for every source file: the source tour", function()
    is_current("tour.lua", "docs/tour.md")
  end)

  it("show what their text says: the picture of the architecture", function()
    is_current("architecture.lua", "docs/architecture.svg")
  end)
end)
