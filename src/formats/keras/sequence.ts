/** Layers of Keras for sequences: embeddings, recurrent layers, their wrappers, and attention. */
import type { DeviceName } from '../../backends/contract';
import type { Shape } from '../../core/shape';
import * as nn from '../../nn';
import { scaledDotProductAttention } from '../../ops/attention';
import { ones, zeros } from '../../ops/creation';
import { add, div, mul, to } from '../../ops/elementwise';
import { cat, chunk, flip, permute, reshape, select, squeeze, stack, transpose, unsqueeze } from '../../ops/layout';
import { dropout } from '../../ops/random';
import type { Tensor } from '../../tensor';
import { type CallArguments, type LayerType, type Run, sizeOf, unary } from './layerType';
import { objectOf, type Settings } from './settings';
import { type Slot, slot, transposed, type WeightSpec } from './slots';
import { asKeras, plain, type Value } from './values';

const embedding: LayerType = {
	weights: () => [{ name: 'embeddings' }],
	create: (settings, [shape], device) => new nn.Embedding(sizeOf(settings, shape, 0), sizeOf(settings, shape, 1), { device }),
	slots: (module) => [slot((module as nn.Embedding).weight)],
	...unary((settings, module) => {
		settings.requireEqual('mask_zero', null, false);
		return (value) => plain((module as nn.Embedding).forward(to(asKeras(value), 'int32')));
	}),
};

type Recurrent = nn.LSTM | nn.GRU | nn.RNN;
type Kind = 'LSTM' | 'GRU' | 'SimpleRNN';
const CELLS = { LSTM: 'lstm_cell', GRU: 'gru_cell', SimpleRNN: 'simple_rnn_cell' } as const;
const STATES = { LSTM: 2, GRU: 1, SimpleRNN: 1 } as const;

/** Keras orders the gates of a GRU z, r, h; PyTorch r, z, n. */
function swapGates(x: Tensor, dim: number): Tensor {
	const [first, second, third] = chunk(x, 3, dim) as [Tensor, Tensor, Tensor];
	return cat([second, first, third], dim);
}

/** A slot whose gates are swapped, in dim `dim` of the weight in Keras. */
function swapped(inner: Slot, dim: number): Slot {
	return {
		...inner,
		read: (weight) => inner.read(swapGates(weight, dim)),
		write: (values, isState) => swapGates(inner.write(values, isState), dim),
	};
}

const parameter = (module: nn.Module, name: string) =>
	(module as unknown as Record<string, nn.Parameter | undefined>)[`${name}_l0`];

/** One bias in Keras for the sum of two, of which the second stays 0. As both have one gradient, the first one's state is that of the sum. */
function summedSlot(first: Tensor, second: Tensor): Slot {
	return {
		shape: first.shape,
		targets: [first, second],
		read: (weight) => [weight, zeros(weight.shape, { dtype: weight.dtype, device: weight.device })],
		write: ([a, b], isState) => (isState ? a! : add(a!, b!)),
	};
}

/** The biases of inputs and states as the rows of one weight. */
function stackedSlot(first: Tensor, second: Tensor): Slot {
	return {
		shape: [2, ...first.shape],
		targets: [first, second],
		read: (weight) => [select(weight, 0, 0), select(weight, 0, 1)],
		write: (values) => stack(values),
	};
}

function recurrent(kind: Kind): LayerType {
	return {
		weights: (settings) =>
			['kernel', 'recurrent_kernel', ...(settings.boolean('use_bias', true) ? ['bias'] : [])].map((name) => ({
				name,
				path2: CELLS[kind],
				path3: 'cell',
			})),
		create(settings, [kernel, own], device) {
			const options = { bias: settings.boolean('use_bias', true), batchFirst: true, device };
			const [inputs, units] = [sizeOf(settings, kernel, 0), sizeOf(settings, own, 0)];
			if (kind === 'GRU') return new nn.GRU(inputs, units, options);
			if (kind === 'LSTM') return withoutSecondBias(new nn.LSTM(inputs, units, options));
			const nonlinearity = settings.choice('activation', 'tanh', ['tanh', 'relu']);
			const { bias, batchFirst } = options;
			return withoutSecondBias(new nn.RNN(inputs, units, { nonlinearity, bias, batchFirst, device }));
		},
		slots(module) {
			const { inputSize, hiddenSize } = module as Recurrent;
			const gates = parameter(module, 'weight_ih')!.shape[0]!;
			const kernels = [
				transposed(parameter(module, 'weight_ih')!, [inputSize, gates]),
				transposed(parameter(module, 'weight_hh')!, [hiddenSize, gates]),
			];
			const [first, second] = [parameter(module, 'bias_ih'), parameter(module, 'bias_hh')];
			const biases =
				first === undefined || second === undefined
					? []
					: [kind === 'GRU' ? stackedSlot(first, second) : summedSlot(first, second)];
			return [...kernels, ...biases].map((slot) => (kind === 'GRU' ? swapped(slot, 1) : slot));
		},
		run(settings, module) {
			requireKernels(settings, kind);
			return runRecurrent(settings, module as Recurrent, kind, settings.boolean('go_backwards', false));
		},
	};
}

function withoutSecondBias<M extends nn.Module>(module: M): M {
	parameter(module, 'bias_hh')?.requiresGrad_(false);
	return module;
}

/** Throws for cells that the kernels do not have. */
function requireKernels(settings: Settings, kind: Kind): void {
	if (kind !== 'SimpleRNN') {
		settings.requireEqual('activation', null, 'tanh');
		settings.requireEqual('recurrent_activation', null, 'sigmoid');
	}
	if (kind === 'GRU' && !settings.boolean('reset_after', true)) settings.fail('has reset_after: false, which has no counterpart');
	settings.requireEqual('stateful', null, false);
	settings.requireEqual('time_major', null, false);
}

function runRecurrent(settings: Settings, module: Recurrent, kind: Kind, backwards: boolean): Run {
	const [sequences, states] = [settings.boolean('return_sequences', false), settings.boolean('return_state', false)];
	const p = settings.number('dropout', 0);
	const inner = settings.number('recurrent_dropout', 0);
	return ([value, ...rest], { named, training }) => {
		if (value === undefined) return settings.refuse('gets no sequence');
		if (training && inner > 0)
			settings.refuse('has a recurrent_dropout, which cannot be trained here. For inference, call model.eval()');
		let x = asKeras(value);
		if (x.ndim !== 3) settings.refuse(`takes [N, T, features], and gets ${x.ndim} dims`);
		// One mask for all time steps, as in Keras.
		if (training && p > 0)
			x = mul(x, dropout(ones([x.shape[0]!, 1, x.shape[2]!], { device: x.device, dtype: x.dtype }), { p, training }));
		if (backwards) x = flip(x, 1);
		const initial = [...rest, ...(named.initial_state ?? [])].map((state) => unsqueeze(asKeras(state), 0));
		if (initial.length > 0 && initial.length !== STATES[kind]) settings.refuse(`gets ${initial.length} initial states`);
		const { output, last } = stepped(module, x, initial);
		const result = sequences ? output : select(output, 1, output.shape[1]! - 1);
		return [plain(result), ...(states ? last.map((state) => plain(squeeze(state, 0))) : [])];
	};
}

function stepped(module: Recurrent, x: Tensor, initial: readonly Tensor[]): { output: Tensor; last: readonly Tensor[] } {
	if (module instanceof nn.LSTM) {
		const [output, last] = module.forward(x, initial.length === 0 ? null : [initial[0]!, initial[1]!]);
		return { output, last };
	}
	const [output, last] = module.forward(x, initial[0] ?? null);
	return { output, last: [last] };
}

type Pair = nn.ModuleDict<Recurrent>;

const MERGES: Readonly<Record<string, (a: Tensor, b: Tensor) => Tensor>> = {
	concat: (a, b) => cat([a, b], -1),
	sum: (a, b) => add(a, b),
	mul: (a, b) => mul(a, b),
	ave: (a, b) => div(add(a, b), 2),
};

/** The recurrent layer inside a wrapper. */
function recurrentInside(settings: Settings): { type: LayerType; kind: Kind; inner: Settings } {
	const object = objectOf(settings.get('layer'));
	if (object === null || !Object.hasOwn(CELLS, object.className))
		return settings.fail(`holds ${object?.className ?? 'no layer'}, which has no counterpart`);
	const kind = object.className as Kind;
	return { type: recurrentLayers[kind], kind, inner: settings.inner(kind, object.config) };
}

const recurrentLayers = { LSTM: recurrent('LSTM'), GRU: recurrent('GRU'), SimpleRNN: recurrent('SimpleRNN') } as const;

const bidirectional: LayerType = {
	weights(settings) {
		const { type, inner } = recurrentInside(settings);
		const name = inner.text('name', 'layer');
		return ['forward', 'backward'].flatMap((direction) =>
			type.weights!(inner).map(
				(spec): WeightSpec => ({ ...spec, path2: `${direction}_${name}/${spec.path2}`, path3: `${direction}_layer/cell` }),
			),
		);
	},
	create(settings, shapes, device) {
		const { type, inner } = recurrentInside(settings);
		const make = (half: readonly Shape[]) => type.create!(inner, half, device);
		const middle = shapes.length / 2;
		return new nn.ModuleDict({ forward: make(shapes.slice(0, middle)), backward: make(shapes.slice(middle)) });
	},
	slots(module, settings) {
		const { type, inner } = recurrentInside(settings);
		return ['forward', 'backward'].flatMap((direction) => type.slots!((module as Pair).get(direction), inner));
	},
	run(settings, module) {
		const { kind, inner } = recurrentInside(settings);
		requireKernels(inner, kind);
		const merge = settings.get('merge_mode') === undefined ? null : settings.choice('merge_mode', 'concat', Object.keys(MERGES));
		const [ahead, back] = ['forward', 'backward'].map((direction) =>
			runRecurrent(inner, (module as Pair).get(direction), kind, direction === 'backward'),
		) as [Run, Run];
		const sequences = inner.boolean('return_sequences', false);
		return ([value, ...rest], call: CallArguments) => {
			const initial = [...rest, ...(call.named.initial_state ?? [])];
			const half = initial.length / 2;
			const given = { ...call, named: {} };
			const [a, ...aStates] = ahead([value!, ...initial.slice(0, half)], given) as readonly Value[];
			const [b, ...bStates] = back([value!, ...initial.slice(half)], given) as readonly Value[];
			const reversed = sequences ? flip(b!.tensor, 1) : b!.tensor;
			const outputs = merge === null ? [a!.tensor, reversed] : [MERGES[merge]!(a!.tensor, reversed)];
			return [...outputs.map(plain), ...aStates, ...bStates];
		};
	},
};

/** A layer for each step of time. `find` gives the type of a class. */
export function timeDistributed(find: (settings: Settings) => LayerType): LayerType {
	const inside = (settings: Settings) => {
		const object = objectOf(settings.get('layer')) ?? settings.fail('holds no layer');
		const inner = settings.inner(object.className, object.config);
		return { inner, type: find(inner) };
	};
	const within = (method: 'weights') => (settings: Settings) => {
		const { inner, type } = inside(settings);
		return (type[method]?.(inner) ?? []).map((spec) => ({
			...spec,
			path3: spec.path3 === undefined ? 'layer' : `layer/${spec.path3}`,
		}));
	};
	return {
		weights: within('weights'),
		create(settings, shapes, device: DeviceName) {
			const { inner, type } = inside(settings);
			return type.create?.(inner, shapes, device) ?? new nn.Identity();
		},
		slots(module, settings) {
			const { inner, type } = inside(settings);
			return type.slots?.(module, inner) ?? [];
		},
		run(settings, module) {
			const { inner, type } = inside(settings);
			const compute = type.run(inner, module);
			return ([value], call) => {
				const x = asKeras(value ?? settings.refuse('takes one tensor, and gets none'));
				if (x.ndim < 2) settings.refuse(`takes [N, T, ...], and gets ${x.ndim} dims`);
				const [batch, time, ...rest] = x.shape as [number, number, ...number[]];
				const result = compute([plain(reshape(x, [batch * time, ...rest]))], call);
				const results = (Array.isArray(result) ? result : [result]) as readonly Value[];
				const y = asKeras(results[0]!);
				return plain(reshape(y, [batch, time, ...y.shape.slice(1)]));
			};
		},
	};
}

const PROJECTIONS = ['query', 'key', 'value', 'attention_output'] as const;
type Projections = nn.ModuleDict<nn.Linear>;

const attention: LayerType = {
	weights: (settings) =>
		PROJECTIONS.flatMap((part) => {
			const path3 = part === 'attention_output' ? 'output_dense' : `${part}_dense`;
			return ['kernel', ...(settings.boolean('use_bias', true) ? ['bias'] : [])].map((name) => ({ name, path2: part, path3 }));
		}),
	create(settings, shapes, device) {
		const bias = settings.boolean('use_bias', true);
		const heads = settings.count('num_heads');
		const kernels = bias ? shapes.filter((_, i) => i % 2 === 0) : shapes;
		const layers = PROJECTIONS.map((part, i): [string, nn.Linear] => {
			const shape = kernels[i];
			const [a, b, c] = [0, 1, 2].map((dim) => sizeOf(settings, shape, dim)) as [number, number, number];
			const out = part === 'attention_output';
			if (shape!.length !== 3 || (out ? a : b) !== heads)
				settings.fail(`has ${heads} heads and a weight of shape [${shape!.join(', ')}]`);
			return [part, out ? new nn.Linear(a * b, c, { bias, device }) : new nn.Linear(a, b * c, { bias, device })];
		});
		return new nn.ModuleDict(Object.fromEntries(layers));
	},
	slots(module, settings) {
		const heads = settings.count('num_heads');
		return PROJECTIONS.flatMap((part) => {
			const { weight, bias, inFeatures, outFeatures } = (module as Projections).get(part);
			const out = part === 'attention_output';
			const shape = out ? [heads, inFeatures / heads, outFeatures] : [inFeatures, heads, outFeatures / heads];
			const biases = bias === null ? [] : [slot(bias, out ? [outFeatures] : [heads, outFeatures / heads])];
			return [transposed(weight, shape, out ? 2 : 1), ...biases];
		});
	},
	run(settings, module) {
		const heads = settings.count('num_heads');
		const dropoutRate = settings.number('dropout', 0);
		const layers = module as Projections;
		return ([first, ...more], { named, options, training }) => {
			const [query, value, key] = [first ?? named.query?.[0], more[0] ?? named.value?.[0], more[1] ?? named.key?.[0]];
			if (query === undefined || value === undefined) return settings.refuse('takes a query and a value');
			for (const name of ['return_attention_scores'])
				if (options[name] === true) settings.fail(`has ${name}, which has no counterpart`);
			const project = (part: 'query' | 'key' | 'value', given: Value) => {
				const x = layers.get(part).forward(asKeras(given));
				if (x.ndim !== 3) settings.refuse(`takes [N, T, features], and gets ${x.ndim} dims`);
				const [batch, time, features] = x.shape as [number, number, number];
				return transpose(reshape(x, [batch, time, heads, features / heads]), 1, 2);
			};
			const mask = named.attention_mask?.[0];
			const attnMask = mask === undefined ? null : unsqueeze(to(asKeras(mask), 'bool'), 1);
			const y = scaledDotProductAttention(project('query', query), project('key', key ?? value), project('value', value), {
				attnMask,
				isCausal: options.use_causal_mask === true,
				dropoutP: training ? dropoutRate : 0,
			});
			const [batch, , time] = y.shape as [number, number, number];
			return plain(layers.get('attention_output').forward(reshape(permute(y, [0, 2, 1, 3]), [batch, time, -1])));
		};
	},
};

export const sequenceLayers: Readonly<Record<string, LayerType>> = {
	Embedding: embedding,
	...recurrentLayers,
	Bidirectional: bidirectional,
	MultiHeadAttention: attention,
};
