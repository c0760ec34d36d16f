-- resample.lua: images, signals and volumes of another size.
--
-- Holds true: input has two dims (N, C) before those that change. float16 and bfloat16 are computed in float32, and
-- places of float32 are, so that they are PyTorch's. A map of lines and its transpose are each other's derivative.

kernel([[resample(out, from, places, weights?, shares?; planes, size: int[3], result: int[3], place: int[3],
  weight: int[3], before: bool, rows_first: bool)]])

local function image(s) return s.t({ 1, 2, 3, 4 }, -2, 2) end

op "resample(self: tensor, size: ints, mode: int, align_corners: bool, antialias: bool, scales: floats?)" {
  doc = "The last dims of self brought to sizes by interpolation; scales are the factors that the caller has named.",
  run = "resample", hidden = true,
  grad = { self = function(g, v)
    return g:resample_backward(v.self.shape, v.size, v.mode, v.align_corners, v.antialias, v.scales)
  end },
  samples = function(s) return { { image(s), { 4, 3 }, 2, false, false } } end,
}

op([[resample_backward(self: tensor, shape: shape, size: ints, mode: int, align_corners: bool, antialias: bool,
    scales: floats?)]]) {
  doc = "The transpose of resample, with a result of a shape.",
  run = "resample_backward", hidden = true,
  grad = { self = function(g, v) return g:resample(v.size, v.mode, v.align_corners, v.antialias, v.scales) end },
  samples = function(s) return { { s.t({ 1, 2, 4, 3 }), { 1, 2, 3, 4 }, { 4, 3 }, 2, false, false } } end,
}

op([[interpolate(input: tensor, size: ints?, scale_factor: floats?, mode: string = "nearest",
    align_corners: bool = false, recompute_scale_factor: bool = false, antialias: bool = false)]]) {
  autocast = { cuda = "float32" },
  doc = [[input with the dims behind the first two brought to a size, or to scale_factor times their size. mode is
    "nearest", "nearest-exact", "linear" (of 3-dim input), "bilinear" and "bicubic" (4-dim), "trilinear" (5-dim), or
    "area", the mean as adaptive_avg_pool takes it. With align_corners the first and the last elements stay at the ends
    of a line; else a line's ends are those of its elements. With recompute_scale_factor places are computed from the
    sizes, not from scale_factor. antialias, of "bilinear" and "bicubic", averages where the result is smaller.]],
  run = "interpolate", composite = true, method = false,
  samples = function(s)
    return { { image(s), { 5, 3 } }, { image(s), s.none, 2, "bilinear" }, { image(s), { 5, 2 }, s.none, "bicubic" },
      { s.t({ 1, 2, 4 }), 7, s.none, "linear", true }, { s.t({ 1, 1, 2, 3, 2 }), s.none, { 1.5, 1, 2 }, "trilinear" },
      { image(s), { 2, 2 }, s.none, "bilinear", false, false, true }, { image(s), { 2, 3 }, s.none, "area" },
      { s.t({ 2, 1, 5 }), s.none, 0.6, "nearest-exact", false, true } }
  end,
}

op [[upsample(input: tensor, size: ints?, scale_factor: floats?, mode: string = "nearest",
    align_corners: bool = false)]] {
  autocast = { cuda = "float32" },
  doc = "interpolate, by the name that it had first.",
  run = "interpolate", composite = true, method = false,
  samples = function(s) return { { image(s), { 5, 3 } }, { image(s), s.none, 2, "bilinear", true } } end,
}

op "upsample_nearest(input: tensor, size: ints?, scale_factor: floats?)" {
  doc = 'interpolate with mode "nearest".',
  run = "interpolate", composite = true, method = false,
  samples = function(s) return { { image(s), { 5, 3 } }, { image(s), s.none, { 2, 1.5 } } } end,
}

op "upsample_bilinear(input: tensor, size: ints?, scale_factor: floats?)" {
  doc = 'interpolate with mode "bilinear" and align_corners.',
  run = "interpolate", composite = true, method = false,
  samples = function(s) return { { image(s), { 5, 3 } }, { image(s), s.none, 2 } } end,
}
