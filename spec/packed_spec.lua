-- packed_spec.lua: sequences of different lengths: packed, padded, and back.

local cr = require "cresset"
local packed = require "cresset.nn.packed"

local function list(t) return t:totable() end

describe("pack_padded_sequence", function()
  local x = cr.arange(1, 9):view(4, 2) -- sequences 1 3 5 7 and 2 4 6 8

  it("takes the rows of each step, longest sequence first", function()
    local p = packed.pack_padded_sequence(x, { 4, 2 })
    assert.same({ 1, 2, 3, 4, 5, 7 }, list(p.data))
    assert.same({ 2, 2, 1, 1 }, list(p.batch_sizes))
    assert.equal("int64", p.batch_sizes.dtype)
    assert.is_nil(p.sorted_indices)
  end)

  it("sorts where it is told to, and says how", function()
    local p = packed.pack_padded_sequence(x, cr.tensor { 2, 3 }, { enforce_sorted = false })
    assert.same({ 2, 1, 4, 3, 6 }, list(p.data))
    assert.same({ 2, 2, 1 }, list(p.batch_sizes))
    assert.same({ 2, 1 }, list(p.sorted_indices))
    assert.same({ 2, 1 }, list(p.unsorted_indices))
  end)

  it("takes the batch first", function()
    local p = packed.pack_padded_sequence(x:t(), { 4, 2 }, { batch_first = true })
    assert.same({ 1, 2, 3, 4, 5, 7 }, list(p.data))
  end)

  it("has memory of its own", function()
    local p = packed.pack_padded_sequence(x, { 4, 4 })
    p.data:fill_(0)
    assert.equal(1, x[1][1]:item())
  end)

  it("tells what it is", function()
    local p = packed.pack_padded_sequence(x:float(), { 2, 3 }, { enforce_sorted = false })
    assert.equal("PackedSequence(data = float32 tensor of shape 5, batch_sizes = {2, 2, 1}, sorted_indices = {2, 1})",
      tostring(p))
  end)

  it("gives a gradient to what it has taken alone", function()
    local w = cr.ones({ 3, 2, 2 }, { requires_grad = true })
    packed.pack_padded_sequence(w, { 1, 3 }, { enforce_sorted = false }).data:sum():backward()
    assert.same({ { { 1, 1 }, { 1, 1 } }, { { 0, 0 }, { 1, 1 } }, { { 0, 0 }, { 1, 1 } } }, list(w.grad))
  end)
end)

describe("pad_packed_sequence", function()
  local x = cr.arange(1, 13):view(3, 4):float()

  it("gives back what was packed, in the order before, with padding", function()
    local p = packed.pack_padded_sequence(x, { 1, 3, 2, 3 }, { enforce_sorted = false })
    local y, lengths = packed.pad_packed_sequence(p, { padding_value = -1 })
    assert.same({ { 1, 2, 3, 4 }, { -1, 6, 7, 8 }, { -1, 10, -1, 12 } }, list(y))
    assert.same({ 1, 3, 2, 3 }, list(lengths))
  end)

  it("gives as many steps as are asked for, and the batch first", function()
    local p = packed.pack_padded_sequence(x, { 2, 2, 1, 1 })
    local y = packed.pad_packed_sequence(p, { total_length = 3, batch_first = true })
    assert.same({ { 1, 5, 0 }, { 2, 6, 0 }, { 3, 0, 0 }, { 4, 0, 0 } }, list(y))
  end)

  it("goes back to the rows", function()
    local w = x:clone():requires_grad_()
    local y = packed.pad_packed_sequence(packed.pack_padded_sequence(w, { 3, 1, 1, 1 }))
    assert.same({ { 1, 1, 1, 1 }, { 1, 0, 0, 0 }, { 1, 0, 0, 0 } }, list(cr.grad(y:sum(), w)))
  end)
end)

describe("lists of sequences", function()
  local a, b, c = cr.tensor { 1.0, 2.0 }, cr.tensor { 3.0, 4.0, 5.0 }, cr.tensor { 6.0 }

  it("are padded on either side", function()
    assert.same({ { 1, 3, 6 }, { 2, 4, 0 }, { 0, 5, 0 } }, list(packed.pad_sequence { a, b, c }))
    assert.same({ { 1, 2, 9 }, { 3, 4, 5 }, { 6, 9, 9 } },
      list(packed.pad_sequence({ a, b, c }, { batch_first = true, padding_value = 9 })))
    assert.same({ { 0, 1, 2 }, { 3, 4, 5 }, { 0, 0, 6 } },
      list(packed.pad_sequence({ a, b, c }, { batch_first = true, padding_side = "left" })))
  end)

  it("come back from padding", function()
    local back = packed.unpad_sequence(packed.pad_sequence { a, b, c }, { 2, 3, 1 })
    assert.same({ { 1, 2 }, { 3, 4, 5 }, { 6 } }, { list(back[1]), list(back[2]), list(back[3]) })
  end)

  it("are packed and unpacked", function()
    local p = packed.pack_sequence({ a, b, c }, { enforce_sorted = false })
    assert.same({ 3, 1, 6, 4, 2, 5 }, list(p.data))
    local back = packed.unpack_sequence(p)
    assert.same({ { 1, 2 }, { 3, 4, 5 }, { 6 } }, { list(back[1]), list(back[2]), list(back[3]) })
  end)

  it("keep their other dims", function()
    local p = packed.pack_sequence { cr.ones(3, 2, 2), cr.zeros(1, 2, 2) }
    assert.same({ 4, 2, 2 }, { table.unpack(p.data.shape) })
    assert.same({ 3, 2, 2 }, { table.unpack(packed.unpack_sequence(p)[1].shape) })
  end)
end)

describe("a packed sequence", function()
  it("goes through a recurrent layer", function()
    local p = packed.pack_sequence({ cr.ones(1, 2), cr.ones(3, 2) }, { enforce_sorted = false })
    local w = { cr.ones(3, 2), cr.eye(3) }
    local y = cr.rnn_tanh(p.data, nil, w, { has_biases = false, batch_sizes = p.batch_sizes })
    local all, lengths = packed.pad_packed_sequence(packed.PackedSequence(y, p.batch_sizes, p.sorted_indices))
    assert.same({ 1, 3 }, list(lengths))
    local function tanh(v) return 1 - 2 / (math.exp(2 * v) + 1) end
    assert.is_true(math.abs(all[1][1][1]:item() - tanh(2)) < 1e-6)
    assert.equal(0, all[2][1][1]:item())
    assert.is_true(math.abs(all[2][2][1]:item() - tanh(2 + tanh(2))) < 1e-6)
  end)

  it("changes its dtype", function()
    local p = packed.pack_sequence({ cr.ones(2) }, { enforce_sorted = false }):to("float64")
    assert.equal("float64", p.data.dtype)
    assert.equal("int64", p.batch_sizes.dtype)
    assert.is_true(packed.is_packed(p))
    assert.is_false(packed.is_packed {})
  end)

  it("is put back by the inverse of a permutation", function()
    assert.same({ 3, 1, 2 }, list(packed.invert_permutation(cr.tensor { 2, 3, 1 })))
    assert.is_nil(packed.invert_permutation(nil))
  end)
end)

describe("what cannot be packed or padded", function()
  local x = cr.zeros(4, 2, 3)

  local function fails(message, f, ...)
    local ok, got = pcall(f, ...)
    assert.is_false(ok)
    if not got:find(message, 1, true) then error(("'%s' lacks '%s'"):format(got, message)) end
  end

  it("is refused with its name", function()
    local pack, pad = packed.pack_padded_sequence, packed.pad_packed_sequence
    fails("pack_padded_sequence: input must be a tensor, got a table", pack, {}, { 1 })
    fails("input must have at least 2 dims, got shape 4", pack, cr.zeros(4), { 1 })
    fails("input has no sequences", pack, cr.zeros(4, 0), {})
    fails("lengths must be a list of numbers or a tensor, got a number", pack, x, 3)
    fails("lengths must be a vector of integers, got a float32 tensor of shape 2", pack, x, cr.ones(2))
    fails("lengths has 3 numbers for 2 sequences", pack, x, { 3, 2, 1 })
    fails("length 2 is 1.5; it must be a whole number", pack, x, { 2, 1.5 })
    fails("length 2 is 0; lengths from 1 to the 4 steps", pack, x, { 3, 0 })
    fails("length 1 is 5; lengths from 1 to the 4 steps", pack, x, { 5, 3 })
    fails("lengths must not rise, but 3 follows 2", pack, x, { 2, 3 })
    fails("there is no option 'sorted'", pack, x, { 3, 2 }, { sorted = true })
    fails("batch_first must be a boolean, got a number", pack, x, { 3, 2 }, { batch_first = 1 })
    fails("the options must be a table, got a boolean", pack, x, { 3, 2 }, true)
    fails("pad_packed_sequence: needs a packed sequence", pad, x)
    fails("total_length is 2, less than the 3 steps", pad, pack(x, { 3, 2 }), { total_length = 2 })
    fails("total_length must be a whole number", pad, pack(x, { 3, 2 }), { total_length = 2.5 })
  end)

  it("is refused in a list as well", function()
    fails("pad_sequence: sequences must be a list of tensors, got a float32 tensor", packed.pad_sequence, x)
    fails("sequences is empty", packed.pad_sequence, {})
    fails("sequence 2 must be a tensor, got a number", packed.pad_sequence, { x, 1 })
    fails("sequences of shapes 4x2x3 and 4x2 (sequence 2) differ", packed.pad_sequence, { x, cr.zeros(4, 2) })
    fails('padding_side must be "right" or "left"', packed.pad_sequence, { x }, { padding_side = "up" })
    fails("pack_sequence: sequence 2 is empty", packed.pack_sequence, { x, cr.zeros(0, 2, 3) })
    fails("unpad_sequence: length 1 is 9; there are 4 steps", packed.unpad_sequence, x, { 9, 1 })
    fails("unpack_sequence: needs a packed sequence", packed.unpack_sequence, { data = x })
  end)
end)
