/** The settings of a run: sizes of the model, and training. */
import type { Vocabulary } from './tokenizer';

export interface Settings {
	readonly tokenizer: Vocabulary['kind'];
	readonly layers: number;
	/** Features per token. */
	readonly width: number;
	readonly heads: number;
	/** The largest number of tokens that the model sees. */
	readonly context: number;
	readonly dropout: number;
	/** Windows of `context` tokens per step. */
	readonly batchSize: number;
	readonly steps: number;
	/** AdamW's highest learning rate, reached after `warmup` steps. It then falls to a tenth along half a cosine. */
	readonly lr: number;
	readonly warmup: number;
	readonly weightDecay: number;
	/** float16: mixed precision, with a GradScaler. */
	readonly precision: 'float32' | 'float16';
	readonly seed: number;
}

/** The defaults of `npm run gpt` and the page. */
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
	precision: 'float32',
	seed: 1,
};
