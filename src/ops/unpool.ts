/** The inverse of max pooling: writes values back to the positions that `maxPool` took them from. */

import { defineOperation } from '../autograd/operation';
import { indexingKernels, layoutKernels } from '../backends/kernels';
import { describe } from '../core/checks';
import { requireDType } from '../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { checkOptions, type Leading, leadingOptions } from '../core/options';
import { numel, type Shape, sameShape } from '../core/shape';
import { emptyOn, type Tensor } from '../tensor';
import { requireFloatingTensor, requireTensor } from '../tensorChecks';
import { composed } from './composed';
import { checkIndices, gathered } from './indexing/gather';
import { reshape } from './layout';
import { type PerDim, perDim } from './windows';

export interface MaxUnpoolOptions {
	/** The distance between the windows of the pooling. Default the window's size. */
	readonly stride?: PerDim;
	/** The padding of the pooling. Default 0. */
	readonly padding?: PerDim;
	/** The shape before the pooling, or its spatial sizes, if the windows did not fit exactly. */
	readonly outputSize?: readonly number[];
}

const MAX_UNPOOL_NAMES = ['stride', 'padding', 'outputSize'] as const;

export type MaxUnpoolPositions = [stride: PerDim, padding: PerDim, outputSize: readonly number[]];

/**
 * Zeros with the values of x [N, C, L] or [C, L] at the positions `indices`, which `maxPool1d` returned with `returnIndices`. If two values
 * have one position, the last wins. As `torch.nn.functional.max_unpool1d`.
 */
export function maxUnpool1d(
	x: Tensor,
	indices: Tensor,
	kernelSize: PerDim,
	...rest: Leading<MaxUnpoolPositions, MaxUnpoolOptions>
): Tensor {
	return unpooled('maxUnpool1d', 1, x, indices, kernelSize, rest);
}

/** `maxUnpool1d` for images, x [N, C, H, W] or [C, H, W]. As `torch.nn.functional.max_unpool2d`. */
export function maxUnpool2d(
	x: Tensor,
	indices: Tensor,
	kernelSize: PerDim,
	...rest: Leading<MaxUnpoolPositions, MaxUnpoolOptions>
): Tensor {
	return unpooled('maxUnpool2d', 2, x, indices, kernelSize, rest);
}

/** `maxUnpool1d` for volumes, x [N, C, D, H, W] or [C, D, H, W]. As `torch.nn.functional.max_unpool3d`. */
export function maxUnpool3d(
	x: Tensor,
	indices: Tensor,
	kernelSize: PerDim,
	...rest: Leading<MaxUnpoolPositions, MaxUnpoolOptions>
): Tensor {
	return unpooled('maxUnpool3d', 3, x, indices, kernelSize, rest);
}

function unpooled(name: string, rank: number, x: Tensor, indices: Tensor, kernelSize: PerDim, rest: readonly unknown[]): Tensor {
	const options = leadingOptions<MaxUnpoolOptions>(name, rest, MAX_UNPOOL_NAMES);
	checkOptions(name, options, MAX_UNPOOL_NAMES);
	requireFloatingTensor(name, x);
	requireTensor(name, indices, 'indices');
	requireDType(name, indices.dtype, ['int32'], 'indices');
	if ((x.ndim !== rank + 1 && x.ndim !== rank + 2) || !sameShape(x.shape, indices.shape))
		throw new ShapeError(
			`${name}: takes values and indices of one shape of ${rank + 2} dims, or ${rank + 1} without a batch, not ${formatShape(x.shape)} and ${formatShape(indices.shape)}`,
		);
	const kernel = perDim(name, 'kernelSize', kernelSize, rank, 1);
	const stride = perDim(name, 'stride', options.stride ?? kernel, rank, 1);
	const padding = perDim(name, 'padding', options.padding ?? 0, rank, 0);
	const size = sizeBefore(name, x.shape, { kernel, stride, padding }, options.outputSize);
	const lead = x.shape.slice(0, -rank);
	const planes = (t: Tensor) => reshape(t, [numel(lead), numel(t.shape.slice(-rank))]);
	return composed(name, () => {
		const plane = numel(size);
		const flat = planes(indices);
		const check = checkIndices(name, x, flat, plane, `planes ${formatShape(size)}`);
		const y = placeOperation({ x: planes(x), indices: flat }, { plane }, { name, check });
		return reshape(y, [...lead, ...size]);
	});
}

interface Windows {
	readonly kernel: readonly number[];
	readonly stride: readonly number[];
	readonly padding: readonly number[];
}

/** The spatial sizes before the pooling: those given, or the least that give windows of this number. */
function sizeBefore(
	name: string,
	shape: Shape,
	{ kernel, stride, padding }: Windows,
	given: readonly number[] | undefined,
): Shape {
	const rank = kernel.length;
	const least = shape.slice(-rank).map((count, d) => (count - 1) * stride[d]! - 2 * padding[d]! + kernel[d]!);
	if (given === undefined) {
		if (least.every((size) => size >= 1) || shape.includes(0)) return least.map((size) => Math.max(size, 0));
		throw new ShapeError(`${name}: ${formatShape(shape)} has too few windows for padding ${formatShape(padding)}`);
	}
	const size = Array.isArray(given) && given.length > rank ? given.slice(-rank) : given;
	const fits = (value: number, d: number) => Number.isInteger(value) && Math.abs(value - least[d]!) < stride[d]! && value > 0;
	if (Array.isArray(size) && size.length === rank && size.every(fits)) return size;
	const [low, high] = [
		least.map((value, d) => Math.max(1, value - stride[d]! + 1)),
		least.map((value, d) => value + stride[d]! - 1),
	];
	throw new ArgumentError(
		`${name}: outputSize must lie between ${formatShape(low)} and ${formatShape(high)} for ${formatShape(shape)}, not ${describe(given)}`,
	);
}

const placeOperation = defineOperation({
	name: 'maxUnpool',
	inputs: ['x'],
	constants: ['indices'],
	forward: ({ x, indices }, { plane }: { readonly plane: number }, check) => {
		const y = emptyOn(x, [x.shape[0]!, plane]);
		const { backend } = x;
		layoutKernels(backend).fill({}, { y }, { value: 0 });
		indexingKernels(backend).scatterInto({ index: indices, source: x }, { y }, { dim: 1, unique: false, check });
		return y;
	},
	saves: ['indices'],
	// As in PyTorch, a value that another one replaced has a gradient, too.
	vjp: (gradient, { indices }, _, _needs, name): { x: Tensor } => ({ x: gathered(name, gradient, 1, indices) }),
});
