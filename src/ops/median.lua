-- median.lua: the element in the middle.
--
-- Holds true: of two in the middle it is the lower one; NaN wins, except where the name says that it is left out.

kernel "median(values, indices, from; dim, skip: bool)"

local function along_one(s)
  return { { s.t({ 2, 3 }, -2, 2), 2 }, { s.t({ 3, 2, 2 }, -2, 2), -3, true }, { s.t({}, -2, 2), 1 } }
end

-- The gradient of the middle value: shared evenly by all elements that have it.
local function spread_ties_all(g, v)
  local ties = v.self:eq(v.out)
  return g * ties / ties:sum()
end

local whole = function(s) return { { s.t({ 2, 3 }, -2, 2) }, { s.t({}, -2, 2) } } end

for _, words in ipairs { { "median", "NaN if there is one", "the first NaN if there is one" },
  { "nanmedian", "those that are NaN left out", "those that are NaN left out" } } do
  local name, all, along = table.unpack(words)
  op(name .. "(self: tensor)") {
    doc = ("The median of all elements, the lower one of two; %s. Equal elements share the gradient."):format(all),
    run = "median",
    grad = { self = spread_ties_all },
    samples = whole,
  }

  op(name .. "_dim(self: tensor, dim: dim, keepdim: bool = false) -> values, indices") {
    doc = ("The median along dim, the lower one of two, and its position; %s."):format(along),
    lua = name, run = "median",
    grad = { self = function(g, v) return g:put_reduced(v.indices, v.self.shape, v.dim, v.keepdim) end },
    samples = along_one,
  }
end
