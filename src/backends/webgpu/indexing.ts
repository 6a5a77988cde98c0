/** Launches of shaders/indexing.wgsl.ts, and of sorts and sums by sorted keys (sort.ts). */
import {
	checkIndices,
	gather,
	gatherRows,
	indexKeys,
	rowKeys,
	scatter,
	scatterMark,
	searchsorted,
} from '../../../shaders/indexing.wgsl';
import type { SegmentOp } from '../../../shaders/segment.wgsl';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import { sortKeys } from '../../../shaders/sort.wgsl';
import type { IndexCheck } from '../../core/indexCheck';
import { contiguousStrides, isContiguous, numel } from '../../core/shape';
import type { Storage, View } from '../contract';
import type { IndexingKernels } from '../contract/indexing';
import { type Gpu, storageType } from './launch';
import { fillView } from './layout';
import { gpuBytes } from './memory';
import { bitsFor, type Segments, sortRows, sumSegments } from './sort';
import { collapseDims } from './strides';

/** The grid for this many invocations. */
export function workgroups(threads: number): readonly [number] {
	return [Math.ceil(threads / WORKGROUP_SIZE)];
}

/** The positions in `x` that `index` addresses, and the elements of `source` for them. */
function offsetsParams(x: View, index: View, dim: number, source?: View) {
	const { shape, strides } = collapseDims(index.shape, [x.strides.with(dim, 0), index.strides, source?.strides ?? index.strides]);
	return {
		shape,
		strides: strides[0]!,
		indexStrides: strides[1]!,
		sourceStrides: strides[2]!,
		n: numel(index.shape),
		rank: shape.length,
		offset: x.offset,
		indexOffset: index.offset,
		sourceOffset: source?.offset,
		dimStride: x.strides[dim]!,
		size: x.shape[dim]!,
		limit: numel(x.shape),
	};
}

/** Whether whole rows move: `index` varies along `dim` only, and its other sizes are those of x. */
function movesRows(x: View, index: View, dim: number): boolean {
	return index.shape.every((size, d) => d === dim || (size === x.shape[d] && (size === 1 || index.strides[d] === 0)));
}

/** The products of the sizes before and after `dim`. */
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
	/** Rows with this index are left out. None by default. */
	readonly skipped?: number;
	readonly check?: IndexCheck | undefined;
}

/** y[.., index[i], ..] += source[.., i, ..], by rows along `dim`. */
export function addRows(gpu: Gpu, index: RowIndex, source: View, y: View, { dim, skipped = -1, check }: RowOptions): void {
	const { n } = index;
	const limit = y.shape[dim]!;
	const keys = gpu.scratch(n, 'int32');
	gpu.launch({
		kernel: rowKeys,
		variant: {},
		buffers: { index: index.storage, keys },
		params: { n, indexOffset: index.offset, indexStride: index.stride, size: limit, skipped },
		grid: workgroups(n),
		flops: 0,
		bytes: 8 * n,
		check,
	});
	addSorted(gpu, keys, source, y, { n, limit, ...around(y.shape, dim) });
}

interface CombineOptions {
	readonly op: SegmentOp;
	readonly dim: number;
	readonly check: IndexCheck | undefined;
}

/** y[.., index[i, ..], ..] += source[i, ..], or another `op`, for any index. */
function combineElements(gpu: Gpu, index: View, source: View, y: View, { op, dim, check }: CombineOptions): void {
	const n = numel(index.shape);
	const keys = gpu.scratch(n, 'int32');
	gpu.launch({
		kernel: indexKeys,
		variant: {},
		buffers: { index: index.storage, keys },
		params: offsetsParams(y, index, dim),
		grid: workgroups(n),
		flops: 0,
		bytes: 8 * n,
		check,
	});
	addSorted(gpu, keys, source, y, { op, n, limit: numel(y.shape), outer: 1, inner: 1 });
}

/** Sorts `keys` and releases them; then adds the rows of `source` into y by their keys, or combines them by another op. */
function addSorted(gpu: Gpu, keys: Storage, source: View, y: View, sizes: Omit<Segments, 'keys' | 'positions'>): void {
	const positions = gpu.scratch(sizes.n, 'int32');
	const sorted = sortRows(gpu, keys, positions, { rows: 1, n: sizes.n, bits: bitsFor(sizes.limit) });
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
				buffers: { index: index.storage },
				params: { n, offset: index.offset, stride: index.strides[0]!, least: check.least, count: check.count },
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
			const buffers = { x: x.storage, index: index.storage, y: y.storage };
			if (!movesRows(x, index, dim) || !isContiguous(x.shape, x.strides)) {
				gpu.launch({
					kernel: gather,
					variant: { type },
					buffers,
					params: offsetsParams(x, index, dim),
					grid: workgroups(n),
					flops: 0,
					bytes,
					check,
				});
				return;
			}
			const { inner } = around(x.shape, dim);
			const wide = inner % 4 === 0 && x.offset % 4 === 0;
			const width = wide ? 4 : 1;
			gpu.launch({
				kernel: gatherRows,
				variant: { type, wide },
				buffers,
				params: {
					n: n / width,
					inner: inner / width,
					count: index.shape[dim]!,
					size: x.shape[dim]!,
					offset: x.offset / width,
					indexOffset: index.offset,
					indexStride: index.strides[dim]!,
				},
				grid: workgroups(n / width),
				flops: 0,
				bytes,
				check,
			});
		},

		scatterAddInto({ index, source }, { y }, { dim, check }) {
			if (numel(index.shape) === 0) return;
			if (!movesRows(y, index, dim)) {
				combineElements(gpu, index, source, y, { op: 'sum', dim, check });
				return;
			}
			const rows = { storage: index.storage, offset: index.offset, stride: index.strides[dim]!, n: index.shape[dim]! };
			addRows(gpu, rows, source, y, { dim, check });
		},

		scatterReduceInto({ index, source }, { y }, { dim, op, check }) {
			if (numel(index.shape) > 0) combineElements(gpu, index, source, y, { op, dim, check });
		},

		scatterInto({ index, source }, { y }, { dim, unique, check }) {
			const n = numel(index.shape);
			if (n === 0) return;
			const params = offsetsParams(y, index, dim, source);
			const buffers = { index: index.storage, source: source.storage, y: y.storage };
			const type = storageType(y);
			const bytes = n * (4 + 2 * gpuBytes(y.dtype));
			const grid = workgroups(n);
			if (unique) {
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
			fillView(gpu, view, 0);
			gpu.launch({
				kernel: scatterMark,
				variant: {},
				buffers: { index: index.storage, winner },
				params,
				grid,
				flops: 0,
				bytes: 12 * n,
			});
			gpu.launch({
				kernel: scatter,
				variant: { type, unique },
				buffers: { ...buffers, winner },
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
			const { shape, strides } = collapseDims(x.shape, [x.strides]);
			const keys = gpu.scratch(size, 'int32');
			gpu.launch({
				kernel: sortKeys,
				variant: { type: storageType(x), descending },
				buffers: { x: x.storage, keys },
				params: { x: { shape, strides: strides[0]!, offset: x.offset }, n: size },
				grid: workgroups(size),
				flops: 0,
				bytes: size * (4 + gpuBytes(x.dtype)),
			});
			// A descending bool becomes ~0 or ~1, so all 32 bits matter, as for numbers.
			const bits = x.dtype === 'bool' && !descending ? 1 : 32;
			gpu.release(sortRows(gpu, keys, indices.storage, { rows: size / n, n, bits }));
			this.gather({ x, index: indices }, { y: values }, { dim: x.shape.length - 1 });
		},

		searchsorted({ sorted, values }, { y }, { right }) {
			const n = numel(values.shape);
			gpu.launch({
				kernel: searchsorted,
				variant: { type: storageType(sorted), right },
				buffers: { sorted: sorted.storage, values: values.storage, y: y.storage },
				params: {
					n,
					perRow: values.shape[1]!,
					length: sorted.shape[1]!,
					offset: sorted.offset,
					valuesOffset: values.offset,
				},
				grid: workgroups(n),
				flops: 0,
				bytes: n * (4 + gpuBytes(values.dtype) * (1 + bitsFor(sorted.shape[1]!))),
			});
		},
	};
}
