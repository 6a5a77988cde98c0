/** The lookup table on the host: the reference for shaders/embedding.wgsl.ts. */
import type { EmbeddingKernels } from '../contract/embedding';
import { cpuData } from './storage';

export const embedding: EmbeddingKernels = {
	embedding({ weight, index }, { y }) {
		const table = cpuData(weight);
		const rows = cpuData(index);
		const out = cpuData(y);
		const [n, columns] = y.shape as [number, number];
		const [down, across] = weight.strides as [number, number];
		for (let i = 0; i < n; i++) {
			const start = weight.offset + rows[index.offset + i * index.strides[0]!]! * down;
			for (let c = 0; c < columns; c++) out[i * columns + c] = table[start + c * across]!;
		}
	},

	embeddingGrad({ index, gradient }, { dWeight }, { paddingIdx }) {
		const rows = cpuData(index);
		const from = cpuData(gradient);
		const [n, columns] = gradient.shape as [number, number];
		const sums = new Float64Array(dWeight.storage.length);
		for (let i = 0; i < n; i++) {
			const row = rows[index.offset + i * index.strides[0]!]!;
			if (row === paddingIdx) continue;
			for (let c = 0; c < columns; c++) sums[row * columns + c]! += from[gradient.offset + i * columns + c]!;
		}
		cpuData(dWeight).set(sums);
	},
};
