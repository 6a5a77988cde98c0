/** Low-rank adapters for a GPT: what adapt.ts in Node and the page examples/adapt share. */
import { nn } from 'wgrad';
import type { Gpt } from './model';
import type { Tokenizer } from './tokenizer';

export interface AdapterSettings {
	readonly rank: number;
	/** The adapters are multiplied by alpha / rank. */
	readonly alpha: number;
}

/** Freezes the model, and adds adapters to all products of its blocks. */
export function addAdapters(model: Gpt, { rank, alpha }: AdapterSettings): nn.lora.LoraModel {
	return nn.lora.apply(model, { rank, alpha, targets: ['c_attn', 'c_proj', 'c_fc'], fanInFanOut: true });
}

export function countOf(parameters: readonly nn.Parameter[]): number {
	return parameters.reduce((sum, { size }) => sum + size, 0);
}

/** The text without characters that the model has no token for. */
export function readable(text: string, { vocabulary }: Tokenizer): string {
	if (vocabulary.kind === 'bpe') return text;
	const known = new Set(vocabulary.characters);
	return [...text].filter((character) => known.has(character)).join('');
}

/** A SHA-256 of all bits of the model but the adapters'. */
export async function baseDigest(model: Gpt): Promise<string> {
	const own = Object.entries(model.stateDict()).filter(([key]) => !key.includes('lora_'));
	const values = await Promise.all(own.map(([, tensor]) => tensor.data()));
	const bytes = values.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength));
	const hash = await crypto.subtle.digest('SHA-256', await new Blob(bytes as BlobPart[]).arrayBuffer());
	return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
