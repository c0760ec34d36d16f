-- standardize.lua: rows less their mean, over their spread: what all normalizations are made of.
--
-- Holds true: all norms are one pair of kernels over rows. Means and inverse spreads are float64.

-- A tensor as rows: of its elements in order, `outer` x batch x `groups` x channels x inner, a row has batch x channels
-- x inner. Weight and bias have an element for each channel of each group.
kernel [[standardize(out, mean, inverse, from, weight?, bias?; outer, batch, groups, channels, inner, eps: float,
  centred: bool)]]
kernel [[standardize_backward(out, for_weight?, for_bias?, grad, from, weight?, mean, inverse; outer, batch, groups,
  channels, inner, centred: bool)]]

local function rows_samples(s)
  return { { s.t({ 2, 6 }), s.t({ 6 }), s.t({ 6 }), { 2, 1, 1, 6, 1 }, 0.25, true },
    { s.t({ 2, 4, 3 }), s.t({ 4 }), s.none, { 2, 1, 2, 2, 3 }, 0.25, true },
    { s.t({ 3, 2, 2 }), s.t({ 2 }), s.t({ 2 }), { 1, 3, 2, 1, 2 }, 0.25, false } }
end

op [[standardize(self: tensor, weight: tensor?, bias: tensor?, layout: ints, eps: float, centred: bool)
    -> out, mean, inverse]] {
  doc = [[self less the mean of its row where centred, times the inverse, 1 / sqrt(v + eps) for the variance or mean
    square v of the row; then times weight plus bias. layout: the sizes of self as rows: outer, batch, groups, channels,
    inner. Means and inverses are float64, outer x groups of them.]],
  hidden = true, run = "standardize",
  grad = { "self", "weight", "bias", joint = function(g, v)
    return ops.standardize_backward(g, v.self, v.weight, v.mean, v.inverse, v.layout, v.eps, v.centred, v.needs.weight,
      v.needs.bias)
  end },
  samples = rows_samples,
}

op [[standardize_backward(self: tensor, input: tensor, weight: tensor?, mean: tensor, inverse: tensor, layout: ints,
    eps: float, centred: bool, for_weight: bool, for_bias: bool) -> for_input, for_weight, for_bias]] {
  doc = [[The gradients of standardize for its tensors, of self, the one of its result. For a row with standardized
    elements h and gradients u, weighted: inverse * (u - mean(u) - h * mean(u * h)). Of weight and bias, where they are
    asked for.]],
  hidden = true, run = "standardize_backward",
  grad = { "self", "input", "weight", joint = function(_, v)
    return ops.standardize_twice(v.grads[1], v.grads[2], v.grads[3], v.self, v.input, v.weight, v.layout, v.eps,
      v.centred, v.for_weight, v.for_bias)
  end },
  samples = function(s)
    return { { s.t({ 2, 3 }), s.t({ 2, 3 }), s.t({ 3 }), s.t({ 2 }), s.t({ 2 }, 0.5, 2), { 2, 1, 1, 3, 1 }, 0.25, true,
      true, true } }
  end,
}

op [[standardize_twice(self: tensor, of_weight: tensor, of_bias: tensor, grad: tensor, input: tensor, weight: tensor?,
    layout: ints, eps: float, centred: bool, for_weight: bool, for_bias: bool) -> for_grad, for_input, for_weight]] {
  doc = [[The gradients of standardize_backward for its tensors, in operations: of self, of_weight and of_bias, those of
    its results.]],
  hidden = true, run = "standardize_twice", composite = true,
  samples = function(s)
    return { { s.t({ 2, 3 }), s.t({ 3 }), s.t({ 3 }), s.t({ 2, 3 }), s.t({ 2, 3 }), s.t({ 3 }), { 2, 1, 1, 3, 1 }, 0.25,
      true, true, true } }
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
