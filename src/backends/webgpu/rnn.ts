/** Launches of shaders/rnn.wgsl.ts. */
import { rnnStep, rnnStepGrad } from '../../../shaders/rnn.wgsl';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import { GATES, type RnnKernels, SAVED } from '../contract/rnn';
import { type Gpu, storageType } from './launch';

/** A rough count of the multiplications, additions and exponentials of one gate of one unit. */
const FLOPS_PER_GATE = 12;

export function rnnKernels(gpu: Gpu): RnnKernels {
	return {
		rnnStep({ x, recurrent, lengths }, { hidden, cell, kept }, { cell: kind, slot, time }) {
			const [rows, units] = [hidden.shape[1]!, hidden.shape[2]!];
			const size = rows * units;
			gpu.launch({
				kernel: rnnStep,
				variant: { cell: kind, storage: storageType(x), lengths: lengths !== undefined, later: false },
				buffers: {
					x: x.storage,
					recurrent: recurrent.storage,
					hidden: hidden.storage,
					kept: kept.storage,
					cells: cell?.storage,
					lengths: lengths?.storage,
				},
				params: { rows, units, slot, time },
				grid: [Math.ceil(size / WORKGROUP_SIZE)],
				flops: size * GATES[kind] * FLOPS_PER_GATE,
				bytes: 4 * size * (2 * GATES[kind] + SAVED[kind] + 2),
			});
		},

		rnnStepGrad(
			{ gradY, recurrent, hidden, cell, kept, lengths },
			{ gradX, gradRecurrent, carry, cellCarry },
			{ cell: kind, slot, time },
		) {
			const [rows, units] = [hidden.shape[1]!, hidden.shape[2]!];
			const size = rows * units;
			gpu.launch({
				kernel: rnnStepGrad,
				variant: { cell: kind, storage: storageType(gradY), lengths: lengths !== undefined, later: recurrent !== undefined },
				buffers: {
					gradY: gradY.storage,
					kept: kept.storage,
					gradX: gradX.storage,
					carry: carry.storage,
					cells: cell?.storage,
					cellCarry: cellCarry?.storage,
					hidden: kind === 'gru' ? hidden.storage : undefined,
					gradRecurrent: gradRecurrent?.storage,
					recurrent: recurrent?.storage,
					lengths: lengths?.storage,
				},
				params: { rows, units, slot, time },
				grid: [Math.ceil(size / WORKGROUP_SIZE)],
				flops: size * GATES[kind] * FLOPS_PER_GATE,
				bytes: 4 * size * (GATES[kind] + SAVED[kind] + 6),
			});
		},
	};
}
