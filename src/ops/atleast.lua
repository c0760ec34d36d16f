-- atleast.lua: tensors with as many dims as are needed at least.
--
-- Holds true: a tensor that has them is given back as it is; else dims of size 1 are added, as views.

for n, how in ipairs { "a 0-dim tensor becomes one of a single element",
  "a vector becomes a row, a 0-dim tensor a matrix of one element",
  "a matrix gets a last dim of size 1, a vector one before and one behind" } do
  local name = ("atleast_%dd"):format(n)
  op(name .. "(self: tensor)") {
    doc = ("self with at least %d dim%s, of size 1 where there were fewer: %s."):format(n, n > 1 and "s" or "", how),
    composite = true, stores = true, run = "atleast",
    samples = function(s) return { { s.t({}) }, { s.t({ 3 }) }, { s.t({ 2, 3 }) }, { s.t({ 2, 1, 2, 2 }) } } end,
  }
  op(name .. "_list(tensors: tensors) -> ...") {
    doc = ("Each tensor of a list with at least %d dim%s, as %s gives it."):format(n, n > 1 and "s" or "", name),
    lua = name, method = false, composite = true, stores = true, run = "atleast_list",
    samples = function(s) return { { { s.t({}), s.t({ 3 }), s.t({ 2, 3 }) } } } end,
  }
end
