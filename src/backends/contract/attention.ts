/**
 * Attention: o = weights v, weights = softmax(scale * q kT + mask), row by row, dropped at random if asked for.
 *
 * q is [B, H, L, E], k [B, G, S, E], v [B, G, S, V], o and its gradient [B, H, L, V]: query head h reads key head
 * floor(h / (H / G)). E and V are 1 to 256. A mask is [B, H, L, S], by strides, usually with zeros among them: bool, true
 * where a query may look, or floating, added to the scores, -infinity where it may not look. `causal` lets query i look at
 * keys 0 .. i only, whatever L and S are. A query that may look nowhere gets zeros, and so do its gradients.
 *
 * Of q, k, v, o and gradients the last dim is dense; the others have any strides, outputs too, so that heads may lie side by side
 * in memory. All have one dtype; the statistics are float32 (float64 for float64), contiguous.
 */
import type { RandomKey } from '../../core/philox';
import type { View } from '../contract';

export interface AttentionAttributes {
	readonly scale: number;
	readonly causal: boolean;
	/**
	 * Weights are dropped with probability p, the others divided by 1 - p. Weight (b, h, i, j) draws word ((b * H + h) * L + i) * S' + j
	 * of the stream, S' being S rounded up to a multiple of 4.
	 */
	readonly dropout: (RandomKey & { readonly p: number }) | null;
}

export interface AttentionKernels {
	/**
	 * o, and the log-sum-exp of the scores of each query in two parts, [B, H, L, 2]: the largest score, and the log of the sum of
	 * exp(score - largest). Added up, a mask of -1e9 on all keys would round the second part off. Zeros for a query that looks nowhere.
	 */
	attention(
		inputs: { q: View; k: View; v: View; mask?: View },
		outputs: { o: View; logSumExp: View },
		attributes: AttentionAttributes,
	): void;

	/** What the gradients need of each query, [B, H, L, 4]: its log-sum-exp, the sum of gradient * o, and a filler. */
	attentionRows(
		inputs: { o: View; gradient: View; logSumExp: View },
		outputs: { rows: View },
		attributes: Readonly<Record<string, never>>,
	): void;

	/** dq = scale * ds k, with ds = weights * (gradient vT - sum of gradient * o), the weights computed again. */
	attentionGradQuery(
		inputs: { q: View; k: View; v: View; gradient: View; rows: View; mask?: View },
		outputs: { dq: View },
		attributes: AttentionAttributes,
	): void;

	/** dk = scale * dsT q and dv = weightsT gradient, summed over the query heads of a key head. */
	attentionGradKeyValue(
		inputs: { q: View; k: View; v: View; gradient: View; rows: View; mask?: View },
		outputs: { dk: View; dv: View },
		attributes: AttentionAttributes,
	): void;
}
