/** Sizes of sliding windows: what convolution, pooling, unfold and fold share. */
import { describe } from '../core/checks';
import { ArgumentError } from '../core/errors';

/** One number for all spatial dims, or one for each. */
export type PerDim = number | readonly number[];

/** `value` as one whole number of at least `minimum` for each of `rank` spatial dims. */
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
			`${operation}: ${argument} is ${describe(value)}; it must be ${form} of at least ${minimum} and below 2^31`,
		);
	}
	return [...list];
}

/** How many windows of `kernel` elements, `dilation` apart, fit on `size` elements with `before` + `after` of padding; may be below 1. */
export function windowCount(
	size: number,
	kernel: number,
	stride: number,
	padding: number,
	dilation: number,
	ceilMode = false,
): number {
	const room = size + 2 * padding - dilation * (kernel - 1) - 1;
	if (!ceilMode) return Math.floor(room / stride) + 1;
	const count = Math.ceil(room / stride) + 1;
	// The last window must start within the input or the padding before it.
	return (count - 1) * stride >= size + padding ? count - 1 : count;
}
