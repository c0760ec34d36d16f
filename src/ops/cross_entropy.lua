-- cross_entropy.lua: log_softmax and nll_loss in one: cross entropy of scores.
--
-- Holds true: classes count from 1. Each loss has a derivative by each of its float tensors, of every order. Where
-- the scores are wide rows of classes and alone have a gradient, two kernels do all the work, and keep of each row what
-- its exponentials are measured from and add up to.

kernel([[cross_entropy(loss, total, lines, input, target, weight?; count, classes, ignored, reduction,
  smoothing: float, probabilities: bool)]])
kernel([[cross_entropy_backward(out, grad, lines, total, input, target, weight?; count, classes, ignored, reduction,
  smoothing: float, probabilities: bool)]])

local function class_samples(s)
  return {
    { s.t({ 3, 4 }, -2, 0), s.i({ 3 }, 1, 4) },
    { s.t({ 3, 4 }, -2, 0), s.i({ 3 }, 1, 4), s.t({ 4 }, 0.5, 2), 2, "mean" },
    { s.t({ 4 }, -2, 0), s.i({}, 1, 4), s.none, -100, "sum" },
    { s.t({ 2, 3, 2 }, -2, 0), s.i({ 2, 2 }, 1, 3), s.none, -100, "none" },
  }
end

op [[cross_entropy(input: tensor, target: tensor, weight: tensor?, ignore_index: int = -100,
  reduction: "none" | "mean" | "sum" = "mean", label_smoothing: float = 0.0)]] {
  autocast = "float32",
  doc = [[nll_loss of log_softmax(input) along the classes. A float target of input's shape holds the
    probabilities of the classes instead. label_smoothing, in [0, 1], is the part of each target that is
    spread evenly over all classes.]],
  method = false, run = "cross_entropy", composite = true,
  samples = function(s)
    local cases = class_samples(s)
    cases[#cases + 1] = { s.t({ 3, 4 }, -2, 2), s.t({ 3, 4 }, 0, 1), s.t({ 4 }, 0.5, 2) }
    cases[#cases + 1] = { s.t({ 3, 4 }, -2, 2), s.i({ 3 }, 1, 4), s.t({ 4 }, 0.5, 2), 2, "mean", 0.25 }
    cases[#cases + 1] = { s.t({ 3, 4 }, -2, 2), s.t({ 3, 4 }, 0, 1), s.none, -100, "none", 0.25 }
    cases[#cases + 1] = { s.t({ 2, 65 }, -2, 2), s.i({ 2 }, 1, 65), s.none, -100, "mean", 0.25 }
    return cases
  end,
}

local fused = "target: tensor, weight: tensor?"
local settings = "ignore_index: int, reduction: int, label_smoothing: float"
local backward = "input: tensor, " .. fused .. ", total: tensor, lines: tensor, " .. settings

op("rows_cross_entropy(self: tensor, " .. fused .. ", " .. settings .. ", name: string) -> loss, total, lines") {
  doc = [[cross_entropy of rows of classes; the sum of the weights of all targets (their number where they are
    probabilities); and for each row its largest score, the sum of the exponentials of the others measured from it, its
    loss and the sum of what multiplies the logarithms. name is the operation that errors speak of.]],
  hidden = true, lua = "cross_entropy", run = "rows_cross_entropy",
  grad = { self = function(g, v)
    return ops.cross_entropy_backward(g, v.self, v.target, v.weight, v.total, v.lines, v.ignore_index, v.reduction,
      v.label_smoothing)
  end },
  samples = function(s)
    return { { s.t({ 3, 4 }), s.i({ 3 }, 1, 4), s.none, -100, 1, 0.0, "cross_entropy" } }
  end,
}

local function backward_samples(s)
  return { { s.t({}), s.t({ 3, 4 }), s.i({ 3 }, 1, 4), s.none, s.t({}, 3, 3), s.t({ 3, 4 }), -100, 1, 0.0 } }
end

op("cross_entropy_backward(self: tensor, " .. backward .. ")") {
  doc = "The gradient of rows_cross_entropy by input for self, the one of its loss.",
  hidden = true, lua = "cross_entropy", run = "cross_entropy_backward", composite = true,
  samples = backward_samples,
}

op("rows_cross_entropy_backward(self: tensor, " .. backward .. ")") {
  doc = "cross_entropy_backward by one kernel, which leaves no trace for derivatives.",
  hidden = true, lua = "cross_entropy", run = "rows_cross_entropy_backward", nondiff = true,
  samples = backward_samples,
}
