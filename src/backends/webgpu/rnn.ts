/** Launches of shaders/rnn.wgsl.ts. */
import { rnnStep, rnnStepGrad } from '../../../shaders/rnn.wgsl';
import type { View } from '../contract';
import { GATES, KEPT, type RnnKernels } from '../contract/rnn';
import { type Gpu, storageType } from './launch';

const WORKGROUP = 64;
/** Multiplications, additions and the cost of the exponentials, roughly, of one gate of one unit. */
const FLOPS_PER_GATE = 12;

function storagesOf(views: readonly (View | undefined)[]) {
	return views.flatMap((view) => (view === undefined ? [] : [view.storage]));
}

export function rnnKernels(gpu: Gpu): RnnKernels {
	return {
		rnnStep({ x, recurrent, lengths }, { hidden, cell, kept }, { cell: kind, slot, time }) {
			const [rows, units] = [hidden.shape[1]!, hidden.shape[2]!];
			const size = rows * units;
			gpu.launch({
				kernel: rnnStep,
				variant: { cell: kind, storage: storageType(x), lengths: lengths !== undefined, later: false },
				buffers: storagesOf([x, recurrent, hidden, kept, cell, lengths]),
				params: [rows, units, slot, time],
				grid: [Math.ceil(size / WORKGROUP)],
				flops: size * GATES[kind] * FLOPS_PER_GATE,
				bytes: 4 * size * (2 * GATES[kind] + KEPT[kind] + 2),
			});
		},

		rnnStepGrad(
			{ gradY, recurrent, hidden, cell, kept, lengths },
			{ gradX, gradRecurrent, carry, cellCarry },
			{ cell: kind, slot, time },
		) {
			const [rows, units] = [hidden.shape[1]!, hidden.shape[2]!];
			const size = rows * units;
			const state = kind === 'lstm' ? [cell, cellCarry] : kind === 'gru' ? [hidden, gradRecurrent] : [];
			gpu.launch({
				kernel: rnnStepGrad,
				variant: { cell: kind, storage: storageType(gradY), lengths: lengths !== undefined, later: recurrent !== undefined },
				buffers: storagesOf([gradY, kept, gradX, carry, ...state, recurrent, lengths]),
				params: [rows, units, slot, time],
				grid: [Math.ceil(size / WORKGROUP)],
				flops: size * GATES[kind] * FLOPS_PER_GATE,
				bytes: 4 * size * (GATES[kind] + KEPT[kind] + 6),
			});
		},
	};
}
