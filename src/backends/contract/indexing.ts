/**
 * Kernels that read or write elements at positions given by an int32 index tensor.
 *
 * On the CPU, operations call `checkIndices`, which throws before anything is computed. On WebGPU the kernel that takes the index
 * also takes its `check` and reports a value out of range; the error is thrown later (see webgpu/indexReports.ts). The kernel
 * never leaves its buffers: a read clamps an index out of range, and a write at an index out of range does not happen.
 */
import type { IndexCheck } from '../../core/indexCheck';
import type { View } from './storage';

/** An attribute of kernels that report indices out of range. Without it they report nothing. */
export interface CheckedIndices {
	readonly check?: IndexCheck | undefined;
}

export interface IndexingKernels {
	/**
	 * Throws (on WebGPU: reports) unless `check` allows every value of index. index has any strides; on WebGPU it is
	 * one-dimensional.
	 */
	checkIndices(inputs: { index: View }, outputs: Record<string, never>, check: IndexCheck): void;

	/**
	 * y[i, ...] = x[..., index[i, ...], ...]: y has the shape of `index`, and the value of index replaces coordinate `dim` of x.
	 * index has x's rank, is no larger than x in any dim except `dim`, and has any strides. A 1-D index is passed expanded, with
	 * stride 0 in the other dims.
	 */
	gather(inputs: { x: View; index: View }, outputs: { y: View }, attributes: { dim: number } & CheckedIndices): void;

	/**
	 * y[..., index[i, ...], ...] += source[i, ...] in place, y contiguous. source is contiguous and has the shape of `index`.
	 * index is no larger than y in any dim except `dim` and may be expanded. Floating and int32. Contributions to one element are
	 * added in row-major order of `index`, in a fixed association: equal inputs give equal bits.
	 */
	scatterAddInto(inputs: { index: View; source: View }, outputs: { y: View }, attributes: { dim: number } & CheckedIndices): void;

	/** As `scatterAddInto`, but multiplies, or keeps the largest or smallest; NaN wins. */
	scatterReduceInto(
		inputs: { index: View; source: View },
		outputs: { y: View },
		attributes: { dim: number; op: 'product' | 'largest' | 'smallest' } & CheckedIndices,
	): void;

	/**
	 * y[..., index[i, ...], ...] = source[i, ...] in place, y contiguous; source has the shape of `index` and any strides. If
	 * several writes hit one element, the last in row-major order of `index` wins. `unique` promises that no two writes hit one
	 * element.
	 */
	scatterInto(
		inputs: { index: View; source: View },
		outputs: { y: View },
		attributes: { dim: number; unique: boolean } & CheckedIndices,
	): void;

	/**
	 * Sorts along the last dim of x: `values` in order, and `indices` (int32), their positions in x. Stable in either direction;
	 * NaN counts as the largest number. Any dtype.
	 */
	sort(inputs: { x: View }, outputs: { values: View; indices: View }, attributes: { descending: boolean }): void;

	/**
	 * y (int32) = the number of elements in the row of `sorted` that are below each of `values` (with `right`: at most equal to
	 * it). sorted is [rows, n] with ascending rows; values and y are [rows, m]. sorted and values are contiguous and have one
	 * dtype. NaN counts as the largest number.
	 */
	searchsorted(inputs: { sorted: View; values: View }, outputs: { y: View }, attributes: { right: boolean }): void;
}
