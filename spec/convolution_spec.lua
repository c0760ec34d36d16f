-- convolution_spec.lua: convolutions of sizes that leave the small paths, whatever carries them out; how they refuse
-- what does not fit; and that neither threads nor the library behind them change what they give.
--
-- What is right is computed tap by tap, of slices of a padded input.

local cr = require "cresset"
local shell = require "spec.support.shell"
local values = require "spec.support.values"

local function ratio(a, b) return (a + b - 1) // b end

-- A tensor on the device of the specs.
local function randn(...) return cr.randn({ ... }, { dtype = "float64", device = values.device }) end

-- The convolution of images, one tap of the kernel after the other.
local function by_taps(x, w, o)
  local sy, sx = o.stride[1], o.stride[2]
  local py, px, dy, dx = o.padding[1], o.padding[2], o.dilation[1], o.dilation[2]
  local n, k, ky, kx = x.shape[1], w.shape[1], w.shape[3], w.shape[4]
  local wide = cr.pad(x, { px, px, py, py })
  local rows = ratio(wide.shape[3] - (ky - 1) * dy, sy)
  local columns = ratio(wide.shape[4] - (kx - 1) * dx, sx)
  local parts, each = {}, k // o.groups
  for g = 1, o.groups do
    local inside, sum = x.shape[2] // o.groups, nil
    for i = 1, ky do
      for j = 1, kx do
        local y0, x0 = (i - 1) * dy + 1, (j - 1) * dx + 1
        local taken = wide[{ {}, { (g - 1) * inside + 1, g * inside }, { y0, y0 + (rows - 1) * sy, sy },
          { x0, x0 + (columns - 1) * sx, sx } }]
        local tap = w[{ { (g - 1) * each + 1, g * each }, {}, i, j }]
        local part = tap:mm(taken:transpose(1, 2):reshape(inside, -1)):view(each, n, rows, columns):transpose(1, 2)
        sum = sum and sum + part or part
      end
    end
    parts[g] = sum
  end
  return cr.cat(parts, 2)
end

-- Sizes: images, channels, height, width; results, kernel height and width; and how they are tied.
local function geometry(n, c, h, w, k, kh, kw, o)
  o = o or {}
  return { x = { n, c, h, w }, w = { k, c // (o.groups or 1), kh, kw }, stride = o.stride or { 1, 1 },
    padding = o.padding or { 0, 0 }, dilation = o.dilation or { 1, 1 }, groups = o.groups or 1 }
end

local geometries = {
  ["the first layer of a network"] = geometry(2, 3, 40, 37, 20, 7, 7, { stride = { 2, 2 }, padding = { 3, 3 } }),
  ["many channels"] = geometry(3, 70, 15, 13, 45, 3, 3, { padding = { 1, 1 } }),
  ["one image"] = geometry(1, 33, 30, 40, 40, 3, 3, { padding = { 1, 1 } }),
  ["more terms than are summed at a time"] = geometry(2, 300, 9, 9, 17, 2, 3),
  ["strides that differ"] = geometry(2, 16, 23, 31, 24, 3, 5, { stride = { 2, 3 }, padding = { 2, 1 } }),
  ["strides beyond the kernel"] = geometry(2, 16, 33, 31, 24, 2, 2, { stride = { 4, 3 } }),
  ["dilation"] = geometry(2, 16, 29, 31, 24, 3, 3, { dilation = { 2, 3 }, padding = { 2, 0 } }),
  ["dilation and stride"] = geometry(2, 16, 29, 31, 24, 3, 3, { dilation = { 2, 3 }, stride = { 2, 2 } }),
  ["groups"] = geometry(2, 32, 17, 19, 48, 3, 3, { groups = 2, padding = { 1, 1 } }),
  ["many groups"] = geometry(2, 24, 17, 19, 48, 3, 3, { groups = 12, padding = { 1, 1 } }),
  ["places alone"] = geometry(3, 40, 12, 17, 33, 1, 1),
  ["places alone, in groups"] = geometry(3, 40, 12, 17, 32, 1, 1, { groups = 4 }),
  ["places alone, with gaps"] = geometry(3, 40, 12, 17, 33, 1, 1, { stride = { 2, 2 } }),
  ["channels apart"] = geometry(2, 24, 21, 37, 24, 3, 3, { groups = 24, padding = { 1, 1 } }),
  ["channels apart, with strides"] = geometry(2, 20, 22, 37, 20, 5, 4, { groups = 20, stride = { 2, 3 },
    padding = { 2, 1 } }),
  ["channels apart, dilated"] = geometry(2, 20, 22, 37, 20, 3, 3, { groups = 20, stride = { 1, 2 },
    dilation = { 3, 2 }, padding = { 1, 4 } }),
  ["channels apart, of large images"] = geometry(1, 2, 300, 310, 2, 4, 3, { groups = 2, stride = { 2, 1 } }),
  ["channels apart, by a kernel beyond the image"] = geometry(2, 20, 6, 7, 20, 3, 3, { groups = 20,
    dilation = { 9, 8 }, padding = { 9, 10 } }),
  ["kernels beyond the image"] = geometry(4, 32, 20, 20, 32, 3, 3, { dilation = { 19, 25 }, padding = { 30, 28 } }),
  ["several results of each channel"] = geometry(2, 20, 22, 17, 40, 3, 3, { groups = 20, padding = { 1, 1 } }),
}

-- What a geometry gives in float64: result, and both gradients, of x, w and the result's gradient.
local function wanted(g)
  local x, w = randn(table.unpack(g.x)):requires_grad_(), randn(table.unpack(g.w)):requires_grad_()
  local y = by_taps(x, w, g)
  local grad = randn(table.unpack(y.shape))
  local gx, gw = cr.grad({ y }, { x, w }, { grad_outputs = { grad } })
  return { x = x:detach(), w = w:detach(), grad = grad, y = y:detach(), gx = gx, gw = gw }
end

local function far(got, want) return (got:to "float64" - want):abs():max():item() / want:abs():max():item() end

-- The same by conv2d in a dtype; how far the three are from that.
local function distance(g, want, dtype)
  local x, w = want.x:to(dtype):requires_grad_(), want.w:to(dtype):requires_grad_()
  local bias = cr.ones({ g.w[1] }, { dtype = dtype, device = values.device })
  local y = cr.conv2d(x, w, bias, g.stride, g.padding, g.dilation, g.groups)
  local gx, gw = cr.grad({ y }, { x, w }, { grad_outputs = { want.grad:to(dtype) } })
  return math.max(far(y, want.y + 1), far(gx, want.gx), far(gw, want.gw))
end

describe("a convolution of", function()
  for name, g in pairs(geometries) do
    it(name .. " is the sum over taps, and so are its gradients", function()
      local want = wanted(g)
      for dtype, most in pairs { float64 = 1e-13, float32 = 1e-5, bfloat16 = 3e-2, float16 = 3e-3 } do
        local found = distance(g, want, dtype)
        assert(found < most, ("%s is %g away"):format(dtype, found))
      end
    end)
  end

  it("integers wraps as their products do", function()
    local x = cr.randint(-100, 100, { 2, 3, 9, 9 }):to { dtype = "int8", device = values.device }
    local w = cr.randint(-100, 100, { 4, 3, 3, 3 }):to { dtype = "int8", device = values.device }
    local want = cr.conv2d(x:to "int64", w:to "int64"):to "int8"
    assert.is_true(cr.conv2d(x, w):equal(want))
  end)

  it("a volume is that of its images where the kernel has no depth", function()
    local x, w = randn(2, 3, 4, 9, 8), randn(5, 3, 1, 3, 3)
    local volume = cr.conv3d(x, w, nil, 1, { 0, 1, 1 })
    for i = 1, 4 do
      local image = cr.conv2d(x:select(3, i), w:select(3, 1), nil, 1, 1)
      assert.is_true(far(volume:select(3, i), image) < 1e-13)
    end
  end)

  it("a volume with channels apart is that with a kernel of zeros between them", function()
    local x, w = randn(2, 3, 7, 9, 8), randn(3, 1, 3, 2, 3)
    local full = cr.zeros({ 3, 3, 3, 2, 3 }, { dtype = "float64", device = values.device })
    for c = 1, 3 do full[{ c, c }] = w[{ c, 1 }] end
    for _, o in ipairs { { 1, 0, 1 }, { { 2, 1, 3 }, { 1, 2, 0 }, { 1, 2, 1 } } } do
      local apart = cr.conv3d(x, w, nil, o[1], o[2], o[3], 3)
      assert.is_true(far(apart, cr.conv3d(x, full, nil, o[1], o[2], o[3])) < 1e-13)
    end
  end)

  it("what lies scattered in memory is that of a copy", function()
    local x, w = randn(9, 8, 2, 3), randn(3, 3, 5, 3)
    local scattered, turned = x:permute(3, 4, 1, 2), w:permute(3, 4, 1, 2)
    assert.is_true(cr.conv2d(scattered, turned):equal(cr.conv2d(scattered:contiguous(), turned:contiguous())))
  end)
end)

describe("padding", function()
  local x, w = randn(1, 2, 9, 8), randn(3, 2, 4, 3)

  it('"same" keeps the sizes, with the odd place behind', function()
    assert.is_true(cr.conv2d(x, w, nil, 1, "same"):equal(cr.conv2d(cr.pad(x, { 1, 1, 1, 2 }), w)))
    assert.is_true(cr.conv2d(x, w, nil, 1, "same", 2):equal(cr.conv2d(cr.pad(x, { 2, 2, 3, 3 }), w, nil, 1, 0, 2)))
  end)

  it('"valid" is none', function()
    assert.is_true(cr.conv2d(x, w, { padding = "valid" }):equal(cr.conv2d(x, w)))
  end)
end)

describe("without elements", function()
  it("a batch gives an empty batch, and gradients of zero", function()
    local x, w = randn(0, 2, 5, 5):requires_grad_(), randn(3, 2, 3, 3):requires_grad_()
    local b = randn(3):requires_grad_()
    local y = cr.conv2d(x, w, b)
    assert.equal("0 x 3 x 3 x 3", tostring(y.shape))
    y:sum():backward()
    assert.equal("0 x 2 x 5 x 5", tostring(x.grad.shape))
    assert.is_true(w.grad:equal(cr.zeros_like(w.grad)) and b.grad:equal(cr.zeros_like(b.grad)))
  end)

  it("channels give no channels, as in PyTorch", function()
    assert.equal("1 x 0 x 3 x 3", tostring(cr.conv2d(randn(1, 0, 5, 5), randn(3, 0, 3, 3)).shape))
    assert.equal("0 x 3 x 3", tostring(cr.conv2d(randn(0, 5, 5), randn(3, 0, 3, 3)).shape))
  end)
end)

describe("a convolution refuses", function()
  local x, w, b = cr.zeros(1, 4, 5, 5), cr.zeros(6, 4, 3, 3), cr.zeros(6)
  local function refused(what, f, ...)
    local name, args = ..., table.pack(select(2, ...))
    it(what, function()
      local ok, message = pcall(cr[name], table.unpack(args, 1, args.n))
      assert.is_false(ok)
      assert(tostring(message):find(name .. ": " .. f, 1, true), tostring(message))
    end)
  end

  refused("an input of other dims", "input must have 4 dims, or 3 without a batch, got shape 5x5", "conv2d", x[1][1], w)
  refused("a weight of other dims", "weight must have 4 dims, got shape 4x3x3", "conv2d", x, w[1])
  refused("a weight without results", "weight has no elements in dim 1", "conv2d", x, cr.zeros(0, 4, 3, 3))
  refused("a weight for other channels", "input has 4 channels, but weight of shape 6x3x3x3 in 1 group takes 3",
    "conv2d", x, cr.zeros(6, 3, 3, 3))
  refused("a bias for other results", "bias must have 6 elements in one dim, got shape 5", "conv2d", x, w, cr.zeros(5))
  refused("a weight of another dtype", "weight is float64 but input is float32", "conv2d", x, w:to "float64")
  refused("bools", "bool cannot be multiplied", "conv2d", x:to "bool", w:to "bool")
  refused("a stride of zero", "stride must be from 1 to 2147483647, got 0", "conv2d", x, w, b, 0)
  refused("strides for other dims", "stride must be one number or 2, got 3", "conv2d", x, w, b, { 1, 2, 3 })
  refused("padding below zero", "padding must be from 0 to 2147483647, got -1", "conv2d", x, w, b, 1, -1)
  refused("a word that it does not know", 'padding must be numbers, "same" or "valid", got "full"', "conv2d", x, w, b,
    1, "full")
  refused("what is neither a number nor a word", "padding must be an integer, a table of integers or one of its words",
    "conv2d", x, w, b, 1, true)
  refused('"same" with a stride', 'padding "same" goes with a stride of 1 only, got 2', "conv2d", x, w, b, { 1, 2 },
    "same")
  refused("a dilation of zero", "dilation must be from 1 to 2147483647, got 0", "conv2d", x, w, b, 1, 0, 0)
  refused("groups below one", "groups must be at least 1, got 0", "conv2d", x, w, b, 1, 0, 1, 0)
  refused("groups that do not divide", "weight has 6 channels in dim 1, which 4 groups do not divide", "conv2d", x,
    cr.zeros(6, 1, 3, 3), nil, 1, 0, 1, 4)
  refused("an input without places", "input has no elements in dim 3", "conv2d", cr.zeros(1, 4, 0, 5), w)
  refused("a kernel that is too large", "an input of size 5x5 and a kernel of size 3x3 give a result that has no",
    "conv2d", x, w, b, 1, 0, 3)
  refused("too much padding of a transpose", "an input of size 1x1 and a kernel of size 3x3 give a result that has no",
    "conv_transpose2d", cr.zeros(1, 4, 1, 1), cr.zeros(4, 6, 3, 3), b, 1, 2)
  refused("output_padding beyond the stride", "output_padding must be below stride or dilation, got 2 beside 2 and 1",
    "conv_transpose2d", x, cr.zeros(4, 6, 3, 3), b, 2, 0, 2)
  refused("words for padding of a transpose", "padding must be an integer or a table of integers", "conv_transpose2d",
    x, cr.zeros(4, 6, 3, 3), b, 1, "same")
end)

-- A program that prints digits of results and gradients of several convolutions in float32.
local program = [[
  local cr = require "cresset"
  cr.manual_seed(3)
  if THREADS then cr.set_num_threads(THREADS) end
  for _, g in ipairs {
    { { 6, 16, 40, 40 }, { 32, 16, 3, 3 }, 1, 1, 1, 1 }, { { 5, 3, 90, 90 }, { 32, 3, 7, 7 }, 2, 3, 1, 1 },
    { { 4, 32, 40, 40 }, { 64, 16, 3, 3 }, 2, 1, 1, 2 }, { { 4, 64, 30, 30 }, { 64, 1, 3, 3 }, 1, 1, 1, 64 },
    { { 8, 64, 20, 20 }, { 48, 64, 1, 1 }, 1, 0, 1, 1 }, { { 1, 32, 60, 60 }, { 48, 32, 3, 3 }, 1, 1, 1, 1 },
  } do
    local x, w = cr.randn(g[1]):requires_grad_(), cr.randn(g[2]):requires_grad_()
    local y = cr.conv2d(x, w, cr.randn(g[2][1]), g[3], g[4], g[5], g[6])
    local gx, gw = cr.grad({ y }, { x, w }, { grad_outputs = { cr.randn(y.shape) } })
    for _, t in ipairs { y:detach(), gx, gw } do
      local flat = t:flatten()
      local step = math.max(1, flat:numel() // 97)
      for i = 1, flat:numel(), step do print(("%.9g"):format(flat[i]:item())) end
    end
  end
]]

local function digits(environment, threads)
  local text = program:gsub("THREADS", tostring(threads or "nil"))
  local path = os.tmpname()
  shell.write(path, text)
  local out, status = shell.run(("env %s %s %s"):format(environment, shell.runner, path))
  os.remove(path)
  assert(status == 0, out)
  return out
end

describe("what convolutions give", function()
  it("depends on no threads, with oneDNN and without", function()
    for _, environment in ipairs { "CRESSET_DNNL=", "CRESSET_DNNL=none" } do
      local one = digits(environment, 1)
      for _, threads in ipairs { 2, 3, 7 } do assert.equal(one, digits(environment, threads)) end
    end
  end)

  it("depends on no instruction set that rounds once", function()
    local best = shell.run(("%s -e %s"):format(shell.runner, shell.quote "io.write(cr.isa_name())"))
    if best ~= "v4" then return end
    for _, environment in ipairs { "CRESSET_DNNL=", "CRESSET_DNNL=none" } do
      assert.equal(digits(environment), digits(environment .. " CRESSET_ISA=v3"))
    end
  end)

  it("is the same up to rounding without oneDNN", function()
    local with, without = digits("CRESSET_DNNL="), digits("CRESSET_DNNL=none")
    local other, n = without:gmatch "%S+", 0
    for word in with:gmatch "%S+" do
      local a, b = tonumber(word), tonumber(other())
      assert(math.abs(a - b) <= 2e-3 + 2e-4 * math.abs(b), ("%g and %g"):format(a, b))
      n = n + 1
    end
    assert.is_true(n > 1500)
    assert.is_nil(other())
  end)
end)

describe("memory that runs out", function()
  after_each(function() cr.debug.fail_alloc(0) end)

  local function live()
    collectgarbage()
    collectgarbage()
    return cr.memory.stats().allocated
  end

  it("leaves nothing behind, whichever way a convolution takes", function()
    for _, name in ipairs { "many channels", "strides that differ", "channels apart", "places alone", "one image" } do
      local g = geometries[name]
      for _, dtype in ipairs { "float32", "float16" } do
        local x, w = randn(table.unpack(g.x)):to(dtype), randn(table.unpack(g.w)):to(dtype)
        x:requires_grad_()
        w:requires_grad_()
        local function work()
          local y = cr.conv2d(x, w, nil, g.stride, g.padding, g.dilation, g.groups)
          return cr.grad({ y }, { x, w }, { grad_outputs = { cr.ones_like(y) } })
        end
        work()
        local before, n, done = live(), 0, false
        while not done do
          n = n + 1
          cr.debug.fail_alloc(n)
          local ok, message = pcall(work)
          done = cr.debug.fail_left() > 0
          cr.debug.fail_alloc(0)
          assert(done == ok, ("%s, allocation %d: %s"):format(name, n, message))
          assert(ok or tostring(message):find("out of memory", 1, true), message)
        end
        assert.equal(before, live())
      end
    end
  end)
end)
