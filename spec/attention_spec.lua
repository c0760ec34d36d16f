-- attention_spec.lua: attention in tiles gives what all scores at once give, in any layout, and drops by counters.

local cr = require "cresset"
local values = require "spec.support.values"

local attend = cr.scaled_dot_product_attention
local options = { device = values.device }

local function made(...) return cr.randn({ ... }, { dtype = "float64", device = values.device }) end

-- All scores at once; `hide` gives a mask of what is not seen.
local function plain(q, k, v, scale, hidden, added, kept)
  local groups = q.shape[q.ndim - 2] // k.shape[k.ndim - 2]
  if groups > 1 then k, v = k:repeat_interleave(groups, -3), v:repeat_interleave(groups, -3) end
  local s = (q * scale):matmul(k:transpose(-1, -2))
  if added then s = s + added end
  if hidden then s = s:masked_fill(hidden, -math.huge) end
  local share = s:softmax(-1)
  if kept then share = share * kept end
  return share:matmul(v)
end

local function near(got, want, bound)
  assert.same(want.shape, got.shape)
  local worst = got.numel == 0 and 0 or (got:double() - want:double()):abs():max():item()
  assert.is_true(worst <= (bound or 1e-12), "differs by " .. worst)
end

local function leaves(...)
  local list = table.pack(...)
  for i = 1, list.n do list[i] = list[i]:detach():clone():requires_grad_() end
  return table.unpack(list)
end

-- Both ways, with gradients of a weighted sum.
local function compare(q, k, v, left, right, bound)
  local a, b, c = leaves(q, k, v)
  local y, want = left(a, b, c), right(a, b, c)
  near(y, want, bound)
  local g = cr.randn(y.shape, { dtype = y.dtype, device = values.device })
  local got = { cr.grad(y, { a, b, c }, { grad_outputs = g }) }
  for i, x in ipairs { cr.grad(want, { a, b, c }, { grad_outputs = g }) } do near(got[i], x, bound) end
end

local function later(rows, keys)
  return cr.ones({ rows, keys }, { dtype = "bool", device = values.device }):tril():logical_not()
end

describe("attention in tiles", function()
  before_each(function() cr.manual_seed(7) end)

  for _, n in ipairs { { 1, 1 }, { 1, 300 }, { 64, 128 }, { 65, 129 }, { 130, 63 }, { 200, 257 } } do
    it(("of %d queries and %d keys is that of all scores"):format(n[1], n[2]), function()
      local q, k, v = made(2, 2, n[1], 5), made(2, 2, n[2], 5), made(2, 2, n[2], 7)
      compare(q, k, v, function(a, b, c) return attend(a, b, c, { scale = 0.7 }) end,
        function(a, b, c) return plain(a, b, c, 0.7) end)
      compare(q, k, v, function(a, b, c) return attend(a, b, c, { scale = 0.7, is_causal = true }) end,
        function(a, b, c) return plain(a, b, c, 0.7, later(n[1], n[2])) end)
    end)
  end

  it("takes widths of any size, on either side", function()
    for _, w in ipairs { { 1, 1 }, { 16, 33 }, { 70, 3 }, { 129, 128 } } do
      local q, k, v = made(1, 2, 20, w[1]), made(1, 2, 30, w[1]), made(1, 2, 30, w[2])
      compare(q, k, v, function(a, b, c) return attend(a, b, c, { scale = 0.3 }) end,
        function(a, b, c) return plain(a, b, c, 0.3) end)
    end
  end)

  it("reads heads that are turned where they lie", function()
    local x = made(2, 40, 3, 3, 8)
    local function heads(i) return x:select(3, i):transpose(2, 3) end
    local q, k, v = heads(1), heads(2), heads(3)
    local want = plain(q, k, v, 0.5)
    near(attend(q, k, v, { scale = 0.5 }), want)
    local y = attend(q, k, v, { scale = 0.5 })
    near(y:transpose(2, 3):reshape(2, 40, 24), want:transpose(2, 3):reshape(2, 40, 24))
    local back = attend(q:flip(-1):contiguous():flip(-1), k:transpose(-1, -2):contiguous():transpose(-1, -2),
      v:transpose(-1, -2):contiguous():transpose(-1, -2), { scale = 0.5 })
    near(back, want)
  end)

  it("shares heads of keys among groups of queries", function()
    local q, k, v = made(2, 6, 70, 4), made(2, 2, 90, 4), made(2, 2, 90, 5)
    compare(q, k, v, function(a, b, c) return attend(a, b, c, { scale = 0.5, enable_gqa = true }) end,
      function(a, b, c) return plain(a, b, c, 0.5) end)
  end)

  it("adds a float mask and gives its gradient, summed where it broadcasts", function()
    local q, k, v = made(2, 3, 66, 4), made(2, 3, 140, 4), made(2, 3, 140, 2)
    for _, shape in ipairs { { 66, 140 }, { 2, 1, 66, 140 }, { 140 }, { 2, 3, 66, 1 }, { 1, 3, 1, 140 } } do
      local mask = made(table.unpack(shape)):requires_grad_()
      local y, want = attend(q, k, v, mask), plain(q, k, v, 0.5, nil, mask)
      near(y, want)
      local g = made(table.unpack(y.shape))
      near(cr.grad(y, { mask }, { grad_outputs = g }), cr.grad(want, { mask }, { grad_outputs = g }), 1e-11)
    end
  end)

  it("hides what a bool mask hides, in tiles and across them", function()
    local q, k, v = made(1, 2, 70, 4), made(1, 2, 200, 4), made(1, 2, 200, 4)
    local mask = cr.rand({ 70, 200 }, options):gt(0.9)
    mask[{ {}, 1 }] = true
    compare(q, k, v, function(a, b, c) return attend(a, b, c, mask) end,
      function(a, b, c) return plain(a, b, c, 0.5, mask:logical_not()) end)
    mask[3] = false
    local a, b, c = leaves(q, k, v)
    local y = attend(a, b, c, mask)
    assert.same({ 0, 0, 0, 0 }, y[{ 1, 2, 3 }]:totable())
    y:sum():backward()
    assert.same({ 0, 0, 0, 0 }, a.grad[{ 1, 2, 3 }]:totable())
    assert.is_false(b.grad:isnan():any():item())
  end)

  it("gives the same digits for any number of threads", function()
    if values.device ~= "cpu" then return end
    local q, k, v = made(1, 2, 400, 8):float(), made(1, 1, 500, 8):float(), made(1, 1, 500, 8):float()
    local g = cr.randn({ 1, 2, 400, 8 })
    local function run(threads)
      local before = cr.get_num_threads()
      cr.set_num_threads(threads)
      local a, b, c = leaves(q, k, v)
      cr.manual_seed(2)
      local y = attend(a, b, c, nil, 0.1, { enable_gqa = true })
      local list = { y:detach(), cr.grad(y, { a, b, c }, { grad_outputs = g }) }
      cr.set_num_threads(before)
      return list
    end
    local one = run(1)
    for _, threads in ipairs { 2, 5 } do
      for i, x in ipairs(run(threads)) do assert.is_true(x:equal(one[i])) end
    end
  end)

  it("has second derivatives", function()
    local q, k, v = made(1, 2, 3, 2), made(1, 1, 4, 2), made(1, 1, 4, 3)
    for _, o in ipairs { { is_causal = true }, { scale = 0.5 } } do
      o.enable_gqa = true
      local a, b, c = leaves(q, k, v)
      assert.is_true(cr.gradgradcheck(function(x, y, z) return attend(x, y, z, o) end, { a, b, c }))
    end
    local a, b, c = leaves(q, k, v)
    local mask = made(3, 4):requires_grad_()
    assert.is_true(cr.gradgradcheck(function(x, y, z, m) return attend(x, y, z, m, { enable_gqa = true }) end,
      { a, b, c, mask }))
  end)

  it("gives the query of a single key no gradient at all", function()
    local q, k, v = leaves(made(1, 1, 5, 4):float(), made(1, 1, 5, 4):float(), made(1, 1, 5, 4):float())
    attend(q, k, v, { is_causal = true }):square():sum():backward()
    assert.same({ 0, 0, 0, 0 }, q.grad[{ 1, 1, 1 }]:totable())
  end)

  it("keeps the digits of gradients where one key has nearly all", function()
    local q = cr.tensor({ { { 12.0, 0.0 } } }, options)
    local k = cr.tensor({ { { 1.0, 0.0 }, { 0.0, 1.0 }, { -1.0, 0.5 } } }, options)
    local v = cr.tensor({ { { 1.5, 2.5 }, { -0.25, 3.0 }, { 2.0, 1.0 } } }, options)
    local a, b, c = leaves(q, k, v)
    local g = cr.grad(attend(a, b, c, { scale = 1.0 }):sum(), { a })
    local x, y, z = leaves(q:double(), k:double(), v:double())
    local want = cr.grad(plain(x, y, z, 1.0):sum(), { x })
    local worst = ((g:double() - want) / want):abs():max():item()
    assert.is_true(worst < 1e-5, "relative error " .. worst)
  end)
end)

describe("attention that drops", function()
  local q, k, v

  before_each(function()
    cr.manual_seed(3)
    q, k, v = made(2, 2, 70, 4), made(2, 2, 261, 4), made(2, 2, 261, 3)
  end)

  -- What dropout of all shares would multiply them by.
  local function kept(p)
    cr.manual_seed(11)
    return cr.dropout(cr.ones({ 2, 2, 70, 261 }, { dtype = "float64", device = values.device }), p)
  end

  it("drops what dropout of all shares would drop, and remembers it for the gradients", function()
    local all = kept(0.3)
    compare(q, k, v, function(a, b, c)
      cr.manual_seed(11)
      return attend(a, b, c, nil, 0.3, { scale = 0.5 })
    end, function(a, b, c) return plain(a, b, c, 0.5, nil, nil, all) end)
  end)

  it("moves the random numbers on as far as dropout does", function()
    kept(0.3)
    local want = cr.rand(3)
    cr.manual_seed(11)
    attend(q, k, v, nil, 0.3)
    assert.same(want:totable(), cr.rand(3):totable())
  end)

  it("drops the same in second derivatives", function()
    local a, b, c = leaves(made(1, 1, 3, 2), made(1, 1, 5, 2), made(1, 1, 5, 2))
    assert.is_true(cr.gradgradcheck(function(x, y, z)
      cr.manual_seed(5)
      return attend(x, y, z, nil, 0.4)
    end, { a, b, c }))
  end)

  it("draws nothing when it fails, or drops nothing", function()
    cr.manual_seed(11)
    local want = cr.rand(3)
    cr.manual_seed(11)
    assert.is_false(pcall(attend, q, k, q, nil, 0.3))
    attend(q, k, v)
    assert.same(want:totable(), cr.rand(3):totable())
  end)

  it("gives nothing where all is dropped", function()
    assert.equal(0, attend(q, k, v, nil, 1.0):abs():max():item())
  end)
end)

describe("attention's memory", function()
  it("is linear in the sequence, forward and backward", function()
    if values.device ~= "cpu" then return end
    local function peak(n)
      local x = cr.randn({ 1, 1, n, 8 }, { requires_grad = true })
      collectgarbage()
      local before = cr.memory.stats().allocated
      cr.memory.reset_peak()
      attend(x, x, x, { is_causal = true }):sum():backward()
      return cr.memory.stats().peak - before
    end
    local bytes, scores = peak(8192), 8192 * 8192 * 4
    assert.is_true(bytes < scores / 16, bytes .. " bytes")
  end)
end)

describe("attention refuses", function()
  local q, k, v = cr.zeros({ 2, 4, 3 }, options), cr.zeros({ 2, 5, 3 }, options), cr.zeros({ 2, 5, 2 }, options)

  local function refuses(what, ...)
    local args = table.pack(...)
    local ok, message = pcall(function() return attend(table.unpack(args, 1, args.n)) end)
    assert.is_false(ok)
    assert.truthy(tostring(message):find(what, 1, true), tostring(message))
    assert.truthy(tostring(message):find("scaled_dot_product_attention", 1, true), tostring(message))
  end

  it("a query, key or value of too few dims", function()
    refuses("query needs at least 2 dims", cr.zeros({ 3 }, options), k, v)
    refuses("key needs at least 2 dims", q, cr.zeros({ 3 }, options), v)
    refuses("value needs at least 2 dims", q, k, cr.zeros({ 3 }, options))
  end)

  it("dtypes that differ or hold no fractions", function()
    refuses("key must be float32 like query, got float64", q, k:double(), v)
    refuses("value must be float32 like query, got float16", q, k, v:half())
    refuses("int64", q:long(), k:long(), v:long())
  end)

  it("sizes that do not go together", function()
    refuses("key must have the last size of query", q, cr.zeros({ 2, 5, 4 }, options), v)
    refuses("value must have a row for each of key", q, k, cr.zeros({ 2, 6, 2 }, options))
    refuses("do not broadcast", q, cr.zeros({ 3, 5, 3 }, options), cr.zeros({ 3, 5, 2 }, options))
  end)

  it("a mask that does not fit, or beside is_causal", function()
    refuses("attn_mask of shape 4x6 does not broadcast", q, k, v, cr.zeros({ 4, 6 }, options))
    refuses("attn_mask of shape 7x2x4x5 does not broadcast", q, k, v, cr.zeros({ 7, 2, 4, 5 }, options))
    refuses("attn_mask must be bool, float32", q, k, v, cr.zeros({ 4, 5 }, { dtype = "int64", device = values.device }))
    refuses("attn_mask or is_causal, not both", q, k, v, cr.zeros({ 4, 5 }, options), 0.0, true)
  end)

  it("a dropout_p that is no probability", function()
    refuses("dropout_p is a probability", q, k, v, nil, 1.5)
    refuses("dropout_p is a probability", q, k, v, nil, -0.5)
  end)

  it("heads that cannot be shared", function()
    local many = cr.zeros({ 1, 5, 4, 3 }, options)
    refuses("multiple", many, cr.zeros({ 1, 2, 5, 3 }, options), cr.zeros({ 1, 2, 5, 3 }, options),
      { enable_gqa = true })
    refuses("with enable_gqa query needs at least 3 dims", q[1], k[1], v[1], { enable_gqa = true })
  end)
end)
