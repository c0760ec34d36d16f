-- profiler_spec.lua: what the profiler tells of operations, and that nothing of it stays.

local cr = require "cresset"
local shell = require "spec.support.shell"
local profiler = cr.profiler

local function by_name(list)
  local by = {}
  for _, item in ipairs(list) do by[item.name] = item end
  return by
end

describe("a profile", function()
  it("counts the operations of a function, with their shapes, and gives what it gives", function()
    local x = cr.ones(64, 32)
    local p, result = profiler.profile(function()
      for _ = 1, 3 do x:exp() end
      return x:matmul(cr.ones(32, 5)):sum()
    end)
    assert.equal(64 * 32 * 5, result:item())
    local by = by_name(p:averages())
    assert.equal(3, by.exp.calls)
    assert.equal(1, by.matmul.calls)
    assert.equal("64x32", by_name(p:averages { by_shape = true }).exp.shapes)
    local matmul
    for _, e in ipairs(p:events()) do
      if e.name == "matmul" then matmul = e end
    end
    assert.equal("64x32, 32x5", matmul.shapes)
    assert.is_true(matmul.duration > 0 and matmul.self_duration <= matmul.duration)
  end)

  it("counts small ones, those in place, and what backward calls", function()
    local w = cr.ones({ 2 }, { requires_grad = true })
    local p = profiler.profile(function()
      local y = (w * 3):sum()
      y:backward()
      cr.ones(2):add_(1)
    end)
    local by = by_name(p:averages())
    assert.is_true(by.mul.calls >= 2) -- forward, and the gradient
    assert.is_true(by.add.calls >= 1)
    assert.same({ 3, 3 }, w.grad:totable())
  end)

  it("tells the memory that stays in use", function()
    local kept
    local p = profiler.profile(function() kept = cr.ones(1000, 1000) * 2 end)
    assert.is_true(by_name(p:averages()).mul.bytes >= 4000000)
    assert.equal(1000, #kept)
  end)

  it("has ranges of the program's own, around what they call", function()
    local p = profiler.profile()
    local ones = cr.ones(3)
    local result = profiler.range("outer", function(a) return a + 1 end, ones)
    do
      local _ <close> = profiler.range "inner"
      cr.ones(2):neg()
    end
    p:stop()
    local list = p:events()
    assert.equal("ones", list[1].name)
    assert.equal("outer", list[2].name)
    assert.is_true(list[2].range)
    assert.same({ "add", 1 }, { list[3].name, list[3].depth })
    assert.is_true(list[2].duration >= list[3].duration)
    assert.equal(6, result:sum():item())
    assert.is_not_nil(by_name(list).inner)
  end)

  it("says so of what failed", function()
    local p = profiler.profile()
    pcall(function() return cr.ones(2, 3):matmul(cr.ones(2, 3)) end)
    p:stop()
    assert.is_true(by_name(p:events()).matmul.failed)
  end)

  it("ends with its scope, with an error in its function, and with its last reference", function()
    do
      local p <close> = profiler.profile()
      assert.is_not_nil(p)
    end
    assert.is_false(pcall(profiler.profile, function() error "mine" end))
    profiler.profile()
    collectgarbage()
    collectgarbage()
    local p = profiler.profile { shapes = false }
    cr.ones(3):neg()
    p:stop()
    cr.ones(3):abs()
    assert.is_nil(by_name(p:events()).abs)
    assert.equal("", by_name(p:events()).neg.shapes)
  end)

  it("is one at a time", function()
    local p <close> = profiler.profile()
    local ok, message = pcall(profiler.profile)
    assert.is_false(ok)
    assert(message:find("another recording is on", 1, true), message)
    assert.is_not_nil(p)
  end)

  it("leaves deadlines and results as they are", function()
    local plain = cr.arange(1, 9):to "float32"
    local expected = (plain / 3):sin():totable()
    local p <close> = profiler.profile()
    assert.same(expected, (plain / 3):sin():totable())
    cr.set_deadline(1e-9)
    local ok, message = pcall(function() return plain:exp() end)
    cr.set_deadline(0)
    assert.is_false(ok)
    assert(message:find("deadline", 1, true), message)
    assert.is_not_nil(p)
  end)
end)

describe("what a profile shows", function()
  local p
  setup(function()
    p = profiler.profile(function()
      profiler.range('a "range"', function() return cr.ones(4):exp() end)
      cr.ones(4):log()
    end)
  end)

  it("is a table, sorted as asked", function()
    local text = p:table { sort_by = "calls", limit = 2 }
    assert(text:find("operation", 1, true) and text:find("self %%") and text:find("and %d more"), text)
    assert.is_false(pcall(p.table, p, { sort_by = "name" }))
  end)

  it("is a trace for Chrome", function()
    local path = os.tmpname()
    p:save(path)
    local text = shell.read(path)
    os.remove(path)
    assert.equal('{"displayTimeUnit":"ms","traceEvents":[', text:match "^[^\n]*")
    local range = text:match "^[^\n]*\n([^\n]*)"
    local expected = '{"name":"a \\u0022range\\u0022","cat":"range","ph":"X","pid":1,"tid":1,"ts":0.000'
    assert.equal(expected, range:sub(1, #expected))
    assert(text:find('"name":"log","cat":"op"', 1, true), text)
  end)
end)
