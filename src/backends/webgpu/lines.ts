/** Launches of the kernels that run along one dim: shaders/reduceScan.wgsl.ts and reduceMedian.wgsl.ts. */
import { MEDIAN_STATE, medianKernel, medianStep, medianWalk } from '../../../shaders/reduceMedian.wgsl';
import { type ScanVariant, scanKernel } from '../../../shaders/reduceScan.wgsl';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import { numel } from '../../core/shape';
import type { Storage, View } from '../contract';
import type { LineKernels } from '../contract/lines';
import { type Gpu, storageType } from './launch';
import { gpuBytes } from './memory';
import { type Axis, axesView, collapseAxes } from './strides';

/** The lines of a view along a dim; `inner` is the stride of a line's elements in a contiguous tensor. */
function linesOf(x: Pick<View, 'shape' | 'strides'>, dim: number) {
	const axes: Axis[] = x.shape.map((size, d) => ({ size, stride: x.strides[d]! }));
	const length = x.shape[dim] ?? 1;
	return {
		length,
		stride: x.strides[dim] ?? 1,
		inner: numel(x.shape.slice(dim + 1)),
		lines: length === 0 ? 0 : numel(x.shape) / length,
		kept: collapseAxes(axes.filter((_, d) => d !== dim)),
	};
}

/** The most elements of a chunk, for exactness. */
const LONGEST_CHUNK = 4096;
/** From this many elements on, a chunk gets its own invocation. */
const SHORTEST_CHUNK = 1024;

/**
 * From this size on, a part of a line gets its own workgroup, if there are few lines. One workgroup for a whole line could take
 * seconds.
 */
const MEDIAN_PART = 16384;
const MEDIAN_WORKGROUPS = 1024;

interface ScanLevel {
	readonly source: Storage;
	readonly from: Pick<View, 'shape' | 'strides' | 'offset'>;
	readonly dim: number;
	readonly target: Storage;
	readonly kind: Pick<ScanVariant, 'source' | 'target'>;
	readonly reverse: boolean;
	readonly a?: View | undefined;
}

type ScanTypes = Pick<ScanVariant, 'op' | 'input' | 'output'>;

function launchScan(gpu: Gpu, types: ScanTypes, level: ScanLevel): void {
	const { length, stride, inner, lines, kept } = linesOf(level.from, level.dim);
	if (lines === 0) return;
	// Independent invocations if they read adjacent elements, or if workgroups do not pay.
	const lanes = gpu.isSoftware || (inner > 1 && lines >= 4096) ? 1 : 64;
	const wanted = lanes === 64 ? Math.ceil(length / LONGEST_CHUNK) : Math.ceil(Math.min(1024 / lines, length / SHORTEST_CHUNK));
	const segment = Math.min(Math.ceil(length / wanted), LONGEST_CHUNK);
	const chunks = Math.ceil(length / segment);
	const pair = types.op === 'linear';
	const run = (target: ScanVariant['target'], storage: Storage, totals?: Storage) => {
		gpu.launch({
			kernel: scanKernel,
			variant: { ...types, source: level.kind.source, target, after: totals !== undefined, lanes },
			buffers: { x: level.source, y: storage, coefficients: level.a?.storage, totals },
			params: {
				keptDims: axesView(kept, level.from.offset),
				offsetA: level.a?.offset,
				length,
				stride,
				inner,
				reverse: level.reverse,
				segment,
				chunks,
				items: lines * chunks,
			},
			grid: [lanes === 1 ? Math.ceil((lines * chunks) / WORKGROUP_SIZE) : lines * chunks],
			flops: lines * length * (pair ? 3 : 1),
			bytes: lines * length * (target === 'totals' ? 4 : 8) * (pair ? 2 : 1),
		});
	};
	if (chunks === 1) {
		run(level.kind.target, level.target);
		return;
	}
	const scratch = () =>
		gpu.scratch(lines * chunks * (pair ? 2 : 1), types.input === 'i32' || types.input === 'u32' ? 'int32' : 'float32');
	const totals = scratch();
	const scanned = scratch();
	run('totals', totals);
	launchScan(gpu, types, {
		source: totals,
		from: { shape: [lines, chunks], strides: [chunks, 1], offset: 0 },
		dim: 1,
		target: scanned,
		kind: { source: 'partials', target: 'partials' },
		reverse: false,
	});
	gpu.release(totals);
	run(level.kind.target, level.target, scanned);
	gpu.release(scanned);
}

export function lineKernels(gpu: Gpu): LineKernels {
	return {
		median({ x }, { values, indices }, { dim }) {
			const { length, stride, lines, kept } = linesOf(x, dim);
			if (lines === 0) return;
			const variant = { storage: storageType(x) };
			const bytes = lines * length * gpuBytes(x.dtype);
			const params = { keptDims: axesView(kept, x.offset), lines, length, stride, nan: Number.NaN };
			const parts = Math.min(Math.ceil(length / MEDIAN_PART), Math.floor(MEDIAN_WORKGROUPS / lines));
			if (parts <= 1) {
				const buffers = { x: x.storage, values: values.storage, indices: indices.storage };
				gpu.launch({ kernel: medianKernel, variant, buffers, params, grid: [lines], flops: 0, bytes: 5 * bytes });
				return;
			}
			const state = gpu.scratch(lines * MEDIAN_STATE, 'int32');
			const stateBytes = 4 * state.length;
			for (let turn = 0; turn <= 5; turn++) {
				const own = { variant, params: { ...params, turn, parts, part: Math.ceil(length / parts) }, flops: 0 };
				const buffers = { state, values: values.storage, indices: indices.storage };
				gpu.launch({ ...own, kernel: medianStep, buffers, grid: [lines], bytes: stateBytes });
				if (turn === 5) break;
				gpu.launch({
					...own,
					kernel: medianWalk,
					buffers: { x: x.storage, state },
					grid: [lines * parts],
					bytes: bytes + stateBytes,
				});
			}
			gpu.release(state);
		},

		scan({ x, a }, { y }, { op, dim, reverse }) {
			const types = { op, input: storageType(x), output: storageType(y) };
			const kind = { source: 'elements', target: 'result' } as const;
			launchScan(gpu, types, { source: x.storage, from: x, dim, target: y.storage, kind, reverse, a });
		},
	};
}
