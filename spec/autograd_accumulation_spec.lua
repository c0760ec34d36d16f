-- autograd_accumulation_spec.lua: how gradients arrive in `grad`.

local cr = require "cresset"
local values = require "spec.support.values"
local leaf, plain, fails = values.leaf, values.plain, values.assert_fails
local is_values = values.assert_values

describe("grad", function()
  it("accumulates over backward passes", function()
    local x = leaf { 1, 2 }
    for _ = 1, 3 do (x * 2):sum():backward() end
    is_values(x.grad, { 6, 6 })
  end)

  it("is added to in place: the tensor stays the same", function()
    local x = leaf { 1, 2 };
    (x * 2):sum():backward()
    local first = x.grad
    local place = first:storage_id();
    (x * 3):sum():backward()
    assert.equal(place, x.grad:storage_id())
    is_values(first, { 5, 5 })
  end)

  it("is replaced by a new tensor under create_graph", function()
    local x = leaf { 1, 2 };
    (x * 2):sum():backward()
    local first = x.grad
    values.warnings_of(function() (x * x):sum():backward { create_graph = true } end)
    is_values(first, { 2, 2 })
    is_values(x.grad:detach(), { 4, 6 })
    assert.is_true(x.grad.requires_grad)
    x.grad = nil -- or leaf and gradient own each other for good, as the warning says
  end)

  it("never is the tensor that the caller gave as gradient", function()
    local x, g = leaf { 1, 2 }, plain { 5, 6 }
    x:backward(g)
    is_values(x.grad, { 5, 6 })
    assert.not_equal(g:storage_id(), x.grad:storage_id())
    x:backward(g)
    is_values(g, { 5, 6 })
    is_values(x.grad, { 10, 12 })
  end)

  it("of two leaves that share one incoming gradient are two tensors", function()
    local a, b = leaf { 1 }, leaf { 2 };
    (a + b):backward()
    a.grad:fill_(7)
    is_values(b.grad, { 1 })
  end)

  it("takes the layout of a dense leaf, whatever the layout of the gradient", function()
    local x = cr.ones({ 3, 2 }, { dtype = "float64" }):t():requires_grad_();
    (x * cr.ones({ 2, 3 }, { dtype = "float64" })):sum():backward()
    assert.same(x:stride(), x.grad:stride())
  end)

  it("is contiguous for a leaf that overlaps itself", function()
    local x = plain({ 1 }):expand(3):detach():requires_grad_();
    (x * 2):sum():backward()
    assert.is_true(x.grad:is_contiguous())
    is_values(x.grad, { 2, 2, 2 })
  end)

  it("has the leaf's shape where the leaf was broadcast", function()
    local x = leaf { { 1 }, { 2 } };
    (x + plain { { 0, 0, 0 }, { 0, 0, 0 } }):sum():backward()
    is_values(x.grad, { { 3 }, { 3 } })
  end)
end)

describe("assigning grad", function()
  it("sets and clears it", function()
    local x = leaf { 1, 2 }
    x.grad = plain { 5, 6 }
    is_values(x.grad, { 5, 6 });
    (x * 1):sum():backward()
    is_values(x.grad, { 6, 7 })
    x.grad = nil
    assert.is_nil(x.grad)
  end)

  it("refuses another shape", function()
    fails(function() leaf({ 1, 2 }).grad = plain { 1, 2, 3 } end, "grad", "2", "3")
  end)

  it("refuses another dtype", function()
    fails(function() leaf({ 1, 2 }).grad = cr.tensor { 1.0, 2.0 } end, "grad", "float32", "float64")
  end)

  it("refuses the tensor itself", function()
    local x = leaf { 1, 2 }
    fails(function() x.grad = x end, "grad", "own")
  end)

  it("refuses what is no tensor", function()
    fails(function() leaf({ 1, 2 }).grad = 5 end, "grad", "tensor", "number")
  end)
end)

describe("the grad of a non-leaf", function()
  it("is nil, and reading it warns", function()
    local y = leaf { 1 } * 2
    y:backward()
    local warnings, grad = values.warnings_of(function() return y.grad end)
    assert.is_nil(grad)
    assert.equal(1, #warnings)
    assert.truthy(warnings[1]:find("not a leaf", 1, true))
    assert.truthy(warnings[1]:find("retain_grad", 1, true))
  end)

  it("is kept after retain_grad, without a warning", function()
    local x = leaf { 3 }
    local y = x * 2
    y:retain_grad()
    y:retain_grad()
    assert.is_true(y.retains_grad);
    (y * 5):backward()
    local warnings, grad = values.warnings_of(function() return y.grad end)
    assert.same({}, warnings)
    is_values(grad, { 5 })
  end)

  it("accumulates like a leaf's", function()
    local x = leaf { 3 }
    local y = x * 2
    y:retain_grad()
    y:backward { retain_graph = true }
    y:backward()
    is_values(y.grad, { 2 })
  end)

  it("cannot be retained if the tensor does not require grad", function()
    fails(function() plain({ 1 }):retain_grad() end, "retain_grad", "require")
  end)

  it("need not be retained on a leaf", function()
    local x = leaf { 1 }
    x:retain_grad()
    assert.is_false(x.retains_grad)
  end)
end)

describe("the gradient of a view of a leaf", function()
  it("arrives at the leaf, with zeros elsewhere; the view has none", function()
    local x = leaf { 1, 2, 3 }
    local v = x[{ { 2, 3 } }];
    (v * v):sum():backward()
    is_values(x.grad, { 0, 4, 6 })
    values.warnings_of(function() assert.is_nil(v.grad) end)
  end)

  it("stays with the view if the view was made a leaf of its own", function()
    local base = plain { 1, 2, 3 }
    local v = base[{ { 2, 3 } }]
    v:requires_grad_()
    assert.is_true(v.is_leaf);
    (v * v):sum():backward()
    is_values(v.grad, { 4, 6 })
    assert.is_nil(base.grad)
    assert.is_false(base.requires_grad)
  end)
end)

describe("clearing a grad", function()
  it("with nil makes the next backward start anew", function()
    local x = leaf { 1 };
    (x * 2):backward()
    local old = x.grad
    x.grad = nil;
    (x * 3):backward()
    is_values(x.grad, { 3 })
    is_values(old, { 2 })
  end)

  it("with zero_ keeps the tensor", function()
    local x = leaf { 1 };
    (x * 2):backward()
    local old = x.grad
    x.grad:zero_();
    (x * 3):backward()
    is_values(old, { 3 })
  end)
end)
