-- metrics_spec.lua: measures of answers, against counts by hand.

local cr = require "cresset"
local refuses = require "spec.support.refuses".words
local m = cr.metrics

local function near(a, b) assert(math.abs(a - b) < 1e-12, ("%.17g is not %.17g"):format(a, b)) end

local scores = cr.tensor { { 3.0, 1, 2 }, { 0, 5, 4 }, { 1, 0, 2 }, { 9, 8, 7 } }
local target = cr.tensor { 1, 3, 3, 2 }

describe("accuracy", function()
  it("is the share of right answers, by scores or by classes", function()
    near(0.5, m.accuracy(scores, target))
    near(0.75, m.accuracy(cr.tensor { 1, 3, 1, 2 }, target))
    assert.is_true(m.accuracy(cr.zeros({ 0, 3 }), cr.zeros({ 0 }, { dtype = "int64" })) ~= 0)
  end)
  it("counts what is among the best few", function()
    near(0.5, m.top_k(scores, target, 1))
    near(1, m.top_k(scores, target, 2))
    refuses("k is 4, and there are 3 classes", m.top_k, scores, target, 4)
  end)
  it("refuses what does not fit", function()
    refuses("expected scores of 4 rows or 4 class numbers", m.accuracy, cr.ones(3, 3), target)
    refuses("target must be class numbers", m.accuracy, scores, cr.ones(4))
  end)
end)

describe("the table of confusion", function()
  it("has a row for each class and a column for what it was taken for", function()
    assert.same({ { 1, 0, 0 }, { 1, 0, 0 }, { 0, 1, 1 } }, m.confusion(scores, target):totable())
    assert.equal(5, #m.confusion(cr.tensor { 1 }, cr.tensor { 2 }, { classes = 5 }))
    refuses("class numbers must be from 1 to 2", m.confusion, cr.tensor { 3 }, cr.tensor { 1 }, { classes = 2 })
    refuses("class numbers must be from 1", m.confusion, cr.tensor { 1 }, cr.tensor { 0 })
  end)
end)

describe("precision, recall and F1", function()
  -- By hand: class 1: 2 guessed, 1 right of 1; class 2: 1 guessed, 0 right of 1; class 3: 1 guessed, 1 right of 2.
  it("are means over classes, over samples, by size, or of each class", function()
    near((1 / 2 + 0 + 1) / 3, m.precision(scores, target))
    near((1 + 0 + 1 / 2) / 3, m.recall(scores, target))
    near((2 / 3 + 0 + 2 / 3) / 3, m.f1(scores, target))
    near(0.5, m.f1(scores, target, { average = "micro" }))
    near((1 * 2 / 3 + 0 + 2 * 2 / 3) / 4, m.f1(scores, target, { average = "weighted" }))
    assert.same({ 0.5, 0, 1 }, m.precision(scores, target, { average = "none" }):totable())
  end)
  it("leave classes out that are nowhere", function()
    near(1, m.f1(cr.tensor { 1, 3 }, cr.tensor { 1, 3 }))
  end)
end)

describe("the area under the curve", function()
  it("is the chance that the right order is found, ties counting half", function()
    near(0.75, m.auc({ 0.1, 0.4, 0.35, 0.8 }, { 0, 0, 1, 1 }))
    near(0.5, m.auc({ 1.0, 1, 1, 1 }, { 0, 1, 0, 1 }))
    near((3 + 0.5) / 4, m.auc({ 1.0, 2, 2, 3 }, { 1, 1, 2, 2 }))
    near(0, m.auc(cr.tensor { 2.0, 1 }, cr.tensor { false, true }))
  end)
  it("is no number where one kind is missing", function()
    local v = m.auc({ 1.0, 2 }, { 1, 1 })
    assert.is_true(v ~= v)
    refuses("NaN", m.auc, { 0 / 0, 1 }, { 0, 1 })
    refuses("target must be booleans", m.auc, { 1.0, 2, 3 }, { 0, 1, 2 })
  end)
end)

describe("a running mean", function()
  it("counts each element by its weight", function()
    local mean = m.Mean()
    mean:add(1, 3):add(cr.tensor { 5.0, 7 }, 0.5)
    near((3 + 6) / 4, mean:value())
    mean:reset():add(2)
    near(2, mean:value())
  end)
end)
