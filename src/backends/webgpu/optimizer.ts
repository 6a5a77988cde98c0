/** Launches of shaders/optimizer.wgsl.ts and shaders/optimizerClip.wgsl.ts. */
import * as steps from '../../../shaders/optimizer.wgsl';
import { clipFactor, squares } from '../../../shaders/optimizerClip.wgsl';
import type { Parameters, ParameterValues } from '../../../shaders/parameters';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import { numel } from '../../core/shape';
import type { View } from '../contract';
import type { OptimizerKernels, Penalties } from '../contract/optimizer';
import { ownsTail } from './elementwisePlan';
import { type Gpu, storageType } from './launch';
import { gpuBytes } from './memory';

/** An invocation that adds up squares does this many reads; more only for large gradients. */
const READS = 16;
/** The most workgroups that add up the squares of one gradient. */
const SQUARES_AT_MOST = 256;

/** Whether a step may read and write four elements at once. All views except the first, the gradient, are written. */
function takesQuads(views: readonly View[], size: number): boolean {
	return views.every((view, i) => view.offset % 4 === 0 && (i === 0 || ownsTail(view, size)));
}

/** Bytes read and written: every view is read, and every view except the gradient is written. */
function bytesOf(views: readonly View[], size: number): number {
	return views.reduce((sum, { dtype }, i) => sum + (i === 0 ? 1 : 2) * size * gpuBytes(dtype), 0);
}

/** The views that a step reads, and those that it updates in place. */
type StepViews<S extends string> = { readonly gradient: View; readonly param: View; readonly control?: View | undefined } & {
	readonly [K in S]?: View | undefined;
};

export function optimizerKernels(gpu: Gpu): OptimizerKernels {
	function step<S extends string, C extends Parameters>(
		{ kernel, state }: steps.Step<S, C>,
		views: NoInfer<StepViews<S>>,
		{ maximize, weightDecay, l1 }: Penalties,
		scalars: NoInfer<ParameterValues<C>>,
		flops: number,
	): void {
		const { gradient, param, control } = views;
		const size = numel(gradient.shape);
		const own = views as StepViews<string>;
		const [first, second, third] = [own[state[0]!], own[state[1]!], own[state[2]!]];
		const all = [gradient, param];
		let names = '';
		state.forEach((slot) => {
			const view = own[slot];
			if (view === undefined) return;
			all.push(view);
			names += names === '' ? slot : `,${slot}`;
		});
		const vec4 = takesQuads(all, size);
		const width = vec4 ? 4 : 1;
		const count = Math.ceil(size / width);
		gpu.launch({
			kernel,
			variant: { storage: storageType(gradient), vec4, state: names, controlled: control !== undefined },
			buffers: {
				gradients: gradient.storage,
				params: param.storage,
				state0: first?.storage,
				state1: second?.storage,
				state2: third?.storage,
				control: control?.storage,
			},
			params: {
				count,
				gradientOffset: gradient.offset / width,
				paramOffset: param.offset / width,
				stateOffsets: [first, second, third].map((view) => (view === undefined ? 0 : view.offset / width)),
				gradientSign: maximize ? -1 : 1,
				weightDecay,
				l1,
				...scalars,
			} as ParameterValues<typeof kernel.params>,
			grid: [Math.ceil(count / WORKGROUP_SIZE)],
			flops: flops * size,
			bytes: bytesOf(all, size),
		});
	}

	return {
		sgdStep({ gradient, control }, { param, buffer }, attributes) {
			const { lr, momentum, dampening, nesterov, first } = attributes;
			const scalars = { lr, momentum, keep: 1 - dampening, first, nesterov };
			step(steps.sgdStep, { gradient, control, param, buffer }, attributes, scalars, 6);
		},

		adamStep({ gradient, control }, { param, m, v, largest }, attributes) {
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
			step(steps.adamStep, { gradient, control, param, m, v, largest }, penalties, scalars, 16);
		},

		rmspropStep({ gradient, control }, { param, square, mean, buffer }, attributes) {
			const { lr, alpha, eps, momentum } = attributes;
			const scalars = { lr, alpha, oneMinusAlpha: 1 - alpha, eps, momentum };
			step(steps.rmspropStep, { gradient, control, param, square, mean, buffer }, attributes, scalars, 12);
		},

		adagradStep({ gradient, control }, { param, sum }, attributes) {
			const { lr, eps, lrDecay } = attributes;
			step(steps.adagradStep, { gradient, control, param, sum }, attributes, { lr, eps, lrDecay }, 9);
		},

		adadeltaStep({ gradient, control }, { param, square, changes }, attributes) {
			const { lr, rho, eps } = attributes;
			step(
				steps.adadeltaStep,
				{ gradient, control, param, square, changes },
				attributes,
				{ lr, rho, oneMinusRho: 1 - rho, eps },
				18,
			);
		},

		adamaxStep({ gradient, control }, { param, m, largest }, attributes) {
			const { lr, beta1, beta2, eps } = attributes;
			const scalars = { lr, beta1, oneMinusBeta1: 1 - beta1, beta2, eps };
			step(steps.adamaxStep, { gradient, control, param, m, largest }, attributes, scalars, 12);
		},

		nadamStep({ gradient, control }, { param, m, v }, attributes) {
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
			step(steps.nadamStep, { gradient, control, param, m, v }, attributes, scalars, 20);
		},

		radamStep({ gradient, control }, { param, m, v }, attributes) {
			const { beta1, beta2, eps, shrink, rate, adaptive } = attributes;
			const scalars = { beta1, oneMinusBeta1: 1 - beta1, beta2, oneMinusBeta2: 1 - beta2, eps, shrink, rate, adaptive };
			step(steps.radamStep, { gradient, control, param, m, v }, attributes, scalars, 18);
		},

		lionStep({ gradient, control }, { param, m }, attributes) {
			const { beta1, beta2, lr, shrink } = attributes;
			const scalars = { beta1, oneMinusBeta1: 1 - beta1, beta2, oneMinusBeta2: 1 - beta2, lr, shrink };
			step(steps.lionStep, { gradient, control, param, m }, attributes, scalars, 15);
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
