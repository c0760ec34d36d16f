"""cases_schedules.py: the rates, and momenta, that PyTorch's schedules give two groups, step by step."""
import math
import warnings

import torch
from torch.optim import lr_scheduler, swa_utils

from record import Family

warnings.simplefilter("ignore")


class F:
    """A function: Python's, and its text in Lua."""

    def __init__(self, call, text):
        self.call, self.text = call, text


class S:
    """A schedule among the arguments."""

    def __init__(self, name, *args, **options):
        self.name, self.args, self.options = name, args, options


def build(x, optimizer):
    if isinstance(x, F):
        return x.call
    if isinstance(x, S):
        kind = getattr(lr_scheduler, x.name, None) or getattr(swa_utils, x.name)
        args = [build(a, optimizer) for a in x.args]
        options = {k: build(v, optimizer) for k, v in x.options.items()}
        return kind(*args, **options) if x.name == "ChainedScheduler" else kind(optimizer, *args, **options)
    return [build(v, optimizer) for v in x] if isinstance(x, list) else x


def text(x):
    if isinstance(x, F):
        return x.text
    if isinstance(x, S):
        return f"{{ schedule = \"{x.name}\", {arguments(x)} }}"
    if isinstance(x, list):
        return "{ " + ", ".join(text(v) for v in x) + " }"
    if isinstance(x, bool):
        return "true" if x else "false"
    if isinstance(x, str):
        return f'"{x}"'
    return "math.huge" if x == math.inf else repr(x)


def arguments(s):
    options = ", ".join(f"{k} = {text(v)}" for k, v in s.options.items())
    return f"args = {{ {', '.join(text(a) for a in s.args)} }}, options = {{ {options} }}"


def schedules():
    f = Family("schedules")

    def case(schedule, steps=24, kind="SGD", epochs=None, measures=None):
        a, b = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
        given = {"momentum": 0.9} if kind == "SGD" else {}
        optimizer = getattr(torch.optim, kind)([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1, **given)
        s = build(schedule, optimizer)
        rates, momenta = [], []

        def note():
            rates.append([g["lr"] for g in optimizer.param_groups])
            momenta.append([g["momentum"] if kind == "SGD" else g["betas"][0] for g in optimizer.param_groups])

        note()
        for k in range(steps):
            optimizer.step()
            if measures is not None:
                s.step(measures[k])
            elif epochs is not None:
                s.step(epochs[k])
            else:
                s.step()
            note()
        more = f", measures = {text(measures)}" if measures else f", epochs = {text(epochs)}" if epochs else ""
        f.line(f'{{ "{schedule.name}", "{kind}", {arguments(schedule)}{more},\n  rates = {text(rates)},\n'
               f"  momenta = {text(momenta)} }},")

    falling = F(lambda e: 0.95**e, "function(e) return 0.95 ^ e end")
    flat = F(lambda e: 1 / (1 + e), "function(e) return 1 / (1 + e) end")
    case(S("LambdaLR", falling))
    case(S("LambdaLR", [falling, flat]))
    case(S("MultiplicativeLR", F(lambda e: 0.9, "function() return 0.9 end")))
    case(S("MultiplicativeLR", [falling, flat]))
    case(S("StepLR", 5))
    case(S("StepLR", 3, gamma=0.5))
    case(S("StepLR", 3, gamma=0.5), epochs=[1, 2, 3, 7, 5, 20], steps=6)
    case(S("MultiStepLR", [3, 8, 8, 15]))
    case(S("MultiStepLR", [4], gamma=0.5), epochs=[1, 4, 2], steps=3)
    case(S("ConstantLR"))
    case(S("ConstantLR", factor=0.25, total_iters=9))
    case(S("LinearLR"))
    case(S("LinearLR", start_factor=0.5, end_factor=0.125, total_iters=12))
    case(S("ExponentialLR", 0.9))
    case(S("ExponentialLR", 0.9), epochs=[3, 1, 9], steps=3)
    case(S("PolynomialLR"))
    case(S("PolynomialLR", total_iters=11, power=2.5))
    case(S("CosineAnnealingLR", 7), steps=40)
    case(S("CosineAnnealingLR", 10, eta_min=0.01), steps=30)
    case(S("CosineAnnealingLR", 10, eta_min=0.01), epochs=[3, 10, 17], steps=3)
    case(S("CosineAnnealingWarmRestarts", 5), steps=30)
    case(S("CosineAnnealingWarmRestarts", 3, T_mult=2, eta_min=0.01), steps=40)
    case(S("CosineAnnealingWarmRestarts", 4, T_mult=3), epochs=[0.25, 1.5, 3.75, 4.0, 9.5, 17.25, 2.5], steps=7)
    case(S("CyclicLR", 0.01, 0.2, step_size_up=5), steps=30)
    case(S("CyclicLR", [0.01, 0.05], [0.2, 0.9], step_size_up=3, step_size_down=7, mode="triangular2"), steps=40)
    case(S("CyclicLR", 0.01, 0.2, step_size_up=4, mode="exp_range", gamma=0.97, base_momentum=0.5), steps=30)
    case(S("CyclicLR", 0.01, 0.2, step_size_up=4, cycle_momentum=False, scale_mode="iterations", scale_fn=flat))
    case(S("CyclicLR", 0.01, 0.2, step_size_up=4), kind="Adam")
    case(S("OneCycleLR", 0.5, total_steps=20), steps=19)
    case(S("OneCycleLR", [0.5, 1.0], epochs=4, steps_per_epoch=6, anneal_strategy="linear", pct_start=0.25), steps=23)
    case(S("OneCycleLR", 0.5, total_steps=24, three_phase=True, div_factor=10.0, final_div_factor=100.0), steps=23)
    case(S("OneCycleLR", 0.5, total_steps=15, max_momentum=0.99), kind="Adam", steps=14)
    case(S("OneCycleLR", 0.5, total_steps=15, cycle_momentum=False), steps=14)
    measures = [5.0, 4.0, 4.0, 4.0, 4.0, 3.9, 3.9, 3.9, 3.9, 3.9, 3.9, 3.9, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5]
    case(S("ReduceLROnPlateau", patience=2), measures=measures, steps=20)
    case(S("ReduceLROnPlateau", factor=0.5, patience=1, cooldown=2, min_lr=[0.03, 0.2]), measures=measures, steps=20)
    case(S("ReduceLROnPlateau", mode="max", patience=3, threshold=0.2, threshold_mode="abs"), measures=measures, steps=20)
    case(S("ReduceLROnPlateau", patience=0, eps=0.02), measures=measures, steps=20)
    case(S("SequentialLR", [S("ConstantLR", factor=0.1, total_iters=4), S("ExponentialLR", 0.9)], [4]))
    case(S("SequentialLR", [S("LinearLR", start_factor=0.1, total_iters=5), S("CosineAnnealingLR", 10), S("StepLR", 2)],
           [5, 15]), steps=24)
    case(S("SequentialLR", [S("LambdaLR", flat), S("CosineAnnealingWarmRestarts", 4)], [6]))
    case(S("ChainedScheduler", [S("ConstantLR", factor=0.1, total_iters=4), S("ExponentialLR", 0.9)]))
    case(S("SWALR", 0.05))
    case(S("SWALR", [0.05, 0.4], anneal_epochs=5, anneal_strategy="linear"))
    case(S("SWALR", 0.05, anneal_epochs=0), steps=4)
    f.write("learning rates step by step")


FAMILIES = [schedules]
