-- rows_attention.lua: attention, forward and backward, and the memory that it takes.
-- For rows.lua, which says what a row is.

local list = require "row_list"

local function attention(name, causal, forward, backward)
  local products = not causal and 2 * 64 * 512 ^ 2 * 64 -- in each of them
  list.group({
    setup = ([[
      local function made() return cr.randn({ 8, 8, 512, 64 }, { requires_grad = true }) end
      local q, k, v, g = made(), made(), made(), cr.randn(8, 8, 512, 64)
      local function f(q, k, v) return cr.scaled_dot_product_attention(q, k, v, { is_causal = %s }) end
      local a, b, c = q:detach(), k:detach(), v:detach()
      local y = f(q, k, v)]]):format(causal),
    peer_setup = ([[
q, k, v = [torch.randn(8, 8, 512, 64, requires_grad=True) for _ in range(3)]
g = torch.randn(8, 8, 512, 64)
def f(q, k, v): return F.scaled_dot_product_attention(q, k, v, is_causal=%s)
a, b, c = q.detach(), k.detach(), v.detach()
y = f(q, k, v)]]):format(causal and "True" or "False"),
  }, {
    { name .. " forward", forward, "local _ = f(a, b, c)", "f(a, b, c)", flops = products and 2 * products or nil },
    { name .. " backward", backward, "local _ = cr.grad(y, { q, k, v }, { grad_outputs = g, retain_graph = true })",
      "torch.autograd.grad(y, (q, k, v), g, retain_graph=True)", flops = products and 5 * products or nil },
  })
end

attention("attention 8x8x512x64", false, 1.05, 1.05)
attention("attention 8x8x512x64, causal", true, 1.5, 1.5)

list.row {
  name = "attention 1x8x4096x64, peak memory", target = 0.84, program = true, unit = "MB", rounds = 1,
  ours = [[
    local function held(field)
      for line in io.lines "/proc/self/status" do
        local kb = line:match("^" .. field .. ":%s+(%d+)")
        if kb then return kb / 1024 end
      end
    end
    local function made() return cr.randn({ 1, 8, 4096, 64 }, { requires_grad = true }) end
    local small = cr.randn({ 1, 1, 64, 64 }, { requires_grad = true })
    cr.scaled_dot_product_attention(small, small, small):sum():backward()
    local start = held "VmRSS"
    local q, k, v = made(), made(), made()
    cr.scaled_dot_product_attention(q, k, v):sum():backward()
    print(held "VmHWM" - start)]],
  peer = [[
import torch, torch.nn.functional as F
def held(field):
    for line in open("/proc/self/status"):
        if line.startswith(field + ":"): return int(line.split()[1]) / 1024
torch.set_num_threads(2)
def made(*s): return torch.randn(*s, requires_grad=True)
small = made(1, 1, 64, 64)
F.scaled_dot_product_attention(small, small, small).sum().backward()
start = held("VmRSS")
q, k, v = [made(1, 8, 4096, 64) for _ in range(3)]
F.scaled_dot_product_attention(q, k, v).sum().backward()
print(held("VmHWM") - start)]],
}
