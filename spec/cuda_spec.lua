-- cuda_spec.lua: devices, streams, events, graphs, gradients across devices, and what can go wrong.
--
-- What needs a device is skipped with the reason where there is none; what happens on a machine
-- without one is checked everywhere.

local cr = require "cresset"
local values = require "spec.support.values"
local shell = require "spec.support.shell"
local device = require "spec.support.device"
local fails = values.assert_fails

local MB = 1024 * 1024

local function on_device(what, body)
  if not device.skip then describe(what, body) end
end

if device.skip then
  describe("a CUDA device", function()
    it("is there", function() pending(device.skip) end)
  end)
end

local function on(t, name) assert.equal(name or "cuda:0", t.device) end

on_device("a CUDA device", function()
  it("is counted, named and described", function()
    assert.is_true(cr.cuda.is_available())
    assert(cr.cuda.device_count() >= 1)
    assert.equal("cuda:0", cr.cuda.current_device())
    assert(#cr.cuda.get_device_name() > 0)
    assert.equal(cr.cuda.get_device_name(0), cr.cuda.get_device_name "cuda:0")
    local p = cr.cuda.get_device_properties()
    assert(p.major >= 1 and p.multiprocessors >= 1 and p.total_memory > 0 and p.runtime >= 11000)
    assert(p.free_memory <= p.total_memory)
  end)

  it("multiplies float32 in full unless TF32 is allowed", function()
    assert.is_false(cr.cuda.get_tf32())
    cr.cuda.set_tf32(true)
    assert.is_true(cr.cuda.get_tf32())
    cr.cuda.set_tf32(false)
    assert.is_string(cr.cuda.gemm_name())
    fails(function() cr.cuda.set_tf32(1) end, "cuda.set_tf32", "on")
  end)

  it("is chosen by number or name, as the notebook does", function()
    cr.cuda.set_device(0)
    cr.cuda.set_device "cuda:0"
    assert.equal("cuda:0", cr.cuda.current_device())
  end)

  it("is the place of new tensors", function()
    on(cr.zeros({ 2 }, { device = "cuda" }))
    on(cr.tensor({ 1, 2 }, { device = "cuda" }))
    on(cr.arange(5, { device = "cuda:0" }))
    on(cr.ones({ 2 }, { device = "cuda" }):zeros_like())
    values.assert_values(cr.full({ 2 }, 7, { device = "cuda" }), { 7, 7 })
  end)

  it("is where x:to and x:cuda move, and back", function()
    local x = cr.tensor { { 1.5, -2 }, { 3, 4 } }
    local like = cr.zeros({ 1 }, { device = "cuda" })
    for _, y in ipairs { x:to "cuda", x:cuda(), x:to { device = "cuda:0" }, x:to(like) } do
      on(y)
      values.assert_values(y, { { 1.5, -2 }, { 3, 4 } })
      on(y:cpu(), "cpu")
    end
    assert.is_true(x:to "cpu":shares_storage(x))
    local half = x:to("cuda", "float16")
    on(half)
    assert.equal("float16", half.dtype)
    values.assert_values(x:t():to "cuda", { { 1.5, 3 }, { -2, 4 } })
    values.assert_values(x:to "cuda":t():to "cpu", { { 1.5, 3 }, { -2, 4 } })
  end)

  it("moves every dtype both ways, empty and 0-dim tensors too", function()
    for _, dtype in ipairs(values.dtypes) do
      local x = values.generate({ 3, 5 }, 0, 9, dtype, 4):cpu()
      assert.is_true(x:equal(x:to "cuda":to "cpu"):item(), dtype)
    end
    assert.same({ 0, 3 }, cr.zeros({ 0, 3 }):to "cuda":cpu().shape)
    assert.equal(2.5, cr.tensor(2.5):to "cuda":item())
  end)

  it("prints, and gives tables and numbers, after pending work", function()
    local x = cr.ones({ 4 }, { device = "cuda" })
    for _ = 1, 20 do x = x + 1 end
    values.assert_values(x, { 21, 21, 21, 21 })
    assert.equal(84, x:sum():item())
    local text = tostring(x)
    assert.truthy(text:find("21", 1, true))
    assert.truthy(text:find("cuda:0", 1, true))
    assert.equal(21, x[2]:item())
  end)

  it("is indexed and written like the CPU", function()
    local x = cr.arange(12, { device = "cuda" }):reshape(3, 4):to "float32"
    x[{ 2, { 2, 3 } }] = -1
    x[1] = cr.tensor({ 9, 8, 7, 6 }, { device = "cuda", dtype = "float32" })
    values.assert_values(x, { { 9, 8, 7, 6 }, { 4, -1, -1, 7 }, { 8, 9, 10, 11 } })
    values.assert_values(x[x:gt(8)], { 9, 9, 10, 11 })
  end)
end)

on_device("long lines on a device", function()
  -- Long enough for several blocks to a line, with a rest.
  local function same_median(x, dim)
    local want, at = x:median(dim)
    local got, found = x:to "cuda":median(dim)
    values.assert_same(got:to "cpu", want)
    assert.is_true(found:to "cpu":equal(at):item())
  end

  it("have the CPU's medians, at the first of equal elements", function()
    cr.manual_seed(5)
    same_median(cr.randn(70001), 1)
    same_median(cr.randn(3, 70000, { dtype = "float64" }), 2)
    same_median(cr.randn(70001, 2), 1)
    same_median(cr.randint(-3, 3, { 70000 }), 1)
    same_median((cr.randn(70000) * 2):to "float16", 1)
  end)

  it("have NaN as their median if they hold one, at the first", function()
    local x = cr.randn(2, 70000)
    x[{ 1, 60001 }], x[{ 1, 300 }] = 0 / 0, 0 / 0
    same_median(x, 2)
  end)

  it("have the CPU's running sums, whatever their dtype", function()
    for _, dtype in ipairs { "bool", "uint8", "int32", "int64", "float16", "bfloat16", "float64" } do
      local x = cr.randint(0, 2, { 2, 9001 }):to(dtype)
      values.assert_same(x:to "cuda":cumsum(2):to "cpu", x:cumsum(2))
      values.assert_same(x:to "cuda":cumprod(2):to "cpu", x:cumprod(2))
    end
  end)

  it("have softmaxes that keep NaN and infinities apart", function()
    for _, n in ipairs { 5, 300, 1024, 3000 } do
      local x = cr.randn(4, n)
      x[{ 1, n // 2 }], x[{ 2, 1 }], x[3] = 0 / 0, -math.huge, -math.huge
      for _, f in ipairs { "softmax", "log_softmax" } do
        values.assert_same(x:to "cuda"[f](x:to "cuda", 2):to "cpu", x[f](x, 2))
      end
    end
  end)
end)

on_device("a second CUDA device", function()
  local function two(what, f)
    it(what, function()
      if device.count < 2 then return pending "this machine has one device" end
      f()
    end)
  end

  after_each(function() cr.cuda.set_device(0) end)

  two("is what \"cuda\" means once it is chosen", function()
    cr.cuda.set_device "cuda:1"
    assert.equal("cuda:1", cr.cuda.current_device())
    on(cr.zeros({ 2 }, { device = "cuda" }), "cuda:1")
    on(cr.zeros({ 2 }):cuda(), "cuda:1")
    on(cr.zeros({ 2 }, { device = "cuda:0" }), "cuda:0")
  end)

  two("copies from and to its peer", function()
    local x = cr.tensor({ { 1, 2 }, { 3, 4 } }, { device = "cuda:0" })
    local y = x:t():to "cuda:1"
    on(y, "cuda:1")
    values.assert_values(y + y, { { 2, 6 }, { 4, 8 } })
  end)

  two("does not mix with the first in one operation", function()
    local x, y = cr.ones({ 2 }, { device = "cuda:0" }), cr.ones({ 2 }, { device = "cuda:1" })
    fails(function() return x + y end, "add", "cuda:0", "cuda:1")
  end)

  two("hands gradients back to leaves on the first", function()
    local x = cr.tensor({ 1.0, 2 }, { device = "cuda:0", requires_grad = true });
    (x:to "cuda:1" * 3):sum():backward()
    on(x.grad, "cuda:0")
    values.assert_values(x.grad, { 3, 3 })
  end)
end)

on_device("mixing devices", function()
  it("is an error that names both", function()
    local x, y = cr.ones(3), cr.ones({ 3 }, { device = "cuda" })
    fails(function() return x + y end, "add", "cpu", "cuda:0")
    fails(function() return y:matmul(x) end, "cpu", "cuda:0")
    fails(function() return cr.cat { x, y } end, "cat", "cpu", "cuda:0")
    fails(function() return y:index_select(1, cr.tensor { 1 }) end, "index_select", "cpu", "cuda:0")
    fails(function() y:add_(x) end, "add", "cpu", "cuda:0")
  end)

  it("is what copy_ is for", function()
    local y = cr.zeros({ 2, 2 }, { device = "cuda" })
    y:copy_(cr.tensor { { 1.0, 2 }, { 3, 4 } })
    values.assert_values(y, { { 1, 2 }, { 3, 4 } })
    local x = cr.zeros(2, 2)
    x:t():copy_(y)
    values.assert_values(x, { { 1, 3 }, { 2, 4 } })
  end)
end)

on_device("autograd on a CUDA device", function()
  it("gives gradients where their leaf is", function()
    local here = cr.tensor({ 1.0, 2, 3 }, { requires_grad = true })
    local there = cr.tensor({ 4.0, 5, 6 }, { device = "cuda", requires_grad = true })
    local loss = (here:to "cuda" * there):sum()
    on(loss)
    loss:backward()
    on(here.grad, "cpu")
    on(there.grad)
    values.assert_values(here.grad, { 4, 5, 6 })
    values.assert_values(there.grad, { 1, 2, 3 })
  end)

  it("takes second derivatives", function()
    local x = cr.tensor({ 2.0, 3 }, { device = "cuda", requires_grad = true })
    local g = cr.grad(x:pow(3):sum(), x, { create_graph = true })
    g:sum():backward()
    values.assert_values(x.grad, { 12, 18 })
  end)

  it("runs Functions written in Lua", function()
    local cube = cr.Function {
      name = "cube",
      forward = function(ctx, x)
        ctx:save_for_backward(x)
        return x * x * x
      end,
      backward = function(ctx, g)
        local x = ctx:saved_tensors()
        return g * 3 * x * x
      end,
    }
    local x = cr.tensor({ 1.0, -2 }, { dtype = "float64", device = "cuda", requires_grad = true })
    cube(x):sum():backward()
    values.assert_values(x.grad, { 3, 12 })
    assert.is_true(cr.gradcheck(cube, { x:detach():requires_grad_() }))
  end)

  it("runs hooks, anomaly mode and in-place chains", function()
    local x = cr.tensor({ 1.0, 2 }, { device = "cuda", requires_grad = true })
    x:register_hook(function(g) return g * 10 end)
    cr.detect_anomaly(function()
      local y = x * 2
      y:mul_(3)
      y[1] = 0
      y:sum():backward()
    end)
    values.assert_values(x.grad, { 0, 60 })
  end)

  it("trains", function()
    cr.manual_seed(1)
    local x = cr.rand({ 100, 1 }, { device = "cuda" }) * 4
    local y = 3 * x - 2
    local w = cr.zeros({ 1 }, { device = "cuda", requires_grad = true })
    local b = cr.zeros({ 1 }, { device = "cuda", requires_grad = true })
    for _ = 1, 300 do
      (x * w + b - y):pow(2):mean():backward()
      cr.no_grad(function()
        w:sub_(0.05 * w.grad)
        b:sub_(0.05 * b.grad)
      end)
      w.grad, b.grad = nil, nil
    end
    assert(math.abs(w:item() - 3) < 0.1 and math.abs(b:item() + 2) < 0.2)
  end)
end)

on_device("what a kernel finds wrong", function()
  it("is raised where the host next waits, with the operation and the position", function()
    local x = cr.arange(5, { device = "cuda" })
    local bad = cr.tensor({ 1, 9 }, { device = "cuda" })
    fails(function() return x:index_select(1, bad):totable() end, "index_select", "9", "5")
    fails(function()
      x:gather(1, bad)
      cr.cuda.synchronize()
    end, "gather", "9", "5")
    fails(function() return x[cr.tensor({ 0 }, { device = "cuda" })]:totable() end, "0")
    -- What comes after is sound again.
    cr.cuda.synchronize()
    values.assert_values(x:index_select(1, cr.tensor({ 5, 1 }, { device = "cuda" })), { 4, 0 })
  end)

  it("names the class that is none", function()
    local scores = cr.zeros({ 2, 3 }, { device = "cuda" })
    fails(function() return cr.cross_entropy(scores, cr.tensor({ 1, 4 }, { device = "cuda" })):item() end, "4", "3")
  end)
end)

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
    assert.is_true(back:equal(x):item())
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

on_device("a stream", function()
  it("takes the work of a function, or of a scope", function()
    local s = cr.cuda.Stream()
    local main = cr.cuda.current_stream()
    assert.equal("cuda:0", s:device())
    assert.truthy(tostring(s):find("cuda:0", 1, true))
    local a, b = cr.cuda.stream(s, function(n)
      assert.is_true(cr.cuda.current_stream() == s)
      return cr.full({ 3 }, n, { device = "cuda" }), 5
    end, 7)
    assert.equal(5, b)
    assert.is_true(cr.cuda.current_stream() == main)
    s:synchronize()
    assert.is_true(s:query())
    a:record_stream(main)
    values.assert_values(a, { 7, 7, 7 })
    do
      local _ <close> = cr.cuda.stream(s)
      assert.is_true(cr.cuda.current_stream() == s)
    end
    assert.is_true(cr.cuda.current_stream() == main)
  end)

  it("is left again after an error, which passes untouched", function()
    local s, main = cr.cuda.Stream { high_priority = true }, cr.cuda.current_stream()
    local problem = {}
    local ok, got = pcall(cr.cuda.stream, s, function() error(problem) end)
    assert.is_false(ok)
    assert.is_true(rawequal(problem, got))
    assert.is_true(cr.cuda.current_stream() == main)
  end)

  it("is where backward runs", function()
    local s = cr.cuda.Stream()
    local x = cr.ones({ 8 }, { device = "cuda", requires_grad = true })
    cr.cuda.synchronize()
    cr.cuda.stream(s, function() (x * 2):sum():backward() end)
    s:synchronize()
    values.assert_values(x.grad, { 2, 2, 2, 2, 2, 2, 2, 2 })
  end)

  it("refuses what is none", function()
    fails(function() cr.cuda.stream(3, print) end, "cuda.stream", "3")
    fails(function() cr.cuda.stream(cr.cuda.Stream(), 3) end, "cuda.stream", "function")
    fails(function() cr.cuda.Stream { colour = 1 } end, "cuda.Stream", "colour")
  end)
end)

on_device("an event", function()
  it("is recorded, waited for, and measures time", function()
    local s = cr.cuda.Stream()
    local first, last = cr.cuda.Event(), cr.cuda.Event()
    first:record()
    local x = cr.ones({ 1000 }, { device = "cuda" })
    for _ = 1, 10 do x = x + 1 end
    last:record()
    last:wait(s)
    local y = cr.cuda.stream(s, function() return x * 2 end)
    s:synchronize()
    last:synchronize()
    assert.is_true(last:query())
    assert(first:elapsed(last) >= 0)
    assert.equal(22, y[1000]:item())
  end)

  it("without timing, or not recorded, tells no time", function()
    local a, b = cr.cuda.Event { timing = false }, cr.cuda.Event()
    a:record()
    fails(function() return a:elapsed(b) end, "elapsed", "timing")
    fails(function() return b:elapsed(cr.cuda.Event()) end, "elapsed", "recorded")
    fails(function() a:record(5) end, "record", "5")
  end)
end)

on_device("a graph", function()
  it("does the work of its capture again, on what the tensors hold by then", function()
    local x = cr.tensor({ 1.0, 2, 3 }, { device = "cuda" })
    local step = cr.cuda.graph(function() return (x * x + 1):sum(), x:max() end)
    local total, largest = step()
    assert.equal(17, total:item())
    assert.equal(3, largest:item())
    x:copy_(cr.tensor { 2.0, 2, 2 })
    step()
    assert.equal(15, total:item())
    assert.equal(2, largest:item())
  end)

  it("holds a whole training step", function()
    local x = cr.tensor({ 1.0, 2, 3 }, { device = "cuda" })
    local w = cr.tensor({ 0.0 }, { device = "cuda", requires_grad = true })
    local step = cr.cuda.graph(function()
      local loss = (x * w - 2 * x):pow(2):mean()
      local g = cr.grad(loss, w)
      cr.no_grad(function() w:sub_(0.05 * g) end)
      return loss
    end)
    for _ = 1, 60 do step() end
    assert(math.abs(w:item() - 2) < 1e-3)
    assert(step():item() < 1e-5)
  end)

  it("says what cannot be captured, and leaves nothing behind", function()
    local x = cr.ones({ 3 }, { device = "cuda" })
    fails(function() cr.cuda.graph(function() return x:sum():item() end) end, "captur")
    fails(function() cr.cuda.graph(function() return x:nonzero() end) end, "captur")
    fails(function() cr.cuda.graph(function() cr.cuda.synchronize() end) end, "captur")
    fails(function() cr.cuda.graph(function() cr.cuda.graph(function() end) end) end, "captur")
    fails(function() cr.cuda.graph(function() error "mine" end) end, "mine")
    fails(function() cr.cuda.graph(5) end, "cuda.graph", "5")
    assert.equal(3, x:sum():item())
  end)

  it("refuses to run once a tensor that it reads was freed", function()
    local x = cr.ones({ 3 }, { device = "cuda" })
    local step = cr.cuda.graph(function() return x + 1 end)
    x:close()
    fails(function() step() end, "graph", "freed")
  end)
end)

on_device("on a CUDA device examples/losses.lua", function()
  it("gives the notebook's numbers", function()
    local text, status = shell.cresset "examples/losses.lua --device cuda"
    assert.equal(0, status, text)
    for _, words in ipairs { "0.5196", "0.2700", "0.6931", "0.1732", "0.0300", "0.1054", "4.7500e-02", "-0.1359",
      "0.4717", "0.9434", "cuda:0" } do
      assert(text:find(words, 1, true), ("lacks '%s' in:\n%s"):format(words, text))
    end
  end)
end)

-- Runs a chunk in a process of its own; the chunk's first line is `local cr = require "cresset"`.
local function child(environment, chunk)
  return shell.run(("%s %s -e %s"):format(environment, shell.runner, shell.quote(chunk)))
end

describe("without a usable CUDA device", function()
  local ask = [[print(cr.cuda.is_available(), cr.cuda.device_count() == 0)
    print(select(2, cr.cuda.device_count()))
    print(select(2, pcall(cr.zeros, { 2 }, { device = "cuda" })))
    print(select(2, pcall(cr.cuda.set_device, 0)))
    print(select(2, pcall(function() return cr.ones(2):pin_memory() end)))
    print(cr.ones(3):sum():item())]]

  local function says(environment, ...)
    local text, status = child(environment, ask)
    assert.equal(0, status, text)
    assert.truthy(text:find("false\ttrue", 1, true), text)
    for _, words in ipairs { ... } do
      local _, n = text:gsub(words:gsub("%p", "%%%0"), "")
      assert(n >= 4, ("lacks '%s' four times in:\n%s"):format(words, text))
    end
    assert.truthy(text:find "\n3%.0\n", text)
  end

  it("a missing plug-in is named", function()
    says("CRESSET_CUDA=/nowhere/plugin.so", "/nowhere/plugin.so", "not there")
  end)

  it("a file that is no library says so", function()
    says("CRESSET_CUDA=./README.md", "cannot be loaded", "README.md")
  end)

  it("a plug-in that was cut short says so", function()
    local folder = shell.folder()
    local whole = shell.read(shell.build .. "/lib/libcresset.so")
    for _, size in ipairs { 60, 200, 5000, 100000 } do
      shell.write(folder .. "/plugin.so", whole:sub(1, size))
      says("CRESSET_CUDA=" .. folder .. "/plugin.so", "plugin.so")
    end
    says("CRESSET_CUDA=" .. folder .. "/plugin.so", "cut short")
  end)

  it("a library that is no plug-in says so", function()
    says("CRESSET_CUDA=./" .. shell.build .. "/lib/libcresset.so", "no plug-in")
  end)

  it("a value that means nothing says what would do", function() says("CRESSET_CUDA=yes", "yes", "emulate") end)

  if device.emulated then
    it("a machine without devices says so", function() says("CRESSET_EMULATE_DEVICES=0", "no CUDA device") end)
    it("a driver that is too old says so", function()
      says("CRESSET_EMULATE_DEVICES=0 CRESSET_EMULATE_DRIVER=11080", "11.8")
    end)
    it("a missing driver says so", function()
      says("CRESSET_EMULATE_DEVICES=0 CRESSET_EMULATE_DRIVER=0", "driver, which is not installed")
    end)
  end

  it("a device that is none is refused by name", function()
    fails(function() cr.cuda.set_device "cpu" end, "cuda.set_device", "cpu")
    fails(function() cr.cuda.set_device(-1) end, "cuda.set_device", "-1")
    fails(function() cr.cuda.set_device() end, "cuda.set_device", "missing")
    fails(function() cr.cuda.synchronize {} end, "cuda.synchronize", "table")
  end)
end)

on_device("a device number beyond the last", function()
  it("is refused with the range", function()
    fails(function() cr.cuda.set_device(200) end, "cuda:200", "cuda:0")
    fails(function() return cr.zeros({ 2 }, { device = "cuda:99" }) end, "cuda:99")
    fails(function() return cr.zeros(2):to "cuda:98" end, "cuda:98")
    assert.equal("cuda:0", cr.cuda.current_device())
  end)
end)
