-- scatter.lua: writing, adding and multiplying along one dim by tensors of positions.
--
-- Holds true: positions are those of gather.lua, and all of them are checked before anything is written.
-- Where a position is written twice the last write stands (its derivative is then given to every writer);
-- sums are taken in the order of the positions. A number that self's dtype cannot hold is refused.

kernel "scatter(to, index, from; size, step, dim, how, late: bool)"
kernel "scatter_strided(to, from)"

-- The product of the other factors that came to an element's place, without dividing by zero.
local function other_factors(g, v)
  local src = v.src:conj()
  local zero = src:eq(0):to(v.src.dtype)
  local zeros = g:zeros_like():scatter_add(v.dim, v.index, zero):gather(v.dim, v.index)
  local filled = src:masked_fill(src:eq(0), 1)
  local rest = g:ones_like():scatter_multiply(v.dim, v.index, filled):gather(v.dim, v.index)
  return (rest / filled):masked_fill(zeros:ne(zero), 0)
end

op "scatter(self: tensor, dim: dim, index: tensor, src: operand)" {
  doc = [[self with src[i, j] (or the number src) written to [index[i, j], j] for dim 1, and so on. src is at least
    as large as index.]],
  inplace = true,
  rewrites = true,
  stores = true, run = "scatter",
  grad = {
    self = function(g, v) return g:scatter(v.dim, v.index, 0) end,
    src = function(g, v) return g:gather(v.dim, v.index):corner(v.src.shape) end,
  },
  samples = function(s)
    return { { s.t({ 3, 2 }), 1, s.i({ 1, 2 }, 1, 3), s.t({ 1, 2 }) }, { s.t({ 3, 2 }), -1, s.i({ 3, 1 }, 1, 2), 2.5 },
      { s.t({ 3, 2 }), 1, s.i({ 1, 1 }, 1, 3), s.t({ 2, 2 }) } }
  end,
}

op "scatter_add(self: tensor, dim: dim, index: tensor, src: tensor)" {
  autocast = { cuda = "widest" },
  doc = "self with src[i, j] added at [index[i, j], j] for dim 1, and so on. src is at least as large as index.",
  inplace = true,
  rewrites = true,
  run = "scatter_joined",
  grad = {
    self = function(g) return g end,
    src = function(g, v) return g:gather(v.dim, v.index):corner(v.src.shape) end,
  },
  samples = function(s)
    return { { s.t({ 3, 2 }), 1, s.i({ 4, 2 }, 1, 3), s.t({ 4, 2 }) },
      { s.t({ 3, 2 }), -1, s.i({ 2, 2 }, -2, -1), s.t({ 3, 2 }) } }
  end,
}

op [[scatter_reduced(self: tensor, dim: dim, index: tensor, src: operand, reduce: "add" | "multiply")]] {
  doc = [[self with src[i, j] (or the number src) added to ("add") or multiplied with ("multiply") what is at
    [index[i, j], j] for dim 1, and so on, one after the other. src is at least as large as index.]],
  lua = "scatter",
  inplace = true,
  composite = true,
  run = "scatter_reduced",
  samples = function(s)
    return { { s.t({ 3, 2 }, 0.5, 2), 1, s.i({ 4, 2 }, 1, 3), s.t({ 4, 2 }, 0.5, 2), "multiply" },
      { s.t({ 3, 2 }), -1, s.i({ 2, 2 }, -2, -1), s.t({ 3, 2 }), "add" },
      { s.t({ 3 }), 1, s.i({ 5 }, 1, 3), 2.5, "multiply" }, { s.t({ 3 }), 1, s.i({ 2 }, 1, 3), s.t({}), "multiply" } }
  end,
}

op "scatter_multiply(self: tensor, dim: dim, index: tensor, src: tensor)" {
  doc = "self multiplied with src[i, j] at [index[i, j], j] for dim 1, and so on. src has index's shape.",
  hidden = true,
  rewrites = true,
  run = "scatter_joined",
  grad = {
    self = function(g, v) return g * g:ones_like():scatter_multiply(v.dim, v.index, v.src:conj()) end,
    src = function(g, v)
      return g:gather(v.dim, v.index) * v.self:conj():gather(v.dim, v.index) * other_factors(g, v)
    end,
  },
  samples = function(s) return { { s.t({ 3, 2 }, 0.5, 2), 1, s.i({ 4, 2 }, 1, 3), s.t({ 4, 2 }, 0.5, 2) } } end,
}

-- The gradient of each extreme, shared evenly by all that have it: first by those of self.
local function shares(g, v)
  local own = v.self:eq(v.out):to(v.self.dtype)
  local hit = v.src:eq(v.out:gather(v.dim, v.index)):to(v.self.dtype)
  return own, hit, g / own:scatter_add(v.dim, v.index, hit)
end

op "scatter_extreme(self: tensor, dim: dim, index: tensor, src: tensor, largest: bool)" {
  doc = "self with the largest, or the smallest, of its elements and of all src that come there, of index's shape.",
  hidden = true, rewrites = true, run = "scatter_extreme",
  grad = {
    self = function(g, v)
      local own, _, share = shares(g, v)
      return own * share
    end,
    src = function(g, v)
      local _, hit, share = shares(g, v)
      return hit * share:gather(v.dim, v.index)
    end,
  },
  samples = function(s)
    return { { s.t({ 3, 2 }), 1, s.i({ 4, 2 }, 1, 3), s.t({ 4, 2 }), true },
      { s.t({ 3, 2 }), 2, s.i({ 3, 4 }, 1, 2), s.t({ 3, 4 }), false } }
  end,
}

op "index_add(self: tensor, dim: dim, index: tensor, source: tensor, alpha: scalar = 1)" {
  doc = "self with alpha times the parts of source added at the positions that index lists along dim.",
  inplace = true,
  rewrites = true,
  run = "index_add",
  grad = {
    self = function(g) return g end,
    source = function(g, v) return g:index_select(v.dim, v.index):mul(v.alpha:conj()) end,
  },
  samples = function(s)
    return { { s.t({ 3, 2 }), 1, s.i({ 4 }, 1, 3), s.t({ 4, 2 }) },
      { s.t({ 2, 3 }), -1, s.i({ 2 }, 1, 3), s.t({ 2, 2 }), 2 } }
  end,
}

op "index_copy(self: tensor, dim: dim, index: tensor, source: tensor)" {
  autocast = { cpu = "widest" },
  doc = "self with the parts of source written at the positions that index lists along dim.",
  inplace = true,
  rewrites = true,
  stores = true, run = "index_copy",
  grad = {
    self = function(g, v) return g:index_fill(v.dim, v.index, 0) end,
    source = function(g, v) return g:index_select(v.dim, v.index) end,
  },
  samples = function(s)
    return { { s.t({ 3, 2 }), 1, s.i({ 1 }, 1, 3), s.t({ 1, 2 }) },
      { s.t({ 2, 3 }), -1, s.i({ 1 }, -3, -1), s.t({ 2, 1 }) } }
  end,
}

op "index_fill(self: tensor, dim: dim, index: tensor, value: operand)" {
  doc = "self with a number, or the element of a 0-dim tensor, written at the positions that index lists along dim.",
  inplace = true,
  rewrites = true,
  stores = true, run = "index_fill",
  grad = {
    self = function(g, v) return g:index_fill(v.dim, v.index, 0) end,
    value = function(g, v) return g:index_keep(v.dim, v.index) end,
  },
  samples = function(s)
    return { { s.t({ 3, 2 }), 1, s.i({ 2 }, 1, 3), 2 }, { s.t({ 2, 3 }), -1, s.i({ 2 }, -3, -1), s.t({}) } }
  end,
}

op "index_keep(self: tensor, dim: dim, index: tensor)" {
  doc = "self with zeros at every position along dim that index does not list.",
  hidden = true,
  run = "index_keep",
  grad = { self = function(g, v) return g:index_keep(v.dim, v.index) end },
  samples = function(s) return { { s.t({ 3, 2 }), 1, s.i({ 2 }, 1, 3) } } end,
}
