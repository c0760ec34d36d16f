-- rows_normalizations.lua: layers that subtract a mean and divide by a spread, forward and backward.
-- For rows.lua, which says what a row is.

local group = require("row_list").group

-- The setup of a layer `call` of x (of the sizes), w and b, with the same call in Python, for both directions.
local function layer(name, sizes, channels, call, peer, forward, backward)
  local n = table.concat(sizes, ", ")
  group({
    setup = ([[
      local x, g = cr.randn({ %s }, { requires_grad = true }), cr.randn(%s)
      local w, b = cr.ones({ %d }, { requires_grad = true }), cr.zeros({ %d }, { requires_grad = true })
      local function f(x, w, b) return %s end
      local u, v, c = x:detach(), w:detach(), b:detach()
      local y = f(x, w, b)]]):format(n, n, channels, channels, call),
    peer_setup = ([[
x, g = torch.randn(%s, requires_grad=True), torch.randn(%s)
w, b = torch.ones(%d, requires_grad=True), torch.zeros(%d, requires_grad=True)
def f(x, w, b): return %s
u, v, c = x.detach(), w.detach(), b.detach()
y = f(x, w, b)]]):format(n, n, channels, channels, peer),
  }, {
    { name .. " forward", forward, "local _ = f(u, v, c)", "f(u, v, c)" },
    { name .. " backward", backward, "local _ = cr.grad(y, { x, w, b }, { grad_outputs = g, retain_graph = true })",
      "torch.autograd.grad(y, (x, w, b), g, retain_graph=True)" },
  })
end

layer("layer_norm 4096 x 1024", { 4096, 1024 }, 1024, "cr.layer_norm(x, { 1024 }, w, b)",
  "F.layer_norm(x, (1024,), w, b)", 1.7, 1.3)
layer("layer_norm 16384 x 256", { 16384, 256 }, 256, "cr.layer_norm(x, { 256 }, w, b)",
  "F.layer_norm(x, (256,), w, b)", 1.7, 1.3)
layer("batch_norm 16x64x56x56", { 16, 64, 56, 56 }, 64, "cr.batch_norm(x, nil, nil, w, b, true)",
  "F.batch_norm(x, None, None, w, b, True)", 1.3, 1.3)
layer("group_norm 16x64x56x56, 8", { 16, 64, 56, 56 }, 64, "cr.group_norm(x, 8, w, b)", "F.group_norm(x, 8, w, b)", 1.3,
  1.3)

group({
  setup = "local x, w = cr.randn(4096, 1024), cr.ones(1024)",
  peer_setup = "x, w = torch.randn(4096, 1024), torch.ones(1024)",
}, {
  { "rms_norm 4096 x 1024", 2.0, "local _ = cr.rms_norm(x, { 1024 }, w)", "F.rms_norm(x, (1024,), w)" },
})
