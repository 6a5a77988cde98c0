"""Reads an adapter that examples/gpt/adapt.ts has written, by PEFT's keys, into a GPT-2 of plain PyTorch, and prints the validation loss without
and with it. The losses must be those that adapt.ts prints.

    python3 examples/gpt/adapter.py CHECKPOINT ADAPTER TEXT ...     (Debian: python3-torch)

CHECKPOINT: of npm run gpt, of characters. ADAPTER: the folder. TEXT: the files that adapt.ts adapted to, in its order. --bits 4 or 8
rounds the weights as docs/quantization.md says.
"""
import argparse
import json
import os
import struct

import torch
import torch.nn.functional as F

DTYPES = {"F32": torch.float32, "F64": torch.float64, "F16": torch.float16, "I32": torch.int32, "I64": torch.int64, "U8": torch.uint8}


def read_safetensors(path):
    """The tensors and the metadata of a file."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, record in header.items():
        start, end = record["data_offsets"]
        if end > start:
            flat = torch.frombuffer(data, dtype=torch.uint8, offset=start, count=end - start).clone()
            tensors[name] = flat.view(DTYPES[record["dtype"]]).reshape(record["shape"])
    return tensors, metadata


def rounded(weight, bits, group=32):
    """A weight [out, in] after symmetric rounding in groups along the inputs."""
    if bits == 32:
        return weight
    parts = []
    for part in weight.split(group, dim=1):
        scale = part.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
        parts.append(torch.where(scale > 0, torch.round(part / scale), torch.zeros_like(part)) * scale)
    return torch.cat(parts, 1)


class Gpt:
    """GPT-2 with Hugging Face's keys. Weights of projections are [in, out]."""

    def __init__(self, state, settings, bits):
        self.state, self.settings, self.bits = state, settings, bits
        self.adapter, self.scaling = {}, 0

    def weight(self, path):
        return rounded(self.state[f"{path}.weight"].t(), self.bits)

    def project(self, path, x):
        y = F.linear(x, self.weight(path), self.state[f"{path}.bias"])
        key = f"base_model.model.{path}"
        if f"{key}.lora_A.weight" in self.adapter:
            y = y + self.scaling * x @ self.adapter[f"{key}.lora_A.weight"].t() @ self.adapter[f"{key}.lora_B.weight"].t()
        return y

    def norm(self, path, x):
        return F.layer_norm(x, x.shape[-1:], self.state[f"{path}.weight"], self.state[f"{path}.bias"])

    def block(self, path, x):
        batch, length, width = x.shape
        apart = lambda part: part.reshape(batch, length, self.settings["heads"], -1).transpose(1, 2)
        query, key, value = (apart(part) for part in self.project(f"{path}.attn.c_attn", self.norm(f"{path}.ln_1", x)).chunk(3, -1))
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        hidden = torch.ones(length, length, dtype=torch.bool).triu(1)
        mixed = scores.masked_fill(hidden, -torch.inf).softmax(-1) @ value
        x = x + self.project(f"{path}.attn.c_proj", mixed.transpose(1, 2).reshape(batch, length, width))
        inner = F.gelu(self.project(f"{path}.mlp.c_fc", self.norm(f"{path}.ln_2", x)), approximate="tanh")
        return x + self.project(f"{path}.mlp.c_proj", inner)

    def logits(self, tokens):
        table = rounded(self.state["transformer.wte.weight"], self.bits)
        x = table[tokens] + self.state["transformer.wpe.weight"][: tokens.shape[1]]
        for layer in range(self.settings["layers"]):
            x = self.block(f"transformer.h.{layer}", x)
        return self.norm("transformer.ln_f", x) @ table.t()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint")
    parser.add_argument("adapter")
    parser.add_argument("text", nargs="+")
    parser.add_argument("--bits", type=int, default=32)
    options = parser.parse_args()

    tensors, metadata = read_safetensors(options.checkpoint)
    saved = json.loads(metadata["state"])["extra"]
    prefix = "parts/model/"
    state = {name[len(prefix) :]: tensor.double() for name, tensor in tensors.items() if name.startswith(prefix)}
    model = Gpt(state, saved["settings"], options.bits)

    text = "\n".join(open(path, encoding="utf8", newline="").read() for path in options.text)
    numbers = {character: i for i, character in enumerate(saved["vocabulary"]["characters"])}
    tokens = torch.tensor([numbers[character] for character in text if character in numbers])
    validation = tokens[len(tokens) - len(tokens) // 10 :]
    context = model.settings["context"]
    fitting = (len(validation) - 1) // context
    count = min(fitting, 64)
    starts = [i * fitting // count * context for i in range(count)]
    inputs = torch.stack([validation[start : start + context] for start in starts])
    targets = torch.stack([validation[start + 1 : start + context + 1] for start in starts])
    loss = lambda: F.cross_entropy(model.logits(inputs).flatten(0, 1), targets.flatten()).item()

    print(f"without the adapter: {loss():.4f}")
    adapter, _ = read_safetensors(os.path.join(options.adapter, "adapter_model.safetensors"))
    with open(os.path.join(options.adapter, "adapter_config.json")) as file:
        config = json.load(file)
    targets_of = lambda kind: {name.split(f".{kind}.")[0] for name in adapter if f".{kind}." in name}
    assert targets_of("lora_A") == targets_of("lora_B") and len(adapter) == 2 * len(targets_of("lora_A"))
    assert {name.split(".")[-1] for name in targets_of("lora_A")} == set(config["target_modules"])
    model.adapter = {name: tensor.double() for name, tensor in adapter.items()}
    model.scaling = config["lora_alpha"] / config["r"]
    print(f"with it: {loss():.4f}; {len(adapter)} tensors such as {min(adapter)}, rank {config['r']}")


main()
