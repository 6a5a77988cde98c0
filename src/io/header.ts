/**
 * Parses the header of a safetensors file, which is JSON of a fixed form, in one pass. Accepts what the format's own implementation
 * accepts: integers consist of digits only (not 1.0), and strings are valid Unicode (no lone surrogates). Rejects duplicate keys, because
 * two readers may resolve them differently.
 */

/** A tensor as the header describes it. Its dtype and the match of shape and offsets are not checked yet. */
export interface Description {
	readonly name: string;
	readonly dtype: string;
	readonly shape: number[];
	readonly begin: number;
	readonly end: number;
}

export interface Header {
	readonly descriptions: Description[];
	readonly metadata: Map<string, string>;
}

export const METADATA = '__metadata__';
const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPEN_LIST = 91;
const CLOSE_LIST = 93;
const OPEN = 123;
const CLOSE = 125;

/** Parses the header in `text`, which starts with '{'. `fail` throws the caller's kind of error. */
export function parseHeader(text: string, fail: (message: string) => never): Header {
	return new HeaderReader(text, fail).read();
}

/** Prepares a name from a file for a message: quotes it, escapes control characters, truncates it. */
export function quote(name: string): string {
	return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}...` : name);
}

class HeaderReader {
	#at = 0;

	constructor(
		readonly text: string,
		readonly fail: (message: string) => never,
	) {}

	read(): Header {
		const tensors = new Map<string, Description>();
		let metadata: Map<string, string> | null = null;
		this.#object((name) => {
			if (tensors.has(name) || (name === METADATA && metadata !== null)) this.#twice(name);
			if (name === METADATA) metadata = this.#metadata();
			else tensors.set(name, this.#description(name));
		});
		if (this.#next() !== undefined) this.#invalid('the end');
		return { descriptions: [...tensors.values()], metadata: metadata ?? new Map() };
	}

	#metadata(): Map<string, string> {
		if (this.#next() !== OPEN) this.fail(`${METADATA} is not an object of strings`);
		const texts = new Map<string, string>();
		this.#object((key) => {
			if (texts.has(key)) this.#twice(key);
			if (this.#next() !== QUOTE) this.fail(`${METADATA} holds ${quote(key)}, which is not a string`);
			texts.set(key, this.#string());
		});
		return texts;
	}

	#description(name: string): Description {
		if (this.#next() !== OPEN) this.fail(`tensor ${quote(name)} is not described by an object`);
		let dtype: string | null = null;
		let shape: number[] | null = null;
		let offsets: number[] | null = null;
		this.#object((field) => {
			if (field === 'dtype') {
				if (dtype !== null) this.#twice(field);
				if (this.#next() !== QUOTE) this.fail(`tensor ${quote(name)} has no dtype`);
				dtype = this.#string();
			} else if (field === 'shape') {
				if (shape !== null) this.#twice(field);
				if (this.#next() !== OPEN_LIST) this.fail(`tensor ${quote(name)} has no shape`);
				shape = this.#counts();
				if (shape === null)
					this.fail(`tensor ${quote(name)} has a shape with sizes that are not whole numbers of at least 0: ${this.#excerpt()}`);
			} else if (field === 'data_offsets') {
				if (offsets !== null) this.#twice(field);
				offsets = this.#next() === OPEN_LIST ? this.#counts() : null;
				if (offsets?.length !== 2)
					this.fail(`tensor ${quote(name)} has data_offsets that are not two whole numbers of at least 0`);
			} else this.fail(`tensor ${quote(name)} has an unknown field ${quote(field)}`);
		});
		if (dtype === null) this.fail(`tensor ${quote(name)} has no dtype`);
		if (shape === null) this.fail(`tensor ${quote(name)} has no shape`);
		if (offsets === null) this.fail(`tensor ${quote(name)} has no data_offsets`);
		const [begin, end] = offsets as [number, number];
		return { name, dtype, shape, begin, end };
	}

	/** Reads an object. Calls `value` at each key's value, to read it. */
	#object(value: (key: string) => void): void {
		this.#take(OPEN);
		if (this.#next() === CLOSE) {
			this.#at++;
			return;
		}
		for (;;) {
			if (this.#next() !== QUOTE) this.#invalid('a key');
			const key = this.#string();
			this.#take(COLON);
			if (this.#next() === undefined) this.#invalid('a value');
			value(key);
			if (this.#next() !== COMMA) break;
			this.#at++;
		}
		this.#take(CLOSE);
	}

	/** Reads a list of integers of at least 0; returns null for any other list. */
	#counts(): number[] | null {
		const start = this.#at;
		const counts: number[] = [];
		this.#take(OPEN_LIST);
		if (this.#next() !== CLOSE_LIST) {
			for (;;) {
				this.#next();
				const digits = this.#at;
				while (isDigit(this.text.charCodeAt(this.#at))) this.#at++;
				const number = this.text.slice(digits, this.#at);
				const next = this.#next();
				const isWhole = number !== '' && (number === '0' || number[0] !== '0') && Number.isSafeInteger(Number(number));
				if (!isWhole || (next !== COMMA && next !== CLOSE_LIST)) {
					this.#at = start;
					return null;
				}
				counts.push(Number(number));
				if (next === CLOSE_LIST) break;
				this.#at++;
			}
		}
		this.#at++;
		return counts;
	}

	#string(): string {
		const { text } = this;
		const start = this.#at;
		let end = text.indexOf('"', start + 1);
		// A quotation mark after an odd number of backslashes belongs to the string.
		while (end > 0 && backslashesBefore(text, end) % 2 === 1) end = text.indexOf('"', end + 1);
		if (end < 0) this.#invalid('the end of a string');
		this.#at = end + 1;
		const raw = text.slice(start + 1, end);
		if (!raw.includes('\\') && !CONTROL.test(raw)) return raw;
		let value: string;
		try {
			value = JSON.parse(`"${raw}"`) as string;
		} catch {
			this.#at = start;
			return this.#invalid('a text');
		}
		if (LONE_SURROGATE.test(value))
			this.fail(`the header holds ${quote(value)}, with a lone surrogate, which is not valid Unicode`);
		return value;
	}

	/** The next character after white space; undefined at the end. */
	#next(): number | undefined {
		let code = this.text.charCodeAt(this.#at);
		while (code === 32 || code === 10 || code === 13 || code === 9) code = this.text.charCodeAt(++this.#at);
		return Number.isNaN(code) ? undefined : code;
	}

	#take(code: number): void {
		if (this.#next() !== code) this.#invalid(`"${String.fromCharCode(code)}"`);
		this.#at++;
	}

	#excerpt(): string {
		return quote(this.text.slice(this.#at, this.#at + 40));
	}

	#invalid(expected: string): never {
		const found = this.#at < this.text.length ? this.#excerpt() : 'the end';
		return this.fail(`the header is not valid JSON: at character ${this.#at} there is ${found} instead of ${expected}`);
	}

	#twice(key: string): never {
		return this.fail(`the header holds the key ${quote(key)} twice`);
	}
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON strings contain none.
const CONTROL = /[\u0000-\u001f]/;
/** A lone surrogate. With the flag u, a full pair is one character of another category. */
export const LONE_SURROGATE = /\p{Surrogate}/u;

function isDigit(code: number): boolean {
	return code >= 48 && code <= 57;
}

function backslashesBefore(text: string, end: number): number {
	let count = 0;
	while (text.charCodeAt(end - 1 - count) === 92) count++;
	return count;
}
