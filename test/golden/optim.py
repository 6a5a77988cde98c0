"""Trajectories of optimizers and sequences of schedules from PyTorch 1.13, in float64: writes optim.json beside this script.

    /usr/bin/python3 test/golden/optim.py        (Debian: python3-torch)

The problem is that of test/optim/problem.ts, and `stream` that of test/ops/database.ts.
"""
import json
import os

import torch

from stream import stream

HERE = os.path.dirname(os.path.abspath(__file__))
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
STEPS = 30
EVERY = 5
EPOCHS = 200


def draw(name, *shape):
    numbers = stream(name)
    count = torch.Size(shape).numel()
    return torch.tensor([2 * next(numbers) - 1 for _ in range(count)]).float().double().reshape(shape)


def problem():
    weight, bias = draw("weight", 3, 5).requires_grad_(), draw("bias", 3).requires_grad_()
    x, y = draw("x", 16, 5), draw("y", 16, 3)

    def loss():
        return (torch.tanh(x @ weight.T + bias) - y).square().mean()

    return [weight, bias], loss


def flat(params):
    return [value for param in params for value in param.detach().reshape(-1).tolist()]


def trajectory(make):
    params, loss = problem()
    optimizer = make(params)
    states = []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        if (step + 1) % EVERY == 0:
            states.append(flat(params))
    return states


def lbfgs(**options):
    params, loss = problem()
    optimizer = torch.optim.LBFGS(params, **options)
    states, losses = [], []

    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    for _ in range(4):
        losses.append(float(optimizer.step(closure)))
        states.append(flat(params))
    evaluations = optimizer.state[params[0]]["func_evals"]
    return {"losses": losses, "states": states, "evaluations": evaluations}


O = torch.optim
# NAdam's single-tensor form in 1.13 multiplies its momentum schedule once too often; the other form follows the paper, as later
# versions do.
OPTIMIZERS = {
    "rmsprop": lambda p: O.RMSprop(p),
    "rmsprop centered, momentum": lambda p: O.RMSprop(p, lr=5e-3, alpha=0.9, eps=1e-6, centered=True, momentum=0.9, weight_decay=0.05),
    "rmsprop maximize": lambda p: O.RMSprop(p, momentum=0.5, maximize=True),
    "adagrad": lambda p: O.Adagrad(p, lr=0.1),
    "adagrad decay": lambda p: O.Adagrad(p, lr=0.1, lr_decay=0.1, weight_decay=0.05, initial_accumulator_value=0.5, eps=1e-6),
    "adadelta": lambda p: O.Adadelta(p),
    "adadelta rho": lambda p: O.Adadelta(p, lr=0.5, rho=0.8, eps=1e-4, weight_decay=0.05),
    "adamax": lambda p: O.Adamax(p, lr=0.02),
    "adamax betas": lambda p: O.Adamax(p, lr=0.02, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.05, maximize=True),
    "nadam": lambda p: O.NAdam(p, lr=0.02, foreach=True),
    "nadam decay": lambda p: O.NAdam(p, lr=0.02, betas=(0.8, 0.95), weight_decay=0.05, momentum_decay=0.01, foreach=True),
    "radam": lambda p: O.RAdam(p, lr=0.02),
    "radam betas": lambda p: O.RAdam(p, lr=0.02, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.05),
}

S = torch.optim.lr_scheduler


def sequence(make, momentum=None, base="sgd"):
    params, _ = problem()
    if base == "sgd":
        optimizer = O.SGD([{"params": [params[0]]}, {"params": [params[1]], "lr": 0.02}], lr=0.1, momentum=0.9)
    else:
        optimizer = O.Adam([{"params": [params[0]]}, {"params": [params[1]], "lr": 0.02}], lr=0.1)
    scheduler = make(optimizer)
    rates, momenta = [], []
    for _ in range(EPOCHS):
        rates.append([group["lr"] for group in optimizer.param_groups])
        group = optimizer.param_groups[0]
        if momentum is not None:
            momenta.append(group["momentum"] if base == "sgd" else group["betas"][0])
        optimizer.step()
        scheduler.step()
    # In most schedules the second group's rates follow the first's; the few that differ are kept.
    result = {"first": [rate[0] for rate in rates], "second": [rate[1] for rate in rates][:: EPOCHS // 8]}
    if momentum is not None:
        result["momentum"] = momenta[:: EPOCHS // 40]
    return result


def plateau(**options):
    params, _ = problem()
    optimizer = O.SGD(params, lr=0.1)
    scheduler = S.ReduceLROnPlateau(optimizer, **options)
    rates = []
    for metric in draw("metric", EPOCHS).tolist():
        scheduler.step(metric)
        rates.append(optimizer.param_groups[0]["lr"])
    return {"first": rates, "second": []}


SCHEDULES = {
    "StepLR": lambda: sequence(lambda o: S.StepLR(o, 30)),
    "MultiStepLR": lambda: sequence(lambda o: S.MultiStepLR(o, [20, 50, 50, 120], gamma=0.5)),
    "ConstantLR": lambda: sequence(lambda o: S.ConstantLR(o, factor=0.25, total_iters=40)),
    "LinearLR": lambda: sequence(lambda o: S.LinearLR(o, start_factor=0.1, end_factor=0.8, total_iters=150)),
    "ExponentialLR": lambda: sequence(lambda o: S.ExponentialLR(o, 0.97)),
    "PolynomialLR": lambda: sequence(lambda o: S.PolynomialLR(o, total_iters=150, power=2.0)),
    "CosineAnnealingLR": lambda: sequence(lambda o: S.CosineAnnealingLR(o, 45, eta_min=0.001)),
    "CosineAnnealingWarmRestarts": lambda: sequence(lambda o: S.CosineAnnealingWarmRestarts(o, 20, T_mult=2, eta_min=0.001)),
    "OneCycleLR": lambda: sequence(lambda o: S.OneCycleLR(o, [0.5, 0.2], total_steps=200), momentum=True),
    "OneCycleLR linear, three phases": lambda: sequence(
        lambda o: S.OneCycleLR(o, 0.5, epochs=20, steps_per_epoch=10, anneal_strategy="linear", three_phase=True),
        momentum=True,
        base="adam",
    ),
    "CyclicLR": lambda: sequence(lambda o: S.CyclicLR(o, 0.01, 0.1, step_size_up=15, step_size_down=25), momentum=True),
    "CyclicLR triangular2": lambda: sequence(
        lambda o: S.CyclicLR(o, [0.01, 0.02], 0.1, step_size_up=20, mode="triangular2"), momentum=True
    ),
    "CyclicLR exp_range": lambda: sequence(
        lambda o: S.CyclicLR(o, 0.01, 0.1, step_size_up=20, mode="exp_range", gamma=0.99), momentum=True
    ),
    "LambdaLR": lambda: sequence(lambda o: S.LambdaLR(o, [lambda t: 0.95**t, lambda t: 1 / (1 + t)])),
    "MultiplicativeLR": lambda: sequence(lambda o: S.MultiplicativeLR(o, lambda t: 0.95 if t % 2 else 1.01)),
    "SequentialLR": lambda: sequence(
        lambda o: S.SequentialLR(
            o,
            [S.ConstantLR(o, factor=0.1, total_iters=10), S.CosineAnnealingLR(o, 60), S.ExponentialLR(o, 0.95)],
            milestones=[10, 100],
        )
    ),
    "SequentialLR after cycles": lambda: sequence(
        lambda o: S.SequentialLR(
            o, [S.CyclicLR(o, [0.01, 0.03], 0.2, step_size_up=5), S.CosineAnnealingLR(o, 60)], milestones=[20]
        )
    ),
    "ChainedScheduler": lambda: sequence(
        lambda o: S.ChainedScheduler([S.ConstantLR(o, factor=0.1, total_iters=30), S.ExponentialLR(o, 0.98)])
    ),
    "WarmupLR": lambda: sequence(
        lambda o: S.SequentialLR(
            o, [S.LinearLR(o, start_factor=0.001, total_iters=25), S.CosineAnnealingLR(o, 175)], milestones=[25]
        )
    ),
    "ReduceLROnPlateau": lambda: plateau(patience=4, factor=0.5, cooldown=3, min_lr=1e-4),
    "ReduceLROnPlateau max": lambda: plateau(mode="max", threshold_mode="abs", threshold=0.01, patience=9),
}


# Short periods, so that the tests resume a schedule in each of its phases. 1.13's warm restarts are wrong after the second restart.
RESUMED = {
    "StepLR": lambda o, e: S.StepLR(o, 4, last_epoch=e),
    "MultiStepLR": lambda o, e: S.MultiStepLR(o, [2, 5, 5, 12], gamma=0.5, last_epoch=e),
    "ConstantLR": lambda o, e: S.ConstantLR(o, factor=0.25, total_iters=4, last_epoch=e),
    "LinearLR": lambda o, e: S.LinearLR(o, start_factor=0.1, end_factor=0.8, total_iters=9, last_epoch=e),
    "ExponentialLR": lambda o, e: S.ExponentialLR(o, 0.97, last_epoch=e),
    "PolynomialLR": lambda o, e: S.PolynomialLR(o, total_iters=15, power=2.0, last_epoch=e),
    "CosineAnnealingLR": lambda o, e: S.CosineAnnealingLR(o, 5, eta_min=0.001, last_epoch=e),
    "CosineAnnealingLR without a least rate": lambda o, e: S.CosineAnnealingLR(o, 4, last_epoch=e),
    "CosineAnnealingWarmRestarts": lambda o, e: S.CosineAnnealingWarmRestarts(o, 5, T_mult=2, eta_min=0.001, last_epoch=e),
    "OneCycleLR": lambda o, e: S.OneCycleLR(o, [0.5, 0.2], total_steps=30, last_epoch=e),
    "CyclicLR": lambda o, e: S.CyclicLR(o, 0.01, 0.1, step_size_up=3, step_size_down=4, last_epoch=e),
    "CyclicLR triangular2": lambda o, e: S.CyclicLR(o, [0.01, 0.02], 0.1, step_size_up=2, mode="triangular2", last_epoch=e),
    "LambdaLR": lambda o, e: S.LambdaLR(o, [lambda t: 0.95**t, lambda t: 1 / (1 + t)], last_epoch=e),
    "MultiplicativeLR": lambda o, e: S.MultiplicativeLR(o, lambda t: 0.95 if t % 2 else 1.01, last_epoch=e),
    "ChainedScheduler": lambda o, e: S.ChainedScheduler(
        [S.CosineAnnealingLR(o, 6, last_epoch=e), S.ExponentialLR(o, 0.98, last_epoch=e)]
    ),
}


def resumed(make, last_epoch, loaded):
    """Rates and momentum of the next four steps of a schedule made with last_epoch, on a loaded optimizer or on a fresh one."""

    def groups():
        return O.SGD([{"params": [torch.zeros(1)]}, {"params": [torch.zeros(1)], "lr": 0.02}], lr=0.1, momentum=0.9)

    optimizer = groups()
    scheduler = make(optimizer, -1)
    initial = [{**group} for group in optimizer.param_groups]
    if loaded:
        for _ in range(last_epoch + 1):
            optimizer.step()
            scheduler.step()
    state = optimizer.state_dict()
    optimizer = groups()
    if loaded:
        optimizer.load_state_dict(state)
    else:
        for group, first in zip(optimizer.param_groups, initial):
            group.update({key: value for key, value in first.items() if key not in ("params", "lr")})
    scheduler = make(optimizer, last_epoch)
    rates = []
    for _ in range(4):
        first, second = optimizer.param_groups
        rates.append([float(f"{value:.14g}") for value in (first["lr"], second["lr"], first["momentum"])])
        optimizer.step()
        scheduler.step()
    return rates


def main():
    golden = {
        "optimizers": {name: trajectory(make) for name, make in OPTIMIZERS.items()},
        "lbfgs": {
            "fixed": lbfgs(lr=0.5, max_iter=4),
            "strongWolfe": lbfgs(max_iter=6, history_size=3, line_search_fn="strong_wolfe"),
            "far": lbfgs(lr=30, max_iter=6, line_search_fn="strong_wolfe"),
        },
        "schedules": {name: make() for name, make in SCHEDULES.items()},
        "resumed": {
            name: {
                kind: [resumed(make, last_epoch, kind == "loaded") for last_epoch in range(14)]
                for kind in ("loaded", "fresh")
            }
            for name, make in RESUMED.items()
        },
    }
    with open(os.path.join(HERE, "optim.json"), "w") as file:
        json.dump(golden, file, separators=(",", ":"))


main()
