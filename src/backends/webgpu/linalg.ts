/** Launches of shaders/linalg.wgsl.ts. */
import { choleskyFactor, luFactor, triangularSolve } from '../../../shaders/linalg.wgsl';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import type { LinalgKernels } from '../contract/linalg';
import type { Gpu } from './launch';

/** The most operations that one workgroup does in a launch, and one invocation: some milliseconds. */
const GROUP_WORK = 2 ** 23;
const INVOCATION_WORK = 2 ** 17;

/** Calls `launch` for consecutive ranges of steps 0 to n - 1, each with at most `most` work. */
function inParts(n: number, most: number, work: (step: number) => number, launch: (first: number, last: number) => void): void {
	let [first, sum] = [0, 0];
	for (let step = 0; step < n; step++) {
		const next = work(step);
		if (step > first && sum + next > most) {
			launch(first, step);
			[first, sum] = [step, 0];
		}
		sum += next;
	}
	if (n > 0) launch(first, n);
}

export function linalgKernels(gpu: Gpu): LinalgKernels {
	return {
		luFactor(_inputs, { lu, permutation, sign }) {
			const [batch, n] = lu.shape as [number, number, number];
			const buffers = { lu: lu.storage, permutation: permutation.storage, signs: sign.storage };
			const flops = (first: number, last: number) => (2 * batch * ((n - first) ** 3 - (n - last) ** 3)) / 3;
			inParts(
				n,
				GROUP_WORK,
				(k) => (n - k) ** 2,
				(first, last) =>
					gpu.launch({
						kernel: luFactor,
						variant: {},
						buffers,
						params: { n, first, last },
						grid: [batch],
						flops: flops(first, last),
						bytes: 8 * batch * n * n,
					}),
			);
		},

		choleskyFactor(_inputs, { l }) {
			const [batch, n] = l.shape as [number, number, number];
			inParts(
				n,
				GROUP_WORK,
				(k) => (n - k) ** 2,
				(first, last) =>
					gpu.launch({
						kernel: choleskyFactor,
						variant: {},
						buffers: { l: l.storage },
						params: { n, first, last, nan: Number.NaN },
						grid: [batch],
						flops: (batch * ((n - first) ** 3 - (n - last) ** 3)) / 3,
						bytes: 8 * batch * n * n,
					}),
			);
		},

		triangularSolve({ t }, { x }, { upper, unit }) {
			const [batch, n, columns] = x.shape as [number, number, number];
			const total = batch * columns;
			if (total === 0) return;
			inParts(
				n,
				INVOCATION_WORK,
				(step) => step + 1,
				(first, last) =>
					gpu.launch({
						kernel: triangularSolve,
						variant: { upper, unit },
						buffers: { t: t.storage, x: x.storage },
						params: { n, first, last, columns, total, offset: t.offset },
						grid: [Math.ceil(total / WORKGROUP_SIZE)],
						flops: total * (last * last - first * first),
						bytes: 4 * batch * n * n + 8 * total * n,
					}),
			);
		},
	};
}
