"""cases_statistics.py: quantiles, frequencies, integrals, distances and what is folded by positions."""
import math

import torch

from record import C, DTYPES, D, FLOATS, Family, INTS, O, V, X

inf, nan = math.inf, math.nan


def statistics():
    f = Family("statistics")
    q = lambda g: lambda x, q, dim=None, keepdim=False, how="linear": g(x, q, dim, keepdim, interpolation=how)
    holes = [1.0, nan, 3.0, 2.0, nan, nan, nan, nan, 5.0, -1.0]
    for op, g in (("quantile", q(torch.quantile)), ("nanquantile", q(torch.nanquantile))):
        for share in (0.0, 0.3, 0.5, 1.0):
            f.case(op, f.t(2, 5), share, torch_f=g)
            f.case(op, f.t(3, 4), share, D(1), torch_f=g)
        for how in ("linear", "lower", "higher", "midpoint", "nearest"):
            f.case(op, f.t(3, 4), 0.4, D(0), True, how, torch_f=g)
            f.case(op, f.t(2, 6), C([0.1, 0.5, 0.75]), D(-1), False, how, torch_f=g)
            f.case(op, V(holes, [2, 5]), 0.4, D(1), False, how, torch_f=g, grad=False)
        f.case(op, f.t(2, 3, 2), C([0.25, 0.5]), D(1), True, torch_f=g)
        f.case(op, f.t(2, 3), C([0.25, 0.5]), None, True, torch_f=g)
        f.case(op, f.t(2, 3), C([]), D(1), torch_f=g)
        f.case(op, f.t(2, 3), C([0.5], []), D(1), True, torch_f=g)
        f.case(op, f.t(7), V([0.3, 0.9]), torch_f=g)
        f.case(op, f.t(), 0.5, torch_f=g)
        f.case(op, f.t(), 0.25, D(0), True, torch_f=g)
        f.case(op, V([2.0, 2.0, 1.0, 2.0]), 0.5, torch_f=g)
        f.case(op, V([inf, 1.0, -inf, 2.0]), 0.5, torch_f=g, grad=False)
        f.case(op, V([nan, nan]), 0.5, torch_f=g, grad=False)
        f.case(op, f.t(6, d="float32"), 0.3, torch_f=g)
    for d in DTYPES:
        if d != "bool":
            f.case("nanmedian", f.t(2, 5, lo=0, hi=9, d=d))
        f.case("mode", V([[2, 1, 2, 1, 3, 0], [5, 4, 3, 2, 1, 1]], [2, 6], d=d), index=(1,))
    f.case("nanmedian", V([nan, 3.0, 1.0, 2.0, 2.5]))
    f.case("nanmedian", V([nan, nan]), grad=False)
    f.case("nanmedian", V(holes, [2, 5]), D(1), index=(1,), grad=False)
    f.case("nanmedian", V(holes, [5, 2]), D(0), True, index=(1,), grad=False)
    f.case("nanmedian", f.t(3, 2, 2), D(0), True, index=(1,))
    f.case("nanmedian", f.t(2, 4), D(1), index=(1,))
    f.case("nanmedian", f.t())
    f.case("nanmedian", f.t(), D(0), index=(1,))
    f.case("nanmedian", V([inf, nan, -inf, 1.0]), grad=False)
    f.case("nanmedian", V([nan] * 40 + [float(i * 7 % 40) for i in range(40)]), grad=False)
    f.case("mode", V([2.0, 1.0, 1.0, 2.0, 3.0]), index=(1,))
    f.case("mode", V([nan, 5.0, 4.0, 5.0]), index=(1,), grad=False)
    f.case("mode", f.t(3, 4), D(1), True, index=(1,))
    f.case("mode", f.t(3, 2, 2), D(0), index=(1,))
    f.case("mode", V([1, 2, 2, 1, 1, 0, 0, 0], [4, 2], d="int64"), D(0), index=(1,))
    f.case("mode", f.t(), index=(1,))
    f.case("mode", f.t(3, 0), D(0), index=(1,))
    f.case("mode", f.t(1, 3), D(0), index=(1,))
    cov = lambda x, c=1, fw=None, aw=None: torch.cov(x, correction=c, fweights=fw, aweights=aw)
    for d in [d for d in DTYPES if d != "bool"]:
        f.case("cov", f.t(2, 4, lo=0, hi=9, d=d), torch_f=cov)
        f.case("corrcoef", f.t(2, 4, lo=0, hi=9, d=d))
    for args in ((f.t(2, 4), 0), (f.t(5),), (f.t(3, 1), 0), (f.t(1, 4),), (f.t(), 0), (f.t(3, 4), 1, V([1, 2, 3, 1], d="int64")),
                 (f.t(2, 3), 1, None, f.t(3, lo=1, hi=2)), (f.t(2, 3), 0, V([2, 1, 1], d="int32"), f.t(3, lo=1, hi=2)),
                 (f.t(3), 1, V([2, 0, 1], d="int64")), (f.t(2, 4), 2)):
        f.case("cov", *args, torch_f=cov)
    for shape in ((3, 5), (4,), (2, 2)):
        f.case("corrcoef", f.t(*shape))
    f.case("corrcoef", V([[1.0, 1.0], [1.0, 2.0]], [2, 2]), grad=False)
    f.write("quantiles, medians without NaN, modes and covariances")


def integrate():
    f = Family("integrate")

    def with_points(g):
        return lambda y, x=None, dx=1, dim=-1: g(y, x, dim=dim) if x is not None else g(y, dx=dx, dim=dim)

    for op, g in (("trapezoid", torch.trapezoid), ("trapz", torch.trapz), ("cumulative_trapezoid", torch.cumulative_trapezoid)):
        g = with_points(g)
        for args in ((f.t(2, 4),), (f.t(3, 2), None, 0.5, D(0)), (f.t(2, 3), f.t(3)), (f.t(3, 2), f.t(3), 1, D(0)),
                     (f.t(2, 3), f.t(2, 3), 1, D(1)), (f.t(2, 3, 2), f.t(3, 2), 1, D(1)), (f.t(2, 1),), (f.t(1), f.t(1)), (f.t(2, 0),),
                     (f.t(3, 2, 2), None, -2, D(1)), (V([1.0, inf, nan]),), (f.t(4, 1), f.t(4, 3), 1, D(0))):
            if op != "trapz" or len(args) < 3:
                f.case(op, *args, torch_f=g)
        for d in [d for d in DTYPES if d != "bool"]:
            f.case(op, f.t(4, lo=0, hi=5, d=d), torch_f=g)

    def slopes(x, spacing=1, dim=None, edge_order=1):
        return torch.gradient(x, spacing=spacing, dim=dim, edge_order=edge_order)

    for order in (1, 2):
        for args in ((f.t(4), 1, D(0)), (f.t(3, 4), 0.5, D(0, 1)), (f.t(3, 4), 2, D(1)), (f.t(3, 5), 1, D(-1, 0)), (f.t(3, 3, 3), -1, D(1))):
            f.case("gradient", *args, order, torch_f=slopes)
        places = V([0.0, 0.5, 2.0, 2.25])
        f.case("gradient", f.t(4), [places], D(0), order, torch_f=slopes)
        f.case("gradient", f.t(3, 4), [f.t(3), places], D(0, 1), order, torch_f=slopes)
        f.case("gradient", f.t(2, 4), [places], D(1), order, torch_f=slopes)
    f.case("gradient", f.t(2, 2), torch_f=slopes)
    f.case("gradient", f.t(2), [V([1.0, 3.0])], torch_f=slopes)
    for d in [d for d in DTYPES if d not in ("bool", "uint8")]:
        f.case("gradient", f.t(4, lo=0, hi=9, d=d), torch_f=slopes)
    f.write("integrals and slopes of what is known at points")


def distance():
    f = Family("distance")
    for p in (0.0, 1.0, 1.5, 2.0, 3.0):
        f.case("cdist", f.t(3, 2), f.t(4, 2), p)
        f.case("cdist", f.t(2, 3, 9), f.t(2, 2, 9), p)
        f.case("pdist", f.t(4, 3), p)
    f.case("cdist", V([[0.0, 1.0], [2.5, 4.0]], [2, 2]), V([[1.0, -2.0], [2.0, 2.0]], [2, 2]), inf)  # no ties, which share the gradient here
    f.case("cdist", f.t(2, 3, 9), f.t(2, 2, 9), inf, grad=False)
    f.case("pdist", V([[0.0, 1.0], [2.5, 4.0], [1.0, -2.0]], [3, 2]), inf)
    for a, b in (((2, 1, 2, 3), (3, 1, 3)), ((0, 2), (3, 2)), ((3, 2), (0, 2)), ((2, 0), (3, 0)), ((2, 17), (3, 17))):
        f.case("cdist", f.t(*a), f.t(*b))
    f.case("cdist", V([[1.0, 2.0], [nan, 1.0]], [2, 2]), V([[1.0, 2.0], [inf, 0.0]], [2, 2]), grad=False)
    f.case("cdist", V([[1.0, 2.0], [3.0, 1.0]], [2, 2]), V([[1.0, 2.0], [inf, 0.0]], [2, 2]), inf, grad=False)
    f.case("cdist", f.t(3, 2, d="float32"), f.t(4, 2, d="float32"))
    f.case("pdist", f.t(1, 2))
    f.case("pdist", f.t(0, 2), grad=False)  # PyTorch 2.13 ends the process in its derivative
    f.case("pdist", V([[1.0, 2.0], [1.0, 2.0], [0.0, 2.0]], [3, 2]))
    f.case("pdist", f.t(3, 2, d="float32"))
    for args in ((f.t(3, 2), 2, D(0), 1.0), (f.t(2, 3, 2), 1, D(-1), 2), (f.t(2, 3), inf, D(1), 0.5), (f.t(0, 2), 2, D(0), 1),
                 (f.t(3, 2), 3.0, D(1), 0.0), (V([[0.0, 0.0], [3.0, 4.0]], [2, 2]), 2, D(0), 5), (f.t(2, 2), 2, D(0), 100)):
        f.case("renorm", *args)
    f.case("renorm_", f.t(3, 2), 2, D(0), 1.0)
    for d in FLOATS:
        f.case("renorm", f.t(3, 2, lo=1, hi=3, d=d), 2, D(0), 1.0)
    f.write("distances of all pairs, and norms that are kept small")


def histogram():
    f = Family("histogram")

    def counted(x, weights=None, minlength=0):
        """PyTorch counts from 0 where Cresset counts from 1."""
        return torch.bincount(x, weights, minlength)

    for d in INTS:
        f.case("bincount", V([2, 0, 2, 1, 4], d=d, index=True), torch_f=counted)
    whole = X([2, 0, 2, 1, 4])
    for d in DTYPES:
        f.case("bincount", whole, V([1, 0, 3, 2, 1], d=d), torch_f=counted, grad=False)
    f.case("bincount", whole, C([0.5, nan, inf, 1.0, -1.0]), torch_f=counted)
    f.case("bincount", whole, None, 7, torch_f=counted)
    f.case("bincount", whole, None, 3, torch_f=counted)
    f.case("bincount", V([], [0], "int64", True), torch_f=counted)
    f.case("bincount", V([], [0], "int64", True), None, 3, torch_f=counted)
    for args in ((f.t(2, 9), 4, -2, 2), (f.t(7), 3), (f.t(0), 2), (f.t(5), 5, -1, 0.5), (f.t(), 1), (V([1.0, 1.0]), 3),
                 (V([1.0, 2.0, nan, 3.0, 3.0, inf, -inf]), 3, 1, 3), (V([0.0, 1.0, 2.0, 3.0, 4.0]), 4), (f.t(30, lo=0, hi=1), 100)):
        f.case("histc", *args, grad=False)
    for d in FLOATS:
        f.case("histc", f.t(9, lo=0, hi=4, d=d), 4, 0, 4, grad=False)

    def spread(x, bins=100, low=None, high=None, weight=None, density=False):
        return torch.histogram(x, bins, range=None if low is None else (low, high), weight=weight, density=density)

    for args in ((f.t(2, 5), 4, -2.0, 2.0), (f.t(7), 3), (f.t(6), 2, -1.0, 1.0, C([0.5, 1.0, 2.0, 0.0, 1.0, 3.0])), (f.t(9), 3, None, None, None, True),
                 (V([1.0, 1.0]), 2), (V([nan, 0.0, 1.0, 2.0, 5.0]), 2, 0.0, 2.0), (f.t(0), 2), (f.t(5), 2, 1.0, 1.0),
                 (V([0.0, 0.1, 0.2, 0.3, 0.7, 0.9, 1.0]), 10, 0.0, 1.0), (f.t(9, d="float32"), 3)):
        f.case("histogram", *args, torch_f=spread, grad=False)

    def between(x, edges, weight=None, density=False):
        return torch.histogram(x, edges, weight=weight, density=density)

    edges = C([-1.0, 0.0, 0.25, 2.0])
    for args in ((f.t(2, 5), edges), (f.t(6), edges, C([0.5, 1.0, 2.0, 0.0, 1.0, 3.0]), True), (V([-1.0, 2.0, 2.5, -1.5, nan, 0.0, 0.25]), edges), (f.t(0), edges)):
        f.case("histogram", *args, torch_f=between, grad=False)

    def flat(result):
        return [result[0], *result[1]]

    def points(x, bins, ends=None, weight=None, density=False):
        ends = None if ends is None else ends.reshape(-1).tolist()
        return flat(torch.histogramdd(x, bins, range=ends, weight=weight, density=density))

    for args in ((f.t(9, 2), [2, 3]), (f.t(5, 2), [2, 2], C([-1.0, 1.0, 0.0, 2.0], [2, 2])), (f.t(6, 1), [3], None, C([1.0, 2.0, 0.5, 0.0, 1.0, 4.0])),
                 (f.t(8, 2), [2, 2], None, None, True), (f.t(3, 3), [1, 2, 3]), (f.t(2, 3, 2), [2, 2])):
        f.case("histogramdd", *args, torch_f=points, grad=False)
    f.case("histogramdd", f.t(9, 2), [edges, C([-2.0, 2.0])], torch_f=lambda x, b: flat(torch.histogramdd(x, b)), grad=False)
    f.case("histogramdd", f.t(6, 2, d="float32"), [2, 2], torch_f=points, grad=False)
    f.write("counts of whole numbers, and of those between edges")


def among():
    f = Family("unique")
    isin = lambda e, t, unique=False, invert=False: torch.isin(e, t, assume_unique=unique, invert=invert)
    for d in [d for d in DTYPES if d != "bool"]:
        f.case("isin", f.t(2, 5, lo=0, hi=6, d=d), V([1, 4, 4], d=d), torch_f=isin)
    for args in ((f.t(2, 5, lo=0, hi=6, d="int64"), f.t(2, 2, lo=0, hi=6, d="int32")), (f.t(3, lo=0, hi=2, d="int64"), V([], [0], "int64")),
                 (V([], [0], "int64"), V([1], d="int64")), (f.t(lo=0, hi=2, d="int64"), V([1, 2], d="int64")), (2, V([1, 2], d="int64")),
                 (V([1, 2, 3], d="int64"), 2), (V([1, 2, 3], d="int64"), V([2], d="int64"), True, True), (V([1.0, 2.5, 3.0]), V([1, 3], d="int64"))):
        f.case("isin", *args, torch_f=isin, grad=False)
    f.case("isin", C([nan, inf, -0.0, 1.0, -inf]), C([nan, 0.0, -inf]), torch_f=isin)
    both = lambda k: lambda x: [torch.unique(x, return_inverse=True, return_counts=True)[i] for i in k]

    def everything(x):
        """values, first places, inverse, counts, as the Array API has them."""
        values, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True)
        line = inverse.reshape(-1).tolist()
        return [values, torch.tensor([line.index(i) for i in range(len(values))], dtype=torch.int64), inverse, counts]

    for shape in ((2, 5), (0,), (), (7,)):
        f.case("unique_all", f.t(*shape, lo=0, hi=3, d="int64"), torch_f=everything, index=(1, 2))
        f.case("unique_counts", f.t(*shape, lo=0, hi=3, d="int64"), torch_f=both((0, 2)))
        f.case("unique_inverse", f.t(*shape, lo=0, hi=3, d="int64"), torch_f=both((0, 1)), index=(1,))
    for d in DTYPES:
        f.case("unique_all", f.t(6, lo=0, hi=3, d=d), torch_f=everything, index=(1, 2), grad=False)
        f.case("unique_counts", f.t(6, lo=0, hi=3, d=d), torch_f=both((0, 2)), grad=False)
        f.case("unique_inverse", f.t(6, lo=0, hi=3, d=d), torch_f=both((0, 1)), index=(1,), grad=False)
    f.write("whether elements are among others, and the different ones")


def scatter_reduce():
    f = Family("scatter_reduce")
    reduced = lambda x, d, i, s, how, own=True: torch.scatter_reduce(x, d, i, s, how, include_self=own)
    parts = lambda x, d, i, s, how, own=True: torch.index_reduce(x, d, i, s, how, include_self=own)
    for how in ("sum", "prod", "mean", "amax", "amin"):
        for own in (True, False):
            f.case("scatter_reduce", f.t(3, 2), D(0), X([2, 0, 1, 1, 2, 0, 2, 2], [4, 2]), f.t(4, 2), how, own, torch_f=reduced)
            f.case("scatter_reduce", f.t(3, 2), D(-1), X([1, 0], [2, 1]), f.t(2, 1), how, own, torch_f=reduced)
            f.case("scatter_reduce", f.t(3), D(0), X([0, 0, 1, 1]), V([2.0, 0.0, 0.0, 0.0]), how, own, torch_f=reduced)
            f.case("scatter_reduce", V([1.0, 2.0, 3.0]), D(0), X([0, 0, 2]), V([1.0, nan, inf]), how, own, torch_f=reduced, grad=False)
            f.case("scatter_reduce_", f.t(3), D(0), X([0, 0]), f.t(2), how, own, torch_f=lambda x, d, i, s, how, own=True: x.scatter_reduce_(d, i, s, how, include_self=own))
            for d in DTYPES[:-1]:
                f.case("scatter_reduce", f.t(3, lo=0, hi=5, d=d), D(0), X([0, 2, 0, 2, 0]), f.t(5, lo=0, hi=5, d=d), how, own, torch_f=reduced)
        f.case("scatter_reduce", f.t(), D(0), X([0], []), f.t(), how, torch_f=reduced)
        f.case("scatter_reduce", f.t(3), D(0), V([], [0], "int64", True), f.t(0), how, torch_f=reduced)
        f.case("scatter_reduce", f.t(3, 2), D(0), X([2], [1, 1]), f.t(2, 2), how, torch_f=reduced, grad=False)
        f.case("scatter_reduce", V([-5, -3, -2], d="int32"), D(0), X([0, 0, 1]), V([-2, -9, 4], d="int32"), how, torch_f=reduced)
    for how in ("prod", "mean", "amax", "amin"):
        for own in (True, False):
            f.case("index_reduce", f.t(3, 2), D(0), X([2, 0, 2, 2]), f.t(4, 2), how, own, torch_f=parts)
            f.case("index_reduce", f.t(2, 3), D(-1), X([0, 2]), f.t(2, 2), how, own, torch_f=parts)
            for d in DTYPES[:-1]:
                f.case("index_reduce", f.t(3, lo=0, hi=5, d=d), D(0), X([0, 2, 0]), f.t(3, lo=0, hi=5, d=d), how, own, torch_f=parts)
        f.case("index_reduce", f.t(3, 2), D(0), V([], [0], "int64", True), f.t(0, 2), how, torch_f=parts)
        f.case("index_reduce_", f.t(3), D(0), X([1, 1]), f.t(2), how, torch_f=lambda x, d, i, s, how: x.index_reduce_(d, i, s, how))
    put = lambda x, i, s, add=False: torch.Tensor.put(x, i, s, add)
    f.case("put", f.t(2, 3), X([5, 0]), f.t(2), torch_f=put)
    f.case("put", f.t(2, 3), X([5, 0, 5, 1], [2, 2]), f.t(2, 2), True, torch_f=put)
    f.case("put", f.t(2, 3), X([-1], []), f.t(), torch_f=put)
    f.case("put", f.t(3), V([], [0], "int64", True), f.t(0), torch_f=put)
    f.case("put", f.t(2, 2), X([1, 2]), f.t(1, 2), torch_f=put)
    f.case("put_", f.t(2, 3), X([4, 3]), f.t(2), torch_f=lambda x, i, s: x.put_(i, s))
    for d in DTYPES:
        f.case("put", f.t(2, 3, lo=0, hi=5, d=d), X([1, 3]), f.t(2, lo=0, hi=5, d=d), torch_f=put)
    f.write("elements folded by positions")


FAMILIES = [statistics, integrate, distance, histogram, among, scatter_reduce]
