"""cases_reduce.py: reductions, scans, softmax and losses."""
import math

import torch
import torch.nn.functional as F

from record import DTYPES, FLOATS, C, D, Family, O, T, V, X

INF, NAN = math.inf, math.nan

inf, nan = math.inf, math.nan


def everywhere(f, op, dtypes=DTYPES, lo=-2, hi=2, torch_f=None, dims=True, empty=True, several=True):
    """The whole tensor and each way to name dims, for all dtypes, and an empty and a 0-dim tensor."""
    for d in dtypes:
        low = max(lo, 0) if d == "uint8" else lo
        f.case(op, f.t(2, 3, lo=low, hi=hi, d=d), torch_f=torch_f)
        if dims:
            f.case(op, f.t(2, 3, lo=low, hi=hi, d=d), D(1), torch_f=torch_f)
    f.case(op, f.t(lo=lo, hi=hi), torch_f=torch_f)
    if dims:
        f.case(op, f.t(2, 3, 2, lo=lo, hi=hi), D(-2), True, torch_f=torch_f)
        f.case(op, f.t(lo=lo, hi=hi), D(0), torch_f=torch_f)
        if several:
            f.case(op, f.t(2, 3, 2, lo=lo, hi=hi), D(0, 2), torch_f=torch_f)
            f.case(op, f.t(2, 3, 2, lo=lo, hi=hi), D(0, -1), True, torch_f=torch_f)
        f.case(op, f.t(3, 0), D(0), torch_f=torch_f)
    if empty:
        f.case(op, f.t(0), torch_f=torch_f)
        f.case(op, f.t(2, 0), *([D(1)] if dims else []), torch_f=torch_f)


def reduce():
    f = Family("reduce")
    everywhere(f, "sum")
    everywhere(f, "nansum", FLOATS)
    everywhere(f, "mean", FLOATS)
    everywhere(f, "nanmean", FLOATS)
    f.case("nanmean", V([1.0, nan, 3.0]))
    f.case("sum", f.t(2, 3, d="int32", lo=0, hi=5), D(1), False, O(dtype="float64"))
    f.case("mean", f.t(2, 3, d="int32", lo=0, hi=5), D(1), False, O(dtype="float64"))
    everywhere(f, "prod", several=False)
    f.case("prod", V([1.0, 2.0, 3.0, 0.0]))
    f.case("prod", V([0.0, 2.0, 3.0, 0.0]))
    f.case("prod", V([[0.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [2, 3]), D(1))
    for op in ("sum", "mean", "prod", "amax", "amin"):
        # PyTorch divides the product by the element: NaN where the others' product is infinite.
        f.case(op, V([1.0, nan, inf, 2.0]), grad=op != "prod")
        f.case(op, V([[1.0, nan], [2.0, inf]], [2, 2], "float32"), D(0))
    f.case("sum", V([2**62, 2**62 - 1, 1], d="int64"))
    f.case("sum", V([127, 127, 127], d="int8"))
    f.case("sum", T(1000, lo=-8, hi=8, d="float32", seed=5), grad=False)
    f.case("mean", T(1000, lo=0, hi=8, d="float16", seed=5), grad=False)
    for op in ("amax", "amin"):
        everywhere(f, op, empty=False, torch_f=lambda x, *a, op=op: getattr(torch, op)(x, *a))
        f.case(op, V([3.0, 1.0, 3.0, 1.0]))
        f.case(op, V([[3.0, 1.0, 3.0], [2.0, 2.0, 1.0]], [2, 3]), D(1))
    for op in ("max", "min"):
        for d in DTYPES:
            f.case(op, f.t(2, 3, lo=0, hi=9, d=d))
            f.case(op, f.t(2, 3, lo=0, hi=9, d=d), D(1), index=(1,))
        f.case(op, V([3.0, 1.0, 3.0, 1.0]))
        f.case(op, V([3.0, 1.0, 3.0, 1.0]), D(0), index=(1,))
        f.case(op, V([[1.0, nan, 2.0], [5.0, 4.0, 7.0]], [2, 3]), D(-1), True, index=(1,))
        f.case(op, f.t(2, 3, 2), D(1), index=(1,))
        f.case(op, f.t(), D(0), index=(1,))
    f.case("max", f.t(2, 3), f.t(3))
    f.case("min", f.t(2, 3), f.t(3))
    medians(f)
    for op in ("argmax", "argmin"):
        for d in DTYPES[:-1]:
            f.case(op, f.t(2, 3, lo=0, hi=99, d=d), index=(0,))
            f.case(op, f.t(2, 3, lo=0, hi=99, d=d), D(0), index=(0,))
        f.case(op, V([1.0, nan, 3.0]), index=(0,))
        f.case(op, V([3.0, 1.0, 3.0, 1.0]), index=(0,))
        f.case(op, f.t(2, 3), D(-1), True, index=(0,))
        f.case(op, f.t(), index=(0,))
    for op in ("all", "any"):
        for d in DTYPES:
            f.case(op, f.t(2, 3, lo=0, hi=1, d=d))
            f.case(op, f.t(2, 3, lo=0, hi=1, d=d), D(1))
        f.case(op, V([0.0, 0.0], d="float64"))
        f.case(op, V([nan, 1.0]))
        f.case(op, f.t(0, 2), D(0), True)
        f.case(op, f.t(0))
    for op in ("count_nonzero",):
        f.case(op, V([0.0, 1.0, nan, 0.0]), grad=False)
        f.case(op, f.t(2, 3, lo=0, hi=1, d="int32"), D(1))
    for op in ("equal", "allclose"):
        g = getattr(torch, op)
        f.case(op, V([1.0, 2.0]), V([1.0, 2.0]), torch_f=lambda x, y, g=g: torch.tensor(g(x, y)))
        f.case(op, V([1.0, 2.0]), V([1.0, 2.0 + 1e-7]), torch_f=lambda x, y, g=g: torch.tensor(g(x, y)))
        f.case(op, V([1.0, nan]), V([1.0, nan]), torch_f=lambda x, y, g=g: torch.tensor(g(x, y)))
    f.write("reductions")


def medians(f):
    for d in FLOATS[:2] + ["int64", "uint8"]:
        f.case("median", f.t(2, 3, lo=0, hi=9, d=d))
        f.case("median", f.t(2, 4, lo=0, hi=9, d=d), D(1), index=(1,))
    f.case("median", V([3.0, 1.0, 2.0, 4.0]))
    f.case("median", V([3.0, nan, 2.0, 4.0]), grad=False)
    f.case("median", f.t(2, 3, 2), D(1), True, index=(1,))
    for dims in ([], [D(1)], [D(0, 2), True]):
        f.case("aminmax", f.t(2, 3, 2), *dims, torch_f=lambda x, *a: (torch.amin(x, *a), torch.amax(x, *a)))


def distances(f):
    f.case("dist", f.t(2, 3), f.t(3))
    f.case("dist", f.t(2, 3), f.t(2, 3), 1)
    f.case("pairwise_distance", f.t(2, 3), f.t(2, 3))
    f.case("pairwise_distance", f.t(3), f.t(2, 3), 1, 1e-3, True)
    f.case("normalize", f.t(2, 3))
    f.case("normalize", f.t(2, 3, 2), 3, D(-1))
    f.case("normalize", V([0.0, 0.0], [1, 2]), grad=False)
    f.case("cosine_similarity", f.t(2, 3), f.t(2, 3))
    f.case("cosine_similarity", f.t(3, 2), f.t(3, 1), D(0))
    f.case("cosine_similarity", V([0.0, 0.0], [1, 2]), V([1.0, 2.0], [1, 2]), grad=False)


def moments():
    f = Family("moments")
    distances(f)
    spread(f)
    norms(f)
    f.write("variances and norms")


def spread(f):
    def corrected(op):
        return lambda x, dim=None, correction=1, keepdim=False: getattr(torch, op)(x, dim, correction=correction, keepdim=keepdim)

    for op in ("var_mean", "std_mean"):
        g = corrected(op)
        f.case(op, f.t(2, 3, 2), torch_f=g)
        f.case(op, f.t(2, 3, 2), D(0, 2), 0, True, torch_f=g)
        f.case(op, f.t(2, 3, d="float32"), D(1), torch_f=g)
    for op in ("var", "std"):
        g = corrected(op)
        for d in FLOATS:
            f.case(op, f.t(2, 3, d=d), torch_f=g)
            f.case(op, f.t(2, 3, d=d), D(1), torch_f=g)
        f.case(op, f.t(2, 3, 2), D(0, 2), torch_f=g)
        f.case(op, f.t(2, 3, 2), D(1), 0, True, torch_f=g)
        f.case(op, f.t(2, 3), None, 0, torch_f=g)
        f.case(op, f.t(3, 4), D(-1), 2, torch_f=g)
        f.case(op, V([3.0, 3.0, 3.0]), torch_f=g)
        f.case(op, V([1e8, 1e8 + 1, 1e8 + 2], d="float64"), torch_f=g)
        f.case(op, f.t(1), torch_f=g, grad=False)
        f.case(op, f.t(0), torch_f=g, grad=False)


def norms(f):
    def norm(x, p=2, dim=None, keepdim=False):
        return torch.norm(x, p, dim, keepdim)

    for p in (2, 1, 0, inf, -inf, 3, 0.5, 2.5):
        f.case("norm", f.t(2, 3), p, torch_f=norm)
        f.case("norm", f.t(2, 3), p, D(1), torch_f=norm)
        f.case("norm", V([3.0, -4.0, 0.0, 4.0]), p, torch_f=norm, grad=p != 0.5)
    f.case("norm", V([0.0, 0.0]), torch_f=norm)
    f.case("norm", V([3.0, -4.0], d="float32"), torch_f=norm)
    f.case("norm", f.t(2, 3, 2), 2, D(0, 2), True, torch_f=norm)
    for d in FLOATS:
        f.case("norm", f.t(2, 3, d=d), torch_f=norm)
    f.case("norm", V([nan, 1.0]), torch_f=norm)
    f.case("norm", f.t(2, 3), "fro", torch_f=norm)
    f.case("norm", f.t(0), torch_f=norm)


def scan():
    f = Family("scan")
    for op in ("cumsum", "cumprod"):
        for d in DTYPES:
            f.case(op, f.t(2, 3, lo=0, hi=3, d=d), D(1))
        f.case(op, f.t(2, 3, 2), D(0))
        f.case(op, f.t(2, 3, 2), D(-2))
        f.case(op, f.t(), D(0))
        f.case(op, f.t(2, 0), D(1))
        f.case(op, V([1.0, nan, 2.0, inf]), D(0), grad=False)
    f.case("cumprod", V([2.0, 0.0, 3.0, 0.0, 5.0]), D(0))
    f.case("logcumsumexp", f.t(2, 3), D(1))
    f.case("logcumsumexp", V([1000.0, 1001.0, -1000.0]), D(0))
    for op in ("cummax", "cummin"):
        f.case(op, f.t(2, 4), D(1), index=(1,))
        f.case(op, V([1.0, 3.0, 3.0, nan, 5.0]), D(0), index=(1,))
    softmaxes(f)
    f.write("scans and softmax")


def sort():
    """No equal elements where positions are recorded: PyTorch leaves their order open unless it is stable."""
    f = Family("sort")
    for d in DTYPES:
        f.case("sort", f.t(2, 5, lo=0, hi=99, d=d), torch_f=lambda x: torch.sort(x, stable=True), index=(1,))
        f.case("topk", f.t(2, 5, d=d) if d in FLOATS else V([5, 3, 9, 7, 1], d="int64" if d == "bool" else d), 3, index=(1,))
    for dim in (0, 1, -1):
        f.case("sort", f.t(3, 2, 4), D(dim), index=(1,))
        f.case("sort", f.t(3, 2, 4), D(dim), True, torch_f=lambda x, k, b: torch.sort(x, k, descending=b), index=(1,))
        f.case("argsort", f.t(3, 2, 4), D(dim), index=(0,))
        f.case("argsort", f.t(3, 2, 4), D(dim), True, torch_f=lambda x, k, b: torch.argsort(x, k, descending=b), index=(0,))
        f.case("topk", f.t(3, 2, 4), 2, D(dim), index=(1,))
        f.case("topk", f.t(3, 2, 4), 1, D(dim), False, index=(1,))
        f.case("kthvalue", f.t(3, 2, 4), 2, D(dim), index=(1,))
        f.case("kthvalue", f.t(3, 2, 4), 1, D(dim), True, index=(1,))
    mixed = [2.0, nan, -inf, 0.0, -0.0, inf, nan, -1.0, 2.0]
    for descending in (False, True):
        stable = lambda x, k, b: torch.sort(x, dim=k, descending=b, stable=True)  # noqa: E731
        for d in ("float64", "float32", "float16"):
            f.case("sort", V(mixed, d=d), D(0), descending, torch_f=stable, index=(1,), grad=False)
        f.case("sort", V([3, 1, 3, 2, 1, 3], d="int32"), D(0), descending, torch_f=stable, index=(1,))
        f.case("sort", V([True, False, True], d="bool"), D(0), descending, torch_f=stable, index=(1,))
        f.case("sort", V([-(2**63), 2**63 - 1, 0, -1], d="int64"), D(0), descending, torch_f=stable, index=(1,))
        f.case("sort", f.t(), D(0), descending, torch_f=stable, index=(1,))
        f.case("sort", f.t(0, 3), D(0), descending, torch_f=stable, index=(1,))
        f.case("sort", f.t(3, 0), D(0), descending, torch_f=stable, index=(1,))
        f.case("sort", T(300, lo=-8, hi=8, seed=3, d="float32"), D(0), descending, torch_f=stable, index=(1,), grad=False)
    f.case("topk", V(mixed[:4]), 2, index=(1,), grad=False)
    f.case("topk", f.t(), 1, index=(1,))
    f.case("topk", f.t(2, 3), 0, index=(1,))
    f.case("kthvalue", f.t(), 1, index=(1,))
    f.case("msort", f.t(3, 2))
    f.case("msort", f.t(4, d="int8", lo=-9, hi=9))
    places(f)
    f.write("elements in order")


def places(f):
    for flags in ((), (True,), (True, True), (True, False, True), (True, True, True)):
        inverse = (1,) if len(flags) > 1 and flags[1] else ()
        f.case("unique", V([3, 1, 3, 2, 1, 3], [2, 3], "int64"), *flags, torch_f=torch.unique, index=inverse)
        f.case("unique", V([2.0, -1.0, nan, 2.0, nan, 0.0, -0.0]), *flags, torch_f=torch.unique, index=inverse, grad=False)
        f.case("unique", V([], [0], "int32"), *flags, torch_f=torch.unique, index=inverse)
    f.case("unique", V([True, True, False], d="bool"), True, True, True, torch_f=torch.unique, index=(1,))
    f.case("unique", V([5], [], "uint8"), True, True, True, torch_f=torch.unique, index=(1,))
    def consecutive(x, inverse=False, counts=False):
        return torch.unique_consecutive(x, return_inverse=inverse, return_counts=counts)

    for flags in ((), (True,), (False, True), (True, True)):
        inverse = (1,) if flags and flags[0] else ()
        f.case("unique_consecutive", V([1, 1, 2, 1, 1, 1, 3], d="int64"), *flags, torch_f=consecutive, index=inverse)
        f.case("unique_consecutive", V([1.0, 2.0, 2.0, 2.0], [2, 2]), *flags, torch_f=consecutive, index=inverse, grad=False)
    line = [-2.0, -0.5, -0.5, 0.0, 1.0, inf]
    asked = [-3.0, -0.5, 0.0, 0.25, inf, nan, -inf]
    for right in (False, True):
        for d in ("float64", "float32", "float16"):
            f.case("searchsorted", V(line, d=d), V(asked, d=d), right, torch_f=lambda s, v, r: torch.searchsorted(s, v, right=r), index=(0,), grad=False)
        for d in ("int64", "int32", "uint8"):
            f.case("searchsorted", V([1, 3, 3, 7], d=d), V([[0, 3, 8], [1, 2, 7]], [2, 3], d), right, torch_f=lambda s, v, r: torch.searchsorted(s, v, right=r), index=(0,))
            f.case("bucketize", V([0, 3, 8], d=d), V([1, 3, 3, 7], d=d), right, torch_f=lambda v, s, r: torch.bucketize(v, s, right=r), index=(0,))
        f.case("searchsorted", V([1.0, 2.0, 3.0, -1.0, 0.0, 1.0], [2, 3]), V([1.0, 2.5, 1.0, 2.5], [2, 2]), right, torch_f=lambda s, v, r: torch.searchsorted(s, v, right=r), index=(0,), grad=False)
    f.case("searchsorted", V(line), 0.25, torch_f=lambda s, v: torch.searchsorted(s, v), index=(0,), grad=False)
    f.case("searchsorted", V([], [0]), V([1.0]), torch_f=lambda s, v: torch.searchsorted(s, v), index=(0,), grad=False)


def softmaxes(f):
    for op in ("softmax", "log_softmax"):
        for d in FLOATS:
            f.case(op, f.t(2, 3, d=d), D(1), torch_f=lambda x, k, op=op: getattr(torch, op)(x, k))
        f.case(op, f.t(2, 3, 2), D(1))
        f.case(op, f.t(2, 3), D(0))
        f.case(op, f.t(), D(0))
        f.case(op, f.t(0, 3), D(1))
        f.case(op, V([1000.0, 1000.0, -1000.0]), D(0))
        f.case(op, V([-inf, 0.0, 1.0]), D(0))
        f.case(op, V([inf, 0.0, 1.0]), D(0), grad=False)
    f.case("softmin", f.t(2, 3), D(1), torch_f=lambda x, k: F.softmin(x, k))
    for d in FLOATS:
        f.case("logsumexp", f.t(2, 3, d=d), D(1))
    f.case("logsumexp", f.t(2, 3, 2), D(0, 2))
    f.case("logsumexp", f.t(2, 3), D(-1), True)
    f.case("logsumexp", V([1000.0, 1000.0]), D(0))
    f.case("logsumexp", V([-inf, -inf]), D(0), grad=False)
    f.case("logsumexp", V([inf, 0.0]), D(0), grad=False)


def loss():
    f = Family("loss")
    for op in ("l1_loss", "mse_loss", "smooth_l1_loss", "huber_loss"):
        g = getattr(F, op)
        for reduction in (None, "mean", "sum", "none"):
            args = [reduction] if reduction else []
            f.case(op, f.t(2, 3), f.t(2, 3), *args, torch_f=lambda x, y, r="mean", g=g: g(x, y, reduction=r))
        f.case(op, f.t(2, 3, d="float32"), f.t(2, 3, d="float32"), torch_f=lambda x, y, g=g: g(x, y))
        f.case(op, V([1.0, 2.0, 0.0]), V([1.0, 1.0, 3.0]), torch_f=lambda x, y, g=g: g(x, y))
    for reduction in ("mean", "sum", "none", "batchmean"):
        f.case("kl_div", f.t(2, 3, lo=-3, hi=0), f.t(2, 3, lo=0, hi=1), reduction, torch_f=lambda x, y, r: F.kl_div(x, y, reduction=r))
    f.case("kl_div", f.t(2, 3, lo=-3, hi=0), f.t(2, 3, lo=-3, hi=0), "sum", True, torch_f=lambda x, y, r, k: F.kl_div(x, y, reduction=r, log_target=k))
    f.case("kl_div", V([-1.0, -2.0]), V([0.0, 1.0]), "none", torch_f=lambda x, y, r: F.kl_div(x, y, reduction=r), grad=False)
    for op, g in (("smooth_l1_loss", F.smooth_l1_loss), ("huber_loss", F.huber_loss)):
        f.case(op, f.t(2, 3), f.t(2, 3), "sum", 0.5, torch_f=lambda x, y, r, k, g=g: g(x, y, reduction=r, **{"beta" if g is F.smooth_l1_loss else "delta": k}))
    bce = lambda x, y, w=None, r="mean": F.binary_cross_entropy(x, y, w, reduction=r)  # noqa: E731
    bcel = lambda x, y, w=None, r="mean": F.binary_cross_entropy_with_logits(x, y, w, reduction=r)  # noqa: E731
    for op, g in (("binary_cross_entropy", bce), ("binary_cross_entropy_with_logits", bcel)):
        f.case(op, f.t(2, 3, lo=0, hi=1), f.t(2, 3, lo=0, hi=1), torch_f=g)
        f.case(op, f.t(2, 3, lo=0, hi=1, d="float32"), f.t(2, 3, lo=0, hi=1, d="float32"), torch_f=g)
        for reduction in ("sum", "none"):
            f.case(op, f.t(2, 3, lo=0, hi=1), f.t(2, 3, lo=0, hi=1), None, reduction, torch_f=g)
        f.case(op, f.t(4, lo=0, hi=1), f.t(4, lo=0, hi=1), C([1.0, 2.0, 0.5, 3.0]), torch_f=g)
    f.case("binary_cross_entropy", V([0.0, 1.0, 0.0, 1.0], d="float32"), V([0.0, 1.0, 1.0, 0.0], d="float32"), None, "none", torch_f=bce)
    f.case("binary_cross_entropy", V([0.0, 1.0]), V([1.0, 0.0]), torch_f=bce)
    f.case("binary_cross_entropy_with_logits", V([1000.0, -1000.0, 0.0]), V([0.0, 1.0, 1.0]), torch_f=bcel)
    likelihoods(f)
    nlls(f)
    f.write("losses")


def likelihoods(f):
    def gauss(x, y, var, full=False, eps=1e-6, reduction="mean"):
        return F.gaussian_nll_loss(x, y, var, full=bool(full), eps=1e-6 if eps is None else eps, reduction=reduction)

    def poisson(x, y, log_input=True, full=False, eps=1e-8, reduction="mean"):
        given = {"log_input": log_input is None or log_input, "full": bool(full), "eps": 1e-8 if eps is None else eps}
        return F.poisson_nll_loss(x, y, reduction=reduction, **given)

    for reduction in ("mean", "sum", "none"):
        f.case("gaussian_nll_loss", f.t(2, 3), f.t(2, 3), f.t(2, 3, lo=0, hi=2), None, None, reduction, torch_f=gauss)
        f.case("gaussian_nll_loss", f.t(2, 3), f.t(2, 3), f.t(2, 1, lo=0, hi=2), True, 1e-3, reduction, torch_f=gauss)
        f.case("poisson_nll_loss", f.t(2, 3), f.t(2, 3, lo=0, hi=4), None, None, None, reduction, torch_f=poisson)
        f.case("poisson_nll_loss", f.t(2, 3, lo=0, hi=4), f.t(2, 3, lo=0, hi=4), False, True, 1e-3, reduction, torch_f=poisson)
    for d in FLOATS:
        f.case("gaussian_nll_loss", f.t(2, 3, d=d), f.t(2, 3, d=d), f.t(2, 3, lo=1, hi=2, d=d), None, None, "none", torch_f=gauss)
        f.case("poisson_nll_loss", f.t(2, 3, d=d), f.t(2, 3, lo=0, hi=4, d=d), None, None, None, "none", torch_f=poisson)
    f.case("gaussian_nll_loss", f.t(2, 3), f.t(2, 3), f.t(2, lo=0, hi=2), torch_f=gauss)
    f.case("gaussian_nll_loss", f.t(2, 3), f.t(2, 3), f.t(1, 3, lo=0, hi=2), torch_f=gauss)
    f.case("gaussian_nll_loss", f.t(2, 3), f.t(2, 3), 0.5, torch_f=gauss)
    f.case("gaussian_nll_loss", f.t(3), f.t(3), V([0.0, 1e-9, 2.0]), None, None, "none", torch_f=gauss)
    f.case("gaussian_nll_loss", V([1.0, INF, NAN]), V([1.0, 0.0, 0.0]), V([1.0, 1.0, 1.0]), None, None, "none", torch_f=gauss, grad=False)
    f.case("gaussian_nll_loss", f.t(0, 3), f.t(0, 3), f.t(0, 3), torch_f=gauss)
    f.case("poisson_nll_loss", V([0.0, -INF, 50.0, NAN]), V([0.0, 1.0, 3.0, 1.0]), None, None, None, "none", torch_f=poisson, grad=False)
    f.case("poisson_nll_loss", V([0.0, 1.0, 2.0]), C([0.0, 1.0, 30.0]), False, True, None, "none", torch_f=poisson)
    f.case("poisson_nll_loss", f.t(3), C([0.0, 1.0, 2.0]), True, True, torch_f=poisson)
    f.case("poisson_nll_loss", f.t(0), f.t(0), torch_f=poisson)


def nlls(f):
    def nll(x, y, weight=None, ignore=-100, reduction="mean", label_smoothing=0.0, g=F.nll_loss):
        ignore = -100 if ignore is None else ignore
        more = {"label_smoothing": label_smoothing} if label_smoothing else {}
        return g(x, y, weight, ignore_index=ignore, reduction=reduction, **more)

    def cross(x, y, *more):
        return nll(x, y, *more, g=F.cross_entropy)

    for op, g in (("nll_loss", nll), ("cross_entropy", cross)):
        f.case(op, f.t(3, 4), X([0, 3, 2]), torch_f=g)
        f.case(op, f.t(3, 4, d="float32"), X([0, 3, 2]), torch_f=g)
        f.case(op, f.t(3, 4), X([1, 1, 0]), C([1.0, 2.0, 0.5, 1.5]), torch_f=g)
        f.case(op, f.t(4), X([2], []), torch_f=g)
        f.case(op, f.t(2, 3, 2), X([0, 2, 1, 1], [2, 2]), torch_f=g)
        for reduction in ("sum", "none"):
            f.case(op, f.t(3, 4), X([1, 1, 0]), None, None, reduction, torch_f=g)
    f.case("cross_entropy", f.t(3, 4), f.t(3, 4, lo=0, hi=1), torch_f=cross)


FAMILIES = [reduce, moments, scan, sort, loss]
