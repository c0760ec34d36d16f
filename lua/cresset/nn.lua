-- nn.lua: the module `cresset.nn`: layers, losses, containers, and what makes layers of one's own.
--
-- Holds true: a class is loaded with its family's file (nn/FAMILY.lua) at the first use of its name; a name that
-- does not exist is an error that names the nearest one.

local module = require "cresset.nn.module"
local parameter = require "cresset.nn.parameter"

local convert = require "cresset.nn.convert"

for _, name in ipairs { "walk", "state", "hooks", "show", "place" } do require("cresset.nn." .. name) end

local nn = {
  Module = module.Module, class = module.class, is_module = module.is_module,
  Parameter = parameter.Parameter, Buffer = parameter.Buffer, is_parameter = parameter.is_parameter,
  clone = convert.clone,
}

-- The classes and functions of each file.
local families = {
  container = "Sequential ModuleList ModuleDict ParameterList ParameterDict",
  linear = "Identity Linear Bilinear",
  convolution = "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d",
  pooling = "MaxPool1d MaxPool2d MaxPool3d AvgPool1d AvgPool2d AvgPool3d LPPool1d LPPool2d LPPool3d AdaptiveAvgPool1d "
    .. "AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d MaxUnpool1d "
    .. "MaxUnpool2d MaxUnpool3d FractionalMaxPool2d FractionalMaxPool3d",
  normalization = "BatchNorm1d BatchNorm2d BatchNorm3d InstanceNorm1d InstanceNorm2d InstanceNorm3d LayerNorm RMSNorm "
    .. "GroupNorm LocalResponseNorm",
  activation = "ReLU ReLU6 RReLU LeakyReLU PReLU ELU CELU SELU GELU GLU SiLU Mish Sigmoid LogSigmoid Tanh Softmax "
    .. "Softmax2d Softmin LogSoftmax Softplus Softsign Softshrink Hardshrink Tanhshrink Hardtanh Hardsigmoid Hardswish "
    .. "Threshold",
  dropout = "Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout",
  padding = "ConstantPad1d ConstantPad2d ConstantPad3d ZeroPad1d ZeroPad2d ZeroPad3d ReflectionPad1d ReflectionPad2d "
    .. "ReflectionPad3d ReplicationPad1d ReplicationPad2d ReplicationPad3d CircularPad1d CircularPad2d CircularPad3d",
  shape = "Flatten Unflatten Fold Unfold Upsample UpsamplingNearest2d UpsamplingBilinear2d PixelShuffle PixelUnshuffle "
    .. "ChannelShuffle",
  embedding = "Embedding EmbeddingBag",
  recurrent = "RNN LSTM GRU RNNCell LSTMCell GRUCell",
  attention = "MultiheadAttention",
  transformer = "Transformer TransformerEncoder TransformerDecoder TransformerEncoderLayer TransformerDecoderLayer",
  distance = "CosineSimilarity PairwiseDistance",
  loss = "L1Loss MSELoss SmoothL1Loss HuberLoss NLLLoss NLLLoss2d CrossEntropyLoss BCELoss BCEWithLogitsLoss KLDivLoss "
    .. "PoissonNLLLoss GaussianNLLLoss SoftMarginLoss HingeEmbeddingLoss MarginRankingLoss CosineEmbeddingLoss "
    .. "MultiMarginLoss MultiLabelMarginLoss MultiLabelSoftMarginLoss TripletMarginLoss TripletMarginWithDistanceLoss "
    .. "CTCLoss",
  summary = "summary",
}

-- What is a table of its own.
local tables = { functional = "functional", init = "initializers", utils = "utils" }

local lazy = {}
for file, names in pairs(families) do
  for name in names:gmatch "%S+" do lazy[name] = { "cresset.nn." .. file, name } end
end
for name, file in pairs(tables) do lazy[name] = { "cresset.nn." .. file } end

return require "cresset.nn.namespace"("nn", lazy, nn)
