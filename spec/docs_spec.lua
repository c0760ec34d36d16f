-- docs_spec.lua: what the pages say is true: snippets run, the source tour is complete.

local cr = require "cresset"

local read = require("spec.support.shell").read

-- The Lua snippets of a page with the lines where they begin.
local function snippets(text)
  local list, current, number = {}, nil, 0
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    number = number + 1
    if not current and line:match "^%s*```lua%s*$" then
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

local pages = { "README.md", "CONTRIBUTING.md" }

for _, page in ipairs(pages) do
  describe("the snippets of " .. page, function()
    local text = read(page) or ""
    it("exist with their page", function() assert.is_true(#text > 0) end)
    for _, snippet in ipairs(snippets(text)) do
      it("run: line " .. snippet.line, function() run(snippet, page .. ":" .. snippet.line) end)
    end
  end)
end

describe("the source tour of the README", function()
  local text = read "README.md" or ""

  it("has a line for every source file", function()
    local missing = {}
    local pipe = assert(io.popen("find src lua examples bench cuda spec -type f "
      .. "\\( -name '*.[ch]' -o -name '*.cu*' -o -name '*.cpp' -o -name '*.sh' "
      .. "-o -name '*.lua' -o -name '*.py' \\) ! -path 'spec/oracle/*.lua' ! -path 'spec/tails/*.lua' | sort"))
    for path in pipe:lines() do
      local directory, name = path:match "^(.*)/([^/]+)$"
      local named = text:find(path, 1, true) or (text:find(directory .. "/", 1, true) and text:find(name, 1, true))
      if not named then missing[#missing + 1] = path end
    end
    pipe:close()
    assert.same({}, missing)
  end)

  it("names no file that does not exist", function()
    local gone = {}
    for path in text:gmatch "`([%w_/%.%-]+%.%a+)`" do
      if path:find "/" and not path:find "^build/" and not read(path) then gone[#gone + 1] = path end
    end
    assert.same({}, gone)
  end)

  it("links to pages that exist", function()
    for target in text:gmatch "%]%(([^%)]+)%)" do
      if not target:find "^https?:" then assert(read(target), target) end
    end
  end)
end)

describe("cr.help", function()
  it("tells signature and meaning of every operation", function()
    for _, op in ipairs(cr.operations()) do
      if not op.hidden and (op.method or op.func) then
        local text = cr.help(op.lua)
        assert.equal("string", type(text), op.lua)
        assert(text:find(op.lua, 1, true), op.lua)
      end
    end
  end)

  it("knows the names with an underscore", function()
    assert.truthy(cr.help "add_":find("add", 1, true))
  end)

  it("lists everything when asked for nothing", function()
    local text = cr.help()
    for _, name in ipairs { "softmax", "backward", "matmul", "no_grad" } do
      assert(text:find(name, 1, true), name)
    end
  end)

  it("suggests names for one that it does not know", function()
    local ok, message = pcall(cr.help, "softmaxx")
    assert.truthy(tostring(message):find("softmax", 1, true))
    assert.is_boolean(ok)
  end)
end)
