-- linear_cross_entropy.lua: cross entropy of a product, whose scores are never stored as a whole.
--
-- Holds true: scores are computed for some rows at a time, and once more for the gradient. Derivatives of every order.

op [[linear_cross_entropy(input: tensor, linear_weight: tensor, target: tensor, linear_bias: tensor?, weight: tensor?,
  reduction: "none" | "mean" | "sum" = "mean", ignore_index: int?, label_smoothing: float = 0.0)]] {
  autocast = "float32",
  doc = [[cross_entropy(linear(input, linear_weight, linear_bias), target, weight, ...), which needs memory for a part
    of the scores only. linear_weight may have more dims between that of the classes and the last one, which target then
    has behind the first; for these all scores are stored.]],
  method = false, run = "linear_cross_entropy", composite = true,
  samples = function(s)
    return { { s.t({ 3, 2 }), s.t({ 4, 2 }), s.i({ 3 }, 1, 4) },
      { s.t({ 3, 2 }), s.t({ 4, 2 }), s.i({ 3 }, 1, 4), s.t({ 4 }), s.t({ 4 }, 0.5, 2), "sum", 2, 0.25 },
      { s.t({ 3, 2 }), s.t({ 4, 2 }), s.t({ 3, 4 }, 0, 1), s.t({ 4 }), s.none, "none" },
      { s.t({ 2 }), s.t({ 4, 2 }), s.i({}, 1, 4) },
      { s.t({ 2, 3 }), s.t({ 4, 2, 3 }), s.i({ 2, 2 }, 1, 4), s.t({ 4, 2 }) } }
  end,
}

op [[linear_losses(input: tensor, linear_weight: tensor, linear_bias: tensor?, target: tensor, weight: tensor?,
  ignore_index: int, label_smoothing: float, name: string) -> loss, total]] {
  doc = [[linear_cross_entropy of each row, and the sum of the weights of all targets (their number where they are
    probabilities); name is the operation that errors speak of.]],
  hidden = true, lua = "linear_cross_entropy", run = "linear_losses", grad = "linear_losses", saves = true,
  samples = function(s)
    return { { s.t({ 3, 2 }), s.t({ 4, 2 }), s.none, s.i({ 3 }, 1, 4), s.none, -100, 0.0, "linear_cross_entropy" } }
  end,
}
