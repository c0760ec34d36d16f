-- update.lua: updates of whole lists of tensors, in one pass over their memory: the steps of optimizers.
--
-- Holds true: they are functions of cr.foreach and write to the tensors of their lists. Everything is
-- checked before the first is written. `false` among the grads stands for a parameter without gradient:
-- nothing of it is touched. (The other functions of cr.foreach are the catalogue's operations themselves.)

-- `rate` and `sign` (-1 to climb) multiply the gradient, `kept` and `added` are the shares of the buffer and of the
-- gradient in the new buffer.
kernel [[sgd(; momentum: bool, nesterov: bool, first: bool, rate: float, kept: float, added: float, decay: float,
  sign: float)]]
-- `decay` is added to the gradient, in units of the parameter, which `shrink` multiplies first; `towards` is how far
-- the mean goes to the gradient; `kept` and `added` are shares of the square mean.
kernel [[adam(; amsgrad: bool, decay: float, sign: float, shrink: float, towards: float, kept: float,
  added: float, eps: float)]]

op("foreach_sgd_(params: tensors, grads: tensors, momentum_buffers: tensors?, lr: float, momentum: float = 0.0, " ..
  "dampening: float = 0.0, weight_decay: float = 0.0, nesterov: bool = false, maximize: bool = false, " ..
  "first: bool = false)") {
  doc = [[A step of stochastic gradient descent on each parameter. With momentum, the buffers (one for each
    parameter) become momentum * buffer + (1 - dampening) * grad, or grad itself if `first` says that they hold
    nothing yet.]],
  lua = "foreach.sgd_",
  inplace = "only", rewrites = true, method = false, func = false, nondiff = true,
  run = "sgd",
  samples = function(s) return { { { s.t({ 2, 3 }) }, { s.t({ 2, 3 }) }, { s.t({ 2, 3 }) }, 0.1, 0.9 } } end,
}

op("foreach_adam_(params: tensors, grads: tensors, exp_avgs: tensors, exp_avg_sqs: tensors, " ..
  "max_exp_avg_sqs: tensors?, step: ints, lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, " ..
  "eps: float = 1e-8, weight_decay: float = 0.0, decoupled: bool = false, maximize: bool = false)") {
  doc = [[Step number `step` (from 1; one for all, or one for each parameter) of Adam on each parameter, whose
    running means are kept in exp_avgs and exp_avg_sqs. `decoupled` weight decay is AdamW's. Given max_exp_avg_sqs,
    it is the AMSGrad variant.]],
  lua = "foreach.adam_",
  inplace = "only", rewrites = true, method = false, func = false, nondiff = true,
  run = "adam",
  samples = function(s)
    return { { { s.t({ 2, 3 }) }, { s.t({ 2, 3 }) }, { s.t({ 2, 3 }) }, { s.t({ 2, 3 }, 0, 1) }, s.none, 1 } }
  end,
}
