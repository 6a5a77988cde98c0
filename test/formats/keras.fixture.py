"""Writes keras.fixture.json.gz: models in the layouts of Keras 2 (.h5), Keras 3 (.keras) and tfjs, and what they compute, by NumPy in float64.

    python3 test/formats/keras.fixture.py test/formats/keras.fixture.json.gz

Needs NumPy and h5py (python3-h5py). TensorFlow is not needed: keras_layers.py computes what each layer of Keras is documented to compute.
"""
import base64
import gzip
import io
import json
import sys
import zipfile

import h5py
import numpy as np

from keras_layers import LAYERS, rng, snake

DTYPE3 = {'module': 'keras', 'class_name': 'DTypePolicy', 'config': {'name': 'float32'}, 'registered_name': None}


class Layer:
    """A layer with its settings and weights; `calls` lists what each of its calls takes: [name, call, output]."""

    def __init__(self, kind, name, trainable=True, **config):
        self.kind, self.name, self.trainable, self.config = kind, name, trainable, config
        self.weights = []  # (part in Keras 2, part in Keras 3, name, trained, values)
        self.calls = []
        self.model = None
        self.results = []

    def call(self, *inputs, **kwargs):
        self.calls.append((inputs, kwargs))
        return (self.name, len(self.calls) - 1, 0)


class Model:
    def __init__(self, kind, name, layers, inputs=(), outputs=()):
        self.kind, self.name, self.layers = kind, name, layers
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.trainable = True
        if kind == 'Sequential':
            point = (layers[0].name, 0, 0)
            self.inputs = [point]
            for layer in layers[1:]:
                point = layer.call(point)
            self.outputs = [point]

    def run(self, values):
        results = {tuple(point): value for point, value in zip(self.inputs, values)}
        waiting = [(layer, i) for layer in self.layers for i in range(len(layer.calls))]
        while waiting:
            rest = []
            for layer, i in waiting:
                inputs, kwargs = layer.calls[i]
                named = {key: value for key, value in kwargs.items() if is_point(value)}
                needed = list(inputs) + list(named.values())
                if not all(tuple(point) in results for point in needed):
                    rest.append((layer, i))
                    continue
                given = [results[tuple(point)] for point in inputs]
                arguments = {key: results[tuple(value)] if key in named else value for key, value in kwargs.items()}
                if isinstance(layer, Nested):
                    found = layer.model.run(given)
                else:
                    found = LAYERS[layer.kind](layer, given, **arguments)
                    found = found if isinstance(found, list) else [found]
                for output, value in enumerate(found):
                    results[(layer.name, i, output)] = value
            assert len(rest) < len(waiting), 'a cycle'
            waiting = rest
        return [results[tuple(point)] for point in self.outputs]


class Nested(Layer):
    """A model as a layer."""

    def __init__(self, model, trainable=True):
        super().__init__(model.kind, model.name, trainable)
        self.model = model


def is_point(value):
    return isinstance(value, tuple) and len(value) == 3 and isinstance(value[0], str)


# Configs.

def config2(layer):
    if isinstance(layer, Nested):
        inner = model2(layer.model)
        return {'class_name': inner['class_name'], 'config': {**inner['config'], 'trainable': layer.trainable}}
    config = {'name': layer.name, 'trainable': layer.trainable, 'dtype': 'float32', **layer.config}
    if layer.kind == 'InputLayer':
        config = {'batch_input_shape': [None, *layer.config['shape']], 'dtype': 'float32', 'sparse': False, 'ragged': False, 'name': layer.name}
    if 'kernel_size' in config or 'units' in config:
        config['kernel_initializer'] = {'class_name': 'GlorotUniform', 'config': {'seed': None}}
        config['kernel_regularizer'] = None
    return {'class_name': layer.kind, 'config': config}


def model2(model):
    layers = []
    for layer in model.layers:
        entry = config2(layer)
        if model.kind != 'Sequential':
            nodes = []
            for inputs, kwargs in layer.calls:
                kwargs = {key: list(value) if is_point(value) else value for key, value in kwargs.items()}
                nodes.append([[*point, kwargs if i == 0 else {}] for i, point in enumerate(inputs)])
            entry = {**entry, 'name': layer.name, 'inbound_nodes': nodes}
        layers.append(entry)
    config = {'name': model.name, 'trainable': True, 'layers': layers}
    if model.kind != 'Sequential':
        config['input_layers'] = [list(point) for point in model.inputs]
        config['output_layers'] = [list(point) for point in model.outputs]
    return {'class_name': model.kind, 'config': config}


def config3(layer):
    if isinstance(layer, Nested):
        inner = model3(layer.model)
        return {**inner, 'config': {**inner['config'], 'trainable': layer.trainable}}
    config = {'name': layer.name, 'trainable': layer.trainable, 'dtype': DTYPE3, **layer.config}
    if layer.kind == 'InputLayer':
        config = {'batch_shape': [None, *layer.config['shape']], 'dtype': 'float32', 'sparse': False, 'name': layer.name}
    if 'layer' in config:
        inner = config['layer']
        config['layer'] = {'module': 'keras.layers', **inner, 'registered_name': None, 'build_config': {'input_shape': [None, 1]}}
    if layer.kind == 'LeakyReLU':
        config['negative_slope'] = config.pop('alpha')
    if 'kernel_size' in config or 'units' in config:
        config['kernel_initializer'] = {'module': 'keras.initializers', 'class_name': 'GlorotUniform', 'config': {'seed': None}, 'registered_name': None}
    return {'module': 'keras.layers', 'class_name': layer.kind, 'config': config, 'registered_name': None}


def tensor3(point):
    return {'class_name': '__keras_tensor__', 'config': {'shape': [None, 1], 'dtype': 'float32', 'keras_history': list(point)}}


def model3(model):
    layers = []
    for layer in model.layers:
        entry = config3(layer)
        if model.kind != 'Sequential':
            nodes = []
            for inputs, kwargs in layer.calls:
                args = [tensor3(point) for point in inputs]
                if layer.kind != 'MultiHeadAttention' and len(args) > 1:
                    args = [args]
                kwargs = {key: tensor3(value) if is_point(value) else value for key, value in kwargs.items()}
                nodes.append({'args': args, 'kwargs': kwargs})
            entry = {**entry, 'name': layer.name, 'inbound_nodes': nodes}
        layers.append(entry)
    config = {'name': model.name, 'trainable': True, 'dtype': DTYPE3, 'layers': layers}
    if model.kind != 'Sequential':
        # One input or output stands without a list.
        ends = lambda points: list(points[0]) if len(points) == 1 else [list(point) for point in points]
        config['input_layers'] = ends(model.inputs)
        config['output_layers'] = ends(model.outputs)
    module = 'keras' if model.kind == 'Sequential' else 'keras.src.models.functional'
    return {'module': module, 'class_name': model.kind, 'config': config, 'registered_name': model.kind, 'build_config': {'input_shape': None}}


# Weights.

def listed(layer, trainable=True):
    """The weights of a layer as Keras 2 lists them: (name, values), first those that it trains."""
    entries = entries_of(layer, trainable)
    return [e[:2] for e in entries if e[2]] + [e[:2] for e in entries if not e[2]]


def entries_of(layer, trainable):
    trainable = trainable and layer.trainable
    if isinstance(layer, Nested):
        return [entry for inner in layer.model.layers for entry in entries_of(inner, trainable)]
    result = []
    for part2, _, name, trained, values in layer.weights:
        path = '/'.join(part for part in (layer.name, part2, name) if part)
        result.append((path + ':0', values, trained and trainable))
    return result


def trained(model):
    return [entry[:2] for layer in model.layers for entry in entries_of(layer, True) if entry[2]]


def h5_of(model, optimizer=None):
    file = io.BytesIO()
    with h5py.File(file, 'w') as f:
        f.attrs['keras_version'] = b'2.15.0'
        f.attrs['backend'] = b'tensorflow'
        f.attrs['model_config'] = json.dumps(model2(model)).encode()
        group = f.create_group('model_weights')
        group.attrs['layer_names'] = [layer.name.encode() for layer in model.layers]
        group.attrs['backend'] = b'tensorflow'
        group.attrs['keras_version'] = b'2.15.0'
        for layer in sorted(model.layers, key=lambda layer: layer.name):
            own = group.create_group(layer.name)
            weights = listed(layer)
            own.attrs['weight_names'] = [name.encode() for name, _ in weights]
            for name, values in weights:
                own.create_dataset(name, data=values.astype('float32'))
        group.create_group('top_level_model_weights').attrs['weight_names'] = []
        if optimizer is not None:
            config = {'class_name': optimizer['class_name'], 'config': optimizer['config']}
            f.attrs['training_config'] = json.dumps({'loss': 'mse', 'metrics': [], 'optimizer_config': config}).encode()
            own = f.create_group('optimizer_weights')
            own.attrs['weight_names'] = [name.encode() for name, _ in optimizer['weights2']]
            for name, values in optimizer['weights2']:
                own.create_dataset(name, data=values)
    return file.getvalue()


def save_own(f, path, values):
    group = f.require_group(path + '/vars' if path else 'vars')
    for i, value in enumerate(values):
        group[str(i)] = np.asarray(value)


def save_layers(f, layers, path):
    used = {}
    for layer in layers:
        name = snake(layer.kind)
        used[name] = used.get(name, -1) + 1
        own = f'{path}layers/{name}' + (f'_{used[name]}' if used[name] else '')
        if isinstance(layer, Nested):
            save_own(f, own, [])
            save_layers(f, layer.model.layers, own + '/')
            continue
        parts = {}
        for _, part3, _, _, values in layer.weights:
            parts.setdefault(part3, []).append(values.astype('float32'))
        save_own(f, own, parts.pop(None, []))
        for part3, values in parts.items():
            save_own(f, f'{own}/{part3}', values)


def archive_of(model, optimizer=None):
    file, weights = io.BytesIO(), io.BytesIO()
    with h5py.File(weights, 'w') as f:
        save_own(f, '', [])
        # Sequential models do not count their input among their layers.
        save_layers(f, model.layers[model.kind == 'Sequential':], '')
        if optimizer is not None:
            save_own(f, 'optimizer', optimizer['weights3'])
    compiled = None
    if optimizer is not None:
        config = {'module': 'keras.optimizers', 'class_name': optimizer['class_name'], 'config': optimizer['config'], 'registered_name': None}
        compiled = {'optimizer': config, 'loss': 'mse', 'metrics': None}
    with zipfile.ZipFile(file, 'w') as z:
        z.writestr('metadata.json', json.dumps({'keras_version': '3.5.0', 'date_saved': '2024-10-01@10:00:00'}))
        z.writestr('config.json', json.dumps({**model3(model), 'compile_config': compiled}))
        z.writestr('model.weights.h5', weights.getvalue())
    return file.getvalue()


def tfjs_of(model):
    """model.json and one shard, as tfjs's converter writes them."""
    groups, data = [], b''
    for layer in model.layers:
        for name, values in listed(layer):
            groups.append({'name': name[:-2], 'shape': list(values.shape), 'dtype': 'float32'})
            data += values.astype('<f4').tobytes()
    topology = {'keras_version': '2.15.0', 'backend': 'tensorflow', 'model_config': model2(model)}
    manifest = [{'paths': ['group1-shard1of2.bin', 'group1-shard2of2.bin'], 'weights': groups}]
    text = json.dumps({'format': 'layers-model', 'generatedBy': 'keras v2.15.0', 'convertedBy': 'fixture', 'modelTopology': topology, 'weightsManifest': manifest})
    middle = len(data) // 8 * 4 + 2
    return text, data[:middle], data[middle:]


def pack(data):
    return base64.b64encode(data).decode()


def numbers(array):
    return {'shape': list(array.shape), 'values': [float(v) for v in np.asarray(array, 'float64').ravel()]}


def case(model, inputs, formats=('h5', 'keras', 'tfjs')):
    outputs = model.run([np.asarray(x, 'float64') for x in inputs])
    files = {}
    if 'h5' in formats:
        files['h5'] = pack(h5_of(model))
    if 'keras' in formats:
        files['keras'] = pack(archive_of(model))
    if 'tfjs' in formats:
        text, *shards = tfjs_of(model)
        files['tfjs'] = [text, *map(pack, shards)]
    return {'files': files, 'inputs': [numbers(x) for x in inputs], 'outputs': [numbers(y) for y in outputs]}


def main(path):
    from keras_models import models, optimizers

    cases = {name: case(*built) for name, built in models(Layer, Model, Nested).items()}
    trained_cases = optimizers(Layer, Model, trained, h5_of, archive_of, pack, numbers)
    with open(path, 'wb') as out:
        out.write(gzip.compress(json.dumps({'models': cases, 'optimizers': trained_cases}).encode(), 9, mtime=0))


if __name__ == '__main__':
    main(sys.argv[1])
