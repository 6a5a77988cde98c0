"""
Writes models.json: small models of each architecture with PyTorch, the keys and shapes of their files as Hugging Face and torchvision name
them, an input, and the output. Weights follow from the key (see `fill`), so that no file holds them.

Run it with `python3 test/pretrained/generate.py > test/pretrained/models.json`. Made with PyTorch 1.13.
"""
import json
import math

import torch
import torch.nn.functional as F

torch.set_grad_enabled(False)


def fill(key, shape):
    """The weights of a tensor: float64 numbers that depend on its key and shape. test/pretrained/weights.ts has the same formula."""
    count = math.prod(shape)
    seed = sum((i + 1) * ord(c) for i, c in enumerate(key)) % 1000
    i = torch.arange(count, dtype=torch.float64)
    wave = torch.sin(1.7 * i + seed) * torch.cos(0.3 * i * i % 100 + seed)
    if key.endswith("running_var"):
        values = 1 + 0.5 * wave
    elif len(shape) == 1 and key.endswith("weight"):
        values = 1 + 0.3 * wave
    elif len(shape) == 1:
        values = 0.2 * wave
    else:
        values = wave * math.sqrt(3 / (count / shape[0]))
    return values.reshape(shape).float()


class Weights:
    """Makes the tensors that a model asks for, and lists their keys and shapes."""

    def __init__(self):
        self.shapes = {}

    def __call__(self, key, *shape):
        self.shapes[key] = list(shape)
        return fill(key, shape)

    def linear(self, x, name, out, bias=True):
        weight = self(f"{name}.weight", out, x.shape[-1])
        return F.linear(x, weight, self(f"{name}.bias", out) if bias else None)

    def layer_norm(self, x, name, eps):
        n = x.shape[-1]
        return F.layer_norm(x, (n,), self(f"{name}.weight", n), self(f"{name}.bias", n), eps)

    def conv(self, x, name, out, kernel, stride=1, groups=1, padding=None, bias=False):
        weight = self(f"{name}.weight", out, x.shape[1] // groups, kernel, kernel)
        padding = kernel // 2 if padding is None else padding
        return F.conv2d(x, weight, self(f"{name}.bias", out) if bias else None, stride, padding, 1, groups)

    def batch_norm(self, x, name):
        n = x.shape[1]
        mean, var = self(f"{name}.running_mean", n), self(f"{name}.running_var", n)
        self.shapes[f"{name}.num_batches_tracked"] = []
        return F.batch_norm(x, mean, var, self(f"{name}.weight", n), self(f"{name}.bias", n), False, 0.1, 1e-5)


def attend(q, k, v, heads, mask=None, groups=None):
    """Attention on [N, L, heads * size]. `mask` is added to the scores."""
    n, length, width = q.shape
    size = width // heads
    groups = groups or heads
    q = q.view(n, length, heads, size).transpose(1, 2)
    k, v = (x.view(n, -1, groups, size).transpose(1, 2).repeat_interleave(heads // groups, 1) for x in (k, v))
    scores = q @ k.transpose(-1, -2) / math.sqrt(size)
    if mask is not None:
        scores = scores + mask
    return (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, length, width)


def causal(length, window=None):
    i, j = torch.arange(length)[:, None], torch.arange(length)[None]
    allowed = (j <= i) & ((j > i - window) if window else True)
    return torch.zeros(length, length).masked_fill(~allowed, -math.inf)


def gpt2(w, config, tokens):
    width, eps = config["n_embd"], config["layer_norm_epsilon"]
    table = w("transformer.wte.weight", config["vocab_size"], width)
    positions = w("transformer.wpe.weight", config["n_positions"], width)
    x = table[tokens] + positions[: tokens.shape[1]]

    def conv1d(x, name, out):
        return x @ w(f"{name}.weight", x.shape[-1], out) + w(f"{name}.bias", out)

    for i in range(config["n_layer"]):
        name = f"transformer.h.{i}"
        q, k, v = conv1d(w.layer_norm(x, f"{name}.ln_1", eps), f"{name}.attn.c_attn", 3 * width).chunk(3, -1)
        x = x + conv1d(attend(q, k, v, config["n_head"], causal(tokens.shape[1])), f"{name}.attn.c_proj", width)
        inner = conv1d(w.layer_norm(x, f"{name}.ln_2", eps), f"{name}.mlp.c_fc", 4 * width)
        inner = 0.5 * inner * (1 + torch.tanh(math.sqrt(2 / math.pi) * (inner + 0.044715 * inner**3)))
        x = x + conv1d(inner, f"{name}.mlp.c_proj", width)
    return w.layer_norm(x, "transformer.ln_f", eps) @ table.T


def rotary_frequencies(config, size):
    inverse = 1 / config["rope_theta"] ** (torch.arange(0, size, 2).double() / size)
    scaling = config.get("rope_scaling")
    if scaling is None:
        return inverse
    if scaling.get("rope_type", scaling.get("type")) == "linear":
        return inverse / scaling["factor"]
    old, low, high = scaling["original_max_position_embeddings"], scaling["low_freq_factor"], scaling["high_freq_factor"]
    wavelength = 2 * math.pi / inverse
    smooth = (old / wavelength - low) / (high - low)
    middle = (1 - smooth) * inverse / scaling["factor"] + smooth * inverse
    long, short = wavelength > old / low, wavelength < old / high
    return torch.where(long, inverse / scaling["factor"], torch.where(short, inverse, middle))


def rotate(x, heads, frequencies):
    n, length, width = x.shape
    x = x.view(n, length, heads, width // heads)
    angles = torch.cat([torch.arange(length).double()[:, None] * frequencies] * 2, -1)
    cos, sin = angles.cos().float()[None, :, None], angles.sin().float()[None, :, None]
    a, b = x.chunk(2, -1)
    return (x * cos + torch.cat([-b, a], -1) * sin).view(n, length, width)


def llama(w, config, tokens):
    width, heads, groups = config["hidden_size"], config["num_attention_heads"], config["num_key_value_heads"]
    size = config.get("head_dim", width // heads)
    frequencies = rotary_frequencies(config, size)
    bias = config["model_type"] == "qwen2"

    def rms_norm(x, name):
        scaled = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + config["rms_norm_eps"])
        return w(f"{name}.weight", x.shape[-1]) * scaled

    table = w("model.embed_tokens.weight", config["vocab_size"], width)
    x = table[tokens]
    for i in range(config["num_hidden_layers"]):
        name = f"model.layers.{i}"
        inner = rms_norm(x, f"{name}.input_layernorm")
        q = rotate(w.linear(inner, f"{name}.self_attn.q_proj", heads * size, bias), heads, frequencies)
        k = rotate(w.linear(inner, f"{name}.self_attn.k_proj", groups * size, bias), groups, frequencies)
        v = w.linear(inner, f"{name}.self_attn.v_proj", groups * size, bias)
        mask = causal(tokens.shape[1], config.get("sliding_window"))
        x = x + w.linear(attend(q, k, v, heads, mask, groups), f"{name}.self_attn.o_proj", width, False)
        inner = rms_norm(x, f"{name}.post_attention_layernorm")
        gate = F.silu(w.linear(inner, f"{name}.mlp.gate_proj", config["intermediate_size"], False))
        up = w.linear(inner, f"{name}.mlp.up_proj", config["intermediate_size"], False)
        x = x + w.linear(gate * up, f"{name}.mlp.down_proj", width, False)
    x = rms_norm(x, "model.norm")
    return x @ table.T if config["tie_word_embeddings"] else w.linear(x, "lm_head", config["vocab_size"], False)


def bert(w, config, tokens, mask):
    width, eps, length = config["hidden_size"], 1e-12, tokens.shape[1]
    x = w("embeddings.word_embeddings.weight", config["vocab_size"], width)[tokens]
    x = x + w("embeddings.position_embeddings.weight", config["max_position_embeddings"], width)[:length]
    x = x + w("embeddings.token_type_embeddings.weight", config["type_vocab_size"], width)[0]
    x = w.layer_norm(x, "embeddings.LayerNorm", eps)
    added = torch.zeros(mask.shape).masked_fill(mask == 0, -math.inf)[:, None, None]
    for i in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{i}"
        q, k, v = (w.linear(x, f"{name}.attention.self.{part}", width) for part in ("query", "key", "value"))
        attended = w.linear(attend(q, k, v, config["num_attention_heads"], added), f"{name}.attention.output.dense", width)
        x = w.layer_norm(x + attended, f"{name}.attention.output.LayerNorm", eps)
        inner = F.gelu(w.linear(x, f"{name}.intermediate.dense", config["intermediate_size"]))
        x = w.layer_norm(x + w.linear(inner, f"{name}.output.dense", width), f"{name}.output.LayerNorm", eps)
    pooled = torch.tanh(w.linear(x[:, 0], "pooler.dense", width))
    mean = (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
    return torch.cat([x * mask[:, :, None], pooled[:, None], F.normalize(mean, dim=1)[:, None]], 1)


def distilbert(w, config, tokens, mask):
    width, eps, length = config["dim"], 1e-12, tokens.shape[1]
    x = w("embeddings.word_embeddings.weight", config["vocab_size"], width)[tokens]
    x = x + w("embeddings.position_embeddings.weight", config["max_position_embeddings"], width)[:length]
    x = w.layer_norm(x, "embeddings.LayerNorm", eps)
    added = torch.zeros(mask.shape).masked_fill(mask == 0, -math.inf)[:, None, None]
    for i in range(config["n_layers"]):
        name = f"transformer.layer.{i}"
        q, k, v = (w.linear(x, f"{name}.attention.{part}_lin", width) for part in ("q", "k", "v"))
        attended = w.linear(attend(q, k, v, config["n_heads"], added), f"{name}.attention.out_lin", width)
        x = w.layer_norm(x + attended, f"{name}.sa_layer_norm", eps)
        inner = w.linear(F.gelu(w.linear(x, f"{name}.ffn.lin1", config["hidden_dim"])), f"{name}.ffn.lin2", width)
        x = w.layer_norm(x + inner, f"{name}.output_layer_norm", eps)
    return x * mask[:, :, None]


def vit(w, config, images):
    width, eps, patch = config["hidden_size"], config["layer_norm_eps"], config["patch_size"]
    name = "vit.embeddings"
    patches = w.conv(images, f"{name}.patch_embeddings.projection", width, patch, patch, padding=0, bias=True)
    patches = patches.flatten(2).transpose(1, 2)
    first = w(f"{name}.cls_token", 1, 1, width).expand(len(images), 1, width)
    x = torch.cat([first, patches], 1) + w(f"{name}.position_embeddings", 1, patches.shape[1] + 1, width)
    for i in range(config["num_hidden_layers"]):
        name = f"vit.encoder.layer.{i}"
        inner = w.layer_norm(x, f"{name}.layernorm_before", eps)
        q, k, v = (w.linear(inner, f"{name}.attention.attention.{part}", width) for part in ("query", "key", "value"))
        x = x + w.linear(attend(q, k, v, config["num_attention_heads"]), f"{name}.attention.output.dense", width)
        inner = w.layer_norm(x, f"{name}.layernorm_after", eps)
        inner = F.gelu(w.linear(inner, f"{name}.intermediate.dense", config["intermediate_size"]))
        x = x + w.linear(inner, f"{name}.output.dense", width)
    x = w.layer_norm(x, "vit.layernorm", eps)
    return w.linear(x[:, 0], "classifier", len(config["id2label"]))


def resnet(w, config, images):
    depth, width = config["depth"], config["width"]
    counts, is_deep = {18: ([2, 2, 2, 2], False), 50: ([3, 4, 6, 3], True)}[depth]
    x = F.relu(w.batch_norm(w.conv(images, "conv1", width, 7, 2), "bn1"))
    x = F.max_pool2d(x, 3, 2, 1)
    for i, count in enumerate(counts):
        inner = width * 2**i
        out = inner * (4 if is_deep else 1)
        for k in range(count):
            name, stride = f"layer{i + 1}.{k}", 2 if i > 0 and k == 0 else 1
            shortcut = x
            if stride != 1 or x.shape[1] != out:
                shortcut = w.batch_norm(w.conv(x, f"{name}.downsample.0", out, 1, stride), f"{name}.downsample.1")
            if is_deep:
                y = F.relu(w.batch_norm(w.conv(x, f"{name}.conv1", inner, 1), f"{name}.bn1"))
                y = F.relu(w.batch_norm(w.conv(y, f"{name}.conv2", inner, 3, stride), f"{name}.bn2"))
                y = w.batch_norm(w.conv(y, f"{name}.conv3", out, 1), f"{name}.bn3")
            else:
                y = F.relu(w.batch_norm(w.conv(x, f"{name}.conv1", inner, 3, stride), f"{name}.bn1"))
                y = w.batch_norm(w.conv(y, f"{name}.conv2", out, 3), f"{name}.bn2")
            x = F.relu(y + shortcut)
    return w.linear(x.mean((2, 3)), "fc", config["numClasses"])


def mobilenet_v2(w, config, images):
    def rounded(channels):
        new = max(8, int(channels + 4) // 8 * 8)
        return new + 8 if new < 0.9 * channels else new

    def activated(x, name, out, kernel, stride=1, groups=1):
        return F.relu6(w.batch_norm(w.conv(x, f"{name}.0", out, kernel, stride, groups), f"{name}.1"))

    factor = config["widthMultiplier"]
    x = activated(images, "features.0", rounded(32 * factor), 3, 2)
    n = 1
    for t, c, count, s in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]:
        for k in range(count):
            out, stride, inner, name = rounded(c * factor), s if k == 0 else 1, x.shape[1] * t, f"features.{n}.conv"
            y, at = x, 0
            if t != 1:
                y, at = activated(y, f"{name}.0", inner, 1), 1
            y = activated(y, f"{name}.{at}", inner, 3, stride, inner)
            y = w.batch_norm(w.conv(y, f"{name}.{at + 1}", out, 1), f"{name}.{at + 2}")
            x = x + y if stride == 1 and x.shape[1] == out else y
            n += 1
    x = activated(x, f"features.{n}", rounded(1280 * max(1, factor)), 1)
    return w.linear(x.mean((2, 3)), "classifier.1", config["numClasses"])


GPT2 = dict(model_type="gpt2", n_embd=12, n_head=3, n_layer=2, n_positions=20, vocab_size=31, layer_norm_epsilon=1e-5)
LLAMA = dict(
    model_type="llama", hidden_size=16, num_attention_heads=4, num_key_value_heads=2, num_hidden_layers=2, intermediate_size=23,
    vocab_size=29, rms_norm_eps=1e-5, rope_theta=10000.0, max_position_embeddings=32, tie_word_embeddings=False,
)  # fmt: skip
BERT = dict(
    model_type="bert", hidden_size=12, num_attention_heads=2, num_hidden_layers=2, intermediate_size=20, vocab_size=37,
    max_position_embeddings=16, type_vocab_size=2,
)  # fmt: skip
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)
VIT = dict(
    model_type="vit", hidden_size=12, num_attention_heads=2, num_hidden_layers=2, intermediate_size=20, image_size=8, patch_size=4,
    layer_norm_eps=1e-12, id2label={"0": "cat", "1": "dog", "2": "bird"},
)  # fmt: skip
DISTILBERT = dict(model_type="distilbert", dim=12, n_heads=2, n_layers=2, hidden_dim=20, vocab_size=37, max_position_embeddings=16)

TEXT = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6, 5], [2, 7, 1, 8, 2, 8, 1, 8, 2]])
MASK = torch.tensor([[1] * 9, [1] * 6 + [0] * 3])


def images(size):
    return fill("images", (2, 3, size, size)) * 3


CASES = {
    "gpt2": (gpt2, GPT2, [TEXT]),
    "llama": (llama, LLAMA, [TEXT]),
    "llama, scaled as Llama 3": (llama, {**LLAMA, "rope_scaling": LLAMA3, "head_dim": 6}, [TEXT]),
    "llama, scaled linearly": (llama, {**LLAMA, "rope_scaling": {"type": "linear", "factor": 2.0}}, [TEXT]),
    "mistral": (llama, {**LLAMA, "model_type": "mistral", "sliding_window": 4}, [TEXT]),
    "qwen2": (llama, {**LLAMA, "model_type": "qwen2", "tie_word_embeddings": True, "rope_theta": 1e6}, [TEXT]),
    "bert": (bert, BERT, [TEXT, MASK]),
    "distilbert": (distilbert, DISTILBERT, [TEXT, MASK]),
    "vit": (vit, VIT, [images(8)]),
    "resnet18": (resnet, dict(model_type="resnet", depth=18, width=4, numClasses=7), [images(33)]),
    "resnet50": (resnet, dict(model_type="resnet", depth=50, width=4, numClasses=7), [images(33)]),
    "mobilenet_v2": (mobilenet_v2, dict(model_type="mobilenet_v2", widthMultiplier=0.25, numClasses=7), [images(33)]),
}


def greedy(model, config, shapes, prompt, count):
    """Tokens by the largest logit, each from the whole text."""
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(int(model(Weights(), config, torch.tensor([tokens]))[0, -1].argmax()))
    return tokens[len(prompt) :]


if __name__ == "__main__":
    written = {}
    for name, (model, config, inputs) in CASES.items():
        weights = Weights()
        output = model(weights, config, *inputs)
        case = dict(config=config, shapes=weights.shapes, shape=list(output.shape), output=[float(f"{v:.7g}") for v in output.flatten()])
        if model in (gpt2, llama):
            case["greedy"] = [greedy(model, config, weights.shapes, prompt, 8) for prompt in ([3, 1, 4, 1, 5], [2, 7])]
        written[name] = case
    print("{")
    print(",\n".join(f'"{name}": {json.dumps(case)}' for name, case in written.items()))
    print("}")
