-- capi_spec.lua: builds and runs spec/c/*.c against the library of the build under test.

local program = require "spec.support.program"
local shell = require "spec.support.shell"

-- #compiles: what a machine without headers and compilers cannot do.
describe("the C API", function()
  local folder = shell.folder()
  teardown(function() os.execute("rm -rf " .. folder) end)

  -- Builds and runs spec/c/NAME.c: it prints the promises that are broken.
  local function keeps(name, libraries, argument)
    local path = program.make("spec/c/" .. name .. ".c", folder, libraries)
    -- The thread sanitizer does not know a fork with threads.
    local more = argument or program.sanitizer:find "thread" and "nofork" or ""
    local text, status = shell.run(path .. " " .. more)
    assert.equal("", text)
    assert.equal(0, status)
  end

  it("has a header that is C++17 to the letter as well #compiles", function()
    local text, status = shell.run("c++ -std=c++17 -pedantic-errors -Wall -Wextra -Werror -Isrc -Ibuild/gen "
      .. "-fsyntax-only -x c++ -", '#include "cresset.h"\nint main() { return (int)cr_int(0).u.i; }\n')
    assert.equal("", text)
    assert.equal(0, status)
  end)

  it("keeps what its header promises #compiles", function() keeps("api", "") end)

  it("refuses what it cannot do, in words #compiles", function() keeps("refusals", "") end)

  -- The archive is the release's alone.
  if shell.read(shell.build .. "/lib/libcresset.a") then
    it("moves elements of every size #compiles", function()
      keeps("elements", shell.build .. "/lib/libcresset.a -lm -ldl")
    end)
  end

  it("maps files, writes them whole, and hands tensors to other libraries #compiles", function()
    keeps("files", "", folder)
  end)

  it("has modes and hooks for C programs too #compiles", function() keeps("modes", "-lm") end)

  it("starts threads late, lets them go and does without them #compiles", function() keeps("threads", "-ldl -lm") end)

  -- What hosts of Lua link to.
  local function lua_libraries()
    local binding = folder .. "/libcresset-lua.so.0" -- the name that an installed binding has beside the library
    shell.run(("ln -sf $PWD/%s/lib/cresset/core.so %s"):format(shell.build, binding))
    return ("$(pkg-config --cflags --libs lua5.4) %s -Wl,-rpath,%s"):format(binding, folder)
  end

  it("serves hosts with several states, failing allocators, threads and forks #compiles", function()
    keeps("host", lua_libraries())
  end)

  it("keeps what belongs to a Lua state in it #compiles", function() keeps("place", lua_libraries()) end)

  it("collects rings that a thread of the host has let go #compiles", function() keeps("rings", lua_libraries()) end)

  it("lets each state's collector work in its own mode #compiles", function() keeps("pace", lua_libraries()) end)

  it("keeps a script to the limits of its host #compiles", function() keeps("limits", lua_libraries()) end)

  it("is a header that C and C++ read without anything before it #compiles", function()
    for _, compiler in ipairs { "cc -x c -std=c11", "c++ -x c++ -std=c++17" } do
      local command = "env -u LD_PRELOAD " .. compiler .. " -Wall -Wextra -Werror -fsyntax-only -Isrc -Ibuild/gen -"
      local text, status = shell.run(command, '#include "cresset.h"\nint main(void) { return 0; }\n')
      assert.equal(0, status, text)
    end
  end)

  it("is all that the library shows to programs", function()
    local text = shell.run(("nm -D --defined-only %s/lib/libcresset.so"):format(shell.build))
    local alien = {}
    for name in text:gmatch " [TDBRVW] ([%w_]+)" do
      if not name:find "^cr_" then alien[#alien + 1] = name end
    end
    assert.same({}, alien)
  end)

  it("holds no symbol of Lua", function()
    local text = shell.run(("nm -D %s/lib/libcresset.so"):format(shell.build))
    assert.is_nil(text:find " lua_" or text:find " luaL_")
  end)

  it("needs no runtime of OpenMP", function()
    local text = shell.run(("readelf -d %s/lib/libcresset.so"):format(shell.build))
    assert.truthy(text:find "NODELETE")
    assert.is_nil(text:find "gomp" or text:find "libomp")
  end)

  it("leaves no liblua among the binding's libraries", function()
    local text = shell.run(("readelf -d %s/lib/cresset/core.so"):format(shell.build))
    assert.is_nil(text:find "liblua")
    assert.truthy(text:find "NODELETE")
  end)
end)
