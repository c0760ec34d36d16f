-- autocast.lua: what autocast does to the arguments of operations, on the CPU and on CUDA: PyTorch's lists.
--
-- Holds true: operations that are not named compute in what they are given. A policy casts the floating tensors among
-- the arguments, but for float64, before the operation runs with autocast off; what is written in place is not cast.
--   lower    to the dtype of the scope
--   float32  to float32
--   widest   to float32 if any of them is that, else to the dtype of the scope
--   refused  the call is an error
-- PyTorch has some of these as functions of others in its lists: they have the policy that comes of that.

local M = {}

local lists = {
  cpu = {
    lower = [[conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d mm bmm matmul addmm baddbmm vecdot
      linear einsum tensordot prelu scaled_dot_product_attention lstm rnn_tanh rnn_relu rnn_tanh_cell
      rnn_relu_cell]],
    float32 = [[avg_pool3d adaptive_avg_pool3d adaptive_max_pool3d max_pool3d fractional_max_pool2d
      fractional_max_pool3d max_unpool2d max_unpool3d grid_sample prod quantile nanquantile cdist trace
      binary_cross_entropy binary_cross_entropy_with_logits cross_entropy linear_cross_entropy nll_loss mse_loss l1_loss
      smooth_l1_loss huber_loss kl_div poisson_nll_loss hinge_embedding_loss cosine_embedding_loss
      margin_ranking_loss soft_margin_loss triplet_margin_loss multi_margin_loss multilabel_margin_loss ctc_loss]],
    widest = "cat stack index_copy gru gru_cell lstm_cell",
  },
  cuda = {
    lower = [[conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d mm bmm matmul mv addmm addmv addr
      baddbmm vecdot linear einsum prelu scaled_dot_product_attention lstm gru rnn_tanh rnn_relu lstm_cell gru_cell
      rnn_tanh_cell rnn_relu_cell]],
    float32 = [[acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow softplus
      layer_norm rms_norm group_norm norm normalize lp_pool1d lp_pool2d lp_pool3d cosine_similarity pairwise_distance
      dist pdist cdist renorm logsumexp interpolate upsample prod softmax softmin log_softmax cumprod cumsum sum
      binary_cross_entropy_with_logits cross_entropy linear_cross_entropy nll_loss mse_loss l1_loss smooth_l1_loss
      huber_loss kl_div poisson_nll_loss hinge_embedding_loss cosine_embedding_loss margin_ranking_loss soft_margin_loss
      triplet_margin_loss multi_margin_loss multilabel_margin_loss]],
    widest = "addcdiv addcmul atan2 bilinear cross dot vdot grid_sample index_put tensordot inner scatter_add",
    refused = "binary_cross_entropy",
  },
}

--- Gives each entry of the catalogue that a list names, by its name in Lua, autocast = { cpu =, cuda = }.
function M.apply(cat)
  for device, policies in pairs(lists) do
    for policy, names in pairs(policies) do
      for name in names:gmatch "%S+" do
        local found = false
        for _, e in ipairs(cat.entries) do
          local called = e.lua == name
          for _, alias in ipairs(e.aliases) do called = called or alias == name end
          if called and not e.hidden then
            found, e.autocast = true, e.autocast or {}
            if e.autocast[device] then error(("autocast: %s is in two lists of %s"):format(name, device), 0) end
            e.autocast[device] = policy
          end
        end
        if not found then error(("autocast: there is no operation %s"):format(name), 0) end
      end
    end
  end
end

--- What an entry's implementation has of it in C; "" for nothing.
function M.fields(e)
  if not e.autocast then return "" end
  local function policy(device) return "CR__CAST_" .. (e.autocast[device] or "none"):upper() end
  return (", .casts = %s | %s << 4"):format(policy "cpu", policy "cuda")
end

return M
