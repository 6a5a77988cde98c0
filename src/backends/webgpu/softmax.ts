/** Launches of shaders/softmax.wgsl.ts: merges the kept dims, and chooses lanes and vec4 access. */
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import { type SoftmaxVariant, softmaxKernel } from '../../../shaders/softmax.wgsl';
import { numel } from '../../core/shape';
import type { View } from '../contract';
import type { SoftmaxKernels } from '../contract/softmax';
import { decided } from './decisions';
import { type Gpu, storageType } from './launch';
import { gpuBytes } from './memory';
import { axesView, collapseAxes } from './strides';

/**
 * GPUs share a line if its elements are adjacent in memory or the lines are few. Software adapters share only if the lines are
 * few.
 */
function lanesFor(gpu: Gpu, lines: number, length: number, inner: number): SoftmaxVariant['lanes'] {
	if (length < 64) return 1;
	const chosen = decided(gpu, 'softmax.lanes', '');
	if (chosen !== '') return chosen === '1' ? 1 : chosen === '64' ? 64 : 256;
	if (gpu.isSoftware) return lines < 64 ? 64 : 1;
	if (inner > 1 && lines >= 4096) return 1;
	return length >= 4096 ? 256 : 64;
}

function launchSoftmax(
	gpu: Gpu,
	kind: SoftmaxVariant['kind'],
	{ strided, packed, result, dim, log }: { strided: View; packed?: View; result: View; dim: number; log: boolean },
): void {
	const { shape } = result;
	const length = shape[dim] ?? 1;
	const inner = numel(shape.slice(dim + 1));
	const lines = length === 0 ? 0 : numel(shape) / length;
	const stride = strided.strides[dim] ?? 1;
	const kept = collapseAxes(shape.map((size, d) => ({ size, stride: strided.strides[d]! })).filter((_, d) => d !== dim));
	const offsetY = packed?.offset ?? 0;
	const lanes = lanesFor(gpu, lines, length, inner);
	const last = kept[kept.length - 1]!;
	const aligned = strided.offset % 4 === 0 && offsetY % 4 === 0;
	const along = inner === 1 && stride === 1 && length % 4 === 0 && kept.every((axis) => axis.stride % 4 === 0 || axis.size === 1);
	const across =
		lanes === 1 &&
		inner % 4 === 0 &&
		stride % 4 === 0 &&
		last.stride === 1 &&
		last.size % 4 === 0 &&
		kept.every((axis) => axis === last || axis.stride % 4 === 0);
	const wide = aligned && along ? 'along' : aligned && across ? 'across' : 'no';
	const storage = storageType(result);
	gpu.launch({
		kernel: softmaxKernel,
		variant: { kind, log, storage, wide, lanes },
		buffers:
			packed === undefined
				? { x: strided.storage, y: result.storage }
				: { y: packed.storage, gradient: strided.storage, dx: result.storage },
		params: { strided: axesView(kept, strided.offset), offsetY, lines, length, stride, inner, nan: Number.NaN },
		grid: [lanes === 1 ? Math.ceil(lines / (wide === 'across' ? 4 : 1) / WORKGROUP_SIZE) : lines],
		flops: lines * length * (kind === 'forward' ? 8 : 4),
		bytes: lines * length * (kind === 'forward' ? 2 : 3) * gpuBytes(result.dtype),
	});
}

export function softmaxKernels(gpu: Gpu): SoftmaxKernels {
	return {
		softmax({ x }, { y }, attributes) {
			launchSoftmax(gpu, 'forward', { strided: x, result: y, ...attributes });
		},
		softmaxGrad({ y, gradient }, { dx }, attributes) {
			launchSoftmax(gpu, 'backward', { strided: gradient, packed: y, result: dx, ...attributes });
		},
	};
}
