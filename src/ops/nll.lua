-- nll.lua: the negative log likelihood of classes.
--
-- Holds true: classes count from 1. The loss has derivatives by its input and by the weights, of every order.

kernel "nll(loss, total, input, target, weight?; lines: lines, ignored, reduction)"
kernel "nll_backward(out, grad, target, total, weight?; lines: lines, ignored, reduction)"

local function class_samples(s)
  return {
    { s.t({ 3, 4 }, -2, 0), s.i({ 3 }, 1, 4) },
    { s.t({ 3, 4 }, -2, 0), s.i({ 3 }, 1, 4), s.t({ 4 }, 0.5, 2), 2, "mean" },
    { s.t({ 4 }, -2, 0), s.i({}, 1, 4), s.none, -100, "sum" },
    { s.t({ 2, 3, 2 }, -2, 0), s.i({ 2, 2 }, 1, 3), s.none, -100, "none" },
  }
end

op [[nll_loss(input: tensor, target: tensor, weight: tensor?, ignore_index: int = -100,
  reduction: "none" | "mean" | "sum" = "mean")]] {
  autocast = "float32",
  doc = [[The mean (or sum) of -input at the class of each target, times that class's weight; the mean is
    divided by the sum of the weights. input holds logarithms of probabilities, of shape (C), (N, C) or
    (N, C, d1, ...); target int64 classes from 1 to C, of shape (), (N) or (N, d1, ...). A target equal to
    ignore_index counts nothing.]],
  method = false, run = "nll_loss", composite = true,
  samples = class_samples,
}

op [[nll(self: tensor, target: tensor, weight: tensor?, ignore_index: int, reduction: int, name: string)
  -> loss, total]] {
  doc = "nll_loss, and the sum of the weights of all targets; name is the operation that errors speak of.",
  hidden = true, run = "nll",
  grad = { self = function(g, v)
    return g:nll_backward(v.target, v.weight, v.total, v.self.shape, v.ignore_index, v.reduction)
  end },
  samples = function(s) return { { s.t({ 3, 4 }, -2, 0), s.i({ 3 }, 1, 4), s.none, -100, 1, "nll_loss" } } end,
}

op [[nll_backward(self: tensor, target: tensor, weight: tensor?, total: tensor, shape: shape,
  ignore_index: int, reduction: int)]] {
  doc = "The gradient of nll for self, the one of its loss: nll is linear, and this its transpose.",
  hidden = true, run = "nll_backward",
  grad = { self = function(g, v)
    return ops.nll_first(g, v.target, v.weight, v.ignore_index, v.reduction)
  end },
  samples = function(s)
    return { { s.t({}, -2, 2), s.i({ 3 }, 1, 4), s.none, s.t({}, 3, 3), { 3, 4 }, -100, 1 } }
  end,
}

op [[nll_first(self: tensor, target: tensor, weight: tensor?, ignore_index: int, reduction: int)]] {
  doc = "The first result of nll.",
  hidden = true, run = "nll_first", composite = true,
  samples = function(s) return { { s.t({ 3, 4 }, -2, 0), s.i({ 3 }, 1, 4), s.none, -100, 1 } } end,
}
