-- pooling.lua: each window of an image, of a signal or of a volume as one number.
--
-- Holds true: input has one or two dims before the one, two or three that windows move along. The positions of the
-- largest elements count from 1 over all of those dims. NaN is larger than any number; of equal elements the first
-- one is chosen. The lists of hidden operations have a number for each dim that windows move along.

kernel([[pool_max(out, indices?, from, samples?; planes, kind, size: int[3], result: int[3], window: int[3],
  stride: int[3], padding: int[3], dilation: int[3])]])
kernel([[pool_put(out, indices, from; planes, kind, size: int[3], result: int[3], window: int[3],
  stride: int[3], padding: int[3], dilation: int[3])]])

local shapes = { { 1, 2, 7 }, { 1, 2, 5, 6 }, { 1, 1, 4, 5, 4 } }
local words = { "a signal", "an image", "a volume" }
local function input(s, n, batch)
  local shape = { table.unpack(shapes[n], batch and 1 or 2) }
  return s.t(shape, -2, 2)
end

-- ---- The largest of each window ------------------------------------------------------------------

op([[pool_max(self: tensor, result: ints, window: ints, stride: ints, padding: ints, dilation: ints, kind: int,
    samples: tensor?) -> values, indices]]) {
  doc = "The largest element of each window, and where it is.",
  run = "pool_max", hidden = true,
  grad = { self = function(g, v)
    return g:pool_put(v.indices, v.self.shape, v.window, v.stride, v.padding, v.dilation, v.kind)
  end },
  samples = function(s)
    return { { s.t({ 1, 1, 4, 5 }, -2, 2), { 2, 3 }, { 2, 2 }, { 2, 2 }, { 0, 1 }, { 1, 1 }, 0 } }
  end,
}

op([[pool_max_values(self: tensor, result: ints, window: ints, stride: ints, padding: ints, dilation: ints, kind: int,
    samples: tensor?)]]) {
  doc = "The largest element of each window, where nobody asks for its place or for a derivative.",
  run = "pool_max", hidden = true, nondiff = true,
  samples = function(s)
    return { { s.t({ 1, 1, 4, 5 }, -2, 2), { 2, 3 }, { 2, 2 }, { 2, 2 }, { 0, 1 }, { 1, 1 }, 0 } }
  end,
}

op([[pool_put(self: tensor, indices: tensor, shape: shape, window: ints, stride: ints, padding: ints, dilation: ints,
    kind: int)]]) {
  doc = "Zeros of a shape, to which each element of self is added at its place.",
  run = "pool_put", hidden = true,
  grad = { self = function(g, v)
    return g:pool_take(v.indices, v.window, v.stride, v.padding, v.dilation, v.kind)
  end },
  samples = function(s)
    return { { s.t({ 1, 1, 2, 2 }), s.i({ 1, 1, 2, 2 }, 1, 6), { 1, 1, 4, 4 }, { 2, 3 }, { 2, 2 }, { 0, 1 },
      { 1, 1 }, 0 } }
  end,
}

op([[pool_take(self: tensor, indices: tensor, window: ints, stride: ints, padding: ints, dilation: ints,
    kind: int)]]) {
  doc = "The elements at given places.",
  run = "pool_take", hidden = true,
  grad = { self = function(g, v)
    return g:pool_put(v.indices, v.self.shape, v.window, v.stride, v.padding, v.dilation, v.kind)
  end },
  samples = function(s)
    return { { s.t({ 1, 1, 4, 4 }), s.i({ 1, 1, 2, 2 }, 1, 6), { 2, 3 }, { 2, 2 }, { 0, 1 }, { 1, 1 }, 0 } }
  end,
}

for n = 1, 3 do
  op(([[max_pool%dd(input: tensor, kernel_size: ints, stride: ints?, padding: ints = 0, dilation: ints = 1,
    ceil_mode: bool = false, return_indices: bool = false) -> ...]]):format(n)) {
    autocast = n == 3 and { cpu = "float32" } or nil,
    doc = ([[The largest element in each window of %s; then, if asked for, where it is. Windows lie `stride` apart (by
      default their own size), the first one `padding` before the input, where -infinity stands; the elements of one
      lie `dilation` apart. With ceil_mode a last window may reach beyond the padding.]]):format(words[n]),
    run = "max_pool", composite = true, method = false,
    samples = function(s)
      return { { input(s, n, true), 2 }, { input(s, n), 3, 2, 1, 1, true, true }, { input(s, n, true), 2, 1, 0, 2 } }
    end,
  }

  op(("adaptive_max_pool%dd(input: tensor, output_size: ints, return_indices: bool = false) -> ..."):format(n)) {
    autocast = n == 3 and { cpu = "float32" } or nil,
    doc = ([[The largest element in each of output_size windows of %s, which are of nearly one size and cover all;
      then, if asked for, where it is. A size of -1 is the input's own.]]):format(words[n]),
    run = "adaptive_max_pool", composite = true, method = false,
    samples = function(s) return { { input(s, n, true), 2 }, { input(s, n), 3, true }, { input(s, n), -1 } } end,
  }

  op(([[max_unpool%dd(input: tensor, indices: tensor, kernel_size: ints, stride: ints?, padding: ints = 0,
    output_size: ints?)]]):format(n)) {
    autocast = n > 1 and { cpu = "float32" } or nil,
    doc = [[Zeros with the elements of input at the positions that max_pool gave; of several for one place the last one
      stands. output_size (of the last dims, or of all) tells which of the inputs that max_pool could have had it
      was.]],
    run = "max_unpool", composite = true, method = false,
    samples = function(s)
      local shape = { 1, 2, table.unpack({ 1, 1, 1 }, 1, n) } -- one element for each plane: none is overwritten
      return { { s.t(shape), s.i(shape, 1, 2 ^ n | 0), 2 },
        { s.t({ table.unpack(shape, 2) }), s.i({ table.unpack(shape, 2) }, 1, 3), 3, 1 } }
    end,
  }
end

for n = 2, 3 do
  op(([[fractional_max_pool%dd(input: tensor, kernel_size: ints, output_size: ints?, output_ratio: floats?,
    return_indices: bool = false, _random_samples: tensor?) -> ...]]):format(n)) {
    autocast = { cpu = "float32" },
    doc = ([[The largest element in each of output_size windows (or output_ratio of the input's size) of %s, whose
      places are random; then, if asked for, where it is. _random_samples, of shape (N, C, %d), are the numbers in
      [0, 1) that decide about the places; without them they are drawn.]]):format(words[n], n),
    run = "fractional_max_pool", composite = true, method = false,
    samples = function(s)
      return { { input(s, n, true), 2, 2, s.none, true, s.t({ 1, n == 2 and 2 or 1, n }, 0, 1) },
        { input(s, n), 2, s.none, 0.5, false, s.t({ 1, n == 2 and 2 or 1, n }, 0, 1) } }
    end,
  }
end

-- ---- The mean of each window ---------------------------------------------------------------------

local function averaged(g, v)
  return g:pool_mean_backward(v.self.shape, v.result, v.window, v.stride, v.padding, v.kind, v.include, v.divisor)
end

op([[pool_mean(self: tensor, result: ints, window: ints, stride: ints, padding: ints, kind: int, include: bool,
    divisor: int)]]) {
  doc = "The mean of each window, or its sum divided by what is not 0.",
  run = "pool_mean", hidden = true,
  grad = { self = averaged },
  samples = function(s)
    return { { s.t({ 1, 1, 4, 5 }), { 2, 3 }, { 2, 2 }, { 2, 2 }, { 0, 1 }, 0, true, 0 } }
  end,
}

op([[pool_mean_backward(self: tensor, shape: shape, result: ints, window: ints, stride: ints, padding: ints, kind: int,
    include: bool, divisor: int)]]) {
  doc = "The transpose of pool_mean: each element of self is shared by the elements of its window.",
  run = "pool_mean_backward", hidden = true,
  grad = { self = function(g, v)
    return g:pool_mean(v.result, v.window, v.stride, v.padding, v.kind, v.include, v.divisor)
  end },
  samples = function(s)
    return { { s.t({ 1, 1, 2, 3 }), { 1, 1, 4, 5 }, { 2, 3 }, { 2, 2 }, { 2, 2 }, { 0, 1 }, 0, true, 0 } }
  end,
}

for n = 1, 3 do
  op(([[avg_pool%dd(input: tensor, kernel_size: ints, stride: ints?, padding: ints = 0, ceil_mode: bool = false,
    count_include_pad: bool = true%s)]]):format(n, n > 1 and ", divisor_override: int?" or "")) {
    autocast = n == 3 and { cpu = "float32" } or nil,
    doc = ([[The mean of each window of %s. Windows lie as those of max_pool%dd do; zeros stand in the padding, and
      count, unless count_include_pad is false.%s Of integers the quotient is cut.]]):format(words[n], n,
      n > 1 and " divisor_override is what the sum is divided by instead." or ""),
    run = "avg_pool", composite = true, method = false,
    samples = function(s)
      return { { input(s, n, true), 2 }, { input(s, n), 3, 2, 1, true }, { input(s, n, true), 3, 2, 1, true, false },
        n > 1 and { input(s, n), 2, 1, 0, false, true, 3 } or { input(s, n), 1, 3 } }
    end,
  }

  op(("adaptive_avg_pool%dd(input: tensor, output_size: ints)"):format(n)) {
    autocast = n == 3 and { cpu = "float32" } or nil,
    doc = ([[The mean of each of output_size windows of %s, which are of nearly one size and cover all. A size of -1
      is the input's own.]]):format(words[n]),
    run = "adaptive_avg_pool", composite = true, method = false,
    samples = function(s) return { { input(s, n, true), 2 }, { input(s, n), 3 }, { input(s, n, true), 1 } } end,
  }

  op(("lp_pool%dd(input: tensor, norm_type: float, kernel_size: ints, stride: ints?, ceil_mode: bool = false)")
    :format(n)) {
    autocast = { cuda = "float32" },
    doc = ([[(the sum of x^norm_type over each window of %s)^(1 / norm_type). Windows lie
      as those of avg_pool%dd do, without padding.]]):format(words[n], n),
    run = "lp_pool", composite = true, method = false,
    samples = function(s)
      local shape = shapes[n]
      return { { s.t(shape, 0.5, 2), 2, 2 }, { s.t({ table.unpack(shape, 2) }, 0.5, 2), 1.5, 3, 2, true } }
    end,
  }
end
