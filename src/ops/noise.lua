-- noise.lua: layers that draw random numbers, besides dropout.
--
-- Holds true: what is drawn is that of random.lua: it depends on the shape alone, neither on the device nor on the
-- number of threads. Outside of training, and with probability 0, nothing is drawn.

for _, name in ipairs { "dropout1d", "dropout2d", "dropout3d" } do
  local n = name:match "%d"
  op(name .. "(self: tensor, p: float = 0.5, training: bool = true)") {
    doc = ([[In training, zeroes each channel with probability p and multiplies the others by 1 / (1 - p); otherwise
      gives self. A channel has %s of the dims, behind that of the channels and perhaps that of a batch%s.]])
      :format(n, n == "2" and ", which 3 dims have, too, so that a channel has 1 there" or ""),
    run = "dropout_channels", composite = true, method = false,
    samples = function(s)
      local x = s.t({ table.unpack({ 2, 3, 2, 2, 2 }, 1, 2 + n) }, -1, 1)
      return { { x, 0.0 }, { x, 0.5, false }, { x, 1.0 }, { x, 0.25 } }
    end,
  }
end

op "alpha_dropout(self: tensor, p: float = 0.5, training: bool = false)" {
  doc = [[In training, gives each element with probability p the value that selu has far to the left, then scales and
    shifts all, so that mean 0 and variance 1 stay; otherwise gives self.]],
  run = "alpha_dropout", composite = true, inplace = true,
  samples = function(s)
    return { { s.t({ 2, 3 }, -1, 1), 0.0, true }, { s.t({ 2, 3 }, -1, 1) }, { s.t({ 4 }, -1, 1), 0.25, true },
      { s.t({ 4 }, -1, 1), 1.0, true } }
  end,
}

op "feature_alpha_dropout(self: tensor, p: float = 0.5, training: bool = false)" {
  doc = "alpha_dropout of whole channels, which lie along dim 2.",
  run = "alpha_dropout", composite = true, inplace = true,
  samples = function(s)
    return { { s.t({ 2, 3 }, -1, 1), 0.0, true }, { s.t({ 2, 3, 2 }, -1, 1) }, { s.t({ 2, 4, 2 }, -1, 1), 0.25, true } }
  end,
}

op "rrelu(self: tensor, lower: float = 0.125, upper: float = 0.3333333333333333, training: bool = false)" {
  doc = [[x where x > 0, else x times a slope: in training one that is drawn for each element uniformly from
    [lower, upper), otherwise (lower + upper) / 2.]],
  run = "rrelu", composite = true, inplace = true,
  samples = function(s)
    return { { s.t({ 2, 3 }, -2, 2) }, { s.t({ 2, 3 }, -2, 2), 0.25, 0.75, true }, { s.t({}, -2, 2), 0.5, 0.5, true } }
  end,
}

op "sloped(self: tensor, slopes: tensor)" {
  doc = "x where x > 0, else x times its slope, which has no derivative.",
  hidden = true, pointwise = "x <= 0 ? x * y : x", dtypes = "float",
  grad = { self = function(g, v) return ops.sloped_d(g, v.self, v.slopes) end },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, 0.5, 2) } } end,
}

op "sloped_d(grad: tensor, self: tensor, slopes: tensor)" {
  doc = "grad where x > 0, else grad times the slope.",
  hidden = true, pointwise = "y <= 0 ? x * z : x", dtypes = "float",
  grad = { grad = function(g, v) return ops.sloped_d(g, v.self, v.slopes) end },
  samples = function(s) return { { s.t({ 3 }, -2, 2), s.t({ 3 }, -2, 2), s.t({ 3 }, 0.5, 2) } } end,
}
