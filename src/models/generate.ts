/** Generates tokens with a language model. */
import { compiled } from '../compile';
import { requireBoolean, requireCounts, requireList, wrongArgument } from '../core/checks';
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
	/** On WebGPU, repeat the GPU's work of a token as `compile` does: the same bits with less work on the host. Default true. */
	readonly compile?: boolean;
}

const OPTIONS = [
	'temperature',
	'topK',
	'topP',
	'repetitionPenalty',
	'seed',
	'maxNewTokens',
	'stop',
	'signal',
	'compile',
] as const;

/** What `generate` needs of a model. */
export interface Generating {
	readonly maxLength: number;
	makeCaches(batch: number, maxLength: number): KVCache[];
	next(tokens: Tensor, call: { caches: readonly KVCache[]; padding: readonly number[] }): Tensor;
	/** As `next` after the first tokens, with the position as a tensor. Without it, `next` computes all tokens. */
	step?(tokens: Tensor, position: Tensor, call: { caches: readonly KVCache[]; padding: readonly number[]; span: number }): Tensor;
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
	const { stop = [], signal = null, maxNewTokens, compile = true, ...sampling } = checkOptions('generate', options, OPTIONS);
	requireList('generate', 'prompts', prompts);
	for (const prompt of prompts) requireTokens('a prompt', prompt);
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
	requireBoolean('generate', 'compile', compile);
	requireList('generate', 'tokens, or of sequences of tokens, as stop', stop);
	const stops = stop.map((each) => (typeof each === 'number' ? [each] : each));
	for (const end of stops) requireTokens('a sequence in stop', end);
	if (stops.some(({ length }) => length === 0))
		throw new ArgumentError('generate: a sequence in stop is empty, and would end no text; leave it out');
	const samplers = prompts.map((_, row) => new Sampler({ ...sampling, seed: (sampling.seed ?? 0) + row }));
	const texts = prompts.map((prompt) => Array.from(prompt));
	const padding = texts.map(({ length }) => longest - length);
	const caches = model.makeCaches(prompts.length, longest + count);
	const compute = logitsOf(model, caches, padding, compile);
	const ended = prompts.map(() => false);
	try {
		let input = texts.map((text, row) => [...new Array<number>(padding[row]!).fill(0), ...text]);
		for (let step = 0; step < count && !ended.every(Boolean); step++) {
			signal?.throwIfAborted();
			const logits = await compute.next(input);
			const width = logits.length / texts.length;
			const chosen = texts.map((text, row) => {
				if (ended[row]) return null;
				const token = samplers[row]!.choose(logits.subarray(row * width, (row + 1) * width), text);
				text.push(token);
				ended[row] = stops.some((end) => end.every((each, i) => text.at(i - end.length) === each));
				return token;
			});
			yield chosen;
			input = chosen.map((token) => [token ?? 0]);
		}
	} finally {
		compute.dispose();
		for (const cache of caches) cache.dispose();
	}
}

function requireTokens(what: string, tokens: unknown): void {
	const isList = Array.isArray(tokens) || ArrayBuffer.isView(tokens);
	if (isList && Array.from(tokens as ArrayLike<unknown>).every((token) => Number.isInteger(token))) return;
	throw wrongArgument('generate', what, 'a list of tokens, which are whole numbers, as tokenizer.encode(text) gives it', tokens);
}

/** Numbers of rows to attend to, so that few different numbers occur, and at most a third of the rows are masked from 129 on. */
function spanOf(rows: number, maxLength: number): number {
	let span = 64;
	while (span < rows) span += span < 256 ? 64 : 2 ** Math.floor(Math.log2(span) - 1);
	return Math.min(span, maxLength);
}

/** Computes the logits of the next tokens, one row of tokens per prompt at a time. */
function logitsOf(model: Generating, caches: readonly KVCache[], padding: readonly number[], isCompiled: boolean) {
	const { device, maxLength } = caches[0]!.options;
	const at = device === undefined ? {} : { device };
	const takeStep = (tokens: Tensor, position: Tensor, span: string) =>
		model.step!(tokens, position, { caches, padding, span: Number(span) });
	const plan = isCompiled
		? compiled(takeStep, { signatures: 64, fuse: false, name: "the step of 'generate'", isQuiet: true })
		: null;
	const step = plan ?? ((...args: Parameters<typeof takeStep>) => takeStep(...args));
	const next = async (rows: readonly (readonly number[])[]): Promise<Float32Array | Float64Array> => {
		using tokens = tensor(Int32Array.from(rows.flat()), { shape: [rows.length, rows[0]!.length], ...at });
		const earlier = caches[0]!.length;
		// The CPU replays nothing, so the masked rows of a fixed span would only cost time.
		if (model.step === undefined || device !== 'webgpu' || earlier === 0)
			return await read(model.next(tokens, { caches, padding }));
		using position = tensor(Int32Array.of(earlier), at);
		const logits = step(tokens, position, String(spanOf(earlier + 1, maxLength)));
		for (const cache of caches) cache.advance();
		return await read(logits);
	};
	return { next, dispose: () => plan?.dispose() };
}

async function read(logits: Tensor): Promise<Float32Array | Float64Array> {
	try {
		return (await logits.data()) as Float32Array | Float64Array;
	} finally {
		logits.dispose();
	}
}
