-- sample.lua: positions in random order, and drawn by weights.
--
-- Holds true: draws are counted as in random.lua.

kernel "randperm(out; rng: rng)"
kernel "multinomial(out, weights; rng: rng, replacement: bool)"

op "randperm(n: int, dtype: dtype?, device: device?)" {
  doc = "The positions 1 to n in random order; int64 without a dtype.",
  run = "randperm", creates = true, nondiff = true,
  samples = function() return { { 6 }, { 0 }, { 1, "int32" } } end,
}

op "multinomial(self: tensor, num_samples: int, replacement: bool = false)" {
  doc = [[num_samples positions (from 1) per row of self, drawn with probabilities in proportion to the row's weights;
    without replacement no position comes twice. Weights are finite, not negative, and not all zero.]],
  run = "multinomial", nondiff = true,
  samples = function(s) return { { s.t({ 4 }, 0.1, 1), 2 }, { s.t({ 2, 3 }, 0.1, 1), 5, true } } end,
}
