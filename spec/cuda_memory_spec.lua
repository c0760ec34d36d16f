-- cuda_memory_spec.lua: memory on a CUDA device is counted, cached and limited; pinned memory on the host.

local cr = require "cresset"
local device = require "spec.support.device"
local values = require "spec.support.values"
local fails = values.assert_fails

local on_device = device.only(describe)

local MB = 1024 * 1024

on_device("memory on a CUDA device", function()
  after_each(function()
    cr.memory.limit(0, "cuda")
    cr.debug.fail_alloc(0)
  end)

  local function allocated()
    collectgarbage()
    collectgarbage()
    return cr.cuda.memory_stats().allocated
  end

  it("is counted apart from the CPU's", function()
    local before, host = allocated(), cr.memory.stats().allocated
    local held = { cr.zeros({ MB // 4 }, { device = "cuda" }) }
    assert(allocated() - before >= MB)
    assert(cr.memory.stats().allocated - host < MB // 2)
    assert.equal(allocated(), cr.memory.stats("cuda").allocated)
    held[1]:close()
    assert.equal(before, allocated())
  end)

  it("is kept in a cache that can be emptied", function()
    cr.zeros({ 4 * MB }, { device = "cuda" }):close()
    local kept = cr.cuda.memory_stats().reserved
    cr.cuda.empty_cache()
    local stats = cr.cuda.memory_stats()
    assert(stats.reserved <= kept and stats.reserved >= stats.allocated)
  end)

  it("keeps a limit, after which work goes on", function()
    local base = allocated()
    cr.memory.limit(base + 4 * MB, "cuda")
    fails(function() return cr.zeros({ 4 * MB }, { device = "cuda" }) end, "out of memory", "limit", "cuda:0")
    for _ = 1, 50 do cr.zeros({ MB // 4 }, { device = "cuda" }) end -- the collector makes room
    assert(cr.cuda.memory_stats().allocated <= base + 4 * MB)
    cr.memory.limit(0, "cuda")
    assert.equal(4 * MB, cr.zeros({ 4 * MB }, { device = "cuda" }):numel())
  end)

  it("runs out with a sentence that tells the sizes, and recovers", function()
    fails(function() return cr.zeros({ 1 << 42 }, { device = "cuda" }) end, "out of memory", "cuda:0")
    assert.equal(0, cr.zeros({ 10 }, { device = "cuda" }):sum():item())
  end)

  it("fails where it is made to, at every place in turn, and leaks nothing", function()
    local x = cr.rand({ 6, 7 }, { device = "cuda", requires_grad = true })
    local function work()
      local y = (x:softmax(2) * x):sum(1):cumsum(1)
      return cr.grad(y:sum(), x)
    end
    work():close()
    local before, n = allocated(), 0
    repeat
      n = n + 1
      cr.debug.fail_alloc(n)
      local ok, message = pcall(work)
      cr.debug.fail_alloc(0)
      if not ok then assert.truthy(tostring(message):find("out of memory", 1, true), message) end
      if ok then message:close() end
    until ok
    assert(n > 5)
    assert.equal(before, allocated())
  end)

  it("may be pinned on the host's side", function()
    local x = cr.tensor { 1.0, 2, 3 }
    local pinned = x:pin_memory()
    assert.is_true(pinned:is_pinned())
    local there = cr.zeros(x.shape, { dtype = x.dtype, device = "cuda" })
    there:copy_queued_(pinned)
    local back = cr.zeros(x.shape, { dtype = x.dtype }):pin_memory()
    back:copy_queued_(there)
    cr.cuda.synchronize()
    assert.is_true(back:equal(x))
    fails(function() there:copy_queued_(x) end, "copy_queued", "pinned")
    assert.is_false(x:is_pinned())
    there = pinned:to "cuda"
    values.assert_values(there * 2, { 2, 4, 6 })
    pinned:copy_(there * 3)
    cr.cuda.synchronize()
    values.assert_values(pinned, { 3, 6, 9 })
    fails(function() return there:pin_memory() end, "pin_memory", "cuda:0")
  end)
end)
