-- pace_spec.lua: Lua's collector works for tensors in steps, in the mode that the host has chosen.

local cr = require "cresset"
local values = require "spec.support.values"
local shell = require "spec.support.shell"
local fails = values.assert_fails

local MB = 1024 * 1024

-- Runs f while the collector is in this mode.
local function with_mode(mode, f)
  local before = collectgarbage(mode)
  local ok, message = pcall(f)
  collectgarbage(before)
  collectgarbage()
  assert(ok, message)
end

local function temporaries(n, size)
  local x = cr.ones(size)
  for _ = 1, n do
    local _ = x + 1
  end
end

-- Steps and whole collections that f calls for.
local function counts(f)
  local before = cr.memory.pace()
  f()
  local after = cr.memory.pace()
  return after.steps - before.steps, after.collections - before.collections
end

-- The most bytes that tensors take while f runs, beyond what they take before.
local function peak_of(f)
  collectgarbage()
  collectgarbage()
  local before = cr.memory.stats().allocated
  cr.memory.reset_peak()
  f()
  return cr.memory.stats().peak - before
end

describe("the collector", function()
  for _, mode in ipairs { "incremental", "generational" } do
    it("stays " .. mode .. " where the host has made it so", function()
      with_mode(mode, function()
        temporaries(30000, 4)
        temporaries(100, MB // 4)
        assert.equal(mode, collectgarbage(mode))
      end)
    end)

    it("gives the temporaries back in time when it is " .. mode, function()
      with_mode(mode, function()
        for _, size in ipairs { 1000, 25000, 100000, 1000000 } do
          local peak = peak_of(function() temporaries(300 * MB // (4 * size), size) end)
          assert(peak < 40 * MB, ("of %d floats they reached %d MiB"):format(size, peak // MB))
        end
      end)
    end)

    it("does so for what a coroutine makes when it is " .. mode, function()
      with_mode(mode, function()
        local work = coroutine.wrap(function()
          for _ = 1, 10 do
            temporaries(100, 25000)
            coroutine.yield()
          end
        end)
        local peak = peak_of(function()
          for _ = 1, 10 do work() end
        end)
        assert(peak < 30 * MB, ("they reached %d MiB"):format(peak // MB))
      end)
    end)

    it("finds what has lived for a while when it is " .. mode, function()
      with_mode(mode, function()
        local peak = peak_of(function()
          local held = {}
          for i = 1, 20000 do held[i % 16 + 1] = cr.ones(10000) end
          assert.equal(16, #held)
        end)
        assert(peak < 40 * MB, ("it let %d MiB pile up"):format(peak // MB))
      end)
    end)
  end

  it("walks no tensors that live on for the sake of temporaries, when it is generational", function()
    with_mode("generational", function()
      local held = {}
      for i = 1, 50000 do held[i] = cr.ones(4) end
      collectgarbage()
      temporaries(10000, 4) -- after these it knows the mode
      local steps, collections = counts(function() temporaries(100000, 4) end)
      assert.equal(0, collections)
      assert(steps > 5, steps .. " steps")
      assert.equal(50000, #held)
    end)
  end)

  it("lets what is held over some results die young", function()
    local text = shell.cresset [[-e "
      local cr = require 'cresset'
      local held, x = {}, cr.ones(65536)
      local function hold(n)
        for i = 1, n do held[i % 8 + 1] = x + 1 end
      end
      hold(500) -- after these it knows how long they are held
      local before = cr.memory.pace()
      hold(1000)
      local after = cr.memory.pace()
      held = {}
      for _ = 1, 10000 do local _ = x + 1 end
      print(after.collections - before.collections, after.step, cr.memory.pace().step)"]]
    local collections, step, later = text:match "(%d+)%s+(%d+)%s+(%d+)"
    assert(tonumber(collections) <= 12, collections .. " whole collections for 250 MiB")
    assert(tonumber(step) > MB // 2)
    assert.equal(MB // 2, tonumber(later))
  end)

  it("knows the mode before many tensors are made", function()
    local text = shell.cresset [[-e "
      local cr = require 'cresset'
      local x = cr.ones(4)
      for _ = 1, 15000 do local _ = x + 1 end
      print(cr.memory.pace().young)"]]
    assert.equal("true\n", text)
  end)

  it("notices that the host has changed its mode", function()
    local function soon(young)
      for _ = 1, 20 do
        temporaries(30000, 4)
        if cr.memory.pace().young == young then return true end
      end
    end
    with_mode("incremental", function()
      assert.is_true(soon(false))
      collectgarbage "generational"
      assert.is_true(soon(true))
      collectgarbage "incremental"
      assert.is_true(soon(false))
    end)
  end)

  it("is not started where the host has stopped it", function()
    collectgarbage()
    collectgarbage "stop"
    local steps, collections = counts(function() temporaries(40, MB // 4) end)
    local running = collectgarbage "isrunning"
    collectgarbage "restart"
    assert.is_false(running)
    assert.same({ 0, 0 }, { steps, collections })
  end)

  it("works before memory runs out even where it is stopped, and stays stopped", function()
    collectgarbage()
    cr.memory.limit(cr.memory.stats().allocated + 8 * MB)
    collectgarbage "stop"
    local ok, message = pcall(temporaries, 40, MB // 4)
    local running = collectgarbage "isrunning"
    collectgarbage "restart"
    cr.memory.limit(0)
    assert(ok, message)
    assert.is_false(running)
  end)

  it("is generational in the runner", function()
    assert.equal("generational\n", (shell.cresset [[-e "print(collectgarbage 'incremental')"]]))
  end)

  it("may be used inside a finalizer, where it cannot work", function()
    local done
    do
      local _ = setmetatable({}, { __gc = function()
        temporaries(20, MB // 4)
        done = true
      end })
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(done)
  end)
end)

describe("memory.pace", function()
  after_each(function() cr.memory.pace { step = 0, growth = 0 } end)

  it("tells what holds, without arguments", function()
    local p = cr.memory.pace()
    for _, name in ipairs { "step", "growth", "steps", "collections" } do
      assert.equal("integer", math.type(p[name]), name)
    end
    assert.equal("boolean", type(p.young))
  end)

  it("sets the bytes between steps, and 0 leaves them to the module again", function()
    local own = cr.memory.pace().step
    assert.equal(MB // 4, cr.memory.pace({ step = MB // 4 }).step)
    assert.equal(MB // 4, cr.memory.pace().step)
    assert.equal(own, cr.memory.pace({ step = 0 }).step)
  end)

  it("makes more steps where there is less between them", function()
    with_mode("generational", function()
      temporaries(20000, 4)
      local few = counts(function() temporaries(20000, 4) end)
      cr.memory.pace { step = 64 * 1024 }
      local many = counts(function() temporaries(20000, 4) end)
      assert(many >= 4 * few, ("%d and %d"):format(few, many))
    end)
  end)

  it("sets the growth that makes a whole collection due", function()
    local function collections()
      local held = {}
      local _, n = counts(function()
        for i = 1, 200 do held[i] = cr.ones(25000) end
        assert.equal(200, #held)
      end)
      return n
    end
    with_mode("generational", function()
      temporaries(20000, 4)
      cr.memory.pace { growth = 1000 * MB }
      assert.equal(0, collections())
      cr.memory.pace { growth = MB }
      assert(collections() >= 5)
    end)
  end)

  it("belongs to the Lua state", function()
    cr.memory.pace { step = MB }
    local text = shell.cresset [[-e "print(require('cresset').memory.pace().step)"]]
    assert.equal(tostring(512 * 1024), text:match "%d+")
  end)

  it("refuses what is no number of bytes, and names that it does not know", function()
    fails(function() cr.memory.pace { step = -1 } end, "memory.pace", "step", "-1")
    fails(function() cr.memory.pace { growth = "much" } end, "memory.pace", "growth")
    fails(function() cr.memory.pace { steps = 1 } end, "memory.pace", "steps")
  end)
end)
