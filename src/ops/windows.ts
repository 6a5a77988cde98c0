/** Sizes of sliding windows, for convolution, pooling, unfold and fold. */
import { describe } from '../core/checks';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import type { Shape } from '../core/shape';

/** One number for all spatial dims, or one for each. */
export type PerDim = number | readonly number[];

/** Options that may come by position, in PyTorch's order: `Conv2d(1, 32, 3, 1, 1)`, `maxPool2d(x, 3, 2, 1)`. */
export type ConvPositions = [stride: PerDim, padding: PerDim | 'same' | 'valid', dilation: PerDim, groups: number];
export type ConvTransposePositions = [stride: PerDim, padding: PerDim, outputPadding: PerDim, groups: number];
export type MaxPoolPositions = [stride: PerDim, padding: PerDim, dilation: PerDim];
export type AvgPoolPositions = [stride: PerDim, padding: PerDim, ceilMode: boolean, countIncludePad: boolean];
export const CONV_NAMES = ['stride', 'padding', 'dilation', 'groups'] as const;
export const CONV_TRANSPOSE_NAMES = ['stride', 'padding', 'outputPadding', 'groups'] as const;
export const MAX_POOL_NAMES = ['stride', 'padding', 'dilation'] as const;
export const AVG_POOL_NAMES = ['stride', 'padding', 'ceilMode', 'countIncludePad'] as const;

/** `value` as one integer for each of `rank` spatial dims. Throws an ArgumentError for integers below `minimum`, and for other values. */
export function perDim(operation: string, argument: string, value: PerDim, rank: number, minimum: number): number[] {
	const list =
		typeof value === 'number'
			? new Array<number>(rank).fill(value)
			: Array.isArray(value) && value.length === 1
				? new Array<number>(rank).fill(value[0])
				: value;
	if (!Array.isArray(list) || list.length !== rank || list.some((v) => !Number.isInteger(v) || v < minimum || v >= 2 ** 31)) {
		const form = rank === 1 ? 'a whole number' : `a whole number, or ${rank} of them,`;
		throw new ArgumentError(
			`${operation}: ${argument} must be ${form} of at least ${minimum} and below 2^31, not ${describe(value)}`,
		);
	}
	return [...list];
}

/** The shapes of an input with a number of spatial dims, with and without a batch, for error messages. */
export const BATCHED_FORMS = ['', '[N, C, L] or [C, L]', '[N, C, H, W] or [C, H, W]', '[N, C, D, H, W] or [C, D, H, W]'] as const;

export interface Windows {
	/** The number of elements of a window in each spatial dim. */
	readonly kernel: readonly number[];
	/** The distance of windows. */
	readonly stride: readonly number[];
	/** The number of elements that each spatial dim gets at both ends. */
	readonly padding: readonly number[];
	/** The distance of the elements of a window. */
	readonly dilation: readonly number[];
}

/**
 * The number of windows in each spatial dim, the last dims of `shape`. With `ceilMode` the last window may end outside. Throws a ShapeError
 * if none fits.
 */
export function windowCounts(
	operation: string,
	shape: Shape,
	{ kernel, stride, padding, dilation }: Windows,
	ceilMode = false,
): number[] {
	const size = shape.slice(-kernel.length);
	const counts = size.map((s, d) => windowCount(s, kernel[d]!, stride[d]!, padding[d]!, dilation[d]!, ceilMode));
	if (counts.every((count) => count >= 1)) return counts;
	const spread = dilation.every((d) => d === 1) ? '' : ` with dilation ${formatShape(dilation)}`;
	throw new ShapeError(
		`${operation}: a window of ${formatShape(kernel)}${spread} does not fit ${formatShape(shape)} with padding ${formatShape(padding)}`,
	);
}

function windowCount(size: number, kernel: number, stride: number, padding: number, dilation: number, ceilMode: boolean): number {
	const room = size + 2 * padding - dilation * (kernel - 1) - 1;
	if (!ceilMode) return Math.floor(room / stride) + 1;
	const count = Math.ceil(room / stride) + 1;
	// The last window must start within the input or the padding before it.
	return (count - 1) * stride >= size + padding ? count - 1 : count;
}
