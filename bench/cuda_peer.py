"""cuda_peer.py ELEMENTS SIZE: the cases of cuda.lua on PyTorch; exits with 3 where there is none."""

import statistics
import sys
import time

try:
    import torch
except ImportError:
    sys.exit(3)
if not torch.cuda.is_available():
    sys.exit(3)

elements, size = int(sys.argv[1]), int(sys.argv[2])
torch.backends.cuda.matmul.allow_tf32 = False


def gpu(calls, f):
    for _ in range(3):
        f()
    times = []
    for _ in range(9):
        first = torch.cuda.Event(enable_timing=True)
        last = torch.cuda.Event(enable_timing=True)
        first.record()
        for _ in range(calls):
            f()
        last.record()
        last.synchronize()
        times.append(first.elapsed_time(last) / calls)
    return statistics.median(times)


def host(calls, f):
    times = []
    for _ in range(15):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(calls):
            f()
        times.append((time.perf_counter() - start) / calls * 1e9)
    return statistics.median(times)


def say(name, value):
    print(f"{name}\t{value}", flush=True)


say("version", torch.__version__)
x = torch.rand(elements, device="cuda")
y = torch.rand(elements, device="cuda")
out = torch.empty(elements, device="cuda")
rows = x.reshape(elements // 1024, 1024)
gelu = torch.nn.functional.gelu
say("copy", gpu(10, lambda: out.copy_(x)))
say("add", gpu(10, lambda: x + y))
say("mul", gpu(10, lambda: x * y))
say("gelu", gpu(10, lambda: gelu(x)))
say("sum", gpu(10, lambda: x.sum()))
say("max", gpu(10, lambda: x.max()))
say("softmax", gpu(10, lambda: rows.softmax(1)))
del x, y, out, rows
torch.cuda.empty_cache()

for kind in ("float32", "tf32", "bfloat16", "float16"):
    dtype = "float32" if kind == "tf32" else kind
    torch.backends.cuda.matmul.allow_tf32 = kind == "tf32"
    a = torch.randn(size, size, device="cuda").to(getattr(torch, dtype))
    b = torch.randn(size, size, device="cuda").to(getattr(torch, dtype))
    say("matmul " + kind, gpu(5, lambda: a @ b))

a = torch.ones(4, device="cuda")
b = torch.ones(4, device="cuda")
say("launch", host(400, lambda: a + b))


def step():
    t = a
    for _ in range(10):
        t = (t + b) * 0.5
    return t


say("step", gpu(50, step) * 1e3)
