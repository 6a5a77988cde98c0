/** Datasets that are streams. */
import { requireCounts } from '../core/checks';
import { ArgumentError } from '../core/errors';
import type { Generator } from '../core/generator';
import { checkOptions } from '../core/options';
import type { Fields } from './batch';

export interface StreamContext {
	/** The epoch, from 0. Each epoch restarts the stream. */
	readonly epoch: number;
	/** A generator that depends only on the loader's seed and the epoch. */
	readonly generator: Generator;
}

/**
 * A stream of samples without random access: a file read line by line, or a generator of synthetic data. Calls `open` for each epoch; it
 * may be an async generator function. The consumer of a sample owns its tensors.
 */
export class IterableDataset {
	/** The number of samples, if given. */
	readonly length: number | undefined;
	readonly #open: (context: StreamContext) => Iterable<Fields> | AsyncIterable<Fields>;

	constructor(
		open: (context: StreamContext) => Iterable<Fields> | AsyncIterable<Fields>,
		options: { readonly length?: number } = {},
	) {
		const { length } = checkOptions('IterableDataset', options, ['length']);
		if (typeof open !== 'function') {
			throw new ArgumentError(
				`IterableDataset: it takes a function that starts the stream, not ${typeof open}, because each epoch restarts it`,
			);
		}
		if (length !== undefined) requireCounts('IterableDataset', { length });
		this.length = length;
		this.#open = open;
	}

	/** Starts the stream of one epoch. */
	open(context: StreamContext): Iterator<Fields> | AsyncIterator<Fields> {
		const stream = this.#open(context) as Partial<Iterable<Fields> & AsyncIterable<Fields>> | undefined;
		const iterator = stream?.[Symbol.asyncIterator]?.() ?? stream?.[Symbol.iterator]?.();
		if (iterator === undefined) {
			throw new ArgumentError('IterableDataset: its function must return an iterable: a generator or a list of samples');
		}
		return iterator;
	}
}
