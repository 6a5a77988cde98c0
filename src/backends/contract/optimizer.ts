/**
 * Optimizer steps: one kernel updates a parameter and its state in place. All views are contiguous at any offset, of one size and
 * floating dtype, each in its own storage; the state of float16 parameters is float32. Learning rates and step counts are
 * numbers, so that their changes compile nothing.
 *
 * Every step starts with the gradient g = (maximize ? -gradient : gradient) + weightDecay * param + l1 * sign(param). A decoupled
 * weight decay is not part of g; it acts on the parameter: param -= lr * weightDecay * param.
 */
import type { View } from './storage';

export interface Penalties {
	readonly maximize: boolean;
	/** L2: adds weightDecay * param to the gradient. */
	readonly weightDecay: number;
	/** L1: adds l1 * sign(param) to the gradient. */
	readonly l1: number;
}

interface SgdAttributes extends Penalties {
	readonly lr: number;
	readonly momentum: number;
	readonly dampening: number;
	readonly nesterov: boolean;
	/** True in the first step: the buffer starts as the gradient itself. */
	readonly first: boolean;
}

interface AdamAttributes extends Penalties {
	readonly lr: number;
	readonly beta1: number;
	readonly beta2: number;
	readonly eps: number;
	/** 1 - beta1^t and 1 - beta2^t, computed in float64: float32 shifts the loss by 1e-5 within three steps. */
	readonly correction1: number;
	readonly correction2: number;
	/** AdamW: the weight decay acts on the parameter, not on the gradient. */
	readonly decoupled: boolean;
}

interface RmspropAttributes extends Penalties {
	readonly lr: number;
	/** Decay of the running square, and of the running mean in the centered variant. */
	readonly alpha: number;
	readonly eps: number;
	readonly momentum: number;
}

interface AdagradAttributes extends Penalties {
	/** The rate of this step: lr / (1 + (t - 1) * lrDecay); with a control, lr. */
	readonly lr: number;
	readonly lrDecay: number;
	readonly eps: number;
}

interface AdadeltaAttributes extends Penalties {
	readonly lr: number;
	readonly rho: number;
	readonly eps: number;
}

interface AdamaxAttributes extends Penalties {
	/** The rate of this step: lr / (1 - beta1^t); with a control, lr. */
	readonly lr: number;
	readonly beta1: number;
	readonly beta2: number;
	readonly eps: number;
}

/** The part of the weight decay that acts on the parameter: param -= shrink * param before the rest of the step. */
interface Shrinking {
	readonly shrink: number;
}

interface NadamAttributes extends Penalties, Shrinking {
	readonly beta1: number;
	readonly beta2: number;
	readonly eps: number;
	/** 1 - beta2^t. */
	readonly correction2: number;
	/** Factors of the gradient and of the mean; they include the learning rate and the momentum schedule. */
	readonly gradientRate: number;
	readonly meanRate: number;
}

interface RadamAttributes extends Penalties, Shrinking {
	readonly beta1: number;
	readonly beta2: number;
	readonly eps: number;
	/** lr / (1 - beta1^t); if the step is adaptive, also times the rectification and sqrt(1 - beta2^t). */
	readonly rate: number;
	/** Whether to divide by the root of the square. False in the first steps, while its variance is unknown. */
	readonly adaptive: boolean;
}

interface LionAttributes extends Penalties, Shrinking {
	readonly lr: number;
	readonly beta1: number;
	readonly beta2: number;
}

/** A step may have a control (see gradScaler.ts). It says whether to skip the step, and holds the values that depend on the step count. */
export interface OptimizerKernels {
	/**
	 * buffer = momentum * buffer + (1 - dampening) * g; param -= lr * (nesterov ? g + momentum * buffer : buffer). Without buffer:
	 * param -= lr * g.
	 */
	sgdStep(inputs: { gradient: View; control?: View }, outputs: { param: View; buffer?: View }, attributes: SgdAttributes): void;
	/**
	 * m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; largest = max(largest, v) if given (amsgrad);
	 * param -= lr / correction1 * m / (sqrt((largest or v) / correction2) + eps).
	 */
	adamStep(
		inputs: { gradient: View; control?: View },
		outputs: { param: View; m: View; v: View; largest?: View },
		attributes: AdamAttributes,
	): void;

	/**
	 * square = alpha square + (1 - alpha) g^2; with mean: mean = alpha mean + (1 - alpha) g, variance = square - mean^2, else
	 * variance = square; direction = g / (sqrt(variance) + eps); with buffer: buffer = momentum buffer + direction; param -= lr *
	 * (buffer or direction).
	 */
	rmspropStep(
		inputs: { gradient: View; control?: View },
		outputs: { param: View; square: View; mean?: View; buffer?: View },
		attributes: RmspropAttributes,
	): void;
	/** sum += g^2; param -= lr g / (sqrt(sum) + eps). */
	adagradStep(
		inputs: { gradient: View; control?: View },
		outputs: { param: View; sum: View },
		attributes: AdagradAttributes,
	): void;
	/**
	 * square = rho square + (1 - rho) g^2; change = sqrt(changes + eps) / sqrt(square + eps) g;
	 * changes = rho changes + (1 - rho) change^2; param -= lr change.
	 */
	adadeltaStep(
		inputs: { gradient: View; control?: View },
		outputs: { param: View; square: View; changes: View },
		attributes: AdadeltaAttributes,
	): void;
	/** m = beta1 m + (1 - beta1) g; largest = max(beta2 largest, |g| + eps); param -= lr m / largest. */
	adamaxStep(
		inputs: { gradient: View; control?: View },
		outputs: { param: View; m: View; largest: View },
		attributes: AdamaxAttributes,
	): void;
	/** m and v as Adam's; param -= (gradientRate g + meanRate m) / (sqrt(v / correction2) + eps). */
	nadamStep(
		inputs: { gradient: View; control?: View },
		outputs: { param: View; m: View; v: View },
		attributes: NadamAttributes,
	): void;
	/** m and v as Adam's; param -= rate m, divided by sqrt(v) + eps if `adaptive`. */
	radamStep(
		inputs: { gradient: View; control?: View },
		outputs: { param: View; m: View; v: View },
		attributes: RadamAttributes,
	): void;
	/** param -= lr sign(beta1 m + (1 - beta1) g); then m = beta2 m + (1 - beta2) g. */
	lionStep(inputs: { gradient: View; control?: View }, outputs: { param: View; m: View }, attributes: LionAttributes): void;
	/**
	 * norm = the root of the sum of the squares of all elements of all gradients, factor = min(1, maxNorm / (norm + 1e-6)).
	 * Gradients are contiguous, float32 or, on the CPU, float64; both outputs have one element of their dtype.
	 */
	clipFactor(
		inputs: { gradients: readonly View[] },
		outputs: { norm: View; factor: View },
		attributes: { readonly maxNorm: number },
	): void;
	/** average = decay average + (1 - decay) param. */
	emaStep(inputs: { param: View }, outputs: { average: View }, attributes: { readonly decay: number }): void;
}
