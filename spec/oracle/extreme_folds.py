#!/usr/bin/env python3
"""extreme_folds.py: records reductions, scans, softmaxes, normalizations and losses of extreme
numbers, with first and second derivatives, to 50 digits and more by mpmath.

    python3 spec/oracle/extreme_folds.py > spec/oracle/extreme_folds.lua

Each row: the function's name, the dtype, the input, further arguments, then for the result, its gradient and
the gradient of the gradient a list of numbers and one of allowances. A vector's gradient is that of its
elements times WEIGHTS; the second one is that of the first times DIRECTION. An allowance is how many units in
the last place a number may be off: 8, more where terms cancel or where a change of the input in its last
place changes the number by more, and 0 (nothing is said) where little of it is left."""
import mpmath as mp
import numpy as np

WEIGHTS = [1, -0.5, 0.375, 2, -1.5, 0.75]
DIRECTION = [0.5, 1, -0.25, 0.75, -1, 0.125]
INF = mp.inf


def total(xs):
    s = mp.mpf(0)
    for x in xs:
        s += x
    return s


def exps(xs):
    top = max(xs)
    return top, [mp.exp(x - top) for x in xs]


def softmax(xs):
    _, e = exps(xs)
    return [x / total(e) for x in e]


def logsumexp(xs):
    top, e = exps(xs)
    return top if mp.isinf(top) else top + mp.log(total(e))


def log_softmax(xs):
    return [x - logsumexp(xs) for x in xs]


def norm(xs, p=2):
    if p == 0:
        return mp.mpf(sum(x != 0 for x in xs))
    if p == float("inf"):
        return max(abs(x) for x in xs)
    return total([abs(x) ** p for x in xs]) ** (1 / mp.mpf(p))


def mean(xs):
    return total(xs) / len(xs)


def var(xs, correction=1):
    m = mean(xs)
    return total([(x - m) ** 2 for x in xs]) / (len(xs) - mp.mpf(correction))


def std(xs, correction=1):
    return mp.sqrt(var(xs, correction))


def layer_norm(xs, eps):
    m, root = mean(xs), mp.sqrt(var(xs, 0) + mp.mpf(eps))
    return [(x - m) / root for x in xs]


def rms_norm(xs, eps):
    root = mp.sqrt(mean([x * x for x in xs]) + mp.mpf(eps))
    return [x / root for x in xs]


def normalize(xs, p):
    n = max(norm(xs, p), mp.mpf(1e-12))
    return [x / n for x in xs]


def cosine(xs):
    a, b = xs[: len(xs) // 2], xs[len(xs) // 2:]
    p = norm(a) * norm(b)
    return total([x * y for x, y in zip(a, b)]) / max(p, mp.mpf(1e-8))


def scan(xs, f):
    return [f(xs[: i + 1]) for i in range(len(xs))]


def product(xs):
    s = mp.mpf(1)
    for x in xs:
        s *= x
    return s


def bce_logits(xs, targets, weight=1):
    soft = lambda x: mp.log(1 + mp.exp(x))
    return total([weight * t * soft(-x) + (1 - t) * soft(x) for x, t in zip(xs, map(mp.mpf, targets))])


def weighed(t, x):
    return t * x if t else mp.mpf(0)


def kl(xs, targets, logs):
    if logs:
        parts = [weighed(mp.exp(mp.mpf(t)), mp.mpf(t) - x) if t != -INF else mp.mpf(0) for x, t in zip(xs, targets)]
    else:
        parts = [t * (mp.log(t) - x) if t else mp.mpf(0) for x, t in zip(xs, map(mp.mpf, targets))]
    return total(parts)


def huber(xs, targets, delta):
    d = [abs(x - mp.mpf(t)) for x, t in zip(xs, targets)]
    delta = mp.mpf(delta)
    return total([e * e / 2 if e < delta else delta * (e - delta / 2) for e in d])


FUNCTIONS = {
    "sum": total,
    "mean": mean,
    "prod": product,
    "cumsum": lambda xs: scan(xs, total),
    "cumprod": lambda xs: scan(xs, product),
    "var": var,
    "std": std,
    "norm": norm,
    "softmax": softmax,
    "softmin": lambda xs: softmax([-x for x in xs]),
    "log_softmax": log_softmax,
    "logsumexp": logsumexp,
    "logcumsumexp": lambda xs: scan(xs, logsumexp),
    "cross_entropy": lambda xs, k: -log_softmax(xs)[k - 1],
    "soft_cross_entropy": lambda xs, t: -total([weighed(w, x) for w, x in zip(map(mp.mpf, t), log_softmax(xs))]),
    "smoothed_cross_entropy": lambda xs, k, s: -total(
        [(mp.mpf(s) / len(xs) + (1 - mp.mpf(s) if i == k - 1 else 0)) * x for i, x in enumerate(log_softmax(xs))]),
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "group_norm": layer_norm,
    "normalize": normalize,
    "cosine_similarity": cosine,
    "dist": lambda xs: norm([xs[0] - xs[2], xs[1] - xs[3]]),
    "bce_with_logits": bce_logits,
    "kl_div": kl,
    "l1_loss": lambda xs, t: total([abs(x - mp.mpf(y)) for x, y in zip(xs, t)]),
    "mse_loss": lambda xs, t: total([(x - mp.mpf(y)) ** 2 for x, y in zip(xs, t)]),
    "smooth_l1_loss": lambda xs, t, beta: huber(xs, t, beta) / mp.mpf(beta),
    "huber_loss": huber,
}

# ---- Derivatives, by differences far below the digits that are kept ----


def as_list(y):
    return y if isinstance(y, list) else [y]


def moved(xs, by):
    return [x if mp.isinf(x) else x + d for x, d in zip(xs, by)]


def derivatives(f, xs):
    """f's results and, for a weighed sum of them, gradient, gradient of the gradient, and how much each of
    these numbers changes with relative changes of the input."""
    n = len(xs)
    finite = [abs(x) for x in xs if x != 0 and not mp.isinf(x)]
    least = min(finite + [mp.mpf(1)])
    mp.mp.dps = 160 + 3 * (40 + int(mp.log10(max(finite + [mp.mpf(1)]) / least)))
    step = least * mp.mpf(10) ** -40
    unit = [[step if i == k else mp.mpf(0) for i in range(n)] for k in range(n)]
    along = [step * mp.mpf(d) for d in DIRECTION[:n]]
    known = {}

    def results(by):
        key = tuple(by)
        if key not in known:
            known[key] = as_list(f(moved(xs, by)))
        return known[key]

    def loss(by):
        return total([weighed(mp.mpf(w), y) for w, y in zip(WEIGHTS, results(by))])

    def difference(g, by):
        plus = lambda at: g([a + b for a, b in zip(at, by)])
        minus = lambda at: g([a - b for a, b in zip(at, by)])
        return lambda at: (plus(at) - minus(at)) / (2 * step)

    zero = [mp.mpf(0)] * n
    value = results(zero)
    if any(mp.isinf(y) for y in value):
        return None
    firsts = [difference(loss, u) for u in unit]
    seconds = [difference(difference(loss, along), u) for u in unit]
    noise = max(abs(y) for y in value + [mp.mpf(1)]) * mp.mpf(10) ** (10 - mp.mp.dps) / step
    first, second = [g(zero) for g in firsts], [g(zero) for g in seconds]
    first = [x if abs(x) > noise else mp.mpf(0) for x in first]
    second = [x if abs(x) > noise / step else mp.mpf(0) for x in second]

    def sensitivity(g):
        return total([0 if mp.isinf(x) else abs(x * difference(g, u)(zero)) for x, u in zip(xs, unit)])

    def alone(i):
        return lambda by: results(by)[i] * mp.mpf(WEIGHTS[i])

    def terms(u):  # of a gradient
        return total([abs(difference(alone(i), u)(zero)) for i in range(len(value))])

    def second_terms(u):
        by_result = total([abs(difference(difference(alone(i), along), u)(zero)) for i in range(len(value))])
        by_input = total([abs(mp.mpf(d) * difference(difference(loss, w), u)(zero)) for d, w in zip(DIRECTION, unit)])
        return by_result + by_input

    of_value = [sensitivity(lambda by, i=i: results(by)[i]) for i in range(len(value))]
    return [(value, of_value, [abs(y) for y in value]),
            (first, [sensitivity(g) for g in firsts], [terms(u) for u in unit]),
            (second, [sensitivity(g) for g in seconds], [second_terms(u) for u in unit])]


# ---- Rows ----

LIMITS = {"float64": (np.float64, mp.mpf(2) ** -1022, mp.mpf(2) ** 1024), "float32": (np.float32, mp.mpf(2) ** -126, mp.mpf(2) ** 128)}


def number(x):
    if mp.isinf(x):
        return "inf" if x > 0 else "-inf"
    return mp.nstr(x, 20, min_fixed=-5, max_fixed=5)


def exact(x):
    return "inf" if x == INF else "-inf" if x == -INF else repr(float(x))


def listed(part, dtype):
    """The numbers and their allowances, as Lua."""
    _, least, most = LIMITS[dtype]
    numbers, allowed = [], []
    for x, change, terms in zip(*part):
        size = max(abs(x), least)
        units = 8 * max(1, terms / size) + (change / size if change > size else 0)
        units = min(units, 8192)
        odd = abs(x) * 1024 >= most or least / 4 < abs(x) < least * 2 ** 16
        numbers.append("0" if odd or abs(x) < least else number(x))
        allowed.append("0" if odd or units > 4096 else str(int(mp.ceil(units))))
    return "{ %s }, { %s }" % (", ".join(numbers), ", ".join(allowed))


def argument(a):
    if isinstance(a, list):
        return "{ %s }" % ", ".join(exact(x) for x in a)
    if isinstance(a, bool):
        return "true" if a else "false"
    return "math.huge" if a == float("inf") else repr(a)


def row(name, dtype, inputs, *arguments, orders=2):
    mp.mp.dps = 50
    cast = LIMITS[dtype][0]
    xs = [mp.mpf(float(cast(x))) for x in inputs]
    parts = derivatives(lambda ys: FUNCTIONS[name](ys, *arguments), xs)
    if parts is None:
        return
    if orders < 2:
        parts[2] = (parts[2][0], parts[2][1], [INF for _ in xs])
    texts = ", ".join(listed(p, dtype) for p in parts)
    given = ", ".join(argument(a) for a in arguments)
    print('{"%s", "%s", { %s }, { %s }, %s},' % (name, dtype, ", ".join(exact(x) for x in xs), given, texts))


def scaled(xs, by):
    return [x * by for x in xs]


SCALES = {"float64": [1e200, 1e-200, 1e306, 1e-290], "float32": [1e20, 1e-20, 1e37, 1e-33]}
TINY = {"float64": 1e-200, "float32": 1e-30}
CONFIDENT = [[37.5, 0, -3], [0, 40.25, 1], [80, 0, -1, 2], [6, -5, 1], [-30, 2, -30, -28], [1e-3, -50, -60]]
VAGUE = [[3, 3, 3], [0.25, -1, 2]]


def rows(dtype):
    for xs in CONFIDENT + VAGUE + [scaled([1, 2, 0], TINY[dtype]), [1e15, 3e15, -1e15], [-INF, 1, 2.5]]:
        row("softmax", dtype, xs)
        row("softmin", dtype, [-x for x in xs])
        row("log_softmax", dtype, xs)
        row("logsumexp", dtype, xs)
        row("cross_entropy", dtype, xs, xs.index(max(xs)) + 1)
        row("smoothed_cross_entropy", dtype, [max(x, -500) for x in xs], 2, 0.25)
        row("soft_cross_entropy", dtype, xs, [0.0 if x == -INF else w for x, w in zip(xs, [0.125, 0.75, 0.0, 0.125])])
    for xs in VAGUE + [[0, -40], [-INF, -INF, 1, 2], [500, -500, 501], [-3, -INF, 4]]:
        row("logcumsumexp", dtype, xs)
    for scale in [1] + SCALES[dtype]:
        for xs in [3, 4, 1], [1, 2, -3.5, 0.5]:
            for p in 2, 1, 3, 1.5, 0.5, 2.5, -1, float("inf"):
                row("norm", dtype, scaled(xs, scale), p)
            row("normalize", dtype, scaled(xs, scale), 2)
            row("mean", dtype, scaled(xs, scale))
            row("std", dtype, scaled(xs, scale), 1)
            row("std", dtype, scaled(xs, scale), 0)
            row("layer_norm", dtype, scaled(xs, scale), 1e-5)
            row("rms_norm", dtype, scaled(xs, scale), 1e-5)
            row("group_norm", dtype, scaled(xs, scale), 1e-5)
            row("sum", dtype, scaled(xs, scale))
            row("cumsum", dtype, scaled(xs, scale))
        if scale >= 1:
            row("cosine_similarity", dtype, scaled([1, 2, 3, -0.5], scale))
        row("cosine_similarity", dtype, [scale, 2 * scale, 3 / scale, -0.5 / scale])
        row("dist", dtype, scaled([1, 2, 3, -0.5], scale))
        row("l1_loss", dtype, scaled([1, 2], scale), scaled([3.0, -0.5], scale))
        row("huber_loss", dtype, scaled([1, 2], scale), scaled([3.0, 1.5], scale), 1.0)
        row("smooth_l1_loss", dtype, scaled([1, 2], scale), scaled([3.0, 1.5], scale), 1.0)
    row("var", dtype, [1, 2, 4], 1)
    row("var", dtype, scaled([1, 2, 4], {"float64": 1e150, "float32": 1e18}[dtype]), 1)
    row("mse_loss", dtype, [1, 2], [3.0, 1.5])
    row("prod", dtype, [1e10, 1e-10, 3])
    row("prod", dtype, [0, 2, 3])
    row("cumprod", dtype, [1e10, 1e-10, 3])
    mixed = [1e200, 1e-200, 3] if dtype == "float64" else [1e25, 1e-25, 3]
    row("norm", dtype, mixed, 2)
    row("norm", dtype, mixed, 3)
    row("norm", dtype, mixed, 1.5, orders=1)  # whose curvature is a difference of equal numbers
    for xs in [40, -40], [1e4, -1e4], [0.5, -2], [-30, 35], [1e-20, -1e-20]:
        for targets in [1.0, 0.0], [0.0, 1.0], [0.25, 0.75]:
            row("bce_with_logits", dtype, xs, targets)
            row("bce_with_logits", dtype, xs, targets, 2.5)
    row("kl_div", dtype, [-INF, -1, -2], [0.0, 0.25, 0.75], False)
    row("kl_div", dtype, [-INF, -1, -2], [-INF, -1.5, -0.25], True)
    row("kl_div", dtype, [-50, -1e-3], [-40.0, -1e-2], True)


if __name__ == "__main__":
    print("-- Recorded by extreme_folds.py with mpmath: folds, normalizations and losses of extreme numbers.")
    print("local inf <const> = math.huge")
    print("return {")
    for each in "float64", "float32":
        rows(each)
    print("}")
