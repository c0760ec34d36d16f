"""peer.py: times PyTorch for run.lua, which talks to it through its standard input and output.

A request is a line `command LENGTH` and that many bytes of Python; the answer is one line:
  setup    runs the code in a fresh namespace                   -> ok
  body     makes it what `time` calls                           -> ok
  time     calls the body as often as the number says           -> seconds of the wall clock
  value    evaluates an expression, after that setup            -> the text that it gives
  threads  sets the number of threads                           -> ok
  version                                                       -> PyTorch's version
What fails answers `error: ...`. Exits with 3 where PyTorch is not installed.
"""

import gc
import sys
import time

try:
    import torch
except ImportError:
    sys.exit(3)

namespace = {}
loop = None

# Counting references frees what PyTorch makes; the collector of cycles only adds noise. Where it is asked to
# collect, it does not look through PyTorch's own modules.
gc.disable()
gc.freeze()


def setup(code):
    global loop
    loop = None
    namespace.clear()
    gc.collect()
    namespace.update(torch=torch, F=torch.nn.functional)
    exec(code, namespace)
    return "ok"


def body(code):
    global loop
    text = "def loop(calls):\n  for _ in range(calls):\n    " + code.replace("\n", "\n    ")
    exec(text, namespace)
    loop = namespace.pop("loop")
    return "ok"


def run(calls):
    start = time.perf_counter()
    loop(int(calls))
    return repr(time.perf_counter() - start)


def value(code):
    return str(eval(code, namespace))


def threads(n):
    torch.set_num_threads(int(n))
    return "ok"


def version(_):
    return torch.__version__


commands = {"setup": setup, "body": body, "time": run, "value": value, "threads": threads, "version": version}
for line in sys.stdin:
    command, length = line.split()
    text = sys.stdin.read(int(length))
    try:
        answer = commands[command](text)
    except Exception as error:  # the row fails, not the run
        answer = "error: " + " ".join(str(error).split())
    print(answer, flush=True)
