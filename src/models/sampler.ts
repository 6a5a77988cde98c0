/** Chooses the next token from logits. */
import { requireCounts, requireFraction, requireNonNegative, requirePositive } from '../core/checks';
import { Generator } from '../core/generator';
import { forEachWord, toUniform } from '../core/philox';

export interface SamplingOptions {
	/** Divides the logits: below 1 favours likely tokens, 0 takes the likeliest. Default 0, as `do_sample=False` of Hugging Face. */
	readonly temperature?: number;
	/** Sample from this many of the likeliest tokens; 0 for all. Default 0. */
	readonly topK?: number;
	/** Sample from the likeliest tokens that together have this probability, after temperature and topK. Default 1, all. */
	readonly topP?: number;
	/** Divides positive logits of tokens that have occurred, and multiplies negative ones. Keskar et al. 2019. Default 1, none. */
	readonly repetitionPenalty?: number;
	/** The same seed gives the same tokens. Default 0. */
	readonly seed?: number;
}

/** Samples tokens. Of equal logits, the lower token comes first. */
export class Sampler {
	readonly #options: Required<SamplingOptions>;
	readonly #generator: Generator;

	constructor({ temperature = 0, topK = 0, topP = 1, repetitionPenalty = 1, seed = 0 }: SamplingOptions = {}) {
		requireNonNegative('generate', 'temperature', temperature);
		requireCounts('generate', { topK });
		requireFraction('generate', 'topP', topP, '(0, 1]');
		requirePositive('generate', 'repetitionPenalty', repetitionPenalty);
		this.#options = { temperature, topK, topP, repetitionPenalty, seed };
		this.#generator = new Generator(seed);
	}

	/** Chooses from one row of logits. `seen` lists the tokens so far. */
	choose(logits: Float32Array | Float64Array, seen: readonly number[]): number {
		const { temperature, repetitionPenalty } = this.#options;
		const scores = Float64Array.from(logits);
		if (repetitionPenalty !== 1) {
			for (const token of new Set(seen)) scores[token]! *= scores[token]! < 0 ? repetitionPenalty : 1 / repetitionPenalty;
		}
		if (temperature === 0) return scores.reduce((best, score, token) => (score > scores[best]! ? token : best), 0);
		const { tokens, weights, total } = this.#candidates(scores);
		let left = this.#uniform() * total;
		for (const [i, token] of tokens.entries()) {
			left -= weights[i]!;
			if (left < 0) return token;
		}
		return tokens.at(-1)!;
	}

	/** The next number in [0, 1). */
	#uniform(): number {
		let uniform = 0;
		forEachWord(this.#generator.next(), 1, (word) => {
			uniform = toUniform(word);
		});
		return uniform;
	}

	#candidates(scores: Float64Array): { tokens: number[]; weights: number[]; total: number } {
		const { temperature, topK, topP } = this.#options;
		const most = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
		const ranked = Array.from(scores.keys());
		if (topK > 0 || topP < 1) ranked.sort((a, b) => scores[b]! - scores[a]! || a - b);
		const tokens = topK === 0 ? ranked : ranked.slice(0, topK);
		const weights = tokens.map((token) => Math.exp((scores[token]! - most) / temperature));
		const all = weights.reduce((sum, weight) => sum + weight, 0);
		let [count, total] = [0, 0];
		while (count < weights.length && (count === 0 || total < topP * all)) total += weights[count++]!;
		return { tokens: tokens.slice(0, count), weights, total };
	}
}
