/**
 * Kernels that move elements to and from places that a tensor of indices names. Indices are int32.
 *
 * On the CPU, operations have `checkIndices` throw before anything is computed. On WebGPU the kernel that takes an index gets its `check` and
 * reports a value out of range, which throws later: see webgpu/indexReports.ts. It stays within memory whatever it meets: reads clamp the index
 * into its range, writes of an index out of range do not happen.
 */
import type { IndexCheck } from '../../core/indexCheck';
import type { View } from '../contract';

/** An attribute of kernels that report indices out of range; without it nobody is told. */
export interface CheckedIndices {
	readonly check?: IndexCheck | undefined;
}

export interface IndexingKernels {
	/** Throws, or on WebGPU reports, unless `check` allows every value of index, which has any strides; on WebGPU it is one-dimensional. */
	checkIndices(inputs: { index: View }, outputs: Record<string, never>, check: IndexCheck): void;

	/**
	 * y[i, ...] = x[..., index[i, ...], ...]: y has the shape of `index`, whose value replaces the coordinate `dim` of x. index has
	 * x's rank, is nowhere larger than x but in `dim`, and has any strides: one that is 1-D in truth comes expanded by stride 0.
	 */
	gather(inputs: { x: View; index: View }, outputs: { y: View }, attributes: { dim: number } & CheckedIndices): void;

	/**
	 * y[..., index[i, ...], ...] += source[i, ...] in place, y contiguous; source is contiguous and has the shape of `index`,
	 * which is nowhere larger than y but in `dim` and may be expanded. Floating and int32. Contributions to one element are added in
	 * row-major order of `index`, in a fixed association: equal inputs give equal bits.
	 */
	scatterAddInto(inputs: { index: View; source: View }, outputs: { y: View }, attributes: { dim: number } & CheckedIndices): void;

	/** As `scatterAddInto`, with a product in place of the sum. */
	scatterMultiplyInto(
		inputs: { index: View; source: View },
		outputs: { y: View },
		attributes: { dim: number } & CheckedIndices,
	): void;

	/**
	 * y[..., index[i, ...], ...] = source[i, ...] in place, y contiguous; source has the shape of `index` and any strides. Of several
	 * writes to one element the last, in row-major order of `index`, wins; `unique` promises that there are none such.
	 */
	scatterInto(
		inputs: { index: View; source: View },
		outputs: { y: View },
		attributes: { dim: number; unique: boolean } & CheckedIndices,
	): void;

	/**
	 * Along the last dim of x: `values` sorted and `indices` (int32) of where they stood. Stable in either direction; NaN counts as the
	 * largest number. Any dtype.
	 */
	sort(inputs: { x: View }, outputs: { values: View; indices: View }, attributes: { descending: boolean }): void;

	/**
	 * y (int32) = how many elements of the row of `sorted` are below each of `values` (at most equal to it, with `right`). sorted is
	 * [rows, n] with ascending rows, values and y are [rows, m]; sorted and values have one dtype, are contiguous, and NaN counts as the
	 * largest number.
	 */
	searchsorted(inputs: { sorted: View; values: View }, outputs: { y: View }, attributes: { right: boolean }): void;
}
