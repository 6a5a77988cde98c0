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

    def group_norm(self, x, name, groups, eps):
        n = x.shape[1]
        return F.group_norm(x, groups, self(f"{name}.weight", n), self(f"{name}.bias", n), eps)

    def batch_norm(self, x, name, eps=1e-5):
        n = x.shape[1]
        mean, var = self(f"{name}.running_mean", n), self(f"{name}.running_var", n)
        self.shapes[f"{name}.num_batches_tracked"] = []
        return F.batch_norm(x, mean, var, self(f"{name}.weight", n), self(f"{name}.bias", n), False, 0.1, eps)


def attend(q, k, v, heads, mask=None, groups=None):
    """Attention on [N, L, heads * size], to keys and values of any length. `mask` is added to the scores."""
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


def rounded(channels):
    new = max(8, int(channels + 4) // 8 * 8)
    return new + 8 if new < 0.9 * channels else new


def mobilenet_v2(w, config, images):
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


# Kernel, inner channels, channels, weights of channels, activation, stride.
V3_LARGE = """3 16 16 - r 1, 3 64 24 - r 2, 3 72 24 - r 1, 5 72 40 w r 2, 5 120 40 w r 1, 5 120 40 w r 1, 3 240 80 - h 2, 3 200 80 - h 1,
    3 184 80 - h 1, 3 184 80 - h 1, 3 480 112 w h 1, 3 672 112 w h 1, 5 672 160 w h 2, 5 960 160 w h 1, 5 960 160 w h 1"""
V3_SMALL = """3 16 16 w r 2, 3 72 24 - r 2, 3 88 24 - r 1, 5 96 40 w h 2, 5 240 40 w h 1, 5 240 40 w h 1, 5 120 48 w h 1, 5 144 48 w h 1,
    5 288 96 w h 2, 5 576 96 w h 1, 5 576 96 w h 1"""


def mobilenet_v3(w, config, images):
    factor, is_large = config["widthMultiplier"], config["size"] == "large"

    def convolved(x, name, out, kernel, stride=1, groups=1, activation=lambda y: y):
        return activation(w.batch_norm(w.conv(x, f"{name}.0", out, kernel, stride, groups), f"{name}.1", 1e-3))

    x = convolved(images, "features.0", rounded(16 * factor), 3, 2, activation=F.hardswish)
    rows = (V3_LARGE if is_large else V3_SMALL).split(",")
    for n, row in enumerate(rows):
        kernel, inner, out, weighted, kind, stride = row.split()
        inner, out, stride = rounded(int(inner) * factor), rounded(int(out) * factor), int(stride)
        activation = F.relu if kind == "r" else F.hardswish
        y, at, name = x, 0, f"features.{n + 1}.block"
        if inner != x.shape[1]:
            y, at = convolved(y, f"{name}.0", inner, 1, activation=activation), 1
        y, at = convolved(y, f"{name}.{at}", inner, int(kernel), stride, inner, activation), at + 1
        if weighted == "w":
            means = y.mean((2, 3), keepdim=True)
            scale = F.relu(w.conv(means, f"{name}.{at}.fc1", rounded(inner // 4), 1, bias=True))
            y, at = y * F.hardsigmoid(w.conv(scale, f"{name}.{at}.fc2", inner, 1, bias=True)), at + 1
        y = convolved(y, f"{name}.{at}", out, 1)
        x = x + y if stride == 1 and x.shape[1] == out else y
    x = convolved(x, f"features.{len(rows) + 1}", 6 * x.shape[1], 1, activation=F.hardswish)
    x = F.hardswish(w.linear(x.mean((2, 3)), "classifier.0", rounded((1280 if is_large else 1024) * factor)))
    return w.linear(x, "classifier.3", config["numClasses"])


def unet(w, config, images, timesteps):
    widths, count, groups, eps = config["block_out_channels"], config["layers_per_block"], config["norm_num_groups"], 1e-5
    if config.get("center_input_sample"):
        images = 2 * images - 1
    half = widths[0] // 2
    rates = torch.exp(-math.log(10000) * torch.arange(half).double() / (half - config.get("freq_shift", 0))).float()
    angles = timesteps[:, None].float() * rates
    waves = [angles.cos(), angles.sin()] if config.get("flip_sin_to_cos", True) else [angles.sin(), angles.cos()]
    time = F.silu(w.linear(torch.cat(waves, 1), "time_embedding.linear_1", 4 * widths[0]))
    time = w.linear(time, "time_embedding.linear_2", 4 * widths[0])

    def resnet_block(x, name, out):
        y = w.conv(F.silu(w.group_norm(x, f"{name}.norm1", groups, eps)), f"{name}.conv1", out, 3, bias=True)
        y = y + w.linear(F.silu(time), f"{name}.time_emb_proj", out)[:, :, None, None]
        y = w.conv(F.silu(w.group_norm(y, f"{name}.norm2", groups, eps)), f"{name}.conv2", out, 3, bias=True)
        return y + (x if x.shape[1] == out else w.conv(x, f"{name}.conv_shortcut", out, 1, bias=True))

    def attention(x, name):
        n, channels, height, width = x.shape
        y = w.group_norm(x.flatten(2), f"{name}.group_norm", groups, eps).transpose(1, 2)
        q, k, v = (w.linear(y, f"{name}.to_{part}", channels) for part in "qkv")
        heads = channels // config["attention_head_dim"] if config["attention_head_dim"] else 1
        y = w.linear(attend(q, k, v, heads), f"{name}.to_out.0", channels)
        return x + y.transpose(1, 2).reshape(n, channels, height, width)

    x = w.conv(images, "conv_in", widths[0], 3, bias=True)
    kept = [x]
    for i, width in enumerate(widths):
        name = f"down_blocks.{i}"
        for k in range(count):
            x = resnet_block(x, f"{name}.resnets.{k}", width)
            if config["down_block_types"][i].startswith("Attn"):
                x = attention(x, f"{name}.attentions.{k}")
            kept.append(x)
        if i < len(widths) - 1:
            padding = config.get("downsample_padding", 1)
            x = w.conv(x if padding else F.pad(x, (0, 1, 0, 1)), f"{name}.downsamplers.0.conv", width, 3, 2, padding=padding, bias=True)
            kept.append(x)
    x = resnet_block(x, "mid_block.resnets.0", widths[-1])
    x = resnet_block(attention(x, "mid_block.attentions.0"), "mid_block.resnets.1", widths[-1])
    for i, width in enumerate(reversed(widths)):
        name = f"up_blocks.{i}"
        for k in range(count + 1):
            x = resnet_block(torch.cat([x, kept.pop()], 1), f"{name}.resnets.{k}", width)
            if config["up_block_types"][i].startswith("Attn"):
                x = attention(x, f"{name}.attentions.{k}")
        if i < len(widths) - 1:
            x = w.conv(F.interpolate(x, scale_factor=2.0), f"{name}.upsamplers.0.conv", width, 3, bias=True)
    return w.conv(F.silu(w.group_norm(x, "conv_norm_out", groups, eps)), "conv_out", config["out_channels"], 3, bias=True)


def log_mel(samples, bins):
    """As WhisperFeatureExtractor, for samples [L] whose length is a multiple of 160."""
    spectrum = torch.stft(samples.double(), 400, 160, window=torch.hann_window(400).double(), return_complex=True)
    power = spectrum[:, :-1].abs() ** 2
    hertz = torch.linspace(0, 8000, 201).double()
    to_mel = lambda f: torch.where(f < 1000, f * 3 / 200, 15 + torch.log(f.clamp(min=1) / 1000) * 27 / math.log(6.4))
    to_hertz = lambda m: torch.where(m < 15, m * 200 / 3, 1000 * torch.exp((m - 15) * math.log(6.4) / 27))
    edges = to_hertz(torch.linspace(0, float(to_mel(torch.tensor(8000.0).double())), bins + 2).double())
    rows = []
    for low, middle, high in zip(edges, edges[1:], edges[2:]):
        rows.append(torch.minimum((hertz - low) / (middle - low), (high - hertz) / (high - middle)).clamp(min=0) * 2 / (high - low))
    log = (torch.stack(rows) @ power).clamp(min=1e-10).log10()
    return ((torch.maximum(log, log.max() - 8) + 4) / 4).float()


def whisper(w, config, samples, tokens):
    width, positions = config["d_model"], config["max_source_positions"]
    samples = F.pad(samples, (0, 320 * positions - samples.shape[1]))
    features = torch.stack([log_mel(each, config["num_mel_bins"]) for each in samples])

    def conv1d(x, name, stride):
        return F.gelu(F.conv1d(x, w(f"{name}.weight", width, x.shape[1], 3), w(f"{name}.bias", width), stride, 1))

    def attention(x, source, name, heads, mask=None):
        q, k = w.linear(x, f"{name}.q_proj", width), w.linear(source, f"{name}.k_proj", width, False)
        return w.linear(attend(q, k, w.linear(source, f"{name}.v_proj", width), heads, mask), f"{name}.out_proj", width)

    def dense(x, name, inner):
        y = F.gelu(w.linear(w.layer_norm(x, f"{name}.final_layer_norm", 1e-5), f"{name}.fc1", inner))
        return x + w.linear(y, f"{name}.fc2", width)

    x = conv1d(conv1d(features, "model.encoder.conv1", 1), "model.encoder.conv2", 2).transpose(1, 2)
    x = x + w("model.encoder.embed_positions.weight", positions, width)
    for i in range(config["encoder_layers"]):
        name = f"model.encoder.layers.{i}"
        y = w.layer_norm(x, f"{name}.self_attn_layer_norm", 1e-5)
        x = x + attention(y, y, f"{name}.self_attn", config["encoder_attention_heads"])
        x = dense(x, name, config["encoder_ffn_dim"])
    encoded = w.layer_norm(x, "model.encoder.layer_norm", 1e-5)

    table = w("model.decoder.embed_tokens.weight", config["vocab_size"], width)
    x = table[tokens] + w("model.decoder.embed_positions.weight", config["max_target_positions"], width)[: tokens.shape[1]]
    for i in range(config["decoder_layers"]):
        name, heads = f"model.decoder.layers.{i}", config["decoder_attention_heads"]
        y = w.layer_norm(x, f"{name}.self_attn_layer_norm", 1e-5)
        x = x + attention(y, y, f"{name}.self_attn", heads, causal(tokens.shape[1]))
        x = x + attention(w.layer_norm(x, f"{name}.encoder_attn_layer_norm", 1e-5), encoded, f"{name}.encoder_attn", heads)
        x = dense(x, name, config["decoder_ffn_dim"])
    return w.layer_norm(x, "model.decoder.layer_norm", 1e-5) @ table.T


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

UNET = dict(
    _class_name="UNet2DModel", in_channels=3, out_channels=3, block_out_channels=[8, 12], layers_per_block=1, norm_num_groups=4,
    attention_head_dim=4, down_block_types=["DownBlock2D", "AttnDownBlock2D"], up_block_types=["AttnUpBlock2D", "UpBlock2D"],
)  # fmt: skip
DDPM = dict(attention_head_dim=None, downsample_padding=0, flip_sin_to_cos=False, freq_shift=1, center_input_sample=True, layers_per_block=2)
WHISPER = dict(
    model_type="whisper", d_model=12, encoder_attention_heads=2, decoder_attention_heads=3, encoder_layers=2, decoder_layers=2,
    encoder_ffn_dim=20, decoder_ffn_dim=18, vocab_size=31, num_mel_bins=8, max_source_positions=12, max_target_positions=16,
    decoder_start_token_id=1, eos_token_id=2, forced_decoder_ids=[[1, 5], [2, 7]], suppress_tokens=[12], begin_suppress_tokens=[10],
)  # fmt: skip

TEXT = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6, 5], [2, 7, 1, 8, 2, 8, 1, 8, 2]])
MASK = torch.tensor([[1] * 9, [1] * 6 + [0] * 3])


SPEECH = fill("speech", (2, 3000)) * 30


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
    "mobilenet_v3, large": (mobilenet_v3, dict(model_type="mobilenet_v3", size="large", widthMultiplier=0.25, numClasses=7), [images(33)]),
    "mobilenet_v3, small": (mobilenet_v3, dict(model_type="mobilenet_v3", size="small", widthMultiplier=0.5, numClasses=7), [images(33)]),
    "unet": (unet, UNET, [images(8), torch.tensor([3, 250])]),
    "unet, as DDPM": (unet, {**UNET, **DDPM}, [images(8), torch.tensor([3, 250])]),
    "whisper": (whisper, WHISPER, [SPEECH, TEXT]),
    "mobilenet_v2": (mobilenet_v2, dict(model_type="mobilenet_v2", widthMultiplier=0.25, numClasses=7), [images(33)]),
}


def greedy(model, config, shapes, prompt, count):
    """Tokens by the largest logit, each from the whole text."""
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(int(model(Weights(), config, torch.tensor([tokens]))[0, -1].argmax()))
    return tokens[len(prompt) :]


def greedy_speech(config, samples, count, weights=None):
    """As `greedy`, after the forced tokens, without suppressed ones."""
    tokens = [config["decoder_start_token_id"], *(token for _, token in config["forced_decoder_ids"])]
    prompt = len(tokens)
    for i in range(count):
        logits = whisper(weights or Weights(), config, samples[None], torch.tensor([tokens]))[0, -1]
        logits[config["suppress_tokens"] + (config["begin_suppress_tokens"] if i == 0 else [])] = -math.inf
        tokens.append(int(logits.argmax()))
    return tokens[prompt:]


if __name__ == "__main__":
    written = {}
    for name, (model, config, inputs) in CASES.items():
        weights = Weights()
        output = model(weights, config, *inputs)
        case = dict(config=config, shapes=weights.shapes, shape=list(output.shape), output=[float(f"{v:.7g}") for v in output.flatten()])
        if model in (gpt2, llama):
            case["greedy"] = [greedy(model, config, weights.shapes, prompt, 8) for prompt in ([3, 1, 4, 1, 5], [2, 7])]
        if model is whisper:
            case["greedy"] = [greedy_speech(config, each, 8) for each in SPEECH]
        written[name] = case
    print("{")
    print(",\n".join(f'"{name}": {json.dumps(case)}' for name, case in written.items()))
    print("}")
