"""Golden values for pruning, weight averaging and low-rank adapters. They come from torch.nn.utils.prune, torch.optim.swa_utils and plain
products in PyTorch 1.13, in float64.

    /usr/bin/python3 test/golden/adapting.py        (Debian: python3-torch)

Writes adapting.json and an adapter in PEFT's files beside this script. test/nn/prune.test.ts, test/nn/lora.test.ts and
test/optim/averaged.test.ts have the same cases. The generator of test/ops/database.ts draws the values.
"""
import ctypes
import json
import math
import os
import struct

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


RANK, ALPHA = 2, 3


class Adapted(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(7, 4)
        self.fc = nn.Linear(4, 6)
        self.attn = nn.MultiheadAttention(4, 2, batch_first=True)
        self.conv = nn.Conv2d(2, 3, (3, 2), stride=2, padding=1)

    def forward(self, tokens, sequence, image):
        return self.fc(self.emb(tokens)), self.attn(sequence, sequence, sequence)[0], self.conv(image)


# PEFT's keys and shapes for r = 2 on these layers. PEFT puts the adapter of an attention's out_proj below base_layer.
ADAPTER = {
    "attn.base_layer.out_proj.lora_A.weight": [RANK, 4],
    "attn.base_layer.out_proj.lora_B.weight": [4, RANK],
    "attn.lora_A.weight": [RANK, 4],
    "attn.lora_B.weight": [12, RANK],
    "conv.lora_A.weight": [RANK, 2, 3, 2],
    "conv.lora_B.weight": [3, RANK, 1, 1],
    "emb.lora_embedding_A": [RANK, 7],
    "emb.lora_embedding_B": [4, RANK],
    "fc.lora_A.weight": [RANK, 4],
    "fc.lora_B.weight": [6, RANK],
}

CONFIG = {
    "alpha_pattern": {},
    "auto_mapping": None,
    "base_model_name_or_path": None,
    "bias": "none",
    "fan_in_fan_out": False,
    "inference_mode": True,
    "init_lora_weights": True,
    "layers_pattern": None,
    "layers_to_transform": None,
    "lora_alpha": ALPHA,
    "lora_dropout": 0.1,
    "modules_to_save": None,
    "peft_type": "LORA",
    "r": RANK,
    "rank_pattern": {},
    "revision": None,
    "target_modules": ["emb", "fc", "attn", "conv"],
    "task_type": None,
    "use_dora": False,
    "use_rslora": False,
}


def safetensors(tensors):
    """Writes the safetensors format without its library: https://github.com/huggingface/safetensors#format"""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name in sorted(tensors):
        values = tensors[name].float().contiguous()
        content = values.numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def lora():
    model = fill(Adapted())
    inputs = [torch.tensor([[0, 3, 6], [2, 2, 5]]), draw("sequence", [2, 3, 4]), draw("image", [1, 2, 5, 4])]
    before = [flat(output) for output in model(*inputs)]
    adapter = {f"base_model.model.{key}": draw(key, shape) for key, shape in ADAPTER.items()}
    with open(os.path.join(HERE, "adapter_model.safetensors"), "wb") as file:
        file.write(safetensors(adapter))
    with open(os.path.join(HERE, "adapter_config.json"), "w") as file:
        file.write(json.dumps(CONFIG, indent=2) + "\n")

    def delta(path, a="lora_A.weight", b="lora_B.weight"):
        a, b = (adapter[f"base_model.model.{path}.{part}"] for part in (a, b))
        return ALPHA / RANK * (b.flatten(1) @ a.flatten(1))

    with torch.no_grad():
        model.emb.weight += delta("emb", "lora_embedding_A", "lora_embedding_B").T
        model.fc.weight += delta("fc")
        model.attn.in_proj_weight += delta("attn")
        model.attn.out_proj.weight += delta("attn.base_layer.out_proj")
        model.conv.weight += delta("conv").reshape(model.conv.weight.shape)
    return {"before": before, "after": [flat(output) for output in model(*inputs)]}


def average():
    """Trains with weight averages and SWALR's rates, and recomputes the statistics of batch norms."""
    model = fill(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2)))
    data = [draw(f"batch/{i}", [6, 3]) for i in range(5)]
    result = {}
    averages = {
        "mean": swa_utils.AveragedModel(model),
        "buffers": swa_utils.AveragedModel(model, use_buffers=True),
        "ema": swa_utils.AveragedModel(model, avg_fn=lambda average, weight, count: 0.7 * average + 0.3 * weight),
    }
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for x in data:
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
        for averaged in averages.values():
            averaged.update_parameters(model)
    for name, averaged in averages.items():
        result[name] = {key: flat(value) for key, value in averaged.state_dict().items()}
    averaged = averages["mean"]
    swa_utils.update_bn([x[:4] for x in data], averaged)
    result["updated"] = {key: flat(value) for key, value in averaged.state_dict().items()}
    averaged.eval()
    result["output"] = flat(averaged(data[0]))
    return result


def rates():
    cases = {
        "SWALR": dict(swa_lr=0.05),
        "SWALR linear": dict(swa_lr=[0.05, 0.001], anneal_epochs=7, anneal_strategy="linear"),
        "SWALR at once": dict(swa_lr=0.05, anneal_epochs=0),
    }
    result = {}
    for name, options in cases.items():
        groups = [{"params": [torch.zeros(1, requires_grad=True)]}, {"params": [torch.zeros(1, requires_grad=True)], "lr": 0.02}]
        optimizer = torch.optim.SGD(groups, lr=0.1)
        decay = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        scheduler = swa_utils.SWALR(optimizer, **options)
        sequence = []
        for step in range(20):
            sequence.append([group["lr"] for group in optimizer.param_groups])
            optimizer.step()
            (decay if step < 5 else scheduler).step()
        result[name] = sequence
    return result


def distillation():
    result = {}
    for name, shape, target, temperature, alpha in [
        ("classes", [4, 5], torch.tensor([0, 4, 2, 2]), 3.0, 0.3),
        ("positions", [2, 3, 4], torch.tensor([[0, 1, 2, 0], [2, 2, 1, 0]]), 2.0, 0.5),
        ("soft alone", [4, 5], None, 4.0, 0.0),
    ]:
        student, teacher = 3 * draw("student", shape), 3 * draw("teacher", shape)
        student.requires_grad_()
        soft = -(torch.softmax(teacher / temperature, 1) * torch.log_softmax(student / temperature, 1)).sum(1).mean()
        loss = (1 - alpha) * temperature**2 * soft
        if target is not None:
            loss = loss + alpha * nn.functional.cross_entropy(student, target)
        loss.backward()
        result[name] = {"loss": loss.item(), "gradient": flat(student.grad)}
    return result


with open(os.path.join(HERE, "adapting.json"), "w") as file:
    json.dump({"pruning": pruning(), "lora": lora(), "average": average(), "rates": rates(), "distillation": distillation()}, file)
