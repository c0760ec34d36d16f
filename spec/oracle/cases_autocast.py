"""cases_autocast.py: which dtype PyTorch's operations give in a scope of autocast on the CPU."""
import torch
import torch.nn.functional as F

from record import Family


def autocast():
    f = Family("autocast")

    def case(op, *args, call=None, options=""):
        """args: tensors by dtype and shape, or plain values given as (value, its text in Lua)."""
        for lower in ("bfloat16", "float16"):
            for kind in ("float32", "lower", "mixed", "float64"):
                built, texts, n = [], [], 0
                for a in args:
                    if isinstance(a, tuple):
                        built.append(a[0])
                        texts.append(a[1])
                        continue
                    n += 1
                    first = n == 1
                    d = {"float32": "float32", "lower": lower, "float64": "float64",
                         "mixed": lower if first else "float32"}[kind]
                    built.append(torch.full(a, 0.5).to(getattr(torch, d)))
                    texts.append('{ "' + d + '", { ' + ", ".join(map(str, a)) + " } }")
                if kind == "mixed" and n < 2:
                    continue
                g = call or getattr(torch, op, None) or getattr(F, op)
                try:
                    with torch.autocast("cpu", dtype=getattr(torch, lower)):
                        found = g(*built)
                except Exception:
                    continue
                found = found[0] if isinstance(found, (tuple, list)) else found
                f.line(f'{{ "{op}", "{lower}", {{ {", ".join(texts)} }}, "{str(found.dtype)[6:]}" }},')

    m = [2, 2]
    for op in ("mm", "matmul", "linear", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "soft_margin_loss",
               "hinge_embedding_loss", "poisson_nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits",
               "kl_div", "cdist", "add", "mul", "maximum"):
        case(op, m, m)
    case("bmm", [1, 2, 2], [1, 2, 2])
    case("addmm", m, m, m)
    case("baddbmm", [1, 2, 2], [1, 2, 2], [1, 2, 2])
    case("linear", m, m, [2])
    case("conv1d", [1, 2, 4], [3, 2, 2])
    case("conv2d", [1, 2, 4, 4], [3, 2, 2, 2])
    case("conv3d", [1, 2, 3, 3, 3], [3, 2, 2, 2, 2])
    case("conv_transpose1d", [1, 2, 4], [2, 3, 2])
    case("conv_transpose2d", [1, 2, 4, 4], [2, 3, 2, 2])
    case("prelu", [2, 3], [3])
    case("scaled_dot_product_attention", [1, 1, 3, 4], [1, 1, 3, 4], [1, 1, 3, 4])
    case("cross_entropy", [2, 3], (torch.tensor([0, 1]), '"positions"'))
    case("nll_loss", [2, 3], (torch.tensor([0, 1]), '"positions"'))
    case("multi_margin_loss", [2, 3], (torch.tensor([0, 1]), '"positions"'))
    case("margin_ranking_loss", [3], [3], [3])
    case("cosine_embedding_loss", m, m, [2])
    case("triplet_margin_loss", m, m, m)
    case("prod", [3])
    case("trace", m)
    for op in ("exp", "log", "sqrt", "softplus", "gelu", "relu", "sigmoid", "tanh", "sum", "mean", "reciprocal", "erf"):
        case(op, [3])
    case("softmax", [2, 3], (1, "2"))
    case("log_softmax", [2, 3], (1, "2"))
    case("cumsum", [3], (0, "1"))
    case("layer_norm", [2, 3], ([3], "{ 3 }"))
    case("group_norm", [2, 4, 3], (2, "2"))
    case("avg_pool2d", [1, 1, 4, 4], (2, "2"))
    case("max_pool2d", [1, 1, 4, 4], (2, "2"))
    case("avg_pool3d", [1, 1, 4, 4, 4], (2, "2"))
    case("max_pool3d", [1, 1, 4, 4, 4], (2, "2"))
    case("adaptive_avg_pool3d", [1, 1, 4, 4, 4], (2, "2"))
    f.write("dtypes of results under autocast on the CPU")


FAMILIES = [autocast]
