/**
 * Scaled dot-product attention in two forms. The fused kernels need memory that grows linearly with the lengths, forward and backward. The
 * composed form (matmul, softmax, matmul) is differentiable to any order, returns the weights, and has a gradient for the mask.
 */

import { currentAutocast } from '../autograd/modes';
import { defineOperation } from '../autograd/operation';
import type { AttentionAttributes } from '../backends/contract/attention';
import { attentionKernels, layoutKernels, randomKernels } from '../backends/kernels';
import { requireFinite, requireFraction } from '../core/checks';
import { isFloating } from '../core/dtype';
import { DTypeError, formatShape, ShapeError } from '../core/errors';
import { defaultGenerator } from '../core/generator';
import { checkOptions } from '../core/options';
import type { RandomKey } from '../core/philox';
import { broadcastShapes, contiguousStrides, MAX_RANK, numel, type Shape, sameShape } from '../core/shape';
import { emptyOn, type Tensor, viewOf } from '../tensor';
import { requireFloatingTensor, requireRank, requireSameDevice, requireSameDType, requireTensor } from '../tensorChecks';
import { composed, inFloat32, widened } from './composed';
import { arange } from './creation';
import { add, ge, isinf, logicalAnd, logicalNot, logicalOr, lt, mul, sub, to, where } from './elementwise';
import { contiguous, expand, narrow, reshape, transpose } from './layout';
import { multiply } from './matmul';
import { sumTo } from './operands';
import { any, sum } from './reduce';
import { softmax } from './softmax';

export interface AttentionOptions {
	/** Broadcasts to [..., H, L, S]. A bool mask is true where a query attends. A floating mask is added to the scores. Default none. */
	readonly attnMask?: Tensor | null;
	/** Query i attends to keys 0 .. i only, for any lengths. A mask holds in addition, where PyTorch throws. Default false. */
	readonly isCausal?: boolean;
	/** The probability of dropping a weight. There is no `training` option: pass 0 in inference. Default 0. */
	readonly dropoutP?: number;
	/** The factor of the scores. Default 1 / sqrt(E). */
	readonly scale?: number | null;
	/** Groups of query heads (dim -3) share one head of key and value. Default false. */
	readonly enableGqa?: boolean;
}

let observer: ((weights: Tensor) => void) | null = null;

/**
 * Calls `observe` with the weights [B, H, L, S] of each attention from now on, all of which then takes the composed form. Returns a
 * function that ends it.
 *
 * @internal
 */
export function observeAttention(observe: (weights: Tensor) => void): () => void {
	const before = observer;
	observer = observe;
	return () => {
		observer = before;
	};
}

/** The kernels hold a row of a head in registers. Larger heads take the composed form. */
const MAX_HEAD_SIZE = 256;

/**
 * Returns softmax(query keyT * scale + mask) value, [..., H, L, V], for floating `query` [..., H, L, E], `key` [..., H, S, E] and `value`
 * [..., H, S, V] of one dtype. Leading dims broadcast. A query for which all keys are masked gets zeros, and its gradients are zero.
 *
 * Dao et al. 2022 (FlashAttention). As `torch.nn.functional.scaled_dot_product_attention`.
 */
export function scaledDotProductAttention(query: Tensor, key: Tensor, value: Tensor, options: AttentionOptions = {}): Tensor {
	checkOptions('scaledDotProductAttention', options, ['attnMask', 'isCausal', 'dropoutP', 'scale', 'enableGqa']);
	const casting = currentAutocast();
	if (casting !== null) {
		return casting.call('scaledDotProductAttention', [query, key, value], (inputs) =>
			scaledDotProductAttention(...inputs, options),
		);
	}
	return composed('scaledDotProductAttention', () => {
		const { q, k, v, mask, shape, attributes } = prepare('scaledDotProductAttention', query, key, value, options);
		const [size, valueSize] = [q.shape[3]!, v.shape[3]!];
		const unfit = Math.max(size, valueSize) > MAX_HEAD_SIZE || Math.min(size, valueSize) === 0 || observer !== null;
		return reshape(unfit ? compose(q, k, v, mask, attributes).output : attentionOperation({ q, k, v, mask }, attributes), shape);
	});
}

/** Attention that also returns the weights, [..., H, L, S], after dropout. It takes the composed form, which stores all weights. */
export function attentionWithWeights(
	name: string,
	query: Tensor,
	key: Tensor,
	value: Tensor,
	options: AttentionOptions = {},
): { output: Tensor; weights: Tensor } {
	const casting = currentAutocast();
	if (casting !== null) {
		return casting.call('scaledDotProductAttention', [query, key, value], (inputs) =>
			attentionWithWeights(name, ...inputs, options),
		);
	}
	return composed(name, () => {
		const { q, k, v, mask, shape, attributes } = prepare(name, query, key, value, options);
		const { output, weights } = compose(q, k, v, mask, attributes);
		return { output: reshape(output, shape), weights: reshape(weights, [...shape.slice(0, -1), key.shape.at(-2)!]) };
	});
}

interface Prepared {
	/** q is [B, H, L, E], k [B, G, S, E], v [B, G, S, V] and mask [B, H, L, S]; `shape` is the result's. */
	readonly q: Tensor;
	readonly k: Tensor;
	readonly v: Tensor;
	readonly mask: Tensor | null;
	readonly shape: Shape;
	readonly attributes: AttentionAttributes;
}

function prepare(name: string, query: Tensor, key: Tensor, value: Tensor, options: AttentionOptions): Prepared {
	const { attnMask, isCausal = false, dropoutP = 0, scale, enableGqa = false } = options;
	requireRows(name, { query, key, value });
	const [size, length, keys] = [query.shape.at(-1)!, query.shape.at(-2)!, key.shape.at(-2)!];
	if (key.shape.at(-1) !== size || value.shape.at(-2) !== keys) {
		throw new ShapeError(
			`${name}: query ${formatShape(query.shape)}, key ${formatShape(key.shape)} and value ${formatShape(value.shape)} must be [..., L, E], [..., S, E] and [..., S, V]`,
		);
	}
	requireFraction(name, 'dropoutP', dropoutP);
	if (scale != null) requireFinite(name, 'scale', scale);
	const { batch, heads, groups } = leading(name, query, key, value, enableGqa);
	const count = numel(batch);
	const asMatrices = (x: Tensor, first: number) => {
		const matrix = x.shape.slice(-2);
		return shaped(x, [...batch, ...(heads === null ? [] : [first]), ...matrix], [count, first, ...matrix]);
	};
	const [h, g] = heads === null ? [1, 1] : [heads, groups];
	const lead = [...batch, ...(heads === null ? [] : [h])];
	return {
		q: asMatrices(query, h),
		k: asMatrices(key, g),
		v: asMatrices(value, g),
		mask: attnMask == null ? null : maskFor(name, attnMask, query, [...lead, length, keys], [count, h, length, keys]),
		shape: [...lead, length, value.shape.at(-1)!],
		attributes: {
			scale: scale ?? 1 / Math.sqrt(size),
			causal: isCausal,
			dropout: dropoutP > 0 ? { ...defaultGenerator.next(), p: dropoutP } : null,
		},
	};
}

function requireRows(name: string, tensors: Readonly<Record<string, Tensor>>): void {
	for (const [argument, tensor] of Object.entries(tensors)) {
		requireFloatingTensor(name, tensor, argument);
		requireRank(name, argument, tensor, '[..., rows, elements]', 2, MAX_RANK);
	}
	const all = Object.values(tensors);
	requireSameDevice(name, ...all);
	requireSameDType(name, ...all);
}

/** The common batch dims, the heads of the query, and the heads of key and value. `heads` is null if the tensors have no dim for it. */
function leading(name: string, query: Tensor, key: Tensor, value: Tensor, enableGqa: boolean) {
	if (!enableGqa) {
		const lead = broadcastShapes(name, ...[query, key, value].map((x) => x.shape.slice(0, -2)));
		if (lead.length === 0) return { batch: [], heads: null, groups: 0 };
		return { batch: lead.slice(0, -1), heads: lead.at(-1)!, groups: lead.at(-1)! };
	}
	const [heads, groups] = [query.shape.at(-3), key.shape.at(-3)];
	if (heads === undefined || groups === undefined || groups !== value.shape.at(-3) || heads % groups !== 0) {
		throw new ShapeError(
			`${name}: with enableGqa the heads (dim -3) of key ${formatShape(key.shape)} and value ${formatShape(value.shape)} must be equal and divide those of query ${formatShape(query.shape)}`,
		);
	}
	return { batch: broadcastShapes(name, ...[query, key, value].map((x) => x.shape.slice(0, -3))), heads, groups };
}

function maskFor(name: string, mask: Tensor, query: Tensor, target: Shape, shape: Shape): Tensor {
	requireTensor(name, mask, 'attnMask');
	requireSameDevice(name, query, mask);
	if (mask.dtype !== 'bool' && !isFloating(mask.dtype)) {
		throw new DTypeError(`${name}: attnMask must be bool or floating, not ${mask.dtype}. Compare it, as with ne(mask, 0)`);
	}
	if (mask.ndim > target.length || !sameShape(broadcastShapes(name, mask.shape, target), target)) {
		throw new ShapeError(`${name}: attnMask ${formatShape(mask.shape)} does not broadcast to the scores, ${formatShape(target)}`);
	}
	const own = mask.dtype === 'bool' ? mask : to(mask, query.dtype);
	return shaped(own, target, shape);
}

/** Broadcasts x to `whole` and reshapes it to `shape`. */
function shaped(x: Tensor, whole: Shape, shape: Shape): Tensor {
	const full = sameShape(x.shape, whole) ? x : expand(x, whole);
	return sameShape(whole, shape) ? full : reshape(full, shape);
}

const attentionOperation = defineOperation({
	name: 'scaledDotProductAttention',
	inputs: ['q', 'k', 'v', 'mask?'],
	forward: ({ q, k, v, mask }, attributes: AttentionAttributes) => {
		const output = outputLike(q, v.shape[3]!);
		const logSumExp = emptyOn(q, [...q.shape.slice(0, 3), 2], q.dtype === 'float64' ? 'float64' : 'float32');
		attentionKernels(q.backend).attention(
			{ q: dense(q), k: dense(k), v: dense(v), ...(mask && { mask }) },
			{ o: output, logSumExp },
			attributes,
		);
		return { output, logSumExp };
	},
	saves: ['q', 'k', 'v', 'mask', 'output', 'logSumExp'],
	vjp: (gradient, { q, k, v, mask }, attributes, needs) =>
		composedGradients(...widened(gradient, q, k, v, mask), attributes, needs),
	fusedVjp: (gradient, { q, k, v, mask, output, logSumExp }, attributes, needs) => {
		// The gradient of the mask is as large as the scores, so here the composed form needs no more memory.
		if (needs.mask) return composedGradients(...widened(gradient, q, k, v, mask), attributes, needs);
		const { backend } = q;
		const dOutput = dense(gradient);
		const rows = emptyOn(logSumExp, [...q.shape.slice(0, 3), 4]);
		attentionKernels(backend).attentionRows({ o: output, gradient: dOutput, logSumExp }, { rows }, {});
		const inputs = { q: dense(q), k: dense(k), v: dense(v), gradient: dOutput, rows, ...(mask && { mask }) };
		const dq = needs.q && outputLike(q, q.shape[3]!);
		if (dq) attentionKernels(backend).attentionGradQuery(inputs, { dq }, attributes);
		if (!needs.k && !needs.v) return { q: dq, k: null, v: null, mask: null };
		const dk = outputLike(k, k.shape[3]!);
		const dv = outputLike(v, v.shape[3]!);
		attentionKernels(backend).attentionGradKeyValue(inputs, { dk, dv }, attributes);
		return { q: dq, k: dk, v: dv, mask: null };
	},
});

/** An uninitialized tensor with rows of `size` elements at the positions of x. Its dims have x's order in memory, so no later step copies. */
function outputLike(x: Tensor, size: number): Tensor {
	const shape = [...x.shape.slice(0, 3), size];
	const order = [0, 1, 2].sort((a, b) => x.strides[b]! - x.strides[a]! || a - b);
	const packed = contiguousStrides([...order.map((dim) => shape[dim]!), size]);
	return viewOf(emptyOn(x, [numel(shape)]), shape, [...[0, 1, 2].map((dim) => packed[order.indexOf(dim)]!), 1], 0);
}

function dense(x: Tensor): Tensor {
	return x.strides[3] === 1 || x.shape[3] === 1 ? x : contiguous(x);
}

interface Weights {
	/** Scaled queries, keys and values as [B, G, H / G, ...] and [B, G, 1, ...], which broadcast. */
	readonly q: Tensor;
	readonly k: Tensor;
	readonly v: Tensor;
	/** The weights before dropout, [B, G, H / G, L, S]. */
	readonly weights: Tensor;
	/** The factors of dropout. */
	readonly kept: Tensor | null;
	/** Where a floating mask is not -Infinity. */
	readonly finite: Tensor | null;
}

function weightsOf(
	q: Tensor,
	k: Tensor,
	v: Tensor,
	mask: Tensor | null,
	{ scale, causal, dropout }: AttentionAttributes,
): Weights {
	const [batch, heads, length, size] = q.shape as [number, number, number, number];
	const [groups, keys] = [k.shape[1]!, k.shape[2]!];
	const lead = [batch, groups, heads / groups];
	const queries = mul(reshape(q, [...lead, length, size]), scale);
	const single = (x: Tensor) => reshape(x, [batch, groups, 1, ...x.shape.slice(2)]);
	let scores = multiply('scaledDotProductAttention', queries, transpose(single(k), -2, -1));
	let allowed: Tensor | null = null;
	let finite: Tensor | null = null;
	if (mask !== null) {
		const ofGroup = reshape(mask, [...lead, length, keys]);
		if (mask.dtype === 'bool') {
			allowed = ofGroup;
		} else {
			finite = logicalNot(logicalAnd(isinf(ofGroup), lt(ofGroup, 0)));
			allowed = finite;
			scores = add(scores, where(finite, ofGroup, 0));
		}
	}
	if (causal) {
		const { device } = q;
		const order = ge(reshape(arange(length, { device }), [length, 1]), arange(keys, { device }));
		allowed = allowed === null ? order : logicalAnd(allowed, order);
	}
	const weights = allowed === null ? softmax(scores, -1) : allowedWeights(scores, allowed);
	const kept = dropout === null ? null : keptWeights(q, [...lead, length, keys], dropout);
	return { q: queries, k: single(k), v: single(v), weights, kept, finite };
}

/**
 * The softmax over the allowed scores. Forbidden scores become -Infinity, because a mask may itself hold the lowest finite number. Rows
 * without an allowed score keep their scores, because a row of only -Infinity gives NaN.
 */
function allowedWeights(scores: Tensor, allowed: Tensor): Tensor {
	const kept = logicalOr(allowed, logicalNot(any(allowed, -1, { keepdim: true })));
	return where(allowed, softmax(where(kept, scores, Number.NEGATIVE_INFINITY), -1), 0);
}

/** The dropout mask that the kernels use: each row begins at a multiple of 4 in the random stream. */
function keptWeights(like: Tensor, shape: Shape, attributes: RandomKey & { p: number }): Tensor {
	const keys = shape.at(-1)!;
	const padded = [...shape.slice(0, -1), Math.ceil(keys / 4) * 4];
	const ones = emptyOn(like, padded);
	layoutKernels(like.backend).fill({}, { y: ones }, { value: 1 });
	const kept = emptyOn(like, padded);
	randomKernels(like.backend).dropout({ x: ones }, { y: kept }, attributes);
	return narrow(kept, -1, 0, keys);
}

function dropped(x: Tensor, kept: Tensor | null): Tensor {
	return kept === null ? x : mul(x, kept);
}

function compose(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | null, attributes: AttentionAttributes) {
	const shape = [...q.shape.slice(0, 3), v.shape[3]!];
	const [output, weights] = inFloat32('scaledDotProductAttention', [q, k, v, mask], (...inputs): [Tensor, Tensor] => {
		const found = weightsOf(...inputs, attributes);
		const kept = dropped(found.weights, found.kept);
		return [reshape(multiply('scaledDotProductAttention', kept, found.v), shape), kept];
	});
	observer?.(reshape(weights, [...q.shape.slice(0, 3), k.shape[2]!]));
	return { output, weights };
}

/** The gradients, in operations that are differentiable by the inputs and by the gradient. */
function composedGradients(
	gradient: Tensor,
	q: Tensor,
	k: Tensor,
	v: Tensor,
	mask: Tensor | null,
	attributes: AttentionAttributes,
	needs: { readonly q: unknown; readonly k: unknown; readonly v: unknown; readonly mask: unknown },
) {
	const name = 'scaledDotProductAttention';
	const found = weightsOf(q, k, v, mask, attributes);
	const { weights, kept, finite } = found;
	const incoming = reshape(gradient, [...weights.shape.slice(0, 3), ...gradient.shape.slice(2)]);
	const back = (x: Tensor, like: Tensor, through: Tensor) => reshape(sumTo(x, through.shape), like.shape);
	const dv = needs.v ? back(multiply(name, transpose(dropped(weights, kept), -2, -1), incoming), v, found.v) : null;
	const dWeights = dropped(multiply(name, incoming, transpose(found.v, -2, -1)), kept);
	const dScores = mul(weights, sub(dWeights, sum(mul(dWeights, weights), -1, { keepdim: true })));
	const dq = needs.q ? mul(back(multiply(name, dScores, found.k), q, found.q), attributes.scale) : null;
	const dk = needs.k ? back(multiply(name, transpose(dScores, -2, -1), found.q), k, found.k) : null;
	const dMask = needs.mask && finite !== null && mask !== null ? reshape(where(finite, dScores, 0), mask.shape) : null;
	return { q: dq, k: dk, v: dv, mask: dMask };
}
