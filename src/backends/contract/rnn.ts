/**
 * One time step of a recurrent layer. Matmul computes the products with the weights (those of the inputs for all steps at
 * once); these kernels compute the rest of a step, forward or backward.
 *
 * B rows, H hidden units, G = gates * H columns: 4 gates for lstm (i, f, g, o), 3 for gru (r, z, n), 1 for tanh and relu, in
 * PyTorch's order. Slot 0 of the states is the initial state; step s reads slot s and writes slot s + 1. `time` is the step's
 * position in the sequence, which runs backwards in the reverse direction. All views are contiguous at offset 0.
 * Rows with time >= lengths[row] pass their state on, and its gradient back, unchanged; the gradient of their x is 0.
 */
import type { View } from './storage';

export type CellKind = 'lstm' | 'gru' | 'tanh' | 'relu';

/** The gates of each kind of cell: columns of its weights divided by H. */
export const GATES: Readonly<Record<CellKind, number>> = { lstm: 4, gru: 3, tanh: 1, relu: 1 };

/**
 * Numbers that a step saves for each unit for the backward pass: the activated gates, and for gru also the recurrent part of n.
 */
export const SAVED: Readonly<Record<CellKind, number>> = { lstm: 4, gru: 4, tanh: 1, relu: 1 };

interface StepAttributes {
	readonly cell: CellKind;
	/** The slot that the step reads. */
	readonly slot: number;
	readonly time: number;
}

export interface RnnKernels {
	/**
	 * lstm: c' = sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o) tanh(c'); gru: n = tanh(x_n + r h_n), h' = (1 - z) n + z h;
	 * tanh, relu: h' = act(x + h). x [T, B, G] holds the products of the inputs, recurrent [B, G] those of the state, both with
	 * bias. The kernel writes slot + 1 of hidden [T + 1, B, H] and of cell [T + 1, B, H] (lstm only), and the values that backward
	 * needs to entry `time` of kept [T, B, SAVED * H]. lengths: [B] int32.
	 */
	rnnStep(
		inputs: { x: View; recurrent: View; lengths?: View },
		outputs: { hidden: View; cell?: View; kept: View },
		attributes: StepAttributes,
	): void;

	/**
	 * The gradients of a step's pre-activations. The gradient of h' is the sum of gradY [T, B, H] at `time`, of carry [B, H] and,
	 * if given, of recurrent [gates, B, H] over the gates (the later step's gradients times the weights). Writes gradX [T, B, G] at
	 * `time` and, for gru, gradRecurrent [T, B, G] at `time` (for the others the two are equal). Replaces carry by the gradient
	 * that flows directly to the earlier state, and cellCarry [B, H] (lstm) by the gradient of the earlier cell state.
	 */
	rnnStepGrad(
		inputs: { gradY: View; recurrent?: View; hidden: View; cell?: View; kept: View; lengths?: View },
		outputs: { gradX: View; gradRecurrent?: View; carry: View; cellCarry?: View },
		attributes: StepAttributes,
	): void;
}
