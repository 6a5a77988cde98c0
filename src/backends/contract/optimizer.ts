/**
 * Optimizer steps: one kernel updates parameters and their state in place. All lists of a step have one view for each parameter, and the views of a
 * parameter have one size. They are contiguous at any offset, and floating; the state of float16 parameters is float32. Learning rates and step
 * counts are numbers, so that their changes compile nothing.
 *
 * A parameter's gradient and state are not in the parameter's storage. Parts of the state may share a storage, an *arena*, also with the state of other
 * parameters: there each begins at a multiple of 4 elements, and what follows it up to the next multiple of 4 belongs to no other. If
 * parameters or gradients share memory, the step updates them in the order of the list.
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

type Views = readonly View[];

/** The control (see gradScaler.ts) says whether to skip the step, and holds the values that depend on the step count. */
interface StepInputs {
	readonly gradients: Views;
	readonly control?: View;
}

export interface OptimizerKernels {
	/**
	 * buffer = momentum * buffer + (1 - dampening) * g; param -= lr * (nesterov ? g + momentum * buffer : buffer). Without buffer:
	 * param -= lr * g.
	 */
	sgdStep(inputs: StepInputs, outputs: { params: Views; buffer?: Views }, attributes: SgdAttributes): void;
	/**
	 * m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; largest = max(largest, v) if given (amsgrad);
	 * param -= lr / correction1 * m / (sqrt((largest or v) / correction2) + eps).
	 */
	adamStep(inputs: StepInputs, outputs: { params: Views; m: Views; v: Views; largest?: Views }, attributes: AdamAttributes): void;
	/**
	 * square = alpha square + (1 - alpha) g^2; with mean: mean = alpha mean + (1 - alpha) g, variance = square - mean^2, else
	 * variance = square; direction = g / (sqrt(variance) + eps); with buffer: buffer = momentum buffer + direction; param -= lr *
	 * (buffer or direction).
	 */
	rmspropStep(
		inputs: StepInputs,
		outputs: { params: Views; square: Views; mean?: Views; buffer?: Views },
		attributes: RmspropAttributes,
	): void;
	/** sum += g^2; param -= lr g / (sqrt(sum) + eps). */
	adagradStep(inputs: StepInputs, outputs: { params: Views; sum: Views }, attributes: AdagradAttributes): void;
	/**
	 * square = rho square + (1 - rho) g^2; change = sqrt(changes + eps) / sqrt(square + eps) g;
	 * changes = rho changes + (1 - rho) change^2; param -= lr change.
	 */
	adadeltaStep(
		inputs: StepInputs,
		outputs: { params: Views; square: Views; changes: Views },
		attributes: AdadeltaAttributes,
	): void;
	/** m = beta1 m + (1 - beta1) g; largest = max(beta2 largest, |g| + eps); param -= lr m / largest. */
	adamaxStep(inputs: StepInputs, outputs: { params: Views; m: Views; largest: Views }, attributes: AdamaxAttributes): void;
	/** m and v as Adam's; param -= (gradientRate g + meanRate m) / (sqrt(v / correction2) + eps). */
	nadamStep(inputs: StepInputs, outputs: { params: Views; m: Views; v: Views }, attributes: NadamAttributes): void;
	/** m and v as Adam's; param -= rate m, divided by sqrt(v) + eps if `adaptive`. */
	radamStep(inputs: StepInputs, outputs: { params: Views; m: Views; v: Views }, attributes: RadamAttributes): void;
	/** param -= lr sign(beta1 m + (1 - beta1) g); then m = beta2 m + (1 - beta2) g. */
	lionStep(inputs: StepInputs, outputs: { params: Views; m: Views }, attributes: LionAttributes): void;
	/** average = decay average + (1 - decay) param. No two averages share memory. */
	emaStep(inputs: { params: Views }, outputs: { averages: Views }, attributes: { readonly decay: number }): void;
	/**
	 * norm = the root of the sum of the squares of all elements of all gradients, factor = min(1, maxNorm / (norm + 1e-6)).
	 * Gradients are contiguous, float32 or, on the CPU, float64; both outputs have one element of their dtype.
	 */
	clipFactor(inputs: { gradients: Views }, outputs: { norm: View; factor: View }, attributes: { readonly maxNorm: number }): void;
	/** gradient *= factor, in place. All are contiguous, of one dtype, float32 or, on the CPU, float64. */
	scaleGradients(inputs: { factor: View }, outputs: { gradients: Views }, attributes: Readonly<Record<never, never>>): void;
	/** gradient = min(max(gradient, -limit), limit), in place; NaN stays. Gradients are contiguous and floating. */
	limitGradients(
		inputs: Readonly<Record<never, never>>,
		outputs: { gradients: Views },
		attributes: { readonly limit: number },
	): void;
}
