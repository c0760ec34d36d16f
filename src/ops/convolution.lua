-- convolution.lua: convolutions over one, two or three dims, transposed ones, and their derivatives.
--
-- Holds true: all of them are three products of an input x, a weight w and a result y, tied by one rule: y at o
-- takes x at o * stride + t * dilation - padding times w at t, where x has that place. `convolve` gives y of x and w,
-- `convolve_input` x of y and w, `convolve_weight` w of y and x. Each is linear in both of its factors, so that the
-- derivatives of each are the other two. Sizes are given, not computed: what lies outside of x counts as zero.

kernel "convolution(out, in, weight, bias?; stride: int[3], padding: int[3], dilation: int[3], groups)"
kernel "convolution_input(out, grad, weight, bias?; stride: int[3], padding: int[3], dilation: int[3], groups)"
kernel "convolution_weight(out, grad, in; stride: int[3], padding: int[3], dilation: int[3], groups)"

-- What says how x, w and y are tied.
local function geometry(v) return v.stride, v.padding, v.dilation, v.groups end

-- The gradient of a bias, which is added to every place of its channel.
local function over_channels(g) return g:flatten(3):sum { 1, 3 } end

op [[convolve(input: tensor, weight: tensor, bias: tensor?, shape: shape, stride: ints, padding: ints, dilation: ints,
  groups: int)]] {
  doc = "The convolution of input with weight, plus bias, of the shape given.",
  run = "convolve", hidden = true,
  grad = {
    input = function(g, v) return g:convolve_input(v.weight:conj(), nil, v.input.shape, geometry(v)) end,
    weight = function(g, v) return g:convolve_weight(v.input:conj(), v.weight.shape, geometry(v)) end,
    bias = over_channels,
  },
  samples = function(s)
    return {
      { s.t({ 1, 2, 5 }), s.t({ 3, 2, 2 }), s.t({ 3 }), { 1, 3, 3 }, { 2 }, { 1 }, { 1 }, 1 },
      { s.t({ 2, 2, 4 }), s.t({ 2, 1, 3 }), s.none, { 2, 2, 4 }, { 1 }, { 1 }, { 1 }, 2 },
    }
  end,
}

op [[convolve_input(grad: tensor, weight: tensor, bias: tensor?, shape: shape, stride: ints, padding: ints,
  dilation: ints, groups: int)]] {
  doc = "What convolve is given as input, of the shape given, where grad is its result, plus bias: its transpose.",
  run = "convolve_input", hidden = true,
  grad = {
    grad = function(g, v) return g:convolve(v.weight:conj(), nil, v.grad.shape, geometry(v)) end,
    weight = function(g, v) return v.grad:conj():convolve_weight(g, v.weight.shape, geometry(v)) end,
    bias = over_channels,
  },
  samples = function(s)
    return {
      { s.t({ 1, 3, 3 }), s.t({ 3, 2, 2 }), s.t({ 2 }), { 1, 2, 5 }, { 2 }, { 1 }, { 1 }, 1 },
      { s.t({ 2, 2, 4 }), s.t({ 2, 1, 3 }), s.none, { 2, 2, 4 }, { 1 }, { 1 }, { 1 }, 2 },
    }
  end,
}

op [[convolve_weight(grad: tensor, input: tensor, shape: shape, stride: ints, padding: ints, dilation: ints,
  groups: int)]] {
  doc = "The gradient of convolve by its weight, which has the shape given, from that of its result.",
  run = "convolve_weight", hidden = true,
  grad = {
    grad = function(g, v) return v.input:conj():convolve(g, nil, v.grad.shape, geometry(v)) end,
    input = function(g, v) return v.grad:conj():convolve_input(g, nil, v.input.shape, geometry(v)) end,
  },
  samples = function(s)
    return { { s.t({ 2, 3, 3 }), s.t({ 2, 2, 5 }), { 3, 2, 2 }, { 2 }, { 1 }, { 1 }, 1 } }
  end,
}

local layouts = { "a line", "an image", "a volume" }

-- Shapes of a sample: so many of something with `ndim` dims behind, whose sizes are these.
local function sized(ndim, first, ...)
  local shape, sizes = { table.unpack(first) }, { ... }
  for d = 4 - ndim, 3 do shape[#shape + 1] = sizes[d] end
  return shape
end

for ndim = 1, 3 do
  local function sizes(first, ...) return sized(ndim, first, ...) end

  op(([[conv%dd(input: tensor, weight: tensor, bias: tensor?, stride: ints = 1, padding: ints | "same" | "valid" = 0,
    dilation: ints = 1, groups: int = 1)]]):format(ndim)) {
    autocast = "lower",
    doc = ([[The convolution of each channel of input (batch, channels, then %s; the batch may be left out) with weight
      (result channels, channels of a group, kernel), summed over the channels of a group, plus bias. stride, padding
      and dilation are one number or one for each dim; "same" pads so that sizes stay.]]):format(layouts[ndim]),
    run = "conv", composite = true, method = false,
    samples = function(s)
      return {
        { s.t(sizes({ 2, 2 }, 2, 3, 4)), s.t(sizes({ 3, 2 }, 2, 1, 3)), s.t({ 3 }) },
        { s.t(sizes({ 1, 2 }, 3, 3, 5)), s.t(sizes({ 4, 1 }, 2, 2, 2)), s.none, 2, 1, 1, 2 },
        { s.t(sizes({ 2 }, 2, 3, 5)), s.t(sizes({ 1, 2 }, 1, 2, 3)), s.t({ 1 }), 1, "same", 1 },
        { s.t(sizes({ 1, 1 }, 3, 3, 6)), s.t(sizes({ 2, 1 }, 2, 2, 2)), s.none, 1, "valid", 2 },
        { s.t(sizes({ 2, 3 }, 1, 4, 4)), s.t(sizes({ 3, 1 }, 1, 3, 3)), s.none, 1, 1, 1, 3 },
        { s.t(sizes({ 2, 2 }, 1, 2, 3)), s.t(sizes({ 3, 2 }, 1, 1, 1)), s.t({ 3 }) },
        { s.t(sizes({ 0, 2 }, 2, 3, 4)), s.t(sizes({ 3, 2 }, 2, 1, 3)), s.t({ 3 }) },
      }
    end,
  }

  op(([[conv_transpose%dd(input: tensor, weight: tensor, bias: tensor?, stride: ints = 1, padding: ints = 0,
    output_padding: ints = 0, groups: int = 1, dilation: ints = 1)]]):format(ndim)) {
    autocast = "lower",
    doc = ([[What conv%dd is the transpose of: from input (batch, channels, then %s; the batch may be left out) and
      weight (channels, result channels of a group, kernel) to the sizes that conv%dd would be given, of which
      output_padding says which, plus bias.]]):format(ndim, layouts[ndim], ndim),
    run = "conv_transpose", composite = true, method = false,
    samples = function(s)
      return {
        { s.t(sizes({ 2, 2 }, 2, 3, 4)), s.t(sizes({ 2, 3 }, 2, 1, 3)), s.t({ 3 }) },
        { s.t(sizes({ 1, 2 }, 2, 2, 3)), s.t(sizes({ 2, 2 }, 2, 2, 3)), s.none, 2, 1, 1, 2 },
        { s.t(sizes({ 2 }, 3, 2, 3)), s.t(sizes({ 2, 1 }, 1, 2, 3)), s.t({ 1 }), 1, 1, 0, 1, 2 },
        { s.t(sizes({ 1, 2 }, 2, 1, 3)), s.t(sizes({ 2, 1 }, 1, 2, 2)), s.none, 1, 0, 1, 1, 2 },
        { s.t(sizes({ 0, 2 }, 2, 3, 4)), s.t(sizes({ 2, 3 }, 2, 1, 3)), s.t({ 3 }) },
      }
    end,
  }
end
