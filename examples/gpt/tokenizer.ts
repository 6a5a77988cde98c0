/** Tokenizers: one token per character, or GPT-2's byte pairs. */
import { decode, encode } from 'gpt-tokenizer/encoding/r50k_base';

/** The data that restores a tokenizer: its kind and its tokens. */
export type Vocabulary =
	| { readonly kind: 'char'; readonly characters: string }
	| { readonly kind: 'bpe'; readonly pairs: readonly number[] };

export interface Tokenizer {
	readonly vocabulary: Vocabulary;
	/** Tokens are 0 .. size - 1. */
	readonly size: number;
	encode(text: string): Int32Array;
	decode(tokens: Iterable<number>): string;
}

/** One token per character that occurs in a text. */
class Characters implements Tokenizer {
	readonly vocabulary: Vocabulary;
	readonly #characters: readonly string[];
	readonly #tokens: ReadonlyMap<string, number>;

	constructor(characters: string) {
		this.vocabulary = { kind: 'char', characters };
		this.#characters = [...characters];
		this.#tokens = new Map(this.#characters.map((character, token) => [character, token]));
	}

	get size(): number {
		return this.#characters.length;
	}

	encode(text: string): Int32Array {
		return Int32Array.from([...text], (character) => {
			const token = this.#tokens.get(character);
			if (token === undefined) {
				throw new Error(`the character ${JSON.stringify(character)} does not occur in the text that the model learns`);
			}
			return token;
		});
	}

	decode(tokens: Iterable<number>): string {
		return Array.from(tokens, (token) => this.#characters[token]!).join('');
	}
}

/** GPT-2's first 256 tokens are single bytes: first the printable ones, then the others. */
const BYTES = 256;

/** Treats names of special tokens, such as the end of a text, as plain text. */
function pairsOf(text: string): number[] {
	return encode(text, { disallowedSpecial: new Set() });
}

function bytePair(byte: number): number {
	if (byte > 0x20 && byte < 0x7f) return byte - 0x21;
	if (byte > 0xa0 && byte < 0xad) return byte - 0xa1 + 94;
	if (byte > 0xad) return byte - 0xae + 106;
	return byte <= 0x20 ? 188 + byte : byte === 0xad ? 255 : 221 + byte - 0x7f;
}

/**
 * The subset of GPT-2's 50,257 byte pairs that a text needs, renumbered: an embedding of all would be most of a small model. Includes all
 * single bytes, so that it can encode any other text too.
 */
class BytePairs implements Tokenizer {
	readonly vocabulary: Vocabulary;
	readonly #pairs: readonly number[];
	readonly #tokens: ReadonlyMap<number, number>;

	constructor(pairs: readonly number[]) {
		this.vocabulary = { kind: 'bpe', pairs };
		this.#pairs = pairs;
		this.#tokens = new Map(pairs.map((pair, token) => [pair, token]));
	}

	get size(): number {
		return this.#pairs.length;
	}

	encode(text: string): Int32Array {
		const tokens = this.#known(text) ?? text.match(/ ?\S+|\s/gu)!.flatMap((word) => this.#known(word) ?? this.#bytes(word));
		return Int32Array.from(tokens);
	}

	/** Null if the text needs pairs that the vocabulary lacks. */
	#known(text: string): number[] | null {
		const tokens = pairsOf(text).map((pair) => this.#tokens.get(pair));
		return tokens.every((token) => token !== undefined) ? tokens : null;
	}

	#bytes(text: string): number[] {
		return Array.from(new TextEncoder().encode(text), (byte) => this.#tokens.get(bytePair(byte))!);
	}

	decode(tokens: Iterable<number>): string {
		return decode(Array.from(tokens, (token) => this.#pairs[token]!));
	}
}

/** Makes a tokenizer of this kind with the tokens of a text. */
export function tokenizerOf(kind: Vocabulary['kind'], text: string): Tokenizer {
	if (kind === 'char') return new Characters([...new Set(text)].sort().join(''));
	const bytes = Array.from({ length: BYTES }, (_, pair) => pair);
	return new BytePairs([...new Set([...bytes, ...pairsOf(text)])].sort((a, b) => a - b));
}

/** Restores the tokenizer of a vocabulary. */
export function restoreTokenizer(vocabulary: Vocabulary): Tokenizer {
	return vocabulary.kind === 'char' ? new Characters(vocabulary.characters) : new BytePairs(vocabulary.pairs);
}
