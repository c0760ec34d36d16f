-- nn_sequences_spec.lua: recurrent layers, attention and transformers: what recorded numbers do not tell.

local cr = require "cresset"
local nn = cr.nn
local values = require "spec.support.values"

local fails, warnings_of = values.assert_fails, values.warnings_of
local rnn = nn.utils.rnn

local function shape(t) return table.concat(t.shape, "x") end

before_each(function() cr.manual_seed(4) end)

describe("a recurrent layer", function()
  it("gives output and state", function()
    local out, state = nn.LSTM(4, 8, { batch_first = true })(cr.randn(2, 5, 4))
    assert.equal("2x5x8", shape(out))
    assert.equal("1x2x8", shape(state[1]))
    assert.equal("1x2x8", shape(state[2]))
    local y, h = nn.GRU(4, 3, { num_layers = 2, bidirectional = true })(cr.randn(5, 2, 4))
    assert.equal("5x2x6", shape(y))
    assert.equal("4x2x3", shape(h))
    assert.equal("5x3", shape((nn.RNN(4, 3)(cr.randn(5, 4)))))
  end)

  it("goes on from a state as if there had been one call", function()
    local m = nn.LSTM(3, 2):double()
    local x = cr.randn({ 6, 2, 3 }, { dtype = "float64" })
    local whole = m(x)
    local first, state = m(x:narrow(1, 1, 4))
    local second = m(x:narrow(1, 5, 2), state)
    assert.is_true(cr.cat({ first, second }):allclose(whole, 1e-12, 1e-12))
  end)

  it("is what its cell does step by step", function()
    for _, name in ipairs { "RNN", "GRU" } do
      local m, cell = nn[name](3, 2):double(), nn[name .. "Cell"](3, 2):double()
      cell:load_state_dict { weight_ih = m.weight_ih_l0, weight_hh = m.weight_hh_l0, bias_ih = m.bias_ih_l0,
        bias_hh = m.bias_hh_l0 }
      local x, h = cr.randn({ 4, 2, 3 }, { dtype = "float64" }), nil
      local out = m(x)
      for t = 1, 4 do
        h = cell(x[t], h)
        assert.is_true(h:allclose(out[t], 1e-12, 1e-12), name)
      end
    end
  end)

  it("takes packed sequences, as each of them alone", function()
    local m = nn.LSTM(3, 2, { bidirectional = true }):double()
    local list = { cr.randn({ 2, 3 }, { dtype = "float64" }), cr.randn({ 5, 3 }, { dtype = "float64" }),
      cr.randn({ 3, 3 }, { dtype = "float64" }) }
    local packed, state = m(rnn.pack_sequence(list, { enforce_sorted = false }))
    local padded, lengths = rnn.pad_packed_sequence(packed)
    assert.same({ 2, 5, 3 }, lengths:totable())
    for i, x in ipairs(list) do
      local alone, own = m(x)
      assert.is_true(padded:select(2, i):narrow(1, 1, x:size(1)):allclose(alone, 1e-12, 1e-12))
      assert.is_true(state[1]:select(2, i):allclose(own[1], 1e-12, 1e-12))
      assert.is_true(state[2]:select(2, i):allclose(own[2], 1e-12, 1e-12))
    end
  end)

  it("has parameters within 1 / sqrt(hidden_size)", function()
    for _, p in ipairs(nn.GRU(50, 100):parameters()) do
      local most = p:detach():abs():max():item()
      assert(most <= 0.1 and most > 0.09)
    end
  end)

  it("drops between layers in training only", function()
    local m = nn.GRU(3, 4, { num_layers = 2, dropout = 0.5 })
    local x = cr.randn(5, 2, 3)
    assert.is_false((m(x)):equal((m(x))))
    m:eval()
    assert.is_true((m(x)):equal((m(x))))
    local told = warnings_of(function() nn.GRU(3, 4, { dropout = 0.5 }) end)
    assert.is_truthy(table.concat(told, " "):find("dropout works between layers", 1, true))
  end)

  it("refuses states of another kind, and names itself in errors", function()
    local m = nn.LSTM(3, 2)
    fails(function() return m(cr.randn(4, 3), cr.randn(1, 2)) end, "LSTM: the state must be a list of two tensors")
    fails(function() return nn.GRU(3, 2)(cr.randn(4, 3), { 1 }) end, "GRU: the state must be a tensor, got a table")
    fails(function() return nn.Sequential { m }(cr.randn(4, 5)) end, "in net.0 (LSTM), which is net[1]: lstm:")
    fails(function() nn.LSTM(3, 2, { proj_size = 2 }) end, "proj_size (2) must be less than hidden_size (2)")
    fails(function() nn.RNN(3, 2, { nonlinearity = "sin" }) end, 'nonlinearity must be one of "tanh", "relu"')
    fails(function() return nn.LSTMCell(3, 2)(3) end, "LSTMCell: the input must be a tensor")
  end)

  it("tells its settings", function()
    assert.equal("LSTM(3, 2, proj_size=1, num_layers=2, bias=false, batch_first=true, bidirectional=true)",
      (tostring(nn.LSTM(3, 2, { proj_size = 1, num_layers = 2, bias = false, batch_first = true,
        bidirectional = true })):gsub("  %[.*", "")))
    assert.equal("RNNCell(3, 2, bias=false, nonlinearity=relu)",
      (tostring(nn.RNNCell(3, 2, { bias = false, nonlinearity = "relu" })):gsub("  %[.*", "")))
  end)

  it("moves with its weights, and is cloned", function()
    local m = nn.LSTM(3, 2):double()
    local x = cr.randn({ 4, 3 }, { dtype = "float64" })
    assert.is_true((m:clone()(x)):equal((m(x))))
  end)
end)
