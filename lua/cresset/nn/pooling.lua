-- pooling.lua: modules that make one element of each window: the largest, the mean, a norm.

local cr = require "cresset"
local module = require "cresset.nn.module"
local simple = require "cresset.nn.simple"

local M = {}

local function define(pattern, takes, make, shown)
  for n = 1, 3 do
    local name = pattern:format(n)
    M[name] = simple(name, takes:gsub("N", n), make(n), shown)
  end
end

define("MaxPool%dd", [[kernel_size: givenN, stride: givenN?, padding: givenN = 0, dilation: givenN = 1,
  return_indices: bool = false, ceil_mode: bool = false]], function(n)
  local op = cr[("max_pool%dd"):format(n)]
  return function(self, x)
    return op(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices)
  end
end, "kernel_size stride padding dilation ceil_mode")

for n = 1, 3 do
  local op, name = cr[("avg_pool%dd"):format(n)], ("AvgPool%dd"):format(n)
  local takes = [[kernel_size: givenN, stride: givenN?, padding: givenN = 0, ceil_mode: bool = false,
    count_include_pad: bool = true]] .. (n > 1 and ", divisor_override: int?" or "")
  M[name] = simple(name, takes:gsub("N", n), n == 1 and function(self, x)
    return op(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)
  end or function(self, x)
    return op(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
      self.divisor_override)
  end, "kernel_size stride padding")
end

define("LPPool%dd", "norm_type: number, kernel_size: givenN, stride: givenN?, ceil_mode: bool = false", function(n)
  local op = cr[("lp_pool%dd"):format(n)]
  return function(self, x) return op(x, self.norm_type, self.kernel_size, self.stride, self.ceil_mode) end
end, "norm_type kernel_size stride ceil_mode")

-- Without a stride, windows lie side by side.
for name, class in pairs(M) do
  local init = class.init
  M[name].init = function(self, ...)
    init(self, ...)
    if self.stride == nil then self.stride = self.kernel_size end
  end
end

-- ---- Adaptive --------------------------------------------------------------------------------------------

-- Sizes that were left out (false) are those of the input.
local function sizes(self, x)
  local size = self.output_size
  local n, list = #size, {}
  for d = 1, n do list[d] = size[d] or x:size(x.ndim - n + d) end
  return list
end

--- AdaptiveAvgPool2d(output_size): a number for all dims, or a table in which false keeps a dim as it is.
define("AdaptiveAvgPool%dd", "output_size: outputN", function(n)
  local op = cr[("adaptive_avg_pool%dd"):format(n)]
  return function(self, x) return op(x, sizes(self, x)) end
end, "output_size")

define("AdaptiveMaxPool%dd", "output_size: outputN, return_indices: bool = false", function(n)
  local op = cr[("adaptive_max_pool%dd"):format(n)]
  return function(self, x) return op(x, sizes(self, x), self.return_indices) end
end, "output_size")

-- ---- Others ----------------------------------------------------------------------------------------------

--- MaxUnpool2d(kernel_size, stride, padding): m(x, indices, output_size) puts elements back where MaxPool2d with
-- return_indices has found them.
define("MaxUnpool%dd", "kernel_size: givenN, stride: givenN?, padding: givenN = 0", function(n)
  local op = cr[("max_unpool%dd"):format(n)]
  return function(self, x, indices, output_size)
    if type(output_size) == "table" and output_size.output_size then output_size = output_size.output_size end
    return op(x, indices, self.kernel_size, self.stride, self.padding, output_size)
  end
end, "kernel_size stride padding")
for n = 1, 3 do
  local class = M[("MaxUnpool%dd"):format(n)]
  local init = class.init
  function class:init(...)
    init(self, ...)
    if self.stride == nil then self.stride = self.kernel_size end
  end
end

--- FractionalMaxPool2d(kernel_size, { output_size = }), or with output_ratio: windows at random places.
for n = 2, 3 do
  local op, name = cr[("fractional_max_pool%dd"):format(n)], ("FractionalMaxPool%dd"):format(n)
  local class = simple(name, ([[kernel_size: givenN, output_size: givenN?, output_ratio: numbers?,
    return_indices: bool = false, _random_samples: tensor?]]):gsub("N", n), function(self, x)
    return op(x, self.kernel_size, { output_size = self.output_size, output_ratio = self.output_ratio,
      return_indices = self.return_indices, _random_samples = self._random_samples })
  end, "kernel_size")
  local init = class.init
  function class:init(...)
    init(self, ...)
    local samples = self._random_samples
    self._random_samples = nil
    self:register_buffer("_random_samples", samples)
    if (self.output_size == nil) == (self.output_ratio == nil) then
      module.fail(self, "takes either output_size or output_ratio, got %s",
        self.output_size == nil and "neither" or "both")
    end
  end
  M[name] = class
end

return M
