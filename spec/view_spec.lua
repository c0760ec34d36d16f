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

-- Row i, column j of an r x c matrix is r-major number (i - 1) * c + j.
local function numbered(r, c, dtype) return cr.arange(1, r * c + 1):to(dtype or "float32"):view(r, c) end

-- The elements that f says for each place, against those of x.
local function holds(x, f)
  local r, c = x.shape[1], x.shape[2]
  local list = x:totable()
  for i = 1, r do
    for j = 1, c do
      if list[i][j] ~= f(i, j) then error(("row %d, column %d: %s"):format(i, j, list[i][j])) end
    end
  end
end

describe("what is reversed, cut or picked by rows", function()
  it("has the layout of what it reverses", function()
    local x = numbered(40, 30):t()
    local y = x:flip(1)
    assert.same(x:stride(), y:stride())
    holds(y, function(i, j) return (j - 1) * 30 + 31 - i end)
    holds(x:flip(2), function(i, j) return (40 - j) * 30 + i end)
  end)

  it("is the same where a backward column becomes a row", function()
    for _, dtype in ipairs { "float32", "int64", "uint8", "bfloat16" } do
      local x = numbered(20, 12, dtype)
      local out = cr.zeros({ 12, 20 }, { dtype = dtype })
      out:copy_(x:flip(2):t())
      holds(out, function(i, j) return (j - 1) * 12 + 13 - i end)
      holds(cr.zeros({ 12, 20 }, { dtype = dtype }):copy_(x:t():flip({ 1, 2 })),
        function(i, j) return (20 - j) * 12 + 13 - i end)
    end
  end)

  it("fills rows from a column", function()
    holds(numbered(30, 1):expand(30, 20):contiguous(), function(i) return i end)
    holds(numbered(1, 30):expand(20, 30):contiguous(), function(_, j) return j end)
  end)

  it("cuts triangles of any layout, beyond both ends too", function()
    for _, diagonal in ipairs { -50, -3, 0, 2, 50 } do
      for _, x in ipairs { numbered(13, 20), numbered(20, 13):t(), numbered(13, 40):slice(2, 1, -1, 2) } do
        local all = x:totable()
        holds(x:tril(diagonal), function(i, j) return j - i <= diagonal and all[i][j] or 0 end)
        holds(x:triu(diagonal), function(i, j) return j - i >= diagonal and all[i][j] or 0 end)
      end
    end
  end)

  it("takes rows of every second column, of a repeated one and of columns that lie apart", function()
    local at = cr.tensor({ 3, -1, 1, 3 }, { dtype = "int64" })
    local row = { 3, 20, 1, 3 }
    for _, x in ipairs { numbered(20, 60):slice(2, 1, -1, 2), numbered(20, 1):expand(20, 30), numbered(30, 20):t() } do
      local all = x:totable()
      holds(x:index_select(1, at), function(i, j) return all[row[i]][j] end)
    end
  end)
end)

describe("sums at positions", function()
  it("are rounded once for each summand, also where rows come twice", function()
    for _, dtype in ipairs { "float16", "bfloat16", "float32", "int32", "uint8" } do
      local x = numbered(3, 37, dtype)
      local at = cr.tensor({ 2, 2, 3 }, { dtype = "int64" })
      local y = x:index_add(1, at, x)
      local one, two, three = x[1], x[2], x[3]
      assert.is_true(y[1]:equal(one), dtype)
      assert.is_true(y[2]:equal((two + one) + two), dtype)
      assert.is_true(y[3]:equal(three + three), dtype)
    end
  end)
end)
