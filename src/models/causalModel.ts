/** The base of language models that predict the next token: caches, masks and generation. */
import { currentRecorder } from '../autograd/recorder';
import { requireCounts } from '../core/checks';
import { KVCache } from '../nn';
import { arange, tensor } from '../ops/creation';
import { ge, gt, le, logicalAnd, sub } from '../ops/elementwise';
import { reshape, unsqueeze } from '../ops/layout';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { type GenerateOptions, generate } from './generate';
import { inferring, PretrainedModel, requireLength } from './hubModule';

/** What all layers of a decoder need to know of one call. */
export interface DecoderCall {
	/** One cache per layer, or null without caches. */
	readonly caches: readonly KVCache[] | null;
	/** Tokens in the caches before this call. */
	readonly earlier: number;
	/** bool [1 or N, 1, L, S], true where a query attends; null if `isCausal` suffices or there is a single query. */
	readonly mask: Tensor | null;
	readonly isCausal: boolean;
	/** One token per row at a position that only the device knows, int32 [1], which sees the first `span` rows of the caches; else null. */
	readonly step: { readonly position: Tensor; readonly span: number } | null;
}

export interface StepCall {
	readonly caches: readonly KVCache[];
	/** Rows of the caches to attend to, at least the position + 1. */
	readonly span: number;
	/** As in `CausalCall`. */
	readonly padding?: readonly number[] | null;
}

export interface CausalCall {
	/** Caches from `makeCaches`. The tokens continue the cached ones and are added to them. Default none. */
	readonly caches?: readonly KVCache[] | null;
	/** How many tokens at the start of each row are padding, over all cached and new tokens. Default: none. */
	readonly padding?: readonly number[] | null;
}

export interface CacheSizes {
	readonly layers: number;
	/** Heads of keys and values. */
	readonly heads: number;
	readonly headSize: number;
}

/** Returns logits [N, L, vocabulary] for tokens int32 [N, L]. */
export abstract class CausalModel extends PretrainedModel {
	/** The largest number of tokens that the model sees. */
	abstract readonly maxLength: number;
	protected abstract readonly cacheSizes: CacheSizes;
	/** A token sees this many tokens up to itself; null for all. */
	protected readonly window: number | null = null;

	/** The features of the tokens, [N, L, width]. */
	protected abstract features(tokens: Tensor, call: DecoderCall, padding: readonly number[] | null): Tensor;
	protected abstract logits(features: Tensor): Tensor;

	override forward(tokens: Tensor, options: CausalCall = {}): Tensor {
		return tidy(() => this.logits(this.hiddenStates(tokens, options)));
	}

	/** The logits of the token after the last one, [N, vocabulary], in inference mode: without dropout and tape. */
	next(tokens: Tensor, options: CausalCall = {}): Tensor {
		return inferring(this, () => tidy(() => this.logits(this.hiddenStates(tokens, options).select(1, -1))));
	}

	/**
	 * As `next`, for one token per row, int32 [N, 1]. `position`, int32 [1], is the number of tokens in the caches, which the caller counts with
	 * `cache.advance()`. So nothing on the host changes from token to token, and `compile` can repeat the call while `span` stays.
	 */
	step(tokens: Tensor, position: Tensor, { caches, span, padding = null }: StepCall): Tensor {
		const padded = padding?.some((count) => count > 0) ? padding : null;
		return inferring(this, () =>
			tidy(() => {
				const mask = attended(position, span, padded, this.window);
				const call = { caches, earlier: 0, mask, isCausal: false, step: { position, span } };
				return this.logits(this.features(tokens, call, padded).select(1, -1));
			}),
		);
	}

	/** Empty caches for `batch` rows of up to `maxLength` tokens (default: the model's), one per layer. */
	makeCaches(batch = 1, maxLength = this.maxLength): KVCache[] {
		const { layers, heads, headSize } = this.cacheSizes;
		const { device, dtype } = this.parameters()[0]!;
		return Array.from({ length: layers }, () => new KVCache({ batch, heads, headSize, maxLength, device, dtype }));
	}

	/**
	 * Generates tokens after `prompt`, one at a time: `for await (const token of model.generate(prompt)) ...`. See `GenerateOptions`.
	 */
	generate(prompt: ArrayLike<number>, options: GenerateOptions = {}): AsyncGenerator<number, void> {
		return single(generate(this, [prompt], options));
	}

	/**
	 * Generates after several prompts of any lengths at once. Each step yields one token per prompt, or null for a prompt that has ended.
	 */
	generateBatch(prompts: readonly ArrayLike<number>[], options: GenerateOptions = {}): AsyncGenerator<(number | null)[], void> {
		return generate(this, prompts, options);
	}

	private hiddenStates(tokens: Tensor, { caches = null, padding = null }: CausalCall): Tensor {
		const earlier = caches?.[0]?.length ?? 0;
		const length = tokens.shape[1] ?? 0;
		const keys = earlier + length;
		requireCounts(this.constructor.name, { tokens: length }, 1);
		requireLength(this, keys, this.maxLength);
		const padded = padding?.some((count) => count > 0) ? padding : null;
		// A graph that is recorded must hold for longer texts, too.
		const fits = this.window === null || (length <= this.window && currentRecorder() === null);
		const isCausal = earlier === 0 && padded === null && fits;
		const needsMask = !isCausal && (length > 1 || padded !== null || !fits || (this.window !== null && earlier >= this.window));
		const positions = { dtype: 'int32', device: tokens.device } as const;
		const mask = needsMask ? attended(arange(earlier, keys, positions), keys, padded, this.window) : null;
		return this.features(tokens, { caches, earlier, mask, isCausal, step: null }, padded);
	}
}

/**
 * bool [1 or N, 1, L, keys], true where the tokens at `positions`, int32 [L], attend: to themselves and to earlier tokens, except padding and
 * tokens outside of the window.
 */
function attended(positions: Tensor, keys: number, padding: readonly number[] | null, window: number | null): Tensor {
	const { device } = positions;
	const key = arange(keys, { dtype: 'int32', device });
	const query = unsqueeze(positions, 1);
	let allowed = le(key, query);
	if (window !== null) allowed = logicalAnd(allowed, gt(key, sub(query, window)));
	if (padding === null) return reshape(allowed, [1, 1, positions.size, keys]);
	const first = tensor(padding, { shape: [padding.length, 1, 1], dtype: 'int32', device });
	return unsqueeze(logicalAnd(allowed, ge(key, first)), 1);
}

export async function* single(steps: AsyncGenerator<(number | null)[], void>): AsyncGenerator<number, void> {
	for await (const [token] of steps) yield token!;
}
