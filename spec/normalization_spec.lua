-- normalization_spec.lua: running statistics, what the layers refuse, and that rows of any length agree.

local cr = require "cresset"
local pressure = require "spec.support.pressure"
local values = require "spec.support.values"
local is_values, is_same, fails, plain = values.assert_values, values.assert_same, values.assert_fails, values.plain

describe("batch_norm in training", function()
  local x, mean, var
  before_each(function()
    x = plain { { 1, 10 }, { 3, 10 }, { 5, 40 } }
    mean, var = plain { 0, 1 }, plain { 1, 2 }
  end)

  it("moves the running statistics, in place, by the momentum", function()
    cr.batch_norm(x, mean, var, nil, nil, true, 0.25)
    is_values(mean, { 0.75, 0.75 + 5 })
    is_values(var, { 0.75 + 0.25 * 4, 1.5 + 0.25 * 300 }) -- variances over n - 1
  end)

  it("counts these writes as versions", function()
    local before = mean._version
    cr.batch_norm(x, mean, var, nil, nil, true)
    assert.equal(before + 1, mean._version)
  end)

  it("gives what it gives without them", function()
    is_same(cr.batch_norm(x, mean, var, nil, nil, true), cr.batch_norm(x, nil, nil, nil, nil, true))
  end)

  it("leaves them alone outside of training", function()
    local y = cr.batch_norm(x, mean, var, nil, nil, false, 0.1, 0.0)
    is_values(mean, { 0, 1 })
    is_values(y:select(1, 1), { 1, 9 / math.sqrt(2) })
  end)

  it("keeps float32 statistics of a 16-bit input", function()
    local m, v = plain({ 0, 0 }):float(), plain({ 1, 1 }):float()
    local y = cr.batch_norm(x:to "bfloat16", m, v, nil, nil, true, 1.0)
    assert.equal("bfloat16", y.dtype)
    is_values(m, { 3, 20 })
    is_values(v, { 4, 300 }, 1e-5)
  end)

  it("passes no gradient to them", function()
    local leaf = x:clone():requires_grad_()
    cr.batch_norm(leaf, mean, var, nil, nil, true):sum():backward()
    assert.is_false(mean.requires_grad)
  end)

  it("leaves everything as it was where memory ends", function()
    pressure.withstands(function()
      local m, v, leaf = plain { 0, 1 }, plain { 1, 2 }, x:clone():requires_grad_()
      return {
        call = function() return cr.batch_norm(leaf, m, v, nil, nil, true) end, watched = { m, v }, leaves = { leaf },
      }
    end, pressure.alone)
  end)

  it("takes a tensor that is not contiguous as its copy", function()
    local t = values.generate({ 4, 3, 2 }, -2, 2, "float64", 5):transpose(1, 3)
    is_same(cr.batch_norm(t, nil, nil, nil, nil, true), cr.batch_norm(t:contiguous(), nil, nil, nil, nil, true))
  end)
end)

describe("instance_norm", function()
  it("moves running statistics by the mean of those of all inputs", function()
    local x = plain { { { 1, 3 }, { 0, 4 } }, { { 5, 7 }, { 2, 2 } } }
    local mean, var = plain { 0, 0 }, plain { 1, 1 }
    cr.instance_norm(x, mean, var, nil, nil, true, 0.5)
    is_values(mean, { 0.5 * (2 + 6) / 2, 0.5 * (2 + 2) / 2 })
    is_values(var, { 0.5 + 0.5 * (2 + 2) / 2, 0.5 + 0.5 * (8 + 0) / 2 })
  end)
end)

describe("a normalization", function()
  -- The definition, one row at a time, in Lua's own numbers.
  local function by_hand(list, eps)
    local n, mean, square, out = #list, 0, 0, {}
    for _, v in ipairs(list) do mean = mean + v / n end
    for _, v in ipairs(list) do square = square + (v - mean) ^ 2 / n end
    for i, v in ipairs(list) do out[i] = (v - mean) / math.sqrt(square + eps) end
    return out
  end

  it("follows its definition for rows of every length", function()
    for _, dtype in ipairs { "float64", "float32" } do
      for n = 1, 70 do
        local x = values.generate({ n }, -2, 2, dtype, n)
        is_values(cr.layer_norm(x, { n }, nil, nil, 0.25), by_hand(values.flat(x), 0.25), dtype == "float32" and 1e-5,
          dtype == "float32" and 1e-6)
      end
    end
  end)

  it("loses no digit of small differences between large numbers", function()
    local x = cr.tensor({ 16777216, 16777218, 16777220, 16777222 }, { dtype = "float32" })
    is_values(cr.layer_norm(x, { 4 }, nil, nil, 0.0), by_hand({ -3, -1, 1, 3 }, 0), 1e-6)
  end)

  it("has the same digits for any number of threads", function()
    local x = values.generate({ 300, 130 }, -2, 2, "float32", 3):requires_grad_()
    local w = values.generate({ 130 }, -2, 2, "float32", 4):requires_grad_()
    local g = values.generate({ 300, 130 }, -2, 2, "float32", 5)
    local function all()
      local y = cr.layer_norm(x, { 130 }, w)
      local of_x, of_w = cr.grad(y, { x, w }, { grad_outputs = g })
      return { y, of_x, of_w }
    end
    local threads = cr.get_num_threads()
    cr.set_num_threads(1)
    local one = all()
    cr.set_num_threads(4)
    local four = all()
    cr.set_num_threads(threads)
    for i = 1, 3 do is_same(four[i], one[i], 0, 0) end
  end)

  it("has a third derivative", function()
    local x = values.leaf { { 0.5, -1, 2 }, { 1, 0.25, -0.75 } }
    assert.is_true(cr.gradgradcheck(function(t)
      local g = cr.grad(cr.layer_norm(t, { 3 }):pow(3):sum(), { t }, { create_graph = true })
      return g
    end, { x }))
  end)

  it("takes float32 weights beside a 16-bit input", function()
    local x = values.generate({ 2, 4 }, -2, 2, "float16", 3)
    local w, b = values.tensor { 1.0, 1, 1, 1 }, values.tensor { 0.0, 0, 0, 0 }
    assert.equal("float16", cr.layer_norm(x, { 4 }, w, b).dtype)
  end)

  it("gives an empty result for an empty input", function()
    assert.same({ 0, 3 }, { table.unpack(cr.layer_norm(cr.zeros(0, 3), { 3 }).shape) })
    assert.same({ 0, 2, 4 }, { table.unpack(cr.group_norm(cr.zeros(0, 2, 4), 2).shape) })
    assert.same({ 2, 3, 0 }, { table.unpack(cr.local_response_norm(cr.zeros(2, 3, 0), 2).shape) })
  end)
end)

describe("a normalization refuses", function()
  local x, two = cr.ones(2, 2, 3), cr.ones(2)

  it("whole numbers", function()
    fails(function() cr.batch_norm(x:long(), nil, nil, nil, nil, true) end, "batch_norm", "int64")
    fails(function() cr.instance_norm(x:long()) end, "instance_norm", "int64")
    fails(function() cr.local_response_norm(x:long(), 2) end, "local_response_norm", "int64")
    fails(function() cr.layer_norm(x:long(), { 3 }) end, "layer_norm", "int64")
  end)

  it("too few dims", function()
    fails(function() cr.batch_norm(two, nil, nil, nil, nil, true) end, "batch_norm", "at least 2 dims")
    fails(function() cr.instance_norm(cr.ones(2, 2)) end, "instance_norm", "at least 3 dims")
    fails(function() cr.local_response_norm(cr.ones(2, 2), 1) end, "local_response_norm", "at least 3 dims")
  end)

  it("weights and biases of another size, dtype or device", function()
    fails(function() cr.batch_norm(x, nil, nil, cr.ones(3), nil, true) end, "weight", "shape 2", "3")
    fails(function() cr.batch_norm(x, nil, nil, nil, cr.ones(3), true) end, "bias", "shape 2", "3")
    fails(function() cr.group_norm(x, 2, cr.ones({ 2 }, { dtype = "float64" })) end, "weight", "float32", "float64")
    fails(function() cr.layer_norm(x, { 3 }, cr.ones(3, 1)) end, "weight", "shape 3", "3x1")
    fails(function() cr.layer_norm(x, { 2 }) end, "layer_norm", "2x2x3", "sizes 2")
    fails(function() cr.group_norm(x, 3) end, "group_norm", "2 channels", "3 equal groups")
  end)

  it("running statistics that are missing, halved, of another size, or that require grad", function()
    fails(function() cr.batch_norm(x) end, "batch_norm", "running_mean", "training = true")
    fails(function() cr.instance_norm(x, nil, nil, nil, nil, false) end, "running_mean", "use_input_stats = true")
    fails(function() cr.batch_norm(x, two) end, "running_mean and running_var")
    fails(function() cr.batch_norm(x, cr.ones(3), cr.ones(3)) end, "running_mean", "shape 2")
    fails(function() cr.batch_norm(x, two, cr.ones({ 2 }, { requires_grad = true }), nil, nil, true) end, "running_var",
      "must not require grad")
  end)

  it("a single value for a mean", function()
    fails(function() cr.batch_norm(cr.ones(1, 2), nil, nil, nil, nil, true) end, "more than one value", "1x2")
    fails(function() cr.instance_norm(cr.ones(2, 2, 1)) end, "more than one value", "2x2x1")
  end)

  it("a window of no channel", function()
    fails(function() cr.local_response_norm(x, 0) end, "size", "got 0")
  end)
end)
