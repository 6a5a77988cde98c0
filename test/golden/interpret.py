"""Golden values for wgrad/interpret: `npm run golden` (needs Debian's python3-torch).

Captum's formulas, written out in PyTorch in float64, on a small convolutional classifier and a small classifier of tokens. Writes weights,
inputs and attributions to interpret.json. Weights and inputs are exact in float32.
"""
import json
import math
import os

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
torch.manual_seed(16)


def exact(*shape):
    return (torch.rand(*shape) * 2 - 1).float().double()


class Classifier(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(2, 3, 3, padding=1)
        self.relu1 = torch.nn.ReLU()
        self.conv2 = torch.nn.Conv2d(3, 4, 3, stride=2)
        self.relu2 = torch.nn.ReLU()
        self.tanh = torch.nn.Tanh()
        self.fc = torch.nn.Linear(4 * 2 * 3, 3)

    def forward(self, x):
        x = self.relu1(self.conv(x))
        x = self.relu2(self.conv2(x))
        return self.fc(self.tanh(x.flatten(1)))


class Words(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(7, 4)
        self.fc = torch.nn.Linear(12, 2)

    def forward(self, ids):
        return self.fc(torch.tanh(self.embedding(ids).flatten(1)) ** 2)


def fill(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(exact(*parameter.shape))
    return model


def at_target(output, target):
    return output.gather(1, target[:, None])[:, 0]


def gradient(function, x):
    x = x.detach().clone().requires_grad_()
    return torch.autograd.grad(function(x).sum(), x)[0]


def rule(method, n):
    """Weights and places on [0, 1]. The weights of the trapezoid sum to 1, unlike captum's."""
    if method == "gausslegendre":
        nodes, weights = np.polynomial.legendre.leggauss(n)
        return list(weights / 2), list((nodes + 1) / 2)
    if method == "riemann_trapezoid":
        weights = [1 / (n - 1)] * n
        weights[0] /= 2
        weights[-1] /= 2
        return weights, list(np.linspace(0, 1, n))
    start, stop = {
        "riemann_left": (0, 1 - 1 / n),
        "riemann_middle": (1 / (2 * n), 1 - 1 / (2 * n)),
        "riemann_right": (1 / n, 1),
    }[method]
    return [1 / n] * n, list(np.linspace(start, stop, n))


def integrated(function, x, baseline, method, n):
    weights, alphas = rule(method, n)
    total = sum(w * gradient(function, baseline + a * (x - baseline)) for w, a in zip(weights, alphas))
    return total * (x - baseline)


def delta(values, attributions, x, baseline):
    return attributions.flatten(1).sum(1) - (values(x) - values(baseline.expand_as(x)))


def occlude(function, x, window, strides, baseline):
    total = torch.zeros_like(x)
    weights = torch.zeros_like(x)
    whole = function(x)
    counts = [1 + math.ceil((size - w) / s) for size, w, s in zip(x.shape[1:], window, strides)]
    for index in np.ndindex(*counts):
        place = tuple(slice(i * s, i * s + w) for i, s, w in zip(index, strides, window))
        mask = torch.zeros(x.shape[1:], dtype=torch.bool)
        mask[place] = True
        fall = whole - function(torch.where(mask, baseline, x))
        total += fall.reshape(-1, *[1] * (x.dim() - 1)) * mask
        weights += mask
    return total / weights


def layers(model, x):
    first = model.relu1(model.conv(x))
    rest = lambda a: model.fc(model.tanh(model.relu2(model.conv2(a)).flatten(1)))
    return first, rest


def guided_backprop(model, function, x):
    def hook(module, inputs, outputs):
        return (F.relu(inputs[0]),)

    handles = [relu.register_full_backward_hook(hook) for relu in (model.relu1, model.relu2)]
    found = gradient(function, x)
    for handle in handles:
        handle.remove()
    return found


with torch.no_grad():
    model, words = fill(Classifier()), fill(Words())
for parameter in [*model.parameters(), *words.parameters()]:
    parameter.requires_grad_(True)
x, baseline = exact(3, 2, 6, 7), exact(1, 2, 6, 7)
target = torch.tensor([2, 0, 1])
values = lambda x: at_target(model(x), target)
found = {}
found["saliency"] = gradient(values, x).abs()
found["inputXGradient"] = gradient(values, x) * x
for method in ("gausslegendre", "riemann_left", "riemann_right", "riemann_middle", "riemann_trapezoid"):
    found[method] = integrated(values, x, baseline, method, 6)
    found[method + " delta"] = delta(values, found[method], x, baseline)
with torch.no_grad():
    found["occlusion"] = occlude(values, x, (2, 3, 3), (1, 2, 2), torch.tensor(0.0))
    found["occlusion by one channel"] = occlude(values, x, (1, 4, 2), (1, 3, 2), baseline)
first, rest = layers(model, x)
slope = gradient(lambda a: at_target(rest(a), target), first)
cam = (slope.mean((2, 3), keepdim=True) * first).sum(1, keepdim=True)
found["gradCam"] = cam
found["layerGradientXActivation"] = slope * first
found["guidedBackprop"] = guided_backprop(model, values, x)
second = model.relu2(model.conv2(first))
slope = gradient(lambda a: at_target(model.fc(model.tanh(a.flatten(1))), target), second)
small = F.relu((slope.mean((2, 3), keepdim=True) * second).sum(1, keepdim=True))
found["guidedGradCam"] = found["guidedBackprop"] * F.interpolate(small, size=(6, 7), mode="nearest")

ids = torch.tensor([[1, 5, 2], [6, 0, 3]])
of_words = lambda e: words.fc(torch.tanh(e.flatten(1)) ** 2)[:, 1]
start, end = words.embedding(torch.zeros_like(ids)).detach(), words.embedding(ids).detach()
found["layerIntegratedGradients"] = integrated(of_words, end, start, "gausslegendre", 5)
found["layerIntegratedGradients delta"] = found["layerIntegratedGradients"].flatten(1).sum(1) - (of_words(end) - of_words(start))

attention = torch.nn.MultiheadAttention(6, 2, batch_first=True)
fill(attention)
sequence = exact(2, 4, 6)
mask = torch.ones(4, 4, dtype=torch.bool).triu(1)
_, weights = attention(sequence, sequence, sequence, attn_mask=mask, average_attn_weights=False)
found["attention"] = weights


def plain(tensor):
    return {"shape": list(tensor.shape), "values": tensor.detach().flatten().tolist()}


golden = {
    "model": {key: plain(value) for key, value in model.state_dict().items()},
    "words": {key: plain(value) for key, value in words.state_dict().items()},
    "attention": {key: plain(value) for key, value in attention.state_dict().items()},
    "x": plain(x),
    "baseline": plain(baseline),
    "ids": plain(ids),
    "sequence": plain(sequence),
    "target": target.tolist(),
    "found": {key: plain(value) for key, value in found.items()},
}
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "interpret.json"), "w") as file:
    json.dump(golden, file)
    file.write("\n")
