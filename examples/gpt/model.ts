/**
 * GPT-2: a decoder of pre-norm blocks with learned positions and tied input and output embeddings. Radford et al. 2019.
 *
 * Keys of the state (`transformer.h.0.attn.c_attn.weight`) and shapes are Hugging Face's: projections store their weight as [in, out].
 */
import {
	linear,
	nn,
	noGrad,
	type QuantizeOptions,
	type QuantizeReport,
	quantize,
	scaledDotProductAttention,
	type Tensor,
	tensor,
	tidy,
	zeros,
} from 'wgrad';

export interface GptOptions {
	/** Number of different tokens. */
	readonly vocabularySize: number;
	/** The largest number of tokens that the model sees. */
	readonly context: number;
	/** Features per token; must be a multiple of `heads`. */
	readonly width: number;
	readonly layers: number;
	readonly heads: number;
	/** Dropout probability of embeddings, attention weights and residuals during training. Default 0. */
	readonly dropout?: number;
}

/** Standard deviation of initial weights: GPT-2's 0.02 for its width of 768, and in proportion for others. */
function deviationOf({ width }: GptOptions): number {
	return 0.02 * Math.sqrt(768 / width);
}

/** Standard deviation for projections into the residual stream: the sum of all 2 * layers outputs then has the size of one. */
function residualDeviation(options: GptOptions): number {
	return deviationOf(options) / Math.sqrt(2 * options.layers);
}

/** x W + b with W [in, out], as in GPT-2's files. */
class Projection extends nn.Module {
	readonly weight: nn.Parameter;
	readonly bias: nn.Parameter;

	constructor(inFeatures: number, outFeatures: number, deviation: number) {
		super();
		this.weight = nn.init.normal_(new nn.Parameter(zeros([inFeatures, outFeatures])), 0, deviation);
		this.bias = new nn.Parameter(zeros([outFeatures]));
	}

	override forward(x: Tensor): Tensor {
		return tidy(() => linear(x, this.weight.transpose(0, 1), this.bias));
	}
}

/**
 * Quantises the projections, the token table and the head, which stays tied to the table. The position table stays floating, because the
 * decoder slices it directly.
 */
export function quantizeGpt(model: Gpt, options: Omit<QuantizeOptions, 'exclude' | 'convert'>): QuantizeReport {
	return quantize(model, { ...options, exclude: ['wpe'], convert: asLinear }).report;
}

/** Returns the sizes and parameters of a Linear that computes the same as `module`, or null if `module` is not a matrix product. */
function asLinear(module: nn.Module): nn.LinearLike | null {
	if (module instanceof TiedHead) {
		const [outFeatures, inFeatures] = module.weight.shape as [number, number];
		return { inFeatures, outFeatures, weight: module.weight, bias: null };
	}
	if (!(module instanceof Projection)) return null;
	const [inFeatures, outFeatures] = module.weight.shape as [number, number];
	return { inFeatures, outFeatures, weight: module.weight.transpose(0, 1), bias: module.bias };
}

/** Each token attends to itself and earlier tokens. */
class SelfAttention extends nn.Module {
	readonly inward: Projection;
	readonly outward: Projection;
	readonly #residual: nn.Dropout;

	constructor(readonly options: GptOptions) {
		super();
		const { width, dropout = 0 } = options;
		this.inward = new Projection(width, 3 * width, deviationOf(options));
		this.outward = new Projection(width, width, residualDeviation(options));
		this.#residual = new nn.Dropout(dropout);
	}

	override namedChildren(): [string, nn.Module][] {
		return [
			['c_attn', this.inward],
			['c_proj', this.outward],
			['resid_dropout', this.#residual],
		];
	}

	/** x: [batch, length, width]. With a cache, x continues the cached tokens. */
	override forward(x: Tensor, cache: nn.KVCache | null): Tensor {
		const { width, heads, dropout = 0 } = this.options;
		const [batch, length] = x.shape as [number, number];
		const apart = (part: Tensor) => part.reshape([batch, length, heads, width / heads]).transpose(1, 2);
		const [query, ...both] = this.inward.forward(x).chunk(3, -1).map(apart) as [Tensor, Tensor, Tensor];
		const earlier = cache?.length ?? 0;
		const { key, value } = cache?.append(both[0], both[1]) ?? { key: both[0], value: both[1] };
		const attended = scaledDotProductAttention(query, key, value, {
			isCausal: earlier === 0,
			attnMask: earlier > 0 && length > 1 ? causalMask(query, earlier) : null,
			dropoutP: this.training ? dropout : 0,
		});
		return this.#residual.forward(this.outward.forward(attended.transpose(1, 2).reshape([batch, length, width])));
	}
}

/** The mask [queries, keys] for queries that follow `earlier` cached tokens. */
function causalMask({ shape, device }: Tensor, earlier: number): Tensor {
	const length = shape[2]!;
	const keys = earlier + length;
	const seen = Array.from({ length: length * keys }, (_, i) => i % keys <= earlier + Math.floor(i / keys));
	return tensor(seen, { shape: [length, keys], device });
}

class FeedForward extends nn.Module {
	readonly inward: Projection;
	readonly outward: Projection;
	readonly #activation = new nn.GELU({ approximate: 'tanh' });
	readonly #residual: nn.Dropout;

	constructor(options: GptOptions) {
		super();
		const { width, dropout = 0 } = options;
		this.inward = new Projection(width, 4 * width, deviationOf(options));
		this.outward = new Projection(4 * width, width, residualDeviation(options));
		this.#residual = new nn.Dropout(dropout);
	}

	override namedChildren(): [string, nn.Module][] {
		return [
			['c_fc', this.inward],
			['act', this.#activation],
			['c_proj', this.outward],
			['dropout', this.#residual],
		];
	}

	override forward(x: Tensor): Tensor {
		return this.#residual.forward(this.outward.forward(this.#activation.forward(this.inward.forward(x))));
	}
}

class Block extends nn.Module {
	readonly #norm1: nn.LayerNorm;
	readonly #attention: SelfAttention;
	readonly #norm2: nn.LayerNorm;
	readonly #feedForward: FeedForward;

	constructor(options: GptOptions) {
		super();
		this.#norm1 = new nn.LayerNorm(options.width);
		this.#attention = new SelfAttention(options);
		this.#norm2 = new nn.LayerNorm(options.width);
		this.#feedForward = new FeedForward(options);
	}

	override namedChildren(): [string, nn.Module][] {
		return [
			['ln_1', this.#norm1],
			['attn', this.#attention],
			['ln_2', this.#norm2],
			['mlp', this.#feedForward],
		];
	}

	override forward(x: Tensor, cache: nn.KVCache | null): Tensor {
		return tidy(() => {
			const attended = x.add(this.#attention.forward(this.#norm1.forward(x), cache));
			return attended.add(this.#feedForward.forward(this.#norm2.forward(attended)));
		});
	}
}

/** Maps tokens to features. */
class Decoder extends nn.Module {
	readonly tokens: nn.Embedding;
	readonly #positions: nn.Embedding;
	readonly #dropout: nn.Dropout;
	readonly #blocks: nn.ModuleList<Block>;
	readonly #norm: nn.LayerNorm;

	constructor(options: GptOptions) {
		super();
		const { vocabularySize, context, width, layers, dropout = 0 } = options;
		this.tokens = new nn.Embedding(vocabularySize, width);
		this.#positions = new nn.Embedding(context, width);
		for (const { weight } of [this.tokens, this.#positions]) nn.init.normal_(weight, 0, deviationOf(options));
		this.#dropout = new nn.Dropout(dropout);
		this.#blocks = new nn.ModuleList(Array.from({ length: layers }, () => new Block(options)));
		this.#norm = new nn.LayerNorm(width);
	}

	override namedChildren(): [string, nn.Module][] {
		return [
			['wte', this.tokens],
			['wpe', this.#positions],
			['drop', this.#dropout],
			['h', this.#blocks],
			['ln_f', this.#norm],
		];
	}

	override forward(tokens: Tensor, caches: readonly nn.KVCache[] | null): Tensor {
		const positions = this.#positions.weight.narrow(0, caches?.[0]?.length ?? 0, tokens.shape[1]!);
		let x = this.#dropout.forward(this.tokens.forward(tokens).add(positions));
		for (const [i, block] of this.#blocks.items.entries()) x = block.forward(x, caches?.[i] ?? null);
		return this.#norm.forward(x);
	}
}

/** Maps features to logits with the embedding table. */
class TiedHead extends nn.Module {
	constructor(readonly weight: nn.Parameter) {
		super();
	}

	override forward(x: Tensor): Tensor {
		return linear(x, this.weight);
	}
}

export class Gpt extends nn.Module {
	readonly #decoder: Decoder;
	readonly head: TiedHead;

	constructor(readonly options: GptOptions) {
		super();
		if (!Number.isInteger(options.width / options.heads)) {
			throw new Error(`a width of ${options.width} does not divide into ${options.heads} heads`);
		}
		this.#decoder = new Decoder(options);
		this.head = new TiedHead(this.#decoder.tokens.weight);
	}

	override namedChildren(): [string, nn.Module][] {
		return [
			['transformer', this.#decoder],
			['lm_head', this.head],
		];
	}

	/**
	 * Returns logits of the next token: int32 [batch, length] to [batch, length, vocabularySize]. With `caches`, one per layer, the tokens
	 * continue the cached ones.
	 */
	override forward(tokens: Tensor, caches: readonly nn.KVCache[] | null = null): Tensor {
		return tidy(() => this.head.forward(this.#decoder.forward(tokens, caches)));
	}

	/**
	 * Returns logits of the token after the last one, int32 [batch, length] to [batch, vocabularySize], in inference: no dropout, no tape.
	 */
	next(tokens: Tensor, caches: readonly nn.KVCache[]): Tensor {
		const { training } = this;
		this.eval();
		try {
			return noGrad(() => tidy(() => this.head.forward(this.#decoder.forward(tokens, caches).select(1, -1))));
		} finally {
			this.train(training);
		}
	}

	/** Creates empty caches for `batch` texts, one per layer. */
	caches(batch = 1): nn.KVCache[] {
		const { context, width, heads, layers } = this.options;
		const { device, dtype } = this.parameters()[0]!;
		const options = { batch, heads, headSize: width / heads, maxLength: context, device, dtype };
		return Array.from({ length: layers }, () => new nn.KVCache(options));
	}

	/** Parameter groups for an optimizer: weight decay for matrices, none for biases and norms. */
	decayGroups(weightDecay: number): { params: nn.Parameter[]; weightDecay: number }[] {
		const matrices = this.parameters().filter(({ ndim }) => ndim > 1);
		const rest = this.parameters().filter(({ ndim }) => ndim <= 1);
		return [
			{ params: matrices, weightDecay },
			{ params: rest, weightDecay: 0 },
		];
	}

	/**
	 * Loads the weights of a GPT-2 file of Hugging Face. Accepts files with or without the tied head, with or without the prefix
	 * `transformer.`, and with the masks of old files.
	 */
	loadPretrained(state: Readonly<Record<string, Tensor>>): void {
		const own: Record<string, Tensor> = {};
		for (const [key, value] of Object.entries(state)) {
			if (/\.attn\.(masked_)?bias$/.test(key)) continue;
			own[/^(transformer|lm_head)\./.test(key) ? key : `transformer.${key}`] = value;
		}
		if (own['transformer.wte.weight'] !== undefined) own['lm_head.weight'] ??= own['transformer.wte.weight'];
		this.loadStateDict(own);
	}
}

/** The necessary FLOPs of one training step, forward and backward. Causal attention counts half of all pairs. */
export function stepFlops({ vocabularySize, context, width, layers }: GptOptions, batch: number): number {
	const products = layers * 12 * width ** 2 + width * vocabularySize;
	const attention = layers * 2 * width * context;
	return batch * context * (6 * products + 3.5 * attention);
}
