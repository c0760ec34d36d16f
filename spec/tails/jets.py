"""jets.py: truncated Taylor series in several variables, with mpmath's numbers as coefficients.

A Jet holds a function's value and its partial derivatives up to the third order at one point. Arithmetic and
the functions below act on whole jets, so that a formula written once gives its derivatives too, with no step
size and no formula of a derivative that could be wrong. The working precision (PRECISION digits) is far more
than any cancellation at arguments of float64 takes.
"""
from itertools import product

from mpmath import mp, mpf

PRECISION = 1100
ORDER = 3
mp.dps = PRECISION


class Jet:
    def __init__(self, terms, n):
        self.terms, self.n = terms, n  # {exponents: coefficient}

    @staticmethod
    def variable(value, index, n):
        zero, one = (0,) * n, tuple(int(i == index) for i in range(n))
        return Jet({zero: mpf(value), one: mpf(1)}, n)

    @property
    def value(self):
        return self.terms.get((0,) * self.n, mpf(0))

    def derivative(self, *variables):
        """The partial derivative by the variables with these numbers."""
        exponents, factor = [0] * self.n, 1
        for i in variables:
            exponents[i] += 1
            factor *= exponents[i]
        return self.terms.get(tuple(exponents), mpf(0)) * factor

    def lift(self, other):
        return other if isinstance(other, Jet) else Jet({(0,) * self.n: mpf(other)}, self.n)

    def __add__(self, other):
        terms = dict(self.terms)
        for e, c in self.lift(other).terms.items():
            terms[e] = terms.get(e, 0) + c
        return Jet(terms, self.n)

    def __neg__(self):
        return Jet({e: -c for e, c in self.terms.items()}, self.n)

    def __sub__(self, other):
        return self + -self.lift(other)

    def __rsub__(self, other):
        return -self + other

    def __mul__(self, other):
        terms = {}
        for (e, c), (f, d) in product(self.terms.items(), self.lift(other).terms.items()):
            if sum(e) + sum(f) <= ORDER and c and d:
                g = tuple(i + j for i, j in zip(e, f))
                terms[g] = terms.get(g, 0) + c * d
        return Jet(terms, self.n)

    def __truediv__(self, other):
        return self * power(self.lift(other), -1)

    def __rtruediv__(self, other):
        return power(self, -1) * other

    __radd__, __rmul__ = __add__, __mul__


def compose(jet, derivatives):
    """h(jet), where derivatives[k] is the k-th derivative of h at the jet's value."""
    step = Jet({e: c for e, c in jet.terms.items() if sum(e)}, jet.n)
    result, rising, factorial = jet.lift(derivatives[0]), step, 1
    for k in range(1, ORDER + 1):
        factorial *= k
        if derivatives[k]:
            result = result + rising * (derivatives[k] / factorial)
        rising = rising * step
    return result


def integral(value, slope):
    """The function on jets with this value, whose derivative is `slope`, a function on jets."""
    def f(jet):
        s = slope(Jet.variable(jet.value, 0, 1))
        return compose(jet, [value(jet.value), s.value, s.derivative(0), s.derivative(0, 0)])
    return f


def power(jet, p):
    """jet to a constant power."""
    x, derivatives, factor = jet.value, [], mpf(1)
    first = 1 / x if p == -1 else mp.power(x, p)
    for k in range(ORDER + 1):
        derivatives.append(factor * (first / x**k if k else first) if factor else mpf(0))
        factor *= p - k
    return compose(jet, derivatives)


def exp(jet):
    """Beyond 1e7, where no dtype holds the result or one less it, mpmath's exponents would become very long."""
    e = mp.exp(max(min(jet.value, mpf(10) ** 7), -mpf(10) ** 7))
    return compose(jet, [e] * (ORDER + 1))


def sin(jet):
    s, c = mp.sin(jet.value), mp.cos(jet.value)
    return compose(jet, [s, c, -s, -c])


def cos(jet):
    s, c = mp.sin(jet.value), mp.cos(jet.value)
    return compose(jet, [c, -s, -c, s])


def sqrt(jet):
    return power(jet, mpf(1) / 2)


def expm1(jet):
    return exp(jet) - 1


log = integral(mp.log, lambda x: 1 / x)
log1p = integral(lambda v: mp.log(1 + v), lambda x: 1 / (1 + x))
atan = integral(mp.atan, lambda x: 1 / (1 + x * x))
asin = integral(mp.asin, lambda x: power(1 - x * x, -mpf(1) / 2))
acos = integral(mp.acos, lambda x: -power(1 - x * x, -mpf(1) / 2))
asinh = integral(mp.asinh, lambda x: power(1 + x * x, -mpf(1) / 2))
acosh = integral(mp.acosh, lambda x: power(x - 1, -mpf(1) / 2) * power(x + 1, -mpf(1) / 2))
atanh = integral(mp.atanh, lambda x: 1 / (1 - x * x))
erf = integral(mp.erf, lambda x: exp(-(x * x)) * (2 / mp.sqrt(mp.pi)))


def erfc_value(v):
    """mpmath's erfc gives up far out: there, its continued fraction's first terms are exact enough for 0."""
    return mpf(0) if v > 200 else mp.erfc(v)


erfc = integral(erfc_value, lambda x: -exp(-(x * x)) * (2 / mp.sqrt(mp.pi)))


def digits(n, f):
    """f, computed with n digits: special functions take long with more."""
    def g(*args):
        with mp.workdps(n):
            return f(*args)
    return g


def polygamma(jet, n):
    x = jet.value
    return compose(jet, [digits(60, mp.psi)(n + k, x) for k in range(ORDER + 1)])


def lgamma(jet):
    x = jet.value
    value = digits(60, lambda: mp.log(abs(mp.gamma(x))) if abs(x) < 1e6 else mp.re(mp.loggamma(x)))()
    return compose(jet, [value] + [digits(60, mp.psi)(k, x) for k in range(ORDER)])


def erfinv(jet):
    y = digits(60, mp.erfinv)(jet.value)
    inner = Jet.variable(y, 0, 1)
    slope = exp(inner * inner) * (mp.sqrt(mp.pi) / 2)  # by y, of the slope by x
    d1 = slope.value
    d2 = slope.derivative(0) * d1
    d3 = (slope.derivative(0, 0) * d1 + slope.derivative(0) ** 2) * d1
    return compose(jet, [y, d1, d2, d3])
