/** The lookup table on the GPU: a gather of rows. Its gradient scans all indices, or sorts them as indexing.ts does. */
import { embeddingScan } from '../../../shaders/embedding.wgsl';
import { numel } from '../../core/shape';
import type { EmbeddingKernels } from '../contract/embedding';
import { addRows, indexingKernels, workgroups } from './indexing';
import { type Gpu, storageType } from './launch';
import { fillView } from './layout';
import { gpuBytes } from './memory';

/**
 * Up to this many comparisons of indices with rows, a scan is faster than sorting. Up to SCAN_TERMS terms, float32 may add in
 * order.
 */
const SCAN_COMPARISONS = 2 ** 17;
const SCAN_TERMS = 2 ** 12;

const scansTable = (rows: number, n: number): boolean => rows * n <= SCAN_COMPARISONS && n <= SCAN_TERMS;

export function embeddingKernels(gpu: Gpu): EmbeddingKernels {
	const { gather } = indexingKernels(gpu);
	return {
		embedding({ weight, index }, { y }, { check }) {
			const { storage, dtype, offset } = index;
			gather(
				{ x: weight, index: { storage, dtype, shape: y.shape, strides: [index.strides[0]!, 0], offset } },
				{ y },
				{ dim: 0, check },
			);
		},

		embeddingGrad({ index, gradient }, { dWeight }, { paddingIdx }) {
			const { storage, offset, shape, strides } = index;
			const n = shape[0]!;
			const [rows, columns] = dWeight.shape as [number, number];
			if (numel(gradient.shape) > 0 && scansTable(rows, n)) {
				const quads = Math.ceil(columns / 4);
				gpu.launch({
					kernel: embeddingScan,
					variant: { type: storageType(gradient) },
					buffers: { index: storage, gradient: gradient.storage, dWeight: dWeight.storage },
					params: {
						n,
						rows,
						columns,
						quads,
						offset,
						stride: strides[0]!,
						gradientOffset: gradient.offset,
						skipped: paddingIdx,
					},
					grid: workgroups(rows * quads),
					flops: n * columns,
					bytes: 4 * n + gpuBytes(gradient.dtype) * (n + rows) * columns,
				});
				return;
			}
			fillView(gpu, dWeight, 0);
			if (numel(gradient.shape) === 0) return;
			addRows(gpu, { storage, offset, stride: strides[0]!, n }, gradient, dWeight, { dim: 0, skipped: paddingIdx });
		},
	};
}
