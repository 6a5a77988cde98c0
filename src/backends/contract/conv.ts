/**
 * Convolution: the three directions of one bilinear map, for one to three spatial dimensions.
 *
 * Layouts, with S standing for the spatial sizes: x [N, C, ...S], weight [O, C / groups, ...kernel], y [N, O, ...S'].
 * All inputs are contiguous (the operation makes them so); their offsets may be nonzero. Sizes may be 0.
 */
import type { View } from './storage';

/** One entry per spatial dimension in each list. */
export interface ConvAttributes {
	readonly stride: readonly number[];
	/** Zeros before the first element of each dimension. The output size implies the zeros after the last element. */
	readonly padding: readonly number[];
	readonly dilation: readonly number[];
	readonly groups: number;
}

export interface ConvKernels {
	/**
	 * y[n, o, i] = bias[o] + sum over c, k of x[n, g C/groups + c, stride i - padding + dilation k] weight[o, c, k], where g is
	 * the group of o and x is zero outside of its bounds.
	 */
	conv(inputs: { x: View; weight: View; bias?: View | undefined }, outputs: { y: View }, attributes: ConvAttributes): void;

	/**
	 * The transpose of `conv` in x: gradX[n, c, j] = bias[c] + the sum of gradY[n, o, i] weight[o, c, k] over all o, i, k
	 * with stride i - padding + dilation k = j. With a bias (one value per channel of gradX) it is the forward pass of
	 * transposed convolution: PyTorch stores its weight in this same order [C_in, C_out / groups, ...kernel].
	 */
	convInputGrad(
		inputs: { gradY: View; weight: View; bias?: View | undefined },
		outputs: { gradX: View },
		attributes: ConvAttributes,
	): void;

	/**
	 * The transpose of `conv` in weight: gradWeight[o, c, k] = sum over n, i of gradY[n, o, i] x[n, c, stride i - padding +
	 * dilation k].
	 */
	convWeightGrad(inputs: { x: View; gradY: View }, outputs: { gradWeight: View }, attributes: ConvAttributes): void;
}

export type Triple = readonly [depth: number, height: number, width: number];

/** A list of one to three spatial numbers as [depth, height, width]; `fill` replaces missing leading numbers. */
export function asTriple(list: readonly number[], fill: number): Triple {
	return [list.at(-3) ?? fill, list.at(-2) ?? fill, list.at(-1) ?? fill];
}
