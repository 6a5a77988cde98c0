/** Softmax and its logarithm over one dimension, in their stable forms. */
import type { View } from './storage';

export interface SoftmaxAttributes {
	readonly dim: number;
	/** Whether to return the logarithm of the softmax. */
	readonly log: boolean;
}

export interface SoftmaxKernels {
	/**
	 * y = exp(x - max) / sum exp(x - max), or x - max - log sum exp(x - max), over dim. A line of only -inf, or with +inf or NaN,
	 * gives NaN.
	 */
	softmax(inputs: { x: View }, outputs: { y: View }, attributes: SoftmaxAttributes): void;

	/** dx = y * (gradient - sum gradient * y), or gradient - exp(y) * sum gradient, over dim; y is the output of `softmax`. */
	softmaxGrad(inputs: { y: View; gradient: View }, outputs: { dx: View }, attributes: SoftmaxAttributes): void;
}
