-- files_memory_spec.lua: files are read and written, or refused, whichever allocation fails.

local cr = require "cresset"
local scratch = require "spec.support.scratch"

-- Fails each allocation of f in turn, until f gets by.
local function fail_each(what, f, ...)
  local n, ok, message = 0
  while not ok do
    n = n + 1
    assert(n < 1000, what)
    cr.debug.fail_alloc(n)
    ok, message = pcall(f, ...)
    cr.debug.fail_alloc(0)
    if not ok then assert(message:find("^[^\n]*" .. what .. ": [^\n]*out of memory[^\n]*$"), message) end
  end
  return n
end

describe("when memory runs out", function()
  after_each(function() cr.debug.fail_alloc(0) end)

  for _, name in ipairs { "all.safetensors", "f4.npy", "big_columns.npy", "deflated.npz", "all.pt", "small.gguf" } do
    it("reading says so: " .. name, function()
      cr.load("spec/io/" .. name) -- loads the files of the format
      assert(fail_each("load", cr.load, "spec/io/" .. name) > 2)
      assert(cr.load("spec/io/" .. name))
    end)
  end

  it("writing says so, and leaves the old file", function()
    local folder = scratch.new()
    for ending, value in pairs {
      safetensors = { a = { cr.ones(100), 1, "x" }, b = cr.ones(3, 3):t() }, npy = cr.ones(3, 3):t(),
      npz = { a = cr.ones(3, 3):t() }, pt = { a = cr.ones(3, 3):t(), b = { 1, 2 } },
    } do
      local name = "x." .. ending
      cr.save(folder(name), value)
      local before = folder.read(name)
      fail_each("save", function()
        cr.save(folder(name), value)
      end)
      assert.equal(before, folder.read(name))
    end
    assert.equal(4, #folder.names())
    folder.remove()
  end)
end)
