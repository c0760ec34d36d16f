-- nn_hooks_spec.lua: hooks of modules.

local cr = require "cresset"
local nn = cr.nn
local values = require "spec.support.values"

local fails = values.assert_fails

local Scale = nn.class "Scale"
function Scale:init(n) self.n = n end
function Scale:forward(x, y) return x * self.n, y end

describe("a hook before forward", function()
  it("sees the inputs, and may replace them by a value or a list", function()
    local m, seen = Scale(2), nil
    local handle = m:register_forward_pre_hook(function(self, inputs)
      seen = { self, inputs.n, inputs[1], inputs[2] }
    end)
    assert.equal(6, (m(3, "y")))
    assert.same({ m, 2, 3, "y" }, seen)
    m:register_forward_pre_hook(function(_, inputs) return inputs[1] + 1 end)
    assert.equal(8, (m(3)))
    m:register_forward_pre_hook(function() return { 10, "z" } end)
    assert.same({ 20, "z" }, { m(3) })
    handle:remove()
    handle:remove()
    seen = nil
    m(1)
    assert.is_nil(seen)
  end)
end)

describe("a hook after forward", function()
  it("sees inputs and outputs, and may replace all of these", function()
    local m, seen = Scale(2), nil
    m:register_forward_hook(function(self, inputs, a, b) seen = { self, inputs[1], a, b } end)
    local handle = m:register_forward_hook(function(_, _, a) return a + 1, "new" end)
    assert.same({ 7, "new" }, { m(3, "y") })
    assert.same({ m, 3, 6, "y" }, seen)
    handle:remove()
    assert.same({ 6, "y" }, { m(3, "y") })
  end)

  it("runs in the order of registration, but before the others when asked to", function()
    local m, order = Scale(1), {}
    for i = 1, 2 do m:register_forward_hook(function() order[#order + 1] = i end) end
    m:register_forward_hook(function() order[#order + 1] = 0 end, { prepend = true })
    m(1)
    assert.same({ 0, 1, 2 }, order)
  end)

  it("may take itself away while it runs", function()
    local m, count, handle = Scale(1), 0, nil
    handle = m:register_forward_hook(function()
      count = count + 1
      handle:remove()
    end)
    m:register_forward_hook(function() count = count + 10 end)
    m(1)
    m(1)
    assert.equal(21, count)
  end)

  it("is a function, and its errors come through", function()
    local m = Scale(1)
    fails(function() m:register_forward_hook(3) end, "Scale: register_forward_hook takes a function")
    m:register_forward_hook(function() error("mine", 0) end)
    fails(function() m(1) end, "mine")
  end)

  it("is part of a clone", function()
    local m, count = Scale(1), 0
    m:register_forward_hook(function() count = count + 1 end)
    local c = m:clone()
    c(1)
    assert.equal(1, count)
  end)
end)

describe("a full backward hook", function()
  local function leaf() return cr.tensor({ 1.0, 2.0 }, { requires_grad = true }) end

  it("sees the gradients by inputs and outputs", function()
    local m, seen = Scale(3), nil
    m:register_full_backward_hook(function(self, gi, go)
      seen = { self, gi.n, gi[1]:totable(), gi[2], go.n, go[1]:totable() }
    end)
    local x = leaf()
    local y = m(x, "text")
    y:backward(cr.tensor { 1.0, 10.0 })
    assert.same({ m, 2, { 3, 30 }, nil, 2, { 1, 10 } }, { seen[1], seen[2], seen[3], seen[4], seen[5], seen[6] })
    assert.same({ 3, 30 }, x.grad:totable())
  end)

  it("may replace the gradient by an input", function()
    local m = Scale(3)
    m:register_full_backward_hook(function(_, gi) return { gi[1] * 2 } end)
    local x = leaf()
    m(x):sum():backward()
    assert.same({ 6, 6 }, x.grad:totable())
    local bad = Scale(1)
    bad:register_full_backward_hook(function() return 3 end)
    fails(function() bad(leaf()):sum():backward() end, "hook must give nothing or a list of 1 gradients")
  end)

  it("of outputs may replace them before", function()
    local m, order = Scale(3), {}
    m:register_full_backward_pre_hook(function(_, go)
      order[1] = go[1]:totable()
      return { go[1] * 10 }
    end)
    m:register_full_backward_hook(function(_, gi, go) order[2] = { gi[1]:totable(), go[1]:totable() } end)
    local x = leaf()
    m(x):sum():backward()
    assert.same({ { 1, 1 }, { { 30, 30 }, { 10, 10 } } }, order)
    assert.same({ 30, 30 }, x.grad:totable())
  end)

  it("runs where only parameters need gradients, and has none to replace", function()
    local m, seen = nn.Linear(2, 1), nil
    local handle = m:register_full_backward_hook(function(_, gi, go) seen = { gi[1], go[1]:totable() } end)
    m(cr.ones(1, 2)):sum():backward()
    assert.same({ nil, { { 1 } } }, { seen[1], seen[2] })
    handle:remove()
    seen = nil
    m(cr.ones(1, 2)):sum():backward()
    assert.is_nil(seen)
    m:register_full_backward_hook(function() return { cr.ones(1, 2) } end)
    fails(function() m(cr.ones(1, 2)):sum():backward() end, "no input requires a gradient")
  end)

  it("does not run without a graph", function()
    local m, count = Scale(1), 0
    m:register_full_backward_hook(function() count = count + 1 end)
    cr.no_grad(function() return m(leaf()) end)
    m(cr.ones(2))
    assert.equal(0, count)
  end)
end)
