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
    case(C([inf, 0.0, 1.0, 0.0, -inf, 0.0], [3, 2]), C([1.0, 0.0, 2.0, 0.0, 3.0, 1.0], [3, 2]), f.t(3, 2))
    case(C([nan, 0.0, 1.0, 0.0], [2, 2]), f.t(3, 2), f.t(3, 2))
    case(f.t(2, 2), C([nan, 0.0, 1.0, 0.0, 0.5, 1.0], [3, 2]), f.t(3, 2))
    case(f.t(2, 2), f.t(3, 2), C([inf, 0.0, 1.0, nan, 0.5, 1.0], [3, 2]))
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


FAMILIES = [attention]
