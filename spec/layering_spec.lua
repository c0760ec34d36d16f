-- layering_spec.lua: each layer of the source uses only those below it.

local function lines_of(command)
  local list = {}
  local pipe = assert(io.popen(command))
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

local function files(pattern) return lines_of("find " .. pattern .. " -type f | sort") end

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

-- Layer 1 knows no device and no tensor; layer 2 (backends) sees strided views, no tensors.
local layer1 = set "error.c alloc.c alloc.h dtype.c shape.c base.h state.h"
local engine = set "core.h engine.h"

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
local function folder(path) return path:match "^src/([^/]+)/" or "" end

describe("in the source of the engine", function()
  it("errors, memory, dtypes and shapes include the C library and each other only", function()
    walk(function(path, include)
      if folder(path) ~= "" or not layer1[base(path)] or include.system then return end
      if not layer1[include.name] and include.name ~= "cresset.h" then return "is above layer 1" end
    end)
  end)

  it("backends see no tensors", function()
    walk(function(path, include)
      local backend = folder(path) == "cpu" or path == "src/device.c" or path == "src/backend.h"
      if backend and engine[include.name] then return "a backend sees the engine" end
    end)
  end)

  it("CUDA sees views and numbers as the CPU does: of the engine these headers only", function()
    local shared = set "backend.h reduction.h philox.h spacing.h step.h scalar.h scalar_math.h cpu/iter.h cpu/random.h"
    local emulated = "cuda/emulate/cublaslt.cpp" -- has the interface that cublas.cu calls
    local problems = {}
    for _, path in ipairs(files "cuda -name '*.cu' -o -name '*.cuh' -o -name '*.h' -o -name '*.cpp'") do
      for _, include in ipairs(includes(path)) do
        local engine_path = include.path:match "^%.%./src/(.*)$"
        local outside = engine_path and not shared[engine_path]
        local own = path == emulated and include.path == "../cublas.h"
        if outside or (not engine_path and include.path:find "/") and not include.system and not own then
          problems[#problems + 1] = path .. " includes " .. include.path
        end
      end
    end
    assert.same({}, problems)
  end)

  it("no kernel knows whether it is emulated", function()
    for _, path in ipairs(files "cuda -maxdepth 1 -name '*.cu*' -o -maxdepth 1 -name '*.h'") do
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

  it("only the backend's folder includes the backend's headers", function()
    walk(function(path, include)
      if folder(path) ~= "cpu" and include.path:find "^cpu/" then return "belongs to the CPU backend" end
    end)
  end)

  it("the public header includes the C library and the generated prototypes only", function()
    for _, include in ipairs(includes "src/cresset.h") do
      assert(include.system or include.name == "cresset_ops.h", include.name)
    end
  end)
end)

describe("in the Lua half of the module", function()
  it("init.lua alone requires the C module", function()
    for _, path in ipairs(files "lua -name '*.lua'") do
      local requires_core = read(path):find "require%s*%(?%s*[\"']cresset%.core" ~= nil
      assert.equal(base(path) == "init.lua", requires_core, path)
    end
  end)

  it("every global is Lua's own", function()
    for _, path in ipairs(files "lua -name '*.lua'") do
      local globals = {}
      for _, line in ipairs(lines_of("luac5.4 -l -p " .. path .. " 2>/dev/null || true")) do
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
      if not first:find(name, 1, true) or not (first:find "^/%*" or first:find "^%-%-") then
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
