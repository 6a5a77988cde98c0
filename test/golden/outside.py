"""Golden values of what the operation database has no entry for: `npm run golden` (needs Debian's python3-torch).

Windows, distributions, `nn.utils`, clipping, and functions that return promises, in float64. outside.test.ts computes the same cases, and
draws the same inputs. Writes outside.json: the results of each case, as flat lists.
"""
import ctypes
import json
import math
import os

import torch
from torch.distributions import Bernoulli, Categorical, Normal, kl_divergence

from stream import stream

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

CASES = {}


def draw(name, *shape):
    """Numbers from -1 to 1 that float32 holds."""
    source = stream(name)
    values = [ctypes.c_float(2 * next(source) - 1).value for _ in range(math.prod(shape))]
    return torch.tensor(values).reshape(shape)


def listed(x):
    if isinstance(x, (bool, int)):
        return [float(x)]
    return [float(f"{value:.14g}") for value in x.detach().double().flatten().tolist()]


def case(name, *results):
    CASES[name] = [listed(result) for result in results]


for name in ("hann", "hamming", "blackman", "bartlett", "kaiser"):
    make = getattr(torch, f"{name}_window")
    case(f"{name}Window", *[make(length, periodic=periodic) for length in (1, 2, 7, 8) for periodic in (True, False)])
case("kaiserWindow with beta", torch.kaiser_window(9, periodic=False, beta=3.5))

ids = torch.tensor([[3, 1, 2, 1, 3], [0, 1, 0, 1, 0], [3, 1, 2, 1, 3]], dtype=torch.int32)
case("unique", *torch.unique(ids, return_inverse=True, return_counts=True))
case("unique of rows", *torch.unique(ids, return_inverse=True, return_counts=True, dim=0))
case("unique of columns", *torch.unique(ids, return_inverse=True, return_counts=True, dim=1))
case("nonzero", torch.nonzero(ids))
case("maskedSelect", torch.masked_select(draw("masked", 3, 5), ids > 1))
case("bincount", torch.bincount(ids.flatten(), minlength=6))

a, b = torch.tensor([1.0, math.nan, math.inf]), torch.tensor([1 + 1e-6, math.nan, math.inf])
case(
    "allclose",
    *[
        torch.allclose(*given, **options)
        for given in ((a, b), (a[::2], b[::2]), (a[:1], b[:1]), (a[2:], -a[2:]))
        for options in ({}, {"equal_nan": True}, {"rtol": 0, "atol": 1e-7}, {"rtol": 0, "atol": 1e-5})
    ],
)


def distribution(name, make, value):
    """log_prob, entropy and divergences, and their gradients."""
    parameters = [x.requires_grad_() for x in (draw(f"{name} 0", 2, 3), draw(f"{name} 1", 2, 3))]
    given = make(*parameters)
    others = [draw(f"{name} 2", 2, 3), draw(f"{name} 3", 2, 3)]
    results = {"logProb": given.log_prob(value), "entropy": given.entropy(), "klDivergence": kl_divergence(given, make(*others))}
    for method, result in results.items():
        used = [x for x in parameters if torch.autograd.grad(result.sum(), x, retain_graph=True, allow_unused=True)[0] is not None]
        case(f"{name}, {method}", result, *torch.autograd.grad(result.sum(), used, retain_graph=True))


distribution("Normal", lambda loc, scale: Normal(loc, torch.exp(scale)), draw("value", 2, 3))
distribution("Bernoulli of probs", lambda x, _: Bernoulli(probs=torch.sigmoid(x)), torch.tensor([[0.0, 1, 1], [1, 0, 1]]))
distribution("Bernoulli of logits", lambda x, _: Bernoulli(logits=x), torch.tensor([[0.0, 1, 1], [1, 0, 1]]))
distribution("Categorical of probs", lambda x, _: Categorical(probs=torch.exp(x)), torch.tensor([2, 0]))
distribution("Categorical of logits", lambda x, _: Categorical(logits=x), torch.tensor([2, 0]))

for name, layer, x in (
    ("spectralNorm", torch.nn.Linear(4, 3), draw("spectral x", 2, 4)),
    ("spectralNorm of a transposed convolution", torch.nn.ConvTranspose2d(2, 3, 2), draw("spectral x", 1, 2, 3, 3)),
):
    layer = torch.nn.utils.spectral_norm(layer, n_power_iterations=2)
    state = {key: draw(f"spectral {key}", *value.shape) for key, value in layer.state_dict().items()}
    for key in ("weight_u", "weight_v"):
        state[key] = state[key] / state[key].norm()
    layer.load_state_dict(state)
    layer(x)
    y = layer(x)
    y.square().sum().backward()
    layer.eval()
    case(name, y, layer.weight_orig.grad, layer.weight_u, layer.weight_v, layer(x))

sequences = [draw(f"sequence {length}", length, 2) for length in (2, 4, 1)]
case("padSequence", torch.nn.utils.rnn.pad_sequence(sequences))
case("padSequence, batch first", torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=-1.5))
padded = torch.nn.utils.rnn.pad_sequence(sequences)
packed = torch.nn.utils.rnn.pack_padded_sequence(padded, [2, 4, 1], enforce_sorted=False)
case("packPaddedSequence", packed.data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
case("parametersToVector", torch.nn.utils.parameters_to_vector(sequences))

for norm in (1, 2, 3, math.inf):
    for limit in (0.5, 100):
        parameters = [torch.nn.Parameter(torch.zeros(2, 3)), torch.nn.Parameter(torch.zeros(4))]
        for i, parameter in enumerate(parameters):
            parameter.grad = draw(f"gradient {i}", *parameter.shape)
        total = torch.nn.utils.clip_grad_norm_(parameters, limit, norm_type=norm)
        case(f"clipGradNorm {str(norm).replace('inf', 'Infinity')} {limit}", total, *[parameter.grad for parameter in parameters])
parameter = torch.nn.Parameter(torch.zeros(4))
parameter.grad = draw("gradient 1", 4)
torch.nn.utils.clip_grad_value_([parameter], 0.25)
case("clipGradValue", parameter.grad)

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "outside.json"), "w") as file:
    json.dump(CASES, file, separators=(",", ":"))
    file.write("\n")
