-- pressure_paths_spec.lua: each way into the engine runs out of memory at each allocation, with and without the
-- repetition after a collection: assignments, lists, steps of optimizers, views, hooks on saving, checkpoints,
-- conversions.

local cr = require "cresset"
local pressure = require "spec.support.pressure"
local values = require "spec.support.values"

local function tensor(list, dtype) return cr.tensor(list, { dtype = dtype or "float64", device = values.device }) end
local function leaf(list) return tensor(list):requires_grad_() end
local function matrix() return { { 0.25, 0.5, 0.75 }, { 1.25, 1.5, 1.75 } } end

local function works(name, make)
  it(name, function()
    pressure.withstands(make, pressure.alone, pressure.lasting, pressure.repeated, pressure.repeated_lasting)
  end)
end

-- write(y) in the middle of a graph, and under no_grad; stale: what the write has saved is written by it.
local function writes(name, write, stale)
  works(name, function()
    local x = leaf(matrix())
    local y = x * 1
    return { call = function() write(y) end, watched = { y }, leaves = not stale and { x } or {} }
  end)
  works(name .. " (nothing recorded)", function()
    local y = tensor(matrix())
    return { call = function() cr.no_grad(write, y) end, watched = { y } }
  end)
end

describe("out of memory, nothing is assigned:", function()
  after_each(function() cr.debug.fail_alloc(0) end)

  writes("a number", function(y) y[{ 1, 2 }] = 5 end)
  writes("a number in a row", function(y) y[2] = 5 end)
  writes("a row in a row", function(y) y[1] = y[2] end)
  writes("a table", function(y) y[1] = { 7, 8, 9 } end)
  writes("a result that requires grad", function(y) y[{ {}, 1 }] = leaf { 7, 8 } * 2 end)
  writes("a column of another dtype", function(y) y[{ {}, { 1, 2 } }] = tensor({ { 7, 8 }, { 9, 10 } }, "float32") end)
  writes("what overlaps it", function(y) y[{ {}, { 1, 2 } }] = y[{ {}, { 2, 3 } }] end)
  writes("at positions", function(y) y[tensor({ 2, 1 }, "int64")] = tensor { 7, 8, 9 } end)
  writes("at positions, after a range", function(y)
    y[{ { 1, 2 }, tensor({ 3, 1 }, "int64") }] = tensor { { 7, 8 }, { 9, 10 } }
  end)
  writes("where a mask says so", function(y) y[y:gt(1)] = 0 end)
  writes("numbers where a mask says so", function(y) y[y:gt(1)] = tensor { 7, 8, 9 } end)
end)

describe("out of memory, nothing is written to a view or its base:", function()
  after_each(function() cr.debug.fail_alloc(0) end)

  writes("by an operation", function(y) y:narrow(2, 1, 2):exp_() end)
  writes("by one that needs the other view", function(y) y:select(1, 1):mul_(y:select(1, 2)) end, true)
  writes("by one whose operand overlaps", function(y) y:narrow(2, 1, 2):add_(y:narrow(2, 2, 2)) end)
  writes("transposed", function(y) y:t():cumsum_(1) end)
  writes("of another dtype", function(y) y:copy_(tensor({ 1, 2, 3 }, "int32")) end)
  writes("to itself, backwards", function(y) y:copy_(y:flip(2)) end)
  writes("to its header", function(y) y:t_() end)
  writes("to its header, which grows", function(y) y:unsqueeze_(1) end)
end)

-- Lists whose rows depend on each other, so that the order of the rows counts.
describe("out of memory, all of a list is written, or nothing, by foreach:", function()
  after_each(function() cr.debug.fail_alloc(0) end)

  -- list_of(x) of a result x: what is written, and what else there is.
  local function lists(name, write, list_of, stale)
    for _, recorded in ipairs { true, false } do
      works(name .. (recorded and "" or " (nothing recorded)"), function()
        local x = recorded and leaf(matrix()) or tensor(matrix())
        local list, more = list_of(x * 1)
        return {
          call = function() write(list, more) end,
          watched = { more, table.unpack(list) }, leaves = recorded and not stale and { x } or {},
        }
      end)
    end
  end
  local function three(y) return { y * 1, y * 2, y * 3 }, y end
  local function views(y) return { y:select(1, 1), y:select(1, 2), y:narrow(1, 1, 1) }, y end

  for name, list_of in pairs { tensors = three, ["views of one"] = views } do
    lists("exp_, " .. name, function(l) cr.foreach.exp_(l) end, list_of, list_of == views)
    lists("add_ of a number, " .. name, function(l) cr.foreach.add_(l, 2) end, list_of)
    lists("fill_, " .. name, function(l) cr.foreach.fill_(l, 2) end, list_of)
    lists("zero_, " .. name, function(l) cr.foreach.zero_(l) end, list_of)
    lists("normal_, " .. name, function(l) cr.foreach.normal_(l) end, list_of)
    lists("cumsum_, " .. name, function(l) cr.foreach.cumsum_(l, 1) end, list_of)
    lists("unsqueeze_, " .. name, function(l) cr.foreach.unsqueeze_(l, 1) end,
      list_of == three and three or function(y) return { y:select(1, 1):clone(), y:select(1, 2):clone() }, y end)
  end
  lists("rows that read the ones before", function(l) cr.foreach.mul_(l, { l[3], l[1], l[2] }) end, three, true)
  lists("a tensor in several rows", function(l) cr.foreach.mul_({ l[1], l[1], l[2] }, { l[2], l[3], l[1] }) end, three,
    true)
  lists("copies of what overlaps", function(l) cr.foreach.copy_({ l[1], l[2] }, { l[2], l[1] }) end, views)
  lists("rows that were left out", function(l) cr.foreach.exp_ { l[1], false, l[2], l[3] } end, three)
  lists("a row that makes another one require grad", function(l, y)
    local plain = { l[1]:detach(), l[2]:detach() }
    cr.foreach.mul_(plain, { y, plain[1] })
    return plain
  end, three)

  -- A device finds such an error later.
  if values.device == "cpu" then
    it("also where a later row is wrong", function()
      local list = { tensor { 1, 2, 3 }, tensor { 4, 5, 6 } }
      local at = { tensor({ 1, 2 }, "int64"), tensor({ 1, 9 }, "int64") }
      local ok, message = pcall(cr.foreach.index_fill_, list, 1, at, 0)
      assert.is_false(ok)
      assert.truthy(message:find("tensor 2", 1, true))
      assert.same({ 1, 2, 3 }, list[1]:totable())
      assert.same({ 0, 0 }, { list[1]._version, list[2]._version })
    end)
  end
end)

describe("out of memory, no step is taken by", function()
  after_each(function() cr.debug.fail_alloc(0) end)

  local function state() return { tensor(matrix()), tensor(matrix()):t(), tensor { 1 }:expand(1):clone() } end
  local function step(name, lists, options)
    works(name, function()
      local all = {}
      for i = 1, lists do all[i] = state() end
      all[lists + 1] = options
      return {
        call = function() cr.foreach[name](table.unpack(all)) end,
        watched = pressure.tensors_in { table.unpack(all, 1, lists) },
      }
    end)
  end
  step("sgd_", 2, { lr = 0.5 })
  step("sgd_", 3, { lr = 0.5, momentum = 0.25, weight_decay = 0.1 })
  step("adam_", 4, { step = 3 })
  step("adam_", 5, { step = { 1, 2, 3 }, weight_decay = 0.1 })

  works("a loop of Lua over the list", function()
    local p = { tensor(matrix()), tensor { 1, 2 } }
    local g, m = { tensor(matrix()), tensor { 3, 4 } }, { tensor(matrix()), tensor { 5, 6 } }
    return { call = function() cr.no_grad(cr.foreach.lerp_, m, g, 0.25) end, watched = pressure.tensors_in { p, g, m } }
  end)
end)

describe("out of memory, a call is as if it had not been made:", function()
  after_each(function() cr.debug.fail_alloc(0) end)

  for _, reentrant in ipairs { false, true } do
    works("a checkpoint" .. (reentrant and ", reentrant" or ""), function()
      local x, w = leaf(matrix()), leaf(matrix())
      return {
        call = function()
          return cr.checkpoint(function(a, b) return ((a * b):exp() * (a / b)):dropout(0.5):tanh() end, x, w,
            { use_reentrant = reentrant })
        end,
        watched = { x, w }, leaves = not reentrant and { x, w } or {}, several = true,
      }
    end)
  end

  works("a Function", function()
    local x = leaf(matrix())
    local F = cr.Function {
      name = "Cube",
      forward = function(ctx, t)
        ctx:save_for_backward(t)
        return t * t * t
      end,
      backward = function(ctx, g) return ctx:saved_tensors():pow(2) * 3 * g end,
    }
    return { call = function() return F(x) end, watched = { x }, leaves = { x } }
  end)

  works("a write that hooks on saving see", function()
    local x = leaf(matrix())
    local y = x * 1
    return {
      call = function()
        local _ <close> = cr.saved_tensors_hooks(function(t) return t * 1 end, function(t) return t end)
        y:tanh_()
      end,
      watched = { y }, leaves = { x },
    }
  end)

  works("a table read and a table made", function()
    local x = tensor(matrix())
    return { call = function() return cr.tensor(x:totable(), { dtype = "float32", device = values.device }) end }
  end)

  works("a conversion, to another device and back", function()
    local x = leaf(matrix())
    return { call = function() return x:to("float32"):cpu():to("float16") end, watched = { x }, leaves = { x } }
  end)

  works("a copy from another device, transposed", function()
    local y = tensor(matrix()):t()
    local source = cr.tensor({ { 1, 2 }, { 3, 4 }, { 5, 6 } }, { dtype = "float32" }):t():clone():t()
    return { call = function() y:copy_(source) end, watched = { y } }
  end)

  works("a gradient", function()
    local x = leaf(matrix())
    local y = (x * x):exp() / x
    return {
      call = function() return cr.grad(y:sum(), x, { create_graph = true, retain_graph = true }) end,
      watched = { x, y }, leaves = { x },
    }
  end)
end)

describe("out of memory, backward leaves no gradient behind", function()
  after_each(function() cr.debug.fail_alloc(0) end)

  -- A leaf that had one may keep what has come so far.
  for _, way in ipairs { pressure.alone, pressure.lasting } do
    it("in leaves that had none, an allocation failing " .. way[1], function()
      local failures, ok = 0, false
      while not ok do
        local x, w, b = leaf(matrix()), leaf { 1, 2, 3 }, leaf { 4, 5, 6 }
        local y = (((x + b) * w):exp() + b):sum()
        cr.debug.fail_alloc(failures + 1, way[2])
        local done, message = pcall(y.backward, y, { retain_graph = true })
        cr.debug.fail_alloc(0)
        ok = done
        if not done then
          failures = failures + 1
          assert.truthy(message:find("out of memory", 1, true))
          assert.same({}, { x.grad, w.grad, b.grad })
          y:backward()
        end
        local fresh = { leaf(matrix()), leaf { 1, 2, 3 }, leaf { 4, 5, 6 } };
        (((fresh[1] + fresh[3]) * fresh[2]):exp() + fresh[3]):sum():backward()
        for i, t in ipairs { x, w, b } do assert.is_nil(values.tensors_differ(t.grad, fresh[i].grad, 0, 0)) end
      end
      assert.truthy(failures > 5)
    end)
  end

  it("in a leaf that had none, nor where a hook fails", function()
    local x, w = leaf { 1, 2 }, leaf { 3, 4 }
    local y = w * 1
    y:register_hook(function() error "no" end)
    assert.is_false(pcall(function() (x + y):sum():backward() end))
    assert.is_nil(x.grad)
    assert.is_nil(w.grad)
  end)
end)

-- The larger kernels, which need room of their own: none of it is taken once they have begun to write.
describe("out of memory, nothing is written by a kernel that needs room:", function()
  after_each(function() cr.debug.fail_alloc(0) end)

  local function large(rows, columns) return values.generate({ rows, columns }, -2, 2, "float32", 5) end
  local function twin(name, rows, columns, write)
    works(name, function()
      local y = large(rows, columns)
      return { call = function() write(y) end, watched = { y } }
    end)
  end
  twin("add_ of a transposed matrix", 130, 70, function(y) y:add_(large(70, 130):t()) end)
  twin("add_ of a part of itself", 130, 70, function(y) y:narrow(1, 1, 100):add_(y:narrow(1, 20, 100)) end)
  twin("copy_ of a transposed matrix", 130, 70, function(y) y:copy_(large(70, 130):t()) end)
  twin("cumsum_", 3, 3000, function(y) y:cumsum_(2) end)
  twin("logcumsumexp", 3, 3000, function(y) if y.logcumsumexp then y:copy_(y:logcumsumexp(2)) end end)
  twin("softmax written back", 3, 9000, function(y) y:copy_(y:softmax(2)) end)
  twin("index_add_", 40, 50, function(y)
    y:index_add_(1, cr.arange(40, 0, -1):to("int64"):to(y.device), large(40, 50))
  end)

  local function into(name, make, shape)
    works(name .. " with out", function()
      local out = cr.ones(shape, { device = values.device })
      local x = large(66, 130)
      return { call = function() make(x, out) end, watched = { out, x } }
    end)
  end
  into("mm", function(x, out) cr.mm(x, x:t(), { out = out }) end, { 66, 66 })
  into("mv", function(x, out) cr.mv(x, x[1], { out = out }) end, { 66 })
  into("median", function(x, out) cr.median(x, { out = out }) end, {})
  into("argsort", function(x, out) cr.argsort(x, 2, { out = out:long() }) end, { 66, 130 })
  into("sum", function(x, out) cr.sum(x, 1, { out = out }) end, { 130 })
  into("add of a transposed matrix", function(x, out) cr.add(x, large(130, 66):t(), { out = out }) end, { 66, 130 })
end)
