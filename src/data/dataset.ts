/** What a DataLoader takes its samples from. */
import type { DeviceName } from '../backends/contract';
import { ArgumentError } from '../core/errors';
import type { Tensor } from '../tensor';
import { requireList } from './arguments';
import { defaultCollate, discard, disposeExcept, type Fields, type Soon, whenReady } from './fields';

export type { Fields } from './fields';

/**
 * A dataset of known length. Samples are lists of tensors, such as [image, label]; all samples have the same fields.
 *
 * A class that can make a whole batch at once (an array on the host, a tensor on the device) has `batch`, which loaders prefer.
 * `device` is where the loader wants the tensors; a dataset may ignore it, and the loader then moves them.
 */
export interface Dataset {
	readonly length: number;
	/** The sample at `index`, 0 to length - 1. The caller owns the tensors. */
	get(index: number, device?: DeviceName): Fields | Promise<Fields>;
	/** The samples at `indices`, stacked: each field gets a first dimension of indices.length. The caller owns the tensors. */
	batch?(indices: ArrayLike<number>, device?: DeviceName): Fields | Promise<Fields>;
}

/** Throws unless `indices` are places in a dataset of `length` samples. */
export function requireIndices(name: string, indices: ArrayLike<number>, length: number): void {
	requireList(name, 'indices', indices);
	for (let i = 0; i < indices.length; i++) requireIndex(name, indices[i]!, length);
}

/** Throws unless `index` is a place in a dataset of `length` samples. */
export function requireIndex(name: string, index: number, length: number): void {
	if (!Number.isInteger(index) || index < 0 || index >= length) {
		throw new ArgumentError(`${name}: index ${index} is out of range for ${length} samples: it is 0 to ${length - 1}`);
	}
}

export function requireDataset(name: string, dataset: unknown): asserts dataset is Dataset {
	const { length, get } = (dataset ?? {}) as Partial<Dataset>;
	if (typeof get !== 'function' || !Number.isInteger(length) || length! < 0) {
		throw new ArgumentError(
			`${name}: this is no dataset: it needs a length (a whole number) and get(index). Tensors become one by new TensorDataset(x, y)`,
		);
	}
}

/** The samples at `indices`, one by one. When one fails, the others are disposed of. */
export function fetchSamples(dataset: Dataset, indices: ArrayLike<number>, device?: DeviceName): Soon<Fields[]> {
	const started: Soon<Fields>[] = [];
	try {
		for (let i = 0; i < indices.length; i++) started.push(dataset.get(indices[i]!, device));
	} catch (error) {
		for (const sample of started) discard(sample);
		throw error;
	}
	return started.some((sample) => sample instanceof Promise) ? allOrNone(started) : (started as Fields[]);
}

async function allOrNone(started: readonly Soon<Fields>[]): Promise<Fields[]> {
	const settled = await Promise.allSettled(started);
	const failure = settled.find((result) => result.status === 'rejected');
	const samples = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
	if (failure === undefined) return samples;
	for (const sample of samples) discard(sample);
	throw failure.reason;
}

/** The samples at `indices` as one batch, by the dataset's own `batch` or by stacking samples. */
export function fetchBatch(dataset: Dataset, indices: ArrayLike<number>, device?: DeviceName): Soon<Fields> {
	if (dataset.batch !== undefined) return dataset.batch(indices, device);
	return whenReady(fetchSamples(dataset, indices, device), (samples) => collateOwned(samples, defaultCollate));
}

/** `collate(samples)`; the samples' tensors are disposed of unless the batch holds them. */
export function collateOwned(samples: readonly Fields[], collate: (samples: readonly Fields[]) => Soon<Fields>): Soon<Fields> {
	const all: readonly Tensor[] = samples.flat();
	let batch: Soon<Fields>;
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
