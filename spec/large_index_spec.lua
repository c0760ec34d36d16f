-- large_index_spec.lua: positions, joins and draws where there is enough to do for threads, panels of columns
-- and writes past the caches.

local cr = require "cresset"

local R, C = 1300, 1088 -- rows of whole cache lines; more than 4 MiB in float32

local function numbers(...)
  cr.manual_seed(3)
  return cr.randn(...)
end

local function positions(most, shape)
  cr.manual_seed(4)
  return cr.randint(1, most + 1, shape) * (cr.randint(0, 2, shape) * 2 - 1) -- half of them from the end
end

-- The same positions, counted from 1.
local function from_start(i, size) return i + i:lt(0):long() * (size + 1) end

local function assert_equal(got, want)
  assert.same(want.shape, got.shape)
  assert.equal(want.dtype, got.dtype)
  assert.is_true(got:equal(want))
end

-- f gives equal bits on 1, 2 and 5 threads; gives what f gives.
local function on_threads(f)
  local before, results = cr.get_num_threads(), {}
  for k, n in ipairs { 1, 2, 5 } do
    cr.set_num_threads(n)
    results[k] = f()
  end
  cr.set_num_threads(before)
  assert_equal(results[2], results[1])
  assert_equal(results[3], results[1])
  return results[1]
end

local row_of, column_of = cr.arange(1, R + 1):view(R, 1), cr.arange(1, C + 1):view(1, C)

describe("reading by many positions", function()
  for _, dtype in ipairs { "float64", "float32", "float16", "uint8" } do
    it("finds each element, of " .. dtype, function()
      local x = (numbers(R, C) * 50):to(dtype)
      local down, across = positions(R, { R, C }), positions(C, { R, C })
      assert_equal(on_threads(function() return x:gather(1, down) end),
        x:take((from_start(down, R) - 1) * C + column_of))
      assert_equal(on_threads(function() return x:gather(2, across) end),
        x:take((row_of - 1) * C + from_start(across, C)))
      assert_equal(x:gather(2, across:int()), x:gather(2, across))
    end)

    it("finds whole rows and columns, of " .. dtype, function()
      local x = (numbers(R, C) * 50):to(dtype)
      local rows, columns = positions(R, { 2 * R }), positions(C, { C + 1 })
      local r, c = from_start(rows, R):view(2 * R, 1), from_start(columns, C):view(1, C + 1)
      assert_equal(on_threads(function() return x:index_select(1, rows) end), x:take((r - 1) * C + column_of))
      assert_equal(on_threads(function() return x:index_select(2, columns) end), x:take((row_of - 1) * C + c))
      assert_equal(x[rows], x:index_select(1, rows))
      assert_equal(x:t():index_select(2, rows), x:index_select(1, rows):t())
    end)
  end

  it("finds short rows", function()
    for _, width in ipairs { 5, 16, 64, 80 } do
      local x, ids = numbers(3000, width), positions(3000, { 90000 })
      local offsets = (from_start(ids, 3000):view(-1, 1) - 1) * width + cr.arange(1, width + 1):view(1, width)
      assert_equal(on_threads(function() return cr.embedding(x, ids) end), x:take(offsets))
      assert_equal(cr.embedding(x, ids:int()), x:take(offsets))
    end
  end)

  it("names the first position that is out of range", function()
    local x, i = numbers(R, C), positions(R, { R, C })
    i[{ 700, 30 }], i[{ 900, 3 }] = R + 1, -R - 1
    local ok, message = pcall(x.gather, x, 1, i)
    assert.is_false(ok)
    assert.truthy(message:find(("gather: position %d is out of range for dim 1 of size %d"):format(R + 1, R), 1, true))
    i[{ 700, 30 }] = 0
    ok, message = pcall(x.gather, x, 1, i)
    assert.is_false(ok)
    assert.truthy(message:find("gather: position 0 is out of range", 1, true))
  end)
end)

describe("writing by many positions", function()
  -- index_put follows one list of offsets, in order, on one thread.
  local function by_offsets(x, r, c, values, add)
    return x:index_put({ r, c }, values, add)
  end

  it("adds in the order of the positions", function()
    local x, from = numbers(R, C), numbers(R, C):exp()
    local down, across = positions(R // 3, { R, C }), positions(C // 3, { R, C })
    assert_equal(on_threads(function() return x:scatter_add(1, down, from) end),
      by_offsets(x, down + down:lt(0):long() * (R + 1), column_of, from, true))
    assert_equal(on_threads(function() return x:scatter_add(2, across, from) end),
      by_offsets(x, row_of, across + across:lt(0):long() * (C + 1), from, true))
    local rows = positions(R // 3, { R })
    assert_equal(on_threads(function() return x:index_add(1, rows, from) end),
      by_offsets(x, from_start(rows, R):view(R, 1), column_of, from, true))
  end)

  it("lets the last write stand", function()
    local x, from = numbers(R, C), numbers(R, C):exp()
    local down, across = positions(R // 3, { R, C }), positions(C // 3, { R, C })
    assert_equal(on_threads(function() return x:scatter(1, down, from) end),
      by_offsets(x, from_start(down, R), column_of, from))
    assert_equal(on_threads(function() return x:scatter(2, across, from) end),
      by_offsets(x, row_of, from_start(across, C), from))
    assert.equal(7, x:index_fill(1, positions(R, { 5 }), 7):max():item())
  end)

  it("writes nothing if one of them is out of range", function()
    local x, i = numbers(R, C), positions(R, { R, C })
    local before = x:clone()
    i[{ R, C }] = R + 1
    for _, name in ipairs { "scatter_", "scatter_add_" } do
      local ok, message = pcall(x[name], x, 1, i, before)
      assert.is_false(ok)
      assert.truthy(message:find(("position %d is out of range"):format(R + 1), 1, true))
      assert_equal(x, before)
    end
  end)

  it("gives the gradients of reading", function()
    local x, g = numbers(R, C):double(), numbers(R, C):double()
    local leaf, i = x:clone():requires_grad_(), positions(R, { R, C })
    leaf:gather(1, i):backward(g)
    assert_equal(leaf.grad, cr.zeros_like(x):scatter_add(1, i, g))
    local rows = positions(R, { R })
    leaf.grad = nil
    leaf:index_select(1, rows):backward(g)
    assert_equal(leaf.grad, cr.zeros_like(x):index_add(1, rows, g))
  end)
end)

describe("large tensors that are joined or rearranged", function()
  it("hold each part where it belongs", function()
    for _, width in ipairs { C, C + 3 } do
      local x, y = numbers(R, width), numbers(R, 64):exp()
      local both = on_threads(function() return cr.cat({ x, y, x:narrow(2, 2, 5) }, 2) end)
      assert_equal(both:narrow(2, 1, width), x)
      assert_equal(both:narrow(2, width + 1, 64), y)
      assert_equal(both:narrow(2, width + 65, 5), x:narrow(2, 2, 5))
      local pair = on_threads(function() return cr.stack({ x, x + 1 }, 3) end)
      assert_equal(pair:select(3, 1), x)
      assert_equal(pair:select(3, 2), x + 1)
      assert_equal(cr.cat({ x, x:double() }, 2):narrow(2, width + 1, width), x:double())
    end
  end)

  it("hold each element where it belongs", function()
    local x = numbers(R, C)
    local backwards = cr.arange(1, C + 1):flip(1)
    assert_equal(x:flip(2), x:index_select(2, backwards))
    assert_equal(x:roll({ 5 }, { 2 }), cr.cat({ x:narrow(2, C - 4, 5), x:narrow(2, 1, C - 5) }, 2))
    assert_equal(x:tile(2, 3), cr.cat({ cr.cat({ x, x, x }, 2), cr.cat({ x, x, x }, 2) }, 1))
    for _, times in ipairs { 2, 4, 9 } do
      local each = on_threads(function() return x:repeat_interleave(times, 2) end)
      for k = 1, times do assert_equal(each[{ {}, { k, -1, times } }], x) end
    end
    assert_equal(x:t():contiguous():t(), x)
    assert_equal(x:to "float64":flip(2):float(), x:flip(2))
  end)
end)

describe("large tensors of elements of each size, joined or rearranged,", function()
  for _, case in ipairs { { "float64", R }, { "float32", R }, { "float16", 2 * R }, { "uint8", 4 * R } } do
    local dtype, rows = table.unpack(case)
    local function values() return (numbers(rows, C) * 50):to(dtype) end

    it("hold each part where it belongs, of " .. dtype, function()
      local x, y = values(), values():flip(1)
      local parts = { x:narrow(2, 1, C - 3), y:narrow(2, 2, 1), x:narrow(2, 9, 700) }
      local joined, at = on_threads(function() return cr.cat(parts, 2) end), 1
      for _, part in ipairs(parts) do
        assert_equal(joined:narrow(2, at, part:size(2)), part)
        at = at + part:size(2)
      end
      for count = 2, 3 do
        local list = { x, y, x:flip(2) }
        list[count + 1] = nil
        local stacked = on_threads(function() return cr.stack(list, 3) end)
        for k = 1, count do assert_equal(stacked:select(3, k), list[k]) end
      end
      local pairs_of = cr.stack({ x:view(-1, 2), y:view(-1, 2) }, 2) -- two elements to a piece
      assert_equal(pairs_of:select(2, 1):reshape(rows, C), x)
      assert_equal(pairs_of:select(2, 2):reshape(rows, C), y)
    end)

    it("run backwards and in steps, of " .. dtype, function()
      local x, backwards = values(), cr.arange(1, C + 1):flip(1)
      assert_equal(on_threads(function() return x:flip(2) end), x:index_select(2, backwards))
      assert_equal(x[{ {}, { 1, -1, 2 } }]:contiguous(), x:index_select(2, cr.arange(1, C + 1, 2)))
      assert_equal(x[{ {}, { 3, -1, 7 } }]:contiguous(), x:index_select(2, cr.arange(3, C + 1, 7)))
      assert_equal(x:narrow(2, 2, C - 1):flip(2), x:index_select(2, cr.arange(2, C + 1):flip(1)))
    end)
  end
end)

describe("large draws", function()
  it("permute all positions, in an order that threads do not change", function()
    for _, n in ipairs { 64, 65, 4096, 4097, 70001, (1 << 20) + 1 } do
      local p = on_threads(function()
        cr.manual_seed(5)
        return cr.randperm(n)
      end)
      assert_equal(cr.zeros(n):scatter(1, p, 1), cr.ones(n))
      assert_equal(p:sum(), cr.arange(1, n + 1):sum())
    end
  end)

  it("choose without replacement what the sorted arrivals choose", function()
    local w = numbers(300, 700):abs()
    local few = on_threads(function()
      cr.manual_seed(6)
      return cr.multinomial(w, 64)
    end)
    cr.manual_seed(6)
    assert_equal(cr.multinomial(w, 700):narrow(2, 1, 64), few)
    w[{ 200, 7 }] = -1
    local ok, message = pcall(cr.multinomial, w, 3)
    assert.is_false(ok)
    assert.truthy(message:find("row 200", 1, true))
  end)
end)
