"""Golden values for recurrent networks: `npm run golden` (needs Debian's python3-torch).

Weights and inputs come from the generator of test/ops/database.ts. recurrent.json holds the losses of 20 training steps of examples/text's
classifier with packed sequences, and its parameters afterwards. It also holds outputs and gradients of packed layers in both directions,
of LSTM with projections, of RNN with relu, and of cells.
"""
import ctypes
import json
import math
import os

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from stream import stream

torch.set_default_dtype(torch.float64)


def draw(name, shape, scale=1.0):
    source = stream(name)
    values = [ctypes.c_float((2 * next(source) - 1) * scale).value for _ in range(math.prod(shape))]
    return torch.tensor(values).reshape(shape)


def fill(module, name):
    with torch.no_grad():
        for key, parameter in module.named_parameters():
            parameter.copy_(draw(f"{name}/{key}", parameter.shape, 1 / math.sqrt(parameter.shape[-1])))


def listed(tensor):
    return [float(f"{value:.12g}") for value in tensor.flatten().tolist()]


class Classifier(nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.embedding = nn.Embedding(20, 8, padding_idx=0)
        self.recurrent = {"lstm": nn.LSTM, "gru": nn.GRU}[cell](8, 12, num_layers=2, batch_first=True)
        self.output = nn.Linear(12, 3)

    def forward(self, tokens, lengths):
        packed = pack_padded_sequence(self.embedding(tokens), lengths, batch_first=True, enforce_sorted=False)
        _, last = self.recurrent(packed)
        return self.output((last[0] if isinstance(last, tuple) else last)[-1])


def train(cell):
    model = Classifier(cell)
    fill(model, cell)
    lengths = torch.tensor([1 + (3 * row) % 9 for row in range(8)])
    tokens = torch.tensor([[1 + (5 * row + 3 * time * (row + 1)) % 19 if time < lengths[row] else 0 for time in range(9)] for row in range(8)])
    labels = torch.arange(8) % 3
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(tokens, lengths), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "squares": {key: parameter.square().sum().item() for key, parameter in model.named_parameters()}}


def layer(name, module, shape, lengths=None):
    """Output and last states of a layer or cell that starts from zeros, and all gradients, with one cotangent for each result."""
    fill(module, name)
    x = draw(f"{name}/x", shape).requires_grad_()
    if lengths is None:
        result = module(x)
    else:
        packed, states = module(pack_padded_sequence(x, lengths, enforce_sorted=False))
        result = (pad_packed_sequence(packed, total_length=shape[0])[0], states)
    outputs = []
    for item in result if isinstance(result, tuple) else (result,):
        outputs.extend(item if isinstance(item, tuple) else (item,))
    sum((output * draw(f"{name}/gradient{i}", output.shape)).sum() for i, output in enumerate(outputs)).backward()
    return {
        "outputs": [listed(output) for output in outputs],
        "input": listed(x.grad),
        "parameters": {key: listed(parameter.grad) for key, parameter in module.named_parameters()},
    }


def main():
    both = {"num_layers": 2, "bidirectional": True}
    results = {
        "training": {cell: train(cell) for cell in ("lstm", "gru")},
        "layers": {
            "LSTM packed": layer("LSTM packed", nn.LSTM(3, 4, **both), [5, 3, 3], torch.tensor([3, 5, 1])),
            "GRU packed": layer("GRU packed", nn.GRU(3, 4, **both), [5, 3, 3], torch.tensor([3, 5, 1])),
            "RNN packed": layer("RNN packed", nn.RNN(3, 4, **both), [5, 3, 3], torch.tensor([3, 5, 1])),
            "LSTM projected": layer("LSTM projected", nn.LSTM(3, 4, proj_size=2, **both), [4, 2, 3]),
            "LSTM projected packed": layer("LSTM projected packed", nn.LSTM(3, 4, proj_size=2, **both), [5, 3, 3], torch.tensor([3, 5, 1])),
            "RNN relu": layer("RNN relu", nn.RNN(3, 4, nonlinearity="relu", **both), [4, 2, 3]),
            "LSTM one sequence": layer("LSTM one sequence", nn.LSTM(3, 4, bias=False), [4, 3]),
            "LSTMCell": layer("LSTMCell", nn.LSTMCell(3, 4), [2, 3]),
            "GRUCell": layer("GRUCell", nn.GRUCell(3, 4), [2, 3]),
            "RNNCell": layer("RNNCell", nn.RNNCell(3, 4, nonlinearity="relu"), [2, 3]),
            "GRUCell one row": layer("GRUCell one row", nn.GRUCell(3, 4, bias=False), [3]),
        },
    }
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "recurrent.json"), "w") as file:
        json.dump(results, file, separators=(",", ":"))
        file.write("\n")


main()
