"""cases_promotion.py: the dtype of every pair of operands: dimensioned tensors, 0-dim tensors, numbers."""
import torch

from record import DTYPES, Family, dtype, name_of


def promotion():
    f = Family("promotion")
    makers = {
        "dims": lambda d: torch.zeros(2, dtype=dtype(d)),
        "zero": lambda d: torch.zeros((), dtype=dtype(d)),
    }
    numbers = {"int": 1, "float": 1.0, "bool": True}
    for left in makers:
        for right in makers:
            for a in DTYPES:
                row = [name_of(torch.result_type(makers[left](a), makers[right](b))) for b in DTYPES]
                f.line(f'{{"{left}", "{right}", "{a}", "{" ".join(row)}"}},')
        for number, value in numbers.items():
            row = [name_of(torch.result_type(makers[left](a), value)) for a in DTYPES]
            f.line(f'{{"{left}", "{number}", "", "{" ".join(row)}"}},')
    # Whether the second may be written into the first in place (the category may not grow).
    for a in DTYPES:
        row = ["yes" if torch.can_cast(dtype(b), dtype(a)) else "no" for b in DTYPES]
        f.line(f'{{"into", "", "{a}", "{" ".join(row)}"}},')
    for a in DTYPES:
        x = torch.ones(2, dtype=dtype(a))
        row = [name_of((x / x).dtype), name_of(torch.exp(x).dtype), name_of(x.sum().dtype), name_of(x.prod().dtype),
               name_of(x.cumsum(0).dtype), name_of((x == x).dtype), name_of(x.argmax().dtype) if a != "bool" else "int64"]
        f.line(f'{{"rules", "div exp sum prod cumsum eq argmax", "{a}", "{" ".join(row)}"}},')
    f.write("type promotion")


FAMILIES = [promotion]
