-- cuda_spec.lua: devices, tensors and gradients on them and across them, and what a kernel finds wrong.
--
-- What needs a device is skipped where there is none, with the reason; cuda_missing_spec.lua is on that.

local cr = require "cresset"
local values = require "spec.support.values"
local shell = require "spec.support.shell"
local device = require "spec.support.device"
local fails = values.assert_fails

local on_device = device.only(describe)
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

  it("takes no part in a call on tensors of the host, whatever the operation", function()
    local x, k = cr.ones(2, 3), cr.tensor { 1, 2 }
    local there = { device = "cuda" }
    local calls = {
      function() return cr.cross_entropy(x, cr.tensor({ 1, 2 }, there)) end,
      function() return cr.cross_entropy(cr.ones({ 2, 3 }, there), k) end,
      function() return cr.nll_loss(x, k, cr.ones({ 3 }, there)) end,
      function() return x:index_select(1, cr.tensor({ 1, 2 }, there)) end,
      function() return x:gather(2, cr.tensor({ { 1 }, { 2 } }, there)) end,
      function() return cr.searchsorted(cr.arange(1, 5), cr.tensor({ 1, 2 }, there)) end,
      function() return x:repeat_interleave(cr.tensor({ 1, 2 }, there), 1) end,
      function() return cr.exp(x, { out = cr.zeros({ 2, 3 }, there) }) end,
      function() return cr.mm(x, x:t(), { out = cr.zeros({ 2, 2 }, there) }) end,
    }
    for _, call in ipairs(calls) do fails(call, "different devices") end
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
      assert.is_true(x:equal(x:to "cuda":to "cpu"), dtype)
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

  it("is raised at once, with nothing written, where it is a probability", function()
    local x = cr.full({ 1000 }, 7, { device = "cuda" })
    local p = cr.full({ 1000 }, 0.5, { device = "cuda" })
    p[900] = 1.5
    fails(function() x:bernoulli_(p) end, "bernoulli_: probabilities lie from 0 to 1; got 1.5")
    assert.is_true(x:eq(7):all():item())
  end)

  it("names the class that is none", function()
    local scores = cr.zeros({ 2, 3 }, { device = "cuda" })
    fails(function() return cr.cross_entropy(scores, cr.tensor({ 1, 4 }, { device = "cuda" })):item() end, "4", "3")
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

on_device("a device number beyond the last", function()
  it("is refused with the range", function()
    fails(function() cr.cuda.set_device(200) end, "cuda:200", "cuda:0")
    fails(function() return cr.zeros({ 2 }, { device = "cuda:99" }) end, "cuda:99")
    fails(function() return cr.zeros(2):to "cuda:98" end, "cuda:98")
    assert.equal("cuda:0", cr.cuda.current_device())
  end)
end)
