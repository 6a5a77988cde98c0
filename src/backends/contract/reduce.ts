/**
 * Kernels that reduce a tensor over some of its dimensions, or that run along one dimension. `dims` are distinct, ascending and
 * counted from the front, and may be empty. Outputs have the shape of x without `dims`, or with 1 in their place: only the order
 * of elements matters. The order of combination depends on the shape alone, so results repeat bit for bit.
 */
import type { View } from './storage';

/**
 * sum, prod (int32 for int32 and bool, else x's dtype), mean (floating), amax, amin (any dtype; NaN wins),
 * any, all (bool for any dtype; NaN is true), logsumexp (floating), and
 * norm (floating): (sum |x|^p)^(1/p); p = 0 counts nonzero elements, p = inf and -inf are max and min of |x|.
 */
type ReduceOp = 'sum' | 'mean' | 'prod' | 'amax' | 'amin' | 'any' | 'all' | 'logsumexp' | 'norm';

export interface ReduceAttributes {
	readonly op: ReduceOp;
	readonly dims: readonly number[];
	/** The order of a norm; 2 by default. */
	readonly p?: number;
}

export interface ReduceKernels {
	/**
	 * y = op over dims of x. Over no elements: sum 0, prod 1, mean NaN, any false, all true, logsumexp -inf, norm 0; never amax or
	 * amin.
	 */
	reduce(inputs: { x: View }, outputs: { y: View }, attributes: ReduceAttributes): void;

	/**
	 * y = sum (x - mean)^2 / max(0, count - correction) over dims, or its root; floating. Sums the deviations, never the squares.
	 */
	variance(
		inputs: { x: View },
		outputs: { y: View },
		attributes: { dims: readonly number[]; correction: number; root: boolean },
	): void;

	/**
	 * The largest or smallest element over dims, and in `indices` (int32) the row-major position of its first occurrence among the
	 * reduced elements. The first NaN wins. At least one element is reduced. Either output may be left out.
	 */
	extremum(
		inputs: { x: View },
		outputs: { values?: View; indices?: View },
		attributes: { op: 'max' | 'min'; dims: readonly number[] },
	): void;

	/**
	 * The lower median along dim, element number floor((count - 1) / 2) in ascending order, and in `indices` (int32) the position
	 * of its first occurrence. A NaN wins. x is floating or int32 and has at least one element along dim.
	 */
	median(inputs: { x: View }, outputs: { values: View; indices: View }, attributes: { dim: number }): void;

	/**
	 * Running results along dim, from its end if `reverse`. sum: y[j] = y[j - 1] + x[j]. prod: y[j] = y[j - 1] * x[j]. linear:
	 * y[j] = a[j] * y[j - 1] + x[j], with y = 0 before the first element. sum and prod have the dtypes of `reduce`. linear is
	 * floating; its `a` is contiguous and has x's shape and dtype.
	 */
	scan(
		inputs: { x: View; a?: View },
		outputs: { y: View },
		attributes: { op: 'sum' | 'prod' | 'linear'; dim: number; reverse: boolean },
	): void;
}
