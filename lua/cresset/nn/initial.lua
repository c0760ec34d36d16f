-- initial.lua: how built-in modules make and fill their parameters: PyTorch's distributions.

local cr = require "cresset"
local parameter = require "cresset.nn.parameter"

local M = {}

--- A parameter of a shape that is not filled yet; `a` has dtype and device.
function M.empty(a, ...)
  return parameter.Parameter(cr.empty({ ... }, a.dtype, a.device))
end

local function fill(bound, ...)
  for i = 1, select("#", ...) do
    local t = select(i, ...)
    if t then t:uniform_(-bound, bound) end
  end
end

--- Fills tensors (nil is left out) uniformly between -bound and bound, outside every graph.
function M.uniform(bound, ...) cr.no_grad(fill, bound, ...) end

--- Fills a weight by kaiming_uniform with a = sqrt(5), which is uniform within 1 / sqrt(fan in), and its bias so.
function M.kaiming(weight, bias)
  local fan = weight:numel() // math.max(weight:size(1), 1)
  M.uniform(fan > 0 and 1 / math.sqrt(fan) or 0, weight, bias)
end

return M
