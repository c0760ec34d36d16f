-- update.lua: updates of whole lists of tensors, in one pass over their memory: the steps of optimizers.
--
-- Holds true: they are functions of cr.foreach and write to the tensors of their lists. Everything is
-- checked before the first is written. `false` among the grads stands for a parameter without gradient:
-- nothing of it is touched. (The other functions of cr.foreach are the catalogue's operations themselves.)

-- `rule` counts from 0 in the order of the words of foreach_step_; the rows have their numbers and switches.
kernel "update(; rule)"

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

op([[foreach_step_(params: tensors, grads: tensors, first: tensors?, second: tensors?, third: tensors?, rule: "sgd" |
  "adam" | "rmsprop" | "adagrad" | "adadelta" | "adamax" | "nadam" | "radam" | "rprop" | "asgd", numbers: floats?,
  switches: ints = 0, table: tensor?)]]) {
  doc = [[A step of an optimizer's rule on each parameter: what the classes of cresset.optim call, which keep the
    state and compute the numbers. first, second and third are the rule's own tensors, like the parameters;
    false stands for one that a row goes without. numbers are those of a row, for all, or row behind row: the
    decay, the sign of the gradient (-1 to climb), then for sgd rate, momentum, 1 - dampening; adam shrink, 1 -
    beta1, beta2, 1 - beta2, eps, rate, root of the bias; rmsprop alpha, 1 - alpha, eps, rate, momentum; adagrad
    eps, rate; adadelta rho, 1 - rho, eps, rate; adamax 1 - beta1, beta2, eps, rate; nadam as adam up to eps,
    bias, rates of gradient and mean; radam as adam up to eps, bias, rate, root of the bias, rectifier (0:
    none); rprop the factors that shorten and lengthen, least and largest length; asgd shrink, rate, share of
    the average. switches, added up, for all or for each row: sgd 1 momentum, 2 nesterov, 4 buffers that hold
    nothing yet; adam 1 amsgrad; rmsprop 1 centered, 2 momentum. In the place of numbers, table is a float64
    tensor of them on the device of the parameters, which reads them when the step runs.]],
  lua = "foreach.step_",
  inplace = "only", rewrites = true, method = false, func = false, nondiff = true,
  run = "step",
  samples = function(s)
    return { { { s.t({ 2, 3 }) }, { s.t({ 2, 3 }) }, { s.t({ 2, 3 }, 0, 1) }, s.none, s.none, "adagrad",
      { 0, 1, 0.5, 0.1 } } }
  end,
}
