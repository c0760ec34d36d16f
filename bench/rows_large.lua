-- rows_large.lua: operations on large tensors: pointwise, reductions, positions, layouts.
-- For rows.lua, which says what a row is.

local M = 1 << 20

local list = require "row_list"
local row, group = list.row, list.group

-- ---- Large pointwise operations ---------------------------------------------------------------------

group({
  setup = "local x, y = cr.randn(1 << 24), cr.randn(1 << 24)",
  peer_setup = "x, y = torch.randn(1 << 24), torch.randn(1 << 24)",
}, {
  { "add, 16 M, new output", 4, "local _ = x + y", "x + y", bytes = 192 * M,
    why = "bound by memory: a bare loop of streaming stores takes 3.5 to 3.8 ms, ours 3.7 to 3.9 where no other "
      .. "process fills the last cache in between, as the peer's fresh pages do here" },
  { "mul + add + relu, 16 M", 3, "local _ = (x * y + y):relu()", "(x * y + y).relu()", bytes = 512 * M,
    why = "bound by memory, as the row before" },
  { "add in place, 16 M", nil, "x:add_(y)", "x.add_(y)", bytes = 192 * M },
})

group({
  setup = "local x = cr.randn(1 << 20)", peer_setup = "x = torch.randn(1 << 20)",
  why = "bound by memory: a bare copy of the 4 MB takes 143 us, 120 past the caches; where data is in a cache an "
    .. "element takes 0.20 ns (the peer: 0.20)",
}, {
  { "exp, 1 M", 1.5, "local _ = x:exp()", "x.exp()" },
  { "tanh, 1 M", 1.5, "local _ = x:tanh()", "x.tanh()",
    why = "bound by memory, as exp; in a cache 0.28 ns an element (the peer: 0.30)" },
  { "gelu, 1 M", 1.5, "local _ = x:gelu()", "F.gelu(x)",
    why = "x:neg() only moves the data, and takes 135 of its 199 us; in a cache it is at 0.36 ns to the peer's 0.77" },
  { "sigmoid, 1 M", 1.5, "local _ = x:sigmoid()", "x.sigmoid()",
    why = "bound by memory, as exp; in a cache 0.30 ns an element (the peer: 0.39)" },
})

-- ---- Reductions, softmax, scans ----------------------------------------------------------------------

for _, op in ipairs { "sum", "mean", "max", "var" } do
  local last, first = op == "max" and "amax" or op, op == "max" and "amax" or op
  group({
    setup = "local x = cr.randn(4096, 4096)", peer_setup = "x = torch.randn(4096, 4096)", bytes = 64 * M,
    why = "bound by memory: a bare loop reads 30 GB/s a core here, in one stream or eight, with prefetching or not",
  }, {
    { op .. " over all, 16 M", 1.2, ("local _ = x:%s()"):format(op), ("x.%s()"):format(op) },
    { op .. " over the last dim, 16 M", 1.2, ("local _ = x:%s(2)"):format(last), ("x.%s(1)"):format(last) },
    { op .. " over the first dim, 16 M", 1.2, ("local _ = x:%s(1)"):format(first), ("x.%s(0)"):format(first) },
  })
end

group({
  setup = "local x = cr.randn(4096, 1024)", peer_setup = "x = torch.randn(4096, 1024)",
  why = "a bare loop over one pair of 16 MB blocks takes 0.58 ms with plain stores, as a copy does, and 0.67 past the "
    .. "caches; in a program results go through more blocks than the caches hold, where plain stores take up to 3 ms",
}, {
  { "softmax, 4096 x 1024", 1.5, "local _ = x:softmax(2)", "x.softmax(1)", bytes = 32 * M },
  { "log_softmax, 4096 x 1024", 1.5, "local _ = x:log_softmax(2)", "x.log_softmax(1)", bytes = 32 * M },
  { "logsumexp, 4096 x 1024", 1.5, "local _ = x:logsumexp(2)", "x.logsumexp(1)", bytes = 16 * M },
})

group({
  setup = [[
    local x = cr.randn({ 4096, 1000 }, { requires_grad = true })
    local t = cr.randint(1, 1001, { 4096 })]],
  peer_setup = [[
x = torch.randn(4096, 1000, requires_grad=True)
t = torch.randint(0, 1000, (4096,))
]],
}, {
  { "cross_entropy and its gradient, 4096 x 1000", 1.5, "local _ = cr.grad(cr.cross_entropy(x, t), x)",
    "torch.autograd.grad(F.cross_entropy(x, t), x)", bytes = 64 * M },
})

group({
  setup = [[
    local x = cr.randn(200, 16, 40):log_softmax(3):requires_grad_()
    local t = cr.randint(2, 41, { 16, 30 })
    local n, m = cr.full({ 16 }, 200, { dtype = "int64" }), cr.full({ 16 }, 30, { dtype = "int64" })]],
  peer_setup = [[
x = torch.randn(200, 16, 40).log_softmax(2).requires_grad_()
t = torch.randint(1, 40, (16, 30))
n, m = torch.full((16,), 200), torch.full((16,), 30)
]],
}, {
  { "ctc_loss and its gradient, 200 steps of 16 x 40", 1.5, "local _ = cr.grad(cr.ctc_loss(x, t, n, m), x)",
    "torch.autograd.grad(F.ctc_loss(x, t, n, m), x)" },
})

group({
  setup = [[
    local x, y = cr.randn(2048, 2048), cr.randn(2048, 2048)
    local mask, i = x:gt(0), cr.randint(1, 2049, { 2048, 2048 })
    local rows = cr.randperm(2048)]],
  peer_setup = [[
x, y = torch.randn(2048, 2048), torch.randn(2048, 2048)
mask, i = x.gt(0), torch.randint(0, 2048, (2048, 2048))
rows = torch.randperm(2048)]],
}, {
  { "cumsum, 4 M", 1.2, "local _ = x:cumsum(2)", "x.cumsum(1)" },
  { "argmax, 4 M", 1.2, "local _ = x:argmax(2)", "x.argmax(1)" },
  { "masked_fill, 4 M", 1.2, "local _ = x:masked_fill(mask, 0)", "x.masked_fill(mask, 0)" },
  { "gather, 4 M", 1.2, "local _ = x:gather(2, i)", "x.gather(1, i)",
    why = "bound by memory: half the bytes are positions; a bare loop with vector gathers and streaming stores takes "
      .. "1.16 to 1.2 ms, ours 1.4" },
  { "index_select, 4 M", 1.2, "local _ = x:index_select(1, rows)", "x.index_select(0, rows)",
    why = "bound by memory: a bare loop of streaming stores takes 595 us, memcpy to the peer's one warm block "
      .. "565, to five in turn 720; ours takes 610 from C, and Lua's collector 30 more" },
  { "cat, 4 M", 1.2, "local _ = cr.cat({ x, y }, 1)", "torch.cat([x, y], 0)",
    why = "bound by memory, as cat over the last dim; the peer takes 1.25 ms with its block kept, 8 without" },
  { "where, 4 M", 1.2, "local _ = cr.where(mask, x, y)", "torch.where(mask, x, y)" },
})

-- ---- Positions ---------------------------------------------------------------------------------------

group({
  setup = [[
    local x, y, z = cr.randn(2048, 2048), cr.randn(2048, 2048), cr.zeros(2048, 2048)
    local i, rows = cr.randint(1, 2049, { 2048, 2048 }), cr.randint(1, 2049, { 2048 })]],
  peer_setup = [[
x, y, z = torch.randn(2048, 2048), torch.randn(2048, 2048), torch.zeros(2048, 2048)
i, rows = torch.randint(0, 2048, (2048, 2048)), torch.randint(0, 2048, (2048,))]],
}, {
  { "gather over the first dim, 4 M", 1.2, "local _ = x:gather(1, i)", "x.gather(0, i)" },
  { "index_select over the last dim, 4 M", 1.2, "local _ = x:index_select(2, rows)", "x.index_select(1, rows)" },
  { "scatter_add_ over the first dim, 4 M", nil, "z:scatter_add_(1, i, x)", "z.scatter_add_(0, i, x)" },
  { "scatter_add_ over the last dim, 4 M", nil, "z:scatter_add_(2, i, x)", "z.scatter_add_(1, i, x)" },
  { "index_add_ of rows, 4 M", nil, "z:index_add_(1, rows, x)", "z.index_add_(0, rows, x)" },
  { "cat over the last dim, 8 M", 1.2, "local _ = cr.cat({ x, y }, 2)", "torch.cat([x, y], 1)",
    why = "bound by memory: a bare loop of streaming stores takes 1.17 ms, memcpy to one warm block 1.16, to three in "
      .. "turn 1.6; ours takes 1.3. The peer takes 1.25 where its allocator keeps the block, 8 where it does not" },
  { "stack over the last dim, 8 M", nil, "local _ = cr.stack({ x, y }, 3)", "torch.stack([x, y], 2)" },
  { "roll, 4 M", nil, "local _ = x:roll({ 5 }, { 2 })", "x.roll(5, 1)" },
  { "flip, 4 M", nil, "local _ = x:flip(2)", "x.flip(1)" },
})

group({
  setup = "local x = cr.randn(1 << 22) local mask = x:gt(0) local some = x[mask]",
  peer_setup = "x = torch.randn(1 << 22); mask = x.gt(0); some = x[mask]\ndef put(): x[mask] = some",
}, {
  { "x[mask], 4 M", 1.2, "local _ = x[mask]", "x[mask]" },
  { "x[mask] = y, 4 M", 1.2, "x[mask] = some", "put()" },
  { "nonzero, 4 M", 1.2, "local _ = mask:nonzero()", "mask.nonzero()" },
})

group({
  setup = [[
    local w = cr.randn(50000, 64):requires_grad_()
    local ids, g = cr.randint(1, 50001, { 65536 }), cr.ones(65536, 64)
    local y = cr.embedding(w, ids)]],
  peer_setup = [[
w = torch.randn(50000, 64, requires_grad=True)
ids, g = torch.randint(0, 50000, (65536,)), torch.ones(65536, 64)
y = F.embedding(ids, w)
def back():
    w.grad = None
    y.backward(g, retain_graph=True)]],
}, {
  { "embedding, 65,536 rows of 64", 1.2, "local _ = cr.embedding(w, ids)", "F.embedding(ids, w)",
    why = "bound by memory: a bare loop of streaming stores takes 500 us, memcpy to one warm block 530, to five "
      .. "in turn 860; ours takes 510 to 550 from C, and Lua's collector 30 more" },
  { "its gradient", 1.2, "w.grad = nil y:backward { gradient = g, retain_graph = true }", "back()" },
})

-- ---- Layouts -----------------------------------------------------------------------------------------

row {
  name = "transpose copy, 4096 x 4096", target = 1.5, bytes = 128 * M,
  setup = "local x = cr.randn(4096, 4096):t()", ours = "local _ = x:contiguous()",
  peer_setup = "x = torch.randn(4096, 4096).t()", peer = "x.contiguous()",
}
row {
  name = "permuted add, 256 x 256 x 256", target = 1.5, bytes = 192 * M,
  setup = "local x, y = cr.randn(256, 256, 256):permute(3, 1, 2), cr.randn(256, 256, 256)", ours = "local _ = x + y",
  peer_setup = "x, y = torch.randn(256, 256, 256).permute(2, 0, 1), torch.randn(256, 256, 256)", peer = "x + y",
}

-- ---- Remainders, order, layers -----------------------------------------------------------------------

group({
  setup = "local x, y = cr.randn(1 << 20), cr.rand(1 << 20):add(0.5)",
  peer_setup = "x, y = torch.randn(1 << 20), torch.rand(1 << 20).add(0.5)",
}, {
  { "remainder, 1 M", nil, "local _ = x:remainder(y)", "x.remainder(y)" },
  { "sort, 1 M", nil, "local _ = x:sort()", "x.sort()" },
  { "the largest 10 of 1 M", nil, "local _ = x:topk(10)", "x.topk(10)" },
})

group({
  setup = "local h = cr.randn(4096, 1024):to(cr.bfloat16)",
  peer_setup = "h = torch.randn(4096, 1024).to(torch.bfloat16)",
}, {
  { "softmax in bfloat16, 4096 x 1024", nil, "local _ = h:softmax(2)", "h.softmax(1)" },
})
