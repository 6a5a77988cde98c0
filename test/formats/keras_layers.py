"""What layers of Keras compute, in NumPy and float64, with channels last. Each takes the layer, its inputs and the arguments of the call."""
import re

import numpy as np
from math import erf

rng = np.random.RandomState(0)


def snake(name):
    name = re.sub(r'\W+', '', name)
    name = re.sub('(.)([A-Z][a-z]+)', r'\1_\2', name)
    return re.sub('([a-z])([A-Z])', r'\1_\2', name).lower()


def weight(layer, name, shape, trained=True, part2=None, part3=None, positive=False):
    """Draws a weight at the first call."""
    for entry in layer.weights:
        if entry[:3] == (part2, part3, name):
            return entry[4].astype('float64')
    values = (rng.uniform(0.5, 1.5, shape) if positive else rng.uniform(-0.6, 0.6, shape)).astype('float32')
    layer.weights.append((part2, part3, name, trained, values))
    return values.astype('float64')


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


ACTIVATIONS = {
    'linear': lambda x: x,
    'relu': lambda x: np.maximum(x, 0),
    'relu6': lambda x: np.clip(x, 0, 6),
    'sigmoid': sigmoid,
    'tanh': np.tanh,
    'softmax': softmax,
    'softplus': lambda x: np.log1p(np.exp(x)),
    'softsign': lambda x: x / (1 + np.abs(x)),
    'elu': lambda x: np.where(x > 0, x, np.expm1(x)),
    'selu': lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    'gelu': lambda x: 0.5 * x * (1 + np.vectorize(erf)(x / np.sqrt(2))),
    'swish': lambda x: x * sigmoid(x),
    'exponential': np.exp,
}


def activated(layer, x):
    return ACTIVATIONS[layer.config.get('activation', 'linear')](x)


def per_dim(value, rank):
    return list(value) if isinstance(value, (list, tuple)) else [value] * rank


def windows(x, size, strides, dilation, padding, fill):
    """All windows of x, [N, ...positions, ...window, C], and the same of ones where x is."""
    rank = len(size)
    spans = [(s - 1) * d + 1 for s, d in zip(size, dilation)]
    sides = [(0, 0)]
    for n, span, stride in zip(x.shape[1:-1], spans, strides):
        total = max((-(-n // stride) - 1) * stride + span - n, 0) if padding == 'same' else 0
        sides.append((total // 2, total - total // 2) if padding != 'causal' else (span - 1, 0))
    x = np.pad(x, sides + [(0, 0)], constant_values=fill)
    counts = [(n - span) // stride + 1 for n, span, stride in zip(x.shape[1:-1], spans, strides)]
    result = np.empty([x.shape[0], *counts, *size, x.shape[-1]])
    for at in np.ndindex(*counts):
        index = tuple(slice(a * s, a * s + span, d) for a, s, span, d in zip(at, strides, spans, dilation))
        result[(slice(None), *at)] = x[(slice(None), *index)]
    return result, rank


def convolved(layer, x, kernel, size, strides, groups=1):
    c = layer.config
    rank = x.ndim - 2
    found, _ = windows(x, size, strides, per_dim(c.get('dilation_rate', 1), rank), c.get('padding', 'valid'), 0)
    inputs, outputs = kernel.shape[-2], kernel.shape[-1] // groups
    parts = []
    for g in range(groups):
        part = found[..., g * inputs:(g + 1) * inputs]
        own = kernel[..., g * outputs:(g + 1) * outputs]
        parts.append(np.tensordot(part, own, axes=(list(range(1 + rank, part.ndim)), list(range(own.ndim - 1)))))
    return np.concatenate(parts, -1)


def conv(rank):
    def run(layer, inputs):
        [x], c = inputs, layer.config
        size, strides, groups = per_dim(c['kernel_size'], rank), per_dim(c.get('strides', 1), rank), c.get('groups', 1)
        kernel = weight(layer, 'kernel', (*size, x.shape[-1] // groups, c['filters']))
        y = convolved(layer, x, kernel, size, strides, groups)
        if c.get('use_bias', True):
            y = y + weight(layer, 'bias', (c['filters'],))
        return activated(layer, y)
    return run


def depthwise_of(layer, x, kernel, size, strides):
    channels, multiplier = kernel.shape[-2:]
    y = [convolved(layer, x[..., c:c + 1], kernel[..., c:c + 1, :], size, strides) for c in range(channels)]
    return np.concatenate(y, -1)


def depthwise(rank):
    def run(layer, inputs):
        [x], c = inputs, layer.config
        size, strides = per_dim(c['kernel_size'], rank), per_dim(c.get('strides', 1), rank)
        kernel = weight(layer, 'depthwise_kernel', (*size, x.shape[-1], c['depth_multiplier']))
        y = depthwise_of(layer, x, kernel, size, strides)
        return activated(layer, y + weight(layer, 'bias', (y.shape[-1],)))
    return run


def separable(rank):
    def run(layer, inputs):
        [x], c = inputs, layer.config
        size, strides = per_dim(c['kernel_size'], rank), per_dim(c.get('strides', 1), rank)
        kernel = weight(layer, 'depthwise_kernel', (*size, x.shape[-1], c['depth_multiplier']))
        point = weight(layer, 'pointwise_kernel', (*[1] * rank, x.shape[-1] * c['depth_multiplier'], c['filters']))
        y = depthwise_of(layer, x, kernel, size, strides) @ point.reshape(point.shape[-2:])
        return activated(layer, y + weight(layer, 'bias', (c['filters'],)))
    return run


def conv_transpose(rank):
    """The transpose of the linear map that Conv is: each input spreads over the window it would have come from."""
    def run(layer, inputs):
        [x], c = inputs, layer.config
        size, strides = per_dim(c['kernel_size'], rank), per_dim(c.get('strides', 1), rank)
        kernel = weight(layer, 'kernel', (*size, c['filters'], x.shape[-1]))
        same = c.get('padding', 'valid') == 'same'
        sizes = [n * s + (0 if same else max(k - s, 0)) for n, s, k in zip(x.shape[1:-1], strides, size)]
        before = [max(k - s, 0) // 2 if same else 0 for k, s in zip(size, strides)]
        full = np.zeros([x.shape[0], *[m + k + s for m, k, s in zip(sizes, size, strides)], c['filters']])
        for at in np.ndindex(*x.shape[1:-1]):
            spread = np.einsum('ni,...oi->n...o', x[(slice(None), *at)], kernel)
            full[(slice(None), *[slice(a * s, a * s + k) for a, s, k in zip(at, strides, size)])] += spread
        y = full[(slice(None), *[slice(b, b + m) for b, m in zip(before, sizes)])]
        return activated(layer, y + weight(layer, 'bias', (c['filters'],)))
    return run


def pooling(rank, kind):
    def run(layer, inputs):
        [x], c = inputs, layer.config
        size = per_dim(c['pool_size'], rank)
        strides = per_dim(c.get('strides') or size, rank)
        axes = tuple(range(1 + rank, 1 + 2 * rank))
        if kind == 'max':
            return windows(x, size, strides, [1] * rank, c.get('padding', 'valid'), -np.inf)[0].max(axes)
        return np.nanmean(windows(x, size, strides, [1] * rank, c.get('padding', 'valid'), np.nan)[0], axes)
    return run


def global_pooling(rank, reduce):
    return lambda layer, inputs: reduce(inputs[0], tuple(range(1, rank + 1)), keepdims=layer.config.get('keepdims', False))


def up_sampling(rank):
    def run(layer, inputs):
        [x], c = inputs, layer.config
        for axis, factor in enumerate(per_dim(c['size'], rank), 1):
            n = x.shape[axis]
            if c.get('interpolation', 'nearest') == 'nearest':
                x = np.repeat(x, factor, axis)
                continue
            at = np.clip((np.arange(n * factor) + 0.5) / factor - 0.5, 0, n - 1)
            low = np.floor(at).astype(int)
            share = (at - low).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
            x = np.take(x, low, axis) * (1 - share) + np.take(x, np.minimum(low + 1, n - 1), axis) * share
        return x
    return run


def sides_of(value, rank):
    if isinstance(value, int):
        return [(value, value)] * rank
    if rank == 1 and isinstance(value[0], int):
        return [tuple(value)]
    return [tuple(v) if isinstance(v, (list, tuple)) else (v, v) for v in value]


def zero_padding(rank):
    return lambda layer, inputs: np.pad(inputs[0], [(0, 0), *sides_of(layer.config['padding'], rank), (0, 0)])


def cropping(rank):
    def run(layer, inputs):
        [x] = inputs
        return x[(slice(None), *[slice(a, n - b) for (a, b), n in zip(sides_of(layer.config['cropping'], rank), x.shape[1:-1])])]
    return run


def dense(layer, inputs):
    [x], c = inputs, layer.config
    y = x @ weight(layer, 'kernel', (x.shape[-1], c['units']))
    return activated(layer, y + weight(layer, 'bias', (c['units'],)) if c.get('use_bias', True) else y)


def batch_normalization(layer, inputs):
    [x] = inputs
    c, shape = layer.config, (inputs[0].shape[-1],)
    gamma = weight(layer, 'gamma', shape) if c.get('scale', True) else 1
    beta = weight(layer, 'beta', shape) if c.get('center', True) else 0
    mean = weight(layer, 'moving_mean', shape, trained=False)
    variance = weight(layer, 'moving_variance', shape, trained=False, positive=True)
    return (x - mean) / np.sqrt(variance + c['epsilon']) * gamma + beta


def layer_normalization(layer, inputs):
    [x], shape = inputs, (inputs[0].shape[-1],)
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + layer.config['epsilon']) * weight(layer, 'gamma', shape) + weight(layer, 'beta', shape)


def group_normalization(layer, inputs):
    [x], shape = inputs, (inputs[0].shape[-1],)
    groups = layer.config['groups']
    split = x.reshape(*x.shape[:-1], groups, -1)
    axes = (*range(1, x.ndim - 1), x.ndim)
    normal = (split - split.mean(axes, keepdims=True)) / np.sqrt(split.var(axes, keepdims=True) + layer.config['epsilon'])
    return normal.reshape(x.shape) * weight(layer, 'gamma', shape) + weight(layer, 'beta', shape)


def prelu(layer, inputs):
    [x] = inputs
    shared = layer.config.get('shared_axes') or []
    shape = tuple(1 if axis in shared else n for axis, n in enumerate(x.shape) if axis > 0)
    return np.maximum(x, 0) + weight(layer, 'alpha', shape) * np.minimum(x, 0)


def relu(layer, inputs):
    [x], c = inputs, layer.config
    slope, threshold = c.get('negative_slope', 0) or 0, c.get('threshold', 0) or 0
    y = np.where(x >= threshold, x, slope * (x - threshold))
    return y if c.get('max_value') is None else np.minimum(y, c['max_value'])


def embedding(layer, inputs):
    return weight(layer, 'embeddings', (layer.config['input_dim'], layer.config['output_dim']))[inputs[0].astype(int)]


def recurrent(kind):
    gates = {'LSTM': 4, 'GRU': 3, 'SimpleRNN': 1}[kind]
    part2 = {'LSTM': 'lstm_cell', 'GRU': 'gru_cell', 'SimpleRNN': 'simple_rnn_cell'}[kind]

    def run(layer, inputs, config=None, prefix2='', prefix3='', backwards=None, **kwargs):
        x, c = inputs[0], config or layer.config
        u = c['units']
        names = {'part2': prefix2 + part2, 'part3': prefix3 + 'cell'}
        kernel = weight(layer, 'kernel', (x.shape[-1], gates * u), **names)
        own = weight(layer, 'recurrent_kernel', (u, gates * u), **names)
        bias = weight(layer, 'bias', (2, 3 * u) if kind == 'GRU' else (gates * u,), **names)
        h, carry = np.zeros((x.shape[0], u)), np.zeros((x.shape[0], u))
        if len(inputs) > 1:
            h = inputs[1]
            carry = inputs[2] if kind == 'LSTM' else carry
        steps = x[:, ::-1] if (c.get('go_backwards', False) if backwards is None else backwards) else x
        outputs = []
        for t in range(x.shape[1]):
            if kind == 'LSTM':
                i, f, g, o = np.split(steps[:, t] @ kernel + h @ own + bias, 4, -1)
                carry = sigmoid(f) * carry + sigmoid(i) * np.tanh(g)
                h = sigmoid(o) * np.tanh(carry)
            elif kind == 'GRU':
                xz, xr, xh = np.split(steps[:, t] @ kernel + bias[0], 3, -1)
                hz, hr, hh = np.split(h @ own + bias[1], 3, -1)
                z, r = sigmoid(xz + hz), sigmoid(xr + hr)
                h = z * h + (1 - z) * np.tanh(xh + r * hh)
            else:
                h = ACTIVATIONS[c.get('activation', 'tanh')](steps[:, t] @ kernel + h @ own + bias)
            outputs.append(h)
        y = np.stack(outputs, 1) if c.get('return_sequences', False) else h
        states = [h, carry] if kind == 'LSTM' else [h]
        return [y, *states] if c.get('return_state', False) else y
    return run


def bidirectional(layer, inputs):
    inner = layer.config['layer']
    kind, c = inner['class_name'], inner['config']
    both = [recurrent(kind)(layer, inputs, c, f'{d}_{c["name"]}/', f'{d}_layer/', d == 'backward') for d in ('forward', 'backward')]
    a, b = both
    b = b[:, ::-1] if c.get('return_sequences', False) else b
    mode = layer.config['merge_mode']
    return {'concat': lambda: np.concatenate([a, b], -1), 'sum': lambda: a + b, 'mul': lambda: a * b, 'ave': lambda: (a + b) / 2}[mode]()


def time_distributed(layer, inputs):
    [x], inner = inputs, layer.config['layer']

    class Inner:
        config = inner['config']
        weights = []

    Inner.weights = [(part2, None, name, trained, values) for part2, _, name, trained, values in layer.weights]
    y = LAYERS[inner['class_name']](Inner, [x.reshape(-1, *x.shape[2:])])
    layer.weights = [(part2, 'layer', name, trained, values) for part2, _, name, trained, values in Inner.weights]
    return y.reshape(*x.shape[:2], *y.shape[1:])


def attention(layer, inputs, value=None, key=None, use_causal_mask=False):
    c, query = layer.config, inputs[0]
    value = inputs[1] if value is None else value
    key = inputs[2] if len(inputs) > 2 else value if key is None else key
    heads, size, value_size = c['num_heads'], c['key_dim'], c.get('value_dim') or c['key_dim']

    def project(part, x, width):
        kernel = weight(layer, 'kernel', (x.shape[-1], heads, width), part2=part, part3=part + '_dense')
        return np.einsum('ntd,dhk->nhtk', x, kernel) + weight(layer, 'bias', (heads, width), part2=part, part3=part + '_dense')[:, None]

    q, k, v = project('query', query, size), project('key', key, size), project('value', value, value_size)
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(size)
    if use_causal_mask:
        scores = np.where(np.tril(np.ones(scores.shape[-2:])) > 0, scores, -np.inf)
    y = softmax(scores) @ v
    names = {'part2': 'attention_output', 'part3': 'output_dense'}
    return np.einsum('nhtv,hvo->nto', y, weight(layer, 'kernel', (heads, value_size, query.shape[-1]), **names)) + weight(layer, 'bias', (query.shape[-1],), **names)


def dot(layer, inputs):
    a, b = inputs
    axes = per_dim(layer.config['axes'], 2)
    if layer.config.get('normalize', False):
        a = a / np.sqrt((a ** 2).sum(axes[0], keepdims=True))
        b = b / np.sqrt((b ** 2).sum(axes[1], keepdims=True))
    return np.stack([np.tensordot(x, y, axes=([axes[0] - 1], [axes[1] - 1])) for x, y in zip(a, b)]).reshape(len(a), *([1] if a.ndim == b.ndim == 2 else np.stack([np.tensordot(x, y, axes=([axes[0] - 1], [axes[1] - 1])) for x, y in zip(a, b)]).shape[1:]))


def same(layer, inputs):
    return inputs[0]


def folded(fn):
    def run(layer, inputs):
        y = inputs[0]
        for x in inputs[1:]:
            y = fn(y, x)
        return y
    return run


LAYERS = {
    'Dense': dense,
    'Activation': lambda layer, inputs: activated(layer, inputs[0]),
    'ReLU': relu,
    'LeakyReLU': lambda layer, inputs: np.where(inputs[0] > 0, inputs[0], layer.config['alpha'] * inputs[0]),
    'ELU': lambda layer, inputs: np.where(inputs[0] > 0, inputs[0], layer.config['alpha'] * np.expm1(inputs[0])),
    'Softmax': lambda layer, inputs: softmax(inputs[0], layer.config['axis']),
    'PReLU': prelu,
    'BatchNormalization': batch_normalization,
    'LayerNormalization': layer_normalization,
    'GroupNormalization': group_normalization,
    'Embedding': embedding,
    'LSTM': recurrent('LSTM'),
    'GRU': recurrent('GRU'),
    'SimpleRNN': recurrent('SimpleRNN'),
    'Bidirectional': bidirectional,
    'TimeDistributed': time_distributed,
    'MultiHeadAttention': attention,
    'Dropout': same,
    'SpatialDropout1D': same,
    'SpatialDropout2D': same,
    'SpatialDropout3D': same,
    'GaussianNoise': same,
    'GaussianDropout': same,
    'AlphaDropout': same,
    'ActivityRegularization': same,
    'Flatten': lambda layer, inputs: inputs[0].reshape(len(inputs[0]), -1),
    'Reshape': lambda layer, inputs: inputs[0].reshape(len(inputs[0]), *layer.config['target_shape']),
    'Permute': lambda layer, inputs: inputs[0].transpose(0, *layer.config['dims']),
    'RepeatVector': lambda layer, inputs: np.repeat(inputs[0][:, None], layer.config['n'], 1),
    'Rescaling': lambda layer, inputs: inputs[0] * np.asarray(layer.config['scale']) + np.asarray(layer.config['offset']),
    'Add': folded(np.add),
    'Subtract': folded(np.subtract),
    'Multiply': folded(np.multiply),
    'Average': lambda layer, inputs: sum(inputs) / len(inputs),
    'Maximum': folded(np.maximum),
    'Minimum': folded(np.minimum),
    'Concatenate': lambda layer, inputs: np.concatenate(inputs, layer.config['axis']),
    'Dot': dot,
}

for _rank in (1, 2, 3):
    LAYERS.update({
        f'Conv{_rank}D': conv(_rank),
        f'DepthwiseConv{_rank}D': depthwise(_rank),
        f'SeparableConv{_rank}D': separable(_rank),
        f'Conv{_rank}DTranspose': conv_transpose(_rank),
        f'MaxPooling{_rank}D': pooling(_rank, 'max'),
        f'AveragePooling{_rank}D': pooling(_rank, 'mean'),
        f'GlobalMaxPooling{_rank}D': global_pooling(_rank, np.max),
        f'GlobalAveragePooling{_rank}D': global_pooling(_rank, np.mean),
        f'UpSampling{_rank}D': up_sampling(_rank),
        f'ZeroPadding{_rank}D': zero_padding(_rank),
        f'Cropping{_rank}D': cropping(_rank),
    })
