-- matmul.lua: products of matrices, of vectors and of batches of them.
--
-- Holds true: nothing here promotes; all tensors of one call have one dtype, which is not bool.
-- float16 and bfloat16 accumulate in float32, integers wrap. An empty inner dimension gives zeros.
-- Derivatives are products again, so every order exists; G below is the gradient of the result.

kernel "matmul(out, a, b, added?)"

op "mm(self: tensor, mat2: tensor)" {
  autocast = "lower",
  doc = "The product of two matrices: n x k by k x m gives n x m. By A: G B^T, by B: A^T G.",
  run = "mm",
  grad = {
    self = function(g, v) return g:mm(v.mat2:conj():t()) end,
    mat2 = function(g, v) return v.self:conj():t():mm(g) end,
  },
  samples = function(s)
    return {
      { s.t({ 2, 3 }, -1, 1), s.t({ 3, 4 }, -1, 1) }, { s.t({ 1, 3 }, -1, 1), s.t({ 3, 1 }, -1, 1) },
      { s.t({ 2, 0 }, -1, 1), s.t({ 0, 3 }, -1, 1) }, { s.t({ 0, 2 }, -1, 1), s.t({ 2, 3 }, -1, 1) },
    }
  end,
}

op "mv(self: tensor, vec: tensor)" {
  autocast = { cuda = "lower" },
  doc = "The product of an n x k matrix and a vector of k elements.",
  run = "mv",
  grad = {
    self = function(g, v) return ops.outer(g, v.vec:conj()) end,
    vec = function(g, v) return v.self:conj():t():mv(g) end,
  },
  samples = function(s)
    return { { s.t({ 2, 3 }, -1, 1), s.t({ 3 }, -1, 1) }, { s.t({ 2, 0 }, -1, 1), s.t({ 0 }, -1, 1) } }
  end,
}

op "dot(self: tensor, other: tensor)" {
  autocast = { cuda = "widest" },
  also = { other = "tensor" },
  doc = "The sum of the products of two vectors' elements.",
  run = "dot",
  grad = {
    self = function(g, v) return g * v.other:conj() end,
    other = function(g, v) return g * v.self:conj() end,
  },
  samples = function(s)
    return { { s.t({ 5 }, -1, 1), s.t({ 5 }, -1, 1) }, { s.t({ 0 }, -1, 1), s.t({ 0 }, -1, 1) } }
  end,
}

op "bmm(self: tensor, mat2: tensor)" {
  autocast = "lower",
  doc = "The products of b pairs of matrices: b x n x k by b x k x m gives b x n x m.",
  run = "bmm",
  grad = {
    self = function(g, v) return g:bmm(v.mat2:conj():transpose(2, 3)) end,
    mat2 = function(g, v) return v.self:conj():transpose(2, 3):bmm(g) end,
  },
  samples = function(s)
    return {
      { s.t({ 2, 2, 3 }, -1, 1), s.t({ 2, 3, 2 }, -1, 1) }, { s.t({ 0, 2, 3 }, -1, 1), s.t({ 0, 3, 2 }, -1, 1) },
      { s.t({ 2, 1, 0 }, -1, 1), s.t({ 2, 0, 2 }, -1, 1) },
    }
  end,
}

op "mm_add(self: tensor, mat1: tensor, mat2: tensor)" {
  doc = "self (which broadcasts) + mat1 mat2, in one pass.",
  run = "mm_add", hidden = true,
  grad = {
    self = function(g) return g end,
    mat1 = function(g, v) return g:mm(v.mat2:conj():t()) end,
    mat2 = function(g, v) return v.mat1:conj():t():mm(g) end,
  },
  samples = function(s) return { { s.t({ 4 }, -1, 1), s.t({ 2, 3 }, -1, 1), s.t({ 3, 4 }, -1, 1) } } end,
}

op "affine(input: tensor, weight: tensor, bias: tensor?)" {
  doc = "input weight^T + bias for a matrix of inputs, in one pass.",
  run = "affine", hidden = true,
  grad = {
    input = function(g, v) return g:mm(v.weight:conj()) end,
    weight = function(g, v) return g:t():mm(v.input:conj()) end,
    bias = function(g) return g end,
  },
  samples = function(s)
    return {
      { s.t({ 2, 3 }, -1, 1), s.t({ 4, 3 }, -1, 1), s.t({ 4 }, -1, 1) },
      { s.t({ 2, 3 }, -1, 1), s.t({ 4, 3 }, -1, 1) },
    }
  end,
}

op "matmul(self: tensor, other: tensor)" {
  autocast = "lower",
  doc = [[The product of two tensors of any rank from 1: vector by vector gives their dot product; a vector
    counts as a row on the left and as a column on the right, and that dim is dropped from the result; dims
    before the last two are batches, which broadcast.]],
  run = "matmul", composite = true,
  samples = function(s)
    return {
      { s.t({ 3 }, -1, 1), s.t({ 3 }, -1, 1) }, { s.t({ 2, 3 }, -1, 1), s.t({ 3 }, -1, 1) },
      { s.t({ 3 }, -1, 1), s.t({ 3, 2 }, -1, 1) }, { s.t({ 2, 3 }, -1, 1), s.t({ 3, 2 }, -1, 1) },
      { s.t({ 2, 2, 3 }, -1, 1), s.t({ 3, 2 }, -1, 1) }, { s.t({ 2, 3 }, -1, 1), s.t({ 2, 3, 2 }, -1, 1) },
      { s.t({ 2, 1, 2, 3 }, -1, 1), s.t({ 3, 3, 2 }, -1, 1) }, { s.t({ 3 }, -1, 1), s.t({ 2, 3, 2 }, -1, 1) },
      { s.t({ 2, 2, 3 }, -1, 1), s.t({ 3 }, -1, 1) }, { s.t({ 2, 0 }, -1, 1), s.t({ 0, 2 }, -1, 1) },
    }
  end,
}
