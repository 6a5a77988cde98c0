/** Helpers for samples on kinks. */
import type { Tensor } from 'wgrad';
import type { InputSpec, OpEntry } from '../database';

export const INF = Number.POSITIVE_INFINITY;
export const NAN = Number.NaN;
export const AROUND_0 = [-1, -0, 0, 1, -INF, INF, NAN];

type Given = readonly number[] | InputSpec;

function specOf(given: Given): InputSpec {
	return Array.isArray(given) ? { shape: [given.length], values: given as number[] } : (given as InputSpec);
}

/** Rows of equal length. */
export function rows(...values: readonly (readonly number[])[]): InputSpec {
	return { shape: [values.length, values[0]!.length], values: values.flat() };
}

export function shaped(shape: readonly number[], values: readonly number[]): InputSpec {
	return { shape, values };
}

export function fixed(given: Given): InputSpec {
	return { ...specOf(given), gradient: false };
}

export function integers(shape: readonly number[], values: readonly number[]): InputSpec {
	return { shape, values, dtype: 'int32' };
}

/** An operation and one set of inputs on a kink. */
export function kink(
	name: string,
	call: (...x: Tensor[]) => Tensor | readonly Tensor[],
	torch: string,
	...given: readonly Given[]
): OpEntry {
	return {
		name,
		family: 'elementwise',
		call: (x) => call(...x),
		gradient: 'yes',
		samples: [{ label: 'kink', inputs: given.map(specOf) }],
		torch: () => torch,
		refusals: [],
	};
}
