-- view_spec.lua: what shares memory, what copies, and how strides decide.

local cr = require "cresset"
local values = require "spec.support.values"
local fails, is_values = values.assert_fails, values.assert_values

-- 1 .. 6 in a shape of 2x3.
local function m() return cr.tensor { { 1, 2, 3 }, { 4, 5, 6 } } end

describe("view", function()
  it("gives the same memory in another shape", function()
    local x = m()
    local v = x:view(3, -1)
    is_values(v, { { 1, 2 }, { 3, 4 }, { 5, 6 } })
    assert.is_true(v:shares_storage(x))
  end)

  it("follows strides where they allow it", function()
    is_values(m():t():view(3, 2, 1), { { { 1 }, { 4 } }, { { 2 }, { 5 } }, { { 3 }, { 6 } } })
    is_values(cr.arange(1, 9):view(2, 4)[{ {}, { 1, 4, 2 } }]:view(4), { 1, 3, 5, 7 })
  end)

  it("is refused where they do not, and recommends reshape", function()
    fails(function() return m():t():view(6) end, "view", "3x2", "6", "reshape")
  end)

  it("wants as many elements, and at most one -1", function()
    fails(function() return m():view(4) end, "view", "4", "6")
    fails(function() return m():view(-1, -1) end, "view", "-1")
    fails(function() return m():view(4, -1) end, "view", "4")
    fails(function() return m():view(-2, 3) end, "view", "-2")
  end)
end)

describe("reshape", function()
  it("is a view where it can be, else a copy", function()
    local x = m()
    assert.is_true(x:reshape(6):shares_storage(x))
    local copy = x:t():reshape(6)
    assert.is_false(copy:shares_storage(x))
    is_values(copy, { 1, 4, 2, 5, 3, 6 })
  end)
end)

describe("as_strided", function()
  it("views the memory by any geometry inside it", function()
    is_values(m():as_strided({ 2, 2 }, { 2, 2 }, 1), { { 2, 4 }, { 4, 6 } })
  end)

  it("refuses a geometry that leaves the memory", function()
    fails(function() return m():as_strided({ 3, 3 }, { 3, 1 }) end, "as_strided")
    fails(function() return m():as_strided({ 2 }, { 1 }, 6) end, "as_strided")
    fails(function() return m():as_strided({ 2 }, { -1 }, 0) end, "as_strided")
    fails(function() return m():as_strided({ 2, 2 }, { 1 }) end, "as_strided")
  end)
end)

describe("a view", function()
  it("of every kind writes to the memory of its base", function()
    local kinds = {
      select = function(x) return x:select(1, 2) end,
      narrow = function(x) return x:narrow(2, 2, 2) end,
      transpose = function(x) return x:t() end,
      permute = function(x) return x:permute { 2, 1 } end,
      unsqueeze = function(x) return x:unsqueeze(1) end,
      squeeze = function(x) return x:squeeze() end,
      view = function(x) return x:view(-1) end,
      flatten = function(x) return x:flatten() end,
      diagonal = function(x) return x:diagonal() end,
      unbind = function(x) return (x:unbind()) end,
      split = function(x) return (x:split(1)) end,
      chunk = function(x) return (x:chunk(2)) end,
      detach = function(x) return x:detach() end,
      movedim = function(x) return x:movedim({ 1 }, { 2 }) end,
      unflatten = function(x) return x:unflatten(2, { 3, 1 }) end,
    }
    for name, view in pairs(kinds) do
      local x = m()
      view(x):fill_(0)
      assert(x:sum():item() < 21, name .. " did not write to its base")
    end
  end)

  it("knows its base, which is no view itself", function()
    local x = m()
    assert.is_true(x:t()[1].base == x)
    assert.is_nil(x.base)
  end)
end)

describe("copies", function()
  it("do not share memory", function()
    local x = m()
    for _, y in ipairs { x:clone(), x:t():contiguous(), x + 0, x:to("float64"), x:expand(2, 2, 3):clone(), x:flip(1),
      x:to { copy = true } } do
      assert.is_false(y:shares_storage(x))
    end
  end)

  it("are avoided by contiguous and to where nothing changes", function()
    local x = m()
    assert.is_true(x:contiguous() == x)
    assert.is_true(x:to("int64") == x)
  end)

  it("by clone keep the order of dims in memory", function()
    assert.same({ 1, 3 }, m():t():clone():stride())
  end)
end)

describe("an expanded tensor", function()
  it("repeats its elements without memory", function()
    local x = cr.tensor({ { 1 }, { 2 } }):expand(2, 1000)
    assert.same({ 1, 0 }, x:stride())
    assert.equal(3000, x:sum():item())
  end)

  it("can only grow dims of size 1", function()
    fails(function() return m():expand(4, 3) end, "expand", "2x3", "4x3")
    fails(function() return m():expand(3) end, "expand")
  end)
end)

describe("dims", function()
  it("count from 1 and from -1; 0 and what lies outside is refused everywhere", function()
    is_values(m():sum(1), { 5, 7, 9 })
    is_values(m():sum(-1), { 6, 15 })
    for _, dim in ipairs { 0, 3, -3 } do
      fails(function() return m():sum(dim) end, "sum", "dim", tostring(dim))
      fails(function() return m():transpose(1, dim) end, "transpose", tostring(dim))
      fails(function() return m():softmax(dim) end, "softmax", tostring(dim))
      fails(function() return m():select(dim, 1) end, "select", tostring(dim))
      fails(function() return m():unbind(dim) end, "unbind", tostring(dim))
      fails(function() return cr.cat({ m(), m() }, dim) end, "cat", tostring(dim))
      fails(function() return m():cumsum(dim) end, "cumsum", tostring(dim))
      fails(function() return m():max(dim) end, "max", tostring(dim))
    end
    fails(function() return m():sum { 1, 1 } end, "sum", "1", "twice")
    fails(function() return m():permute { 1, 1 } end, "permute", "1")
    fails(function() return m():permute { 1 } end, "permute")
  end)
end)
