"""cases_attention.py: what record.py asks PyTorch of attention."""
import math

import torch.nn.functional as F

from record import C, Family, FLOATS, V

NAME = "scaled_dot_product_attention"


def attend(q, k, v, mask=None, p=0.0, causal=False, scale=None, gqa=False):
    return F.scaled_dot_product_attention(q, k, v, mask, p, causal, scale=scale, enable_gqa=gqa)


def seen(pattern, shape):
    """A bool mask of ones and zeros, repeated to a shape."""
    return C([c == "1" for c in (pattern * math.prod(shape))[: math.prod(shape)]], list(shape), "bool")


def attention():
    f = Family("attention")

    def case(*args):
        f.case(NAME, *args, torch_f=attend)

    q, k, v = (2, 2, 3, 4), (2, 2, 5, 4), (2, 2, 5, 2)
    # Shapes: few dims, many, batches that broadcast, one row, one key, one column, widths that differ.
    case(f.t(*q), f.t(*k), f.t(*v))
    case(f.t(3, 4), f.t(5, 4), f.t(5, 2))
    case(f.t(2, 3, 4), f.t(2, 5, 4), f.t(2, 5, 4))
    case(f.t(2, 1, 2, 3, 4), f.t(2, 3, 2, 5, 4), f.t(1, 3, 2, 5, 2))
    case(f.t(2, 1, 3, 4), f.t(3, 5, 4), f.t(1, 3, 5, 6))
    case(f.t(2, 3, 3, 4), f.t(2, 1, 5, 4), f.t(2, 1, 5, 2))
    case(f.t(1, 2, 1, 4), f.t(1, 2, 7, 4), f.t(1, 2, 7, 3))
    case(f.t(1, 2, 4, 3), f.t(1, 2, 1, 3), f.t(1, 2, 1, 5))
    case(f.t(1, 1, 4, 1), f.t(1, 1, 5, 1), f.t(1, 1, 5, 1))
    case(f.t(2, 2, 0, 4), f.t(2, 2, 5, 4), f.t(2, 2, 5, 2))
    case(f.t(2, 2, 3, 4), f.t(2, 2, 0, 4), f.t(2, 2, 0, 2))
    case(f.t(0, 2, 3, 4), f.t(0, 2, 5, 4), f.t(0, 2, 5, 2))
    case(f.t(1, 2, 3, 0), f.t(1, 2, 5, 0), f.t(1, 2, 5, 2))
    case(f.t(1, 2, 3, 4), f.t(1, 2, 5, 4), f.t(1, 2, 5, 0))
    # More than a tile of queries and of keys, and sizes that fill none.
    case(f.t(1, 1, 67, 3), f.t(1, 1, 131, 3), f.t(1, 1, 131, 2))
    case(f.t(1, 1, 70, 2), f.t(1, 1, 70, 2), f.t(1, 1, 70, 3), None, 0.0, True)
    # Masks: bool, float, of every shape that broadcasts; rows that see nothing.
    case(f.t(*q), f.t(*k), f.t(*v), seen("10111", (3, 5)))
    case(f.t(*q), f.t(*k), f.t(*v), seen("1101", (2, 1, 1, 5)))
    case(f.t(*q), f.t(*k), f.t(*v), seen("011", (3, 1)))
    case(f.t(*q), f.t(*k), f.t(*v), seen("0000010101", (2, 2, 3, 5)))
    case(f.t(*q), f.t(*k), f.t(*v), f.t(3, 5))
    case(f.t(*q), f.t(*k), f.t(*v), f.t(2, 1, 1, 5))
    case(f.t(*q), f.t(*k), f.t(*v), f.t(2, 3, 1))
    case(f.t(*q), f.t(*k), f.t(*v), f.t(5))
    case(f.t(3, 4), f.t(5, 4), f.t(5, 2), f.t(3, 5))
    case(f.t(2, 3, 4), f.t(2, 5, 4), f.t(2, 5, 2), f.t(2, 3, 5))
    inf = math.inf
    case(f.t(2, 3, 4), f.t(2, 4, 4), f.t(2, 4, 2), C([0.0, -inf, -inf, 1.0, -inf, -inf, -inf, -inf, 2.0, 0.5, -inf, 0.0], [3, 4]))
    # The order of time, with more rows than keys and fewer.
    case(f.t(*q), f.t(*k), f.t(*v), None, 0.0, True)
    case(f.t(1, 2, 6, 3), f.t(1, 2, 4, 3), f.t(1, 2, 4, 3), None, 0.0, True)
    case(f.t(4, 3), f.t(4, 3), f.t(4, 3), None, 0.0, True, 0.25)
    # Scales.
    case(f.t(*q), f.t(*k), f.t(*v), None, 0.0, False, 0.5)
    case(f.t(*q), f.t(*k), f.t(*v), None, 0.0, False, 0.0)
    case(f.t(*q), f.t(*k), f.t(*v), None, 0.0, False, -3.0)
    case(f.t(*q), f.t(*k), f.t(*v), None, 0.0, False, 8.0)
    # Grouped queries.
    case(f.t(2, 6, 3, 4), f.t(2, 2, 5, 4), f.t(2, 2, 5, 2), None, 0.0, False, None, True)
    case(f.t(1, 4, 3, 4), f.t(1, 1, 5, 4), f.t(1, 1, 5, 2), None, 0.0, True, None, True)
    case(f.t(1, 6, 3, 4), f.t(1, 3, 5, 4), f.t(1, 2, 5, 2), None, 0.0, False, None, True)
    case(f.t(4, 3, 4), f.t(2, 5, 4), f.t(2, 5, 2), f.t(4, 3, 5), 0.0, False, None, True)
    case(f.t(1, 2, 2, 3, 2), f.t(1, 2, 1, 4, 2), f.t(1, 2, 1, 4, 2), None, 0.0, False, 1.0, True)
    # All is dropped.
    case(f.t(*q), f.t(*k), f.t(*v), None, 1.0)
    # No numbers and infinite ones.
    nan = math.nan
    case(V([inf, 0.0, 1.0, 0.0, -inf, 0.0], [3, 2]), C([1.0, 0.0, 2.0, 0.0, 3.0, 1.0], [3, 2]), f.t(3, 2))
    case(V([nan, 0.0, 1.0, 0.0], [2, 2]), f.t(3, 2), f.t(3, 2))
    case(f.t(2, 2), V([nan, 0.0, 1.0, 0.0, 0.5, 1.0], [3, 2]), f.t(3, 2))
    case(f.t(2, 2), f.t(3, 2), V([inf, 0.0, 1.0, nan, 0.5, 1.0], [3, 2]))
    case(C([300.0, 1.0, -300.0, 2.0], [2, 2]), C([4.0, 0.0, -4.0, 0.0, 3.9, 1.0], [3, 2]), f.t(3, 2))
    for d in FLOATS[1:]:
        case(f.t(*q, d=d), f.t(*k, d=d), f.t(*v, d=d))
        case(f.t(*q, d=d), f.t(*k, d=d), f.t(*v, d=d), None, 0.0, True)
        case(f.t(*q, d=d), f.t(*k, d=d), f.t(*v, d=d), seen("10111", (3, 5)))
        case(f.t(*q, d=d), f.t(*k, d=d), f.t(*v, d=d), f.t(3, 5, d=d))
        case(f.t(*q, d=d), f.t(*k, d=d), f.t(*v, d=d), f.t(3, 5, d="float32"))
        case(f.t(1, 4, 3, 20, d=d), f.t(1, 2, 6, 20, d=d), f.t(1, 2, 6, 20, d=d), None, 0.0, False, None, True)
    case(f.t(*q), f.t(*k), f.t(*v), f.t(3, 5, d="float32"))
    f.write("attention")


def multi_head():
    f = Family("multi_head")
    width, heads = 4, 2

    def weights(d, sources=None):
        """in_proj_weight, in_proj_bias and the three weights apart."""
        if sources:
            apart = [f.t(width, width, lo=-1, hi=1, d=d)] + [f.t(width, n, lo=-1, hi=1, d=d) for n in sources]
            return None, f.t(3 * width, lo=-1, hi=1, d=d), apart
        return f.t(3 * width, width, lo=-1, hi=1, d=d), f.t(3 * width, lo=-1, hi=1, d=d), [None] * 3

    def case(q, k, v, sources=None, d="float64", bias=True, extra=False, zero=False, padding=None, need=True, mask=None,
             static=None, average=True, causal=False, training=True):
        inner, inner_bias, apart = weights(d, sources)
        more = f.t(1, 1, width, lo=-1, hi=1, d=d) if extra else None
        args = [f.t(*q, d=d), f.t(*k, d=d), f.t(*v, d=d), width, heads, inner, inner_bias if bias else None, more,
                f.t(1, 1, width, d=d) if extra else None, zero, 0.0, f.t(width, width, lo=-1, hi=1, d=d),
                f.t(width, d=d) if bias else None, training, padding, need, mask, sources is not None, *apart,
                f.t(*static, d=d) if static else None, f.t(*static, d=d) if static else None, average, causal]
        names = ["training", "key_padding_mask", "need_weights", "attn_mask", "use_separate_proj_weight", "q_proj_weight",
                 "k_proj_weight", "v_proj_weight", "static_k", "static_v", "average_attn_weights", "is_causal"]

        def call(*a):
            found = F.multi_head_attention_forward(*a[:13], **dict(zip(names, a[13:])))
            return [x for x in found if x is not None]

        f.case("multi_head_attention_forward", *args, torch_f=call)

    q, s = (3, 2, 4), (4, 2, 4)
    time = seen("011001000", (3, 3))  # true hides
    for need in [True, False]:
        case(q, q, q, need=need)
        case(q, s, s, need=need, bias=False)
        case(q, s, s, need=need, average=False)
        case((3, 4), (4, 4), (4, 4), need=need)
        case(q, (4, 2, 3), (4, 2, 5), sources=(3, 5), need=need)
        case(q, s, s, need=need, extra=True)
        case(q, s, s, need=need, zero=True)
        case(q, s, s, need=need, padding=seen("00010011", (2, 4)))
        case((3, 4), (4, 4), (4, 4), need=need, padding=seen("0100", (4,)))
        case(q, s, s, need=need, padding=C([0.0, 1.0, -2.0, 0.5] * 2, [2, 4]))
        case(q, q, q, need=need, mask=time)
        case(q, q, q, need=need, mask=time, causal=True)
        case(q, q, q, need=need, mask=time, causal=True, padding=seen("000001", (2, 3)))
        case(q, s, s, need=need, mask=f.t(3, 4))
        case(q, s, s, need=need, mask=f.t(4, 3, 4))
        case(q, s, s, need=need, mask=seen("0010100001", (4, 3, 4)), padding=seen("00010010", (2, 4)), zero=True, extra=True)
        case(q, (5, 2, 4), (5, 2, 4), need=need, static=(4, 5, 2))
        case(q, s, s, need=need, training=False)
        case((1, 1, 4), (1, 1, 4), (1, 1, 4), need=need)
        case((0, 2, 4), s, s, need=need)
        for d in FLOATS[1:]:
            case(q, s, s, d=d, need=need)
            case(q, s, s, d=d, need=need, padding=seen("00010010", (2, 4)))
    f.write("attention of several heads")


FAMILIES = [attention, multi_head]
