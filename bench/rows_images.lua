-- rows_images.lua: pooling and resampling of images.
-- For rows.lua, which says what a row is.

local list = require "row_list"
local group = list.group

local setup = "local x = cr.randn(16, 64, 112, 112)"
local peer_setup = "x = torch.randn(16, 64, 112, 112)"

group({ setup = setup, peer_setup = peer_setup }, {
  { "max_pool2d, 16 x 64 x 112, 3 x 3, step 2", 4, "local _ = cr.max_pool2d(x, 3, 2, 1)", "F.max_pool2d(x, 3, 2, 1)" },
  { "avg_pool2d, the same", 1, "local _ = cr.avg_pool2d(x, 3, 2, 1)", "F.avg_pool2d(x, 3, 2, 1)" },
  { "adaptive_avg_pool2d, to 7 x 7", 1, "local _ = cr.adaptive_avg_pool2d(x, 7)", "F.adaptive_avg_pool2d(x, 7)" },
  { "unfold, 3 x 3, padding 1", 1, "local _ = cr.unfold(x, 3, 1, 1, 2)", "F.unfold(x, 3, 1, 1, 2)" },
})

-- { name, target, a call in Lua and in Python }, of which the gradient is taken.
local function gradient(name, target, call, peer)
  list.row {
    name = name, target = target,
    setup = setup .. ":requires_grad_()\nlocal y = " .. call .. "\nlocal g = cr.ones_like(y:detach())",
    ours = "local _ = cr.grad(y, x, { grad_outputs = g, retain_graph = true })",
    peer_setup = peer_setup .. ".requires_grad_()\ny = " .. peer .. "\ng = torch.ones_like(y)",
    peer = "torch.autograd.grad(y, x, g, retain_graph=True)",
  }
end
gradient("max_pool2d, its gradient", 1.2, "cr.max_pool2d(x, 3, 2, 1)", "F.max_pool2d(x, 3, 2, 1)")
gradient("avg_pool2d, its gradient", 1, "cr.avg_pool2d(x, 3, 2, 1)", "F.avg_pool2d(x, 3, 2, 1)")

group({ setup = "local x = cr.randn(16, 64, 56, 56)", peer_setup = "x = torch.randn(16, 64, 56, 56)" }, {
  { "interpolate, 16 x 64 x 56 to 112, nearest", 1, "local _ = cr.interpolate(x, 112)", "F.interpolate(x, 112)" },
  { "bilinear", 1, "local _ = cr.interpolate(x, 112, nil, 'bilinear')", "F.interpolate(x, 112, mode='bilinear')" },
  { "bicubic", 1, "local _ = cr.interpolate(x, 112, nil, 'bicubic')", "F.interpolate(x, 112, mode='bicubic')" },
  { "bilinear to 28, antialias", 1, "local _ = cr.interpolate(x, 28, { mode = 'bilinear', antialias = true })",
    "F.interpolate(x, 28, mode='bilinear', antialias=True)" },
})

group({
  setup = "local x, g = cr.randn(8, 32, 64, 64), cr.rand(8, 64, 64, 2) * 2 - 1",
  peer_setup = "x, g = torch.randn(8, 32, 64, 64), torch.rand(8, 64, 64, 2) * 2 - 1",
}, {
  { "grid_sample, 8 x 32 x 64", nil, "local _ = cr.grid_sample(x, g)", "F.grid_sample(x, g, align_corners=False)" },
})
