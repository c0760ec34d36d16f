-- scatter_reduce.lua: what comes to one place by a tensor of positions, folded into one element.
--
-- Holds true: positions are those of gather.lua. Without include_self, what self has where something comes to
-- does not count, and has no gradient; elsewhere self stays. Elements that share an extreme share its gradient.

local how = [[sums ("sum"), products ("prod"), means ("mean", of integers rounded down) or extremes ("amax", "amin")
    of]]

op [[scatter_reduce(self: tensor, dim: dim, index: tensor, src: tensor,
    reduce: "sum" | "prod" | "mean" | "amax" | "amin", include_self: bool = true)]] {
  doc = "self with " .. how .. [[ its elements and of all src[i, j] whose place is [index[i, j], j] for dim 1, and so
    on. src is at least as large as index.]],
  inplace = true, composite = true, run = "scatter_reduce",
  samples = function(s)
    local list = {}
    for _, reduce in ipairs { "sum", "prod", "mean", "amax", "amin" } do
      list[#list + 1] = { s.t({ 3, 2 }, 0.5, 2), 1, s.i({ 4, 2 }, 1, 3), s.t({ 4, 2 }, 0.5, 2), reduce }
      list[#list + 1] = { s.t({ 3, 2 }, 0.5, 2), -1, s.i({ 2, 1 }, 1, 2), s.t({ 3, 2 }, 0.5, 2), reduce, false }
    end
    return list
  end,
}

op [[index_reduce(self: tensor, dim: dim, index: tensor, source: tensor,
    reduce: "prod" | "mean" | "amax" | "amin", include_self: bool = true)]] {
  doc = [[self with products ("prod"), means ("mean") or extremes ("amax", "amin") of its parts and of those of source
    whose positions index lists along dim.]],
  inplace = true, composite = true, run = "index_reduce",
  samples = function(s)
    local list = {}
    for _, reduce in ipairs { "prod", "mean", "amax", "amin" } do
      list[#list + 1] = { s.t({ 3, 2 }, 0.5, 2), 1, s.i({ 4 }, 1, 3), s.t({ 4, 2 }, 0.5, 2), reduce }
      list[#list + 1] = { s.t({ 2, 3 }, 0.5, 2), -1, s.i({ 2 }, 1, 3), s.t({ 2, 2 }, 0.5, 2), reduce, false }
    end
    return list
  end,
}

op "put(self: tensor, index: tensor, source: tensor, accumulate: bool = false)" {
  doc = [[self with the elements of source written (or added: accumulate) at the positions in index of all elements of
    self in a row. source has as many elements as index.]],
  inplace = true, composite = true, run = "put",
  samples = function(s)
    return { { s.t({ 2, 3 }), s.i({ 1 }, 1, 6), s.t({ 1 }) }, { s.t({ 2, 3 }), s.i({ 2, 2 }, 1, 6), s.t({ 4 }), true },
      { s.t({ 3 }), s.i({ 0 }, 1, 3), s.t({ 0 }) } }
  end,
}
