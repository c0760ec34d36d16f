-- autograd_hooks_spec.lua: functions that run while gradients flow.

local cr = require "cresset"
local values = require "spec.support.values"
local leaf, plain, fails = values.leaf, values.plain, values.assert_fails
local is_values = values.assert_values

describe("a tensor hook", function()
  it("sees the gradient, keeps it by returning nil, replaces it by returning a tensor", function()
    local x = leaf { 1, 2 }
    local seen
    x:register_hook(function(g) seen = g:clone() end)
    x:register_hook(function(g) return g * 10 end);
    (x * 3):sum():backward()
    is_values(seen, { 3, 3 })
    is_values(x.grad, { 30, 30 })
  end)

  it("runs in the order of registration", function()
    local x = leaf { 1 }
    local order = {}
    for i = 1, 3 do
      x:register_hook(function() order[#order + 1] = i end)
    end;
    (x * 1):backward()
    assert.same({ 1, 2, 3 }, order)
  end)

  it("fires once, on the sum of all contributions", function()
    local x = leaf { 1 }
    local y = x * 2
    local seen = {}
    y:register_hook(function(g) seen[#seen + 1] = g:item() end);
    (y * 3 + y * 4):backward()
    assert.same({ 7 }, seen)
  end)

  it("may not change the shape of the gradient", function()
    local x = leaf { 1, 2 }
    x:register_hook(function() return plain { 1, 2, 3 } end)
    fails(function() (x * 2):sum():backward() end, "hook", "shape", "2", "3")
  end)

  it("may return nothing but a tensor or nil", function()
    local x = leaf { 1, 2 }
    x:register_hook(function() return 5 end)
    fails(function() (x * 2):sum():backward() end, "hook", "tensor", "number")
  end)

  it("can be removed, also twice, also while it runs", function()
    local x = leaf { 1 }
    local count = 0
    local handle
    handle = x:register_hook(function()
      count = count + 1
      handle:remove()
    end);
    (x * 1):backward();
    (x * 1):backward()
    handle:remove()
    assert.equal(1, count)
  end)

  it("that adds another does not make it run in the same pass", function()
    local x = leaf { 1 }
    local runs = 0
    local function hook()
      runs = runs + 1
      x:register_hook(hook)
    end
    x:register_hook(hook);
    (x * 1):backward()
    assert.equal(1, runs);
    (x * 1):backward()
    assert.equal(3, runs)
  end)

  it("may remove any of its sisters while it runs, and those do not run", function()
    for first = 1, 4 do
      for second = 1, 4 do
        local x = leaf { 1 }
        local handles, order = {}, {}
        for i = 1, 4 do
          handles[i] = x:register_hook(function()
            order[#order + 1] = i
            if i == 2 then
              handles[first]:remove()
              handles[second]:remove()
            end
          end)
        end;
        (x * 1):backward()
        local want = {}
        for i = 1, 4 do
          if i <= 2 or (i ~= first and i ~= second) then want[#want + 1] = i end
        end
        assert.same(want, order)
      end
    end
  end)

  it("may remove itself in a pass inside the pass", function()
    local x = leaf { 1 }
    local order = {}
    local inner
    inner = x:register_hook(function()
      order[#order + 1] = "first"
      inner:remove()
      cr.enable_grad(function() (x * 2):backward() end)
    end)
    x:register_hook(function() order[#order + 1] = "second" end);
    (x * 1):backward()
    assert.same({ "first", "second", "second" }, order)
  end)

  it("leaves nothing behind when it is removed", function()
    local x = leaf { 1 }
    local function objects()
      collectgarbage()
      collectgarbage()
      return cr.memory.stats().objects
    end
    x:register_hook(function() end):remove()
    local before = objects()
    for _ = 1, 100 do x:register_hook(function() end):remove() end
    do
      local y = x * 1
      for _ = 1, 100 do y:register_hook(function() end):remove() end
    end
    assert.equal(before, objects())
  end)

  it("may write to its gradient unless another part of the graph reads it", function()
    local x = leaf { 1, 2 }
    local a = x * 1
    a:register_hook(function(g) g:mul_(3) end);
    (a * 2):sum():backward()
    is_values(x.grad, { 6, 6 })
    local b, c = x * 1, x * 1
    b:register_hook(function(g) g:mul_(3) end)
    local sum = b + c
    fails(function() sum:backward(cr.ones_like(sum:detach())) end, "hook", "in place", "return")
  end)

  it("needs a tensor that requires grad", function()
    fails(function() plain({ 1 }):register_hook(function() end) end, "register_hook", "require")
  end)

  it("needs a function", function()
    fails(function() leaf({ 1 }):register_hook(5) end, "register_hook", "function")
  end)

  it("registered before a write in place stays with the old value", function()
    local x = leaf { 1 }
    local y = x * 2
    local seen = {}
    y:register_hook(function(g) seen[#seen + 1] = "before " .. g:item() end)
    y:mul_(10)
    y:register_hook(function(g) seen[#seen + 1] = "after " .. g:item() end)
    y:backward()
    assert.same({ "after 1.0", "before 10.0" }, seen)
  end)

  it("fires for tensors that grad captures", function()
    local x = leaf { 3 }
    local y = x * x
    y:register_hook(function(g) return g * 100 end)
    is_values(cr.grad(y * 1, y), { 100 })
    x:register_hook(function(g) return g * 2 end)
    is_values(cr.grad(x * 5, x), { 10 })
  end)
end)

describe("the hooks of one backward pass", function()
  it("run in order: tensor, node's pre, retained grad, node, node's post", function()
    local x = leaf { 1 }
    local y = x * 2
    local order = {}
    y.grad_fn:register_hook(function() order[#order + 1] = "post" end)
    y.grad_fn:register_prehook(function() order[#order + 1] = "pre" end)
    y:register_hook(function() order[#order + 1] = "tensor" end)
    x:register_hook(function() order[#order + 1] = "leaf" end)
    x:register_post_accumulate_grad_hook(function() order[#order + 1] = "accumulated" end);
    (y * 1):backward()
    assert.same({ "tensor", "pre", "post", "leaf", "accumulated" }, order)
  end)

  it("store a retained grad after the tensor hooks have changed it", function()
    local x = leaf { 1 }
    local y = x * 2
    y:retain_grad()
    y:register_hook(function(g) return g * 7 end);
    (y * 1):backward()
    is_values(y.grad, { 7 })
  end)
end)

describe("a post-accumulate hook", function()
  it("runs after grad was added to, with the leaf", function()
    local x = leaf { 1 }
    local seen
    x:register_post_accumulate_grad_hook(function(t)
      seen = t.grad:item()
      t.grad = nil
    end);
    (x * 4):backward()
    assert.equal(4, seen)
    assert.is_nil(x.grad)
  end)

  it("is for leaves only", function()
    local y = leaf { 1 } * 2
    fails(function() y:register_post_accumulate_grad_hook(function() end) end, "leaves")
  end)

  it("must return nil", function()
    local x = leaf { 1 }
    x:register_post_accumulate_grad_hook(function() return x.grad end)
    fails(function() (x * 4):backward() end, "hook", "nil")
  end)
end)

describe("a hook on several tensors", function()
  it("runs once when all have their gradients", function()
    local x, y = leaf { 1 }, leaf { 2 }
    local calls = {}
    cr.register_multi_grad_hook({ x, y }, function(grads) calls[#calls + 1] = grads end);
    (x * 3 + y * 4):backward()
    assert.equal(1, #calls)
    is_values(calls[1][1], { 3 })
    is_values(calls[1][2], { 4 })
  end)

  it("runs on the first of them in the mode `any`", function()
    local x, y = leaf { 1 }, leaf { 2 }
    local calls = 0
    cr.register_multi_grad_hook({ x, y }, function() calls = calls + 1 end, "any");
    (x * 3 + y * 4):backward()
    assert.equal(1, calls)
  end)

  it("can be removed", function()
    local x, y = leaf { 1 }, leaf { 2 }
    local calls = 0
    local handle = cr.register_multi_grad_hook({ x, y }, function() calls = calls + 1 end)
    handle:remove();
    (x * 3 + y * 4):backward()
    assert.equal(0, calls)
  end)
end)

describe("a node hook", function()
  it("sees the gradients of the node's inputs and outputs, and may replace the former", function()
    local x, w = leaf { 2 }, leaf { 5 }
    local y = x * w
    local seen_out
    y.grad_fn:register_hook(function(inputs, outputs)
      seen_out = outputs[1]:item()
      return { inputs[1] * 10, inputs[2] }
    end);
    (y * 3):backward()
    assert.equal(3, seen_out)
    is_values(x.grad, { 150 })
    is_values(w.grad, { 6 })
  end)

  it("before the node sees and may replace the gradients of its outputs", function()
    local x = leaf { 2 }
    local y = x * 3
    y.grad_fn:register_prehook(function(outputs) return { outputs[1] * 2 } end)
    y:backward()
    is_values(x.grad, { 6 })
  end)

  it("can be removed", function()
    local y = leaf { 2 } * 3
    local calls = 0
    local handle = y.grad_fn:register_hook(function() calls = calls + 1 end)
    handle:remove()
    y:backward()
    assert.equal(0, calls)
  end)
end)

describe("a queued callback", function()
  it("runs at the end of the backward pass, once", function()
    local x = leaf { 2 }
    local seen = {}
    x:register_hook(function()
      cr.queue_callback(function() seen[#seen + 1] = x.grad:item() end)
    end);
    (x * 3):backward()
    assert.same({ 3 }, seen)
  end)

  it("can only be queued during a backward pass", function()
    fails(function() cr.queue_callback(function() end) end, "backward")
  end)
end)

describe("a backward pass that fails", function()
  local function failing(x, hook)
    x:register_post_accumulate_grad_hook(hook)
    local ok = pcall(function() (x * 3):sum():backward() end)
    assert.is_false(ok)
  end

  it("leaves no gradient that it has brought", function()
    local x = leaf { 2 }
    failing(x, function() error "stop" end)
    assert.is_nil(x.grad)
  end)

  it("leaves a gradient that a hook has put in the place of its own", function()
    local x, own = leaf { 2 }, plain { 7 }
    failing(x, function()
      x.grad = own
      error "stop"
    end)
    assert.equal(own, x.grad)
  end)

  it("leaves it also where it lies in the memory of the one that was dropped", function()
    local x = leaf { 2 }
    failing(x, function()
      x.grad = nil
      x.grad = plain { 7 }
      error "stop"
    end)
    is_values(x.grad, { 7 })
  end)
end)

describe("a write whose saving is refused after a hook has changed the header", function()
  for _, name in ipairs { "exp_", "sqrt_", "tanh_" } do
    it("puts the elements back: " .. name, function()
      local x = leaf { 1, 2, 3 } * 1
      local function pack()
        cr.no_grad(function() x:unsqueeze_(1) end)
        error "no"
      end
      local ok = pcall(cr.saved_tensors_hooks, pack, function(v) return v end, function() x[name](x) end)
      assert.is_false(ok)
      is_values(x:detach():flatten(), { 1, 2, 3 })
    end)
  end

  it("puts back the rows of a list, too", function()
    local a, b = leaf { 1, 2 } * 1, leaf { 3, 4 } * 1
    local calls = 0
    local function pack(t)
      calls = calls + 1
      if calls < 2 then return t end
      cr.no_grad(function() a:unsqueeze_(1) end)
      error "no"
    end
    local ok = pcall(cr.saved_tensors_hooks, pack, function(v) return v end, function() cr.foreach.exp_ { a, b } end)
    assert.is_false(ok)
    is_values(a:detach():flatten(), { 1, 2 })
    is_values(b, { 3, 4 })
  end)
end)
