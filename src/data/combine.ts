/** Datasets that combine or transform other datasets. */
import type { DeviceName } from '../backends/contract';
import { requireFunction, requireList } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import { tensor } from '../ops/creation';
import { indexSelect } from '../ops/indexing';
import { cat, select } from '../ops/layout';
import type { Tensor } from '../tensor';
import { discard, disposeExcept, type MaybePromise, requireTensorList, type TensorList, whenReady } from './batch';
import { type Dataset, fetchBatch, requireDataset, requireIndex, requireIndices } from './dataset';

/** The samples of `dataset` at `indices`, in that order. As PyTorch's Subset. */
export class Subset implements Dataset {
	readonly dataset: Dataset;
	readonly indices: Int32Array;

	constructor(dataset: Dataset, indices: ArrayLike<number>) {
		requireDataset('Subset', dataset);
		requireIndices('Subset', indices, dataset.length);
		this.dataset = dataset;
		this.indices = Int32Array.from(indices);
	}

	get length(): number {
		return this.indices.length;
	}

	get(index: number, device?: DeviceName): MaybePromise<TensorList> {
		requireIndex('Subset', index, this.length);
		return this.dataset.get(this.indices[index]!, device);
	}

	batch(indices: ArrayLike<number>, device?: DeviceName): MaybePromise<TensorList> {
		requireIndices('Subset', indices, this.length);
		const mapped = Int32Array.from(indices, (index) => this.indices[index]!);
		return fetchBatch(this.dataset, mapped, device);
	}
}

/** Concatenates several datasets. As PyTorch's ConcatDataset. */
export class ConcatDataset implements Dataset {
	readonly datasets: readonly Dataset[];
	/** The end of each dataset. */
	readonly #ends: readonly number[];

	constructor(datasets: readonly Dataset[]) {
		requireList('ConcatDataset', 'datasets', datasets);
		if (datasets.length === 0) throw new ArgumentError('ConcatDataset: it takes at least one dataset');
		for (const dataset of datasets) requireDataset('ConcatDataset', dataset);
		this.datasets = datasets;
		let end = 0;
		this.#ends = datasets.map((dataset) => {
			end += dataset.length;
			return end;
		});
	}

	get length(): number {
		return this.#ends.at(-1)!;
	}

	/** The dataset that holds sample `index`, and the sample's index in it. */
	#locate(index: number): readonly [part: number, index: number] {
		requireIndex('ConcatDataset', index, this.length);
		const part = this.#ends.findIndex((end) => index < end);
		return [part, index - (part === 0 ? 0 : this.#ends[part - 1]!)];
	}

	get(index: number, device?: DeviceName): MaybePromise<TensorList> {
		const [part, place] = this.#locate(index);
		return this.datasets[part]!.get(place, device);
	}

	batch(indices: ArrayLike<number>, device?: DeviceName): MaybePromise<TensorList> {
		requireList('ConcatDataset', 'indices', indices);
		const wanted = new Map<number, { places: number[]; positions: number[] }>();
		for (let i = 0; i < indices.length; i++) {
			const [part, place] = this.#locate(indices[i]!);
			const group = wanted.get(part) ?? { places: [], positions: [] };
			wanted.set(part, group);
			group.places.push(place);
			group.positions.push(i);
		}
		const groups = [...wanted];
		const parts = groups.map(([part, { places }]) => fetchBatch(this.datasets[part]!, places, device));
		if (parts.length === 1) return parts[0]!;
		const positions = groups.flatMap(([, group]) => group.positions);
		if (parts.some((part) => part instanceof Promise)) {
			const all = Promise.all(parts);
			all.catch(() => parts.forEach(discard));
			return all.then((ready) => interleaved(ready, positions));
		}
		return interleaved(parts as TensorList[], positions);
	}
}

/** Combines the rows of all parts into one batch, with row i at positions[i]. */
function interleaved(parts: readonly TensorList[], positions: readonly number[]): TensorList {
	const order = new Int32Array(positions.length);
	positions.forEach((position, i) => {
		order[position] = i;
	});
	try {
		const width = parts[0]!.length;
		if (parts.some((part) => part.length !== width)) {
			throw new ArgumentError(
				`ConcatDataset: samples of one dataset have ${parts.map((part) => part.length).join(', those of another ')} fields; they must have the same number`,
			);
		}
		return parts[0]!.map((_, j) => {
			using rows = cat(parts.map((part) => part[j]!));
			using index = tensor(order, { device: rows.device });
			return indexSelect(rows, 0, index);
		});
	} finally {
		for (const part of parts) disposeExcept(part, []);
	}
}

export interface MapOptions {
	/** Call `fn` with whole batches, which have a first dim of samples, instead of single samples. Default false. */
	readonly batched?: boolean;
}

/**
 * Applies `fn(fields)` to each sample of `dataset`, or with `batched` to each batch. `fn` may be asynchronous. Disposes of the tensors that
 * `fn` takes and does not return. In a DataLoader, `fn` draws the batch's own random numbers until its first await. If the dataset itself
 * is asynchronous, like ImageFolder, draw in the loader's `transform` instead.
 */
export class MapDataset implements Dataset {
	readonly dataset: Dataset;
	readonly batch?: (indices: ArrayLike<number>, device?: DeviceName) => MaybePromise<TensorList>;
	readonly #fn: (fields: TensorList) => MaybePromise<TensorList>;
	readonly #batched: boolean;

	constructor(dataset: Dataset, fn: (fields: TensorList) => MaybePromise<TensorList>, options: MapOptions = {}) {
		const { batched = false } = checkOptions('MapDataset', options, ['batched']);
		requireDataset('MapDataset', dataset);
		requireFunction('MapDataset', 'fn', fn, "a function of a sample's fields");
		this.dataset = dataset;
		this.#fn = fn;
		this.#batched = batched;
		if (batched) {
			this.batch = (indices, device) => whenReady(fetchBatch(dataset, indices, device), (fields) => this.#mapped(fields));
		}
	}

	get length(): number {
		return this.dataset.length;
	}

	get(index: number, device?: DeviceName): MaybePromise<TensorList> {
		requireIndex('MapDataset', index, this.length);
		if (!this.#batched) return whenReady(this.dataset.get(index, device), (fields) => this.#mapped(fields));
		return whenReady(this.batch!([index], device), (fields) => fields.map(onlyRow));
	}

	#mapped(fields: TensorList): MaybePromise<TensorList> {
		const release = () => disposeExcept(fields, []);
		try {
			return whenReady(
				this.#fn(fields),
				(result) => {
					requireTensorList("MapDataset's function", result);
					disposeExcept(fields, result);
					return result;
				},
				release,
			);
		} catch (error) {
			release();
			throw error;
		}
	}
}

function onlyRow(field: Tensor): Tensor {
	const row = select(field, 0, 0);
	field.dispose();
	return row;
}
