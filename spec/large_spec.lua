-- large_spec.lua: tensors that are large enough for threads, blocks and streaming stores.
--
-- Results do not depend on the number of threads, and large tensors hold what their parts would hold.

local cr = require "cresset"
local values = require "spec.support.values"

local N = 700001 -- odd, so that every kind of block has a rest

local function seeded(...)
  cr.manual_seed(1)
  return cr.rand(...)
end

-- Runs f with 1, 2 and 5 threads and asserts that the results are equal to the last bit.
local function same_for_threads(f)
  local before = cr.get_num_threads()
  local results = {}
  for _, n in ipairs { 1, 2, 5 } do
    cr.set_num_threads(n)
    results[#results + 1] = f()
  end
  cr.set_num_threads(before)
  assert.is_true(results[1]:equal(results[2]))
  assert.is_true(results[1]:equal(results[3]))
  return results[1]
end

-- Asserts that f of the whole is f of each part, joined; parts are small.
local function same_as_parts(x, f)
  local whole = f(x)
  for _, from in ipairs { 1, 4095, 65536, 131073, 400000, x:size(1) - 200 } do
    local part = x:narrow(1, from, 200)
    values.assert_same(whole:narrow(1, from, 200), f(part:clone()))
  end
end

describe("a large elementwise operation", function()
  it("holds what its parts hold, for all dtypes", function()
    for _, dtype in ipairs(values.dtypes) do
      local x = (seeded(N) * 100):to(dtype)
      same_as_parts(x, function(t) return t + t end)
      same_as_parts(x, function(t) return t:gt(1) end)
    end
  end)

  it("does so where layouts and dtypes differ", function()
    local x = seeded(2, N)
    same_as_parts(x:t(), function(t) return t:exp() end)
    same_as_parts(seeded(2 * N)[{ { 1, -1, 2 } }], function(t) return t * 2 end)
    same_as_parts(seeded(N), function(t) return t + t:to "float64" end)
    same_as_parts(seeded(N):to "float16", function(t) return t * 3 end)
    same_as_parts(seeded(N):to "int32", function(t) return t / 2 end)
  end)

  it("does not depend on threads", function()
    same_for_threads(function() return (seeded(N) * 3):sin() end)
    same_for_threads(function() return seeded(1000, 700):t() + seeded(1000) end)
  end)

  it("holds what its parts hold where operands repeat and the result is a byte an element", function()
    -- Not a multiple of a line of the cache, of streamed results either.
    local x, y = seeded(1500001, 3), seeded(3)
    same_as_parts(x, function(t) return t:gt(y) end)
    same_as_parts(x, function(t) return t + y end)
  end)

  it("writes nothing beyond a view that it writes into", function()
    for _, dtype in ipairs { "uint8", "int16", "float32", "float64" } do
      local n = (5 << 20) + 16
      local x, whole = cr.ones({ n }, { dtype = dtype }), cr.zeros({ n + 128 }, { dtype = dtype })
      cr.add(x, x, { out = whole[{ { 65, n + 64 } }] })
      assert.equal(2, whole[65]:item())
      assert.equal(2, whole[n + 64]:item())
      assert.equal(0, whole:narrow(1, 1, 64):abs():max():item())
      assert.equal(0, whole:narrow(1, n + 65, 64):abs():max():item())
    end
  end)

  it("is the same whichever dims of its operands are contiguous", function()
    for _, dtype in ipairs { "uint8", "float16", "float32", "float64" } do
      local x = (seeded(45, 130, 67) * 100):to(dtype)
      for _, order in ipairs { { 1, 3, 2 }, { 2, 1, 3 }, { 2, 3, 1 }, { 3, 1, 2 }, { 3, 2, 1 } } do
        local turned = x:permute(table.unpack(order))
        local y = (seeded(turned.shape) * 100):to(dtype)
        local want = turned:contiguous() + y
        assert.is_true((y + turned):equal(want))
        assert.is_true((turned + y):equal(want))
        assert.is_true(turned:gt(y):equal(turned:contiguous():gt(y)))
        assert.is_true((turned + y:to "int64"):equal(turned:contiguous() + y:to "int64"))
        assert.is_true(turned:to("float64"):equal(turned:contiguous():to "float64"))
      end
    end
    same_for_threads(function() return (seeded(300, 700):t() + seeded(700, 300)):exp() end)
  end)

  it("converts between all dtypes", function()
    for _, from in ipairs { "float64", "float32", "float16", "int64", "uint8" } do
      local x = (seeded(N) * 100):to(from)
      for _, to in ipairs(values.dtypes) do
        same_as_parts(x, function(t) return t:to(to) end)
      end
    end
  end)
end)

describe("a large reduction", function()
  it("is exact for integers", function()
    assert.equal(N * (N + 1) // 2, cr.arange(1, N + 1):sum():item())
    assert.equal(N, cr.arange(1, N + 1):max():item())
    local values_of, at = cr.arange(1, N + 1):roll({ 12345 }):max(1)
    assert.same({ N, 12345 }, { values_of:item(), at:item() })
  end)

  it("stays accurate in float32", function()
    local x = cr.full({ N }, 0.1)
    assert.near(N * 0.1, x:sum():item(), N * 0.1 * 2e-6)
    assert.near(0.1, x:mean():item(), 1e-7)
    assert.near(0, x:var():item(), 1e-9)
    local y = seeded(N)
    assert.near(y:to("float64"):sum():item(), y:sum():item(), 0.05)
    assert.near(y:to("float64"):var():item(), y:var():item(), 1e-6)
    assert.near(y:to("float64"):norm():item(), y:norm():item(), 1e-3)
  end)

  it("does not depend on threads, along any dim", function()
    for _, dims in ipairs { { 1 }, { 2 }, { 3 }, { 1, 3 }, { 1, 2, 3 } } do
      same_for_threads(function() return seeded(60, 120, 100):sum(dims) end)
      same_for_threads(function() return seeded(60, 120, 100):amax(dims) end)
      same_for_threads(function() return seeded(60, 120, 100):var(dims) end)
    end
    same_for_threads(function() return seeded(N):cumsum(1) end)
    same_for_threads(function() return seeded(2, N):flip({ 2 }):cumsum(2) end)
    same_for_threads(function() return seeded(700, 1000):softmax(2) end)
    same_for_threads(function() return seeded(700, 1000):log_softmax(1) end)
    same_for_threads(function() return seeded(2, N):softmax(2) end)
    same_for_threads(function() return seeded(2, N):logsumexp(2) end)
    same_for_threads(function() return seeded(300, 1000):median(2) end)
    same_for_threads(function() return seeded(N // 3, 3):var(1) end)
  end)

  it("over several dims is one over each of them in turn", function()
    for _, shape in ipairs { { 300, 5, 40 }, { 90, 7, 300 }, { 5, 3, 3000 } } do
      local x = seeded(table.unpack(shape)):to "float64"
      for _, name in ipairs { "sum", "amax", "logsumexp" } do
        values.assert_same(x[name](x, { 1, 3 }), x[name](x[name](x, 3), 1), 1e-10, 1e-10)
      end
    end
  end)

  it("of few columns is that of each column", function()
    local x = seeded(N // 5, 5)
    for _, name in ipairs { "sum", "amin", "var", "logsumexp" } do
      local all = x[name](x, 1)
      for i = 1, 5 do
        local one = x:select(2, i):contiguous()
        values.assert_same(all[i], one[name](one, 1), 1e-5, 1e-5)
      end
    end
  end)

  it("finds norms of numbers whose squares leave float32", function()
    for _, size in ipairs { 1e30, 1e-30, 1e-40 } do
      local x = cr.full({ 3000, 3 }, size)
      assert.near(1, x:norm():item() / (size * 9000 ^ 0.5), 1e-4)
      assert.near(1, x:norm(2, 1)[2]:item() / (size * 3000 ^ 0.5), 1e-4)
    end
    assert.equal(0, cr.zeros(5000):norm():item())
    local mixed = cr.cat { cr.full({ 4000 }, 1e-30), cr.full({ 4000 }, 1), cr.full({ 4000 }, 1e25) }
    assert.near(1, mixed:norm():item() / (4000 ^ 0.5 * 1e25), 1e-6)
  end)

  it("finds the median among many, however they lie", function()
    local order = cr.randperm(N)
    local middle, at = order:to("float32"):sub(N // 2):median(1)
    assert.equal((N + 1) // 2 - N // 2, middle:item())
    assert.equal((N + 1) // 2, order[at:item()]:item())
    assert.equal((N + 1) // 2, order:median():item())
    assert.equal(7, cr.full({ N }, 7):median():item())
    local spoilt = order:to "float32"
    spoilt[N - 3] = 0 / 0
    assert.equal(N - 3, select(2, spoilt:median(1)):item())
  end)

  it("keeps running logarithms of sums apart, however far", function()
    local x = cr.tensor({ -2000, -1000, 0, 0, -1000 }, { dtype = "float64" })
    values.assert_same(x:logcumsumexp(1),
      cr.tensor({ -2000, -1000, 0, math.log(2), math.log(2) }, { dtype = "float64" }), 1e-12, 1e-12)
    local wide = seeded(3000, 3):to "float64" * 2000
    values.assert_same(wide:logcumsumexp(1), wide:t():contiguous():logcumsumexp(2):t(), 1e-12, 1e-12)
  end)

  it("gives softmax along lines of every length", function()
    for _, n in ipairs { 1, 3, 16, 17, 63, 64, 1000, 2049, 300001 } do
      local x = seeded(n > 3000 and 2 or 70, n) * 8
      local p, l = x:softmax(2), x:log_softmax(2)
      assert.near(p:size(1), p:to("float64"):sum():item(), 1e-4)
      values.assert_same(p, l:exp(), 1e-5, 1e-6)
      values.assert_same(p, (x:to "float64"):softmax(2):to "float32", 1e-5, 1e-7)
      values.assert_same(p, x:t():contiguous():softmax(1):t(), 1e-5, 1e-7)
    end
  end)

  it("of a sum that runs is the running sum of parts", function()
    local c = cr.ones({ N }, { dtype = "int64" }):cumsum(1)
    assert.is_true(c:equal(cr.arange(1, N + 1)))
  end)
end)

describe("a large product of matrices", function()
  -- An exact product: small whole numbers, summed without rounding.
  local function whole(rows, columns)
    cr.manual_seed(2)
    return cr.randint(-4, 5, { rows, columns })
  end

  it("is exact for whole numbers in every dtype, with every layout", function()
    local a, b = whole(150, 270), whole(270, 130)
    local want = a:mm(b)
    for _, dtype in ipairs { "float64", "float32", "int32", "int64" } do
      assert.is_true(a:to(dtype):mm(b:to(dtype)):to("int64"):equal(want), dtype)
      local transposed = b:t():contiguous():t()
      assert.is_true(a:to(dtype):mm(transposed:to(dtype)):to("int64"):equal(want), dtype)
      local left = a:t():contiguous():t()
      assert.is_true(left:to(dtype):mm(b:to(dtype)):to("int64"):equal(want), dtype)
    end
    local rows = { { 1, -1, 2 } }
    assert.is_true(a[rows]:to("float32"):mm(b:to "float32"):to("int64"):equal(want[rows]))
  end)

  for _, dtype in ipairs { "int8", "uint8", "int16", "int32", "int64" } do
    it("of vectors wrap as sums of products do: " .. dtype, function()
      local m, v = cr.randint(0, 100, { 300, 700 }):to(dtype), cr.randint(0, 100, { 700 }):to(dtype)
      local long = cr.randint(0, 100, { 100003 }):to(dtype)
      local want = (m:to "int64" * v:to "int64"):sum(2):to(dtype)
      assert.is_true(m:mv(v):equal(want))
      assert.is_true(v:matmul(m:t()):equal(want))
      assert.is_true(m:t():contiguous():t():mv(v):equal(want))
      assert.is_true(v:matmul(m:t():contiguous()):equal(want))
      assert.is_true(cr.addmv(want, m, v):equal(want + want))
      assert.is_true(long:dot(long):equal((long:to "int64" * long:to "int64"):sum():to(dtype)))
    end)
  end

  it("is exact in several parts, along every dim, and copied or not", function()
    for _, size in ipairs { { 1100, 40, 1300 }, { 300, 1500, 1100 }, { 2500, 300, 40 } } do
      local m, k, n = table.unpack(size)
      local a, b, c = whole(m, k), whole(k, n), whole(m, n)
      local want = c + a:mm(b)
      for _, dtype in ipairs { "float64", "float32", "float16", "int32" } do
        local left, right, added = a:to(dtype), b:to(dtype), c:to(dtype)
        if dtype ~= "float16" or want:abs():amax():item() <= 2048 then
          assert.is_true(added:addmm(left, right):to("int64"):equal(want), dtype)
          left = left:t():contiguous():t()
          assert.is_true(added:addmm(left, right):to("int64"):equal(want), dtype)
          right = right:t():contiguous():t()
          assert.is_true(added:clone():addmm_(left, right):to("int64"):equal(want), dtype)
        end
      end
    end
  end)

  it("agrees with sums of products by hand", function()
    local a, b = whole(40, 50), whole(50, 30)
    local by_hand = (a:unsqueeze(3) * b:unsqueeze(1)):sum(2)
    assert.is_true(a:mm(b):equal(by_hand))
  end)

  it("does not depend on threads", function()
    local function halves(...) return seeded(...):to "bfloat16" end
    same_for_threads(function() return seeded(300, 200):mm(seeded(200, 250)) end)
    same_for_threads(function() return seeded(70, 3000):mm(seeded(3000, 90)) end)
    same_for_threads(function() return seeded(700, 600):t():mm(seeded(400, 700):t()) end)
    same_for_threads(function() return halves(200, 300):mm(halves(300, 150)) end)
    same_for_threads(function() return seeded(1500, 700):t():mm(seeded(1500, 800)) end)
    same_for_threads(function() return seeded(1200, 50):to("float16"):mm(seeded(50, 1100):to("float16")) end)
    same_for_threads(function() return seeded(20, 60, 40):bmm(seeded(20, 40, 50)) end)
    same_for_threads(function() return seeded(3, 200, 250):bmm(seeded(3, 250, 150)) end)
    same_for_threads(function() return seeded(2000, 300):mv(seeded(300)) end)
    same_for_threads(function() return seeded(600, 2000):t():mv(seeded(600)) end)
    same_for_threads(function() return seeded(3000000):dot(seeded(3000000)) end)
  end)

  it("is the same for batches and one by one", function()
    local a, b = seeded(5, 60, 40), seeded(5, 40, 50)
    local batch = a:bmm(b)
    for i = 1, 5 do values.assert_same(batch[i], a[i]:mm(b[i]), 1e-5, 1e-5) end
  end)
end)

describe("large reads and writes by position", function()
  it("put everything in its place", function()
    cr.manual_seed(3)
    local order = cr.randperm(N)
    local x = cr.arange(1, N + 1)
    assert.is_true(x[order]:equal(order))
    local back = cr.zeros({ N }, { dtype = "int64" })
    back[order] = x
    assert.is_true(back[order]:equal(x))
    assert.is_true(x:index_select(1, order):equal(order))
    assert.is_true(x:gather(1, order):equal(order))
  end)

  it("sum up what falls in one place", function()
    local at = cr.ones({ N }, { dtype = "int64" })
    assert.equal(N, cr.zeros({ 2 }, { dtype = "int64" }):index_add(1, at, at)[1]:item())
    assert.equal(N, cr.zeros({ 2 }, { dtype = "int64" }):scatter_add(1, at, at)[1]:item())
    same_for_threads(function()
      cr.manual_seed(4)
      return cr.zeros(100):index_add(1, cr.randint(1, 101, { N }), seeded(N))
    end)
  end)

  it("find what is not zero, in order", function()
    local mask = (cr.arange(1, N + 1) % 3):eq(0)
    local found = mask:nonzero():reshape(-1)
    assert.is_true(found:equal(cr.arange(3, N + 1, 3)))
    assert.equal(N // 3, mask:sum():item())
    assert.is_true(cr.arange(1, N + 1)[mask]:equal(found))
  end)
end)

describe("joining and copying large tensors", function()
  it("keeps every element", function()
    local x = seeded(300, 2333)
    local halves = cr.cat({ x[{ { 1, 150 } }], x[{ { 151, 300 } }] })
    assert.is_true(halves:equal(x))
    local sides = cr.cat({ x[{ {}, { 1, 1000 } }], x[{ {}, { 1001, 2333 } }] }, 2)
    assert.is_true(sides:equal(x))
    assert.is_true(x:t():contiguous():t():equal(x))
    assert.is_true(x:flip({ 1, 2 }):flip({ 1, 2 }):equal(x))
  end)
end)

describe("a row that repeats", function()
  it("is in step where whole blocks end, whatever its length and theirs", function()
    for n = 2, 13 do
      local row = cr.arange(1, n + 1):to "float32"
      for _, rows in ipairs { 3, 12, 33, 100, 431 } do
        local sum = cr.zeros(rows, n) + row
        assert.is_true(sum:equal(row:expand(rows, n):contiguous()), rows .. " x " .. n)
      end
    end
  end)
end)
