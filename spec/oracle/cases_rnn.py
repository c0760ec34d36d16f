"""cases_rnn.py: what record.py asks PyTorch of recurrent layers and cells.

Of 16-bit floats PyTorch rounds after every step of a product; recorded is what it gives in float32, rounded once."""
import torch

from record import FLOATS, C, Family, V

GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3}
nan, inf = float("nan"), float("inf")


def wide(x):
    if isinstance(x, (list, tuple)):
        return [wide(i) for i in x]
    return x.float() if isinstance(x, torch.Tensor) and x.dtype in (torch.float16, torch.bfloat16) else x


def asked(op):
    """PyTorch's function with our arguments: states may be None, and batch_sizes stand at the end."""

    def f(x, hx, params, biases=True, layers=1, dropout=0.0, train=False, both=False, batch_first=False, sizes=None):
        d, n = x.dtype, layers * (2 if both else 1)
        x, hx, params = wide(x), wide(hx), wide(params)
        gates, shown = params[1].shape
        hidden = gates // GATES[op]
        batch = int(sizes[0]) if sizes is not None else x.shape[0 if batch_first else 1] if x.dim() == 3 else 1
        single = sizes is None and x.dim() == 2
        if hx is None:
            zeros = [torch.zeros(n, batch, k, dtype=x.dtype) for k in (shown, hidden)]
            hx = zeros if op == "lstm" else zeros[0]
        elif single:
            hx = [h.unsqueeze(1) for h in hx] if op == "lstm" else hx.unsqueeze(1)
        if single:
            x = x.unsqueeze(0 if batch_first else 1)
        tail = (params, biases, layers, dropout, train, both)
        call = getattr(torch, op)
        out = call(x, sizes, hx, *tail) if sizes is not None else call(x, hx, *tail, batch_first)
        out = list(out)
        if single:
            out = [out[0].squeeze(0 if batch_first else 1)] + [s.squeeze(1) for s in out[1:]]
        return [o.to(d) for o in out]

    return f


def asked_cell(op):
    def f(x, hx, *weights):
        d = x.dtype
        x, hx, weights = wide(x), wide(hx), wide(weights)
        single = x.dim() == 1
        if single:
            x = x.unsqueeze(0)
            hx = [h.unsqueeze(0) for h in hx] if op == "lstm_cell" else hx.unsqueeze(0)
        out = getattr(torch, op)(x, hx, *weights)
        out = list(out) if op == "lstm_cell" else [out]
        return [(o.squeeze(0) if single else o).to(d) for o in out]

    return f


def rnn():
    f = Family("rnn")
    for op in GATES:
        layers_of(f, op)
    for op in GATES:
        cells_of(f, op)
    f.write("recurrent layers and cells")


def layers_of(f, op):
    call = asked(op)

    def params(width, hidden, biases=True, layers=1, both=False, shown=None, d="float64"):
        g, out, n = GATES[op] * hidden, shown or hidden, 2 if both else 1
        found = []
        for layer in range(layers):
            for _ in range(n):
                found += [f.t(g, n * out if layer else width, lo=-1, hi=1, d=d), f.t(g, out, lo=-1, hi=1, d=d)]
                found += [f.t(g, d=d), f.t(g, d=d)] if biases else []
                found += [f.t(shown, hidden, lo=-1, hi=1, d=d)] if shown else []
        return found

    def states(*shape, d="float64", hidden=None):
        h = f.t(*shape, lo=-1, hi=1, d=d)
        return [h, f.t(*shape[:-1], hidden or shape[-1], lo=-1, hi=1, d=d)] if op == "lstm" else h

    def case(*args, grad=True):
        f.case(op, *args, torch_f=call, grad=grad)

    def sizes(*n):
        return C(list(n), d="int64")

    case(f.t(3, 2, 3), states(1, 2, 2), params(3, 2))
    case(f.t(2, 3, 2), states(4, 2, 3), params(2, 3, False, 2, True), False, 2, 0.0, False, True, True)
    case(f.t(2, 3, 2), None, params(2, 3), True, 1, 0.0, True)
    case(f.t(4, 3), states(1, 2), params(3, 2))
    case(f.t(4, 3), states(2, 2), params(3, 2, True, 1, True), True, 1, 0.0, False, True, True)
    case(f.t(6, 3), states(1, 3, 2), params(3, 2), True, 1, 0.0, False, False, False, sizes(3, 3))
    case(f.t(6, 3), states(1, 3, 2), params(3, 2), True, 1, 0.0, False, False, False, sizes(3, 2, 1))
    case(f.t(9, 2), states(4, 4, 3), params(2, 3, True, 2, True), True, 2, 0.0, False, True, False, sizes(4, 2, 2, 1))
    case(f.t(9, 2), None, params(2, 3, False, 1, True), False, 1, 0.0, False, True, False, sizes(5, 2, 1, 1))
    case(f.t(1, 1, 1), states(1, 1, 1), params(1, 1))
    case(f.t(1, 3, 2), states(1, 3, 1), params(2, 1))
    case(f.t(2, 0, 2), states(1, 0, 3), params(2, 3))
    case(f.t(2, 2, 1), states(1, 2, 9), params(1, 9, False), False)
    case(f.t(2, 5, 2), None, params(2, 17), True, grad=False)
    case(V([nan, 1.0, 2.0, 3.0], [2, 2, 1]), states(1, 2, 2), params(1, 2), grad=False)
    case(V([inf, -inf, 1e300, -1e300], [4, 1, 1]), states(1, 1, 1), params(1, 1), grad=False)
    if op == "lstm":
        case(f.t(3, 2, 3), states(1, 2, 2, hidden=4), params(3, 4, shown=2))
        case(f.t(2, 2, 3), None, params(3, 4, False, shown=3), False)
        case(f.t(2, 2, 2), states(4, 2, 1, hidden=3), params(2, 3, True, 2, True, 1), True, 2, 0.0, False, True)
        case(f.t(6, 2), states(2, 3, 2, hidden=3), params(2, 3, True, 1, True, 2), True, 1, 0.0, False, True, False,
             sizes(3, 2, 1))
    for d in FLOATS[1:]:
        case(f.t(3, 2, 3, d=d), states(1, 2, 2, d=d), params(3, 2, d=d))
        case(f.t(3, 2, 3, d=d), None, params(3, 2, True, 2, True, d=d), True, 2, 0.0, False, True)
    case(f.t(2, 4, 7, lo=-1, hi=1, d="float32"), None, params(7, 40, d="float32"))


def cells_of(f, layer):
    op = layer + "_cell"
    call = asked_cell(op)

    def case(batch, width, hidden, biases=True, d="float64", x=None):
        g = GATES[layer] * hidden
        shape = [batch] if batch is not None else []
        h = f.t(*shape, hidden, lo=-1, hi=1, d=d)
        hx = [h, f.t(*shape, hidden, lo=-1, hi=1, d=d)] if layer == "lstm" else h
        rest = [f.t(g, width, lo=-1, hi=1, d=d), f.t(g, hidden, lo=-1, hi=1, d=d)]
        rest += [f.t(g, d=d), f.t(g, d=d)] if biases else []
        f.case(op, x or f.t(*shape, width, d=d), hx, *rest, torch_f=call, grad=x is None)

    case(2, 3, 2)
    case(2, 3, 2, False)
    case(None, 3, 2)
    case(None, 1, 1, False)
    case(1, 1, 1)
    case(0, 3, 2)
    case(5, 2, 4)
    case(3, 1, 6, False)
    case(2, 1, 2, x=V([nan, 1.0], [2, 1]))
    case(2, 1, 2, x=V([inf, -1e300], [2, 1]))
    for d in FLOATS[1:]:
        case(3, 2, 4, d=d)


FAMILIES = [rnn]
