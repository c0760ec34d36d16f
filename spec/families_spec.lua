-- families_spec.lua: a family of operations has one name in every layer.

local shell = require "spec.support.shell"

local function read(path) return assert(shell.read(path), path) end

-- What each file of a folder with one of the endings says, by its name without ending.
local function texts(folder, ending)
  local list = {}
  for _, path in ipairs(shell.lines(("ls %s/*%s"):format(folder, ending))) do
    list[path:match "([^/]+)%.%w+$"] = read(path)
  end
  return list
end

-- The words that a pattern finds in each text: word -> the file that has it.
local function owners(list, pattern)
  local of = {}
  for name, text in pairs(list) do
    for word in text:gmatch(pattern) do of[word] = name end
  end
  return of
end

-- A family's parts in C may be several files: F.c and F_*.c.
local function is_part(file, family)
  return file == family or file ~= nil and file:sub(1, #family + 1) == family .. "_"
end

describe("the family of an operation", function()
  local entries = texts("src/ops", ".lua")
  local functions = owners(texts("src/ops", ".c"), "\n[%a_ *]-[ *]cr__run_([%w_]+)%(")

  it("has its run functions in the C file of its name", function()
    local problems, seen = {}, 0
    for family, text in pairs(entries) do
      for run in text:gmatch 'run = "([%w_]+)"' do
        seen = seen + 1
        if not is_part(functions[run], family) then
          problems[#problems + 1] = ("%s.lua: cr__run_%s is in %s"):format(family, run, functions[run])
        end
      end
    end
    table.sort(problems)
    assert.same({}, problems)
    assert.is_true(seen > 200)
  end)

  it("has its kernels in the files of its name, on the CPU and on CUDA", function()
    local cpu = owners(texts("src/cpu", ".c"), "\nint cr__cpu_([%w_]+)%(cr__launch %*k%) {")
    local cuda = owners(texts("cuda/kernels", ".cu"), 'extern "C" int cr__cuda_([%w_]+)%(cr__launch %*k%) {')
    local problems, seen = {}, 0
    for family, text in pairs(entries) do
      for kernel in text:gmatch '\nkernel ["%[]+([%w_]+)%(' do
        seen = seen + 1
        for backend, of in pairs { cpu = cpu, cuda = cuda } do
          local place = of[kernel]
          if place ~= family then
            problems[#problems + 1] = ("%s.lua: %s of %s is in %s"):format(family, kernel, backend, place)
          end
        end
      end
    end
    table.sort(problems)
    assert.same({}, problems)
    assert.is_true(seen > 30)
  end)

  it("has an entry for every C file, but for those that say what elementwise calls demand", function()
    local problems = {}
    for file in pairs(texts("src/ops", ".c")) do
      local found = file == "check"
      for family in pairs(entries) do found = found or is_part(file, family) end
      if not found then problems[#problems + 1] = file end
    end
    assert.same({}, problems)
  end)
end)

describe("a type of a CUDA file", function()
  -- Two types of one name are one to the linker, where a template has been made for both.
  it("has a name that no other file gives to a type", function()
    local of, problems, seen = {}, {}, 0
    for _, suffix in ipairs { ".cu", ".cuh", ".h" } do
      for _, folder in ipairs { "cuda/kernels", "cuda/runtime" } do
        for file, text in pairs(texts(folder, suffix)) do
          for name in text:gsub("\ntypedef struct", "\nstruct"):gmatch "\nstruct ([%w_]+) {" do
            seen = seen + 1
            if of[name] then problems[#problems + 1] = ("%s: %s, %s"):format(name, of[name], file .. suffix) end
            of[name] = file .. suffix
          end
        end
      end
    end
    table.sort(problems)
    assert.same({}, problems)
    assert.is_true(seen > 30)
  end)
end)
