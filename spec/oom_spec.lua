-- oom_spec.lua: every allocation of every operation fails once.
--
-- For each sample of the catalogue the result, its gradient and its gradient's gradient are computed
-- with the first allocation failing, then with the second, and so on until none fails. Every failure
-- must be an error that says "out of memory", and at the end nothing may have been left behind.

local cr = require "cresset"
local samples = require "spec.support.samples"

local function live()
  collectgarbage()
  collectgarbage()
  local stats = cr.memory.stats()
  return stats.objects, stats.allocated
end

-- The sum of the squares of the differentiable results: its second derivative is not zero.
local function loss_of(results)
  local loss
  for i = 1, #results do
    local r = results[i]
    if type(r) == "userdata" and r.requires_grad then
      local part = (r * r):sum()
      loss = loss and loss + part or part
    end
  end
  return loss
end

-- Forward, gradient, gradient's gradient.
local function work(e, args, inputs)
  local loss = loss_of(samples.call(e, args))
  if not loss or #inputs == 0 then return end
  local first = table.pack(cr.grad(loss, inputs, { create_graph = true, allow_unused = true }))
  local again = not samples.is_once(e) and loss_of(first)
  if again then cr.grad(again, inputs, { allow_unused = true }) end
end

local function prepare(e, args)
  local inputs = {}
  local mine = samples.map_inputs(e, args, function(t)
    inputs[#inputs + 1] = t:clone():requires_grad_()
    return inputs[#inputs]
  end)
  return mine, inputs
end

-- Fails allocation 1, 2, 3 ... until the work is done; returns how many there are, or a problem.
local function fail_each(e, args, inputs)
  local n = 0
  while true do
    n = n + 1
    cr.debug.fail_alloc(n)
    local ok, message = pcall(work, e, args, inputs)
    local happened = cr.debug.fail_left() <= 0
    cr.debug.fail_alloc(0)
    if ok and not happened then return n end
    if ok then return n, ("allocation %d failed and nobody said so"):format(n) end
    if not tostring(message):find("out of memory", 1, true) then
      return n, ("allocation %d: %s"):format(n, message)
    end
  end
end

describe("each failing allocation is reported and leaves nothing behind in", function()
  after_each(function() cr.debug.fail_alloc(0) end)

  for _, e in ipairs(samples.public()) do
    it(e.name, function()
      for k, sample in ipairs(samples.of(e)) do
        local args, inputs = prepare(e, sample)
        pcall(work, e, args, inputs) -- once without failures: fills lazy tables
        local objects, bytes = live()
        local _, problem = fail_each(e, args, inputs)
        if problem then error(("sample %d: %s"):format(k, problem), 0) end
        local left, left_bytes = live()
        if left ~= objects or left_bytes ~= bytes then
          error(("sample %d leaves %d objects and %d bytes behind"):format(k, left - objects, left_bytes - bytes), 0)
        end
      end
    end)
  end
end)

local function scenario(name, f)
  it(name, function()
    f()
    local objects, bytes = live()
    local n = 0
    while true do
      n = n + 1
      cr.debug.fail_alloc(n)
      local ok, message = pcall(f)
      local happened = cr.debug.fail_left() <= 0
      cr.debug.fail_alloc(0)
      if ok and not happened then break end
      assert(not ok, "allocation " .. n .. " failed and nobody said so")
      assert(tostring(message):find("out of memory", 1, true), message)
    end
    local left, left_bytes = live()
    assert.same({ objects, bytes }, { left, left_bytes })
  end)
end

describe("the same holds for", function()
  after_each(function() cr.debug.fail_alloc(0) end)

  local function leaf(v) return cr.tensor(v, { dtype = "float64", requires_grad = true }) end

  scenario("tables in and out", function()
    local x = cr.tensor { { 1.5, 2.5 }, { 3.5, 4.5 } }
    return x:totable(), tostring(x)
  end)

  scenario("indexing, read and written", function()
    local x = leaf { { 1, 2, 3 }, { 4, 5, 6 } } * 1
    assert(#{ x[{ 1, { 2, 3 } }], x[cr.tensor { 2, 1 }], x[x:gt(2)] } == 3)
    x[{ {}, 1 }] = 5
    x[cr.tensor { 2 }] = leaf { 7, 8, 9 }
    x:sum():backward()
  end)

  scenario("backward into leaves, twice", function()
    local x, y = leaf { 1, 2 }, leaf { 3, 4 }
    local z = ((x * y):exp() + x):sum()
    z:backward { retain_graph = true }
    z:backward()
  end)

  scenario("writes in place to views", function()
    local x = leaf { 1, 2, 3 }
    local y = x * 1
    y[2]:mul_(x[1])
    y[{ { 1, 2 } }]:add_(1)
    y:sum():backward()
  end)

  scenario("custom Functions", function()
    local F = cr.Function {
      name = "Square",
      forward = function(ctx, x)
        ctx:save_for_backward(x)
        return x * x
      end,
      backward = function(ctx, g) return ctx:saved_tensors() * 2 * g end,
    }
    local x = leaf { 1, 2 }
    local g = cr.grad(F(x):sum(), x, { create_graph = true })
    cr.grad(g:sum(), x)
  end)

  scenario("hooks and retained gradients", function()
    local x = leaf { 1, 2 }
    local y = x * 2
    y:retain_grad()
    y:register_hook(function(g) return g * 3 end)
    x:register_post_accumulate_grad_hook(function() end)
    y.grad_fn:register_prehook(function() end)
    y:sum():backward()
  end)

  scenario("saved-tensor hooks and checkpoints", function()
    local x = leaf { 1, 2 }
    cr.checkpoint(function(t) return (t * t):sum() end, x, { use_reentrant = false }):backward()
    local _ <close> = cr.saved_tensors_hooks(function(t) return t end, function(t) return t end);
    (x * x):sum():backward()
  end)

  scenario("anomaly mode", function()
    cr.detect_anomaly(function()
      local x = leaf { 1, 2 };
      (x:exp() * x):sum():backward()
    end)
  end)
end)
