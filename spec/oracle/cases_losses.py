"""cases_losses.py: losses over margins, classes and alignments; rows of tables; layers that draw, while they draw none."""
import math

import torch
import torch.nn.functional as F

from record import C, D, Family, FLOATS, O, T, V, X  # noqa: F401

INF, NAN = math.inf, math.nan
REDUCTIONS = ("mean", "sum", "none")


def signs(n, shape=None, d="float64"):
    values = [1.0 if i % 3 else -1.0 for i in range(n)]
    return C(values, [n] if shape is None else shape, d)


def named(f, positional, *names):
    """f with `positional` arguments, and the rest by these names; None stands for the default."""

    def call(*args):
        rest = {k: v for k, v in zip(names, args[positional:]) if v is not None}
        return f(*args[:positional], **rest)

    return call


def pairs(f):
    soft = named(F.soft_margin_loss, 2, "reduction")
    hinge = named(F.hinge_embedding_loss, 2, "margin", "reduction")
    for reduction in REDUCTIONS:
        f.case("soft_margin_loss", f.t(2, 3), signs(6, [2, 3]), reduction, torch_f=soft)
        f.case("hinge_embedding_loss", f.t(2, 3), signs(6, [2, 3]), None, reduction, torch_f=hinge)
        f.case("hinge_embedding_loss", f.t(2, 3), signs(6, [2, 3]), 0.4, reduction, torch_f=hinge)
    for op, g in (("soft_margin_loss", soft), ("hinge_embedding_loss", hinge)):
        f.case(op, f.t(5), signs(5), torch_f=g)
        f.case(op, f.t(), signs(1, []), torch_f=g)
        f.case(op, f.t(0, 3), signs(0, [0, 3]), torch_f=g)
        f.case(op, f.t(2, 3), signs(3), torch_f=g) if op[0] == "h" else None
        for d in FLOATS[1:]:
            f.case(op, f.t(4, d=d), signs(4, d=d), torch_f=g)
    f.case("soft_margin_loss", V([20.0, -20.0, 0.0, 600.0]), C([1.0, -1.0, 1.0, 1.0]), "none", torch_f=soft)
    f.case("soft_margin_loss", V([INF, NAN, -INF], d="float32"), C([1.0, 1.0, -1.0], d="float32"), "none", torch_f=soft)
    f.case("hinge_embedding_loss", V([1.0, -1.0, 0.5, NAN, INF]), C([1.0, -1.0, 0.0, 1.0, -1.0]), None, "none", torch_f=hinge)


def vectors(f):
    rank = named(F.margin_ranking_loss, 3, "margin", "reduction")
    cosine = named(F.cosine_embedding_loss, 3, "margin", "reduction")
    triplet = named(F.triplet_margin_loss, 3, "margin", "p", "eps", "swap", "reduction")
    for reduction in REDUCTIONS:
        f.case("margin_ranking_loss", f.t(2, 3), f.t(2, 3), signs(6, [2, 3]), 0.6, reduction, torch_f=rank)
        f.case("cosine_embedding_loss", f.t(4, 3), f.t(4, 3), signs(4), -0.5, reduction, torch_f=cosine)
        f.case("triplet_margin_loss", f.t(4, 3), f.t(4, 3), f.t(4, 3), None, None, None, None, reduction, torch_f=triplet)
    for d in FLOATS[:2]:
        f.case("margin_ranking_loss", f.t(4, d=d), f.t(4, d=d), signs(4, d=d), torch_f=rank)
        f.case("cosine_embedding_loss", f.t(2, 3, d=d), f.t(2, 3, d=d), signs(2, d=d), torch_f=cosine)
        f.case("triplet_margin_loss", f.t(2, 3, d=d), f.t(2, 3, d=d), f.t(2, 3, d=d), torch_f=triplet)
    f.case("margin_ranking_loss", f.t(2, 1), f.t(1, 3), signs(3, [1, 3]), torch_f=rank)
    f.case("margin_ranking_loss", f.t(), f.t(), signs(1, []), torch_f=rank)
    f.case("margin_ranking_loss", f.t(0), f.t(0), signs(0), torch_f=rank)
    f.case("margin_ranking_loss", V([1.0, NAN, INF, 1.0]), V([1.0, 0.0, 0.0, 0.5]), C([1.0, 1.0, 1.0, 1.0]), 0.5, "none", torch_f=rank)
    f.case("cosine_embedding_loss", f.t(5), f.t(5), signs(1, []), torch_f=cosine)
    f.case("cosine_embedding_loss", f.t(0, 3), f.t(0, 3), signs(0), torch_f=cosine)
    f.case("cosine_embedding_loss", V([3.0, 4.0, 1.0, 1.0], [2, 2]), V([3.0, 4.0, -1.0, -1.0], [2, 2]), C([1.0, 0.0]), None, "none", torch_f=cosine)
    f.case("cosine_embedding_loss", V([1e-7, 1e-7], [1, 2], "float32"), V([1.0, 2.0], [1, 2], "float32"), C([-1.0], d="float32"), -1.0, torch_f=cosine, grad=False)
    f.case("triplet_margin_loss", f.t(3, 4), f.t(3, 4), f.t(3, 4), 2.0, 1.0, 1e-5, True, "none", torch_f=triplet)
    f.case("triplet_margin_loss", f.t(3, 4), f.t(3, 4), f.t(3, 4), 5.0, 3.0, 1e-6, False, "sum", torch_f=triplet)
    f.case("triplet_margin_loss", f.t(6), f.t(6), f.t(6), 4.0, torch_f=triplet)
    f.case("triplet_margin_loss", f.t(2, 3, 4), f.t(2, 3, 4), f.t(2, 3, 4), 4.0, None, None, True, torch_f=triplet)
    f.case("triplet_margin_loss", f.t(0, 3), f.t(0, 3), f.t(0, 3), torch_f=triplet)


def classes(f):
    multi = named(F.multi_margin_loss, 2, "p", "margin", "weight", "reduction")
    labels = named(F.multilabel_margin_loss, 2, "reduction")
    soft = named(F.multilabel_soft_margin_loss, 2, "weight", "reduction")
    lists = X([3, 0, -1, 1, 1, -1, 2, 0, 0, 2, 1, 3], [3, 4])
    for reduction in REDUCTIONS:
        f.case("multi_margin_loss", f.t(3, 4), X([0, 3, 2]), None, None, None, reduction, torch_f=multi)
        f.case("multi_margin_loss", f.t(3, 4), X([1, 1, 2]), 2, 0.6, C([1.0, 2.0, 0.5, 1.5]), reduction, torch_f=multi)
        f.case("multilabel_margin_loss", f.t(3, 4), lists, reduction, torch_f=labels)
        f.case("multilabel_soft_margin_loss", f.t(2, 3), f.t(2, 3, lo=0, hi=1), None, reduction, torch_f=soft)
    for d in FLOATS[:2]:
        f.case("multi_margin_loss", f.t(2, 3, d=d), X([0, 2]), torch_f=multi)
        f.case("multilabel_margin_loss", f.t(3, 4, d=d), lists, torch_f=labels)
        f.case("multilabel_soft_margin_loss", f.t(2, 3, d=d), f.t(2, 3, lo=0, hi=1, d=d), torch_f=soft)
    f.case("multi_margin_loss", f.t(4), X([2], []), torch_f=multi)
    f.case("multi_margin_loss", f.t(1, 4), X([2]), 1, -0.5, None, "none", torch_f=multi)
    f.case("multilabel_margin_loss", f.t(4), X([2, 2, -1, 0]), torch_f=labels)
    f.case("multilabel_margin_loss", f.t(2, 3), X([-1, 0, 0, 0, 1, 2], [2, 3]), "none", torch_f=labels)
    f.case("multilabel_margin_loss", f.t(1, 1), X([0], [1, 1]), "sum", torch_f=labels)
    f.case("multilabel_margin_loss", f.t(2, 5), X([4, -1, 0, 0, 0, 1, 0, -1, -1, -1], [2, 5]), torch_f=labels)
    f.case("multilabel_soft_margin_loss", f.t(2, 3), f.t(2, 3, lo=0, hi=1), C([1.0, 2.0, 0.5]), torch_f=soft)
    f.case("multilabel_soft_margin_loss", f.t(4), f.t(4, lo=0, hi=1), torch_f=soft)
    f.case("multilabel_soft_margin_loss", V([800.0, -800.0, 30.0]), C([0.0, 1.0, 1.0]), torch_f=soft)
    f.case("multilabel_soft_margin_loss", f.t(2, 2, 3), f.t(2, 2, 3, lo=0, hi=1), None, "none", torch_f=soft)


def margin():
    f = Family("margin")
    pairs(f)
    vectors(f)
    classes(f)
    f.write("losses by margins")


def ctc_of(log_probs, targets, input_lengths, target_lengths, blank=None, reduction=None, zero_infinity=None):
    """PyTorch's gradient counts on lines of log_probs that are normalized: it has exp(log_probs) besides the
    derivative, which is added here with a value of zero, so that the derivative itself is recorded."""
    given = {"blank": blank or 0, "zero_infinity": bool(zero_infinity)}
    none = F.ctc_loss(log_probs, targets, input_lengths, target_lengths, reduction="none", **given)
    each = F.ctc_loss(log_probs, targets, input_lengths, target_lengths, reduction=reduction or "mean", **given)
    steps = torch.arange(log_probs.shape[0]).reshape(-1, *[1] * (log_probs.dim() - 2)) < input_lengths
    seen = torch.where(steps, log_probs.exp().sum(-1), 0).sum(0)
    if zero_infinity:
        endless = torch.isinf(F.ctc_loss(log_probs.detach(), targets, input_lengths, target_lengths, blank=blank or 0, reduction="none"))
        seen = torch.where(endless, 0, seen)
    if reduction in (None, "mean"):
        seen = (seen / target_lengths.clamp(min=1)).mean()
    elif reduction == "sum":
        seen = seen.sum()
    assert none.shape == seen.shape or reduction != "none"
    return each - (seen - seen.detach())


def ctc():
    f = Family("ctc")

    def lengths(*n):
        return V(list(n), d="int64")

    def chances(*shape, d="float64"):
        return f.t(*shape, lo=-4, hi=0, d=d)

    for reduction in REDUCTIONS:
        f.case("ctc_loss", chances(6, 2, 4), X([1, 2, 2, 3, 1, 1], [2, 3]), lengths(6, 5), lengths(3, 2), D(0), reduction, torch_f=ctc_of)
        f.case("ctc_loss", chances(5, 3, 3), X([0, 1, 1, 0]), lengths(5, 4, 3), lengths(2, 1, 1), D(2), reduction, torch_f=ctc_of)
    f.case("ctc_loss", chances(4, 3), X([2, 1]), lengths(4), lengths(2), torch_f=ctc_of)
    f.case("ctc_loss", chances(3, 2, 3), X([1, 1, 2, 1], [2, 2]), lengths(3, 1), lengths(2, 2), D(0), "none", True, torch_f=ctc_of)
    f.case("ctc_loss", chances(3, 2, 3), X([1, 1, 2, 1], [2, 2]), lengths(2, 1), lengths(2, 2), D(0), "none", torch_f=ctc_of, grad=False)
    f.case("ctc_loss", chances(3, 2, 3), X([1, 2], [2, 1]), lengths(3, 0), lengths(0, 0), D(0), "sum", torch_f=ctc_of)
    f.case("ctc_loss", chances(3, 1, 3), X([], [0]), lengths(2), lengths(0), torch_f=ctc_of)
    f.case("ctc_loss", chances(5, 2, 4, d="float32"), X([1, 2, 3, 1], [2, 2]), lengths(5, 5), lengths(2, 1), torch_f=ctc_of)
    f.case("ctc_loss", V([-INF, -0.5, -1.0, -0.1, -INF, -2.0, -1.0, -1.0, -1.0], [3, 1, 3]), X([1], [1, 1]), lengths(3), lengths(1), D(0), "none", torch_f=ctc_of, grad=False)
    f.case("ctc_loss", V([-800.0, -1.0, -900.0, -2.0, -700.0, -3.0], [3, 1, 2]), X([1], [1, 1]), lengths(3), lengths(1), torch_f=ctc_of)
    long = X([1 + i * 7 % 4 for i in range(60)], [1, 60])
    f.case("ctc_loss", chances(500, 1, 5, d="float32"), long, lengths(500), lengths(60), torch_f=ctc_of)
    f.case("ctc_loss", chances(500, 1, 5), long, lengths(480), lengths(60), D(0), "sum", torch_f=ctc_of)
    f.write("connectionist temporal classification; gradients are the derivatives, without what PyTorch adds to them for "
            "lines that are normalized")


def cross_entropy():
    f = Family("cross_entropy")

    def cross(x, y, weight=None, ignore=None, reduction="mean", smoothing=0.0):
        return F.cross_entropy(x, y, weight, ignore_index=-100 if ignore is None else ignore, reduction=reduction, label_smoothing=smoothing)

    weights = C([1.0, 2.0, 0.5, 1.5])
    for n in (4, 66):
        many = C([(1.0, 2.0, 0.5, 1.5)[i % 4] for i in range(n)])
        sharp = C([(0.0, 1.0, 0.25, 0.0, 0.5)[i % 5] for i in range(2 * n)], [2, n])
        for reduction in REDUCTIONS:
            f.case("cross_entropy", f.t(2, n), X([n - 1, 0]), None, None, reduction, 0.1, torch_f=cross)
            f.case("cross_entropy", f.t(2, n), X([n - 2, 1]), many, D(1), reduction, 0.3, torch_f=cross)
            f.case("cross_entropy", f.t(2, n), X([1, 0]), many, None, reduction, torch_f=cross)
            f.case("cross_entropy", f.t(2, n), sharp, many, None, reduction, 0.2, torch_f=cross)
            f.case("cross_entropy", f.t(2, n), sharp, None, None, reduction, torch_f=cross)
    for d in FLOATS:
        f.case("cross_entropy", f.t(3, 4, d=d), X([1, 2, 0]), None, None, "none", 0.1, torch_f=cross)
        f.case("cross_entropy", f.t(1, 70, d=d), X([30]), None, None, "none", torch_f=cross)
    f.case("cross_entropy", f.t(4), f.t(4, lo=0, hi=1), torch_f=cross)
    f.case("cross_entropy", f.t(65), f.t(65, lo=0, hi=1), torch_f=cross)
    f.case("cross_entropy", f.t(65), X([64], []), None, None, "mean", 0.1, torch_f=cross)
    f.case("cross_entropy", f.t(2, 4, 3), X([0, 3, 1, 1, 2, 0], [2, 3]), weights, D(1), "mean", 0.1, torch_f=cross)
    f.case("cross_entropy", f.t(2, 4, 2), f.t(2, 4, 2, lo=0, hi=1), weights, None, "sum", 0.1, torch_f=cross)
    f.case("cross_entropy", f.t(0, 4), X([], [0]), torch_f=cross)
    f.case("cross_entropy", f.t(2, 4), X([1, 1]), None, D(1), "mean", torch_f=cross, grad=False)
    f.case("cross_entropy", f.t(2, 4), X([1, 1]), None, D(1), "sum", torch_f=cross)
    f.case("cross_entropy", V([40.0, 0.0, -3.0, 0.0, 50.0, 1.0], [2, 3]), X([0, 1]), torch_f=cross)
    f.case("cross_entropy", V([-INF, 0.0, 1.0, NAN, 0.0, 1.0, INF, 0.0, 0.0], [3, 3]), X([1, 1, 1]), None, None, "none", torch_f=cross, grad=False)
    f.case("cross_entropy", V([-INF, 0.0, 1.0], [1, 3]), X([0]), None, None, "none", torch_f=cross, grad=False)
    f.case("cross_entropy", f.t(1, 2100), X([2099]), torch_f=cross)
    for first in (INF, -INF, NAN):
        f.case("cross_entropy", V([first] + [0.5] * 64, [1, 65]), X([1]), None, None, "none", torch_f=cross, grad=False)
    f.write("cross entropy of rows of classes and others")


def linear_cross_entropy():
    f = Family("linear_cross_entropy")
    linear = named(F.linear_cross_entropy, 3, "linear_bias", "weight", "reduction", "ignore_index", "label_smoothing")
    weights = C([1.0, 2.0, 0.5, 1.5])
    for reduction in REDUCTIONS:
        f.case("linear_cross_entropy", f.t(3, 2), f.t(4, 2), X([1, 3, 0]), None, None, reduction, torch_f=linear)
        f.case("linear_cross_entropy", f.t(3, 2), f.t(4, 2), X([1, 3, 0]), f.t(4), weights, reduction, D(3), 0.1, torch_f=linear)
    for d in FLOATS[:2]:
        f.case("linear_cross_entropy", f.t(3, 2, d=d), f.t(4, 2, d=d), X([1, 3, 0]), f.t(4, d=d), torch_f=linear)
    f.case("linear_cross_entropy", f.t(3, 2), f.t(4, 2), f.t(3, 4, lo=0, hi=1), None, weights, "sum", torch_f=linear)
    f.case("linear_cross_entropy", f.t(3, 2), f.t(4, 2), C([0.0, 0.0, 1.0, 0.0, 0.5, 0.5, 0.0, 0.0, 0.1, 0.2, 0.3, 0.4], [3, 4]), torch_f=linear)
    f.case("linear_cross_entropy", f.t(2), f.t(4, 2), X([1], []), f.t(4), torch_f=linear)
    f.case("linear_cross_entropy", f.t(2, 3), f.t(4, 2, 3), X([1, 3, 0, 0], [2, 2]), f.t(4, 2), None, "none", torch_f=linear)
    f.case("linear_cross_entropy", f.t(0, 2), f.t(4, 2), X([], [0]), None, None, "sum", torch_f=linear)
    f.write("cross entropy of products")


def bag(weight, index, offsets=None, max_norm=None, norm_type=2.0, freq=False, mode="mean", factors=None, last=False, padding=None):
    return F.embedding_bag(index, weight, offsets, max_norm, norm_type or 2.0, bool(freq), mode or "mean", False, factors, bool(last), padding)


def one(weight, index, padding=None, max_norm=None, norm_type=2.0, freq=False):
    return F.embedding(index, weight, padding, max_norm, norm_type or 2.0, bool(freq))


def embedding():
    f = Family("embedding")
    index, ends = X([3, 0, 1, 3, 2, 3]), X([0, 2, 2, 3])
    f.case("embedding", f.t(4, 3), X([3, 0, 1, 3], [2, 2]), D(3), torch_f=one)
    f.case("embedding", f.t(4, 3), X([3, 0, 1, 3], [2, 2]), D(-4), torch_f=one)
    f.case("embedding", f.t(4, 3), index, None, None, None, True, torch_f=one)
    f.case("embedding", f.t(4, 3), index, D(3), None, None, True, torch_f=one)
    f.case("embedding", f.t(4, 3), index, None, 1.0, torch_f=one)
    f.case("embedding", f.t(4, 3), index, None, 2.5, 1.0, torch_f=one)
    f.case("embedding", f.t(4, 3), X([], [0]), D(1), torch_f=one)
    f.case("embedding", f.t(4, 3), X([2], []), None, 0.5, math.inf, torch_f=one)
    for d in FLOATS:
        f.case("embedding", f.t(4, 3, d=d), index, D(1), torch_f=one)
    for mode in ("sum", "mean", "max"):
        f.case("embedding_bag", f.t(4, 3), index, ends, None, None, None, mode, torch_f=bag)
        f.case("embedding_bag", f.t(4, 3), X([3, 0, 1, 3, 2, 3], [2, 3]), None, None, None, None, mode, torch_f=bag)
        f.case("embedding_bag", f.t(4, 3), index, X([0, 2, 2, 5, 6]), None, None, None, mode, None, True, torch_f=bag)
        f.case("embedding_bag", f.t(4, 3), index, ends, None, None, None, mode, None, None, D(3), torch_f=bag)
        f.case("embedding_bag", f.t(4, 3), X([3, 3, 1, 3], [2, 2]), None, None, None, None, mode, None, None, D(3), torch_f=bag)
        f.case("embedding_bag", f.t(4, 3, d="float32"), index, ends, None, None, None, mode, torch_f=bag)
    f.case("embedding_bag", f.t(4, 3), index, ends, None, None, None, "sum", f.t(6), torch_f=bag)
    f.case("embedding_bag", f.t(4, 3), X([3, 0, 1, 3, 2, 3], [3, 2]), None, None, None, None, "sum", f.t(3, 2), torch_f=bag)
    f.case("embedding_bag", f.t(4, 3), index, ends, None, None, True, "sum", torch_f=bag)
    for d in FLOATS[:2]:
        f.case("embedding_bag", f.t(4, 300, d=d), index, ends, None, None, None, "sum", f.t(6, d=d), None, D(3), torch_f=bag, grad=False)
    f.case("embedding_bag", f.t(4, 3), X([3, 0, 1, 3, 2, 3], [3, 2]), None, None, None, None, "mean", None, None, D(0), torch_f=bag, grad=False)
    f.case("embedding_bag", f.t(4, 3), index, X([0, 2, 2, 6]), None, None, None, "mean", None, True, torch_f=bag, grad=False)
    f.case("embedding_bag", f.t(4, 3), index, ends, 1.0, 2.0, None, "sum", torch_f=bag)
    f.case("embedding_bag", f.t(4, 3), index, ends, torch_f=bag)
    f.case("embedding_bag", f.t(4, 3), X([], [0]), X([0, 0]), None, None, None, "sum", torch_f=bag)
    f.write("rows of tables, one by one and in bags")


def noise():
    f = Family("noise")
    for op, ranks in (("dropout1d", (2, 3)), ("dropout2d", (3, 4)), ("dropout3d", (4, 5))):
        for rank in ranks:
            f.case(op, f.t(*[2] * rank), 0.5, False)
            f.case(op, f.t(*[2] * rank), 0.0, True)
            f.case(op, f.t(*[2] * rank), 1.0, True)
            f.case(op, f.t(*[2] * rank, d="float32"), 0.5, False)
    for op in ("alpha_dropout", "feature_alpha_dropout"):
        for d in FLOATS:
            f.case(op, f.t(2, 3, d=d), torch_f=getattr(F, op))
        f.case(op, f.t(2, 3), 0.5, False)
        f.case(op, f.t(2, 3), 0.0, True)
        f.case(op, f.t(2, 3, 2), 1.0, True)
        f.case(op, f.t(0, 3), 0.5, True)
    for d in FLOATS:
        f.case("rrelu", f.t(2, 3, d=d), torch_f=F.rrelu)
    f.case("rrelu", f.t(2, 3), 0.25, 0.5)
    f.case("rrelu", f.t(2, 3), 0.5, 0.5, True)
    f.case("rrelu", f.t(), 0.25, 0.25, True)
    f.case("rrelu", V([NAN, INF, -INF, 0.0, -0.0]), 0.25, 0.5)
    f.case("rrelu", f.t(0), 0.1, 0.2, True)
    f.write("layers that draw random numbers, while they draw none that matters")


FAMILIES = [margin, ctc, cross_entropy, linear_cross_entropy, embedding, noise]
