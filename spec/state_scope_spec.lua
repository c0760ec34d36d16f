-- state_scope_spec.lua: modes belong to the coroutine that has entered them, and scopes to their variable.

local cr = require "cresset"
local values = require "spec.support.values"
local leaf = values.leaf

local packed = 0 -- tensors, by the hooks below

-- Every mode with a scope, and what tells whether it is in force.
local modes = {
  { "no_grad", function() return cr.no_grad() end, function() return not cr.is_grad_enabled() end },
  { "inference_mode", function() return cr.inference_mode() end, cr.is_inference_mode_enabled },
  { "detect_anomaly", function() return cr.detect_anomaly() end, cr.is_anomaly_enabled },
  { "saved_tensors_hooks", function()
    return cr.saved_tensors_hooks(function(x) packed = packed + 1 return x end, function(x) return x end)
  end, function()
    local x, before = leaf { 1 }, packed
    x:mul(x)
    return packed > before
  end },
}

local function none_in_force(where)
  assert.is_true(cr.is_grad_enabled(), where)
  assert.is_false(cr.is_inference_mode_enabled(), where)
  assert.is_false(cr.is_anomaly_enabled(), where)
end

describe("a scope of a coroutine", function()
  for _, mode in ipairs(modes) do
    local name, open, is_on = table.unpack(mode)

    it("does not reach its caller: " .. name, function()
      local co = coroutine.wrap(function()
        local _ <close> = open()
        local before = is_on()
        coroutine.yield(before)
        return is_on()
      end)
      assert.is_true(co())
      assert.is_false(is_on())
      assert.is_true(co())
      assert.is_false(is_on())
    end)

    it("does not outlive an error in it: " .. name, function()
      local co = coroutine.create(function()
        local _ <close> = open()
        assert(is_on())
        error "x"
      end)
      assert.is_false((coroutine.resume(co)))
      assert.is_false(is_on())
      co = nil -- luacheck: ignore
      collectgarbage()
      collectgarbage()
      assert.is_false(is_on())
    end)

    it("does not outlive a coroutine that is dropped: " .. name, function()
      local co = coroutine.wrap(function()
        local _ <close> = open()
        coroutine.yield(is_on())
      end)
      assert.is_true(co())
      co = nil -- luacheck: ignore
      for _ = 1, 3 do collectgarbage() end
      assert.is_false(is_on())
    end)

    it("ends when the coroutine is closed: " .. name, function()
      local co = coroutine.create(function()
        local _ <close> = open()
        is_on()
        coroutine.yield()
      end)
      coroutine.resume(co)
      assert.is_true(coroutine.close(co))
      assert.is_false(is_on())
    end)
  end

  it("may be called as a function that yields", function()
    for _, name in ipairs { "no_grad", "enable_grad", "inference_mode", "detect_anomaly" } do
      local co = coroutine.wrap(function()
        return cr[name](function()
          local b = coroutine.yield(cr.is_grad_enabled())
          return b, cr.is_grad_enabled()
        end)
      end)
      local inside = co()
      none_in_force(name)
      local b, still = co(2)
      assert.equal(2, b)
      assert.equal(inside, still)
      none_in_force(name)
    end
  end)

  it("of saved-tensor hooks as a function may yield, too", function()
    local count = 0
    local function pack(x)
      count = count + 1
      return x
    end
    local co = coroutine.wrap(function()
      return cr.saved_tensors_hooks(pack, function(x) return x end, function(x)
        coroutine.yield()
        return x * x
      end, leaf { 3 })
    end)
    co()
    local other = leaf { 2 }
    local _ = other * other
    assert.equal(0, count)
    co()
    assert.equal(2, count)
  end)

  it("holds whoever resumes it", function()
    local co = coroutine.wrap(function()
      local _ <close> = cr.enable_grad()
      while true do coroutine.yield(cr.is_grad_enabled()) end
    end)
    assert.is_true(co())
    assert.is_true(cr.no_grad(co))
    assert.is_true(cr.inference_mode(co))
    assert.is_true(co())
  end)

  it("sets its own mode and leaves the others to who resumes it", function()
    local co = coroutine.wrap(function()
      local _ <close> = cr.detect_anomaly()
      while true do coroutine.yield(cr.is_anomaly_enabled(), cr.is_grad_enabled()) end
    end)
    assert.same({ true, true }, { co() })
    assert.same({ true, false }, { cr.no_grad(co) })
    assert.same({ true, true }, { co() })
  end)
end)

describe("a coroutine without a scope", function()
  it("computes in the mode of whoever resumes it", function()
    local x = leaf { 1 }
    local co = coroutine.wrap(function()
      while true do coroutine.yield((x * 2).requires_grad) end
    end)
    assert.is_true(co())
    assert.is_false(cr.no_grad(co))
    assert.is_true(co())
    do
      local _ <close> = cr.no_grad()
      assert.is_false(co())
    end
    assert.is_true(co())
  end)

  it("may be resumed by a coroutine in a scope, and by another one through others", function()
    local probe = coroutine.wrap(function()
      while true do coroutine.yield(cr.is_grad_enabled()) end
    end)
    local between = coroutine.wrap(function()
      while true do coroutine.yield(probe()) end
    end)
    local off = coroutine.wrap(function()
      local _ <close> = cr.no_grad()
      while true do coroutine.yield(between()) end
    end)
    assert.is_false(off())
    assert.is_true(between())
    assert.is_true(probe())
    assert.is_false(off())
  end)

  it("is in the nearest scope of those that wait for it, whoever has computed last", function()
    local probe = coroutine.wrap(function()
      while true do coroutine.yield(cr.is_grad_enabled()) end
    end)
    local inner = coroutine.wrap(function()
      local _ <close> = cr.enable_grad()
      cr.is_grad_enabled()
      while true do coroutine.yield(probe()) end
    end)
    local outer = coroutine.wrap(function()
      local _ <close> = cr.no_grad()
      while true do
        cr.is_grad_enabled()
        coroutine.yield(inner())
      end
    end)
    for _ = 1, 3 do
      assert.is_true(outer())
      assert.is_true(cr.is_grad_enabled())
    end
  end)

  it("made where another one died is not in that one's mode", function()
    for _ = 1, 200 do
      local dead = coroutine.create(function()
        local _ <close> = cr.no_grad()
        cr.is_grad_enabled()
        error "x"
      end)
      coroutine.resume(dead)
      dead = nil -- luacheck: ignore
      collectgarbage "step"
      assert.is_true(coroutine.wrap(function() return cr.is_grad_enabled() end)())
    end
  end)
end)

describe("modes inside a backward pass", function()
  it("reach the coroutines that a hook resumes", function()
    local x = leaf { 2 }
    local seen = {}
    local co = coroutine.wrap(function()
      while true do coroutine.yield(cr.is_grad_enabled()) end
    end)
    x:register_hook(function() seen[#seen + 1] = co() end)
    local y = x * x
    cr.grad(y, x, { retain_graph = true })
    cr.grad(y, x, { create_graph = true })
    assert.same({ false, true }, seen)
    assert.is_true(co())
  end)

  it("of a scope that a hook enters end with it", function()
    local x = leaf { 2 }
    x:register_hook(function()
      local _ <close> = cr.enable_grad()
      assert(cr.is_grad_enabled())
    end);
    (x * x):sum():backward()
    assert.is_true(cr.is_grad_enabled())
  end)
end)

describe("a guard that no variable closes", function()
  local function quietly(f)
    local said = {}
    cr.set_warning_handler(function(s) said[#said + 1] = s end)
    f()
    local x = leaf { 1 };
    (x * x):backward() -- what was said is told by now
    cr.set_warning_handler(nil)
    return table.concat(said, "\n")
  end

  it("has no effect as a statement, and a warning names the form that has", function()
    local said = quietly(function()
      cr.no_grad()
      assert.is_true(cr.is_grad_enabled())
      cr.inference_mode()
      assert.is_false(cr.is_inference_mode_enabled())
      cr.detect_anomaly()
      assert.is_false(cr.is_anomaly_enabled())
    end)
    for _, name in ipairs { "no_grad", "inference_mode", "detect_anomaly" } do
      assert.truthy(said:find("`local _ <close> = cr." .. name, 1, true), said)
    end
  end)

  it("has no effect in a variable without <close>, a field or a table", function()
    quietly(function()
      local guard = cr.no_grad()
      assert.is_true(cr.is_grad_enabled())
      local object = { guard = cr.no_grad() }
      assert.is_true(cr.is_grad_enabled())
      return guard, object
    end)
  end)

  it("has an effect where a function returns it into one", function()
    local function scope() return (cr.no_grad()) end
    do
      local _ <close> = scope()
      assert.is_false(cr.is_grad_enabled())
    end
    assert.is_true(cr.is_grad_enabled())
  end)

  it("has an effect as the closing value of a loop", function()
    for i in function(_, i) if i < 2 then return i + 1 end end, nil, 0, cr.no_grad() do
      assert.is_false(cr.is_grad_enabled(), i)
    end
    assert.is_true(cr.is_grad_enabled())
  end)

  it("has an effect among other variables, in a function without debug information", function()
    local text = [[
      local cr = ...
      local a, b, c = 1, 2, 3
      do local d, e = 4, 5 local _ <close> = cr.no_grad() assert(not cr.is_grad_enabled()) end
      cr.no_grad()
      assert(cr.is_grad_enabled())
      return a + b + c]]
    quietly(function()
      assert.equal(6, load(text)(cr))
      assert.equal(6, load(string.dump(load(text), true))(cr))
    end)
  end)
end)

describe("a mode that is set", function()
  after_each(function()
    cr.set_grad_enabled(true)
    cr.set_detect_anomaly(false)
  end)

  it("holds until it is set again, in the coroutine alone", function()
    local co = coroutine.wrap(function()
      cr.set_grad_enabled(false)
      cr.set_detect_anomaly(true)
      while true do coroutine.yield(cr.is_grad_enabled(), cr.is_anomaly_enabled()) end
    end)
    co()
    assert.same({ false, true }, { co() })
    none_in_force()
    cr.set_grad_enabled(false)
    collectgarbage()
    assert.is_false(cr.is_grad_enabled())
    assert.is_false(coroutine.wrap(cr.is_grad_enabled)())
  end)

  it("ends with the scope that it is set in", function()
    cr.no_grad(function()
      cr.set_grad_enabled(true)
      assert.is_true(cr.is_grad_enabled())
    end)
    cr.enable_grad(function() cr.set_grad_enabled(false) end)
    none_in_force()
  end)

  it("is put back at the end of a variable with <close>", function()
    local co = coroutine.wrap(function()
      do
        local _ <close> = cr.set_grad_enabled(false)
        coroutine.yield(cr.is_grad_enabled())
      end
      while true do coroutine.yield(cr.is_grad_enabled()) end
    end)
    assert.is_false(co())
    assert.is_true(co())
    assert.is_false(cr.no_grad(co)) -- it is as who resumes it again
  end)
end)
