-- normalization.lua: layers that subtract a mean and divide by a spread.
--
-- Holds true: all are compositions of standardize; of float16 and bfloat16 all is computed in float32 at least.

op "layer_norm(self: tensor, normalized_shape: shape, weight: tensor?, bias: tensor?, eps: float = 1e-5)" {
  autocast = { cuda = "float32" },
  doc = [[self less its mean and divided by its standard deviation (of the variance plus eps) over the last dims, whose
    sizes are given; then times weight plus bias, where they are there.]],
  run = "layer_norm", composite = true, method = false,
  samples = function(s)
    return { { s.t({ 2, 3 }), { 3 } }, { s.t({ 2, 3, 4 }), { 3, 4 }, s.t({ 3, 4 }), s.t({ 3, 4 }), 0.25 } }
  end,
}

op "rms_norm(self: tensor, normalized_shape: shape, weight: tensor?, eps: float?)" {
  autocast = { cuda = "float32" },
  doc = [[self divided by the root of its mean square plus eps (without it the smallest number that changes 1) over the
    last dims, whose sizes are given; then times weight, where it is there.]],
  run = "rms_norm", composite = true, method = false,
  samples = function(s)
    return { { s.t({ 2, 3 }), { 3 } }, { s.t({ 2, 3, 4 }), { 3, 4 }, s.t({ 3, 4 }), 0.25 } }
  end,
}

op "group_norm(self: tensor, num_groups: int, weight: tensor?, bias: tensor?, eps: float = 1e-5)" {
  autocast = { cuda = "float32" },
  doc = "layer_norm over each of some equal groups of channels (dim 2); weight and bias have one element a channel.",
  run = "group_norm", composite = true, method = false,
  samples = function(s) return { { s.t({ 2, 4, 3 }), 2 }, { s.t({ 2, 4 }), 1, s.t({ 4 }), s.t({ 4 }), 0.25 } } end,
}

op [[batch_norm(self: tensor, running_mean: tensor?, running_var: tensor?, weight: tensor?, bias: tensor?,
    training: bool = false, momentum: float = 0.1, eps: float = 1e-5)]] {
  doc = [[self (N x C or N x C x ...) less a mean and divided by the root of a variance plus eps for each channel (dim
    2); then times weight plus bias, one element a channel. In training mean and variance are those of the batch, and
    the running ones become (1 - momentum) * running + momentum * the batch's, in place, with the variance over n - 1;
    else they are the running ones. More than one value a channel is needed in training.]],
  run = "batch_norm", composite = true, method = false,
  samples = function(s)
    return { { s.t({ 3, 2, 2 }), s.none, s.none, s.t({ 2 }), s.t({ 2 }), true },
      { s.t({ 4, 3 }), s.none, s.none, s.none, s.none, true, 0.1, 0.25 },
      { s.t({ 2, 2, 2, 1 }), s.t({ 2 }), s.t({ 2 }, 0.5, 2), s.t({ 2 }), s.t({ 2 }) } }
  end,
}

op [[instance_norm(self: tensor, running_mean: tensor?, running_var: tensor?, weight: tensor?, bias: tensor?,
    use_input_stats: bool = true, momentum: float = 0.1, eps: float = 1e-5)]] {
  doc = [[batch_norm with a mean and a variance for each channel of each of the N inputs (self is N x C x ..., with more
    than one value a channel); running ones become the mean of these over N. Without use_input_stats it is batch_norm
    with the running ones.]],
  run = "instance_norm", composite = true, method = false,
  samples = function(s)
    return { { s.t({ 2, 2, 3 }), s.none, s.none, s.t({ 2 }), s.t({ 2 }) }, { s.t({ 2, 2, 2, 2 }) },
      { s.t({ 2, 2, 2 }), s.t({ 2 }), s.t({ 2 }, 0.5, 2), s.none, s.none, false } }
  end,
}

op "local_response_norm(self: tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0)" {
  doc = [[self (N x C x ...) over (k + alpha * m)^beta, where m is the mean over `size` channels around (those
    that are not there count as 0) of the squares: size // 2 before, the others from the channel itself on.]],
  run = "local_response_norm", composite = true, method = false,
  samples = function(s) return { { s.t({ 2, 4, 3 }), 3 }, { s.t({ 2, 3, 1 }), 2, 0.5, 0.75, 2.0 } } end,
}
