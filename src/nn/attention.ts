/** Multi-head attention with PyTorch's options and state keys. Takes a KVCache, so that generation computes one token at a time. */
import { requireCounts, requireFraction, requireInstance } from '../core/checks';
import { isFloating } from '../core/dtype';
import { ArgumentError, DTypeError, formatShape, ShapeError } from '../core/errors';
import { checkOptions, pickOptions } from '../core/options';
import { type Shape, sameShape } from '../core/shape';
import { attentionWithWeights, scaledDotProductAttention } from '../ops/attention';
import { arange, zeros } from '../ops/creation';
import { add, ge, logicalAnd, logicalNot, where } from '../ops/elementwise';
import { cat, chunk, expand, narrow, permute, reshape, squeeze, unsqueeze } from '../ops/layout';
import { linear } from '../ops/matmul';
import { mean } from '../ops/reduce';
import type { Tensor } from '../tensor';
import { requireTensor } from '../tensorChecks';
import { tidy } from '../tidy';
import { emptyParameter, xavierNormal_, xavierUniform_, zeros_ } from './init';
import { KVCache } from './kvCache';
import { Linear } from './linear';
import { type FactoryOptions, Module } from './module';
import type { Parameter } from './parameter';

export interface MultiheadAttentionOptions extends FactoryOptions {
	/** Dropout probability of the attention weights during training. Default 0. */
	readonly dropout?: number;
	/** Learn biases for the projections. Default true. */
	readonly bias?: boolean;
	/** Append a learned key and value to the sequence. Default false. */
	readonly addBiasKv?: boolean;
	/** Append a key and value of zeros. Default false. */
	readonly addZeroAttn?: boolean;
	/** Features of the keys. Default embedDim. */
	readonly kdim?: number;
	/** Features of the values. Default embedDim. */
	readonly vdim?: number;
	/** Sequences are [N, L, E] instead of [L, N, E]. Default false. */
	readonly batchFirst?: boolean;
}

export interface MultiheadAttentionCall {
	/** [N, S], or [S] without a batch. bool: true excludes a key (padding). Floating: added to the scores. Default none. */
	readonly keyPaddingMask?: Tensor | null;
	/** Return the weights, which stores the whole matrix. false uses the fused kernels. Default true. */
	readonly needWeights?: boolean;
	/** [L, S] or [N * heads, L, S]. bool: true *excludes* a key for a query. Floating: added to the scores. Default none. */
	readonly attnMask?: Tensor | null;
	/** Return weights averaged over heads, [N, L, S], instead of [N, heads, L, S]. Default true. */
	readonly averageAttnWeights?: boolean;
	/** Query i attends to keys 0 .. i only, in addition to `attnMask`. (PyTorch takes it as a hint about attnMask.) Default false. */
	readonly isCausal?: boolean;
	/** Earlier keys and values of this layer. Appends the new ones; queries attend causally to all. For self-attention. Default none. */
	readonly cache?: KVCache | null;
}

/** Keys of `stateDict` that differ from the property names. */
const KEYS = {
	inProjWeight: 'in_proj_weight',
	qProjWeight: 'q_proj_weight',
	kProjWeight: 'k_proj_weight',
	vProjWeight: 'v_proj_weight',
	inProjBias: 'in_proj_bias',
	biasK: 'bias_k',
	biasV: 'bias_v',
} as const;

/**
 * Projects queries, keys and values, computes softmax(Q K^T / sqrt(E / heads)) V in `numHeads` heads, and projects the concatenated heads.
 * Vaswani et al. 2017. As `torch.nn.MultiheadAttention`.
 */
export class MultiheadAttention extends Module {
	readonly inProjWeight: Parameter | null;
	readonly qProjWeight: Parameter | null;
	readonly kProjWeight: Parameter | null;
	readonly vProjWeight: Parameter | null;
	readonly inProjBias: Parameter | null;
	readonly biasK: Parameter | null;
	readonly biasV: Parameter | null;
	readonly outProj: Linear;

	constructor(
		readonly embedDim: number,
		readonly numHeads: number,
		readonly options: MultiheadAttentionOptions = {},
	) {
		super();
		checkOptions('MultiheadAttention', options, [
			'dropout',
			'bias',
			'addBiasKv',
			'addZeroAttn',
			'kdim',
			'vdim',
			'batchFirst',
			'device',
			'dtype',
		]);
		requireCounts('MultiheadAttention', { embedDim, numHeads }, 1);
		if (embedDim % numHeads !== 0) {
			throw new ArgumentError(`MultiheadAttention: ${embedDim} features do not divide into ${numHeads} heads`);
		}
		const { bias = true, addBiasKv = false, kdim = embedDim, vdim = embedDim } = options;
		requireCounts('MultiheadAttention', { kdim, vdim });
		requireFraction('MultiheadAttention', 'dropout', options.dropout ?? 0);
		const together = kdim === embedDim && vdim === embedDim;
		const parameter = (wanted: boolean, ...shape: number[]) => (wanted ? emptyParameter(shape, options) : null);
		this.inProjWeight = parameter(together, 3 * embedDim, embedDim);
		this.qProjWeight = parameter(!together, embedDim, embedDim);
		this.kProjWeight = parameter(!together, embedDim, kdim);
		this.vProjWeight = parameter(!together, embedDim, vdim);
		this.inProjBias = parameter(bias, 3 * embedDim);
		this.biasK = parameter(addBiasKv, 1, 1, embedDim);
		this.biasV = parameter(addBiasKv, 1, 1, embedDim);
		this.outProj = new Linear(embedDim, embedDim, pickOptions(options, 'bias', 'device', 'dtype'));
		this.resetParameters();
	}

	/** Draws new initial values. */
	resetParameters(): void {
		for (const weight of [this.inProjWeight, this.qProjWeight, this.kProjWeight, this.vProjWeight])
			if (weight) xavierUniform_(weight);
		for (const bias of [this.inProjBias, this.outProj.bias]) if (bias) zeros_(bias);
		for (const row of [this.biasK, this.biasV]) if (row) xavierNormal_(row);
	}

	override ownParameters(): [string, Parameter][] {
		return super.ownParameters().map(([name, parameter]) => [KEYS[name as keyof typeof KEYS] ?? name, parameter]);
	}

	override namedChildren(): [string, Module][] {
		return super.namedChildren().map(([name, child]) => [name === 'outProj' ? 'out_proj' : name, child]);
	}

	/**
	 * Returns the output in the query's shape, and the weights or null. query: [L, N, E], key: [S, N, kdim], value: [S, N, vdim]; N first
	 * with `batchFirst`; without N for a single sequence. A query with no key to attend to gets zeros before the last projection (PyTorch:
	 * NaN).
	 */
	override forward(
		query: Tensor,
		key: Tensor,
		value: Tensor,
		call: MultiheadAttentionCall = {},
	): [output: Tensor, weights: Tensor | null] {
		checkOptions('MultiheadAttention.forward', call, [
			'keyPaddingMask',
			'needWeights',
			'attnMask',
			'averageAttnWeights',
			'isCausal',
			'cache',
		]);
		this.checkInputs(query, key, value);
		if (call.cache != null) requireInstance('MultiheadAttention.forward', 'cache', call.cache, KVCache, 'a KVCache');
		return tidy(() => {
			const { needWeights = true, averageAttnWeights = true, cache } = call;
			const single = query.ndim === 2;
			const batchFirst = single || (this.options.batchFirst ?? false);
			const batched = (x: Tensor) => (single ? unsqueeze(x, 0) : x);
			let [q, k, v] = this.projectInputs(query, key, value).map((x) => this.splitHeads(batched(x), batchFirst)) as [
				Tensor,
				Tensor,
				Tensor,
			];
			const [batch, , length] = q.shape as [number, number, number];
			const earlier = cache?.length ?? 0;
			if (cache) ({ key: k, value: v } = cache.append(k, v));
			const keys = k.shape[2]!;
			[k, v] = this.withExtraKeys(k, v);
			const extra = k.shape[2]! - keys;
			const causal = (call.isCausal ?? false) || cache != null;
			// The kernels' causal mode assumes that queries and keys start at the same position.
			const explicit = causal && (extra > 0 || (earlier > 0 && length > 1));
			const order = explicit ? causalMask(q, length, keys, earlier) : null;
			const attnMask = this.combinedMask(call, order, { batch, length, keys, extra, single });
			const isCausal = causal && !explicit && earlier === 0;
			const options = { attnMask, isCausal, dropoutP: this.training ? (this.options.dropout ?? 0) : 0 };
			const found = needWeights ? attentionWithWeights('MultiheadAttention', q, k, v, options) : null;
			const attended = found?.output ?? scaledDotProductAttention(q, k, v, options);
			const joined = reshape(permute(attended, batchFirst ? [0, 2, 1, 3] : [2, 0, 1, 3]), batched(query).shape);
			const output = this.outProj.forward(single ? squeeze(joined, 0) : joined);
			if (found === null) return [output, null];
			const weights = averageAttnWeights ? mean(found.weights, 1) : found.weights;
			return [output, single ? squeeze(weights, 0) : weights];
		});
	}

	private checkInputs(query: Tensor, key: Tensor, value: Tensor): void {
		const { kdim = this.embedDim, vdim = this.embedDim, batchFirst = false } = this.options;
		for (const [name, x] of Object.entries({ query, key, value })) requireTensor('MultiheadAttention', x, name);
		const wrong =
			(query.ndim !== 2 && query.ndim !== 3) ||
			key.ndim !== query.ndim ||
			value.ndim !== query.ndim ||
			query.shape.at(-1) !== this.embedDim ||
			key.shape.at(-1) !== kdim ||
			value.shape.at(-1) !== vdim;
		const given = [query, key, value].map(({ shape }) => formatShape(shape)).join(', ');
		const layout = batchFirst ? '[N, L, features]' : '[L, N, features]';
		if (wrong) {
			throw new ShapeError(
				`MultiheadAttention: it takes queries, keys and values of ${this.embedDim}, ${kdim} and ${vdim} features, ${layout} or [L, features], not ${given}`,
			);
		}
		const batches = [query, key, value].map(({ shape }) => (shape.length === 2 ? 1 : shape[batchFirst ? 0 : 1]));
		if (
			new Set(batches).size > 1 ||
			key.shape[Number(batchFirst && key.ndim === 3)] !== value.shape[Number(batchFirst && key.ndim === 3)]
		) {
			throw new ShapeError(
				`MultiheadAttention: queries, keys and values must have one batch size, keys and values one length, as ${layout}, not ${given}`,
			);
		}
	}

	/** Projects queries, keys and values, in one product if they are one tensor, as in self-attention. */
	private projectInputs(query: Tensor, key: Tensor, value: Tensor): Tensor[] {
		const { inProjWeight, inProjBias, embedDim } = this;
		if (inProjWeight !== null && query === key && key === value) return chunk(linear(query, inProjWeight, inProjBias), 3, -1);
		const weights = inProjWeight === null ? [this.qProjWeight!, this.kProjWeight!, this.vProjWeight!] : chunk(inProjWeight, 3, 0);
		return [query, key, value].map((x, i) => linear(x, weights[i]!, inProjBias && narrow(inProjBias, 0, i * embedDim, embedDim)));
	}

	/** Splits the features into heads: a view [N, heads, L, size]. */
	private splitHeads(x: Tensor, batchFirst: boolean): Tensor {
		const [a, b] = x.shape as [number, number];
		return permute(reshape(x, [a, b, this.numHeads, this.embedDim / this.numHeads]), batchFirst ? [0, 2, 1, 3] : [1, 2, 0, 3]);
	}

	private withExtraKeys(key: Tensor, value: Tensor): [Tensor, Tensor] {
		const { numHeads, biasK, biasV } = this;
		const [batch, , , size] = key.shape as [number, number, number, number];
		const shape = [batch, numHeads, 1, size];
		let [k, v] = [key, value];
		if (biasK !== null && biasV !== null) {
			const row = (bias: Tensor) => expand(reshape(bias, [1, numHeads, 1, size]), shape);
			[k, v] = [cat([k, row(biasK)], 2), cat([v, row(biasV)], 2)];
		}
		if (!this.options.addZeroAttn) return [k, v];
		const none = zeros(shape, { dtype: key.dtype, device: key.device });
		return [cat([k, none], 2), cat([v, none], 2)];
	}

	/**
	 * Combines all masks into the kernels' form: bool, true where a query may attend, or floating. Queries may always attend to the extra
	 * keys.
	 */
	private combinedMask(
		{ attnMask, keyPaddingMask }: MultiheadAttentionCall,
		order: Tensor | null,
		{ batch, length, keys, extra, single }: { batch: number; length: number; keys: number; extra: number; single: boolean },
	): Tensor | null {
		const masks = [
			order,
			asMask('attnMask', attnMask, [length, keys], [batch * this.numHeads, length, keys]),
			asMask('keyPaddingMask', keyPaddingMask, single ? [keys] : [batch, keys]),
		];
		if (masks[1] != null && masks[1].ndim === 3) masks[1] = reshape(masks[1], [batch, this.numHeads, length, keys]);
		if (masks[2] != null) masks[2] = reshape(masks[2], [batch, 1, 1, keys]);
		const present = masks.filter((mask) => mask !== null);
		if (present.length === 0) return null;
		const mask = present.reduce(both);
		if (extra === 0) return mask;
		const shape = [...mask.shape.slice(0, -1), extra];
		const open = zeros(shape, { dtype: mask.dtype, device: mask.device });
		return cat([mask, mask.dtype === 'bool' ? logicalNot(open) : open], -1);
	}

	override extraRepr(): string {
		return `${this.embedDim}, ${this.numHeads}`;
	}
}

/**
 * Converts a mask of this layer, where true excludes, to one of the attention function, where true includes. Its shape must be one of
 * `shapes`.
 */
function asMask(name: string, mask: Tensor | null | undefined, ...shapes: readonly Shape[]): Tensor | null {
	if (mask == null) return null;
	requireTensor('MultiheadAttention', mask, name);
	if (mask.dtype !== 'bool' && !isFloating(mask.dtype))
		throw new DTypeError(
			`MultiheadAttention: ${name} must be bool or floating, not ${mask.dtype}. Convert it, for example with eq(mask, 0)`,
		);
	if (!shapes.some((shape) => sameShape(mask.shape, shape))) {
		throw new ShapeError(
			`MultiheadAttention: ${name} must be ${shapes.map(formatShape).join(' or ')}, not ${formatShape(mask.shape)}`,
		);
	}
	return mask.dtype === 'bool' ? logicalNot(mask) : mask;
}

function both(a: Tensor, b: Tensor): Tensor {
	if (a.dtype === 'bool' && b.dtype === 'bool') return logicalAnd(a, b);
	if (a.dtype === 'bool') return where(a, b, Number.NEGATIVE_INFINITY);
	if (b.dtype === 'bool') return where(b, a, Number.NEGATIVE_INFINITY);
	return add(a, b);
}

/** The causal mask of queries that start at position `earlier`: query i attends to keys 0 .. `earlier` + i. */
function causalMask({ device }: Tensor, length: number, keys: number, earlier: number): Tensor {
	return ge(reshape(arange(earlier, earlier + length, { device }), [length, 1]), arange(keys, { device }));
}
