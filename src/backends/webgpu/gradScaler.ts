/** Launches of shaders/gradScaler.wgsl.ts. */
import * as kernels from '../../../shaders/gradScaler.wgsl';
import type { GradScalerKernels } from '../contract/gradScaler';
import type { Gpu } from './launch';
import { launchEach } from './tensorList';

export function gradScalerKernels(gpu: Gpu): GradScalerKernels {
	return {
		unscale({ scale }, { gradients, found }) {
			const buffers = { scale: scale.storage, found: found.storage };
			launchEach(gpu, kernels.unscale, gradients, buffers, { scaleOffset: scale.offset, foundOffset: found.offset });
		},

		updateScale({ found }, { scale, tracker }, attributes) {
			gpu.launch({
				kernel: kernels.updateScale,
				variant: {},
				buffers: { found: found.storage, scale: scale.storage, tracker: tracker.storage },
				params: {
					foundOffset: found.offset,
					scaleOffset: scale.offset,
					trackerOffset: tracker.offset,
					...attributes,
				},
				grid: [1],
				flops: 1,
				bytes: 20,
			});
		},

		countStep({ step, product, found }, { next, control, nextProduct }, { kind, beta1, beta2, momentumDecay }) {
			const longest = 2 / (1 - beta2) - 1;
			gpu.launch({
				kernel: kernels.countStep,
				variant: { kind, skips: found !== undefined },
				buffers: {
					step: step.storage,
					next: next.storage,
					control: control.storage,
					found: found?.storage,
					product: product?.storage,
					nextProduct: nextProduct?.storage,
				},
				params: {
					stepOffset: step.offset,
					productOffset: product?.offset ?? 0,
					foundOffset: found?.offset ?? 0,
					log1: Math.log(beta1),
					log2: Math.log(beta2),
					beta1,
					logDecay: momentumDecay * Math.log(0.96),
					longest,
					rest: longest + 2 / Math.log(beta2),
				},
				grid: [1],
				flops: 40,
				bytes: 48,
			});
		},
	};
}
