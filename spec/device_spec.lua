-- device_spec.lua: the kinds of devices, and plug-ins that lack something.

local cr = require "cresset"
local shell = require "spec.support.shell"

-- ---- What the header says ---------------------------------------------------------------------------

-- The names in the header's table of devices.
local function kinds()
  local names = {}
  local table_of = shell.read("src/cresset.h"):match "#define CR_DEVICES%(X%)(.-)\n\n"
  for name in table_of:gmatch "X%(%u+, (%l+), %d+%)" do names[#names + 1] = name end
  return names
end

local function read(path) return assert(shell.read(path), path) end

describe("the table of devices", function()
  it("is where the engine and the binding have their names from", function()
    local pipe = assert(io.popen "find src -name '*.[ch]'")
    for path in pipe:lines() do
      for line in read(path):gmatch "[^\n]+" do
        for _, name in ipairs(kinds()) do
          local code = line:gsub("/%*.*", ""):gsub("^ %*.*", "")
          local field = code:find('"' .. name .. '")', 1, true) and path == "src/binding/cuda.c"
          local backend = code:find '%.name = "cpu"'
          assert(field or backend or not code:find('"' .. name .. '"', 1, true), path .. ": " .. line)
        end
      end
    end
    pipe:close()
  end)

  it("gives every kind a method", function()
    for _, name in ipairs(kinds()) do assert.is_function(cr.zeros(1)[name], name) end
  end)

  it("has what an unknown name is told", function()
    local _, message = pcall(cr.zeros, { 2 }, { device = "tpu" })
    for _, name in ipairs(kinds()) do assert(message:find('"' .. name .. '"', 1, true), message) end
    assert.is_nil(message:find "\n")
  end)

  it("leaves no other name", function()
    for name in ("cp cpus cpu:0 cpu:1 cuda: cuda:x cuda:256 cuda:-1 CUDA cuda0"):gmatch "%S+" do
      assert.is_false((pcall(cr.zeros, { 2 }, { device = name })), name)
    end
  end)
end)

-- ---- Plug-ins ---------------------------------------------------------------------------------------

-- A build that is sanitized has libraries that only its own compiler's programs open.
local only = (shell.sanitized or not shell.exists "c++") and pending or it

describe("a plug-in #compiles", function()
  local folder = shell.folder()
  teardown(function() os.execute("rm -rf " .. folder) end)

  local function build(name, flags, source, compiler)
    local path = ("%s/%s.so"):format(folder, name)
    local text, status = shell.run(("%s -shared -fPIC -fvisibility=hidden -Wall -Wextra -Werror -Isrc -Ibuild/gen "
      .. "%s -o %s %s"):format(compiler or "c++ -std=c++17", flags, path, source or "spec/c/plugin.cpp"))
    assert(status == 0, text)
    return path
  end

  local function says(plugin, chunk)
    local text, status = shell.run(("CRESSET_CUDA=%s %s -e %s"):format(plugin, shell.runner, shell.quote(chunk)))
    assert.equal(0, status, text)
    return (text:gsub("%(command line%):%d+: ", ""))
  end

  only("works with the kernels that it has", function()
    assert.equal("21.0\n", says(build("one", ""), [[
      print(cr.full({ 3 }, 7, { device = "cuda", dtype = "float32" }):cpu():sum():item())]]))
  end)

  only("that leaves a kernel out is told with the operation, the device and the kernel", function()
    local text = says(build("one", ""), [[
      local x = cr.ones({ 3 }, { device = "cuda" })
      print(select(2, pcall(x.sort, x)))
      print(select(2, pcall(x.softmax, x, 1)))]])
    assert.equal("sort: cuda has no kernel sort; tensors that were brought to the cpu may do\n"
      .. "softmax: cuda has no kernel softmax; tensors that were brought to the cpu may do\n", text)
  end)

  only("without any kernel is opened as well", function()
    local text = says(build("none", "-DWITHOUT_FILL"), [[
      print(select(2, pcall(cr.zeros, { 2 }, { device = "cuda" })))
      print(cr.tensor({ 1, 2 }):to("cuda"):cpu():sum():item())]])
    assert.equal("zeros: cuda has no kernel fill; tensors that were brought to the cpu may do\n3\n", text)
  end)

  only("that was made for another engine is refused", function()
    local text = says(build("stale", "-DSTALE"), [[print(select(2, pcall(cr.zeros, { 2 }, { device = "cuda" })))]])
    assert.equal(("device: the plug-in %s/stale.so was built for another version of this library; build both from "
      .. "the same source\n"):format(folder), text)
  end)

  only("for products that was made for another engine is told from one that is missing", function()
    os.execute(("ln -sf $PWD/%s/lib/libcresset.so.* %s/"):format(shell.build, folder))
    local function name()
      local text, status = shell.run(("LD_LIBRARY_PATH=%s %s -e 'print(cr.gemm_name())'"):format(folder, shell.runner))
      assert.equal(0, status, text)
      return text
    end
    shell.write(folder .. "/shim.c", "int cr__dnnl_abi(void) { return 1; }\n")
    build("libcresset_dnnl", "-fvisibility=default -Wno-missing-prototypes", folder .. "/shim.c", "cc")
    assert.equal("built in; libcresset_dnnl.so was built for another version of this library\n", name())
  end)
end)

describe("the CPU", function()
  it("has every kernel of the catalogue", function()
    local pipe = assert(io.popen(("nm %s/lib/libcresset.so"):format(shell.build)))
    local there, wanted = {}, 0
    for line in pipe:lines() do
      local kernel = line:match " [Tt] cr__cpu_([%w_]+)$"
      if kernel then there[kernel] = true end
    end
    pipe:close()
    for kernel in read("build/gen/kernels.h"):gmatch "X%(([%w_]+)%)" do
      wanted = wanted + 1
      assert(there[kernel], "the CPU has no kernel " .. kernel)
    end
    assert(wanted > 30)
  end)
end)

