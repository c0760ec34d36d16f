-- layer.lua: the layers of neural networks that are more than one product or one nonlinearity.
--
-- Holds true: float16 and bfloat16 are normalized in float32.

op "layer_norm(self: tensor, normalized_shape: shape, weight: tensor?, bias: tensor?, eps: float = 1e-5)" {
  doc = [[self less its mean and divided by its standard deviation (of the variance plus eps) over the last dims, whose
    sizes are given; then times weight plus bias, where they are there.]],
  run = "layer_norm", composite = true, method = false,
  samples = function(s)
    return { { s.t({ 2, 3 }), { 3 } }, { s.t({ 2, 3, 4 }), { 3, 4 }, s.t({ 3, 4 }), s.t({ 3, 4 }), 0.25 } }
  end,
}

op "rms_norm(self: tensor, normalized_shape: shape, weight: tensor?, eps: float?)" {
  doc = [[self divided by the root of its mean square plus eps (without it the smallest number that changes 1) over the
    last dims, whose sizes are given; then times weight, where it is there.]],
  run = "rms_norm", composite = true, method = false,
  samples = function(s)
    return { { s.t({ 2, 3 }), { 3 } }, { s.t({ 2, 3, 4 }), { 3, 4 }, s.t({ 3, 4 }), 0.25 } }
  end,
}

op "inverse_hypot(self: tensor, other: float)" {
  doc = "1 / hypot(self, other).",
  pointwise = "1 / hypot(x, a)", dtypes = "float", hidden = true,
  grad = { self = function(g, v) return -(g * v.out * (v.self * v.out) * v.out) end },
  samples = function(s) return { { s.t({ 2, 3 }, 0.5, 2), 0.5 } } end,
}

-- By roots, and with a derivative of products alone, for squares would leave the range.
op "inverse_spread(self: tensor, dim: dims, eps: float, centred: bool)" {
  doc = [[What a normalization multiplies by: 1 / sqrt(v + eps) for the variance v over dims, which stay, or where not
    centred for the mean square.]],
  hidden = true, run = "inverse_spread",
  grad = { self = function(g, v) return g:inverse_spread_backward(v.self, v.out, v.dim, v.centred) end },
  samples = function(s)
    return { { s.t({ 2, 3 }), { 2 }, 0.25, true }, { s.t({ 2, 3, 2 }), { 2, 3 }, 0.25, false } }
  end,
}

op "inverse_spread_backward(self: tensor, input: tensor, result: tensor, dim: dims, centred: bool)" {
  doc = "The gradient of inverse_spread for self, the one of its result.",
  hidden = true, run = "inverse_spread_backward", composite = true,
  samples = function(s)
    return { { s.t({ 2, 1 }), s.t({ 2, 3 }), s.t({ 2, 1 }, 0.5, 2), { 2 }, true },
      { s.t({ 2, 1 }), s.t({ 2, 3 }), s.t({ 2, 1 }, 0.5, 2), { 2 }, false } }
  end,
}

op "group_norm(self: tensor, num_groups: int, weight: tensor?, bias: tensor?, eps: float = 1e-5)" {
  doc = "layer_norm over each of some equal groups of channels (dim 2); weight and bias have one element a channel.",
  run = "group_norm", composite = true, method = false,
  samples = function(s) return { { s.t({ 2, 4, 3 }), 2 }, { s.t({ 2, 4 }), 1, s.t({ 4 }), s.t({ 4 }), 0.25 } } end,
}

op([[scaled_dot_product_attention(query: tensor, key: tensor, value: tensor, attn_mask: tensor?, dropout_p: float = 0.0,
    is_causal: bool = false, scale: float?)]]) {
  doc = [[softmax(scale query key^T) value, with scale 1 / sqrt(the last size of query) where none is given. A bool mask
    tells what takes part, a float mask is added before softmax; is_causal lets row i see the first i columns. A row
    that may see nothing gives 0, and its gradient is 0. Of float16 and bfloat16 all is computed in float32.]],
  run = "attention", composite = true, method = false,
  samples = function(s)
    local function three() return s.t({ 2, 3, 4 }), s.t({ 2, 5, 4 }), s.t({ 2, 5, 2 }) end
    local q, k, v = three()
    return { { q, k, v }, { q, k, v, s.t({ 3, 5 }) }, { q, k, v, s.none, 0.0, true, 0.5 } }
  end,
}
