"""cases_structure.py: creation, shapes, joining and indexing."""
import math

import torch
import torch.nn.functional as F

from record import DTYPES, D, Family, O, V, X

inf, nan = math.inf, math.nan


def create():
    f = Family("create")
    for op in ("zeros", "ones"):
        f.case(op, [2, 3])
        f.case(op, [])
        f.case(op, [0, 2])
        for d in DTYPES:
            f.case(op, [2], O(dtype=d))
    f.case("empty", [2, 3], values=False)
    f.case("empty", [0], O(dtype="int16"), values=False)
    for value in (7, 2.5, True, nan):
        f.case("full", [2, 2], value)
    for d in DTYPES:
        f.case("full", [2], 3, O(dtype=d))
    f.case("arange", 5)
    f.case("arange", 2.5)
    f.case("arange", 0)
    f.case("arange", 1, 5)
    f.case("arange", 1, 6, 2)
    f.case("arange", 5, 0, -2)
    f.case("arange", 0, 1, 0.25)
    f.case("arange", 3, 3)
    f.case("arange", 0.0, 1.0, 0.1, O(dtype="float64"))
    for d in DTYPES[:-1]:
        f.case("arange", 0, 4, 1, O(dtype=d))
    f.case("linspace", 0, 1, 5)
    f.case("linspace", 2, -2, 4, O(dtype="float64"))
    f.case("linspace", 3, 4, 1)
    f.case("linspace", 0, 1, 0)
    f.case("linspace", 0, 10, 6, O(dtype="int64"))
    f.case("logspace", 0, 2, 3)
    f.case("logspace", -1, 1, 5, 2.0, O(dtype="float64"))
    f.case("eye", 3)
    f.case("eye", 2, 4)
    f.case("eye", 0)
    for d in DTYPES:
        f.case("eye", 2, 3, O(dtype=d))
    for op in ("zeros_like", "ones_like"):
        f.case(op, f.t(2, 3))
        f.case(op, f.t(d="int32"), O(dtype="float16"))
        f.case(op, f.t(0, 2, d="bool"))
    f.case("full_like", f.t(2, 3, d="int8"), 2.5)
    f.case("full_like", f.t(2), 3, O(dtype="bool"))
    f.case("empty_like", f.t(2, 3, d="int8"), values=False)
    f.case("new_zeros", f.t(2, d="int32"), [2, 3])
    f.case("new_ones", f.t(2, d="float16"), [2], O(dtype="float64"))
    f.case("new_full", f.t(2, d="int8"), [2, 2], 4)
    f.case("new_empty", f.t(2, d="bool"), [3, 0], values=False)
    for value in (3, 2.5, True, inf):
        f.case("scalar_tensor", value)
    for d in DTYPES:
        f.case("scalar_tensor", 3, O(dtype=d))
        f.case("empty_strided", [2, 3], [1, 2], O(dtype=d), values=False)
        f.case("new_empty_strided", f.t(2, lo=0, hi=1, d=d), [2, 0], [1, 2], values=False)
        f.case("empty_permuted", [2, 3], D(1, 0), O(dtype=d), values=False)
    for size, stride in (([], []), ([2, 0], [3, 1]), ([3, 2], [0, 1]), ([2, 2], [5, 3])):
        f.case("empty_strided", size, stride, values=False)
        f.case("new_empty_strided", f.t(2), size, stride, O(dtype="int16"), values=False)
    f.case("empty_permuted", [2, 3, 4], D(2, 0, 1), values=False)
    f.case("empty_permuted", [0, 2], D(0, 1), values=False)
    f.write("creation")


def shape():
    f = Family("shape")
    for op in ("view", "reshape"):
        f.case(op, f.t(2, 3), [3, 2])
        f.case(op, f.t(2, 3), [-1])
        f.case(op, f.t(), [1, 1])
        f.case(op, f.t(0, 3), [3, 0])
        for d in DTYPES:
            f.case(op, f.t(2, 3, lo=0, hi=5, d=d), [6])
    for op in ("view_as", "reshape_as"):
        f.case(op, f.t(2, 3), f.t(6))
    f.case("ravel", f.t(2, 3))
    f.case("ravel", f.t())
    f.case("flatten", f.t(2, 3, 2))
    f.case("flatten", f.t(2, 3, 2), D(1))
    f.case("flatten", f.t(2, 3, 2), D(0), D(-2))
    f.case("flatten", f.t())
    f.case("unflatten", f.t(2, 6), D(1), [3, -1])
    f.case("permute", f.t(2, 3, 4), D(2, 0, 1))
    f.case("permute", f.t(2, 3), D(-1, 0))
    f.case("transpose", f.t(2, 3, 4), D(0), D(-1))
    f.case("transpose", f.t(), D(0), D(0))
    for op in ("swapaxes", "swapdims"):
        f.case(op, f.t(2, 3), D(0), D(1))
    f.case("t", f.t(2, 3))
    f.case("t", f.t(3))
    f.case("mT", f.t(2, 3, 4), torch_f=lambda x: x.mT)
    f.case("movedim", f.t(2, 3, 4), D(0), D(-1))
    f.case("movedim", f.t(2, 3, 4), D(0, 1), D(2, 0))
    f.case("squeeze", f.t(1, 3, 1))
    f.case("squeeze", f.t(1, 3, 1), D(-1))
    f.case("squeeze", f.t(1, 3, 1), D(0, 1))
    f.case("squeeze", f.t(2, 3), D(0))
    f.case("squeeze", f.t(), D(0))
    for dim in (0, 1, 2, -1, -3):
        f.case("unsqueeze", f.t(2, 3), D(dim))
    f.case("unsqueeze", f.t(), D(0))
    for op, g in (("expand", torch.Tensor.expand), ("broadcast_to", torch.broadcast_to)):
        f.case(op, f.t(1, 3), [2, 3], torch_f=g)
        f.case(op, f.t(3, 1), [2, -1, 4], torch_f=g)
        f.case(op, f.t(), [2], torch_f=g)
        f.case(op, f.t(1), [0], torch_f=g)
    f.case("expand_as", f.t(1, 3), f.t(2, 3))
    for args in ((f.t(2, 3), [1, 3]), (f.t(2, 3), []), (f.t(2, 3), [3]), (f.t(2, 3), [2, 3]), (f.t(2, 3, 2), [3, 1]), (f.t(0, 2), [1, 2]),
                 (f.t(), []), (f.t(2, 1), [2, 1])):
        f.case("sum_to_size", *args, torch_f=torch.Tensor.sum_to_size)
    for d in DTYPES[:-1]:
        f.case("sum_to_size", f.t(2, 3, lo=0, hi=4, d=d), [1, 3], torch_f=torch.Tensor.sum_to_size)
    f.case("broadcast_tensors", [f.t(2, 1), f.t(3)], torch_f=lambda ts: torch.broadcast_tensors(*ts))
    f.case("broadcast_tensors", [f.t(), f.t(2, d="int8", lo=0, hi=5), f.t(1, 1)], torch_f=lambda ts: torch.broadcast_tensors(*ts))
    for shapes in (((2,), (3,)), ((2,), (), (3,)), ((3,),), ((0,), (2,))):
        f.case("meshgrid", [f.t(*s) for s in shapes], torch_f=lambda ts: torch.meshgrid(ts, indexing="ij"))
        for indexing in ("ij", "xy"):
            f.case("meshgrid", [f.t(*s) for s in shapes], indexing, torch_f=lambda ts, i: torch.meshgrid(ts, indexing=i))
    parts(f)
    copies(f)
    joins(f)
    f.write("shapes, views, copies, joins")


def parts(f):
    f.case("select", f.t(2, 3), D(0), D(1))
    f.case("select", f.t(2, 3), D(-1), D(-1))
    f.case("select", f.t(4), D(0), D(2))

    def piece(x, dim, first=None, last=None, step=1):
        index = [slice(None)] * x.dim()
        index[dim] = slice(first, None if last in (None, -1) else last + 1, step)
        return x[tuple(index)]

    f.case("slice", f.t(5, 2), D(0), D(1), D(3), torch_f=piece)
    f.case("slice", f.t(2, 5), D(-1), None, None, 2, torch_f=piece)
    f.case("slice", f.t(5), D(0), D(-3), D(-1), torch_f=piece)
    f.case("slice", f.t(6), D(0), D(1), D(4), 3, torch_f=piece)
    f.case("slice", f.t(3), D(0), D(1), D(0), torch_f=piece)
    f.case("narrow", f.t(5, 2), D(0), D(1), 3)
    f.case("narrow", f.t(2, 3), D(-1), D(-2), 2)
    f.case("narrow", f.t(3), D(0), D(0), 0)
    f.case("diagonal", f.t(3, 4))
    f.case("diagonal", f.t(3, 4), 1)
    f.case("diagonal", f.t(3, 4), -1)
    f.case("diagonal", f.t(2, 3, 4), 0, D(-1), D(0))
    f.case("diagonal", f.t(2, 2), 5)
    f.case("diag", f.t(3))
    f.case("diag", f.t(2), -1)
    f.case("diag", f.t(3, 4), 1)
    f.case("as_strided", f.t(6), [2, 3], [3, 1], 0)
    f.case("as_strided", f.t(6), [2, 2], [2, 2], 1)
    f.case("as_strided", f.t(4), [2, 3], [0, 1])
    f.case("as_strided", f.t(4), [], [], 2)
    f.case("split", f.t(5, 2), 2)
    f.case("split", f.t(2, 4), 2, D(-1))
    f.case("split", f.t(5, 2), [2, 0, 3])
    f.case("split", f.t(2, 4), [1, 3], D(1))
    f.case("split_with_sizes", f.t(5, 2), [2, 0, 3])
    f.case("split_with_sizes", f.t(2, 4), [1, 3], D(1))
    f.case("chunk", f.t(5, 2), 2)
    f.case("chunk", f.t(2, 4), 3, D(-1))
    for args in ((f.t(5), D(0), 2, 1), (f.t(2, 6), D(-1), 2, 3), (f.t(4, 2), D(0), 3, 1), (f.t(), D(0), 1, 1), (f.t(3), D(0), 0, 2),
                 (f.t(2, 7), D(1), 3, 2), (f.t(3), D(0), 3, 5), (f.t(0, 2), D(0), 0, 1)):
        f.case(":unfold", *args, torch_f=torch.Tensor.unfold)
    for d in DTYPES:
        f.case(":unfold", f.t(4, lo=0, hi=5, d=d), D(0), 2, 1, torch_f=torch.Tensor.unfold)
    f.case("unbind", f.t(3, 2))
    f.case("unbind", f.t(2, 3), D(-1))


CASTS = {"double": "float64", "float": "float32", "half": "float16", "bfloat16": "bfloat16", "long": "int64", "int": "int32",
         "short": "int16", "char": "int8", "byte": "uint8", "bool": "bool"}


def copies(f):
    for op in ("clone", "contiguous", "detach"):
        f.case(op, f.t(2, 3))
        f.case(op, f.t())
        f.case(op, f.t(0, 2), grad=op != "detach")
    for a in DTYPES:
        for b in DTYPES:
            low = 0 if "uint8" in (a, b) else -3
            f.case("to", f.t(4, lo=low, hi=3, d=a), b, torch_f=lambda x, b: x.to(getattr(torch, b)))
    f.case("to", V([300, -1, 65536, -129], d="int32"), "int8", torch_f=lambda x, b: x.to(torch.int8))
    f.case("to", V([300, -1, 65536, -129], d="int64"), "uint8", torch_f=lambda x, b: x.to(torch.uint8))
    f.case("to", V([0.1, 65504.0, 65519.0, 65520.0, 1e-7, 6e-8, 2.9e-8, nan, inf, -inf, 1e40]), "float16", torch_f=lambda x, b: x.to(torch.float16))
    f.case("to", V([0.1, 1.00390625, 1.01171875, 3.4e38, nan, inf], d="float32"), "bfloat16", torch_f=lambda x, b: x.to(torch.bfloat16))
    f.case("to", V([0.0, nan, 0.5, -0.0, 2.0]), "bool", torch_f=lambda x, b: x.to(torch.bool))
    for op in CASTS:
        f.case(op, f.t(2, 2), torch_f=getattr(torch.Tensor, op))
    f.case("copy_", f.t(2, 3), f.t(2, 3))
    f.case("copy_", f.t(2, 3), f.t(3))
    f.case("copy_", f.t(2, 3, d="int32", lo=0, hi=5), f.t(3))
    f.case("fill_", f.t(2, 3), 2.5)
    f.case("fill_", f.t(2, 3), f.t())
    f.case("fill_", f.t(2, 3, lo=0, hi=4, d="uint8"), 44.75)
    f.case("zero_", f.t(2, 3))


def joins(f):
    for op in ("cat", "concat"):
        f.case(op, [f.t(2, 3), f.t(1, 3)])
        f.case(op, [f.t(2, 1), f.t(2, 2), f.t(2, 0)], D(-1))
        f.case(op, [f.t(0), f.t(2, 2)])
        f.case(op, [f.t(2, d="int32", lo=0, hi=4), f.t(1, d="float32"), f.t(2, d="float16")])
    for d in DTYPES:
        f.case("cat", [f.t(2, d=d, lo=0, hi=4), f.t(1, d=d, lo=0, hi=4)])
    f.case("stack", [f.t(2), f.t(2)])
    f.case("stack", [f.t(), f.t(), f.t()], D(-1))
    f.case("stack", [f.t(2, 2), f.t(2, 2)], D(1))
    f.case("hstack", [f.t(2, 1), f.t(2, 2)])
    f.case("hstack", [f.t(2), f.t(1)])
    f.case("vstack", [f.t(2), f.t(2)])
    f.case("vstack", [f.t(1, 2), f.t(3, 2)])
    for op in ("dstack", "column_stack"):
        f.case(op, [f.t(2), f.t(2)])
        f.case(op, [f.t(), f.t(), f.t()])
        f.case(op, [f.t(2, 0), f.t(2, 0)])
        f.case(op, [f.t(1, d="int32", lo=0, hi=4), f.t(1, d="float16")])
        for d in DTYPES:
            f.case(op, [f.t(2, d=d, lo=0, hi=4), f.t(2, d=d, lo=0, hi=4)])
    f.case("dstack", [f.t(1, 2), f.t(1, 2, 3)])
    f.case("dstack", [f.t(2, 1), f.t(2, 1)])
    f.case("column_stack", [f.t(2), f.t(2, 3)])
    f.case("column_stack", [f.t(2, 1, 2), f.t(2, 3, 2)])
    for x, counts in (((2, 3), [2, 2]), ((3,), [2, 2]), ((2, 3), [2]), ((2,), [0])):
        f.case("tile", f.t(*x), counts)
    f.case("repeat_interleave", f.t(2, 3), 2)
    f.case("repeat_interleave", f.t(2, 3), 3, D(-1))
    f.case("repeat_interleave", f.t(2, 3), 0, D(0))
    f.case("flip", f.t(2, 3), D(0), torch_f=lambda x, d: torch.flip(x, [d]))
    f.case("flip", f.t(2, 3), D(0, -1))
    for op in ("fliplr", "flipud"):
        for x in ((2, 3), (2, 3, 2), (0, 2), (3, 1)):
            f.case(op, f.t(*x))
        for d in DTYPES:
            f.case(op, f.t(2, 2, lo=0, hi=5, d=d))
    f.case("flipud", f.t(3))
    for k in (-5, -1, 0, 1, 2, 3, 6):
        f.case("rot90", f.t(2, 3), k)
        f.case("rot90", f.t(2, 3, 2), k, D(2, 0))
    f.case("rot90", f.t(0, 2))
    for d in DTYPES:
        f.case("rot90", f.t(2, 2, lo=0, hi=5, d=d))
    f.case("roll", f.t(2, 3), [1])
    f.case("roll", f.t(2, 3), [-1, 1], D(1, 0))
    f.case("roll", f.t(3), [5], D(0))
    for n in (0, 1, 2, 5):
        f.case("diff", f.t(4), n)
    f.case("diff", f.t(3, 4))
    f.case("diff", f.t(4, 2), 2, D(0))
    f.case("diff", V([True, False, False, True], d="bool"))
    f.case("diff", V([3, 9, 1], d="uint8"))
    f.case("diff", f.t(2, 0))
    f.case("pad", f.t(2, 3), [1, 2], torch_f=F.pad)
    f.case("pad", f.t(2, 3), [1, 0, 0, 2], "constant", 1.5, torch_f=F.pad)
    f.case("pad", f.t(2, 3), [-1, 1, 2, -1], torch_f=F.pad)
    f.case("pad", f.t(2, 3), [0, 0], torch_f=F.pad)
    f.case("pad", f.t(2, 3, d="int16", lo=0, hi=5), [1, 1], "constant", 7, torch_f=F.pad)
    for mode in ("reflect", "replicate", "circular"):
        f.case("pad", f.t(2, 2, 4), [2, 3] if mode != "circular" else [4, 1], mode, torch_f=F.pad)
        f.case("pad", f.t(1, 2, 3, 3), [1, 2, 2, 1], mode, torch_f=F.pad)
    for op in ("tril", "triu"):
        f.case(op, f.t(3, 3))
        f.case(op, f.t(2, 3, 4), 1)
        f.case(op, f.t(3, 2), -1)
        for d in DTYPES:
            f.case(op, f.t(2, 3, lo=0, hi=4, d=d))


def indexing():
    f = Family("index")
    f.case("index_select", f.t(3, 2), D(0), X([2, 0, 2, 1]))
    f.case("index_select", f.t(2, 3), D(-1), X([2, 0]))
    f.case("index_select", f.t(3, 2), D(0), V([], [0], "int64", True))
    f.case("index_select", f.t(3), D(0), X([1], []))
    for d in DTYPES:
        f.case("index_select", f.t(3, lo=0, hi=9, d=d), D(0), X([2, 0]))
        f.case("gather", f.t(3, 2, lo=0, hi=9, d=d), D(0), X([2, 0, 1, 1], [2, 2]))
    f.case("index_select", f.t(3, 2), D(0), V([2, 0], None, "int32", True))
    f.case("gather", f.t(3, 2), D(0), X([2, 0, 1, 1], [2, 2]))
    f.case("gather", f.t(2, 3), D(-1), X([2, 0, 1, 1, 0, 0, 2, 2], [2, 4]))
    f.case("gather", f.t(), D(0), X([0], []))
    f.case("scatter", f.t(3, 2), D(0), X([2, 0], [1, 2]), f.t(1, 2))
    f.case("scatter", f.t(3, 2), D(-1), X([1, 0, 1], [3, 1]), 2.5)
    f.case("scatter", f.t(3, 2), D(0), X([1], [1, 1]), f.t(2, 2), grad=False)
    f.case("scatter_add", f.t(3, 2), D(0), X([2, 0, 1, 1, 2, 0, 2, 2], [4, 2]), f.t(4, 2))
    f.case("scatter_add", f.t(3, 2), D(-1), X([1, 0, 1, 1], [2, 2]), f.t(3, 2), grad=False)
    f.case("scatter_add", f.t(3, d="int8", lo=0, hi=50), D(0), X([0, 0, 0]), V([100, 100, 7], d="int8"))
    f.case("index_add", f.t(3, 2), D(0), X([2, 0, 2, 1]), f.t(4, 2))
    f.case("index_add", f.t(2, 3), D(-1), X([2, 0]), f.t(2, 2), 2, torch_f=lambda x, d, i, s, k: x.index_add(d, i, s, alpha=k))
    f.case("index_copy", f.t(3, 2), D(0), X([2, 0]), f.t(2, 2))
    f.case("index_fill", f.t(3, 2), D(0), X([2, 0]), 2)
    f.case("index_fill", f.t(2, 3), D(-1), X([1]), f.t())
    f.case("take", f.t(2, 3), X([5, 0, 3, 3], [2, 2]))
    f.case("take", f.t(2, 3), X([-1], []))
    f.case("take_along_dim", f.t(3, 2), X([2, 0], [2, 1]), D(0))
    f.case("take_along_dim", f.t(3, 2), X([5, 0, 2, 2]))
    f.case("embedding", f.t(4, 3), X([3, 0, 1, 3], [2, 2]), torch_f=lambda w, i: F.embedding(i, w))
    mask = V([True, False, True, False, False, True], [2, 3], "bool")
    f.case("masked_select", f.t(2, 3), mask)
    f.case("masked_select", f.t(3), V([True, False], [2, 1], "bool"))
    f.case("masked_fill", f.t(2, 3), mask, -1.5)
    f.case("masked_fill", f.t(2, 3), mask, f.t())
    f.case("masked_fill", f.t(2, 3), V([True, False, True], d="bool"), inf)
    for d in DTYPES:
        f.case("masked_fill", f.t(2, 3, lo=0, hi=3, d=d), mask, 1)
    f.case("masked_scatter", f.t(2, 3), mask, f.t(6))
    f.case("masked_scatter", f.t(2, 3), V([True, False, True], d="bool"), f.t(3, 3))
    puts(f)
    for op in ("nonzero", "argwhere"):
        f.case(op, V([0.0, 1.0, nan, 0.0, -0.0, 2.0], [2, 3]), index=(0,), grad=False)
        f.case(op, mask, index=(0,))
    f.case("nonzero", f.t(), index=(0,))
    f.case("nonzero", f.t(0, 2), index=(0,))
    for d in DTYPES:
        f.case("nonzero", f.t(5, lo=0, hi=1, d=d), index=(0,))
    for args in ((f.t(2, 3), 4), (mask, 2), (mask, 8, -3), (f.t(), 2), (f.t(0, 2), 1), (f.t(3), 0), (V([0.0, nan, 0.0, 2.0]), 3, -7),
                 (V([], [0]), 0)):
        f.case("nonzero_static", *args, index=(0,), grad=False, torch_f=lambda x, n, v=-1: torch.nonzero_static(x, size=n, fill_value=v))
    for d in DTYPES:
        f.case("nonzero_static", f.t(5, lo=0, hi=1, d=d), 3, index=(0,), torch_f=lambda x, n: torch.nonzero_static(x, size=n))
    for at, shape in (([4, 0, 5], [2, 3]), ([[23, 0], [7, 12]], [2, 3, 4]), (2, [3]), ([0], [1, 1])):
        x = X(at if isinstance(at, list) and not isinstance(at[0], list) else sum(at, []) if isinstance(at, list) else [at],
              [2, 2] if shape == [2, 3, 4] else [] if at == 2 else None)
        f.case("unravel_index", x, shape, index=(0, 1, 2))
    for d in ("int32", "int16", "int8", "uint8"):
        f.case("unravel_index", V([3, 1], None, d, True), [2, 3], index=(0, 1))
    f.case("unravel_index", V([], [0], "int64", True), [2, 0], index=(0, 1))
    f.case("where", mask, index=(0, 1))
    f.case("one_hot", X([0, 2, 1, 2]), 3, torch_f=F.one_hot)
    f.case("one_hot", X([0, 2, 1, 1], [2, 2]), torch_f=F.one_hot)
    f.case("one_hot", X([1], []), 4, torch_f=F.one_hot)
    f.write("reading and writing by positions")


def puts(f):
    f.case("index_put", f.t(3, 2), [X([2, 0])], f.t(2, 2))
    f.case("index_put", f.t(3, 2), [X([2, 0, 1, 2])], f.t(4, 2), True)
    f.case("index_put", f.t(3, 2), [X([2, 0], [2, 1]), X([1, 0])], f.t(2))
    f.case("index_put", f.t(3, 2), [V([True, False, True], d="bool")], f.t(2))
    f.case("index_put", f.t(2, 2), [V([True, False, True, True], [2, 2], "bool")], 2.5, torch_f=lambda x, i, v: x.index_put(i, torch.tensor(v, dtype=x.dtype)))


FAMILIES = [create, shape, indexing]
