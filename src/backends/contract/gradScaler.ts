/**
 * Loss scaling without a readback. The device holds the scale, the number of completed steps, and a flag for gradients that are not finite.
 * All views are contiguous, at any offset.
 */
import type { View } from './storage';

/** The values that `countStep` computes besides the step count. */
export interface CountAttributes {
	readonly kind: 'count' | 'adam' | 'nadam' | 'radam';
	readonly beta1: number;
	readonly beta2: number;
	/** nadam only: how fast the momentum rises to beta1. */
	readonly momentumDecay: number;
}

/**
 * The words of a step's control. Optimizer kernels read them instead of the attributes that depend on the step count. For nadam, `factor1`
 * and `factor2` are the rates for the gradient and for the mean. For radam they are the rectification (1 if the step is not adaptive) and
 * whether the step is adaptive.
 */
export const CONTROL = { skip: 0, step: 1, correction1: 2, correction2: 3, factor1: 4, factor2: 5 } as const;

export interface GradScalerKernels {
	/** gradient /= scale, in place; found (int32) becomes 1 if any element was infinite or NaN. */
	unscale(
		inputs: { scale: View },
		outputs: { gradients: readonly View[]; found: View },
		attributes: Readonly<Record<never, never>>,
	): void;
	/**
	 * If found is 1: scale *= backoffFactor and tracker = 0. Otherwise tracker (int32) += 1; when it reaches growthInterval, it becomes 0 and
	 * scale *= growthFactor, unless that is infinite. As `torch._amp_update_scale_`.
	 */
	updateScale(
		inputs: { found: View },
		outputs: { scale: View; tracker: View },
		attributes: { readonly growthFactor: number; readonly backoffFactor: number; readonly growthInterval: number },
	): void;
	/**
	 * next = step + 1, or step if found is 1. See CONTROL for `control`. For nadam only, `product` is the product of all momentums so far, and
	 * nextProduct the one after this step. `step`, products and control have the same floating dtype.
	 */
	countStep(
		inputs: { step: View; product?: View; found?: View },
		outputs: { next: View; control: View; nextProduct?: View },
		attributes: CountAttributes,
	): void;
}
