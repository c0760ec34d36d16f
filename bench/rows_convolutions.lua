-- rows_convolutions.lua: convolutions, and their gradients by input and by weight.
-- For rows.lua, which says what a row is.

local row = require("row_list").row

local function listed(open, list, close) return open .. table.concat(list, ", ") .. close end

-- What one convolution is called as, and its three rows: { dims, input, weight, stride, padding, groups }.
local function convolution(name, target, o)
  local call = ("conv%dd"):format(o.dims)
  local numbers = ("%d, %d, 1, %d"):format(o.stride or 1, o.padding or 0, o.groups or 1)
  local out = 1
  for d = 3, 2 + o.dims do
    out = out * ((o.input[d] + 2 * (o.padding or 0) - o.weight[d]) // (o.stride or 1) + 1)
  end
  for d = 2, 2 + o.dims do out = out * o.weight[d] end
  local flops = 2 * o.input[1] * o.weight[1] * out
  local sizes = { listed("", o.input, ""), listed("", o.weight, "") }
  -- by: what the gradient is taken by.
  local function add(what, ours, peer, by)
    local setup, peer_setup = ([[
      local x, w = cr.randn(%s), cr.randn(%s)
      %s
      local y = cr.%s(x, w, nil, %s)
      local g = cr.randn(y.shape)]]), ([[
x, w = torch.randn(%s), torch.randn(%s)
%s
y = F.%s(x, w, None, %s)
g = torch.randn(y.shape)]])
    row { name = ("%s, %s"):format(name, what), target = target, flops = flops, ours = ours, peer = peer,
      setup = setup:format(sizes[1], sizes[2], by and by .. ":requires_grad_()" or "", call, numbers),
      peer_setup = peer_setup:format(sizes[1], sizes[2], by and by .. ".requires_grad_()" or "", call, numbers) }
  end
  add("forward", ("local _ = cr.%s(x, w, nil, %s)"):format(call, numbers),
    ("F.%s(x, w, None, %s)"):format(call, numbers))
  for _, by in ipairs { { "input", "x" }, { "weight", "w" } } do
    add("gradient by " .. by[1],
      ("local _ = cr.grad(y, %s, { grad_outputs = g, retain_graph = true })"):format(by[2]),
      ("torch.autograd.grad(y, %s, g, retain_graph=True)"):format(by[2]), by[2])
  end
end

convolution("conv2d 7 x 7 / 2, 16 x 3 x 224 to 64", 1, { dims = 2, input = { 16, 3, 224, 224 },
  weight = { 64, 3, 7, 7 }, stride = 2, padding = 3 })
convolution("conv2d 3 x 3, 32 x 64 x 56", 1, { dims = 2, input = { 32, 64, 56, 56 }, weight = { 64, 64, 3, 3 },
  padding = 1 })
convolution("conv2d 3 x 3, 32 x 256 x 14", 1, { dims = 2, input = { 32, 256, 14, 14 }, weight = { 256, 256, 3, 3 },
  padding = 1 })
convolution("conv2d 1 x 1, 32 x 256 x 14 to 64", 1.4, { dims = 2, input = { 32, 256, 14, 14 },
  weight = { 64, 256, 1, 1 } })
convolution("conv2d depthwise 3 x 3, 32 x 128 x 28", 1.3, { dims = 2, input = { 32, 128, 28, 28 },
  weight = { 128, 1, 3, 3 }, padding = 1, groups = 128 })
convolution("conv1d 5, 16 x 64 x 1000", 1.1, { dims = 1, input = { 16, 64, 1000 }, weight = { 64, 64, 5 },
  padding = 2 })
convolution("conv3d 3 x 3 x 3, 2 x 16 x 16", 1.1, { dims = 3, input = { 2, 16, 16, 16, 16 },
  weight = { 16, 16, 3, 3, 3 }, padding = 1 })
