-- rows.lua: what `make bench` measures, in the order of its table.
--
-- A row:  name; target, the least ratio wanted (rows without one are there to be watched);
--   setup, ours              Lua, run once and run in the loop (`cr` is the module)
--   peer_setup, peer         the same in Python (`torch`, and torch.nn.functional as `F`)
--   threads                  2 unless given
--   bytes, flops             what a call moves or computes, for the rate
--   why                      the reason, while the row is below its target
--   counted                  the calls in which `make instructions` counts instructions, for small rows
-- or, with `program = true`, both sides are whole programs: `clock = true` times them from start to
-- end, otherwise each prints a number in `unit` (or seconds); `rounds` of them, 3 unless given.

local M = 1 << 20

local rows = {}

local function row(r) rows[#rows + 1] = r end

-- Rows that share their setup: { name, target, ours, peer } each, and fields for all of them.
local function group(shared, list)
  for _, r in ipairs(list) do
    local new = { name = r[1], target = r[2], ours = r[3], peer = r[4] }
    for k, v in pairs(shared) do new[k] = v end
    for k, v in pairs(r) do if type(k) == "string" then new[k] = v end end
    row(new)
  end
end

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
  { "cat, 4 M", 1.2, "local _ = cr.cat({ x, y }, 1)", "torch.cat([x, y], 0)" },
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

-- ---- Matrices ----------------------------------------------------------------------------------------

-- { name, target, n, ours, peer, dtype }
local function square(name, n, ours, peer, more)
  local dtype = more and more.dtype or "float32"
  local r = {
    name = name, target = 1.0, flops = 2 * n ^ 3,
    setup = ("local a, b = cr.randn(%d, %d):to('%s'), cr.randn(%d, %d):to('%s')"):format(n, n, dtype, n, n, dtype),
    ours = ours,
    peer_setup = ("a, b = torch.randn(%d, %d).to(torch.%s), torch.randn(%d, %d).to(torch.%s)"):format(n, n, dtype, n,
      n, dtype),
    peer = peer, threads = more and more.threads,
    why = more and more.why or "a draw with MKL: either reaches 0.86 to 0.9 of a bare loop of multiply-adds",
  }
  row(r)
end

for _, n in ipairs { 64, 256, 1024, 2048 } do square("sgemm " .. n, n, "local _ = a:matmul(b)", "a @ b") end
square("sgemm 1024, 1 thread", 1024, "local _ = a:matmul(b)", "a @ b", {
  threads = 1,
  why = "a tile on cached data reaches 0.96 of a bare loop of multiply-adds, the product 0.86 to 0.9, as MKL does",
})
square("sgemm 1024, a transposed", 1024, "local _ = a:t():matmul(b)", "a.t() @ b")
square("sgemm 1024, b transposed", 1024, "local _ = a:matmul(b:t())", "a @ b.t()")
square("bfloat16 gemm 1024", 1024, "local _ = a:matmul(b)", "a @ b", { dtype = "bfloat16" })
square("dgemm 1024", 1024, "local _ = a:matmul(b)", "a @ b", {
  dtype = "float64",
  why = "tiles on cached data reach 0.95 of a bare loop, the product 0.82 to 0.88, MKL 0.9: copying b is 2 %, "
    .. "the rest is tiles that wait for a and c, twice the bytes of float32",
})
row {
  why = "850 us of C, 775 with one a and b throughout: the third cache; in some runs 1 to 2 ms, not explained",
  name = "bmm, 64 x 128 x 128", target = 1.0, flops = 2 * 64 * 128 ^ 3,
  setup = "local a, b = cr.randn(64, 128, 128), cr.randn(64, 128, 128)", ours = "local _ = a:bmm(b)",
  peer_setup = "a, b = torch.randn(64, 128, 128), torch.randn(64, 128, 128)", peer = "a.bmm(b)",
}

row {
  name = "linear with bias, 64 x 784 to 256", target = 1.0, flops = 2 * 64 * 784 * 256,
  setup = "local x, w, b = cr.randn(64, 784), cr.randn(256, 784), cr.randn(256)", ours = "local _ = b:addmm(x, w:t())",
  peer_setup = "x, w, b = torch.randn(64, 784), torch.randn(256, 784), torch.randn(256)", peer = "b.addmm(x, w.t())",
}

-- ---- Random numbers, optimizers ----------------------------------------------------------------------

row { name = "randn, 16 M", target = 1.5, ours = "local _ = cr.randn(1 << 24)", peer = "torch.randn(1 << 24)" }
row {
  name = "dropout, 16 M", target = 1.5,
  setup = "local x = cr.randn(1 << 24)", ours = "local _ = x:dropout(0.5, true)",
  peer_setup = "x = torch.randn(1 << 24)", peer = "F.dropout(x, 0.5, True)",
}

group({}, {
  { "bernoulli, 4 M", 1.5, "x:bernoulli_(0.3)", "x.bernoulli_(0.3)",
    setup = "local x = cr.zeros(1 << 22)", peer_setup = "x = torch.zeros(1 << 22)" },
  { "randint, 4 M", 1.5, "local _ = cr.randint(0, 1000, { 1 << 22 })", "torch.randint(0, 1000, (1 << 22,))" },
  { "randperm, 1 M", nil, "local _ = cr.randperm(1000000)", "torch.randperm(1000000)" },
  { "multinomial, 10 of 1000, 1000 rows", nil, "local _ = w:multinomial(10)", "w.multinomial(10)",
    setup = "local w = cr.rand(1000, 1000)", peer_setup = "w = torch.rand(1000, 1000)" },
})

-- A hundred parameters whose gradients are there.
group({
  setup = [[
    local p, g, m, v, step = {}, {}, {}, {}, 0
    for i = 1, 100 do
      p[i], g[i], m[i], v[i] = cr.randn(10000), cr.randn(10000), cr.zeros(10000), cr.zeros(10000)
    end]],
  peer_setup = [[
p = [torch.randn(10000, requires_grad=True) for _ in range(100)]
for x in p: x.grad = torch.randn(10000)
values, grads = [x.detach() for x in p], [x.grad for x in p]
adam, sgd = torch.optim.Adam(p), torch.optim.SGD(p, lr=1e-3, momentum=0.9)]],
}, {
  { "Adam step, 100 x 10,000", 2, "step = step + 1 cr.foreach.adam_(p, g, m, v, { step = step, lr = 1e-3 })",
    "adam.step()" },
  { "SGD with momentum, 100 x 10,000", 2, "cr.foreach.sgd_(p, g, m, { lr = 1e-3, momentum = 0.9 })", "sgd.step()" },
  { "foreach add in place, 100 x 10,000", nil, "cr.foreach.add_(p, g, { alpha = 1e-3 })",
    "torch._foreach_add_(values, grads, alpha=1e-3)" },
})

-- ---- Whole programs ----------------------------------------------------------------------------------

row {
  name = "start-up: process to first result", target = 50, program = true, clock = true,
  ours = "print((cr.ones(4) + 1):sum():item())", peer = "import torch; print((torch.ones(4) + 1).sum().item())",
}

-- What a process holds, in MB: now ("VmRSS"), or at most so far ("VmHWM").
local function held(field)
  return ([[for line in io.lines "/proc/self/status" do
    local kb = line:match "^%s:%%s+(%%d+)"
    if kb then print(kb / 1024) end
  end]]):format(field), ([[
for line in open("/proc/self/status"):
    if line.startswith("%s:"):
        print(int(line.split()[1]) / 1024)
]]):format(field)
end

local rss, peer_rss = held "VmRSS"
row { name = "resident once loaded", program = true, unit = "MB", ours = rss, peer = "import torch\n" .. peer_rss }

local peak, peer_peak = held "VmHWM"
row {
  name = "2,000 temporaries of 1 MB, peak", program = true, unit = "MB",
  ours = "local x = cr.ones(1 << 18) for _ = 1, 2000 do local _ = x + 1 end " .. peak,
  peer = "import torch\nx = torch.ones(1 << 18)\nfor _ in range(2000):\n    x + 1\n" .. peer_peak,
}

-- What a loop adds to what the process held before it.
row {
  name = "training loop, peak above its start", target = 0.91, program = true, unit = "MB",
  ours = [[
    local function held(field)
      for line in io.lines "/proc/self/status" do
        local kb = line:match("^" .. field .. ":%s+(%d+)")
        if kb then return kb / 1024 end
      end
    end
    cr.ones(256, 256):matmul(cr.ones(256, 256))
    local start = held "VmRSS"
    local x, y = cr.randn(256, 1024), cr.randn(256, 10)
    local parameters = {}
    for i, shape in ipairs { { 1024, 1024 }, { 1024, 1024 }, { 10, 1024 } } do
      parameters[i] = (cr.randn(shape) * 0.03):requires_grad_()
    end
    for _ = 1, 100 do
      local h = x:matmul(parameters[1]:t()):relu()
      h = h:matmul(parameters[2]:t()):relu()
      local loss = ((h:matmul(parameters[3]:t()) - y) ^ 2):mean()
      loss:backward()
      local _ <close> = cr.no_grad()
      for _, p in ipairs(parameters) do
        p:sub_(p.grad, { alpha = 0.01 })
        p.grad = nil
      end
    end
    print(held "VmHWM" - start)]],
  peer = [=[
import torch
def held(field):
    for line in open("/proc/self/status"):
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
torch.ones(256, 256).matmul(torch.ones(256, 256))
start = held("VmRSS")
x, y = torch.randn(256, 1024), torch.randn(256, 10)
parameters = [(torch.randn(shape) * 0.03).requires_grad_() for shape in [(1024, 1024), (1024, 1024), (10, 1024)]]
for _ in range(100):
    h = x.matmul(parameters[0].t()).relu()
    h = h.matmul(parameters[1].t()).relu()
    loss = ((h.matmul(parameters[2].t()) - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        for p in parameters:
            p.sub_(p.grad, alpha=0.01)
            p.grad = None
print(held("VmHWM") - start)
]=],
}

row {
  name = "chain of 1,000,000 nodes, and back", target = 4, program = true, rounds = 1,
  ours = [[
    local x = cr.ones(4):requires_grad_()
    local start = cr.clock()
    local y = x
    for _ = 1, 1000000 do y = y + 1 end
    y:sum():backward()
    y = nil
    collectgarbage()
    print(cr.clock() - start)]],
  peer = [[
import gc, time, torch
x = torch.ones(4, requires_grad=True)
start = time.perf_counter()
y = x
for _ in range(1000000):
    y = y + 1
y.sum().backward()
del y
gc.collect()
print(time.perf_counter() - start)
]],
}

return rows
