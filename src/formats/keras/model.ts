/** `KerasModel`: a module that runs the layers of a Keras model. Builds it of a graph and of the weights in a file. */
import { noGrad } from '../../autograd/modes';
import type { DeviceName } from '../../backends/contract';
import { requireFunction } from '../../core/checks';
import { ArgumentError, formatShape } from '../../core/errors';
import { type Shape, sameShape } from '../../core/shape';
import { isObject } from '../../core/state';
import * as nn from '../../nn';
import { copy_ } from '../../ops/inplace';
import { Tensor } from '../../tensor';
import { requireTensor } from '../../tensorChecks';
import { tidy } from '../../tidy';
import { activationLayers } from './activations';
import { basicLayers } from './basic';
import { type Call, type Endpoint, type Graph, type GraphLayer, isInput } from './graph';
import type { LayerType, Run } from './layerType';
import { sequenceLayers, timeDistributed } from './sequence';
import { type Config, fail, type Settings } from './settings';
import type { Slot, WeightSpec } from './slots';
import { spatialLayers } from './spatial';
import { asKeras, channelsFirst, moved, plain, type Value } from './values';

/** A weight in a file. */
export interface StoredWeight {
	readonly name: string;
	readonly shape: Shape;
	/** Its values on a device. */
	upload(device: DeviceName): Tensor;
	/** Its values on the host. */
	read(): ArrayLike<number | bigint>;
}

/** What a layer of a class that wgrad does not know computes, from tensors with channels last. A module's parameters are trained. */
export type CustomLayer = nn.Module | ((...inputs: Tensor[]) => Tensor);

/**
 * Makes a layer of a class that wgrad does not know: gets its settings and the values of its weights, in the order of the file.
 */
export type MakeCustomLayer = (config: Readonly<Record<string, unknown>>, weights: readonly Tensor[]) => CustomLayer;

/** A layer with weights or without, of a model or of a model in it. */
export interface Leaf {
	readonly layer: GraphLayer;
	/** null: a custom layer. */
	readonly type: LayerType | null;
	readonly weights: readonly WeightSpec[];
	/** The layer of the whole model that the leaf is or that holds it. */
	readonly top: string;
	/** The names of the models around it and its own. */
	readonly path: readonly string[];
	/** Where a .keras file has it: layers/functional/layers/dense_1. */
	readonly path3: string;
	/** Whether Keras trains it. */
	readonly trainable: boolean;
}

const LAYERS: Readonly<Record<string, LayerType>> = {
	...activationLayers,
	...basicLayers,
	...spatialLayers,
	...sequenceLayers,
	TimeDistributed: timeDistributed(typeOf),
};

/** The counterpart of a layer's class. Throws if there is none. */
function typeOf(settings: Settings): LayerType {
	const { className, place } = settings;
	if (Object.hasOwn(LAYERS, className)) return LAYERS[className]!;
	return fail(
		`${place}: Keras layer '${className}' has no counterpart. Give one in the option 'layers': { ${className}: (config, weights) => ... }`,
	);
}

export type CustomLayers = Readonly<Record<string, MakeCustomLayer>>;

export function checkCustomLayers(operation: string, layers: CustomLayers): CustomLayers {
	for (const [name, make] of Object.entries(layers))
		requireFunction(operation, `layers.${name}`, make, 'a function of a config and weights');
	return layers;
}

/** 'LSTM' to 'lstm', 'Conv2DTranspose' to 'conv2d_transpose': the names of classes in .keras files. */
export function snakeCase(className: string): string {
	return className
		.replace(/\W+/g, '')
		.replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
		.replace(/([a-z])([A-Z])/g, '$1_$2')
		.toLowerCase();
}

/** The layers of a model and of the models in it, in order. */
export function leavesOf(graph: Graph, custom: CustomLayers): Leaf[] {
	const leaves: Leaf[] = [];
	const walk = (inner: Graph, top: string | null, path: readonly string[], path3: string, trainable: boolean) => {
		const used = new Map<string, number>();
		for (const layer of inner.layers) {
			const { settings, model, name } = layer;
			const snake = snakeCase(model?.className ?? settings.className);
			const count = used.get(snake) ?? 0;
			used.set(snake, count + 1);
			const own = `${path3}layers/${snake}${count === 0 ? '' : `_${count}`}`;
			const trains = trainable && layer.trainable;
			if (model !== null) walk(model, top ?? name, [...path, name], `${own}/`, trains);
			else if (!isInput(layer)) {
				const isCustom = Object.hasOwn(custom, settings.className);
				const type = isCustom ? null : typeOf(settings);
				const weights = type?.weights?.(settings) ?? [];
				leaves.push({ layer, type, weights, top: top ?? name, path: [...path, name], path3: own, trainable: trains });
			}
		}
	};
	walk(graph, null, [], '', true);
	return leaves;
}

/** A layer with its module. */
export interface BuiltLeaf extends Leaf {
	readonly slots: readonly Slot[];
	readonly module: nn.Module | null;
	readonly run: Run;
}

/** A weight of a built model that Keras trains or not. */
export interface OwnedSlot {
	readonly leaf: BuiltLeaf;
	readonly spec: WeightSpec;
	readonly slot: Slot;
	readonly trained: boolean;
}

export function ownedSlots(leaves: readonly BuiltLeaf[]): OwnedSlot[] {
	return leaves.flatMap((leaf) =>
		leaf.slots.map((slot, i) => {
			const spec = leaf.weights[i]!;
			return { leaf, spec, slot, trained: leaf.trainable && spec.trained !== false };
		}),
	);
}

/** What a model is made of. */
export interface Parts {
	readonly graph: Graph;
	readonly leaves: readonly BuiltLeaf[];
	/** Whether images and volumes come and go with their channels at dim 1. */
	readonly channelsFirst: boolean;
}

const parts = new WeakMap<KerasModel, Parts>();

/** @internal */
export function partsOf(model: KerasModel): Parts {
	return parts.get(model)!;
}

/**
 * A model of Keras as a module. `layers` holds a module for each layer with parameters or dropout, under its name in Keras. It takes and
 * returns tensors as Keras does, with channels last, unless it was loaded with `channels: 'first'`.
 */
export class KerasModel extends nn.Module {
	readonly layers: nn.ModuleDict;
	/** The names of the inputs, in order. */
	readonly inputNames: readonly string[];
	/** The names of the layers that give the outputs, in order. */
	readonly outputNames: readonly string[];

	/** `loadKeras` and `loadTfjs` make models. */
	constructor(own: Parts) {
		super();
		const { graph, leaves } = own;
		this.inputNames = graph.inputs.map(({ layer }) => layer);
		this.outputNames = graph.outputs.map(({ layer }) => layer);
		this.layers = new nn.ModuleDict();
		for (const { module, path } of leaves) {
			if (module === null) continue;
			const name = path.join('/').replaceAll('.', '_');
			let unique = name;
			for (let n = 1; this.layers.has(unique); n++) unique = `${name}_${n}`;
			this.layers.set(unique, module);
		}
		parts.set(this, own);
	}

	/** The only output. Takes a tensor for each input. */
	override forward(...inputs: Tensor[]): Tensor {
		const { length } = this.outputNames;
		if (length !== 1)
			throw new ArgumentError(
				`KerasModel: it has ${length} outputs (${this.outputNames.join(', ')}); call outputs() instead of forward()`,
			);
		return this.outputs(...inputs)[0]!;
	}

	/** All outputs, in order. Takes a tensor for each input. */
	outputs(...inputs: Tensor[]): Tensor[] {
		const { graph, leaves, channelsFirst: first } = partsOf(this);
		const names = this.inputNames;
		if (inputs.length !== names.length)
			throw new ArgumentError(`KerasModel: it takes ${names.length} inputs (${names.join(', ')}), not ${inputs.length}`);
		for (const [i, input] of inputs.entries()) requireTensor('KerasModel', input, names[i]);
		const runs = new Map(leaves.map(({ layer, run }) => [layer, run]));
		return tidy(() => {
			const given = inputs.map((x) => (first && x.ndim > 3 ? moved(x) : plain(x)));
			const found = runGraph(graph, given, runs, this.training);
			return found.map((value) => (first && value.tensor.ndim > 3 ? channelsFirst(value) : asKeras(value)));
		});
	}
}

/** Runs the layers of a graph, each call after those it depends on. */
function runGraph(
	graph: Graph,
	inputs: readonly Value[],
	runs: ReadonlyMap<GraphLayer, Run>,
	training: boolean,
): readonly Value[] {
	const layers = new Map(graph.layers.map((layer) => [layer.name, layer]));
	const results = new Map<string, readonly Value[]>();
	graph.inputs.forEach(({ layer, call }, i) => {
		results.set(keyOf(layer, call), [inputs[i]!]);
	});
	const valueAt = ({ layer, call, output }: Endpoint): Value =>
		results.get(keyOf(layer, call))?.[output] ?? fail(`layer "${layer}" has no output ${output}`);
	for (const { layer, call, index } of orderOf(graph, layers)) {
		const given = call.inputs.map(valueAt);
		const named = Object.fromEntries(Object.entries(call.named).map(([name, list]) => [name, list.map(valueAt)]));
		const run = runs.get(layer);
		const result =
			run === undefined ? runGraph(layer.model!, given, runs, training) : run(given, { named, options: call.options, training });
		results.set(keyOf(layer.name, index), Array.isArray(result) ? (result as readonly Value[]) : [result as Value]);
	}
	return graph.outputs.map(valueAt);
}

const keyOf = (layer: string, call: number) => `${call} ${layer}`;

interface Step {
	readonly layer: GraphLayer;
	readonly call: Call;
	readonly index: number;
}

const orders = new WeakMap<Graph, readonly Step[]>();

/** The calls that the outputs depend on, each after those that it depends on. */
function orderOf(graph: Graph, layers: ReadonlyMap<string, GraphLayer>): readonly Step[] {
	const known = orders.get(graph);
	if (known !== undefined) return known;
	const order: Step[] = [];
	const state = new Map<string, 'open' | 'done'>(graph.inputs.map(({ layer, call }) => [keyOf(layer, call), 'done']));
	const waiting: { at: Endpoint; step: Step | null }[] = graph.outputs.map((at) => ({ at, step: null }));
	while (waiting.length > 0) {
		const { at, step } = waiting.pop()!;
		const key = keyOf(at.layer, at.call);
		if (step !== null) {
			state.set(key, 'done');
			order.push(step);
			continue;
		}
		if (state.get(key) === 'done') continue;
		if (state.get(key) === 'open') fail(`layer "${at.layer}" depends on its own output`);
		const layer = layers.get(at.layer);
		const call = layer?.calls[at.call];
		if (layer === undefined || call === undefined)
			return fail(`no layer gives the tensor ["${at.layer}", ${at.call}, ${at.output}]`);
		state.set(key, 'open');
		waiting.push({ at, step: { layer, call, index: at.call } });
		for (const needed of [...call.inputs, ...Object.values(call.named).flat()].reverse()) {
			const state2 = state.get(keyOf(needed.layer, needed.call));
			if (state2 === 'open') fail(`layer "${needed.layer}" depends on its own output`);
			if (state2 === undefined) waiting.push({ at: needed, step: null });
		}
	}
	orders.set(graph, order);
	return order;
}

/** Checks that every tensor of a graph comes from somewhere. */
function checkGraph(graph: Graph): void {
	orderOf(graph, new Map(graph.layers.map((layer) => [layer.name, layer])));
	for (const { model } of graph.layers) if (model !== null) checkGraph(model);
}

/** Builds a model of the weights of each leaf. */
export function buildModel(
	graph: Graph,
	leaves: readonly Leaf[],
	weightsOf: ReadonlyMap<Leaf, readonly StoredWeight[]>,
	{ device, custom, channels }: { device: DeviceName; custom: CustomLayers; channels: 'first' | 'last' },
): KerasModel {
	checkGraph(graph);
	const built = leaves.map((leaf) => buildLeaf(leaf, weightsOf.get(leaf) ?? [], device, custom));
	const alreadyFirst = leaves.some(({ layer }) => layer.settings.get('data_format') === 'channels_first');
	return new KerasModel({ graph, leaves: built, channelsFirst: channels === 'first' && !alreadyFirst });
}

function buildLeaf(leaf: Leaf, stored: readonly StoredWeight[], device: DeviceName, custom: CustomLayers): BuiltLeaf {
	const { type, layer } = leaf;
	const { settings } = layer;
	if (type === null) return customLeaf(leaf, stored, device, custom[settings.className]!);
	if (stored.length !== leaf.weights.length) {
		const names = leaf.weights.map(({ name }) => name).join(', ') || 'none';
		settings.fail(`needs ${leaf.weights.length} weights (${names}), and the file has ${stored.length}`);
	}
	stored.forEach(({ shape }, i) => {
		if (shape.length === 0 || shape.length > 6 || shape.some((size) => size < 1))
			settings.fail(`has the weight ${leaf.weights[i]!.name} of shape ${formatShape(shape)}`);
	});
	const module = noGrad(
		() =>
			type.create?.(
				settings,
				stored.map(({ shape }) => shape),
				device,
			) ?? null,
	);
	const slots = module === null ? [] : (type.slots?.(module, settings) ?? []);
	slots.forEach(({ shape }, i) => {
		const given = stored[i]!.shape;
		if (!sameShape(shape, given))
			settings.fail(`takes ${leaf.weights[i]!.name} of shape ${formatShape(shape)}, and the file has ${formatShape(given)}`);
	});
	slots.forEach((slot, i) => {
		tidy(() =>
			noGrad(() => {
				slot.read(stored[i]!.upload(device)).forEach((value, k) => {
					copy_(slot.targets[k]!, value);
				});
			}),
		);
	});
	if (!leaf.trainable) module?.requiresGrad_(false);
	return { ...leaf, slots, module, run: type.run(settings, module) };
}

/** A layer that the caller makes. Its weights are those of its module in order, so that it can be saved again. */
function customLeaf(leaf: Leaf, stored: readonly StoredWeight[], device: DeviceName, make: MakeCustomLayer): BuiltLeaf {
	const { settings } = leaf.layer;
	const made = make(
		settings.config,
		stored.map((weight) => weight.upload(device)),
	);
	if (typeof made !== 'function' && !(made instanceof nn.Module)) settings.fail('has no module or function in the option layers');
	const call = (made instanceof nn.Module ? made.forward.bind(made) : made) as (...inputs: Tensor[]) => unknown;
	const run: Run = (values) => {
		const result = call(...values.map(asKeras));
		if (!(result instanceof Tensor)) return settings.fail('must return a tensor');
		return plain(result);
	};
	const weights = stored.map(({ name }) => ({ name }));
	return { ...leaf, weights, slots: [], module: made instanceof nn.Module ? made : null, run };
}

/** An object in a config, or nothing. */
export function configOf(value: unknown): Config {
	return isObject(value) ? value : {};
}
