/** Samples tokens from the model's logits, and generates text. */
import { type nn, type Tensor, tensor } from 'wgrad';
import type { Gpt } from './model';
import type { Tokenizer } from './tokenizer';

export interface SamplingOptions {
	/** Divides the logits: values below 1 favour likely tokens, 0 takes the likeliest. Default 1. */
	readonly temperature?: number;
	/** Sample from this many of the likeliest tokens; 0 means all. Default 0. */
	readonly topK?: number;
	/** Sample from the likeliest tokens that together have this probability, after temperature and topK. Default 1: all. */
	readonly topP?: number;
	/** The same seed gives the same tokens. Default 1. */
	readonly seed?: number;
}

/** Samples tokens. Equal logits keep the order of the tokens. */
export class Sampler {
	readonly #options: Required<SamplingOptions>;
	#state: number;

	constructor({ temperature = 1, topK = 0, topP = 1, seed = 1 }: SamplingOptions = {}) {
		if (!(temperature >= 0)) throw new Error(`the temperature must be at least 0, not ${temperature}`);
		if (!(Number.isInteger(topK) && topK >= 0)) throw new Error(`top-k must be a whole number of at least 0, not ${topK}`);
		if (!(topP > 0 && topP <= 1)) throw new Error(`top-p must lie above 0 and up to 1, not ${topP}`);
		this.#options = { temperature, topK, topP, seed };
		this.#state = seed >>> 0;
	}

	/** The tokens that may be chosen, likeliest first, with their probabilities. */
	candidates(scores: ArrayLike<number>): { token: number; probability: number }[] {
		const { temperature, topK, topP } = this.#options;
		const ranked = Array.from(scores, (score, token) => ({ token, score })).sort((a, b) => b.score - a.score);
		const first = ranked[0]!;
		if (temperature === 0) return [{ token: first.token, probability: 1 }];
		const allowed = topK === 0 ? ranked : ranked.slice(0, topK);
		const weights = allowed.map(({ score }) => Math.exp((score - first.score) / temperature));
		const total = weights.reduce((sum, weight) => sum + weight, 0);
		let [count, mass] = [0, 0];
		while (count < weights.length && mass < topP * total) mass += weights[count++]!;
		return allowed.slice(0, count).map(({ token }, i) => ({ token, probability: weights[i]! / mass }));
	}

	choose(scores: ArrayLike<number>): number {
		const candidates = this.candidates(scores);
		let left = this.#uniform();
		for (const { token, probability } of candidates) {
			left -= probability;
			if (left < 0) return token;
		}
		return candidates.at(-1)!.token;
	}

	/** The next number in [0, 1), from mulberry32, so that sampling does not change the random numbers of training. */
	#uniform(): number {
		this.#state = (this.#state + 0x6d2b79f5) >>> 0;
		let word = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
		word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
		return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
	}
}

/**
 * Generates `count` tokens after `prompt`, which must not be empty. Each token costs one pass over one token, however long the text is.
 * When the model's context is full, the latest half is processed again.
 */
export async function* generate(
	model: Gpt,
	prompt: ArrayLike<number>,
	count: number,
	sampler: Sampler,
): AsyncGenerator<number, void> {
	if (prompt.length === 0) throw new Error('generate: the prompt needs at least one token');
	const { context } = model.options;
	const tokens = Array.from(prompt);
	const caches = model.caches();
	try {
		let seen = Math.max(0, tokens.length - context);
		for (let i = 0; i < count; i++) {
			if (tokens.length - seen > context - caches[0]!.length) {
				for (const cache of caches) cache.truncate(0);
				seen = tokens.length - Math.ceil(context / 2);
			}
			using scores = scoresAfter(model, tokens.slice(seen), caches);
			seen = tokens.length;
			const token = sampler.choose(await scores.data());
			tokens.push(token);
			yield token;
		}
	} finally {
		for (const cache of caches) cache.dispose();
	}
}

function scoresAfter(model: Gpt, tokens: readonly number[], caches: readonly nn.KVCache[]): Tensor {
	using input = tensor(Int32Array.from(tokens), { shape: [1, tokens.length], device: caches[0]!.options.device! });
	return model.next(input, caches);
}

/** Generates text after `prompt` and yields the text so far after each token. */
export async function* write(
	{ model, tokenizer }: { readonly model: Gpt; readonly tokenizer: Tokenizer },
	prompt: string,
	count: number,
	options: SamplingOptions = {},
): AsyncGenerator<string, void> {
	const tokens = Array.from(tokenizer.encode(prompt));
	for await (const token of generate(model, tokens, count, new Sampler(options))) {
		tokens.push(token);
		yield tokenizer.decode(tokens);
	}
}
