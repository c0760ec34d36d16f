-- distance.lua: distances, directions and angles of vectors.
--
-- Holds true: a vector of zeros has no direction: it stays zero, and so does its gradient.

op "dist(self: tensor, other: tensor, p: scalar = 2)" {
  doc = "The p-norm of the difference.",
  body = function(v) return (v.self - v.other):norm(v.p) end,
  samples = function(s) return { { s.t({ 2, 3 }), s.t({ 3 }) }, { s.t({ 3 }), s.t({ 3 }), 1 } } end,
}

op "pairwise_distance(x1: tensor, x2: tensor, p: scalar = 2, eps: float = 1e-6, keepdim: bool = false)" {
  doc = "The p-norm of x1 - x2 + eps along the last dim.",
  body = function(v) return (v.x1 - v.x2 + v.eps):norm(v.p, { -1 }, v.keepdim) end,
  samples = function(s) return { { s.t({ 2, 3 }), s.t({ 2, 3 }) } } end,
}

op "normalize(self: tensor, p: scalar = 2, dim: dim = 2, eps: float = 1e-12)" {
  doc = [[self divided by its p-norm along dim, or by eps where that is larger. Where the norm is 0, so are the result
    and its gradient.]],
  body = function(v)
    local norm = v.self:norm(v.p, { v.dim }, true)
    return v.self / norm:masked_fill(norm:eq(0), math.huge):clamp_min(v.eps)
  end,
  samples = function(s) return { { s.t({ 2, 3 }) }, { s.t({ 3 }), 3, 1 } } end,
}

op "cosine_similarity(x1: tensor, x2: tensor, dim: dim = 2, eps: float = 1e-8)" {
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
