-- random.lua: random tensors and random fills.
--
-- Holds true: a draw is a pure function of the thread's seed, its offset and the element's row-major
-- position (philox.h), so it depends neither on the device nor on the number of threads. A call on n
-- elements moves the offset on by ceil(n / 4) for 32-bit draws (float32, float16, bfloat16, bernoulli)
-- and by ceil(n / 2) for 64-bit ones (float64, integers, randperm).

kernel "uniform(out; rng: rng, from: float, to: float, top: float)"
kernel "normal(out; rng: rng, mean: float, std: float)"
kernel "exponential(out; rng: rng, rate: float)"
kernel "cauchy(out; rng: rng, median: float, sigma: float)"
kernel "geometric(out; rng: rng, scale: float, top: float)"
kernel "log_normal(out; rng: rng, mean: float, std: float)"
kernel "randint(out; rng: rng, low, range)"
kernel "bernoulli(out, p?; rng: rng, probability: float, one: float)"

local sizes = function() return { { { 2, 3 } }, { { 0, 3 } }, { { 5 }, "float64" }, { { 3 }, "float16" } } end
local likeness = function(s) return { { s.t({ 2, 3 }, -1, 1) }, { s.t({ 2 }, -1, 1), "float16" } } end
-- A fill forgets what was there, so its derivative is zero.
local forgotten = { self = function(g) return ops.zeros_like(g) end }

op "rand(size: shape, dtype: dtype?, device: device?)" {
  doc = "Numbers drawn uniformly from [0, 1).",
  run = "rand", creates = true, nondiff = true, samples = sizes,
}

op "randn(size: shape, dtype: dtype?, device: device?)" {
  doc = "Numbers drawn from the normal distribution with mean 0 and standard deviation 1.",
  run = "rand", creates = true, nondiff = true, samples = sizes,
}

op "normal(mean: float, std: float, size: shape, dtype: dtype?, device: device?)" {
  doc = "Numbers drawn from a normal distribution.",
  run = "rand", creates = true, nondiff = true,
  samples = function() return { { 1.0, 2.0, { 2, 3 } }, { 0.0, 0.0, { 2 } } } end,
}

op "normal_at(mean: operand, std: operand)" {
  doc = [[Numbers drawn from normal distributions whose means, standard deviations or both are tensors, which
    broadcast.]],
  lua = "normal", run = "normal_at", method = false, nondiff = true,
  samples = function(s)
    return { { s.t({ 2, 3 }, -1, 1), s.t({ 3 }, 0.5, 1) }, { s.t({ 4 }, -1, 1), 0.5 }, { 1.5, s.t({ 2 }, 0, 1) } }
  end,
}

op "randint_to(high: int, size: shape, dtype: dtype?, device: device?)" {
  doc = "Integers drawn uniformly from 0 up to high, which is not among them; int64 without a dtype.",
  lua = "randint", run = "randint", creates = true, nondiff = true,
  samples = function() return { { 5, { 2, 3 } }, { 1, { 2 }, "uint8" } } end,
}

op "randint(low: int, high: int, size: shape, dtype: dtype?, device: device?)" {
  doc = "Integers drawn uniformly from low up to high, which is not among them; int64 without a dtype.",
  run = "randint", creates = true, nondiff = true,
  samples = function() return { { -2, 5, { 2, 3 } }, { 3, 4, { 2 }, "float32" } } end,
}

op "rand_like(self: tensor, dtype: dtype?, device: device?)" {
  doc = "Uniform numbers from [0, 1) in the shape, dtype and device of another tensor.",
  run = "rand_like", nondiff = true, samples = likeness,
}

op "randn_like(self: tensor, dtype: dtype?, device: device?)" {
  doc = "Standard normal numbers in the shape, dtype and device of another tensor.",
  run = "rand_like", nondiff = true, samples = likeness,
}

op "randint_like(self: tensor, low: int, high: int, dtype: dtype?, device: device?)" {
  doc = "Integers from low up to high, which is not among them, in the likeness of another tensor.",
  run = "randint_like", nondiff = true,
  samples = function(s) return { { s.t({ 2, 3 }, -1, 1), 0, 5 }, { s.i({ 2 }, 1, 5), -3, 3 } } end,
}

op "randint_like_to(self: tensor, high: int, dtype: dtype?, device: device?)" {
  doc = "Integers from 0 up to high, which is not among them, in the likeness of another tensor.",
  lua = "randint_like", run = "randint_like", nondiff = true,
  samples = function(s) return { { s.t({ 2, 3 }, -1, 1), 5 }, { s.i({ 2 }, 1, 5), 3 } } end,
}

op "uniform_(self: tensor, from: float = 0.0, to: float = 1.0)" {
  doc = "Fills with numbers drawn uniformly from [from, to).",
  run = "uniform", rewrites = true, inplace = "only", grad = forgotten,
  samples = function(s) return { { s.t({ 2, 3 }, -1, 1) }, { s.t({ 2 }, -1, 1), -1.0, 2.0 } } end,
}

op "normal_(self: tensor, mean: float = 0.0, std: float = 1.0)" {
  doc = "Fills with numbers drawn from a normal distribution.",
  run = "normal", rewrites = true, inplace = "only", grad = forgotten,
  samples = function(s) return { { s.t({ 2, 3 }, -1, 1) }, { s.t({ 2 }, -1, 1), -1.0, 2.0 } } end,
}

op "exponential_(self: tensor, lambd: float = 1.0)" {
  doc = "Fills with numbers drawn from the exponential distribution; never zero.",
  run = "exponential", rewrites = true, inplace = "only", grad = forgotten,
  samples = function(s) return { { s.t({ 2, 3 }, -1, 1) }, { s.t({ 2 }, -1, 1), 2.0 } } end,
}

op "cauchy_(self: tensor, median: float = 0.0, sigma: float = 1.0)" {
  doc = "Fills with numbers drawn from the Cauchy distribution around median, of the half width sigma.",
  run = "cauchy", rewrites = true, inplace = "only", grad = forgotten,
  samples = function(s) return { { s.t({ 2, 3 }, -1, 1) }, { s.t({ 2 }, -1, 1), 1.0, 2.0 } } end,
}

op "geometric_(self: tensor, p: float)" {
  doc = [[Fills with numbers drawn from the geometric distribution: how many trials, each of which succeeds with
    probability p, it takes until one does; 1 at least. What an integer dtype cannot hold becomes its largest number.]],
  run = "geometric", rewrites = true, inplace = "only", grad = forgotten,
  samples = function(s) return { { s.t({ 2, 3 }, -1, 1), 0.5 }, { s.i({ 4 }, 1, 5), 0.25 } } end,
}

op "log_normal_(self: tensor, mean: float = 1.0, std: float = 2.0)" {
  doc = "Fills with numbers whose logarithms are drawn from a normal distribution of a mean and a deviation.",
  run = "log_normal", rewrites = true, inplace = "only", grad = forgotten,
  samples = function(s) return { { s.t({ 2, 3 }, -1, 1) }, { s.t({ 2 }, -1, 1), 0.0, 0.5 } } end,
}

op "random_(self: tensor, low: int?, high: int?)" {
  doc = [[Fills with integers drawn uniformly from low up to high, which is not among them. With one number,
    from 0 up to it; with none, from 0 to the largest integer up to which the dtype holds them all.]],
  run = "random", rewrites = true, inplace = "only", grad = forgotten,
  samples = function(s) return { { s.t({ 2, 3 }, -1, 1), 5 }, { s.i({ 2 }, 1, 5), -3, 3 }, { s.b({ 3 }) } } end,
}

op "bernoulli_(self: tensor, p: float = 0.5)" {
  doc = "Fills with ones, each with probability p, and zeros.",
  run = "bernoulli_fill", rewrites = true, inplace = "only", grad = forgotten,
  samples = function(s) return { { s.t({ 2, 3 }, -1, 1) }, { s.b({ 4 }), 0.25 } } end,
}

op "bernoulli_of_(self: tensor, p: tensor)" {
  doc = "Fills with ones, each with the probability in p (which broadcasts), and zeros.",
  lua = "bernoulli_", run = "bernoulli_of", rewrites = true, inplace = "only",
  grad = { self = forgotten.self, p = function(_, v) return ops.zeros_like(v.p) end },
  samples = function(s) return { { s.t({ 2, 3 }, -1, 1), s.t({ 3 }, 0, 1) } } end,
}

op "bernoulli(self: tensor)" {
  doc = [[Ones, each with the probability that self holds there, and zeros, in the dtype of self; its
    derivative is zero. A probability outside [0, 1] is an error.]],
  run = "bernoulli", grad = forgotten,
  samples = function(s) return { { s.t({ 2, 3 }, 0, 1) }, { s.t({}, 0, 1) } } end,
}

op "bernoulli_p(self: tensor, p: float)" {
  doc = "Ones, each with probability p, and zeros, in the likeness of self; its derivative is zero.",
  lua = "bernoulli", run = "bernoulli", grad = forgotten,
  samples = function(s) return { { s.t({ 2, 3 }, -1, 1), 0.25 } } end,
}

op "dropout_mask(self: tensor, p: float)" {
  doc = "In the likeness of self: zero with probability p, else 1 / (1 - p); all zeros for p = 1.",
  run = "dropout_mask", hidden = true, nondiff = true,
  samples = function(s) return { { s.t({ 2, 3 }, -1, 1), 0.25 }, { s.t({ 2 }, -1, 1), 1.0 } } end,
}

op "uniform_like(self: tensor, from: float, to: float)" {
  doc = "Numbers drawn uniformly from [from, to), in the likeness of self.",
  run = "uniform_like", hidden = true, nondiff = true,
  samples = function(s) return { { s.t({ 2, 3 }, -1, 1), 0.25, 0.5 } } end,
}

op "dropout(self: tensor, p: float = 0.5, training: bool = true)" {
  also = { training = "train" },
  doc = [[In training, zeroes each element with probability p and multiplies the rest by 1 / (1 - p), so that
    the mean stays; otherwise gives self.]],
  run = "dropout", composite = true, inplace = true,
  samples = function(s) return { { s.t({ 2, 3 }, -1, 1), 0.0 }, { s.t({ 2, 3 }, -1, 1), 0.5, false },
    { s.t({ 4 }, -1, 1), 1.0 } } end,
}
