-- optim_average_spec.lua: averages of weights (swa_utils), and gradients that are clipped (nn.utils).

local cr = require "cresset"
local values = require "spec.support.values"

local swa, utils = cr.optim.swa_utils, cr.nn.utils
local fails = values.assert_fails

local function linear(value)
  local net = cr.nn.Linear(2, 1)
  cr.no_grad(function() for _, p in ipairs(net:parameters()) do p:fill_(value) end end)
  return net
end

local function set(net, value) cr.no_grad(function() for _, p in ipairs(net:parameters()) do p:fill_(value) end end) end

describe("an averaged model", function()
  it("begins as the model is at its first update, and then is the mean", function()
    local net = linear(5)
    local avg = swa.AveragedModel(net)
    for _, value in ipairs { 1, 2, 6 } do
      set(net, value)
      avg:update_parameters(net)
    end
    for _, p in ipairs(avg:parameters()) do values.assert_values(p:reshape(-1):mean(), 3, 1e-6) end
    assert.equal(3, avg.n_averaged:item())
    assert.equal(6, net.bias:item())
    values.assert_values(avg(cr.ones(1, 2)), { { 9 } }, 1e-6)
  end)

  it("forgets by a factor with get_ema_multi_avg_fn", function()
    local net = linear(0)
    local avg = swa.AveragedModel(net, { multi_avg_fn = swa.get_ema_multi_avg_fn(0.75) })
    avg:update_parameters(net)
    set(net, 1)
    avg:update_parameters(net)
    avg:update_parameters(net)
    assert.equal(0.4375, avg.module.bias:item())
  end)

  it("takes any function for each tensor", function()
    local net = linear(4)
    local seen = {}
    local avg = swa.AveragedModel(net, { avg_fn = function(a, p, n)
      seen[#seen + 1] = n
      return cr.maximum(a, p)
    end })
    avg:update_parameters(net)
    set(net, 3)
    avg:update_parameters(net)
    assert.same({ 1, 1 }, seen)
    assert.equal(4, avg.module.bias:item())
    net = linear(2)
    local one = swa.AveragedModel(net, { avg_fn = swa.get_swa_avg_fn() })
    local two = swa.AveragedModel(net, { avg_fn = swa.get_ema_avg_fn(0.5) })
    for _, value in ipairs { 2, 4 } do
      set(net, value)
      one:update_parameters(net)
      two:update_parameters(net)
    end
    assert.equal(3, one.module.bias:item())
    assert.equal(3, two.module.bias:item())
  end)

  it("copies buffers, or averages them, too", function()
    local net = cr.nn.BatchNorm1d(2)
    local plain, all = swa.AveragedModel(net), swa.AveragedModel(net, { use_buffers = true })
    for _, value in ipairs { 1, 3 } do
      net.running_mean:fill_(value)
      plain:update_parameters(net)
      all:update_parameters(net)
    end
    values.assert_values(plain.module.running_mean, { 3, 3 })
    values.assert_values(all.module.running_mean, { 2, 2 })
  end)

  it("is saved and loaded like any module", function()
    local net = linear(1)
    local a, b = swa.AveragedModel(net), swa.AveragedModel(linear(7))
    a:update_parameters(net)
    b:load_state_dict(a:state_dict())
    assert.equal(1, b.n_averaged:item())
    assert.equal(1, b.module.bias:item())
  end)

  it("refuses what does not fit, in a sentence", function()
    local avg = swa.AveragedModel(linear(1))
    fails(function() swa.AveragedModel(5) end, "AveragedModel: the first argument must be a module, got the number 5")
    fails(function() avg:update_parameters(cr.nn.Linear(3, 1)) end,
      "update_parameters: tensor 1 has shape 1x3, and its average 1x2")
    fails(function() swa.get_ema_multi_avg_fn(2) end, "decay must be a number from 0 to 1, got the number 2")
  end)
end)

describe("update_bn", function()
  it("gives batch normalizations the statistics of all batches", function()
    local net = cr.nn.Sequential { cr.nn.BatchNorm1d(1) }
    net:eval()
    local batches, i = { cr.tensor { { 0.0 }, { 2.0 } }, cr.tensor { { 4.0 }, { 8.0 } } }, 0
    swa.update_bn(function()
      i = i + 1
      return batches[i]
    end, net)
    local bn = net:modules()[2]
    values.assert_values(bn.running_mean, { 3.5 })
    values.assert_values(bn.running_var, { 5 })
    assert.equal(0.1, bn.momentum)
    assert.is_false(net.training)
  end)
end)

describe("clipping", function()
  local function parameters()
    local a, b, c = cr.zeros({ 1 }, { requires_grad = true }), cr.zeros({ 2 }, { requires_grad = true }),
      cr.zeros({ 1 }, { requires_grad = true })
    a.grad, b.grad = cr.tensor { 3.0 }, cr.tensor { 0.0, -4.0 }
    return { a, b, c }
  end

  it("brings the norm of all gradients down, and gives the norm", function()
    local list = parameters()
    assert.equal(5, utils.clip_grad_norm_(list, 1):item())
    values.assert_values(list[1].grad, { 3 / 5.000001 }, 1e-6)
    values.assert_values(list[2].grad, { 0, -4 / 5.000001 }, 1e-6)
    list = parameters()
    assert.equal(5, utils.clip_grad_norm_(list, 10):item())
    values.assert_values(list[1].grad, { 3 })
  end)

  it("knows other norms", function()
    assert.equal(7, utils.clip_grad_norm_(parameters(), 1, { norm_type = 1 }):item())
    assert.equal(4, utils.clip_grad_norm_(parameters(), 1, { norm_type = cr.inf }):item())
    assert.equal(4, utils.get_total_norm({ cr.tensor { -4.0 }, cr.tensor { 1.0 } }, { norm_type = cr.inf }):item())
    assert.equal(0, utils.get_total_norm({}):item())
  end)

  it("of what is not finite is as PyTorch's, or an error", function()
    local list = parameters()
    list[1].grad = cr.tensor { cr.inf }
    fails(function() utils.clip_grad_norm_(list, 1, { error_if_nonfinite = true }) end,
      "clip_grad_norm_: the norm of order 2 is inf")
    values.assert_values(list[2].grad, { 0, -4 })
    utils.clip_grad_norm_(list, 1)
    local x = list[1].grad:item()
    assert(x ~= x)
    values.assert_values(list[2].grad, { 0, 0 })
  end)

  it("cuts elements to a range", function()
    local list = parameters()
    utils.clip_grad_value_(list, 3.5)
    values.assert_values(list[1].grad, { 3 })
    values.assert_values(list[2].grad, { 0, -3.5 })
  end)

  it("refuses what does not fit, in a sentence", function()
    fails(function() utils.clip_grad_norm_(5, 1) end,
      "clip_grad_norm_: parameters must be a tensor or a list of tensors, got the number 5")
    fails(function() utils.clip_grad_norm_(parameters(), "1") end,
      'clip_grad_norm_: max_norm must be a number, got the string "1"')
    fails(function() utils.clip_grad_norm_(parameters(), 1, { norm = 1 }) end, "there is no option 'norm'")
    fails(function() utils.clip_grad_value_({ 5 }, 1) end, "parameters[1] must be a tensor, got the number 5")
  end)
end)
