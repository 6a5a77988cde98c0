"""Golden values for pruning and weight averaging, from torch.nn.utils.prune and torch.optim.swa_utils of PyTorch 1.13, in float64.

    /usr/bin/python3 test/golden/adapting.py        (Debian: python3-torch)

Writes adapting.json beside this script. The cases are those of test/nn/prune.test.ts and test/optim/averaged.test.ts; values are drawn by
the stream that test/ops/database.ts uses.
"""
import copy
import ctypes
import json
import math
import os

import torch
from torch import nn
from torch.nn.utils import prune
from torch.optim import swa_utils

from stream import stream

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))


def draw(name, shape, low=-1, high=1):
    source = stream(name)
    values = [ctypes.c_float(low + next(source) * (high - low)).value for _ in range(math.prod(shape))]
    return torch.tensor(values).reshape(shape)


def fill(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(draw(name, parameter.shape))
    return model


def flat(tensor):
    return tensor.detach().reshape(-1).tolist()


def conv():
    return fill(nn.Sequential(nn.Conv2d(2, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(20, 3)))


def custom(shape):
    return (draw("custom", shape) > -0.3).double()


def two(model):
    return [(model[0], "weight"), (model[3], "weight"), (model[3], "bias")]


def globally(model, amount, scores=None):
    prune.global_unstructured(two(model), prune.L1Unstructured, amount=amount, importance_scores=scores)


SCORES = "scores"
PRUNE = {
    "l1": [lambda m: prune.l1_unstructured(m[0], "weight", 0.3)],
    "l1 half to even": [lambda m: prune.l1_unstructured(m[3], "bias", 0.5), lambda m: prune.l1_unstructured(m[0], "weight", 0.25)],
    "l1 count": [lambda m: prune.l1_unstructured(m[0], "weight", 7)],
    "l1 twice": [lambda m: prune.l1_unstructured(m[0], "weight", 0.3), lambda m: prune.l1_unstructured(m[0], "weight", 0.4)],
    "l1 by scores": [lambda m: prune.l1_unstructured(m[0], "weight", 0.3, importance_scores=draw(SCORES, [5, 2, 3, 3]))],
    "l1 dim 0": [lambda m: prune.ln_structured(m[0], "weight", 2, 1, 0)],
    "l2 dim 0": [lambda m: prune.ln_structured(m[0], "weight", 0.4, 2, 0)],
    "l2 dim 1": [lambda m: prune.ln_structured(m[0], "weight", 0.5, 2, 1)],
    "l2 last dim": [lambda m: prune.ln_structured(m[3], "weight", 0.35, 2, -1)],
    "largest, dim 0": [lambda m: prune.ln_structured(m[0], "weight", 2, math.inf, 0)],
    "smallest, dim 0": [lambda m: prune.ln_structured(m[0], "weight", 2, -math.inf, 0)],
    "channels twice": [
        lambda m: prune.ln_structured(m[0], "weight", 0.4, 2, 0),
        lambda m: prune.ln_structured(m[0], "weight", 0.34, 1, 0),
    ],
    "elements, then channels": [
        lambda m: prune.l1_unstructured(m[0], "weight", 0.4),
        lambda m: prune.ln_structured(m[0], "weight", 2, 2, 0),
    ],
    "channels, then elements": [
        lambda m: prune.ln_structured(m[0], "weight", 2, 2, 0),
        lambda m: prune.l1_unstructured(m[0], "weight", 0.5),
    ],
    "custom after l1": [
        lambda m: prune.l1_unstructured(m[0], "weight", 0.3),
        lambda m: prune.custom_from_mask(m[0], "weight", custom([5, 2, 3, 3])),
    ],
    "identity": [lambda m: prune.identity(m[0], "weight")],
    "global": [lambda m: globally(m, 0.3)],
    "global count": [lambda m: globally(m, 41)],
    "global after l1": [lambda m: prune.l1_unstructured(m[3], "weight", 0.5), lambda m: globally(m, 0.4)],
    "global by scores": [lambda m: globally(m, 0.3, {(m[0], "weight"): draw(SCORES, [5, 2, 3, 3])})],
}


def pruning():
    cases = {}
    for name, steps in PRUNE.items():
        model = conv()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
        for step in steps:
            step(model)
        x = draw("x", [2, 2, 4, 4])
        output = model(x)
        for _ in range(2):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
        case = {
            "keys": list(model.state_dict()),
            "masks": {key: flat(value) for key, value in model.state_dict().items() if key.endswith("_mask")},
            "output": flat(output),
            "trained": flat(model(x)),
            "gradient": flat(model[0].weight_orig.grad if hasattr(model[0], "weight_orig") else model[0].weight.grad),
        }
        for module in (model[0], model[3]):
            for parameter in ("weight", "bias"):
                if hasattr(module, f"{parameter}_mask"):
                    prune.remove(module, parameter)
        case["removed"] = flat(model[0].weight)
        case["removedKeys"] = list(model.state_dict())
        cases[name] = case
    return cases


with open(os.path.join(HERE, "adapting.json"), "w") as file:
    json.dump({"pruning": pruning()}, file)
