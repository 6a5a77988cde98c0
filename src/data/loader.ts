/** `DataLoader`: from a dataset to batches. */
import type { DeviceName } from '../backends/contract';
import { backendOf } from '../backends/registry';
import { ArgumentError } from '../core/errors';
import type { Generator } from '../core/generator';
import { checkOptions } from '../core/options';
import { tidy } from '../tidy';
import { collateOwned, type Dataset, fetchBatch, fetchSamples, requireDataset } from './dataset';
import { defaultCollate, discard, disposeExcept, type Fields, moved, requireFields, type Soon, whenReady } from './fields';
import { IterableDataset } from './iterable';
import { BatchIterator, type BatchSource } from './prefetch';
import { PURPOSE, RandomStream, type Seed, seedOf } from './randomness';
import { type BatchIndices, BatchSampler, RandomSampler, type Sampler, SequentialSampler } from './samplers';

/** Changes a whole batch, on its device. Random numbers come from `generator`, which depends on the loader's seed, epoch and batch. */
export type BatchTransform = (batch: Fields, context: { readonly generator: Generator }) => Fields;

export interface DataLoaderOptions {
	/** Samples of a batch. Default 1. */
	readonly batchSize?: number;
	/** Whether each epoch takes the samples in a random order of its own. Default false. */
	readonly shuffle?: boolean;
	/** Decides order and augmentation. Default: drawn from the default generator, so that `manualSeed` decides it. */
	readonly seed?: number | bigint;
	/** The samples of an epoch and their order, in the place of `shuffle`. */
	readonly sampler?: Sampler;
	/** The batches of an epoch, in the place of `batchSize`, `shuffle`, `sampler` and `dropLast`. */
	readonly batchSampler?: BatchIndices;
	/** Whether a last batch of fewer samples is left out. Default false. */
	readonly dropLast?: boolean;
	/** Makes a batch of samples. Default: the dataset's own `batch`, or else `defaultCollate`. */
	readonly collate?: (samples: readonly Fields[]) => Fields | Promise<Fields>;
	/** How many batches are made ahead, while the loop waits for something. Default 2. */
	readonly prefetch?: number;
	/** Where batches go. Default: where the dataset makes them, which for host arrays is the default device. */
	readonly device?: DeviceName;
	/** Runs on each batch, for augmentation: within `noGrad` and `tidy`. See `transforms`. */
	readonly transform?: BatchTransform;
}

const OPTIONS = [
	'batchSize',
	'shuffle',
	'seed',
	'sampler',
	'batchSampler',
	'dropLast',
	'collate',
	'prefetch',
	'device',
	'transform',
] as const;

/** Where a loop starts. */
export interface EpochPosition {
	readonly epoch?: number;
	readonly firstBatch?: number;
}

/** A loader's place as plain data that survives JSON. */
export interface DataLoaderState {
	readonly seed: Seed;
	readonly epoch: number;
	/** Batches of the epoch that the loop has been given. */
	readonly batch: number;
}

/**
 * Iterates over a dataset in batches: `for await (const [x, y] of loader)`. Each loop is one epoch. As PyTorch's DataLoader.
 *
 * Order and augmentation are functions of (seed, epoch, batch): a run that is continued from `stateDict()`, or by `iterate`, gets the very
 * batches of the run that was never interrupted. Whoever takes a batch owns its tensors, and may dispose of them when done.
 */
export class DataLoader implements AsyncIterable<Fields> {
	readonly dataset: Dataset | IterableDataset;
	/** Samples of a batch; NaN when a batchSampler decides. */
	readonly batchSize: number;
	readonly dropLast: boolean;
	readonly device: DeviceName | undefined;
	readonly prefetch: number;
	readonly #batches: BatchIndices | null;
	readonly #collate: DataLoaderOptions['collate'];
	readonly #transform: BatchTransform | undefined;
	#seed: Seed;
	/** Where the next loop starts, and where the running one is. */
	#next = { epoch: 0, batch: 0 };
	#running: { readonly epoch: number; batch: number } | null = null;

	constructor(dataset: Dataset | IterableDataset, options: DataLoaderOptions = {}) {
		const {
			batchSize = 1,
			dropLast = false,
			prefetch = 2,
			device,
			collate,
			transform,
		} = checkOptions('DataLoader', options, OPTIONS);
		if (!(dataset instanceof IterableDataset)) requireDataset('DataLoader', dataset);
		if (!Number.isInteger(batchSize) || batchSize < 1) {
			throw new ArgumentError(`DataLoader: batchSize ${batchSize} must be a whole number of at least 1`);
		}
		if (!Number.isInteger(prefetch) || prefetch < 0) {
			throw new ArgumentError(`DataLoader: prefetch ${prefetch} must be a whole number of at least 0`);
		}
		for (const [name, fn] of Object.entries({ collate, transform })) {
			if (fn !== undefined && typeof fn !== 'function') {
				throw new ArgumentError(`DataLoader: ${name} must be a function, not ${typeof fn}`);
			}
		}
		if (device !== undefined) backendOf(device);
		this.dataset = dataset;
		this.batchSize = options.batchSampler === undefined ? batchSize : Number.NaN;
		this.dropLast = dropLast;
		this.device = device;
		this.prefetch = prefetch;
		this.#collate = collate;
		this.#transform = transform;
		this.#seed = seedOf(options.seed);
		this.#batches = chooseBatches(dataset, batchSize, options);
	}

	/** Whether the number of batches is known: always but for an IterableDataset without a length. */
	get hasLength(): boolean {
		return this.dataset.length !== undefined;
	}

	/** Batches of an epoch. */
	get length(): number {
		if (this.#batches !== null) return this.#batches.length;
		if (this.dataset.length === undefined) {
			throw new ArgumentError(
				'DataLoader: a stream has no known length. Pass one: new IterableDataset(open, { length }); hasLength tells whether there is one',
			);
		}
		return Math[this.dropLast ? 'floor' : 'ceil'](this.dataset.length / this.batchSize);
	}

	/** The epoch of the running loop, or where none is running, of the next one; 0 is the first. */
	get epoch(): number {
		return (this.#running ?? this.#next).epoch;
	}

	/** The next loop is that of `epoch`. */
	setEpoch(epoch: number): void {
		requireCount('setEpoch', 'epoch', epoch);
		this.#next = { epoch, batch: 0 };
		this.#running = null;
	}

	/** Seed, epoch and batch: of the running loop, where there is one. */
	stateDict(): DataLoaderState {
		const { epoch, batch } = this.#running ?? this.#next;
		return { seed: [...this.#seed], epoch, batch };
	}

	/** The next loop goes on after the last batch that was delivered before `stateDict()`. */
	loadStateDict(state: DataLoaderState): void {
		const { seed, epoch, batch } = state ?? {};
		const isWord = (word: unknown) => Number.isInteger(word) && (word as number) >= 0 && (word as number) < 2 ** 32;
		if (!Array.isArray(seed) || seed.length !== 2 || !seed.every(isWord)) {
			throw new ArgumentError('loadStateDict: this is no state of a DataLoader; it takes what stateDict() returned');
		}
		requireCount('loadStateDict', 'epoch', epoch);
		requireCount('loadStateDict', 'batch', batch);
		this.#seed = [seed[0]!, seed[1]!];
		this.#next = { epoch, batch };
		this.#running = null;
	}

	[Symbol.asyncIterator](): AsyncIterableIterator<Fields> {
		const { epoch, batch } = this.#next;
		const running = { epoch, batch };
		const iterator = new BatchIterator(this.#open(epoch, batch), this.prefetch, {
			delivered: () => {
				running.batch++;
			},
			ended: () => {
				if (this.#running === running) this.#running = null;
			},
		});
		this.#running = running;
		this.#next = { epoch: epoch + 1, batch: 0 };
		return iterator;
	}

	/**
	 * The batches of `epoch` (default: this loader's) from `firstBatch` (default 0) on, exactly as the uninterrupted loop has them. The loader's
	 * own epoch and state do not change.
	 */
	iterate(position: EpochPosition = {}): AsyncIterableIterator<Fields> {
		const { epoch = this.epoch, firstBatch = 0 } = checkOptions('iterate', position, ['epoch', 'firstBatch']);
		requireCount('iterate', 'epoch', epoch);
		requireCount('iterate', 'firstBatch', firstBatch);
		return new BatchIterator(this.#open(epoch, firstBatch), this.prefetch);
	}

	#open(epoch: number, firstBatch: number): BatchSource {
		if (this.hasLength && firstBatch > this.length) {
			throw new ArgumentError(`DataLoader: an epoch has ${this.length} batches, so none starts at batch ${firstBatch}`);
		}
		return this.dataset instanceof IterableDataset
			? this.#openStream(this.dataset, epoch, firstBatch)
			: this.#openDataset(this.dataset, epoch, firstBatch);
	}

	#openDataset(dataset: Dataset, epoch: number, firstBatch: number): BatchSource {
		const seed = this.#seed;
		const { device } = this;
		const collate = this.#collate;
		const order = new RandomStream(seed, epoch, 0, PURPOSE.order);
		let batches: Iterator<ArrayLike<number>> | null = null;
		let next = 0;
		return {
			start: () => {
				const step = order.run(() => {
					batches ??= this.#batches!.batches(order.generator)[Symbol.iterator]();
					for (; next < firstBatch; next++) batches.next();
					return batches.next();
				});
				if (step.done) return null;
				const stream = new RandomStream(seed, epoch, next, PURPOSE.samples);
				// Each in its own run: samples that are waited for would end the first before collate draws.
				const fetched =
					collate === undefined
						? stream.run(() => fetchBatch(dataset, step.value, device))
						: whenReady(
								stream.run(() => fetchSamples(dataset, step.value, device)),
								(samples) => stream.run(() => collateOwned(samples, collate)),
							);
				return this.#finish(fetched, seed, epoch, next++);
			},
			close: () => void batches?.return?.(),
		};
	}

	/** A stream gives one sample at a time: its batches are made one after another, also those that a late start skips. */
	#openStream(dataset: IterableDataset, epoch: number, firstBatch: number): BatchSource {
		const seed = this.#seed;
		const collate = this.#collate ?? defaultCollate;
		let iterator: Iterator<Fields> | AsyncIterator<Fields> | null = null;
		let ended = false;
		let next = 0;
		const gather = async (): Promise<Fields | null> => {
			if (ended) return null;
			const samples: Fields[] = [];
			try {
				const opening = new RandomStream(seed, epoch, 0, PURPOSE.stream);
				iterator ??= opening.run(() => dataset.open({ epoch, generator: opening.generator }));
				const stream = new RandomStream(seed, epoch, next, PURPOSE.samples);
				while (samples.length < this.batchSize) {
					const result = await stream.run(() => iterator!.next());
					if (result.done) {
						ended = true;
						break;
					}
					requireFields('IterableDataset: the stream', result.value);
					samples.push(result.value);
				}
				if (samples.length === 0 || (samples.length < this.batchSize && this.dropLast) || next < firstBatch) {
					for (const sample of samples) discard(sample);
					return next++ < firstBatch ? gather() : null;
				}
				return await this.#finish(
					stream.run(() => collateOwned(samples, collate)),
					seed,
					epoch,
					next++,
				);
			} catch (error) {
				for (const sample of samples) discard(sample);
				ended = true;
				throw error;
			}
		};
		let last: Promise<unknown> = Promise.resolve();
		return {
			start: () => {
				const batch = last.then(gather);
				last = batch.catch(() => {});
				return batch;
			},
			close: async () => {
				await last;
				if (!ended) await iterator?.return?.();
			},
		};
	}

	#finish(fetched: Soon<Fields>, seed: Seed, epoch: number, batch: number): Soon<Fields> {
		const placed = whenReady(fetched, (fields) => {
			requireFields('the dataset', fields);
			return moved(fields, this.device);
		});
		const transform = this.#transform;
		if (transform === undefined) return placed;
		return whenReady(placed, (fields) => {
			const stream = new RandomStream(seed, epoch, batch, PURPOSE.transform);
			try {
				const result = stream.run(() => tidy(() => applied(transform, fields, stream.generator)));
				disposeExcept(fields, result);
				return result;
			} catch (error) {
				discard(fields);
				throw error;
			}
		});
	}
}

function applied(transform: BatchTransform, fields: Fields, generator: Generator): Fields {
	const result: unknown = transform(fields, { generator });
	if (result instanceof Promise) {
		result.catch(() => {});
		throw new ArgumentError(
			'DataLoader: transform must not be async. Do what needs waiting in the dataset: new MapDataset(dataset, async (fields) => ...)',
		);
	}
	requireFields('transform', result);
	return result;
}

function requireCount(operation: string, name: string, value: unknown): void {
	if (!Number.isInteger(value) || (value as number) < 0 || (value as number) >= 2 ** 32) {
		throw new ArgumentError(`${operation}: ${name} must be a whole number of at least 0, not ${String(value)}`);
	}
}

/** The batches that the options ask for; null for a stream, which has no order but its own. */
function chooseBatches(dataset: Dataset | IterableDataset, batchSize: number, options: DataLoaderOptions): BatchIndices | null {
	const { shuffle = false, sampler, batchSampler, dropLast = false } = options;
	if (dataset instanceof IterableDataset) {
		if (shuffle || sampler !== undefined || batchSampler !== undefined) {
			throw new ArgumentError(
				'DataLoader: a stream comes in its own order: shuffle, sampler and batchSampler need a dataset with get(index). Shuffle inside the stream, with its generator',
			);
		}
		return null;
	}
	if (batchSampler !== undefined) {
		if (options.batchSize !== undefined || shuffle || sampler !== undefined || dropLast) {
			throw new ArgumentError('DataLoader: batchSampler decides alone: leave out batchSize, shuffle, sampler and dropLast');
		}
		if (typeof batchSampler.batches !== 'function') {
			throw new ArgumentError('DataLoader: batchSampler needs a length and batches(generator), as BatchSampler has them');
		}
		return batchSampler;
	}
	if (sampler !== undefined && shuffle) {
		throw new ArgumentError('DataLoader: sampler decides the order: leave out shuffle');
	}
	const order = sampler ?? (shuffle ? new RandomSampler(dataset) : new SequentialSampler(dataset));
	return new BatchSampler(order, batchSize, { dropLast });
}
