/** Attention and rotary positions, of the standard and of com.microsoft. */
import { isFloating } from '../../../core/dtype';
import { ShapeError } from '../../../core/errors';
import { scaledDotProductAttention } from '../../../ops/attention';
import { arange } from '../../../ops/creation';
import * as ops from '../../../ops/elementwise';
import { indexSelect } from '../../../ops/indexing';
import { cat, chunk, narrow, permute, reshape, select, stack, unsqueeze } from '../../../ops/layout';
import { linear } from '../../../ops/matmul';
import type { Tensor } from '../../../tensor';
import { type Call, has, input, optional, type Result, type Table, unsupported } from '../operator';

/** [B, T, H * E] as [B, H, T, E]. */
function heads(x: Tensor, count: number): Tensor {
	const [batch, steps, width] = x.shape as [number, number, number];
	return permute(reshape(x, [batch, steps, count, width / count]), [0, 2, 1, 3]);
}

function merged(x: Tensor): Tensor {
	const [batch, count, steps, size] = x.shape as [number, number, number, number];
	return reshape(permute(x, [0, 2, 1, 3]), [batch, steps, count * size]);
}

/** The attention of version 23: inputs are [B, T, H * E] or [B, H, T, E]. */
function attention(call: Call): Result {
	const { attributes, outputs } = call;
	const query = input(call, 0);
	const isFlat = query.ndim === 3;
	const split = (index: number, name: string) => {
		const x = input(call, index);
		return isFlat ? heads(x, attributes.int(name)) : x;
	};
	if (attributes.float('softcap', 0) !== 0) unsupported(call, 'softcap');
	if (outputs[3] === true) unsupported(call, 'the output of the scores');
	const [q, newKey, newValue] = [split(0, 'q_num_heads'), split(1, 'kv_num_heads'), split(2, 'kv_num_heads')];
	const past = (index: number, x: Tensor) => (has(call, index) ? cat([input(call, index), x], 2) : x);
	const [k, v] = [past(4, newKey), past(5, newValue)];
	const mask = optional(call, 3);
	const isCausal = attributes.flag('is_causal');
	// With a past the first query stands behind it, and the causal mask begins there.
	const offset = k.shape[2]! - newKey.shape[2]!;
	const own = isCausal && offset > 0 ? causalMask(q, k, offset) : null;
	const y = scaledDotProductAttention(q, k, v, {
		attnMask: own === null ? mask : mask === null ? own : both(own, mask),
		isCausal: isCausal && offset === 0,
		scale: attributes.has('scale') ? attributes.float('scale') : null,
		enableGqa: q.shape[1] !== k.shape[1],
	});
	return [isFlat ? merged(y) : y, outputs[1] === true ? k : null, outputs[2] === true ? v : null];
}

function causalMask(q: Tensor, k: Tensor, offset: number): Tensor {
	const { device } = q;
	const place = unsqueeze(arange(q.shape[2]!, { dtype: 'int32', device }), 1);
	return ops.le(arange(k.shape[2]!, { dtype: 'int32', device }), ops.add(place, offset));
}

function both(own: Tensor, mask: Tensor): Tensor {
	if (!isFloating(mask.dtype)) return ops.logicalAnd(own, mask);
	return ops.where(own, mask, Number.NEGATIVE_INFINITY);
}

/** Rotates the first part of each head by the angles whose cosines and sines are rows of caches. */
function rotated(x: Tensor, cos: Tensor, sin: Tensor, interleaved: boolean): Tensor {
	const size = 2 * cos.shape.at(-1)!;
	const [turning, rest] = [narrow(x, -1, 0, size), narrow(x, -1, size, x.shape.at(-1)! - size)];
	const pairs = reshape(turning, [...x.shape.slice(0, -1), size / 2, 2]);
	const [a, b] = interleaved ? [select(pairs, -1, 0), select(pairs, -1, 1)] : (chunk(turning, 2, -1) as [Tensor, Tensor]);
	const real = ops.sub(ops.mul(a, cos), ops.mul(b, sin));
	const imaginary = ops.add(ops.mul(a, sin), ops.mul(b, cos));
	const y = interleaved ? reshape(stack([real, imaginary], -1), turning.shape) : cat([real, imaginary], -1);
	return rest.shape.at(-1) === 0 ? y : cat([y, rest], -1);
}

function rotary(call: Call): Tensor {
	const { attributes } = call;
	const given = input(call, 0);
	const isFlat = given.ndim === 3;
	const x = isFlat ? heads(given, attributes.int('num_heads')) : given;
	const ids = optional(call, 3);
	const rows = (cache: Tensor) => {
		if (ids === null) return unsqueeze(cache, 1);
		const picked = indexSelect(cache, 0, reshape(ops.to(ids, 'int32'), [-1]));
		return unsqueeze(reshape(picked, [...ids.shape, cache.shape[1]!]), 1);
	};
	const y = rotated(x, rows(input(call, 1)), rows(input(call, 2)), attributes.flag('interleaved'));
	return isFlat ? merged(y) : y;
}

/** As `rotary`, with the positions second; a single one is the first of a run. */
function microsoftRotary(call: Call): Tensor {
	const { attributes } = call;
	const given = input(call, 0);
	const [cos, sin] = [input(call, 2), input(call, 3)];
	const isFlat = given.ndim === 3;
	const x = isFlat ? heads(given, attributes.int('num_heads', 0) || given.shape[2]! / (2 * cos.shape[1]!)) : given;
	const steps = x.shape[2]!;
	const start = ops.to(input(call, 1), 'int32');
	const ids =
		start.size === 1
			? ops.add(reshape(start, [1, 1]), reshape(arange(steps, { dtype: 'int32', device: x.device }), [1, steps]))
			: start;
	const rows = (cache: Tensor) =>
		unsqueeze(reshape(indexSelect(cache, 0, reshape(ids, [-1])), [...ids.shape, cache.shape[1]!]), 1);
	const y = rotated(x, rows(cos), rows(sin), attributes.flag('interleaved'));
	return isFlat ? merged(y) : y;
}

/** Self-attention with the projections of query, key and value in one weight [I, 3 * H * E]. */
function fusedAttention(call: Call): Tensor {
	const { attributes } = call;
	const [x, weight] = [input(call, 0), input(call, 1)];
	if (has(call, 4)) unsupported(call, 'a past');
	const count = attributes.int('num_heads');
	const sizes = attributes.ints('qkv_hidden_sizes') ?? new Array<number>(3).fill(weight.shape[1]! / 3);
	const whole = linear(x, permute(weight, [1, 0]), optional(call, 2));
	let start = 0;
	const [q, k, v] = sizes.map((size) => {
		const part = narrow(whole, -1, start, size);
		start += size;
		return heads(part, count);
	}) as [Tensor, Tensor, Tensor];
	return merged(attended(call, q, k, v, optional(call, 3), optional(call, 5), attributes.flag('unidirectional')));
}

function multiHead(call: Call): Tensor {
	const { attributes } = call;
	if ([6, 7].some((index) => has(call, index)) || call.outputs[1] === true) unsupported(call, 'a past');
	const count = attributes.int('num_heads');
	const query = input(call, 0);
	if (query.ndim !== 3 || input(call, 1).ndim !== 3) unsupported(call, 'a packed key and value');
	const width = query.shape[2]!;
	const bias = optional(call, 3);
	const part = (index: number, start: number) => {
		const x = input(call, index);
		return heads(bias === null ? x : ops.add(x, narrow(bias, 0, start, x.shape[2]!)), count);
	};
	const [q, k, v] = [part(0, 0), part(1, width), part(2, 2 * width)];
	return merged(attended(call, q, k, v, optional(call, 4), optional(call, 5), attributes.flag('unidirectional')));
}

/** `mask` is 1 where a key counts, [B, S] or [B, T, S], or the number of keys, [B]. */
function attended(
	call: Call,
	q: Tensor,
	k: Tensor,
	v: Tensor,
	mask: Tensor | null,
	bias: Tensor | null,
	isCausal: boolean,
): Tensor {
	const { attributes } = call;
	const scale = attributes.float('scale', 0);
	let attnMask = bias;
	if (mask !== null) {
		const places =
			mask.ndim === 1 ? ops.lt(arange(k.shape[2]!, { dtype: 'int32', device: q.device }), unsqueeze(mask, 1)) : ops.ne(mask, 0);
		if (places.ndim < 2 || places.ndim > 3 || places.shape[0] !== q.shape[0])
			throw new ShapeError(`${attributes.node}: a mask [${mask.shape.join(', ')}] is not supported`);
		const seen = places.ndim === 2 ? unsqueeze(unsqueeze(places, 1), 1) : unsqueeze(places, 1);
		attnMask = bias === null ? seen : ops.where(seen, bias, Number.NEGATIVE_INFINITY);
	}
	return scaledDotProductAttention(q, k, v, { attnMask, isCausal, scale: scale === 0 ? null : scale });
}

export const ATTENTION: Table = {
	Attention: { run: attention },
	RotaryEmbedding: { run: rotary },
};

/** Of com.microsoft. */
export const MICROSOFT_ATTENTION: Table = {
	Attention: { weights: [1, 2], run: fusedAttention },
	MultiHeadAttention: { weights: [3], run: multiHead },
	RotaryEmbedding: { run: microsoftRotary },
};
