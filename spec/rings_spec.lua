-- rings_spec.lua: closures that the graph calls and that use the graph: Lua's collector frees such rings, and
-- never frees what may still be called.

local cr = require "cresset"
local shell = require "spec.support.shell"
local values = require "spec.support.values"
local leaf, plain, is_values = values.leaf, values.plain, values.assert_values

local function collect()
  for _ = 1, 3 do collectgarbage() end
end

local function held()
  collect()
  return cr.memory.stats().objects
end

-- Steps that make a ring each and drop it.
local rings = {
  ["a leaf's hook that uses the leaf"] = function()
    local w = leaf { 1, 2 }
    w:register_hook(function(g) return g + w:detach() * 0 end)
    w:sum():backward()
  end,
  ["a leaf's hook that uses the leaf, without backward"] = function()
    local w = leaf { 1, 2 }
    w:register_hook(function() return w end)
  end,
  ["a post-accumulate hook that uses the leaf"] = function()
    local w = leaf { 1, 2 }
    w:register_post_accumulate_grad_hook(function() w.grad = nil end)
    w:sum():backward()
  end,
  ["a result's hook that uses the result"] = function()
    local y = leaf { 1, 2 } * 2
    y:register_hook(function(g) return g + y:detach() * 0 end)
    y:sum():backward()
  end,
  ["a result's hook that uses the result, without backward"] = function()
    local y = leaf { 1, 2 } * 2
    y:register_hook(function() return y end)
    return y:sum()
  end,
  ["a view's hook that uses the view"] = function()
    local v = leaf({ 1, 2 }):view(2, 1)
    v:register_hook(function() v:size() end)
    v:sum():backward()
  end,
  ["a node's hook that uses the result"] = function()
    local y = leaf { 1, 2 } * 2
    y.grad_fn:register_hook(function() y:size() end)
    y:sum():backward()
  end,
  ["a node's hook that uses the node"] = function()
    local y = leaf { 1, 2 } * 2
    local node = y.grad_fn
    node:register_prehook(function() node:name() end)
    y:sum():backward()
  end,
  ["a node's hook that uses the node and the result"] = function()
    local y = leaf { 1, 2 } * 2
    local node
    y:register_hook(function() y:size(node) end)
    node = y.grad_fn
    node:register_hook(function() y:size(node:name()) end)
  end,
  ["a hook that uses its own handle"] = function()
    local w = leaf { 1, 2 }
    local handle
    handle = w:register_hook(function()
      handle:remove()
      w:size()
    end)
    w:sum():backward()
  end,
  ["a hook that reaches its leaf through a table"] = function()
    local state = { w = leaf { 1, 2 } }
    state.w:register_hook(function(g) state.last = g end)
    state.w:sum():backward()
  end,
  ["a hook that reaches its leaf through a coroutine"] = function()
    local w = leaf { 1, 2 }
    local resume = coroutine.wrap(function()
      while true do coroutine.yield(w) end
    end)
    w:register_hook(function() resume() end)
    w:sum():backward()
  end,
  ["hooks of two leaves that use each other"] = function()
    local a, b = leaf { 1, 2 }, leaf { 3, 4 }
    a:register_hook(function() b:size() end)
    b:register_hook(function() a:size() end);
    (a * b):sum():backward()
  end,
  ["a hook on several tensors that uses them"] = function()
    local a, b = leaf { 1, 2 }, leaf { 3, 4 }
    cr.register_multi_grad_hook({ a, b }, function() a:shares_storage(b) end);
    (a * b):sum():backward()
  end,
  ["a hook that keeps the gradient of its leaf"] = function()
    local w = leaf { 1, 2 }
    local grad
    w:register_hook(function() return grad end)
    w:sum():backward()
    grad = w.grad
  end,
  ["saved-tensor hooks whose handle uses the result"] = function()
    local y
    local _ <close> = cr.saved_tensors_hooks(function(t) return { t, function() return y end } end,
      function(h) return h[1] end)
    y = leaf({ 1, 2 }):exp()
    y:sum():backward()
  end,
  ["saved-tensor hooks whose handle uses the result of a Function, without backward"] = function()
    local y
    local F = cr.Function {
      forward = function(ctx, x)
        ctx:save_for_backward(x)
        return x * 2
      end,
      backward = function(_, g) return g * 2 end,
    }
    local _ <close> = cr.saved_tensors_hooks(function(t) return { t, function() return y end } end,
      function(h) return h[1] end)
    y = F(leaf { 1, 2 })
  end,
  ["saved-tensor hooks that use the result of a Function, without backward"] = function()
    local y
    local F = cr.Function {
      forward = function(ctx, x)
        ctx:save_for_backward(x, x * 2)
        return x * 2
      end,
      backward = function(_, g) return g * 2 end,
    }
    local function pack(t) return y and 1 or t end
    local function unpack(h) return y and h end
    do
      local _ <close> = cr.saved_tensors_hooks(pack, unpack)
      y = F(leaf { 1, 2 })
    end
  end,
  ["a context that keeps its result in a table"] = function()
    local F = cr.Function {
      forward = function(ctx, x)
        local y = x * 2
        ctx.kept = { y }
        return y
      end,
      backward = function(_, g) return g * 2 end,
    }
    F(leaf { 1, 2 }):sum():backward()
  end,
  ["a context that keeps its result in a closure, without backward"] = function()
    local y
    local F = cr.Function {
      forward = function(ctx, x)
        ctx.result = function() return y end
        return x * 2
      end,
      backward = function(_, g) return g * 2 end,
    }
    y = F(leaf { 1, 2 })
  end,
  ["a result's hook that uses the result, which is written then"] = function()
    local y = leaf { 1, 2 } * 2
    y:register_hook(function() y:size() end)
    y:mul_(3)
  end,
  ["a hook that was there before a write, and one from after it"] = function()
    local y = leaf { 1, 2 } * 2
    y:register_hook(function() y:size() end)
    y:mul_(3)
    y:register_hook(function() y:size() end)
    y:add_(1):exp_()
    y:sum():backward()
  end,
  ["a hook on what is multiplied by itself"] = function()
    local y = leaf { 1, 2 } * 2
    y:register_hook(function() y:size() end)
    y:mul_(y)
  end,
  ["a hook on a node that was left behind by writes"] = function()
    local y = leaf { 1, 2 } * 2
    local node = y.grad_fn
    node:register_hook(function() y:size(node:name()) end)
    y:mul_(3):mul_(3)
  end,
  ["a hook on the base of a view that is written"] = function()
    local y = leaf { 1, 2 } * 2
    y:register_hook(function() y:size() end)
    y[1]:mul_(3)
    y[2] = 5
    y:sum():backward()
  end,
  ["a hook on a tensor of a list that is written"] = function()
    local y = leaf { 1, 2 } * 2
    y:register_hook(function() y:size() end)
    cr.foreach.mul_({ y, leaf { 1 } * 1 }, 3)
  end,
  ["a hook on a tensor whose header is written"] = function()
    local y = leaf { 1, 2 } * 2
    y:register_hook(function() y:size() end)
    y:unsqueeze_(1)
  end,
  ["a hook on a tensor that a Function writes"] = function()
    local F = cr.Function {
      forward = function(ctx, x)
        ctx:mark_dirty(x)
        return x:mul_(2)
      end,
      backward = function(_, g) return g * 2 end,
    }
    local y = leaf { 1, 2 } * 2
    y:register_hook(function() y:size() end)
    F(y)
  end,
  ["a Function whose backward uses the result of its call"] = function()
    local y
    local F = cr.Function {
      forward = function(_, x) return x * 2 end,
      backward = function(_, g) return g * y:detach() end,
    }
    y = F(leaf { 1, 2 })
  end,
}

local function in_each_mode(name, f)
  for _, mode in ipairs { "incremental", "generational" } do
    it(name .. " (" .. mode .. ")", function()
      local before = collectgarbage(mode)
      local ok, message = pcall(f)
      collectgarbage(before)
      if not ok then error(message, 0) end
    end)
  end
end

describe("the collector frees", function()
  for name, step in pairs(rings) do
    in_each_mode(name, function()
      for _ = 1, 3 do step() end
      local before = held()
      for _ = 1, 50 do step() end
      assert.equal(before, held())
    end)
  end

  it("the closures with the objects", function()
    local seen = setmetatable({}, { __mode = "k" })
    for _, step in pairs(rings) do
      local w = leaf { 1 }
      local function hook() step(w) end
      seen[hook] = true
      w:register_hook(hook)
    end
    collect()
    assert.is_nil(next(seen))
  end)

  -- In a process of its own: Lua's collector begins a cycle when the heap has doubled, so the larger what
  -- lives already (the suite's own values), the more garbage there is at most.
  it("rings while the program runs, so that memory does not grow", function()
    local most = shell.cresset("-", [[
      local cr = require "cresset"
      local most = 0
      for _ = 1, 20000 do
        local w = cr.ones({ 2 }, { requires_grad = true })
        w:register_hook(function(g) return g + w:detach() * 0 end)
        w:sum():backward()
        most = math.max(most, cr.memory.stats().objects)
      end
      print(most)]])
    assert.is_true((math.tointeger(most) or math.huge) < 4000, most .. " objects")
  end)

  it("rings in proportion to what lives, where that is much", function()
    collectgarbage()
    local heap = collectgarbage("count") * 1024
    local before, most = cr.memory.stats().objects, 0
    local made = math.ceil(heap / 100)
    for _ = 1, made do
      rings["a leaf's hook that uses the leaf, without backward"]()
      most = math.max(most, cr.memory.stats().objects - before)
    end
    assert.is_true(most < made / 2, ("%d objects of %d rings"):format(most, made))
  end)
end)

describe("a hook is kept, with all that it uses, by", function()
  -- Drops all but what make() returns.
  local function survives(name, make)
    in_each_mode(name, function()
      local result, check = make()
      for _ = 1, 4 do
        collect()
        for _ = 1, 100 do leaf { 1 } end
      end
      result:backward()
      check()
    end)
  end

  survives("a later result", function()
    local x, factor = leaf { 1, 2 }, plain { 3, 3 }
    local y = x * 1
    y:register_hook(function(g) return g * factor + y:detach() * 0 end)
    return (y * 2):sum(), function() is_values(x.grad, { 6, 6 }) end
  end)

  survives("the graph behind a leaf", function()
    local seen = {}
    local w, factor = leaf { 1, 2 }, plain { 3, 3 }
    w:register_hook(function(g) seen[1] = g * factor + w:detach() * 0 end)
    w:register_post_accumulate_grad_hook(function(t) seen[2] = t.grad + factor end)
    return (w * 2):sum(), function()
      is_values(seen[1], { 6, 6 })
      is_values(seen[2], { 5, 5 })
    end
  end)

  survives("a view of the leaf", function()
    local seen
    local w = leaf { 1, 2 }
    w:register_hook(function(g) seen = g + w:detach() end)
    return w:view(2, 1)[1][1], function() is_values(seen, { 2, 2 }) end
  end)

  survives("a node that another result leads to", function()
    local seen
    local factor = plain { 5, 5 }
    local x = leaf { 1, 2 }
    local y = x * 2
    y.grad_fn:register_hook(function(inputs) seen = inputs[1] * factor + y:detach() * 0 end)
    return y:sum(), function() is_values(seen, { 10, 10 }) end
  end)

  survives("a write in place to its tensor", function()
    local seen
    local x = leaf { 1, 2 }
    local y = x * 2
    y:register_hook(function(g) seen = g + y:detach() * 0 end)
    y:mul_(3)
    return y:sum(), function() is_values(seen, { 3, 3 }) end
  end)

  it("what hooks on saving have packed for a Function, until it is used", function()
    local F = cr.Function {
      forward = function(ctx, x)
        ctx:save_for_backward(x)
        return x * x
      end,
      backward = function(ctx, g) return g * ctx:saved_tensors() * 2 end,
    }
    local x, factor = leaf { 1, 2 }, plain { 3, 3 }
    local y, z
    do
      local _ <close> = cr.saved_tensors_hooks(function(t) return { t * factor, factor, y } end,
        function(h) return h[1] / h[2] end)
      y = F(x)
      z = y:sum()
    end
    y, factor = nil, nil
    for _ = 1, 4 do
      collect()
      for _ = 1, 100 do leaf { 1 } end
    end
    z:backward()
    is_values(x.grad, { 2, 4 })
  end)

  survives("each of several writes in place, when only a later result is left", function()
    local seen = {}
    local x, factor = leaf { 1, 2 }, plain { 3, 3 }
    local y = x * 2
    for i = 1, 3 do
      y:register_hook(function(g) seen[i] = g * factor + y:detach() * 0 end)
      y:mul_(2)
    end
    return y:sum(), function()
      is_values(seen[1], { 24, 24 })
      is_values(seen[2], { 12, 12 })
      is_values(seen[3], { 6, 6 })
    end
  end)

  survives("what was made of it before a write", function()
    local seen
    local x, factor = leaf { 1, 2 }, plain { 3, 3 }
    local y = x * 2
    local z = (y + 0):sum()
    y:register_hook(function(g) seen = g * factor + y:detach() * 0 end)
    y:mul_(2)
    return z, function() is_values(seen, { 3, 3 }) end
  end)

  survives("a node from before a write", function()
    local seen
    local x, factor = leaf { 1, 2 }, plain { 3, 3 }
    local y = x * 2
    local node = y.grad_fn
    y:register_hook(function(g) seen = g * factor + y:detach() * 0 end)
    y:mul_(2)
    local z = y:sum()
    return z, function()
      is_values(seen, { 6, 6 })
      assert.truthy(node:name())
    end
  end)

  survives("the base of a view that was written", function()
    local seen
    local x, factor = leaf { 1, 2 }, plain { 3, 3 }
    local y = x * 2
    y:register_hook(function(g) seen = g * factor + y:detach() * 0 end)
    y[1]:mul_(2)
    return y:sum(), function() is_values(seen, { 6, 3 }) end
  end)

  survives("the node of a Function", function()
    local x, y = leaf { 1, 2 }, nil
    local factor = plain { 7, 7 }
    local F = cr.Function {
      forward = function(ctx, t)
        ctx.factor = function() return factor, y end
        return t * 2
      end,
      backward = function(ctx, g) return g * (ctx.factor()) end,
    }
    y = F(x)
    return y:sum(), function() is_values(x.grad, { 7, 7 }) end
  end)

  it("the node alone, when its tensor is gone", function()
    local seen = 0
    local function node()
      local y = leaf { 1, 2 } * 2
      local factor = plain { 2 }
      y:register_hook(function() seen = seen + factor:item() + y:numel() end)
      return y.grad_fn, y:sum()
    end
    local n, z = node()
    collect()
    z:backward()
    assert.equal(4, seen)
    assert.truthy(n:name())
  end)

  it("the gradient that a leaf owns", function()
    local x = leaf { 1 }
    do
      local g = leaf { 2 }
      local factor = plain { 5 }
      g:register_hook(function(h) return h * factor + g:detach() * 0 end)
      x.grad = g
    end
    collect();
    (x.grad * 1):backward()
    is_values(x.grad.grad, { 5 })
  end)
end)

describe("at random", function()
  local writes = {
    function(y) y:mul_(2) end,
    function(y) y[1]:mul_(2) end,
    function(y) y:narrow(1, 1, 1)[1]:mul_(2) end,
    function(y) y:unsqueeze_(1):squeeze_(1):mul_(2) end,
    function(y) cr.foreach.mul_({ y }, 2) end,
    function(y) y:mul_(y.grad_fn and 2) end,
  }

  -- A chain of results, some of them with hooks that use what was made before and after.
  local function chain(random)
    local x = leaf { 1 }
    local made, want, y = {}, 1, x
    for i = 1, random(6) do
      local factor = plain { random(3) }
      local by, own = random(3), nil
      y = y * by
      own = random(2) == 1 and y or nil
      want = want * by
      if random(2) == 1 then
        want = want * factor:item()
        y:register_hook(function(g)
          assert(not own or own:numel() == 1)
          assert(made[#made]:numel() == 1)
          return g * factor
        end)
      end
      for _ = 1, random(3) - 1 do
        want = want * 2
        writes[random(#writes)](y)
      end
      made[i] = y
    end
    return y, function() is_values(x.grad, { want }) end
  end

  in_each_mode("what is kept still works, and what is dropped goes", function()
    local state = 1
    local function random(n)
      state = (state * 1103515245 + 12345) % 2147483648
      return (state >> 8) % n + 1
    end
    local kept = {}
    for _ = 1, 300 do
      kept[random(8)] = { chain(random) }
      if random(10) == 1 then collectgarbage(random(2) == 1 and "collect" or "step") end
      local i = random(8)
      if kept[i] then
        kept[i][1]:backward()
        kept[i][2]()
        kept[i] = nil
      end
    end
  end)
end)

describe("a hook in a ring", function()
  it("may fail, and its ring is freed all the same", function()
    local function step()
      local w = leaf { 1 }
      w:register_hook(function() error(setmetatable({}, { __index = { w } })) end)
      assert.is_false(pcall(function() w:sum():backward() end))
    end
    step()
    local before = held()
    for _ = 1, 20 do step() end
    assert.equal(before, held())
  end)

  it("may close its own tensor", function()
    local w = leaf { 1 }
    local z = (w * 2):sum()
    w:register_hook(function() w:close() end)
    z:backward()
    collect()
    assert.is_false(pcall(function() return w.grad end))
  end)

  it("ends with its Lua state", function()
    local text = shell.cresset("-", [[
      local cr = require "cresset"
      local w = cr.ones({ 2 }, { requires_grad = true })
      w:register_hook(function() return w end)
      local y = w * 2
      y:register_hook(function() return y end)
      y.grad_fn:register_hook(function() y:size() end)
      local z = y:sum() z:backward()
      print "done"]])
    assert.equal("done\n", text)
  end)
end)

describe("one userdata stands for", function()
  it("a gradient, at each access", function()
    local x = leaf { 1 }
    x:sum():backward()
    local t = { [x.grad] = "seen" }
    assert.equal("seen", t[x.grad])
    collect()
    assert.equal("seen", t[x.grad])
    x:sum():backward()
    assert.equal("seen", t[x.grad])
    local g = plain { 5 }
    x.grad = g
    assert.is_true(rawequal(g, x.grad))
  end)

  it("the base of a view", function()
    local x = plain { 1, 2, 3, 4 }
    local v = x:view(2, 2)
    assert.is_true(rawequal(x, v.base))
    assert.is_true(rawequal(x, v[1].base))
    assert.is_true(rawequal(v.base, v.base))
  end)

  it("a leaf, wherever the graph hands it out", function()
    local w = leaf { 1, 2 }
    local y = w * w
    assert.is_true(rawequal(w, y.grad_fn.saved_self))
    assert.is_true(rawequal(w, y.grad_fn.next_functions[1][1].variable))
    local seen
    w:register_post_accumulate_grad_hook(function(t) seen = t end)
    y:sum():backward()
    assert.is_true(rawequal(w, seen))
  end)

  it("a saved leaf in a context", function()
    local w, seen = leaf { 1, 2 }, nil
    local F = cr.Function {
      forward = function(ctx, x)
        ctx:save_for_backward(x)
        return x * 2
      end,
      backward = function(ctx, g)
        seen = ctx:saved_tensors()
        return g
      end,
    }
    F(w):sum():backward()
    assert.is_true(rawequal(w, seen))
  end)

  it("a node", function()
    local y = leaf { 1 } * 2
    local z = y + 1
    assert.is_true(rawequal(y.grad_fn, y.grad_fn))
    assert.is_true(rawequal(y.grad_fn, z.grad_fn.next_functions[1][1]))
  end)

  it("a gradient again after the one before was closed", function()
    local x = leaf { 1 }
    x:sum():backward()
    do local _ <close> = x.grad end
    is_values(x.grad, { 1 })
  end)
end)
