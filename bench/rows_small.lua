-- rows_small.lua: operations of few elements, where the call is what takes the time.
-- For rows.lua, which says what a row is.

local list = require "row_list"
local row, group = list.row, list.group

-- ---- Small operations ------------------------------------------------------------------------------

group({
  counted = 5000, setup = "local a, b = cr.ones(4), cr.ones(4)", peer_setup = "a, b = torch.ones(4), torch.ones(4)",
}, {
  { "add, 4 floats", 6, "local _ = a + b", "a + b",
    why = "perf: 48 % Lua, most for a userdata with a finalizer, 10 % malloc for it, 37 % the engine" },
  { "add in place, 4 floats", nil, "a:add_(b)", "a.add_(b)" },
  { "multiply by a number, 4 floats", nil, "local _ = a * 2", "a * 2" },
  { "relu, 4 floats", nil, "local _ = a:relu()", "a.relu()" },
  { "sum, 4 floats", nil, "local _ = a:sum()", "a.sum()" },
  { "cat of two, 4 floats each", nil, "local _ = cr.cat { a, b }", "torch.cat((a, b))" },
  { "zeros, 4 floats", nil, "local _ = cr.zeros(4)", "torch.zeros(4)" },
  { "tensor of a table, 4 numbers", nil, "local _ = cr.tensor { 1, 2, 3, 4 }", "torch.tensor([1, 2, 3, 4])" },
})

group({
  counted = 5000, setup = "local a, b, v = cr.ones(4, 4), cr.ones(32, 32), cr.ones(1, 32)",
  peer_setup = "a, b, v = torch.ones(4, 4), torch.ones(32, 32), torch.ones(1, 32)",
}, {
  { "matmul, 4 x 4", nil, "local _ = a:matmul(a)", "a.matmul(a)" },
  { "matmul, 1 x 32 by 32 x 32", nil, "local _ = v:matmul(b)", "v.matmul(b)" },
  { "reshape, 4 x 4", nil, "local _ = a:reshape(2, 8)", "a.reshape(2, 8)" },
  { "t, 4 x 4", nil, "local _ = a:t()", "a.t()" },
})

row {
  name = "(x*b):sum():backward(), 4 floats", target = 8, counted = 5000,
  setup = "local x, b = cr.ones(4):requires_grad_(), cr.ones(4)", ours = "(x * b):sum():backward()",
  peer_setup = "x, b = torch.ones(4, requires_grad=True), torch.ones(4)", peer = "(x * b).sum().backward()",
}

row {
  name = "2-layer network, 32 hidden, batch 1, SGD step", target = 8, counted = 500,
  why = "perf: 61 % the engine, 26 % Lua, 9 % the C library, most of it malloc for some 45 userdata",
  setup = [[
    local x, y = cr.randn(1, 16), cr.randn(1, 4)
    local w1, b1 = (cr.randn(32, 16) * 0.1):requires_grad_(), cr.zeros(32):requires_grad_()
    local w2, b2 = (cr.randn(4, 32) * 0.1):requires_grad_(), cr.zeros(4):requires_grad_()
    local parameters = { w1, b1, w2, b2 }
    local function step()
      local hidden = (x:matmul(w1:t()) + b1):tanh()
      local loss = ((hidden:matmul(w2:t()) + b2 - y) ^ 2):mean()
      loss:backward()
      local _ <close> = cr.no_grad()
      for _, p in ipairs(parameters) do
        p:sub_(p.grad, { alpha = 0.01 })
        p.grad = nil
      end
    end]],
  ours = "step()",
  peer_setup = [[
x, y = torch.randn(1, 16), torch.randn(1, 4)
w1, b1 = (torch.randn(32, 16) * 0.1).requires_grad_(), torch.zeros(32).requires_grad_()
w2, b2 = (torch.randn(4, 32) * 0.1).requires_grad_(), torch.zeros(4).requires_grad_()
parameters = [w1, b1, w2, b2]
def step():
    hidden = (x.matmul(w1.t()) + b1).tanh()
    loss = ((hidden.matmul(w2.t()) + b2 - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        for p in parameters:
            p.sub_(p.grad, alpha=0.01)
            p.grad = None
]],
  peer = "step()",
}

group({
  counted = 5000, setup = "local x, i, j = cr.randn(10, 10), 2, 3",
  peer_setup = "x, i, j = torch.randn(10, 10), 1, 2",
}, {
  { "index x[i], a row", nil, "local _ = x[i]", "x[i]" },
  { "index x[{i, j}], read", 5, "local _ = x[{ i, j }]", "x[i, j]",
    why = "the key's table takes Lua 45 ns and the result's userdata 75, of 250 in all" },
  { "index x[{{2, 9}}], view", 5, "local _ = x[{ { 2, 9 } }]", "x[1:9]",
    why = "perf: 69 % Lua and malloc, for the key's two tables (85 ns) and the userdata (75); 5 leaves 170" },
  { "item of a 0-dim tensor", nil, "local _ = s:item()", "s.item()",
    setup = "local s = cr.ones(4):sum()", peer_setup = "s = torch.ones(4).sum()" },
})
