/** A text as tokens, with the last part reserved for validation. */
import { type Device, type Tensor, tensor } from 'wgrad';
import type { Tokenizer } from './tokenizer';

/** The fraction of the text reserved for validation. */
const VALIDATION_SHARE = 0.1;

export interface Batch {
	/** int32 [batch, context]. */
	readonly inputs: Tensor;
	/** int32 [batch * context]: the token after each input. */
	readonly targets: Tensor;
}

export class Corpus {
	readonly training: Int32Array;
	readonly validation: Int32Array;
	/** Characters per token of the text. */
	readonly charactersPerToken: number;

	constructor(
		text: string,
		readonly tokenizer: Tokenizer,
	) {
		const tokens = tokenizer.encode(text);
		this.charactersPerToken = text.length / tokens.length;
		const kept = Math.floor(tokens.length * VALIDATION_SHARE);
		this.training = tokens.subarray(0, tokens.length - kept);
		this.validation = tokens.subarray(tokens.length - kept);
	}

	/** A hash of the text: FNV-1a of the tokens. */
	get fingerprint(): number {
		let hash = 2166136261;
		for (const part of [this.training, this.validation]) {
			for (const token of part) hash = Math.imul(hash ^ token, 16777619);
		}
		return hash >>> 0;
	}
}

/** Returns windows of `context` tokens from `starts`, and the same windows one token later. */
export function windows(tokens: Int32Array, starts: ArrayLike<number>, context: number, device: Device): Batch {
	const inputs = new Int32Array(starts.length * context);
	const targets = new Int32Array(starts.length * context);
	for (let i = 0; i < starts.length; i++) {
		const start = starts[i]!;
		inputs.set(tokens.subarray(start, start + context), i * context);
		targets.set(tokens.subarray(start + 1, start + context + 1), i * context);
	}
	return { inputs: tensor(inputs, { shape: [starts.length, context], device }), targets: tensor(targets, { device }) };
}
