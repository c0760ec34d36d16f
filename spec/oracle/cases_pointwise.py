"""cases_pointwise.py: elementwise operations: every dtype, special values, kinks, broadcasting, integer wrap-around."""
import math

import torch
import torch.nn.functional as F

from record import DTYPES, FLOATS, INTS, D, Family, V

inf, nan = math.inf, math.nan
SPECIAL = [nan, inf, -inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.0, 100.0, -100.0, 1e-8, -1e-8]
TENSORS_ONLY = {"atan2", "hypot", "maximum", "minimum", "logaddexp", "logaddexp2", "logical_and", "logical_or", "logical_xor", "fmax", "fmin"}
FEW = [nan, inf, -inf, 0.0, -0.0, 1.0, -1.0, 2.5, -3.0]


def unary(f, op, lo=-2, hi=2, kinds="float int bool", torch_f=None, special=True, args=(), special_grad=True):
    """All dtypes of the kinds, an empty and a 0-dim tensor, and special values with their gradients."""
    for d in DTYPES:
        kind = "float" if d in FLOATS else "bool" if d == "bool" else "int"
        if kind in kinds.split():
            low = max(lo, 0) if d == "uint8" else lo
            f.case(op, f.t(2, 3, lo=low, hi=max(hi, low), d=d), *args, torch_f=torch_f)
    f.case(op, f.t(0, 2, lo=lo, hi=hi), *args, torch_f=torch_f)
    f.case(op, f.t(lo=lo, hi=hi), *args, torch_f=torch_f)
    if special:
        f.case(op, V(SPECIAL), *args, torch_f=torch_f, grad=special_grad)
        f.case(op, V(SPECIAL, d="float32"), *args, torch_f=torch_f)
        f.case(op, V(FEW, d="float16"), *args, torch_f=torch_f)


def binary(f, op, kinds="float int bool", torch_f=None, lo=-3, hi=3, nonzero=False, special_grad=True, special=True,
           grad=True):
    """All dtypes with themselves, broadcasting both ways, mixed dtypes, numbers, special pairs."""
    for d in DTYPES:
        kind = "float" if d in FLOATS else "bool" if d == "bool" else "int"
        if kind not in kinds.split():
            continue
        low = max(lo, 0) if d == "uint8" else lo
        other = f.t(3, lo=1, hi=4, d=d) if nonzero and kind == "int" else f.t(3, lo=low, hi=hi, d=d)
        f.case(op, f.t(2, 3, lo=low, hi=hi, d=d), other, torch_f=torch_f, grad=grad)
    if "float" in kinds:
        f.case(op, f.t(2, 1, lo=lo, hi=hi), f.t(1, 3, lo=lo, hi=hi), torch_f=torch_f, grad=grad)
        f.case(op, f.t(lo=lo, hi=hi), f.t(2, 2, lo=lo, hi=hi), torch_f=torch_f, grad=grad)
        f.case(op, f.t(0, 3, lo=lo, hi=hi), f.t(3, lo=lo, hi=hi), torch_f=torch_f, grad=grad)
        f.case(op, f.t(2, 2, lo=lo, hi=hi, d="float32"), f.t(2, lo=lo, hi=hi), torch_f=torch_f, grad=grad)
        f.case(op, f.t(2, 2, lo=lo, hi=hi, d="float16"), f.t(2, lo=lo, hi=hi, d="bfloat16"), torch_f=torch_f, grad=grad)
        if op not in TENSORS_ONLY:
            f.case(op, f.t(2, 2, lo=lo, hi=hi), 2.5, torch_f=torch_f, grad=grad)
            f.case(op, f.t(3, lo=lo, hi=hi, d="float16"), 1.5, torch_f=torch_f, grad=grad)
        if special:
            for d in ("float64", "float32"):
                f.case(op, V(FEW, [9, 1], d), V(FEW, d=d), torch_f=torch_f, grad=grad and special_grad)
    if "float" in kinds and "int" in kinds:
        f.case(op, f.t(2, 2, lo=1, hi=3, d="int32"), f.t(2, lo=lo, hi=hi, d="float32"), torch_f=torch_f, grad=grad)
    if "int" in kinds:
        if op not in TENSORS_ONLY:
            f.case(op, f.t(4, lo=-9, hi=9, d="int64"), 3, torch_f=torch_f, grad=grad)
            f.case(op, f.t(4, lo=-9, hi=9, d="int8"), 3, torch_f=torch_f, grad=grad)
        f.case(op, V([7, -7, 7, -7], d="int32"), V([3, 3, -3, -3], d="int32"), torch_f=torch_f, grad=grad)


def arith():
    f = Family("arith")
    binary(f, "add")
    binary(f, "sub", "float int")
    binary(f, "mul")
    binary(f, "div", nonzero=True)
    binary(f, "floor_divide", "float int", nonzero=True, grad=False)
    binary(f, "remainder", "float int", nonzero=True)
    binary(f, "fmod", "float int", nonzero=True)
    f.case("add", f.t(3), f.t(3), 2.5, torch_f=lambda a, b, k: torch.add(a, b, alpha=k))
    f.case("sub", f.t(3), f.t(3), 2, torch_f=lambda a, b, k: torch.sub(a, b, alpha=k))
    for mode in ("floor", "trunc"):
        f.case("div", f.t(4, lo=-7, hi=7), f.t(4, lo=1, hi=3), mode, torch_f=lambda a, b, m: torch.div(a, b, rounding_mode=m))
        f.case("div", V([7, -7, 7, -7], d="int64"), V([2, 2, -2, -2], d="int64"), mode, torch_f=lambda a, b, m: torch.div(a, b, rounding_mode=m))
    # Integers wrap; numbers are cast to the tensor's dtype first.
    f.case("add", V([100, -100], d="int8"), V([100, -100], d="int8"))
    f.case("mul", V([200, 3], d="uint8"), V([2, 100], d="uint8"))
    f.case("sub", V([0, 5], d="uint8"), V([1, 7], d="uint8"))
    f.case("add", V([9223372036854775807, 1], d="int64"), 1)
    f.case("mul", V([9223372036854775807, 3037000500], d="int64"), V([2, 3037000500], d="int64"))
    f.case("add", V([9007199254740993, -9007199254740993], d="int64"), V([0, 0], d="int64"))
    f.case("add", V([1, 2], d="int8"), 1000, torch_f=lambda a, k: (a.long() + k).to(torch.int8))
    f.case("neg", V([-128, 127], d="int8"))
    unary(f, "neg", kinds="float int")
    unary(f, "positive", kinds="float int", torch_f=lambda x: x * 1)
    unary(f, "conj", kinds="float int", torch_f=torch.conj)
    unary(f, "abs", kinds="float int")
    unary(f, "sign")
    unary(f, "square", kinds="float int")
    unary(f, "reciprocal", 0.25, 2.25, "float")
    powers(f)
    f.case("rsub", f.t(2, 3), f.t(3), torch_f=lambda a, b: b - a)
    f.case("rsub", f.t(3), 2.5)
    for args in ((f.t(2, 3), f.t(3), 2), (f.t(3), 2.5, 0.5), (f.t(3, lo=0, hi=9, d="int32"), f.t(3, lo=0, hi=9, d="int64"), 3), (f.t(0), f.t(1), -1)):
        f.case("rsub", *args, torch_f=lambda a, b, k: torch.rsub(a, b, alpha=k))
    f.case("lerp", f.t(2, 3), f.t(3), f.t(2, 1))
    f.case("lerp", f.t(2, 3), f.t(3), 0.25)
    f.case("addcmul", f.t(2, 3), f.t(3), f.t(2, 1), torch_f=torch.addcmul)
    f.case("addcmul", f.t(2, 3), f.t(3), f.t(2, 1), 0.5, torch_f=lambda a, b, c, k: torch.addcmul(a, b, c, value=k))
    f.case("addcdiv", f.t(2, 3), f.t(3), f.t(2, 1, lo=1, hi=2), 0.5, torch_f=lambda a, b, c, k: torch.addcdiv(a, b, c, value=k))
    f.write("arithmetic")


def powers(f):
    unary(f, "sqrt", 0.25, 4.25)
    unary(f, "rsqrt", 0.25, 4.25)
    for p in (2, 3, 0, 1, -1, 0.5, -0.5, 2.5, 4):
        f.case("pow", f.t(2, 3, lo=0.25, hi=2.25), p)
        f.case("pow", V(SPECIAL), p)
        f.case("pow", V(SPECIAL, d="float32"), p)
    for d in INTS:
        f.case("pow", f.t(4, lo=0, hi=4, d=d), 3)
        f.case("pow", f.t(4, lo=0, hi=4, d=d), 0.5)
    f.case("pow", V([3, 2, -2], d="int64"), V([39, 62, 63], d="int64"))
    f.case("pow", f.t(2, 3, lo=0.25, hi=2.25), f.t(3))
    f.case("pow", V(FEW, [9, 1]), V(FEW))
    f.case("pow", V(FEW, [9, 1], "float32"), V(FEW, d="float32"))
    f.case("pow", f.t(2, 3, lo=0.25, hi=2.25, d="float32"), f.t(3))
    f.case("pow", 2, f.t(2, 3))
    f.case("pow", 2.5, f.t(2, 3, d="float32"))
    f.case("pow", 2, f.t(3, lo=0, hi=5, d="int32"))
    f.case("pow", V([0.0, 0.0, 0.0]), V([0.0, 1.0, 2.0]))


def math_functions():
    f = Family("math")
    for op in ("exp", "exp2", "expm1", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan", "asinh"):
        unary(f, op)
    for op in ("log", "log2", "log10", "log1p"):
        unary(f, op, 0.25, 4.25)
    for op in ("asin", "acos", "atanh"):
        unary(f, op, -0.75, 0.75, "float")
        f.case(op, V([0, 1], d="int64"))
    unary(f, "acosh", 1.25, 3.25)
    binary(f, "atan2", special_grad=False)
    f.case("atan2", V([0.0, 1.0, -1.0, 0.0]), V([1.0, 0.0, 0.0, -1.0]))
    binary(f, "hypot", "float", special_grad=False)
    unary(f, "deg2rad", special=False, kinds="float")
    unary(f, "rad2deg", special=False, kinds="float")
    for op in ("logaddexp", "logaddexp2"):
        binary(f, op, "float", special_grad=False)
    binary(f, "copysign", "float", special_grad=False)
    f.case("ldexp", f.t(2, 3), f.t(3, lo=-3, hi=3, d="int32"), grad=False)
    f.case("ldexp", f.t(2, 3), f.t(3))
    f.case("ldexp", f.t(3, lo=-3, hi=3, d="int64"), f.t(3, lo=-3, hi=3, d="int32"))
    f.case("float_power", f.t(2, 3, lo=0.25, hi=2.25), f.t(3))
    f.case("float_power", f.t(3, lo=0.25, hi=2.25, d="float32"), 2)
    f.case("float_power", f.t(3, lo=1, hi=5, d="int32"), f.t(3, lo=-2, hi=2, d="int8"))
    f.case("logit", f.t(2, 3, lo=0.125, hi=0.875))
    f.case("logit", f.t(2, 3, lo=0.125, hi=0.875, d="float32"))
    f.case("logit", V([0.0, 0.5, 1.0, -1.0, nan]), grad=False)
    f.case("logit", V([0.0, 0.5, 1.0, 0.9375]), 0.125, grad=False)
    f.write("mathematical functions")


def rounding():
    f = Family("rounding")
    for op in ("floor", "ceil", "trunc"):
        unary(f, op, kinds="float int")
    unary(f, "round", kinds="float int")
    f.case("round", V([0.5, 1.5, 2.5, 3.5, -0.5, -1.5, -2.5, 0.49999999999999994, 4503599627370497.5]))
    f.case("round", V([0.5, 1.5, 2.5, -0.5, -1.5, 8388609.5], d="float32"))
    f.case("round", f.t(4, lo=-3, hi=3), 2, torch_f=lambda x, n: torch.round(x, decimals=n))
    unary(f, "frac", kinds="float")
    f.case("nan_to_num", V(SPECIAL))
    f.case("nan_to_num", V(SPECIAL, d="float32"), 1.5, 2.5, -2.5)
    f.write("rounding")


def choose():
    f = Family("choose")
    for op in ("fmax", "fmin"):
        binary(f, op)
    f.case("clamp", f.t(2, 3), -1.0, 0.5)
    f.case("clamp", f.t(2, 3), None, 0.5)
    f.case("clamp", f.t(2, 3), -0.5, torch_f=lambda x, lo: torch.clamp(x, min=lo))
    f.case("clamp", V([-1.0, 1.0, 0.0, nan, inf, -inf, 2.0]), -1, 1)
    f.case("clamp", V([-1.0, 1.0, 0.0, nan, inf, -inf, 2.0]), 1, -1)
    for d in DTYPES[1:9]:
        f.case("clamp", f.t(6, lo=0, hi=9, d=d), 2, 5)
    f.case("clamp", f.t(4, lo=-9, hi=9, d="int64"), -1.5, 2.5)
    f.case("clamp", f.t(2, 3), f.t(3, lo=-2, hi=0), f.t(2, 1, lo=0, hi=2))
    f.case("clamp_min", f.t(2, 3), 0.25)
    f.case("clamp_max", f.t(2, 3), 0.25)
    for op in ("maximum", "minimum"):
        binary(f, op)
        f.case(op, V([1.0, 2.0, 3.0]), V([1.0, 2.0, 4.0]))
    mask = V([True, False, True], d="bool")
    f.case("where", mask, f.t(2, 3), f.t(2, 1))
    f.case("where", mask, V([1.0, nan, inf]), V([nan, 2.0, nan]))
    f.case("where", mask, f.t(3), 2.5)
    f.case("where", mask, 1.5, f.t(3))
    f.case("where", mask, f.t(3, d="int32", lo=0, hi=9), f.t(3, d="float32"))
    f.case("where", mask, f.t(3, d="int8", lo=0, hi=9), 1)
    for d in DTYPES:
        f.case("where", mask, f.t(3, d=d, lo=0, hi=4), f.t(3, d=d, lo=0, hi=4))
    f.write("choices between elements")


def special():
    f = Family("special")
    unary(f, "erf")
    unary(f, "erfc")
    unary(f, "erfinv", -0.875, 0.875, "float")
    f.case("erfinv", V([0, 1, -1, 2], d="int64"))
    f.case("erfinv", V([True, False], d="bool"))
    f.case("erfinv", V([1.0 - 2.0**-k for k in (4, 10, 20, 30, 40, 53)]))
    f.case("erfinv", V([1.0 - 2.0**-k for k in (4, 10, 20, 24)], d="float32"))
    far = V([1e-3, -1e-3, 1.75, -1.75, -7.25, 12.5, -40.5, 300.25, 1e6, 1e10])
    for op in ("lgamma", "digamma"):
        unary(f, op, 0.25, 4.25, special_grad=op == "lgamma")
        unary(f, op, -3.75, -0.25, "float", special=False)
        f.case(op, far)
        f.case(op, V([1e-3, 1.75, -1.75, -7.25, 12.5, 300.25, 1e6], d="float32"))
    for n in (0, 1, 2, 3, 6):
        polygamma(f, n)
    unary(f, "sinc", -3, 3, special_grad=False)
    binary(f, "xlogy", "float", lo=0, hi=3, special_grad=False)
    f.case("xlogy", V([0.0, 0.0, 1.0, 0.0]), V([0.0, 2.0, 2.0, nan]), grad=False)
    f.write("special functions")


def polygamma(f, n):
    """As a function and as a method, whose arguments come in the other order."""

    def function(n, x):  # PyTorch has a short series for n = 1, with 10 digits
        return torch.special.zeta(2.0, x) if n == 1 else torch.polygamma(n, x)

    f.case("polygamma", n, f.t(2, 3, lo=0.25, hi=4.25), torch_f=function)
    f.case("polygamma", f.t(2, 3, lo=-2.9375, hi=-2.0625, d="float32"), n, torch_f=torch.Tensor.polygamma)
    f.case("polygamma", n, f.t(0, 2, lo=1, hi=2))
    f.case("polygamma", n, V([1e-3, 0.5, 1.0, 1.75, 12.5, 300.25, 1e6, nan]), torch_f=function)
    f.case("polygamma", n, V([0.5, 1.0, 12.5], d="float32"))
    for d in DTYPES[1:]:
        f.case("polygamma", n, f.t(3, lo=1, hi=4, d=d))


def compare():
    f = Family("compare")
    for op in ("eq", "ne", "lt", "le", "gt", "ge"):
        binary(f, op)
        f.case(op, V([9007199254740993], d="int64"), V([9007199254740992], d="int64"))
        by_value = lambda x, v, op=op: getattr(torch, op)(x.to(torch.int64), v)  # PyTorch wraps the number
        f.case(op, f.t(4, lo=0, hi=3, d="uint8"), -1, torch_f=by_value)
    for op in ("isnan", "isinf", "isfinite", "isposinf", "isneginf", "signbit"):
        unary(f, op)
    for op in ("logical_and", "logical_or", "logical_xor"):
        binary(f, op)
    unary(f, "logical_not")
    for op in ("bitwise_and", "bitwise_or", "bitwise_xor"):
        binary(f, op, "int bool")
    for d in INTS + ["bool"]:
        f.case("bitwise_not", f.t(2, 3, lo=0, hi=9, d=d))
        if d != "bool":
            for op, name in (("bitwise_left_shift", "<<"), ("bitwise_right_shift", ">>")):
                f.case(op, f.t(4, lo=0, hi=60, d=d), f.t(4, lo=0, hi=3, d=d))
                f.case(op, f.t(4, lo=-60 if d != "uint8" else 0, hi=60, d=d), 2)
    f.case("isclose", V([1.0, 1.0, nan, inf, inf]), V([1.0, 1.1, nan, inf, -inf]))
    f.case("isclose", V([1.0, 1.0, nan]), V([1.0001, 1.1, nan]), 1e-3, 1e-3, True, torch_f=lambda a, b, r, t, e: torch.isclose(a, b, rtol=r, atol=t, equal_nan=e))
    f.write("comparisons and logic")


def activation():
    f = Family("activation")
    for op in ("relu", "sigmoid", "silu", "softplus", "softsign", "logsigmoid", "selu", "mish", "relu6", "hardtanh", "hardsigmoid", "hardswish", "tanhshrink"):
        unary(f, op, -3, 3, "float", torch_f=getattr(F, op, None), special_grad=op in ("relu", "sigmoid", "relu6", "hardtanh"))
    unary(f, "relu", -3, 3, "int")
    unary(f, "sigmoid", -3, 3, "int bool")
    for op in ("gelu",):
        unary(f, op, -3, 3, "float", torch_f=F.gelu, special=False)
        f.case(op, V(SPECIAL), torch_f=F.gelu, grad=False)
        f.case(op, f.t(2, 3, lo=-3, hi=3), "tanh", torch_f=lambda x, a: F.gelu(x, approximate=a))
        f.case(op, f.t(2, 3, lo=-3, hi=3, d="float32"), "tanh", torch_f=lambda x, a: F.gelu(x, approximate=a))
    f.case("softplus", f.t(2, 3, lo=-3, hi=3), 2.0, 3.0, torch_f=F.softplus)
    f.case("softplus", V([-100.0, 19.0, 20.0, 21.0, 100.0]), torch_f=F.softplus)
    f.case("leaky_relu", f.t(2, 3), torch_f=F.leaky_relu)
    f.case("leaky_relu", V([0.0, -1.0, 1.0, nan]), 0.25, torch_f=F.leaky_relu)
    f.case("elu", f.t(2, 3), torch_f=F.elu)
    f.case("elu", V([0.0, -1.0, 1.0]), 0.5, torch_f=F.elu)
    for op in ("celu", "hardshrink", "softshrink"):
        f.case(op, f.t(2, 3), torch_f=getattr(F, op))
        f.case(op, f.t(2, 3, d="float32"), torch_f=getattr(F, op))
        f.case(op, V([0.0, -0.25, 0.25, -3.0, 0.5, -0.5]), 0.5, torch_f=getattr(F, op))
    f.case("hardtanh", f.t(2, 3), -0.5, 1.5, torch_f=F.hardtanh)
    f.case("hardtanh", V([-1.0, 1.0, 0.0]), torch_f=F.hardtanh)
    f.case("prelu", f.t(2, 3), f.t(3))
    f.case("prelu", f.t(2, 3, 2), f.t(1))
    f.case("prelu", V([0.0, -1.0, 1.0]), f.t(1))
    f.case("prelu", f.t(2, 3, d="float32"), f.t(3, d="float32"))
    f.case("glu", f.t(2, 4), torch_f=F.glu)
    f.case("glu", f.t(4, 3), D(0), torch_f=F.glu)
    f.case("threshold", f.t(2, 3), 0.5, -1.0, torch_f=F.threshold)
    f.write("activations")


FAMILIES = [arith, math_functions, rounding, choose, special, compare, activation]
