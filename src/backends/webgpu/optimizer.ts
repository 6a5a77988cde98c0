/** Launches of shaders/optimizer.wgsl.ts and shaders/optimizerAdaptive.wgsl.ts. */
import { adamStep, type OptimizerVariant, sgdStep } from '../../../shaders/optimizer.wgsl';
import * as steps from '../../../shaders/optimizerAdaptive.wgsl';
import { clipFactor, squares } from '../../../shaders/optimizerClip.wgsl';
import type { ShaderTemplate } from '../../../shaders/shader';
import { numel } from '../../core/shape';
import type { View } from '../contract';
import type { OptimizerKernels, Penalties } from '../contract/optimizer';
import { NAN_BITS } from './axes';
import { floatBits, type Gpu, storageType } from './launch';
import { ownsTail } from './quads';

const WORKGROUP = 64;
/** An invocation that adds up squares has this many reads to do, but for large gradients, which have more. */
const READS = 16;
/** Workgroups that add up the squares of one gradient. */
const SQUARES_AT_MOST = 256;

/** Whether a step may read and write four elements at once: of the views all but the first, the gradient, are written. */
function takesQuads(views: readonly View[], size: number): boolean {
	return views.every((view, i) => view.offset % 4 === 0 && (i === 0 || ownsTail(view, size)));
}

/** Read are all, written all but the gradient. */
function bytesOf(views: readonly View[], size: number): number {
	return views.reduce((sum, { dtype }, i) => sum + (i === 0 ? 1 : 2) * size * (dtype === 'float16' ? 2 : 4), 0);
}

export function optimizerKernels(gpu: Gpu): OptimizerKernels {
	function update(
		kernel: ShaderTemplate<OptimizerVariant>,
		views: readonly View[],
		extra: boolean,
		scalars: readonly number[],
		flops: number,
	): void {
		const size = numel(views[0]!.shape);
		const storage = storageType(views[0]!);
		const vec4 = takesQuads(views, size);
		const width = vec4 ? 4 : 1;
		const count = Math.ceil(size / width);
		// The kernels' offsets of optional buffers stand there whether they are bound or not.
		const offsets = views.map((view) => view.offset / width);
		const expected = kernel === adamStep ? 5 : 3;
		while (offsets.length < expected) offsets.push(0);
		gpu.launch({
			kernel,
			variant: { storage, vec4, extra },
			buffers: views.map((view) => view.storage),
			params: [count, ...offsets, ...scalars],
			grid: [Math.ceil(count / WORKGROUP)],
			flops: flops * size,
			bytes: bytesOf(views, size),
		});
	}

	/** A step of optimizerAdaptive.wgsl.ts: gradient, parameter, state, and the scalars after the penalties. */
	function step<V extends steps.StepVariant>(
		kernel: ShaderTemplate<V>,
		flags: Omit<V, keyof steps.StepVariant>,
		views: readonly View[],
		{ maximize, weightDecay, l1 }: Penalties,
		scalars: readonly number[],
		flops: number,
	): void {
		const size = numel(views[0]!.shape);
		const storage = storageType(views[0]!);
		const vec4 = takesQuads(views, size);
		const width = vec4 ? 4 : 1;
		const count = Math.ceil(size / width);
		gpu.launch({
			kernel,
			variant: { storage, vec4, ...flags } as V,
			buffers: views.map((view) => view.storage),
			params: [
				count,
				...views.map((view) => view.offset / width),
				...[maximize ? -1 : 1, weightDecay, l1, ...scalars].map(floatBits),
			],
			grid: [Math.ceil(count / WORKGROUP)],
			flops: flops * size,
			bytes: bytesOf(views, size),
		});
	}

	return {
		sgdStep({ gradient }, { param, buffer }, { lr, momentum, dampening, nesterov, first, maximize, weightDecay, l1 }) {
			const views = buffer === undefined ? [gradient, param] : [gradient, param, buffer];
			const scalars = [lr, momentum, 1 - dampening, maximize ? -1 : 1, weightDecay, l1].map(floatBits);
			update(sgdStep, views, buffer !== undefined, [...scalars, first ? 1 : 0, nesterov ? 1 : 0], 6);
		},

		adamStep({ gradient }, { param, m, v, largest }, attributes) {
			const { lr, beta1, beta2, eps, correction1, correction2, decoupled, maximize, weightDecay, l1 } = attributes;
			const views = [gradient, param, m, v, ...(largest === undefined ? [] : [largest])];
			const scalars = [
				beta1,
				1 - beta1,
				beta2,
				1 - beta2,
				lr / correction1,
				Math.sqrt(correction2),
				eps,
				maximize ? -1 : 1,
				decoupled ? 0 : weightDecay,
				l1,
				decoupled ? lr * weightDecay : 0,
			];
			update(adamStep, views, largest !== undefined, scalars.map(floatBits), 16);
		},

		rmspropStep({ gradient }, { param, square, mean, buffer }, attributes) {
			const { lr, alpha, eps, momentum } = attributes;
			const views = [gradient, param, square, ...(mean === undefined ? [] : [mean]), ...(buffer === undefined ? [] : [buffer])];
			const flags = { mean: mean !== undefined, buffer: buffer !== undefined };
			step(steps.rmspropStep, flags, views, attributes, [lr, alpha, 1 - alpha, eps, momentum], 12);
		},

		adagradStep({ gradient }, { param, sum }, attributes) {
			step(steps.adagradStep, {}, [gradient, param, sum], attributes, [attributes.lr, attributes.eps], 9);
		},

		adadeltaStep({ gradient }, { param, square, changes }, attributes) {
			const { lr, rho, eps } = attributes;
			step(steps.adadeltaStep, {}, [gradient, param, square, changes], attributes, [lr, rho, 1 - rho, eps], 18);
		},

		adamaxStep({ gradient }, { param, m, largest }, attributes) {
			const { lr, beta1, beta2, eps } = attributes;
			step(steps.adamaxStep, {}, [gradient, param, m, largest], attributes, [lr, beta1, 1 - beta1, beta2, eps], 12);
		},

		nadamStep({ gradient }, { param, m, v }, attributes) {
			const { beta1, beta2, eps, shrink, gradientRate, meanRate, correction2 } = attributes;
			const scalars = [beta1, 1 - beta1, beta2, 1 - beta2, eps, shrink, gradientRate, meanRate, Math.sqrt(correction2)];
			step(steps.nadamStep, {}, [gradient, param, m, v], attributes, scalars, 20);
		},

		radamStep({ gradient }, { param, m, v }, attributes) {
			const { beta1, beta2, eps, shrink, rate, adaptive } = attributes;
			const scalars = [beta1, 1 - beta1, beta2, 1 - beta2, eps, shrink, rate, adaptive ? 1 : 0];
			step(steps.radamStep, {}, [gradient, param, m, v], attributes, scalars, 18);
		},

		lionStep({ gradient }, { param, m }, attributes) {
			const { beta1, beta2, lr, shrink } = attributes;
			step(steps.lionStep, {}, [gradient, param, m], attributes, [beta1, 1 - beta1, beta2, 1 - beta2, lr, shrink], 15);
		},

		clipFactor({ gradients }, { norm, factor }, { maxNorm }) {
			const parts = gradients.map((gradient) => {
				const size = numel(gradient.shape);
				const width = gradient.offset % 4 === 0 ? 4 : 1;
				const wanted = Math.ceil(size / (width * READS * WORKGROUP));
				return { gradient, size, width, invocations: WORKGROUP * Math.min(wanted, SQUARES_AT_MOST) };
			});
			const count = parts.reduce((sum, { invocations }) => sum + invocations, 0);
			const partials = gpu.scratch(count, 'float32');
			let slot = 0;
			for (const { gradient, size, width, invocations } of parts) {
				gpu.launch({
					kernel: squares,
					variant: { vec4: width === 4 },
					buffers: [gradient.storage, partials],
					params: [size, gradient.offset / width, slot, invocations],
					grid: [invocations / WORKGROUP],
					flops: 2 * size,
					bytes: 4 * size,
				});
				slot += invocations;
			}
			gpu.launch({
				kernel: clipFactor,
				variant: {},
				buffers: [partials, norm.storage, factor.storage],
				params: [count, floatBits(maxNorm), NAN_BITS],
				grid: [1],
				flops: count,
				bytes: 4 * count,
			});
			gpu.release(partials);
		},

		emaStep({ param }, { average }, { decay }) {
			step(steps.emaStep, {}, [param, average], { maximize: false, weightDecay: 0, l1: 0 }, [decay, 1 - decay], 3);
		},
	};
}
