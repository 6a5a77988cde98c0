/** Batches made ahead of the loop that takes them. */
import { nextRound } from '../core/eventloop';
import { discard, type Fields, paceOf, type Soon } from './fields';

/** Where batches come from, one after another. */
export interface BatchSource {
	/** Starts to make the next batch; null when there is none. Called again before an earlier batch is ready. */
	start(): Soon<Fields | null>;
	/** The loop has ended; nothing is started any more. */
	close(): void | Promise<void>;
}

/** Who wants to know how far a loop has come. */
export interface ProgressListener {
	delivered(): void;
	ended(): void;
}

type Entry = { readonly batch: Soon<Fields | null> } | { readonly error: unknown };

/**
 * Iterates over a source's batches, of which up to `ahead` are made before they are asked for: whenever the loop waits for something.
 * A batch that fails throws at its own turn, after those before it, and ends the loop.
 */
export class BatchIterator implements AsyncIterableIterator<Fields> {
	readonly #source: BatchSource;
	readonly #ahead: number;
	readonly #listener: ProgressListener | undefined;
	readonly #queue: Entry[] = [];
	#exhausted = false;
	#closing: Promise<void> | null = null;
	#refilling = false;

	constructor(source: BatchSource, ahead: number, listener?: ProgressListener) {
		this.#source = source;
		this.#ahead = ahead;
		this.#listener = listener;
	}

	[Symbol.asyncIterator](): this {
		return this;
	}

	async next(): Promise<IteratorResult<Fields, undefined>> {
		if (this.#closing !== null) return { done: true, value: undefined };
		const entry = this.#queue.shift() ?? this.#start();
		this.#refillLater();
		let batch: Fields | null;
		try {
			if ('error' in entry) throw entry.error;
			batch = entry.batch instanceof Promise ? await entry.batch : entry.batch;
			if (batch !== null) await paceOf(batch);
		} catch (error) {
			// What closing may fail with is the consequence of this error.
			await this.#close().catch(() => {});
			throw error;
		}
		if (batch === null) {
			await this.#close();
			return { done: true, value: undefined };
		}
		if (this.#closing !== null) {
			discard(batch);
			return { done: true, value: undefined };
		}
		this.#listener?.delivered();
		return { done: false, value: batch };
	}

	/** What `break` and errors in the loop's body call: batches that were made ahead are disposed of. */
	async return(): Promise<IteratorResult<Fields, undefined>> {
		await this.#close();
		return { done: true, value: undefined };
	}

	#start(): Entry {
		if (this.#exhausted) return { batch: null };
		try {
			const batch = this.#source.start();
			if (batch === null) this.#exhausted = true;
			// The failure is told at the batch's turn; until then nobody listens.
			if (batch instanceof Promise) batch.catch(() => {});
			return { batch };
		} catch (error) {
			this.#exhausted = true;
			return { error };
		}
	}

	#refillLater(): void {
		if (this.#refilling || this.#exhausted || this.#queue.length >= this.#ahead) return;
		this.#refilling = true;
		// Where the program waits for the GPU, or for a file.
		nextRound(() => {
			this.#refilling = false;
			while (this.#closing === null && !this.#exhausted && this.#queue.length < this.#ahead) this.#queue.push(this.#start());
		});
	}

	#close(): Promise<void> {
		if (this.#closing === null) {
			for (const entry of this.#queue.splice(0)) if ('batch' in entry) discard(entry.batch);
			this.#listener?.ended();
			this.#closing = Promise.resolve().then(() => this.#source.close());
		}
		return this.#closing;
	}
}
