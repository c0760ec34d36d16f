-- einsum.lua: sums of products of tensors, told by letters for their dims.
--
-- Holds true: all steps are operations, so derivatives of every order come by themselves.

op "einsum(equation: string, operands: tensors)" {
  autocast = "lower",
  doc = [[Sums of products, told by letters for the dims: cr.einsum("ij,jk->ik", a, b), or with a table of tensors.
    A letter that the result lacks is summed over, one that a tensor has twice is its diagonal, "..." stands for
    further dims. Without "->" the result has the letters that stand once, in alphabetical order.]],
  method = false,
  composite = true,
  run = "einsum",
  variadic = true,
  samples = function(s)
    return { { "ij,jk->ik", { s.t({ 2, 3 }, -1, 1), s.t({ 3, 2 }, -1, 1) } }, { "ii->i", { s.t({ 2, 2 }) } },
      { "...i,ij,j", { s.t({ 2, 2 }, -1, 1), s.t({ 2, 3 }, -1, 1), s.t({ 3 }, -1, 1) } },
      { "ij->ji", { s.t({ 0, 2 }) } } }
  end,
}
