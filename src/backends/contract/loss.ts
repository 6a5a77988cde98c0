/** Losses whose composition from other kernels would cost several passes over large inputs. */
import type { View } from '../contract';
import type { CheckedIndices } from './indexing';

/**
 * Elementwise losses of (input a, target b), by PyTorch's definitions. `parameter` is smoothL1's beta and huber's delta.
 * mse (a - b)^2, l1 |a - b|, bce and bceWithLogits unweighted (logarithms of bce cut off at -100), klDiv b (log b - a), 0 where b is 0,
 * klDivLog e^b (b - a).
 */
export type PairLossOp = 'mse' | 'l1' | 'smoothL1' | 'huber' | 'bce' | 'bceWithLogits' | 'klDiv' | 'klDivLog';

/** The classes are the middle dimension of logits seen as [outer, classes, inner]; there is one target for each (outer, inner). */
export interface ClassShape {
	readonly outer: number;
	readonly classes: number;
	readonly inner: number;
}

export interface CrossEntropyAttributes extends ClassShape {
	/** Rows with this target count for nothing. */
	readonly ignoreIndex: number;
	readonly labelSmoothing: number;
	/** Whether x holds logits, whose softmax is taken, or logarithms of probabilities. */
	readonly logits: boolean;
	/** mean divides by `total`. */
	readonly reduction: 'none' | 'sum' | 'mean';
}

export interface LossKernels {
	/** y = loss of a and b; both have been expanded to y's shape and dtype. */
	pairLoss(inputs: { a: View; b: View }, outputs: { y: View }, attributes: { op: PairLossOp; parameter: number }): void;

	/** da = gradient * the derivative by a; the gradient is of any strides, often 0. */
	pairLossGrad(
		inputs: { a: View; b: View; gradient: View },
		outputs: { da: View },
		attributes: { op: PairLossOp; parameter: number },
	): void;

	/**
	 * Cross-entropy of x (contiguous, any offset) with target classes (int32, contiguous) under class weights (contiguous; 1 if missing). Of a row
	 * with target t and log-probabilities l:
	 *
	 *   loss = (1 - s) * -weight[t] * l[t] + s / classes * -sum_c weight[c] * l[c],   s = labelSmoothing
	 *
	 * Where t is ignored, the loss is 0. Where t is not a valid class, the loss is NaN, and `check` reports t. `loss` has one element for each row, or one in all if reduced;
	 * then `total` is the sum of weight[t] over rows that count. `logSumExp` (only with logits) has the log-sum-exp of each row in two parts,
	 * [rows, 2]: the largest logit, and the log of the sum of exp(logit - largest). Their sum would round the second part off. Both are float32,
	 * or float64 for float64.
	 */
	crossEntropy(
		inputs: { x: View; target: View; weight?: View },
		outputs: { loss: View; total?: View; logSumExp?: View },
		attributes: CrossEntropyAttributes & CheckedIndices,
	): void;

	/**
	 * dx of the same, contiguous. `gradient` is that of the loss: of one element for each row if the reduction is none (contiguous), else of one.
	 */
	crossEntropyGrad(
		inputs: { x: View; target: View; weight?: View; total?: View; logSumExp?: View; gradient: View },
		outputs: { dx: View },
		attributes: CrossEntropyAttributes,
	): void;

	/**
	 * The log-likelihood [N] of label sequences under all their alignments to x [T, N, C], logarithms of probabilities: at most -1e29 where
	 * there is none. `labels` is int32 [N, S], 0 .. C - 1; `inputs` and `targets`, int32 [N], are how many steps and labels of each
	 * sequence count. `alpha` [N, T, 2 S + 1, 2] is for the gradient: logarithms in two parts, the second what rounding left of the first; it is left
	 * undefined beyond a sequence's steps. All are contiguous.
	 */
	ctc(
		inputs: { x: View; labels: View; inputs: View; targets: View },
		outputs: { likelihood: View; alpha: View },
		attributes: { readonly blank: number },
	): void;

	/** dx [T, N, C] of the same; 0 for sequences that have no alignment, and for steps that do not count. */
	ctcGrad(
		inputs: { x: View; labels: View; inputs: View; targets: View; alpha: View; gradient: View },
		outputs: { dx: View },
		attributes: { readonly blank: number },
	): void;
}
