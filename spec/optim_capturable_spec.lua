-- optim_capturable_spec.lua: steps of optimizers in CUDA graphs: counts of steps lie on the device.

local cr = require "cresset"
local values = require "spec.support.values"

local optim = cr.optim
local names = { "Adam", "AdamW", "RMSprop", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop", "ASGD" }

local function parameters(device)
  local list = {}
  for i, shape in ipairs { { 2, 3 }, { 5 } } do
    list[i] = values.generate(shape, -2, 2, "float64", i):to(device):requires_grad_()
    list[i].grad = cr.zeros(shape, { dtype = "float64", device = device })
  end
  return list
end

local function give(params, step)
  cr.no_grad(function()
    for i, p in ipairs(params) do p.grad:copy_(values.generate(p.shape, -2, 2, "float64", 10 * step + i)) end
  end)
end

describe("a capturable step", function()
  it("is refused on the CPU", function()
    local p = cr.ones({ 1 }, { requires_grad = true })
    local opt = optim.Adam({ p }, { capturable = true })
    values.assert_fails(function() opt:step() end,
      "Adam: capturable steps are for CUDA graphs; parameter 1 is on the cpu")
  end)

  if not cr.cuda.is_available() then return end

  it("is the same as one that is not", function()
    for _, name in ipairs(names) do
      local plain, device = parameters "cuda", parameters "cuda"
      local a, b = optim[name](plain), optim[name](device, { capturable = true })
      for step = 1, 8 do
        give(plain, step)
        give(device, step)
        if step == 4 then plain[2].grad, device[2].grad = nil, nil end
        a:step()
        b:step()
        if step == 4 then
          for _, list in ipairs { plain, device } do list[2].grad = cr.zeros_like(list[2]) end
        end
      end
      for i, p in ipairs(plain) do
        assert.is_nil(values.tensors_differ(device[i]:detach():cpu(), p:detach():cpu(), 1e-6, 1e-6), name)
        assert.equal(a.state[p].step, b.state[device[i]].step:item(), name)
      end
    end
  end)

  it("counts on when a graph of it is launched again", function()
    for _, name in ipairs { "Adam", "NAdam", "RAdam" } do
      local eager, captured = parameters "cuda", parameters "cuda"
      local a, b = optim[name](eager), optim[name](captured, { capturable = true })
      give(captured, 1)
      b:step() -- makes the state
      local launch = cr.cuda.graph(function() b:step() end)
      for _, step in ipairs { 1, 3, 4 } do -- what is captured is not done yet
        give(eager, step)
        a:step()
        give(captured, step)
        if step > 1 then launch() end
      end
      for i, p in ipairs(eager) do
        assert.is_nil(values.tensors_differ(captured[i]:detach():cpu(), p:detach():cpu(), 1e-6, 1e-6), name)
      end
    end
  end)

  it("has a state that is saved and loaded like others", function()
    local params = parameters "cuda"
    local a = optim.Adam(params, { capturable = true })
    give(params, 1)
    a:step()
    local b = optim.Adam(params)
    b:load_state_dict(a:state_dict())
    b.param_groups[1].capturable = false
    b:step()
    assert.equal(2, b.state[params[1]].step)
  end)
end)
