/** Writes the config of a model in the form of Keras 2 (.h5, tfjs) or Keras 3 (.keras). */
import { isObject } from '../../core/state';
import type { Call, Endpoint, Graph, GraphLayer } from './graph';
import type { Config } from './settings';

type Version = 2 | 3;

/** { class_name, config } of a model. A config of the same version stays as it was read. */
export function writtenConfig(graph: Graph, version: Version): Config {
	const same = graph.layers.some(({ settings }) => settings.isKeras3) === (version === 3) && graph.config.layers !== undefined;
	const config = same ? graph.config : modelConfig(graph, version);
	if (version === 2) return { class_name: graph.className, config };
	const module = graph.className === 'Sequential' ? 'keras' : 'keras.src.models.functional';
	return { module, class_name: graph.className, config, registered_name: graph.className === 'Sequential' ? null : 'Functional' };
}

function modelConfig({ name, className, layers, inputs, outputs }: Graph, version: Version): Config {
	const list = layers.map((layer) => writtenLayer(layer, version, className === 'Sequential'));
	if (className === 'Sequential') return { name, trainable: true, layers: list };
	const ends = (points: readonly Endpoint[]) => points.map(({ layer, call, output }) => [layer, call, output]);
	return { name, trainable: true, layers: list, input_layers: ends(inputs), output_layers: ends(outputs) };
}

function writtenLayer({ name, settings, calls, model }: GraphLayer, version: Version, sequential: boolean): Config {
	const inner = model === null ? null : writtenConfig(model, version);
	const config =
		inner === null ? { ...converted(settings.className, settings.config, version), name } : { ...(inner.config as Config), name };
	const own = inner === null ? { class_name: settings.className, config } : { ...inner, config };
	const layer = version === 2 ? own : { module: 'keras.layers', registered_name: null, ...own };
	if (sequential) return layer;
	return { ...layer, name, inbound_nodes: calls.map((call) => (version === 2 ? call2(call) : call3(call, settings.className))) };
}

function call2({ inputs, named, options }: Call): unknown[] {
	const tensors = Object.fromEntries(
		Object.entries(named).map(([name, list]) => {
			const points = list.map(({ layer, call, output }) => [layer, call, output]);
			return [name, points.length === 1 ? points[0] : points];
		}),
	);
	return inputs.map(({ layer, call, output }, i) => [layer, call, output, i === 0 ? { ...options, ...tensors } : {}]);
}

/** Layers that take several tensors as separate arguments. */
const SEPARATE = ['MultiHeadAttention'];

function call3({ inputs, named, options }: Call, className: string): Config {
	const tensor = ({ layer, call, output }: Endpoint) => ({
		class_name: '__keras_tensor__',
		// Keras infers the shape anew.
		config: { shape: [null], dtype: 'float32', keras_history: [layer, call, output] },
	});
	const all = inputs.map(tensor);
	const recurrent = inputs.length > 1 && /LSTM|GRU|RNN|Bidirectional/.test(className);
	const args = recurrent ? all.slice(0, 1) : all.length === 1 || SEPARATE.includes(className) ? all : [all];
	const given = Object.entries(named).map(([name, list]): [string, unknown] => {
		const tensors = list.map(tensor);
		return [name, tensors.length === 1 ? tensors[0] : tensors];
	});
	const states = recurrent ? { initial_state: all.slice(1) } : {};
	return { args, kwargs: { ...options, ...Object.fromEntries(given), ...states } };
}

/** Settings of Keras 2 that Keras 3 refuses. */
const GONE = ['batch_input_shape', 'time_major', 'implementation', 'ragged', 'input_length', 'mask_zero_ragged'];

function converted(className: string, config: Config, version: Version): Config {
	return version === 2 ? forKeras2(className, config) : forKeras3(className, config);
}

function forKeras3(className: string, config: Config): Config {
	const result: Record<string, unknown> = {};
	for (const [name, value] of Object.entries(config)) {
		const noGroups = name === 'groups' && /Depthwise|Separable|Transpose/.test(className);
		if (className === 'InputLayer' && name === 'batch_input_shape') result.batch_shape = value;
		else if (className === 'LeakyReLU' && name === 'alpha') result.negative_slope = value;
		else if (name === 'axis' && className === 'BatchNormalization' && Array.isArray(value)) result.axis = value[0];
		else if ((name === 'layer' || name === 'backward_layer') && isObject(value)) {
			const own = isObject(value.config) ? value.config : {};
			result[name] = {
				module: 'keras.layers',
				class_name: value.class_name,
				config: forKeras3(String(value.class_name), own),
				registered_name: null,
			};
		} else if (!GONE.includes(name) && !noGroups) result[name] = value;
	}
	return result;
}

function forKeras2(className: string, config: Config): Config {
	const result: Record<string, unknown> = {};
	for (const [name, value] of Object.entries(config)) {
		if (className === 'InputLayer' && name === 'batch_shape') result.batch_input_shape = value;
		else if (className === 'LeakyReLU' && name === 'negative_slope') result.alpha = value;
		else result[name] = plainObject(value);
	}
	return result;
}

/** An object of Keras 3 without its module. A policy of dtypes becomes its name, a function its own. */
function plainObject(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(plainObject);
	if (!isObject(value)) return value;
	const { module: _, registered_name: _name, build_config: _build, ...rest } = value;
	if (value.class_name === 'DTypePolicy' && isObject(value.config)) return value.config.name;
	if (value.class_name === 'function') return value.config;
	return Object.fromEntries(Object.entries(rest).map(([key, inner]) => [key, plainObject(inner)]));
}
