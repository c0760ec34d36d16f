-- linear.lua: sums with products, and products over other dims than the last two.
--
-- Holds true: each is composed of those in matmul.lua, and follows their rules of dtypes.

op "addmm(self: tensor, mat1: tensor, mat2: tensor, beta: scalar = 1, alpha: scalar = 1)" {
  autocast = "lower",
  doc = "beta self + alpha mat1 mat2; self broadcasts, and is not looked at if beta is 0.",
  run = "addmm", composite = true, inplace = true,
  samples = function(s)
    return {
      { s.t({ 2, 4 }, -1, 1), s.t({ 2, 3 }, -1, 1), s.t({ 3, 4 }, -1, 1) },
      { s.t({ 2, 4 }, -1, 1), s.t({ 2, 3 }, -1, 1), s.t({ 3, 4 }, -1, 1), 2, 3 },
      { s.t({ 2, 4 }, -1, 1), s.t({ 2, 3 }, -1, 1), s.t({ 3, 4 }, -1, 1), 0, 1 },
    }
  end,
}

op "addmv(self: tensor, mat: tensor, vec: tensor, beta: scalar = 1, alpha: scalar = 1)" {
  autocast = { cuda = "lower" },
  doc = "beta self + alpha mat vec; self broadcasts, and is not looked at if beta is 0.",
  run = "addmv", composite = true, inplace = true,
  samples = function(s)
    return {
      { s.t({ 2 }, -1, 1), s.t({ 2, 3 }, -1, 1), s.t({ 3 }, -1, 1) },
      { s.t({ 2 }, -1, 1), s.t({ 2, 3 }, -1, 1), s.t({ 3 }, -1, 1), 2, 3 },
    }
  end,
}

op "baddbmm(self: tensor, batch1: tensor, batch2: tensor, beta: scalar = 1, alpha: scalar = 1)" {
  autocast = "lower",
  doc = "beta self + alpha batch1 batch2 for batches of matrices; self broadcasts, and is not looked at if beta is 0.",
  run = "baddbmm", composite = true, inplace = true,
  samples = function(s)
    return {
      { s.t({ 2, 2, 2 }, -1, 1), s.t({ 2, 2, 3 }, -1, 1), s.t({ 2, 3, 2 }, -1, 1) },
      { s.t({ 2, 2, 2 }, -1, 1), s.t({ 2, 2, 3 }, -1, 1), s.t({ 2, 3, 2 }, -1, 1), 2, 3 },
    }
  end,
}

op "outer(self: tensor, vec2: tensor)" {
  aliases = "ger",
  doc = "The products of all pairs of two vectors' elements: n and m elements give n x m.",
  run = "outer", composite = true,
  samples = function(s)
    return { { s.t({ 2 }, -1, 1), s.t({ 3 }, -1, 1) }, { s.t({ 0 }, -1, 1), s.t({ 3 }, -1, 1) } }
  end,
}

op "inner(self: tensor, other: tensor)" {
  autocast = { cuda = "widest" },
  doc = "Sums of products over the last dims of both; a number's (0-dim) is the plain product.",
  run = "inner", composite = true,
  samples = function(s)
    return {
      { s.t({ 3 }, -1, 1), s.t({ 3 }, -1, 1) }, { s.t({ 2, 3 }, -1, 1), s.t({ 4, 3 }, -1, 1) },
      { s.t({}, -1, 1), s.t({ 2 }, -1, 1) },
    }
  end,
}

op "linear(input: tensor, weight: tensor, bias: tensor?)" {
  autocast = "lower",
  doc = [[input weight^T + bias over the last dim of input: ... x k by m x k and m elements gives ... x m.
    A weight of one dim gives one number per row.]],
  run = "linear", composite = true,
  samples = function(s)
    return {
      { s.t({ 2, 3 }, -1, 1), s.t({ 4, 3 }, -1, 1), s.t({ 4 }, -1, 1) },
      { s.t({ 3 }, -1, 1), s.t({ 4, 3 }, -1, 1), s.t({ 4 }, -1, 1) },
      { s.t({ 2, 2, 3 }, -1, 1), s.t({ 4, 3 }, -1, 1) },
      { s.t({ 2, 3 }, -1, 1), s.t({ 3 }, -1, 1) },
    }
  end,
}

op "bilinear(input1: tensor, input2: tensor, weight: tensor, bias: tensor?)" {
  autocast = { cuda = "widest" },
  doc = [[For each pair of vectors x and y along the last dims of the inputs and each matrix W of weight: x W y, plus
    bias; weight has a matrix, and bias an element, for each element of a result.]],
  run = "bilinear", composite = true, method = false,
  samples = function(s)
    return { { s.t({ 2, 3 }, -1, 1), s.t({ 2, 4 }, -1, 1), s.t({ 5, 3, 4 }, -1, 1), s.t({ 5 }, -1, 1) },
      { s.t({ 3 }, -1, 1), s.t({ 2 }, -1, 1), s.t({ 2, 3, 2 }, -1, 1) } }
  end,
}

op "vdot(self: tensor, other: tensor)" {
  autocast = { cuda = "widest" },
  doc = "dot by NumPy's name, of the conjugate of self.",
  body = function(v) return v.self:conj():dot(v.other) end,
  samples = function(s) return { { s.t({ 3 }), s.t({ 3 }) } } end,
}

op "vecdot(self: tensor, other: tensor, dim: dim = -1)" {
  autocast = "lower",
  doc = "The sum of the products of self's conjugate and other along dim, of tensors that broadcast.",
  body = function(v) return (v.self:conj() * v.other):sum { v.dim } end,
  samples = function(s) return { { s.t({ 2, 3 }), s.t({ 3 }) }, { s.t({ 2, 3 }), s.t({ 2, 3 }), 1 } } end,
}

op "addr(self: tensor, vec1: tensor, vec2: tensor, beta: scalar = 1, alpha: scalar = 1)" {
  autocast = { cuda = "lower" },
  doc = "beta self + alpha outer(vec1, vec2).",
  run = "addr", composite = true,
  samples = function(s)
    return { { s.t({ 2, 3 }), s.t({ 2 }), s.t({ 3 }) }, { s.t({ 3 }), s.t({ 2 }), s.t({ 3 }), 0.5, 2 } }
  end,
}

op "matrix_trace(self: tensor)" {
  autocast = { cpu = "float32" },
  doc = "The sum of a matrix's diagonal.",
  lua = "trace",
  run = "trace", composite = true,
  samples = function(s) return { { s.t({ 2, 3 }) }, { s.t({ 0, 2 }) } } end,
}

op "cross(self: tensor, other: tensor, dim: dim = -1)" {
  autocast = { cuda = "widest" },
  doc = "The cross product along dim, which has size 3, of tensors that broadcast.",
  run = "cross", composite = true,
  samples = function(s) return { { s.t({ 2, 3 }), s.t({ 3 }) }, { s.t({ 3, 2 }), s.t({ 3, 2 }), 1 } } end,
}

op "tensordot(self: tensor, other: tensor, dims: int = 2)" {
  autocast = { cpu = "lower", cuda = "widest" },
  doc = "The sum of products over the last dims of self and as many first ones of other.",
  run = "tensordot", composite = true,
  samples = function(s)
    return { { s.t({ 2, 3, 4 }), s.t({ 3, 4, 2 }) }, { s.t({ 2, 3 }), s.t({ 3 }), 1 }, { s.t({ 2 }), s.t({ 2 }), 0 } }
  end,
}

op "tensordot_dims(self: tensor, other: tensor, dims_self: dims, dims_other: dims)" {
  autocast = { cpu = "lower", cuda = "widest" },
  doc = "The sum of products over pairs of dims, one of self and one of other.",
  lua = "tensordot", run = "tensordot_dims", composite = true,
  samples = function(s) return { { s.t({ 2, 3, 4 }), s.t({ 3, 2 }), { 1, 2 }, { -1, 1 } } } end,
}
