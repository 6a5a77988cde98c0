/** Text to tokens and back, by `tokenizer.json`, with the packages of Hugging Face. */
import { ArgumentError, FormatError } from '../core/errors';
import { tensor } from '../ops/creation';
import type { Tensor } from '../tensor';

/** A turn of a conversation. */
export interface ChatMessage {
	readonly role: 'system' | 'user' | 'assistant' | (string & {});
	readonly content: string;
}

interface Encoder {
	encode(text: string, options?: { add_special_tokens?: boolean }): { ids: number[] };
	decode(tokens: number[], options?: { skip_special_tokens?: boolean }): string;
	token_to_id(token: string): number | undefined;
}

/** Encodes and decodes text. */
export class Tokenizer {
	readonly #encoder: Encoder;
	readonly #config: Readonly<Record<string, unknown>>;
	/** The contents of `tokenizer.json` and `tokenizer_config.json`. */
	readonly files: { readonly 'tokenizer.json': object; readonly 'tokenizer_config.json': object };

	/** @internal Use `Tokenizer.from`. */
	constructor(encoder: Encoder, tokenizer: object, config: Readonly<Record<string, unknown>>) {
		this.#encoder = encoder;
		this.#config = config;
		this.files = { 'tokenizer.json': tokenizer, 'tokenizer_config.json': config };
	}

	/** Creates a tokenizer from the contents of `tokenizer.json` and `tokenizer_config.json`. */
	static from(tokenizer: object, config: object = {}): Promise<Tokenizer> {
		return createTokenizer(tokenizer, config as Readonly<Record<string, unknown>>);
	}

	/** The tokens of a text. `addSpecialTokens` adds those that begin and end a text, as the model expects. Default true. */
	encode(text: string, { addSpecialTokens = true }: { readonly addSpecialTokens?: boolean } = {}): number[] {
		return this.#encoder.encode(text, { add_special_tokens: addSpecialTokens }).ids;
	}

	/** The text of tokens. `skipSpecialTokens` leaves out special tokens, such as the end of a text. Default true. */
	decode(tokens: Iterable<number>, { skipSpecialTokens = true }: { readonly skipSpecialTokens?: boolean } = {}): string {
		const ids = Array.from(tokens);
		return ids.length === 0 ? '' : this.#encoder.decode(ids, { skip_special_tokens: skipSpecialTokens });
	}

	/**
	 * Texts of any lengths as int32 [N, L], padded on the right, with a bool mask [N, L] that is false for padding. Texts of more than `maxLength` tokens
	 * are cut, but keep the token that ends a text. Default: the `model_max_length` of the config.
	 */
	encodeBatch(
		texts: readonly string[],
		{ maxLength = this.#longest }: { readonly maxLength?: number } = {},
	): { tokens: Tensor; attentionMask: Tensor } {
		if (texts.length === 0) throw new ArgumentError('Tokenizer.encodeBatch: it needs at least one text');
		const end = this.encode('').at(-1);
		const rows = texts.map((text) => {
			const row = this.encode(text);
			if (row.length <= maxLength) return row;
			return end === undefined || row.at(-1) !== end ? row.slice(0, maxLength) : [...row.slice(0, maxLength - 1), end];
		});
		const length = Math.max(...rows.map((row) => row.length));
		const pad = this.tokenId('pad_token') ?? 0;
		const shape = [rows.length, length];
		const all = rows.flatMap((row) => Array.from({ length }, (_, i) => row[i] ?? pad));
		const isText = rows.flatMap((row) => Array.from({ length }, (_, i) => i < row.length));
		return { tokens: tensor(Int32Array.from(all), { shape }), attentionMask: tensor(isText, { shape }) };
	}

	/** The token that the config names, for example as 'eos_token'; undefined without it. */
	tokenId(name: string): number | undefined {
		const text = this.#special(name);
		return text === undefined ? undefined : this.#encoder.token_to_id(text);
	}

	get #longest(): number {
		const longest = this.#config.model_max_length;
		return typeof longest === 'number' ? longest : Number.POSITIVE_INFINITY;
	}

	#special(name: string): string | undefined {
		const value = this.#config[name] as string | { content?: string } | null | undefined;
		return typeof value === 'string' ? value : (value?.content ?? undefined);
	}

	/**
	 * The text of a conversation as the model was trained on it, by its chat template. `addGenerationPrompt` adds the beginning of an answer; default
	 * true.
	 */
	async applyChatTemplate(
		messages: readonly ChatMessage[],
		{ addGenerationPrompt = true }: { readonly addGenerationPrompt?: boolean } = {},
	): Promise<string> {
		const template = this.#config.chat_template;
		const list = Array.isArray(template) ? (template as { name: string; template: string }[]) : [];
		const text = typeof template === 'string' ? template : list.find(({ name }) => name === 'default')?.template;
		if (text === undefined)
			throw new ArgumentError('Tokenizer.applyChatTemplate: this model has no chat_template in tokenizer_config.json');
		type Package = { Template: new (text: string) => { render(values: object): string } };
		const { Template } = (await import('@huggingface/jinja')) as unknown as Package;
		const special = Object.fromEntries(
			Object.keys(this.#config)
				.filter((name) => name.endsWith('_token'))
				.map((name) => [name, this.#special(name)]),
		);
		return new Template(text).render({ ...special, messages, add_generation_prompt: addGenerationPrompt });
	}
}

async function createTokenizer(tokenizer: object, config: Readonly<Record<string, unknown>>): Promise<Tokenizer> {
	type Package = { Tokenizer: new (tokenizer: object, config: object) => Encoder };
	const { Tokenizer: Wrapped } = (await import('@huggingface/tokenizers')) as unknown as Package;
	try {
		return new Tokenizer(new Wrapped(tokenizer, config), tokenizer, config);
	} catch (cause) {
		throw new FormatError(`fromPretrained: tokenizer.json cannot be used: ${(cause as Error).message}`, { cause });
	}
}
