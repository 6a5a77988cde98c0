"""The scale of torch.cuda.amp.GradScaler over steps, some of which overflow: writes gradScaler.json beside this script.

    /usr/bin/python3 test/golden/gradScaler.py        (Debian: python3-torch)

PyTorch 1.13 has GradScaler's kernels only for CUDA. `unscale` and `update` below repeat what
`_amp_foreach_non_finite_check_and_unscale_` and `_amp_update_scale_` in aten/src/ATen/native/cuda/AmpKernels.cu compute, in float32.
Everything else, including the skipped step, comes from torch.optim.
"""
import json
import os

import torch

from stream import stream

HERE = os.path.dirname(os.path.abspath(__file__))
torch.set_num_threads(1)
STEPS = 24
OVERFLOWS = {2: float("inf"), 3: float("nan"), 9: float("-inf"), 10: float("inf"), 11: float("inf"), 20: float("nan")}
RULES = {
    "default": dict(initScale=65536.0, growth=2.0, backoff=0.5, interval=2000),
    "quick": dict(initScale=1024.0, growth=2.0, backoff=0.5, interval=2),
    "other factors": dict(initScale=1000.0, growth=1.5, backoff=0.3, interval=3),
}
# NAdam: see optim.py.
OPTIMIZERS = {
    "SGD momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.1),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.05),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.1),
    "Adamax": lambda p: torch.optim.Adamax(p, lr=0.05),
    "NAdam": lambda p: torch.optim.NAdam(p, lr=0.05, foreach=True),
    "RAdam": lambda p: torch.optim.RAdam(p, lr=0.05),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=0.05, lr_decay=0.1, initial_accumulator_value=0.5),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.05, momentum=0.9, centered=True),
    "Adadelta": lambda p: torch.optim.Adadelta(p),
}


def draw(name, *shape):
    numbers = stream(name)
    return torch.tensor([2 * next(numbers) - 1 for _ in range(torch.Size(shape).numel())]).float().reshape(shape)


def unscale(gradient, scale):
    found = not bool(torch.isfinite(gradient).all())
    return gradient * (1 / scale.double()).float(), found


def update(scale, tracker, found, growth, backoff, interval, **_):
    if found:
        return scale * backoff, 0
    if tracker + 1 < interval:
        return scale, tracker + 1
    grown = scale * growth
    return (grown if bool(torch.isfinite(grown)) else scale), 0


def trajectory(make, rule):
    param = draw("param", 7).double().requires_grad_()
    optimizer = make([param])
    scale, tracker = torch.tensor(rule["initScale"], dtype=torch.float32), 0
    scales, trackers, params = [], [], []
    for step in range(STEPS):
        gradient = draw(f"gradient {step}", 7) * scale
        if step in OVERFLOWS:
            gradient[step % 7] = OVERFLOWS[step]
        gradient, found = unscale(gradient, scale)
        if not found:
            param.grad = gradient.double()
            optimizer.step()
        scale, tracker = update(scale, tracker, found, **rule)
        scales.append(scale.item())
        trackers.append(tracker)
        params.append(param.detach().tolist())
    return dict(scales=scales, trackers=trackers, params=params)


result = {}
for rule_name, rule in RULES.items():
    for name, make in OPTIMIZERS.items():
        if rule_name == "default" or name == "Adam":
            result[f"{name}, {rule_name}"] = trajectory(make, rule)
with open(os.path.join(HERE, "gradScaler.json"), "w") as file:
    json.dump({"rules": RULES, "overflows": {str(k): str(v) for k, v in OVERFLOWS.items()}, "runs": result}, file)
    file.write("\n")
