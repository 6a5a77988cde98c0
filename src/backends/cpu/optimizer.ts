/** Reference optimizer steps. */
import type { View } from '../contract';
import type { OptimizerKernels, Penalties } from '../contract/optimizer';
import { cpuData } from './storage';

/** The elements of a contiguous view. */
function elements(view: View): Float32Array | Float64Array {
	let size = 1;
	for (const dim of view.shape) size *= dim;
	return cpuData(view).subarray(view.offset, view.offset + size) as Float32Array | Float64Array;
}

function penalized(gradient: number, param: number, { maximize, weightDecay, l1 }: Penalties): number {
	return (maximize ? -gradient : gradient) + weightDecay * param + l1 * Math.sign(param);
}

export const optimizer: OptimizerKernels = {
	sgdStep({ gradient }, { param, buffer }, attributes) {
		const { lr, momentum, dampening, nesterov, first } = attributes;
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

	adamStep({ gradient }, { param, m, v, largest }, attributes) {
		const { lr, beta1, beta2, eps, correction1, correction2, decoupled, weightDecay } = attributes;
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
};
