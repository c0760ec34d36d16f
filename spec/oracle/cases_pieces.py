"""cases_pieces.py: tensors taken apart, combined and put into one another, and what numbers are made of."""
import math

import torch

from record import DTYPES, D, FLOATS, Family, INTS, O, V, X

inf, nan = math.inf, math.nan


def typed(f, op, *shape, rest=(), dtypes=DTYPES, **options):
    """The operation once in each dtype."""
    for d in dtypes:
        f.case(op, f.t(*shape, lo=0, hi=5, d=d), *rest, **options)


def pieces():
    f = Family("pieces")
    f.case("tensor_split", f.t(5, 2), 3)
    f.case("tensor_split", f.t(2, 4), 2, D(-1))
    f.case("tensor_split", f.t(2), 3)
    f.case("tensor_split", f.t(0, 2), 2)
    f.case("tensor_split", f.t(4, 3), 1)
    f.case("tensor_split", f.t(5, 2), D(1, 3))
    f.case("tensor_split", f.t(2, 4), [D(-2)], D(1))
    f.case("tensor_split", f.t(5), D(0, 9))
    f.case("tensor_split", f.t(5), D(3, 1))
    f.case("tensor_split", f.t(5), D(-9, -1))
    for op, shape in (("hsplit", (4, 2)), ("hsplit", (6,)), ("vsplit", (2, 3)), ("vsplit", (4, 0)), ("dsplit", (2, 1, 4))):
        f.case(op, f.t(*shape), 2)
        f.case(op, f.t(*shape), [D(1)])
        f.case(op, f.t(*shape), D(1, -1, 7))
    typed(f, "tensor_split", 3, rest=(2,))
    typed(f, "hsplit", 4, rest=(2,))
    typed(f, "vsplit", 2, 2, rest=(2,))
    typed(f, "dsplit", 1, 1, 4, rest=(2,))
    for op in ("atleast_1d", "atleast_2d", "atleast_3d"):
        for shape in ((), (3,), (0,), (2, 3), (2, 1, 2), (1, 2, 1, 2)):
            f.case(op, f.t(*shape))
        f.case(op, [f.t(), f.t(3), f.t(2, 3)])
        typed(f, op, 2)
    f.write("tensors taken apart, and given more dims")


def combine():
    f = Family("combine")
    several = lambda g: lambda ts: g(*ts)
    blocks = several(torch.block_diag)
    f.case("block_diag", [f.t(2, 3), f.t(1, 2)], torch_f=blocks)
    f.case("block_diag", [f.t(), f.t(2)], torch_f=blocks)
    f.case("block_diag", [f.t(2, 2)], torch_f=blocks)
    f.case("block_diag", [f.t(0, 2), f.t(2, 1)], torch_f=blocks)
    f.case("block_diag", [f.t(2, 0), f.t(1, 1), f.t(3)], torch_f=blocks)
    f.case("block_diag", [f.t(2, d="int32", lo=0, hi=4), f.t(1, 2, d="float16")], torch_f=blocks)
    f.case("block_diag", [V([inf, nan]), f.t(1)], torch_f=blocks)
    for d in DTYPES:
        f.case("block_diag", [f.t(2, d=d, lo=0, hi=4), f.t(1, 1, d=d, lo=0, hi=4)], torch_f=blocks)
    product = several(torch.cartesian_prod)
    for shapes in (((2,), (3,)), ((3,),), ((2,), (1,), (2,)), ((0,), (2,)), ((1,), (1,))):
        f.case("cartesian_prod", [f.t(*s) for s in shapes], torch_f=product)
    for d in DTYPES:
        f.case("cartesian_prod", [f.t(2, d=d, lo=0, hi=4), f.t(2, d=d, lo=0, hi=4)], torch_f=product)
    for n, r, again in ((4, 2, False), (3, 2, True), (4, 3, False), (2, 3, False), (3, 1, False), (0, 2, True), (0, 2, False),
                        (3, 3, True), (5, 5, False), (3, 0, False), (2, 4, True)):
        f.case("combinations", f.t(n), r, again)
    typed(f, "combinations", 3)
    f.write("tensors made of the elements of others")


def embed():
    f = Family("embed")
    for args in ((f.t(3),), (f.t(2, 3), 1), (f.t(2, 3), -2, D(0), D(2)), (f.t(2, 0),), (f.t(1, 2, 2), 0, D(2), D(1)), (f.t(2, 2), 3),
                 (f.t(2, 3), 0, D(-1), D(-3))):
        f.case("diag_embed", *args)
    typed(f, "diag_embed", 2)
    for args in ((f.t(3),), (f.t(2, 2), -1), (f.t(), 2), (f.t(0),), (f.t(0), 2)):
        f.case("diagflat", *args)
    typed(f, "diagflat", 2)
    for args in ((f.t(3, 3), f.t(3)), (f.t(3, 4), f.t(2), -1), (f.t(2, 3, 2), f.t(3, 2), 0, D(0), D(2)), (f.t(2, 2), f.t(0), 5),
                 (V([[inf, nan], [1.0, -inf]], [2, 2]), f.t(2))):
        f.case("diagonal_scatter", *args)
    for args in ((f.t(3, 2), f.t(2), D(0), D(1)), (f.t(2, 3), f.t(2), D(-1), D(-1)), (f.t(3), f.t(), D(0), D(0)),
                 (f.t(2, 0), f.t(0), D(0), D(1))):
        f.case("select_scatter", *args)

    def put(x, src, dim=0, first=None, last=None, step=1):
        return torch.slice_scatter(x, src, dim, first, None if last in (None, -1) else last + 1, step)

    for args in ((f.t(4, 2), f.t(2, 2), D(0), D(1), D(2)), (f.t(2, 5), f.t(2, 3), D(-1), None, None, 2), (f.t(3), f.t(3)),
                 (f.t(3), f.t(0), D(0), D(1), D(0)), (f.t(5), f.t(2), D(0), D(-3), D(-1), 2)):
        f.case("slice_scatter", *args, torch_f=put)
    for args in ((f.t(6), f.t(2, 2), [2, 2], [3, 1], 1), (f.t(2, 3), f.t(2), [2], [4]), (f.t(4), f.t(), [], [], 2), (f.t(3), f.t(0), [0], [1])):
        f.case("as_strided_scatter", *args, grad=False)  # the derivative that PyTorch 2.13 gives is not its own
    for d in DTYPES:
        x, y = f.t(2, 2, lo=0, hi=5, d=d), f.t(2, lo=0, hi=5, d=d)
        f.case("diagonal_scatter", x, y)
        f.case("select_scatter", x, y, D(0), D(1))
        f.case("slice_scatter", x, f.t(1, 2, lo=0, hi=5, d=d), D(0), D(1), D(1), torch_f=put)
        f.case("as_strided_scatter", x, y, [2], [2], 1, grad=False)
    for op in ("tril_indices", "triu_indices"):
        for args in ((3, 3), (2, 4, 1), (4, 2, -1), (0, 3), (2, 0), (2, 2, -3), (2, 2, 9), (1, 5, 2), (3, 3, O(dtype="int32"))):
            f.case(op, *args, index=(0,))
    f.write("tensors put into larger ones, and the positions of triangles")


def number():
    f = Family("number")
    for op in ("gcd", "lcm", "gcd_", "lcm_"):
        for d in INTS:
            low = 0 if d == "uint8" else -12
            f.case(op, f.t(2, 5, lo=low, hi=12, d=d), f.t(5, lo=low, hi=12, d=d))
            f.case(op, V([0, 0, 6, 1], d=d), V([0, 4, 0, 9], d=d))
    for op in ("gcd", "lcm"):
        f.case(op, f.t(3, 1, lo=-20, hi=20, d="int32"), f.t(2, lo=-20, hi=20, d="int64"))
        f.case(op, f.t(lo=1, hi=20, d="int64"), f.t(2, lo=1, hi=20, d="int8"))
        f.case(op, f.t(0, d="int64"), f.t(1, d="int64"))
    f.case("gcd", V([-128, -128, 12], d="int8"), V([0, -128, -8], d="int8"))
    f.case("gcd", V([3 * 2**40, 2**62], d="int64"), V([2**50, 3 * 2**41], d="int64"))
    special = V([nan, 0.0, -0.0, 1e-300, -1e-300, inf, -inf])
    f.case("heaviside", special, V([5.0, nan, inf, 7.0, 8.0, 9.0, 10.0]), grad=False)
    f.case("heaviside", f.t(2, 3), f.t(3), grad=False)
    f.case("heaviside", f.t(), f.t(2), grad=False)
    f.case("heaviside", f.t(0, 2), f.t(2), grad=False)
    f.case("heaviside_", f.t(2, 3), f.t(1), grad=False)
    for d in DTYPES:
        f.case("heaviside", f.t(6, lo=0 if d == "uint8" else -1, hi=1, d=d), f.t(6, lo=0, hi=5, d=d), grad=False)
    f.case("frexp", V([0.0, -0.0, 1.0, -0.75, 5e-324, 1e-310, 1.7e308, 3.0, 1024.0]), grad=False)
    f.case("frexp", V([inf, -inf, nan]), grad=False)
    f.case("frexp", V([1e-45, -1e-40, 3.4e38, 0.1], d="float32"))
    f.case("frexp", V([6e-8, 65504.0, 0.1], d="float16"))
    f.case("frexp", V([1e-40, 3e38, 0.1], d="bfloat16"))
    for shape in ((2, 3), (), (0, 2)):
        f.case("frexp", f.t(*shape, lo=1, hi=9))
    follow = [0.0, -0.0, 0.0, 1.0, 1.0, -1.0, -1.0, inf, -inf, nan, 1.0, 2.0, 2.0, -2.0]
    to = [1.0, -1.0, 0.0, 2.0, -2.0, 0.0, -inf, 0.0, 0.0, 1.0, nan, 1.0, 2.0, 0.0]
    for d in FLOATS:
        f.case("nextafter", V(follow, d=d), V(to, d=d), grad=False)
    f.case("nextafter", V([65504.0, 6.104e-05, 6.104e-05, 6e-8, -6e-8], d="float16"), V([inf, 0.0, 1.0, 0.0, -1.0], d="float16"))
    f.case("nextafter", V([3.3895e38, 1.1755e-38, 9.2e-41], d="bfloat16"), V([inf, 0.0, 0.0], d="bfloat16"))
    f.case("nextafter", V([5e-324, 2.2250738585072014e-308, 1.7976931348623157e308]), V([0.0, 0.0, inf]), grad=False)
    for a, b in (((2, 3), (3,)), ((), (2,)), ((0, 2), (2,))):
        f.case("nextafter", f.t(*a), f.t(*b))
    f.case("nextafter_", f.t(2, 3), f.t(2, 1), grad=False)
    f.write("divisors, steps, parts of numbers and the ones next to them")


FAMILIES = [pieces, combine, embed, number]
