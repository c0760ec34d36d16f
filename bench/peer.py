"""peer.py CASE: the cases of ours.lua on PyTorch; exits with 3 where it is not installed.

Times are of the processor, as those of Lua's os.clock.
"""

import gc
import sys
import time


def status(field):
    with open("/proc/self/status") as lines:
        for line in lines:
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024


def fastest(rounds, calls, f):
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        f(calls)
        best = min(best, time.process_time() - start)
    return best / calls


start = time.process_time()
try:
    import torch
except ImportError:
    sys.exit(3)
seconds = time.process_time() - start


def version():
    print(torch.__version__)


def require():
    print(seconds * 1e3)
    print(status("VmRSS"))


def add():
    a, b = torch.ones(4), torch.ones(4)

    def run(calls):
        for _ in range(calls):
            a + b

    print(1e9 * fastest(10, 100000, run))


def backward():
    x, b = torch.ones(4, requires_grad=True), torch.ones(4)

    def run(calls):
        for _ in range(calls):
            (x * b).sum().backward()

    print(1e6 * fastest(10, 10000, run))


def chain():
    x = torch.ones(4, requires_grad=True)

    def run(_):
        y = x
        for _ in range(1000000):
            y = y + 1
        y.sum().backward()
        del y
        gc.collect()

    print(fastest(3, 1, run))


def temporaries():
    x = torch.ones(1 << 18)
    for _ in range(2000):
        x + 1
    print(status("VmHWM"))


globals()[sys.argv[1]]()
