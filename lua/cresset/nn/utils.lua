-- utils.lua: cr.nn.utils: what is done to modules and their parameters from outside.

local lazy = {}
for file, names in pairs {
  vector = "parameters_to_vector vector_to_parameters",
  weight_norm = "weight_norm remove_weight_norm",
  spectral_norm = "spectral_norm remove_spectral_norm",
  stateless = "functional_call",
  fusion = "fuse_conv_bn_eval fuse_conv_bn_weights fuse_linear_bn_eval fuse_linear_bn_weights",
} do
  for name in names:gmatch "%S+" do lazy[name] = { "cresset.nn.utils." .. file, name } end
end
for _, name in ipairs { "clip_grad_norm_", "clip_grad_value_", "get_total_norm", "clip_grads_with_norm_" } do
  lazy[name] = { "cresset.nn.clip", name }
end
lazy.rnn = { "cresset.nn.packed" }
for _, name in ipairs { "parametrize", "parametrizations" } do lazy[name] = { "cresset.nn.utils." .. name } end

return require "cresset.nn.namespace"("nn.utils", lazy)
