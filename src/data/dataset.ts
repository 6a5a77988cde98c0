/** The interfaces of datasets, of known length or streams, and how a DataLoader gets samples and batches from them. */
import type { DeviceName } from '../backends/contract';
import { requireCounts, requireFunction, requireList } from '../core/checks';
import { ArgumentError } from '../core/errors';
import type { Generator } from '../core/generator';
import { checkOptions } from '../core/options';
import type { Tensor } from '../tensor';
import { defaultCollate, discard, disposeExcept, type MaybePromise, type TensorList, whenReady } from './batch';

/**
 * A dataset of known length. A sample is a list of tensors, such as [image, label]. All samples have the same fields.
 *
 * A class that can make a whole batch at once (from a host array or a device tensor) implements `batch`, which loaders prefer. `device` is
 * the device that the loader wants. A dataset may ignore it; the loader then moves the tensors.
 */
export interface Dataset {
	readonly length: number;
	/** Returns the sample at `index`, 0 to length - 1. The caller owns the tensors. */
	get(index: number, device?: DeviceName): TensorList | Promise<TensorList>;
	/** Returns the samples at `indices`, stacked: each field gets a first dim of indices.length. The caller owns the tensors. */
	batch?(indices: ArrayLike<number>, device?: DeviceName): TensorList | Promise<TensorList>;
}

/** Throws unless all `indices` are valid for `length` samples. */
export function requireIndices(name: string, indices: ArrayLike<number>, length: number): void {
	requireList(name, 'indices', indices);
	for (let i = 0; i < indices.length; i++) requireIndex(name, indices[i]!, length);
}

/** Throws unless `index` is valid for `length` samples. */
export function requireIndex(name: string, index: number, length: number): void {
	if (!Number.isInteger(index) || index < 0 || index >= length) {
		throw new ArgumentError(
			`${name}: index ${index} is out of range for ${length} samples: it must lie between 0 and ${length - 1}`,
		);
	}
}

export function requireDataset(name: string, dataset: unknown): asserts dataset is Dataset {
	const { length, get } = (dataset ?? {}) as Partial<Dataset>;
	if (typeof get !== 'function' || !Number.isInteger(length) || length! < 0) {
		throw new ArgumentError(
			`${name}: not a dataset: it needs a length (a whole number) and get(index). For tensors use new TensorDataset(x, y)`,
		);
	}
}

/** Gets the samples at `indices` one by one. If one fails, disposes of the others. */
export function fetchSamples(dataset: Dataset, indices: ArrayLike<number>, device?: DeviceName): MaybePromise<TensorList[]> {
	const started: MaybePromise<TensorList>[] = [];
	try {
		for (let i = 0; i < indices.length; i++) started.push(dataset.get(indices[i]!, device));
	} catch (error) {
		for (const sample of started) discard(sample);
		throw error;
	}
	return started.some((sample) => sample instanceof Promise) ? allOrNone(started) : (started as TensorList[]);
}

async function allOrNone(started: readonly MaybePromise<TensorList>[]): Promise<TensorList[]> {
	const settled = await Promise.allSettled(started);
	const failure = settled.find((result) => result.status === 'rejected');
	const samples = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
	if (failure === undefined) return samples;
	for (const sample of samples) discard(sample);
	throw failure.reason;
}

/** Gets the samples at `indices` as one batch, with the dataset's own `batch` or by stacking samples. */
export function fetchBatch(dataset: Dataset, indices: ArrayLike<number>, device?: DeviceName): MaybePromise<TensorList> {
	if (dataset.batch !== undefined) return dataset.batch(indices, device);
	return whenReady(fetchSamples(dataset, indices, device), (samples) => collateOwned(samples, defaultCollate));
}

/** Calls `collate(samples)` and disposes of the samples' tensors unless the batch holds them. */
export function collateOwned(
	samples: readonly TensorList[],
	collate: (samples: readonly TensorList[]) => MaybePromise<TensorList>,
): MaybePromise<TensorList> {
	const all: readonly Tensor[] = samples.flat();
	let batch: MaybePromise<TensorList>;
	try {
		batch = collate(samples);
	} catch (error) {
		disposeExcept(all, []);
		throw error;
	}
	return whenReady(
		batch,
		(fields) => {
			disposeExcept(all, fields);
			return fields;
		},
		() => disposeExcept(all, []),
	);
}

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
	readonly #open: (context: StreamContext) => Iterable<TensorList> | AsyncIterable<TensorList>;

	constructor(
		open: (context: StreamContext) => Iterable<TensorList> | AsyncIterable<TensorList>,
		options: { readonly length?: number } = {},
	) {
		const { length } = checkOptions('IterableDataset', options, ['length']);
		requireFunction('IterableDataset', 'open', open, 'a function that starts the stream, because each epoch restarts it');
		if (length !== undefined) requireCounts('IterableDataset', { length });
		this.length = length;
		this.#open = open;
	}

	/** Starts the stream of one epoch. */
	open(context: StreamContext): Iterator<TensorList> | AsyncIterator<TensorList> {
		const stream = this.#open(context) as Partial<Iterable<TensorList> & AsyncIterable<TensorList>> | undefined;
		const iterator = stream?.[Symbol.asyncIterator]?.() ?? stream?.[Symbol.iterator]?.();
		if (iterator === undefined) {
			throw new ArgumentError('IterableDataset: its function must return an iterable: a generator or a list of samples');
		}
		return iterator;
	}
}
