"""cases_linear.py: products of matrices, and what is built of them: einsum, normalization."""
import math

import torch
import torch.nn.functional as F

from record import FLOATS, INTS, D, Family, T, V

inf, nan = math.inf, math.nan


def linear():
    f = Family("linear")
    kinds = FLOATS + INTS

    def low(d):
        return 0 if d == "uint8" else -3

    for d in kinds:
        f.case("mm", f.t(2, 3, lo=low(d), hi=3, d=d), f.t(3, 4, lo=low(d), hi=3, d=d))
        f.case("mv", f.t(2, 3, lo=low(d), hi=3, d=d), f.t(3, lo=low(d), hi=3, d=d))
        f.case("dot", f.t(5, lo=low(d), hi=3, d=d), f.t(5, lo=low(d), hi=3, d=d))
        f.case("bmm", f.t(2, 2, 3, lo=low(d), hi=3, d=d), f.t(2, 3, 2, lo=low(d), hi=3, d=d))
    f.case("mm", f.t(2, 0), f.t(0, 3))
    f.case("mm", f.t(0, 2), f.t(2, 3))
    f.case("mm", V([nan, 1.0], [1, 2]), V([1.0, inf], [2, 1]))
    f.case("mm", T(17, 33, d="float32", seed=7), T(33, 19, d="float32", seed=8), grad=False)
    f.case("mv", f.t(2, 0), f.t(0))
    f.case("dot", f.t(0), f.t(0))
    f.case("bmm", f.t(0, 2, 3), f.t(0, 3, 2))
    for a, b in (((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 2)), ((2, 2, 3), (3, 2)), ((2, 3), (2, 3, 2)),
                 ((2, 1, 2, 3), (3, 3, 2)), ((3,), (2, 3, 2)), ((2, 2, 3), (3,)), ((0, 3), (3, 2)), ((2, 0, 3), (3, 2)), ((2, 0), (0,))):
        f.case("matmul", f.t(*a), f.t(*b))
    for op, shapes in (("addmm", ((2, 4), (2, 3), (3, 4))), ("addmv", ((2,), (2, 3), (3,))), ("baddbmm", ((2, 2, 2), (2, 2, 3), (2, 3, 2)))):
        g = getattr(torch, op)
        f.case(op, *[f.t(*s) for s in shapes], torch_f=g)
        f.case(op, *[f.t(*s) for s in shapes], 2, 3, torch_f=lambda s, a, b, x, y, g=g: g(s, a, b, beta=x, alpha=y))
        f.case(op, *[f.t(*s) for s in shapes], 0, 0.5, torch_f=lambda s, a, b, x, y, g=g: g(s, a, b, beta=x, alpha=y))
        f.case(op, *[f.t(*s, d="float32") for s in shapes], torch_f=g)
    f.case("addmm", f.t(4), f.t(2, 3), f.t(3, 4))
    f.case("addmm", V([nan, nan], [1, 2]), f.t(1, 3), f.t(3, 2), 0, torch_f=lambda s, a, b, x: torch.addmm(s, a, b, beta=x), grad=False)
    f.case("outer", f.t(2), f.t(3))
    f.case("outer", f.t(0), f.t(3))
    f.case("inner", f.t(3), f.t(3))
    f.case("inner", f.t(2, 3), f.t(4, 3))
    for x in ((2, 3), (3,), (2, 2, 3), (0, 3)):
        f.case("linear", f.t(*x), f.t(4, 3), f.t(4), torch_f=F.linear)
        f.case("linear", f.t(*x), f.t(4, 3), torch_f=F.linear)
    for d in FLOATS:
        f.case("bilinear", f.t(2, 3, d=d), f.t(2, 4, d=d), f.t(5, 3, 4, d=d), f.t(5, d=d), torch_f=F.bilinear)
    f.case("bilinear", f.t(2, 3), f.t(2, 4), f.t(5, 3, 4), torch_f=F.bilinear)
    f.case("bilinear", f.t(3), f.t(4), f.t(5, 3, 4), f.t(5), torch_f=F.bilinear)
    f.case("bilinear", f.t(2, 2, 3), f.t(2, 2, 1), f.t(2, 3, 1), f.t(2), torch_f=F.bilinear)
    f.case("bilinear", f.t(0, 3), f.t(0, 4), f.t(5, 3, 4), f.t(5), torch_f=F.bilinear)
    f.case("linear", f.t(2, 3, d="float32"), f.t(4, 3, d="float32"), f.t(4, d="float32"), torch_f=F.linear)
    products(f)
    f.write("products of matrices")


def einsum():
    f = Family("einsum")
    for equation, *shapes in (
            ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 2)), ("ij->ji", (2, 3)), ("ij->", (2, 3)), ("ij->j", (2, 3)), ("ii->i", (3, 3)), ("ii", (3, 3)),
            ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)), ("i,j->ij", (2,), (3,)), ("i,i->", (3,), (3,)), ("ij,ij->ij", (2, 3), (2, 3)), ("ij,ij->i", (2, 3), (1, 3)),
            ("...ij,...jk->...ik", (2, 1, 2, 3), (3, 3, 2)), ("...ij->...ji", (2, 3, 4)), ("i...,i...->...", (2, 3), (2, 3)), ("...ij->ij", (2, 2, 3)),
            ("bhqd,bhkd->bhqk", (2, 2, 3, 2), (2, 2, 4, 2)), ("ij,jk,kl->il", (2, 3), (3, 2), (2, 3)), ("i,ij,j->", (2,), (2, 3), (3,)), ("a,ab,abc->abc", (2,), (2, 3), (2, 3, 2)),
            ("", ()), (",", (), ()), ("bA,Ab->A", (2, 3), (3, 2)), ("cA", (2, 3)), (" i j , j k -> i k ", (2, 3), (3, 2)), ("iij->ij", (2, 2, 3)), ("ijk,ilj->kl", (2, 3, 2), (2, 2, 3)),
            ("ij,jk->ik", (2, 3), (1, 4)), ("ij,jk->ik", (0, 3), (3, 2)), ("ij,jk->ik", (2, 0), (0, 2))):
        f.case("einsum", equation, *[f.t(*s) for s in shapes])
    f.case("einsum", "ij,jk->ik", f.t(2, 3, d="float32"), f.t(3, 2, d="float32"))
    f.case("einsum", "ij,jk->ik", f.t(2, 3, d="int64", lo=-4, hi=4), f.t(3, 2, d="int64", lo=-4, hi=4))
    f.write("einsum")


def layers():
    f = Family("layer")
    for x, shape in (((2, 3), [3]), ((2, 3, 4), [3, 4]), ((2, 3, 4), [4]), ((3,), [3]), ((0, 3), [3])):
        f.case("layer_norm", f.t(*x), shape, torch_f=F.layer_norm)
        f.case("layer_norm", f.t(*x), shape, f.t(*shape), f.t(*shape), 0.25, torch_f=F.layer_norm)
        f.case("rms_norm", f.t(*x), shape, torch_f=F.rms_norm)
        f.case("rms_norm", f.t(*x), shape, f.t(*shape), 0.25, torch_f=F.rms_norm)
    for d in FLOATS[1:]:
        f.case("layer_norm", f.t(2, 4, d=d), [4], f.t(4, d=d), torch_f=F.layer_norm)
        f.case("rms_norm", f.t(2, 4, d=d), [4], f.t(4, d=d), torch_f=F.rms_norm)
        f.case("group_norm", f.t(2, 4, 3, d=d), 2, torch_f=F.group_norm)
    f.case("group_norm", f.t(2, 4, 3), 2, torch_f=F.group_norm)
    f.case("group_norm", f.t(2, 4), 1, torch_f=F.group_norm)
    f.case("group_norm", f.t(2, 4, 2, 2), 4, f.t(4), f.t(4), 0.5, torch_f=F.group_norm)
    f.write("layers")


def products(f):
    f.case("vdot", f.t(4), f.t(4))
    f.case("vecdot", f.t(2, 3), f.t(2, 3), torch_f=torch.linalg.vecdot)
    f.case("vecdot", f.t(2, 3), f.t(3), torch_f=torch.linalg.vecdot)
    f.case("vecdot", f.t(3, 2), f.t(3, 1), D(0), torch_f=lambda x, y, d: torch.linalg.vecdot(x, y, dim=d))
    f.case("addr", f.t(2, 3), f.t(2), f.t(3))
    f.case("addr", f.t(3), f.t(2), f.t(3), 0.5, 2, torch_f=lambda x, a, b, p, q: torch.addr(x, a, b, beta=p, alpha=q))
    f.case("addr", f.t(2, 3, d="int32", lo=0, hi=5), f.t(2, d="int32", lo=0, hi=5), f.t(3, d="int32", lo=0, hi=5))
    for d in ("float64", "float32", "int32"):
        f.case("trace", f.t(3, 3, d=d, lo=-4, hi=4))
    f.case("trace", f.t(2, 4))
    f.case("cross", f.t(2, 3), f.t(2, 3), torch_f=torch.linalg.cross)
    f.case("cross", f.t(2, 3), f.t(1, 3), torch_f=torch.linalg.cross)
    f.case("cross", f.t(3, 2), f.t(3, 2), D(0), torch_f=lambda x, y, d: torch.linalg.cross(x, y, dim=d))
    f.case("tensordot", f.t(2, 3, 4), f.t(3, 4, 2))
    f.case("tensordot", f.t(2, 3), f.t(3, 2, 2), 1)
    f.case("tensordot", f.t(2), f.t(3), 0)
    f.case("tensordot", f.t(3, 2), f.t(3, 2), 2)
    f.case("tensordot", f.t(2, 3, 4), f.t(4, 2), D(0, 2), D(1, 0), torch_f=lambda x, y, a, b: torch.tensordot(x, y, (a, b)))


FAMILIES = [linear, einsum, layers]
