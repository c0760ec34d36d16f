-- entries.lua: what is told of cr.optim: optimizers, their methods, schedules, averages of weights.
--
-- Holds true: plain data in the form of the entries.lua above, which loads it.

local O, T = "cresset.Optimizer", "cresset.Tensor"

-- An entry of an optimizer from its options and what it does.
local function optimizer(name, keywords, doc)
  return { "cr.optim." .. name, ("optim.%s(params, { %s })"):format(name, keywords), doc,
    "fun(params: " .. T .. "[]|table, options?: table): " .. O }
end

local function method(call, doc, kind)
  return { "opt:" .. call:match "^[%w_]+", "opt:" .. call, doc, kind or "fun(self, ...: any)" }
end

local function schedule(call, doc)
  local name = call:match "^[%w_]+"
  return { "cr.optim.lr_scheduler." .. name, "lr_scheduler." .. call, doc, "fun(...: any): table" }
end

local hook = "fun(self, f: function, prepend?: boolean): cresset.Handle"

return {
  { "Optimizers: cr.optim",
    { "cr.optim", 'local optim = cr.optim, or require "cresset.optim"',
      "Optimizers, schedules of learning rates, averages of weights. params is a list of tensors, as net:parameters() "
      .. "gives, or of groups { params = list, lr = ... }; options have PyTorch's names and defaults, and a "
      .. "group's own go before them. Most take maximize, foreach, fused and capturable; each step goes over memory "
      .. "once. docs/optim.md tells all of it.", "cresset.optim" },
    optimizer("SGD", "lr = 1e-3, momentum = 0, dampening = 0, weight_decay = 0, nesterov = false",
      "Gradient descent, with momentum."),
    optimizer("Adam", "lr = 1e-3, betas = { 0.9, 0.999 }, eps = 1e-8, weight_decay = 0, amsgrad = false, "
      .. "decoupled_weight_decay = false", "Steps along the mean of gradients, in units of the root of the mean of "
      .. "their squares. https://arxiv.org/abs/1412.6980"),
    optimizer("AdamW", "lr = 1e-3, betas = { 0.9, 0.999 }, eps = 1e-8, weight_decay = 1e-2, amsgrad = false",
      "Adam whose weights decay by themselves. https://arxiv.org/abs/1711.05101"),
    optimizer("RMSprop", "lr = 1e-2, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0, centered = false",
      "Steps in units of the root of the mean of squares."),
    optimizer("Adagrad", "lr = 1e-2, lr_decay = 0, weight_decay = 0, initial_accumulator_value = 0, eps = 1e-10",
      "Steps in units of the root of the sum of squares."),
    optimizer("Adadelta", "lr = 1, rho = 0.9, eps = 1e-6, weight_decay = 0",
      "Steps as long as those of late. https://arxiv.org/abs/1212.5701"),
    optimizer("Adamax", "lr = 2e-3, betas = { 0.9, 0.999 }, eps = 1e-8, weight_decay = 0",
      "Adam by the largest size of the gradient. https://arxiv.org/abs/1412.6980"),
    optimizer("NAdam", "lr = 2e-3, betas = { 0.9, 0.999 }, eps = 1e-8, weight_decay = 0, momentum_decay = 4e-3, "
      .. "decoupled_weight_decay = false", "Adam with Nesterov's momentum."),
    optimizer("RAdam", "lr = 1e-3, betas = { 0.9, 0.999 }, eps = 1e-8, weight_decay = 0, "
      .. "decoupled_weight_decay = false",
      "Adam that rectifies its rate while its means are unsure. https://arxiv.org/abs/1908.03265"),
    optimizer("Rprop", "lr = 1e-2, etas = { 0.5, 1.2 }, step_sizes = { 1e-6, 50 }",
      "Steps that grow while the gradient keeps its sign; for whole data sets."),
    optimizer("ASGD", "lr = 1e-2, lambd = 1e-4, alpha = 0.75, t0 = 1e6, weight_decay = 0",
      "Gradient descent whose average is kept: opt.state[p].ax."),
    optimizer("LBFGS", "lr = 1, max_iter = 20, max_eval =, tolerance_grad = 1e-7, tolerance_change = 1e-9, "
      .. 'history_size = 100, line_search_fn = nil | "strong_wolfe"',
      "Steps bent by the curvature that the last ones have shown; opt:step needs a closure, which it calls several "
      .. "times. One group only."),
    optimizer("Adafactor", "lr = 1e-2, beta2_decay = -0.8, eps = { nil, 1e-3 }, d = 1, weight_decay = 0",
      "Keeps means of squares of rows and columns only. https://arxiv.org/abs/1804.04235"),
    optimizer("Muon", "lr = 1e-3, weight_decay = 0.1, momentum = 0.95, nesterov = true, ns_coefficients =, "
      .. "eps = 1e-7, ns_steps = 5, adjust_lr_fn =", "Matrices only: steps along the orthogonal part of the momentum."),
    { "cr.optim.Optimizer", 'optim.Optimizer.class("Name", { lr = { 1e-3, check } })',
      "What all optimizers are; class makes a new kind, to which update(self, closure) is added.", "table" },
    method("step(closure)", "Takes a step; with a closure, which computes the loss and its gradients, calls it first "
      .. "and gives its loss. A step that fails has changed nothing.", "fun(self, closure?: function): any"),
    method("zero_grad { set_to_none = true }", "Takes the gradients of all parameters away, or makes them zeros.",
      "fun(self, options?: table|boolean)"),
    method("add_param_group { params = list, ... }", "Adds a group of parameters.", "fun(self, group: table)"),
    { "opt.param_groups", "opt.param_groups", "The groups, plain tables: opt.param_groups[1].lr = 0.1.", "table[]" },
    { "opt.state", "opt.state", "What is kept of each parameter: opt.state[p].exp_avg.", "table" },
    { "opt.defaults", "opt.defaults", "The options that groups have unless they say otherwise.", "table" },
    method("state_dict()", "{ state =, param_groups = }: plain tables, with parameters numbered from 1.",
      "fun(self): table"),
    method("load_state_dict(dict)", "Takes a copy of what state_dict() gave, also PyTorch's.",
      "fun(self, dict: table)"),
    method("register_step_pre_hook(f, prepend)",
      "f(opt, closure) before each step; what it returns takes the closure's place. Gives a handle.", hook),
    method("register_step_post_hook(f, prepend)", "f(opt, closure) after each step. Gives a handle.", hook),
    method("register_state_dict_pre_hook(f, prepend)", "f(opt) before state_dict().", hook),
    method("register_state_dict_post_hook(f, prepend)", "f(opt, dict) after it; may return another.", hook),
    method("register_load_state_dict_pre_hook(f, prepend)", "f(opt, dict) before loading; may return another.", hook),
    method("register_load_state_dict_post_hook(f, prepend)", "f(opt) after loading.", hook),
  },
  { "Schedules of learning rates: cr.optim.lr_scheduler",
    { "cr.optim.lr_scheduler", "local s = optim.lr_scheduler.StepLR(opt, 30, { gamma = 0.1 })",
      "Schedules, each with s:step(), s:get_last_lr(), s.last_epoch, s:state_dict() and s:load_state_dict(dict). All "
      .. "take last_epoch = -1.", "table" },
    schedule("LambdaLR(opt, f)", "The first rate times f(epoch); f or a list with one for each group."),
    schedule("MultiplicativeLR(opt, f)", "The rate before times f(epoch)."),
    schedule("StepLR(opt, step_size, { gamma = 0.1 })", "Times gamma after each so many epochs."),
    schedule("MultiStepLR(opt, milestones, { gamma = 0.1 })", "Times gamma at each of a list of epochs."),
    schedule("ConstantLR(opt, { factor = 1 / 3, total_iters = 5 })", "Times factor until so many epochs are over."),
    schedule("LinearLR(opt, { start_factor = 1 / 3, end_factor = 1, total_iters = 5 })", "From one factor to another."),
    schedule("ExponentialLR(opt, gamma)", "Times gamma after each epoch."),
    schedule("PolynomialLR(opt, { total_iters = 5, power = 1 })", "Down to 0 along a power."),
    schedule("CosineAnnealingLR(opt, T_max, { eta_min = 0 })", "Down to eta_min along a cosine, and up again."),
    schedule("CosineAnnealingWarmRestarts(opt, T_0, { T_mult = 1, eta_min = 0 })",
      "Down along a cosine, and back at once; each cycle is T_mult times as long. s:step(epoch) takes fractions."),
    schedule("CyclicLR(opt, base_lr, max_lr, { step_size_up = 2000, step_size_down =, mode = \"triangular\", "
      .. "gamma = 1, scale_fn =, scale_mode = \"cycle\", cycle_momentum = true, "
      .. "base_momentum = 0.8, max_momentum = 0.9 })",
      "Up and down again and again, and momentum the other way."),
    schedule("OneCycleLR(opt, max_lr, { total_steps = | epochs =, steps_per_epoch =, pct_start = 0.3, "
      .. "anneal_strategy = \"cos\", cycle_momentum = true, base_momentum = 0.85, max_momentum = 0.95, "
      .. "div_factor = 25, final_div_factor = 1e4, three_phase = false })",
      "Up once and down to next to nothing; a step for each batch."),
    schedule("ReduceLROnPlateau(opt, { mode = \"min\", factor = 0.1, patience = 10, threshold = 1e-4, "
      .. "threshold_mode = \"rel\", cooldown = 0, min_lr = 0, eps = 1e-8 })",
      "A lower rate once the measure that s:step(measure) is told has stopped getting better."),
    schedule("SequentialLR(opt, schedulers, milestones)", "One schedule after the other."),
    schedule("ChainedScheduler(schedulers)", "Several schedules at once."),
    schedule("LRScheduler", "What all schedules are; LRScheduler.class(name, required, options) makes a new kind."),
  },
  { "Averages of weights: cr.optim.swa_utils",
    { "cr.optim.swa_utils", "optim.swa_utils", "AveragedModel, update_bn, SWALR and ways of averaging.", "table" },
    { "cr.optim.swa_utils.AveragedModel", "swa_utils.AveragedModel(model, { avg_fn =, multi_avg_fn =, "
      .. "use_buffers = false, device = })",
      "A copy of a model whose weights are means of those that avg:update_parameters(model) was told; with "
      .. "multi_avg_fn = get_ema_multi_avg_fn(0.999), means that forget.",
      "fun(model: table, options?: table): table" },
    { "cr.optim.swa_utils.get_ema_multi_avg_fn", "swa_utils.get_ema_multi_avg_fn(decay)",
      "f(averages, current): averages become decay averages + (1 - decay) current.", "fun(decay?: number): function" },
    { "cr.optim.swa_utils.get_swa_multi_avg_fn", "swa_utils.get_swa_multi_avg_fn()",
      "f(averages, current, n): means of n values take one more.", "fun(): function" },
    { "cr.optim.swa_utils.get_ema_avg_fn", "swa_utils.get_ema_avg_fn(decay)", "The same of one tensor, which it gives.",
      "fun(decay?: number): function" },
    { "cr.optim.swa_utils.get_swa_avg_fn", "swa_utils.get_swa_avg_fn()", "The same of one tensor, which it gives.",
      "fun(): function" },
    { "cr.optim.swa_utils.update_bn", "swa_utils.update_bn(loader, model, { device = })",
      "Goes through a loader, so that batch normalizations know their statistics.",
      "fun(loader: any, model: table, options?: table)" },
    { "cr.optim.swa_utils.SWALR", "swa_utils.SWALR(opt, swa_lr, { anneal_epochs = 10, anneal_strategy = \"cos\" })",
      "A schedule that goes to the rate of averaged weights and stays there.", "fun(...: any): table" },
  },
}
