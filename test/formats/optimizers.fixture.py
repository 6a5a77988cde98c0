"""Optimizers in the middle of training, and where they go on to.

    python3 test/formats/optimizers.fixture.py > test/formats/optimizers.fixture.ts    writes the fixture
    python3 test/formats/optimizers.fixture.py resume FILE...                          goes on with files of savePyTorch(), and prints the parameters
"""
import base64
import gzip
import io
import json
import sys

import torch
from torch import optim

KINDS = {
    'Adam': (optim.Adam, dict(amsgrad=True, weight_decay=0.1)),
    'AdamW': (optim.AdamW, dict(betas=(0.8, 0.99), maximize=True)),
    'SGD': (optim.SGD, dict(momentum=0.9, nesterov=True, weight_decay=0.1)),
    'plain SGD': (optim.SGD, dict()),
    'RMSprop': (optim.RMSprop, dict(centered=True, momentum=0.5)),
    'Adagrad': (optim.Adagrad, dict(lr_decay=0.1)),
    'RAdam': (optim.RAdam, dict()),
}


def made(kind, parameters):
    make, options = KINDS[kind]
    weight, bias = parameters
    return make([{'params': [weight]}, {'params': [bias], 'lr': 0.05}], lr=0.1, **options)


def train(optimizer, parameters, steps):
    """Steps towards 1."""
    for _ in range(steps):
        for parameter in parameters:
            parameter.grad = parameter.detach() - 1
        optimizer.step()


def told(parameters):
    return [parameter.detach().reshape(-1).tolist() for parameter in parameters]


def resume(path):
    saved = torch.load(path)
    parameters = [torch.nn.Parameter(tensor) for tensor in saved['parameters']]
    optimizer = made(saved['kind'], parameters)
    optimizer.load_state_dict(saved['optimizer'])
    train(optimizer, parameters, 3)
    return told(parameters)


if sys.argv[1:2] == ['resume']:
    print(json.dumps([resume(path) for path in sys.argv[2:]]))
    sys.exit()

print('// Written by optimizers.fixture.py.\n')
print('/** Files after two steps, gzipped, as base64, and the parameters after three more. */')
print('export const optimizers: Readonly<Record<string, { readonly file: string; readonly parameters: readonly (readonly number[])[] }>> = {')
for kind in KINDS:
    parameters = [torch.nn.Parameter(torch.arange(6.0).reshape(2, 3) / 4), torch.nn.Parameter(torch.tensor([-1.0, 2.0]))]
    optimizer = made(kind, parameters)
    train(optimizer, parameters, 2)
    buffer = io.BytesIO()
    torch.save({'parameters': [p.detach() for p in parameters], 'optimizer': optimizer.state_dict()}, buffer)
    file = base64.b64encode(gzip.compress(buffer.getvalue(), mtime=0)).decode()
    train(optimizer, parameters, 3)
    print(f"\t'{kind}': {{\n\t\tfile: '{file}',\n\t\tparameters: {json.dumps(told(parameters))},\n\t}},")
print('};')
