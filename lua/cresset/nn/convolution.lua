-- convolution.lua: Conv1d to Conv3d, and ConvTranspose1d to ConvTranspose3d.
--
-- Holds true: weights have PyTorch's shapes: out x in/groups x kernel, of transposed ones in x out/groups x kernel.

local cr = require "cresset"
local arguments = require "cresset.nn.arguments"
local initial = require "cresset.nn.initial"
local module = require "cresset.nn.module"
local show = require "cresset.nn.show"

local M = {}

local class, fail = module.class, module.fail

local function all(list, value)
  for _, x in ipairs(list) do
    if x ~= value then return false end
  end
  return true
end

-- What both kinds have in common: the fields, the weight and the bias.
local function prepare(self, a, transposed)
  for _, name in ipairs { "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups",
    "padding_mode", "output_padding" } do self[name] = a[name] end
  if a.in_channels % a.groups ~= 0 or a.out_channels % a.groups ~= 0 then
    fail(self, "in_channels (%d) and out_channels (%d) must be divisible by groups (%d)", a.in_channels,
      a.out_channels, a.groups)
  end
  local first, second = a.out_channels, a.in_channels // a.groups
  if transposed then first, second = a.in_channels, a.out_channels // a.groups end
  self.weight = initial.empty(a, first, second, table.unpack(a.kernel_size))
  self:register_parameter("bias", a.bias and initial.empty(a, a.out_channels) or nil)
  self:reset_parameters()
end

local function reset(self) initial.kaiming(self.weight, self.bias) end

-- The parts of tostring that tell of settings other than the defaults.
local function describe(self)
  local parts = { self.in_channels, self.out_channels, "kernel_size=" .. show.value(self.kernel_size),
    "stride=" .. show.value(self.stride) }
  local function add(name, usual)
    local value = self[name]
    if type(value) == "table" and all(value, usual) or value == usual or value == nil then return end
    parts[#parts + 1] = name .. "=" .. show.value(value)
  end
  add("padding", 0)
  add("dilation", 1)
  add("output_padding", 0)
  add("groups", 1)
  if not self.bias then parts[#parts + 1] = "bias=false" end
  add("padding_mode", "zeros")
  return table.concat(parts, ", ")
end

-- ---- Conv --------------------------------------------------------------------------------------------------

-- What padding in another mode than zeros puts around the input: of the last dim first.
local function around(self)
  local list = {}
  for d = #self.kernel_size, 1, -1 do
    local left, right = 0, 0
    if self.padding == "same" then
      local total = self.dilation[d] * (self.kernel_size[d] - 1)
      left, right = total // 2, total - total // 2
    elseif self.padding ~= "valid" then
      left, right = self.padding[d], self.padding[d]
    end
    list[#list + 1], list[#list + 2] = left, right
  end
  return list
end

local modes = { reflect = "reflect", replicate = "replicate", circular = "circular" }

local function make(n)
  local Conv = class(("Conv%dd"):format(n))
  local takes = arguments.signature(([[in_channels: positive, out_channels: positive, kernel_size: intsN,
    stride: intsN = 1, padding: paddingN = 0, dilation: intsN = 1, groups: positive = 1, bias: bool = true,
    padding_mode: zeros|reflect|replicate|circular = "zeros", device: device?, dtype: dtype?]]):gsub("N", n))
  local op = cr[("conv%dd"):format(n)]

  --- Conv2d(in_channels, out_channels, kernel_size, { stride = 1, padding = 0, dilation = 1, groups = 1, bias = true,
  -- padding_mode = "zeros" }): sizes are numbers or a table with one for each dim; padding may be "same" or "valid".
  function Conv:init(...)
    local a = arguments.read(self.class_name, takes, ...)
    if a.padding == "same" and not all(a.stride, 1) then fail(self, 'padding = "same" goes with a stride of 1') end
    prepare(self, a, false)
    if modes[a.padding_mode] then self.padding_around = around(self) end
  end

  Conv.reset_parameters = reset

  function Conv:forward(x)
    local padding = self.padding
    if self.padding_around then x, padding = cr.pad(x, self.padding_around, self.padding_mode), 0 end
    return op(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
  end

  Conv.extra_repr = describe
  return Conv
end

-- ---- ConvTranspose -----------------------------------------------------------------------------------------

-- The output padding that makes the result as large as it is wanted.
local function padding_for(self, x, size)
  local n, list = #self.kernel_size, {}
  if type(size) == "number" and n == 1 then size = { size } end
  if type(size) ~= "table" or #size ~= n and #size ~= x.ndim then
    fail(self, "output_size must be a table of %d sizes, got %s", n, arguments.describe(size))
  end
  for d = 1, n do
    local wanted = size[#size - n + d]
    local least = (x:size(x.ndim - n + d) - 1) * self.stride[d] - 2 * self.padding[d]
      + self.dilation[d] * (self.kernel_size[d] - 1) + 1
    if wanted < least or wanted > least + self.stride[d] - 1 then
      fail(self, "an input of shape %s gives sizes from %d to %d in dim %d of its %d, got an output_size of %d",
        tostring(x.shape), least, least + self.stride[d] - 1, d, n, wanted)
    end
    list[d] = wanted - least
  end
  return list
end

local function make_transposed(n)
  local Conv = class(("ConvTranspose%dd"):format(n))
  local takes = arguments.signature(([[in_channels: positive, out_channels: positive, kernel_size: intsN,
    stride: intsN = 1, padding: intsN = 0, output_padding: intsN = 0, groups: positive = 1, bias: bool = true,
    dilation: intsN = 1, padding_mode: zeros|zeros = "zeros", device: device?, dtype: dtype?]]):gsub("N", n))
  local op = cr[("conv_transpose%dd"):format(n)]

  --- ConvTranspose2d(in_channels, out_channels, kernel_size, { stride =, padding =, output_padding =, groups =, bias =,
  -- dilation = }); m(x, output_size) chooses among the sizes that a stride leaves open.
  function Conv:init(...) prepare(self, arguments.read(self.class_name, takes, ...), true) end

  Conv.reset_parameters = reset

  function Conv:forward(x, output_size)
    if type(output_size) == "table" and output_size.output_size then output_size = output_size.output_size end
    local output_padding = output_size and padding_for(self, x, output_size) or self.output_padding
    return op(x, self.weight, self.bias, self.stride, self.padding, output_padding, self.groups, self.dilation)
  end

  Conv.extra_repr = describe
  return Conv
end

for n = 1, 3 do
  M[("Conv%dd"):format(n)] = make(n)
  M[("ConvTranspose%dd"):format(n)] = make_transposed(n)
end

return M
