/** Reads the fields of a `config.json`, with errors that name the field. */
import { describe } from '../core/checks';
import { FormatError } from '../core/errors';
import { isCount } from '../core/state';

/** The contents of a `config.json`, in Hugging Face's names. */
export type PretrainedConfig = Readonly<Record<string, unknown>>;

/** Reads fields of a config. A field that is null counts as missing. */
export class ConfigReader {
	constructor(
		readonly config: PretrainedConfig,
		/** The path of this value in the file, for messages. */
		readonly path = 'config.json',
	) {}

	has(name: string): boolean {
		return (this.config[name] ?? null) !== null;
	}

	/** The value of `name`, or `otherwise` if it is missing. Throws a FormatError if it has the wrong kind, or is missing without `otherwise`. */
	number(name: string, otherwise?: number): number {
		const value = this.config[name] ?? otherwise;
		if (typeof value === 'number' && Number.isFinite(value)) return value;
		throw this.#wrong(name, 'a number', value);
	}

	/** As `number`, a whole number of at least 1. */
	count(name: string, otherwise?: number): number {
		const value = this.config[name] ?? otherwise;
		if (Number.isInteger(value) && (value as number) >= 1) return value as number;
		throw this.#wrong(name, 'a whole number of at least 1', value);
	}

	boolean(name: string, otherwise?: boolean): boolean {
		const value = this.config[name] ?? otherwise;
		if (typeof value === 'boolean') return value;
		throw this.#wrong(name, 'true or false', value);
	}

	/** As `number`, one of `allowed`. */
	oneOf<T extends string>(name: string, allowed: readonly T[], otherwise?: T): T {
		const value = this.config[name] ?? otherwise;
		if (allowed.includes(value as T)) return value as T;
		throw this.#wrong(name, `one of ${allowed.map((each) => `'${each}'`).join(', ')}`, value);
	}

	/** As `number`, a list of whole numbers of at least 0, or of texts. */
	list(name: string, kind: 'counts'): number[];
	list(name: string, kind: 'texts'): string[];
	list(name: string, kind: 'counts' | 'texts'): (number | string)[] {
		const value = this.config[name];
		const fits = (item: unknown) => (kind === 'texts' ? typeof item === 'string' : isCount(item));
		if (Array.isArray(value) && value.every(fits)) return value as (number | string)[];
		throw this.#wrong(name, kind === 'texts' ? 'a list of texts' : 'a list of whole numbers', value);
	}

	/** The object `name`, or null if it is missing. */
	section(name: string): ConfigReader | null {
		const value = this.config[name] ?? null;
		if (value === null) return null;
		if (typeof value !== 'object' || Array.isArray(value)) throw this.#wrong(name, 'an object', value);
		return new ConfigReader(value as PretrainedConfig, `${this.path}: ${name}`);
	}

	#wrong(name: string, expected: string, value: unknown): FormatError {
		return new FormatError(`${this.path}: ${name} must be ${expected}, not ${value === undefined ? 'missing' : describe(value)}`);
	}
}
