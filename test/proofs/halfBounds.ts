/** How far results in float16 may be off, by the names of operations. */
import { linalg } from '../ops/linalg';

/** The error bound in units of float16's rounding, 2^-11: of the element itself, and of the largest element of its tensor. */
export interface HalfBound {
	readonly own: number;
	readonly largest: number;
	/** Why the bound is right. */
	readonly reason: string;
}

export interface HalfBounds {
	readonly output: HalfBound;
	readonly gradient: HalfBound;
}

const DEFAULT: HalfBounds = {
	output: { own: 1.1, largest: 0.004, reason: 'one rounding of a float32 result with its own small errors' },
	gradient: { own: 2.2, largest: 0.5, reason: 'rounded, and computed from a rounded output' },
};

const fromOutput = { own: 4, largest: 1, reason: 'powers and differences of the saved, rounded output' };
const factorAndSum = {
	own: 2.2,
	largest: 1,
	reason: 'the saved, rounded output is a factor of the gradient and of the sum that is subtracted from it',
};
/** Samples of linalg add to the diagonal, or multiply by the transpose, before they call the operation. That rounds to float16, too. */
const prepared = {
	own: 12,
	largest: 0.5,
	reason: 'the condition number of the matrix, about 10, times the rounding of its preparation; and the rounding of the result',
};

const OWN: Readonly<Record<string, Partial<HalfBounds>>> = {
	rsqrt: { gradient: fromOutput },
	tanh: { gradient: fromOutput },
	sigmoid: { gradient: fromOutput },
	hypot: {
		gradient: {
			own: 2.2,
			largest: 4,
			reason: 'a sum of quotients by the saved, rounded output; the sum is smaller than its terms',
		},
	},
	scaledDotProductAttention: {
		gradient: {
			own: 2.2,
			largest: 6,
			reason: 'slopes are differences of dot products with the gradient, one of which uses the saved, rounded output',
		},
	},
	softmax: { gradient: factorAndSum },
	softmin: { gradient: factorAndSum },
	...Object.fromEntries(linalg.map(({ name }) => [name, { output: prepared, gradient: prepared }])),
};

export function halfBounds(operation: string): HalfBounds {
	return { ...DEFAULT, ...OWN[operation] };
}
