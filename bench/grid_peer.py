"""grid_peer.py: PyTorch's side of grid_inputs.lua: the same elements, and the same words for results."""

import math
import warnings

import torch

warnings.simplefilter("ignore")

BLOCK = 1 << 20
SAMPLES, ENDS = 4096, 512
made = {}


def clear():
    made.clear()


def mixed(n, seed):
    h = (torch.arange(n, dtype=torch.int64) * 2654435761 + seed * 40503) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 2246822519) & 0xFFFFFFFF
    return (h ^ (h >> 13)) & 0xFFFFFF


def unit(n, seed, _=None):
    return mixed(n, seed).to(torch.float64) / 16777216


def normal(n, seed, _=None):
    total = mixed(n, seed) + mixed(n, seed + 1) + mixed(n, seed + 2) + mixed(n, seed + 3)
    return (total.to(torch.float64) / 16777216 - 2) * 1.7320508075688772


LARGE = dict(float64=1e15, float32=1e15, bfloat16=1e15, float16=30000.0, int64=1e15, int32=1e9, uint8=250.0)


def special(n, seed, _):
    x, which = normal(n, seed), mixed(n, seed + 4) & 7
    for k, value in enumerate((math.nan, math.inf, -math.inf)):
        x = x.masked_fill(which == k, value)
    return x


KINDS = dict(
    uniform=unit,
    randn=normal,
    positive=lambda n, seed, _: unit(n, seed) * 10 + 0.1,
    large=lambda n, seed, dtype: (unit(n, seed) * 2 - 1) * LARGE[dtype],
    equal=lambda n, seed, _: torch.full((n,), 1.5, dtype=torch.float64),
    special=special,
)


def flat(kind, dtype, n, seed):
    x = KINDS[kind](min(n, BLOCK), seed, dtype)
    if "int" in dtype and kind != "large":
        x = x * 10
    if dtype.startswith("u"):
        x = x.abs()
    if "float16" in dtype:
        x = x.to(torch.float32)
    x = x.to(getattr(torch, dtype))
    return x if n <= BLOCK else x.unsqueeze(0).expand(n // BLOCK, BLOCK).reshape(n)


def laid_out(layout, new, rows, columns):
    if layout == "contiguous":
        return new(rows * columns).reshape(rows, columns)
    if layout == "transposed":
        return new(rows * columns).reshape(columns, rows).t()
    if layout == "sliced":
        return new(rows * columns * 2).reshape(rows, columns * 2)[:, ::2]
    return new(columns).reshape(1, columns).expand(rows, columns)


def make(kind, dtype, rows, columns, layout, seed):
    key = (kind, dtype, rows, columns, layout, seed)
    if key not in made:
        made[key] = laid_out(layout, lambda n: flat(kind, dtype, n, seed), rows, columns)
    return made[key]


def positions(n, limit, seed):
    return mixed(n, seed) % limit


def word(v):
    return str(int(v)) if isinstance(v, (bool, int)) else "%.17g" % v


def values(x):
    if not isinstance(x, torch.Tensor):
        return "number - " + word(x)
    flattened = x.detach().reshape(-1)
    words = [str(x.dtype)[6:], "x".join(map(str, x.shape)) or "-"]
    n = flattened.numel()
    if n:
        step = max(1, n // SAMPLES)
        for part in (flattened[::step], flattened[max(1, n - ENDS) - 1:]):
            words += map(word, part.tolist())
    return " ".join(words)


def results(x):
    """The results of a call in words, joined by semicolons."""
    return ";".join(values(y) for y in (x if isinstance(x, (tuple, list)) else (x,)))
