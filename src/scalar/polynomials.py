#!/usr/bin/env python3
"""polynomials.py: computes the polynomials of scalar_polynomials.h, and writes that file.

    python3 src/scalar/polynomials.py > src/scalar/scalar_polynomials.h        (needs mpmath)

Each polynomial interpolates its function at Chebyshev's nodes. Coefficients are rounded one after the
other, the constant first, and what is left is interpolated anew, so that later coefficients make up for
the rounding of earlier ones.
"""
import sys
import mpmath as mp

mp.mp.dps = 60


def round_to(x, kind):
    """x as the nearest float32 or float64 number."""
    if x == 0:
        return mp.mpf(0)
    bits = 24 if kind == "f32" else 53
    e = mp.floor(mp.log(abs(x), 2)) - bits + 1
    return mp.nint(x / mp.power(2, e)) * mp.power(2, e)


def remez(f, weight, low, high, degree):
    """The polynomial of the least largest weight(x) |p(x) - f(x)|, nearly: a few exchanges of Remez'."""
    n, many = degree + 2, 24 * (degree + 2)
    grid = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * i / many) for i in range(many + 1)]
    values, weights = [f(x) for x in grid], [max(weight(x), weight(high) / 1000) for x in grid]
    at = [round(i * many / (n - 1)) for i in range(n)]
    best, least = None, mp.inf
    for _ in range(12):
        # Divided differences of f and of the alternating error say how large that error is.
        x, w = [grid[i] for i in at], [weights[i] for i in at]
        share = []
        for i in range(n):
            p = mp.mpf(1)
            for j in range(n):
                if j != i:
                    p *= (x[i] - x[j])
            share.append(1 / p)
        error = sum(share[i] * values[at[i]] for i in range(n)) / sum(share[i] * (-1)**i / w[i] for i in range(n))
        c = newton(x[:-1], [values[at[i]] - (-1)**i * error / w[i] for i in range(n - 1)])
        off = [(mp.polyval(c[::-1], grid[i]) - values[i]) * weights[i] for i in range(many + 1)]
        largest = max(abs(e) for e in off)
        if largest < least:
            best, least = c, largest
        if largest < abs(error) * mp.mpf("1.01"):
            break
        # One extreme of each sign in turn.
        turns = []
        for i in range(many + 1):
            if turns and (off[i] > 0) == (off[turns[-1]] > 0):
                if abs(off[i]) > abs(off[turns[-1]]):
                    turns[-1] = i
            else:
                turns.append(i)
        while len(turns) > n:
            if len(turns) == n + 1:
                turns.pop(0 if abs(off[turns[0]]) < abs(off[turns[-1]]) else -1)
            else:
                k = min(range(len(turns) - 1), key=lambda k: max(abs(off[turns[k]]), abs(off[turns[k + 1]])))
                del turns[k:k + 2]
        if len(turns) < n:
            break
        at = turns
    return best


def newton(x, d):
    """The coefficients of the polynomial through the points (x, d), by Newton's differences."""
    n, d = len(x), list(d)
    for j in range(1, n):
        for i in range(n - 1, j - 1, -1):
            d[i] = (d[i] - d[i - 1]) / (x[i] - x[i - j])
    c = [d[n - 1]]
    for i in range(n - 2, -1, -1):
        c = [mp.mpf(0)] + c
        for j in range(len(c) - 1):
            c[j] -= x[i] * c[j + 1]
        c[0] += d[i]
    return c


def fit(f, weight, low, high, degree, kind):
    return [round_to(c, kind) for c in remez(f, weight, low, high, degree)]


def worst(f, weight, c, low, high):
    """The largest weighted distance from f."""
    points = [low + (high - low) * i / 300 for i in range(301)]
    return max(weight(x) * abs(f(x) - mp.polyval(c[::-1], x)) for x in points)


LOG2 = mp.log(2)
H = mp.mpf("0.3475")             # a little over log(2) / 2
QUARTER = mp.pi / 4 * mp.mpf("1.001")
HALF = mp.pi / 2 * mp.mpf("1.001")
S = (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1) * mp.mpf("1.0001")


def series_at_0(f, series):
    """f, and its power series close to 0, where f loses digits."""
    return lambda x: f(x) if abs(x) > mp.mpf(10) ** -9 else sum(c * x**j for j, c in enumerate(series))


def erfcx(a):
    return mp.exp(a * a) * mp.erfc(a)


def tail(C):
    def f(w):
        v = w + mp.mpf(5) / 8
        a = v * C / (1 - v)
        return erfcx(a) * (a + C)
    return f



def of_square(g, first, second):
    """g(sqrt(z)) as a function of z, whose power series begins with first + second z."""
    return lambda z: g(mp.sqrt(z)) if z > mp.mpf(10) ** -12 else first + second * z


def third(x):
    return mp.mpf(1) / x


SIN = of_square(lambda r: (mp.sin(r) / r - 1) / r**2, -third(6), third(120))
ROOT_PI = mp.sqrt(mp.pi)

def log_gamma(x):
    """log |gamma(x)|, for x < 0 too."""
    return mp.log(mp.pi / abs(mp.sinpi(x))) - mp.loggamma(1 - x)


# The zeros of log |gamma| between -3 and -2, and what it is without them at w - 2.6.
DIPS = [mp.findroot(log_gamma, at) for at in (mp.mpf("-2.457"), mp.mpf("-2.7476"))]


def dip(w):
    x = w - mp.mpf("2.6")
    return log_gamma(x) / ((x - DIPS[0]) * (x - DIPS[1]))


def erfinv_ratio(w):
    """erfinv(x) / x for the x > 0 with w = -log(1 - x^2), of which 1 - x keeps its digits."""
    if w < mp.mpf(10) ** -12:
        return ROOT_PI / 2 * (1 + mp.pi / 12 * w)
    x = mp.sqrt(-mp.expm1(-w))
    left = mp.exp(-w) / (1 + x)  # erfc of the result
    y = mp.sqrt(w) if w > 3 else mp.erfinv(mp.mpf(float(x)))
    for _ in range(60):
        off = (mp.erfc(y) - left) * ROOT_PI / 2 * mp.exp(y * y)
        y += off / (1 - off * y)
        if abs(off) < mp.mpf(10) ** -45:
            break
    return y / x


def erfinv_tail(middle):
    return lambda t: erfinv_ratio((t + mp.mpf(middle)) ** 2)


DIGAMMA_ROOT = mp.findroot(mp.digamma, mp.mpf("1.46"))


def around_root(w):
    x = w + mp.mpf("1.5")
    off = x - DIGAMMA_ROOT
    return mp.digamma(x) / off if abs(off) > mp.mpf(10) ** -12 else mp.polygamma(1, DIGAMMA_ROOT)


# name, what it is, function, weight, interval, degrees for f32 and f64 (None: not there). Weights make
# the error that of the whole function, relative to its value.
LIST = [
    ("exp_rest", "(e^r - 1 - r) / r^2, |r| <= log(2) / 2",
     series_at_0(lambda r: (mp.expm1(r) - r) / r**2, [third(2), third(6), third(24)]),
     lambda r: r * r, (-H, H), (4, 10)),
    ("exp2_rest", "(2^r - 1) / r, |r| <= 1/2",
     series_at_0(lambda r: mp.expm1(r * LOG2) / r, [LOG2, LOG2**2 / 2, LOG2**3 / 6]),
     lambda r: abs(r), (-mp.mpf("0.501"), mp.mpf("0.501")), (5, 11)),
    ("cosh_rest", "(cosh r - 1) / r^2 of z = r^2, |r| <= log(2) / 2",
     of_square(lambda r: (mp.cosh(r) - 1) / r**2, third(2), third(24)), lambda z: z, (mp.mpf(0), H * H), (2, 5)),
    ("sinh_rest", "(sinh r - r) / r^3 of z = r^2, |r| <= log(2) / 2",
     of_square(lambda r: (mp.sinh(r) / r - 1) / r**2, third(6), third(120)), lambda z: z, (mp.mpf(0), H * H), (2, 5)),
    ("log_rest", "(log((1 + s) / (1 - s)) / s - 2) / s^2 of z = s^2, |s| <= (sqrt(2) - 1) / (sqrt(2) + 1)",
     of_square(lambda s: (2 * mp.atanh(s) / s - 2) / s**2, mp.mpf(2) / 3, mp.mpf(2) / 5),
     lambda z: z / 2, (mp.mpf(0), S * S), (None, 6)),
    ("log_cubic_rest", "(log(1 + f) - f + f^2 / 2) / f^3, |f| <= 1/3",
     series_at_0(lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3, [third(3), -third(4), third(5)]),
     lambda f: abs(f**3 / mp.log1p(f)) if abs(f) > mp.mpf(10) ** -9 else f * f,
     (-third(3) * mp.mpf("1.0001"), third(3) * mp.mpf("1.0001")), (7, None)),
    ("sin_rest", "(sin r - r) / r^3 of z = r^2, |r| <= pi / 2", SIN, lambda z: z, (mp.mpf(0), HALF**2), (4, 8)),
    ("sin_short", "the same, |r| <= pi / 4", SIN, lambda z: z, (mp.mpf(0), QUARTER**2), (2, 5)),
    ("cos_short", "(cos r - 1 + r^2 / 2) / r^4 of z = r^2, |r| <= pi / 4",
     of_square(lambda r: (mp.cos(r) - 1 + r**2 / 2) / r**4, third(24), -third(720)),
     lambda z: z * z, (mp.mpf(0), QUARTER**2), (2, 5)),
    ("asin_rest", "(asin s - s) / s^3 of z = s^2, |s| <= 1/2",
     of_square(lambda s: (mp.asin(s) / s - 1) / s**2, third(6), mp.mpf(3) / 40), lambda z: z, (mp.mpf(0), mp.mpf("0.2502")), (4, 11)),
    ("atan_rest", "(atan t - t) / t^3 of z = t^2, |t| <= 1",
     of_square(lambda t: (mp.atan(t) / t - 1) / t**2, -third(3), third(5)),
     lambda z: z, (mp.mpf(0), mp.mpf("1.0001")), (8, 20)),
    ("pow_rest", "(log((1 + s) / (1 - s)) / s - 2 - 2/3 s^2) / s^4 of z = s^2, |s| as for log",
     of_square(lambda s: (2 * mp.atanh(s) / s - 2 - 2 * s**2 / 3) / s**4, mp.mpf(2) / 5, mp.mpf(2) / 7),
     lambda z: z * z * 2**11, (mp.mpf(0), S * S), (None, 7)),
    ("pow_log2", "log2((1 + s) / (1 - s)) / s of z = s^2, |s| as for log, for pow of float32 in float64",
     of_square(lambda s: 2 * mp.atanh(s) / s / LOG2, 2 / LOG2, 2 / LOG2 / 3),
     lambda z: mp.mpf(1) / 3 * mp.mpf(2) ** -10, (mp.mpf(0), S * S), (None, 5)),
    ("pow_exp2", "2^r, |r| <= 1/2, for pow of float32 in float64",
     lambda r: mp.power(2, r), lambda r: mp.mpf(2) ** -20, (-mp.mpf("0.501"), mp.mpf("0.501")), (None, 7)),
    ("tail_rest", "exp(a^2) erfc(a) (a + C) of w = a / (a + C) - 5/8, with C = 3 (f32), a <= 10.1",
     tail(3), lambda w: 1 / tail(3)(w), (-mp.mpf(5) / 8, mp.mpf("10.1") / (mp.mpf("10.1") + 3) - mp.mpf(5) / 8), (9, None)),
    ("tail_rest", "the same, with C = 3.75 (f64), a <= 27.3",
     tail(mp.mpf("3.75")), lambda w: 1 / tail(mp.mpf("3.75"))(w),
     (-mp.mpf(5) / 8, mp.mpf("27.3") / (mp.mpf("27.3") + mp.mpf("3.75")) - mp.mpf(5) / 8), (None, 22)),
    ("gamma_one", "log(gamma(1 + u)) / u, |u| <= 1/4",
     series_at_0(lambda u: mp.re(mp.loggamma(1 + u)) / u, [-mp.euler, mp.zeta(2) / 2]),
     lambda u: 1 / abs(mp.loggamma(1 + u) / u) if abs(u) > mp.mpf(10) ** -9 else 1 / mp.euler,
     (-mp.mpf("0.2505"), mp.mpf("0.2505")), (None, 18)),
    ("gamma_two", "log(gamma(2 + u)) / u, -3/4 <= u <= 1/2",
     series_at_0(lambda u: mp.re(mp.loggamma(2 + u)) / u, [1 - mp.euler, (mp.zeta(2) - 1) / 2]),
     lambda u: 1 / abs(mp.loggamma(2 + u) / u) if abs(u) > mp.mpf(10) ** -9 else mp.mpf(2), (-mp.mpf("0.7505"), mp.mpf("0.5005")), (None, 20)),
    ("gamma_dip", "log |gamma(x)| / ((x - u) (x - v)) of w = x + 2.6, |w| <= 0.2, u and v being its zeros there",
     dip, lambda w: 1 / abs(dip(w)), (-mp.mpf("0.2005"), mp.mpf("0.2005")), (None, 27)),
    ("digamma_root", "digamma(x) / (x - root) of w = x - 3/2, |w| <= 1/2",
     around_root, lambda w: 1 / around_root(w), (-mp.mpf("0.5005"), mp.mpf("0.5005")), (10, 22)),
    ("erfinv_near", "erfinv(x) / x of v = w - 3, 0 <= w <= 6, for w = -log(1 - x^2)",
     lambda v: erfinv_ratio(v + 3), lambda v: 1 / erfinv_ratio(v + 3), (mp.mpf(-3), mp.mpf("3.001")), (10, 24)),
    ("erfinv_far", "the same of t = sqrt(w) - 3, 6 <= w <= 16",
     erfinv_tail(3), lambda t: 1 / erfinv_tail(3)(t), (mp.mpf("-0.5515"), mp.mpf("1.001")), (7, 19)),
    ("erfinv_farthest", "the same of t = sqrt(w) - 5, 16 <= w <= 36.1",
     erfinv_tail(5), lambda t: 1 / erfinv_tail(5)(t), (mp.mpf("-1.001"), mp.mpf("1.01")), (None, 18)),
    ("erf_log2", "log2(erfc(x)) of w = x - 1 (f32), 1 <= x <= 4",
     lambda w: mp.log(mp.erfc(w + 1), 2), lambda w: LOG2 * mp.erfc(w + 1),
     (mp.mpf(0), mp.mpf(3)), (8, None)),
    ("erf_log2", "the same, 1 <= x <= 6 (f64)",
     lambda w: mp.log(mp.erfc(w + 1), 2), lambda w: LOG2 * mp.erfc(w + 1),
     (mp.mpf(0), mp.mpf(5)), (None, 18)),
    ("erf_rest", "erf(x) / x - 1 of z = x^2, |x| <= 1",
     of_square(lambda x: mp.erf(x) / x - 1, 2 / ROOT_PI - 1, -2 / ROOT_PI / 3), lambda z: mp.mpf(1), (mp.mpf(0), mp.mpf(1)), (6, 12)),
]


HEAD = """/* scalar_polynomials.h: the polynomials of the elementary functions. Written by polynomials.py.
 *
 * Holds true: the number behind each is the largest error that it brings into the function that it is for, in
 * halves of a unit in the last place. */
#ifndef CR__SCALAR_POLYNOMIALS_H
#define CR__SCALAR_POLYNOMIALS_H"""


def literal(c, kind):
    return float(c).hex() + ("f" if kind == "f32" else "")


def evaluation(c, kind):
    """Lines that compute the polynomial: by Horner's rule, in 2 or 4 interleaved parts where it is long, so
    that fewer steps wait for each other."""
    real = "float" if kind == "f32" else "double"
    parts = 1 if len(c) < 6 else 2 if len(c) < 12 else 4
    words = [literal(v, kind) for v in c]
    if parts == 1:
        yield f"{real} p = {words[-1]};"
        for w in words[-2:0:-1]:
            yield f"p = {kind}_fma(p, x, {w});"
        yield f"return {kind}_fma(p, x, {words[0]});"
        return
    step = "y" if parts == 2 else "z"
    yield f"{real} y = x * x" + (", z = y * y;" if parts == 4 else ";")
    for k in range(parts):
        mine = words[k::parts]
        yield f"{real} p{k} = {mine[-1]};"
        for w in mine[-2::-1]:
            yield f"p{k} = {kind}_fma(p{k}, {step}, {w});"
    if parts == 2:
        yield f"return {kind}_fma(p1, x, p0);"
    else:
        yield f"return {kind}_fma({kind}_fma(p3, x, p2), y, {kind}_fma(p1, x, p0));"


def main():
    only = sys.argv[1:]
    print(HEAD)
    for name, what, f, weight, (low, high), degrees in LIST:
        if only and name not in only:
            continue
        print(f"\n/* {what} */")
        for kind, degree in zip(("f32", "f64"), degrees):
            if degree is None:
                continue
            c = fit(f, weight, low, high, degree, kind)
            ulp = mp.mpf(2) ** (-24 if kind == "f32" else -53)
            off = mp.nstr(worst(f, weight, c, low, high) / ulp, 2)
            print(name, kind, degree, off, file=sys.stderr)
            real = "float" if kind == "f32" else "double"
            print(f"CR__SCALAR {real} {kind}_{name}({real} x) {{ /* {off} */")
            for line in evaluation(c, kind):
                print("  " + line)
            print("}")
    print("\n#endif")


if __name__ == "__main__":
    main()
