-- sort.lua: elements in order.
--
-- Holds true: every sort is stable, in both directions; NaN is larger than any number, -0 equal to 0.
-- Positions are 1-based. A 0-dim tensor has one element along dim 1.


local function along_one(s)
  return { { s.t({ 2, 3 }, -2, 2) }, { s.t({ 3, 2, 2 }, -2, 2), 1, true }, { s.t({}, -2, 2), 1 }, { s.t({ 0, 2 }), 1 } }
end

-- Elements that came from given positions along dim go back there.
local function put_back(g, v) return g:gather_backward(v.self.shape, v.dim, v.indices) end

kernel "sort(values?, indices, in; dim, descending: bool)"

op "sort(self: tensor, dim: dim = -1, descending: bool = false, stable: bool = true) -> values, indices" {
  doc = "The elements in ascending (or descending) order along dim, and their positions; always stable.",
  run = "sort",
  grad = { self = put_back },
  samples = along_one,
}

op "argsort(self: tensor, dim: dim = -1, descending: bool = false, stable: bool = true)" {
  doc = "The positions that would put the elements in order along dim; always stable.",
  run = "argsort", nondiff = true,
  samples = along_one,
}

op "msort(self: tensor)" {
  doc = "The elements in ascending order along the first dim.",
  run = "msort", composite = true,
  samples = function(s) return { { s.t({ 3, 2 }, -2, 2) } } end,
}

op "topk(self: tensor, k: int, dim: dim = -1, largest: bool = true, sorted: bool = true) -> values, indices" {
  doc = "The k largest (or smallest) elements along dim, and their positions; always in order.",
  run = "topk",
  grad = { self = put_back },
  samples = function(s)
    return { { s.t({ 2, 5 }, -2, 2), 2 }, { s.t({ 4, 2 }, -2, 2), 3, 1, false }, { s.t({}, -2, 2), 1 },
      { s.t({ 3 }, -2, 2), 0 } }
  end,
}

op "kthvalue(self: tensor, k: int, dim: dim = -1, keepdim: bool = false) -> values, indices" {
  doc = "The k-th smallest element along dim, and its position.",
  run = "kthvalue", composite = true,
  samples = function(s)
    return { { s.t({ 2, 5 }, -2, 2), 2 }, { s.t({ 4, 2 }, -2, 2), 4, 1, true }, { s.t({}, -2, 2), 1 } }
  end,
}
