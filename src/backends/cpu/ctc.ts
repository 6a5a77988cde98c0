/** Connectionist temporal classification on the host: the reference for shaders/ctc.wgsl.ts. */
import type { View } from '../contract';
import type { LossKernels } from '../contract/loss';
import { cpuData, storeParts } from './storage';

type Kernels = Pick<LossKernels, 'ctc' | 'ctcGrad'>;
type Sequences = Parameters<Kernels['ctc']>[0];

/** log(e^a + e^b); a and b may be -Infinity. */
function logAdd(a: number, b: number): number {
	const most = Math.max(a, b);
	return most === Number.NEGATIVE_INFINITY ? most : most + Math.log1p(Math.exp(-Math.abs(a - b)));
}

function reader(view: View): (i: number) => number {
	const data = cpuData(view);
	return (i) => data[view.offset + i]!;
}

/**
 * One sequence: its labels with blanks between and around them, its length, and the log-probability of a position's label at a
 * step.
 */
function sequence({ x, labels, inputs, targets }: Sequences, n: number, blank: number) {
	const [, count, classes] = x.shape as [number, number, number];
	const most = labels.shape[1]!;
	const [label, emitted] = [reader(labels), reader(x)];
	const extended = [blank];
	for (let i = 0; i < reader(targets)(n); i++) extended.push(label(n * most + i), blank);
	return {
		extended,
		length: reader(inputs)(n),
		emission: (t: number, state: number) => emitted((t * count + n) * classes + extended[state]!),
		/** Whether an alignment may skip the blank before a position. */
		skips: (state: number) => state >= 2 && extended[state] !== blank && extended[state] !== extended[state - 2],
	};
}

export const ctc: Kernels = {
	ctc(sequences, { likelihood, alpha }, { blank }) {
		const [steps, count] = sequences.x.shape as [number, number, number];
		const width = alpha.shape[2]!;
		const [found, total] = [cpuData(alpha), cpuData(likelihood)];
		for (let n = 0; n < count; n++) {
			const { extended, length, emission, skips } = sequence(sequences, n, blank);
			let before = extended.map((_, state) => (state < 2 && length > 0 ? emission(0, state) : Number.NEGATIVE_INFINITY));
			for (let t = 0; t < length; t++) {
				if (t > 0) {
					before = before.map((stay, state, all) => {
						const moved = state > 0 ? logAdd(stay, all[state - 1]!) : stay;
						return (skips(state) ? logAdd(moved, all[state - 2]!) : moved) + emission(t, state);
					});
				}
				for (const [state, value] of before.entries()) {
					const at = 2 * ((n * steps + t) * width + state);
					storeParts(found, at, at + 1, value);
				}
			}
			if (length > 0) total[n] = extended.length > 1 ? logAdd(before.at(-1)!, before.at(-2)!) : before[0]!;
			else total[n] = extended.length > 1 ? Number.NEGATIVE_INFINITY : 0;
		}
	},

	ctcGrad({ alpha, gradient, ...sequences }, { dx }, { blank }) {
		const [steps, count, classes] = sequences.x.shape as [number, number, number];
		const width = alpha.shape[2]!;
		const [parts, incoming, out] = [reader(alpha), reader(gradient), cpuData(dx)];
		const found = (i: number) => parts(2 * i) + parts(2 * i + 1);
		out.fill(0);
		for (let n = 0; n < count; n++) {
			const { extended, length, emission, skips } = sequence(sequences, n, blank);
			const last = extended.length - 1;
			let after: number[] = [];
			let total = Number.NEGATIVE_INFINITY;
			for (let t = length - 1; t >= 0; t--) {
				const at = (n * steps + t) * width;
				const next = (state: number) => after[state]! + emission(t + 1, state);
				after = extended.map((_, state) => {
					if (t === length - 1) return state >= last - 1 ? 0 : Number.NEGATIVE_INFINITY;
					const moved = state < last ? logAdd(next(state), next(state + 1)) : next(state);
					return state + 2 <= last && skips(state + 2) ? logAdd(moved, next(state + 2)) : moved;
				});
				if (t === length - 1) total = last > 0 ? logAdd(found(at + last), found(at + last - 1)) : found(at);
				if (total === Number.NEGATIVE_INFINITY) break;
				for (const [state, label] of extended.entries())
					out[(t * count + n) * classes + label]! += incoming(n) * Math.exp(found(at + state) + after[state]! - total);
			}
		}
	},
};
