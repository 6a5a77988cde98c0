/** Losses that would take several passes over large inputs if composed from other kernels. */
import type { CheckedIndices } from './indexing';
import type { View } from './storage';

/**
 * Elementwise losses of (input a, target b), by PyTorch's definitions. `parameter` is smoothL1's beta and huber's delta.
 * mse (a - b)^2; l1 |a - b|; bce and bceWithLogits without weights (bce clamps its logarithms to at least -100);
 * klDiv b (log b - a), and 0 where b is 0; klDivLog e^b (b - a).
 */
export type PointwiseLossOp = 'mse' | 'l1' | 'smoothL1' | 'huber' | 'bce' | 'bceWithLogits' | 'klDiv' | 'klDivLog';

/**
 * The classes are the middle dimension of logits seen as [outer, classes, inner]; there is one target for each (outer, inner).
 */
interface ClassShape {
	readonly outer: number;
	readonly classes: number;
	readonly inner: number;
}

export interface CrossEntropyAttributes extends ClassShape {
	/** Rows with this target do not contribute to the loss. */
	readonly ignoreIndex: number;
	readonly labelSmoothing: number;
	/** true: x holds logits, and the kernel takes their log-softmax. false: x holds log-probabilities. */
	readonly logits: boolean;
	/** mean divides by `total`. */
	readonly reduction: 'none' | 'sum' | 'mean';
}

export interface LossKernels {
	/** y = loss of a and b; both have been expanded to y's shape and dtype. */
	pointwiseLoss(inputs: { a: View; b: View }, outputs: { y: View }, attributes: { op: PointwiseLossOp; parameter: number }): void;

	/** da = gradient * d loss / da. The gradient has any strides, often 0. */
	pointwiseLossGrad(
		inputs: { a: View; b: View; gradient: View },
		outputs: { da: View },
		attributes: { op: PointwiseLossOp; parameter: number },
	): void;

	/**
	 * Cross-entropy of x (contiguous, any offset) with target classes (int32, contiguous) under class weights (contiguous; 1 if
	 * missing). A row with target t and log-probabilities l has
	 *
	 *   loss = (1 - s) * -weight[t] * l[t] + s / classes * -sum_c weight[c] * l[c],   s = labelSmoothing
	 *
	 * An ignored target gives the loss 0. A target that is not a valid class gives NaN, and `check` reports it. `loss` has one
	 * element for each row, or a single one if reduced; `total` is then the sum of weight[t] over the rows that count. `logSumExp`
	 * (only with logits) holds the log-sum-exp of each row in two parts, [rows, 2]: the largest logit, and the log of the sum of
	 * exp(logit - largest). Their sum would round the second part off. Both are float32 (float64 for float64).
	 */
	crossEntropy(
		inputs: { x: View; target: View; weight?: View },
		outputs: { loss: View; total?: View; logSumExp?: View },
		attributes: CrossEntropyAttributes & CheckedIndices,
	): void;

	/**
	 * dx of `crossEntropy`, contiguous. `gradient` is contiguous, with one element for each row if the reduction is none, else a
	 * single one.
	 */
	crossEntropyGrad(
		inputs: { x: View; target: View; weight?: View; total?: View; logSumExp?: View; gradient: View },
		outputs: { dx: View },
		attributes: CrossEntropyAttributes,
	): void;

	/**
	 * The log-likelihood [N] of label sequences under all their alignments to x [T, N, C], log-probabilities: at most -1e29 if no
	 * alignment exists. `labels` is int32 [N, S], 0 .. C - 1. `inputs` and `targets`, int32 [N], are the valid steps and labels of
	 * each sequence. `alpha` [N, T, 2 S + 1, 2] is for the gradient: logarithms in two parts, where the second holds the rounding
	 * error of the first. alpha is undefined beyond a sequence's steps. All are contiguous.
	 */
	ctc(
		inputs: { x: View; labels: View; inputs: View; targets: View },
		outputs: { likelihood: View; alpha: View },
		attributes: { readonly blank: number },
	): void;

	/** dx [T, N, C] of `ctc`; 0 for sequences without an alignment, and for steps beyond a sequence's length. */
	ctcGrad(
		inputs: { x: View; labels: View; inputs: View; targets: View; alpha: View; gradient: View },
		outputs: { dx: View },
		attributes: { readonly blank: number },
	): void;
}
