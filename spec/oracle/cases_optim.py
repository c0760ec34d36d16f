"""cases_optim.py: a dozen steps of PyTorch's optimizers on three parameters: what they and their state hold."""
import torch

from record import Family, T, lua, tensor_text

SHAPES = [(2, 3), (5,), (3, 2, 2)]
SHOWN = [1, 2, 6, 12]


def parameters(d, shapes):
    return [T(*shape, d=d, seed=i + 1).build().requires_grad_() for i, shape in enumerate(shapes)]


def gradient(step, i, p):
    """Depends on the parameter, so that a difference grows; the second parameter has none at each fifth step."""
    if i == 1 and step % 5 == 4:
        return None
    return T(*p.shape, d=str(p.dtype)[6:], seed=10 * step + i).build() * 0.5 + p.detach() * 0.25


def option_text(v):
    if isinstance(v, tuple):
        return "{ " + ", ".join("nil" if x is None else repr(x) for x in v) + " }"
    return '"' + v + '"' if isinstance(v, str) else lua(v)


def options_text(options):
    return "{ " + ", ".join(f"{k} = {option_text(v)}" for k, v in options.items()) + " }"


def texts(tensors):
    return "{" + ", ".join('"' + tensor_text(t) + '"' for t in tensors) + "}"


def state_text(state):
    def value(v):
        if isinstance(v, torch.Tensor):
            return repr(v.item()) if v.ndim == 0 else '"' + tensor_text(v) + '"'
        return lua(v)

    return "{ " + ", ".join(f"{k} = {value(v)}" for k, v in state.items() if v is not None) + " }"


def optim():
    f = Family("optim")

    def case(name, d="float64", groups=None, shapes=SHAPES, **options):
        params = parameters(d, shapes)
        given = params
        if groups:
            given = [dict(g, params=[params[k] for k in g["params"]]) for g in groups]
        optimizer = getattr(torch.optim, name)(given, **options)
        shown = []
        for step in range(1, SHOWN[-1] + 1):
            for i, p in enumerate(params):
                p.grad = gradient(step, i, p)
            optimizer.step()
            if step in SHOWN:
                shown.append(f"[{step}] = {texts(params)}")
        states = ", ".join(state_text(optimizer.state[p]) for p in params)
        called = "{}" if not groups else "{ " + ", ".join(
            options_text(dict(g, params=tuple(k + 1 for k in g["params"]))) for g in groups) + " }"
        shaped = "" if shapes is SHAPES else ", shapes = {" + ", ".join(
            "{ " + ", ".join(map(str, s)) + " }" for s in shapes) + "}"
        f.line(f'{{ "{name}", "{d}", {options_text(options)}, groups = {called}{shaped},\n'
               f'  shown = {{ {", ".join(shown)} }},\n  states = {{ {states} }} }},')

    def both(name, **options):
        case(name, **options)
        case(name, d="float32", **options)

    two = [{"params": [0, 2]}, {"params": [1], "lr": 0.3, "weight_decay": 0.125}]
    both("SGD")
    case("SGD", lr=0.1, momentum=0.9)
    case("SGD", lr=0.1, momentum=0.9, dampening=0.25, weight_decay=0.1)
    both("SGD", lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1)
    case("SGD", lr=0.05, momentum=0.5, maximize=True, weight_decay=0.1)
    case("SGD", lr=0.1, groups=[{"params": [0], "momentum": 0.9}, {"params": [1, 2], "lr": 0.01, "maximize": True}])
    for name in ("Adam", "AdamW"):
        both(name)
        case(name, lr=0.1, betas=(0.5, 0.75), eps=1e-3)
        case(name, lr=0.1, betas=(0.25, 0.9), weight_decay=0.25)
        case(name, lr=0.1, amsgrad=True, weight_decay=0.1)
        case(name, lr=0.1, maximize=True, amsgrad=True)
        case(name, lr=0.1, groups=two)
    case("Adam", lr=0.1, weight_decay=0.25, decoupled_weight_decay=True)
    both("RMSprop")
    case("RMSprop", lr=0.05, alpha=0.5, eps=1e-2, weight_decay=0.1)
    case("RMSprop", lr=0.05, centered=True, maximize=True)
    case("RMSprop", lr=0.05, momentum=0.9, groups=two)
    both("RMSprop", lr=0.05, momentum=0.9, centered=True, weight_decay=0.1)
    both("Adagrad")
    case("Adagrad", lr=0.1, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.5, eps=1e-3)
    case("Adagrad", lr=0.1, maximize=True, groups=two)
    both("Adadelta")
    case("Adadelta", lr=0.5, rho=0.5, eps=1e-3, weight_decay=0.1)
    case("Adadelta", maximize=True, groups=two)
    both("Adamax")
    case("Adamax", lr=0.1, betas=(0.4, 0.8), eps=1e-2, weight_decay=0.1)
    case("Adamax", lr=0.1, maximize=True, groups=two)
    both("NAdam")
    case("NAdam", lr=0.1, betas=(0.5, 0.8), eps=1e-3, weight_decay=0.1, momentum_decay=0.1)
    case("NAdam", lr=0.1, weight_decay=0.1, decoupled_weight_decay=True, maximize=True)
    case("NAdam", lr=0.1, groups=two)
    both("RAdam")
    case("RAdam", lr=0.1, betas=(0.5, 0.8), eps=1e-3, weight_decay=0.1)
    case("RAdam", lr=0.1, betas=(0.8, 0.9), weight_decay=0.1, decoupled_weight_decay=True, maximize=True)
    case("RAdam", lr=0.1, betas=(0.8, 0.95), groups=two)
    both("Rprop")
    case("Rprop", lr=0.1, etas=(0.25, 1.5), step_sizes=(0.05, 0.2), maximize=True)
    both("ASGD")
    case("ASGD", lr=0.1, lambd=0.01, alpha=0.5, t0=3, weight_decay=0.1)
    case("ASGD", lr=0.1, t0=0, maximize=True, groups=two)
    wide = [(2, 3), (5,), (3, 2, 2), (), (1, 4)]
    case("Adafactor", shapes=wide)
    case("Adafactor", d="float32", shapes=wide)
    case("Adafactor", lr=0.1, beta2_decay=-0.5, eps=(1e-3, 1e-2), weight_decay=0.1)
    case("Adafactor", lr=0.1, maximize=True, groups=two)
    flat = [(3, 4), (5, 2), (4, 4)]
    for d in ("float64", "float32"):
        case("Muon", d=d, shapes=flat)
        case("Muon", d=d, shapes=flat, lr=0.1, momentum=0.5, nesterov=False, weight_decay=0.01)
        case("Muon", d=d, shapes=flat, lr=0.1, adjust_lr_fn="match_rms_adamw", ns_steps=3, eps=1e-3)
    f.write("a dozen steps of optimizers")


def rosenbrock(p):
    return ((1 - p[:-1]) ** 2 + 100 * (p[1:] - p[:-1] ** 2) ** 2).sum()


def quadratic(p):
    scale = torch.arange(1, p.numel() + 1, dtype=p.dtype)
    return (scale * (p - 0.5) ** 2).sum() + (p**4).sum() * 0.125


def lbfgs():
    f = Family("lbfgs")

    def case(function, start, steps, **options):
        p = torch.tensor(start, dtype=torch.float64, requires_grad=True)
        opt = torch.optim.LBFGS([p], **options)
        shown = []
        for _ in range(steps):
            def closure():
                opt.zero_grad()
                loss = function(p)
                loss.backward()
                return loss
            loss = opt.step(closure)
            s = opt.state[p]
            shown.append(f'{{ "{tensor_text(p)}", {loss.item()!r}, {s["n_iter"]}, {s["func_evals"]} }}')
        f.line(f'{{ "{function.__name__}", {lua(list(start))}, {options_text(options)}, {{ {", ".join(shown)} }} }},')

    for search in ({}, {"line_search_fn": "strong_wolfe"}):
        case(quadratic, (2.0, -1.0, 0.25), 3, max_iter=4, **search)
        case(quadratic, (2.0, -1.0, 0.25), 4, max_iter=3, lr=0.5, history_size=2, **search)
        case(quadratic, (2.0, -1.0, 0.25, 3.0), 2, **search)
    case(rosenbrock, (-1.5, 2.0), 4, max_iter=8, line_search_fn="strong_wolfe")
    case(rosenbrock, (-1.5, 2.0, 0.5), 3, max_iter=10, max_eval=12, history_size=3, line_search_fn="strong_wolfe")
    case(rosenbrock, (0.5, 0.25), 3, max_iter=5, lr=0.01)
    f.write("steps of LBFGS")


FAMILIES = [optim, lbfgs]
