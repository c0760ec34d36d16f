-- create.lua: tensors made from nothing, or in the likeness of another.
--
-- Holds true: a size is checked before memory is asked for; without a dtype, floats become the
-- default dtype and integers int64; without a device, the likeness keeps its model's and the rest
-- are made on the CPU; a number that the dtype cannot hold is refused. Nothing here has a derivative.


local sizes = function()
  return { { { 2, 3 } }, { {} }, { { 0, 3 } }, { { 4 }, "int64" }, { { 2 }, "bool" } }
end

op "zeros(size: shape, dtype: dtype?, device: device?)" {
  doc = "A tensor of zeros.",
  stores = true, run = "full", creates = true, nondiff = true, samples = sizes,
}

op "ones(size: shape, dtype: dtype?, device: device?)" {
  doc = "A tensor of ones.",
  stores = true, run = "full", creates = true, nondiff = true, samples = sizes,
}

op "full(size: shape, fill_value: scalar, dtype: dtype?, device: device?)" {
  doc = [[A tensor filled with one number. Without a dtype, an integer gives int64, a boolean bool and a
    float the default dtype. A number that the dtype cannot hold is an error, here and wherever one is
    written.]],
  stores = true, run = "full", creates = true, nondiff = true,
  samples = function() return { { { 2, 3 }, 7 }, { { 2 }, 1.5 }, { {}, true }, { { 2 }, 3, "float16" } } end,
}

op "empty(size: shape, dtype: dtype?, device: device?)" {
  doc = "A tensor whose elements are undefined until they are written.",
  stores = true, run = "empty", creates = true, nondiff = true,
  samples = function() return { { { 0, 3 } }, { { 0 }, "int64" } } end,
}

op "scalar_tensor(fill_value: scalar, dtype: dtype?, device: device?)" {
  doc = "A 0-dim tensor that holds a number; of the default dtype unless another one is given.",
  stores = true, run = "full", creates = true, nondiff = true,
  samples = function() return { { 2.5 }, { 3 }, { true, "bool" }, { 7, "int16" } } end,
}

kernel "arange(out; ints: bool, first_int, step_int, first: float, step: float)"
kernel "linspace(out; powers: bool, ints: bool, first_int, last_int, first: float, last: float, base: float)"

op "arange_to(stop: scalar, dtype: dtype?, device: device?)" {
  also = { stop = "end" },
  doc = [[The numbers 0, 1, 2, ... below stop, which is not among them; int64 if stop is an integer.]],
  lua = "arange", run = "arange", creates = true, nondiff = true,
  samples = function() return { { 5 }, { 2.5 }, { 0 }, { 3, "float64" } } end,
}

op "arange(start: scalar, stop: scalar, step: scalar = 1, dtype: dtype?, device: device?)" {
  also = { stop = "end" },
  doc = [[The numbers start, start + step, ... up to stop, which is not among them; int64 if all three are
    integers. An integer dtype first truncates all three; floats are computed as start + step * i in float64.
    The dtype must hold all numbers.]],
  run = "arange", creates = true, nondiff = true,
  samples = function() return { { 1, 5 }, { 0, 1, 0.25 }, { 5, 0, -2 }, { 3, 3 }, { 0, 4, 1, "int32" } } end,
}

op "linspace(start: scalar, stop: scalar, steps: int, dtype: dtype?, device: device?)" {
  also = { stop = "end" },
  doc = [[Numbers at equal distances from start to stop, both included; computed in float64, from the
    nearer end. An integer dtype first truncates both; its numbers are exact, rounded towards zero.]],
  run = "linspace", creates = true, nondiff = true,
  samples = function() return { { 0, 1, 5 }, { 2, -2, 4 }, { 3, 4, 1 }, { 0, 1, 0 }, { 0, 10, 6, "int64" } } end,
}

op "logspace(start: scalar, stop: scalar, steps: int, base: float = 10.0, dtype: dtype?, device: device?)" {
  also = { stop = "end" },
  doc = "Powers of base with the exponents of linspace(start, stop, steps).",
  run = "linspace", creates = true, nondiff = true,
  samples = function() return { { 0, 2, 3 }, { -1, 1, 5, 2.0 } } end,
}

op "eye(n: int, m: int?, dtype: dtype?, device: device?)" {
  doc = "An n x m matrix (m is n if it is not given) with ones on the diagonal and zeros elsewhere.",
  stores = true, run = "eye", creates = true, nondiff = true,
  samples = function() return { { 3 }, { 2, 4 }, { 3, 2, "int64" }, { 0 } } end,
}

local likeness = function(s)
  return { { s.t({ 2, 3 }, -1, 1) }, { s.t({}, -1, 1), "int64" }, { s.i({ 0, 2 }, 1, 5) } }
end

op "zeros_like(self: tensor, dtype: dtype?, device: device?)" {
  doc = "Zeros in the shape, dtype and device of another tensor.",
  stores = true, run = "full_like", nondiff = true, samples = likeness,
}

op "ones_like(self: tensor, dtype: dtype?, device: device?)" {
  doc = "Ones in the shape, dtype and device of another tensor.",
  stores = true, run = "full_like", nondiff = true, samples = likeness,
}

op "full_like(self: tensor, fill_value: scalar, dtype: dtype?, device: device?)" {
  doc = "One number in the shape, dtype and device of another tensor.",
  stores = true, run = "full_like", nondiff = true,
  samples = function(s) return { { s.t({ 2, 3 }, -1, 1), 2.5 }, { s.i({ 2 }, 1, 5), 3, "float32" } } end,
}

op "empty_like(self: tensor, dtype: dtype?, device: device?)" {
  doc = "Undefined elements in the shape, dtype and device of another tensor.",
  stores = true, run = "full_like", nondiff = true,
  samples = function(s) return { { s.t({ 0, 3 }, -1, 1) } } end,
}

local renewed = function(s) return { { s.t({ 2 }, -1, 1), { 2, 3 } }, { s.i({ 2 }, 1, 5), { 0, 3 } } } end

op "new_zeros(self: tensor, size: shape, dtype: dtype?, device: device?)" {
  doc = "Zeros of any size in the dtype and device of another tensor.",
  stores = true, run = "new_full", func = false, nondiff = true, samples = renewed,
}

op "new_ones(self: tensor, size: shape, dtype: dtype?, device: device?)" {
  doc = "Ones of any size in the dtype and device of another tensor.",
  stores = true, run = "new_full", func = false, nondiff = true, samples = renewed,
}

op "new_full(self: tensor, size: shape, fill_value: scalar, dtype: dtype?, device: device?)" {
  doc = "One number, any size, in the dtype and device of another tensor.",
  stores = true, run = "new_full", func = false, nondiff = true,
  samples = function(s) return { { s.t({ 2 }, -1, 1), { 2, 3 }, 4 }, { s.i({ 2 }, 1, 5), { 2 }, 3 } } end,
}

op "new_empty(self: tensor, size: shape, dtype: dtype?, device: device?)" {
  doc = "Undefined elements of any size in the dtype and device of another tensor.",
  stores = true, run = "new_full", func = false, nondiff = true,
  samples = function(s) return { { s.t({ 2 }, -1, 1), { 0, 3 } } } end,
}

op "empty_strided(size: shape, stride: ints, dtype: dtype?, device: device?)" {
  doc = [[A tensor of a size whose neighbours along each dim lie stride elements apart in memory, and whose elements are
    undefined until they are written. Strides are not negative.]],
  stores = true, run = "empty_strided", creates = true, nondiff = true,
  samples = function() return { { { 0, 3 }, { 1, 2 } }, { { 0 }, { 1 }, "int64" } } end,
}

op "new_empty_strided(self: tensor, size: shape, stride: ints, dtype: dtype?, device: device?)" {
  doc = "empty_strided in the dtype and device of another tensor.",
  stores = true, run = "empty_strided", func = false, nondiff = true,
  samples = function(s) return { { s.t({ 2 }, -1, 1), { 0, 3 }, { 1, 2 } } } end,
}

op "empty_permuted(size: shape, physical_layout: dims, dtype: dtype?, device: device?)" {
  doc = [[A tensor of a size without gaps in memory, where its dims lie in the order of physical_layout, from the
    one with the largest steps to that with the smallest; its elements are undefined until they are written.]],
  stores = true, run = "empty_permuted", creates = true, nondiff = true,
  samples = function() return { { { 0, 3 }, { 2, 1 } }, { { 0 }, { 1 }, "int64" } } end,
}
