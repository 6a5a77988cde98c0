/**
 * Launches of shaders/sort.wgsl.ts and shaders/segment.wgsl.ts: sorting keys, and summing rows with equal sorted keys. Indexing
 * and embedding use them.
 */
import { SEGMENT_BLOCK, type SegmentOp, segmentJoin, segmentSum } from '../../../shaders/segment.wgsl';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import { RADIX_BITS, RADIX_CHUNK, radixCount, radixMove, radixScan, rankSort } from '../../../shaders/sort.wgsl';
import type { Storage, View } from '../contract';
import { type Gpu, storageType } from './launch';

/** Rows up to this length are sorted by rank. On lavapipe both sorts take the same time here; on GPUs a single launch wins. */
const RANK_MAX = 512;

export interface Rows {
	readonly rows: number;
	readonly n: number;
	/** Keys are below 2^bits. */
	readonly bits: number;
}

/**
 * Sorts each row of keys, stably, and writes into `positions` where each key was in its row. Returns the sorted keys. `keys` now
 * belongs to this function; the caller releases the result.
 */
export function sortRows(gpu: Gpu, keys: Storage, positions: Storage, { rows, n, bits }: Rows): Storage {
	const size = rows * n;
	if (n <= RANK_MAX) {
		const sorted = gpu.scratch(size, 'int32');
		gpu.launch({
			kernel: rankSort,
			variant: {},
			buffers: { keys, sortedKeys: sorted, positions },
			params: { rows, n },
			grid: [Math.ceil(size / WORKGROUP_SIZE)],
			flops: 0,
			bytes: 12 * size,
		});
		gpu.release(keys);
		return sorted;
	}
	const chunks = Math.ceil(n / RADIX_CHUNK);
	const counts = gpu.scratch(rows * chunks * 2 ** RADIX_BITS, 'int32');
	const spare = { keys: gpu.scratch(size, 'int32'), positions: gpu.scratch(size, 'int32') };
	const passes = Math.max(1, Math.ceil(bits / RADIX_BITS));
	const threads = Math.ceil((rows * chunks) / WORKGROUP_SIZE);
	const countBytes = 4 * counts.length;
	let from = { keys, positions };
	let to = spare;
	// The passes alternate between two storages for positions, and the last pass must write into the caller's.
	if (passes % 2 === 1) {
		from = { keys, positions: spare.positions };
		to = { keys: spare.keys, positions };
	}
	for (let pass = 0; pass < passes; pass++) {
		const params = { rows, n, chunks, shift: pass * RADIX_BITS };
		gpu.launch({
			kernel: radixCount,
			variant: {},
			buffers: { keys: from.keys, counts },
			params,
			grid: [threads],
			flops: 0,
			bytes: 4 * size + countBytes,
		});
		gpu.launch({ kernel: radixScan, variant: {}, buffers: { counts }, params, grid: [rows], flops: 0, bytes: 2 * countBytes });
		gpu.launch({
			kernel: radixMove,
			variant: { first: pass === 0 },
			buffers: {
				keys: from.keys,
				starts: counts,
				movedKeys: to.keys,
				movedPositions: to.positions,
				positions: pass > 0 ? from.positions : undefined,
			},
			params,
			grid: [threads],
			flops: 0,
			bytes: 16 * size + countBytes,
		});
		[from, to] = [to, from];
	}
	gpu.release(counts);
	gpu.release(spare.positions);
	gpu.release(to.keys);
	return from.keys;
}

export interface Segments {
	/** Sorted, one for each of the n rows of `source`. Rows with a key of at least `limit` are left out. */
	readonly keys: Storage;
	readonly positions: Storage;
	readonly n: number;
	readonly limit: number;
	/** source is [outer, n, inner] and y [outer, limit, inner], both contiguous. */
	readonly outer: number;
	readonly inner: number;
	/** 'sum' by default. */
	readonly op?: SegmentOp;
}

/** y[o, key, c] += the sum of the rows of `source` with that key, or *= their product. */
export function sumSegments(gpu: Gpu, source: View, y: View, segments: Segments): void {
	const { keys, positions, n, limit, outer, inner, op = 'sum' } = segments;
	const type = storageType(y);
	const four = inner % 4 === 0 && source.offset % 4 === 0;
	const width = four ? 4 : 1;
	const columns = inner / width;
	const blocks = Math.ceil(n / SEGMENT_BLOCK);
	const parts = gpu.scratch(outer * blocks * 2 * inner, type === 'i32' ? 'int32' : 'float32');
	const variant = { op, type, four };
	const params = { n, columns, outer, blocks, limit, offset: source.offset / width };
	const grid = [Math.ceil((outer * blocks * columns) / WORKGROUP_SIZE)] as const;
	const elements = outer * n * inner;
	gpu.launch({
		kernel: segmentSum,
		variant,
		buffers: { keys, positions, source: source.storage, y: y.storage, parts },
		params,
		grid,
		flops: elements,
		bytes: (type === 'f16' ? 6 : 12) * elements,
	});
	if (blocks > 1) {
		const partBytes = 4 * parts.length;
		gpu.launch({
			kernel: segmentJoin,
			variant,
			buffers: { keys, parts, y: y.storage },
			params,
			grid,
			flops: 0,
			bytes: partBytes,
		});
	}
	gpu.release(parts);
}

/** The number of bits that hold every number from 0 to `largest`. */
export function bitsFor(largest: number): number {
	return 32 - Math.clz32(largest);
}
