/**
 * Pooling over the last one to three dims. Each operation and its gradient are a pair of linear maps (for the maximum, at known positions),
 * and each is the VJP of the other, so gradients of every order exist.
 */

import { defineOperation } from '../autograd/operation';
import type { AvgPoolAttributes, MaxPoolAttributes } from '../backends/contract/pool';
import { poolKernels } from '../backends/kernels';
import { wrongArgument } from '../core/checks';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { checkOptions, type Leading, leadingOptions } from '../core/options';
import type { Shape } from '../core/shape';
import { emptyOn, type Tensor } from '../tensor';
import { requireFloatingTensor, requireRank } from '../tensorChecks';
import { tidy } from '../tidy';
import { contiguous, squeeze, unsqueeze } from './layout';
import { type ValuesIndices, valuesIndices } from './reduce';
import {
	AVG_POOL_NAMES,
	type AvgPoolPositions,
	BATCHED_FORMS,
	MAX_POOL_NAMES,
	type MaxPoolPositions,
	type PerDim,
	perDim,
	windowCounts,
} from './windows';

export interface MaxPoolOptions {
	/** Distance between windows. Default the window's size. */
	stride?: PerDim;
	/** Positions of -Infinity to add at both ends, at most half the window. Default 0. */
	padding?: PerDim;
	/** Distance between the elements of a window. Default 1. */
	dilation?: PerDim;
	/** Whether to keep windows that reach beyond the end. Default false. */
	ceilMode?: boolean;
	/** Whether to also return the positions (int32) of the maxima in the flattened plane. Default false. */
	returnIndices?: boolean;
}

const MAX_POOL_OPTIONS = ['stride', 'padding', 'dilation', 'ceilMode', 'returnIndices'] as const;

export interface AvgPoolOptions {
	/** Distance between windows. Default the window's size. */
	stride?: PerDim;
	/** Zeros to add at both ends, at most half the window. Default 0. */
	padding?: PerDim;
	/** Whether to keep windows that reach beyond the end. Default false. */
	ceilMode?: boolean;
	/** Whether the mean counts the padding. Default true. */
	countIncludePad?: boolean;
	/** The divisor of every sum. Default the number of elements in the window. */
	divisorOverride?: number;
}

const AVG_POOL_OPTIONS = ['stride', 'padding', 'ceilMode', 'countIncludePad', 'divisorOverride'] as const;

type WithIndices<O> = O & { returnIndices: true };
type Values<O> = O & { returnIndices?: false };

/** The maximum of each window of x [N, C, L] or [C, L]. As `torch.nn.functional.max_pool1d`. */
export function maxPool1d(x: Tensor, kernelSize: PerDim, options: WithIndices<MaxPoolOptions>): ValuesIndices;
export function maxPool1d(x: Tensor, kernelSize: PerDim, ...rest: Leading<MaxPoolPositions, Values<MaxPoolOptions>>): Tensor;
export function maxPool1d(x: Tensor, kernelSize: PerDim, ...rest: readonly unknown[]): Tensor | ValuesIndices {
	return maxPooled('maxPool1d', 1, x, kernelSize, rest);
}

/** The maximum of each window of x [N, C, H, W] or [C, H, W]. As `torch.nn.functional.max_pool2d`. */
export function maxPool2d(x: Tensor, kernelSize: PerDim, options: WithIndices<MaxPoolOptions>): ValuesIndices;
export function maxPool2d(x: Tensor, kernelSize: PerDim, ...rest: Leading<MaxPoolPositions, Values<MaxPoolOptions>>): Tensor;
export function maxPool2d(x: Tensor, kernelSize: PerDim, ...rest: readonly unknown[]): Tensor | ValuesIndices {
	return maxPooled('maxPool2d', 2, x, kernelSize, rest);
}

/** The maximum of each window of x [N, C, D, H, W] or [C, D, H, W]. As `torch.nn.functional.max_pool3d`. */
export function maxPool3d(x: Tensor, kernelSize: PerDim, options: WithIndices<MaxPoolOptions>): ValuesIndices;
export function maxPool3d(x: Tensor, kernelSize: PerDim, ...rest: Leading<MaxPoolPositions, Values<MaxPoolOptions>>): Tensor;
export function maxPool3d(x: Tensor, kernelSize: PerDim, ...rest: readonly unknown[]): Tensor | ValuesIndices {
	return maxPooled('maxPool3d', 3, x, kernelSize, rest);
}

/** The mean of each window of x [N, C, L] or [C, L]. As `torch.nn.functional.avg_pool1d`. */
export function avgPool1d(
	x: Tensor,
	kernelSize: PerDim,
	...rest: Leading<AvgPoolPositions, Omit<AvgPoolOptions, 'divisorOverride'>>
): Tensor {
	const options = leadingOptions<Omit<AvgPoolOptions, 'divisorOverride'>>('avgPool1d', rest, AVG_POOL_NAMES);
	checkOptions('avgPool1d', options, ['stride', 'padding', 'ceilMode', 'countIncludePad']);
	return avgPooled('avgPool1d', 1, x, kernelSize, options);
}

/** The mean of each window of x [N, C, H, W] or [C, H, W]. As `torch.nn.functional.avg_pool2d`. */
export function avgPool2d(x: Tensor, kernelSize: PerDim, ...rest: Leading<AvgPoolPositions, AvgPoolOptions>): Tensor {
	const options = leadingOptions<AvgPoolOptions>('avgPool2d', rest, AVG_POOL_NAMES);
	checkOptions('avgPool2d', options, AVG_POOL_OPTIONS);
	return avgPooled('avgPool2d', 2, x, kernelSize, options);
}

/** The mean of each window of x [N, C, D, H, W] or [C, D, H, W]. As `torch.nn.functional.avg_pool3d`. */
export function avgPool3d(x: Tensor, kernelSize: PerDim, ...rest: Leading<AvgPoolPositions, AvgPoolOptions>): Tensor {
	const options = leadingOptions<AvgPoolOptions>('avgPool3d', rest, AVG_POOL_NAMES);
	checkOptions('avgPool3d', options, AVG_POOL_OPTIONS);
	return avgPooled('avgPool3d', 3, x, kernelSize, options);
}

/** The spatial sizes that adaptive pooling returns. Null keeps the input's size. */
export type OutputSize = number | readonly (number | null)[];

/** The means of `outputSize` windows of nearly equal size of x [N, C, L]. As `torch.nn.functional.adaptive_avg_pool1d`. */
export function adaptiveAvgPool1d(x: Tensor, outputSize: OutputSize): Tensor {
	return adaptive('adaptiveAvgPool1d', 1, x, outputSize, (batch, size) =>
		adaptiveAverage({ x: batch }, { size }, { name: 'adaptiveAvgPool1d' }),
	);
}

/** The means of `outputSize` windows in each direction of x [N, C, H, W]. As `torch.nn.functional.adaptive_avg_pool2d`. */
export function adaptiveAvgPool2d(x: Tensor, outputSize: OutputSize): Tensor {
	return adaptive('adaptiveAvgPool2d', 2, x, outputSize, (batch, size) =>
		adaptiveAverage({ x: batch }, { size }, { name: 'adaptiveAvgPool2d' }),
	);
}

/** The means of `outputSize` windows in each direction of x [N, C, D, H, W]. As `torch.nn.functional.adaptive_avg_pool3d`. */
export function adaptiveAvgPool3d(x: Tensor, outputSize: OutputSize): Tensor {
	return adaptive('adaptiveAvgPool3d', 3, x, outputSize, (batch, size) =>
		adaptiveAverage({ x: batch }, { size }, { name: 'adaptiveAvgPool3d' }),
	);
}

interface IndicesOption {
	/** Whether to also return the positions (int32) of the maxima in the flattened plane. Default false. */
	returnIndices?: boolean;
}

/** The maxima over the windows of `adaptiveAvgPool1d`. As `torch.nn.functional.adaptive_max_pool1d`. */
export function adaptiveMaxPool1d(x: Tensor, outputSize: OutputSize, options: WithIndices<IndicesOption>): ValuesIndices;
export function adaptiveMaxPool1d(x: Tensor, outputSize: OutputSize, options?: Values<IndicesOption>): Tensor;
export function adaptiveMaxPool1d(x: Tensor, outputSize: OutputSize, options: IndicesOption = {}): Tensor | ValuesIndices {
	return adaptiveMaxima('adaptiveMaxPool1d', 1, x, outputSize, options);
}

/** The maxima over the windows of `adaptiveAvgPool2d`. As `torch.nn.functional.adaptive_max_pool2d`. */
export function adaptiveMaxPool2d(x: Tensor, outputSize: OutputSize, options: WithIndices<IndicesOption>): ValuesIndices;
export function adaptiveMaxPool2d(x: Tensor, outputSize: OutputSize, options?: Values<IndicesOption>): Tensor;
export function adaptiveMaxPool2d(x: Tensor, outputSize: OutputSize, options: IndicesOption = {}): Tensor | ValuesIndices {
	return adaptiveMaxima('adaptiveMaxPool2d', 2, x, outputSize, options);
}

/** The maxima over the windows of `adaptiveAvgPool3d`. As `torch.nn.functional.adaptive_max_pool3d`. */
export function adaptiveMaxPool3d(x: Tensor, outputSize: OutputSize, options: WithIndices<IndicesOption>): ValuesIndices;
export function adaptiveMaxPool3d(x: Tensor, outputSize: OutputSize, options?: Values<IndicesOption>): Tensor;
export function adaptiveMaxPool3d(x: Tensor, outputSize: OutputSize, options: IndicesOption = {}): Tensor | ValuesIndices {
	return adaptiveMaxima('adaptiveMaxPool3d', 3, x, outputSize, options);
}

function adaptiveMaxima(
	name: string,
	rank: number,
	x: Tensor,
	outputSize: OutputSize,
	options: IndicesOption,
): Tensor | ValuesIndices {
	const { returnIndices = false } = checkOptions(name, options, ['returnIndices']);
	const pool = (batch: Tensor, size: Shape) => maxima(name, batch, size, null);
	if (returnIndices) return adaptive(name, rank, x, outputSize, pool);
	return valuesOf(() => adaptive(name, rank, x, outputSize, pool));
}

/** The values without the indices, which live only as long as the graph needs them. */
function valuesOf(pool: () => ValuesIndices): Tensor {
	return tidy(() => pool().values);
}

function checkInput(operation: string, rank: number, x: Tensor): void {
	requireFloatingTensor(operation, x);
	requireRank(operation, 'input', x, BATCHED_FORMS[rank]!, rank + 1, rank + 2);
}

function checkPadding(operation: string, padding: readonly number[], kernel: readonly number[]): void {
	if (padding.some((p, d) => p > kernel[d]! / 2)) {
		throw new ArgumentError(`${operation}: padding ${formatShape(padding)} is more than half the window ${formatShape(kernel)}`);
	}
}

/** Clamps the kernel to the padded input, so that a huge kernel costs no more than the input. */
function within(x: Tensor, { kernel, padding }: { kernel: readonly number[]; padding: readonly number[] }): number[] {
	const size = x.shape.slice(-kernel.length);
	return kernel.map((taps, d) => Math.min(taps, Math.max(1, size[d]! + 2 * padding[d]!)));
}

function maxPooled(name: string, rank: number, x: Tensor, kernelSize: PerDim, rest: readonly unknown[]): Tensor | ValuesIndices {
	const options = leadingOptions<MaxPoolOptions>(name, rest, MAX_POOL_NAMES);
	checkOptions(name, options, MAX_POOL_OPTIONS);
	checkInput(name, rank, x);
	const kernel = perDim(name, 'kernelSize', kernelSize, rank, 1);
	const attributes = {
		kernel,
		stride: perDim(name, 'stride', options.stride ?? kernel, rank, 1),
		padding: perDim(name, 'padding', options.padding ?? 0, rank, 0),
		dilation: perDim(name, 'dilation', options.dilation ?? 1, rank, 1),
	};
	checkPadding(name, attributes.padding, kernel);
	const size = windowCounts(name, x.shape, attributes, options.ceilMode ?? false);
	const fitting = { ...attributes, kernel: within(x, attributes) };
	const pool = () => onBatch(x, rank, (batch) => maxima(name, batch, size, fitting));
	return options.returnIndices === true ? pool() : valuesOf(pool);
}

function avgPooled(name: string, rank: number, x: Tensor, kernelSize: PerDim, options: AvgPoolOptions): Tensor {
	checkInput(name, rank, x);
	const kernel = perDim(name, 'kernelSize', kernelSize, rank, 1);
	const { divisorOverride, countIncludePad = true, ceilMode = false } = options;
	if (divisorOverride !== undefined && (!Number.isInteger(divisorOverride) || divisorOverride === 0)) {
		throw wrongArgument(name, 'divisorOverride', 'a whole number other than 0', divisorOverride);
	}
	const attributes = {
		kernel,
		stride: perDim(name, 'stride', options.stride ?? kernel, rank, 1),
		padding: perDim(name, 'padding', options.padding ?? 0, rank, 0),
		countIncludePad,
		divisorOverride,
	};
	checkPadding(name, attributes.padding, kernel);
	const size = windowCounts(name, x.shape, { ...attributes, dilation: kernel.map(() => 1) }, ceilMode);
	const windows = { ...attributes, kernel: within(x, attributes) };
	return onBatch(x, rank, (batch) => average({ x: batch }, { size, windows }, { name }));
}

function adaptive<R extends Tensor | ValuesIndices>(
	name: string,
	rank: number,
	x: Tensor,
	outputSize: OutputSize,
	pool: (batch: Tensor, size: Shape) => R,
): R {
	checkInput(name, rank, x);
	const planes = x.shape.slice(-rank);
	const wanted = typeof outputSize === 'number' ? planes.map(() => outputSize) : outputSize;
	if (!Array.isArray(wanted) || wanted.length !== rank || wanted.some((s) => s !== null && (!Number.isInteger(s) || s < 0))) {
		throw wrongArgument(name, 'outputSize', `a whole number, or ${rank} of them (null keeps a size)`, outputSize);
	}
	if (planes.includes(0)) throw new ShapeError(`${name}: input ${formatShape(x.shape)} has empty planes`);
	return onBatch(x, rank, (batch) =>
		pool(
			batch,
			wanted.map((size, d) => size ?? planes[d]!),
		),
	);
}

/** Runs `pool` on x with a batch dim. If x has none, adds it and removes it from the result. */
function onBatch<R extends Tensor | ValuesIndices>(x: Tensor, rank: number, pool: (batch: Tensor) => R): R {
	if (x.ndim === rank + 2) return pool(x);
	const bare = (y: Tensor) => squeeze(y, 0);
	const result: Tensor | ValuesIndices = tidy(() => {
		const y: Tensor | ValuesIndices = pool(unsqueeze(x, 0));
		return 'values' in y ? valuesIndices(bare(y.values), bare(y.indices)) : bare(y);
	});
	return result as R;
}

function resized(x: Tensor, size: Shape): Shape {
	return [x.shape[0]!, x.shape[1]!, ...size];
}

interface Sized {
	/** The spatial dims of the result. */
	readonly size: Shape;
}

/** Adaptive pooling has no `windows`. */
type MaxAttributes = Sized & { readonly windows: MaxPoolAttributes | null };

/** The maximum of each window and its position. Null windows are adaptive. */
function maxima(name: string, x: Tensor, size: Shape, windows: MaxPoolAttributes | null): ValuesIndices {
	const { values, indices } = maximum({ x }, { size, windows }, { name });
	return valuesIndices(values, indices);
}

const maximum = defineOperation({
	name: 'maxPool',
	inputs: ['x'],
	outputs: ['values', 'indices'],
	forward: ({ x }, { size, windows }: MaxAttributes) => {
		const outputs = { y: emptyOn(x, resized(x, size)), indices: emptyOn(x, resized(x, size), 'int32') };
		const inputs = { x: contiguous(x) };
		if (windows === null) poolKernels(x.backend).adaptiveMaxPool(inputs, outputs);
		else poolKernels(x.backend).maxPool(inputs, outputs, windows);
		return { values: outputs.y, indices: outputs.indices };
	},
	saves: ['indices'],
	vjp: ({ values: y }, { indices }, { windows }, needs, name) => ({
		x: y && toMaxima({ y, indices }, { size: plane(needs.x), windows }, { name }),
	}),
});

function plane({ shape }: { readonly shape: Shape }): Shape {
	return shape.slice(2);
}

/** Adds each element of y to zeros at the position of its maximum. */
const toMaxima = defineOperation({
	name: 'maxPool backward',
	inputs: ['y'],
	constants: ['indices'],
	forward: ({ y, indices }, { size, windows }: MaxAttributes) => {
		const gradX = emptyOn(y, resized(y, size));
		const inputs = { gradY: contiguous(y), indices };
		if (windows === null) poolKernels(y.backend).adaptiveMaxPoolGrad(inputs, { gradX });
		else poolKernels(y.backend).maxPoolGrad(inputs, { gradX }, windows);
		return gradX;
	},
	saves: ['indices'],
	vjp: (gradient, { indices }, { windows }, _, name): { y: Tensor } => ({
		y: atMaxima({ x: gradient, indices }, { windows }, { name }),
	}),
});

/** The elements of x at the positions of the maxima. */
const atMaxima = defineOperation({
	name: 'maxPool',
	inputs: ['x'],
	constants: ['indices'],
	forward: ({ x, indices }, _: Pick<MaxAttributes, 'windows'>) => {
		const y = emptyOn(x, indices.shape);
		poolKernels(x.backend).maxPoolGather({ x: contiguous(x), indices }, { y });
		return y;
	},
	saves: ['indices'],
	vjp: (gradient, { indices }, { windows }, needs, name): { x: Tensor } => ({
		x: toMaxima({ y: gradient, indices }, { size: plane(needs.x), windows }, { name }),
	}),
});

type AverageAttributes = Sized & { readonly windows: AvgPoolAttributes };

const average = defineOperation({
	name: 'avgPool',
	inputs: ['x'],
	forward: ({ x }, { size, windows }: AverageAttributes) => {
		const y = emptyOn(x, resized(x, size));
		poolKernels(x.backend).avgPool({ x: contiguous(x) }, { y }, windows);
		return y;
	},
	vjp: (gradient, _, { windows }, needs, name): { x: Tensor } => ({
		x: averageGradient({ y: gradient }, { size: plane(needs.x), windows }, { name }),
	}),
});

const averageGradient = defineOperation({
	name: 'avgPool backward',
	inputs: ['y'],
	forward: ({ y }, { size, windows }: AverageAttributes) => {
		const gradX = emptyOn(y, resized(y, size));
		poolKernels(y.backend).avgPoolGrad({ gradY: contiguous(y) }, { gradX }, windows);
		return gradX;
	},
	vjp: (gradient, _, { windows }, needs, name): { y: Tensor } => ({
		y: average({ x: gradient }, { size: plane(needs.y), windows }, { name }),
	}),
});

const adaptiveAverage = defineOperation({
	name: 'adaptiveAvgPool',
	inputs: ['x'],
	forward: ({ x }, { size }: Sized) => {
		const y = emptyOn(x, resized(x, size));
		poolKernels(x.backend).adaptiveAvgPool({ x: contiguous(x) }, { y });
		return y;
	},
	vjp: (gradient, _, _attributes, needs, name): { x: Tensor } => ({
		x: adaptiveAverageGradient({ y: gradient }, { size: plane(needs.x) }, { name }),
	}),
});

const adaptiveAverageGradient = defineOperation({
	name: 'adaptiveAvgPool backward',
	inputs: ['y'],
	forward: ({ y }, { size }: Sized) => {
		const gradX = emptyOn(y, resized(y, size));
		poolKernels(y.backend).adaptiveAvgPoolGrad({ gradY: contiguous(y) }, { gradX });
		return gradX;
	},
	vjp: (gradient, _, _attributes, needs, name): { y: Tensor } => ({
		y: adaptiveAverage({ x: gradient }, { size: plane(needs.y) }, { name }),
	}),
});
