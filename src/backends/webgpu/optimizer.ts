/** Launches of shaders/optimizer.wgsl.ts and shaders/optimizerClip.wgsl.ts. */
import * as steps from '../../../shaders/optimizer.wgsl';
import { clipFactor, squares } from '../../../shaders/optimizerClip.wgsl';
import type { Parameters, ParameterValue, ParameterValues } from '../../../shaders/parameters';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import { numel } from '../../core/shape';
import type { Storage, View } from '../contract';
import type { OptimizerKernels, Penalties } from '../contract/optimizer';
import { type Gpu, storageType } from './launch';
import { gpuBytes } from './memory';
import { ownsTail } from './quads';

/** An invocation that adds up squares has this many reads to do, but for large gradients, which have more. */
const READS = 16;
/** Workgroups that add up the squares of one gradient. */
const SQUARES_AT_MOST = 256;

/** Whether a step may read and write four elements at once: of the views all but the first, the gradient, are written. */
function takesQuads(views: readonly View[], size: number): boolean {
	return views.every((view, i) => view.offset % 4 === 0 && (i === 0 || ownsTail(view, size)));
}

/** What a step reads, and what it updates in place. */
type StepViews<S extends string> = { readonly gradient: View; readonly param: View } & { readonly [K in S]?: View | undefined };

export function optimizerKernels(gpu: Gpu): OptimizerKernels {
	function step<S extends string, C extends Parameters>(
		{ kernel, state }: steps.Step<S, C>,
		views: NoInfer<StepViews<S>>,
		{ maximize, weightDecay, l1 }: Penalties,
		scalars: NoInfer<ParameterValues<C>>,
		flops: number,
	): void {
		const { gradient, param } = views;
		const size = numel(gradient.shape);
		const present = state.flatMap(({ slot }) => (views as StepViews<string>)[slot] ?? []);
		const vec4 = takesQuads([gradient, param, ...present], size);
		const width = vec4 ? 4 : 1;
		const count = Math.ceil(size / width);
		const has: Record<string, boolean> = {};
		const buffers: Record<string, Storage> = { gradients: gradient.storage, params: param.storage };
		const params: Record<string, NonNullable<ParameterValue>> = {
			count,
			gradientOffset: gradient.offset / width,
			paramOffset: param.offset / width,
			gradientSign: maximize ? -1 : 1,
			weightDecay,
			l1,
			...scalars,
		};
		for (const { slot, offset, buffer } of state) {
			const view = (views as StepViews<string>)[slot];
			has[slot] = view !== undefined;
			if (view === undefined) continue;
			buffers[buffer] = view.storage;
			params[offset] = view.offset / width;
		}
		const variant = { storage: storageType(gradient), vec4, ...(has as Record<S, boolean>) };
		const bytes = [param, param, gradient, ...present, ...present].reduce((sum, { dtype }) => sum + gpuBytes(dtype), 0);
		gpu.launch({
			kernel,
			variant,
			buffers,
			params,
			grid: [Math.ceil(count / WORKGROUP_SIZE)],
			flops: flops * size,
			bytes: bytes * size,
		});
	}

	return {
		sgdStep({ gradient }, { param, buffer }, { lr, momentum, dampening, nesterov, first, ...penalties }) {
			step(steps.sgdStep, { gradient, param, buffer }, penalties, { lr, momentum, keep: 1 - dampening, first, nesterov }, 6);
		},

		adamStep({ gradient }, { param, m, v, largest }, { lr, correction1, correction2, decoupled, ...attributes }) {
			const { weightDecay } = attributes;
			const penalties = { ...attributes, weightDecay: decoupled ? 0 : weightDecay };
			const scalars = {
				...moments(attributes),
				stepSize: lr / correction1,
				rootCorrection2: Math.sqrt(correction2),
				shrink: decoupled ? lr * weightDecay : 0,
			};
			step(steps.adamStep, { gradient, param, m, v, largest }, penalties, scalars, 16);
		},

		rmspropStep({ gradient }, { param, square, mean, buffer }, attributes) {
			const { lr, alpha, eps, momentum } = attributes;
			const scalars = { lr, alpha, oneMinusAlpha: 1 - alpha, eps, momentum };
			step(steps.rmspropStep, { gradient, param, square, mean, buffer }, attributes, scalars, 12);
		},

		adagradStep({ gradient }, { param, sum }, attributes) {
			const { lr, eps } = attributes;
			step(steps.adagradStep, { gradient, param, sum }, attributes, { lr, eps }, 9);
		},

		adadeltaStep({ gradient }, { param, square, changes }, attributes) {
			const { lr, rho, eps } = attributes;
			step(steps.adadeltaStep, { gradient, param, square, changes }, attributes, { lr, rho, oneMinusRho: 1 - rho, eps }, 18);
		},

		adamaxStep({ gradient }, { param, m, largest }, attributes) {
			const { lr, beta1, beta2, eps } = attributes;
			const scalars = { lr, beta1, oneMinusBeta1: 1 - beta1, beta2, eps };
			step(steps.adamaxStep, { gradient, param, m, largest }, attributes, scalars, 12);
		},

		nadamStep({ gradient }, { param, m, v }, attributes) {
			const { shrink, gradientRate, meanRate, correction2 } = attributes;
			const scalars = { ...moments(attributes), shrink, gradientRate, meanRate, rootCorrection2: Math.sqrt(correction2) };
			step(steps.nadamStep, { gradient, param, m, v }, attributes, scalars, 20);
		},

		radamStep({ gradient }, { param, m, v }, attributes) {
			const { shrink, rate, adaptive } = attributes;
			step(steps.radamStep, { gradient, param, m, v }, attributes, { ...moments(attributes), shrink, rate, adaptive }, 18);
		},

		lionStep({ gradient }, { param, m }, attributes) {
			const { beta1, beta2, lr, shrink } = attributes;
			const scalars = { beta1, oneMinusBeta1: 1 - beta1, beta2, oneMinusBeta2: 1 - beta2, lr, shrink };
			step(steps.lionStep, { gradient, param, m }, attributes, scalars, 15);
		},

		emaStep({ param }, { average }, { decay }) {
			const penalties = { maximize: false, weightDecay: 0, l1: 0 };
			step(steps.emaStep, { gradient: param, param: average }, penalties, { decay, oneMinusDecay: 1 - decay }, 3);
		},

		clipFactor({ gradients }, { norm, factor }, { maxNorm }) {
			const parts = gradients.map((gradient) => {
				const size = numel(gradient.shape);
				const width = gradient.offset % 4 === 0 ? 4 : 1;
				const wanted = Math.ceil(size / (width * READS * WORKGROUP_SIZE));
				return { gradient, size, width, invocations: WORKGROUP_SIZE * Math.min(wanted, SQUARES_AT_MOST) };
			});
			const count = parts.reduce((sum, { invocations }) => sum + invocations, 0);
			const partials = gpu.scratch(count, 'float32');
			let slot = 0;
			for (const { gradient, size, width, invocations } of parts) {
				gpu.launch({
					kernel: squares,
					variant: { vec4: width === 4 },
					buffers: { gradient: gradient.storage, partials },
					params: { size, offset: gradient.offset / width, slot, invocations },
					grid: [invocations / WORKGROUP_SIZE],
					flops: 2 * size,
					bytes: 4 * size,
				});
				slot += invocations;
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
	};
}

/** The scalars of Adam and its kin. */
function moments({ beta1, beta2, eps }: Record<'beta1' | 'beta2' | 'eps', number>) {
	return { beta1, oneMinusBeta1: 1 - beta1, beta2, oneMinusBeta2: 1 - beta2, eps };
}
