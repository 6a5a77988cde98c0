/** Describes an `nn.Sequential` of wgrad as a Keras model: which layers, with which settings, hold its parameters. */
import { ArgumentError } from '../../core/errors';
import * as nn from '../../nn';
import type { Graph, GraphLayer } from './graph';
import { type BuiltLeaf, leavesOf, type Parts, snakeCase } from './model';
import { type Config, Settings } from './settings';
import { isDepthwise } from './spatial';

/** A layer of Keras in the place of one of wgrad. */
interface Counterpart {
	readonly className: string;
	readonly config?: Config;
	/** Whether it works on channels, which stand first in wgrad and last in Keras; null: on each element. */
	readonly channels: boolean | null;
	/** Whether the module's parameters are its weights. */
	readonly weighted?: boolean;
}

/** What Keras calls a module without parameters that acts on each element. */
const ACTIVATIONS: readonly (readonly [new () => nn.Module, string])[] = [
	[nn.ReLU, 'relu'],
	[nn.ReLU6, 'relu6'],
	[nn.Sigmoid, 'sigmoid'],
	[nn.Tanh, 'tanh'],
	[nn.SiLU, 'silu'],
	[nn.Mish, 'mish'],
	[nn.Softsign, 'softsign'],
	[nn.SELU, 'selu'],
	[nn.Hardswish, 'hard_silu'],
	[nn.LogSigmoid, 'log_sigmoid'],
	[nn.Identity, 'linear'],
];

type Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d;

function refuse(module: nn.Module, why: string): never {
	throw new ArgumentError(`saveKeras: ${module.constructor.name}(${module.extraRepr()}) has no counterpart in Keras: ${why}`);
}

const listOf = (value: number | readonly number[] | undefined, rank: number, fallback: number): readonly number[] =>
	typeof value === 'object'
		? value.length === rank
			? value
			: new Array<number>(rank).fill(value[0]!)
		: new Array<number>(rank).fill(value ?? fallback);

function convolutionOf(module: Convolution): Counterpart[] {
	const rank = module.kernelSize.length;
	const { stride, padding = 0, dilation, groups = 1, paddingMode = 'zeros' } = module.options;
	if (paddingMode !== 'zeros') refuse(module, 'Keras pads with zeros only');
	const steps = listOf(stride, rank, 1);
	const same = padding === 'same' && steps.every((step) => step === 1);
	const sides = typeof padding === 'string' ? listOf(0, rank, 0) : listOf(padding, rank, 0);
	const common = {
		kernel_size: module.kernelSize,
		strides: steps,
		padding: same ? 'same' : 'valid',
		data_format: 'channels_last',
		dilation_rate: listOf(dilation, rank, 1),
		activation: 'linear',
		use_bias: module.bias !== null,
	};
	const depthwise = isDepthwise(module) && rank < 3;
	const own = depthwise ? { depth_multiplier: module.outChannels / module.inChannels } : { filters: module.outChannels, groups };
	const layer = {
		className: depthwise ? `DepthwiseConv${rank}D` : `Conv${rank}D`,
		config: { ...own, ...common },
		channels: true,
		weighted: true,
	};
	if (sides.every((side) => side === 0)) return [layer];
	const around = rank === 1 ? [sides[0], sides[0]] : sides.map((side) => [side, side]);
	return [{ className: `ZeroPadding${rank}D`, config: { padding: around, data_format: 'channels_last' }, channels: true }, layer];
}

function pooled(module: nn.Module, name: string, rank: number): Counterpart[] {
	const { kernelSize, options = {} } = module as unknown as {
		kernelSize: number | readonly number[];
		options?: Record<string, unknown>;
	};
	const {
		stride,
		padding = 0,
		dilation = 1,
		ceilMode = false,
	} = options as { stride?: number | readonly number[]; padding?: unknown; dilation?: unknown; ceilMode?: boolean };
	if ([padding].flat().some((side) => side !== 0) || [dilation].flat().some((step) => step !== 1) || ceilMode)
		refuse(module, 'pooling has no padding, dilation or ceilMode there');
	const sizes = listOf(kernelSize, rank, 1);
	return [
		{
			className: `${name}${rank}D`,
			config: {
				pool_size: sizes,
				strides: listOf(stride ?? kernelSize, rank, 1),
				padding: 'valid',
				data_format: 'channels_last',
			},
			channels: true,
		},
	];
}

/** The layers of Keras for one module. */
function counterparts(module: nn.Module): Counterpart[] {
	const activation = ACTIVATIONS.find(([type]) => module.constructor === type);
	if (activation !== undefined) return [{ className: 'Activation', config: { activation: activation[1] }, channels: null }];
	if (module instanceof nn.Linear) {
		const config = { units: module.outFeatures, activation: 'linear', use_bias: module.bias !== null };
		return [{ className: 'Dense', config, channels: false, weighted: true }];
	}
	if (module instanceof nn.Conv1d || module instanceof nn.Conv2d || module instanceof nn.Conv3d) return convolutionOf(module);
	for (const [rank, [max, average, global]] of POOLS.entries()) {
		if (module instanceof max) return pooled(module, 'MaxPooling', rank + 1);
		if (module instanceof average) return pooled(module, 'AveragePooling', rank + 1);
		if (module instanceof global) {
			const { outputSize } = module as unknown as { outputSize: unknown };
			if ([outputSize].flat().some((size) => size !== 1)) refuse(module, 'its output must have size 1');
			return [
				{
					className: `GlobalAveragePooling${rank + 1}D`,
					config: { keepdims: true, data_format: 'channels_last' },
					channels: true,
				},
			];
		}
	}
	if (module instanceof nn.BatchNorm1d || module instanceof nn.BatchNorm2d || module instanceof nn.BatchNorm3d) {
		const { eps = 1e-5, momentum = 0.1, trackRunningStats = true } = module.options;
		if (momentum === null || !trackRunningStats) refuse(module, 'it needs running statistics with a momentum');
		const learnt = module.weight !== null;
		return [
			{
				className: 'BatchNormalization',
				config: { axis: -1, momentum: 1 - momentum, epsilon: eps, center: learnt, scale: learnt },
				channels: true,
				weighted: true,
			},
		];
	}
	if (module instanceof nn.LayerNorm) {
		const { weight, bias, normalizedShape } = module;
		const config = {
			axis: normalizedShape.map((_, i) => i - normalizedShape.length),
			epsilon: module.options.eps ?? 1e-5,
			center: bias !== null,
			scale: weight !== null,
		};
		return [{ className: 'LayerNormalization', config, channels: false, weighted: true }];
	}
	if (module instanceof nn.GroupNorm) {
		const learnt = module.weight !== null;
		const config = { groups: module.numGroups, axis: -1, epsilon: module.options.eps ?? 1e-5, center: learnt, scale: learnt };
		return [{ className: 'GroupNormalization', config, channels: true, weighted: true }];
	}
	if (module instanceof nn.Embedding) {
		const [rows, size] = module.weight.shape;
		return [
			{
				className: 'Embedding',
				config: { input_dim: rows, output_dim: size, mask_zero: false },
				channels: false,
				weighted: true,
			},
		];
	}
	if (module instanceof nn.Dropout) return [{ className: 'Dropout', config: { rate: module.p }, channels: null }];
	if (module instanceof nn.Dropout1d) return [{ className: 'SpatialDropout1D', config: { rate: module.p }, channels: true }];
	if (module instanceof nn.Dropout2d) return [{ className: 'SpatialDropout2D', config: { rate: module.p }, channels: true }];
	if (module instanceof nn.Flatten) {
		if (module.startDim !== 1 || module.endDim !== -1) refuse(module, 'Keras flattens all dims after the batch');
		return [{ className: 'Flatten', config: { data_format: 'channels_last' }, channels: false }];
	}
	if (module instanceof nn.LeakyReLU)
		return [{ className: 'LeakyReLU', config: { alpha: module.negativeSlope }, channels: null }];
	if (module instanceof nn.ELU) return [{ className: 'ELU', config: { alpha: module.alpha }, channels: null }];
	if (module instanceof nn.GELU && (module.options.approximate ?? 'none') === 'none')
		return [{ className: 'Activation', config: { activation: 'gelu' }, channels: null }];
	if (module instanceof nn.Softmax || module instanceof nn.LogSoftmax) {
		const activation = module instanceof nn.Softmax ? 'softmax' : 'log_softmax';
		if (module.dim !== 1 && module.dim !== -1) refuse(module, 'it must be over the channels or the last dim');
		return [{ className: 'Activation', config: { activation }, channels: module.dim === 1 }];
	}
	return refuse(module, 'saveKeras writes the layers that docs/keras.md lists');
}

const POOLS = [
	[nn.MaxPool1d, nn.AvgPool1d, nn.AdaptiveAvgPool1d],
	[nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d],
	[nn.MaxPool3d, nn.AvgPool3d, nn.AdaptiveAvgPool3d],
] as const;

/** All modules of a Sequential and of those in it, in order. */
function flat(module: nn.Module): nn.Module[] {
	return module instanceof nn.Sequential ? module.layers.flatMap(flat) : [module];
}

/** `inputShape`: the sizes after the batch, with channels first as wgrad has them. */
export function partsOfModule(module: nn.Sequential, inputShape: readonly number[]): Parts {
	const steps = flat(module).flatMap((part) => counterparts(part).map((counterpart) => ({ part, counterpart })));
	const names = new Map<string, number>();
	const named = (className: string) => {
		const base = snakeCase(className);
		const count = names.get(base) ?? 0;
		names.set(base, count + 1);
		return count === 0 ? base : `${base}_${count}`;
	};
	const layers: { name: string; settings: Settings; module: nn.Module | null }[] = [];
	const push = (className: string, config: Config, own: nn.Module | null) => {
		const name = named(className);
		layers.push({
			name,
			settings: new Settings(`layer "${name}"`, className, { name, trainable: true, dtype: 'float32', ...config }),
			module: own,
		});
	};
	let rank = inputShape.length + 1;
	// Where the first layer to care wants the channels, the input of Keras has them.
	let last = steps.find(({ counterpart }) => counterpart.channels !== null)?.counterpart.channels === true && rank > 2;
	const sizes = last ? [...inputShape.slice(1), inputShape[0]!] : inputShape;
	push('InputLayer', { batch_input_shape: [null, ...sizes], sparse: false }, null);
	for (const { part, counterpart } of steps) {
		const { className, config = {}, channels, weighted = false } = counterpart;
		if (channels === true && !last && rank > 2)
			push('Permute', { dims: [...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1] }, null);
		if (channels === false && last && rank > 2)
			push('Permute', { dims: [rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)] }, null);
		if (channels !== null) last = channels && rank > 2;
		push(className, config, weighted ? part : null);
		if (className === 'Flatten') rank = 2;
		if (className === 'Embedding') rank += 1;
	}
	return assembled(layers);
}

function assembled(made: readonly { name: string; settings: Settings; module: nn.Module | null }[]): Parts {
	const layers = made.map(({ name, settings }, i): GraphLayer => {
		const before = made[i - 1];
		const calls = before === undefined ? [] : [{ inputs: [{ layer: before.name, call: 0, output: 0 }], named: {}, options: {} }];
		return { name, settings, calls, model: null, trainable: true };
	});
	const end = (name: string) => [{ layer: name, call: 0, output: 0 }];
	const graph: Graph = {
		name: 'sequential',
		className: 'Sequential',
		layers,
		inputs: end(made[0]!.name),
		outputs: end(made.at(-1)!.name),
		config: {},
	};
	const leaves = leavesOf(graph, {}).map((leaf, i): BuiltLeaf => {
		const { module, settings } = made[i + 1]!;
		return { ...leaf, module, slots: module === null ? [] : (leaf.type?.slots?.(module, settings) ?? []), run: () => [] };
	});
	return { graph, leaves, channelsFirst: false };
}
