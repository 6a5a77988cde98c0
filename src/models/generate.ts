/** Generates tokens with a language model. */
import { requireCounts, requireList } from '../core/checks';
import { ArgumentError } from '../core/errors';
import type { Global } from '../core/globals';
import { checkOptions } from '../core/options';
import type { KVCache } from '../nn';
import { tensor } from '../ops/creation';
import type { Tensor } from '../tensor';
import { Sampler, type SamplingOptions } from './sampler';

export interface GenerateOptions extends SamplingOptions {
	/** Tokens to generate for each prompt at most. Default: as many as the model's `maxLength` leaves. */
	readonly maxNewTokens?: number;
	/** Ends after one of these tokens, which is yielded too, or after one of these sequences of tokens. Default none. */
	readonly stop?: readonly (number | readonly number[])[];
	/** Stops before the next token. */
	readonly signal?: Global<'AbortSignal'> | null;
}

const OPTIONS = ['temperature', 'topK', 'topP', 'repetitionPenalty', 'seed', 'maxNewTokens', 'stop', 'signal'] as const;

/** What `generate` needs of a model. */
export interface Generating {
	readonly maxLength: number;
	makeCaches(batch: number, maxLength: number): KVCache[];
	next(tokens: Tensor, call: { caches: readonly KVCache[]; padding: readonly number[] }): Tensor;
}

/**
 * Yields one token per prompt at each step, or null for a prompt that has ended. Prompts of different lengths are padded on the left. Each step
 * reads one row of logits per prompt back, and computes one token per prompt, however long the text is.
 */
export async function* generate(
	model: Generating,
	prompts: readonly ArrayLike<number>[],
	options: GenerateOptions,
): AsyncGenerator<(number | null)[], void> {
	const { stop = [], signal = null, maxNewTokens, ...sampling } = checkOptions('generate', options, OPTIONS);
	requireList('generate', 'prompts', prompts);
	if (prompts.length === 0 || prompts.some(({ length }) => !(length > 0)))
		throw new ArgumentError('generate: each prompt needs at least one token, such as the one that begins a text');
	const longest = Math.max(...prompts.map(({ length }) => length));
	const most = model.maxLength - longest;
	requireCounts('generate', { maxNewTokens: maxNewTokens ?? most });
	const count = Math.min(maxNewTokens ?? most, most);
	if (longest >= model.maxLength && maxNewTokens !== 0) {
		throw new ArgumentError(
			`generate: a prompt of ${longest} tokens leaves no room in the model's maxLength of ${model.maxLength}. Shorten it, or load the model with a larger maxLength`,
		);
	}
	const samplers = prompts.map((_, row) => new Sampler({ ...sampling, seed: (sampling.seed ?? 0) + row }));
	const texts = prompts.map((prompt) => Array.from(prompt));
	const padding = texts.map(({ length }) => longest - length);
	const caches = model.makeCaches(prompts.length, longest + count);
	const ended = prompts.map(() => false);
	const stops = stop.map((each) => (typeof each === 'number' ? [each] : each));
	try {
		let input = texts.map((text, row) => [...new Array<number>(padding[row]!).fill(0), ...text]);
		for (let step = 0; step < count && !ended.every(Boolean); step++) {
			signal?.throwIfAborted();
			const logits = await nextLogits(model, input, caches, padding);
			const width = logits.length / texts.length;
			const chosen = texts.map((text, row) => {
				if (ended[row]) return null;
				const token = samplers[row]!.choose(logits.subarray(row * width, (row + 1) * width), text);
				text.push(token);
				ended[row] = stops.some((end) => end.length > 0 && end.every((each, i) => text.at(i - end.length) === each));
				return token;
			});
			yield chosen;
			input = chosen.map((token) => [token ?? 0]);
		}
	} finally {
		for (const cache of caches) cache.dispose();
	}
}

async function nextLogits(
	model: Generating,
	rows: readonly (readonly number[])[],
	caches: readonly KVCache[],
	padding: readonly number[],
): Promise<Float32Array | Float64Array> {
	const { device } = caches[0]!.options;
	using tokens = tensor(Int32Array.from(rows.flat()), { shape: [rows.length, rows[0]!.length], ...(device && { device }) });
	using logits = model.next(tokens, { caches, padding });
	return (await logits.data()) as Float32Array | Float64Array;
}
