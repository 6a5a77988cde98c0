/** Attention over heads, as all architectures use it. */
import type { KVCache } from '../nn';
import { scaledDotProductAttention } from '../ops/attention';
import { reshape, transpose } from '../ops/layout';
import type { Tensor } from '../tensor';
import type { DecoderCall } from './causalModel';

/** [N, L, heads * size] to [N, heads, L, size]. */
export function splitHeads(x: Tensor, heads: number): Tensor {
	const [batch, length, width] = x.shape as [number, number, number];
	return transpose(reshape(x, [batch, length, heads, width / heads]), 1, 2);
}

/** [N, heads, L, size] to [N, L, heads * size]. */
export function mergeHeads(x: Tensor): Tensor {
	const [batch, heads, length, size] = x.shape as [number, number, number, number];
	return reshape(transpose(x, 1, 2), [batch, length, heads * size]);
}

/** Attention of a decoder's layer, [N, heads, L, size] for queries of as many heads, and keys and values of as many or fewer. */
export function attendCausally(
	query: Tensor,
	key: Tensor,
	value: Tensor,
	{ mask, isCausal, step }: DecoderCall,
	cache: KVCache | null,
	dropoutP = 0,
): Tensor {
	const all = (step === null ? cache?.append(key, value) : cache?.put(key, value, step.position, step.span)) ?? { key, value };
	return scaledDotProductAttention(query, all.key, all.value, {
		attnMask: mask,
		isCausal,
		dropoutP,
		enableGqa: query.shape[1] !== key.shape[1],
	});
}
