/**
 * Products with quantised matrices, and lookups in them.
 *
 * A quantised matrix W is [rows, columns]. Each row is cut into groups of `groupSize` columns; the last group may be shorter. An
 * element is
 *
 *   W[r, c] = (code[r, c] - zeroPoint[r, g]) * scale[r, g],   g = floor(c / groupSize),
 *
 * with codes from 0 to 2^bits - 1. A missing zeroPoint means 2^(bits - 1).
 *
 *   packed     int32 [rows, words]. Each group starts a new word and takes ceil(its columns * bits / 32) words. A word holds
 *              32 / bits codes, the first in its lowest bits. Codes beyond the end of a group are ignored.
 *   scale      floating [rows, groups].
 *   zeroPoint  uint8 [rows, groups].
 *
 * All three are contiguous.
 */
import type { CheckedIndices } from './indexing';
import type { View } from './storage';

export interface QuantizedViews {
	packed: View;
	scale: View;
	zeroPoint?: View | undefined;
}

export interface QuantizedLayout {
	readonly bits: 4 | 8;
	readonly groupSize: number;
	readonly columns: number;
}

export interface QuantizedKernels {
	/**
	 * out[i, r] = sum over c of x[i, c] W[r, c], plus bias[r]: x [lines, columns], bias [rows] of x's dtype, both of any strides.
	 */
	quantizedLinear(
		inputs: QuantizedViews & { x: View; bias?: View | undefined },
		outputs: { out: View },
		layout: QuantizedLayout,
	): void;

	/** dx[i, c] = sum over r of gradient[i, r] W[r, c]: gradient [lines, rows] of any strides. */
	quantizedLinearGrad(inputs: QuantizedViews & { gradient: View }, outputs: { dx: View }, layout: QuantizedLayout): void;

	/** y[i, c] = W[index[i], c]: index (int32) [n] of any stride. y has the dtype of scale. */
	quantizedEmbedding(
		inputs: QuantizedViews & { index: View },
		outputs: { y: View },
		attributes: QuantizedLayout & CheckedIndices,
	): void;

	/** y = W, in the dtype of scale. */
	dequantizeWeight(inputs: QuantizedViews, outputs: { y: View }, layout: QuantizedLayout): void;
}
