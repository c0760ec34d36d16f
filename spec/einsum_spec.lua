-- einsum_spec.lua: what einsum refuses, and its derivatives; ops_spec.lua compares it with PyTorch.

local cr = require "cresset"
local values = require "spec.support.values"
local fails = values.assert_fails

describe("einsum", function()
  it("takes its tensors one by one or in a table", function()
    local a, b = cr.rand { 2, 3 }, cr.rand { 3, 4 }
    assert.is_true(cr.einsum("ij,jk->ik", a, b):equal(cr.einsum("ij,jk->ik", { a, b })))
  end)

  it("has derivatives of both orders", function()
    local function leaf(...) return cr.rand({ ... }, { dtype = "float64", requires_grad = true }) end
    local function f(a, b) return cr.einsum("bij,...jk->b...ik", a, b) end
    local inputs = { leaf(2, 2, 3), leaf(2, 3, 2) }
    assert.is_true(cr.gradcheck(f, inputs))
    assert.is_true(cr.gradgradcheck(f, inputs))
  end)

  it("gives what it gives at first when it is asked again, and for other shapes", function()
    local a, b = cr.rand { 2, 3 }, cr.rand { 3, 4 }
    local first = cr.einsum("ij,jk->ki", a, b)
    assert.is_true(first:equal(cr.einsum("ij,jk->ki", a, b)))
    assert.is_true(first:equal(a:mm(b):t()))
    local c, d = cr.rand { 5, 1 }, cr.rand { 6, 2 }
    assert.is_true(cr.einsum("ij,jk->ki", c, d):allclose(c:expand(5, 6):mm(d):t()))
  end)

  it("forgets equations of which many have come since", function()
    for n = 1, 200 do
      local x = cr.ones(n % 20 + 1, n % 7 + 1)
      local letters = string.char(97 + n % 26) .. string.char(65 + n // 26)
      local sum = cr.einsum(letters .. "->" .. letters:sub(2), x)
      assert.is_true(sum:equal(x:sum { 1 }))
    end
  end)

  it("gives a view of its own where nothing is to be done", function()
    local x = cr.rand { 2, 3 }
    local y = cr.einsum("ij->ij", x)
    y:zero_()
    assert.is_true(y ~= x and x:equal(cr.zeros(2, 3)))
  end)

  it("gives way to sizes that later tensors bring", function()
    local a, b, c = cr.rand { 1, 3 }, cr.rand { 3, 2 }, cr.rand { 4 }
    assert.is_true(cr.einsum("ij,jk,i->ik", a, b, c):allclose(c:unsqueeze(2) * a:mm(b)))
  end)

  it("names the equation and what is wrong with it", function()
    local x = cr.zeros(2, 3)
    fails(function() cr.einsum("ij,jk", x) end, 'einsum: "ij,jk": names 2 tensors, but there are 1')
    fails(function() cr.einsum("ijk", x) end, "tensor 1 has 2 dims, but \"ijk\" names 3")
    fails(function() cr.einsum("i", x) end, "tensor 1 has 2 dims, but \"i\" names 1")
    fails(function() cr.einsum("i1", x) end, "\"1\" is no letter")
    fails(function() cr.einsum("ij->ik", x) end, "no tensor has the \"k\" of the result")
    fails(function() cr.einsum("ij->iij", x) end, "the result has \"i\" twice")
    fails(function() cr.einsum("i..j", x) end, "\".\" is no letter and no \"...\"")
    fails(function() cr.einsum("ab,cd,ef,gh,kl,mn,op,qr,st", x, x, x, x, x, x, x, x, x) end, "16 at most")
    fails(function() cr.einsum("ii", x) end, "tensor 1 has \"i\" twice, of sizes 2 and 3")
    fails(function() cr.einsum("ij,jk", x, x) end, "\"j\" has size 2 in tensor 2, but 3 before")
    fails(function() cr.einsum("...ij,...jk", cr.zeros(2, 1, 3), cr.zeros(4, 3, 1)) end,
      "\"...\" has size 4 in tensor 2, but 2 before")
    fails(function() cr.einsum("ij", {}) end, "needs at least one tensor")
    fails(function() cr.einsum("ij") end, "the argument 'operands' is missing")
    fails(function() cr.einsum("ij", 3) end, "operands must be a table of tensors, got the number 3")
    fails(function() cr.einsum("ij", x, 3) end, "operands must be tensors or a table of tensors, got the number 3")
    fails(function() cr.einsum(3, x) end, "equation must be a string, got the number 3")
  end)
end)
