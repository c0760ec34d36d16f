-- nn_init_spec.lua: how parameters begin: the distributions of built-in modules, and nn.init.

local cr = require "cresset"
local nn = cr.nn
local values = require "spec.support.values"

local fails = values.assert_fails

before_each(function() cr.manual_seed(5) end)

-- Asserts that numbers are uniform within a bound: extremes near it, the deviation bound / sqrt(3).
local function is_uniform(t, bound)
  local x = t:detach():double():flatten()
  local most = x:abs():max():item()
  assert(most <= bound * (1 + 1e-6) and most > bound * 0.97, ("%g of %g"):format(most, bound))
  assert(math.abs(x:std():item() * math.sqrt(3) / bound - 1) < 0.06, x:std():item())
  assert(math.abs(x:mean():item()) < bound * 0.1)
end

local function is_normal(t, std)
  local x = t:detach():double():flatten() / std
  assert(math.abs(x:std():item() - 1) < 0.06, x:std():item())
  assert(math.abs(x:mean():item()) < 0.1)
  -- A normal number is within 1 of 0 in 68.3 % of all cases.
  assert(math.abs(x:abs():lt(1):double():mean():item() - 0.683) < 0.04)
end

describe("by default", function()
  it("weights and biases are uniform within 1 / sqrt(fan in)", function()
    local fc = nn.Linear(400, 300)
    is_uniform(fc.weight, 1 / 20)
    is_uniform(nn.Linear(16, 2000).bias, 1 / 4)
    local conv = nn.Conv2d(8, 64, 3, { groups = 2 })
    is_uniform(conv.weight, 1 / 6)
    is_uniform(nn.Conv1d(4, 1000, 4).bias, 1 / 4)
    is_uniform(nn.ConvTranspose2d(64, 8, 3, { groups = 2 }).weight, 1 / 6)
    is_uniform(nn.Bilinear(16, 20, 30).weight, 1 / 4)
  end)

  it("rows of tables are normal, but for the padding", function()
    local e = nn.Embedding(200, 30, { padding_idx = 2 })
    is_normal(e.weight, 1)
    assert.equal(0, e.weight[2]:abs():sum():item())
    is_normal(nn.EmbeddingBag(100, 30).weight, 1)
  end)

  it("norms begin with 1 and 0", function()
    local bn = nn.BatchNorm2d(3)
    assert.same({ 1, 1, 1 }, bn.weight:totable())
    assert.same({ 0, 0, 0 }, bn.bias:totable())
    assert.same({ 0, 0, 0 }, bn.running_mean:totable())
    assert.same({ 1, 1, 1 }, bn.running_var:totable())
    assert.equal(0, bn.num_batches_tracked:item())
    assert.same({ 1, 1 }, nn.LayerNorm(2).weight:totable())
    assert.same({ 0.25 }, nn.PReLU().weight:totable())
  end)

  it("the same seed gives the same numbers", function()
    local a = nn.Linear(3, 3)
    cr.manual_seed(5)
    assert.is_true(nn.Linear(3, 3).weight:equal(a.weight))
  end)
end)

describe("nn.init", function()
  local init = nn.init

  it("gives the tensor, a leaf whose graph knows nothing of it", function()
    local p = nn.Parameter(cr.empty(40, 50))
    assert.equal(p, init.uniform_(p, -2, 2))
    assert.is_true(p.is_leaf and p.requires_grad)
    is_uniform(p, 2)
    is_normal(init.normal_(p, { std = 3 }), 3)
    assert.equal(7, init.constant_(p, 7)[3][4]:item())
    assert.equal(1, init.ones_(p)[3][4]:item())
    assert.equal(0, init.zeros_(p)[3][4]:item())
  end)

  it("cuts normal numbers off", function()
    local t = init.trunc_normal_(cr.empty(100, 100), { mean = 1, std = 2, a = 0, b = 1.5 })
    assert(t:min():item() >= 0 and t:max():item() <= 1.5)
    local wide = init.trunc_normal_(cr.empty(100, 100), 0, 1, -cr.inf, cr.inf)
    is_normal(wide, 1)
    is_normal(init.trunc_normal_(cr.empty(100, 100), 0, 0.1), 0.1)
  end)

  it("has xavier and kaiming", function()
    is_uniform(init.xavier_uniform_(cr.empty(100, 200), { gain = 2 }), 2 * math.sqrt(6 / 300))
    is_normal(init.xavier_normal_(cr.empty(100, 200)), math.sqrt(2 / 300))
    is_uniform(init.kaiming_uniform_(cr.empty(100, 200)), math.sqrt(6 / 200))
    is_uniform(init.kaiming_uniform_(cr.empty(100, 200), { a = math.sqrt(5) }), 1 / math.sqrt(200))
    is_normal(init.kaiming_normal_(cr.empty(100, 20, 5), { mode = "fan_out", nonlinearity = "relu" }),
      math.sqrt(2 / 500))
    fails(function() init.xavier_uniform_(cr.empty(3)) end, "xavier_uniform_: fans are counted of tensors of at least")
    fails(function() init.kaiming_normal_(cr.empty(3, 3), { mode = "fan" }) end, "mode must be one of")
    fails(function() init.kaiming_normal_(cr.empty(3, 3), { nonlinearity = "rely" }) end, "did you mean 'relu'?")
  end)

  it("knows gains", function()
    assert.equal(1, init.calculate_gain "linear")
    assert.equal(5 / 3, init.calculate_gain "tanh")
    assert.equal(math.sqrt(2), init.calculate_gain "relu")
    assert.equal(0.75, init.calculate_gain "selu")
    assert(math.abs(init.calculate_gain "leaky_relu" - math.sqrt(2 / 1.0001)) < 1e-12)
    assert(math.abs(init.calculate_gain("leaky_relu", 1) - 1) < 1e-12)
  end)

  it("makes matrices", function()
    assert.same({ { 1, 0, 0 }, { 0, 1, 0 } }, init.eye_(cr.empty(2, 3)):totable())
    fails(function() init.eye_(cr.empty(2)) end, "eye_: takes a tensor of 2 dims")
    local x = cr.randn(1, 4, 5, 6)
    local w = init.dirac_(cr.empty(4, 2, 3, 3), 2)
    assert.is_true(cr.conv2d(x, w, { padding = 1, groups = 2 }):equal(x))
    fails(function() init.dirac_(cr.empty(4, 2)) end, "3, 4 or 5 dims")
  end)

  it("makes orthonormal rows or columns", function()
    for _, shape in ipairs { { 5, 8 }, { 8, 5 }, { 4, 2, 3 }, { 6, 6 } } do
      local t = init.orthogonal_(cr.empty(shape, { dtype = "float64" }), 3):reshape(shape[1], -1)
      local square = t:size(1) <= t:size(2) and t:mm(t:t()) or t:t():mm(t)
      assert.is_true(square:allclose(cr.eye(square:size(1), { dtype = "float64" }) * 9, 1e-12, 1e-12))
    end
  end)

  it("makes sparse columns", function()
    local t = init.sparse_(cr.empty(10, 30), 0.25)
    local zeros = t:eq(0):sum(1):totable()
    for _, n in ipairs(zeros) do assert.equal(3, n) end
    fails(function() init.sparse_(cr.empty(10), 0.25) end, "sparse_: takes a tensor of 2 dims")
  end)

  it("names what it lacks", function()
    fails(function() return init.kaiming_unform_ end, "cresset.nn.init has no 'kaiming_unform_'; did you mean "
      .. "'nn.init.kaiming_uniform_'?")
    fails(function() init.uniform_(3) end, "uniform_: tensor must be a tensor")
  end)
end)
