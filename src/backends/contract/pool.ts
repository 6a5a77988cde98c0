/**
 * Pooling over one to three spatial dimensions: x [N, C, ...S], y [N, C, ...S'].
 *
 * All inputs are contiguous (the operation makes them so); their offsets may be nonzero. Sizes may be 0. The output's
 * size decides how far windows go beyond the end (PyTorch's ceil_mode), so a window may be cut off at either side.
 */
import type { View } from '../contract';

/** One entry per spatial dimension in each list. */
export interface MaxPoolAttributes {
	readonly kernel: readonly number[];
	readonly stride: readonly number[];
	/** Positions before the first element of each dimension; they never win. */
	readonly padding: readonly number[];
	readonly dilation: readonly number[];
}

export interface AvgPoolAttributes {
	readonly kernel: readonly number[];
	readonly stride: readonly number[];
	readonly padding: readonly number[];
	/** Whether the divisor counts padding (but never what lies beyond it, in windows that ceil_mode added). */
	readonly countIncludePad: boolean;
	/** A divisor for every window in place of its size. */
	readonly divisorOverride?: number | undefined;
}

export interface PoolKernels {
	/**
	 * The maximum of each window, and its int32 position within the flattened input plane S, as PyTorch's return_indices.
	 * Of equal values the first wins; a NaN wins over every number, the last NaN over the others. A window without any
	 * element gives -Infinity and index -1.
	 */
	maxPool(inputs: { x: View }, outputs: { y: View; indices: View }, attributes: MaxPoolAttributes): void;

	/** gradX[n, c, j] = the sum of gradY[n, c, i] over the windows i with indices[n, c, i] = j. */
	maxPoolGrad(inputs: { gradY: View; indices: View }, outputs: { gradX: View }, attributes: MaxPoolAttributes): void;

	/** y[n, c, i] = x[n, c, indices[n, c, i]], 0 where the index is -1: the transpose of maxPoolGrad and of adaptiveMaxPoolGrad. */
	maxPoolGather(inputs: { x: View; indices: View }, outputs: { y: View }): void;

	/** The sum of each window over its divisor; padding counts as zeros. */
	avgPool(inputs: { x: View }, outputs: { y: View }, attributes: AvgPoolAttributes): void;

	/** The transpose of `avgPool`. */
	avgPoolGrad(inputs: { gradY: View }, outputs: { gradX: View }, attributes: AvgPoolAttributes): void;

	/** The mean over window i of each dimension, which runs from floor(i S / S') to ceil((i + 1) S / S') (exclusive). */
	adaptiveAvgPool(inputs: { x: View }, outputs: { y: View }): void;

	/** The transpose of `adaptiveAvgPool`. */
	adaptiveAvgPoolGrad(inputs: { gradY: View }, outputs: { gradX: View }): void;

	/** `maxPool` over the windows of `adaptiveAvgPool`. */
	adaptiveMaxPool(inputs: { x: View }, outputs: { y: View; indices: View }): void;

	/** The transpose of `adaptiveMaxPool` for the indices that it chose. */
	adaptiveMaxPoolGrad(inputs: { gradY: View; indices: View }, outputs: { gradX: View }): void;
}
