"""Golden files from PyTorch, in float64: `npm run golden` (needs Debian's python3-torch).

Reads the cases of the operation database as JSON from standard input. Writes one safetensors file for each family beside this
script: outputs as `<operation>/<sample>#o<i>`, gradients of the inputs as `#g<i>`. Then trains a small network with every
optimizer and writes the losses to training.json.
"""
import ctypes
import json
import math
import os
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

from stream import stream

HERE = os.path.dirname(os.path.abspath(__file__))
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def cotangent(index, shape):
    """The gradient that test/proofs/compare.ts feeds into output `index`."""
    draws = stream(f"cotangent {index} of {','.join(str(size) for size in shape)}")
    count = math.prod(shape)
    values = [ctypes.c_float((-1 if next(draws) < 0.5 else 1) * (0.5 + next(draws))).value for _ in range(count)]
    return torch.tensor(values).reshape(shape)


TORCH_TYPES = {"float32": torch.float64, "int32": torch.int64, "uint8": torch.uint8, "int8": torch.int8, "bool": torch.bool}


def make_input(spec, differentiable):
    values = [float(value) for value in spec["values"]]
    x = torch.tensor(values, dtype=torch.float64).reshape(spec["shape"]).to(TORCH_TYPES[spec["dtype"]])
    if differentiable and spec["gradient"] and x.is_floating_point():
        x.requires_grad_()
    return x


def evaluate(case):
    x = [make_input(spec, case["gradient"]) for spec in case["inputs"]]
    result = eval(case["torch"], {"torch": torch, "F": F, "x": x, "math": math})  # the expressions are this repository's own
    outputs = list(result) if isinstance(result, (tuple, list)) else [result]
    arrays = {f"{case['key']}#o{i}": output for i, output in enumerate(outputs)}
    targets = [i for i, value in enumerate(x) if value.requires_grad]
    differentiable = [output for output in outputs if output.requires_grad]
    if differentiable and targets:
        seeds = [cotangent(i, output.shape) for i, output in enumerate(differentiable)]
        gradients = torch.autograd.grad(differentiable, [x[i] for i in targets], seeds, allow_unused=True)
        for i, gradient in zip(targets, gradients):
            if gradient is not None:
                arrays[f"{case['key']}#g{i}"] = gradient
    return arrays


SAFETENSORS_TYPES = {"float64": "F64", "int64": "I32", "int16": "I32", "uint8": "U8", "int8": "I8", "bool": "BOOL"}


def save(path, tensors):
    """The safetensors format: header length, JSON header, data in the order of the header."""
    header, chunks, offset = {}, [], 0
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    for name in order:
        array = tensors[name].detach().contiguous()
        data = (array.to(torch.int32) if array.dtype in (torch.int64, torch.int16) else array).numpy()
        kind = SAFETENSORS_TYPES[str(array.dtype).split(".")[1]]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [offset, offset + data.nbytes]}
        chunks.append(data.tobytes())
        offset += data.nbytes
    # The file stores int64 as int32, so sorts by the widths in the file.
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))
    return os.path.getsize(path)


class Cnn(torch.nn.Sequential):
    def __init__(self):
        super().__init__(
            torch.nn.Conv2d(1, 32, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
            torch.nn.Linear(32 * 13 * 13, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10),
        )


TRAINING = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.005, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "adam": lambda p: torch.optim.Adam(p, lr=2e-4, weight_decay=1e-2),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=2e-4, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=2e-4, weight_decay=0.1),
}


def draws(name, count, scale):
    source = stream(name)
    return [ctypes.c_float((2 * next(source) - 1) * scale).value for _ in range(count)]


def train(optimizer_of):
    model = Cnn()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            fan = parameter[0].numel() if parameter.dim() > 1 else parameter.numel()
            parameter.copy_(torch.tensor(draws(name, parameter.numel(), 1 / math.sqrt(fan))).reshape(parameter.shape))
    images = torch.tensor(draws("images", 16 * 784, 1)).reshape(16, 1, 28, 28)
    labels = torch.arange(16) % 10
    optimizer = optimizer_of(model.parameters())
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "squares": {name: parameter.square().sum().item() for name, parameter in model.named_parameters()}}


def main():
    total = 0
    for group in json.load(sys.stdin):
        tensors = {}
        for case in group["cases"]:
            try:
                tensors.update(evaluate(case))
            except Exception as error:
                sys.exit(f"{case['key']}: {case['torch']}: {error}")
        if tensors:
            size = save(os.path.join(HERE, f"{group['family']}.safetensors"), tensors)
            total += size
            print(f"{group['family']}: {len(group['cases'])} cases, {len(tensors)} tensors, {size} bytes")
    training = {name: train(make) for name, make in TRAINING.items()}
    with open(os.path.join(HERE, "training.json"), "w") as file:
        json.dump(training, file, indent="\t")
        file.write("\n")
    print(f"{total} bytes in all, by PyTorch {torch.__version__}, numpy {np.__version__}")


main()
