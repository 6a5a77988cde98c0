/**
 * Loss scaling without a readback: whether a gradient is finite, the scale, and the number of steps that were not skipped are elements on
 * the device. All views are contiguous, at any offset.
 */
import type { View } from './storage';

/** What `countStep` computes besides the number of the step. */
export interface CountAttributes {
	readonly kind: 'count' | 'adam' | 'nadam' | 'radam';
	readonly beta1: number;
	readonly beta2: number;
	/** nadam only: how fast the momentum rises to beta1. */
	readonly momentumDecay: number;
}

/**
 * The words of a step's control. The kernels of optimizers read it in place of the attributes that depend on the step's number. `factor1`
 * and `factor2` are, for nadam, the parts of the rate that go along the gradient and the mean; for radam the rectification (1 where the
 * step is not adaptive) and whether the step is adaptive.
 */
export const CONTROL = { skip: 0, step: 1, correction1: 2, correction2: 3, factor1: 4, factor2: 5 } as const;

export interface GradScalerKernels {
	/** gradient /= scale, in place; found (int32) becomes 1 if any element was infinite or NaN. */
	unscale(inputs: { scale: View }, outputs: { gradient: View; found: View }, attributes: Readonly<Record<never, never>>): void;
	/**
	 * Where found is 1: scale *= backoffFactor and tracker = 0. Else the tracker (int32) counts, and at growthInterval begins again, and scale *=
	 * growthFactor unless that is infinite. As `torch._amp_update_scale_`.
	 */
	updateScale(
		inputs: { found: View },
		outputs: { scale: View; tracker: View },
		attributes: { readonly growthFactor: number; readonly backoffFactor: number; readonly growthInterval: number },
	): void;
	/**
	 * next = step + 1, or step where found is 1; control: see CONTROL. `product`, nadam only, is that of the momentums of all steps so far, and
	 * nextProduct follows it. `step`, products and control have one floating dtype.
	 */
	countStep(
		inputs: { step: View; product?: View; found?: View },
		outputs: { next: View; control: View; nextProduct?: View },
		attributes: CountAttributes,
	): void;
}
