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

describe("attention", function()
  it("gives weights that sum to 1, or none", function()
    local m = nn.MultiheadAttention(8, 2, { batch_first = true })
    local q, k = cr.randn(3, 4, 8), cr.randn(3, 5, 8)
    local y, w = m(q, k, k)
    assert.equal("3x4x8", shape(y))
    assert.equal("3x4x5", shape(w))
    assert.is_true(w:sum(-1):allclose(cr.ones(3, 4)))
    local z, none = m(q, k, k, { need_weights = false })
    assert.is_nil(none)
    assert.is_true(z:allclose(y, 1e-5, 1e-6))
    local _, each = m(q, k, k, { average_attn_weights = false })
    assert.equal("3x2x4x5", shape(each))
  end)

  it("begins as PyTorch's", function()
    local m = nn.MultiheadAttention(64, 4)
    local most = m.in_proj_weight:detach():abs():max():item()
    assert(most <= math.sqrt(6 / 256) and most > 0.97 * math.sqrt(6 / 256))
    assert.equal(0, m.in_proj_bias:abs():sum():item())
    assert.equal(0, m.out_proj.bias:abs():sum():item())
  end)

  it("is refused with a sentence", function()
    fails(function() nn.MultiheadAttention(5, 2) end, "embed_dim (5) must be divisible by num_heads (2)")
    local m = nn.MultiheadAttention(4, 2)
    fails(function() return m(cr.randn(3, 4)) end, "takes query, key and value")
    fails(function() return m(cr.randn(3, 4), 3, 4) end, "key must be a tensor, got the number 3")
    local x = cr.randn(3, 4)
    fails(function() return m(x, x, x, { attn_msk = x }) end, "no option 'attn_msk'; did you mean 'attn_mask'?")
  end)
end)

describe("a transformer", function()
  it("sees no later step through its mask", function()
    local layer = nn.TransformerEncoderLayer(16, 2, { dim_feedforward = 32, batch_first = true })
    local net = nn.TransformerEncoder(layer, 2):eval()
    local mask = nn.Transformer.generate_square_subsequent_mask(6)
    assert.equal(-math.huge, mask[1][2]:item())
    assert.equal(0, mask[2][1]:item())
    local x = cr.randn(1, 6, 16)
    local y = net(x, { mask = mask })
    local z = x:clone()
    z[{ 1, 5 }] = 9
    local other = net(z, { mask = mask, is_causal = true })
    assert.is_true(other:narrow(2, 1, 4):allclose(y:narrow(2, 1, 4), 1e-5, 1e-5))
    assert.is_false(other:narrow(2, 5, 1):allclose(y:narrow(2, 5, 1)))
  end)

  it("holds clones that begin alike and share nothing", function()
    local layer = nn.TransformerEncoderLayer(4, 2, { dim_feedforward = 4 })
    local net = nn.TransformerEncoder(layer, 2, { norm = nn.LayerNorm(4) })
    local a, b = net.layers[1].linear1.weight, net.layers[2].linear1.weight
    assert.is_true(a:equal(b) and not a:shares_storage(b))
    assert.is_truthy(net:state_dict()["layers.0.self_attn.in_proj_weight"])
    assert.is_truthy(net:state_dict()["norm.weight"])
  end)

  it("takes an activation that is a function or a module", function()
    local x = cr.randn(3, 1, 4)
    for _, f in ipairs { cr.relu, nn.ReLU() } do
      cr.manual_seed(1)
      local a = nn.TransformerEncoderLayer(4, 2, { dim_feedforward = 4, dropout = 0, activation = f })
      cr.manual_seed(1)
      local b = nn.TransformerEncoderLayer(4, 2, { dim_feedforward = 4, dropout = 0 })
      assert.is_true(a(x):equal(b(x)))
    end
    fails(function() nn.TransformerEncoderLayer(4, 2, { activation = "rely" }) end, 'must be "relu", "gelu" or a func')
  end)

  it("learns", function()
    local net = nn.Transformer { d_model = 8, nhead = 2, num_encoder_layers = 1, num_decoder_layers = 1,
      dim_feedforward = 16 }
    net(cr.randn(4, 2, 8), cr.randn(3, 2, 8)):sum():backward()
    for name, p in net:named_parameters() do assert(p.grad, name) end
  end)
end)
