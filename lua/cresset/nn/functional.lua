-- functional.lua: cr.nn.functional: what modules compute, as functions of tensors with PyTorch's names and keywords.
--
-- Holds true: most are operations of the catalogue, as they are; the others differ in the order of their arguments, in
-- a default, or in an option that PyTorch has here only. A name is looked up at its first use.

local cr = require "cresset"

local F = {}

-- The operations that are the same here and there.
local same = {}
for name in ([[
  linear bilinear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d unfold fold
  avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d max_unpool1d max_unpool2d max_unpool3d
  lp_pool1d lp_pool2d lp_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d adaptive_avg_pool1d
  adaptive_avg_pool2d adaptive_avg_pool3d fractional_max_pool2d fractional_max_pool3d
  scaled_dot_product_attention multi_head_attention_forward
  glu gelu logsigmoid hardshrink tanhshrink softsign softplus softmin softmax softshrink log_softmax
  tanh sigmoid prelu batch_norm group_norm instance_norm layer_norm local_response_norm rms_norm normalize
  pairwise_distance cosine_similarity pdist
  binary_cross_entropy binary_cross_entropy_with_logits poisson_nll_loss cosine_embedding_loss cross_entropy ctc_loss
  gaussian_nll_loss hinge_embedding_loss kl_div l1_loss mse_loss margin_ranking_loss multilabel_margin_loss
  multilabel_soft_margin_loss multi_margin_loss nll_loss huber_loss smooth_l1_loss soft_margin_loss
  triplet_margin_loss triplet_margin_with_distance_loss linear_cross_entropy
  pixel_shuffle pixel_unshuffle channel_shuffle pad interpolate upsample upsample_nearest upsample_bilinear
  grid_sample affine_grid]]):gmatch "%S+" do same[name] = name end

-- Those with a twin that writes to its first argument, in PyTorch by the option `inplace`.
local twins = {}
for name in ([[threshold relu hardtanh hardswish relu6 elu selu celu leaky_relu rrelu hardsigmoid silu mish dropout
  dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout]]):gmatch "%S+" do twins[name] = true end

-- PyTorch's keywords that the operations call otherwise.
local renamed = { dropout = { training = "train" } }

-- The arguments without the option `inplace` and with the operation's keywords; then whether it was true. Operations of
-- one argument take it by position, too.
local function read(name, ...)
  local args = table.pack(...)
  local last = args[args.n]
  if type(last) == "boolean" and args.n == 2 and (name:find "^relu6?$" or name == "silu" or name == "mish"
    or name == "selu" or name == "hardswish" or name == "hardsigmoid") then
    args.n = 1
    return args, last
  end
  if type(last) ~= "table" then return args, false end
  local options, inplace = {}, last.inplace
  for key, value in next, last do
    if key ~= "inplace" then options[(renamed[name] or {})[key] or key] = value end
  end
  if inplace ~= nil and type(inplace) ~= "boolean" then
    cr.raise(("%s: inplace must be true or false, got a %s"):format(name, type(inplace)))
  end
  args[args.n] = options
  if next(options) == nil then args.n = args.n - 1 end
  return args, inplace
end

local function with_twin(name)
  local pure = cr[name]
  return function(...)
    local args, inplace = read(name, ...)
    if not inplace then return pure(table.unpack(args, 1, args.n)) end
    local x = args[1]
    local twin = cr.methods()[name .. "_"]
    if twin then return twin(table.unpack(args, 1, args.n)) end
    return x:copy_(pure(table.unpack(args, 1, args.n)))
  end
end

-- ---- Written by hand -------------------------------------------------------------------------------------

local own = {}

--- embedding(input, weight, { padding_idx =, max_norm =, norm_type =, scale_grad_by_freq = })
function own.embedding(input, weight, ...) return cr.embedding(weight, input, ...) end

--- embedding_bag(input, weight, offsets, { max_norm =, norm_type =, mode =, per_sample_weights =, ... })
function own.embedding_bag(input, weight, ...) return cr.embedding_bag(weight, input, ...) end

--- one_hot(input, num_classes)
function own.one_hot(input, n)
  if type(n) == "table" then n = n.num_classes end
  if n == -1 then n = nil end
  return cr.one_hot(input, n)
end

--- gumbel_softmax(logits, { tau = 1, hard = false, dim = -1 }): a sample of the relaxed distribution of classes; hard
-- ones are one-hot, with the gradient of the soft.
function own.gumbel_softmax(logits, options)
  local o = require("cresset.nn.arguments").read("gumbel_softmax",
    require("cresset.nn.arguments").signature "tau: number = 1, hard: bool = false, dim: int = -1", options or {})
  local noise = cr.no_grad(function() return cr.empty_like(logits):exponential_():log():neg() end)
  local soft = ((logits + noise) / o.tau):softmax(o.dim)
  if not o.hard then return soft end
  local _, index = soft:max(o.dim, true)
  local hard = cr.zeros_like(soft):scatter_(o.dim, index, 1.0)
  return hard - soft:detach() + soft
end

-- Pools that give the positions of the largest elements, too.
for _, name in ipairs { "max_pool%dd", "adaptive_max_pool%dd", "fractional_max_pool%dd" } do
  for n = name:find "fractional" and 2 or 1, 3 do
    local op = name:format(n)
    own[op .. "_with_indices"] = function(input, size, options)
      local o = { return_indices = true }
      for key, value in next, options or {} do o[key] = value end
      return cr[op](input, size, o)
    end
  end
end

local function find(name)
  if own[name] then return own[name] end
  if same[name] then return cr[name] end
  if twins[name] then return with_twin(name) end
  local stem = name:match "^(.-[^_])_$"
  if stem and (twins[stem] or same[stem]) and cr.methods()[name] then return cr.methods()[name] end
end

local lazy = {}
for _, list in ipairs { same, twins, own } do
  for name in next, list do
    lazy[name] = true
    if not own[name] and rawget(cr.methods(), name .. "_") then lazy[name .. "_"] = true end
  end
end

return require "cresset.nn.namespace"("nn.functional", lazy, F, find)
