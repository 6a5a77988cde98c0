/**
 * Optimizer steps: one kernel updates a parameter and its state in place. All views are contiguous at any offset, of one size and
 * floating dtype, each in a storage of its own. Learning rates and step counts are numbers, so that no step compiles anew.
 *
 * In all of them the gradient is first g = (maximize ? -gradient : gradient) + weightDecay * param + l1 * sign(param), where a decoupled weight
 * decay is left out and applied to the parameter instead: param -= lr * weightDecay * param.
 */
import type { View } from '../contract';

export interface Penalties {
	readonly maximize: boolean;
	/** L2: adds weightDecay * param to the gradient. */
	readonly weightDecay: number;
	/** L1: adds l1 * sign(param) to the gradient. */
	readonly l1: number;
}

export interface SgdAttributes extends Penalties {
	readonly lr: number;
	readonly momentum: number;
	readonly dampening: number;
	readonly nesterov: boolean;
	/** The buffer starts as the gradient itself. */
	readonly first: boolean;
}

export interface AdamAttributes extends Penalties {
	readonly lr: number;
	readonly beta1: number;
	readonly beta2: number;
	readonly eps: number;
	/** 1 - beta1^t and 1 - beta2^t, from float64: in float32 they shift the loss by 1e-5 within three steps. */
	readonly correction1: number;
	readonly correction2: number;
	/** AdamW: the weight decay acts on the parameter, not on the gradient. */
	readonly decoupled: boolean;
}

export interface OptimizerKernels {
	/** buffer = momentum * buffer + (1 - dampening) * g; param -= lr * (nesterov ? g + momentum * buffer : buffer). Without buffer: param -= lr * g. */
	sgdStep(inputs: { gradient: View }, outputs: { param: View; buffer?: View }, attributes: SgdAttributes): void;
	/**
	 * m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; largest = max(largest, v) where given (amsgrad);
	 * param -= lr / correction1 * m / (sqrt((largest or v) / correction2) + eps).
	 */
	adamStep(
		inputs: { gradient: View },
		outputs: { param: View; m: View; v: View; largest?: View },
		attributes: AdamAttributes,
	): void;
}
