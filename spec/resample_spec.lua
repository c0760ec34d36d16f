-- resample_spec.lua: interpolation along several dims against one dim after the other, what is seen through grids, and
-- what both refuse.

local cr = require "cresset"
local values = require "spec.support.values"

local function same(a, b, rtol, atol) assert.is_nil(values.tensors_differ(a, b, rtol, atol)) end

local function random(shape, dtype)
  cr.manual_seed(17)
  return cr.randn(shape):to(dtype or "float32"):to(values.device)
end

-- The matrix of an interpolation of a line of n elements.
local function matrix(n, size, mode, ...)
  local lines = cr.eye(n):to("float64"):to(values.device):unsqueeze(1)
  if mode == "bicubic" then
    return cr.interpolate(lines:unsqueeze(1):reshape(1, n, 1, n), { 1, size }, { mode = mode }):reshape(n, size)
  end
  return cr.interpolate(lines, size, nil, mode, ...):reshape(n, size)
end

describe("interpolation of images", function()
  local line = { nearest = "nearest", ["nearest-exact"] = "nearest-exact", bilinear = "linear", bicubic = "bicubic" }
  for mode, along in pairs(line) do
    for _, size in ipairs { { 70, 50 }, { 20, 2100 }, { 37, 9 } } do
      it(("%s is one along each dim, to %d x %d"):format(mode, size[1], size[2]), function()
        local x = random({ 2, 1, 35, 40 }, "float64")
        local rows, columns = matrix(35, size[1], along), matrix(40, size[2], along)
        local want = rows:t():matmul(x:matmul(columns))
        same(cr.interpolate(x, size, nil, mode), want, 1e-12, 1e-12)
        same(cr.interpolate(x:to "float32", size, nil, mode):to "float64", want, 1e-4, 1e-4)
      end)
    end
  end

  it("has the transpose as its gradient, in planes of many rows", function()
    for mode in pairs(line) do
      for _, size in ipairs { { 70, 50 }, { 12, 1100 } } do
        local x = random({ 1, 2, 35, 40 }, "float64"):requires_grad_()
        local y = cr.interpolate(x, size, nil, mode)
        local w = random(y.shape, "float64")
        local g = cr.grad(y, x, { grad_outputs = w })
        assert.near((y * w):sum():item(), (g * x):sum():item(), 1e-8)
      end
    end
  end)

  it("leaves an image of the same size as it is", function()
    local x = random { 1, 3, 20, 30 }
    for mode in pairs(line) do assert.is_true(cr.interpolate(x, { 20, 30 }, nil, mode):equal(x)) end
    assert.is_true(cr.interpolate(x, { 20, 30 }, nil, "bilinear", false, false, true):equal(x))
  end)

  it("keeps what is equal everywhere, with and without antialiasing", function()
    local x = cr.full({ 1, 1, 40, 41 }, 3.0)
    for _, antialias in ipairs { false, true } do
      for _, mode in ipairs { "bilinear", "bicubic" } do
        same(cr.interpolate(x, { 17, 60 }, nil, mode, false, false, antialias), cr.full({ 1, 1, 17, 60 }, 3.0), 1e-6)
      end
    end
  end)

  it("rounds bytes to the nearest", function()
    local x = cr.tensor({ { { { 0, 255 } } } }, { dtype = "uint8" })
    assert.same({ { { { 0, 64, 191, 255 } } } }, cr.interpolate(x, { 1, 4 }, nil, "bilinear"):totable())
  end)
end)

describe("a grid", function()
  it("of the identity shows the image", function()
    local x = random { 2, 3, 5, 7 }
    local theta = cr.tensor({ { 1.0, 0.0, 0.0 }, { 0.0, 1.0, 0.0 } }):to(values.device):unsqueeze(1):expand(2, 2, 3)
    for _, align in ipairs { false, true } do
      local grid = cr.affine_grid(theta, x.shape, { align_corners = align })
      same(cr.grid_sample(x, grid, "bilinear", "border", align), x, 1e-5, 1e-5)
      same(cr.grid_sample(x, grid, "bicubic", "border", align), x, 1e-4, 1e-4)
    end
  end)

  it("of many places has the transpose as the gradient of its image", function()
    local x, grid = random({ 2, 6, 30, 31 }, "float64"):requires_grad_(), random({ 2, 40, 50, 2 }, "float64") / 2
    for _, mode in ipairs { "bilinear", "nearest", "bicubic" } do
      for _, padding in ipairs { "zeros", "border", "reflection" } do
        local y = cr.grid_sample(x, grid, mode, padding)
        local w = random(y.shape, "float64")
        local g = cr.grad(y, x, { grad_outputs = w })
        assert.near((y * w):sum():item(), (g * x):sum():item(), 1e-8)
      end
    end
  end)

  it("may lead anywhere, or be NaN", function()
    local x = random { 1, 1, 4, 4 }
    local wild = cr.tensor({ 1e30, -1e30, cr.inf, -cr.inf, cr.nan, 0.0, 3e9, -7.0 }):reshape(1, 2, 2, 2)
    wild = wild:to(values.device)
    for _, mode in ipairs { "bilinear", "nearest", "bicubic" } do
      for _, padding in ipairs { "zeros", "border", "reflection" } do
        assert.same({ 1, 1, 2, 2 }, cr.grid_sample(x, wild, mode, padding).shape)
      end
    end
    assert.equal(0, cr.grid_sample(x, wild)[{ 1, 1, 1, 1 }]:item())
  end)

  it("sees numbers of 16 bits by way of float32", function()
    local x, grid = random({ 1, 2, 5, 6 }, "float16"), (random { 1, 3, 3, 2 } / 2):to "float16"
    local want = cr.grid_sample(x:to "float32", grid:to "float32")
    same(cr.grid_sample(x, grid), want:to "float16")
  end)
end)

local image, line = cr.zeros(1, 2, 4, 5), cr.zeros(1, 2, 4)
local grid = cr.zeros(1, 3, 3, 2)
local cases = {
  { "cr.interpolate(cr.zeros(4, 5), 2)",
    "interpolate: input must have 3, 4 or 5 dims, of which the first two stay, got shape 4x5" },
  { "cr.interpolate(cr.zeros(1, 2, 0), 2)", "interpolate: input has no elements along dim 3: its shape is 1x2x0" },
  { "cr.interpolate(image:to 'int64', 2)", "interpolate: input must be of a floating dtype or uint8, got int64" },
  { "cr.interpolate(image)", "interpolate: needs size or scale_factor, and not both" },
  { "cr.interpolate(image, 2, 2)", "interpolate: needs size or scale_factor, and not both" },
  { "cr.interpolate(image, { 1, 2, 3 })",
    "interpolate: size must be one number or 2, one for each dim but the first two, got 3 numbers" },
  { "cr.interpolate(image, { 2, 0 })", "interpolate: size must be at least 1 and below 2^31, got 0" },
  { "cr.interpolate(image, nil, { 2 , 0.1 })", "interpolate: scale_factor 0.1 makes no size of 5" },
  { "cr.interpolate(image, nil, { 2, 'a' })", [[interpolate: scale_factor[2] must be a number, got the string "a"]] },
  { "cr.interpolate(image, nil, 'a')",
    [[interpolate: scale_factor must be a number or a table of numbers, got the string "a"]] },
  { "cr.interpolate(image, 2, nil, 'cubic')",
    'interpolate: mode must be "nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear" or "area", '
      .. 'got "cubic"' },
  { "cr.interpolate(image, 2, nil, 'linear')", 'interpolate: mode "linear" is for input of 3 dims, got 4' },
  { "cr.interpolate(line, 2, nil, 'bilinear')", 'interpolate: mode "bilinear" is for input of 4 dims, got 3' },
  { "cr.interpolate(image, 2, nil, 'nearest', true)",
    'interpolate: align_corners is for "linear", "bilinear", "bicubic" and "trilinear", not for "nearest"' },
  { "cr.interpolate(image, 2, nil, 'nearest', false, true)",
    "interpolate: recompute_scale_factor is for scale_factor, not for size" },
  { "cr.interpolate(image, 2, nil, 'nearest', false, false, true)",
    'interpolate: antialias is for "bilinear" and "bicubic", not for "nearest"' },
  { "cr.interpolate(image:to 'uint8', 2, nil, 'area')",
    'interpolate: mode "area" takes a floating dtype, got uint8' },
  { "cr.upsample_bilinear(line, 2)", 'upsample_bilinear: mode "bilinear" is for input of 4 dims, got 3' },
  { "cr.upsample_nearest(image)", "upsample_nearest: needs size or scale_factor, and not both" },
  { "cr.upsample(image, 2, nil, 'x')", "upsample: mode must be" },
  { "cr.grid_sample(line, grid)", "grid_sample: input must have shape (N, C, H, W) or (N, C, D, H, W), got 1x2x4" },
  { "cr.grid_sample(image, cr.zeros(1, 3, 3, 3))",
    "grid_sample: grid must have shape (N, h, w, 2) for input of shape 1x2x4x5, got 1x3x3x3" },
  { "cr.grid_sample(image, cr.zeros(2, 3, 3, 2))",
    "grid_sample: grid must have shape (N, h, w, 2) for input of shape 1x2x4x5, got 2x3x3x2" },
  { "cr.grid_sample(image:to 'int64', grid)",
    "grid_sample: input must be of a floating dtype, got int64; convert it with :to(dtype)" },
  { "cr.grid_sample(image, grid:to 'float64')", "grid_sample: grid must be of input's dtype, float32, got float64" },
  { "cr.grid_sample(image, grid, 'linear')",
    [[grid_sample: mode must be "bilinear", "nearest" or "bicubic", got "linear"]] },
  { "cr.grid_sample(image, grid, 'nearest', 'x')",
    [[grid_sample: padding_mode must be "zeros", "border" or "reflection", got "x"]] },
  { "cr.grid_sample(cr.zeros(1, 1, 2, 2, 2), cr.zeros(1, 1, 1, 1, 3), 'bicubic')",
    'grid_sample: mode "bicubic" is for input of 4 dims, got 5' },
  { "cr.grid_sample(image, grid, 'nearest', 'zeros', 1)",
    "grid_sample: align_corners must be true or false, got the number 1" },
  { "cr.affine_grid(cr.zeros(1, 2, 3), { 1, 2 })",
    "affine_grid: size must list 4 sizes (N, C, H, W) or 5 (N, C, D, H, W), got 2" },
  { "cr.affine_grid(cr.zeros(1, 2, 3), { 1, 2, 0, 3 })", "affine_grid: sizes must be at least 1, got 0" },
  { "cr.affine_grid(cr.zeros(1, 3, 3), { 1, 2, 3, 3 })", "affine_grid: theta must have shape 1x2x3, got 1x3x3" },
  { "cr.affine_grid(cr.zeros(1, 2, 3):to 'int64', { 1, 2, 3, 3 })",
    "affine_grid: theta must be of a floating dtype, got int64; convert it with :to(dtype)" },
}

describe("refused is", function()
  for _, case in ipairs(cases) do
    it(case[1], function()
      local f = assert(load("local cr, image, line, grid = ...; return " .. case[1], "=call"))
      local ok, message = pcall(f, cr, image, line, grid)
      assert.is_false(ok)
      message = tostring(message):gsub("^call:1: ", "")
      assert.equal(case[2], message:sub(1, #case[2]))
    end)
  end
end)
