/**
 * Kernels that reduce a tensor over some of its dimensions, or run along one of them. `dims` are distinct, ascending and counted from the front, and may be
 * empty; outputs have the shape of x without them (or with them as 1: only the order of elements matters). The order in
 * which elements are combined is fixed for a shape, so results repeat bit for bit.
 */
import type { View } from '../contract';

/**
 * sum, prod (int32 of int32 and bool, else of x's dtype), mean (floating), amax, amin (any dtype; NaN wins),
 * any, all (bool of any dtype; NaN is true), logsumexp (floating), and
 * norm (floating): (sum |x|^p)^(1/p); p = 0 counts the nonzero, p = inf and -inf are max and min of |x|.
 */
export type ReduceOp = 'sum' | 'mean' | 'prod' | 'amax' | 'amin' | 'any' | 'all' | 'logsumexp' | 'norm';

export interface ReduceAttributes {
	readonly op: ReduceOp;
	readonly dims: readonly number[];
	/** The order of a norm; 2 by default. */
	readonly p?: number;
}

export interface ReduceKernels {
	/** y = op over dims of x. Over no elements: sum 0, prod 1, mean NaN, any false, all true, logsumexp -inf, norm 0; amax and amin are not asked. */
	reduce(inputs: { x: View }, outputs: { y: View }, attributes: ReduceAttributes): void;

	/** y = sum (x - mean)^2 / max(0, count - correction) over dims, or its square root; floating; the deviations are summed, never the squares. */
	variance(
		inputs: { x: View },
		outputs: { y: View },
		attributes: { dims: readonly number[]; correction: number; root: boolean },
	): void;

	/**
	 * The largest or smallest element over dims and, in `indices` (int32), the row-major position among the reduced elements at
	 * which it first occurs. The first NaN wins. At least one element is reduced. Either output may be left out.
	 */
	extremum(
		inputs: { x: View },
		outputs: { values?: View; indices?: View },
		attributes: { op: 'max' | 'min'; dims: readonly number[] },
	): void;

	/**
	 * The lower median along dim, element number floor((count - 1) / 2) in ascending order, and the first position that has it in
	 * `indices` (int32); a NaN wins. x is floating or int32; at least one element along dim.
	 */
	median(inputs: { x: View }, outputs: { values: View; indices: View }, attributes: { dim: number }): void;

	/**
	 * Running results along dim, from its end with `reverse`: y[j] = y[j - 1] + x[j], y[j - 1] * x[j], or, 'linear',
	 * a[j] * y[j - 1] + x[j] with y = 0 before the first. Dtypes as for sum and prod; 'linear' is floating, its `a` is contiguous and of x's
	 * shape and dtype.
	 */
	scan(
		inputs: { x: View; a?: View },
		outputs: { y: View },
		attributes: { op: 'sum' | 'prod' | 'linear'; dim: number; reverse: boolean },
	): void;
}
