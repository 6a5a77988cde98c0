/** Softmax in plain loops: the reference for shaders/softmax.wgsl.ts. */
import type { SoftmaxKernels } from '../contract/softmax';
import { splitPositions } from './reduce';
import { cpuData } from './storage';

export const softmax: SoftmaxKernels = {
	softmax({ x }, { y }, { dim, log }) {
		const data = cpuData(x);
		const result = cpuData(y);
		const source = splitPositions(x, [dim]);
		const target = splitPositions(y, [dim]);
		const count = source.reduced.length;
		source.kept.forEach((from, k) => {
			const to = target.kept[k]!;
			let largest = -Infinity;
			for (let j = 0; j < count; j++) largest = Math.max(largest, data[from + source.reduced[j]!]!);
			let total = 0;
			for (let j = 0; j < count; j++) total += Math.exp(data[from + source.reduced[j]!]! - largest);
			for (let j = 0; j < count; j++) {
				const shifted = data[from + source.reduced[j]!]! - largest;
				result[to + target.reduced[j]!] = log ? shifted - Math.log(total) : Math.exp(shifted) / total;
			}
		});
	},

	softmaxGrad({ y, gradient }, { dx }, { dim, log }) {
		const outputs = cpuData(y);
		const gradients = cpuData(gradient);
		const result = cpuData(dx);
		const of = splitPositions(y, [dim]);
		const from = splitPositions(gradient, [dim]);
		const target = splitPositions(dx, [dim]);
		const count = of.reduced.length;
		for (let k = 0; k < of.kept.length; k++) {
			const output = (j: number) => outputs[of.kept[k]! + of.reduced[j]!]!;
			const incoming = (j: number) => gradients[from.kept[k]! + from.reduced[j]!]!;
			let total = 0;
			for (let j = 0; j < count; j++) total += log ? incoming(j) : incoming(j) * output(j);
			for (let j = 0; j < count; j++) {
				const value = log ? incoming(j) - Math.exp(output(j)) * total : output(j) * (incoming(j) - total);
				result[target.kept[k]! + target.reduced[j]!] = value;
			}
		}
	},
};
