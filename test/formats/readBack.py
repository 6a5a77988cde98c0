"""Prints what torch.load() reads in a file of savePyTorch(), and in one of weights with weights_only, which in that version knows no floats.

    python3 test/formats/readBack.py FILE WEIGHTS
"""
import json
import sys

import torch


def told(value):
    if isinstance(value, torch.Tensor):
        kind = type(value).__name__
        numbers = [str(number) for number in value.detach().double().reshape(-1).tolist()]
        return [kind, str(value.dtype), list(value.shape), list(value.stride()), value.storage_offset(), value.requires_grad, numbers]
    if isinstance(value, dict):
        return {str(key): told(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [told(item) for item in value]
    return repr(value)


path, weights = sys.argv[1:]
value = torch.load(path)
shared = value['shared']
shared['row'][0] = -7
print(json.dumps({'value': told(value), 'isShared': float(shared['base'][1, 0]) == -7, 'same': value['lists'][0] is value['lists'][1], 'weights': told(torch.load(weights, weights_only=True))}))
