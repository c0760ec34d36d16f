-- cuda_gemm_spec.lua: products of matrices on a CUDA device, by cuBLASLt and by the built-in kernels.
--
-- The library is chosen when a process makes its first product, so each is asked for in one of its
-- own. On the emulated device cuBLASLt is cuda/emulate/cublaslt.cpp, which ends the process when its
-- rules are broken.

local cr = require "cresset"
local device = require "spec.support.device"
local shell = require "spec.support.shell"
local products = require "spec.support.products"

if device.skip then
  describe("products on a CUDA device", function()
    it("need a device", function() pending(device.skip) end)
  end)
  return
end

describe("products on this device", function()
  it("are the CPU's, whatever the dtype and the layout of factors and what is added", function()
    assert.same({}, products.failures())
  end)

  it("sum float16 in float32", function()
    local a = cr.tensor({ { 2048, 1, -2048, 0 } }, { dtype = "float16", device = "cuda" }):expand(4, 4)
    assert.equal(16, a:matmul(cr.ones({ 4, 4 }, { dtype = "float16", device = "cuda" })):sum():item())
  end)
end)

if not device.emulated then return end

-- Runs a chunk by an emulated cuBLASLt, or without one; returns what it and the library print.
local function say(environment, chunk)
  local text, status = shell.run(("%s CRESSET_EMULATE_CUBLAS_TRACE=1 %s -e %s"):format(environment, shell.runner,
    shell.quote(chunk)))
  assert.equal(0, status, text)
  return text
end

local function count(text, words) return select(2, text:gsub(words, "")) end

local name = "print(cr.cuda.gemm_name())\n"
local failures = [[for _, s in ipairs(require "spec.support.products".failures()) do print("wrong: " .. s) end]]
-- The numbers of 1 + 2^-12 times 1: whether float32 was cut short.
local small = [[local x = cr.full({ 2, 2 }, 1 + 2^-12, { device = "cuda" })
  local function product() return x:matmul(cr.eye(2, { device = "cuda" })):sum():item() - 4 end
]]

describe("by cuBLASLt products", function()
  local text
  setup(function() text = say("CRESSET_EMULATE_CUBLAS=13", name .. failures) end)

  it("are the CPU's as well", function()
    assert.truthy(text:find("cuBLASLt 13", 1, true), text)
    assert.equal(0, count(text, "wrong"), text)
  end)

  it("read transposed factors where they lie, in all floating dtypes, one or many", function()
    for _, dtype in ipairs { "float64", "float32", "float16", "bfloat16" } do
      for _, transposed in ipairs { "nn", "nt", "tn", "tt" } do
        for _, n in ipairs { 1, 3 } do
          local words = ("cuBLASLt %s %s %%d+x%%d+x%%d+ count %d"):format(dtype, transposed, n)
          assert(count(text, words) > 0, "no line has " .. words)
        end
      end
    end
  end)

  it("add a row as they are stored, and a matrix too", function()
    for _, dtype in ipairs { "float32", "float16", "bfloat16" } do
      assert(count(text, dtype .. " [^\n]* bias\n") > 0, dtype)
    end
    assert(count(text, " added\n") > 0)
    assert.equal(0, count(text, "float64 [^\n]* bias"))
  end)

  it("copy what lies scattered where that pays, and leave it to the kernels where not", function()
    local lines = say("CRESSET_EMULATE_CUBLAS=13", [[local p = require "spec.support.products".layouts
      for _, n in ipairs { 8, 128 } do
        p.scattered(nil, n, n, "float32"):matmul(p.plain(nil, n, n, "float32")):sum():item()
      end]])
    assert.equal(0, count(lines, "8x8x8 "), lines)
    assert.equal(1, count(lines, "128x128x128"), lines)
  end)

  it("sum float16 in float32", function()
    local lines = say("CRESSET_EMULATE_CUBLAS=13", [[
      local a = cr.tensor({ { 2048, 1, -2048, 0 } }, { dtype = "float16", device = "cuda" }):expand(4, 4):contiguous()
      print("sum", a:matmul(cr.ones({ 4, 4 }, { dtype = "float16", device = "cuda" })):sum():item())]])
    assert.equal(1, count(lines, "cuBLASLt float16"), lines)
    assert.equal(1, count(lines, "sum\t16"), lines)
  end)

  it("keep float32 whole unless TF32 is allowed, and again when it no longer is", function()
    local lines = say("CRESSET_EMULATE_CUBLAS=13", small .. [[print("whole", product() > 0)
      cr.cuda.set_tf32(true)
      print("tf32", product() == 0)
      cr.cuda.set_tf32(false)
      print("whole", product() > 0)]])
    assert.equal(2, count(lines, "whole\ttrue"), lines)
    assert.equal(1, count(lines, "tf32\ttrue"), lines)
    assert.equal(1, count(lines, "cuBLASLt float32 [^\n]* tf32\n"), lines)
  end)

  it("take their turn in a stream and in a graph", function()
    local chunk = [[local a = cr.eye(3, { device = "cuda" }) * 2
      local step = cr.cuda.graph(function() return (a + 1):matmul(a) - 1 end)
      a:mul_(2)
      assert(step():sum():item() == 4 * (5 + 1 + 1) * 3 - 9)
      local s, ready = cr.cuda.Stream(), cr.cuda.Event()
      local x = cr.ones({ 4, 4 }, { device = "cuda" })
      cr.cuda.synchronize()
      local y = cr.cuda.stream(s, function()
        local y = x
        for _ = 1, 5 do y = y:matmul(x) end
        ready:record()
        return y
      end)
      ready:wait()
      assert((y + 0):sum():item() == 16 * 4 ^ 5)]]
    for order = 0, 5 do
      local lines = say("CRESSET_CUDA_CACHE=scrub CRESSET_EMULATE_CUBLAS=13 CRESSET_EMULATE_ORDER=" .. order, chunk)
      assert.equal(6, count(lines, "cuBLASLt float32"), lines)
    end
  end)

  it("run on the device of their factors", function()
    local lines = say("CRESSET_EMULATE_CUBLAS=13", [[for _, name in ipairs { "cuda:1", "cuda:0" } do
        local x = cr.ones({ 2, 3 }, { device = name })
        print(name, x:matmul(x:t()):sum():item())
      end]])
    assert.equal(2, count(lines, "cuda:[01]\t12"), lines)
    assert.equal(2, count(lines, "cuBLASLt float32"), lines)
  end)

  it("are as sound where memory on the device is out of the host's reach", function()
    local lines = say("CRESSET_EMULATE_STRICT=1 CRESSET_CUDA_CACHE=0 CRESSET_EMULATE_CUBLAS=13", failures)
    assert.equal(0, count(lines, "wrong"), lines)
  end)
end)

describe("cuBLASLt", function()
  for _, version in ipairs { 11, 12, 13 } do
    it("is found as version " .. version, function()
      local text = say("CRESSET_EMULATE_CUBLAS=" .. version, name)
      assert.truthy(text:find("cuBLASLt " .. version, 1, true), text)
    end)
  end

  local function falls_back(environment, is)
    local text = say(environment, name .. failures)
    assert.equal(0, count(text, "wrong"), text)
    assert.truthy(text:find(is, 1, true), text)
    return text
  end

  it("that is missing leaves products to the kernels", function()
    assert.equal(0, count(falls_back("CRESSET_EMULATE_CUBLAS=0", "built in"), "cuBLASLt"))
  end)

  it("that lacks a function is left alone", function()
    local text = falls_back("CRESSET_EMULATE_CUBLAS_LACKS=cublasLtMatmul CRESSET_EMULATE_CUBLAS=13", "built in")
    assert.equal(0, count(text, "cuBLASLt"))
  end)

  for refused, sentence in pairs {
    handle = "that gives no handle leaves products to the kernels",
    product = "that knows no algorithm leaves products to the kernels",
    run = "that finds it cannot multiply leaves products to the kernels",
  } do
    it(sentence, function()
      local text = falls_back("CRESSET_EMULATE_CUBLAS=13 CRESSET_EMULATE_CUBLAS_REFUSES=" .. refused, "cuBLASLt 13")
      assert.equal(0, count(text, "cuBLASLt %w+ [nt]"), text)
    end)
  end

  it("that knows no algorithm for a bias adds it as a matrix", function()
    local environment = "CRESSET_EMULATE_CUBLAS=13 CRESSET_EMULATE_CUBLAS_REFUSES=bias"
    assert.equal(0, count(falls_back(environment, "cuBLASLt 13"), " bias"))
    local text = say(environment, [[local x = cr.ones({ 3, 3 }, { device = "cuda" })
      print("sum", cr.linear(x, x, x[1]):sum():item())]])
    assert.equal(1, count(text, "cuBLASLt float32 tn [^\n]* added\n"), text)
    assert.equal(1, count(text, "sum\t36"), text)
  end)

  it("whose workspace does not fit fails as any operation does, and leaks nothing", function()
    local text = say("CRESSET_EMULATE_CUBLAS=13", [[local x = cr.ones({ 3, 3 }, { device = "cuda" })
      local n, before = 0, cr.cuda.memory_stats().allocated
      repeat
        n = n + 1
        cr.debug.fail_alloc(n)
        local ok, message = pcall(x.matmul, x, x)
        cr.debug.fail_alloc(0)
        assert(ok or tostring(message):find("out of memory", 1, true), message)
        if ok then message:close() end
      until ok
      assert(cr.cuda.memory_stats().allocated == before)
      print("fails", n - 1)]])
    assert(tonumber(text:match "fails\t(%d+)") >= 2, text)
  end)

  it("of a version that is not known is left alone", function()
    assert.truthy(say("CRESSET_EMULATE_CUBLAS=99", name):find("built in", 1, true))
  end)
end)
