/** The lookup table on the GPU: the row forms of gather and of sums by sorted keys, as in indexing.ts. */
import { numel } from '../../core/shape';
import type { EmbeddingKernels } from '../contract/embedding';
import { addRows, indexingKernels } from './indexing';
import type { Gpu } from './launch';

export function embeddingKernels(gpu: Gpu): EmbeddingKernels {
	const { gather } = indexingKernels(gpu);
	return {
		embedding({ weight, index }, { y }) {
			const { storage, dtype, offset } = index;
			gather(
				{ x: weight, index: { storage, dtype, shape: y.shape, strides: [index.strides[0]!, 0], offset } },
				{ y },
				{ dim: 0 },
			);
		},

		embeddingGrad({ index, gradient }, { dWeight }, { paddingIdx }) {
			dWeight.storage.owner.kernels.fill({}, { y: dWeight }, { value: 0 });
			if (numel(gradient.shape) === 0) return;
			const { storage, offset, shape, strides } = index;
			addRows(gpu, { storage, offset, stride: strides[0]!, n: shape[0]! }, gradient, dWeight, 0, paddingIdx);
		},
	};
}
