#!/usr/bin/env python3
"""elementary.py: records exact values of the elementary functions, for spec/scalar_math_spec.lua.

    python3 spec/oracle/elementary.py > spec/oracle/elementary.lua        (needs mpmath)

Arguments are float32 numbers, so that both types compute the same; results are rounded to float64.
"""
import random
import struct

import mpmath as mp

mp.mp.prec = 1400  # for angles of up to 2^127
random.seed(7)


def single(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def spread(low, high, more=()):
    """Numbers of a range, crowded in the middle and at both ends, and some more."""
    out = [low, high] + list(more)
    for k in range(40):
        u = random.random()
        if k % 4 == 1:
            u = u**4
        elif k % 4 == 2:
            u = 1 - u**4
        out.append(low + (high - low) * u)
    for k in range(12):
        s = random.choice((-1, 1)) * 10 ** random.uniform(-40, 0)
        if low < s < high:
            out.append(s)
    return sorted({single(x) for x in out})


def log_gamma(x):
    return mp.re(mp.loggamma(x)) if x > 0 else mp.log(mp.pi / abs(mp.sinpi(x))) - mp.loggamma(1 - x)


def left():
    """Negative arguments of log |gamma|: at random, near the poles, and where it is small between two zeros; no
    others where each last place of the argument is many of the result."""
    draw = random.Random(11)
    out = [-draw.uniform(0, 30) for _ in range(40)] + [-draw.uniform(2.4, 2.8) for _ in range(20)]
    out += [-draw.randint(0, 12) + draw.choice((-1, 1)) * 10 ** draw.uniform(-7, -1) for _ in range(20)]
    out += [-1e-30, -1e-10, -2.457024738, -2.747682647, -2.6111876, -2.4, -2.8, -100.5, -1000.25, -65536.5]
    kept = {single(x) for x in out if x < 0 and single(x) % 1 != 0}
    return sorted(x for x in kept if -2.8 < x < -2.4 or abs(x * mp.digamma(x) / log_gamma(mp.mpf(x))) < 100)


ANGLES = [1e4, -3e4, 131071.9, 131073, 3e5, 1e8, -1e9, 1.5e9, 1e15, 1e22, -1e30, 3.4e38, 16367173 * 2.0**72, 22, 355, 710,
          2.0**17, 2.0**30, 2.0**31]
BIG = [1e5, 1e10, 1e20, 3e38]
FUNCTIONS = {
    "exp": (mp.exp, spread(-103, 88.7)), "exp2": (lambda x: mp.power(2, x), spread(-148, 127.9)),
    "expm1": (mp.expm1, spread(-20, 88.7)), "log": (mp.log, spread(1e-44, 4, BIG)),
    "log2": (lambda x: mp.log(x) / mp.log(2), spread(1e-44, 4, BIG)), "log10": (mp.log10, spread(1e-44, 4, BIG)),
    "log1p": (mp.log1p, spread(-0.9999, 4, BIG)), "sin": (mp.sin, spread(-9, 9, ANGLES)),
    "cos": (mp.cos, spread(-9, 9, ANGLES)), "tan": (mp.tan, spread(-9, 9, ANGLES)),
    "asin": (mp.asin, spread(-1, 1)), "acos": (mp.acos, spread(-1, 1)),
    "atan": (mp.atan, spread(-3, 3, BIG)), "sinh": (mp.sinh, spread(-89, 89, [0.1, -0.3, 1, 2])),
    "cosh": (mp.cosh, spread(-89, 89, [0.1, -0.3, 1, 2])), "tanh": (mp.tanh, spread(-11, 11, BIG)),
    "asinh": (mp.asinh, spread(-5, 5, BIG)), "acosh": (mp.acosh, spread(1, 5, BIG)),
    "atanh": (mp.atanh, spread(-0.9999, 0.9999)), "erf": (mp.erf, spread(-4.5, 4.5)),
    "erfc": (mp.erfc, spread(-4, 9)), "sigmoid": (lambda x: 1 / (1 + mp.exp(-x)), spread(-80, 80)),
    "lgamma": (log_gamma, left() + spread(1e-30, 40, [3e5, 1e30, 1.0001, 1.9999, 2.0001, 2.5, 12, 11.9])),
    "sinc": (lambda x: mp.sinc(mp.pi * x), [x for x in spread(-9, 9) if x != 0]),
}
PAIRS = {
    "pow": (mp.power, [(x, y) for x in spread(1e-30, 30) for y in (0.5, -1.7, 3, 11, -0.001)]),
    "atan2": (mp.atan2, [(y, x) for y in spread(-3, 3)[::3] for x in (-2, -1e-3, 1e-20, 0.7, 5)]),
    "hypot": (mp.hypot, [(x, y) for x in spread(-3, 3)[::3] for y in (1e-40, 1e-3, 1, 7, 1e30)]),
}


def main():
    print("-- elementary.lua: exact values of the elementary functions. Written by elementary.py.\n")
    print("return {")
    for name, (f, arguments) in FUNCTIONS.items():
        rows = [f"{{ {x.hex()}, {float(f(mp.mpf(x))).hex()} }}" for x in arguments]
        show(name, rows)
    for name, (f, arguments) in PAIRS.items():
        rows = []
        for x, y in arguments:
            x, y = single(x), single(y)
            rows.append(f"{{ {x.hex()}, {y.hex()}, {float(f(mp.mpf(x), mp.mpf(y))).hex()} }}")
        show(name, rows)
    print("}")


def show(name, rows):
    print(f"  {name} = {{")
    for row in rows:
        print(f"    {row},")
    print("  },")


main()
