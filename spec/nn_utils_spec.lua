-- nn_utils_spec.lua: norms of weights, parametrizations, fusion, parameters as a vector.

local cr = require "cresset"
local nn = cr.nn
local values = require "spec.support.values"

local fails = values.assert_fails
local utils = nn.utils

local function names(iterator)
  local list = {}
  for name in iterator do list[#list + 1] = name end
  return table.concat(list, " ")
end

before_each(function() cr.manual_seed(3) end)

local function keys(dict)
  local list = {}
  for key in pairs(dict) do list[#list + 1] = key end
  table.sort(list)
  return table.concat(list, " ")
end

describe("parameters as a vector", function()
  it("come one after the other, and go back", function()
    local m = nn.Linear(3, 2):double()
    local v = utils.parameters_to_vector(m:parameters())
    assert.equal(8, v:numel())
    assert.is_true(v.requires_grad)
    utils.vector_to_parameters(cr.arange(0, 8, { dtype = "float64" }), m:parameters())
    assert.same({ { 0, 1, 2 }, { 3, 4, 5 } }, m.weight:totable())
    assert.same({ 6, 7 }, m.bias:totable())
    fails(function() utils.vector_to_parameters(cr.ones(7), m:parameters()) end, "has 7 elements", "have 8")
    fails(function() utils.parameters_to_vector(3) end, "must be a list of tensors")
  end)
end)

describe("functional_call", function()
  it("calls a module with other tensors, to which gradients flow", function()
    local m = nn.Sequential { nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1) }:double()
    local own, x = m[1].weight, cr.randn({ 3, 2 }, { dtype = "float64" })
    local w = cr.randn({ 2, 2 }, { dtype = "float64", requires_grad = true })
    local b = cr.randn({ 1 }, { dtype = "float64", requires_grad = true })
    assert.is_true(cr.gradcheck(function(weight, bias)
      return utils.functional_call(m, { ["0.weight"] = weight, ["2.bias"] = bias }, x)
    end, { w, b }))
    assert.equal(own, m[1].weight)
    assert.is_nil(own.grad)
  end)

  it("gives the module its own back after an error, and replaces what is shared everywhere", function()
    local m = nn.Sequential { nn.Linear(2, 2), nn.Linear(2, 2) }
    m[2].weight = m[1].weight
    local own, zero = m[1].weight, cr.zeros(2, 2)
    local y = utils.functional_call(m, { ["0.weight"] = zero }, cr.ones(1, 2))
    assert.is_true(y:equal(m[2].bias:unsqueeze(1)))
    fails(function() utils.functional_call(m, { ["0.weight"] = zero }, cr.ones(1, 3)) end, "linear")
    assert.is_true(m[1].weight == own and m[2].weight == own)
    fails(function() utils.functional_call(m, { ["0.wight"] = zero }) end, "did you mean '0.weight'?")
    fails(function() utils.functional_call(m, { ["0.weight"] = 3 }) end, "'0.weight' must be a tensor")
  end)
end)

describe("clip_grad_norm_", function()
  it("is that of the optimizers", function()
    local m = nn.Linear(3, 2)
    m(cr.ones(4, 3)):sum():backward()
    local before = utils.clip_grad_norm_(m:parameters(), 1)
    assert(before:item() > 1)
    assert(math.abs(utils.get_total_norm { m.weight.grad, m.bias.grad }:item() - 1) < 1e-4)
  end)
end)

describe("weight_norm", function()
  it("keeps the weight as a length times a direction", function()
    local m = nn.Linear(3, 2):double()
    local weight, x = m.weight:clone():detach(), cr.randn({ 4, 3 }, { dtype = "float64" })
    local y = m(x)
    assert.equal(m, utils.weight_norm(m))
    assert.equal("bias weight_g weight_v", names(m:named_parameters()))
    assert.same({ 2, 1 }, { table.unpack(m.weight_g.shape) })
    assert.is_true(m(x):allclose(y))
    m(x):sum():backward()
    assert.is_truthy(m.weight_g.grad and m.weight_v.grad)
    cr.no_grad(function() m.weight_g:mul_(2) end)
    m(x)
    assert.is_true(m.weight:allclose(weight * 2))
    local c = m:clone()
    assert.is_true(c(x):equal(m(x)))
    utils.remove_weight_norm(c)
    assert.equal("bias weight", names(c:named_parameters()))
    assert.is_true(c(x):allclose(m(x)))
    assert.is_true(c.weight.requires_grad and c.weight.is_leaf)
    fails(function() utils.remove_weight_norm(c) end, "'weight' is not normed")
    fails(function() utils.weight_norm(m, "wight") end, "no parameter 'wight'")
  end)

  it("takes other dims, and the whole", function()
    local m = utils.weight_norm(nn.Linear(3, 2), "weight", 2)
    assert.same({ 1, 3 }, { table.unpack(m.weight_g.shape) })
    assert.equal(0, utils.weight_norm(nn.Linear(3, 2), { dim = false }).weight_g.ndim)
  end)
end)

-- The largest singular value, by many steps of power iteration.
local function largest(w)
  local v = cr.ones({ w:size(2) }, { dtype = w.dtype })
  for _ = 1, 500 do v = w:t():mv(w:mv(v)):normalize(2, 1) end
  return w:mv(v):norm():item()
end

describe("spectral_norm", function()
  it("makes the largest singular value 1", function()
    local m = utils.spectral_norm(nn.Linear(4, 3):double(), { n_power_iterations = 100 })
    assert.equal("bias weight_orig", names(m:named_parameters()))
    assert.equal("weight_u weight_v", names(m:named_buffers()))
    local x = cr.randn({ 2, 4 }, { dtype = "float64" })
    m(x)
    assert(math.abs(largest(m.weight:detach()) - 1) < 1e-6)
    m(x):sum():backward()
    assert.is_truthy(m.weight_orig.grad)
    m:eval()
    local u = m.weight_u:clone()
    m(x)
    assert.is_true(u:equal(m.weight_u))
    utils.remove_spectral_norm(m)
    assert.equal("bias weight", names(m:named_parameters()))
    assert(math.abs(largest(m.weight:detach()) - 1) < 1e-6)
  end)

  it("takes the outputs of a transposed convolution", function()
    local m = utils.spectral_norm(nn.ConvTranspose2d(3, 5, 2))
    assert.equal(5, m.weight_u:numel())
  end)
end)

describe("a parametrization", function()
  local parametrize = utils.parametrize
  local Symmetric = nn.class "Symmetric"
  function Symmetric.forward(_, w) return w:triu() + w:triu(1):t() end
  local Double = nn.class "Double"
  function Double.forward(_, w) return w * 2 end
  function Double.right_inverse(_, w) return w / 2 end

  it("computes a tensor of a learned one", function()
    local m = nn.Linear(3, 3):double()
    local weight = m.weight
    assert.equal(m, parametrize.register_parametrization(m, "weight", Symmetric()))
    assert.is_true(m.weight:equal(m.weight:t()))
    assert.equal("bias parametrizations.weight.original", names(m:named_parameters()))
    assert.equal(weight, m.parametrizations.weight.original)
    assert.is_true(parametrize.is_parametrized(m) and parametrize.is_parametrized(m, "weight"))
    assert.is_false(parametrize.is_parametrized(m, "bias") or parametrize.is_parametrized(nn.Linear(1, 1)))
    m(cr.randn({ 2, 3 }, { dtype = "float64" })):sum():backward()
    assert.is_truthy(weight.grad)
    fails(function() m.weight = cr.ones(3, 3) end, "no right_inverse")
    assert.equal("ParametrizedLinear", m.class_name)
  end)

  it("may be assigned to where it has a right inverse, and be one of several", function()
    local m = nn.Linear(2, 2):double()
    local before = m.weight:clone():detach()
    parametrize.register_parametrization(m, "weight", Double())
    assert.is_true(m.weight:allclose(before))
    m.weight = cr.ones({ 2, 2 }, { dtype = "float64" })
    assert.same({ { 0.5, 0.5 }, { 0.5, 0.5 } }, m.parametrizations.weight.original:totable())
    parametrize.register_parametrization(m, "weight", Double())
    assert.same({ { 2, 2 }, { 2, 2 } }, m.weight:totable())
    m.weight = cr.ones({ 2, 2 }, { dtype = "float64" })
    assert.same({ { 0.25, 0.25 }, { 0.25, 0.25 } }, m.parametrizations.weight.original:totable())
  end)

  it("is computed once within cached", function()
    local m, count = nn.Linear(2, 2), 0
    local Counts = nn.class("Counts", Double)
    function Counts.forward(_, w)
      count = count + 1
      return w * 2
    end
    parametrize.register_parametrization(m, "weight", Counts())
    count = 0
    parametrize.cached(function()
      assert.equal(m.weight, m.weight)
      do
        local _ <close> = parametrize.cached()
        m(cr.ones(1, 2))
      end
      m(cr.ones(1, 2))
    end)
    assert.equal(1, count)
    pcall(parametrize.cached, error)
    m(cr.ones(1, 2))
    m(cr.ones(1, 2))
    assert.equal(3, count)
  end)

  it("is taken away with its value or its original", function()
    local m = nn.Linear(2, 2)
    local weight = m.weight
    parametrize.register_parametrization(m, "weight", Double())
    local value = m.weight:clone():detach()
    parametrize.remove_parametrizations(m, "weight")
    assert.equal(weight, m.weight)
    assert.is_true(m.weight:allclose(value))
    assert.equal("bias weight", names(m:named_parameters()))
    assert.equal("Linear", m.class_name)
    parametrize.register_parametrization(m, "weight", Double())
    local original = m.parametrizations.weight.original:clone():detach()
    parametrize.remove_parametrizations(m, "weight", { leave_parametrized = false })
    assert.is_true(m.weight:equal(original))
    fails(function() parametrize.remove_parametrizations(m, "weight") end, "'weight' has none")
  end)

  it("belongs to a clone and to a state_dict", function()
    local m = nn.Sequential { nn.Linear(2, 2) }
    parametrize.register_parametrization(m[1], "weight", Double())
    local c = m:clone()
    assert.equal("0.bias 0.parametrizations.weight.original", keys(c:state_dict()))
    cr.no_grad(function() c[1].parametrizations.weight.original:fill_(1) end)
    assert.same({ { 2, 2 }, { 2, 2 } }, c[1].weight:totable())
    assert.is_false(m[1].weight:equal(c[1].weight))
    m:load_state_dict(c:state_dict())
    assert.is_true(m[1].weight:equal(c[1].weight))
  end)

  it("keeps shape and dtype unless it may not", function()
    local m = nn.Linear(2, 3)
    local Cut = nn.class "Cut"
    function Cut.forward(_, w) return w[1] end
    fails(function() parametrize.register_parametrization(m, "weight", Cut()) end, "shape 3x2", "unsafe = true")
    assert.equal("weight bias", names(m:named_parameters()))
    parametrize.register_parametrization(m, "weight", Cut(), { unsafe = true })
    assert.equal(1, m.weight.ndim)
    fails(function() parametrize.register_parametrization(m, "wight", Cut()) end, "no parameter or buffer 'wight'")
    fails(function() parametrize.register_parametrization(m, "bias", 3) end, "must be a module, got a number")
  end)
end)

describe("the norms as parametrizations", function()
  local parametrizations = utils.parametrizations

  it("have PyTorch's keys", function()
    local m = parametrizations.weight_norm(nn.Linear(3, 2):double())
    assert.equal("bias parametrizations.weight.original0 parametrizations.weight.original1",
      names(m:named_parameters()))
    local s = parametrizations.spectral_norm(nn.Linear(3, 2))
    assert.equal("bias parametrizations.weight.0._u parametrizations.weight.0._v parametrizations.weight.original",
      keys(s:state_dict()))
  end)

  it("compute what the hooks do", function()
    local m = nn.Linear(3, 2):double()
    local x = cr.randn({ 4, 3 }, { dtype = "float64" })
    local y = m(x)
    parametrizations.weight_norm(m)
    assert.is_true(m(x):allclose(y))
    m.weight = cr.ones({ 2, 3 }, { dtype = "float64" })
    assert.is_true(m.weight:allclose(cr.ones({ 2, 3 }, { dtype = "float64" })))
    local s = parametrizations.spectral_norm(nn.Linear(4, 3):double(), { n_power_iterations = 50 })
    local w = s.weight:detach()
    assert(math.abs(largest(w) - 1) < 1e-4)
  end)
end)

describe("fusion", function()
  it("puts a batch norm into the layer before it", function()
    for _, at in ipairs {
      { nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), cr.randn({ 2, 2, 4, 4 }, { dtype = "float64" }) },
      { nn.Conv1d(2, 3, 2, { bias = false, padding = 1 }), nn.BatchNorm1d(3),
        cr.randn({ 2, 2, 4 }, { dtype = "float64" }) },
      { nn.ConvTranspose1d(2, 3, 2), nn.BatchNorm1d(3), cr.randn({ 2, 2, 4 }, { dtype = "float64" }), true },
    } do
      local net = nn.Sequential { at[1], at[2] }:double()
      for _ = 1, 3 do net(at[3]) end
      nn.init.uniform_(at[2].weight, 0.5, 2)
      nn.init.uniform_(at[2].bias, -1, 1)
      fails(function() utils.fuse_conv_bn_eval(at[1], at[2], at[4]) end, "is in training")
      net:eval()
      local fused = utils.fuse_conv_bn_eval(at[1], at[2], at[4])
      assert.is_true(fused(at[3]):allclose(net(at[3]), 1e-9, 1e-9))
      assert.is_true(nn.is_parameter(fused.weight) and nn.is_parameter(fused.bias))
    end
    local fc, bn = nn.Linear(3, 2):eval(), nn.BatchNorm1d(2):eval()
    local x = cr.randn(4, 3)
    assert.is_true(utils.fuse_linear_bn_eval(fc, bn)(x):allclose(bn(fc(x)), 1e-4, 1e-5))
  end)
end)
