-- schedules_spec.lua: the schedules of cresset.optim.lr_scheduler, against PyTorch's, step by step.

local cr = require "cresset"
local values = require "spec.support.values"

local optim = cr.optim
local fails, message_of = values.assert_fails, values.message_of

-- An optimizer of two groups with the rates 0.1 and 0.5, as in oracle/cases_schedules.py.
local function optimizer(kind)
  local a, b = cr.zeros({ 1 }, { requires_grad = true }), cr.zeros({ 1 }, { requires_grad = true })
  local options = { lr = 0.1, momentum = kind ~= "Adam" and 0.9 or nil }
  return optim[kind or "SGD"]({ { params = { a } }, { params = { b }, lr = 0.5 } }, options)
end

local function class_of(name) return name == "SWALR" and optim.swa_utils.SWALR or optim.lr_scheduler[name] end

local build

-- What stands for a schedule among the arguments becomes one.
local function argument(x, opt)
  if type(x) ~= "table" then return x end
  if x.schedule then return build(x.schedule, x, opt) end
  local list = {}
  for i, v in ipairs(x) do list[i] = argument(v, opt) end
  return list
end

function build(name, case, opt)
  local args = {}
  for i, x in ipairs(case.args) do args[i] = argument(x, opt) end
  if next(case.options) then args[#args + 1] = case.options end
  if name == "ChainedScheduler" then return class_of(name)(table.unpack(args)) end
  return class_of(name)(opt, table.unpack(args))
end

local function assert_near(want, got, where)
  local near = 1e-12 * math.max(math.abs(want), 1e-3)
  assert(math.abs(got - want) <= near, ("%s: %.17g, not %.17g"):format(where, got, want))
end

local function assert_now(case, opt, k, where)
  for i, group in ipairs(opt.param_groups) do
    assert_near(case.rates[k][i], group.lr, ("%s, step %d, group %d"):format(where, k - 1, i))
    assert_near(case.momenta[k][i], case[2] == "Adam" and group.betas[1] or group.momentum, where .. " momentum")
  end
end

local function go(case, s, k)
  s.optimizer:step()
  if case.measures then s:step(case.measures[k]) elseif case.epochs then s:step(case.epochs[k]) else s:step() end
end

describe("a schedule", function()
  local cases = require "spec.oracle.schedules"

  it("gives PyTorch's rates, step by step", function()
    for c, case in ipairs(cases) do
      local opt, where = optimizer(case[2]), ("%s %d"):format(case[1], c)
      local s = build(case[1], case, opt)
      assert_now(case, opt, 1, where)
      for k = 1, #case.rates - 1 do
        go(case, s, k)
        assert_now(case, opt, k + 1, where)
        for i, lr in ipairs(s:get_last_lr()) do assert.equal(opt.param_groups[i].lr, lr, where) end
      end
    end
  end)

  it("goes on where it was, once its state was saved and loaded with the optimizer's", function()
    for c, case in ipairs(cases) do
      local half = (#case.rates - 1) // 2
      local first = optimizer(case[2])
      local s = build(case[1], case, first)
      for k = 1, half do go(case, s, k) end
      local second = optimizer(case[2])
      local other = build(case[1], case, second)
      second:load_state_dict(first:state_dict())
      other:load_state_dict(s:state_dict())
      for k = half + 1, #case.rates - 1 do
        go(case, other, k)
        assert_now(case, second, k + 1, ("%s %d"):format(case[1], c))
      end
    end
  end)

  it("fills a rate that is a tensor", function()
    local lr = cr.tensor(1.0)
    local opt = optim.SGD({ cr.zeros({ 1 }, { requires_grad = true }) }, { lr = lr })
    local s = optim.lr_scheduler.ExponentialLR(opt, 0.5)
    opt:step()
    s:step()
    assert.equal(lr, opt.param_groups[1].lr)
    assert.equal(0.5, lr:item())
  end)

  it("warns where the optimizer has not taken a step yet", function()
    local opt = optimizer()
    local s = optim.lr_scheduler.StepLR(opt, 5)
    local warnings = values.warnings_of(function() s:step() end)
    assert.equal(1, #warnings)
    assert.truthy(warnings[1]:find("StepLR: step: the optimizer has taken no step yet", 1, true))
    opt:step()
    assert.same({}, values.warnings_of(function() s:step() end))
    local t = optim.lr_scheduler.StepLR(optimizer(), 5)
    t.optimizer:step()
    assert.same({}, values.warnings_of(function() t:step() end))
  end)

  it("is resumed at an epoch by last_epoch", function()
    local opt = optimizer()
    for _, group in ipairs(opt.param_groups) do group.initial_lr = 1.0 end
    local s = optim.lr_scheduler.LambdaLR(opt, function(e) return 1 / (1 + e) end, { last_epoch = 3 })
    assert.equal(4, s.last_epoch)
    assert.equal(0.2, opt.param_groups[1].lr)
    fails(function() optim.lr_scheduler.StepLR(optimizer(), 5, { last_epoch = 3 }) end,
      "StepLR: group 1 has no initial_lr, which last_epoch = 3 needs; load the optimizer's state first")
  end)

  it("has done nothing where its function fails", function()
    local opt, bad = optimizer(), false
    local s = optim.lr_scheduler.LambdaLR(opt, function(e)
      if bad then error("no rate", 0) end
      return 1 / (1 + e)
    end)
    opt:step()
    bad = true
    assert.equal("no rate", message_of(function() s:step() end))
    assert.equal(0, s.last_epoch)
    assert.equal(0.1, opt.param_groups[1].lr)
    bad = false
    s:step()
    assert.equal(0.05, opt.param_groups[1].lr)
  end)

  it("saves plain data: no function, no optimizer", function()
    local opt = optimizer()
    local lr = optim.lr_scheduler
    local s = lr.SequentialLR(opt, { lr.LambdaLR(opt, function() return 1 end), lr.CyclicLR(opt, 0.1, 0.2) }, { 3 })
    local function walk(x)
      assert(type(x) ~= "function" and type(x) ~= "userdata" and getmetatable(x) == nil or type(x) == "string")
      if type(x) == "table" then
        for k, v in pairs(x) do
          assert(k ~= "optimizer")
          walk(v)
        end
      end
    end
    walk(s:state_dict())
    assert.equal(2, #s:state_dict()._schedulers)
  end)

  it("refuses what does not fit, in a sentence", function()
    local lr, opt = optim.lr_scheduler, optimizer()
    local function refused(sentence, f) assert.equal(sentence, message_of(f)) end
    refused("StepLR: the first argument must be an optimizer, got nil", function() lr.StepLR() end)
    refused("StepLR: the argument 'step_size' is missing", function() lr.StepLR(opt) end)
    refused("StepLR: step_size must be a whole number above 0, got the number 0", function() lr.StepLR(opt, 0) end)
    refused("StepLR: there is no option 'gama'; did you mean 'gamma'?", function() lr.StepLR(opt, 3, { gama = 1 }) end)
    refused("StepLR: argument 3 must be a table of options, got the number 0.5", function() lr.StepLR(opt, 3, 0.5) end)
    refused("LambdaLR: lr_lambda must be a function, or one for each of 2 groups, got 1",
      function() lr.LambdaLR(opt, { print }) end)
    refused("LambdaLR: lr_lambda must return a number, it returned the string \"x\"",
      function() lr.LambdaLR(opt, function() return "x" end) end)
    refused("ConstantLR: factor must be a number from 0 to 1, got the number 2",
      function() lr.ConstantLR(opt, { factor = 2 }) end)
    refused("OneCycleLR: it needs total_steps, or epochs and steps_per_epoch", function() lr.OneCycleLR(opt, 0.1) end)
    refused("CyclicLR: max_lr must be a number or one for each of 2 groups, got 1",
      function() lr.CyclicLR(opt, 0.1, { 0.2 }) end)
    refused("CyclicLR: Adagrad has neither momentum nor betas; cycle_momentum = false does without",
      function() lr.CyclicLR(optim.Adagrad { cr.zeros({ 1 }, { requires_grad = true }) }, 0.1, 0.2) end)
    refused("SequentialLR: milestones must be a list of 0 steps for 1 schedules",
      function() lr.SequentialLR(opt, { lr.StepLR(opt, 3) }, { 5 }) end)
    refused("SequentialLR: schedulers[1] is of another optimizer",
      function() lr.SequentialLR(opt, { lr.StepLR(optimizer(), 3) }, {}) end)
    refused("ChainedScheduler: schedulers must be a list of at least one schedule, got a table",
      function() lr.ChainedScheduler {} end)
    refused("SequentialLR: schedulers[1] is a ReduceLROnPlateau, whose steps need a measure; step it by itself",
      function() lr.SequentialLR(opt, { lr.ReduceLROnPlateau(opt) }, {}) end)
    refused("ReduceLROnPlateau: step: it needs the measure that is watched, a number, got nil",
      function() lr.ReduceLROnPlateau(opt):step() end)
    refused("cresset.optim.lr_scheduler has no 'StpLR'; did you mean 'lr_scheduler.StepLR'?",
      function() return lr.StpLR end)
    local once = lr.OneCycleLR(optimizer(), 0.1, { total_steps = 2 })
    once.optimizer:step()
    once:step()
    once:step()
    refused("OneCycleLR: step: the cycle has 2 steps, and they are over", function() once:step() end)
    local s = lr.StepLR(opt, 3)
    refused("StepLR: load_state_dict: the dict must be a table, got nil", function() s:load_state_dict() end)
    refused('StepLR: load_state_dict: last_epoch must be a number, got the string "x"',
      function() s:load_state_dict { last_epoch = "x" } end)
  end)
end)
