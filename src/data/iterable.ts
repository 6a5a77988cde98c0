/** Datasets that come as a stream. */
import { ArgumentError } from '../core/errors';
import type { Generator } from '../core/generator';
import { checkOptions } from '../core/options';
import type { Fields } from './fields';

export interface StreamContext {
	/** The epoch, from 0 on: each starts the stream anew. */
	readonly epoch: number;
	/** Random numbers that depend only on the loader's seed and the epoch. */
	readonly generator: Generator;
}

/**
 * Samples from a stream that cannot be asked for one by number: a file read line by line, a generator of synthetic data.
 * `open` is called for each epoch, and may be an async generator function. Whoever takes a sample owns its tensors.
 */
export class IterableDataset {
	/** The number of samples, where it was given. */
	readonly length: number | undefined;
	readonly #open: (context: StreamContext) => Iterable<Fields> | AsyncIterable<Fields>;

	constructor(
		open: (context: StreamContext) => Iterable<Fields> | AsyncIterable<Fields>,
		options: { readonly length?: number } = {},
	) {
		const { length } = checkOptions('IterableDataset', options, ['length']);
		if (typeof open !== 'function') {
			throw new ArgumentError(
				`IterableDataset: it takes a function that starts the stream, not ${typeof open}: a stream that has ended cannot start again`,
			);
		}
		if (length !== undefined && (!Number.isInteger(length) || length < 0)) {
			throw new ArgumentError(`IterableDataset: length ${length} must be a whole number of at least 0`);
		}
		this.length = length;
		this.#open = open;
	}

	/** Starts the stream of one epoch. */
	open(context: StreamContext): Iterator<Fields> | AsyncIterator<Fields> {
		const stream = this.#open(context) as Partial<Iterable<Fields> & AsyncIterable<Fields>> | undefined;
		const iterator = stream?.[Symbol.asyncIterator]?.() ?? stream?.[Symbol.iterator]?.();
		if (iterator === undefined) {
			throw new ArgumentError(
				'IterableDataset: its function must return something to iterate over: a generator or a list of samples',
			);
		}
		return iterator;
	}
}
