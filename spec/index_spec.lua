-- index_spec.lua: every kind of index, read and written, against values computed by hand.

local cr = require "cresset"
local values = require "spec.support.values"
local leaf, fails, is_values = values.leaf, values.assert_fails, values.assert_values

-- { { 1, 2, 3 }, { 4, 5, 6 } }
local function m() return cr.tensor { { 1, 2, 3 }, { 4, 5, 6 } } end

-- 1 .. 24 in a shape of 2x3x4.
local function cube() return cr.arange(1, 25):reshape(2, 3, 4) end

describe("reading with a number", function()
  it("selects along the first dim, from 1 and from the end", function()
    is_values(m()[1], { 1, 2, 3 })
    is_values(m()[2], { 4, 5, 6 })
    is_values(m()[-1], { 4, 5, 6 })
    is_values(m()[1][3], 3)
    is_values(m()[-2][-3], 1)
  end)

  it("takes a float that is whole", function() is_values(m()[2.0], { 4, 5, 6 }) end)

  it("refuses 0, what is out of range, fractions and a 0-dim tensor", function()
    fails(function() return m()[0] end, "0", "1")
    fails(function() return m()[4] end, "4", "2")
    assert.is_nil(m()[3]) -- where ipairs ends
    fails(function() return m()[-3] end, "-3", "2")
    fails(function() return m()[1.5] end, "1.5")
    fails(function() return cr.tensor(5)[1] end, "0-dim")
  end)

  it("gives a view: writes through it reach the tensor", function()
    local x = m()
    x[1]:fill_(9)
    is_values(x, { { 9, 9, 9 }, { 4, 5, 6 } })
  end)
end)

describe("reading with a list of entries", function()
  it("takes numbers", function()
    is_values(m()[{ 2, 3 }], 6)
    is_values(m()[{ -1, -1 }], 6)
    is_values(cube()[{ 2, 1 }], { 13, 14, 15, 16 })
  end)

  it("takes ranges that include both ends, also from the end", function()
    is_values(m()[{ {}, { 1, 2 } }], { { 1, 2 }, { 4, 5 } })
    is_values(m()[{ {}, { -2, -1 } }], { { 2, 3 }, { 5, 6 } })
    is_values(m()[{ { 2, 2 } }], { { 4, 5, 6 } })
    is_values(m()[{ { 2 } }], { { 4, 5, 6 } })
  end)

  it("takes a step", function()
    is_values(cr.arange(1, 8)[{ { 1, 7, 3 } }], { 1, 4, 7 })
    is_values(cr.arange(1, 8)[{ { 2, -1, 2 } }], { 2, 4, 6 })
  end)

  it("takes an empty range where last = first - 1", function()
    assert.same({ 0 }, cr.arange(1, 8)[{ { 3, 2 } }].shape)
  end)

  it("refuses steps that are not positive, and ranges that leave the tensor", function()
    fails(function() return cr.arange(1, 8)[{ { 1, 7, 0 } }] end, "step", "0")
    fails(function() return cr.arange(1, 8)[{ { 7, 1, -1 } }] end, "step", "-1")
    fails(function() return cr.arange(1, 8)[{ { 1, 8 } }] end, "8", "7")
    fails(function() return cr.arange(1, 8)[{ { 0, 3 } }] end, "0")
    fails(function() return cr.arange(1, 8)[{ { 5, 2 } }] end, "5", "2")
  end)

  it("takes {} as the whole dim", function()
    is_values(m()[{ {}, 2 }], { 2, 5 })
    is_values(m()[{}], { { 1, 2, 3 }, { 4, 5, 6 } })
  end)

  it("takes newaxis", function()
    assert.same({ 1, 2, 3 }, m()[cr.newaxis].shape)
    assert.same({ 2, 1, 3 }, m()[{ {}, cr.newaxis }].shape)
    assert.same({ 2, 3, 1 }, m()[{ {}, {}, cr.newaxis }].shape)
  end)

  it("takes ... as all the dims between", function()
    is_values(cube()[{ "...", 1 }], { { 1, 5, 9 }, { 13, 17, 21 } })
    is_values(cube()[{ 2, "...", -1 }], { 16, 20, 24 })
    assert.same({ 2, 3, 4 }, cube()["..."].shape)
    fails(function() return cube()[{ "...", "..." }] end, "...", "once")
  end)

  it("takes booleans as dims of size 1 and 0", function()
    assert.same({ 1, 2, 3 }, m()[true].shape)
    assert.same({ 0, 2, 3 }, m()[false].shape)
  end)

  it("refuses more entries than dims, and what is no index", function()
    fails(function() return m()[{ 1, 2, 3 }] end, "3", "2x3")
    fails(function() return m()[{ 1, "a" }] end, "2", '"a"')
    fails(function() return m()[{ 1, function() end }] end, "function")
    fails(function() return m()[{ { 1, 2, 3, 4 } }] end, "range", "cr.tensor")
    fails(function() return m()[{ { "a" } }] end, "integer", '"a"')
  end)

  it("can be spelled as a call", function()
    is_values(m()(2, 3), 6)
    is_values(m()({}, { 1, 2 }), { { 1, 2 }, { 4, 5 } })
  end)
end)

describe("reading with tensors", function()
  it("takes positions from a tensor of integers", function()
    is_values(m()[cr.tensor { 2, 1, 2 }], { { 4, 5, 6 }, { 1, 2, 3 }, { 4, 5, 6 } })
    is_values(m()[{ {}, cr.tensor { 3, -3 } }], { { 3, 1 }, { 6, 4 } })
    is_values(m()[cr.tensor(2)], { 4, 5, 6 })
  end)

  it("takes int32 positions and those of any shape", function()
    is_values(m()[cr.tensor({ 1 }, { dtype = "int32" })], { { 1, 2, 3 } })
    assert.same({ 2, 2, 3 }, m()[cr.tensor { { 1, 2 }, { 2, 1 } }].shape)
  end)

  it("takes a 0-dim tensor as the number in it: a view", function()
    local x = m()
    x[cr.tensor(2)]:fill_(0)
    is_values(x, { { 1, 2, 3 }, { 0, 0, 0 } })
    x[{ cr.tensor(1), cr.tensor(-1) }] = 9
    is_values(x, { { 1, 2, 9 }, { 0, 0, 0 } })
    assert.same({ 3, 2 }, cube()[{ cr.tensor(2), {}, cr.tensor { 1, 4 } }].shape)
    fails(function() return m()[cr.tensor(3)] end, "3", "2")
  end)

  it("pairs up several tensors, which broadcast", function()
    is_values(m()[{ cr.tensor { 1, 2 }, cr.tensor { 3, 1 } }], { 3, 4 })
    is_values(m()[{ cr.tensor { { 1 }, { 2 } }, cr.tensor { 3, 1 } }], { { 3, 1 }, { 6, 4 } })
    is_values(m()[{ cr.tensor { 1, 2 }, 2 }], { 2, 5 })
  end)

  it("puts the dims of tensors that stand apart in front", function()
    assert.same({ 2, 3 }, cube()[{ cr.tensor { 1, 2 }, {}, cr.tensor { 1, 4 } }].shape)
    is_values(cube()[{ cr.tensor { 1, 2 }, {}, cr.tensor { 1, 4 } }], { { 1, 5, 9 }, { 16, 20, 24 } })
    assert.same({ 2, 2 }, cube()[{ 1, { 1, 2 }, cr.tensor { 1, 4 } }].shape)
    assert.same({ 2, 5, 4 }, cube()[{ {}, cr.tensor { 1, 2, 3, 1, 1 } }].shape)
  end)

  it("takes a mask of bool for as many dims as it has", function()
    is_values(m()[m():gt(2)], { 3, 4, 5, 6 })
    is_values(m()[cr.tensor { false, true }], { { 4, 5, 6 } })
    is_values(m()[{ {}, cr.tensor { true, false, true } }], { { 1, 3 }, { 4, 6 } })
    assert.same({ 0 }, m()[m():gt(9)].shape)
  end)

  it("takes an empty tensor of positions", function()
    assert.same({ 0, 3 }, m()[cr.zeros({ 0 }, { dtype = "int64" })].shape)
  end)

  it("refuses positions out of range, masks that do not fit, floats", function()
    fails(function() return m()[cr.tensor { 1, 3 }] end, "3", "2")
    fails(function() return m()[cr.tensor { 0 }] end, "0")
    fails(function() return m()[cr.tensor { true, false, true }] end, "mask", "3", "2")
    fails(function() return m()[cr.tensor { 1.0 }] end, "float32")
    fails(function() return m()[{ cr.tensor { 1, 2 }, cr.tensor { 1, 2, 3 } }] end, "2", "3")
  end)
end)

describe("writing", function()
  it("a number goes to all elements of any kind of index", function()
    local x = m()
    x[1] = 0
    x[{ 2, { 2, 3 } }] = 7
    is_values(x, { { 0, 0, 0 }, { 4, 7, 7 } })
    x = m()
    x[{ {}, -1 }] = 9
    is_values(x, { { 1, 2, 9 }, { 4, 5, 9 } })
    x = m()
    x[{}] = 1
    is_values(x, { { 1, 1, 1 }, { 1, 1, 1 } })
    x = m()
    x["..."] = 2
    is_values(x, { { 2, 2, 2 }, { 2, 2, 2 } })
  end)

  it("a tensor or a table is broadcast", function()
    local x = m()
    x[{ {}, { 1, 2 } }] = cr.tensor { 8, 9 }
    is_values(x, { { 8, 9, 3 }, { 8, 9, 6 } })
    x[1] = { 10, 20, 30 }
    is_values(x, { { 10, 20, 30 }, { 8, 9, 6 } })
    x[{ { 1, 2 }, 1 }] = cr.tensor { { 5, 6 } }
    is_values(x, { { 5, 20, 30 }, { 6, 9, 6 } })
  end)

  it("with a step leaves the elements between alone", function()
    local x = cr.zeros({ 6 }, { dtype = "int64" })
    x[{ { 2, 6, 2 } }] = cr.tensor { 1, 2, 3 }
    is_values(x, { 0, 1, 0, 2, 0, 3 })
  end)

  it("with positions: where one comes twice the last write stands", function()
    local x = cr.zeros({ 4 }, { dtype = "int64" })
    x[cr.tensor { 2, 4, 2 }] = cr.tensor { 1, 2, 3 }
    is_values(x, { 0, 3, 0, 2 })
    local y = m()
    y[{ cr.tensor { 1, 2 }, cr.tensor { 3, 1 } }] = 0
    is_values(y, { { 1, 2, 0 }, { 0, 5, 6 } })
  end)

  it("with a mask", function()
    local x = m()
    x[x:gt(4)] = -1
    is_values(x, { { 1, 2, 3 }, { 4, -1, -1 } })
    x[x:lt(0)] = cr.tensor { 50, 60 }
    is_values(x, { { 1, 2, 3 }, { 4, 50, 60 } })
  end)

  it("with a range and positions together reaches the tensor", function()
    local x = cube()
    x[{ 1, {}, cr.tensor { 1, 4 } }] = 0
    is_values(x[1], { { 0, 2, 3, 0 }, { 0, 6, 7, 0 }, { 0, 10, 11, 0 } })
    is_values(x[2], { { 13, 14, 15, 16 }, { 17, 18, 19, 20 }, { 21, 22, 23, 24 } })
  end)

  it("converts to the tensor's dtype", function()
    local x = m()
    x[1] = cr.tensor { 1.75, 2.5, -3.5 }
    is_values(x[1], { 1, 2, -3 })
    assert.equal("int64", x.dtype)
  end)

  it("keeps 64-bit integers exact", function()
    local x = cr.zeros({ 2 }, { dtype = "int64" })
    x[1] = 9007199254740993
    x[{ { 2, 2 } }] = { 9007199254740995 }
    assert.equal(9007199254740993, x[1]:item())
    assert.equal(9007199254740995, x[2]:item())
  end)

  it("of the wrong shape or kind is refused and leaves the tensor as it was", function()
    local x = m()
    fails(function() x[1] = cr.tensor { 1, 2 } end, "2", "3")
    fails(function() x[{ {}, 1 }] = "5" end, "string")
    fails(function() x[cr.tensor { 1, 9 }] = 0 end, "9", "2")
    fails(function() x[{ cr.tensor { 1, 2 } }] = cr.tensor { 1, 2 } end, "2", "3")
    is_values(x, { { 1, 2, 3 }, { 4, 5, 6 } })
  end)
end)

describe("gradients through indices", function()
  it("flow back to the places that were read", function()
    local x = leaf { { 1, 2, 3 }, { 4, 5, 6 } };
    (x[{ 2, { 1, 2 } }] * 10):sum():backward()
    is_values(x.grad, { { 0, 0, 0 }, { 10, 10, 0 } })
  end)

  it("pass one node, however many positions, ranges and new dims are read at once", function()
    local x = (cr.arange(1, 25) * 1.0):reshape(2, 3, 4):detach():requires_grad_()
    local y = x[{ 2, { 2, 3 }, cr.newaxis, { 1, 4, 2 } }]
    is_values(y, { { { 17, 19 } }, { { 21, 23 } } })
    assert.equal(x, y.grad_fn.next_functions[1][1].variable)
    y:sum():backward()
    is_values(x.grad[1], { { 0, 0, 0, 0 }, { 0, 0, 0, 0 }, { 0, 0, 0, 0 } })
    is_values(x.grad[2], { { 0, 0, 0, 0 }, { 1, 0, 1, 0 }, { 1, 0, 1, 0 } })
  end)

  it("add up where a position was read twice", function()
    local x = leaf { 1, 2, 3 }
    x[values.tensor { 1, 3, 1 }]:sum():backward()
    is_values(x.grad, { 2, 0, 1 })
  end)

  it("flow to what was written, and not to what was overwritten", function()
    local x, v = leaf { 1, 2, 3 }, leaf { 10, 20 }
    local y = x * 1
    y[values.tensor { 3, 1 }] = v;
    (y * values.tensor { 1, 2, 3 }):sum():backward()
    is_values(x.grad, { 0, 2, 0 })
    is_values(v.grad, { 3, 1 })
  end)

  it("are right to the second order", function()
    cr.gradgradcheck(function(x, v)
      local y = x * x
      y[values.tensor { true, false, true }] = v * v
      return y[{ { 2, 3 } }], y[values.tensor { 1, 1, 2 }]
    end, { leaf { 1, 2, 3 }, leaf { 0.5, 0.25 } })
  end)
end)

describe("the first dim of a tensor", function()
  it("has the length that # gives", function()
    assert.equal(2, #m())
    fails(function() return #cr.tensor(1) end, "0-dim")
  end)

  it("is walked by pairs", function()
    local seen = {}
    for i, row in pairs(m()) do seen[i] = row:totable() end
    assert.same({ { 1, 2, 3 }, { 4, 5, 6 } }, seen)
  end)
end)

describe("a field that does not exist", function()
  it("is an error, never nil", function()
    fails(function() return m().shpae end, "shpae")
    fails(function() m().shpae = 1 end, "shpae")
    fails(function() m().dtype = "int32" end, "dtype")
  end)
end)
