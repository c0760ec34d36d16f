-- deadline_spec.lua: long operations, and plain Lua, are stopped half way, by a deadline or by an interrupt.

local cr = require "cresset"
local on_cuda = os.getenv "CRESSET_SPEC_DEVICE" == "cuda" -- whose kernels run to their end

local function normal(...) return cr.randn(...) end
local function bits16(...) return cr.randn(...):bfloat16() end

-- Each takes much longer than the deadline where nobody looks at it; `before` makes what it works on.
local long = {
  { "a sort of one line", function() return normal(6e6) end, function(x) return x:sort() end },
  { "a descending sort of doubles", function() return normal(3e6):double() end,
    function(x) return x:argsort(1, true) end },
  { "a sort of many lines", function() return normal(3e4, 200) end, function(x) return x:sort(2) end },
  { "topk", function() return normal(1.2e7) end, function(x) return x:topk(1e6) end },
  { "a median", function() return normal(1.5e7) end, function(x) return x:median(1) end },
  { "unique", function() return cr.randint(0, 1000000, { 5e6 }) end, function(x) return x:unique() end },
  { "randperm", function() return 1.5e7 end, function(n) return cr.randperm(n) end },
  { "multinomial with replacement", function() return cr.rand(1e6) end,
    function(w) return cr.multinomial(w, 5e6, true) end },
  { "multinomial without replacement", function() return cr.rand(6e6) end,
    function(w) return cr.multinomial(w, 1e6) end },
  { "multinomial of rows", function() return cr.rand(3000, 3000) end,
    function(w) return cr.multinomial(w, 5, true) end },
  { "bernoulli", function() return cr.rand(1.2e7) end, function(p) return cr.bernoulli(p) end },
  { "randn", function() return 3e7 end, function(n) return cr.randn(n) end },
  { "a product of matrices", function() return normal(2500, 2500) end, function(x) return x:matmul(x) end },
  { "a product of doubles", function() return normal(1800, 1800):double() end, function(x) return x:matmul(x) end },
  { "a product of integers", function() return cr.ones({ 1000, 1000 }, { dtype = "int64" }) end,
    function(x) return x:matmul(x) end },
  { "a product by the library", function() return bits16(3000, 3000) end, function(x) return x:matmul(x) end },
  { "a batch of products", function() return normal(4000, 64, 128) end,
    function(x) return x:matmul(x:transpose(2, 3)) end },
  { "a matrix times a vector", function() return cr.ones(1, 4096):expand(1000000, 4096) end,
    function(x) return x:mv(cr.ones(4096)) end },
  { "a sum of an expanded tensor", function() return cr.ones(1, 1):expand(1e6, 1e6) end,
    function(x) return x:sum() end },
  { "a sum of overlapping rows", function() return cr.ones(2e6):unfold(1, 1000000, 1) end,
    function(x) return x:sum(2) end },
  { "a variance of its columns", function() return cr.ones(1, 16):expand(1e9, 16) end,
    function(x) return x:var(1) end },
  { "a variance of all its equal elements", function() return cr.ones(1, 1):expand(1e6, 1e6) end,
    function(x) return x:var() end },
  { "an argmax of it", function() return cr.ones(1):expand(4e9) end, function(x) return x:argmax() end },
  { "a product of its elements", function() return cr.ones(1, 1):expand(1e5, 1e6) end,
    function(x) return x:prod() end },
  { "logsumexp", function() return cr.ones(1, 1):expand(1e5, 1e5) end, function(x) return x:logsumexp(2) end },
  { "a comparison of it with itself", function() return cr.ones(1, 1):expand(3e4, 3e4) end,
    function(x) return x:eq(x):sum() end },
  { "elements of a pointwise operation", function() return normal(3e7) end, function(x) return x:lgamma() end },
  { "one of operands that lie across", function() return normal(5000, 5000) end,
    function(x) return x:t():mul(x):atan2(x):add(x:t():exp()):pow(x) end },
  { "a running sum", function() return normal(200, 300000) end, function(x) return x:cumsum(2):cumsum(1) end },
  { "a running product of one line", function() return normal(3e7) end, function(x) return x:cumprod(1) end },
  { "a running logarithm", function() return normal(1e7) end, function(x) return x:logcumsumexp(1) end },
  { "a running maximum", function() return normal(3e7) end, function(x) return x:cummax(1) end },
  { "softmax of long columns", function() return normal(400000, 64) end,
    function(x) return x:softmax(1):softmax(1):softmax(1) end },
  { "softmax of rows", function() return normal(20000, 1000) end,
    function(x) return x:softmax(2):log_softmax(2):softmax(2) end },
  { "copies of transposed memory", function() return normal(6000, 6000) end,
    function(x) return x:t():contiguous():t():contiguous():t():contiguous() end },
  { "conversions", function() return normal(3e7) end,
    function(x) return x:half():double():int():bfloat16():float() end },
  { "gather", function() return { normal(8e6), cr.randint(1, 8000000, { 8e6 }) } end,
    function(x) return x[1]:gather(1, x[2]) end },
  { "scatter_add", function() return { cr.zeros(8e6), cr.randint(1, 8000000, { 8e6 }), cr.ones(8e6) } end,
    function(x) return x[1]:scatter_add(1, x[2], x[3]) end },
  { "nonzero", function() return normal(1.5e7):gt(0) end, function(x) return x:nonzero() end },
  { "a mask", function() return normal(2e7) end, function(x) return x[x:gt(0)] end },
  { "linspace", function() return 80000000 end, function(n) return cr.linspace(0, 1, n) end },
  { "a table of elements", function() return cr.ones(1):expand(3e6) end, function(x) return x:totable() end },
  { "cat", function() return normal(2e7) end, function(x) return cr.cat { x, x, x, x, x, x, x, x } end },
  { "kthvalue of integers", function() return cr.randint(0, 1000000000, { 1e7 }) end,
    function(x) return x:kthvalue(1000) end },
  { "a median that is the last element", function() return cr.arange(0, -2e7, -1) end,
    function(x) return x:median(1), x:median(1) end },
  { "unique rows", function() return cr.randint(0, 5, { 1e6, 4 }) end,
    function(x) return x:unique(true, true, true, 1) end },
  { "a search", function() return { cr.arange(0, 1e6), cr.randint(0, 1000000, { 1e7 }) } end,
    function(x) return cr.searchsorted(x[1], x[2]) end },
  { "index_select of columns", function() return { normal(5000, 5000), cr.randint(1, 5000, { 5000 }) } end,
    function(x) return x[1]:index_select(2, x[2]) end },
  { "an index of two tensors", function() return { normal(3000, 3000), cr.randint(1, 3000, { 1e7 }) } end,
    function(x) return x[1][{ x[2], x[2] }] end },
  { "index_put that accumulates", function() return { normal(1e7), cr.randint(1, 10000000, { 1e7 }) } end,
    function(x) return x[1]:index_put({ x[2] }, x[1], true) end },
  { "index_add of rows", function() return normal(8, 3e6) end,
    function(x) return x:index_add(1, cr.tensor { 1, 1, 2, 3, 5, 8, 1, 1 }, x) end },
  { "scatter", function() return { normal(1e7), cr.randint(1, 10000000, { 1e7 }) } end,
    function(x) return x[1]:scatter(1, x[2], x[1]) end },
  { "masked_scatter", function() return { normal(2e7), cr.rand(2e7):gt(0.5) } end,
    function(x) return x[1]:masked_scatter(x[2], x[1]) end },
  { "repeat_interleave", function() return normal(1e6) end, function(x) return x:repeat_interleave(50) end },
  { "rolls and flips", function() return normal(1.5e7) end,
    function(x) return x:roll(3):flip(1):roll(5):flip(1) end },
  { "an identity matrix", function() return 12000 end, function(n) return cr.eye(n) end },
  { "a constant", function() return 2e8 end, function(n) return cr.full({ n }, 3) end },
  { "padding by copies", function() return normal(1, 1, 1e7) end,
    function(x) return cr.pad(x, { 5, 5 }, "reflect") end },
  { "a polygamma function", function() return normal(3e6) end, function(x) return x:polygamma(3) end },
  { "cross_entropy", function() return { normal(100000, 200), cr.randint(1, 200, { 100000 }) } end,
    function(x) return cr.cross_entropy(x[1], x[2]) end },
  { "layer_norm of one row", function() return normal(2e7) end, function(x) return cr.layer_norm(x, { 20000000 }) end },
  { "a norm with a power", function() return normal(2e7) end, function(x) return x:norm(2.5) end },
  { "a comparison of all elements", function() return normal(1, 1):expand(40000, 40000) end,
    function(x) return x:equal(x) end },
  { "a recurrent layer of many sequences", function()
      return { normal(300, 64, 256), { normal(2048, 256), normal(2048, 512), normal(2048), normal(2048) } }
    end, function(x) return cr.lstm(x[1], nil, x[2]) end },
  { "a recurrent layer of one long sequence", function()
      return { normal(20000, 1, 64), { normal(768, 64), normal(768, 256) } }
    end, function(x) return cr.gru(x[1], nil, x[2], { has_biases = false }) end },
  { "many tensors at once", function() return { normal(2e7), normal(2e7), normal(2e7) } end,
    function(list) return cr.foreach.exp(list) end },
}

-- What its inputs hold, if they are few enough to be added up.
local function content(x)
  if type(x) == "table" then
    local all = {}
    for i, t in ipairs(x) do all[i] = content(t) end
    return table.concat(all, " ")
  end
  if type(x) ~= "userdata" or x:numel() > 5e7 then return "" end
  return ("%s %s"):format(x:sum():item(), x:numel())
end

describe("a deadline that passes meanwhile", function()
  if on_cuda then return end

  local function allocated()
    collectgarbage()
    collectgarbage()
    return cr.memory.stats().allocated
  end

  after_each(function() cr.set_deadline(0) end)

  for _, case in ipairs(long) do
    local name, before, operation = case[1], case[2], case[3]
    it("stops " .. name .. ", with nothing left of it", function()
      local x = before()
      local held, contents = allocated(), content(x)
      cr.set_deadline(0.005)
      local ok, message = pcall(operation, x)
      cr.set_deadline(0)
      assert.is_false(ok)
      assert.truthy(tostring(message):find("deadline", 1, true), message)
      assert.equal(contents, content(x))
      assert.equal(held, allocated())
    end)
  end

  it("stops a backward pass inside of a node", function()
    local x = cr.randn({ 1500, 1500 }, { requires_grad = true })
    local y = x:matmul(x):matmul(x):sum()
    cr.set_deadline(0.01)
    local ok, message = pcall(y.backward, y)
    cr.set_deadline(0)
    assert.is_false(ok)
    assert.truthy(tostring(message):find("deadline", 1, true), message)
    assert.is_nil(x.grad)
  end)

  local graphs = {
    { "softmax", function(x) return x:softmax(1) end }, { "a running product", function(x) return x:cumprod(1) end },
    { "gather", function(x) return x:gather(1, cr.randint(1, 10000000, { 1e7 })) end },
    { "a product of elements", function(x) return x:prod() end },
    { "a pointwise operation", function(x) return x:lgamma() end },
    { "a variance", function(x) return x:reshape(1000, 10000):var(1) end },
    { "parts and joins", function(x) return cr.cat { x[{ { 2, -2, 3 } }], x:flip(1), x } end },
  }
  for _, case in ipairs(graphs) do
    it("stops the gradient of " .. case[1], function()
      local x = cr.rand(1e7):requires_grad_()
      local y = case[2](x)
      local g = cr.ones_like(y)
      cr.set_deadline(0.001)
      local ok, message = pcall(y.backward, y, g)
      cr.set_deadline(0)
      assert.is_false(ok)
      assert.truthy(tostring(message):find("deadline", 1, true), message)
      assert.is_nil(x.grad)
    end)
  end

  it("takes no random number from a call that it stops", function()
    cr.manual_seed(4)
    local expected = cr.rand(3):totable()
    cr.manual_seed(4)
    cr.set_deadline(0.01)
    assert.is_false((pcall(cr.randn, 3e7)))
    cr.set_deadline(0)
    assert.same(expected, cr.rand(3):totable())
  end)

  it("counts what was written in place, so that no derivative takes it for the old value", function()
    local x, w = cr.rand(3e7) + 1, cr.ones({ 1 }, { requires_grad = true })
    local y = (x * w):sum()
    cr.set_deadline(0.01)
    assert.is_false((pcall(x.lgamma_, x)))
    cr.set_deadline(0)
    local ok, message = pcall(y.backward, y)
    assert.is_false(ok)
    assert.truthy(tostring(message):find("in place", 1, true), message)
  end)

  it("does not stop short work in place half way", function()
    local x = cr.zeros(100000)
    local expected = 0
    while true do
      cr.set_deadline(0.0005)
      if not pcall(x.add_, x, 1) then break end
      expected = expected + 1
      if expected == 100000 then break end
    end
    cr.set_deadline(0)
    assert.equal(expected, x:min():item())
    assert.equal(expected, x:max():item())
  end)
end)

describe("a deadline that a script sets itself", function()
  local function for_ever() while true do end end

  local loops = {
    ["a loop that calls nothing"] = for_ever,
    ["a loop that catches the error"] = function() while true do pcall(for_ever) end end,
    ["a loop that catches the errors of operations"] = function() while true do pcall(cr.ones, 3) end end,
    ["nested loops that catch it"] = function()
      local function f()
        pcall(f)
        while true do pcall(f) end
      end
      f()
    end,
    ["a loop in a coroutine"] = function() coroutine.wrap(for_ever)() end,
    ["a loop that makes coroutines"] = function()
      while true do coroutine.resume(coroutine.create(for_ever)) end
    end,
    ["a loop under a handler of messages"] = function() while true do xpcall(for_ever, debug.traceback) end end,
  }
  for name, loop in pairs(loops) do
    it("stops " .. name .. ", and leaves its caller time to lift it", function()
      cr.set_deadline(0.01)
      local ok, message = pcall(loop)
      cr.set_deadline(0)
      assert.is_false(ok)
      assert.truthy(tostring(message):find("deadline", 1, true), message)
    end)
  end

  it("stops the function that has set it, too, and leaves that one's caller time", function()
    local ok, message = pcall(function()
      cr.set_deadline(0.01)
      while true do pcall(for_ever) end
    end)
    cr.set_deadline(0)
    assert.is_false(ok)
    assert.truthy(tostring(message):find("deadline", 1, true), message)
  end)

  it("says where it stopped plain Lua, once, and how it is lifted", function()
    local chunk = load("local function wait() while true do end end\nlocal function run() wait() return 1 end\nrun()",
      "=code")
    cr.set_deadline(0.005)
    local _, message = pcall(chunk)
    cr.set_deadline(0.005)
    local _, of_operation = pcall(load("while true do local x = ... x() end", "=code"), function() cr.ones(3) end)
    cr.set_deadline(0)
    assert.equal("code:1: interrupted: the deadline has passed; cr.set_deadline(0) lifts it", message)
    assert.truthy(of_operation:find "^[^:]+:%d+: interrupted: the deadline has passed; cr.set_deadline%(0%) lifts it$")
  end)

  it("that has passed leaves time for some work in the handler of the error", function()
    cr.set_deadline(0.005)
    local ok = pcall(for_ever)
    local sum = 0
    for i = 1, 1000 do sum = sum + i end
    cr.set_deadline(0)
    assert.is_false(ok)
    assert.equal(500500, sum)
  end)

  it("stops a loop around a coroutine from before that calls operations", function()
    local work = coroutine.wrap(function()
      coroutine.yield()
      cr.ones(1)
      for_ever()
    end)
    work()
    cr.set_deadline(0.01)
    local ok, message = pcall(work)
    cr.set_deadline(0)
    assert.is_false(ok)
    assert.truthy(tostring(message):find("deadline", 1, true), message)
  end)

  it("leaves no hook once it is lifted, and calls the one that was there meanwhile", function()
    local lines = 0
    debug.sethook(function() lines = lines + 1 end, "l")
    local hook, mask = debug.gethook()
    cr.set_deadline(1000)
    local before = lines
    for _ = 1, 20 do
      lines = lines + 0
    end
    local seen = lines - before
    cr.set_deadline(0)
    local hook_after, mask_after = debug.gethook()
    debug.sethook()
    assert.is_true(seen >= 20)
    assert.equal(hook, hook_after)
    assert.equal(mask, mask_after)
    cr.set_deadline(1000)
    cr.set_deadline(0)
    assert.is_nil((debug.gethook()))
  end)

  it("must be a number that is one", function()
    assert.is_false((pcall(cr.set_deadline, 0 / 0)))
  end)
end)
