/** Converts text to token numbers, and cuts tokens into training windows. */
import type { DeviceName } from '../backends/contract';
import { deviceOfNew } from '../backends/registry';
import { requireCounts, requireFraction, requireList, requireString } from '../core/checks';
import { ArgumentError, FormatError } from '../core/errors';
import { checkOptions } from '../core/options';
import { tensor } from '../ops/creation';
import type { TensorList } from './batch';
import { type Dataset, requireIndex } from './dataset';

/** A tokenizer that numbers the characters (Unicode code points) of a text. It needs no training. */
export class CharVocabulary {
	/** The characters by number, in order of code points. */
	readonly characters: readonly string[];
	readonly #numbers: ReadonlyMap<string, number>;

	/** Takes a list of characters, as in `characters`. For a text, use `CharVocabulary.of`. */
	constructor(characters: readonly string[]) {
		requireList('CharVocabulary', 'characters', characters);
		const odd = characters.find((character, i) => [...String(character)].length !== 1 || characters.indexOf(character) !== i);
		if (odd !== undefined) throw new ArgumentError(`CharVocabulary: '${odd}' is not a single character, or occurs twice`);
		this.characters = [...characters];
		this.#numbers = new Map(characters.map((character, i) => [character, i]));
	}

	/** Makes the vocabulary of a text. */
	static of(text: string): CharVocabulary {
		requireString('CharVocabulary', 'a text', text);
		return vocabularyOf([...new Set(text)].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!));
	}

	get size(): number {
		return this.characters.length;
	}

	/** Returns the number of each character. */
	encode(text: string): Int32Array {
		requireString('CharVocabulary', 'a text', text);
		const numbers: number[] = [];
		for (const character of text) {
			const number = this.#numbers.get(character);
			if (number === undefined) {
				throw new ArgumentError(
					`CharVocabulary: '${character}' is not among the ${this.size} characters. Make the vocabulary from the whole text`,
				);
			}
			numbers.push(number);
		}
		return Int32Array.from(numbers);
	}

	/** Returns the text of numbers: an array, or the result of `await tensor.data()`. */
	decode(numbers: ArrayLike<number>): string {
		requireList('CharVocabulary', "characters' numbers", numbers);
		let text = '';
		for (const number of Array.from(numbers)) {
			const character = this.characters[number];
			if (character === undefined) {
				throw new ArgumentError(
					`CharVocabulary: ${number} is not the number of a character; numbers lie between 0 and ${this.size - 1}`,
				);
			}
			text += character;
		}
		return text;
	}
}

// Not within the class, because esbuild renames a class that refers to itself.
function vocabularyOf(characters: readonly string[]): CharVocabulary {
	return new CharVocabulary(characters);
}

/** Splits tokens into a first part for training and a last part for validation, of the fraction `validation` (default 0.1). */
export function splitTokens(
	tokens: ArrayLike<number>,
	options: { readonly validation?: number } = {},
): [train: Int32Array, validation: Int32Array] {
	const { validation = 0.1 } = checkOptions('splitTokens', options, ['validation']);
	requireFraction('splitTokens', 'validation', validation, '(0, 1)');
	requireList('splitTokens', 'tokens', tokens);
	const all = Int32Array.from(tokens);
	const border = Math.floor(all.length * (1 - validation));
	return [all.subarray(0, border), all.subarray(border)];
}

export interface TokenWindowsOptions {
	/** The distance between the starts of windows. Default 1: all windows. */
	readonly stride?: number;
}

/**
 * Windows of `size` tokens, for a model that predicts the next token. Sample i is [tokens[s .. s + size - 1], tokens[s + 1 .. s + size]]
 * with s = i * stride, both int32 [size].
 *
 * For random windows: `new DataLoader(windows, { sampler: new RandomSampler(windows, { replacement: true, numSamples: 32 * 1000 }),
 * batchSize: 32 })`.
 */
export class TokenWindows implements Dataset {
	readonly length: number;
	readonly size: number;
	readonly stride: number;
	readonly #tokens: Int32Array;

	constructor(tokens: ArrayLike<number>, size: number, options: TokenWindowsOptions = {}) {
		const { stride = 1 } = checkOptions('TokenWindows', options, ['stride']);
		requireList('TokenWindows', 'tokens', tokens);
		requireCounts('TokenWindows', { size, stride }, 1);
		if (tokens.length <= size) {
			throw new ArgumentError(`TokenWindows: ${tokens.length} tokens are too few for a window of ${size} and the next token`);
		}
		this.#tokens = tokens instanceof Int32Array ? tokens : Int32Array.from(tokens);
		this.size = size;
		this.stride = stride;
		this.length = Math.floor((tokens.length - size - 1) / stride) + 1;
	}

	get(index: number, device?: DeviceName): TensorList {
		return this.#windows([index], [this.size], device);
	}

	batch(indices: ArrayLike<number>, device?: DeviceName): TensorList {
		return this.#windows(indices, [indices.length, this.size], device);
	}

	#windows(indices: ArrayLike<number>, shape: readonly number[], device: DeviceName = deviceOfNew()): TensorList {
		return [0, 1].map((ahead) => {
			const values = new Int32Array(indices.length * this.size);
			for (let i = 0; i < indices.length; i++) {
				requireIndex('TokenWindows', indices[i]!, this.length);
				const start = indices[i]! * this.stride + ahead;
				values.set(this.#tokens.subarray(start, start + this.size), i * this.size);
			}
			return tensor(values, { shape, device });
		});
	}
}

/** Decodes UTF-8, with or without a byte order mark. */
export function parseText(bytes: Uint8Array): string {
	try {
		return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
	} catch (error) {
		throw new FormatError(
			'parseText: the bytes are not valid UTF-8. Convert the file, or decode it with new TextDecoder(encoding)',
			{
				cause: error,
			},
		);
	}
}
