-- lua_values_spec.lua: what tensors are to Lua's own syntax: truths in an if, shapes that compare, loops
-- that end, tables and what looks like one.

local cr = require "cresset"
local values = require "spec.support.values"
local fails, is_values = values.assert_fails, values.assert_values

describe("an answer is a Lua boolean:", function()
  local a, b = cr.tensor { 1.0, 2 }, cr.tensor { 1.0, 3 }

  it("equal, allclose and their kind, as methods and as functions", function()
    assert.is_true(a:equal(a:clone()))
    assert.is_false(cr.equal(a, b))
    assert.is_false(a:equal(cr.tensor { 1.0 }))
    assert.is_true(a:allclose(a + 1e-9))
    assert.is_false(cr.allclose(a, b))
    assert.is_true(cr.allclose(a, b, { atol = 2 }))
    assert.is_true(a:is_same_size(b))
    assert.is_false(cr.is_same_size(a, cr.ones(2, 1)))
    assert.is_true(cr.tensor(0.5):is_nonzero())
    assert.is_false(cr.is_nonzero(cr.tensor { 0 }))
    assert.is_true(cr.is_floating_point(a))
    fails(function() a:is_nonzero() end, "is_nonzero", "one element")
  end)

  it("no operation that answers is among those for lists", function()
    fails(function() return cr.foreach.equal end, "cresset.foreach has no operation 'equal'")
  end)

  it("an answer asked into out stays a tensor", function()
    local out = cr.tensor(false)
    a:equal(a, { out = out })
    assert.is_true(out:item())
  end)
end)

describe("a shape", function()
  it("equals another one of the same sizes, and a plain table of them", function()
    local x, y = cr.zeros(2, 3), cr.ones(2, 3)
    assert.is_true(x.shape == y.shape)
    assert.is_true(x:size() == y.shape)
    assert.is_true(x.shape == { 2, 3 })
    assert.is_false(x.shape == cr.zeros(3, 2).shape)
    assert.is_false(x.shape == cr.zeros(2, 3, 1).shape)
    assert.is_true(cr.tensor(1).shape == cr.tensor(2).shape)
    assert.is_true(x:stride() == { 3, 1 })
  end)

  it("has a text", function()
    assert.equal("2", tostring(cr.zeros(2).shape))
    assert.equal("2x3", tostring(cr.zeros(2, 3):size()))
    assert.equal("0-dim", tostring(cr.tensor(1).shape))
    assert.equal("shape 2x3", "shape " .. cr.zeros(2, 3).shape)
  end)

  it("of no elements does not read as a hexadecimal number", function()
    assert.equal("0 x 3", tostring(cr.zeros(0, 3).shape))
    assert.equal("2 x 0 x 3", tostring(cr.zeros(2, 0, 3).shape))
    assert.equal("2x0", tostring(cr.zeros(2, 0).shape))
    assert.truthy(tostring(cr.zeros(0, 3)):find("of size 0 x 3]", 1, true))
    fails(function() return cr.zeros(0, 3) + cr.zeros(2, 3) end, "0 x 3")
  end)

  it("is a table as any other", function()
    local shape = cr.zeros(4, 5).shape
    assert.equal(2, #shape)
    shape[1] = 6
    assert.same({ 6, 5 }, cr.zeros(shape).shape)
    assert.equal("6,5", table.concat(shape, ","))
  end)
end)

describe("a loop over a tensor", function()
  it("by ipairs ends after the first dim's last position", function()
    local seen = {}
    for i, v in ipairs(cr.arange(10, 15)) do seen[i] = v:item() end
    assert.same({ 10, 11, 12, 13, 14 }, seen)
    local rows = 0
    for _, row in ipairs(cr.zeros(3, 2)) do
      rows = rows + 1
      assert.same({ 2 }, row.shape)
    end
    assert.equal(3, rows)
    for _ in ipairs(cr.zeros(0, 2)) do error "there is no row" end
  end)

  it("finds nothing right behind the last position, and an error beyond", function()
    local x = cr.ones(3)
    assert.is_nil(x[4])
    fails(function() return x[5] end, "index: position 5 is out of range")
    fails(function() return x[-4] end, "index: position -4 is out of range")
    fails(function() return x[{ 4 }] end, "index: position 4 is out of range")
    fails(function() x[4] = 1 end, "position 4 is out of range")
  end)
end)

-- A table that answers by metamethods, as hosts hand them over.
local function proxy(n, get)
  return setmetatable({}, { __len = function() return n end, __index = function(_, i) return get(i) end })
end

describe("a table that answers by metamethods", function()
  it("is read through them", function()
    is_values(cr.tensor(proxy(3, function(i) return i * 10 end)), { 10, 20, 30 })
    is_values(cr.tensor(proxy(2, function(i) return { i, i + 1 } end)), { { 1, 2 }, { 2, 3 } })
    is_values(cr.tensor { proxy(2, function(i) return i / 2 end), { 5, 6 } }, { { 0.5, 1 }, { 5, 6 } })
    is_values(cr.tensor(setmetatable({ 1, 2 }, { __index = { method = print } })), { 1, 2 })
    assert.same({ 0 }, cr.tensor(proxy(0, error)).shape)
    assert.equal("bool", cr.tensor(proxy(1, function() return true end)).dtype)
  end)

  it("is read once for each element", function()
    local reads = {}
    cr.tensor(proxy(3, function(i)
      reads[#reads + 1] = i
      return i
    end))
    assert.same({ 1, 2, 3 }, reads)
  end)

  it("may fail, collect garbage, or change while it is read", function()
    fails(function() return cr.tensor(proxy(2, function(i) return i == 1 and 1 or error "mine" end)) end, "mine")
    local length = 3
    local shrinking = setmetatable({}, { __len = function() return length end, __index = function(_, i)
      length = 1
      collectgarbage()
      return i
    end })
    is_values(cr.tensor(shrinking), { 1, 2, 3 })
  end)

  it("must have a whole length and no holes", function()
    fails(function() return cr.tensor(proxy(2.5, tonumber)) end, "the length of the table", "2.5")
    fails(function() return cr.tensor(proxy(-1, tonumber)) end, "the length of the table")
    fails(function() return cr.tensor(proxy("x", tonumber)) end, "the length of the table")
    fails(function() return cr.tensor(proxy(10 ^ 12 // 1 | 0, function() end)) end, "element [1]", "nil")
    fails(function() return cr.tensor(proxy(2, function(i) return i == 1 and 1 or nil end)) end, "element [2]", "nil")
    fails(function() return cr.tensor { { 1 }, proxy(2, function() return "x" end) } end, "[2]")
    fails(function() return cr.tensor { proxy(1, tonumber), proxy(2, function(i) return i end) } end, "tensor")
  end)

  it("that contains itself is refused", function()
    local t
    t = proxy(1, function() return t end)
    fails(function() return cr.tensor(t) end, "contain itself")
  end)

  it("is assigned and copied like any other", function()
    local x = cr.zeros(2, 2)
    x[1] = proxy(2, function(i) return i end)
    is_values(x, { { 1, 2 }, { 0, 0 } })
    x:copy_(proxy(2, function(i) return { i, i } end))
    is_values(x, { { 1, 1 }, { 2, 2 } })
  end)
end)

describe("0-dim tensors in a table", function()
  it("are numbers of their dtype", function()
    local losses = {}
    for i = 1, 3 do losses[i] = cr.tensor(i / 2) end
    is_values(cr.tensor(losses), { 0.5, 1, 1.5 })
    assert.equal("float64", cr.tensor({ cr.tensor(1, { dtype = "float64" }), cr.tensor(1.0) }).dtype)
    assert.equal("int16", cr.tensor({ cr.tensor(1, { dtype = "uint8" }), cr.tensor(1, { dtype = "int8" }) }).dtype)
    assert.equal("float16", cr.tensor({ cr.tensor(1.0), 2 }, { dtype = "float16" }).dtype)
    assert.equal(math.maxinteger, cr.tensor({ cr.tensor(math.maxinteger) })[1]:item())
  end)

  it("leave the graph, which is told", function()
    local x = cr.tensor(2.0, { requires_grad = true })
    local warnings, y = values.warnings_of(function() return cr.tensor { x * 2, x } end)
    assert.is_false(y.requires_grad)
    assert.equal(1, #warnings)
    assert.truthy(warnings[1]:find("cr.stack", 1, true))
  end)

  it("may be assigned", function()
    local x = cr.zeros(2)
    x[{ {} }] = { cr.tensor(1), cr.tensor(2) }
    is_values(x, { 1, 2 })
  end)

  it("of more dims are refused, and so are closed ones", function()
    fails(function() return cr.tensor { cr.ones(2) } end, "element [1]", "cr.stack")
    local gone = cr.tensor(1)
    gone:close()
    fails(function() return cr.tensor { 1, gone } end, "element [2]", "closed")
  end)
end)

describe("copy_", function()
  it("takes a table of numbers, which broadcasts", function()
    local x = cr.zeros(2, 2)
    is_values(x:copy_ { { 1, 2 }, { 3, 4 } }, { { 1, 2 }, { 3, 4 } })
    is_values(x:copy_ { 5, 6 }, { { 5, 6 }, { 5, 6 } })
    is_values(x:copy_ { src = { 7, 8 } }, { { 7, 8 }, { 7, 8 } })
  end)

  it("needs a tensor to copy to, whatever is copied", function()
    local f = cr.ones(1).copy_
    fails(function() f(nil, { 1 }) end, "copy_: self must be a tensor, got nil")
    fails(function() f { src = { 1 } } end, "copy_: the argument 'self' is missing")
    fails(function() f({ 1 }, { 1 }) end, "copy_: self must be a tensor")
  end)

  it("refuses what does not fit, and changes nothing", function()
    local x = cr.ones(2, 2)
    fails(function() x:copy_ { 1, 2, 3 } end, "copy_: src has shape 3, which does not broadcast to 2x2")
    fails(function() x:copy_ { 1, "x" } end, "copy_: element [2]")
    fails(function() x:copy_ { 1, { 2 } } end, "copy_: the table is ragged")
    is_values(x, { { 1, 1 }, { 1, 1 } })
    assert.equal(0, x._version)
  end)
end)

describe("a mask of uint8", function()
  it("names what makes a mask or positions of it", function()
    local x = cr.tensor { 1.0, 2 }
    local mask = cr.tensor({ 1, 0 }, { dtype = "uint8" })
    fails(function() return x[mask] end, "x:bool() makes it a mask", "x:long()")
    fails(function() x[mask] = 0 end, ":bool()")
    fails(function() return x:masked_select(mask) end, "mask:bool()")
    is_values(x[mask:bool()], { 1 })
  end)
end)

describe("randint_like", function()
  it("takes the bounds, or the upper one alone", function()
    local x = cr.zeros({ 1000 }, { dtype = "int16" })
    local y, z = x:randint_like(3), cr.randint_like(x, -2, 1)
    assert.equal("int16", y.dtype)
    assert.same({ 0, 2 }, { y:min():item(), y:max():item() })
    assert.same({ -2, 0 }, { z:min():item(), z:max():item() })
    fails(function() x:randint_like(0) end, "randint_like")
  end)
end)

describe("options of operations refuse what has no sense:", function()
  it("searchsorted", function()
    local line, v = cr.tensor { 1, 2, 3 }, cr.tensor { 2 }
    fails(function() cr.searchsorted(line, v, { side = "middle" }) end, 'side must be "left" or "right", got "middle"')
    fails(function() cr.searchsorted(line, v, { right = true, side = "left" }) end, 'side is "left", but right is true')
    fails(function() cr.searchsorted(line, v, { sorter = cr.tensor { 1, 2 } }) end, "sorter must have the shape 3")
    fails(function() cr.searchsorted(line, v, { sorter = cr.tensor { 1, 2, 0 } }) end, "searchsorted: position 0")
    fails(function() cr.searchsorted(line, v, { sorter = line / 1 }) end, "searchsorted: positions must be")
  end)

  it("repeat_interleave", function()
    local x = cr.tensor { 1, 2 }
    fails(function() x:repeat_interleave(cr.tensor { 1, -2 }) end, "repeats must not be negative, got -2")
    fails(function() x:repeat_interleave(cr.tensor { 1, 2, 3 }) end, "repeats must have one number, or the 2")
    fails(function() x:repeat_interleave(cr.tensor { 1.0, 2 }) end, "repeats must be int64 or int32")
    fails(function() x:repeat_interleave(cr.tensor { 1, 2 }, 1, 5) end, "output_size is 5, but repeats add up to 3")
    fails(function() x:repeat_interleave(cr.tensor { 1, 2 }, 2) end, "dim 2 is out of range")
  end)

  it("diff, scatter and unique", function()
    local x = cr.ones(2, 2)
    fails(function() x:diff { prepend = cr.ones(3, 3) } end, "diff: prepend of shape 3x3 does not fit self")
    fails(function() x:diff { append = cr.ones(2) } end, "diff: append of shape 2")
    local at = cr.tensor { { 1, 1 } }
    fails(function() x:scatter(1, at, x, { reduce = "mean" }) end, 'scatter: reduce must be "add" or "multiply"')
    fails(function() x:scatter(1, at, cr.ones(1, 1), { reduce = "add" }) end, "scatter: src (shape 1x1)")
    fails(function() cr.tensor(1):unique { dim = 1 } end, "unique: a 0-dim tensor has no dim")
  end)
end)

describe("products by scatter", function()
  it("have gradients, also where factors are zero", function()
    local x = cr.tensor({ 2.0, 3 }, { dtype = "float64", requires_grad = true })
    local src = cr.tensor({ 0.0, 5, 7 }, { dtype = "float64", requires_grad = true })
    local y = x:scatter(1, cr.tensor { 1, 1, 2 }, src, { reduce = "multiply" })
    is_values(y, { 0, 21 })
    y:sum():backward()
    is_values(x.grad, { 0, 7 })
    is_values(src.grad, { 10, 0, 3 })
  end)

  it("are written in place", function()
    local x = cr.tensor { 2, 3 }
    assert.is_true(rawequal(x, x:scatter_(1, cr.tensor { 1, 1 }, cr.tensor { 4, 5 }, { reduce = "multiply" })))
    is_values(x, { 40, 3 })
  end)
end)
