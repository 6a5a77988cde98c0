"""Golden values for attention and transformer layers: `npm run golden` (needs Debian's python3-torch).

PyTorch builds each case with weights and inputs from the generator of test/ops/database.ts. transformers.json holds the keys and shapes of
its state, its outputs, and the gradients of all inputs and parameters.
"""
import ctypes
import json
import math
import os

import torch
from torch import nn

from stream import stream

torch.set_default_dtype(torch.float64)


def draw(name, shape):
    source = stream(name)
    values = [ctypes.c_float(2 * next(source) - 1).value for _ in range(math.prod(shape))]
    return torch.tensor(values).reshape(shape)


def later(size):
    """The causal mask: True above the diagonal."""
    return torch.ones(size, size, dtype=torch.bool).triu(1)


def forbid(*rows):
    return torch.tensor(rows, dtype=torch.bool)


def attention(*arguments, **options):
    return nn.MultiheadAttention(*arguments, **options)


def layer(kind, **options):
    return kind(8, 2, **{"dim_feedforward": 12, "dropout": 0, **options})


def stack(kind, of, **options):
    return kind(layer(of, **options), 2, norm=nn.LayerNorm(8))


PADDING = forbid([0, 0, 0, 0, 1, 1], [0, 1, 0, 0, 0, 0])

# name: module, shapes of the inputs, how they are passed.
CASES = {
    "self-attention": (attention(8, 2), [[5, 3, 8]], lambda m, x: m(x, x, x)),
    "causal, batch first": (
        attention(8, 2, batch_first=True, bias=False),
        [[3, 5, 8]],
        lambda m, x: m(x, x, x, attn_mask=later(5), average_attn_weights=False),
    ),
    "padding": (
        attention(8, 4),
        [[4, 2, 8], [6, 2, 8], [4, 6]],
        lambda m, q, k, mask: m(q, k, k, key_padding_mask=PADDING, attn_mask=mask),
    ),
    "other features": (attention(8, 4, kdim=6, vdim=5), [[4, 2, 8], [6, 2, 6], [6, 2, 5]], lambda m, q, k, v: m(q, k, v)),
    "extra keys": (
        attention(8, 2, add_bias_kv=True, add_zero_attn=True),
        [[6, 2, 8]],
        lambda m, x: m(x, x, x, key_padding_mask=PADDING, attn_mask=later(6)),
    ),
    "masks of heads": (attention(8, 2), [[3, 2, 8], [4, 3, 3]], lambda m, x, mask: m(x, x, x, attn_mask=mask)),
    "one sequence": (attention(8, 2), [[5, 8]], lambda m, x: m(x, x, x, attn_mask=later(5))),
    "encoder layer": (layer(nn.TransformerEncoderLayer), [[5, 2, 8]], lambda m, x: m(x)),
    "encoder layer, norm first": (
        layer(nn.TransformerEncoderLayer, norm_first=True, activation="gelu", batch_first=True, layer_norm_eps=1e-3),
        [[2, 6, 8]],
        lambda m, x: m(x, src_mask=later(6), src_key_padding_mask=PADDING),
    ),
    "decoder layer": (layer(nn.TransformerDecoderLayer), [[4, 2, 8], [6, 2, 8]], lambda m, x, y: m(x, y, tgt_mask=later(4), memory_key_padding_mask=PADDING)),
    "decoder layer, norm first": (
        layer(nn.TransformerDecoderLayer, norm_first=True, activation="gelu", batch_first=True),
        [[2, 4, 8], [2, 3, 8], [4, 3]],
        lambda m, x, y, mask: m(x, y, memory_mask=mask),
    ),
    "encoder": (stack(nn.TransformerEncoder, nn.TransformerEncoderLayer), [[5, 2, 8]], lambda m, x: m(x, mask=later(5))),
    "decoder": (stack(nn.TransformerDecoder, nn.TransformerDecoderLayer), [[4, 2, 8], [3, 2, 8]], lambda m, x, y: m(x, y)),
    "transformer": (
        nn.Transformer(8, 2, 1, 1, 12, 0, batch_first=True),
        [[2, 6, 8], [2, 4, 8]],
        lambda m, x, y: m(x, y, tgt_mask=later(4), src_key_padding_mask=PADDING, memory_key_padding_mask=PADDING),
    ),
}


def listed(tensor):
    return [float(f"{value:.12g}") for value in tensor.flatten().tolist()]


def evaluate(name, module, shapes, call):
    with torch.no_grad():
        for key, parameter in module.named_parameters():
            parameter.copy_(draw(f"{name}/{key}", parameter.shape))
    inputs = [draw(f"{name}/{i}", shape).requires_grad_() for i, shape in enumerate(shapes)]
    outputs = call(module, *inputs)
    outputs = list(outputs) if isinstance(outputs, tuple) else [outputs]
    (outputs[0] * draw(f"{name}/gradient", outputs[0].shape)).sum().backward()
    return {
        "state": {key: list(value.shape) for key, value in module.state_dict().items()},
        "outputs": [{"shape": list(output.shape), "values": listed(output)} for output in outputs],
        "inputs": [listed(x.grad) for x in inputs],
        "parameters": {key: listed(parameter.grad) for key, parameter in module.named_parameters()},
    }


def main():
    results = {name: evaluate(name, *case) for name, case in CASES.items()}
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "transformers.json"), "w") as file:
        json.dump(results, file, separators=(",", ":"))
        file.write("\n")


main()
