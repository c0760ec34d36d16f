-- cuda_queue_spec.lua: streams, events and graphs as objects. Their order is cuda_streams_spec.lua's.

local cr = require "cresset"
local device = require "spec.support.device"
local values = require "spec.support.values"
local fails = values.assert_fails

local function on_device(what, body)
  if not device.skip then describe(what, body) end
end

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
