-- rows_recurrent.lua: recurrent layers, forward and backward, of one sequence and of many.
-- For rows.lua, which says what a row is.

local group = require("row_list").group

-- A layer of 128 units over 100 steps of a batch; `name` is that of cr, and class that of torch.nn.
local function layer(name, class, gates, batch, target)
  local n = gates * 128
  group({
    setup = ([[
      local x, g = cr.randn({ 100, %d, 128 }, { requires_grad = true }), cr.randn(100, %d, 128)
      local all = { x }
      for i, shape in ipairs { { %d, 128 }, { %d, 128 }, { %d }, { %d } } do
        all[i + 1] = (cr.rand(shape) * 0.17 - 0.085):requires_grad_()
      end
      local params = { table.unpack(all, 2) }]]):format(batch, batch, n, n, n, n),
    peer_setup = ([[
x, g = torch.randn(100, %d, 128, requires_grad=True), torch.randn(100, %d, 128)
layer = torch.nn.%s(128, 128)
all = [x] + list(layer.parameters())]]):format(batch, batch, class),
  }, {
    { ("%s %d x 100 x 128 forward and backward"):format(name, batch), target,
      ("local y = cr.%s(x, nil, params) local _ = cr.grad(y, all, { grad_outputs = g })"):format(name),
      "torch.autograd.grad(layer(x)[0], all, g)" },
  })
end

layer("lstm", "LSTM", 4, 1, 2.0)
layer("lstm", "LSTM", 4, 32, 1.2)
layer("gru", "GRU", 3, 1, 2.0)
layer("gru", "GRU", 3, 32, 1.2)
