-- catalogue_names_spec.lua: run functions and kernels read arguments by name: a change of an entry that they do not
-- know of ends the build.

local shell = require "spec.support.shell"

-- Generates into a folder from the catalogue, of which `change` rewrites the text of one family, and calls
-- use(folder).
local function with_change(family, change, use)
  local folder = shell.folder()
  shell.run(("mkdir -p %s/gen && cp -r src/ops %s/ops"):format(folder, folder))
  local path = ("%s/ops/%s.lua"):format(folder, family)
  local old = shell.read(path)
  local new = change(old)
  shell.write(path, new)
  local said, status = shell.run(("lua5.4 src/catalogue/gen.lua %s/gen %s/ops"):format(folder, folder))
  assert.equal("", said)
  assert.equal(0, status)
  use(folder .. "/gen", old ~= new)
  shell.run("rm -rf " .. folder)
end

-- What the compiler says of a file of src, with what was generated in `gen`.
local function compile(gen, file)
  return shell.run(("cc -std=gnu11 -D_GNU_SOURCE -DCR_BUILD -fsyntax-only -Isrc -I%s src/%s"):format(gen, file))
end

-- Asserts that `file` compiles as it is, and not once the text `old` of a family has become `new`; the compiler
-- then names `culprit`.
local function breaks(family, old, new, file, culprit)
  local function change(text)
    local first, last = text:find(old, 1, true)
    assert(first, old)
    return text:sub(1, first - 1) .. new .. text:sub(last + 1)
  end
  with_change(family, function(text) return text end, function(gen)
    assert.equal("", (compile(gen, file)))
  end)
  with_change(family, change, function(gen, changed)
    assert(changed)
    local said, status = compile(gen, file)
    assert.not_equal(0, status)
    assert(said:find(culprit, 1, true), said)
  end)
end

describe("a parameter that is put into a signature", function()
  it("ends the build of the function that carries the operation out", function()
    breaks("pad", "pad: ints, mode", "pad: ints, extra: int = 0, mode", "ops/pad.c", "cr__run_pad")
  end)

  it("ends the build of those who call the operation", function()
    breaks("slice", "narrow(self: tensor, dim: dim,", "narrow(self: tensor, extra: int, dim: dim,", "ops/sort.c",
      "cr__call_narrow")
  end)
end)

describe("a slot that a kernel has no longer", function()
  it("ends the build of the kernel", function()
    breaks("sort", "descending: bool)\"", "downwards: bool)\"", "cpu/sort.c", "descending")
  end)

  it("ends the build of who launches it", function()
    breaks("sort", "values?, indices, in;", "values?, indices, from;", "ops/sort.c", "in")
  end)
end)

describe("the functions that carry operations out", function()
  it("call their parameters what the signature does", function()
    local texts = {}
    for file in shell.run("ls src/ops/*.c"):gmatch "%S+" do texts[#texts + 1] = shell.read(file):gsub("%s+", " ") end
    local sources, count = table.concat(texts), 0
    for prototype in shell.read("build/gen/runs.h"):gsub("%s+", " "):gmatch "[%w_]+ %*?cr__[%w_]+%([^;()]*%);" do
      assert(sources:find(prototype:gsub(";$", " {"), 1, true), "is defined otherwise: " .. prototype)
      count = count + 1
    end
    assert(count > 10)
  end)
end)
