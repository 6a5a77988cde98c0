/**
 * Pooling over one to three spatial dimensions: x [N, C, ...S], y [N, C, ...S'].
 *
 * All inputs are contiguous (the operation makes them so); their offsets may be nonzero. Sizes may be 0. The output
 * size decides how far windows extend beyond the end (PyTorch's ceil_mode), so both sides may cut a window off.
 */
import type { View } from './storage';

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
	/** Whether the divisor counts padding. It never counts positions beyond the padding, which ceil_mode may add to a window. */
	readonly countIncludePad: boolean;
	/** Replaces the size of every window as the divisor. */
	readonly divisorOverride?: number | undefined;
}

export interface PoolKernels {
	/**
	 * The maximum of each window, and its int32 position within the flattened input plane S, as PyTorch's return_indices.
	 * Of equal values the first wins. A NaN wins over every number, and the last NaN over earlier ones. A window without any
	 * element gives -Infinity and index -1.
	 */
	maxPool(inputs: { x: View }, outputs: { y: View; indices: View }, attributes: MaxPoolAttributes): void;

	/** gradX[n, c, j] = the sum of gradY[n, c, i] over the windows i with indices[n, c, i] = j. */
	maxPoolGrad(inputs: { gradY: View; indices: View }, outputs: { gradX: View }, attributes: MaxPoolAttributes): void;

	/** y[n, c, i] = x[n, c, indices[n, c, i]], or 0 if the index is -1: the transpose of maxPoolGrad and of adaptiveMaxPoolGrad. */
	maxPoolGather(inputs: { x: View; indices: View }, outputs: { y: View }): void;

	/** The sum of each window divided by its divisor; padding counts as zeros. */
	avgPool(inputs: { x: View }, outputs: { y: View }, attributes: AvgPoolAttributes): void;

	/** The transpose of `avgPool`. */
	avgPoolGrad(inputs: { gradY: View }, outputs: { gradX: View }, attributes: AvgPoolAttributes): void;

	/** The mean over window i of each dimension, which runs from floor(i S / S') to ceil((i + 1) S / S') (exclusive). */
	adaptiveAvgPool(inputs: { x: View }, outputs: { y: View }): void;

	/** The transpose of `adaptiveAvgPool`. */
	adaptiveAvgPoolGrad(inputs: { gradY: View }, outputs: { gradX: View }): void;

	/** `maxPool` over the windows of `adaptiveAvgPool`. */
	adaptiveMaxPool(inputs: { x: View }, outputs: { y: View; indices: View }): void;

	/** The transpose of `adaptiveMaxPool` for the given indices. */
	adaptiveMaxPoolGrad(inputs: { gradY: View; indices: View }, outputs: { gradX: View }): void;
}
