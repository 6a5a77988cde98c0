/** All kernels of this backend, family by family. */
import type { Kernels } from '../contract';
import { attentionKernels } from './attention';
import { convKernels } from './conv';
import { elementwiseKernels } from './elementwise';
import { embeddingKernels } from './embedding';
import { indexingKernels } from './indexing';
import type { Gpu } from './launch';
import { layoutKernels } from './layout';
import { lossKernels } from './loss';
import { matmulKernels } from './matmul';
import { normKernels } from './norm';
import { optimizerKernels } from './optimizer';
import { poolKernels } from './pool';
import { quantizedKernels } from './quantized';
import { randomKernels } from './random';
import { reduceKernels } from './reduce';
import { rnnKernels } from './rnn';
import { sampleKernels } from './sample';
import { softmaxKernels } from './softmax';

export function webgpuKernels(gpu: Gpu): Kernels {
	return {
		...elementwiseKernels(gpu),
		...reduceKernels(gpu),
		...matmulKernels(gpu),
		...convKernels(gpu),
		...poolKernels(gpu),
		...softmaxKernels(gpu),
		...normKernels(gpu),
		...attentionKernels(gpu),
		...embeddingKernels(gpu),
		...indexingKernels(gpu),
		...layoutKernels(gpu),
		...quantizedKernels(gpu),
		...randomKernels(gpu),
		...rnnKernels(gpu),
		...sampleKernels(gpu),
		...lossKernels(gpu),
		...optimizerKernels(gpu),
	};
}
