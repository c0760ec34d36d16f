-- grid_sample.lua: images and volumes seen at the places of a grid.
--
-- Holds true: the last dim of a grid has the coordinates of a place, that of the last dim of the image first. float16
-- and bfloat16 are computed in float32.

kernel([[grid_see(out, from, grid; batch, channels, points, size: int[3], order: int[3], dims, mode, padding,
  align_corners: bool)]])
kernel([[grid_put(out, from, grid; batch, channels, points, size: int[3], order: int[3], dims, mode, padding,
  align_corners: bool)]])

-- What is seen at a place is a sum of elements, by weights that are functions of each coordinate. `order` says how
-- often each weight is derived by each coordinate, of which the first is that of the last dim. By self these operations
-- are linear, and each other's transpose; by the grid they are themselves with one order more.
local function see(g, v, self)
  return g:grid_slope(self, v.grid, v.mode, v.padding, v.align_corners, v.order)
end

op([[grid_see(self: tensor, grid: tensor, mode: int, padding: int, align_corners: bool, order: ints)]]) {
  doc = "The elements of self at the places of a grid, derived by coordinates as often as order says.",
  run = "grid_see", hidden = true,
  grad = {
    self = function(g, v) return g:grid_put(v.grid, v.self.shape, v.mode, v.padding, v.align_corners, v.order) end,
    grid = function(g, v) return see(g, v, v.self) end,
  },
  samples = function(s) return { { s.t({ 1, 1, 3, 4 }), s.t({ 1, 2, 2, 2 }, -0.9, 0.9), 0, 0, false, { 0, 0 } } } end,
}

op([[grid_put(self: tensor, grid: tensor, shape: shape, mode: int, padding: int, align_corners: bool, order: ints)]]) {
  doc = "The transpose of grid_see: zeros of a shape, to which each element of self is added where it was seen.",
  run = "grid_put", hidden = true,
  grad = {
    self = function(g, v) return g:grid_see(v.grid, v.mode, v.padding, v.align_corners, v.order) end,
    grid = function(g, v) return see(v.self, v, g) end,
  },
  samples = function(s)
    return { { s.t({ 1, 1, 2, 2 }), s.t({ 1, 2, 2, 2 }, -0.9, 0.9), { 1, 1, 3, 4 }, 0, 0, false, { 0, 0 } } }
  end,
}

op([[grid_slope(self: tensor, input: tensor, grid: tensor, mode: int, padding: int, align_corners: bool,
    order: ints)]]) {
  doc = "The derivative of grid_see of input by the grid, for the gradient self.",
  run = "grid_slope", hidden = true, composite = true,
  samples = function(s)
    return { { s.t({ 1, 1, 2, 2 }), s.t({ 1, 1, 3, 4 }), s.t({ 1, 2, 2, 2 }, -0.9, 0.9), 0, 0, false, { 0, 0 } } }
  end,
}

op([[grid_sample(input: tensor, grid: tensor, mode: "bilinear" | "nearest" | "bicubic" = "bilinear",
    padding_mode: "zeros" | "border" | "reflection" = "zeros", align_corners: bool = false)]]) {
  autocast = { cpu = "float32", cuda = "widest" },
  doc = [[The elements of input, of shape (N, C, H, W) or (N, C, D, H, W), at the places of a grid of shape
    (N, h, w, 2) or (N, d, h, w, 3): (x, y) or (x, y, z), from -1, the first end of W, H or D, to 1, the last. They are
    interpolated ("bilinear" of volumes, too), or the nearest. What lies outside is 0, the nearest at the border, or as
    reflected at it. With align_corners -1 and 1 are the places of the first and the last element; else the ends of
    those.]],
  run = "grid_sample", composite = true, method = false,
  samples = function(s)
    local function grid(...) return s.t({ ... }, -1.3, 1.3) end
    return { { s.t({ 1, 2, 3, 4 }), grid(1, 2, 3, 2) }, { s.t({ 1, 2, 3, 4 }), grid(1, 2, 3, 2), "bicubic", "border" },
      { s.t({ 1, 2, 3, 4 }), grid(1, 2, 3, 2), "bilinear", "reflection", true },
      { s.t({ 1, 2, 3, 4 }), grid(1, 2, 3, 2), "nearest" },
      { s.t({ 1, 2, 3, 4 }), grid(1, 2, 2, 2), "bicubic", "reflection" },
      { s.t({ 1, 2, 2, 3, 2 }), grid(1, 1, 2, 2, 3), "bilinear", "border" },
      { s.t({ 1, 2, 2, 3, 2 }), grid(1, 1, 2, 2, 3), "nearest", "zeros", true } }
  end,
}

op "affine_grid(theta: tensor, size: shape, align_corners: bool = false)" {
  doc = [[The grid for grid_sample that affine maps make: theta, of shape (N, 2, 3) or (N, 3, 4), has for each
    coordinate of the input its factors by those of the result, and what is added. size is that of the result,
    (N, C, H, W) or (N, C, D, H, W).]],
  run = "affine_grid", composite = true, method = false,
  samples = function(s)
    return { { s.t({ 1, 2, 3 }), { 1, 2, 2, 3 } }, { s.t({ 2, 2, 3 }), { 2, 1, 3, 1 }, true },
      { s.t({ 1, 3, 4 }), { 1, 1, 2, 2, 3 } } }
  end,
}
