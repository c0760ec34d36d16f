-- shape.lua: modules that move elements: Flatten, Unflatten, Fold, Unfold, Upsample, PixelShuffle and their kin.

local cr = require "cresset"
local module = require "cresset.nn.module"
local show = require "cresset.nn.show"
local simple = require "cresset.nn.simple"

local M = {}

--- Flatten(start_dim, end_dim): makes one dim of several; without arguments, of all but the first.
M.Flatten = simple("Flatten", "start_dim: int = 2, end_dim: int = -1",
  function(self, x) return x:flatten(self.start_dim, self.end_dim) end, "start_dim end_dim")

--- Unflatten(dim, unflattened_size): makes several dims of one.
M.Unflatten = simple("Unflatten", "dim: int, unflattened_size: sizes",
  function(self, x) return x:unflatten(self.dim, self.unflattened_size) end, "dim unflattened_size")

M.Unfold = simple("Unfold", "kernel_size: given2, dilation: given2 = 1, padding: given2 = 0, stride: given2 = 1",
  function(self, x) return cr.unfold(x, self.kernel_size, self.dilation, self.padding, self.stride) end,
  "kernel_size dilation padding stride")

M.Fold = simple("Fold", [[output_size: given2, kernel_size: given2, dilation: given2 = 1, padding: given2 = 0,
  stride: given2 = 1]],
  function(self, x)
    return cr.fold(x, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)
  end, "output_size kernel_size dilation padding stride")

M.PixelShuffle = simple("PixelShuffle", "upscale_factor: positive",
  function(self, x) return cr.pixel_shuffle(x, self.upscale_factor) end, "upscale_factor")

M.PixelUnshuffle = simple("PixelUnshuffle", "downscale_factor: positive",
  function(self, x) return cr.pixel_unshuffle(x, self.downscale_factor) end, "downscale_factor")

M.ChannelShuffle = simple("ChannelShuffle", "groups: positive",
  function(self, x) return cr.channel_shuffle(x, self.groups) end, "groups")

-- ---- Upsample --------------------------------------------------------------------------------------------

local function scaled(self)
  if self.scale_factor ~= nil then return "scale_factor=" .. show.value(self.scale_factor) end
  return "size=" .. show.value(self.size)
end

-- Either of the two settings says how large the result is.
local function check_one(self)
  if (self.size == nil) == (self.scale_factor == nil) then
    module.fail(self, "takes either size or scale_factor, got %s", self.size == nil and "neither" or "both")
  end
end

local function upsampling(name, takes, options, shown)
  local class = simple(name, takes, function(self, x)
    return cr.interpolate(x, options(self))
  end)
  local init = class.init
  function class:init(...)
    init(self, ...)
    check_one(self)
  end
  function class:extra_repr() return scaled(self) .. ", mode=" .. show.value(shown(self)) end
  return class
end

--- Upsample { scale_factor = 2, mode = "nearest" }, or with size: (N, C, ...) to another size.
M.Upsample = upsampling("Upsample", [[size: sizes?, scale_factor: numbers?,
  mode: nearest|linear|bilinear|bicubic|trilinear|area|nearest-exact = "nearest", align_corners: bool?,
  recompute_scale_factor: bool?]], function(self)
  return { size = self.size, scale_factor = self.scale_factor, mode = self.mode, align_corners = self.align_corners,
    recompute_scale_factor = self.recompute_scale_factor }
end, function(self) return self.mode end)

M.UpsamplingNearest2d = upsampling("UpsamplingNearest2d", "size: sizes?, scale_factor: numbers?", function(self)
  return { size = self.size, scale_factor = self.scale_factor, mode = "nearest" }
end, function() return "nearest" end)

M.UpsamplingBilinear2d = upsampling("UpsamplingBilinear2d", "size: sizes?, scale_factor: numbers?", function(self)
  return { size = self.size, scale_factor = self.scale_factor, mode = "bilinear", align_corners = true }
end, function() return "bilinear" end)

return M
