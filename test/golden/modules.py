"""Golden values for the modules of `nn`: `npm run golden` (needs Debian's python3-torch).

PyTorch builds each case with fixed weights and inputs from the generator of test/ops/database.ts. modules.json holds the keys and shapes of
its state, its output, the gradient of its first input, and its buffers after one training step.
"""
import ctypes
import json
import math
import os

import torch
from torch import nn

from stream import stream

torch.set_default_dtype(torch.float64)


def draw(name, shape, low=-1, high=1):
    source = stream(name)
    values = [ctypes.c_float(low + next(source) * (high - low)).value for _ in range(math.prod(shape))]
    return torch.tensor(values).reshape(shape)


class ChannelShuffle(nn.Module):
    """Replaces PyTorch 1.13's class, which has no gradient on the CPU."""

    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    def forward(self, x):
        return x.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)


U = "uniform in (0.1, 0.9)"

# name: module, shapes of the inputs. Values are in (-1, 1), or after U in (0.1, 0.9). A tensor stands for itself.
CASES = {
    "Conv1d": (nn.Conv1d(2, 4, 3, stride=2, padding=1, groups=2), [[2, 2, 7]]),
    "Conv1d reflect": (nn.Conv1d(2, 3, 3, padding=2, padding_mode="reflect"), [[1, 2, 6]]),
    "Conv2d": (nn.Conv2d(2, 3, (3, 2), dilation=(1, 2), bias=False), [[1, 2, 5, 6]]),
    "Conv2d same": (nn.Conv2d(1, 2, (3, 4), padding="same"), [[1, 1, 5, 5]]),
    "Conv2d circular same": (nn.Conv2d(1, 2, (3, 4), padding="same", dilation=(1, 1), padding_mode="circular"), [[1, 1, 5, 5]]),
    "Conv2d replicate": (nn.Conv2d(1, 2, 3, padding=(2, 1), padding_mode="replicate"), [[1, 1, 4, 5]]),
    "Conv3d": (nn.Conv3d(1, 2, (2, 1, 2), padding=(1, 0, 0)), [[1, 1, 3, 3, 3]]),
    "ConvTranspose1d": (nn.ConvTranspose1d(4, 2, 3, stride=2, padding=1, output_padding=1, groups=2), [[1, 4, 4]]),
    "ConvTranspose2d": (nn.ConvTranspose2d(2, 3, 3, stride=(2, 1), padding=(1, 0), output_padding=(1, 0)), [[1, 2, 3, 4]]),
    "MaxPool1d": (nn.MaxPool1d(3, stride=2, padding=1), [[1, 2, 7]]),
    "AvgPool1d": (nn.AvgPool1d(2, ceil_mode=True), [[1, 2, 7]]),
    "AdaptiveAvgPool1d": (nn.AdaptiveAvgPool1d(3), [[1, 2, 7]]),
    "AdaptiveMaxPool2d": (nn.AdaptiveMaxPool2d((2, None)), [[1, 2, 5, 3]]),
    "BatchNorm1d": (nn.BatchNorm1d(3), [[4, 3]]),
    "BatchNorm3d": (nn.BatchNorm3d(2, momentum=0.3), [[2, 2, 2, 1, 3]]),
    "GroupNorm": (nn.GroupNorm(2, 4), [[2, 4, 3]]),
    "InstanceNorm1d": (nn.InstanceNorm1d(3, affine=True), [[2, 3, 5]]),
    "InstanceNorm2d": (nn.InstanceNorm2d(2, track_running_stats=True), [[2, 2, 3, 2]]),
    "InstanceNorm2d unbatched": (nn.InstanceNorm2d(2), [[2, 3, 2]]),
    "LocalResponseNorm": (nn.LocalResponseNorm(3, alpha=0.5, k=2), [[1, 5, 2]]),
    "Bilinear": (nn.Bilinear(2, 3, 4), [[5, 2], [5, 3]]),
    "Unflatten": (nn.Unflatten(1, (2, 3)), [[2, 6]]),
    "Unfold": (nn.Unfold((2, 3), padding=1), [[1, 2, 3, 4]]),
    "Fold": (nn.Fold((3, 4), 2), [[1, 8, 6]]),
    "ConstantPad1d": (nn.ConstantPad1d((1, 2), 3.5), [[1, 2, 3]]),
    "ZeroPad2d": (nn.ZeroPad2d((1, -1, 2, 0)), [[1, 1, 3, 3]]),
    "ConstantPad2d": (nn.ConstantPad2d(1, -2.0), [[1, 1, 2, 3]]),
    "ReflectionPad1d": (nn.ReflectionPad1d((2, 1)), [[1, 2, 4]]),
    "ReflectionPad2d": (nn.ReflectionPad2d((1, 2, 0, 1)), [[1, 1, 3, 4]]),
    "ReplicationPad1d": (nn.ReplicationPad1d(2), [[1, 2, 3]]),
    "ReplicationPad2d": (nn.ReplicationPad2d((1, 2, 3, 0)), [[1, 1, 2, 3]]),
    "PReLU": (nn.PReLU(3), [[2, 3, 2]]),
    "PReLU one": (nn.PReLU(), [[5]]),
    "RReLU eval": (nn.RReLU().eval(), [[7]]),
    "GLU": (nn.GLU(1), [[2, 4, 3]]),
    "Tanhshrink": (nn.Tanhshrink(), [[5]]),
    "Softshrink": (nn.Softshrink(0.3), [[9]]),
    "Hardshrink": (nn.Hardshrink(), [[9]]),
    "Threshold": (nn.Threshold(0.1, 20), [[9]]),
    "Softmin": (nn.Softmin(1), [[2, 5]]),
    "Softmax2d": (nn.Softmax2d(), [[1, 3, 2, 2]]),
    "SmoothL1Loss": (nn.SmoothL1Loss(beta=0.5), [[2, 3], [2, 3]]),
    "HuberLoss": (nn.HuberLoss(delta=0.5, reduction="sum"), [[2, 3], [2, 3]]),
    "BCELoss": (nn.BCELoss(), [[U, 2, 3], [U, 2, 3]]),
    "KLDivLoss": (nn.KLDivLoss(reduction="batchmean"), [[2, 3], [U, 2, 3]]),
    "PoissonNLLLoss": (nn.PoissonNLLLoss(), [[2, 3], [U, 2, 3]]),
    "GaussianNLLLoss": (nn.GaussianNLLLoss(full=True), [[2, 3], [2, 3], [U, 2, 3]]),
    "HingeEmbeddingLoss": (nn.HingeEmbeddingLoss(margin=0.5), [[4], torch.tensor([1.0, -1.0, -1.0, 1.0])]),
    "MultiMarginLoss": (nn.MultiMarginLoss(p=2), [[3, 4], torch.tensor([1, 0, 3])]),
    "CosineEmbeddingLoss": (nn.CosineEmbeddingLoss(margin=0.1), [[3, 4], [3, 4], torch.tensor([1.0, -1.0, -1.0])]),
    "TripletMarginLoss": (nn.TripletMarginLoss(swap=True), [[3, 4], [3, 4], [3, 4]]),
    "CosineSimilarity": (nn.CosineSimilarity(dim=-1), [[3, 4], [3, 4]]),
    "Upsample": (nn.Upsample(scale_factor=2), [[1, 2, 2, 3]]),
    "Upsample bilinear": (nn.Upsample(size=(5, 4), mode="bilinear", align_corners=True), [[1, 2, 3, 3]]),
    "Upsampling nearest": (nn.UpsamplingNearest2d(scale_factor=2), [[1, 1, 2, 3]]),
    "Upsampling bilinear": (nn.UpsamplingBilinear2d(size=(3, 5)), [[1, 1, 2, 3]]),
    "ChannelShuffle": (ChannelShuffle(2), [[1, 6, 2, 1]]),
    "ConvTranspose3d": (nn.ConvTranspose3d(2, 1, (1, 2, 2), stride=2, output_padding=(1, 0, 1)), [[1, 2, 2, 1, 2]]),
    "MaxPool3d": (nn.MaxPool3d((1, 2, 2), padding=(0, 1, 0)), [[1, 1, 2, 3, 4]]),
    "AvgPool3d": (nn.AvgPool3d(2, stride=1), [[1, 1, 2, 3, 3]]),
    "AdaptiveAvgPool3d": (nn.AdaptiveAvgPool3d((1, None, 2)), [[1, 1, 2, 2, 3]]),
    "AdaptiveMaxPool1d": (nn.AdaptiveMaxPool1d(2), [[1, 2, 5]]),
    "AdaptiveMaxPool3d": (nn.AdaptiveMaxPool3d((1, None, 2)), [[1, 1, 2, 2, 3]]),
    "ConstantPad3d": (nn.ConstantPad3d((1, 0, 0, 1, 2, 0), 0.5), [[1, 1, 1, 2, 2]]),
    "ReflectionPad3d": (nn.ReflectionPad3d((1, 0, 0, 1, 1, 0)), [[1, 1, 2, 2, 2]]),
    "ReplicationPad3d": (nn.ReplicationPad3d(1), [[1, 1, 1, 2, 1]]),
    "PairwiseDistance": (nn.PairwiseDistance(p=1, keepdim=True), [[3, 4], [3, 4]]),
    "MarginRankingLoss": (nn.MarginRankingLoss(margin=0.5), [[3], [3], torch.tensor([1.0, -1.0, -1.0])]),
    "SoftMarginLoss": (nn.SoftMarginLoss(reduction="sum"), [[3], torch.tensor([1.0, -1.0, -1.0])]),
    "MultiLabelMarginLoss": (nn.MultiLabelMarginLoss(), [[4], torch.tensor([3, 0, -1, 1])]),
    "MultiLabelSoftMarginLoss": (nn.MultiLabelSoftMarginLoss(), [[2, 3], [U, 2, 3]]),
    "TripletMarginWithDistanceLoss": (nn.TripletMarginWithDistanceLoss(margin=3.0), [[3, 4], [3, 4], [3, 4]]),
    "weight norm": (nn.utils.weight_norm(nn.Conv1d(2, 3, 2)), [[1, 2, 4]]),
    "weight norm of all": (nn.utils.weight_norm(nn.Linear(3, 2), dim=None), [[2, 3]]),
    "PixelShuffle": (nn.PixelShuffle(2), [[1, 8, 2, 3]]),
    "PixelUnshuffle": (nn.PixelUnshuffle(2), [[1, 2, 4, 2]]),
}


def evaluate(name, module, shapes):
    with torch.no_grad():
        for key, parameter in module.named_parameters():
            parameter.copy_(draw(f"{name}/{key}", parameter.shape))
    inputs = []
    for i, shape in enumerate(shapes):
        if isinstance(shape, torch.Tensor):
            inputs.append(shape)
        elif shape[0] == U:
            inputs.append(draw(f"{name}/{i}", shape[1:], 0.1, 0.9))
        else:
            inputs.append(draw(f"{name}/{i}", shape))
    inputs[0].requires_grad_()
    output = module(*inputs)
    (output * draw(f"{name}/gradient", output.shape)).sum().backward()
    return {
        "state": {key: list(value.shape) for key, value in module.state_dict().items()},
        "shape": list(output.shape),
        "output": output.flatten().tolist(),
        "gradient": inputs[0].grad.flatten().tolist(),
        "parameters": {key: parameter.grad.flatten().tolist() for key, parameter in module.named_parameters()},
        "buffers": {key: value.flatten().tolist() for key, value in module.named_buffers()},
    }


def main():
    results = {name: evaluate(name, *case) for name, case in CASES.items()}
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "modules.json"), "w") as file:
        json.dump(results, file, separators=(",", ":"))
        file.write("\n")


main()
