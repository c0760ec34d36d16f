-- rnn.lua: recurrent layers and cells: simple ones, LSTM, GRU.
--
-- Holds true: a call of any number of layers is one node. A layer's input is multiplied with its weights for all steps
-- at once; the steps are one kernel forward and one backward. 16-bit floats are computed in float32. Dropout keeps no
-- mask: it is drawn again. Derivatives of every order: where they are recorded, the steps are replayed in operations.

-- src/cpu/rnn.c says what they mean; rows[t].n sequences are there at step t, from row rows[t].step on.
kernel "rnn(gates, kept?, out, first, cell?, weight, bias?, projection?; mode, backwards: bool)"
kernel "rnn_backward(gates, kept, grad, by_gates, by_products?, carry?, weight, projection?; mode, backwards: bool)"

local settings = [[params: tensors, has_biases: bool = true, num_layers: int = 1, dropout: float = 0.0,
    train: bool = false, bidirectional: bool = false, batch_first: bool = false, batch_sizes: tensor?]]

local layer = [[ input: time x batch x features (batch x time x features with batch_first; the batch may be left out),
    or, with batch_sizes (int64), the rows of a packed sequence. params: for each layer, and in it for each direction,
    weight_ih (%sH x features), weight_hh (%sH x H)%s and, with has_biases, bias_ih and bias_hh behind them. %s:
    (layers x directions) x batch x H; without it zeros. In training, dropout is the probability with which what goes
    from a layer to the next is zeroed.]]

-- The parameters of `layers` layers.
local function weights(s, gates, width, hidden, biases, layers, both, shown)
  local list, out, n = {}, shown or hidden, both and 2 or 1
  for l = 1, layers do
    for _ = 1, n do
      list[#list + 1] = s.t({ gates * hidden, l == 1 and width or n * out }, -1, 1)
      list[#list + 1] = s.t({ gates * hidden, out }, -1, 1)
      if biases then
        list[#list + 1] = s.t({ gates * hidden }, -1, 1)
        list[#list + 1] = s.t({ gates * hidden }, -1, 1)
      end
      if shown then list[#list + 1] = s.t({ shown, hidden }, -1, 1) end
    end
  end
  return list
end

local function layer_samples(gates)
  return function(s)
    return {
      { s.t({ 2, 2, 3 }, -1, 1), s.t({ 1, 2, 2 }, -1, 1), weights(s, gates, 3, 2, true, 1) },
      { s.t({ 2, 1, 2 }, -1, 1), s.none, weights(s, gates, 2, 2, false, 2, true), false, 2, 0.0, false, true, true },
      { s.t({ 3, 2 }, -1, 1), s.none, weights(s, gates, 2, 1, true, 1) },
    }
  end
end

for _, kind in ipairs { "tanh", "relu" } do
  op("rnn_" .. kind .. "(input: tensor, hx: tensor?, " .. settings .. ") -> output, h_n") {
    autocast = "lower",
    doc = ([[Layers of h' = %s(weight_ih x + bias_ih + weight_hh h + bias_hh). Gives the states of the last layer at all
      steps, and the last states of all layers.]]):format(kind) .. layer:format("", "", "", "hx"),
    run = "rnn", composite = true, method = false, samples = layer_samples(1),
  }

  op("rnn_" .. kind .. "_cell(input: tensor, hx: tensor, w_ih: tensor, w_hh: tensor, b_ih: tensor?, b_hh: tensor?)") {
    autocast = "lower",
    doc = ([[One step of a layer: %s(w_ih x + b_ih + w_hh h + b_hh) for x of input (batch x features) and h of hx
      (batch x H); the batch may be left out.]]):format(kind),
    run = "rnn_cell", composite = true, method = false,
    samples = function(s)
      return { { s.t({ 2, 3 }, -1, 1), s.t({ 2, 2 }, -1, 1), s.t({ 2, 3 }, -1, 1), s.t({ 2, 2 }, -1, 1), s.t({ 2 }),
        s.t({ 2 }) }, { s.t({ 3 }, -1, 1), s.t({ 2 }, -1, 1), s.t({ 2, 3 }, -1, 1), s.t({ 2, 2 }, -1, 1) } }
    end,
  }
end

op("lstm(input: tensor, hx: tensors?, " .. settings .. ") -> output, h_n, c_n") {
  autocast = "lower",
  doc = [[Layers of long short-term memory: c' = s(f) c + s(i) tanh(g) and h' = s(o) tanh(c'), where i, f, g, o are the
    quarters of weight_ih x + bias_ih + weight_hh h + bias_hh and s is the logistic function; with a projection h' is
    weight_hr times that. Gives the states of the last layer at all steps, and the last states h and cells c of
    all layers. hx is a list: states and cells.]]
    .. layer:format("4", "4", " or, of P projected units, 4H x P, then also weight_hr (P x H) at the end,",
      "hx's tensors"),
  run = "lstm", composite = true, method = false,
  samples = function(s)
    return {
      { s.t({ 2, 2, 3 }, -1, 1), { s.t({ 1, 2, 2 }, -1, 1), s.t({ 1, 2, 2 }, -1, 1) }, weights(s, 4, 3, 2, true, 1) },
      { s.t({ 2, 1, 2 }, -1, 1), s.none, weights(s, 4, 2, 2, false, 2, true), false, 2, 0.0, false, true, true },
      { s.t({ 3, 2 }, -1, 1), { s.t({ 1, 1 }, -1, 1), s.t({ 1, 2 }, -1, 1) }, weights(s, 4, 2, 2, true, 1, false, 1) },
    }
  end,
}

op("gru(input: tensor, hx: tensor?, " .. settings .. ") -> output, h_n") {
  autocast = { cpu = "widest", cuda = "lower" },
  doc = [[Layers of gated recurrent units: h' = (1 - s(z)) tanh(n) + s(z) h, where r, z and n are the thirds of
    weight_ih x + bias_ih plus those of weight_hh h + bias_hh, the last of which is multiplied by s(r) first; s is the
    logistic function. Gives the states of the last layer at all steps, and the last states of all layers.]]
    .. layer:format("3", "3", "", "hx"),
  run = "rnn", composite = true, method = false, samples = layer_samples(3),
}

op "lstm_cell(input: tensor, hx: tensors, w_ih: tensor, w_hh: tensor, b_ih: tensor?, b_hh: tensor?) -> h, c" {
  autocast = { cpu = "widest", cuda = "lower" },
  doc = [[One step of an lstm layer with input (batch x features) and hx, the state and the cell (batch x H each): the
    new state and the new cell. The batch may be left out.]],
  run = "lstm_cell", composite = true, method = false,
  samples = function(s)
    return { { s.t({ 2, 3 }, -1, 1), { s.t({ 2, 2 }, -1, 1), s.t({ 2, 2 }, -1, 1) }, s.t({ 8, 3 }, -1, 1),
      s.t({ 8, 2 }, -1, 1), s.t({ 8 }), s.t({ 8 }) } }
  end,
}

op "gru_cell(input: tensor, hx: tensor, w_ih: tensor, w_hh: tensor, b_ih: tensor?, b_hh: tensor?)" {
  autocast = { cpu = "widest", cuda = "lower" },
  doc = [[One step of a gru layer with input (batch x features) and hx, the state (batch x H): the new state. The batch
    may be left out.]],
  run = "rnn_cell", composite = true, method = false,
  samples = function(s)
    return { { s.t({ 2, 3 }, -1, 1), s.t({ 2, 2 }, -1, 1), s.t({ 6, 3 }, -1, 1), s.t({ 6, 2 }, -1, 1), s.t({ 6 }),
      s.t({ 6 }) } }
  end,
}

op [[rnn_layers(input: tensor, hx: tensor?, cx: tensor?, params: tensors, batch_sizes: tensor?, mode: int, layout: int,
    has_biases: bool, num_layers: int, dropout: float, bidirectional: bool, seed: int, offset: int, keep: bool,
    name: string) -> output, h_n, c_n, kept]] {
  doc = [[All of these (mode: cr__rnn_mode, layout: cr__rnn_layout), whose arguments are sound; kept: what the
    derivative needs, where keep is set. seed, offset: where the random numbers of dropout begin. name is the operation
    that errors speak of.]],
  hidden = true, run = "rnn_layers", grad = "rnn_layers", saves = "kept",
  samples = function(s)
    return { { s.t({ 2, 2, 3 }, -1, 1), s.t({ 1, 2, 2 }, -1, 1), s.none, weights(s, 3, 3, 2, true, 1), s.none, 3, 0,
      true, 1, 0.0, false, 0, 0, true, "gru" } }
  end,
}
