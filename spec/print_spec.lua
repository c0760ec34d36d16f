-- print_spec.lua: how tensors look: Torch's layout.

local cr = require "cresset"

local function looks(t, ...)
  assert.equal(table.concat({ ... }, "\n"), tostring(t))
end

describe("a vector", function()
  it("has an element a line, then what it is", function()
    looks(cr.tensor { 1, 2, 3 }, " 1", " 2", " 3", "[int64 tensor of size 3]")
    looks(cr.tensor { -1, 20, 300 }, "  -1", "  20", " 300", "[int64 tensor of size 3]")
    looks(cr.tensor { 1.0, 2 }, " 1", " 2", "[float32 tensor of size 2]")
    looks(cr.tensor { true, false }, "  true", " false", "[bool tensor of size 2]")
  end)

  it("has four digits after the point, one width for all", function()
    looks(cr.tensor { 0.5, 1.25, -2 }, " 0.5000", " 1.2500", "-2.0000", "[float32 tensor of size 3]")
  end)

  it("has one scale for all where that helps", function()
    looks(cr.tensor { 0.000095, -0.04275, 0.0095 }, "1.00000e-02 *", "  0.0095", " -4.2750", "  0.9500",
      "[float32 tensor of size 3]")
  end)

  it("has exponents where one scale does not reach", function()
    looks(cr.tensor { 1e10, 1.5 }, " 1.0000e+10", " 1.5000e+00", "[float32 tensor of size 2]")
    looks(cr.tensor { 1e-10, 1.5 }, " 1.0000e-10", " 1.5000e+00", "[float32 tensor of size 2]")
  end)

  it("shows what is no number", function()
    looks(cr.tensor { 1.5, cr.nan, cr.inf, -cr.inf }, " 1.5000", "    nan", "    inf", "   -inf",
      "[float32 tensor of size 4]")
  end)

  it("keeps every digit of an integer", function()
    looks(cr.tensor { 9007199254740993, -1 }, " 9007199254740993", "               -1", "[int64 tensor of size 2]")
  end)
end)

describe("other shapes", function()
  it("0-dim: value and kind on one line", function()
    looks(cr.tensor(5), "5 [int64 0-dim tensor]")
    looks(cr.tensor(2.5), "2.5000 [float32 0-dim tensor]")
    looks(cr.tensor(0.0475), "4.7500e-02 [float32 0-dim tensor]")
  end)

  it("a matrix has a row a line", function()
    looks(cr.tensor { { 1.0, 2 }, { 3, 4 } }, " 1  2", " 3  4", "[float32 tensor of size 2x2]")
  end)

  it("a wide matrix comes in blocks of columns", function()
    local text = tostring(cr.arange(1, 61):reshape(2, 30):to "float32" / 7)
    assert.truthy(text:find("Columns 1 to 10\n 0.1429", 1, true))
    assert.truthy(text:find("\n\nColumns 21 to 30\n", 1, true))
    for line in text:gmatch "[^\n]+" do assert(#line <= 80, line) end
  end)

  it("more dims come as headed matrices", function()
    looks(cr.arange(1, 9):reshape(2, 2, 2), "(1,.,.) =", "   1  2", "   3  4", "", "(2,.,.) =", "   5  6", "   7  8",
      "[int64 tensor of size 2x2x2]")
  end)

  it("empty tensors show their size", function()
    looks(cr.zeros(0), "[float32 tensor of size 0]")
    looks(cr.zeros(0, 3), "[float32 tensor of size 0 x 3]")
  end)

  it("large tensors show their edges", function()
    looks(cr.arange(1, 2001), "    1", "    2", "    3", "  ...", " 1998", " 1999", " 2000",
      "[int64 tensor of size 2000]")
    looks(cr.zeros(2000), " 0", " 0", " 0", "...", " 0", " 0", " 0", "[float32 tensor of size 2000]")
  end)

  it("the rows of a wide matrix are of one length, dots and all", function()
    for _, x in ipairs { cr.zeros(40, 60), cr.ones({ 2000, 2 }, { dtype = "int8" }), cr.zeros(30, 30, 30):gt(0) } do
      local length
      for row in tostring(x):gmatch "[^\n]+" do
        if row:find "%.%.%. " or row:find "^ *[%dtf]" then
          length = length or #row
          assert.equal(length, #row, row)
        end
      end
      assert(length)
    end
  end)

  it("views print what they show", function()
    looks(cr.tensor({ { 1, 2 }, { 3, 4 } }):t()[2], " 2", " 4", "[int64 tensor of size 2]")
  end)
end)

describe("the last line", function()
  it("tells the place in the graph", function()
    local x = cr.tensor({ 1.5, 2.5 }, { requires_grad = true })
    assert.truthy(tostring(x):find("[float32 tensor of size 2, requires_grad]", 1, true))
    assert.truthy(tostring(x * 2):find("grad_fn=Mul", 1, true))
  end)

  it("says when a tensor was closed", function()
    local x = cr.zeros(1)
    x:close()
    assert.equal("[closed tensor]", tostring(x))
  end)
end)

describe("printing", function()
  it("joins strings with tensors", function()
    assert.equal("x = 5 [int64 0-dim tensor]", "x = " .. cr.tensor(5))
  end)

  it("has options", function()
    cr.set_print { precision = 2, threshold = 4, edgeitems = 1 }
    local ok, problem = pcall(function()
      looks(cr.tensor { 0.5, 1.25 }, " 0.50", " 1.25", "[float32 tensor of size 2]")
      looks(cr.arange(1, 7), " 1", "...", " 6", "[int64 tensor of size 6]")
    end)
    cr.set_print { precision = 4, threshold = 1000, edgeitems = 3 }
    assert(ok, problem)
  end)
end)
