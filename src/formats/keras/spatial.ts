/** Layers of Keras that work on sequences, images and volumes: convolution, pooling, padding, cropping and resizing. */
import { numel, type Shape } from '../../core/shape';
import * as nn from '../../nn';
import { ones } from '../../ops/creation';
import { div } from '../../ops/elementwise';
import { interpolate } from '../../ops/interpolate';
import { narrow, pad } from '../../ops/layout';
import { avgPool1d, avgPool2d, avgPool3d, maxPool1d, maxPool2d, maxPool3d } from '../../ops/pool';
import { amax, mean } from '../../ops/reduce';
import type { Tensor } from '../../tensor';
import { activationOf } from './activations';
import { type LayerType, sizeOf, unary } from './layerType';
import type { Settings } from './settings';
import { type Slot, slot, type WeightSpec } from './slots';
import { asKeras, channelsFirst, moved, plain, type Value } from './values';

type Sides = readonly [before: number, after: number][];

/** Runs `compute` on [N, C, ...], in either data format of Keras. */
export function onImages(settings: Settings, rank: number, compute: (x: Tensor) => Tensor): (value: Value) => Value {
	const first = settings.choice('data_format', 'channels_last', ['channels_last', 'channels_first']) === 'channels_first';
	return (value) => {
		const { ndim } = value.tensor;
		if (ndim !== rank + 2) settings.refuse(`takes ${rank + 2} dims, and gets a tensor of ${ndim}`);
		return first ? plain(compute(asKeras(value))) : moved(compute(channelsFirst(value)));
	};
}

/** Pads the last dims, or returns `x` itself. */
function padded(x: Tensor, sides: Sides, value = 0): Tensor {
	if (sides.every(([before, after]) => before === 0 && after === 0)) return x;
	return pad(x, [...sides].reverse().flat(), { value });
}

/** What padding 'same' adds: as many windows as there are strides in the input, with the odd element at the end. */
function sameSides(sizes: Shape, windows: readonly number[], strides: readonly number[]): Sides {
	return sizes.map((size, d) => {
		const count = Math.ceil(size / strides[d]!);
		const total = Math.max(0, (count - 1) * strides[d]! + windows[d]! - size);
		return [Math.floor(total / 2), Math.ceil(total / 2)];
	});
}

const isSymmetric = (sides: Sides) => sides.every(([before, after]) => before === after);

interface Window {
	readonly sizes: readonly number[];
	readonly strides: readonly number[];
	readonly dilation: readonly number[];
	/** What one window spans. */
	readonly spans: readonly number[];
	/** What stands around the input of these spatial sizes. */
	sides(sizes: Shape): Sides;
}

function windowOf(settings: Settings, rank: number, size: string): Window {
	const sizes = settings.counts(size, rank, settings.className.includes('Conv') ? 0 : 2);
	const pools = size === 'pool_size';
	const given = settings.get('strides') === undefined && pools ? sizes : settings.counts('strides', rank, 1);
	const dilation = pools ? sizes.map(() => 1) : settings.counts('dilation_rate', rank, 1);
	const spans = sizes.map((size, d) => dilation[d]! * (size - 1) + 1);
	const choices = settings.className.includes('Conv1D') ? (['valid', 'same', 'causal'] as const) : (['valid', 'same'] as const);
	const padding = settings.choice<string>('padding', 'valid', choices);
	const sides = (input: Shape): Sides => {
		if (padding === 'same') return sameSides(input, spans, given);
		return spans.map((span) => [padding === 'causal' ? span - 1 : 0, 0]);
	};
	return { sizes, strides: given, dilation, spans, sides };
}

const CONVOLUTIONS = [nn.Conv1d, nn.Conv2d, nn.Conv3d] as const;
const TRANSPOSED = [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d] as const;
type Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d;
type Transposed = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d;

const hasBias = (settings: Settings) => settings.boolean('use_bias', true);

/** Kernel [...window, inputs, outputs] for weight [outputs, inputs, ...window]. */
function kernelDims(rank: number): number[] {
	return [rank + 1, rank, ...Array.from({ length: rank }, (_, dim) => dim)];
}

function kernelSlot(weight: Tensor): Slot {
	const [outputs, inputs, ...window] = weight.shape as [number, number, ...number[]];
	return slot(weight, [...window, inputs, outputs], kernelDims(window.length));
}

/** Kernel [...window, channels, multiplier] for the weight [channels * multiplier, 1, ...window] of groups of one channel. */
function depthwiseSlot({ weight, inChannels }: Convolution): Slot {
	const [outputs, , ...window] = weight.shape as [number, number, ...number[]];
	const rank = window.length;
	const dims = [rank, rank + 1, ...Array.from({ length: rank }, (_, dim) => dim)];
	return slot(weight, [...window, inChannels, outputs / inChannels], dims);
}

const biasSlots = (bias: Tensor | null): Slot[] => (bias === null ? [] : [slot(bias)]);

const specs = (settings: Settings, ...names: readonly string[]): WeightSpec[] =>
	[...names, ...(hasBias(settings) ? ['bias'] : [])].map((name) => ({ name }));

function makeConvolution(
	settings: Settings,
	rank: number,
	sizes: { inputs: number; outputs: number; groups: number; bias: boolean },
	device: 'cpu' | 'webgpu',
): Convolution {
	const { sizes: kernel, strides, dilation } = windowOf(settings, rank, 'kernel_size');
	const { inputs, outputs, groups, bias } = sizes;
	if (inputs % groups !== 0 || outputs % groups !== 0)
		settings.fail(`has ${inputs} channels, ${outputs} filters and ${groups} groups, which do not divide`);
	return new CONVOLUTIONS[rank - 1]!(inputs, outputs, kernel, { stride: strides, dilation, groups, bias, device });
}

/** Runs a convolution with the padding of Keras around it. */
function convolve(settings: Settings, rank: number, module: Convolution): (x: Tensor) => Tensor {
	const window = windowOf(settings, rank, 'kernel_size');
	return (x) => module.forward(padded(x, window.sides(x.shape.slice(2))));
}

function withActivation(settings: Settings, rank: number, compute: (x: Tensor) => Tensor): (value: Value) => Value {
	const run = onImages(settings, rank, compute);
	const activation = activationOf(settings);
	return (value) => activation(run(value));
}

function convolution(rank: number): LayerType {
	return {
		weights: (settings) => specs(settings, 'kernel'),
		create(settings, [kernel], device) {
			const groups = settings.count('groups', 1);
			const sizes = { inputs: sizeOf(settings, kernel, -2) * groups, outputs: sizeOf(settings, kernel, -1), groups };
			return makeConvolution(settings, rank, { ...sizes, bias: hasBias(settings) }, device);
		},
		slots: (module) => {
			const { weight, bias } = module as Convolution;
			return [kernelSlot(weight), ...biasSlots(bias)];
		},
		...unary((settings, module) => withActivation(settings, rank, convolve(settings, rank, module as Convolution))),
	};
}

function depthwise(rank: number): LayerType {
	return {
		weights: (settings) => specs(settings, settings.isKeras3 ? 'kernel' : 'depthwise_kernel'),
		create(settings, [kernel], device) {
			const channels = sizeOf(settings, kernel, -2);
			const outputs = channels * sizeOf(settings, kernel, -1);
			return makeConvolution(settings, rank, { inputs: channels, outputs, groups: channels, bias: hasBias(settings) }, device);
		},
		slots: (module) => [depthwiseSlot(module as Convolution), ...biasSlots((module as Convolution).bias)],
		...unary((settings, module) => withActivation(settings, rank, convolve(settings, rank, module as Convolution))),
	};
}

/** A convolution of each channel alone, then one that mixes the channels of each position. */
function separable(rank: number): LayerType {
	const parts = (module: nn.Module | null) =>
		['depthwise', 'pointwise'].map((name) => (module as nn.ModuleDict<Convolution>).get(name));
	return {
		weights: (settings) => specs(settings, 'depthwise_kernel', 'pointwise_kernel'),
		create(settings, [kernel, point], device) {
			const channels = sizeOf(settings, kernel, -2);
			const inner = channels * sizeOf(settings, kernel, -1);
			const outputs = sizeOf(settings, point, -1);
			return new nn.ModuleDict<nn.Module>({
				depthwise: makeConvolution(settings, rank, { inputs: channels, outputs: inner, groups: channels, bias: false }, device),
				pointwise: new CONVOLUTIONS[rank - 1]!(inner, outputs, 1, { bias: hasBias(settings), device }),
			});
		},
		slots: (module) => {
			const [each, mixed] = parts(module) as [Convolution, Convolution];
			return [depthwiseSlot(each), kernelSlot(mixed.weight), ...biasSlots(mixed.bias)];
		},
		...unary((settings, module) => {
			const [each, mixed] = parts(module) as [Convolution, Convolution];
			const compute = convolve(settings, rank, each);
			return withActivation(settings, rank, (x) => mixed.forward(compute(x)));
		}),
	};
}

function transposedConvolution(rank: number): LayerType {
	const windowFor = (settings: Settings) => windowOf(settings, rank, 'kernel_size');
	/** What the full result has too much at the front of each dim, and what it lacks at the end. */
	const trims = (settings: Settings) => {
		const { spans, strides } = windowFor(settings);
		const same = settings.choice('padding', 'valid', ['valid', 'same']) === 'same';
		const cut = spans.map((span, d) => (same ? Math.max(span - strides[d]!, 0) : 0));
		const lacking = spans.map((span, d) => Math.max(strides[d]! - span, 0));
		return { cut, lacking };
	};
	return {
		weights: (settings) => specs(settings, 'kernel'),
		create(settings, [kernel], device) {
			const { sizes, strides, dilation } = windowFor(settings);
			const { cut, lacking } = trims(settings);
			const options = { stride: strides, dilation, padding: cut.map((count) => Math.floor(count / 2)), outputPadding: lacking };
			const [inputs, outputs] = [sizeOf(settings, kernel, -1), sizeOf(settings, kernel, -2)];
			return new TRANSPOSED[rank - 1]!(inputs, outputs, sizes, { ...options, bias: hasBias(settings), device });
		},
		slots: (module) => {
			const { weight, bias } = module as Transposed;
			return [kernelSlot(weight), ...biasSlots(bias)];
		},
		...unary((settings, module) => {
			settings.requireEqual('output_padding', null);
			const { cut } = trims(settings);
			return withActivation(settings, rank, (x) => {
				let y = (module as Transposed).forward(x);
				// An odd count is cut off the end once more.
				cut.forEach((count, d) => {
					if (count % 2 === 1) y = narrow(y, d + 2, 0, y.shape[d + 2]! - 1);
				});
				return y;
			});
		}),
	};
}

const MAX_POOLS = [maxPool1d, maxPool2d, maxPool3d] as readonly ((
	x: Tensor,
	size: readonly number[],
	options: object,
) => Tensor)[];
const MEAN_POOLS = [avgPool1d, avgPool2d, avgPool3d] as readonly ((
	x: Tensor,
	size: readonly number[],
	options: object,
) => Tensor)[];

function maxPooling(rank: number): LayerType {
	return unary((settings) => {
		const { sizes, strides: stride, sides } = windowOf(settings, rank, 'pool_size');
		return onImages(settings, rank, (x) => {
			const around = sides(x.shape.slice(2));
			const pool = MAX_POOLS[rank - 1]!;
			if (isSymmetric(around)) return pool(x, sizes, { stride, padding: around.map(([before]) => before) });
			return pool(padded(x, around, Number.NEGATIVE_INFINITY), sizes, { stride });
		});
	});
}

function averagePooling(rank: number): LayerType {
	return unary((settings) => {
		const { sizes, strides: stride, sides } = windowOf(settings, rank, 'pool_size');
		return onImages(settings, rank, (x) => {
			const around = sides(x.shape.slice(2));
			const pool = MEAN_POOLS[rank - 1]!;
			const symmetric = { stride, padding: around.map(([before]) => before), countIncludePad: false };
			if (isSymmetric(around)) return pool(x, sizes, symmetric);
			// The mean of what lies inside: the mean with zeros, divided by the share that lies inside.
			const { dtype, device } = x;
			const inside = padded(ones([1, 1, ...x.shape.slice(2)], { dtype, device }), around);
			return div(pool(padded(x, around), sizes, { stride }), pool(inside, sizes, { stride }));
		});
	});
}

function globalPooling(rank: number, reduce: (x: Tensor, dims: number[], options: { keepdim: boolean }) => Tensor): LayerType {
	return unary((settings) => {
		const keepdim = settings.boolean('keepdims', false);
		const dims = Array.from({ length: rank }, (_, d) => d + 2);
		const run = onImages(settings, rank, (x) => reduce(x, dims, { keepdim }));
		return run;
	});
}

function zeroPadding(rank: number): LayerType {
	return unary((settings) => {
		const sides = settings.sides('padding', rank, 1);
		return onImages(settings, rank, (x) => padded(x, sides));
	});
}

function cropping(rank: number): LayerType {
	return unary((settings) => {
		const sides = settings.sides('cropping', rank, 1);
		return onImages(settings, rank, (x) => {
			let y = x;
			sides.forEach(([before, after], d) => {
				const left = x.shape[d + 2]! - before - after;
				if (left < 0) settings.refuse(`cuts ${before} and ${after} off a dim of size ${x.shape[d + 2]}`);
				y = narrow(y, d + 2, before, left);
			});
			return y;
		});
	});
}

function upSampling(rank: number): LayerType {
	return unary((settings) => {
		const scaleFactor = settings.counts('size', rank, 2);
		const choices = rank === 2 ? (['nearest', 'bilinear'] as const) : (['nearest'] as const);
		const mode = settings.choice<'nearest' | 'bilinear'>('interpolation', 'nearest', choices);
		return onImages(settings, rank, (x) => interpolate(x, { scaleFactor, mode }));
	});
}

const RANKED: Readonly<Record<string, (rank: number) => LayerType>> = {
	Conv: convolution,
	DepthwiseConv: depthwise,
	SeparableConv: separable,
	MaxPooling: maxPooling,
	AveragePooling: averagePooling,
	GlobalMaxPooling: (rank) => globalPooling(rank, (x, dims, options) => amax(x, dims, options)),
	GlobalAveragePooling: (rank) => globalPooling(rank, (x, dims, options) => mean(x, dims, options)),
	ZeroPadding: zeroPadding,
	Cropping: cropping,
	UpSampling: upSampling,
};

/** The layers whose names end with 1D, 2D or 3D. */
export const spatialLayers: Readonly<Record<string, LayerType>> = Object.fromEntries(
	[1, 2, 3].flatMap((rank) => [
		...Object.entries(RANKED).map(([name, make]): [string, LayerType] => [`${name}${rank}D`, make(rank)]),
		[`Conv${rank}DTranspose`, transposedConvolution(rank)] as const,
	]),
);

/** For those that make Keras layers of modules: whether all channels are convolved apart. */
export const isDepthwise = ({ options, inChannels, outChannels }: Convolution) =>
	options.groups === inChannels && inChannels > 1 && numel([outChannels]) % inChannels === 0;
