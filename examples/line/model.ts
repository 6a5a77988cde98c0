/** The line of the example. */
import { linear, type Tensor, zeros } from 'wgrad';

/** y = x * weight^T + bias, starting at 0. */
export interface Line {
	/** [1, 1]. */
	readonly weight: Tensor;
	/** [1]. */
	readonly bias: Tensor;
}

export const newLine = (): Line => ({ weight: zeros([1, 1], { requiresGrad: true }), bias: zeros([1], { requiresGrad: true }) });

/** Maps x [N, 1] to y [N, 1]. */
export function predicted({ weight, bias }: Line, x: Tensor): Tensor {
	return linear(x, weight, bias);
}
