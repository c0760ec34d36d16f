"""cases_pool.py: pooling, resampling, and the patches of images."""
import math

import torch
import torch.nn.functional as F

from record import FLOATS, Family, T, V, X

inf, nan = math.inf, math.nan

SHAPES = {1: (2, 2, 6), 2: (1, 2, 4, 5), 3: (1, 1, 3, 4, 3)}


def single(shape):
    """The shape of one element of a batch."""
    return shape[1:]


def many(n, *sizes):
    """Sizes that differ from dim to dim, as far as there are dims."""
    return list(sizes[:n])


def pooling():
    f = Family("pooling")
    for n in (1, 2, 3):
        largest(f, n)
        means(f, n)
        adaptive(f, n)
        unpooled(f, n)
    for n in (2, 3):
        fractional(f, n)
    f.write("pooling")


def largest(f, n):
    op, shape = f"max_pool{n}d", SHAPES[n]
    g = getattr(F, op)
    f.case(op, f.t(*shape), 2, torch_f=g)
    f.case(op, f.t(*single(shape)), many(n, 2, 3, 2), torch_f=g)
    f.case(op, f.t(*shape), 3, 2, 1, torch_f=g)
    f.case(op, f.t(*shape), 3, 2, 1, 1, False, True, torch_f=g, index=(1,))
    f.case(op, f.t(*shape), 2, 1, 0, 2, False, True, torch_f=g, index=(1,))
    f.case(op, f.t(*shape), 2, 3, 1, 1, True, True, torch_f=g, index=(1,))
    f.case(op, f.t(*shape), many(n, 3, 2, 3), many(n, 2, 1, 3), many(n, 1, 0, 1), 1, True, True, torch_f=g, index=(1,))
    f.case(op, f.t(0, *single(shape)), 2, torch_f=g)
    for d in FLOATS:
        f.case(op, f.t(*single(shape), d=d), 2, 2, 1, 1, False, True, torch_f=g, index=(1,))
    if n > 1:
        for d in ("int64", "int32", "int16", "int8", "uint8"):
            f.case(op, f.t(*single(shape), lo=0, hi=99, d=d), 2, 1, 1, 1, False, True, torch_f=g, index=(1,))
    ties = [3.0, 3.0, 1.0, nan, 2.0, nan, -inf, -inf, inf, inf, 0.0, -0.0]
    line = {1: (1, 12), 2: (1, 2, 6), 3: (1, 2, 2, 3)}[n]
    for d in ("float64", "float32"):
        f.case(op, V(ties, line, d), 2, 1, 0, 1, False, True, torch_f=g, index=(1,), grad=False)
        f.case(op, V([-inf] * 12, line, d), 2, 1, 1, 1, False, True, torch_f=g, index=(1,), grad=False)


def means(f, n):
    op, shape = f"avg_pool{n}d", SHAPES[n]
    g = getattr(F, op)
    f.case(op, f.t(*shape), 2, torch_f=g)
    f.case(op, f.t(*single(shape)), many(n, 2, 3, 2), torch_f=g)
    f.case(op, f.t(*shape), 3, 2, 1, torch_f=g)
    f.case(op, f.t(*shape), 3, 2, 1, False, False, torch_f=g)
    f.case(op, f.t(*shape), 2, 3, 1, True, torch_f=g)
    f.case(op, f.t(*shape), 3, 2, 1, True, False, torch_f=g)
    f.case(op, f.t(*single(shape)), many(n, 3, 2, 3), many(n, 2, 1, 3), many(n, 1, 0, 1), True, torch_f=g)
    f.case(op, f.t(0, *single(shape)), 2, torch_f=g)
    if n > 1:
        f.case(op, f.t(*shape), 2, None, 0, False, True, 3, torch_f=g)
        f.case(op, f.t(*shape), 3, 2, 1, True, False, -2, torch_f=g)
    for d in FLOATS + ["int64"]:
        if n == 3 and d in FLOATS[2:]:
            continue  # PyTorch has none
        f.case(op, f.t(*single(shape), lo=-9, hi=9, d=d), 2, 2, 1, torch_f=g)
    f.case(op, V([nan, 1.0, inf, 2.0, -inf, inf, 3.0, 4.0], {1: (1, 8), 2: (1, 2, 4), 3: (1, 2, 2, 2)}[n]), 2, torch_f=g, grad=False)
    op = f"lp_pool{n}d"
    g = getattr(F, op)
    for p in (1.0, 2.0, 3.0, 1.5, -1.0, inf, -inf):
        f.case(op, f.t(*shape, lo=0.5, hi=2), p, 2, torch_f=g)
    f.case(op, f.t(*shape, lo=-2, hi=2), 2.0, 3, 2, torch_f=g)
    f.case(op, f.t(*single(shape), lo=0.5, hi=2), 2.0, 3, 2, True, torch_f=g)
    for d in ["float32"] + (FLOATS[2:] if n < 3 else []):
        f.case(op, f.t(*single(shape), lo=0.5, hi=2, d=d), 2.0, 2, torch_f=g)


def adaptive(f, n):
    shape = SHAPES[n]
    for op, more in ((f"adaptive_avg_pool{n}d", ()), (f"adaptive_max_pool{n}d", (True,))):
        g = getattr(F, op)
        index = (1,) if more else ()
        for size in (1, 2, 3, many(n, 5, 2, 3)):
            f.case(op, f.t(*shape), size, *more, torch_f=g, index=index)
        f.case(op, f.t(*single(shape)), 3, *more, torch_f=g, index=index)
        f.case(op, f.t(0, *single(shape)), 2, *more, torch_f=g, index=index)
        f.case(op, f.t(*single(shape)), 3, torch_f=g)
        for d in FLOATS:
            f.case(op, f.t(*single(shape), d=d), 3, *more, torch_f=g, index=index)
    f.case(f"adaptive_max_pool{n}d", V([1.0, nan, 2.0, nan, 3.0, 3.0, -inf, -inf], {1: (1, 8), 2: (1, 2, 4), 3: (1, 2, 2, 2)}[n]), 2, True, torch_f=getattr(F, f"adaptive_max_pool{n}d"), index=(1,), grad=False)


def unpooled(f, n):
    op = f"max_unpool{n}d"
    g = getattr(F, op)
    small = (2, 2) + (2,) * n
    places = {1: [0, 3, 1, 2, 1, 3, 0, 2], 2: [0, 3, 9, 15, 1, 2, 8, 10] * 2, 3: [0, 5, 9, 15, 20, 33, 50, 63] * 4}[n]
    f.case(op, f.t(*small), X(places, small), 2, torch_f=g)
    f.case(op, f.t(*single(small)), X(places[: len(places) // 2], single(small)), 2, torch_f=g)
    f.case(op, f.t(*small), X(places, small), 2, 2, 0, [5] * n, torch_f=g)
    f.case(op, f.t(*small), X(places, small), 2, 2, 0, [2, 2] + [4] * n, torch_f=g)
    f.case(op, f.t(*small), X(places, small), 3, 2, 0, torch_f=g)
    f.case(op, f.t(*small), X([min(p, 3**n - 1) for p in places], small), 3, 2, 1, torch_f=g, grad=False)
    f.case(op, f.t(0, *single(small)), X([], (0, *single(small))), 2, torch_f=g)
    for d in FLOATS[1:]:
        f.case(op, f.t(*small, d=d), X(places, small), 2, torch_f=g)


def fractional(f, n):
    op, shape = f"fractional_max_pool{n}d", {2: SHAPES[2], 3: (1, 2, 5, 5, 5)}[n]

    def g(x, kernel, size, ratio, indices, samples):
        ratio = [ratio] * n if isinstance(ratio, float) else ratio
        return getattr(F, op)(x, kernel, size, ratio, indices, samples.detach())

    def numbers(batch, d="float64"):
        return T(batch, 2, n, lo=0, hi=1, d=d, seed=31)

    one = shape[0]
    f.case(op, f.t(*shape), 2, 2, None, True, numbers(one), torch_f=g, index=(1,))
    f.case(op, f.t(*shape), 2, 3, None, True, numbers(one), torch_f=g, index=(1,))
    f.case(op, f.t(*shape), many(n, 2, 3, 1), many(n, 3, 2, 4), None, True, numbers(one), torch_f=g, index=(1,))
    f.case(op, f.t(*shape), 2, None, 0.5, True, numbers(one), torch_f=g, index=(1,))
    f.case(op, f.t(*shape), 1, None, [0.75, 0.5, 0.9][:n], False, numbers(one), torch_f=g)
    f.case(op, f.t(*single(shape)), 2, 2, None, True, numbers(1), torch_f=g, index=(1,))
    f.case(op, f.t(*single(shape)), 3, 1, None, False, numbers(1), torch_f=g)
    for d in FLOATS[1:2]:
        f.case(op, f.t(*single(shape), d=d), 2, 3, None, True, numbers(1, d), torch_f=g, index=(1,))
    if n == 2:
        f.case(op, V([1.0, nan, 2.0, nan, 3.0, 3.0, -inf, -inf] * 2, (2, 2, 4)), 2, 1, None, True, numbers(1), torch_f=g, index=(1,), grad=False)


LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}


def scaled(x, size=None, factor=None, mode="nearest", align=False, recompute=False, antialias=False):
    align = align if mode in ("linear", "bilinear", "bicubic", "trilinear") else None
    return F.interpolate(x, size, factor, mode, align, recompute or None, antialias)


def resample():
    f = Family("resample")
    shapes = {3: (1, 2, 4), 4: (1, 2, 3, 4), 5: (1, 1, 2, 3, 2)}
    for dims, shape in shapes.items():
        n = dims - 2
        modes = ["nearest", "nearest-exact", "area", LINEAR[dims]] + (["bicubic"] if dims == 4 else [])
        for mode in modes:
            for size in (2, many(n, 5, 6, 3), many(n, 1, 2, 4)):
                f.case("interpolate", f.t(*shape), size, None, mode, torch_f=scaled)
            for factor in (2.0, 0.6, many(n, 1.5, 2.5, 0.5)):
                f.case("interpolate", f.t(*shape), None, factor, mode, torch_f=scaled)
            f.case("interpolate", f.t(*shape), None, 1.7, mode, False, True, torch_f=scaled)
            f.case("interpolate", f.t(0, *single(shape)), 3, None, mode, torch_f=scaled)
            # PyTorch rounds the weights of float16 and bfloat16, and of uint8 what lies between two dims.
            for d in FLOATS[1:] if mode in ("nearest", "nearest-exact", "area", "linear") else ["float32"]:
                f.case("interpolate", f.t(*shape, d=d), 5, None, mode, torch_f=scaled)
            if mode not in ("nearest", "nearest-exact", "area"):
                for size in (2, 5, 1):
                    f.case("interpolate", f.t(*shape), size, None, mode, True, torch_f=scaled)
                f.case("interpolate", f.t(*shape), None, 2.0, mode, True, torch_f=scaled)
            if mode in ("nearest", "nearest-exact"):
                f.case("interpolate", f.t(*shape, lo=0, hi=255, d="uint8"), 7, None, mode, torch_f=scaled)
        if dims == 4:
            for mode in ("bilinear", "bicubic"):
                smooth(f, mode)
    names(f)
    f.write("interpolation")


def smooth(f, mode):
    """With antialiasing, which changes what is made smaller."""
    for size in ([3, 4], [2, 7], [1, 1], [6, 8]):
        for align in (False, True):
            f.case("interpolate", f.t(1, 1, 5, 7), size, None, mode, align, False, True, torch_f=scaled)
    f.case("interpolate", f.t(1, 1, 7, 9), None, 0.45, mode, False, False, True, torch_f=scaled)
    f.case("interpolate", f.t(1, 1, 7, 9, d="float32"), [3, 4], None, mode, False, False, True, torch_f=scaled)


def names(f):
    f.case("upsample", f.t(1, 2, 3, 4), 5, torch_f=F.upsample)
    f.case("upsample", f.t(1, 2, 3, 4), None, 2.0, "bilinear", True, torch_f=F.upsample)
    f.case("upsample", f.t(1, 2, 3), None, 2.0, "linear", torch_f=F.upsample)
    f.case("upsample", f.t(1, 2, 3, 2), [4, 5], None, "bicubic", torch_f=F.upsample)
    for op in ("upsample_nearest", "upsample_bilinear"):
        f.case(op, f.t(1, 2, 3, 4), [5, 7], torch_f=getattr(F, op))
        f.case(op, f.t(1, 2, 3, 4), None, 2.0, torch_f=getattr(F, op))
        f.case(op, f.t(1, 2, 3, 4, d="float32"), 3, torch_f=getattr(F, op))


def patches():
    f = Family("patches")
    g = F.unfold
    f.case("unfold", f.t(2, 3, 4, 5), 2, torch_f=g)
    f.case("unfold", f.t(3, 4, 5), [2, 3], torch_f=g)
    f.case("unfold", f.t(1, 2, 5, 6), 3, 1, 1, torch_f=g)
    f.case("unfold", f.t(1, 2, 5, 6), 2, 2, 1, 3, torch_f=g)
    f.case("unfold", f.t(1, 2, 5, 6), [3, 2], [1, 2], [2, 0], [2, 1], torch_f=g)
    f.case("unfold", f.t(0, 2, 5, 6), 2, torch_f=g)
    f.case("unfold", V([nan, 1.0, inf, -inf], (1, 2, 2)), 2, 1, 1, torch_f=g, grad=False)
    for d in FLOATS + ["bool"]:
        f.case("unfold", f.t(2, 3, 3, d=d), 2, 1, 1, 2, torch_f=g)
    g = F.fold
    f.case("fold", f.t(2, 12, 12), [4, 5], 2, torch_f=g)
    f.case("fold", f.t(6, 9), [4, 5], [2, 3], [1, 1], [0, 0], torch_f=g)
    f.case("fold", f.t(1, 18, 30), [5, 6], 3, 1, 1, torch_f=g)
    f.case("fold", f.t(1, 8, 4), [5, 6], 2, 2, 1, [3, 3], torch_f=g)
    f.case("fold", f.t(1, 12, 16), [5, 6], [3, 2], [1, 2], [2, 0], [2, 1], torch_f=g)
    f.case("fold", f.t(0, 8, 4), 3, 2, torch_f=g)
    f.case("fold", V([nan, 1.0, inf, -inf], (4, 1)), 2, 2, torch_f=g, grad=False)
    for d in FLOATS + ["bool"]:
        f.case("fold", f.t(8, 4, d=d), 3, 2, torch_f=g)
    shuffles(f)
    f.write("patches of images, and pixels as channels")


def shuffles(f):
    for d in FLOATS + ["int64", "uint8", "bool"]:
        f.case("pixel_shuffle", f.t(1, 8, 2, 3, lo=0, hi=9, d=d), 2, torch_f=F.pixel_shuffle)
        f.case("pixel_unshuffle", f.t(1, 2, 4, 6, lo=0, hi=9, d=d), 2, torch_f=F.pixel_unshuffle)
        f.case("channel_shuffle", f.t(2, 6, 2, lo=0, hi=9, d=d), 3, torch_f=torch.channel_shuffle)
    f.case("pixel_shuffle", f.t(9, 2, 2), 3, torch_f=F.pixel_shuffle)
    f.case("pixel_shuffle", f.t(2, 1, 4, 1, 2), 1, torch_f=F.pixel_shuffle)
    f.case("pixel_shuffle", f.t(0, 4, 2, 2), 2, torch_f=F.pixel_shuffle, grad=False)
    f.case("pixel_unshuffle", f.t(1, 6, 3), 3, torch_f=F.pixel_unshuffle)
    f.case("pixel_unshuffle", f.t(2, 1, 2, 4, 2), 2, torch_f=F.pixel_unshuffle)
    f.case("channel_shuffle", f.t(1, 4, 2, 3), 2, torch_f=torch.channel_shuffle)
    f.case("channel_shuffle", f.t(1, 4, 1, 2, 2), 4, torch_f=torch.channel_shuffle)
    f.case("channel_shuffle", f.t(0, 4, 2, 2), 2, torch_f=torch.channel_shuffle, grad=False)


def grid_sample():
    f = Family("grid_sample")
    for dims, shape, grid in ((4, (1, 2, 3, 4), (1, 2, 3, 2)), (5, (1, 1, 2, 3, 3), (1, 1, 2, 3, 3))):
        for mode in ("bilinear", "nearest") + (("bicubic",) if dims == 4 else ()):
            for padding in ("zeros", "border", "reflection"):
                for align in (False, True):
                    f.case("grid_sample", f.t(*shape), f.t(*grid, lo=-1.4, hi=1.4), mode, padding, align, torch_f=F.grid_sample)
        f.case("grid_sample", f.t(*shape), f.t(*grid, lo=-4, hi=4), "bilinear", "reflection", False, torch_f=F.grid_sample)
        f.case("grid_sample", f.t(0, *single(shape)), f.t(0, *single(grid)), "bilinear", torch_f=lambda x, g, m: F.grid_sample(x, g, m, align_corners=False))
    ends = [-1.0, -1.0, 0.0, 0.0, 1.0, 1.0, -1.0, 1.0, 0.5, -0.25, 1.0, 0.0]
    for mode in ("bilinear", "nearest", "bicubic"):
        f.case("grid_sample", f.t(1, 1, 3, 3), V(ends, (1, 2, 3, 2)), mode, "zeros", True, torch_f=F.grid_sample, grad=False)
        f.case("grid_sample", f.t(1, 1, 4, 4), V(ends, (1, 2, 3, 2)), mode, "border", False, torch_f=F.grid_sample, grad=False)
        f.case("grid_sample", f.t(1, 1, 3, 3), V([x * 1e9 for x in ends], (1, 2, 3, 2)), mode, "zeros", False, torch_f=F.grid_sample, grad=False)
    f.case("grid_sample", V([inf, 1.0, -inf, nan], (1, 1, 2, 2)), V(ends, (1, 2, 3, 2)), "bilinear", "zeros", True, torch_f=F.grid_sample, grad=False)
    for d in FLOATS[1:2]:
        f.case("grid_sample", f.t(1, 2, 3, 4, d=d), f.t(1, 2, 3, 2, d=d, lo=-1, hi=1), "bilinear", "zeros", False, torch_f=F.grid_sample)
        f.case("grid_sample", f.t(1, 2, 3, 4, d=d), f.t(1, 2, 3, 2, d=d, lo=-1, hi=1), "bicubic", "border", True, torch_f=F.grid_sample)
    for align in (False, True):
        f.case("affine_grid", f.t(1, 2, 3), [1, 2, 2, 3], align, torch_f=F.affine_grid)
        f.case("affine_grid", f.t(2, 2, 3), [2, 1, 1, 4], align, torch_f=F.affine_grid)
        f.case("affine_grid", f.t(1, 3, 4), [1, 1, 2, 3, 2], align, torch_f=F.affine_grid)
    for d in FLOATS[1:2]:
        f.case("affine_grid", f.t(1, 2, 3, d=d), [1, 2, 2, 3], False, torch_f=F.affine_grid)
    f.case("affine_grid", f.t(1, 2, 3), [1, 1, 1, 1], True, torch_f=F.affine_grid)
    f.write("images seen through grids")


FAMILIES = [pooling, resample, patches, grid_sample]
