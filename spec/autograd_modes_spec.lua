-- autograd_modes_spec.lua: the gradient mode and inference mode.

local cr = require "cresset"
local values = require "spec.support.values"
local leaf, plain, fails = values.leaf, values.plain, values.assert_fails
local is_values = values.assert_values

describe("the gradient mode", function()
  it("is on at first", function() assert.is_true(cr.is_grad_enabled()) end)

  it("nests, in the form with a function", function()
    local x = leaf { 1 }
    cr.no_grad(function()
      assert.is_false(cr.is_grad_enabled())
      assert.is_false((x * 2).requires_grad)
      cr.enable_grad(function() assert.is_true((x * 2).requires_grad) end)
      assert.is_false(cr.is_grad_enabled())
    end)
    assert.is_true(cr.is_grad_enabled())
  end)

  it("nests, in the scoped form", function()
    do
      local _ <close> = cr.no_grad()
      assert.is_false(cr.is_grad_enabled())
      do
        local _ <close> = cr.enable_grad()
        assert.is_true(cr.is_grad_enabled())
      end
      assert.is_false(cr.is_grad_enabled())
    end
    assert.is_true(cr.is_grad_enabled())
  end)

  it("hands arguments to the function and returns all that it returns", function()
    local a, b, c = cr.no_grad(function(x, y) return y, nil, x end, 1, 2)
    assert.same({ 2, 1 }, { a, c })
    assert.is_nil(b)
  end)

  it("is restored after an error, which passes unchanged", function()
    local problem = {}
    local ok, caught = pcall(cr.no_grad, function() error(problem) end)
    assert.is_false(ok)
    assert.is_true(rawequal(problem, caught))
    assert.is_true(cr.is_grad_enabled())
    pcall(function()
      local _ <close> = cr.no_grad()
      error "anything"
    end)
    assert.is_true(cr.is_grad_enabled())
  end)

  it("can be set by a value, plainly or scoped", function()
    do
      local _ <close> = cr.set_grad_enabled(false)
      assert.is_false(cr.is_grad_enabled())
    end
    assert.is_true(cr.is_grad_enabled())
  end)

  it("is on inside the graph-making calls of a hook under create_graph only", function()
    local x = leaf { 2 }
    local seen = {}
    local y = x * x
    y:register_hook(function() seen[#seen + 1] = cr.is_grad_enabled() end)
    cr.grad(y, x, { retain_graph = true })
    cr.grad(y, x, { create_graph = true })
    assert.same({ false, true }, seen)
  end)

  it("of one coroutine is not mixed up with another's scope", function()
    local co = coroutine.wrap(function()
      cr.no_grad(function() assert.is_false(cr.is_grad_enabled()) end)
      return cr.is_grad_enabled()
    end)
    assert.is_true(co())
    assert.is_true(cr.is_grad_enabled())
  end)
end)

describe("inference mode", function()
  it("makes tensors without history and without a version", function()
    local x = leaf { 1, 2 }
    local y = cr.inference_mode(function() return x * 2 end)
    assert.is_true(y.is_inference)
    assert.is_false(x.is_inference)
    assert.is_false(y.requires_grad)
    fails(function() return y._version end, "inference", "version")
  end)

  it("has a scoped form and turns the gradient mode off", function()
    do
      local _ <close> = cr.inference_mode()
      assert.is_false(cr.is_grad_enabled())
      assert.is_true(cr.is_inference_mode_enabled())
    end
    assert.is_true(cr.is_grad_enabled())
    assert.is_false(cr.is_inference_mode_enabled())
  end)

  it("'s tensors cannot be saved for backward", function()
    local y = cr.inference_mode(function() return plain { 1, 2 } * 2 end)
    fails(function() return leaf { 1, 2 } * y end, "inference", "saved", "clone")
  end)

  it("'s tensors may be used where nothing is saved", function()
    local y = cr.inference_mode(function() return plain { 1, 2 } * 2 end)
    local x = leaf { 1, 2 };
    (x + y):sum():backward()
    is_values(x.grad, { 1, 1 })
  end)

  it("'s tensors cannot be written to in place outside it", function()
    local y = cr.inference_mode(function() return plain { 1, 2 } * 2 end)
    fails(function() y:add_(1) end, "inference", "in place")
    cr.inference_mode(function() y:add_(1) end)
    is_values(y:clone(), { 3, 5 })
  end)

  it("'s tensors cannot be made to require grad outside it", function()
    local y = cr.inference_mode(function() return plain { 1, 2 } * 2 end)
    fails(function() y:requires_grad_() end, "inference", "require")
  end)

  it("'s tensors become ordinary by cloning", function()
    local y = cr.inference_mode(function() return plain { 1, 2 } * 2 end)
    local c = y:clone()
    assert.is_false(c.is_inference)
    c:requires_grad_()
    c:sum():backward()
    is_values(c.grad, { 1, 1 })
  end)

  it("'s views of ordinary tensors stay ordinary", function()
    local x = plain { 1, 2 }
    local v = cr.inference_mode(function() return x[1] end)
    assert.is_false(v.is_inference)
  end)
end)
