-- entries_layers.lua: what is told of the classes of cr.nn, and of the functions in its tables.
--
-- Holds true: plain data; each entry is a call, a bar, and what its modules (or the function) do; what is indented more
-- goes on with it. Defaults are PyTorch's.

return {
  { title = "Layers: linear, convolutions, rows of a table", [[
    Identity() | Gives what it is given.
    Linear(in_features, out_features, { bias = true }) | x weight^T + bias over the last dim; weight is out_features x
      in_features.
    Bilinear(in1_features, in2_features, out_features, { bias = true }) | x1^T weight[k] x2 + bias[k] for each output
      k.
    Conv1d(in_channels, out_channels, kernel_size, { stride =, padding =, dilation =, groups =, bias =, padding_mode =
      }) | Convolution of (N, C, L). padding may be "same" or "valid", padding_mode "zeros", "reflect", "replicate" or
      "circular".
    Conv2d(in_channels, out_channels, kernel_size, { stride =, padding =, dilation =, groups =, bias =, padding_mode =
      }) | Convolution of (N, C, H, W); sizes are numbers or tables of two. Options as Conv1d's.
    Conv3d(in_channels, out_channels, kernel_size, { stride =, padding =, dilation =, groups =, bias =, padding_mode =
      }) | Convolution of (N, C, D, H, W). Options as Conv1d's.
    ConvTranspose1d(in_channels, out_channels, kernel_size, { stride =, padding =, output_padding =, groups =, bias =,
      dilation = }) | The convolution's transpose. m(x, output_size) chooses among the sizes that a stride leaves
      open.
    ConvTranspose2d(in_channels, out_channels, kernel_size, { stride =, padding =, output_padding =, groups =, bias =,
      dilation = }) | As ConvTranspose1d, of (N, C, H, W).
    ConvTranspose3d(in_channels, out_channels, kernel_size, { stride =, padding =, output_padding =, groups =, bias =,
      dilation = }) | As ConvTranspose1d, of (N, C, D, H, W).
    Embedding(num_embeddings, embedding_dim, { padding_idx =, max_norm =, norm_type =, scale_grad_by_freq = }) | Rows
      of a table by their numbers, from 1. The row padding_idx is zero and learns nothing.
      nn.Embedding.from_pretrained(t, { freeze = true }) makes one of a tensor.
    EmbeddingBag(num_embeddings, embedding_dim, { mode = "mean", max_norm =, norm_type =, scale_grad_by_freq =,
      include_last_offset =, padding_idx = }) | Sums, means or maxima of rows. m(index, offsets, per_sample_weights):
      bags are the rows of index, or begin at offsets, from 1.
  ]] },
  { title = "Layers: pooling", [[
    MaxPool1d(kernel_size, { stride =, padding =, dilation =, return_indices =, ceil_mode = }) | The largest element
      of each window; with return_indices its position, too.
    MaxPool2d(kernel_size, { stride =, padding =, dilation =, return_indices =, ceil_mode = }) | As MaxPool1d, of (N,
      C, H, W).
    MaxPool3d(kernel_size, { stride =, padding =, dilation =, return_indices =, ceil_mode = }) | As MaxPool1d, of (N,
      C, D, H, W).
    AvgPool1d(kernel_size, { stride =, padding =, ceil_mode =, count_include_pad = true }) | The mean of each window.
    AvgPool2d(kernel_size, { stride =, padding =, ceil_mode =, count_include_pad = true, divisor_override = }) | As
      AvgPool1d, of (N, C, H, W).
    AvgPool3d(kernel_size, { stride =, padding =, ceil_mode =, count_include_pad = true, divisor_override = }) | As
      AvgPool1d, of (N, C, D, H, W).
    LPPool1d(norm_type, kernel_size, { stride =, ceil_mode = }) | The norm of each window.
    LPPool2d(norm_type, kernel_size, { stride =, ceil_mode = }) | As LPPool1d, of (N, C, H, W).
    LPPool3d(norm_type, kernel_size, { stride =, ceil_mode = }) | As LPPool1d, of (N, C, D, H, W).
    AdaptiveAvgPool1d(output_size) | Means of so many windows.
    AdaptiveAvgPool2d(output_size) | Means of so many windows; false in a table of sizes keeps a dim.
    AdaptiveAvgPool3d(output_size) | As AdaptiveAvgPool2d, of (N, C, D, H, W).
    AdaptiveMaxPool1d(output_size, { return_indices = false }) | The largest elements of so many windows.
    AdaptiveMaxPool2d(output_size, { return_indices = false }) | As AdaptiveMaxPool1d, of (N, C, H, W).
    AdaptiveMaxPool3d(output_size, { return_indices = false }) | As AdaptiveMaxPool1d, of (N, C, D, H, W).
    MaxUnpool1d(kernel_size, { stride =, padding = }) | m(x, indices, output_size) puts elements back where MaxPool1d
      with return_indices has found them.
    MaxUnpool2d(kernel_size, { stride =, padding = }) | As MaxUnpool1d, of (N, C, H, W).
    MaxUnpool3d(kernel_size, { stride =, padding = }) | As MaxUnpool1d, of (N, C, D, H, W).
    FractionalMaxPool2d(kernel_size, { output_size =, output_ratio =, return_indices = }) | The largest elements of
      windows at random places.
    FractionalMaxPool3d(kernel_size, { output_size =, output_ratio =, return_indices = }) | As FractionalMaxPool2d, of
      (N, C, D, H, W).
  ]] },
  { title = "Layers: normalization and dropout", [[
    BatchNorm1d(num_features, { eps = 1e-5, momentum = 0.1, affine = true, track_running_stats = true }) | Each
      channel of (N, C) or (N, C, L) less its mean, over its deviation: of the batch in training, the running ones in
      evaluation. momentum = false makes these the mean of all batches.
    BatchNorm2d(num_features, { eps = 1e-5, momentum = 0.1, affine = true, track_running_stats = true }) | As
      BatchNorm1d, of (N, C, H, W).
    BatchNorm3d(num_features, { eps = 1e-5, momentum = 0.1, affine = true, track_running_stats = true }) | As
      BatchNorm1d, of (N, C, D, H, W).
    InstanceNorm1d(num_features, { eps = 1e-5, momentum = 0.1, affine = false, track_running_stats = false }) | Each
      channel of each sample less its mean, over its deviation.
    InstanceNorm2d(num_features, { eps = 1e-5, momentum = 0.1, affine = false, track_running_stats = false }) | As
      InstanceNorm1d, of (N, C, H, W).
    InstanceNorm3d(num_features, { eps = 1e-5, momentum = 0.1, affine = false, track_running_stats = false }) | As
      InstanceNorm1d, of (N, C, D, H, W).
    LayerNorm(normalized_shape, { eps = 1e-5, elementwise_affine = true, bias = true }) | The last dims, which
      normalized_shape names, less their mean, over their deviation.
    RMSNorm(normalized_shape, { eps =, elementwise_affine = true }) | The last dims over the root of their mean
      square.
    GroupNorm(num_groups, num_channels, { eps = 1e-5, affine = true }) | Groups of channels less their mean, over
      their deviation.
    LocalResponseNorm(size, { alpha = 1e-4, beta = 0.75, k = 1 }) | Each element over a power of the squares of its
      neighbours among the channels.
    Dropout(p, { inplace = false }) | In training, drops elements with the probability p and scales the others.
    Dropout1d(p, { inplace = false }) | In training, drops channels of (N, C, L).
    Dropout2d(p, { inplace = false }) | In training, drops channels of (N, C, H, W).
    Dropout3d(p, { inplace = false }) | In training, drops channels of (N, C, D, H, W).
    AlphaDropout(p, { inplace = false }) | Dropout that keeps mean and deviation, for SELU.
    FeatureAlphaDropout(p, { inplace = false }) | AlphaDropout of channels.
  ]] },
  { title = "Layers: sequences", [[
    RNN(input_size, hidden_size, { num_layers = 1, nonlinearity = "tanh", bias = true, batch_first = false, dropout =
      0, bidirectional = false }) | m(x, h) gives output, h: h' = tanh(weight_ih x + bias_ih + weight_hh h + bias_hh)
      step by step. x is time x batch x features, without the batch, or a packed sequence.
    LSTM(input_size, hidden_size, { num_layers = 1, bias = true, batch_first = false, dropout = 0, bidirectional =
      false, proj_size = 0 }) | m(x, { h, c }) gives output, { h, c }: long short-term memory. x as RNN's.
    GRU(input_size, hidden_size, { num_layers = 1, bias = true, batch_first = false, dropout = 0, bidirectional =
      false }) | m(x, h) gives output, h: gated recurrent units. x as RNN's.
    RNNCell(input_size, hidden_size, { bias = true, nonlinearity = "tanh" }) | m(x, h) gives the next h: one step of
      an RNN.
    LSTMCell(input_size, hidden_size, { bias = true }) | m(x, { h, c }) gives the next h and c.
    GRUCell(input_size, hidden_size, { bias = true }) | m(x, h) gives the next h.
    MultiheadAttention(embed_dim, num_heads, { dropout = 0, bias = true, add_bias_kv =, add_zero_attn =, kdim =, vdim
      =, batch_first = false }) | m(query, key, value, { key_padding_mask =, need_weights = true, attn_mask =,
      average_attn_weights = true, is_causal = }) gives the output and the weights. In masks of bools, true hides.
    TransformerEncoderLayer(d_model, nhead, { dim_feedforward = 2048, dropout = 0.1, activation = "relu",
      layer_norm_eps = 1e-5, batch_first = false, norm_first = false, bias = true }) | m(src, { src_mask =,
      src_key_padding_mask =, is_causal = }): attention to itself and two Linears.
    TransformerDecoderLayer(d_model, nhead, { dim_feedforward = 2048, dropout = 0.1, activation = "relu",
      layer_norm_eps = 1e-5, batch_first = false, norm_first = false, bias = true }) | m(tgt, memory, { tgt_mask =,
      memory_mask =, tgt_key_padding_mask =, memory_key_padding_mask = }): attention to itself and to memory, and two
      Linears.
    TransformerEncoder(encoder_layer, num_layers, { norm = }) | m(src, { mask =, src_key_padding_mask =, is_causal =
      }): clones of a layer, one after the other.
    TransformerDecoder(decoder_layer, num_layers, { norm = }) | m(tgt, memory, options of the layer): clones of a
      layer, one after the other.
    Transformer({ d_model = 512, nhead = 8, num_encoder_layers = 6, num_decoder_layers = 6, dim_feedforward = 2048,
      dropout = 0.1, batch_first = false, norm_first = false }) | m(src, tgt, { src_mask =, tgt_mask =, memory_mask =,
      src_key_padding_mask =, ... }): encoder and decoder. nn.Transformer.generate_square_subsequent_mask(n) is the
      mask of a sequence that sees no later step.
  ]] },
  { title = "Layers: activations", [[
    ReLU({ inplace = false }) | max(x, 0).
    ReLU6({ inplace = false }) | min(max(x, 0), 6).
    RReLU({ lower = 1/8, upper = 1/3, inplace = false }) | Negative elements times a slope: random in training, the
      mean one in evaluation.
    LeakyReLU(negative_slope, { inplace = false }) | Negative elements times 0.01, or another slope.
    PReLU(num_parameters, { init = 0.25 }) | Negative elements times a slope that is learned, of each channel or of
      all.
    ELU(alpha, { inplace = false }) | alpha (exp(x) - 1) of negative elements.
    CELU(alpha, { inplace = false }) | alpha (exp(x / alpha) - 1) of negative elements.
    SELU({ inplace = false }) | ELU, scaled so that mean and deviation are kept.
    GELU({ approximate = "none" }) | x times the normal distribution function, or "tanh" for its approximation.
    GLU(dim) | The first half of a dim times the sigmoid of the second.
    SiLU({ inplace = false }) | x sigmoid(x).
    Mish({ inplace = false }) | x tanh(softplus(x)).
    Sigmoid() | 1 / (1 + exp(-x)).
    LogSigmoid() | log(sigmoid(x)).
    Tanh() | tanh(x).
    Softmax(dim) | exp(x) over its sum along a dim.
    Softmax2d() | Softmax over the channels of (N, C, H, W).
    Softmin(dim) | Softmax of -x.
    LogSoftmax(dim) | log(softmax(x)).
    Softplus(beta, threshold) | log(1 + exp(beta x)) / beta.
    Softsign() | x / (1 + |x|).
    Softshrink(lambd) | x less lambd, plus lambd, or 0 between.
    Hardshrink(lambd) | x, or 0 within lambd of 0.
    Tanhshrink() | x - tanh(x).
    Hardtanh(min_val, max_val, { inplace = false }) | x cut to -1 ... 1, or other bounds.
    Hardsigmoid({ inplace = false }) | relu6(x + 3) / 6.
    Hardswish({ inplace = false }) | x relu6(x + 3) / 6.
    Threshold(threshold, value, { inplace = false }) | x where it is above the threshold, else the value.
  ]] },
  { title = "Layers: shapes and distances", [[
    Flatten(start_dim, end_dim) | One dim of several; without arguments, of all but the first.
    Unflatten(dim, unflattened_size) | Several dims of one.
    Fold(output_size, kernel_size, { dilation =, padding =, stride = }) | Sums of the columns of patches that Unfold
      makes.
    Unfold(kernel_size, { dilation =, padding =, stride = }) | The patches of an image as columns.
    Upsample({ size =, scale_factor =, mode = "nearest", align_corners = }) | (N, C, ...) in another size.
    UpsamplingNearest2d({ size =, scale_factor = }) | Upsample by the nearest element.
    UpsamplingBilinear2d({ size =, scale_factor = }) | Upsample by bilinear interpolation with aligned corners.
    PixelShuffle(upscale_factor) | Channels become places: (C r r, H, W) to (C, H r, W r).
    PixelUnshuffle(downscale_factor) | Places become channels.
    ChannelShuffle(groups) | The channels of groups take turns.
    ConstantPad1d(padding, value) | Puts a value around the last dim: a number for both sides or { left, right }.
    ConstantPad2d(padding, value) | Puts a value around the last two dims: { left, right, top, bottom }.
    ConstantPad3d(padding, value) | Puts a value around the last three dims.
    ZeroPad1d(padding) | Puts zeros around the last dim.
    ZeroPad2d(padding) | Puts zeros around the last two dims.
    ZeroPad3d(padding) | Puts zeros around the last three dims.
    ReflectionPad1d(padding) | Puts the mirrored input around the last dim.
    ReflectionPad2d(padding) | Puts the mirrored input around the last two dims.
    ReflectionPad3d(padding) | Puts the mirrored input around the last three dims.
    ReplicationPad1d(padding) | Repeats the edges of the last dim.
    ReplicationPad2d(padding) | Repeats the edges of the last two dims.
    ReplicationPad3d(padding) | Repeats the edges of the last three dims.
    CircularPad1d(padding) | Puts the other end of the input around the last dim.
    CircularPad2d(padding) | Puts the other ends of the input around the last two dims.
    CircularPad3d(padding) | Puts the other ends of the input around the last three dims.
    CosineSimilarity({ dim = 2, eps = 1e-8 }) | m(x1, x2): the cosine of the angle between vectors along a dim.
    PairwiseDistance(p, { eps = 1e-6, keepdim = false }) | m(x1, x2): the norm of the difference along the last dim.
  ]] },
  { title = "Losses", [[
    L1Loss({ reduction = "mean" }) | |input - target|. The reduction of all losses is "mean", "sum" or "none".
    MSELoss({ reduction = "mean" }) | (input - target)^2.
    SmoothL1Loss({ beta = 1, reduction = "mean" }) | Squares below beta, absolute values above.
    HuberLoss({ delta = 1, reduction = "mean" }) | As SmoothL1Loss, times delta.
    CrossEntropyLoss({ weight =, ignore_index =, label_smoothing = 0, reduction = "mean" }) | Of scores (N, C, ...)
      and class numbers from 1, or probabilities.
    NLLLoss({ weight =, ignore_index =, reduction = "mean" }) | Of log-probabilities (N, C, ...) and class numbers
      from 1.
    NLLLoss2d({ weight =, ignore_index =, reduction = "mean" }) | As NLLLoss.
    BCELoss({ weight =, reduction = "mean" }) | Binary cross entropy of probabilities.
    BCEWithLogitsLoss({ weight =, pos_weight =, reduction = "mean" }) | Binary cross entropy of scores.
    KLDivLoss({ reduction = "mean", log_target = false }) | target (log(target) - input), input being
      log-probabilities; "batchmean" is the divergence.
    PoissonNLLLoss({ log_input = true, full = false, eps = 1e-8, reduction = "mean" }) | Of counts that follow a
      Poisson distribution.
    GaussianNLLLoss({ full = false, eps = 1e-6, reduction = "mean" }) | m(input, target, var): of numbers that follow
      normal distributions.
    SoftMarginLoss({ reduction = "mean" }) | log(1 + exp(-target input)) for targets 1 and -1.
    HingeEmbeddingLoss({ margin = 1, reduction = "mean" }) | input where target is 1, max(0, margin - input) where it
      is -1.
    MarginRankingLoss({ margin = 0, reduction = "mean" }) | m(x1, x2, target): max(0, -target (x1 - x2) + margin).
    CosineEmbeddingLoss({ margin = 0, reduction = "mean" }) | m(x1, x2, target): how far vectors are from alike (1) or
      apart (-1).
    MultiMarginLoss({ p = 1, margin = 1, weight =, reduction = "mean" }) | Of scores and class numbers from 1, by
      margins.
    MultiLabelMarginLoss({ reduction = "mean" }) | Of scores and lists of class numbers from 1, which end at the first
      0 or -1.
    MultiLabelSoftMarginLoss({ weight =, reduction = "mean" }) | Of scores and zeros and ones for each class.
    TripletMarginLoss({ margin = 1, p = 2, eps = 1e-6, swap = false, reduction = "mean" }) | m(anchor, positive,
      negative): max(0, d(a, p) - d(a, n) + margin).
    TripletMarginWithDistanceLoss({ distance_function =, margin = 1, swap = false, reduction = "mean" }) |
      TripletMarginLoss with a function of two tensors as distance.
    CTCLoss({ blank = 1, reduction = "mean", zero_infinity = false }) | m(log_probs, targets, input_lengths,
      target_lengths): of sequences without alignment.
  ]] },
  { title = "Layers: functions and tools", kind = "table", [[
    functional | The functions that modules compute, with PyTorch's names: nn.functional.cross_entropy(input, target,
      { reduction = "mean" }). Most are operations of cr; training is an argument.
    init | Ways to fill tensors: uniform_(t, a, b), normal_(t, mean, std), trunc_normal_, constant_, ones_, zeros_,
      eye_, dirac_(t, groups), xavier_uniform_(t, { gain = }), xavier_normal_, kaiming_uniform_(t, { a = 0, mode =
      "fan_in", nonlinearity = "leaky_relu" }), kaiming_normal_, orthogonal_(t, { gain = }), sparse_(t, sparsity, {
      std = }); calculate_gain(nonlinearity, param).
    utils.rnn | Sequences of different lengths: pack_padded_sequence(x, lengths, { batch_first =, enforce_sorted = }),
      pad_packed_sequence, pack_sequence, pad_sequence, unpad_sequence, unpack_sequence.
    utils.parametrize | Parameters that are functions of others: register_parametrization, remove_parametrizations,
      is_parametrized, cached.
    utils.parametrizations | Ready-made parametrizations: weight_norm, spectral_norm.
    utils | Tools: clip_grad_norm_, clip_grad_value_, get_total_norm, parameters_to_vector, vector_to_parameters,
      weight_norm, spectral_norm, parametrize, parametrizations, fuse_conv_bn_eval and others.
  ]] },
  { title = "Layers: tools", kind = "fun(...: any): any", [[
    utils.clip_grad_norm_(parameters, max_norm, { norm_type = 2, error_if_nonfinite = false }) | Scales gradients so
      that the norm of all together is at most max_norm; gives the norm before.
    utils.clip_grad_value_(parameters, clip_value) | Cuts each element of the gradients to between -clip_value and
      clip_value.
    utils.get_total_norm(tensors, { norm_type = 2 }) | The norm of tensors as one vector.
    utils.clip_grads_with_norm_(parameters, max_norm, total_norm) | Scales gradients by max_norm / total_norm if that
      is less than 1.
    utils.parameters_to_vector(parameters) | All elements of tensors in one vector; gradients flow.
    utils.vector_to_parameters(vector, parameters) | Copies the elements of a vector into tensors.
    utils.functional_call(module, tensors, ...) | module(...) with the tensors of a table by name in the place of its
      parameters and buffers; gradients flow to them.
    utils.weight_norm(module, name, dim) | The weight as a length NAME_g times the direction of NAME_v, by a hook.
    utils.remove_weight_norm(module, name) | Makes the weight a parameter again.
    utils.spectral_norm(module, { name = "weight", n_power_iterations = 1, eps = 1e-12, dim = }) | The weight divided
      by its largest singular value, by a hook.
    utils.remove_spectral_norm(module, name) | Makes the weight a parameter again.
    utils.parametrize.register_parametrization(module, name, parametrization, { unsafe = false }) | From now on
      module.NAME is what a module makes of a learned tensor; its method right_inverse, if any, gives that tensor for
      a value that is assigned.
    utils.parametrize.remove_parametrizations(module, name, { leave_parametrized = true }) | Makes the tensor a plain
      one again.
    utils.parametrize.is_parametrized(module, name) | Whether the tensor, or any without a name, has parametrizations.
    utils.parametrize.cached(f, ...) | Within f, or the scope of `local _ <close> = cached()`, each parametrized
      tensor is computed once.
    utils.parametrizations.weight_norm(module, name, dim) | weight_norm as a parametrization.
    utils.parametrizations.spectral_norm(module, { name = "weight", n_power_iterations = 1 }) | spectral_norm as a
      parametrization.
    utils.fuse_conv_bn_eval(conv, bn, transpose) | A convolution that does what both do in evaluation.
    utils.fuse_linear_bn_eval(linear, bn) | A Linear that does what both do in evaluation.
    utils.fuse_conv_bn_weights(w, b, mean, var, eps, bn_weight, bn_bias, transpose) | The weight and bias of a
      convolution and a batch norm in one.
    utils.fuse_linear_bn_weights(w, b, mean, var, eps, bn_weight, bn_bias) | The weight and bias of a Linear and a
      batch norm in one.
  ]] },
}
