"""cases_update.py: three steps of PyTorch's optimizers on two parameters: what they and their state hold afterwards."""
import torch

from record import Family, T, lua, tensor_text

SHAPES = [(2, 3), (5,)]
STEPS = 3


def parameters(d):
    return [T(*shape, d=d, seed=i + 1).build().requires_grad_() for i, shape in enumerate(SHAPES)]


def gradient(step, i, d):
    return T(*SHAPES[i], d=d, seed=10 * step + i).build()


def lua_options(options):
    return ", ".join(f"{k} = {lua(v)}" for k, v in options.items())


def texts(tensors):
    return "{" + ", ".join('"' + tensor_text(t) + '"' for t in tensors) + "}"


def run(f, name, kind, given, state, d="float64", **options):
    params = parameters(d)
    optimizer = kind(params, **given)
    for step in range(1, STEPS + 1):
        for i, p in enumerate(params):
            p.grad = gradient(step, i, d)
        optimizer.step()
    kept = ", ".join(texts([optimizer.state[p][s] for p in params]) for s in state)
    f.line(f'{{"{name}", "{d}", {{ {lua_options(options)} }}, {texts(params)}, {kept}}},')


def update():
    f = Family("update")

    def adam(decoupled=False, amsgrad=False, beta1=0.9, beta2=0.999, d="float64", **rest):
        kind = torch.optim.AdamW if decoupled else torch.optim.Adam
        state = ["exp_avg", "exp_avg_sq"] + (["max_exp_avg_sq"] if amsgrad else [])
        given = dict(rest, betas=(beta1, beta2), amsgrad=amsgrad)
        given.setdefault("weight_decay", 0.0)
        run(f, "adam_", kind, given, state, d, decoupled=decoupled, beta1=beta1, beta2=beta2, **rest)

    def sgd(momentum=0.0, d="float64", **given):
        state = ["momentum_buffer"] if momentum else []
        run(f, "sgd_", torch.optim.SGD, dict(given, momentum=momentum), state, d, momentum=momentum, **given)

    adam(lr=0.1)
    adam(lr=0.1, d="float32")
    adam(lr=0.01, beta1=0.5, beta2=0.9, eps=0.001)
    adam(lr=0.1, weight_decay=0.25)
    adam(lr=0.1, weight_decay=0.25, decoupled=True)
    adam(lr=0.1, amsgrad=True)
    adam(lr=0.1, maximize=True, weight_decay=0.5)
    sgd(lr=0.1)
    sgd(lr=0.1, weight_decay=0.25)
    sgd(lr=0.1, momentum=0.9)
    sgd(lr=0.1, momentum=0.9, d="float32")
    sgd(lr=0.1, momentum=0.5, dampening=0.25, weight_decay=0.125)
    sgd(lr=0.1, momentum=0.9, nesterov=True)
    sgd(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.5)
    sgd(lr=0.1, momentum=0.9, maximize=True)
    f.write("steps of optimizers")


FAMILIES = [update]
