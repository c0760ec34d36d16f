"""cuda_peer.py ELEMENTS SIZE: the cases of cuda.lua on PyTorch, each when it is asked for.

Says `version`, then measures a case each time its name is read, and answers `name<TAB>number`, in the
units of cuda.lua. Ends with its input; exits with 3 where there is no PyTorch that sees a device.
"""

import sys
import time

try:
    import torch
except ImportError:
    sys.exit(3)
if not torch.cuda.is_available():
    sys.exit(3)

elements, size = int(sys.argv[1]), int(sys.argv[2])


def gpu(calls, f):
    for _ in range(2):
        f()
    first = torch.cuda.Event(enable_timing=True)
    last = torch.cuda.Event(enable_timing=True)
    first.record()
    for _ in range(calls):
        f()
    last.record()
    last.synchronize()
    return first.elapsed_time(last) / calls


def host(calls, f):
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(calls):
        f()
    nanoseconds = (time.perf_counter() - start) / calls * 1e9
    torch.cuda.synchronize()
    return nanoseconds


x = torch.rand(elements, device="cuda")
y = torch.rand(elements, device="cuda")
out = torch.empty(elements, device="cuda")
rows = x.reshape(elements // 1024, 1024)
columns = x.reshape(-1, 1024).t()
gelu = torch.nn.functional.gelu
pointwise = {
    "copy": lambda: out.copy_(x),
    "add": lambda: x + y,
    "mul": lambda: x * y,
    "gelu": lambda: gelu(x),
    "to float16": lambda: x.half(),
    "transposed copy": lambda: columns.contiguous(),
    "sum": lambda: x.sum(),
    "sum of rows": lambda: rows.sum(1),
    "max": lambda: x.max(),
    "softmax": lambda: rows.softmax(1),
    "var of rows": lambda: rows.var(1),
}

factors = {}


def matmul(kind):
    torch.backends.cuda.matmul.allow_tf32 = kind == "tf32"
    if kind not in factors:
        dtype = getattr(torch, "float32" if kind == "tf32" else kind)
        factors[kind] = [torch.randn(size, size, device="cuda").to(dtype) for _ in range(2)]
    a, b = factors[kind]
    return gpu(5, lambda: a @ b)


a = torch.ones(4, device="cuda")
b = torch.ones(4, device="cuda")


def step():
    t = a
    for _ in range(10):
        t = (t + b) * 0.5
    return t


def measure(name):
    if name in pointwise:
        return gpu(10, pointwise[name])
    if name.startswith("matmul "):
        return matmul(name.removeprefix("matmul "))
    if name == "launch":
        return host(400, lambda: a + b)
    if name == "step":
        return gpu(50, step) * 1e3
    return "unknown"


print(f"version\t{torch.__version__}", flush=True)
for line in sys.stdin:
    name = line.rstrip("\n")
    print(f"{name}\t{measure(name)}", flush=True)
