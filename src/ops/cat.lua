-- cat.lua: tensors joined along a dim, one after the other or side by side.
--
-- Holds true: every result has memory of its own, in the promoted dtype of the parts.

kernel "cat(whole; outer)"

for _, name in ipairs { "cat", "concat" } do
  op(name .. "(tensors: tensors, dim: dim = 1)") {
    autocast = { cpu = "widest" },
    doc = [[The tensors one after the other along dim, in their promoted dtype. They agree in every other size, but
      an empty 1-dim tensor joins anything.]],
    aliases = name == "cat" and "concatenate" or nil,
    method = false,
    composite = true,
    stores = true, run = "cat",
    samples = function(s)
      return { { { s.t({ 2, 3 }), s.t({ 1, 3 }) } }, { { s.t({ 2, 1 }), s.t({ 2, 2 }), s.t({ 2, 0 }) }, -1 },
        { { s.t({ 0 }), s.t({ 2, 2 }) } } }
    end,
  }
end

op "cat_parts(tensors: tensors, dim: int, sizes: ints)" {
  doc = "cat of tensors whose sizes along dim (from 1) are known; a tensor of size -1 is left out.",
  hidden = true,
  stores = true, run = "cat_parts",
  grad = "cat_parts",
  samples = function(s) return { { { s.t({ 2, 3 }), s.t({ 1, 3 }) }, 1, { 2, 1 } } } end,
}

op "stack(tensors: tensors, dim: dim = 1)" {
  autocast = { cpu = "widest" },
  doc = "Tensors of one shape joined along a new dim.",
  method = false,
  composite = true,
  stores = true, run = "stack",
  samples = function(s) return { { { s.t({ 2 }), s.t({ 2 }) } }, { { s.t({}), s.t({}), s.t({}) }, -1 } } end,
}

op "hstack(tensors: tensors)" {
  doc = "cat along dim 2, or along dim 1 of tensors of fewer than 2 dims.",
  method = false,
  composite = true,
  stores = true, run = "hstack",
  samples = function(s) return { { { s.t({ 2, 1 }), s.t({ 2, 2 }) } }, { { s.t({ 2 }), s.t({ 1 }) } } } end,
}

op "vstack(tensors: tensors)" {
  aliases = "row_stack",
  doc = "cat along dim 1, of tensors with at least 2 dims: a vector counts as a row.",
  method = false,
  composite = true,
  stores = true, run = "vstack",
  samples = function(s) return { { { s.t({ 2 }), s.t({ 2 }) } }, { { s.t({ 1, 2 }), s.t({ 3, 2 }) } } } end,
}

op "dstack(tensors: tensors)" {
  doc = "cat along dim 3, of tensors with at least 3 dims, as atleast_3d gives them.",
  method = false,
  composite = true,
  stores = true, run = "dstack",
  samples = function(s) return { { { s.t({ 2 }), s.t({ 2 }) } }, { { s.t({ 1, 2 }), s.t({ 1, 2, 3 }) } } } end,
}

op "column_stack(tensors: tensors)" {
  doc = "cat along dim 2, of matrices: a vector counts as a column, a 0-dim tensor as a column of one element.",
  method = false,
  composite = true,
  stores = true, run = "column_stack",
  samples = function(s) return { { { s.t({ 2 }), s.t({ 2, 3 }) } }, { { s.t({}), s.t({}) } } } end,
}
