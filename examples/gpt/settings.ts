/** What a run is made of: the model's sizes, and how it learns. */
import type { Vocabulary } from './tokenizer';

export interface Settings {
	readonly tokenizer: Vocabulary['kind'];
	readonly layers: number;
	/** Features of a token. */
	readonly width: number;
	readonly heads: number;
	/** Tokens that the model sees at most. */
	readonly context: number;
	readonly dropout: number;
	/** Windows of `context` tokens in a step. */
	readonly batchSize: number;
	readonly steps: number;
	/** AdamW's rate at its highest, after `warmup` steps; half a cosine takes it down to a tenth. */
	readonly lr: number;
	readonly warmup: number;
	readonly weightDecay: number;
	readonly seed: number;
}

/** What `npm run gpt` and the page begin with. */
export const DEFAULTS: Settings = {
	tokenizer: 'char',
	layers: 2,
	width: 128,
	heads: 4,
	context: 64,
	dropout: 0,
	batchSize: 16,
	steps: 1000,
	lr: 4e-3,
	warmup: 50,
	weightDecay: 0.1,
	seed: 1,
};
