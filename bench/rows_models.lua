-- rows_models.lua: matrices, random numbers, optimizers, and whole programs.
-- For rows.lua, which says what a row is.

local list = require "row_list"
local row, group = list.row, list.group

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

-- Optimizers as objects, against PyTorch's fused steps; the last one as one large parameter.
group({
  setup = [[
    local p = {}
    for i = 1, 100 do
      p[i] = cr.randn({ 100 }, { requires_grad = true })
      p[i].grad = cr.randn(100)
    end
    local adamw = cr.optim.AdamW(p)]],
  peer_setup = [[
p = [torch.randn(100, requires_grad=True) for _ in range(100)]
for x in p: x.grad = torch.randn(100)
fused, foreach = torch.optim.AdamW(p, fused=True), torch.optim.AdamW(p, foreach=True)]],
}, {
  { "optim.AdamW, 100 x 100, against fused", 1, "adamw:step()", "fused.step()" },
  { "optim.AdamW, 100 x 100, against foreach", 2, "adamw:step()", "foreach.step()" },
})
group({
  setup = [[
    local p = cr.randn({ 10000000 }, { requires_grad = true })
    p.grad = cr.randn(10000000)
    local adamw = cr.optim.AdamW { p }]],
  peer_setup = [[
p = torch.randn(10000000, requires_grad=True)
p.grad = torch.randn(10000000)
fused, foreach = torch.optim.AdamW([p], fused=True), torch.optim.AdamW([p], foreach=True)]],
}, {
  { "optim.AdamW, 10 M, against fused", 1, "adamw:step()", "fused.step()" },
  { "optim.AdamW, 10 M, against foreach", 2, "adamw:step()", "foreach.step()" },
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
