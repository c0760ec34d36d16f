-- hints_spec.lua: what those who come from elsewhere write, and what the errors say to them.
--
-- The sentence is pinned as far as "; usage:", behind which operations repeat their signature.

local cr = require "cresset"

local groups = {
  { "an option that there is not, or an argument that does not fit, among several operations of one name",
    { "cr.clip(x, { max = 0.5, mn = 0 })", "clip: there is no option 'mn'; there are: self, min, max, out" },
    { "x:norm { p = 2, dims = 1 }",
      "norm: there is no option 'dims'; there are: self, p, dim, keepdim, dtype, out" },
    { "x:norm { p = 2, dim = 'a' }",
      [[norm: dim must be an integer or a table of integers, got the string "a"]] },
    { "x:clip { min = {}, max = x }",
      "clip: min must be a tensor (cr.tensor makes one of a table), got a table" },
    { "x:clip { min = {}, max = 1 }", "clip: min must be a number, got a table" },
    { "x:clip({}, 1)", "clip: min must be a number, got a table" },
    { "x:max { dim = 1, other = x }", "max: the option 'other' does not go with the other arguments" },
  },
  { "a method called with a dot, and a Function with a colon",
    { "x.mul_(2)",
      "mul_: the argument 'other' is missing; call it with a colon: x:mul_(...), or as cr.mul_(x, ...)" },
    { "x.sum { dim = 1 }",
      "sum: the argument 'self' is missing; call it with a colon: x:sum(...), or as cr.sum(x, ...)" },
    { "x.size(1)", "size: self must be a tensor, got the number 1; call it with a colon: x:size(...)" },
    { "x.backward()", "backward: self must be a tensor, got nil; call it with a colon: x:backward(...)" },
    { "Square:apply(x)", "Square: call it with a dot: Square.apply(...)" },
    { "x.retain_grad()", "retain_grad: self must be a tensor, got nothing; call it with a colon: x:retain_grad(...)" },
    { "cr.exp(nothing)", "exp: self must be a tensor, got nil" },
    { "cr.exp { 1, 2 }", "exp: self must be a tensor (cr.tensor makes one of a table), got a table" },
  },
  { "tensors one by one where a table is asked for",
    { "cr.cat(x, x)",
      "cat: dim must be an integer, got a tensor (2x3 float32); tensors go into one table: cr.cat({ a, b })" },
    { "cr.hstack(x, x)",
      "hstack: too many arguments: got 2 where 1 will do; tensors go into one table: cr.hstack({ a, b })" },
    { "cr.stack(x, x)",
      "stack: dim must be an integer, got a tensor (2x3 float32); tensors go into one table: cr.stack({ a, b })" },
  },
  { "habits of other languages",
    { "(function() for v in x do return v end end)()",
      "index: got nil and nil; a loop over a tensor is written `for i, row in ipairs(x) do`" },
    { "x:size(0)", "size: dim is 0, but dims count from 1 (or from -1, the last one)" },
    { "x:stride(0)", "stride: dim is 0, but dims count from 1 (or from -1, the last one)" },
    { "cr.tensor({ 1, 2 }, { requires_grad = true })",
      "requires_grad_: only floating point tensors can require grad, this one is int64; write its numbers with a "
        .. 'point (1.0), or give { dtype = "float32" }' },
    { "cr.one_hot(cr.tensor { 0, 1 })",
      "one_hot: position 0 is out of range for dim 2 of size 1 (positions count from 1; negative ones from the end); "
        .. "the classes count from 1" },
    { "cr.nll_loss(x, cr.tensor { 0, 1 })", "nll_loss: target 0 is out of range for 3 classes, which count from 1" },
  },
  { "what is no function, and options of a checkpoint",
    { "cr.no_grad(x)",
      "no_grad: expected a function to call, or nothing for `local _ <close> = cr.no_grad()`, got a tensor "
        .. "(2x3 float32)" },
    { "cr.no_grad(nothing)",
      "no_grad: expected a function to call, or nothing for `local _ <close> = cr.no_grad()`, got nil" },
    { "cr.checkpoint(x, x)", "checkpoint: the first argument must be a function, got a tensor" },
    { "cr.checkpoint(nothing, x)", "checkpoint: the first argument must be a function, got nil" },
    { "cr.checkpoint(print, x, { use_reentrent = true })",
      "checkpoint: there is no option 'use_reentrent'; there are: use_reentrant, preserve_rng_state" },
    { "cr.checkpoint(print, x, { use_reentrant = true, fast = 1 })",
      "checkpoint: there is no option 'fast'; there are: use_reentrant, preserve_rng_state" },
  },
}

local function message_of(code)
  local world = {
    cr = cr,
    x = cr.tensor { { 1.0, 2, 3 }, { 4, 5, 6 } },
    other = cr.ones(2),
    Square = cr.Function { name = "Square", forward = function(_, t) return t * t end },
  }
  local chunk = assert(load("local result = " .. code .. " return result", "=code", "t",
    setmetatable(world, { __index = _G })))
  local ok, message = pcall(chunk)
  assert(not ok, code .. " raises no error")
  return (message:gsub("^code:1: ", ""))
end

for _, group in ipairs(groups) do
  describe(group[1] .. ":", function()
    for i = 2, #group do
      local code, wanted = table.unpack(group[i])
      it(code, function()
        local message = message_of(code)
        assert.equal(wanted, message:match "^(.*); usage: " or message)
      end)
    end
  end)
end

describe("options", function()
  it("answer to PyTorch's keywords, old and new", function()
    local x = cr.tensor { 1.0, 2, 6 }
    assert.equal(14 / 3, x:double():var({ dim = 1, unbiased = false }):item())
    assert.equal(7, x:var({ dim = 1, unbiased = true }):item())
    assert.equal(7, x:var(1, true):item())
    assert.same({ 0, 1, 2 }, cr.arange({ ["end"] = 3 }):totable())
    assert.same({ 2, 2 }, cr.full({ 2 }, { fill_value = 2 }):totable())
    assert.same({ 2, 6 }, cr.flatten(cr.ones(2, 3, 2), { start_dim = 2, end_dim = 3 }).shape)
    assert.equal(4, cr.one_hot(cr.tensor { 1 }, { num_classes = 4 }):size(2))
    assert.equal(3, cr.one_hot(cr.tensor { 1, 3 }, -1):size(2))
    assert.same({ 2, 6 }, x:as_strided({ 2 }, { 1 }, { storage_offset = 1 }):totable())
    assert.same({ 1, 2, 6 }, cr.dropout(x, { training = false }):totable())
    assert.error_matches(function() x:var(1, 0, { unbiased = true }) end, "unbiased is given twice")
  end)

  it("follow tensors spelled out", function()
    assert.same({ { 3, 3 }, { 4, 4 } }, (select(2, cr.meshgrid(cr.tensor { 1, 2 }, cr.tensor { 3, 4 },
      { indexing = "xy" }))):totable())
    assert.same({ 2, 2 }, cr.block_diag(cr.ones(1, 1), cr.ones(1, 1)).shape)
  end)
end)

describe("a table that is no table of options", function()
  it("is an argument of the function that a checkpoint calls", function()
    local seen
    cr.checkpoint(function(_, o) seen = o.hidden end, cr.ones(2), { hidden = 3 })
    assert.equal(3, seen)
  end)

  it("is no option at all if it is empty, unless a table may be in its place", function()
    local x = cr.tensor { 1.0, 2 }
    assert.same({ 1, 2 }, x:relu({}):totable())
    assert.same({ { 3, 3 } }, cr.embedding(cr.full({ 2, 2 }, 3), cr.tensor { 1 }, {}):totable())
    assert.same({ 1, 2 }, cr.linear(x, cr.eye(2), {}):totable())
    assert.equal(0, x:sum(1):view({}).ndim)
    assert.error_matches(function() cr.linear(x, {}) end, "weight must be a tensor")
  end)
end)

describe("a tensor", function()
  it("is walked by ipairs, as the message about loops says", function()
    local sizes = {}
    for i, row in ipairs(cr.ones(2, 3)) do sizes[i] = row:size(1) end
    assert.same({ 3, 3 }, sizes)
  end)
end)
