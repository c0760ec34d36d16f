-- rows_modules.lua: layers of cr.nn: what a call costs, and whole steps of training.
-- For rows.lua, which says what a row is.
--
-- Holds true: both sides begin with parameters of the same distributions and shapes, and make one step of an optimizer
-- for each call.

local row = require("row_list").row

row {
  name = "nn.Linear call, 4 x 4", target = 5.0,
  setup = "local m, x = cr.nn.Linear(4, 4), cr.randn(4, 4)", ours = "local _ = m(x)",
  peer_setup = "m, x = torch.nn.Linear(4, 4), torch.randn(4, 4)", peer = "m(x)",
}

-- A step of training: the model and the loss in both languages, input and target as shapes or expressions.
local function step(name, target, ours, peer)
  row {
    name = name, target = target,
    setup = ([[
      local nn = cr.nn
      local F = nn.functional
      %s
      local opt = cr.optim.%s]]):format(ours.setup, ours.optimizer),
    ours = ("opt:zero_grad() local loss = %s loss:backward() opt:step()"):format(ours.loss),
    peer_setup = ([[
from torch import nn
%s
opt = torch.optim.%s]]):format(peer.setup, peer.optimizer),
    peer = ("opt.zero_grad(); loss = %s; loss.backward(); opt.step()"):format(peer.loss),
  }
end

for _, at in ipairs { { 64, 2.5 }, { 1, 8.0 } } do
  step(("nn: MLP 784, 256, 10, batch %d, AdamW step"):format(at[1]), at[2], {
    setup = ([[local net = nn.Sequential { nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10) }
      local x, y = cr.randn(%d, 784), cr.randint(1, 11, { %d })]]):format(at[1], at[1]),
    optimizer = "AdamW(net:parameters(), { lr = 1e-3 })", loss = "F.cross_entropy(net(x), y)",
  }, {
    setup = ([[net = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
x, y = torch.randn(%d, 784), torch.randint(0, 10, (%d,))]]):format(at[1], at[1]),
    optimizer = "AdamW(net.parameters(), lr=1e-3)", loss = "F.cross_entropy(net(x), y)",
  })
end

step("nn: CNN of 32 channels on 28 x 28, batch 64, AdamW step", 1.2, {
  setup = [[local net = nn.Sequential { nn.Conv2d(1, 32, 3, { padding = 1 }), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 14 * 14, 10) }
      local x, y = cr.randn(64, 1, 28, 28), cr.randint(1, 11, { 64 })]],
  optimizer = "AdamW(net:parameters(), { lr = 1e-3 })", loss = "F.cross_entropy(net(x), y)",
}, {
  setup = [[net = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    nn.Linear(32 * 14 * 14, 10))
x, y = torch.randn(64, 1, 28, 28), torch.randint(0, 10, (64,))]],
  optimizer = "AdamW(net.parameters(), lr=1e-3)", loss = "F.cross_entropy(net(x), y)",
})

step("nn: transformer layer of 64, 4 heads, 16 x 128, AdamW step", 1.3, {
  setup = [[local net = nn.TransformerEncoderLayer(64, 4, { dim_feedforward = 256, dropout = 0, batch_first = true })
      local x = cr.randn(16, 128, 64)]],
  optimizer = "AdamW(net:parameters(), { lr = 1e-3 })", loss = "net(x):square():mean()",
}, {
  setup = [[net = nn.TransformerEncoderLayer(64, 4, 256, dropout=0, batch_first=True)
x = torch.randn(16, 128, 64)]],
  optimizer = "AdamW(net.parameters(), lr=1e-3)", loss = "net(x).square().mean()",
})

step("nn: LSTM of 64, 32 x 100, AdamW step", 2.0, {
  setup = [[local net = nn.LSTM(32, 64, { batch_first = true })
      local x = cr.randn(32, 100, 32)]],
  optimizer = "AdamW(net:parameters(), { lr = 1e-3 })", loss = "(net(x)):square():mean()",
}, {
  setup = [[net = nn.LSTM(32, 64, batch_first=True)
x = torch.randn(32, 100, 32)]],
  optimizer = "AdamW(net.parameters(), lr=1e-3)", loss = "net(x)[0].square().mean()",
})
