"""The cases in PyTorch on the CPU, as a process that answers run.mjs: lines of JSON on the standard streams."""
import json
import math
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F


def fill(shape, seed, scale=1.0):
    n = int(np.prod(shape))
    with np.errstate(over='ignore'):
        h = (np.arange(1, n + 1, dtype=np.uint32) * np.uint32(0x9E3779B1)) ^ (np.uint32(seed) * np.uint32(0x85EBCA6B))
        h = (h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D)
        h = (h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B)
        h = (h ^ (h >> np.uint32(16))) >> np.uint32(8)
    return torch.tensor(((h.astype(np.float64) / 2**23 - 1) * scale).astype(np.float32).reshape(shape))


def labels(n, count, seed):
    return ((fill([n], seed).double() + 1) / 2 * count).floor().long().clamp(max=count - 1)


def step(parameters, forward, rate):
    p = {}
    for i, (name, entry) in enumerate(parameters.items()):
        one = entry.get('one')
        p[name] = (torch.ones(entry['shape']) if one else fill(entry['shape'], 100 + i, entry['scale'])).requires_grad_()
    optimizer = torch.optim.Adam(p.values(), lr=rate)

    def call():
        optimizer.zero_grad(set_to_none=True)
        loss = forward(p)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return call


def prepare(name, spec):
    batch = spec['batch']
    if name == 'matmul':
        a, b = fill([1024, 1024], 1), fill([1024, 1024], 2)
        return lambda: a @ b
    if name == 'conv':
        x, w = fill([16, 32, 32, 32], 1), fill([64, 32, 3, 3], 2)
        return lambda: F.conv2d(x, w, padding=1)
    if name == 'softmax':
        x = fill([4096, 1024], 1, 4)
        return lambda: F.softmax(x, -1)
    if name == 'attention':
        q, k, v, g = (fill([2, 4, 256, 64], seed) for seed in (1, 2, 3, 4))
        for operand in (q, k, v):
            operand.requires_grad_()
        return lambda: torch.autograd.grad(attention(q, k, v, causal(256)), (q, k, v), g)[0]
    if name == 'tiny':
        one = fill([16], 1)

        def tiny():
            x = one
            for _ in range(spec['tiny']):
                x = x + 1
            return x

        return tiny
    if name == 'mlp':
        x, y = fill([batch, 784], 1), labels(batch, 10, 2)
        return step(spec['mlp'], lambda p: F.cross_entropy(F.relu(x @ p['w1'] + p['b1']) @ p['w2'] + p['b2'], y), spec['rate'])
    if name == 'cnn':
        x, y = fill([batch, 1, 28, 28], 1), labels(batch, 10, 2)

        def cnn(p):
            h = F.max_pool2d(F.relu(F.conv2d(x, p['c1'], p['d1'])), 2)
            h = F.max_pool2d(F.relu(F.conv2d(h, p['c2'], p['d2'])), 2).flatten(1)
            return F.cross_entropy(F.relu(h @ p['w1'] + p['b1']) @ p['w2'] + p['b2'], y)

        return step(spec['cnn'], cnn, spec['rate'])
    sizes = spec['gpt']
    rows, context, width, heads = sizes['batch'], sizes['context'], sizes['width'], sizes['heads']
    tokens, targets = labels(rows * context, sizes['vocabulary'], 3), labels(rows * context, sizes['vocabulary'], 4)

    def gpt(p):
        def norm(x, weight):
            return F.layer_norm(x, [width], weight)

        def apart(part):
            return part.reshape(rows, context, heads, width // heads).transpose(1, 2)

        x = F.embedding(tokens.view(rows, context), p['tokens']) + p['positions']
        for i in range(sizes['layers']):
            qkv = norm(x, p[f'{i}.norm1']) @ p[f'{i}.attention'] + p[f'{i}.attentionBias']
            q, k, v = (apart(part) for part in qkv.chunk(3, -1))
            mixed = attention(q, k, v, causal(context)).transpose(1, 2).reshape(rows, context, width)
            x = x + mixed @ p[f'{i}.projection'] + p[f'{i}.projectionBias']
            up = norm(x, p[f'{i}.norm2']) @ p[f'{i}.up'] + p[f'{i}.upBias']
            x = x + F.gelu(up, approximate='tanh') @ p[f'{i}.down'] + p[f'{i}.downBias']
        logits = norm(x, p['norm']) @ p['tokens'].T
        return F.cross_entropy(logits.reshape(-1, sizes['vocabulary']), targets)

    return step(spec['gptParameters'], gpt, spec['rate'])


def causal(length):
    return torch.full([length, length], -math.inf).triu(1)


def attention(q, k, v, hidden):
    return F.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]) + hidden, -1) @ v


def sample(values):
    flat = values.detach().reshape(-1).tolist()
    every = max(1, len(flat) // 64)
    return [flat[i * every] for i in range(min(64, len(flat)))]


def main():
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    call = None
    for line in sys.stdin:
        message = json.loads(line)
        ask, args = message['ask'], message['args']
        if ask == 'open':
            value = f'PyTorch {torch.__version__} on the CPU, {torch.get_num_threads()} threads'
        elif ask == 'start':
            begun = time.perf_counter()
            call = prepare(args[0], message['spec'])
            first = call()
            elapsed = (time.perf_counter() - begun) * 1e3
            values = [first.item(), call().item(), call().item()] if first.numel() == 1 else sample(first)
            for _ in range(2):
                call()
            value = {'firstMs': elapsed, 'values': values}
        else:
            begun = time.perf_counter()
            for _ in range(args[0]):
                call()
            value = (time.perf_counter() - begun) * 1e3 / args[0]
        print(json.dumps({'id': message['id'], 'value': value}), flush=True)


main()
