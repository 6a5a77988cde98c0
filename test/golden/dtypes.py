"""The dtypes of PyTorch's results, and the bits of its bfloat16 results on the CPU: writes dtypes.json beside this script.

    /usr/bin/python3 test/golden/dtypes.py        (Debian: python3-torch)

`pairs` and `numbers` hold, by form and by the dtypes of the operands in the order of `names`, the dtype of the result, or null where PyTorch
throws. int16 and int64, which wgrad lacks, are written as int32.
"""
import json
import os
import warnings

import torch

warnings.filterwarnings("ignore")

NAMES = ["float64", "float32", "float16", "bfloat16", "int32", "int8", "uint8", "bool"]
INSTEAD = {"int16": "int32", "int64": "int32"}

CONDITION = {"cpu": torch.tensor([True, False]), "meta": torch.tensor([True, False], device="meta")}

# Operands: a and b have one dim, z has none. c is a bool tensor.
PAIRS = {
    "promoteTypes": lambda a, b, z, c: torch.promote_types(a.dtype, b.dtype),
    "resultType of a vector and a scalar tensor": lambda a, b, z, c: torch.result_type(a, z),
    "resultType of scalar tensors": lambda a, b, z, c: torch.result_type(a[0], z),
    "add": lambda a, b, z, c: a + b,
    "add a scalar tensor": lambda a, b, z, c: a + z,
    "sub": lambda a, b, z, c: a - b,
    "mul": lambda a, b, z, c: a * b,
    "div": lambda a, b, z, c: a / b,
    "maximum": lambda a, b, z, c: torch.maximum(a, b),
    "pow": lambda a, b, z, c: torch.pow(a, b),
    "eq": lambda a, b, z, c: a == b,
    "where": lambda a, b, z, c: torch.where(c, a, b),
    "where with a scalar tensor": lambda a, b, z, c: torch.where(c, a, z),
    "cat": lambda a, b, z, c: torch.cat([a, b]),
    "stack": lambda a, b, z, c: torch.stack([a, b]),
    "addcmul": lambda a, b, z, c: torch.addcmul(a, b, b),
    "add_": lambda a, b, z, c: a.add_(b),
    "add_ a scalar tensor": lambda a, b, z, c: a.add_(z),
    "sub_": lambda a, b, z, c: a.sub_(b),
    "mul_": lambda a, b, z, c: a.mul_(b),
    "div_": lambda a, b, z, c: a.div_(b),
    "copy_": lambda a, b, z, c: a.copy_(b),
}

NUMBERS = {
    "add": lambda a, n, c: a + n,
    "sub": lambda a, n, c: a - n,
    "rsub": lambda a, n, c: n - a,
    "mul": lambda a, n, c: a * n,
    "div": lambda a, n, c: a / n,
    "pow": lambda a, n, c: a**n,
    "eq": lambda a, n, c: a == n,
    "where": lambda a, n, c: torch.where(c, a, n),
    "clamp": lambda a, n, c: torch.clamp(a, max=n),
    "add_": lambda a, n, c: a.add_(n),
    "mul_": lambda a, n, c: a.mul_(n),
    "div_": lambda a, n, c: a.div_(n),
}


def ones(name, device, *shape):
    return torch.ones(shape, dtype=getattr(torch, name), device=device)


def dtype_of(run):
    """The dtype of the result. Operations that PyTorch's CPU lacks for half precision run on the meta device, which has no values."""
    try:
        result = run("cpu")
    except (RuntimeError, TypeError) as error:
        if "not implemented for" not in str(error) or "Bool" in str(error):
            return None
        result = run("meta")
    name = str(result if isinstance(result, torch.dtype) else result.dtype).split(".")[1]
    return INSTEAD.get(name, name)


def tables():
    def pair(call, left, right):
        return dtype_of(lambda device: call(ones(left, device, 2), ones(right, device, 2), ones(right, device), CONDITION[device]))

    def number(call, name, value):
        return dtype_of(lambda device: call(ones(name, device, 2), value, CONDITION[device]))

    return {
        "names": NAMES,
        "pairs": {form: [[pair(call, left, right) for right in NAMES] for left in NAMES] for form, call in PAIRS.items()},
        "numbers": {form: [[number(call, name, value) for value in (2, 2.5)] for name in NAMES] for form, call in NUMBERS.items()},
    }


def bits_of(x):
    return [value & 0xFFFF for value in x.contiguous().view(torch.int16).flatten().tolist()]


def singles(words):
    return torch.tensor([word - 2**32 if word >= 2**31 else word for word in words], dtype=torch.int32).view(torch.float32)


# Ties to even both ways, just beyond a tie, the largest finite numbers, infinity, NaN, subnormals and zeros.
WORDS = [
    0x3F808000, 0x3F818000, 0x3F808001, 0x3F817FFF, 0xBF808000, 0xBF818000, 0x7F7F7FFF, 0x7F7F8000, 0x7F7FFFFF, 0xFF7F8000,
    0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001, 0x00008000, 0x00018000, 0x00008001, 0x80007FFF, 0x00000000, 0x80000000,
    0x007FFFFF, 0x3EAAAAAB, 0x40490FDB, 0xC2F6E979,
]

# float16 and float64 lie apart from bfloat16: 1e-8 is 0 in float16, and 300 * 300 is infinite there.
A = [1.0, -2.5, 3.140625, 300.0, 1e-8, 0.1, -7.25, 1e30]
B = [0.00390625, 2.0, -1.5, 300.0, 3.0, 0.3, 0.5, 1e10]


def bits():
    a, b = (torch.tensor(values).bfloat16() for values in (A, B))
    square = torch.arange(1, 13).reshape(3, 4).bfloat16() / 7
    found = {
        "to": singles(WORDS).bfloat16(),
        "add": a + b,
        "sub": a - b,
        "mul": a * b,
        "div": a / b,
        "add 0.1": a + 0.1,
        "mul 3": a * 3,
        "exp": torch.exp(a.clamp(max=5)),
        "maximum": torch.maximum(a, b),
        "sum": square.sum(1),
        "mean": square.mean(0),
        "matmul": square @ square.t(),
        "softmax": square.softmax(1),
        "cat": torch.cat([a, b]),
        "from int32": torch.tensor([257, 259, 16777217, -3], dtype=torch.int32).bfloat16(),
        "from float64": torch.tensor([1e300, 1 / 3, -1e-300], dtype=torch.float64).bfloat16(),
        "from float16": torch.tensor([65504, 1 / 3], dtype=torch.float16).bfloat16(),
    }
    x = a.clone()
    x[1:4].add_(b[1:4]).mul_(0.375)
    found["in place in a view"] = x
    weight = torch.nn.Parameter(square.clone())
    (weight.square().sum() / 2).backward()
    found["gradient"] = weight.grad
    torch.optim.SGD([weight], lr=0.125).step()
    found["SGD"] = weight.detach()
    return {name: bits_of(value) for name, value in found.items()}


path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dtypes.json")
with open(path, "w") as file:
    groups = {**tables(), "words": WORDS, "a": A, "b": B, "bits": bits()}
    file.write("{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(group)}" for name, group in groups.items()) + "\n}\n")
