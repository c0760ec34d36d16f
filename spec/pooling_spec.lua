-- pooling_spec.lua: windows of every size against plain sums and extremes, places that draws decide, and what pooling,
-- unfold and the shuffles refuse.

local cr = require "cresset"
local values = require "spec.support.values"

-- All windows of the last two dims as dims of their own: (..., rows, columns, h, w).
local function windows_of(x, h, w, step)
  local rows, columns = (x:size(-2) - h) // step + 1, (x:size(-1) - w) // step + 1
  local shape, stride = { x:size(1), rows, columns, h, w }, x:stride()
  return x:as_strided(shape, { stride[1], stride[2] * step, stride[3] * step, stride[2], stride[3] })
end

local function same(a, b, rtol) assert.is_nil(values.tensors_differ(a, b, rtol)) end

local function random(shape, dtype)
  cr.manual_seed(11)
  return cr.randn(shape):to(dtype or "float32"):to(values.device)
end

describe("the windows of an image of many columns", function()
  for _, dtype in ipairs { "float32", "float64", "float16", "int32" } do
    for _, step in ipairs { 1, 2, 3 } do
      it(("have their largest elements, step %d, %s"):format(step, dtype), function()
        local x = (random { 3, 9, 1300 } * 50):to(dtype)
        local want = windows_of(x, 3, 3, step):amax { 4, 5 }
        same(cr.max_pool2d(x, 3, step), want)
        local most, places = cr.max_pool2d(x, 3, step, { return_indices = true })
        same(most, want)
        same(x:reshape(3, -1):gather(2, places:reshape(3, -1)):reshape(most.shape), want)
      end)
      if dtype:find "float" then
        it(("have their means, step %d, %s"):format(step, dtype), function()
          local x = random({ 3, 9, 2300 }, dtype)
          local want = windows_of(x:to "float64", 3, 2, step):mean { 4, 5 }
          same(cr.avg_pool2d(x, { 3, 2 }, step), want:to(dtype), dtype == "float64" and 1e-12 or 2e-3)
        end)
      end
    end
  end

  it("count what stands in the padding as zeros or not at all", function()
    local x = random { 1, 40, 50 }
    local padded, ones = cr.pad(x, { 1, 1, 1, 1 }), cr.pad(cr.ones_like(x), { 1, 1, 1, 1 })
    local sums = windows_of(padded, 3, 3, 2):sum { 4, 5 }
    same(cr.avg_pool2d(x, 3, 2, 1), sums / 9, 1e-5)
    same(cr.avg_pool2d(x, 3, 2, 1, false, false), sums / windows_of(ones, 3, 3, 2):sum { 4, 5 }, 1e-5)
    same(cr.avg_pool2d(x, 3, 2, 1, { divisor_override = 5 }), sums / 5, 1e-5)
  end)

  it("give equal numbers their exact mean", function()
    local x = cr.full({ 2, 30, 31 }, 0.1)
    assert.is_true(cr.avg_pool2d(x, 3, 2):eq(0.1):all():item() or cr.avg_pool2d(x, 1):eq(x):all():item())
    assert.is_true(cr.avg_pool2d(cr.ones(2, 30, 31), 7, 3):eq(1):all():item())
  end)

  it("have an infinite element, or NaN, where there is one", function()
    local x = cr.full({ 1, 3, 600 }, -cr.inf)
    local most, places = cr.max_pool2d(x, 3, 3, { return_indices = true })
    assert.is_true(most:eq(-cr.inf):all():item())
    assert.equal(4, places[{ 1, 1, 2 }]:item())
    x[{ 1, 2, 5 }] = cr.nan
    most, places = cr.max_pool2d(x, 3, 3, { return_indices = true })
    assert.equal(1, most:isnan():sum():item())
    assert.equal(605, places[{ 1, 1, 2 }]:item())
  end)
end)

describe("what windows give does not depend on the number of threads:", function()
  local threads = cr.get_num_threads()
  local x = random({ 6, 60, 600 }):requires_grad_()
  local calls = {
    max_pool2d = function() return cr.max_pool2d(x, 3, 2, 1) end,
    avg_pool2d = function() return cr.avg_pool2d(x, 3, 2, 1) end,
    adaptive_max_pool2d = function() return cr.adaptive_max_pool2d(x, 7) end,
    adaptive_avg_pool2d = function() return cr.adaptive_avg_pool2d(x, 7) end,
    unfold = function() return cr.unfold(x, 3) end,
    interpolate = function() return cr.interpolate(x:unsqueeze(1), { 90, 500 }, { mode = "bicubic" }) end,
  }
  for name, f in pairs(calls) do
    it(name, function()
      local found = {}
      for i, n in ipairs { 1, 2, 3 } do
        cr.set_num_threads(n)
        local y = f()
        local g = cr.grad(y, x, { grad_outputs = y:detach() })
        found[i] = { y:detach(), g }
      end
      cr.set_num_threads(threads)
      for i = 2, 3 do
        assert.is_true(found[1][1]:equal(found[i][1]))
        assert.is_true(found[1][2]:equal(found[i][2]))
      end
    end)
  end
end)

describe("the gradient of pooling", function()
  it("goes to the chosen elements, added up where windows overlap", function()
    local x = cr.tensor({ { { 1, 5, 2 }, { 0, 3, 4 } } }, { dtype = "float32", requires_grad = true })
    cr.max_pool2d(x, 2, 1):sum():backward()
    assert.same({ { { 0, 2, 0 }, { 0, 0, 0 } } }, x.grad:totable())
  end)

  it("is the transpose of the mean, in planes of many rows", function()
    for _, args in ipairs { { 3, 2, 1 }, { 2 }, { { 5, 3 }, { 2, 1 }, { 2, 1 }, true, false } } do
      local x = random({ 2, 70, 90 }, "float64"):requires_grad_()
      local y = cr.avg_pool2d(x, table.unpack(args))
      local w = random(y.shape, "float64")
      local g = cr.grad(y, x, { grad_outputs = w })
      assert.near((y * w):sum():item(), (g * x):sum():item(), 1e-9)
    end
  end)

  it("of a place outside of its plane is an error, whatever was saved", function()
    local x = cr.randn(1, 4, 4):requires_grad_() -- elsewhere nothing is added there
    local y
    do
      local _ <close> = cr.saved_tensors_hooks(function(t) return t end,
        function(t) return t.dtype == "int64" and t + 1000 or t end)
      y = cr.max_pool2d(x, 2)
    end
    assert.has_error(function() y:sum():backward() end)
  end)
end)

describe("fractional pooling", function()
  local x = random { 2, 3, 9, 8 }
  it("draws its places from the generator", function()
    cr.manual_seed(3)
    local a, at = cr.fractional_max_pool2d(x, 2, 4, { return_indices = true })
    cr.manual_seed(3)
    local b = cr.fractional_max_pool2d(x, 2, 4)
    assert.is_true(a:equal(b))
    same(x:reshape(6, -1):gather(2, at:reshape(6, -1)):reshape(a.shape), a)
    assert.is_false(a:equal(cr.fractional_max_pool2d(x, 2, 4)))
  end)

  it("draws nothing where it fails", function()
    cr.manual_seed(3)
    local before = cr.get_rng_state()
    assert.has_error(function() cr.fractional_max_pool2d(x, 9, 4) end)
    assert.same(before.offset, cr.get_rng_state().offset)
  end)
end)

describe("max_unpool", function()
  it("puts back what max_pool has taken", function()
    local x = random { 2, 3, 8, 6 }
    local most, at = cr.max_pool2d(x, 2, { return_indices = true })
    local back = cr.max_unpool2d(most, at, 2)
    assert.same({ 2, 3, 8, 6 }, back.shape)
    same(cr.max_pool2d(back:abs(), 2), most:abs())
    same(back:sum(), most:sum(), 1e-5)
  end)

  it("keeps the last of several elements for one place", function()
    local x = cr.tensor { { 1.0, 2.0 } }
    assert.same({ { 0, 2, 0, 0 } }, cr.max_unpool1d(x, cr.tensor { { 2, 2 } }, 2):totable())
  end)
end)

describe("unfold", function()
  it("and fold count how many patches an element is part of", function()
    local x = cr.ones(1, 2, 5, 6)
    local counts = cr.fold(cr.unfold(x, 3), { 5, 6 }, 3)
    assert.equal(9, counts[{ 1, 1, 3, 3 }]:item())
    assert.equal(1, counts[{ 1, 2, 1, 1 }]:item())
  end)

  it("makes a convolution a product", function()
    local x = cr.arange(1, 13):to("float32"):reshape(1, 3, 4)
    local columns = cr.unfold(x, { 2, 2 })
    assert.same({ 4, 6 }, columns.shape)
    assert.same({ 1, 2, 5, 6 }, columns:select(2, 1):totable())
  end)
end)

local image = cr.zeros(1, 2, 4, 5)
local cases = {
  ["max_pool"] = {
    { "cr.max_pool2d(cr.zeros(4, 5), 2)", "max_pool2d: input must have shape (C, H, W) or (N, C, H, W), got 4x5" },
    { "cr.max_pool1d(image, 2)", "max_pool1d: input must have shape (C, L) or (N, C, L), got 1x2x4x5" },
    { "cr.max_pool3d(cr.zeros(2, 0, 3, 3), 1)",
      "max_pool3d: input has no elements along dim 2: its shape is 2 x 0 x 3 x 3" },
    { "cr.max_pool2d(image:to 'bool', 2)",
      "max_pool2d: input must be of a floating or integer dtype, got bool; convert it with :to(dtype)" },
    { "cr.max_pool2d(image, { 1, 2, 3 })", "max_pool2d: kernel_size must be one number or 2, got 3 numbers" },
    { "cr.max_pool2d(image, 0)", "max_pool2d: kernel_size must be at least 1, got 0" },
    { "cr.max_pool2d(image, 1 << 40)",
      "max_pool2d: kernel_size must be at least 1 and below 2^31, got 1099511627776" },
    { "cr.max_pool2d(image, 2, { 1, 0 })", "max_pool2d: stride must be at least 1, got 0" },
    { "cr.max_pool2d(image, 2, 1, -1)", "max_pool2d: padding must be at least 0, got -1" },
    { "cr.max_pool2d(image, 3, 1, 2)", "max_pool2d: padding 2 is more than half of a window of 3" },
    { "cr.max_pool2d(image, 2, 1, 0, 0)", "max_pool2d: dilation must be at least 1, got 0" },
    { "cr.max_pool2d(image, 5)",
      "max_pool2d: a window of 5 does not fit into dim 3 of input, of shape 1x2x4x5, with padding 0" },
    { "cr.max_pool1d(cr.zeros(1, 1), 2, 1, 2, 3)",
      "max_pool1d: window 1 along dim 2, with padding 2 and dilation 3, holds no element of an input of shape 1x1" },
    { "cr.max_pool2d(image, 2, 1, 0, 1, 3)", "max_pool2d: ceil_mode must be true or false, got the number 3" },
    { "cr.max_pool2d(image, 2, 1, 0, 1, false, 1)",
      "max_pool2d: return_indices must be true or false, got the number 1" },
  },
  ["adaptive pooling"] = {
    { "cr.adaptive_max_pool2d(image, { 1, 2, 3 })",
      "adaptive_max_pool2d: output_size must be one number or 2, got 3 numbers" },
    { "cr.adaptive_avg_pool2d(image, -2)", "adaptive_avg_pool2d: output_size must be at least -1, got -2" },
    { "cr.adaptive_avg_pool2d(image:to 'int64', 2)",
      "adaptive_avg_pool2d: input must be of a floating dtype, got int64; convert it with :to(dtype)" },
    { "cr.adaptive_avg_pool1d(image, 2)",
      "adaptive_avg_pool1d: input must have shape (C, L) or (N, C, L), got 1x2x4x5" },
  },
  ["avg_pool and lp_pool"] = {
    { "cr.avg_pool2d(image, 2, 1, 2)", "avg_pool2d: padding 2 is more than half of a window of 2" },
    { "cr.avg_pool2d(image, 2, 1, 0, false, true, 0)", "avg_pool2d: divisor_override must not be 0" },
    { "cr.avg_pool2d(image, 2, 1, 0, false, 3)",
      "avg_pool2d: count_include_pad must be true or false, got the number 3" },
    { "cr.avg_pool3d(image, { 1, 5, 1 })",
      "avg_pool3d: a window of 5 does not fit into dim 3 of input, of shape 1x2x4x5, with padding 0" },
    { "cr.lp_pool2d(image, 0, 2)", "lp_pool2d: norm_type must be a number other than 0, got 0" },
    { "cr.lp_pool1d(image, 2, 2)", "lp_pool1d: input must have shape (C, L) or (N, C, L), got 1x2x4x5" },
    { "cr.lp_pool2d(image:to 'int32', 2, 2)",
      "lp_pool2d: input must be of a floating dtype, got int32; convert it with :to(dtype)" },
  },
  ["fractional_max_pool"] = {
    { "cr.fractional_max_pool2d(image, 2)", "fractional_max_pool2d: needs output_size or output_ratio, and not both" },
    { "cr.fractional_max_pool2d(image, 2, 2, 0.5)",
      "fractional_max_pool2d: needs output_size or output_ratio, and not both" },
    { "cr.fractional_max_pool2d(image, 2, nil, { 0.5, 0.5, 0.5 })",
      "fractional_max_pool2d: output_ratio must be one number or 2, got 3 numbers" },
    { "cr.fractional_max_pool2d(image, 2, nil, 1.5)",
      "fractional_max_pool2d: output_ratio must lie between 0 and 1, got 1.5" },
    { "cr.fractional_max_pool2d(image, 2, nil, 0.2)",
      "fractional_max_pool2d: output_ratio 0.2 leaves nothing of a size of 4" },
    { "cr.fractional_max_pool2d(image, 3, 3)",
      "fractional_max_pool2d: 3 windows of 3 do not fit into dim 3 of input, of shape 1x2x4x5" },
    { "cr.fractional_max_pool2d(image, 2, 2, nil, false, cr.rand(1, 2, 3))",
      "fractional_max_pool2d: _random_samples must have shape 1x2x2, got 1x2x3" },
    { "cr.fractional_max_pool2d(image, 2, 2, nil, false, cr.rand(1, 2, 2):to 'float64')",
      "fractional_max_pool2d: _random_samples are float64, but input is float32" },
  },
  ["max_unpool"] = {
    { "cr.max_unpool2d(image, image, 2)", "max_unpool2d: indices must be int64, got float32" },
    { "cr.max_unpool2d(image, cr.ones(1, 2, 4, 4):to 'int64', 2)",
      "max_unpool2d: indices must have the shape of input, 1x2x4x5, got 1x2x4x4" },
    { "cr.max_unpool2d(image, cr.ones(1, 2, 4, 5):to 'int64', 2, 2, 0, { 8, 10, 1 })",
      "max_unpool2d: output_size must list 2 sizes or 4, got 3" },
    { "cr.max_unpool2d(image, cr.ones(1, 2, 4, 5):to 'int64', 2, 2, 0, { 10, 10 })",
      "max_unpool2d: output_size along dim 3 must lie from 7 to 9, got 10" },
    { "cr.max_unpool1d(cr.zeros(1, 1), cr.ones(1, 1):to 'int64', 2, 1, 1)",
      "max_unpool1d: the result would have size 0 along dim 2" },
    { "cr.max_unpool2d(image, cr.full({ 1, 2, 4, 5 }, 81, { dtype = 'int64' }), 2)",
      "max_unpool2d: position 81 is out of range for dim 2 of size 80" },
    { "cr.max_unpool1d(cr.zeros(1, 2), cr.zeros({ 1, 2 }, { dtype = 'int64' }), 2)",
      "max_unpool1d: position 0 is out of range for dim 2 of size 4" },
  },
  ["unfold and fold"] = {
    { "cr.unfold(cr.zeros(4, 5), 2)", "unfold: input must have shape (C, H, W) or (N, C, H, W), got 4x5" },
    { "cr.unfold(image:to 'int64', 2)",
      "unfold: input must be of a floating dtype or bool, got int64; convert it with :to(dtype)" },
    { "cr.unfold(image, { 1, 2, 3 })", "unfold: kernel_size must be one number or 2, got 3 numbers" },
    { "cr.unfold(image, 2, 0)", "unfold: dilation must be at least 1, got 0" },
    { "cr.unfold(image, 2, 1, -1)", "unfold: padding must be at least 0, got -1" },
    { "cr.unfold(image, 2, 1, 0, 0)", "unfold: stride must be at least 1, got 0" },
    { "cr.unfold(image, 5)", "unfold: a patch of 5 does not fit into an image of 4x5 with padding 0" },
    { "cr.fold(image, 4, 2)", "fold: input must have shape (C h w, L) or (N, C h w, L), got 1x2x4x5" },
    { "cr.fold(cr.zeros(6, 9), 4, 2)",
      "fold: columns of input must have a multiple of 4 elements, the product of kernel_size; its shape is 6x9" },
    { "cr.fold(cr.zeros(8, 8), 4, 2)", "fold: input must have 9 columns, one for each patch; its shape is 8x8" },
    { "cr.fold(cr.zeros(8, 9), 0, 2)", "fold: output_size must be at least 1, got 0" },
    { "cr.fold(cr.zeros(8, 9), 1, 2)", "fold: a patch of 2 does not fit into output_size of 1x1 with padding 0" },
  },
  ["shuffles"] = {
    { "cr.pixel_shuffle(cr.zeros(4, 5), 2)", "pixel_shuffle: input must have shape (..., C, H, W), got 4x5" },
    { "cr.pixel_shuffle(image, 0)", "pixel_shuffle: upscale_factor must be at least 1, got 0" },
    { "cr.pixel_shuffle(image, 2)", "pixel_shuffle: 2 channels are no multiple of upscale_factor^2, 4" },
    { "cr.pixel_unshuffle(image, 2)",
      "pixel_unshuffle: 4 rows and 5 columns are no multiples of downscale_factor, 2" },
    { "cr.channel_shuffle(image, 3)", "channel_shuffle: 2 channels (dim 2) do not make 3 equal groups" },
    { "cr.channel_shuffle(cr.zeros(2, 2), 1)", "channel_shuffle: input must have shape (N, C, ...), got 2x2" },
  },
}

for group, list in pairs(cases) do
  describe("a call of " .. group .. " is refused:", function()
    for _, case in ipairs(list) do
      it(case[1], function()
        local f = assert(load("local cr, image = ...; return " .. case[1], "=call"))
        local ok, message = pcall(f, cr, image)
        assert.is_false(ok)
        message = tostring(message):gsub("^call:1: ", "")
        assert.equal(case[2], message:sub(1, #case[2]))
      end)
    end
  end)
end
