-- init.lua: the package `nn` of Torch7: modules and criterions with forward and backward of their own.
--
-- Holds true: names, arguments, defaults and fields (weight, gradWeight, output, gradInput) are Torch7's. Files are
-- loaded when the first class of theirs is asked for.

local classes = require "cresset.torch7.class"

local nn = classes.package("nn", {})

-- Which file has which classes; module.lua has what all build on.
local files = {
  module = [[
    Module Criterion Native NativeCriterion
  ]],
  containers = [[
    Container Sequential Concat ConcatTable ParallelTable Parallel MapTable
  ]],
  layers = [[
    Linear Add CAdd CMul Mul Bilinear LookupTable Dropout SpatialDropout BatchNormalization
    SpatialBatchNormalization VolumetricBatchNormalization Normalize PReLU SpatialCrossMapLRN Euclidean Cosine
  ]],
  convolutions = [[
    SpatialConvolution SpatialConvolutionMM SpatialDilatedConvolution SpatialFullConvolution
    SpatialDepthWiseConvolution TemporalConvolution VolumetricConvolution SpatialMaxPooling SpatialAveragePooling
    SpatialAdaptiveMaxPooling SpatialAdaptiveAveragePooling SpatialLPPooling TemporalMaxPooling
    VolumetricMaxPooling VolumetricAveragePooling SpatialZeroPadding SpatialReflectionPadding
    SpatialReplicationPadding SpatialUpSamplingNearest SpatialUpSamplingBilinear PixelShuffle
  ]],
  simple = [[
    Tanh Sigmoid ReLU ReLU6 LeakyReLU ELU GELU SoftMax LogSoftMax SoftMin SoftPlus SoftSign SoftShrink HardShrink
    TanhShrink HardTanh Clamp Threshold LogSigmoid Abs Sqrt Square Power Exp Log MulConstant AddConstant Identity
    Reshape View Transpose Unsqueeze Squeeze Contiguous Replicate Narrow Select Index Padding Mean Sum Max Min
    Copy Collapse GradientReversal SpatialSoftMax SpatialLogSoftMax L1Penalty
  ]],
  tables = [[
    CAddTable CSubTable CMulTable CDivTable CMaxTable CMinTable JoinTable SplitTable SelectTable NarrowTable
    FlattenTable MM MV DotProduct CosineDistance PairwiseDistance MixtureTable
  ]],
  criterions = [[
    MSECriterion AbsCriterion SmoothL1Criterion ClassNLLCriterion CrossEntropyCriterion SpatialClassNLLCriterion
    BCECriterion DistKLDivCriterion MarginCriterion SoftMarginCriterion MultiMarginCriterion
    MultiLabelMarginCriterion MultiLabelSoftMarginCriterion HingeEmbeddingCriterion CosineEmbeddingCriterion
    MarginRankingCriterion L1Cost ParallelCriterion MultiCriterion ClassSimplexCriterion L1HingeEmbeddingCriterion
  ]],
  trainer = [[
    StochasticGradient
  ]],
}
local home = {}
for file, list in pairs(files) do
  for name in list:gmatch "%S+" do home[name] = file end
end

return setmetatable(nn, { __index = function(_, name)
  local file = home[name]
  if not file then
    if type(name) == "string" and name:match "^%u" then error("there is no nn." .. name .. " here", 2) end
    return nil
  end
  require("cresset.torch7.nn." .. file)
  return rawget(nn, name)
end })
