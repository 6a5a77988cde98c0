/** Launches of shaders/optimizer.wgsl.ts and shaders/optimizerClip.wgsl.ts. */
import * as steps from '../../../shaders/optimizer.wgsl';
import { clipFactor, limit, scale, squares } from '../../../shaders/optimizerClip.wgsl';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import { MOST_TENSORS } from '../../../shaders/tensorList';
import { numel } from '../../core/shape';
import type { Storage } from '../contract';
import type { OptimizerKernels } from '../contract/optimizer';
import type { Gpu } from './launch';
import { stepLauncher } from './optimizerStep';
import { inChunks, isShared, launchEach } from './tensorList';

/** An invocation that adds up squares does this many reads; more only for large gradients. */
const READS = 16;
/** The most workgroups that add up the squares of one gradient. */
const SQUARES_AT_MOST = 256;

export function optimizerKernels(gpu: Gpu): OptimizerKernels {
	const bindings = gpu.limits.maxStorageBuffersPerShaderStage;
	const step = stepLauncher(gpu);

	return {
		sgdStep({ gradients, control }, { params, buffer }, attributes) {
			const { lr, momentum, dampening, nesterov, first } = attributes;
			const scalars = { lr, momentum, keep: 1 - dampening, first, nesterov };
			step(steps.sgdStep, { gradients, control, params, buffer }, attributes, scalars, 6);
		},

		adamStep({ gradients, control }, { params, m, v, largest }, attributes) {
			const { lr, beta1, beta2, eps, correction1, correction2, decoupled, maximize, weightDecay, l1 } = attributes;
			const penalties = { maximize, weightDecay: decoupled ? 0 : weightDecay, l1 };
			const scalars = {
				beta1,
				oneMinusBeta1: 1 - beta1,
				beta2,
				oneMinusBeta2: 1 - beta2,
				eps,
				stepSize: lr / correction1,
				rootCorrection2: Math.sqrt(correction2),
				shrink: decoupled ? lr * weightDecay : 0,
			};
			step(steps.adamStep, { gradients, control, params, m, v, largest }, penalties, scalars, 16);
		},

		rmspropStep({ gradients, control }, { params, square, mean, buffer }, attributes) {
			const { lr, alpha, eps, momentum } = attributes;
			const scalars = { lr, alpha, oneMinusAlpha: 1 - alpha, eps, momentum };
			step(steps.rmspropStep, { gradients, control, params, square, mean, buffer }, attributes, scalars, 12);
		},

		adagradStep({ gradients, control }, { params, sum }, attributes) {
			const { lr, eps, lrDecay } = attributes;
			step(steps.adagradStep, { gradients, control, params, sum }, attributes, { lr, eps, lrDecay }, 9);
		},

		adadeltaStep({ gradients, control }, { params, square, changes }, attributes) {
			const { lr, rho, eps } = attributes;
			step(
				steps.adadeltaStep,
				{ gradients, control, params, square, changes },
				attributes,
				{ lr, rho, oneMinusRho: 1 - rho, eps },
				18,
			);
		},

		adamaxStep({ gradients, control }, { params, m, largest }, attributes) {
			const { lr, beta1, beta2, eps } = attributes;
			const scalars = { lr, beta1, oneMinusBeta1: 1 - beta1, beta2, eps };
			step(steps.adamaxStep, { gradients, control, params, m, largest }, attributes, scalars, 12);
		},

		nadamStep({ gradients, control }, { params, m, v }, attributes) {
			const { beta1, beta2, eps, shrink, gradientRate, meanRate, correction2 } = attributes;
			const scalars = {
				beta1,
				oneMinusBeta1: 1 - beta1,
				beta2,
				oneMinusBeta2: 1 - beta2,
				eps,
				shrink,
				gradientRate,
				meanRate,
				rootCorrection2: Math.sqrt(correction2),
			};
			step(steps.nadamStep, { gradients, control, params, m, v }, attributes, scalars, 20);
		},

		radamStep({ gradients, control }, { params, m, v }, attributes) {
			const { beta1, beta2, eps, shrink, rate, adaptive } = attributes;
			const scalars = { beta1, oneMinusBeta1: 1 - beta1, beta2, oneMinusBeta2: 1 - beta2, eps, shrink, rate, adaptive };
			step(steps.radamStep, { gradients, control, params, m, v }, attributes, scalars, 18);
		},

		lionStep({ gradients, control }, { params, m }, attributes) {
			const { beta1, beta2, lr, shrink } = attributes;
			const scalars = { beta1, oneMinusBeta1: 1 - beta1, beta2, oneMinusBeta2: 1 - beta2, lr, shrink };
			step(steps.lionStep, { gradients, control, params, m }, attributes, scalars, 15);
		},

		emaStep({ params }, { averages }, { decay }) {
			const penalties = { maximize: false, weightDecay: 0, l1: 0 };
			step(steps.emaStep, { gradients: params, params: averages }, penalties, { decay, oneMinusDecay: 1 - decay }, 3);
		},

		clipFactor({ gradients }, { norm, factor }, { maxNorm }) {
			let count = 0;
			const parts = gradients.map((gradient) => {
				const size = numel(gradient.shape);
				const width = gradient.offset % 4 === 0 ? 4 : 1;
				const wanted = Math.ceil(size / (width * READS * WORKGROUP_SIZE));
				const groups = Math.min(wanted, SQUARES_AT_MOST);
				const slot = count;
				count += groups * WORKGROUP_SIZE;
				return { gradient, size, width, groups, slot };
			});
			const partials = gpu.scratch(count, 'float32');
			for (const width of [4, 1]) {
				const alike = parts.filter((part) => part.width === width && part.size > 0);
				const shared = inChunks(
					alike.filter(({ size }) => isShared(gpu, size)),
					Math.min(MOST_TENSORS, bindings - 1),
				);
				const alone = alike.filter(({ size }) => !isShared(gpu, size)).map((part) => [part]);
				for (const chunk of [...alone, ...shared]) {
					const buffers: Record<string, Storage> = { partials };
					const table: number[] = [];
					let [all, sizes] = [0, 0];
					chunk.forEach(({ gradient, size, groups, slot }, k) => {
						buffers[`gradients${k}`] = gradient.storage;
						table.push(all, size, gradient.offset / width, slot);
						all += groups;
						sizes += size;
					});
					gpu.launch({
						kernel: squares,
						variant: { vec4: width === 4, tensors: chunk.length },
						buffers: buffers as { partials: Storage },
						params: { tensors: table, groups: all },
						grid: [all],
						flops: 2 * sizes,
						bytes: 4 * sizes,
					});
				}
			}
			gpu.launch({
				kernel: clipFactor,
				variant: {},
				buffers: { partials, norm: norm.storage, factor: factor.storage },
				params: { count, maxNorm, nan: Number.NaN },
				grid: [1],
				flops: count,
				bytes: 4 * count,
			});
			gpu.release(partials);
		},

		scaleGradients({ factor }, { gradients }) {
			launchEach(gpu, scale, gradients, { factor: factor.storage }, { factorOffset: factor.offset });
		},

		limitGradients(_, { gradients }, attributes) {
			launchEach(gpu, limit, gradients, {}, { limit: attributes.limit });
		},
	};
}
