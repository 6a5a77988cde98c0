"""
Writes folders with models of full size as Hugging Face and torchvision have them, with random weights, and what PyTorch computes with them.
fullSize.mjs compares wgrad with them.

    python3 test/pretrained/fullSize.py FOLDER

About 1.1 GB. Made with PyTorch 1.13.
"""
import json
import math
import os
import sys
import zlib

import torch
from generate import BERT, GPT2, LLAMA, VIT, WHISPER, Weights, bert, gpt2, greedy, greedy_speech, llama, mobilenet_v2, mobilenet_v3, resnet, vit, whisper

MOBILE = dict(widthMultiplier=1, numClasses=1000)
LABELS = {str(i): str(i) for i in range(1000)}
SHAPES = {
    "gpt2": (gpt2, {**GPT2, "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024, "vocab_size": 50257}),
    "llama-2-layers": (llama, {
        **LLAMA, "hidden_size": 576, "num_attention_heads": 9, "num_key_value_heads": 3, "intermediate_size": 1536, "vocab_size": 49152,
        "max_position_embeddings": 2048,
    }),
    "bert": (bert, {
        **BERT, "hidden_size": 768, "num_attention_heads": 12, "num_hidden_layers": 12, "intermediate_size": 3072, "vocab_size": 30522,
        "max_position_embeddings": 512,
    }),
    "vit-tiny": (vit, {
        **VIT, "hidden_size": 192, "num_attention_heads": 3, "num_hidden_layers": 12, "intermediate_size": 768, "image_size": 224,
        "patch_size": 16, "id2label": LABELS,
    }),
    "resnet18": (resnet, dict(model_type="resnet", depth=18, width=64, numClasses=1000)),
    "mobilenet_v2": (mobilenet_v2, dict(model_type="mobilenet_v2", **MOBILE)),
    "mobilenet_v3_large": (mobilenet_v3, dict(model_type="mobilenet_v3", size="large", **MOBILE)),
    "whisper-tiny": (whisper, {
        **WHISPER, "d_model": 384, "encoder_attention_heads": 6, "decoder_attention_heads": 6, "encoder_layers": 4, "decoder_layers": 4,
        "encoder_ffn_dim": 1536, "decoder_ffn_dim": 1536, "vocab_size": 51865, "num_mel_bins": 80, "max_source_positions": 1500,
        "max_target_positions": 448, "decoder_start_token_id": 50258, "eos_token_id": 50257,
        "forced_decoder_ids": [[1, 50259], [2, 50359], [3, 50363]],
    }),
}  # fmt: skip


class RandomWeights(Weights):
    """Draws a tensor when a model first asks for it."""

    def __init__(self):
        super().__init__()
        self.drawn = {}

    def __call__(self, key, *shape):
        if key not in self.drawn:
            random = torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(key.encode())))
            if key.endswith("running_var"):
                random = 1 + random.abs() / 2
            elif len(shape) == 1:
                random = random / 10 + (1 if key.endswith("weight") else 0)
            else:
                random = random * math.sqrt(1 / (math.prod(shape) / shape[0]))
            self.drawn[key] = random
        return self.drawn[key]


def save(tensors, path):
    """A safetensors file of float32."""
    header, at = {}, 0
    for key, tensor in tensors.items():
        size = 4 * tensor.numel()
        header[key] = dict(dtype="F32", shape=list(tensor.shape), data_offsets=[at, at + size])
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            file.write(tensor.numpy().tobytes())


folder = sys.argv[1]
torch.manual_seed(0)
for name, (model, config) in SHAPES.items():
    weights = RandomWeights()
    tokens = torch.tensor([[464, 1598, 9, 30000, 7, 50, 11, 2, 901]])
    inputs = [tokens]
    if model is bert:
        inputs = [tokens, torch.tensor([[1] * 7 + [0] * 2])]
    elif model is whisper:
        inputs = [torch.randn(1, 100_000).cumsum(1) / 300, tokens]
    elif model not in (gpt2, llama):
        inputs = [torch.randn(2, 3, 224, 224)]
    output = model(weights, config, *inputs)
    expected = dict(inputs=[dict(shape=list(x.shape), values=x.flatten().tolist()) for x in inputs], output=output.flatten().tolist())
    if model in (gpt2, llama):
        expected["greedy"] = greedy(lambda _, *rest: model(weights, *rest), config, None, tokens[0].tolist(), 16)
    elif model is whisper:
        expected["greedy"] = greedy_speech(config, inputs[0][0], 16, weights)
    os.makedirs(f"{folder}/{name}", exist_ok=True)
    with open(f"{folder}/{name}/config.json", "w") as file:
        json.dump(config, file)
    with open(f"{folder}/{name}/expected.json", "w") as file:
        json.dump(expected, file)
    counted = {key: torch.zeros(()) for key in weights.shapes if key.endswith("num_batches_tracked")}
    save({**weights.drawn, **counted}, f"{folder}/{name}/model.safetensors")
    print(f"{name}: {sum(x.numel() for x in weights.drawn.values()):,} parameters")
