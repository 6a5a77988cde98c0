/** Layers of Keras without a place in space: dense ones, normalisation, noise, merging and shapes. */
import { numel } from '../../core/shape';
import * as nn from '../../nn';
import { tensor } from '../../ops/creation';
import { add, div, maximum, minimum, mul, relu, sub } from '../../ops/elementwise';
import { cat, expand, permute, reshape, unsqueeze } from '../../ops/layout';
import { matmul } from '../../ops/matmul';
import { batchNorm, normalize } from '../../ops/norm';
import { randnLike } from '../../ops/random';
import { sum } from '../../ops/reduce';
import type { Tensor } from '../../tensor';
import { activationOf } from './activations';
import { type LayerType, sizeOf, unary } from './layerType';
import { type Settings, told } from './settings';
import { slot, transposed } from './slots';
import { asKeras, channelsFirst, dimOf, mapped, moved, plain, type Value } from './values';

/** Batch normalisation of dim 1 of a tensor of any rank. */
export class AnyBatchNorm extends nn.BatchNorm1d {
	protected override checkInput(): void {}
}

/** The axis of a normalisation: a number, or a list with one. */
function axisOf(settings: Settings): number {
	const axis = settings.get('axis') ?? -1;
	const one = Array.isArray(axis) && axis.length === 1 ? (axis[0] as unknown) : axis;
	return typeof one === 'number' && Number.isSafeInteger(one)
		? one
		: settings.fail(`has the axis ${told(axis)}, which has no counterpart`);
}

/** The names among `gamma` and `beta` that a layer learns. */
const affine = (settings: Settings): ('gamma' | 'beta')[] => [
	...(settings.boolean('scale', true) ? (['gamma'] as const) : []),
	...(settings.boolean('center', true) ? (['beta'] as const) : []),
];

type Affine = nn.Module & { readonly weight: nn.Parameter | null; readonly bias: nn.Parameter | null };

/** Keeps the scale or shift that Keras leaves out as it is: 1 or 0. */
function frozen<M extends Affine>(module: M, settings: Settings): M {
	const learnt = affine(settings);
	if (!learnt.includes('gamma')) module.weight?.requiresGrad_(false);
	if (!learnt.includes('beta')) module.bias?.requiresGrad_(false);
	return module;
}

const affineSlots = (module: nn.Module, settings: Settings) =>
	affine(settings).map((name) => slot((module as Affine)[name === 'gamma' ? 'weight' : 'bias']!));

const batchNormalization: LayerType = {
	weights: (settings) => [
		...affine(settings).map((name) => ({ name })),
		{ name: 'moving_mean', trained: false },
		{ name: 'moving_variance', trained: false },
	],
	create(settings, shapes, device) {
		const options = { eps: settings.number('epsilon', 1e-3), momentum: 1 - settings.number('momentum', 0.99), device };
		return frozen(new AnyBatchNorm(sizeOf(settings, shapes.at(-1), 0), options), settings);
	},
	slots: (module, settings) => [
		...affineSlots(module, settings),
		slot(module.buffer('running_mean')),
		slot(module.buffer('running_var')),
	],
	...unary((settings, module) => {
		settings.requireEqual('renorm', null, false);
		const axis = axisOf(settings);
		const trainable = settings.boolean('trainable', true);
		return (value, training) => {
			const norm = module as AnyBatchNorm;
			const compute = (x: Tensor) => (training && !trainable ? fixedNorm(norm, x) : norm.forward(x));
			const { ndim } = value.tensor;
			const dim = axis < 0 ? axis + ndim : axis;
			if (dim === ndim - 1) return moved(compute(channelsFirst(value)));
			if (dim === 1) return plain(compute(asKeras(value)));
			return settings.fail(`has the axis ${axis} of a tensor of ${ndim} dims, which has no counterpart`);
		};
	}),
};

/** Keras normalises by the running statistics in a layer that is not trained. */
function fixedNorm(norm: AnyBatchNorm, x: Tensor): Tensor {
	const { weight, bias, runningMean, runningVar, options } = norm;
	return batchNorm(x, { runningMean, runningVar, weight, bias, training: false, eps: options.eps ?? 1e-5 });
}

const layerNormalization: LayerType = {
	weights: (settings) => affine(settings).map((name) => ({ name })),
	create(settings, [shape], device) {
		const eps = settings.number('epsilon', 1e-3);
		if (shape === undefined) return settings.fail('has neither scale nor center, which has no counterpart');
		return frozen(new nn.LayerNorm([...shape], { eps, device }), settings);
	},
	slots: affineSlots,
	...unary((settings, module) => {
		settings.requireEqual('rms_scaling', null, false);
		const axis = settings.get('axis') ?? -1;
		const axes: unknown[] = Array.isArray(axis) ? axis : [axis];
		return (value) => {
			const x = asKeras(value);
			const last = axes.map((_, i) => x.ndim - axes.length + i);
			const own = axes.map((dim) => (typeof dim === 'number' && dim < 0 ? dim + x.ndim : dim));
			if (String(own) !== String(last)) settings.fail(`has the axis ${told(axis)}, and only the last ones have a counterpart`);
			return plain((module as nn.LayerNorm).forward(x));
		};
	}),
};

const groupNormalization: LayerType = {
	weights: (settings) => affine(settings).map((name) => ({ name })),
	create(settings, [shape], device) {
		const channels = sizeOf(settings, shape, 0);
		const groups = settings.integer('groups', 32);
		const count = groups === -1 ? channels : groups;
		if (count < 1 || channels % count !== 0) settings.fail(`has ${groups} groups of ${channels} channels`);
		return frozen(new nn.GroupNorm(count, channels, { eps: settings.number('epsilon', 1e-3), device }), settings);
	},
	slots: affineSlots,
	...unary((settings, module) => {
		if (axisOf(settings) !== -1) settings.fail('has another axis than the last, which has no counterpart');
		return (value) => moved((module as nn.GroupNorm).forward(channelsFirst(value)));
	}),
};

const dense: LayerType = {
	weights: (settings) => ['kernel', ...(settings.boolean('use_bias', true) ? ['bias'] : [])].map((name) => ({ name })),
	create(settings, [kernel], device) {
		const bias = settings.boolean('use_bias', true);
		return new nn.Linear(sizeOf(settings, kernel, 0), sizeOf(settings, kernel, 1), { bias, device });
	},
	slots: (module) => {
		const { weight, bias, inFeatures, outFeatures } = module as nn.Linear;
		return [transposed(weight, [inFeatures, outFeatures]), ...(bias === null ? [] : [slot(bias)])];
	},
	...unary((settings, module) => {
		const activation = activationOf(settings);
		return (value) => activation(plain((module as nn.Linear).forward(asKeras(value))));
	}),
};

const preLu: LayerType = {
	weights: () => [{ name: 'alpha' }],
	create: (_, [shape], device) =>
		new nn.ParameterDict({ alpha: new nn.Parameter(tensor(new Float32Array(numel(shape!)), { shape: [...shape!], device })) }),
	slots: (module) => [slot((module as nn.ParameterDict).get('alpha'))],
	...unary((_, module) => {
		const alpha = (module as nn.ParameterDict).get('alpha');
		return (value) => {
			const x = asKeras(value);
			return plain(sub(relu(x), mul(alpha, relu(mul(x, -1)))));
		};
	}),
};

function dropping(make: (p: number) => nn.Module & { forward(x: Tensor): Tensor }, byChannel = false): LayerType {
	return {
		create: (settings) => make(settings.number('rate', 0.5)),
		...unary((settings, module) => {
			settings.requireEqual('noise_shape', null);
			const layer = module as nn.Dropout;
			return (value) => (byChannel ? moved(layer.forward(channelsFirst(value))) : mapped(value, (x) => layer.forward(x)));
		}),
	};
}

/** Noise that acts during training alone. */
const noise = (make: (settings: Settings) => (x: Tensor) => Tensor): LayerType =>
	unary((settings) => {
		const compute = make(settings);
		return (value, training) => (training ? mapped(value, compute) : value);
	});

/** Brings tensors into one order of dims: channels first if any is. */
function aligned(values: readonly Value[]): { tensors: Tensor[]; wrap: (x: Tensor) => Value } {
	if (values.some((value) => value.moved)) return { tensors: values.map(channelsFirst), wrap: moved };
	return { tensors: values.map(({ tensor }) => tensor), wrap: plain };
}

function merging(combine: (tensors: readonly Tensor[]) => Tensor, count?: number): LayerType {
	return {
		run: (settings) => (values) => {
			if (values.length < 1 || (count !== undefined && values.length !== count)) settings.refuse(`gets ${values.length} tensors`);
			if (new Set(values.map(({ tensor }) => tensor.ndim)).size > 1)
				settings.refuse('merges tensors of different numbers of dims');
			const { tensors, wrap } = aligned(values);
			return wrap(combine(tensors));
		},
	};
}

const folded = (fn: (a: Tensor, b: Tensor) => Tensor) => merging((tensors) => tensors.reduce((a, b) => fn(a, b)));

const concatenate: LayerType = {
	run(settings) {
		const axis = settings.integer('axis', -1);
		return (values) => {
			const { tensors, wrap } = aligned(values);
			if (tensors.length === 0) settings.refuse('gets no tensors');
			const first = wrap(tensors[0]!);
			return wrap(cat(tensors, dimOf(first, axis)));
		};
	},
};

/** Products of two tensors along one axis of each. */
const dot: LayerType = {
	run(settings) {
		const given = settings.get('axes');
		const pair: unknown[] = Array.isArray(given) ? given : [given, given];
		const normalized = settings.boolean('normalize', false);
		return (values) => {
			const tensors = values.map(asKeras);
			const axes = tensors.map((x, i) => (typeof pair[i] === 'number' && pair[i] < 0 ? pair[i] + x.ndim : pair[i]));
			const [a, b] = tensors;
			const [first, second] = axes;
			if (a === undefined || b === undefined || tensors.length > 2 || typeof first !== 'number' || typeof second !== 'number')
				return settings.refuse('takes two tensors and two axes');
			if (a.ndim < 2 || a.ndim > 3 || b.ndim < 2 || b.ndim > 3) return settings.refuse('takes tensors of 2 or 3 dims');
			const [left, right] = normalized ? [normalize(a, { dim: first }), normalize(b, { dim: second })] : [a, b];
			if (a.ndim === 2 && b.ndim === 2) return plain(sum(mul(left, right), 1, { keepdim: true }));
			const rows = a.ndim === 2 ? unsqueeze(left, 1) : first === 1 ? permute(left, [0, 2, 1]) : left;
			const columns = b.ndim === 2 ? unsqueeze(right, 2) : second === 2 ? permute(right, [0, 2, 1]) : right;
			const product = matmul(rows, columns);
			const [batch, m, n] = product.shape as [number, number, number];
			return plain(reshape(product, a.ndim === 2 ? [batch, n] : b.ndim === 2 ? [batch, m] : [batch, m, n]));
		};
	},
};

/** The sizes after the batch of a reshaped tensor; one of them may be -1. */
function shapeOf(settings: Settings): number[] {
	const shape = settings.get('target_shape');
	if (Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size))) return shape as number[];
	return settings.fail(`has the target_shape ${told(shape)}`);
}

const inKerasOrder = (make: (settings: Settings) => (x: Tensor) => Tensor): LayerType =>
	unary((settings) => {
		const compute = make(settings);
		return (value) => plain(compute(asKeras(value)));
	});

export const basicLayers: Readonly<Record<string, LayerType>> = {
	Dense: dense,
	BatchNormalization: batchNormalization,
	LayerNormalization: layerNormalization,
	GroupNormalization: groupNormalization,
	PReLU: preLu,
	Dropout: dropping((p) => new nn.Dropout(p)),
	AlphaDropout: dropping((p) => new nn.AlphaDropout(p)),
	SpatialDropout1D: dropping((p) => new nn.Dropout1d(p), true),
	SpatialDropout2D: dropping((p) => new nn.Dropout2d(p), true),
	SpatialDropout3D: dropping((p) => new nn.Dropout3d(p), true),
	GaussianNoise: noise((settings) => {
		const deviation = settings.number('stddev');
		return (x) => add(x, mul(randnLike(x), deviation));
	}),
	GaussianDropout: noise((settings) => {
		const rate = settings.number('rate');
		return (x) => mul(x, add(mul(randnLike(x), Math.sqrt(rate / (1 - rate))), 1));
	}),
	ActivityRegularization: unary(() => (value) => value),
	Flatten: inKerasOrder((settings) => {
		settings.requireEqual('data_format', null, 'channels_last');
		return (x) => reshape(x, [x.shape[0] ?? 1, -1]);
	}),
	Reshape: inKerasOrder((settings) => {
		const shape = shapeOf(settings);
		return (x) => reshape(x, [x.shape[0]!, ...shape]);
	}),
	Permute: inKerasOrder((settings) => {
		const dims: unknown = settings.get('dims');
		if (!Array.isArray(dims) || !dims.every(Number.isSafeInteger)) return settings.fail(`has the dims ${told(dims)}`);
		return (x) => permute(x, [0, ...(dims as number[])]);
	}),
	RepeatVector: inKerasOrder((settings) => {
		const n = settings.count('n');
		return (x) => expand(unsqueeze(x, 1), [x.shape[0]!, n, x.shape[1]!]);
	}),
	Rescaling: inKerasOrder((settings) => {
		const factor = (name: string, fallback: number) => {
			const value = settings.get(name);
			if (!Array.isArray(value)) return () => settings.number(name, fallback);
			if (!value.every((item) => typeof item === 'number')) return settings.fail(`has the ${name} ${told(value)}`);
			return ({ device, dtype }: Tensor) => tensor(value as number[], { device, dtype });
		};
		const [scale, offset] = [factor('scale', 1), factor('offset', 0)];
		return (x) => add(mul(x, scale(x)), offset(x));
	}),
	Add: folded(add),
	Subtract: merging(([a, b]) => sub(a!, b!), 2),
	Multiply: folded(mul),
	Average: merging((tensors) =>
		div(
			tensors.reduce((a, b) => add(a, b)),
			tensors.length,
		),
	),
	Maximum: folded(maximum),
	Minimum: folded(minimum),
	Concatenate: concatenate,
	Dot: dot,
};
