-- softmax.lua: softmax and its logarithm.
--
-- Holds true: the largest element is subtracted first, so nothing overflows; a 0-dim tensor has one
-- element along dim 1.

kernel "softmax(out, from; lines: lines, log: bool)"
kernel "softmax_backward(out, grad, result; lines: lines, log: bool)"

local function along_one(s)
  return { { s.t({ 2, 3 }, -2, 2), 2 }, { s.t({ 3, 2, 2 }, -2, 2), -3 }, { s.t({}, -2, 2), 1 } }
end

-- Below 1/2, for numerical derivatives leave the tensors whose lines sum to 1.
local function backward_samples(s)
  return { { s.t({ 2, 3 }, -2, 2), s.t({ 2, 3 }, 0.125, 0.375), 2 },
    { s.t({ 3, 2 }, -2, 2), s.t({ 3, 2 }, 0.125, 0.375), 1 }, { s.t({}, -2, 2), s.t({}, 0.125, 0.375), 1 } }
end

op "softmax(self: tensor, dim: dim, dtype: dtype?)" {
  autocast = { cuda = "float32" },
  doc = "exp(self) divided by its sum along dim, computed without overflow; float dtypes only.",
  run = "softmax",
  grad = { self = function(g, v) return g:softmax_backward(v.out, v.dim) end },
  samples = along_one,
}

op "log_softmax(self: tensor, dim: dim, dtype: dtype?)" {
  autocast = { cuda = "float32" },
  doc = "The logarithm of softmax, computed without loss of small probabilities; float dtypes only.",
  run = "softmax",
  grad = { self = function(g, v) return g:log_softmax_backward(v.out, v.dim) end },
  samples = along_one,
}

op "softmin(self: tensor, dim: dim, dtype: dtype?)" {
  autocast = { cuda = "float32" },
  doc = "The softmax of -self along dim.",
  body = function(v) return (-v.self):softmax(v.dim, v.dtype) end,
  samples = along_one,
}

op "softmax_backward(self: tensor, result: tensor, dim: dim)" {
  doc = [[The gradient of softmax for self, the one of its result, whose lines sum to 1: result * (self - sum(self *
    result)). An element of more than 3/4 gets what the others leave.]],
  run = "softmax_backward", hidden = true,
  grad = {
    self = function(g, v) return g:softmax_backward(v.result, v.dim) end,
    result = function(g, v)
      local a, b = (v.self * v.result):sum(v.dim, true), (g * v.result):sum(v.dim, true)
      return g * (v.self - a) - v.self * b
    end,
  },
  samples = backward_samples,
}

op "log_softmax_backward(self: tensor, result: tensor, dim: dim)" {
  doc = "The gradient of log_softmax for self, the one of its result: self - exp(result) * sum(self).",
  run = "softmax_backward", hidden = true,
  grad = {
    self = function(g, v)
      local share = v.result:exp()
      local most = g:softmax_backward(share, v.dim) / share:clamp_min(0.5)
      return ops.where(share:gt(0.5), most, g - (g * share):sum(v.dim, true))
    end,
    result = function(g, v) return -(g * v.result:exp()) * v.self:sum(v.dim, true) end,
  },
  samples = backward_samples,
}
