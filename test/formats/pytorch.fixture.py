"""Writes pytorch.fixture.ts: files of torch.save() in both forms, and what torch.load() reads in them.

    python3 test/formats/pytorch.fixture.py > test/formats/pytorch.fixture.ts
"""
import base64
import collections
import gzip
import io
import json
import zipfile

import torch
from torch import nn

torch.manual_seed(0)


def trained():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    model(torch.randn(4, 3)).square().mean().backward()
    optimizer.step()
    return {'model': model.state_dict(), 'optimizer': optimizer.state_dict(), 'epoch': 3, 'best': None}


DTYPES = {
    'float64': [0.1, -2.5, float('inf')],
    'float32': [0.1, -1e-40, 3e38],
    'float16': [1.5, -65504, 6e-8],
    'bfloat16': [1.0, -3.140625, 2.0 ** 100],
    'int64': [-2147483648, 2147483647, 5],
    'int32': [-2147483648, 2147483647, 6],
    'int16': [-32768, 32767, 7],
    'int8': [-128, 127, 8],
    'uint8': [0, 255, 9],
    'bool': [True, False, True],
}


def every_dtype():
    return {name: torch.tensor(values, dtype=getattr(torch, name)) for name, values in DTYPES.items()}


def views():
    base = torch.arange(24.0).reshape(4, 6)
    return {
        'base': base,
        'transposed': base.t(),
        'row': base[1],
        'column': base[:, 2],
        'block': base[1:3, ::2],
        'expanded': base[0, 1:2].expand(3, 2),
        'scalar': base[3, 5],
        'empty': base[4:],
        'parameter': nn.Parameter(torch.tensor([1.0, 2.0])),
        'frozen': nn.Parameter(torch.tensor([3]), requires_grad=False),
        'required': torch.ones(1, requires_grad=True),
    }


VALUES = {
    'none': None,
    'flags': [True, False],
    'numbers': [0, 255, 256, 65536, -1, 2 ** 31, -2 ** 40, 0.5, float('-inf')],
    'large': [2 ** 60, -2 ** 200],
    'tuple': (1, ('two', 3.0)),
    'texts': ['', 'na\u00efve \u4e2d', 'x' * 300],
    'bytes': b'\x00\xff',
    'bytearray': bytearray(b'ab'),
    'set': {7},
    'frozen': frozenset(['a']),
    'ordered': collections.OrderedDict([('z', 1), ('a', [2])]),
    'byNumber': {0: 'a', 10: 'b'},
    'byTuple': {(1, 2): 'c'},
    'mixed': {1: 'number', '1': 'text'},
    'size': torch.Size([2, 3]),
    'dtype': torch.float32,
    'device': torch.device('cuda:1'),
}


def told(value):
    """What torch.load() reads, for JSON: each tensor as its dtype, shape and elements."""
    if isinstance(value, torch.Tensor):
        numbers = value.detach().reshape(-1)
        listed = numbers.tolist() if value.dtype == torch.bool else numbers.double().tolist()
        return {'dtype': str(value.dtype).split('.')[1], 'shape': list(value.shape), 'values': [written(n) for n in listed]}
    if isinstance(value, dict):
        return {str(key): told(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [told(item) for item in value]
    return value


def written(number):
    return str(number) if number in (float('inf'), float('-inf')) else number


def saved(value, zipped, **options):
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=zipped, **options)
    return buffer.getvalue()


def as_zip64(content):
    """The archive with the 64-bit fields of archives beyond 4 GB."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, 'w') as new:
        limits = zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT
        zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT = 0, 0
        for entry in old.infolist():
            new.writestr(zipfile.ZipInfo(entry.filename), old.read(entry))
        new.close()
        zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT = limits
    return buffer.getvalue()


checkpoint = trained()
OBJECTS = {'checkpoint': checkpoint, 'everyDtype': every_dtype(), 'views': views(), 'values': VALUES, 'module': nn.Linear(1, 1)}

print('// Written by pytorch.fixture.py.\n')
print('/** The files, gzipped, as base64. */')
print('export const files = {')
for name, value in OBJECTS.items():
    print(f'\t{name}: {{')
    forms = {'zip': saved(value, True), 'stream': saved(value, False)}
    if name == 'values':
        forms['newest'] = saved(value, True, pickle_protocol=4)
    if name == 'views':
        forms['zip64'] = as_zip64(forms['zip'])
    for form, content in forms.items():
        text = base64.b64encode(gzip.compress(content, mtime=0)).decode()
        lines = [text[i:i + 100] for i in range(0, len(text), 100)]
        print(f'\t\t{form}: [')
        for line in lines:
            print(f"\t\t\t'{line}',")
        print("\t\t].join(''),")
    print('\t},')
print('};')
for name in ['checkpoint', 'everyDtype', 'views']:
    print(f'\nexport const {name}: unknown = JSON.parse(`{json.dumps(told(OBJECTS[name]))}`);')
