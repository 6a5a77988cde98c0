"""The models of keras.fixture.py: together they have every layer that wgrad reads."""
import numpy as np

from keras_layers import rng


def images(L):
    return [
        L('InputLayer', 'pixels', shape=[9, 7, 3]),
        L('Rescaling', 'rescaling', scale=[0.5, 1.0, 2.0], offset=-0.25),
        L('ZeroPadding2D', 'pad', padding=[[1, 0], [0, 2]], data_format='channels_last'),
        L('Conv2D', 'conv', filters=4, kernel_size=[3, 2], strides=[2, 2], padding='same', groups=1, use_bias=True, activation='relu'),
        L('BatchNormalization', 'norm', axis=-1, momentum=0.9, epsilon=0.001, center=True, scale=True),
        L('DepthwiseConv2D', 'depthwise', kernel_size=[3, 3], strides=[1, 1], padding='same', depth_multiplier=2, use_bias=True, activation='elu'),
        L('SpatialDropout2D', 'spatial', rate=0.3),
        L('SeparableConv2D', 'separable', filters=6, kernel_size=[2, 2], strides=[1, 1], padding='same', depth_multiplier=1, activation='selu'),
        L('MaxPooling2D', 'max', pool_size=[2, 2], strides=[1, 1], padding='same'),
        L('AveragePooling2D', 'mean', pool_size=[2, 3], strides=[2, 2], padding='same'),
        L('Conv2DTranspose', 'up', filters=4, kernel_size=[3, 3], strides=[2, 2], padding='same', activation='tanh'),
        L('Conv2DTranspose', 'up_1', filters=4, kernel_size=[2, 3], strides=[3, 1], padding='valid', activation='linear'),
        L('Conv2D', 'grouped', filters=4, kernel_size=[3, 3], strides=[1, 1], padding='valid', groups=2, use_bias=False, dilation_rate=[2, 1], activation='swish'),
        L('PReLU', 'prelu', shared_axes=[1, 2]),
        L('LeakyReLU', 'leaky', alpha=0.2),
        L('UpSampling2D', 'bilinear', size=[2, 2], interpolation='bilinear'),
        L('Cropping2D', 'crop', cropping=[[1, 2], [3, 0]]),
        L('UpSampling2D', 'nearest', size=[1, 2], interpolation='nearest'),
        L('Softmax', 'soft', axis=-1),
        L('GroupNormalization', 'groups', groups=2, axis=-1, epsilon=0.001),
        L('Dropout', 'drop', rate=0.4),
        L('Flatten', 'flat', data_format='channels_last'),
        L('Dense', 'logits', units=5, activation='softmax'),
    ]


def volumes(L):
    return [
        L('InputLayer', 'volume', shape=[4, 5, 3, 2]),
        L('Conv3D', 'conv', filters=4, kernel_size=[2, 3, 2], strides=[1, 2, 1], padding='same', activation='relu'),
        L('SpatialDropout3D', 'spatial', rate=0.3),
        L('ZeroPadding3D', 'pad', padding=[[1, 0], [0, 0], [1, 1]]),
        L('MaxPooling3D', 'max', pool_size=[2, 2, 2], strides=[2, 1, 2], padding='same'),
        L('Conv3DTranspose', 'up', filters=3, kernel_size=[2, 2, 2], strides=[2, 1, 2], padding='valid', activation='softsign'),
        L('AveragePooling3D', 'mean', pool_size=[2, 2, 2], strides=None, padding='valid'),
        L('UpSampling3D', 'nearest', size=[1, 2, 1]),
        L('Cropping3D', 'crop', cropping=[[0, 1], [0, 0], [1, 0]]),
        L('GlobalAveragePooling3D', 'global', keepdims=False),
        L('AlphaDropout', 'alpha', rate=0.1),
        L('Dense', 'out', units=3, activation='sigmoid'),
    ]


def steps(L):
    return [
        L('InputLayer', 'steps', shape=[8, 3]),
        L('Conv1D', 'causal', filters=4, kernel_size=[3], strides=[1], padding='causal', dilation_rate=[2], activation='gelu'),
        L('SpatialDropout1D', 'spatial', rate=0.3),
        L('SeparableConv1D', 'separable', filters=5, kernel_size=[3], strides=[1], padding='valid', depth_multiplier=2, activation='relu'),
        L('ZeroPadding1D', 'pad', padding=[1, 2]),
        L('Conv1DTranspose', 'up', filters=4, kernel_size=[3], strides=[2], padding='same', activation='softplus'),
        L('MaxPooling1D', 'max', pool_size=[3], strides=[2], padding='same'),
        L('AveragePooling1D', 'mean', pool_size=[2], strides=[1], padding='same'),
        L('UpSampling1D', 'nearest', size=2),
        L('Cropping1D', 'crop', cropping=[1, 1]),
        L('LayerNormalization', 'norm', axis=-1, epsilon=0.001, center=True, scale=True),
        L('GaussianNoise', 'noise', stddev=0.1),
        L('GlobalMaxPooling1D', 'global', keepdims=False),
    ]


def language(L, M):
    words = L('InputLayer', 'words', shape=[6])
    embed = L('Embedding', 'embed', input_dim=11, output_dim=4, mask_zero=False)
    lstm = {'class_name': 'LSTM', 'config': {'name': 'lstm', 'trainable': True, 'units': 3, 'return_sequences': True, 'activation': 'tanh', 'recurrent_activation': 'sigmoid', 'use_bias': True}}
    both = L('Bidirectional', 'both', merge_mode='concat', layer=lstm)
    gru = L('GRU', 'gru', units=5, return_sequences=True, reset_after=True, activation='tanh', recurrent_activation='sigmoid', use_bias=True)
    attention = L('MultiHeadAttention', 'attention', num_heads=2, key_dim=3, value_dim=2, dropout=0.0, use_bias=True)
    causal = L('MultiHeadAttention', 'causal', num_heads=1, key_dim=4, value_dim=4, dropout=0.0, use_bias=True)
    add = L('Add', 'add')
    norm = L('LayerNormalization', 'norm', axis=[2], epsilon=1e-6, center=True, scale=True)
    inner = {'class_name': 'Dense', 'config': {'name': 'inner', 'units': 4, 'activation': 'relu', 'use_bias': True}}
    each = L('TimeDistributed', 'each', layer=inner)
    encoder = L('LSTM', 'encoder', units=3, return_state=True, return_sequences=False, activation='tanh', recurrent_activation='sigmoid', use_bias=True)
    decoder = L('LSTM', 'decoder', units=3, return_sequences=True, activation='tanh', recurrent_activation='sigmoid', use_bias=True)
    gru_both = {'class_name': 'GRU', 'config': {'name': 'gru_in', 'units': 2, 'reset_after': True, 'activation': 'tanh', 'recurrent_activation': 'sigmoid'}}
    summed = L('Bidirectional', 'summed', merge_mode='sum', layer=gru_both)
    simple = L('SimpleRNN', 'simple', units=4, activation='relu', go_backwards=True)
    join = L('Concatenate', 'join', axis=-1)
    x = embed.call(('words', 0, 0))
    x = both.call(x)
    g = gru.call(x)
    a = attention.call(g, g)
    y = norm.call(add.call(a, g))
    y = causal.call(y, value=g, use_causal_mask=True)
    y = each.call(y)
    encoder.call(y)
    d = decoder.call(y, ('encoder', 0, 1), ('encoder', 0, 2))
    out = join.call(summed.call(d), simple.call(y), ('encoder', 0, 0))
    layers = [words, embed, both, gru, attention, add, norm, causal, each, encoder, decoder, summed, simple, join]
    return M('Functional', 'language', layers, [('words', 0, 0)], [out])


def branches(L, M, N):
    left, right = L('InputLayer', 'left', shape=[4, 4, 2]), L('InputLayer', 'right', shape=[4, 4, 2])
    conv = L('Conv2D', 'shared', filters=3, kernel_size=[3, 3], padding='same', activation='linear')
    frozen = L('BatchNormalization', 'frozen', trainable=False, axis=[3], momentum=0.99, epsilon=0.001, center=True, scale=True)
    block = M('Sequential', 'block', [
        L('InputLayer', 'block_input', shape=[4, 4, 3]),
        L('Conv2D', 'inside', filters=3, kernel_size=[1, 1], padding='valid', activation='relu'),
        L('BatchNormalization', 'norm_inside', axis=-1, momentum=0.99, epsilon=0.01, center=True, scale=False),
        frozen,
        L('DepthwiseConv2D', 'depthwise_inside', kernel_size=[2, 2], padding='same', depth_multiplier=1),
    ])
    nested = N(block)
    merges = {kind: L(kind, kind.lower()) for kind in ('Subtract', 'Multiply', 'Average', 'Maximum', 'Minimum')}
    squeeze = L('GlobalAveragePooling2D', 'squeeze', keepdims=True)
    excite = L('Dense', 'excite', units=3, activation='sigmoid')
    scale = L('Multiply', 'scale')
    stack = L('Concatenate', 'stack', axis=1)
    stacked = L('Concatenate', 'stacked', axis=-1)
    relu = L('ReLU', 'relu', max_value=0.9, negative_slope=0.1, threshold=0.2)
    reshape = L('Reshape', 'reshape', target_shape=[-1, 4])
    permute = L('Permute', 'permute', dims=[2, 1])
    dot = L('Dot', 'dot', axes=[2, 1], normalize=False)
    cosine = L('Dot', 'cosine', axes=1, normalize=True)
    flat = L('Flatten', 'flat')
    repeat = L('RepeatVector', 'repeat', n=3)
    pool = L('GlobalMaxPooling2D', 'pool', keepdims=False)
    elu = L('ELU', 'elu', alpha=0.5)
    a, b = conv.call(('left', 0, 0)), conv.call(('right', 0, 0))
    c = nested.call(a)
    d = merges['Subtract'].call(a, b)
    e = merges['Multiply'].call(c, d)
    f = merges['Average'].call(a, b, e)
    g = merges['Maximum'].call(f, c)
    h = merges['Minimum'].call(g, d)
    gated = scale.call(h, excite.call(squeeze.call(h)))
    wide = stacked.call(relu.call(gated), elu.call(g))
    tall = stack.call(a, wide3 := nested.call(b))
    r = reshape.call(wide)
    first = dot.call(r, permute.call(r))
    second = repeat.call(cosine.call(flat.call(a), flat.call(b)))
    third = pool.call(tall)
    layers = [left, right, conv, nested, *merges.values(), squeeze, excite, scale, relu, elu, stacked, stack, reshape, permute, dot, flat, cosine, repeat, pool]
    return M('Functional', 'branches', layers, [('left', 0, 0), ('right', 0, 0)], [first, second, third])


def models(L, M, N):
    draw = lambda *shape: np.round(rng.uniform(-1, 1, shape), 3).astype('float32')
    return {
        'images': (M('Sequential', 'images', images(L)), [draw(2, 9, 7, 3)]),
        'volumes': (M('Sequential', 'volumes', volumes(L)), [draw(2, 4, 5, 3, 2)]),
        'steps': (M('Sequential', 'steps_model', steps(L)), [draw(2, 8, 3)]),
        'language': (language(L, M), [rng.randint(0, 11, (2, 6))]),
        'branches': (branches(L, M, N), [draw(2, 4, 4, 2), draw(2, 4, 4, 2)]),
    }


def optimizers(L, M, trained, h5_of, archive_of, pack, numbers):
    """Models with optimizers that have made three steps with given gradients, and the weights after a fourth."""
    return {name: trained_case(L, M, trained, h5_of, archive_of, pack, numbers, *given) for name, given in {
        'adam': ('Adam', {'learning_rate': 0.01, 'beta_1': 0.8, 'beta_2': 0.95, 'epsilon': 1e-9, 'amsgrad': False}),
        'amsgrad': ('Adam', {'learning_rate': 0.01, 'beta_1': 0.8, 'beta_2': 0.95, 'epsilon': 1e-9, 'amsgrad': True}),
        'adamw': ('AdamW', {'learning_rate': 0.01, 'beta_1': 0.9, 'beta_2': 0.999, 'epsilon': 1e-9, 'amsgrad': False, 'weight_decay': 0.1}),
        'sgd': ('SGD', {'learning_rate': 0.1, 'momentum': 0.9, 'nesterov': True}),
        'plain': ('SGD', {'learning_rate': 0.1, 'momentum': 0.0, 'nesterov': False}),
        'rmsprop': ('RMSprop', {'learning_rate': 0.01, 'rho': 0.8, 'momentum': 0.5, 'epsilon': 1e-14, 'centered': True}),
    }.items()}


def step(kind, c, w, g, s, t):
    """One step of Keras on float64 arrays. `s` holds the state by the names of Keras 3."""
    lr = c['learning_rate']
    if kind in ('Adam', 'AdamW'):
        if kind == 'AdamW':
            w = w - w * c['weight_decay'] * lr
        alpha = lr * np.sqrt(1 - c['beta_2'] ** t) / (1 - c['beta_1'] ** t)
        s['momentum'] = s.get('momentum', 0) + (g - s.get('momentum', 0)) * (1 - c['beta_1'])
        s['velocity'] = s.get('velocity', 0) + (g ** 2 - s.get('velocity', 0)) * (1 - c['beta_2'])
        v = s['velocity']
        if c['amsgrad']:
            v = s['velocity_hat'] = np.maximum(s.get('velocity_hat', 0), v)
        return w - s['momentum'] * alpha / (np.sqrt(v) + c['epsilon'])
    if kind == 'SGD':
        if c['momentum'] == 0:
            return w - lr * g
        m = s['momentum'] = c['momentum'] * s.get('momentum', 0) - lr * g
        return w + c['momentum'] * m - lr * g if c['nesterov'] else w + m
    s['velocity'] = c['rho'] * s.get('velocity', 0) + (1 - c['rho']) * g ** 2
    s['average_gradient'] = c['rho'] * s.get('average_gradient', 0) + (1 - c['rho']) * g
    s['momentum'] = c['momentum'] * s.get('momentum', 0) + lr * g / np.sqrt(s['velocity'] - s['average_gradient'] ** 2 + c['epsilon'])
    return w - s['momentum']


ORDER = {'Adam': ['momentum', 'velocity', 'velocity_hat'], 'AdamW': ['momentum', 'velocity'], 'SGD': ['momentum'], 'RMSprop': ['velocity', 'momentum', 'average_gradient']}
SHORT = {'momentum': 'm', 'velocity': 'v', 'velocity_hat': 'vhat', 'average_gradient': 'mg'}


def trained_case(L, M, trained, h5_of, archive_of, pack, numbers, kind, config):
    # Square weights, so that the order of the state does not show in its shapes.
    lstm = L('LSTM', 'lstm', units=2, activation='tanh', recurrent_activation='sigmoid')
    gru = L('GRU', 'gru', units=3, reset_after=True, return_sequences=True, activation='tanh', recurrent_activation='sigmoid')
    layers = [L('InputLayer', 'input', shape=[4, 3]), gru, lstm, L('Dense', 'dense', units=2), L('BatchNormalization', 'norm', axis=-1, momentum=0.99, epsilon=0.001)]
    model = M('Sequential', 'trained', layers)
    model.run([np.zeros((1, 4, 3))])
    weights = trained(model)
    gradients = [np.round(rng.uniform(-1, 1, values.shape), 3) for _, values in weights]
    states = [{} for _ in weights]
    current = [values.astype('float64') for _, values in weights]
    for t in (1, 2, 3):
        current = [step(kind, config, w, g * (1 + t / 3), s, t) for w, g, s in zip(current, gradients, states)]
    for layer in layers:
        layer.weights = [(p2, p3, name, tr, find(current, weights, layer, p2, name, values)) for p2, p3, name, tr, values in layer.weights]
    current = [w.astype('float32').astype('float64') for w in current]
    kinds = [name for name in ORDER[kind] if states[0].get(name) is not None]
    names = [name[:-2] for name, _ in weights]
    float32 = lambda value: np.asarray(value, 'float32')
    # TensorFlow up to 2.10 keeps each kind together; Keras 3 the mean and square of each weight in Adam.
    weights2 = [(f'{kind}/iter:0', np.int64(3))] + [(f'{kind}/{name}/{SHORT[k]}:0', float32(s[k])) for k in kinds for name, s in zip(names, states)]
    if kind == 'Adam':
        values = [s[k] for s in states for k in kinds[:2]] + [s[k] for k in kinds[2:] for s in states]
    else:
        values = [s[k] for k in kinds for s in states] if kind == 'RMSprop' else [s[k] for s in states for k in kinds]
    weights3 = [np.int64(3), np.float32(config['learning_rate'])] + [float32(v) for v in values]
    optimizer = {'class_name': kind, 'config': {'name': kind.lower(), **config}, 'weights2': weights2, 'weights3': weights3}
    after = [step(kind, config, w, g, dict(s), 4) for w, g, s in zip(current, gradients, states)]
    return {
        'files': {'h5': pack(h5_of(model, optimizer)), 'keras': pack(archive_of(model, optimizer))},
        'names': names,
        'gradients': [numbers(g) for g in gradients],
        'after': [numbers(w) for w in after],
    }


def find(current, weights, layer, part2, name, values):
    path = '/'.join(part for part in (layer.name, part2, name) if part) + ':0'
    for (known, _), now in zip(weights, current):
        if known == path:
            return now.astype('float32')
    return values
