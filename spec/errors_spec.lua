-- errors_spec.lua: bad input of every kind, and the one sentence that each gives.
--
-- The sentence is pinned as far as "; usage:", behind which operations repeat their signature. After
-- each error the process goes on: nothing is left behind, and no tensor was half written.

local cr = require "cresset"
local values = require "spec.support.values"

local groups = {
  { "wrong types",
    { "cr.add(x)", "add: the argument 'other' is missing" },
    { "cr.add(x, nil)", "add: other must be a tensor or a number, got nil" },
    { "cr.add(x, {1, 2})", "add: other must be a tensor or a number (cr.tensor makes one of a table), got a table" },
    { "cr.add(x, true and print)", "add: other must be a tensor or a number, got a function" },
    { "cr.exp()", "exp: the argument 'self' is missing; call it with a colon: x:exp(...), or as cr.exp(x, ...)" },
    { "cr.exp(nil)", "exp: self must be a tensor, got nil" },
    { "cr.exp(5)",
      "exp: self must be a tensor, got the number 5; call it with a colon: x:exp(...), or as cr.exp(x, ...)" },
    { "x:sum(1, 2)", "sum: keepdim must be true or false, got the number 2" },
    { "x:sum(1, true, 'float64', 4)", "sum: too many arguments: got 5 where 4 will do" },
    { "x:sum { dimm = 1 }", "sum: there is no option 'dimm'; there are: self, dim, keepdim, dtype, out" },
    { "x.sum(5)",
      "sum: self must be a tensor, got the number 5; call it with a colon: x:sum(...), or as cr.sum(x, ...)" },
    { "cr.cat { x, 5 }", "cat: tensors[2] must be a tensor, got the number 5" },
    { "cr.cat {}", "cat: needs at least one tensor" },
    { "cr.cat(5)", "cat: tensors must be a table of tensors, got the number 5" },
    { "cr.tensor(print)", "tensor: data must be a number, a boolean, a table of them or a tensor, got a function" },
    { "cr.tensor { 1, {} }",
      "tensor: the table is ragged: element [2] is a table where others of its level are numbers" },
    { "cr.zeros({ 2 }, { requires_grad = 1 })", "zeros: requires_grad must be true or false, got the number 1" },
    { "cr.zeros({ 2 }, { dtpye = 'float32' })",
      "zeros: there is no option 'dtpye'; there are: size, dtype, device, requires_grad, out" },
    { "x:to(print)",
      "to: argument 1 must be a dtype (float64, float32, float16, bfloat16, int64, int32, int16, int8, "
        .. 'uint8, bool, uint16, uint32 or uint64), a device ("cpu", "cuda" or "cuda:1"), a tensor to be like, or '
        .. '{dtype =, device =, '
        .. "copy =}, got a function" },
    { "x.nope", "a tensor has no field or method 'nope'" },
    { "x:nope()", "a tensor has no field or method 'nope'" },
    { "cr.manual_seed(1.5)", "manual_seed: seed must be an integer, got the number 1.5" },
    { "cr.set_num_threads(0)", "set_num_threads: n must be from 1 to 4096, got 0" },
    { "x < 5",
      "<: gives one Lua boolean, for tensors of one element, got a tensor (2x3 float32); x:lt(y) compares "
        .. "element by element" },
    { "x[print]",
      'index: entry 1 must be an integer, a range {first, last, step}, a tensor, "..." or cr.newaxis, got '
        .. "a function" },
    { "x[{ 1, 'a' }]",
      'index: entry 2 must be an integer, a range {first, last, step}, a tensor, "..." or cr.newaxis, got '
        .. 'the string "a"' },
  },
  { "a foreign userdata",
    { "cr.exp(io.stdout)", "exp: self must be a tensor, got a userdata (FILE*)" },
    { "cr.add(io.stdout, x)", "add: self must be a tensor or a number, got a userdata (FILE*)" },
    { "x + io.stdout", "add: an operand must be a tensor or a number, got a userdata (FILE*)" },
    { "x.sum(io.stdout)", "sum: self must be a tensor, got a userdata (FILE*)" },
    { "cr.cat { io.stdout }", "cat: tensors[1] must be a tensor, got a userdata (FILE*)" },
    { "x[io.stdout]",
      'index: entry 1 must be an integer, a range {first, last, step}, a tensor, "..." or cr.newaxis, got '
        .. "a userdata (FILE*)" },
    { "x:copy_(io.stdout)", "copy_: src must be a tensor, got a userdata (FILE*)" },
    { "cr.tensor(io.stdout)",
      "tensor: data must be a number, a boolean, a table of them or a tensor, got a userdata (FILE*)" },
  },
  { "numbers as strings",
    { "cr.add(x, '2')", [[add: other must be a tensor or a number, got the string "2"]] },
    { "x + '1'", [[add: an operand must be a tensor or a number, got the string "1"]] },
    { "'1' * x", [[mul: an operand must be a tensor or a number, got the string "1"]] },
    { "x ^ '2'", [[pow: an operand must be a tensor or a number, got the string "2"]] },
    { "x:sum('1')", [[sum: dim must be an integer or a table of integers, got the string "1"]] },
    { "x:reshape('2')", [[reshape: shape must be an integer or a table of integers, got the string "2"]] },
    { "x:reshape({ 2, '3' })", [[reshape: shape[2] must be an integer, got the string "3"]] },
    { "cr.full({ 2 }, '1')", [[full: fill_value must be a number, got the string "1"]] },
    { "x:fill_('1')", [[fill_: value must be a tensor or a number, got the string "1"]] },
    { "cr.tensor { 1, '2' }", [[tensor: element [2] must be a number or a boolean, got the string "2"]] },
    { "cr.zeros('2')", [[zeros: size must be an integer or a table of integers, got the string "2"]] },
    { "x['1']", "a tensor has no field or method '1'" },
    { "x[{ '1' }]",
      'index: entry 1 must be an integer, a range {first, last, step}, a tensor, "..." or cr.newaxis, got '
        .. 'the string "1"' },
    { "cr.manual_seed('1')", [[manual_seed: seed must be an integer, got the string "1"]] },
    { "cr.memory.limit('1')", [[memory.limit: bytes must be an integer, got the string "1"]] },
    { "x:dropout('0.5')", [[dropout: p must be a number, got the string "0.5"]] },
  },
  { "wrong shapes",
    { "x + cr.zeros(2, 4)",
      "add: shapes 2x3 and 2x4 do not broadcast: sizes 3 and 4 at dim 2 differ and neither is 1" },
    { "x:mm(x)", "mm: cannot multiply 2x3 by 2x3: 3 columns against 2 rows" },
    { "x:mm(cr.zeros(3))", "mm: mat2 must be a matrix (2 dims), got shape 3" },
    { "x:view(5)", "view: shape 5 does not fit 6 elements" },
    { "x:reshape(4, -1)", "reshape: shape 4x-1 does not fit 6 elements" },
    { "x:reshape(-1, -1)", "reshape: only one size can be left to find out (-1), shape -1x-1 has two" },
    { "cr.stack { x, cr.zeros(3) }", "stack: tensors must have one shape, got 2x3 and 3 (tensor 2)" },
    { "cr.cat { x, cr.zeros(3, 2) }",
      "cat: shapes 2x3 and 3x2 (tensor 2) differ in more than dim 1, along which they are joined" },
    { "x:add_(cr.zeros(4, 2, 3))", "add_: output with shape 2x3 cannot grow to the broadcast shape 4x2x3" },
    { "cr.dot(x, x)", "dot: self must be a vector (1 dim), got shape 2x3" },
    { "cr.linear(x, x, cr.zeros(5))", "linear: bias of shape 5 does not broadcast to the product's shape 2x2" },
    { "cr.matmul(cr.tensor(1.0), x)", "matmul: both need at least 1 dim, got 0 and 2; multiply numbers with *" },
    { "cr.addmm(x, x, x)", "addmm: cannot multiply 2x3 by 2x3: 3 columns against 2 rows" },
    { "x:expand(3, 3)", "expand: self has shape 2x3, which does not broadcast to 3x3" },
    { "cr.tensor { { 1 }, { 2, 3 } }",
      "tensor: the table is ragged: table[2] has 2 entries where others of its level have 1" },
    { "x:item()", "item: only a tensor of one element is a number, this one has 6 (shape 2x3)" },
    { "x:copy_(cr.zeros(5))", "copy_: src has shape 5, which does not broadcast to 2x3" },
    { "cr.zeros(0):max()", "max: there is no element to choose along an empty dim (shape 0)" },
    { "cr.zeros(2, 0):amax(2)", "amax: there is no element to choose along an empty dim (shape 2x0)" },
    { "cr.zeros(0):argmax()", "argmax: there is no element to choose in a tensor of shape 0" },
    { "x:permute(1)", "permute: got 1 dims for a tensor of 2; each is to be named once" },
    { "x:split { 1, 2 }", "split: split_sizes 1x2 do not add up to the size 2 of dim 1" },
    { "x:masked_fill(cr.ones({ 5 }, { dtype = 'bool' }), 0)",
      "masked_fill: shapes 2x3 and 5 do not broadcast: sizes 3 and 5 at dim 2 differ and neither is 1" },
  },
  { "wrong dtypes",
    { "cr.zeros({ 2 }, { dtype = 'flot' })",
      "zeros: dtype must be a dtype (float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8, "
        .. 'bool, uint16, uint32 or uint64), got the string "flot"' },
    { "x:to('flot')",
      "to: argument 1 must be a dtype (float64, float32, float16, bfloat16, int64, int32, int16, int8, "
        .. 'uint8, bool, uint16, uint32 or uint64), a device ("cpu", "cuda" or "cuda:1"), a tensor to be like, or '
        .. '{dtype =, device =, '
        .. 'copy =}, got the string "flot"' },
    { "x:mm(cr.zeros({ 3, 2 }, { dtype = 'float64' }))",
      [[mm: both must have one dtype, got float32 and float64; convert with x:to("float64")]] },
    { "cr.tensor({ 1, 2 }):mean()", "mean: expected a float dtype, got int64; convert it, or name a float dtype" },
    { "cr.tensor({ 1, 2 }):add_(1.5)", "add_: the result is float32, which a tensor of int64 cannot hold" },
    { "x & 1", "bitwise_and: cannot compute in float32; it takes integers and bools" },
    { "x << 1", "bitwise_left_shift: cannot compute in float32; it takes integers" },
    { "cr.nll_loss(x, cr.tensor { 1.0, 2.0 })",
      "nll_loss: expected int64 class targets, got float32 of shape 2 for an input of shape 2x3; "
        .. "target:long() makes them int64" },
    { "x:index_select(1, cr.tensor { 1.0 })",
      "index_select: positions must be int64 or int32, got a float32 tensor" },
    { "x[cr.tensor { 1.0 }]", "index: positions must be int64 or int32, and masks bool, got a float32 tensor" },
    { "cr.where(x, x, x)", "where: condition must be a bool tensor, got float32; x:ne(0) makes one" },
    { "x:masked_fill(x, 0)", "masked_fill: mask must be a bool tensor, got float32; x:ne(0) makes one" },
    { "cr.tensor { true } - cr.tensor { true }",
      "sub: bool tensors cannot be subtracted; use x:logical_xor(y) or x ~ y" },
    { "-cr.tensor { true }", "neg: bool tensors have no negative; use x:logical_not() or ~x" },
    { "cr.tensor { 2 } ^ -1", "pow: integers have no negative integer powers; make the base or the exponent float" },
    { "cr.tensor { 1 } // 0", "floor_divide: integer division by zero" },
    { "cr.tensor { 1 }:requires_grad_()",
      "requires_grad_: only floating point tensors can require grad, this one is int64; write its numbers with a "
        .. 'point (1.0), or give { dtype = "float32" }' },
    { "cr.set_default_dtype('int64')",
      "set_default_dtype: int64 is not a floating dtype (float64, float32, float16 or bfloat16)" },
  },
  { "wrong devices",
    { "cr.zeros({ 2 }, { device = 'gpu' })",
      [[zeros: device must be a device ("cpu", "cuda" or "cuda:1"), got the string "gpu"]] },
    { "cr.memory.stats('cuda:256')",
      [[memory.stats: device must be a device ("cpu", "cuda" or "cuda:1"), got the string "cuda:256"]] },
    { "cr.zeros({ 2 }, { device = 'cuda' })",
      [[device: "cuda" needs the plug-in libcresset_cuda.so, which is not beside the library]], "no plug-in" },
    { "x:to('cuda:1')",
      [[device: "cuda" needs the plug-in libcresset_cuda.so, which is not beside the library]], "no plug-in" },
  },
  { "wrong dims",
    { "x:sum(0)", "sum: dim is 0, but dims count from 1 (or from -1, the last one)" },
    { "x:sum(3)", "sum: dim 3 is out of range for a tensor of 2 dims" },
    { "x:sum(-3)", "sum: dim -3 is out of range for a tensor of 2 dims" },
    { "x:sum(1.5)", "sum: dim must be an integer or a table of integers, got the number 1.5" },
    { "x:sum { 1, 1 }", "sum: dim 1 is named twice" },
    { "x:transpose(1, 0)", "transpose: dim1 is 0, but dims count from 1 (or from -1, the last one)" },
    { "x:unsqueeze(0)", "unsqueeze: dim 0 is no place for a new dim in a tensor of 2 dims; 1 to 3 and -1 to -3 are" },
    { "x:unsqueeze(4)", "unsqueeze: dim 4 is no place for a new dim in a tensor of 2 dims; 1 to 3 and -1 to -3 are" },
    { "x:softmax(3)", "softmax: dim 3 is out of range for a tensor of 2 dims" },
    { "cr.cat({ x, x }, 0)", "cat: dim is 0, but dims count from 1 (or from -1, the last one)" },
    { "x:size(3)", "size: dim 3 is out of range for a tensor of 2 dims" },
  },
  { "wrong indices",
    { "x[0]",
      "index: position 0 is out of range for dim 1 of size 2 (positions count from 1; negative ones from "
        .. "the end)" },
    { "x[4]",
      "index: position 4 is out of range for dim 1 of size 2 (positions count from 1; negative ones from "
        .. "the end)" },
    { "x[-3]",
      "index: position -3 is out of range for dim 1 of size 2 (positions count from 1; negative ones from "
        .. "the end)" },
    { "x[1.5]",
      'index: entry 1 must be an integer, a range {first, last, step}, a tensor, "..." or cr.newaxis, got '
        .. "the number 1.5" },
    { "x[{ 1, 0 }]",
      "index: position 0 is out of range for dim 2 of size 3 (positions count from 1; negative ones from the end)" },
    { "x[{ 1, 4 }]",
      "index: position 4 is out of range for dim 2 of size 3 (positions count from 1; negative ones from the end)" },
    { "x[{ 1, 2, 3 }]", "index: 3 positions are too many for a tensor (2x3 float32)" },
    { "x[{ { 0, 1 } }]",
      "index: range 0 to 1 does not lie in dim 1 of size 2 (positions count from 1; negative ones from the end)" },
    { "x[{ { 1, 3 } }]",
      "index: range 1 to 3 does not lie in dim 1 of size 2 (positions count from 1; negative ones from the end)" },
    { "x[{ { 1, 2, 0 } }]", "index: step 0 is not positive; flip reverses a tensor" },
    { "x[{ { 2, 1, -1 } }]", "index: step -1 is not positive; flip reverses a tensor" },
    { "x[{ '...', '...' }]", [[index: "..." may come once, got it 2 times]] },
    { "x[cr.tensor { 0 }]",
      "index: position 0 is out of range for dim 1 of size 2 (positions count from 1; negative ones from the end)" },
    { "x[cr.tensor { 3 }]",
      "index: position 3 is out of range for dim 1 of size 2 (positions count from 1; negative ones from the end)" },
    { "x[cr.tensor { true }]", "index: a mask of shape 1 does not fit dims 1 to 1 of shape 2x3" },
    { "x:select(1, 0)",
      "select: position 0 is out of range for dim 1 of size 2 (positions count from 1; negative ones from "
        .. "the end)" },
    { "x:narrow(1, 2, 3)",
      "narrow: 3 positions from 2 on do not lie in dim 1 of size 2 (positions count from 1; negative ones "
        .. "from the end)" },
    { "x:narrow(1, 1, -1)",
      "narrow: -1 positions from 1 on do not lie in dim 1 of size 2 (positions count from 1; negative ones "
        .. "from the end)" },
    { "x:index_select(1, cr.tensor { 0 })",
      "index_select: position 0 is out of range for dim 1 of size 2 (positions count from 1; negative ones "
        .. "from the end)" },
    { "x:gather(2, cr.tensor { { 4 }, { 1 } })",
      "gather: position 4 is out of range for dim 2 of size 3 (positions count from 1; negative ones from "
        .. "the end)" },
    { "cr.one_hot(cr.tensor { 0 }, 3)",
      "one_hot: position 0 is out of range for dim 2 of size 3 (positions count from 1; negative ones from "
        .. "the end); the classes count from 1" },
    { "cr.embedding(x, cr.tensor { 3 })",
      "embedding: position 3 is out of range for dim 1 of size 2 (positions count from 1; negative ones "
        .. "from the end)" },
    { "cr.cross_entropy(x, cr.tensor { 0, 1 })",
      "cross_entropy: target 0 is out of range for 3 classes, which count from 1" },
    { "cr.cross_entropy(x, cr.tensor { 1, 4 })",
      "cross_entropy: target 4 is out of range for 3 classes, which count from 1" },
  },
  { "sizes that are no sizes",
    { "cr.zeros(0 / 0)", "zeros: size must be integers or a table of integers, got the number nan" },
    { "cr.zeros({ 2, 0 / 0 })", "zeros: size[2] must be an integer, got the number nan" },
    { "cr.zeros(2.5)", "zeros: size must be integers or a table of integers, got the number 2.5" },
    { "cr.zeros(math.huge)", "zeros: size must be integers or a table of integers, got the number inf" },
    { "cr.zeros(-1)", "zeros: size -1 of dim 1 is negative (shape -1)" },
    { "cr.zeros(2, -3)", "zeros: size -3 of dim 2 is negative (shape 2x-3)" },
    { "cr.zeros({ -1 })", "zeros: size -1 of dim 1 is negative (shape -1)" },
    { "x:reshape(-2, 3)", "reshape: size -2 of dim 1 is negative (shape -2x3)" },
    { "cr.eye(-1)", "eye: size -1 of dim 1 is negative (shape -1x-1)" },
    { "cr.randperm(-1)", "randperm: n must not be negative, got -1" },
    { "cr.linspace(0, 1, -1)", "linspace: steps must not be negative, got -1" },
    { "cr.arange(0, 1, 0)", "arange: step must not be 0" },
    { "cr.arange(0, math.huge)", "arange: stop must be a finite number, got inf" },
    { "cr.zeros(1 << 62, 4)", "zeros: shape 4611686018427387904x4 has more elements than memory can address" },
    { "cr.zeros(math.maxinteger)", "zeros: shape 9223372036854775807 has more elements than memory can address" },
    { "cr.zeros(1 << 31, 1 << 31, 1 << 31)",
      "zeros: shape 2147483648x2147483648x2147483648 has more elements than memory can address" },
    { "x:expand(math.maxinteger, math.maxinteger, 2, 3)",
      "expand: shape 9223372036854775807x9223372036854775807x2x3 has more elements than memory can address" },
    { "x:tile(math.maxinteger, math.maxinteger)",
      "tile: shape 9223372036854775807x3 has more elements than memory can address" },
    { "x:tile(-1, 2)", "tile: -1 repeats are impossible" },
    { "x:resize_(-1)", "resize: size -1 of dim 1 is negative (shape -1)" },
    { "cr.randint(5, 5, { 2 })", "randint: needs low < high, got 5 and 5" },
  },
  { "values that a word or number may not have",
    { "cr.mse_loss(x, x, 'average')", [[mse_loss: reduction must be "none", "mean" or "sum", got "average"]] },
    { "x:norm('nuc')", [[norm: p is "nuc"; it may be "fro" or a number]] },
    { "x:gelu('fast')", [[gelu: approximate must be "none" or "tanh", got "fast"]] },
    { "x:div(x, 'up')", [[div: rounding_mode must be "trunc" or "floor", got "up"]] },
    { "x:clamp()", "clamp: needs min, max or both" },
    { "x:split(0)", "split: pieces of size 0 are impossible; split_size must be at least 1" },
    { "x:chunk(0)", "chunk: 0 chunks are impossible; chunks must be at least 1" },
    { "cr.bernoulli(cr.tensor { 2.0 })", "bernoulli: probabilities lie from 0 to 1; got 2" },
    { "x:multinomial(5)", "multinomial: cannot draw 5 of 3 positions without replacement" },
    { "x:dropout(1.5)", "dropout: p is a probability, from 0 to 1; got 1.5" },
    { "cr.rand({ 2 }, { dtype = 'int64' })", "rand: int64 cannot hold its fractions; use a floating dtype" },
    { "cr.randint(0, 300, { 2 }, { dtype = 'uint8' })",
      "randint: uint8 holds the integers from 0 to 255, not all from 0 to 299" },
  },
  { "a tensor that was closed",
    { "closed + 1", "add: this tensor was closed" },
    { "closed:sum()", "sum: self: this tensor was closed" },
    { "cr.add(x, closed)", "add: other: this tensor was closed" },
    { "closed.shape", "this tensor was closed" },
    { "closed[1]", "index: self: this tensor was closed" },
    { "cr.cat { x, closed }", "cat: tensors[2] must be a tensor, got a tensor that was closed" },
    { "x:copy_(closed)", "copy_: src: this tensor was closed" },
    { "closed:item()", "item: self: this tensor was closed" },
    { "#closed", "#: self: this tensor was closed" },
  },
  { "rules of autograd that are broken",
    { "x:backward()",
      "backward: output 1 does not require grad and has no grad_fn; nothing it was made of "
        .. "requires grad, or it was made without recording (no_grad)" },
    { "(leaf * 2):backward()",
      "backward: a gradient can be created implicitly only for a tensor of one element; output 1 has shape "
        .. "2x3: give its gradient, or reduce it with sum() or mean()" },
    { "leaf:add_(1)",
      "add_: self is a leaf that requires grad and cannot be written in place with gradients recorded; use "
        .. "no_grad, or write out of place" },
    { "leaf[1]:mul_(2)",
      "mul_: self is a view of a leaf that requires grad and cannot be written in place with gradients recorded" },
    { "x:retain_grad()", "retain_grad: this tensor does not require grad" },
    { "x:register_hook(print)", "register_hook: this tensor does not require grad" },
    { "cr.grad(leaf:sum(), { x })", "grad: input 1 does not require grad" },
    { "cr.grad(leaf:sum(), { leaf, other })",
      "grad: input 2 was not used to compute the outputs; give allow_unused = true to get nil for it" },
    { "(leaf * 2):sum():backward(cr.zeros(2))", "backward: gradient 1 has shape 2, but its output has shape 0-dim" },
    { "(leaf * 2):requires_grad_(false)",
      "requires_grad_: only a leaf can stop to require grad; this tensor is the result of an operation: "
        .. "use x:detach()" },
    { "(leaf * 2):detach()[1]:detach_()", "detach_: views cannot be detached in place; use x:detach() instead" },
    { "cr.add(leaf, x, { out = x })",
      "add: writing to out is not differentiable, but an argument requires grad; leave out away, or call "
        .. "it under no_grad" },
    { "leaf:resize_(3)", "resize: a tensor that requires grad cannot change its size" },
  },
}

-- What the expressions may use: made anew for each.
local function world()
  local w = {
    cr = cr,
    x = cr.tensor { { 1.0, 2, 3 }, { 4, 5, 6 } },
    leaf = cr.ones({ 2, 3 }, { requires_grad = true }),
    other = cr.ones({ 2 }, { requires_grad = true }),
    closed = cr.zeros(2),
  }
  w.closed:close()
  return setmetatable(w, { __index = _G })
end

local function live()
  collectgarbage()
  collectgarbage()
  return cr.memory.stats().objects
end

local function evaluate(code, w)
  local ok, message = pcall(assert(load("return " .. code, "=code", "t", w)))
  assert(not ok, code .. " raises no error")
  assert.equal("string", type(message))
  return message
end

local build = os.getenv "CRESSET_BUILD" or "build"
local no_plugin = not os.getenv "CRESSET_CUDA" and not io.open(build .. "/lib/libcresset_cuda.so")

for _, group in ipairs(groups) do
  describe(group[1] .. " give one sentence, and nothing is changed or left behind:", function()
    for i = 2, #group do
      local code, wanted, where = table.unpack(group[i])
      local runs = where ~= "no plug-in" or no_plugin
      local it = runs and it or function() end
      it(code, function()
        local before = live()
        do
          local w = world()
          local message = evaluate(code, w)
          local sentence, usage = message:gsub("^code:1: ", ""):match "^(.*); usage: (.*)$"
          assert.equal(wanted, sentence or (message:gsub("^code:1: ", "")))
          assert.is_nil(message:find "\n")
          assert.is_true(usage == nil or usage:find "%(" ~= nil)
          values.assert_values(w.x, { { 1, 2, 3 }, { 4, 5, 6 } })
          values.assert_values(w.leaf:detach(), { { 1, 1, 1 }, { 1, 1, 1 } })
          assert.is_nil(w.leaf.grad)
        end
        assert.equal(before, live())
      end)
    end
  end)
end

describe("an error", function()
  it("carries the position of the Lua code that called", function()
    local ok, message = pcall(function() return cr.zeros(2) + cr.zeros(3) end)
    assert.is_false(ok)
    assert.truthy(message:find "errors_spec%.lua:%d+: add:")
  end)

  it("is raised on the calling state: pcall inside a coroutine catches it", function()
    local co = coroutine.create(function()
      local caught, message = pcall(function() return cr.zeros(2) + cr.zeros(3) end)
      coroutine.yield(caught, message)
      return "went on"
    end)
    local _, caught, message = coroutine.resume(co)
    assert.is_false(caught)
    assert.truthy(message:find("add:", 1, true))
    assert.equal("went on", select(2, coroutine.resume(co)))
  end)

  it("in a coroutine without pcall kills that coroutine alone", function()
    local ok, message = coroutine.resume(coroutine.create(function() return cr.zeros(2) + cr.zeros(3) end))
    assert.is_false(ok)
    assert.truthy(message:find("add:", 1, true))
    assert.equal(2, (cr.ones(2)):sum():item())
  end)

  it("in one of several writes leaves the tensor as it was before that write", function()
    local t = cr.tensor { 1, 2, 3, 4 }
    pcall(function() t[cr.tensor { 1, 2, 9 }] = 0 end)
    pcall(function() t:index_fill_(1, cr.tensor { 1, 0 }, 0) end)
    pcall(function() t:scatter_(1, cr.tensor { 1, 5 }, 0) end)
    pcall(function() t:index_add_(1, cr.tensor { 1, 7 }, cr.tensor { 1, 1 }) end)
    pcall(function() t:masked_scatter_(cr.tensor { true, true, true, true }, cr.tensor { 9, 9 }) end)
    values.assert_values(t, { 1, 2, 3, 4 })
  end)
end)
