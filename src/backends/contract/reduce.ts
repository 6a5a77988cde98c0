/**
 * Kernels that reduce a tensor over some of its dimensions. `dims` are distinct, ascending and counted from the front, and may be empty.
 * Outputs have the shape of x without `dims`, or with 1 in their place: only the order
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
}
