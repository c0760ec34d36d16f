-- loss.lua: how far a result is from what it should be, as modules: m(input, target).
--
-- Holds true: the settings are the options of the operation of that name, and weights are buffers, which move with the
-- module. Class numbers count from 1.

local cr = require "cresset"
local arguments = require "cresset.nn.arguments"
local module = require "cresset.nn.module"
local simple = require "cresset.nn.simple"

local M = {}

-- Makes the class of an operation; `takes` has its options in the operation's order, tensors among them are buffers.
local function loss(name, op, takes, inputs)
  takes = takes .. (takes ~= "" and ", " or "") .. 'reduction: none|mean|sum = "mean"'
  local class = module.class(name)
  local signature = arguments.signature(takes)
  local compute = cr[op]
  local tensors = {}
  for part in takes:gmatch "([%w_]+): tensor" do tensors[part] = true end

  function class:init(...)
    local a = arguments.read(name, signature, ...)
    for _, p in ipairs(signature) do
      if tensors[p.name] then self:register_buffer(p.name, a[p.name]) else self[p.name] = a[p.name] end
    end
  end

  -- The options as a table, made anew: a setting may have been changed.
  local function options(self)
    local o = {}
    for _, p in ipairs(signature) do o[p.name] = self[p.name] end
    return o
  end

  if inputs == 3 then
    function class:forward(a, b, c) return compute(a, b, c, options(self)) end
  else
    function class:forward(input, target) return compute(input, target, options(self)) end
  end
  M[name] = class
end

loss("L1Loss", "l1_loss", "")
loss("MSELoss", "mse_loss", "")
loss("SmoothL1Loss", "smooth_l1_loss", "beta: number = 1.0")
loss("HuberLoss", "huber_loss", "delta: number = 1.0")
loss("NLLLoss", "nll_loss", "weight: tensor?, ignore_index: int = -100")
loss("CrossEntropyLoss", "cross_entropy", "weight: tensor?, ignore_index: int = -100, label_smoothing: number = 0.0")
loss("BCELoss", "binary_cross_entropy", "weight: tensor?")
loss("BCEWithLogitsLoss", "binary_cross_entropy_with_logits", "weight: tensor?, pos_weight: tensor?")
loss("PoissonNLLLoss", "poisson_nll_loss", "log_input: bool = true, full: bool = false, eps: number = 1e-08")
loss("GaussianNLLLoss", "gaussian_nll_loss", "full: bool = false, eps: number = 1e-06", 3)
loss("SoftMarginLoss", "soft_margin_loss", "")
loss("HingeEmbeddingLoss", "hinge_embedding_loss", "margin: number = 1.0")
loss("MarginRankingLoss", "margin_ranking_loss", "margin: number = 0.0", 3)
loss("CosineEmbeddingLoss", "cosine_embedding_loss", "margin: number = 0.0", 3)
loss("MultiMarginLoss", "multi_margin_loss", "p: int = 1, margin: number = 1.0, weight: tensor?")
loss("MultiLabelMarginLoss", "multilabel_margin_loss", "")
loss("MultiLabelSoftMarginLoss", "multilabel_soft_margin_loss", "weight: tensor?")
loss("TripletMarginLoss", "triplet_margin_loss", [[margin: number = 1.0, p: number = 2.0, eps: number = 1e-06,
  swap: bool = false]], 3)
M.NLLLoss2d = M.NLLLoss

M.KLDivLoss = simple("KLDivLoss", 'reduction: none|mean|sum|batchmean = "mean", log_target: bool = false',
  function(self, input, target) return cr.kl_div(input, target, self.reduction, self.log_target) end)

--- TripletMarginWithDistanceLoss { distance_function =, margin = 1, swap = false, reduction = "mean" }
M.TripletMarginWithDistanceLoss = simple("TripletMarginWithDistanceLoss", [[distance_function: function?,
  margin: number = 1.0, swap: bool = false, reduction: none|mean|sum = "mean"]],
  function(self, anchor, positive, negative)
    return cr.triplet_margin_with_distance_loss(anchor, positive, negative, { margin = self.margin, swap = self.swap,
      distance_function = self.distance_function, reduction = self.reduction })
  end)

--- CTCLoss { blank = 1, reduction = "mean", zero_infinity = false }: m(log_probs, targets, input_lengths,
-- target_lengths).
M.CTCLoss = simple("CTCLoss", 'blank: positive = 1, reduction: none|mean|sum = "mean", zero_infinity: bool = false',
  function(self, log_probs, targets, input_lengths, target_lengths)
    return cr.ctc_loss(log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction,
      self.zero_infinity)
  end)

return M
