/** Converts all kinds of training data to batches that can start anywhere in any epoch. */
import type { DeviceName } from '../backends/contract';
import { requireCounts, requireFraction, wrongArgument } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { drawFrom, type Generator } from '../core/generator';
import { discard, type MaybePromise, paceOf, requireTensorList, type TensorList, whenReady } from '../data/batch';
import { Subset } from '../data/combine';
import { type Dataset, fetchBatch, IterableDataset, requireDataset } from '../data/dataset';
import { DataLoader, type DataLoaderState, type EpochPosition } from '../data/loader';
import type { Sampler } from '../data/samplers';
import { TensorDataset } from '../data/tensorDataset';
import { tensor } from '../ops/creation';
import { Tensor } from '../tensor';

/** `[x, y]` tensors, a dataset, a loader, or any other iterable of batches. The consumer owns a batch's tensors. */
export type Data = readonly Tensor[] | Dataset | IterableDataset | DataLoader | Iterable<TensorList> | AsyncIterable<TensorList>;

interface BatchOptions {
	readonly batchSize: number;
	readonly device: DeviceName;
	readonly shuffle?: boolean;
	readonly seed?: number | bigint | undefined;
	/** A factor per sample, in the dataset's order. */
	readonly sampleWeight?: Float32Array | undefined;
	/** The samples of each epoch, for a dataset; replaces `shuffle`. */
	readonly sampler?: ((length: number) => Sampler) | undefined;
}

/** The batches of any epoch, from any batch on. */
export interface Batches {
	/** A user's iterable draws from `generator`. */
	iterate(position: Required<EpochPosition> & { readonly generator: Generator }): AsyncIterable<TensorList>;
	/** The number of batches per epoch, if known. */
	readonly length: number | undefined;
	readonly samples: number | undefined;
	readonly batchSize: number | undefined;
	/** The first epoch: a loader that was used before continues with its next epoch. */
	readonly firstEpoch: number;
	stateDict(): DataLoaderState | null;
	loadStateDict(state: DataLoaderState | null): void;
	/** Sets the next epoch of the user's loader. */
	finished(epochs: number): void;
}

function isIterable(data: object): data is Iterable<TensorList> | AsyncIterable<TensorList> {
	return Symbol.asyncIterator in data || Symbol.iterator in data;
}

/** Returns `data` as a dataset if it is one or consists of tensors, otherwise null. */
function datasetOf(caller: string, data: Data): Dataset | null {
	if (data instanceof Tensor)
		throw new ArgumentError(`${caller}: data is one tensor; pass a list of inputs and, last, the target: [x, y]`);
	if (typeof data !== 'object' || data === null)
		throw wrongArgument(caller, 'data', '[x, y] tensors, a dataset or a DataLoader', data);
	if (Array.isArray(data) && data.length > 0 && data.every((item) => item instanceof Tensor)) return new TensorDataset(...data);
	// A list may also contain batches, which are lists of tensors.
	const isBatch = (item: unknown) => Array.isArray(item) && item.some((field) => field instanceof Tensor);
	if (ArrayBuffer.isView(data) || (Array.isArray(data) && data.length > 0 && !data.some(isBatch))) {
		throw new ArgumentError(
			`${caller}: data must be [x, y] tensors, not arrays or numbers. Convert them with tensor(): [tensor(x), tensor(y)]`,
		);
	}
	if (data instanceof DataLoader || data instanceof IterableDataset || isIterable(data)) return null;
	requireDataset(caller, data);
	return data;
}

/** Adds the sample weights as a last field. */
class WeightedDataset implements Dataset {
	constructor(
		readonly dataset: Dataset,
		readonly weights: Float32Array,
	) {}

	get length(): number {
		return this.dataset.length;
	}

	get(index: number, device?: DeviceName): MaybePromise<TensorList> {
		return whenReady(this.dataset.get(index, device), (fields) => [
			...fields,
			tensor(this.weights[index]!, { device: device ?? 'cpu' }),
		]);
	}

	batch(indices: ArrayLike<number>, device?: DeviceName): MaybePromise<TensorList> {
		return whenReady(fetchBatch(this.dataset, indices, device), (fields) => {
			const weights = Float32Array.from(indices, (index) => this.weights[index]!);
			return [...fields, tensor(weights, { device: device ?? 'cpu' })];
		});
	}
}

/** Converts `data` to batches on `device`. With `sampleWeight`, the last field of each batch holds the weights. */
export function batchesOf(caller: string, data: Data, options: BatchOptions): Batches {
	const { batchSize, device, shuffle = false, seed, sampleWeight, sampler } = options;
	requireCounts(caller, { batchSize }, 1);
	const dataset = datasetOf(caller, data);
	if (sampleWeight !== undefined) {
		if (dataset === null) {
			throw new ArgumentError(
				`${caller}: a list of sampleWeight needs data as [x, y] tensors or a dataset; with a loader pass a function: sampleWeight: (batch) => weights`,
			);
		}
		if (sampleWeight.length !== dataset.length)
			throw new ArgumentError(`${caller}: sampleWeight has ${sampleWeight.length} factors for ${dataset.length} samples`);
	}
	if (sampler !== undefined && dataset === null)
		throw new ArgumentError(`${caller}: distributed needs [x, y] tensors or a dataset, of which each rank takes its part`);
	if (data instanceof DataLoader) return loaderBatches(data);
	const source = dataset === null ? data : sampleWeight === undefined ? dataset : new WeightedDataset(dataset, sampleWeight);
	if (dataset !== null || source instanceof IterableDataset) {
		const stream = source instanceof IterableDataset;
		const made = new DataLoader(source as Dataset | IterableDataset, {
			batchSize,
			device,
			...(!stream && (sampler === undefined ? { shuffle } : { sampler: sampler(dataset!.length) })),
			...(seed !== undefined && { seed }),
		});
		return loaderBatches(made);
	}
	return iterableBatches(caller, data as Iterable<TensorList> | AsyncIterable<TensorList>);
}

function loaderBatches(loader: DataLoader): Batches {
	return {
		iterate: ({ epoch, firstBatch }) => loader.iterate({ epoch, firstBatch }),
		get length() {
			return loader.hasLength ? loader.length : undefined;
		},
		get samples() {
			if (!loader.hasLength) return undefined;
			const { length } = loader.dataset;
			return loader.dropLast ? Math.min(length!, loader.length * loader.batchSize) : length;
		},
		batchSize: Number.isNaN(loader.batchSize) ? undefined : loader.batchSize,
		get firstEpoch() {
			return loader.epoch;
		},
		stateDict: () => loader.stateDict(),
		loadStateDict: (state) => {
			if (state !== null) loader.loadStateDict(state);
		},
		finished: (epochs) => loader.setEpoch(loader.epoch + epochs),
	};
}

/** Wraps a user's iterable of batches. Each epoch iterates over it again. It draws from the run's generator until its first `await`. */
function iterableBatches(caller: string, data: Iterable<TensorList> | AsyncIterable<TensorList>): Batches {
	async function* from(firstBatch: number, generator: Generator): AsyncGenerator<TensorList> {
		const source = Symbol.asyncIterator in data ? data[Symbol.asyncIterator]() : data[Symbol.iterator]();
		let ended = false;
		try {
			for (let next = 0; ; next++) {
				const step = await drawFrom(generator, () => source.next());
				ended = step.done === true;
				if (step.done) return;
				const batch = await step.value;
				requireTensorList(`${caller}: the iterable`, batch);
				await paceOf(batch);
				if (next < firstBatch) discard(batch);
				else yield batch;
			}
		} finally {
			if (!ended) await source.return?.();
		}
	}
	return {
		iterate: ({ firstBatch, generator }) => from(firstBatch, generator),
		length: undefined,
		samples: undefined,
		batchSize: undefined,
		firstEpoch: 0,
		stateDict: () => null,
		loadStateDict: () => {},
		finished: () => {},
	};
}

/** Splits off the last part of the data for validation, before any shuffling, as Keras does. */
export function splitValidation(caller: string, data: Data, fraction: number): readonly [train: Dataset, validation: Dataset] {
	requireFraction(caller, 'validationSplit', fraction, '(0, 1)');
	const dataset = datasetOf(caller, data);
	if (dataset === null) {
		throw new ArgumentError(
			`${caller}: validationSplit needs data as [x, y] tensors or a dataset; with a loader, pass validationData`,
		);
	}
	const first = Math.floor(dataset.length * (1 - fraction));
	if (first === 0 || first === dataset.length)
		throw new ArgumentError(`${caller}: validationSplit ${fraction} of ${dataset.length} samples leaves one part empty`);
	const range = (from: number, to: number) => Int32Array.from({ length: to - from }, (_, i) => from + i);
	return [new Subset(dataset, range(0, first)), new Subset(dataset, range(first, dataset.length))];
}
