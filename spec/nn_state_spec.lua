-- nn_state_spec.lua: state_dict and load_state_dict.

local cr = require "cresset"
local nn = cr.nn
local values = require "spec.support.values"

local fails = values.assert_fails

local function make()
  local net = nn.Sequential { nn.Linear(2, 3), nn.Identity(), nn.Linear(3, 1, { bias = false }) }
  net:register_buffer("mean", cr.zeros(2))
  net:register_buffer("scratch", cr.zeros(2), false)
  return net
end

describe("state_dict", function()
  it("has PyTorch's keys, and the module's memory outside every graph", function()
    local net, keys = make(), {}
    local dict = net:state_dict()
    for key, t in pairs(dict) do
      keys[#keys + 1] = key
      assert.is_false(t.requires_grad)
    end
    table.sort(keys)
    assert.same({ "0.bias", "0.weight", "2.weight", "mean" }, keys)
    assert.is_true(dict["0.weight"]:shares_storage(net[1].weight))
  end)

  it("takes a prefix, and gives the parameters themselves when it is asked to", function()
    local net = make()
    local dict = net:state_dict { prefix = "net.", keep_vars = true }
    assert.equal(net[1].weight, dict["net.0.weight"])
    fails(function() net:state_dict { prefx = "" } end, "state_dict has no option 'prefx'")
  end)
end)

describe("load_state_dict", function()
  it("copies into the same parameters", function()
    local a, b = make(), make()
    local weight = b[1].weight
    local result = b:load_state_dict(a:state_dict())
    assert.same({ missing_keys = {}, unexpected_keys = {} }, result)
    assert.equal(weight, b[1].weight)
    assert.is_true(weight:equal(a[1].weight) and not weight:shares_storage(a[1].weight) and weight.requires_grad)
  end)

  it("takes nested tables, and casts", function()
    local net = make()
    local dict = { mean = cr.tensor({ 1, 2 }), ["0"] = { weight = cr.ones({ 3, 2 }, { dtype = "float64" }),
      bias = cr.zeros(3) }, ["2"] = { weight = cr.ones(1, 3) } }
    net:load_state_dict(dict)
    assert.same({ 1, 2 }, net.mean:totable())
    assert.equal("float32", net[1].weight.dtype)
  end)

  it("tells every mismatch in one error, and changes nothing", function()
    local net = make()
    local before = net:state_dict()["0.bias"]:clone()
    fails(function()
      net:load_state_dict { ["0.bias"] = cr.ones(3), ["0.weight"] = cr.ones(2, 3), mean = 3, ["9.x"] = cr.ones(1),
        b = 1 }
    end, "load_state_dict: the tensors do not fit this Sequential: ", 'missing "2.weight"; unexpected "9.x", "b"; ',
      '"mean" is a number, not a tensor; ', '"0.weight" has shape 3x2 here and 2x3 there')
    assert.is_true(before:equal(net[1].bias))
    fails(function() net:load_state_dict(3) end, "load_state_dict takes a table of tensors")
    fails(function() net:load_state_dict(net) end, "not a module")
  end)

  it("leaves out what is missing on either side when it is not strict, but no other shape", function()
    local net = make()
    local result = net:load_state_dict({ mean = cr.ones(2), other = cr.ones(1) }, { strict = false })
    assert.same({ "0.weight", "0.bias", "2.weight" }, result.missing_keys)
    assert.same({ "other" }, result.unexpected_keys)
    assert.same({ 1, 1 }, net.mean:totable())
    fails(function() net:load_state_dict({ mean = cr.ones(3) }, { strict = false }) end,
      '"mean" has shape 2 here and 3')
  end)

  it("makes the tensors the module's own with assign", function()
    local net, weight = make(), cr.ones({ 3, 2 }, { dtype = "float64" })
    net[1].weight:requires_grad_(false)
    net:load_state_dict({ ["0.weight"] = weight }, { strict = false, assign = true })
    assert.is_true(net[1].weight:shares_storage(weight) and nn.is_parameter(net[1].weight))
    assert.equal("float64", net[1].weight.dtype)
    assert.is_false(net[1].weight.requires_grad)
  end)

  it("fills both places of a shared tensor", function()
    local net = nn.Sequential { nn.Linear(1, 1), nn.Linear(1, 1) }
    net[2].weight = net[1].weight
    local dict = net:state_dict()
    assert.is_truthy(dict["0.weight"] and dict["1.weight"])
    net:load_state_dict(dict)
    dict["1.weight"] = nil
    fails(function() net:load_state_dict(dict) end, 'missing "1.weight"')
  end)
end)

describe("hooks of state dictionaries", function()
  it("see the module, its prefix and the table", function()
    local net, seen = make(), {}
    net[1]:register_state_dict_post_hook(function(m, prefix, dict)
      seen[#seen + 1] = m.class_name .. " " .. prefix
      dict[prefix .. "extra"] = cr.ones(1)
    end)
    local pre = net[1]:register_load_state_dict_pre_hook(function(_, prefix, dict) dict[prefix .. "extra"] = nil end)
    net:register_load_state_dict_post_hook(function(_, _, result) seen[#seen + 1] = #result.missing_keys end)
    local dict = net:state_dict()
    net:load_state_dict(dict)
    assert.same({ "Linear 0.", 0 }, seen)
    assert.is_truthy(dict["0.extra"])
    pre:remove()
    fails(function() net:load_state_dict(dict) end, 'unexpected "0.extra"')
  end)
end)
