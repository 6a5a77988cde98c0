/** Reads the config of a model, as Keras 2, Keras 3 and tfjs write it, into one form: layers, and what each call of them takes. */
import { isCount, isObject } from '../../core/state';
import { quote } from '../../io/header';
import { type Config, fail, objectOf, ordinal, Settings, told } from './settings';

/** One output of one call of a layer. */
export interface Endpoint {
	readonly layer: string;
	readonly call: number;
	readonly output: number;
}

export interface Call {
	readonly inputs: readonly Endpoint[];
	/** Tensors that are passed by name, such as initial_state. */
	readonly named: Readonly<Record<string, readonly Endpoint[]>>;
	/** Other arguments. */
	readonly options: Config;
}

export interface GraphLayer {
	readonly name: string;
	readonly settings: Settings;
	readonly calls: readonly Call[];
	/** The model that the layer is. */
	readonly model: Graph | null;
	readonly trainable: boolean;
}

export interface Graph {
	readonly name: string;
	readonly layers: readonly GraphLayer[];
	readonly inputs: readonly Endpoint[];
	readonly outputs: readonly Endpoint[];
	/** 'Sequential' or 'Functional'. */
	readonly className: string;
	/** The config as it was read. */
	readonly config: Config;
}

const MODELS = ['Sequential', 'Functional', 'Model'];
const DEEPEST = 10;
const MOST_LAYERS = 20_000;

/** The graph of a model's config: { class_name, config }. */
export function parseGraph(value: unknown, depth = 0): Graph {
	const model = objectOf(value);
	if (model === null) return fail('it has no config of a model');
	if (!MODELS.includes(model.className))
		fail(`it is a ${quote(model.className)}, and Sequential and functional models are supported`);
	if (depth > DEEPEST) fail(`it nests models more than ${DEEPEST} deep`);
	const { config } = model;
	const sequential = model.className === 'Sequential';
	// Early versions of Keras 2 have a list alone.
	const given = isObject(value) ? value.config : undefined;
	const list: unknown = Array.isArray(given) ? given : config.layers;
	if (!Array.isArray(list)) return fail('its config has no list of layers');
	if (list.length > MOST_LAYERS) fail(`it has ${list.length} layers, and at most ${MOST_LAYERS} are read`);
	const layers = list.map((layer, i) => parseLayer(layer, i, list.length, depth, sequential));
	const seen = new Set<string>();
	for (const { name } of layers) {
		if (seen.has(name)) fail(`two layers have the name ${quote(name)}`);
		seen.add(name);
	}
	const name = typeof config.name === 'string' ? config.name : 'model';
	const common = { name, className: sequential ? 'Sequential' : 'Functional', config };
	if (sequential) return { ...common, ...chained(layers) };
	return { ...common, layers, inputs: endpoints(config.input_layers), outputs: endpoints(config.output_layers) };
}

function parseLayer(value: unknown, index: number, count: number, depth: number, sequential: boolean): GraphLayer {
	const layer = objectOf(value);
	if (layer === null || !isObject(value)) return fail(`its ${ordinal(index + 1)} layer has no class_name`);
	const { className, config } = layer;
	const named = typeof value.name === 'string' ? value.name : config.name;
	const name = typeof named === 'string' ? named : `${className.toLowerCase()}_${index}`;
	const place = `layer ${quote(name)} (${ordinal(index + 1)} of ${count})`;
	const settings = new Settings(place, className, config, typeof value.module === 'string');
	const model = MODELS.includes(className) ? parseGraph(value, depth + 1) : null;
	const nodes = sequential ? [] : (value.inbound_nodes ?? []);
	if (!Array.isArray(nodes)) return settings.fail('has no list of inbound_nodes');
	return { name, settings, calls: nodes.map((node) => parseCall(node, settings)), model, trainable: config.trainable !== false };
}

/** Each layer takes what the one before gives. */
function chained(layers: readonly GraphLayer[]): Pick<Graph, 'layers' | 'inputs' | 'outputs'> {
	const [first] = layers;
	if (first === undefined) return fail('it has no layers');
	const source = isInput(first) ? first : inputNamed(`${first.name}_input`, first);
	const rest = isInput(first) ? layers.slice(1) : layers;
	const linked: GraphLayer[] = [source];
	for (const layer of rest) {
		const inputs = [endpoint(linked.at(-1)!.name)];
		linked.push({ ...layer, calls: [{ inputs, named: {}, options: {} }] });
	}
	return { layers: linked, inputs: [endpoint(source.name)], outputs: [endpoint(linked.at(-1)!.name)] };
}

export function isInput({ settings }: GraphLayer): boolean {
	return settings.className === 'InputLayer';
}

/** The input that a Sequential model leaves out. */
function inputNamed(name: string, { settings: { config } }: GraphLayer): GraphLayer {
	const shape = config.batch_input_shape ?? config.batch_shape;
	const settings = new Settings(`layer ${quote(name)}`, 'InputLayer', {
		name,
		...(shape === undefined ? {} : { batch_input_shape: shape }),
	});
	return { name, settings, calls: [], model: null, trainable: true };
}

function endpoint(layer: string): Endpoint {
	return { layer, call: 0, output: 0 };
}

/** [name, call, output], or a list of them, or an object of them. */
function endpoints(value: unknown): Endpoint[] {
	const one = endpointOf(value);
	if (one !== null) return [one];
	const list = isObject(value) && !Array.isArray(value) ? Object.values(value) : value;
	if (!Array.isArray(list)) return fail(`its inputs or outputs are ${told(value)}, which is no list of [layer, call, output]`);
	return list.map(
		(item) => endpointOf(item) ?? fail(`its inputs or outputs name ${told(item)}, which is no [layer, call, output]`),
	);
}

function endpointOf(value: unknown): Endpoint | null {
	if (!Array.isArray(value) || value.length < 3) return null;
	const [layer, call, output] = value as unknown[];
	return typeof layer === 'string' && isCount(call) && isCount(output) ? { layer, call, output } : null;
}

/** A tensor in the calls of Keras 3. */
function kerasTensor(value: unknown): Endpoint | null {
	const object = objectOf(value);
	return object?.className === '__keras_tensor__' ? endpointOf(object.config.keras_history) : null;
}

function parseCall(node: unknown, settings: Settings): Call {
	if (isObject(node) && !Array.isArray(node)) return parseCall3(node, settings);
	// Keras 2 has a list of [name, call, output, arguments], and one alone without the list.
	const given = endpointOf(node) === null ? node : [node];
	if (!Array.isArray(given)) return settings.fail(`has a call that is ${told(node)}`);
	const inputs = given.map(
		(item: unknown) => endpointOf(item) ?? settings.fail(`takes ${told(item)}, which is no [layer, call, output, arguments]`),
	);
	const [first] = given as unknown[][];
	return { inputs, ...sorted(isObject(first?.[3]) ? first[3] : {}, endpointOf) };
}

function parseCall3({ args = [], kwargs = {} }: Config, settings: Settings): Call {
	if (!Array.isArray(args) || !isObject(kwargs)) return settings.fail('has a call without args and kwargs');
	const flat: unknown[] = args.flat(10);
	const inputs = flat.map((item) => kerasTensor(item) ?? settings.fail(`takes ${told(item)}, which is no tensor`));
	return { inputs, ...sorted(kwargs, kerasTensor) };
}

/** Separates arguments that are tensors, or lists of them, from others. */
function sorted(given: Config, find: (value: unknown) => Endpoint | null): Pick<Call, 'named' | 'options'> {
	const named: Record<string, Endpoint[]> = {};
	const options: Record<string, unknown> = {};
	for (const [name, value] of Object.entries(given)) {
		const one = find(value);
		const all = one !== null ? [one] : Array.isArray(value) && value.length > 0 ? value.map(find) : [null];
		if (all.every((item) => item !== null)) named[name] = all;
		else options[name] = value;
	}
	return { named, options };
}
