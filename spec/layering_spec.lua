-- layering_spec.lua: each layer of the source uses only those below it.

local shell = require "spec.support.shell"

local function read(path) return assert(shell.read(path), path) end

local function files(pattern) return shell.lines("find " .. pattern .. " -type f | sort") end

-- The headers that a file includes: { name =, system = }.
local function includes(path)
  local list = {}
  for open, name in read(path):gmatch '\n%s*#%s*include%s*([<"])([^>"]+)[>"]' do
    list[#list + 1] = { name = name:match "[^/]+$", system = open == "<", path = name }
  end
  return list
end

local function is_lua(name) return name == "lua.h" or name == "lauxlib.h" or name == "lualib.h" or name == "lua.hpp" end

local function set(text)
  local s = {}
  for word in text:gmatch "%S+" do s[word] = true end
  return s
end

-- The folders of src, each with those that it may include and call; every one may use itself. What the
-- generator writes belongs to `gen`. tensor and autograd know each other; nothing else looks up.
local below = {
  scalar = set "",
  base = set "",
  device = set "base",
  cpu = set "base device scalar cpu/loops onednn", -- the table of the plug-in, and no more
  ["cpu/loops"] = set "base device scalar cpu",
  onednn = set "",
  tensor = set "base device scalar autograd",
  autograd = set "base device tensor",
  ops = set "base device scalar tensor autograd",
  io = set "base device tensor autograd",
  binding = set "",
  runner = set "",
}

-- Calls visit(path, include) for each include of each C file under src.
local function walk(visit)
  local problems = {}
  for _, path in ipairs(files "src -name '*.[ch]'") do
    for _, include in ipairs(includes(path)) do
      local problem = visit(path, include)
      if problem then problems[#problems + 1] = ("%s includes %s: %s"):format(path, include.path, problem) end
    end
  end
  assert.same({}, problems)
end

local function base(path) return path:match "[^/]+$" end
local function folder(path) return path:match "^src/(.*)/[^/]+$" or "" end

-- The folder of src that an include leads to; "" for cresset.h and what is generated.
local function target(path, include)
  if not include.path:find "/" then
    local own = io.open(path:match "^(.*/)" .. include.path)
    if own then own:close() end
    return own and folder(path) or ""
  end
  return include.path:match "^(.*)/[^/]+$"
end

describe("in the source of the engine", function()
  it("every folder is a layer that is known here", function()
    for _, path in ipairs(files "src -mindepth 2 -name '*.[ch]'") do assert(below[folder(path)], path) end
  end)

  it("a layer includes itself and those below it only", function()
    walk(function(path, include)
      local from, to = folder(path), target(path, include)
      if include.system or from == "" or to == "" or to == from then return end
      if not below[from][to] then return ("%s is not below %s"):format(to, from) end
    end)
  end)

  it("CUDA sees views and numbers as the CPU does: of the engine these headers only", function()
    local shared = set "device/backend.h cpu/iter.h cpu/random.h"
    local emulated = "cuda/emulate/cublaslt.cpp" -- has the interface that cublas.cu calls
    local problems = {}
    for _, path in ipairs(files "cuda -name '*.cu' -o -name '*.cuh' -o -name '*.h' -o -name '*.cpp'") do
      for _, include in ipairs(includes(path)) do
        local from = include.path:match "^(.*)/[^/]+$"
        if from and not include.system and from ~= "runtime" and from ~= "scalar" and not shared[include.path]
          and not (path == emulated and include.path == "kernels/cublas.h") then
          problems[#problems + 1] = path .. " includes " .. include.path
        end
      end
    end
    assert.same({}, problems)
  end)

  it("no kernel knows whether it is emulated", function()
    for _, path in ipairs(files "cuda/runtime cuda/kernels -name '*.cu*' -o -name '*.h'") do
      for line in read(path):gmatch "[^\n]+" do
        local emulated = line:find "^%s*#.*EMULATE" or line:find "^%s*#%s*ifndef%s+__CUDA"
          or line:find "^%s*#.*!.*__CUDA"
        assert.is_nil(emulated, path .. ": " .. line)
      end
    end
  end)

  it("nothing but the binding and the runner knows Lua", function()
    walk(function(path, include)
      local allowed = folder(path) == "binding" or folder(path) == "runner"
      if is_lua(include.name) and not allowed then return "Lua below the binding" end
    end)
  end)

  it("the binding includes cresset.h, Lua and its own headers only", function()
    walk(function(path, include)
      if folder(path) ~= "binding" or include.system then return end
      local own = io.open("src/binding/" .. include.name)
      if own then own:close() end
      if not own and include.name ~= "cresset.h" and not is_lua(include.name) then return "is not public" end
    end)
  end)

  it("the runner includes nothing of the engine but cresset.h", function()
    walk(function(path, include)
      if folder(path) ~= "runner" or include.system then return end
      local own = io.open("src/runner/" .. include.name)
      if own then own:close() end
      if not own and include.name ~= "cresset.h" and not is_lua(include.name) then return "is not public" end
    end)
  end)

  it("the public header includes the C library and the generated prototypes only", function()
    for _, include in ipairs(includes "src/cresset.h") do
      assert(include.system or include.name == "cresset_ops.h", include.name)
    end
  end)
end)

local function exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

-- What objects define and what they ask others for, by folder of src: symbol tables, as nm prints them.
local function symbols(build)
  local defined, wanted = {}, {}
  for _, line in ipairs(shell.lines(("nm -A %s/obj/*/*.o %s/obj/*/*/*.o"):format(build, build))) do
    local path, kind, name = line:match "^.*/obj/([^:]+):%x*%s+(%a) (%S+)$"
    local from = path and path:match "^(.*)/"
    local source = path and "src/" .. path:gsub("%.v%d", ""):gsub("%.base", ""):gsub("o$", "c")
    if from and below[from] and exists(source) then -- else of a file that was there once
      if kind == "U" then wanted[#wanted + 1] = { name = name, from = from, path = path }
      elseif kind:find "[TDBRVWCGS]" then defined[name] = from end
    end
  end
  return defined, wanted
end

describe("in what was compiled", function()
  it("a layer calls itself and those below it only", function()
    local defined, wanted = symbols(os.getenv "CRESSET_BUILD" or "build")
    local problems = {}
    assert(#wanted > 1000)
    for _, w in ipairs(wanted) do
      local to = defined[w.name]
      -- The table of devices names the CPU, and inline functions reach it without a step.
      local known = not to or to == w.from or below[w.from][to] or w.name == "cr__cpu_backend"
      local public = (w.from == "binding" or w.from == "runner") and not w.name:find "^cr__"
      if not known and not public then
        problems[#problems + 1] = ("%s calls %s of %s"):format(w.path, w.name, to)
      end
    end
    assert.same({}, problems)
  end)
end)

describe("in the Lua half of the module", function()
  it("init.lua alone requires the C module", function()
    for _, path in ipairs(files "lua -name '*.lua'") do
      local requires_core = read(path):find "require%s*%(?%s*[\"']cresset%.core" ~= nil
      assert.equal(path == "lua/cresset/init.lua", requires_core, path)
    end
  end)

  it("every global is Lua's own", function()
    for _, path in ipairs(files "lua -name '*.lua'") do
      local globals = {}
      for _, line in ipairs(shell.lines("luac5.4 -l -p " .. path .. " 2>/dev/null || true")) do
        local name = line:match 'SETTABUP.*_ENV "([^"]+)"'
        if name then globals[#globals + 1] = name end
      end
      assert.same({}, globals, path)
    end
  end)
end)

describe("one fact has one place:", function()
  local function count_words(text, words)
    local n = 0
    for _, word in ipairs(words) do
      if text:find(word, 1, true) then n = n + 1 end
    end
    return n
  end

  it("the names of dtypes stand in cresset.h alone", function()
    local quoted = { '"float64"', '"float32"', '"float16"', '"bfloat16"', '"int64"', '"int32"', '"int16"', '"int8"',
      '"uint8"', '"bool"' }
    for _, path in ipairs(files "src lua -name '*.[ch]' -o -name '*.lua' -path 'lua/*'") do
      assert(count_words(read(path), quoted) < 10, path .. " lists the names of all dtypes")
    end
  end)

  it("the list of operations stands in the catalogue alone", function()
    local quoted = {}
    for _, path in ipairs(files "src/ops -name '*.lua'") do
      for name in read(path):gmatch '\nop "([%w_]+)%(' do quoted[#quoted + 1] = '"' .. name .. '"' end
    end
    assert(#quoted > 100)
    for _, path in ipairs(files "src lua -name '*.[ch]' -o -name '*.lua'") do
      if folder(path) ~= "ops" then
        local n = count_words(read(path), quoted)
        assert(n < 30, ("%s names %d operations"):format(path, n))
      end
    end
  end)

  it("the codes of errors stand in cresset.h alone", function()
    for _, path in ipairs(files "src -name '*.[ch]'") do
      local n = count_words(read(path), { "CR_E_ARGUMENT", "CR_E_SHAPE", "CR_E_DTYPE", "CR_E_DEVICE", "CR_E_INDEX",
        "CR_E_MEMORY", "CR_E_AUTOGRAD", "CR_E_CALLBACK", "CR_E_INTERRUPT", "CR_E_INTERNAL" })
      assert(n < 10, path .. " lists all codes")
    end
  end)
end)

local sources = "%s -name '*.[ch]' -o -name '*.lua' -o -name '*.cu*' -o -name '*.cpp'"

describe("a source file", function()
  it("opens with a comment that says what it holds", function()
    local problems = {}
    for _, path in ipairs(files(sources:format "src lua examples cuda")) do
      local first = read(path):match "^[^\n]*"
      local name = base(path)
      local called = first:match("^%S+ (%S*/" .. name:gsub("%p", "%%%0") .. ")") or path
      if not first:find(name, 1, true) or called ~= path or not (first:find "^/%*" or first:find "^%-%-") then
        problems[#problems + 1] = path
      end
    end
    assert.same({}, problems)
  end)

  it("holds no line for later", function()
    local problems = {}
    for _, path in ipairs(files(sources:format "src lua examples bench spec cuda" .. " -o -name '*.py'")) do
      for line in read(path):gmatch "[^\n]+" do
        if line:find("TO" .. "DO", 1, true) or line:find("FIX" .. "ME", 1, true) then problems[#problems + 1] = path end
      end
    end
    assert.same({}, problems)
  end)
end)
