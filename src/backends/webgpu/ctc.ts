/** Launches of shaders/ctc.wgsl.ts, with one workgroup for each sequence. */
import { ctc, ctcGrad } from '../../../shaders/ctc.wgsl';
import type { View } from '../contract';
import type { LossKernels } from '../contract/loss';
import type { Gpu } from './launch';

interface Sequences {
	readonly x: View;
	readonly labels: View;
	readonly inputs: View;
	readonly targets: View;
	readonly gradient?: View;
}

function plan({ x, labels, inputs, targets, gradient }: Sequences, blank: number) {
	const [steps, count, classes] = x.shape as [number, number, number];
	const most = labels.shape[1]!;
	const states = steps * count * (2 * most + 1);
	return {
		buffers: { x: x.storage, labels: labels.storage, inputs: inputs.storage, targets: targets.storage },
		params: {
			steps,
			count,
			classes,
			most,
			blank,
			xOffset: x.offset,
			labelsOffset: labels.offset,
			inputsOffset: inputs.offset,
			targetsOffset: targets.offset,
			gradientOffset: gradient?.offset,
		},
		grid: [count] as const,
		flops: 12 * states,
		bytes: 12 * states,
		scratch: 3 * 2 * count * (2 * most + 1),
	};
}

export function ctcKernels(gpu: Gpu): Pick<LossKernels, 'ctc' | 'ctcGrad'> {
	return {
		ctc(sequences, { likelihood, alpha }, { blank }) {
			const { scratch: _, buffers, ...rest } = plan(sequences, blank);
			gpu.launch({
				kernel: ctc,
				variant: {},
				buffers: { ...buffers, likelihood: likelihood.storage, alpha: alpha.storage },
				...rest,
			});
		},

		ctcGrad(sequences, { dx }, { blank }) {
			const { scratch, buffers, ...rest } = plan(sequences, blank);
			const own = gpu.scratch(scratch, 'float32');
			const { alpha, gradient } = sequences;
			gpu.launch({
				kernel: ctcGrad,
				variant: {},
				buffers: { ...buffers, alpha: alpha.storage, gradient: gradient.storage, dx: dx.storage, scratch: own },
				...rest,
			});
			gpu.release(own);
		},
	};
}
