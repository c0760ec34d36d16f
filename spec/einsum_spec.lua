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

  it("names the equation and what is wrong with it", function()
    local x = cr.zeros(2, 3)
    fails(function() cr.einsum("ij,jk", x) end, 'einsum: "ij,jk": names 2 tensors, but there are 1')
    fails(function() cr.einsum("ijk", x) end, "tensor 1 has 2 dims, but \"ijk\" names 3")
    fails(function() cr.einsum("i", x) end, "tensor 1 has 2 dims, but \"i\" names 1")
    fails(function() cr.einsum("i1", x) end, "\"1\" is no letter")
    fails(function() cr.einsum("ij->ik", x) end, "no tensor has the \"k\" of the result")
    fails(function() cr.einsum("ij->iij", x) end, "the result has \"i\" twice")
    fails(function() cr.einsum("ii", x) end, "tensor 1 has \"i\" twice, of sizes 2 and 3")
    fails(function() cr.einsum("ij,jk", x, x) end, "\"j\" has size 2 in tensor 2, but 3 before")
    fails(function() cr.einsum("ij") end, "needs at least one tensor")
    fails(function() cr.einsum("ij", 3) end, "operand 1 must be a tensor, got a number")
    fails(function() cr.einsum(3, x) end, "the equation must be a string")
  end)
end)
