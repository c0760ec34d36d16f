-- distance.lua: distances, directions and angles of vectors.
--
-- Holds true: a vector of zeros has no direction: it stays zero, and so does its gradient.

-- Of every vector of x1 from every one of x2, or, of pairs, of every two of x1, which is x2.
kernel "cdist(out, x1, x2; p: float, pairs: bool)"
kernel "cdist_backward(out, grad, x1, x2, distances; p: float, pairs: bool)"

op "dist(self: tensor, other: tensor, p: scalar = 2)" {
  autocast = { cuda = "float32" },
  doc = "The p-norm of the difference.",
  body = function(v) return (v.self - v.other):norm(v.p) end,
  samples = function(s) return { { s.t({ 2, 3 }), s.t({ 3 }) }, { s.t({ 3 }), s.t({ 3 }), 1 } } end,
}

op "pairwise_distance(x1: tensor, x2: tensor, p: scalar = 2, eps: float = 1e-6, keepdim: bool = false)" {
  autocast = { cuda = "float32" },
  doc = "The p-norm of x1 - x2 + eps along the last dim.",
  body = function(v) return (v.x1 - v.x2 + v.eps):norm(v.p, { -1 }, v.keepdim) end,
  samples = function(s) return { { s.t({ 2, 3 }), s.t({ 2, 3 }) } } end,
}

op "normalize(self: tensor, p: scalar = 2, dim: dim = 2, eps: float = 1e-12)" {
  autocast = { cuda = "float32" },
  doc = [[self divided by its p-norm along dim, or by eps where that is larger. Where the norm is 0, so are the result
    and its gradient.]],
  body = function(v)
    local norm = v.self:norm(v.p, { v.dim }, true)
    return v.self / norm:masked_fill(norm:eq(0), math.huge):clamp_min(v.eps)
  end,
  samples = function(s) return { { s.t({ 2, 3 }) }, { s.t({ 3 }), 3, 1 } } end,
}

op "cosine_similarity(x1: tensor, x2: tensor, dim: dim = 2, eps: float = 1e-8)" {
  autocast = { cuda = "float32" },
  doc = [[The cosine of the angle between x1 and x2, which broadcast, along dim: their product divided by that of their
    norms, or by eps where that is larger. With a vector of zeros it is 0, and so is its gradient.]],
  run = "cosine_similarity", composite = true,
  samples = function(s)
    return { { s.t({ 2, 3 }), s.t({ 2, 3 }) }, { s.t({ 3, 2 }), s.t({ 3, 1 }), 1 }, { s.t({ 1, 2 }), s.t({ 3, 2 }), 1 },
      { s.t({ 2, 3 }), s.t({ 2, 3 }), 2, 10.0 } }
  end,
}

op "bound_cosine(self: tensor)" {
  doc = "A cosine that rounding has brought beyond 1 or -1, back in its bounds; its derivative is not cut.",
  hidden = true, pointwise = "clamp(x, -1, 1)", dtypes = "float",
  grad = { self = function(g) return g end },
  samples = { domain = { -0.875, 0.875 } },
}

-- ---- All distances of two lists --------------------------------------------------------------------

op "cdist(x1: tensor, x2: tensor, p: scalar = 2)" {
  autocast = "float32",
  doc = [[The p-norms, p from 0 to inf, of the differences of every row of the matrices x1 from every row of the
    matrices x2: out[.., i, j] is that of x1[.., i] - x2[.., j]. The dims before the last two broadcast. Computed in the
    dtype of both, 16-bit floats in float32. A distance of 0 has the gradient 0; largest differences of one size share
    theirs.]],
  run = "cdist",
  grad = {
    x1 = function(g, v) return g:cdist_backward(v.x1, v.x2, v.out, v.p) end,
    x2 = function(g, v)
      return g:transpose(-2, -1):cdist_backward(v.x2, v.x1, v.out:transpose(-2, -1), v.p)
    end,
  },
  samples = function(s)
    return { { s.t({ 3, 2 }), s.t({ 4, 2 }) }, { s.t({ 2, 3, 2 }), s.t({ 2, 2 }), 1 },
      { s.t({ 2, 9 }), s.t({ 2, 9 }), 3 },
      { s.t({ 2, 2 }), s.t({ 3, 2 }, -1.7, 1.1), math.huge }, { s.t({ 2, 2 }), s.t({ 0, 2 }) },
      { s.t({ 2, 1, 2, 3 }), s.t({ 3, 1, 3 }), 1.5 } }
  end,
}

op "cdist_backward(self: tensor, x1: tensor, x2: tensor, distances: tensor, p: scalar)" {
  doc = [[What self, the gradient of distances, makes for x1. Where it is recorded itself it is made of operations, with
    all differences side by side.]],
  run = "cdist_backward", composite = true, hidden = true,
  samples = function(s)
    return { { s.t({ 3, 4 }), s.t({ 3, 2 }), s.t({ 4, 2 }, 2, 3), s.t({ 3, 4 }, 1, 2), 3 } }
  end,
}

op "pdist(self: tensor, p: scalar = 2)" {
  autocast = { cuda = "float32" },
  doc = [[The p-norms of the differences of every two rows of a matrix: of the first row from the others, then of the
    second from those behind it, and so on; in one dim.]],
  run = "pdist",
  grad = { self = function(g, v) return g:pdist_backward(v.self, v.out, v.p) end },
  samples = function(s)
    return { { s.t({ 4, 2 }) }, { s.t({ 3, 3 }), 1 }, { s.t({ 1, 2 }) }, { s.t({ 3, 2 }), 1.5 } }
  end,
}

op "pdist_backward(self: tensor, input: tensor, distances: tensor, p: scalar)" {
  doc = "What self, the gradient of pdist's distances, makes for its input; as cdist_backward.",
  run = "pdist_backward", composite = true, hidden = true,
  samples = function(s) return { { s.t({ 3 }), s.t({ 3, 2 }), s.t({ 3 }, 1, 2), 3 } } end,
}

op "renorm(self: tensor, p: scalar, dim: dim, maxnorm: scalar)" {
  autocast = { cuda = "float32" },
  doc = [[self with each part along dim whose p-norm is larger than maxnorm scaled down to it: multiplied by maxnorm and
    divided by its norm and 1e-7.]],
  run = "renorm", composite = true, inplace = true,
  samples = function(s)
    return { { s.t({ 3, 2 }), 2, 1, 1.0 }, { s.t({ 2, 3, 2 }), 1, -1, 2 }, { s.t({ 2, 3 }), math.huge, 2, 0.5 },
      { s.t({ 0, 2 }), 2, 1, 1 } }
  end,
}
