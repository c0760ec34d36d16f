-- ctc.lua: connectionist temporal classification: how likely sequences are, whatever their alignment.
--
-- Holds true: all sums of probabilities are computed as logarithms, in float64. Class numbers count from 1, the
-- blank's among them.

kernel "ctc(loss, alpha, log_probs, targets, input_lengths, target_lengths; steps, batch, classes, width, blank, row)"
kernel([[ctc_backward(out, grad, alpha, log_probs, targets, input_lengths, target_lengths; steps, batch, classes,
  width, blank, row, zero_infinity: bool)]])

op [[ctc_loss(log_probs: tensor, targets: tensor, input_lengths: tensor, target_lengths: tensor, blank: int = 1,
  reduction: "none" | "mean" | "sum" = "mean", zero_infinity: bool = false)]] {
  autocast = { cpu = "float32" },
  doc = [[The sum (or the mean, each divided by its target's length) of minus the logarithm of the probability that
    log_probs (steps x batch x classes, or without batch) give to each target, in any alignment with repeats and blanks.
    targets (batch x length, or all one after the other) and the lengths are integers. zero_infinity makes losses of
    targets that are too long for their steps, and their gradients, zero. There is no second derivative.]],
  method = false, run = "ctc_loss", composite = true,
  samples = function(s)
    return { { s.t({ 5, 2, 3 }, -3, -0.5), s.i({ 2, 2 }, 2, 3), s.i({ 2 }, 4, 5), s.i({ 2 }, 1, 2) },
      { s.t({ 6, 2, 4 }, -3, -0.5), s.i({ 4 }, 1, 3), s.i({ 2 }, 5, 6), s.i({ 2 }, 2, 2), 4, "none" },
      { s.t({ 4, 3 }, -3, -0.5), s.i({ 2 }, 2, 3), s.i({ 1 }, 4, 4), s.i({}, 2, 2), 1, "sum", true } }
  end,
}

op [[ctc(self: tensor, targets: tensor, input_lengths: tensor, target_lengths: tensor, blank: int, width: int,
  zero_infinity: bool) -> loss, alpha]] {
  doc = [[The losses of ctc_loss, and the logarithms of the probabilities of all beginnings (batch x steps x width, in
    float64); width is at least twice a target's length and 1.]],
  hidden = true, lua = "ctc_loss", run = "ctc",
  grad = { self = function(g, v)
    return g:ctc_backward(v.self, v.targets, v.input_lengths, v.target_lengths, v.alpha, v.blank, v.zero_infinity)
  end },
  samples = function(s)
    return { { s.t({ 5, 2, 3 }, -3, -0.5), s.i({ 2, 2 }, 2, 3), s.i({ 2 }, 4, 5), s.i({ 2 }, 1, 2), 1, 5, false } }
  end,
}

op [[ctc_backward(self: tensor, log_probs: tensor, targets: tensor, input_lengths: tensor, target_lengths: tensor,
  alpha: tensor, blank: int, zero_infinity: bool)]] {
  doc = "The gradient of ctc for self, the one of its losses.",
  hidden = true, lua = "ctc_loss", run = "ctc_backward", grad = "ctc_backward",
  samples = function(s)
    return { { s.t({ 2 }), s.t({ 5, 2, 3 }, -3, -0.5), s.i({ 2, 2 }, 2, 3), s.i({ 2 }, 4, 5), s.i({ 2 }, 1, 2),
      s.t({ 2, 5, 5 }, -3, -0.5), 1, false } }
  end,
}
