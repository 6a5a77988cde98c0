/** The settings of a layer in a Keras model: reads them with their types, and names the layer in every error. */
import { FormatError, ShapeError } from '../../core/errors';
import { isObject } from '../../core/state';
import { quote } from '../../io/header';

export type Config = Readonly<Record<string, unknown>>;

export function fail(message: string): never {
	throw new FormatError(`Keras model: ${message}`);
}

export class Settings {
	constructor(
		/** The layer and its place, for errors: layer "gru_3" (7th of 12). */
		readonly place: string,
		readonly className: string,
		readonly config: Config,
		/** Whether Keras 3 wrote it, where some defaults differ. */
		readonly isKeras3 = false,
	) {}

	/** The settings of an object inside this layer. */
	inner(className: string, config: Config): Settings {
		return new Settings(this.place, className, config, this.isKeras3);
	}

	fail(message: string): never {
		return fail(`${this.place}: Keras layer ${quote(this.className)} ${message}`);
	}

	/** The value of a setting; undefined if it is missing or null. */
	get(name: string): unknown {
		return Object.hasOwn(this.config, name) ? (this.config[name] ?? undefined) : undefined;
	}

	/** As `fail`, for what a call passes. */
	refuse(message: string): never {
		throw new ShapeError(`Keras model: ${this.place}: Keras layer ${quote(this.className)} ${message}`);
	}

	#typed<T>(name: string, fallback: T | undefined, expected: string, check: (value: unknown) => value is T): T {
		const value = this.get(name) ?? fallback;
		return check(value) ? value : this.fail(`has the setting ${quote(name)}: ${told(value)}, which must be ${expected}`);
	}

	number(name: string, fallback?: number): number {
		return this.#typed(name, fallback, 'a number', (value): value is number => Number.isFinite(value));
	}

	count(name: string, fallback?: number): number {
		return this.#typed(name, fallback, 'a whole number of at least 1', isCountOf(1));
	}

	integer(name: string, fallback?: number): number {
		return this.#typed(name, fallback, 'a whole number', (value): value is number => Number.isSafeInteger(value));
	}

	boolean(name: string, fallback: boolean): boolean {
		return this.#typed(name, fallback, 'true or false', (value) => typeof value === 'boolean');
	}

	text(name: string, fallback: string): string {
		return this.#typed(name, fallback, 'a text', (value) => typeof value === 'string');
	}

	/** One of some texts. */
	choice<T extends string>(name: string, fallback: T, choices: readonly T[]): T {
		const value = this.text(name, fallback);
		const found = choices.find((choice) => choice === value);
		return found ?? this.fail(`has the setting ${quote(name)}: ${told(value)}, and only ${choices.join(', ')} are supported`);
	}

	/** `length` numbers of at least `least`, or one for all. */
	counts(name: string, length: number, fallback: number, least = 1): number[] {
		const value = this.get(name) ?? fallback;
		const list: unknown[] = Array.isArray(value) ? value : new Array(length).fill(value);
		if (list.length === length && list.every(isCountOf(least))) return list as number[];
		return this.fail(`has the setting ${quote(name)}: ${told(value)}, which must be ${length} whole numbers`);
	}

	/** For each of `length` dims, what stands before and after: [[1, 2], [3, 4]], [1, 2] or 1. */
	sides(name: string, length: number, fallback: number): [number, number][] {
		const value = this.get(name) ?? fallback;
		const list: unknown[] = Array.isArray(value)
			? length === 1 && value.length === 2
				? [value]
				: value
			: new Array(length).fill(value);
		const pairs = list.map((item) => (Array.isArray(item) ? item : [item, item]) as unknown[]);
		if (pairs.length === length && pairs.every((pair) => pair.length === 2 && pair.every(isCountOf(0))))
			return pairs as [number, number][];
		return this.fail(`has the setting ${quote(name)}: ${told(value)}, which must be ${length} pairs of whole numbers`);
	}

	/** Throws if a setting has another value than those that wgrad has a counterpart for. */
	requireEqual(name: string, ...allowed: readonly unknown[]): void {
		const value = this.get(name) ?? null;
		if (!allowed.some((other) => JSON.stringify(other) === JSON.stringify(value)))
			this.fail(`has the setting ${quote(name)}: ${told(value)}, which has no counterpart`);
	}
}

function isCountOf(least: number) {
	return (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= least;
}

/** A value in errors, shortened. */
export function told(value: unknown): string {
	const text = JSON.stringify(value) ?? 'none';
	return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}

/** The settings of an object of Keras such as a layer or an activation: { class_name, config }. */
export function objectOf(value: unknown): { readonly className: string; readonly config: Config } | null {
	if (!isObject(value) || typeof value.class_name !== 'string') return null;
	return { className: value.class_name, config: isObject(value.config) ? value.config : {} };
}

const ENDINGS: Readonly<Record<string, string>> = { one: 'st', two: 'nd', few: 'rd', other: 'th' };
const ordinals = new Intl.PluralRules('en', { type: 'ordinal' });

export function ordinal(number: number): string {
	return `${number}${ENDINGS[ordinals.select(number)]}`;
}

/** The value of a JSON text. */
export function parsedJson(text: string, what: string): unknown {
	try {
		return JSON.parse(text);
	} catch (error) {
		throw new FormatError(`Keras model: ${what} is not valid JSON: ${(error as Error).message}`, { cause: error });
	}
}
