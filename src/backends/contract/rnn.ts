/**
 * One time step of a recurrent layer. The products with the weights are matmuls of their own (that of the inputs for all steps at
 * once); what is left of a step, forward or backward, is one of these kernels.
 *
 * B rows, H hidden units, G = gates * H columns: 4 gates for lstm (i, f, g, o), 3 for gru (r, z, n), 1 for tanh and relu, in PyTorch's
 * order. States stand in slots: slot 0 is the initial state, step s reads slot s and writes slot s + 1. `time` is the place
 * of the step in the sequence, which runs backwards in the reverse direction. All views are contiguous at offset 0.
 * Rows with time >= lengths[row] pass their state on unchanged, and its gradient back; their x has none.
 */
import type { View } from '../contract';

export type CellKind = 'lstm' | 'gru' | 'tanh' | 'relu';

/** Gates of a kind of cell: columns of its weights by H. */
export const GATES: Readonly<Record<CellKind, number>> = { lstm: 4, gru: 3, tanh: 1, relu: 1 };

/** Numbers that a step keeps of each unit for the backward pass: the activated gates, and for gru also the recurrent part of n. */
export const KEPT: Readonly<Record<CellKind, number>> = { lstm: 4, gru: 4, tanh: 1, relu: 1 };

export interface StepAttributes {
	readonly cell: CellKind;
	/** The slot that the step reads. */
	readonly slot: number;
	readonly time: number;
}

export interface RnnKernels {
	/**
	 * lstm: c' = sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o) tanh(c'); gru: n = tanh(x_n + r h_n), h' = (1 - z) n + z h;
	 * tanh, relu: h' = act(x + h). x [T, B, G] are the inputs' products, recurrent [B, G] those of the state, biases included.
	 * hidden [T + 1, B, H] and cell [T + 1, B, H] (lstm only) are updated in slot + 1; kept [T, B, KEPT * H] gets what backward needs,
	 * by `time`. lengths: [B] int32.
	 */
	rnnStep(
		inputs: { x: View; recurrent: View; lengths?: View },
		outputs: { hidden: View; cell?: View; kept: View },
		attributes: StepAttributes,
	): void;

	/**
	 * The gradients of a step's pre-activations. The gradient of h' is gradY [T, B, H] at `time` plus carry [B, H] plus, where given,
	 * the sum over gates of recurrent [gates, B, H] (the products of the later step's gradients with the weights). Writes gradX [T, B, G] and, for gru,
	 * gradRecurrent [T, B, G] at `time` (for the others the two are equal); replaces carry by what flows to the earlier state directly, and
	 * cellCarry [B, H] (lstm) by the gradient of the earlier cell state.
	 */
	rnnStepGrad(
		inputs: { gradY: View; recurrent?: View; hidden: View; cell?: View; kept: View; lengths?: View },
		outputs: { gradX: View; gradRecurrent?: View; carry: View; cellCarry?: View },
		attributes: StepAttributes,
	): void;
}
