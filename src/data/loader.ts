/** `DataLoader`: iterates over a dataset in batches. */
import type { DeviceName } from '../backends/contract';
import { backendOf } from '../backends/registry';
import { requireCounts, requireFunction, requireInteger } from '../core/checks';
import { ArgumentError } from '../core/errors';
import type { Generator } from '../core/generator';
import { checkOptions } from '../core/options';
import { tidy } from '../tidy';
import {
	defaultCollate,
	discard,
	disposeExcept,
	type MaybePromise,
	moveToDevice,
	requireTensorList,
	type TensorList,
	whenReady,
} from './batch';
import { collateOwned, type Dataset, fetchBatch, fetchSamples, IterableDataset, requireDataset } from './dataset';
import { BatchIterator, type BatchSource } from './prefetch';
import { PURPOSE, RandomStream, type Seed, seedOf } from './randomStream';
import { type BatchIndices, BatchSampler, RandomSampler, type Sampler, SequentialSampler } from './samplers';

/** Changes a whole batch on its device. `generator` depends only on the loader's seed, the epoch and the batch. */
export type BatchTransform = (batch: TensorList, context: { readonly generator: Generator }) => TensorList;

export interface DataLoaderOptions {
	/** Samples per batch. Default 1. */
	readonly batchSize?: number;
	/** Take the samples of each epoch in a new random order. Default false. */
	readonly shuffle?: boolean;
	/** The seed of order and augmentation. Default: drawn from the default generator, so that `manualSeed` determines it. */
	readonly seed?: number | bigint;
	/** The samples of an epoch and their order; replaces `shuffle`. */
	readonly sampler?: Sampler;
	/** The batches of an epoch; replaces `batchSize`, `shuffle`, `sampler` and `dropLast`. */
	readonly batchSampler?: BatchIndices;
	/** Leave out an incomplete last batch. Default false. */
	readonly dropLast?: boolean;
	/** Makes a batch from samples. Default: the dataset's own `batch`, or `defaultCollate`. */
	readonly collate?: (samples: readonly TensorList[]) => TensorList | Promise<TensorList>;
	/** Number of batches to make in advance while the loop waits for something. Default 2. */
	readonly prefetch?: number;
	/** The device of the batches. Default: where the dataset makes them; for host arrays, the default device. */
	readonly device?: DeviceName;
	/** Runs on each batch inside `noGrad` and `tidy`, for augmentation. See `transforms`. */
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

/** The start of a loop. */
export interface EpochPosition {
	readonly epoch?: number;
	readonly firstBatch?: number;
}

/** A loader's position as plain data that survives JSON. */
export interface DataLoaderState {
	readonly seed: Seed;
	readonly epoch: number;
	/** The number of batches of the epoch that the loop has taken. */
	readonly batch: number;
}

/**
 * Iterates over a dataset in batches: `for await (const [x, y] of loader)`. Each loop is one epoch. As PyTorch's DataLoader.
 *
 * Order and augmentation depend only on (seed, epoch, batch). So a run that continues from `stateDict()`, or with `iterate`, gets the same
 * batches as an uninterrupted run. The consumer of a batch owns its tensors and may dispose of them.
 */
export class DataLoader implements AsyncIterable<TensorList> {
	readonly dataset: Dataset | IterableDataset;
	/** Samples per batch; NaN with a batchSampler. */
	readonly batchSize: number;
	readonly dropLast: boolean;
	readonly device: DeviceName | undefined;
	readonly prefetch: number;
	readonly #batches: BatchIndices | null;
	readonly #collate: DataLoaderOptions['collate'];
	readonly #transform: BatchTransform | undefined;
	#seed: Seed;
	/** The start of the next loop and the position of the running one. */
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
		requireCounts('DataLoader', { batchSize }, 1);
		requireCounts('DataLoader', { prefetch });
		for (const [name, fn] of Object.entries({ collate, transform })) {
			if (fn !== undefined) requireFunction('DataLoader', name, fn);
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

	/** Whether the number of batches is known. False only for an IterableDataset without a length. */
	get hasLength(): boolean {
		return this.dataset.length !== undefined;
	}

	/** The number of batches per epoch. Throws if it is unknown: see `hasLength`. */
	get length(): number {
		if (this.#batches !== null) return this.#batches.length;
		if (this.dataset.length === undefined) {
			throw new ArgumentError(
				'DataLoader: a stream has no known length. Pass one: new IterableDataset(open, { length }), or check hasLength first',
			);
		}
		return Math[this.dropLast ? 'floor' : 'ceil'](this.dataset.length / this.batchSize);
	}

	/** The epoch of the running loop, or else of the next one. The first is 0. */
	get epoch(): number {
		return (this.#running ?? this.#next).epoch;
	}

	/** Sets the epoch of the next loop. */
	setEpoch(epoch: number): void {
		requireInteger('setEpoch', 'epoch', epoch, 0, 2 ** 32);
		this.#next = { epoch, batch: 0 };
		this.#running = null;
	}

	/** Seed, epoch and batch of the running loop, or else of the next one. */
	stateDict(): DataLoaderState {
		const { epoch, batch } = this.#running ?? this.#next;
		return { seed: [...this.#seed], epoch, batch };
	}

	/** Makes the next loop continue after the last batch taken before `stateDict()`. */
	loadStateDict(state: DataLoaderState): void {
		const { seed, epoch, batch } = state ?? {};
		const isWord = (word: unknown) => Number.isInteger(word) && (word as number) >= 0 && (word as number) < 2 ** 32;
		if (!Array.isArray(seed) || seed.length !== 2 || !seed.every(isWord)) {
			throw new ArgumentError('loadStateDict: not the state of a DataLoader; pass the result of stateDict()');
		}
		requireInteger('loadStateDict', 'epoch', epoch, 0, 2 ** 32);
		requireInteger('loadStateDict', 'batch', batch, 0, 2 ** 32);
		this.#seed = [seed[0]!, seed[1]!];
		this.#next = { epoch, batch };
		this.#running = null;
	}

	[Symbol.asyncIterator](): AsyncIterableIterator<TensorList> {
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
	 * Iterates over the batches of `epoch` (default: this loader's) from `firstBatch` (default 0), exactly as an uninterrupted loop. Does
	 * not change the loader's own epoch and state.
	 */
	iterate(position: EpochPosition = {}): AsyncIterableIterator<TensorList> {
		const { epoch = this.epoch, firstBatch = 0 } = checkOptions('iterate', position, ['epoch', 'firstBatch']);
		requireInteger('iterate', 'epoch', epoch, 0, 2 ** 32);
		requireInteger('iterate', 'firstBatch', firstBatch, 0, 2 ** 32);
		return new BatchIterator(this.#open(epoch, firstBatch), this.prefetch);
	}

	#open(epoch: number, firstBatch: number): BatchSource {
		if (this.hasLength && firstBatch > this.length) {
			throw new ArgumentError(`DataLoader: firstBatch ${firstBatch} exceeds the ${this.length} batches of an epoch`);
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
				// Two separate runs, because awaiting samples ends the first run before collate draws.
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

	/** A stream yields one sample at a time, so batches are made in sequence, including those that a late start skips. */
	#openStream(dataset: IterableDataset, epoch: number, firstBatch: number): BatchSource {
		const seed = this.#seed;
		const collate = this.#collate ?? defaultCollate;
		let iterator: Iterator<TensorList> | AsyncIterator<TensorList> | null = null;
		let ended = false;
		let next = 0;
		const gather = async (): Promise<TensorList | null> => {
			if (ended) return null;
			const samples: TensorList[] = [];
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
					requireTensorList('IterableDataset: the stream', result.value);
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

	#finish(fetched: MaybePromise<TensorList>, seed: Seed, epoch: number, batch: number): MaybePromise<TensorList> {
		const placed = whenReady(fetched, (fields) => {
			requireTensorList('the dataset', fields);
			return moveToDevice(fields, this.device);
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

function applied(transform: BatchTransform, fields: TensorList, generator: Generator): TensorList {
	const result: unknown = transform(fields, { generator });
	if (result instanceof Promise) {
		result.catch(() => {});
		throw new ArgumentError(
			'DataLoader: transform must not be async. Do asynchronous work in the dataset: new MapDataset(dataset, async (fields) => ...)',
		);
	}
	requireTensorList('transform', result);
	return result;
}

/** The batches that the options describe; null for a stream, which has its own order. */
function chooseBatches(dataset: Dataset | IterableDataset, batchSize: number, options: DataLoaderOptions): BatchIndices | null {
	const { shuffle = false, sampler, batchSampler, dropLast = false } = options;
	if (dataset instanceof IterableDataset) {
		if (shuffle || sampler !== undefined || batchSampler !== undefined) {
			throw new ArgumentError(
				'DataLoader: a stream has its own order: shuffle, sampler and batchSampler need a dataset with get(index). Shuffle inside the stream with its generator',
			);
		}
		return null;
	}
	if (batchSampler !== undefined) {
		if (options.batchSize !== undefined || shuffle || sampler !== undefined || dropLast) {
			throw new ArgumentError(
				'DataLoader: batchSampler replaces the other options: leave out batchSize, shuffle, sampler and dropLast',
			);
		}
		if (typeof batchSampler.batches !== 'function') {
			throw new ArgumentError('DataLoader: batchSampler needs a length and batches(generator), like BatchSampler');
		}
		return batchSampler;
	}
	if (sampler !== undefined && shuffle) {
		throw new ArgumentError('DataLoader: sampler determines the order: leave out shuffle');
	}
	const order = sampler ?? (shuffle ? new RandomSampler(dataset) : new SequentialSampler(dataset));
	return new BatchSampler(order, batchSize, { dropLast });
}
