"""cases_convolution.py: convolutions and their transposes over one, two and three dims."""
import torch.nn.functional as F

from record import FLOATS, INTS, Family


def sized(ndim, first, *sizes):
    """A shape: what stands first, then the last sizes, as many as there are dims."""
    return [*first, *sizes[3 - ndim:]]


def each(ndim, *numbers):
    """One number for each dim."""
    return list(numbers[3 - ndim:])


def forward(f, ndim):
    op = f"conv{ndim}d"
    call = getattr(F, op)

    def case(x, w, b, *rest, d="float64"):
        args = [f.t(*sized(ndim, *x), d=d), f.t(*sized(ndim, *w), d=d), None if b is None else f.t(b, d=d)]
        f.case(op, *args, *rest, torch_f=call)

    x, w = ((2, 3), 2, 3, 5), ((4, 3), 2, 2, 3)
    for d in ("float64", "float32"):
        case(x, w, 4, d=d)
        case(x, w, None, d=d)
        case(x, w, 4, 2, 1, d=d)
        case(x, w, 4, each(ndim, 1, 2, 3), each(ndim, 1, 0, 2), d=d)
        case(((1, 2), 3, 4, 7), ((2, 2), 2, 2, 2), None, 1, 0, each(ndim, 1, 2, 3), d=d)
        case(((1, 2), 3, 4, 7), ((2, 2), 2, 2, 3), 2, 2, 3, 2, d=d)
        case(((2, 4), 2, 3, 4), ((6, 2), 1, 2, 3), 6, 1, 1, 1, 2, d=d)
        case(((2, 3), 2, 4, 5), ((3, 1), 2, 3, 3), 3, 1, 1, 1, 3, d=d)
        case(((2, 3), 2, 4, 5), ((6, 1), 2, 3, 3), None, 2, 1, 1, 3, d=d)
        case(((2,), 2, 3, 5), ((3, 2), 2, 2, 2), 3, d=d)
        case(((0, 2), 2, 3, 5), ((3, 2), 2, 2, 2), 3, d=d)
        case(((2, 3), 2, 3, 4), ((5, 3), 1, 1, 1), 5, d=d)
        case(((2, 4), 2, 3, 4), ((6, 2), 1, 1, 1), None, 1, 0, 1, 2, d=d)
    case(((2, 3), 2, 4, 5), ((3, 1), 1, 2, 3), 3, 2, each(ndim, 1, 2, 0), each(ndim, 1, 2, 2), 3)
    case(((1, 2), 2, 3, 5), ((2, 2), 1, 3, 2), 2, 1, "same")
    case(((1, 2), 2, 3, 5), ((2, 2), 2, 2, 4), None, 1, "same", each(ndim, 1, 1, 2))
    case(((1, 2), 2, 3, 5), ((2, 2), 1, 2, 2), None, 2, "valid")
    case(((2,), 2, 3, 5), ((2, 2), 1, 2, 2), 2, [1], [1], [1])
    case(((1, 0), 2, 3, 5), ((3, 0), 2, 2, 2), 3)
    case(((1, 1), 2, 2, 2), ((1, 1), 3, 3, 3), 1, 3, 4, 2)
    for d in FLOATS[2:] + INTS:
        lo = 0 if d == "uint8" else -3
        args = [f.t(*shape, d=d, lo=lo, hi=3) for shape in (sized(ndim, *x), sized(ndim, *w), (4,))]
        f.case(op, *args, 1, 1, torch_f=call)


def transposed(f, ndim):
    op = f"conv_transpose{ndim}d"
    call = getattr(F, op)

    def case(x, w, b, *rest, d="float64"):
        args = [f.t(*sized(ndim, *x), d=d), f.t(*sized(ndim, *w), d=d), None if b is None else f.t(b, d=d)]
        f.case(op, *args, *rest, torch_f=call)

    x, w = ((2, 3), 2, 2, 4), ((3, 4), 2, 2, 3)
    for d in ("float64", "float32"):
        case(x, w, 4, d=d)
        case(x, w, None, d=d)
        case(x, w, 4, 2, 1, 1, d=d)
        case(x, w, 4, each(ndim, 1, 2, 3), each(ndim, 1, 0, 1), each(ndim, 0, 1, 2), d=d)
        case(((1, 2), 2, 2, 3), ((2, 2), 2, 1, 2), None, 1, 0, 0, 1, each(ndim, 1, 2, 3), d=d)
        case(((1, 2), 2, 2, 3), ((2, 2), 2, 2, 3), 2, 2, 1, 1, 1, 2, d=d)
        case(((2, 4), 2, 2, 3), ((4, 3), 1, 2, 3), 6, 1, each(ndim, 0, 1, 1), 0, 2, d=d)
        case(((2, 3), 2, 2, 3), ((3, 1), 2, 3, 3), 3, 2, 1, 1, 3, d=d)
        case(((2,), 2, 2, 3), ((2, 3), 2, 2, 2), 3, d=d)
        case(((0, 2), 2, 2, 3), ((2, 3), 2, 2, 2), 3, d=d)
        case(((2, 3), 2, 2, 3), ((3, 5), 1, 1, 1), 5, d=d)
    case(((1, 2), 2, 2, 3), ((2, 1), 1, 1, 2), None, 3, 0, 1)
    for d in FLOATS[2:] + ["int64"]:
        args = [f.t(*shape, d=d, lo=-3, hi=3) for shape in (sized(ndim, *x), sized(ndim, *w), (4,))]
        f.case(op, *args, 2, 1, torch_f=call)


def convolution():
    f = Family("convolution")
    for ndim in (1, 2, 3):
        forward(f, ndim)
        transposed(f, ndim)
    f.write("convolutions and their transposes")


FAMILIES = [convolution]
