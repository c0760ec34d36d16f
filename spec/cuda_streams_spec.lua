-- cuda_streams_spec.lua: work on several streams and devices is in order where the program asks for it.

local cr = require "cresset"
local device = require "spec.support.device"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local values = require "spec.support.values"
local streams = require "spec.support.streams"
local fails = values.assert_fails

if device.skip then
  describe("work on several streams", function()
    it("needs a device", function() pending(device.skip) end)
  end)
  return
end

describe("on several streams", function()
  for _, name in ipairs(streams.names(streams)) do
    it(name, streams[name])
  end
end)

describe("the C API", function()
  it("gives each thread streams of its own #compiles", function()
    local folder = shell.folder()
    finally(function() os.execute("rm -rf " .. folder) end)
    local text, status = shell.run(program.make("spec/c/streams.c", folder))
    assert.equal("", text)
    assert.equal(0, status)
  end)
end)

describe("on several devices", function()
  for _, name in ipairs(streams.names(streams.pairs)) do
    it(name, function()
      if device.count < 2 then return pending "this machine has one device" end
      streams.pairs[name]()
    end)
  end
end)

-- In a process of its own: the order is read when the plug-in is loaded.
local function failures(environment, wrong)
  local chunk = ([[for _, s in ipairs(require "spec.support.streams".failures(%s)) do print(s) end]]):format(wrong)
  local text, status = shell.run(("CRESSET_CUDA_CACHE=scrub %s %s -e %s"):format(environment, shell.runner,
    shell.quote(chunk)))
  assert.equal(0, status, text)
  return text
end

if device.emulated then
  describe("the same programs", function()
    for order = 0, 7 do
      it("give the same numbers in order " .. order .. " of the emulation", function()
        assert.equal("", failures("CRESSET_EMULATE_ORDER=" .. order))
      end)
    end

    it("need no device that reads another one's memory", function()
      assert.equal("", failures("CRESSET_EMULATE_PEERS=0"))
    end)

    it("give the same numbers without a cache of freed memory", function()
      assert.equal("", failures("CRESSET_CUDA_CACHE=0 CRESSET_EMULATE_ORDER=2"))
    end)

    it("would show it if a wait was missing", function()
      local text = failures("CRESSET_EMULATE_ORDER=1", true)
      for _, name in ipairs(streams.names(streams.wrong)) do
        assert(text:find(name, 1, true), ("'%s' went unnoticed:\n%s"):format(name, text))
      end
    end)
  end)
end

describe("what a kernel finds wrong on a stream", function()
  local function position(n) return cr.tensor({ n }, { device = "cuda" }) end

  it("is raised once, by the next wait, and the device goes on", function()
    local x = cr.zeros({ 3 }, { device = "cuda" })
    x:scatter_(1, position(7), 1.0)
    local y = x + 1 -- of what the write has left
    fails(function() cr.cuda.synchronize() end, "scatter", "7", "3")
    cr.cuda.synchronize()
    values.assert_values(y * 2, { 2, 2, 2 })
  end)

  it("is raised wherever numbers reach the host", function()
    local x = cr.arange(4, { device = "cuda" })
    local reads = {
      item = function(t) return t:item() end,
      totable = function(t) return t:totable() end,
      print = tostring,
      cpu = function(t) return t:cpu() end,
    }
    for name, read in pairs(reads) do
      fails(function() return read(x:index_select(1, position(-9))) end, "index_select", "-9", "4")
      assert(pcall(read, x:index_select(1, position(2))), name)
    end
  end)

  it("leaves what it may: the valid positions of a write", function()
    local x = cr.zeros({ 4 }, { device = "cuda" })
    x[cr.tensor({ 2, 9 }, { device = "cuda" })] = 5
    fails(function() return x:totable() end, "9", "4")
    values.assert_values(x, { 0, 5, 0, 0 })
  end)

  it("is raised by the wait for the stream that it ran on", function()
    local s = cr.cuda.Stream()
    local x = cr.zeros({ 3 }, { device = "cuda" })
    cr.cuda.synchronize()
    cr.cuda.stream(s, function() x:index_add_(1, position(4), cr.ones({ 1 }, { device = "cuda" })) end)
    fails(function() s:synchronize() end, "index_add", "4", "3")
    s:synchronize()
  end)
end)

describe("a graph", function()
  it("refuses to run once pinned memory that it copies from was freed", function()
    local x, from = cr.zeros({ 3 }, { device = "cuda" }), cr.ones(3):pin_memory()
    local step = cr.cuda.graph(function() x:copy_queued_(from) end)
    step()
    values.assert_values(x, { 1, 1, 1 })
    from:close()
    fails(function() step() end, "graph", "freed")
  end)

  it("is captured while another stream has work to do, and after a capture that failed", function()
    local s = cr.cuda.Stream()
    local y = cr.cuda.stream(s, function() return cr.full({ 5 }, 2.0, { device = "cuda" }) * 3 end)
    local x = cr.ones({ 5 }, { device = "cuda" })
    fails(function() cr.cuda.graph(function() return (x + 1):sum():item() end) end, "captur")
    local step = cr.cuda.graph(function() return x + 1 end)
    values.assert_values(step(), { 2, 2, 2, 2, 2 })
    s:synchronize()
    values.assert_values(y, { 6, 6, 6, 6, 6 })
  end)
end)

describe("an event", function()
  it("that is asked again and again is passed in the end", function()
    local s, e = cr.cuda.Stream(), cr.cuda.Event()
    local x = cr.cuda.stream(s, function()
      local x = cr.ones({ 100 }, { device = "cuda" })
      for _ = 1, 30 do x = x + 1 end
      e:record()
      return x
    end)
    while not e:query() do end
    assert.equal(31, x[7]:item())
    while not s:query() do end
    assert.is_true(s:query())
  end)
end)
