/** Reference optimizer steps. */
import type { View } from '../contract';
import { CONTROL } from '../contract/gradScaler';
import type { OptimizerKernels, Penalties } from '../contract/optimizer';
import { cpuData } from './storage';

/** The elements of a contiguous view. */
function elements(view: View): Float32Array | Float64Array {
	let size = 1;
	for (const dim of view.shape) size *= dim;
	return cpuData(view).subarray(view.offset, view.offset + size) as Float32Array | Float64Array;
}

/** The values of a step's control; undefined without one. */
function countsOf(control: View | undefined) {
	if (control === undefined) return undefined;
	const values = cpuData(control).subarray(control.offset);
	const at = (word: keyof typeof CONTROL) => values[CONTROL[word]]!;
	return {
		skips: at('skip') !== 0,
		step: at('step'),
		correction1: at('correction1'),
		correction2: at('correction2'),
		factor1: at('factor1'),
		factor2: at('factor2'),
	};
}

function penalized(gradient: number, param: number, { maximize, weightDecay, l1 }: Penalties): number {
	return (maximize ? -gradient : gradient) + weightDecay * param + l1 * Math.sign(param);
}

type StepName = Exclude<keyof OptimizerKernels, 'emaStep' | 'clipFactor' | 'scaleGradients' | 'limitGradients'>;
type Outputs<K extends StepName> = Parameters<OptimizerKernels[K]>[1];

/** A step of one parameter: the views of the contract's lists for it. */
type OneStep<K extends StepName> = (
	inputs: { readonly gradient: View; readonly control: View | undefined },
	outputs: { readonly [P in keyof Outputs<K> as P extends 'params' ? 'param' : P]: View },
	attributes: Parameters<OptimizerKernels[K]>[2],
) => void;

const steps: { readonly [K in StepName]: OneStep<K> } = {
	sgdStep({ gradient, control }, { param, buffer }, attributes) {
		const counts = countsOf(control);
		if (counts?.skips) return;
		const { lr, momentum, dampening, nesterov } = attributes;
		const first = counts ? counts.step === 1 : attributes.first;
		const [p, grads] = [elements(param), elements(gradient)];
		const b = buffer === undefined ? null : elements(buffer);
		for (let i = 0; i < p.length; i++) {
			const g = penalized(grads[i]!, p[i]!, attributes);
			let direction = g;
			if (b !== null) {
				const next = first ? g : momentum * b[i]! + (1 - dampening) * g;
				b[i] = next;
				direction = nesterov ? g + momentum * next : next;
			}
			p[i] = p[i]! - lr * direction;
		}
	},

	adamStep({ gradient, control }, { param, m, v, largest }, attributes) {
		const counts = countsOf(control);
		if (counts?.skips) return;
		const { lr, beta1, beta2, eps, correction1, correction2, decoupled, weightDecay } = { ...attributes, ...counts };
		const [p, grads, first, second] = [elements(param), elements(gradient), elements(m), elements(v)];
		const most = largest === undefined ? null : elements(largest);
		const penalties = decoupled ? { ...attributes, weightDecay: 0 } : attributes;
		for (let i = 0; i < p.length; i++) {
			const decayed = decoupled ? p[i]! - lr * weightDecay * p[i]! : p[i]!;
			const g = penalized(grads[i]!, p[i]!, penalties);
			const mean = beta1 * first[i]! + (1 - beta1) * g;
			const square = beta2 * second[i]! + (1 - beta2) * g * g;
			first[i] = mean;
			second[i] = square;
			let scale = square;
			if (most !== null) {
				scale = Math.max(most[i]!, square);
				most[i] = scale;
			}
			p[i] = decayed - ((lr / correction1) * mean) / (Math.sqrt(scale / correction2) + eps);
		}
	},

	rmspropStep({ gradient, control }, { param, square, mean, buffer }, attributes) {
		const counts = countsOf(control);
		if (counts?.skips) return;
		const { lr, alpha, eps, momentum } = attributes;
		const [p, grads, squares] = [elements(param), elements(gradient), elements(square)];
		const means = mean === undefined ? null : elements(mean);
		const buffers = buffer === undefined ? null : elements(buffer);
		for (let i = 0; i < p.length; i++) {
			const g = penalized(grads[i]!, p[i]!, attributes);
			let variance = alpha * squares[i]! + (1 - alpha) * g * g;
			squares[i] = variance;
			if (means !== null) {
				const average = alpha * means[i]! + (1 - alpha) * g;
				means[i] = average;
				variance -= average * average;
			}
			let direction = g / (Math.sqrt(Math.max(variance, 0)) + eps);
			if (buffers !== null) {
				direction += momentum * buffers[i]!;
				buffers[i] = direction;
			}
			p[i] = p[i]! - lr * direction;
		}
	},

	adagradStep({ gradient, control }, { param, sum }, attributes) {
		const counts = countsOf(control);
		if (counts?.skips) return;
		const { eps, lrDecay } = attributes;
		const lr = counts ? attributes.lr / (1 + (counts.step - 1) * lrDecay) : attributes.lr;
		const [p, grads, sums] = [elements(param), elements(gradient), elements(sum)];
		for (let i = 0; i < p.length; i++) {
			const g = penalized(grads[i]!, p[i]!, attributes);
			const total = sums[i]! + g * g;
			sums[i] = total;
			p[i] = p[i]! - (lr * g) / (Math.sqrt(total) + eps);
		}
	},

	adadeltaStep({ gradient, control }, { param, square, changes }, attributes) {
		const counts = countsOf(control);
		if (counts?.skips) return;
		const { lr, rho, eps } = attributes;
		const [p, grads, squares, past] = [elements(param), elements(gradient), elements(square), elements(changes)];
		for (let i = 0; i < p.length; i++) {
			const g = penalized(grads[i]!, p[i]!, attributes);
			const average = rho * squares[i]! + (1 - rho) * g * g;
			const change = (Math.sqrt(past[i]! + eps) / Math.sqrt(average + eps)) * g;
			squares[i] = average;
			past[i] = rho * past[i]! + (1 - rho) * change * change;
			p[i] = p[i]! - lr * change;
		}
	},

	adamaxStep({ gradient, control }, { param, m, largest }, attributes) {
		const counts = countsOf(control);
		if (counts?.skips) return;
		const { beta1, beta2, eps } = attributes;
		const lr = attributes.lr / (counts?.correction1 ?? 1);
		const [p, grads, first, most] = [elements(param), elements(gradient), elements(m), elements(largest)];
		for (let i = 0; i < p.length; i++) {
			const g = penalized(grads[i]!, p[i]!, attributes);
			const mean = beta1 * first[i]! + (1 - beta1) * g;
			const norm = Math.max(beta2 * most[i]!, Math.abs(g) + eps);
			first[i] = mean;
			most[i] = norm;
			p[i] = p[i]! - (lr * mean) / norm;
		}
	},

	nadamStep({ gradient, control }, { param, m, v }, attributes) {
		const counts = countsOf(control);
		if (counts?.skips) return;
		const { beta1, beta2, eps, correction2, shrink } = { ...attributes, ...counts };
		const gradientRate = attributes.gradientRate * (counts?.factor1 ?? 1);
		const meanRate = attributes.meanRate * (counts?.factor2 ?? 1);
		const [p, grads, first, second] = [elements(param), elements(gradient), elements(m), elements(v)];
		for (let i = 0; i < p.length; i++) {
			const g = penalized(grads[i]!, p[i]!, attributes);
			const mean = beta1 * first[i]! + (1 - beta1) * g;
			const square = beta2 * second[i]! + (1 - beta2) * g * g;
			first[i] = mean;
			second[i] = square;
			p[i] = p[i]! - shrink * p[i]! - (gradientRate * g + meanRate * mean) / (Math.sqrt(square / correction2) + eps);
		}
	},

	radamStep({ gradient, control }, { param, m, v }, attributes) {
		const counts = countsOf(control);
		if (counts?.skips) return;
		const { beta1, beta2, eps, shrink } = attributes;
		const rate = counts ? (attributes.rate / counts.correction1) * counts.factor1 : attributes.rate;
		const adaptive = counts ? counts.factor2 !== 0 : attributes.adaptive;
		const [p, grads, first, second] = [elements(param), elements(gradient), elements(m), elements(v)];
		for (let i = 0; i < p.length; i++) {
			const g = penalized(grads[i]!, p[i]!, attributes);
			const mean = beta1 * first[i]! + (1 - beta1) * g;
			const square = beta2 * second[i]! + (1 - beta2) * g * g;
			first[i] = mean;
			second[i] = square;
			p[i] = p[i]! - shrink * p[i]! - (rate * mean) / (adaptive ? Math.sqrt(square) + eps : 1);
		}
	},

	lionStep({ gradient, control }, { param, m }, attributes) {
		const counts = countsOf(control);
		if (counts?.skips) return;
		const { lr, beta1, beta2, shrink } = attributes;
		const [p, grads, means] = [elements(param), elements(gradient), elements(m)];
		for (let i = 0; i < p.length; i++) {
			const g = penalized(grads[i]!, p[i]!, attributes);
			const direction = Math.sign(beta1 * means[i]! + (1 - beta1) * g);
			means[i] = beta2 * means[i]! + (1 - beta2) * g;
			p[i] = p[i]! - shrink * p[i]! - lr * direction;
		}
	},
};

type Lists = Readonly<Record<string, readonly View[] | undefined>>;

/** The step of all parameters, one after the other. */
function ofAll(step: OneStep<'sgdStep'>) {
	return (
		{ gradients, control }: { readonly gradients: readonly View[]; readonly control?: View },
		{ params, ...state }: Lists,
		attributes: Parameters<OptimizerKernels['sgdStep']>[2],
	) => {
		gradients.forEach((gradient, i) => {
			const own = Object.fromEntries(Object.entries(state).flatMap(([name, list]) => (list ? [[name, list[i]!]] : [])));
			step({ gradient, control }, { param: params![i]!, ...own }, attributes);
		});
	};
}

export const optimizer: OptimizerKernels = {
	...(Object.fromEntries(
		Object.entries(steps).map(([name, step]) => [name, ofAll(step as OneStep<'sgdStep'>)]),
	) as unknown as Pick<OptimizerKernels, StepName>),

	clipFactor({ gradients }, { norm, factor }, { maxNorm }) {
		let sum = 0;
		for (const gradient of gradients) for (const g of elements(gradient)) sum += g * g;
		const length = Math.sqrt(sum);
		elements(norm)[0] = length;
		elements(factor)[0] = Math.min(1, maxNorm / (length + 1e-6));
	},

	scaleGradients({ factor }, { gradients }) {
		const [by] = elements(factor);
		for (const gradient of gradients) {
			const values = elements(gradient);
			for (let i = 0; i < values.length; i++) values[i] = values[i]! * by!;
		}
	},

	limitGradients(_, { gradients }, { limit }) {
		for (const gradient of gradients) {
			const values = elements(gradient);
			for (let i = 0; i < values.length; i++) values[i] = Math.min(Math.max(values[i]!, -limit), limit);
		}
	},

	emaStep({ params }, { averages }, { decay }) {
		params.forEach((param, k) => {
			const [p, own] = [elements(param), elements(averages[k]!)];
			for (let i = 0; i < p.length; i++) own[i] = decay * own[i]! + (1 - decay) * p[i]!;
		});
	},
};
