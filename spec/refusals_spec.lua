-- refusals_spec.lua: what calls refuse, and the words in which they do; errors_spec.lua has the forms of arguments.

local cr = require "cresset"
local values = require "spec.support.values"

local x = cr.tensor({ 1.0, 2.0, 3.0 }, { requires_grad = true })
local Square = cr.Function {
  name = "Square",
  forward = function(_, a) return a * a end,
  backward = function(_, g) return g end,
}
local many = {}
for i = 1, 17 do many[i] = cr.ones(1) end

-- A call, and how its message begins.
local cases = {
  ["gradients"] = {
    { "(x * 2):backward({ gradient = cr.ones(3) }, 3)", "backward: nothing may follow the table of options" },
    { "(x * 2):backward(cr.ones(3), { gradient = cr.ones(3) })",
      "backward: gradient is given twice, by position and by name" },
    { "(x * 2):backward(cr.ones(2))", "backward: gradient 1 has shape 2, but its output has shape 3" },
    { "cr.grad(x * 2, x, { is_grads_batched = true })", "grad: is_grads_batched needs grad_outputs" },
    { "cr.grad(x * 2, x, { grad_outputs = cr.tensor(1.0), is_grads_batched = true })",
      "grad: is_grads_batched needs gradients with a leading dim, gradient 1 is 0-dim" },
    { "cr.grad({ x * 2, x * 3 }, x, { grad_outputs = { cr.ones(2, 3), cr.ones(4, 3) }, is_grads_batched = true })",
      "grad: is_grads_batched needs one size of batch, got 2 and 4" },
    { "cr.grad(x * 2, x, { grad_outputs = cr.ones(0, 3), is_grads_batched = true })",
      "grad: is_grads_batched cannot take a batch of 0 gradients" },
    { "Square.foo", "Square: a Function has no field 'foo'; call it, or its 'apply'" },
    { "Square[3]", "Square: a Function has no field the number 3; call it, or its 'apply'" },
  },
  ["lists of tensors"] = {
    { "cr.stack(3)", "stack: tensors must be a table of tensors, got the number 3" },
    { "cr.stack { cr.ones(2), foo = 1 }", 'stack: tensors has the key "foo" beside its list' },
    { "cr.cat { cr.ones(2), 3 }", "cat: tensors[2] must be a tensor, got the number 3" },
    { "cr.broadcast_tensors { cr.ones(2), cr.ones(3) }", "broadcast_tensors: shapes 2 and 3 do not broadcast" },
    { "cr.meshgrid({}, 'ij')", "meshgrid: the list of tensors is empty" },
    { "cr.meshgrid({ cr.ones(2, 2) }, 'ij')", "meshgrid: tensor 1 has 2 dims; each may have one, or none" },
    { "cr.meshgrid({ cr.ones(2), cr.ones(2):to 'int8' }, 'ij')",
      "meshgrid: tensor 2 is int8 but tensor 1 is float32; convert one" },
    { "cr.meshgrid(many, 'ij')",
      "meshgrid: a tensor has at most 16 dims, so a grid is of at most as many tensors; got 17" },
  },
  ["dtypes"] = {
    { "cr.tensor { 1 }:add(cr.tensor { 1 }, { alpha = 2.5 })",
      "add: alpha must be an integer for integer tensors, got 2.5" },
    { "cr.promote_types('int8', 'foo')", "promote_types: b must be a dtype" },
    { "cr.multinomial(cr.ones(2):to 'int8', 1)", "multinomial: int8 cannot hold its fractions; use a floating dtype" },
    { "cr.ones(2, 3):take(cr.ones(2))", "take: positions must be int64 or int32, got a float32 tensor" },
    { "cr.set_default_dtype 'int8'", "set_default_dtype: int8 is not a floating dtype" },
  },
  ["random draws"] = {
    { "cr.multinomial(cr.ones(2, 2, 2), 1)", "multinomial: takes weights of 1 or 2 dims, got 3 dims" },
    { "cr.bernoulli(cr.tensor { 0.5, 2 })", "bernoulli: probabilities lie from 0 to 1; got 2" },
    { "cr.zeros(2):bernoulli_(cr.ones(3))", "bernoulli_: shapes 2 and 3 do not broadcast" },
    { "cr.zeros(2):bernoulli_(cr.ones(4, 2))", "bernoulli_: p of shape 4x2 does not broadcast to 2" },
  },
  ["sizes"] = {
    { "cr.linspace(0, 1, -1)", "linspace: steps must not be negative, got -1" },
    { "cr.arange(0, 1, 0)", "arange: step must not be 0" },
    { "cr.eye(-1)", "eye: size -1 of dim 1 is negative" },
    { "cr.ones(2, 3):slice(1, 1, 2, 0)", "slice: step 0 is not positive; flip reverses a tensor" },
    { "cr.ones(2, 3):narrow(1, 2, 5)", "narrow: 5 positions from 2 on do not lie in dim 1 of size 2" },
    { "cr.ones(5):split(0)", "split: pieces of size 0 are impossible; split_size must be at least 1" },
    { "cr.ones(5):split { 2, 2 }", "split: split_sizes 2x2 do not add up to the size 5 of dim 1" },
    { "cr.ones(5):chunk(0)", "chunk: 0 chunks are impossible; chunks must be at least 1" },
    { "cr.ones(2):tril()", "tril: needs at least 2 dims, got a tensor of shape 2" },
    { "cr.ones(3):topk(5)", "topk: k must be from 0 to 3, the size of dim 1, got 5" },
    { "cr.ones(3):kthvalue(0)", "kthvalue: k must be from 1 to 3, the size of dim 1, got 0" },
    { "cr.ones(2, 3):permute(1, 1)", "permute: dim 1 is named twice" },
    { "cr.ones(2, 3):as_strided({ 2 }, { -1 })",
      "as_strided: shape 2 with these strides and offset 0 reaches outside" },
    { "cr.ones(2, 3):as_strided({ 2, 2 }, { 1 })", "as_strided: got 2 sizes, but 1 strides" },
    { "cr.ones(2, 3):as_strided({ 100 }, { 1 })",
      "as_strided: shape 100 with these strides needs elements up to offset 99 (from 0), but the memory has 6" },
    { "cr.ones(2, 3):expand(2, 2)", "expand: self has shape 2x3, which does not broadcast to 2x2" },
    { "cr.ones(2, 3):view_as(cr.ones(4))", "view_as: shape 4 does not fit 6 elements" },
  },
  ["positions"] = {
    { "cr.ones(2):select(1, 9)", "select: position 9 is out of range for dim 1 of size 2" },
    { "cr.ones(2):select(1, 0)", "select: position 0 is out of range for dim 1 of size 2" },
    { "cr.ones(2, 3):gather(1, cr.ones(2))", "gather: index (shape 2) must have as many dims as self (shape 2x3)" },
    { "cr.ones(2, 3):index_select(1, cr.ones(2, 2):to 'int64')",
      "index_select: index must have 0 dims or 1, got shape 2x2" },
    { "cr.ones(3):scatter(1, cr.tensor { 1, 2 }, cr.ones(2), 'foo')",
      'scatter: reduce must be "add" or "multiply", got "foo"' },
    { "cr.ones(3):masked_fill(cr.ones(3):gt(0), cr.ones(2))",
      "masked_fill: value is a number or a 0-dim tensor, got shape 2" },
    { "cr.ones(3):masked_scatter(cr.ones(3):gt(0), cr.ones(1))",
      "masked_scatter: mask is true 3 times, but source has 1" },
  },
  ["products"] = {
    { "cr.ones(3):dot(cr.ones(4))", "dot: both need the same size, got 3 and 4" },
    { "cr.ones(2, 3):mv(cr.ones(2))", "mv: cannot multiply 2x3 by 2: 3 columns against 2 rows" },
    { "cr.ones(2, 3):bmm(cr.ones(2, 3))", "bmm: self must be a batch of matrices (3 dims), got shape 2x3" },
    { "cr.ones(2, 2):addmm(cr.ones(2, 3), cr.ones(2, 2))",
      "addmm: cannot multiply 2x3 by 2x2: 3 columns against 2 rows" },
  },
  ["losses"] = {
    { "cr.nll_loss(cr.ones(2, 3), cr.tensor { 1, 2, 3 })",
      "nll_loss: target of shape 3 does not fit input of shape 2x3" },
    { "cr.cross_entropy(cr.ones(2, 3), cr.tensor { 1, 2 }, nil, { label_smoothing = 2 })",
      "cross_entropy: label_smoothing is 2; it must lie between 0 and 1" },
    { "cr.cross_entropy(cr.ones(2, 3), cr.tensor { 1, 2 }, cr.ones(2))",
      "cross_entropy: weight of shape 2 must have one element for each of 3 classes" },
    { "cr.mse_loss(cr.ones(2), cr.ones(2), { reduction = 'sum\\0' })", "mse_loss: reduction must be a string" },
    { "cr.mse_loss(cr.ones(2), cr.ones(2), { reduction = 'foo' })",
      'mse_loss: reduction must be "none", "mean" or "sum", got "foo"' },
  },
}

local names = {}
for name in pairs(cases) do names[#names + 1] = name end
table.sort(names)
for _, name in ipairs(names) do
  describe("of " .. name, function()
    for _, case in ipairs(cases[name]) do
      it("the call " .. case[1] .. " is refused", function()
        local call = assert(load("local cr, x, Square, many = ...; return " .. case[1]))
        local message = values.message_of(call, cr, x, Square, many)
        assert.equal(case[2], message:sub(1, #case[2]))
      end)
    end
  end)
end
describe("after all that was refused", function()
  it("a leaf has no gradient and is as it was", function()
    assert.is_nil(x.grad)
    values.assert_values(x, { 1, 2, 3 })
  end)
end)
