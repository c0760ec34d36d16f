-- nn_summary_spec.lua: the table of a model's layers.

local cr = require "cresset"
local nn = cr.nn

local function net() return nn.Sequential { nn.Linear(4, 3), nn.Sequential { nn.Identity(), nn.Linear(3, 2) } } end

describe("nn.summary", function()
  it("tells what each layer gives and holds", function()
    local s = nn.summary(net(), { 5, 4 })
    assert.equal(4 * 3 + 3 + 3 * 2 + 2, s.parameters)
    assert.equal(s.parameters, s.trainable)
    assert.equal(5 * 4 * 4, s.input_bytes)
    assert.equal((15 + 15 + 10) * 4, s.output_bytes)
    local second = s.layers[5]
    assert.same({ "1.1", "Linear", 2, "5x2", 8, 40 },
      { second.name, second.class, second.depth, second.output, second.parameters, second.bytes })
    local text = tostring(s)
    assert(text:find("0: Linear      5x3 ", 1, true), text)
    assert(text:find("23 parameters, 23 of them trainable", 1, true), text)
  end)

  it("leaves the model as it was, also where the run fails", function()
    local model = net()
    model[1]:eval()
    cr.manual_seed(3)
    local before = cr.get_rng_state()
    nn.summary(model, { 5, 4 })
    assert.is_false(pcall(nn.summary, model, { 5, 3 }))
    assert.same(before, cr.get_rng_state())
    assert.is_true(model.training)
    assert.is_false(model[1].training)
    assert.is_nil(model:parameters()[1].grad)
  end)

  it("takes tensors, several inputs, and results that are tables", function()
    local Two = nn.class "Two"
    function Two.forward(_, a, b) return { a + b, { a } } end
    local s = nn.summary(Two(), { cr.ones(2), { 2 } })
    assert.equal("2, 2", s.layers[1].output)
    assert.equal(16, s.layers[1].bytes)
  end)

  it("refuses what is no model and no shape", function()
    assert.is_false(pcall(nn.summary, 5, { 1 }))
    assert.is_false(pcall(nn.summary, net(), "big"))
    assert.is_false(pcall(nn.summary, net(), { 5, 4 }, { depth = 1 }))
  end)
end)
