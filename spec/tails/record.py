#!/usr/bin/env python3
"""record.py: records exact values and derivatives of every elementwise operation, for spec/tails_spec.lua.

Run `python3 spec/tails/record.py [name ...]` where mpmath is installed; the specs only read the files. Each formula here is
the mathematical definition (at a kink: the side that PyTorch's convention takes), written without regard to rounding;
jets.py evaluates it and its first and second derivatives with 1100 digits at the arguments as the dtype holds them. What
formulas do not give (infinite arguments, poles) is a limit, and is written beside them.

A line of a file is { name, { arguments }, dtype, { tensors }, values, { derivatives }, { second derivatives } }. Arguments
are numbers, strings and `x`, `y`, `z`, which stand for the tensors; first derivatives are in the order of the tensors,
second ones by (x, x), (x, y), (x, z), (y, y), ... All numbers are strings, separated by blanks: "2*5" is 2 five times,
"?" is not compared.

How close a result must come: 8 units in the last place. Where a unit of the arguments moves the exact result by more
than 4 (the condition number, sum |x_i df/dx_i| / |f|), so much more is allowed: "v~n" says that n units are.
Nothing here looks at Cresset's results.
"""
import math
import os
import sys
from itertools import groupby

import numpy as np
from mpmath import mp, mpf

import jets
from jets import (Jet, acos, acosh, asin, asinh, atan, atanh, cos, erf, erfc, erfinv, exp, lgamma, log, log1p, polygamma,
                  power, sin, sqrt)

HERE = os.path.dirname(os.path.abspath(__file__))
FAR = mpf(10) ** 5000  # stands for infinity where a formula has a limit there
X, Y, Z = "x", "y", "z"
INF, NAN = math.inf, math.nan
ANY = None  # an undefined derivative, of which nothing is asked

# ---- Arguments ---------------------------------------------------------------------------------------

ORDINARY = [.03, .1, .25, .5, .7, 1, 1.2, 2, 2.5, 3.1, 5, 8, 9.3, 12, 17, 19.5, 25, 36, 37.5, 60, 88, 100]
TINY = {"float64": [5e-324, 1e-310, 1e-300, 1e-160, 1e-30, 1e-17, 1e-9, 1e-8, 1e-5, 1e-3],
        "float32": [1e-45, 1e-40, 1e-37, 1e-22, 1e-12, 1e-8, 1e-5, 1e-4, 1e-3]}
HUGE = {"float64": [354, 700, 709, 744, 1e3, 1e7, 1e100, 1e155, 1e300, 1.7e308],
        "float32": [44, 87, 103, 1e3, 1e7, 1e15, 1e20, 3e38]}


def positive(d):
    return TINY[d] + ORDINARY + HUGE[d]


def real(d):
    return [-v for v in reversed(positive(d))] + [0] + positive(d)


def line(d):
    return [-INF] + real(d) + [INF]


def ray(d):
    return positive(d) + [INF]


def unit(d):
    """(-1, 1), with the last numbers before its ends."""
    last = 1 - (2**-53 if d == "float64" else 2**-24)
    p = TINY[d] + [.01, .1, .3, .5, .7, .84, .86, .9, .99, .9999, .999999, last]
    return [-v for v in reversed(p)] + [0] + p


def near_one(d):
    eps = 2**-52 if d == "float64" else 2**-23
    return [1 + eps, 1 + 2**-20, 1.0001]


def pairs(xs, ys):
    return [(x, y) for x in xs for y in ys]


# As many arguments of two operands as there are exponents that meet in different ways; signs by turns.
FEW = {"float64": [0, 1e-310, 1e-200, 1e-25, 1e-9, .3, 1, 2.5, 30, 800, 1e20, 1e200, 1e307],
       "float32": [0, 1e-40, 1e-25, 1e-9, .3, 1, 2.5, 30, 100, 1e10, 1e25, 1e38]}


def plane(d):
    signs = [(1, 1), (1, -1), (-1, -1), (-1, 1), (1, 1)]
    return [(x * signs[(i + j) % 5][0], y * signs[(i + j) % 5][1]) for i, x in enumerate(FEW[d]) for j, y in enumerate(FEW[d])]


def square(d):
    """A few pairs, for what only moves or adds."""
    values = [0, 1e-30, .3, -1, 2.5, -1e20]
    return pairs(values, values)


# ---- Formulas -----------------------------------------------------------------------------------------

CASES = []  # (file, name, arguments, formula, points, limits)


def case(file, name, points, formula, *numbers, limits=None, args=None):
    """limits: {arguments: [value, first derivatives ..., second ones ...]}, instead of the formula."""
    n = formula.__code__.co_argcount
    CASES.append((file, name, args or [X, Y, Z][:n] + list(numbers), formula, points, limits or {}))


def constant(jet, c):
    return jet * 0 + c


def sigmoid(x):
    if x.value > 0:
        return 1 / (1 + exp(-x))
    e = exp(x)
    return e / (1 + e)


def tanh(x):
    if x.value < 0:
        return -tanh(-x)
    e = exp(x * -2)
    return (1 - e) / (1 + e)


def softplus(x):
    return log1p(exp(x)) if x.value < 0 else x + log1p(exp(-x))


def elu(x, alpha, scale=1):
    return x if x.value > 0 else (exp(x * scale) - 1) * alpha


def clip(x, low, high):
    return x if low < x.value < high else constant(x, low if x.value <= low else high)


def cdf(x):
    return erfc(x * -(1 / mp.sqrt(2))) / 2


def gelu_tanh(x):
    return x * sigmoid((x + x * x * x * mpf(0.044715)) * (2 * mp.sqrt(2 / mp.pi)))


def sinc(x):
    if x.value == 0:  # 1 - pi^2 x^2 / 6
        return 1 - x * x * (mp.pi ** 2 / 6)
    return sin(x * mp.pi) / (x * mp.pi)


def absolute(x):
    return x if x.value > 0 else -x if x.value < 0 else constant(x, 0)


def smaller(d, *kinks):
    return line(d) + list(kinks)


A = "activation"
case(A, "relu", line, lambda x: x if x.value > 0 else constant(x, 0))
case(A, "threshold", line, lambda x: x if x.value > .5 else constant(x, -1), .5, -1)
case(A, "hardtanh", line, lambda x: clip(x, -1, 1))
case(A, "relu6", lambda d: smaller(d, 6), lambda x: clip(x, 0, 6))
case(A, "leaky_relu", line, lambda x: x if x.value > 0 else x * mpf(0.01))
case(A, "elu", line, lambda x: elu(x, 1))
case(A, "elu", line, lambda x: elu(x, mpf(0.75)), 0.75)
case(A, "celu", line, lambda x: elu(x, mpf(1.5), 1 / mpf(1.5)), 1.5)
SELU, SCALE = mpf("1.6732632423543772848170429916717"), mpf("1.0507009873554804934193349852946")
case(A, "selu", line, lambda x: elu(x, SELU) * SCALE)
case(A, "gelu", line, lambda x: cdf(x) * x)
case(A, "gelu", line, gelu_tanh, "tanh")
case(A, "silu", line, lambda x: x * sigmoid(x))
case(A, "mish", line, lambda x: x * tanh(softplus(x)))
case(A, "softplus", line, softplus)
case(A, "softplus", line, lambda x: softplus(x * 2) / 2, 2)
case(A, "logsigmoid", line, lambda x: -softplus(-x))
case(A, "softsign", line, lambda x: x / (1 + absolute(x)),
     limits={0: [0, 1, 0], INF: [1, 0, 0], -INF: [-1, 0, 0]})
case(A, "tanhshrink", line, lambda x: x - tanh(x))
case(A, "hardsigmoid", lambda d: smaller(d, 3, -3), lambda x: clip(x + 3, 0, 6) / 6)
case(A, "hardswish", lambda d: smaller(d, 3, -3),
     lambda x: constant(x, 0) if x.value <= -3 else x * (x + 3) / 6 if x.value < 3 else x,
     limits={-INF: [0, 0, 0]})
case(A, "hardshrink", line, lambda x: x if abs(x.value) > .5 else constant(x, 0))
case(A, "softshrink", line, lambda x: x - .5 if x.value > .5 else x + .5 if x.value < -.5 else constant(x, 0))
case(A, "prelu", line, lambda x: x if x.value > 0 else x * .25, args=[X, "tensor 0.25"])

M = "math"
LN2, LN10 = mp.log(2), mp.log(10)
NO_LIMIT = {INF: [NAN] * 3, -INF: [NAN] * 3}
case(M, "exp", line, exp)
case(M, "exp2", lambda d: smaller(d, 128, 1024, 1023.5, -1074, -140), lambda x: exp(x * LN2))
case(M, "expm1", line, lambda x: exp(x) - 1)
case(M, "log", ray, log, limits={0: [-INF, INF, -INF], INF: [INF, 0, 0]})
case(M, "log2", ray, lambda x: log(x) / LN2, limits={0: [-INF, INF, -INF], INF: [INF, 0, 0]})
case(M, "log10", ray, lambda x: log(x) / LN10, limits={0: [-INF, INF, -INF], INF: [INF, 0, 0]})
case(M, "log1p", lambda d: [v for v in unit(d) if v] + ray(d), log1p, limits={INF: [INF, 0, 0]})
case(M, "sin", line, sin, limits=NO_LIMIT)
case(M, "cos", line, cos, limits=NO_LIMIT)
case(M, "tan", line, lambda x: sin(x) / cos(x), limits=NO_LIMIT)
case(M, "asin", unit, asin)
case(M, "acos", unit, acos)
case(M, "atan", line, atan)
case(M, "sinh", line, lambda x: (exp(x) - exp(-x)) / 2)
case(M, "cosh", line, lambda x: (exp(x) + exp(-x)) / 2)
case(M, "tanh", line, tanh)
case(M, "asinh", line, asinh, limits={INF: [INF, 0, 0], -INF: [-INF, 0, 0]})
case(M, "acosh", lambda d: near_one(d) + [v for v in ray(d) if v > 1], acosh, limits={INF: [INF, 0, 0]})
case(M, "atanh", unit, atanh)
case(M, "sigmoid", line, sigmoid)
case(M, "logit", lambda d: [v for v in unit(d) if v > 0], lambda x: log(x) - log1p(-x))
case(M, "logit", lambda d: [v for v in unit(d) if v > 0],
     lambda x: log(x) - log1p(-x) if .125 <= x.value <= .875 else constant(x, mp.log(7) * (1 if x.value > .5 else -1)), .125)


def atan2(y, x):
    if abs(x.value) >= abs(y.value):
        a = atan(y / x)
        return a if x.value > 0 else a + mp.pi * (1 if y.value >= 0 else -1)
    return (mp.pi / 2) * (1 if y.value > 0 else -1) - atan(x / y)


QUARTER = float(mp.pi / 4)
case(M, "atan2", lambda d: [p for p in plane(d) if max(map(abs, p)) > (1e-300 if d == "float64" else 1e-38)], atan2,
     limits={(0, 0): [0, 0, 0, ANY, ANY, ANY], (INF, 1): [QUARTER * 2, 0, 0, 0, 0, 0], (1, INF): [0] * 6,
             (-1, INF): [0] * 6, (1, -INF): [QUARTER * 4, 0, 0, 0, 0, 0],
             (INF, INF): [QUARTER, 0, 0, 0, 0, 0], (INF, -INF): [QUARTER * 3, 0, 0, 0, 0, 0]})
case(M, "hypot", plane, lambda x, y: sqrt(x * x + y * y),
     limits={(0, 0): [0] + [ANY] * 5, (INF, 1): [INF, 1, 0, 0, 0, 0], (1, -INF): [INF, 0, -1, 0, 0, 0]})


def logaddexp(x, y):
    return x + softplus(y - x) if x.value > y.value else y + softplus(x - y)


BOTH = {(-INF, -INF): [-INF] + [ANY] * 5, (INF, INF): [INF] + [ANY] * 5, (-INF, 1): [1, 0, 1, 0, 0, 0],
        (INF, 1): [INF, 1, 0, 0, 0, 0], (1, INF): [INF, 0, 1, 0, 0, 0], (1, -INF): [1, 1, 0, 0, 0, 0],
        (INF, -INF): [INF, 1, 0, 0, 0, 0], (-INF, INF): [INF, 0, 1, 0, 0, 0]}
HALVES = dict(BOTH)
HALVES[(-INF, -INF)] = [-INF, .5, .5, ANY, ANY, ANY]
HALVES[(INF, INF)] = [INF, .5, .5, ANY, ANY, ANY]
case(M, "logaddexp", plane, logaddexp, limits=HALVES)
case(M, "logaddexp2", plane, lambda x, y: logaddexp(x * LN2, y * LN2) / LN2, limits=HALVES)
case(M, "ldexp", lambda d: [(x, y) for x, y in plane(d) if abs(y) < 2000], lambda x, y: x * exp(y * LN2))
case(M, "copysign", square, lambda x, y: absolute(x) * (1 if y.value >= 0 else -1))
for name, rounding in (("floor", mp.floor), ("ceil", mp.ceil), ("round", mp.nint),
                       ("trunc", lambda v: mp.floor(v) if v > 0 else mp.ceil(v))):
    case(M, name, real, lambda x, r=rounding: constant(x, r(x.value)), args=[X],
         limits={INF: [INF, 0, 0], -INF: [-INF, 0, 0]})
case(M, "round", lambda d: [.03, 1.25, -2.5, 17.2, 1e20], lambda x: constant(x, mp.nint(x.value * 10) / 10), 1)
case(M, "frac", real, lambda x: x - (mp.floor(x.value) if x.value > 0 else mp.ceil(x.value)))
case(M, "deg2rad", line, lambda x: x * (mp.pi / 180))
case(M, "rad2deg", line, lambda x: x * (180 / mp.pi))
case(M, "nan_to_num", lambda d: real(d) + [INF, -INF, NAN], lambda x: x, .5, 1.5, -2.5,
     limits={INF: [1.5, 0, 0], -INF: [-2.5, 0, 0], "nan": [.5, 0, 0]})
case(M, "float_power", lambda d: pairs([.01, .5, 1, 3, 100], [-2, -.5, 0, .5, 1, 2, 3.7]), lambda x, y: exp(log(x) * y))

R = "arith"
case(R, "add", square, lambda x, y: x + y)
case(R, "add", square, lambda x, y: x + y * 3, 3)
case(R, "sub", square, lambda x, y: x - y)
case(R, "sub", square, lambda x, y: x - y * 3, 3)
case(R, "rsub", square, lambda x, y: y - x)
case(R, "mul", square, lambda x, y: x * y)
case(R, "div", lambda d: [p for p in plane(d) if p[1] and not 0 < abs(p[0]) < 1e-39], lambda x, y: x / y,
     limits={(INF, 2): [INF, .5, -INF, 0, -.25, INF], (2, INF): [0] * 6, (2, -INF): [0] * 6})
case(R, "neg", line, lambda x: -x)
case(R, "positive", line, lambda x: x)
case(R, "abs", line, absolute)
case(R, "sign", line, lambda x: constant(x, mp.sign(x.value)))
case(R, "square", line, lambda x: x * x)
case(R, "sqrt", ray, sqrt, limits={0: [0, INF, -INF]})
case(R, "rsqrt", ray, lambda x: power(x, -mpf(1) / 2), limits={0: [INF, -INF, INF]})
case(R, "reciprocal", lambda d: [v for v in line(d) if v], lambda x: 1 / x)
ROWS = {"float64": [1e-300, 1e-150, 1e-3, .5, 1, 2, 10, 1e5, 1e150], "float32": [1e-37, 1e-15, 1e-3, .5, 1, 2, 10, 1e5, 1e18]}
POWERS = [-2, -1, -.5, 0, .5, 1, 2, 3, 1.75, -3.25]
case(R, "pow", lambda d: pairs(ROWS[d], POWERS), lambda x, y: exp(log(x) * y),
     limits={(0, 0): [1, 0, 0, ANY, ANY, ANY], (0, 2): [0, 0, 0, 2, 0, 0], (0, 1): [0, 1, 0, 0, ANY, 0],
             (0, 3): [0, 0, 0, 0, 0, 0], (INF, -1): [0, 0, 0, 0, 0, 0], (0, .5): [0, INF, 0, -INF, ANY, 0]})
for p in (2, 3, .5, -1, -.5, -2, 1.75):
    case(R, "pow", ray, lambda x, p=p: power(x, mpf(p)), args=[X, p])
for base in (2, .3125):
    case(R, "pow", lambda d: real(d) + [128, 1024], lambda x, b=base: exp(x * mp.log(mpf(b))), args=[base, X])


def down(x, y):
    return mp.floor(x.value / y.value)


def towards_zero(x, y):
    q = x.value / y.value
    return mp.floor(q) if q > 0 else mp.ceil(q)


QUOTIENTS = {"float64": pairs([1e-200, .3, 1, 7.5, 1e15, -1e-200, -2, -7.5], [2**-10, 1, 2.25, 1e10, -.75]),
             "float32": pairs([1e-30, .3, 1, 7.5, 1e6, -1e-30, -2, -7.5], [2**-10, 1, 2.25, 1e10, -.75])}
case(R, "floor_divide", QUOTIENTS.get, lambda x, y: constant(x, down(x, y)))
case(R, "div", QUOTIENTS.get, lambda x, y: constant(x, down(x, y)), "floor")
case(R, "div", QUOTIENTS.get, lambda x, y: constant(x, towards_zero(x, y)), "trunc")
case(R, "remainder", QUOTIENTS.get, lambda x, y: x - y * down(x, y))
case(R, "fmod", QUOTIENTS.get, lambda x, y: x - y * towards_zero(x, y))
TRIPLES = [(a, b, c) for a in (0, 1e-25, .3, -2, 1e20) for b in (1e-12, .7, -5, 1e10) for c in (1e-9, .4, .6, 3)]
case(R, "lerp", lambda d: TRIPLES, lambda x, y, z: x + z * (y - x))
case(R, "addcmul", lambda d: TRIPLES, lambda x, y, z: x + y * z * 2, 2)
case(R, "addcdiv", lambda d: TRIPLES, lambda x, y, z: x + y / z * 2, 2)

C = "choose"


def larger(x, y):
    return x if x.value > y.value else y if y.value > x.value else (x + y) / 2


def lesser(x, y):
    return -larger(-x, -y)


case(C, "maximum", square, larger)
case(C, "minimum", square, lesser)
case(C, "fmax", square, lambda x, y: x if x.value >= y.value else y)
case(C, "fmin", square, lambda x, y: x if x.value <= y.value else y)
case(C, "clamp_min", square, lambda x, y: x if x.value >= y.value else y)
case(C, "clamp_max", square, lambda x, y: x if x.value <= y.value else y)
case(C, "clamp", line, lambda x: x if -1 <= x.value <= 2.5 else constant(x, -1 if x.value < -1 else 2.5), -1, 2.5)
case(C, "clamp", line, lambda x: x if x.value >= .5 else constant(x, .5), .5)
case(C, "clamp", lambda d: [(a, b, c) for a in (-9, -2, .1, 2, 1e30) for b in (-2, 0, 3) for c in (-1, 2, 4)],
     lambda x, y, z: z if y.value > z.value else y if x.value < y.value else z if x.value > z.value else x)
CONDITION = "x > y"
case(C, "where", square, lambda x, y: x if x.value > y.value else y, args=[CONDITION, X, Y])
case(C, "masked_fill", line, lambda x: constant(x, .5) if x.value > 0 else x, args=[X, "x > 0", .5])

S = "special"
case(S, "erf", line, erf)
case(S, "erfc", line, erfc)
case(S, "erfinv", unit, erfinv)
GAMMA_POLES = {"float64": [1.4616321449683622, 1.4616321449683625, 1 + 2**-40, 2 - 2**-40, -.5, -1.5, -2.25, -10.5, -20.3],
               "float32": [1.4616321, 1.461632, 1 + 2**-20, 2 - 2**-20, -.5, -1.5, -2.25, -10.5, -20.3]}


def gammas(d):
    return [v for v in positive(d) if v < (1e300 if d == "float64" else 1e35)] + GAMMA_POLES[d]


case(S, "lgamma", gammas, lgamma, limits={INF: [INF, INF, 0]})
ROOTS = {"float64": [-.504083008264455409, -1.573498473162390459, -2.610720868444144650, -10.7],
         "float32": [-.504083008, -1.573498473, -2.61072087, -10.7]}
case(S, "digamma", lambda d: gammas(d) + ROOTS[d], lambda x: polygamma(x, 0), limits={INF: [INF, 0, 0]})
for n in (0, 1, 2, 3, 4, 7):
    case(S, "polygamma", lambda d: gammas(d) + [-1000.5, -50.5, -50.25, -3.875, 1e12, 1e24, 3e34], lambda x, n=n: polygamma(x, n),
         args=[X, n], limits={INF: [INF if n == 0 else 0, 0, 0]})
case(S, "sinc", line, sinc, limits={INF: [0, 0, 0], -INF: [0, 0, 0]})
case(S, "xlogy", lambda d: [(x, y) for x, y in plane(d) if y > 0], lambda x, y: x * log(y),
     limits={(0, 0): [0, ANY, ANY, ANY, ANY, ANY], (0, INF): [0] + [ANY] * 5})

L = "loss"


def difference(f):
    return lambda x, y: f(x - y)


def huber(d, limit):
    return d * d / 2 if abs(d.value) < limit else (absolute(d) - mpf(limit) / 2) * limit


NONE = "none"
case(L, "l1_loss", square, difference(absolute), NONE, args=[X, Y, NONE])
case(L, "mse_loss", square, difference(lambda d: d * d), args=[X, Y, NONE])
case(L, "smooth_l1_loss", square, difference(lambda d: huber(d, .5) / .5), args=[X, Y, NONE, .5])
case(L, "huber_loss", square, difference(lambda d: huber(d, .75)), args=[X, Y, NONE, .75])


def bce(x, y):
    return -(y * log(x)) - (1 - y) * log1p(-x)


# Closer to 0 and 1 the slope is bounded, as PyTorch bounds it.
CHANCES = [1e-9, 1e-4, .1, .5, .9, .999, 1 - 2**-20]
case(L, "binary_cross_entropy", lambda d: [(x, y) for x in CHANCES for y in (0, .25, 1)], bce, args=[X, Y, "nil", NONE],
     limits={(0, 0): [0, ANY, ANY, ANY, ANY, ANY], (1, 1): [0] + [ANY] * 5})


def bce_logits(x, y):
    return softplus(x) - x * y if x.value < 0 else softplus(-x) + x * (1 - y)


case(L, "binary_cross_entropy_with_logits", lambda d: pairs(real(d), [0, .25, 1]), bce_logits, args=[X, Y, "nil", NONE],
     limits={(INF, 1): [0, 0, -INF, 0, ANY, 0], (-INF, 0): [0, 0, INF, 0, ANY, 0], (INF, 0): [INF, 1, -INF, 0, ANY, 0],
             (-INF, 1): [INF, -1, INF, 0, ANY, 0], (INF, .25): [INF, .75, -INF, 0, ANY, 0]})
PROBABILITIES = {"float64": [1e-300, 1e-30, 1e-9, .1, .5, 1, 3], "float32": [1e-37, 1e-30, 1e-9, .1, .5, 1, 3]}
case(L, "kl_div", lambda d: [(x, y) for x in (-700 if d == "float64" else -80, -30, -1, -1e-9, 0) for y in PROBABILITIES[d]],
     lambda x, y: y * (log(y) - x), args=[X, Y, NONE])
case(L, "kl_div", lambda d: pairs([-90, -30, -1, -1e-9, 0], [-80, -20, -1, -1e-9, 0, .5]),
     lambda x, y: exp(y) * (y - x), args=[X, Y, NONE, True], limits={(-1, -INF): [0, 0, 0, 0, 0, 0], (-INF, -INF): [0, 0, ANY, ANY, ANY, ANY]})


# ---- Writing --------------------------------------------------------------------------------------------

NUMPY = {"float64": np.float64, "float32": np.float32}


def rounded(v, d):
    with np.errstate(all="ignore"):
        return NUMPY[d](float(v))


def text(v, d):
    v = rounded(v, d)
    if np.isnan(v) or np.isinf(v):
        return str(v)
    s = repr(v.item()) if d == "float64" else str(v)
    return s[:-2] if s.endswith(".0") else s.replace("e+", "e")


def quantities(jet):
    """The value, first and second derivatives, each with its condition number."""
    n, at = jet.n, [[]]
    at += [[i] for i in range(n)]
    at += [[i, j] for i in range(n) for j in range(i, n)]
    for which in at:
        value = jet.derivative(*which)
        moves = sum(abs(x * jet.derivative(*which, i)) for i, x in enumerate(jet.point))
        yield value, (moves / abs(value) if value else mpf(1))


def repeated(words):
    """Words, those that repeat themselves three times or more as word*n."""
    runs = [(w, len(list(g))) for w, g in groupby(words)]
    return " ".join(f"{w}*{n}" if n > 2 else " ".join([w] * n) for w, n in runs)


def entry(value, condition, d):
    allowed = 8 + int(mp.ceil(min(condition, mpf(10) ** 18)))
    return text(value, d) + (f"~{allowed}" if condition > 4 else "")


def evaluate(formula, point, d):
    """The entries of a line for one point."""
    exact = [FAR if v == INF else -FAR if v == -INF else mpf(float(rounded(v, d))) for v in point]
    variables = [Jet.variable(v, i, len(point)) for i, v in enumerate(exact)]
    jet = formula(*variables)
    jet.point = exact
    return [entry(v, c, d) for v, c in quantities(jet)]


def key(point):
    if len(point) == 1:
        return "nan" if point[0] != point[0] else point[0]
    return tuple(point)


def columns(formula, points, limits, d):
    done, rows = set(), []
    points = [p if isinstance(p, tuple) else (p,) for p in points]
    points += [k if isinstance(k, tuple) else (k,) for k in limits if k != "nan"]
    for p in points:
        name = tuple(text(v, d) for v in p)
        if name in done:
            continue
        done.add(name)
        if key(p) in limits:
            found = ["?" if v is ANY else text(v, d) for v in limits[key(p)]]
        else:
            found = evaluate(formula, p, d)
        rows.append((list(name), found))
    return [repeated(c) for c in zip(*(r[0] for r in rows))], [repeated(c) for c in zip(*(r[1] for r in rows))]


def lua(v):
    return f'"{v}"' if isinstance(v, str) else str(v).lower()


def listed(strings):
    return "{ " + ", ".join(f'"{s}"' for s in strings) + " }"


def main():
    wanted, files = sys.argv[1:], {}
    for file, name, args, formula, points, limits in CASES:
        lines = files.setdefault(file, [])
        if wanted and name not in wanted and file not in wanted:
            continue
        for d in ("float64", "float32"):
            if name == "float_power" and d == "float32":
                continue  # computed in float64
            tensors, found = columns(formula, points(d), limits, d)
            n = len(tensors)
            lines.append(f'{{ "{name}", {{ {", ".join(lua(a) for a in args)} }}, "{d}", {listed(tensors)},\n  "{found[0]}",\n'
                         f'  {listed(found[1:n + 1])},\n  {listed(found[n + 1:])} }},')
        print(file, name, flush=True)
    for file, lines in files.items():
        if not lines:
            continue
        with open(os.path.join(HERE, file + ".lua"), "w") as out:
            out.write("-- Recorded by record.py with mpmath: exact values and derivatives, as record.py describes.\nreturn {\n")
            out.write("\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
