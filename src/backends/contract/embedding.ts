/** Kernels of the lookup table: they read rows of a matrix by index and add up the gradients that share a row. */
import type { CheckedIndices } from './indexing';
import type { View } from './storage';

export interface EmbeddingKernels {
	/** y[i, c] = weight[index[i], c]: weight [rows, columns] of any strides, index (int32) [n] of any stride, y [n, columns]. */
	embedding(inputs: { weight: View; index: View }, outputs: { y: View }, attributes: CheckedIndices): void;

	/**
	 * dWeight[r, c] = sum of gradient[i, c] over all i with index[i] = r; zero for row `paddingIdx` (-1 for none). gradient [n,
	 * columns] is contiguous. The order of addition is fixed. Each row scans all indices, so the kernel suits small tables only.
	 */
	embeddingGrad(inputs: { index: View; gradient: View }, outputs: { dWeight: View }, attributes: { paddingIdx: number }): void;
}
