-- margin.lua: losses that ask for a distance between what is right and what is wrong.
--
-- Holds true: what is far enough on the right side adds nothing, and its gradient is 0. Logarithms of logistic
-- functions are exact in their tails. Class numbers count from 1.

kernel "multilabel_margin(out, input, target, direction?; count, classes)"
kernel "multilabel_margin_backward(out, grad, input, target; count, classes)"

local function signs(s, shape) return s.i(shape, 0, 1):to("float64") * 2 - 1 end

op [[soft_margin_loss(input: tensor, target: tensor, reduction: "none" | "mean" | "sum" = "mean")]] {
  autocast = "float32",
  doc = "The mean (or sum) of log(1 + exp(-target * input)), for targets 1 and -1.",
  method = false, run = "soft_margin_loss", composite = true,
  samples = function(s)
    return { { s.t({ 2, 3 }), signs(s, { 2, 3 }) }, { s.t({ 4 }), signs(s, { 4 }), "sum" },
      { s.t({}), signs(s, {}), "none" } }
  end,
}

op [[hinge_embedding_loss(input: tensor, target: tensor, margin: float = 1.0,
  reduction: "none" | "mean" | "sum" = "mean")]] {
  autocast = "float32",
  doc = "The mean (or sum) of input where target is 1, and of max(0, margin - input) where it is -1.",
  method = false, run = "hinge_embedding_loss", composite = true,
  samples = function(s)
    return { { s.t({ 2, 3 }), signs(s, { 2, 3 }) }, { s.t({ 4 }), signs(s, { 4 }), 0.5, "sum" },
      { s.t({ 3 }), signs(s, { 3 }), 1.5, "none" } }
  end,
}

op "hinge_elements(input: tensor, target: tensor, margin: float)" {
  doc = "hinge_embedding_loss without a reduction.",
  hidden = true,
  body = function(v)
    local far = ops.where(v.target:ne(1), (v.margin - v.input):clamp_min(0), 0)
    return far + ops.where(v.target:ne(-1), v.input, 0)
  end,
  samples = function(s) return { { s.t({ 3 }), signs(s, { 3 }), 1.5 } } end,
}

op [[margin_ranking_loss(input1: tensor, input2: tensor, target: tensor, margin: float = 0.0,
  reduction: "none" | "mean" | "sum" = "mean")]] {
  autocast = "float32",
  doc = [[The mean (or sum) of max(0, margin - target * (input1 - input2)): input1 is to be the larger one where target
    is 1, the smaller one where it is -1.]],
  method = false, run = "margin_ranking_loss", composite = true,
  samples = function(s)
    return { { s.t({ 2, 3 }), s.t({ 2, 3 }), signs(s, { 2, 3 }) },
      { s.t({ 4 }), s.t({ 4 }), signs(s, { 4 }), 0.6, "sum" }, { s.t({}), s.t({}), signs(s, {}), 0.6, "none" } }
  end,
}

op "ranking_elements(input1: tensor, input2: tensor, target: tensor, margin: float)" {
  doc = "margin_ranking_loss without a reduction.",
  hidden = true,
  body = function(v) return (v.margin - v.target * (v.input1 - v.input2)):clamp_min(0) end,
  samples = function(s) return { { s.t({ 3 }), s.t({ 3 }), signs(s, { 3 }), 0.6 } } end,
}

op [[cosine_embedding_loss(input1: tensor, input2: tensor, target: tensor, margin: float = 0.0,
  reduction: "none" | "mean" | "sum" = "mean")]] {
  autocast = "float32",
  doc = [[The mean (or sum), over vectors along the last dim, of 1 - cos where target is 1, and of max(0, cos - margin)
    where it is -1. The inputs have one dim more than target: 2, or 1 where target has none.]],
  method = false, run = "cosine_embedding_loss", composite = true,
  samples = function(s)
    return { { s.t({ 3, 4 }), s.t({ 3, 4 }), signs(s, { 3 }) },
      { s.t({ 3, 4 }), s.t({ 3, 4 }), signs(s, { 3 }), -0.75, "none" },
      { s.t({ 4 }), s.t({ 4 }), signs(s, {}), 0.0, "sum" } }
  end,
}

-- Each vector over hypot(its norm, 1e-6): no square leaves the range.
op "cosine_elements(input1: tensor, input2: tensor, target: tensor, margin: float)" {
  doc = "cosine_embedding_loss without a reduction.",
  hidden = true,
  body = function(v)
    local function unit(x) return x * x:norm(2, { -1 }, true):inverse_hypot(1e-6) end
    local cosine = (unit(v.input1) * unit(v.input2)):sum({ -1 })
    local near = ops.where(v.target:eq(1), ops.rsub(cosine, 1), 0)
    return near + ops.where(v.target:eq(-1), (cosine - v.margin):clamp_min(0), 0)
  end,
  samples = function(s) return { { s.t({ 3, 4 }), s.t({ 3, 4 }), signs(s, { 3 }), 0.5 } } end,
}

op [[triplet_margin_loss(anchor: tensor, positive: tensor, negative: tensor, margin: float = 1.0, p: scalar = 2,
  eps: float = 1e-6, swap: bool = false, reduction: "none" | "mean" | "sum" = "mean")]] {
  autocast = "float32",
  doc = [[The mean (or sum) of max(0, margin + d(anchor, positive) - d(anchor, negative)), d being the pairwise_distance
    along the last dim. With swap, d(positive, negative) takes the place of the last distance where it is less.]],
  method = false, run = "triplet_margin_loss", composite = true,
  samples = function(s)
    local function three(...) return s.t({ ... }), s.t({ ... }), s.t({ ... }) end
    local a, b, c = three(3, 4)
    local d, e, f = three(5)
    return { { a, b, c }, { a, b, c, 5.0, 3, 1e-6, true, "none" }, { d, e, f, 4.0, 2, 1e-6, false, "sum" } }
  end,
}

op [[multi_margin_loss(input: tensor, target: tensor, p: int = 1, margin: float = 1.0, weight: tensor?,
  reduction: "none" | "mean" | "sum" = "mean")]] {
  autocast = "float32",
  doc = [[The mean (or sum), over the rows of input (one for each target), of max(0, margin - x[target] + x[i])^p, added
    up over the other classes i and divided by their number with the target's; p is 1 or 2. weight multiplies each row
    by the number of its target's class.]],
  method = false, run = "multi_margin_loss", composite = true,
  samples = function(s)
    return { { s.t({ 3, 4 }), s.i({ 3 }, 1, 4) },
      { s.t({ 3, 4 }), s.i({ 3 }, 1, 4), 2, 0.6, s.t({ 4 }, 0.5, 2), "sum" },
      { s.t({ 4 }), s.i({}, 1, 4), 1, 1.7, s.none, "none" } }
  end,
}

op [[multilabel_margin_loss(input: tensor, target: tensor, reduction: "none" | "mean" | "sum" = "mean")]] {
  autocast = "float32",
  doc = [[The mean (or sum), over the rows of input, of max(0, 1 - x[j] + x[i]), added up over all pairs of a class j
    that the row of target lists and a class i that it does not list, and divided by the number of classes. A row of
    target has as many elements as one of input; its list ends at the first 0 or -1.]],
  method = false, run = "multilabel_margin_loss", composite = true,
  samples = function(s)
    return { { s.t({ 3, 4 }), s.i({ 3, 4 }, 0, 4) }, { s.t({ 3, 4 }), s.i({ 3, 4 }, 1, 4), "none" },
      { s.t({ 4 }), s.i({ 4 }, 1, 2), "sum" } }
  end,
}

op "multilabel_margin(self: tensor, target: tensor, name: string)" {
  doc = "multilabel_margin_loss of each row; name is the operation that errors speak of.",
  hidden = true, run = "multilabel_margin",
  grad = { self = function(g, v) return g:multilabel_margin_backward(v.self, v.target) end },
  samples = function(s) return { { s.t({ 3, 4 }), s.i({ 3, 4 }, 1, 4), "multilabel_margin_loss" } } end,
}

-- Between its kinks the loss is linear in self.
op "multilabel_margin_backward(self: tensor, input: tensor, target: tensor)" {
  doc = "The gradient of multilabel_margin by input for self, the one of its result.",
  hidden = true, run = "multilabel_margin_backward",
  grad = { self = function(g, v) return g:multilabel_margin_along(v.input, v.target) end },
  samples = function(s) return { { s.t({ 3 }), s.t({ 3, 4 }), s.i({ 3, 4 }, 1, 4) } } end,
}

op "multilabel_margin_along(self: tensor, input: tensor, target: tensor)" {
  doc = "The derivative of multilabel_margin at input in the direction self.",
  hidden = true, run = "multilabel_margin",
  grad = { self = function(g, v) return g:multilabel_margin_backward(v.input, v.target) end },
  samples = function(s) return { { s.t({ 3, 4 }), s.t({ 3, 4 }), s.i({ 3, 4 }, 1, 4) } } end,
}

op [[multilabel_soft_margin_loss(input: tensor, target: tensor, weight: tensor?,
  reduction: "none" | "mean" | "sum" = "mean")]] {
  doc = [[The mean (or sum), over vectors along the last dim, of the mean of
    -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input)), times weight, which broadcasts.]],
  method = false, run = "multilabel_soft_margin_loss", composite = true,
  samples = function(s)
    return { { s.t({ 2, 3 }), s.t({ 2, 3 }, 0, 1) }, { s.t({ 2, 3 }), s.t({ 2, 3 }, 0, 1), s.t({ 3 }, 0.5, 2), "none" },
      { s.t({ 4 }), s.t({ 4 }, 0, 1), s.none, "sum" } }
  end,
}
