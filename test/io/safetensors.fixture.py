"""Writes safetensors.fixture.ts: files in the layout of the format's own writer. Follows the format's description with numpy, and uses none
of wgrad's code.

    python3 test/io/safetensors.fixture.py > test/io/safetensors.fixture.ts
"""
import base64
import json
import struct

import numpy as np

# The writer orders data by descending dtype in this order, then by name.
ORDER = ['BOOL', 'U8', 'I8', 'I16', 'U16', 'F16', 'BF16', 'I32', 'U32', 'F32', 'F64', 'I64', 'U64']
NUMPY = {'BOOL': '?', 'U8': 'u1', 'I8': 'i1', 'I16': '<i2', 'U16': '<u2', 'F16': '<f2', 'I32': '<i4', 'U32': '<u4',
         'F32': '<f4', 'F64': '<f8', 'I64': '<i8', 'U64': '<u8'}


def content(dtype, values):
    if dtype == 'BF16':
        # The upper half of a float32; the lower halves of the values below are zero.
        return (np.array(values, dtype='<f4').view('<u4') >> 16).astype('<u2').tobytes()
    return np.array(values, dtype=NUMPY[dtype]).tobytes()


def file(tensors, metadata=None):
    header = {'__metadata__': metadata} if metadata else {}
    data = b''
    for name, (dtype, shape, values) in sorted(tensors.items(), key=lambda t: (-ORDER.index(t[1][0]), t[0])):
        chunk = content(dtype, values)
        header[name] = {'dtype': dtype, 'shape': shape, 'data_offsets': [len(data), len(data) + len(chunk)]}
        data += chunk
    text = json.dumps(header, separators=(',', ':'), ensure_ascii=False).encode()
    text += b' ' * (-len(text) % 8)
    return base64.b64encode(struct.pack('<Q', len(text)) + text + data).decode()


FILES = {
    'everyDtype': file({
        'bool': ('BOOL', [3], [True, False, True]),
        'u8': ('U8', [2], [0, 255]),
        'i8': ('I8', [2], [-128, 127]),
        'i16': ('I16', [1, 2], [-32768, 32767]),
        'u16': ('U16', [2], [0, 65535]),
        'f16': ('F16', [4], [1.5, -65504, 6e-8, float('inf')]),
        'bf16': ('BF16', [3], [1.0, -3.140625, 2.0 ** 100]),
        'i32': ('I32', [2], [-2147483648, 2147483647]),
        'u32': ('U32', [2], [0, 2147483647]),
        'f32': ('F32', [2, 2], [0.1, -1e-40, 3e38, float('-inf')]),
        'f64': ('F64', [], [0.1]),
        'i64': ('I64', [2], [-2147483648, 2147483647]),
        'u64': ('U64', [1], [7]),
    }),
    'model': file({
        'conv.weight': ('F32', [2, 1, 1, 2], [0.5, -1.25, 3, 1e-3]),
        'conv.bias': ('F32', [2], [0, 1]),
        'steps': ('I32', [], [12345]),
        'mask': ('BOOL', [3], [True, False, True]),
        'half': ('F16', [3], [1, -2, 0.0999755859375]),
        'double': ('F64', [1], [0.1]),
        'empty': ('F32', [0, 3], []),
        'na\u00efve "quoted"\n\u4e2d': ('F32', [1], [2]),
    }, {'format': 'pt'}),
    'tooLarge': file({'n': ('I64', [2], [1, 2 ** 31])}),
}

print('// Written by safetensors.fixture.py.')
for name, text in FILES.items():
    lines = [text[i:i + 100] for i in range(0, len(text), 100)]
    print(f'\nexport const {name} = [')
    for line in lines:
        print(f"\t'{line}',")
    print("].join('');")
