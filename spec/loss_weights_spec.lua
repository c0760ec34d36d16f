-- loss_weights_spec.lua: the weights of classes in a loss, and derivatives by them.

local cr = require "cresset"
local values = require "spec.support.values"
local is_values, leaf, plain = values.assert_values, values.leaf, values.plain

local function classes(list) return values.tensor(list) end

describe("the negative log likelihood with weights", function()
  local scores
  before_each(function() scores = plain { { -1, -2, -4 }, { -3, -0.5, -1 }, { -2, -2, -0.25 } } end)

  it("weighs each example by its class", function()
    local w = plain { 1, 2, 0.5 }
    is_values(cr.nll_loss(scores, classes { 1, 2, 3 }, w, { reduction = "none" }), { 1, 1, 0.125 })
    is_values(cr.nll_loss(scores, classes { 1, 2, 3 }, w, { reduction = "sum" }), 2.125)
    is_values(cr.nll_loss(scores, classes { 1, 2, 3 }, w), 2.125 / 3.5)
  end)

  it("has derivatives by the weights", function()
    local w = leaf { 1, 2, 0.5 }
    cr.nll_loss(scores, classes { 1, 2, 2 }, w, { reduction = "sum" }):backward()
    is_values(w.grad, { 1, 0.5 + 2, 0 })
    for _, reduction in ipairs { "none", "sum", "mean" } do
      local x = scores:clone():requires_grad_()
      assert.is_true(cr.gradcheck(function(a, b)
        return cr.nll_loss(a, classes { 1, 2, 2 }, b, { reduction = reduction })
      end, { x, w:detach():requires_grad_() }))
    end
  end)

  it("gives nothing to a class whose examples are ignored", function()
    local w = leaf { 1, 2, 0.5 }
    cr.nll_loss(scores, classes { 1, 3, 2 }, w, { ignore_index = 3, reduction = "sum" }):backward()
    is_values(w.grad, { 1, 2, 0 })
  end)
end)

describe("cross entropy with weights", function()
  it("has derivatives by scores and weights, for each reduction and with smoothing", function()
    local w = leaf { 1, 2, 0.5 }
    for _, reduction in ipairs { "none", "sum", "mean" } do
      for _, smoothing in ipairs { 0, 0.1 } do
        local x = leaf { { 0.1, -0.2, 0.4 }, { 0.3, 0.5, -1 } }
        assert.is_true(cr.gradcheck(function(a, b)
          return cr.cross_entropy(a, classes { 3, 2 }, b, { reduction = reduction, label_smoothing = smoothing })
        end, { x, w }))
      end
    end
  end)

  it("takes the classes along the second dim of more", function()
    local w = leaf { 1, 2 }
    local x = leaf { { { 0.1, 0.7 }, { -0.2, 0.4 } } }
    assert.is_true(cr.gradcheck(function(a, b)
      return cr.cross_entropy(a, classes { { 1, 2 } }, b, { reduction = "mean" })
    end, { x, w }))
  end)

  it("of probabilities in the place of classes too", function()
    local w = leaf { 1, 2, 0.5 }
    local x, p = leaf { { 0.1, -0.2, 0.4 } }, plain { { 0.25, 0.25, 0.5 } }
    assert.is_true(cr.gradcheck(function(a, b) return cr.cross_entropy(a, p, b) end, { x, w }))
  end)
end)
