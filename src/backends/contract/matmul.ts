/** Products of matrices. Vectors, dot products and linear layers are special cases. */
import type { View } from './storage';

export interface MatmulKernels {
	/**
	 * out[..., i, j] = sum over k of a[..., i, k] b[..., k, j], plus bias[j].
	 *
	 * a, b and out have the same rank, from 2 to 8; the batch dims of a and b are expanded to those of out, with stride 0.
	 * a and b may have any strides: transposed matrices are read in place. bias has one dim, of any stride. If K is 0,
	 * out is the bias or 0. All have one dtype, or out is float32 and the others are float16. int32 wraps around. float32 accumulates in float32 on the GPU and in float64 on the
	 * CPU; float64 is for the CPU only.
	 */
	matmul(inputs: { a: View; b: View; bias?: View | undefined }, outputs: { out: View }, attributes: Record<string, never>): void;
}
