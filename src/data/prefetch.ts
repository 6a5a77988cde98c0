/** Makes batches ahead of the loop that consumes them. */
import { scheduleTask } from '../core/eventLoop';
import { discard, type MaybePromise, paceOf, type TensorList } from './batch';

/** A sequence of batches. */
export interface BatchSource {
	/** Starts making the next batch; null at the end. May be called before an earlier batch is ready. */
	start(): MaybePromise<TensorList | null>;
	/** Called when the loop has ended. `start` is not called afterwards. */
	close(): void | Promise<void>;
}

/** Receives the progress of a loop. */
interface ProgressListener {
	delivered(): void;
	ended(): void;
}

type Entry = { readonly batch: MaybePromise<TensorList | null> } | { readonly error: unknown };

/**
 * Iterates over a source's batches. While the loop waits for something, makes up to `ahead` batches in advance. A batch that fails throws
 * in its own turn, after the earlier batches, and ends the loop.
 */
export class BatchIterator implements AsyncIterableIterator<TensorList> {
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

	async next(): Promise<IteratorResult<TensorList, undefined>> {
		if (this.#closing !== null) return { done: true, value: undefined };
		const entry = this.#queue.shift() ?? this.#start();
		this.#refillLater();
		let batch: TensorList | null;
		try {
			if ('error' in entry) throw entry.error;
			batch = entry.batch instanceof Promise ? await entry.batch : entry.batch;
			if (batch !== null) await paceOf(batch);
		} catch (error) {
			// An error while closing only follows from this error.
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

	/** Called by `break` and by errors in the loop's body. Disposes of batches made in advance. */
	async return(): Promise<IteratorResult<TensorList, undefined>> {
		await this.#close();
		return { done: true, value: undefined };
	}

	#start(): Entry {
		if (this.#exhausted) return { batch: null };
		try {
			const batch = this.#source.start();
			if (batch === null) this.#exhausted = true;
			// The error surfaces at the batch's turn; until then nobody handles the rejection.
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
		// The program now waits for the GPU or for a file.
		scheduleTask(() => {
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
