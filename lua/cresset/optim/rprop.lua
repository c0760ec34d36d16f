-- rprop.lua: Rprop: steps whose lengths grow while the gradient keeps its sign, and shrink when it changes.
--
-- Holds true: the formulas are PyTorch's; a step is left out where the sign has changed.

local cr = require "cresset"
local options = require "cresset.optim.options"
local rule = require "cresset.optim.rule"

local check = options.check

local function check_etas(x)
  local fits = type(x) == "table" and #x == 2 and type(x[1]) == "number" and type(x[2]) == "number"
    and 0 < x[1] and x[1] < 1 and 1 < x[2]
  return not fits and "a list of a number between 0 and 1 and one above 1" or nil
end

local Rprop = rule("Rprop", {
  rule = "rprop",
  like_parameter = { "prev", "step_size" },
  options = {
    lr = { 1e-2, check.rate }, etas = { { 0.5, 1.2 }, check_etas },
    step_sizes = { { 1e-6, 50 }, check.list(2, check.number, "a list of the least and the largest length") },
    capturable = { false, check.flag }, foreach = { nil, check.flag }, maximize = { false, check.flag },
    differentiable = { false, check.undifferentiable },
  },
  lists = function() return { "prev", "step_size" } end,
  numbers = function(group)
    return { 0, group.maximize and -1 or 1, group.etas[1], group.etas[2], group.step_sizes[1], group.step_sizes[2] }
  end,
})

function Rprop:make_state(state, p, group)
  state.step, state.prev = 0, cr.zeros_like(p)
  state.step_size = cr.full_like(p, options.number_of(group.lr))
  return self
end

return Rprop
