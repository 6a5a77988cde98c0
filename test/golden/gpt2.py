"""Golden values for examples/gpt: `npm run golden` (needs Debian's python3-torch).

Computes GPT-2's forward pass in plain PyTorch, in float64. Writes random weights to gpt2.safetensors, with the names and layout of a model
on Hugging Face's hub: float32, without the tied head, with the causal masks of old files. Writes tokens, their logits and the losses of 20
training steps to gpt2.json.
"""
import json
import math
import os
import struct

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

VOCABULARY, CONTEXT, WIDTH, LAYERS, HEADS = 65, 24, 32, 2, 4
STEPS = 20


def shapes(vocabulary=VOCABULARY, context=CONTEXT, width=WIDTH, layers=LAYERS):
    yield "wte.weight", (vocabulary, width)
    yield "wpe.weight", (context, width)
    for i in range(layers):
        for name, *shape in (
            ("ln_1.weight", width), ("ln_1.bias", width),
            ("attn.c_attn.weight", width, 3 * width), ("attn.c_attn.bias", 3 * width),
            ("attn.c_proj.weight", width, width), ("attn.c_proj.bias", width),
            ("ln_2.weight", width), ("ln_2.bias", width),
            ("mlp.c_fc.weight", width, 4 * width), ("mlp.c_fc.bias", 4 * width),
            ("mlp.c_proj.weight", 4 * width, width), ("mlp.c_proj.bias", width),
        ):
            yield f"h.{i}.{name}", tuple(shape)
    yield "ln_f.weight", (width,)
    yield "ln_f.bias", (width,)


def norm(x, w, name):
    return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"])


def project(x, w, name):
    """Hugging Face's Conv1D: the weight is [in, out]."""
    return x @ w[f"{name}.weight"] + w[f"{name}.bias"]


def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


def forward(tokens, w, heads=HEADS, layers=LAYERS):
    batch, length = tokens.shape
    x = w["wte.weight"][tokens] + w["wpe.weight"][:length]
    later = torch.ones(length, length, dtype=torch.bool).triu(1)
    for i in range(layers):
        qkv = project(norm(x, w, f"h.{i}.ln_1"), w, f"h.{i}.attn.c_attn")
        q, k, v = (part.reshape(batch, length, heads, -1).transpose(1, 2) for part in qkv.chunk(3, -1))
        scores = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).masked_fill(later, -math.inf)
        attended = (scores.softmax(-1) @ v).transpose(1, 2).reshape(x.shape)
        x = x + project(attended, w, f"h.{i}.attn.c_proj")
        x = x + project(gelu(project(norm(x, w, f"h.{i}.ln_2"), w, f"h.{i}.mlp.c_fc")), w, f"h.{i}.mlp.c_proj")
    return norm(x, w, "ln_f") @ w["wte.weight"].T


def random_weights():
    torch.manual_seed(1)
    weights = {}
    for name, shape in shapes():
        values = torch.randn(shape) * (0.3 if len(shape) == 1 else 0.8 / math.sqrt(shape[0] if "h." in name else WIDTH))
        weights[name] = (values + 1 if name.endswith(".weight") and len(shape) == 1 else values).float()
    return weights


def save(path, arrays):
    """The safetensors format: header length, JSON header, data in the order of the header."""
    kinds = {"float32": "F32", "bool": "BOOL"}
    header, chunks, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name, array in sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])):
        header[name] = {
            "dtype": kinds[str(array.dtype)], "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes],
        }
        chunks.append(array.tobytes())
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))


def train(weights):
    """Trains on one batch by AdamW, with weight decay for matrices only and clipped gradients."""
    w = {name: value.double().requires_grad_() for name, value in weights.items()}
    tokens = torch.randint(VOCABULARY, (4, CONTEXT + 1))
    groups = [
        {"params": [value for value in w.values() if value.dim() > 1], "weight_decay": 0.1},
        {"params": [value for value in w.values() if value.dim() == 1], "weight_decay": 0},
    ]
    # The gradients of some biases are only rounding errors. A small eps would turn them into steps.
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99), eps=1e-6)
    losses, norms = [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = F.cross_entropy(forward(tokens[:, :-1], w).reshape(-1, VOCABULARY), tokens[:, 1:].reshape(-1))
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(w.values(), 1).item())
        optimizer.step()
        losses.append(loss.item())
    squares = {f"transformer.{name}": value.detach().square().sum().item() for name, value in w.items()}
    return {"tokens": tokens.tolist(), "losses": losses, "norms": norms, "squares": squares}


def main():
    weights = random_weights()
    arrays = {name: value.numpy() for name, value in weights.items()}
    masks = {f"h.{i}.attn.bias": np.tril(np.ones((1, 1, CONTEXT, CONTEXT), dtype=bool)) for i in range(LAYERS)}
    save(os.path.join(HERE, "gpt2.safetensors"), {**arrays, **masks})
    tokens = torch.randint(VOCABULARY, (2, 20))
    logits = forward(tokens, {name: value.double() for name, value in weights.items()})
    golden = {
        "options": {"vocabularySize": VOCABULARY, "context": CONTEXT, "width": WIDTH, "layers": LAYERS, "heads": HEADS},
        "tokens": tokens.tolist(),
        "logits": logits.reshape(-1).tolist(),
        "training": train(weights),
    }
    with open(os.path.join(HERE, "gpt2.json"), "w") as file:
        json.dump(golden, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
