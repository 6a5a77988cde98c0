/** Kernels that run along one dimension. The order of combination depends on the shape alone, so results repeat bit for bit. */
import type { View } from './storage';

export interface LineKernels {
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
