/** Launches of shaders/indexing.wgsl.ts, and of sorting and summing by sorted keys (ordering.ts). */
import { checkIndices, gather, indexKeys, scatter, scatterMark, searchsorted } from '../../../shaders/indexing.wgsl';
import type { SegmentOp } from '../../../shaders/segment.wgsl';
import { sortKeys } from '../../../shaders/sort.wgsl';
import type { IndexCheck } from '../../core/indexCheck';
import { contiguousStrides, isContiguous, MAX_RANK, numel } from '../../core/shape';
import type { Storage, View } from '../contract';
import type { IndexingKernels } from '../contract/indexing';
import { collapse } from './collapse';
import { type Gpu, storageType } from './launch';
import { gpuBytes } from './memory';
import { bitsFor, type Segments, sortKeysOf, sumSegments } from './ordering';

const WORKGROUP = 64;

/** The grid of so many threads. */
export function workgroups(threads: number): readonly [number] {
	return [Math.ceil(threads / WORKGROUP)];
}

function eight(values: readonly number[]): number[] {
	return Array.from({ length: MAX_RANK }, (_, d) => values[d] ?? 0);
}

/** The words of the shaders' PLACE: where elements of `index` point in `x`, and which elements of `source` stand beside them. */
function placeWords(x: View, index: View, dim: number, source?: View): number[] {
	const { shape, strides } = collapse(index.shape, [x.strides.with(dim, 0), index.strides, source?.strides ?? index.strides]);
	return [
		...eight(shape),
		...eight(strides[0]!),
		...eight(strides[1]!),
		...eight(strides[2]!),
		numel(index.shape),
		shape.length,
		x.offset,
		index.offset,
		source?.offset ?? 0,
		x.strides[dim]!,
		x.shape[dim]!,
		numel(x.shape),
	];
}

/** Whether the value of `index` depends on its coordinate `dim` alone, and all else matches x: then whole rows move. */
function movesRows(x: View, index: View, dim: number): boolean {
	return index.shape.every((size, d) => d === dim || (size === x.shape[d] && (size === 1 || index.strides[d] === 0)));
}

/** The sizes before and after `dim`, as products. */
function around(shape: readonly number[], dim: number): { outer: number; inner: number } {
	return { outer: numel(shape.slice(0, dim)), inner: numel(shape.slice(dim + 1)) };
}

interface RowIndex {
	readonly storage: Storage;
	readonly offset: number;
	readonly stride: number;
	readonly n: number;
}

interface RowOptions {
	readonly dim: number;
	/** An index whose rows are left out. Default none. */
	readonly skipped?: number;
	readonly check?: IndexCheck | undefined;
}

/** y[.., index[i], ..] += source[.., i, ..], rows of dim `dim`. */
export function addRows(gpu: Gpu, index: RowIndex, source: View, y: View, { dim, skipped = -1, check }: RowOptions): void {
	const { n } = index;
	const limit = y.shape[dim]!;
	const keys = gpu.scratch(n, 'int32');
	gpu.launch({
		kernel: indexKeys,
		variant: { access: 'rows' },
		buffers: [index.storage, keys, gpu.indexRecords],
		params: [n, index.offset, index.stride, limit, skipped >>> 0],
		grid: workgroups(n),
		flops: 0,
		bytes: 8 * n,
		check,
	});
	addSorted(gpu, keys, source, y, { n, limit, ...around(y.shape, dim) });
}

interface PlaceOptions {
	readonly op: SegmentOp;
	readonly dim: number;
	readonly check: IndexCheck | undefined;
}

/** y[.., index[i, ..], ..] += source[i, ..], or *=, any index. */
function combinePlaces(gpu: Gpu, index: View, source: View, y: View, { op, dim, check }: PlaceOptions): void {
	const n = numel(index.shape);
	const keys = gpu.scratch(n, 'int32');
	gpu.launch({
		kernel: indexKeys,
		variant: { access: 'general' },
		buffers: [index.storage, keys, gpu.indexRecords],
		params: placeWords(y, index, dim),
		grid: workgroups(n),
		flops: 0,
		bytes: 8 * n,
		check,
	});
	addSorted(gpu, keys, source, y, { op, n, limit: numel(y.shape), outer: 1, inner: 1 });
}

/** Sorts `keys`, which it takes, and adds the rows of `source` to y by them, or multiplies them in. */
function addSorted(gpu: Gpu, keys: Storage, source: View, y: View, sizes: Omit<Segments, 'keys' | 'positions'>): void {
	const positions = gpu.scratch(sizes.n, 'int32');
	const sorted = sortKeysOf(gpu, keys, positions, { rows: 1, n: sizes.n, bits: bitsFor(sizes.limit) });
	sumSegments(gpu, source, y, { keys: sorted, positions, ...sizes });
	gpu.release(sorted);
	gpu.release(positions);
}

export function indexingKernels(gpu: Gpu): IndexingKernels {
	return {
		checkIndices({ index }, _, check) {
			const n = numel(index.shape);
			gpu.launch({
				kernel: checkIndices,
				variant: { ascending: check.ascending ?? false },
				buffers: [index.storage, gpu.indexRecords],
				params: [n, index.offset, index.strides[0]!, check.least >>> 0, check.count],
				grid: workgroups(n),
				flops: 0,
				bytes: 4 * n,
				check,
			});
		},

		gather({ x, index }, { y }, { dim, check }) {
			const type = storageType(x);
			const n = numel(index.shape);
			const bytes = n * (4 + 2 * gpuBytes(x.dtype));
			const buffers = [x.storage, index.storage, y.storage, gpu.indexRecords];
			if (!movesRows(x, index, dim) || !isContiguous(x.shape, x.strides)) {
				const params = placeWords(x, index, dim);
				gpu.launch({
					kernel: gather,
					variant: { type, access: 'general' },
					buffers,
					params,
					grid: workgroups(n),
					flops: 0,
					bytes,
					check,
				});
				return;
			}
			const { inner } = around(x.shape, dim);
			const four = inner % 4 === 0 && x.offset % 4 === 0;
			const width = four ? 4 : 1;
			gpu.launch({
				kernel: gather,
				variant: { type, access: four ? 'rows4' : 'rows' },
				buffers,
				params: [n / width, inner / width, index.shape[dim]!, x.shape[dim]!, x.offset / width, index.offset, index.strides[dim]!],
				grid: workgroups(n / width),
				flops: 0,
				bytes,
				check,
			});
		},

		scatterAddInto({ index, source }, { y }, { dim, check }) {
			if (numel(index.shape) === 0) return;
			if (!movesRows(y, index, dim)) {
				combinePlaces(gpu, index, source, y, { op: 'sum', dim, check });
				return;
			}
			const rows = { storage: index.storage, offset: index.offset, stride: index.strides[dim]!, n: index.shape[dim]! };
			addRows(gpu, rows, source, y, { dim, check });
		},

		scatterMultiplyInto({ index, source }, { y }, { dim, check }) {
			if (numel(index.shape) > 0) combinePlaces(gpu, index, source, y, { op: 'product', dim, check });
		},

		scatterInto({ index, source }, { y }, { dim, unique, check }) {
			const n = numel(index.shape);
			if (n === 0) return;
			const params = placeWords(y, index, dim, source);
			const buffers = [index.storage, source.storage, y.storage];
			const type = storageType(y);
			const bytes = n * (4 + 2 * gpuBytes(y.dtype));
			const grid = workgroups(n);
			if (unique) {
				buffers.push(gpu.indexRecords);
				gpu.launch({ kernel: scatter, variant: { type, unique }, buffers, params, grid, flops: 0, bytes, check });
				return;
			}
			const winner = gpu.scratch(numel(y.shape), 'int32');
			const view = {
				storage: winner,
				dtype: winner.dtype,
				shape: [winner.length],
				strides: contiguousStrides([winner.length]),
				offset: 0,
			};
			y.storage.owner.kernels.fill({}, { y: view }, { value: 0 });
			gpu.launch({
				kernel: scatterMark,
				variant: {},
				buffers: [index.storage, winner],
				params,
				grid,
				flops: 0,
				bytes: 12 * n,
			});
			buffers.push(winner, gpu.indexRecords);
			gpu.launch({
				kernel: scatter,
				variant: { type, unique },
				buffers,
				params,
				grid,
				flops: 0,
				bytes: bytes + 4 * n,
				check,
			});
			gpu.release(winner);
		},

		sort({ x }, { values, indices }, { descending }) {
			const size = numel(x.shape);
			if (size === 0) return;
			const n = x.shape.at(-1)!;
			const { shape, strides } = collapse(x.shape, [x.strides]);
			const keys = gpu.scratch(size, 'int32');
			gpu.launch({
				kernel: sortKeys,
				variant: { type: storageType(x), descending },
				buffers: [x.storage, keys],
				params: [...eight(shape), ...eight(strides[0]!), size, shape.length, x.offset],
				grid: workgroups(size),
				flops: 0,
				bytes: size * (4 + gpuBytes(x.dtype)),
			});
			// A descending bool is ~0 or ~1: all 32 bits count, as for numbers.
			const bits = x.dtype === 'bool' && !descending ? 1 : 32;
			gpu.release(sortKeysOf(gpu, keys, indices.storage, { rows: size / n, n, bits }));
			this.gather({ x, index: indices }, { y: values }, { dim: x.shape.length - 1 });
		},

		searchsorted({ sorted, values }, { y }, { right }) {
			const n = numel(values.shape);
			gpu.launch({
				kernel: searchsorted,
				variant: { type: storageType(sorted), right },
				buffers: [sorted.storage, values.storage, y.storage],
				params: [n, values.shape[1]!, sorted.shape[1]!, sorted.offset, values.offset],
				grid: workgroups(n),
				flops: 0,
				bytes: n * (4 + gpuBytes(values.dtype) * (1 + bitsFor(sorted.shape[1]!))),
			});
		},
	};
}
