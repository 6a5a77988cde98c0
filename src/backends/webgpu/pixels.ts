/** Launches of shaders/pixels.wgsl.ts. */
import { pixelsKernel } from '../../../shaders/pixels.wgsl';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import type { PixelKernels } from '../contract/pixels';
import type { Gpu } from './launch';

export function pixelKernels(gpu: Gpu): PixelKernels {
	return {
		pixels({ x }, { y }) {
			const [channels, height, width] = y.shape as [1 | 3 | 4, number, number];
			const n = height * width;
			gpu.launch({
				kernel: pixelsKernel,
				variant: { channels },
				buffers: { x: x.storage, y: y.storage },
				params: { n, width, pitch: x.shape[1]! },
				grid: [Math.ceil(n / WORKGROUP_SIZE)],
				flops: channels * n,
				bytes: 4 * (1 + channels) * n,
			});
		},
	};
}
