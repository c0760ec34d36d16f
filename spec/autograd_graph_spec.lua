-- autograd_graph_spec.lua: how long a graph lives, and what happens after it is freed.

local cr = require "cresset"
local values = require "spec.support.values"
local shell = require "spec.support.shell"
local leaf, plain, fails = values.leaf, values.plain, values.assert_fails
local is_values = values.assert_values

local function objects()
  collectgarbage()
  collectgarbage()
  return cr.memory.stats().objects
end

describe("a second backward over the same graph", function()
  it("is refused if saved tensors were freed, and the error recommends retain_graph", function()
    local x = leaf { 2 }
    local y = x * x
    y:backward()
    fails(function() y:backward() end, "second time", "retain_graph")
  end)

  it("is accepted if nothing visited had saved a tensor", function()
    local x = leaf { 2 }
    local y = x + 1
    y:backward()
    y:backward()
    is_values(x.grad, { 2 })
  end)

  it("is accepted with retain_graph", function()
    local x = leaf { 2 }
    local y = x * x
    y:backward { retain_graph = true }
    y:backward()
    is_values(x.grad, { 8 })
  end)

  it("is accepted with create_graph, which retains it by default", function()
    local x = leaf { 2 }
    local y = x * x
    cr.grad(y, x, { create_graph = true })
    is_values(cr.grad(y, x), { 4 })
  end)

  it("is refused where create_graph is told not to retain it", function()
    local x = leaf { 2 }
    local y = x * x
    cr.grad(y, x, { create_graph = true, retain_graph = false })
    fails(function() return cr.grad(y, x) end, "second time")
  end)

  it("is refused for a part shared by two losses", function()
    local x = leaf { 2 }
    local shared = x * x
    local a, b = shared * 2, shared * 3
    a:backward()
    fails(function() b:backward() end, "second time")
  end)

  it("leaves untouched branches alone: only what ran is freed", function()
    local x, z = leaf { 2 }, leaf { 3 }
    local a, b = x * x, z * z
    cr.grad(a + b, x, { retain_graph = false })
    is_values(cr.grad(b, z), { 6 })
  end)
end)

describe("saved tensors", function()
  it("cannot be read after they were freed", function()
    local x = leaf { 2 }
    local y = x:exp()
    local node = y.grad_fn
    y:backward()
    fails(function() return node.saved_out end, "second time")
  end)

  it("that are outputs do not keep their own node alive", function()
    local before = objects()
    do
      local y = leaf({ 2 }):exp():tanh()
      assert.is_true(y.requires_grad)
    end
    assert.equal(before, objects())
  end)

  it("are given back once backward has used them", function()
    local x = cr.ones({ 1000 }, { requires_grad = true })
    local y = (x:exp() * x:exp()):sum()
    collectgarbage()
    local before = cr.memory.stats().allocated
    y:backward()
    x.grad = nil
    collectgarbage()
    assert(cr.memory.stats().allocated <= before - 8000, "saved memory was kept")
  end)
end)

describe("create_graph", function()
  it("gives derivatives of every order", function()
    local x = leaf(2)
    local y = x ^ 3
    local d1 = cr.grad(y, x, { create_graph = true })
    local d2 = cr.grad(d1, x, { create_graph = true })
    local d3 = cr.grad(d2, x, { create_graph = true })
    is_values(d1:detach(), 12)
    is_values(d2:detach(), 12)
    is_values(d3:detach(), 6)
    assert.not_nil(d1.grad_fn)
  end)

  it("without it gives gradients outside every graph", function()
    local x = leaf(2)
    local d = cr.grad(x * x, x)
    assert.is_false(d.requires_grad)
    assert.is_nil(d.grad_fn)
  end)

  it("in backward warns of the reference cycle that it makes, once in a process; in grad never", function()
    local text = shell.cresset([[-e '
      local n = 0
      cr.set_warning_handler(function(sentence) n = n + 1 print(sentence) end)
      local x = cr.tensor({ 2.0 }, { requires_grad = true })
      cr.grad(x * x, x, { create_graph = true })
      print("after grad " .. n)
      for _ = 1, 3 do (x * x):backward { create_graph = true } end
      print("after backward " .. n)']])
    assert.truthy(text:find("after grad 0", 1, true), text)
    assert.truthy(text:find("after backward 1", 1, true), text)
    assert.truthy(text:find("cr.grad", 1, true), text)
  end)
end)

describe("holding a loss", function()
  it("keeps its whole graph", function()
    local x = leaf { 1, 2 }
    local total = plain(0)
    local before = objects()
    for _ = 1, 5 do total = total + (x * x):sum() end
    local grown = objects() - before
    assert(grown >= 10, "the graphs of five losses take " .. grown .. " objects")
    total = total:detach()
    assert(objects() - before <= 2)
    is_values(total, 25)
  end)
end)
