/** Computes the next mask from scores and the current mask, on the host, by the rules of `torch.nn.utils.prune`. */
import { describe } from '../../core/checks';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import { contiguousStrides, normalizeDim, type Shape } from '../../core/shape';
import { randperm } from '../../ops/random';

export type Mask = Uint8Array;

/** Values of a parameter by element, as `data()` gives them. */
export type Scores = ArrayLike<number>;

/**
 * The number of elements to prune of `count`: `amount` if it is a whole number of at least 1, else that fraction, with halves rounded to
 * even.
 */
function countToPrune(operation: string, amount: number, count: number): number {
	if (typeof amount !== 'number' || !(amount >= 0) || (amount > 1 && !Number.isInteger(amount)))
		throw new ArgumentError(
			`${operation}: amount must be a fraction from 0 to below 1, or a whole number of elements or channels, not ${describe(amount)}`,
		);
	if (amount >= 1) {
		if (amount > count) throw new ArgumentError(`${operation}: cannot prune ${amount} of the ${count} that are left`);
		return amount;
	}
	const exact = amount * count;
	const below = Math.floor(exact);
	return exact - below === 0.5 ? below + (below % 2) : Math.round(exact);
}

/** Prunes the elements with the smallest scores. */
export function smallest(operation: string, amount: number): (scores: Scores, mask: Mask) => Mask {
	return (scores, mask) => {
		const left = kept(mask);
		const order = left.sort((a, b) => scores[a]! - scores[b]! || a - b);
		return without(mask, order.slice(0, countToPrune(operation, amount, order.length)));
	};
}

/** Prunes random elements, drawn from the default generator. */
export function anyOf(operation: string, amount: number): (scores: Scores, mask: Mask) => Promise<Mask> {
	return async (_scores, mask) => {
		const left = kept(mask);
		const chosen = await draw(left.length, countToPrune(operation, amount, left.length));
		return without(
			mask,
			chosen.map((i) => left[i]!),
		);
	};
}

/** Draws `count` different numbers below `end`. */
async function draw(end: number, count: number): Promise<number[]> {
	if (count === 0) return [];
	using order = randperm(end, { device: 'cpu' });
	return Array.from((await order.data()).subarray(0, count) as Int32Array);
}

function kept(mask: Mask): number[] {
	const indices: number[] = [];
	for (let i = 0; i < mask.length; i++) if (mask[i] !== 0) indices.push(i);
	return indices;
}

function without(mask: Mask, indices: Iterable<number>): Mask {
	const next = mask.slice();
	for (const i of indices) next[i] = 0;
	return next;
}

/** A parameter as channels along a dim. */
export class Channels {
	readonly count: number;
	readonly #stride: number;

	constructor(
		operation: string,
		readonly shape: Shape,
		dim: number,
	) {
		if (shape.length < 2)
			throw new ShapeError(`${operation}: channels need a parameter of at least 2 dims, not ${formatShape(shape)}`);
		const d = normalizeDim(operation, dim, shape.length);
		this.count = shape[d]!;
		this.#stride = contiguousStrides(shape)[d]!;
	}

	/** The channel of an element. */
	of(element: number): number {
		return Math.floor(element / this.#stride) % this.count;
	}

	/** The channels with at least one element left. */
	left(mask: Mask): number[] {
		const alive = new Set<number>();
		for (let i = 0; i < mask.length; i++) if (mask[i] !== 0) alive.add(this.of(i));
		return [...alive].sort((a, b) => a - b);
	}

	/** The mask without all elements of `channels`. */
	without(mask: Mask, channels: Iterable<number>): Mask {
		const gone = new Set(channels);
		return mask.map((value, i) => (gone.has(this.of(i)) ? 0 : value));
	}

	/** The n-norm of each channel. n may be infinite; 0 counts the elements that are not 0. */
	norms(scores: Scores, n: number): number[] {
		const totals = new Array<number>(this.count).fill(n === Number.NEGATIVE_INFINITY ? Number.POSITIVE_INFINITY : 0);
		for (let i = 0; i < scores.length; i++) {
			const channel = this.of(i);
			const size = Math.abs(scores[i]!);
			const total = totals[channel]!;
			if (n === Number.POSITIVE_INFINITY) totals[channel] = Math.max(total, size);
			else if (n === Number.NEGATIVE_INFINITY) totals[channel] = Math.min(total, size);
			else totals[channel] = total + (n === 0 ? Number(size !== 0) : size ** n);
		}
		return Number.isFinite(n) && n !== 0 ? totals.map((total) => total ** (1 / n)) : totals;
	}
}

/** Prunes the channels with the smallest norms. */
export function smallestChannels(
	operation: string,
	amount: number,
	channels: Channels,
	n: number,
): (scores: Scores, mask: Mask) => Mask {
	return (scores, mask) => {
		const norms = channels.norms(scores, n);
		const order = channels.left(mask).sort((a, b) => norms[a]! - norms[b]! || a - b);
		return channels.without(mask, order.slice(0, countToPrune(operation, amount, order.length)));
	};
}

/** Prunes random channels, drawn from the default generator. */
export function anyChannels(
	operation: string,
	amount: number,
	channels: Channels,
): (scores: Scores, mask: Mask) => Promise<Mask> {
	return async (_scores, mask) => {
		const left = channels.left(mask);
		const chosen = await draw(left.length, countToPrune(operation, amount, left.length));
		return channels.without(
			mask,
			chosen.map((i) => left[i]!),
		);
	};
}
