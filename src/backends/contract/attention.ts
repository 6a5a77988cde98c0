/**
 * Attention: o = weights v, weights = softmax(scale * q kT + mask) along the keys, with optional dropout of the weights.
 *
 * q is [B, H, L, E], k [B, G, S, E], v [B, G, S, V], o and its gradient [B, H, L, V]. Query head h reads key head
 * floor(h / (H / G)). E and V are 1 to 256. A mask is [B, H, L, S] and is usually expanded, with zero strides. A bool mask is
 * true where a query may attend. A floating mask is added to the scores, with -infinity where a query may not attend. `causal`
 * lets query i attend to keys 0 .. i only, for any L and S. A query that may attend to no key gets zeros, and so do its
 * gradients.
 *
 * The last dim of q, k, v, o and the gradients is dense. Their other dims have any strides, in outputs too, so that heads may lie
 * side by side in memory. All have one dtype. The statistics are contiguous float32 (float64 for float64).
 */
import type { RandomKey } from '../../core/philox';
import type { View } from './storage';

export interface AttentionAttributes {
	readonly scale: number;
	readonly causal: boolean;
	/**
	 * Dropout zeroes each weight with probability p and divides the others by 1 - p. Weight (b, h, i, j) draws word
	 * ((b * H + h) * L + i) * S' + j of the stream, where S' is S rounded up to a multiple of 4.
	 */
	readonly dropout: (RandomKey & { readonly p: number }) | null;
}

export interface AttentionKernels {
	/**
	 * o, and the log-sum-exp of each query's scores in two parts, [B, H, L, 2]: the largest score, and the log of the sum of
	 * exp(score - largest). A single float32 would lose the second part when a mask adds -1e9 to all keys. Both parts are zero for
	 * a query that attends to no key.
	 */
	attention(
		inputs: { q: View; k: View; v: View; mask?: View },
		outputs: { o: View; logSumExp: View },
		attributes: AttentionAttributes,
	): void;

	/**
	 * For each query, the values that the gradients need, [B, H, L, 4]: both parts of its log-sum-exp, the sum of gradient * o, and padding.
	 */
	attentionRows(
		inputs: { o: View; gradient: View; logSumExp: View },
		outputs: { rows: View },
		attributes: Readonly<Record<string, never>>,
	): void;

	/** dq = scale * ds k, with ds = weights * (gradient vT - sum of gradient * o). The kernel recomputes the weights. */
	attentionGradQuery(
		inputs: { q: View; k: View; v: View; gradient: View; rows: View; mask?: View },
		outputs: { dq: View },
		attributes: AttentionAttributes,
	): void;

	/** dk = scale * dsT q and dv = weightsT gradient, summed over the query heads that share a key head. */
	attentionGradKeyValue(
		inputs: { q: View; k: View; v: View; gradient: View; rows: View; mask?: View },
		outputs: { dk: View; dv: View },
		attributes: AttentionAttributes,
	): void;
}
