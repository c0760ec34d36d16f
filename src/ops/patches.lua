-- patches.lua: the patches of an image as columns, and back; channels as pixels, and back.
--
-- Holds true: the patches of an image, and the sum of patches where they lie, are each other's transpose, and so
-- each other's derivative.

kernel([[unfold(out, from; planes, size: int[3], result: int[3], window: int[3], stride: int[3], padding: int[3],
  dilation: int[3])]])
kernel([[fold(out, from; planes, size: int[3], result: int[3], window: int[3], stride: int[3], padding: int[3],
  dilation: int[3])]])

op([[unfold_patches(input: tensor, kernel_size: ints, dilation: ints = 1, padding: ints = 0, stride: ints = 1)]]) {
  doc = [[The patches of an image of shape (C, H, W) or (N, C, H, W) as columns: of shape (C h w, L) or (N, C h w, L)
    for L patches of h x w. Patches lie `stride` apart, the first one `padding` before the input, where zeros stand; the
    elements of one lie `dilation` apart.]],
  lua = "unfold", run = "unfold_patches", method = false,
  grad = { input = function(g, v)
    return g:fold_patches(v.input.shape, v.kernel_size, v.dilation, v.padding, v.stride)
  end },
  samples = function(s)
    return { { s.t({ 1, 2, 4, 3 }), 2 }, { s.t({ 2, 4, 5 }), { 2, 3 }, { 2, 1 }, 1, 2 }, { s.t({ 0, 1, 3, 3 }), 2 } }
  end,
}

op([[fold_patches(self: tensor, shape: shape, kernel_size: ints, dilation: ints, padding: ints, stride: ints)]]) {
  doc = "The transpose of unfold: an image of a shape to which each patch is added where it lies.",
  run = "fold_patches", hidden = true,
  grad = { self = function(g, v)
    return g:unfold_patches(v.kernel_size, v.dilation, v.padding, v.stride)
  end },
  samples = function(s) return { { s.t({ 1, 4, 4 }), { 1, 1, 3, 3 }, 2, 1, 0, 1 } } end,
}

op([[fold(input: tensor, output_size: ints, kernel_size: ints, dilation: ints = 1, padding: ints = 0,
    stride: ints = 1)]]) {
  doc = [[The sum of the patches of an image, each where it lies: columns of shape (C h w, L) or (N, C h w, L), as
    unfold gives them, become (C, H, W) or (N, C, H, W), where output_size is (H, W).]],
  run = "fold", composite = true, method = false,
  samples = function(s)
    return { { s.t({ 1, 8, 6 }), { 4, 3 }, 2 }, { s.t({ 6, 6 }), { 4, 5 }, { 2, 3 }, { 2, 1 }, 1, 2 } }
  end,
}

op "pixel_shuffle(input: tensor, upscale_factor: int)" {
  doc = [[Channels as pixels: (..., C r^2, H, W) becomes (..., C, H r, W r), for the factor r.]],
  run = "pixel_shuffle", composite = true, method = false,
  samples = function(s) return { { s.t({ 1, 4, 2, 3 }), 2 }, { s.t({ 9, 1, 2 }), 3 }, { s.t({ 2, 2, 2 }), 1 } } end,
}

op "pixel_unshuffle(input: tensor, downscale_factor: int)" {
  doc = [[Pixels as channels: (..., C, H r, W r) becomes (..., C r^2, H, W), for the factor r.]],
  run = "pixel_unshuffle", composite = true, method = false,
  samples = function(s) return { { s.t({ 1, 1, 4, 6 }), 2 }, { s.t({ 2, 3, 3 }), 3 }, { s.t({ 2, 2, 2 }), 1 } } end,
}

op "channel_shuffle(input: tensor, groups: int)" {
  doc = "The channels (dim 2) of `groups` equal groups, dealt out in turn: the first of each group, then the second.",
  run = "channel_shuffle", composite = true, method = false,
  samples = function(s) return { { s.t({ 1, 4, 2 }), 2 }, { s.t({ 2, 6, 1, 2 }), 3 }, { s.t({ 1, 3, 2 }), 1 } } end,
}
