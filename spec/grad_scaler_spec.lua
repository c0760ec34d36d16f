-- grad_scaler_spec.lua: cr.GradScaler: scales, steps that are left out, and what is saved.

local cr = require "cresset"
local values = require "spec.support.values"

local fails = values.assert_fails

local function setup(options)
  local p = cr.tensor({ 1, 2 }, { dtype = "float32", requires_grad = true, device = values.device })
  return p, cr.optim.SGD({ p }, { lr = 0.5 }), cr.GradScaler(values.device, options)
end

-- One iteration in which the unscaled gradients are g.
local function iterate(p, opt, scaler, g)
  opt:zero_grad()
  local loss = (p * cr.tensor(g, { dtype = "float32", device = values.device })):sum()
  scaler:scale(loss):backward()
  scaler:step(opt)
  scaler:update()
end

describe("a scaler", function()
  it("has PyTorch's defaults", function()
    local scaler = cr.GradScaler()
    assert.equal(65536.0, scaler:get_scale())
    assert.equal(2.0, scaler:get_growth_factor())
    assert.equal(0.5, scaler:get_backoff_factor())
    assert.equal(2000, scaler:get_growth_interval())
    assert.is_true(scaler:is_enabled())
  end)

  it("scales losses, and steps as if it had not", function()
    local p, opt, scaler = setup()
    local loss, list = cr.tensor(2.0), { cr.tensor(1.0), { cr.tensor(3.0) } }
    assert.equal(131072, scaler:scale(loss):item())
    local scaled = scaler:scale(list)
    assert.equal(65536, scaled[1]:item())
    assert.equal(3 * 65536, scaled[2][1]:item())
    iterate(p, opt, scaler, { 1, -2 })
    values.assert_values(p, { 0.5, 3 })
  end)

  it("leaves out a step whose gradients are not finite, and backs off", function()
    for _, bad in ipairs { cr.inf, -cr.inf, cr.nan } do
      local p, opt, scaler = setup { init_scale = 1024.0 }
      iterate(p, opt, scaler, { 1, bad })
      values.assert_values(p, { 1, 2 })
      assert.equal(512, scaler:get_scale())
      iterate(p, opt, scaler, { 1, 1 })
      values.assert_values(p, { 0.5, 1.5 })
      assert.equal(512, scaler:get_scale())
    end
  end)

  it("grows after so many good steps in a row", function()
    local p, opt, scaler = setup { init_scale = 4, growth_interval = 3 }
    local scales = {}
    for k = 1, 8 do
      iterate(p, opt, scaler, { k == 3 and cr.inf or 0, 0 })
      scales[k] = scaler:get_scale()
    end
    assert.same({ 4, 4, 2, 2, 2, 4, 4, 4 }, scales)
  end)

  it("unscales for clipping, once between two updates", function()
    local p, opt, scaler = setup()
    scaler:scale((p * 3):sum()):backward()
    scaler:unscale_(opt)
    values.assert_values(p.grad, { 3, 3 })
    assert.is_false(scaler:found_inf(opt))
    fails(function() scaler:unscale_(opt) end,
      "GradScaler: unscale_: this was called already for this optimizer since the last update()")
    scaler:step(opt)
    values.assert_values(p, { -0.5, 0.5 })
    fails(function() scaler:unscale_(opt) end, "unscale_: this comes before step, not after it")
    fails(function() scaler:step(opt) end, "step: this was called already since the last update()")
    scaler:update()
    fails(function() scaler:update() end, "update: no step has looked for infinities since the last one")
  end)

  it("looks at each optimizer by itself, and backs off for any", function()
    local p, first, scaler = setup { init_scale = 8 }
    local q = cr.tensor({ 1 }, { dtype = "float32", requires_grad = true, device = values.device })
    local second = cr.optim.SGD({ q }, { lr = 1 })
    p.grad, q.grad = cr.full_like(p, 8), cr.full_like(q, cr.inf)
    scaler:step(first)
    scaler:step(second)
    values.assert_values(p, { 0.5, 1.5 })
    values.assert_values(q, { 1 })
    assert.is_true(scaler:found_inf(second))
    scaler:update()
    assert.equal(4, scaler:get_scale())
    scaler:update(32)
    assert.equal(32, scaler:get_scale())
  end)

  it("that is not enabled does nothing", function()
    local p, opt = setup()
    local scaler = cr.GradScaler { enabled = false }
    local loss = p:sum()
    assert.equal(loss, scaler:scale(loss))
    loss:backward()
    scaler:unscale_(opt)
    scaler:step(opt)
    scaler:update()
    values.assert_values(p, { 0.5, 1.5 })
    assert.equal(1, scaler:get_scale())
    assert.same({}, scaler:state_dict())
  end)

  it("saves plain numbers, and goes on with them", function()
    local p, opt, scaler = setup { init_scale = 16, growth_interval = 2 }
    iterate(p, opt, scaler, { 1, 1 })
    local dict = scaler:state_dict()
    assert.same({ scale = 16, growth_factor = 2, backoff_factor = 0.5, growth_interval = 2, _growth_tracker = 1 }, dict)
    local other = cr.GradScaler(values.device)
    other:load_state_dict(dict)
    iterate(p, opt, other, { 1, 1 })
    assert.equal(32, other:get_scale())
    fails(function() other:load_state_dict {} end, "load_state_dict: the dict is empty")
    dict.scale = -1
    fails(function() other:load_state_dict(dict) end, "load_state_dict: scale must be a number above 0")
    assert.equal(32, other:get_scale())
  end)

  it("refuses what does not fit, in a sentence", function()
    local p, opt, scaler = setup()
    fails(function() cr.GradScaler { growth = 2 } end, "GradScaler: there is no option 'growth'")
    fails(function() cr.GradScaler { growth_factor = 1 } end,
      "growth_factor must be a number above 1, got the number 1")
    fails(function() scaler:step(5) end, "GradScaler: step: the argument must be an optimizer, got the number 5")
    fails(function() scaler:step(opt, print) end, "closures are not possible with gradients that are scaled")
    fails(function() scaler:scale("x") end, 'GradScaler: scale: outputs must be tensors, got the string "x"')
    local half = cr.ones({ 2 }, { dtype = "float16", requires_grad = true, device = values.device })
    half.grad = cr.ones_like(half)
    fails(function() scaler:unscale_(cr.optim.SGD { half }) end, "a gradient is float16; parameters are float32")
    assert.is_nil(p.grad)
  end)
end)
