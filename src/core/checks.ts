/**
 * Checks of arguments, for programs that TypeScript did not check. Each throws an ArgumentError that says which argument of which operation
 * is wrong, what it must be and what it is. Checks of tensors are in tensorChecks.ts, of shapes in shape.ts, of dtypes in dtype.ts, of
 * options objects in options.ts.
 *
 * Operations run them at every call, so a check that passes allocates nothing.
 */
import { ArgumentError, formatShape } from './errors';

/** Describes a wrong argument in a message: `5`, `'text'`, `[1, 2]`, `a tensor of shape [2]`, `a function`, `a Promise`. */
export function describe(value: unknown): string {
	if (Array.isArray(value) && value.length === 0) return 'an empty list';
	if (Array.isArray(value)) return `[${value.slice(0, LISTED).map(describe).join(', ')}${value.length > LISTED ? ', ...' : ''}]`;
	if (typeof value === 'string') return `'${value.slice(0, 40)}'`;
	if (typeof value === 'function') return 'a function';
	if (typeof value === 'bigint') return `the bigint ${value}n`;
	if (typeof value !== 'object' || value === null) return String(value);
	if (isTensorLike(value)) return `a tensor of shape ${formatShape(value.shape)}`;
	const kind = value.constructor?.name || 'object';
	return kind === 'Object' || kind === 'object' ? 'an object' : `${/^[AEIOU]/.test(kind) ? 'an' : 'a'} ${kind}`;
}

/** The most items of an array that a message lists. */
const LISTED = 8;

/** Core knows no Tensor, so this goes by its properties. */
function isTensorLike(value: object): value is { readonly shape: readonly number[] } {
	return 'shape' in value && Array.isArray(value.shape) && 'dtype' in value && 'device' in value;
}

/** The error of a check: `operation: name must be expected, not value`. */
export function wrongArgument(operation: string, name: string, expected: string, value: unknown, cure = ''): ArgumentError {
	return new ArgumentError(`${operation}: ${name} must be ${expected}, not ${describe(value)}${cure}`);
}

/** Throws unless `value` is a number and not NaN. */
export function requireNumber(operation: string, name: string, value: unknown): void {
	if (typeof value !== 'number' || Number.isNaN(value)) throw wrongArgument(operation, name, 'a number', value);
}

/** Throws unless `value` is a number, and neither NaN nor infinite. */
export function requireFinite(operation: string, name: string, value: unknown): void {
	if (!Number.isFinite(value)) throw wrongArgument(operation, name, 'a finite number', value);
}

/** Throws unless `value` is a number of at least 0. */
export function requireNonNegative(operation: string, name: string, value: unknown): void {
	if (typeof value !== 'number' || !(value >= 0)) throw wrongArgument(operation, name, 'at least 0', value);
}

/** Throws unless `value` is a number above 0. */
export function requirePositive(operation: string, name: string, value: unknown): void {
	if (typeof value !== 'number' || !(value > 0)) throw wrongArgument(operation, name, 'above 0', value);
}

/** Throws unless `value` is a number in `interval`. */
export function requireFraction(
	operation: string,
	name: string,
	value: unknown,
	interval: '[0, 1]' | '[0, 1)' | '(0, 1]' | '(0, 1)' = '[0, 1]',
): void {
	if (typeof value === 'number') {
		if (value > 0 && value < 1) return;
		if (value === 0 && interval.startsWith('[')) return;
		if (value === 1 && interval.endsWith(']')) return;
	}
	throw new ArgumentError(`${operation}: ${name} must lie in ${interval}, not ${describe(value)}`);
}

/** Throws unless `value` is an integer of at least `minimum` and below `limit`. */
export function requireInteger(
	operation: string,
	name: string,
	value: unknown,
	minimum = Number.NEGATIVE_INFINITY,
	limit = Number.POSITIVE_INFINITY,
): asserts value is number {
	if (isInteger(value, minimum, limit)) return;
	throw wrongArgument(operation, name, `a whole number${range(minimum, limit)}`, value);
}

function isInteger(value: unknown, minimum: number, limit: number): boolean {
	return Number.isSafeInteger(value) && (value as number) >= minimum && (value as number) < limit;
}

function range(minimum: number, limit: number): string {
	const least = Number.isFinite(minimum) ? ` of at least ${minimum}` : '';
	if (!Number.isFinite(limit)) return least;
	return `${least}${least === '' ? '' : ' and'} below ${limit === 2 ** 31 ? '2^31' : limit}`;
}

/**
 * Throws unless each of the named values is an integer of at least `minimum`. For the required arguments of a layer: an object in the place
 * of one of them is probably an object of all of them.
 */
export function requireCounts(operation: string, counts: Readonly<Record<string, unknown>>, minimum = 0): void {
	for (const [name, value] of Object.entries(counts)) {
		if (isInteger(value, minimum, Number.POSITIVE_INFINITY)) continue;
		throw wrongArgument(
			operation,
			name,
			`a whole number${range(minimum, Number.POSITIVE_INFINITY)}`,
			value,
			oneByOne(value, counts),
		);
	}
}

/** Throws unless each of the named values is an integer of at least 1, or an array of such. For the sizes of a layer. */
export function requireSizesOf(layer: string, sizes: Readonly<Record<string, unknown>>): void {
	for (const [name, value] of Object.entries(sizes)) {
		const list = Array.isArray(value) && value.length > 0 ? value : [value];
		if (list.every((size) => isInteger(size, 1, Number.POSITIVE_INFINITY))) continue;
		throw wrongArgument(layer, name, 'a whole number of at least 1, or a list of them', value, oneByOne(value, sizes));
	}
}

function oneByOne(value: unknown, named: Readonly<Record<string, unknown>>): string {
	if (typeof value !== 'object' || value === null || isTensorLike(value)) return '';
	return `. Required arguments come one by one, before the options: (${Object.keys(named).join(', ')}, { ... })`;
}

/** Throws unless `value` is one of `choices`. Pass a constant array where the check runs at every call. */
export function requireOneOf<const T extends string | number | null>(
	operation: string,
	name: string,
	value: unknown,
	choices: readonly T[],
): asserts value is T {
	if ((choices as readonly unknown[]).includes(value)) return;
	const list = choices.map(describe);
	throw wrongArgument(operation, name, `${list.slice(0, -1).join(', ')} or ${list.at(-1)}`, value);
}

/** Throws unless `value` is an instance of `kind`. `expected` describes one. */
export function requireInstance<T>(
	operation: string,
	name: string,
	value: unknown,
	kind: abstract new (...args: never[]) => T,
	expected: string,
): asserts value is T {
	if (value instanceof kind) return;
	const isClass = typeof value === 'function' && (value === kind || value.prototype instanceof kind);
	throw wrongArgument(operation, name, expected, value, isClass ? '. It is a class: pass an instance, made with new' : '');
}

/** Throws unless `value` is true or false. */
export function requireBoolean(operation: string, name: string, value: unknown): void {
	if (typeof value !== 'boolean') throw wrongArgument(operation, name, 'true or false', value);
}

/** Throws unless `value` is an array. `expected` describes it. */
export function requireArray(
	operation: string,
	name: string,
	value: unknown,
	expected: string,
): asserts value is readonly unknown[] {
	if (!Array.isArray(value)) throw wrongArgument(operation, name, expected, value);
}

/** Throws unless `value` is an array, of items that pass `accepts`, and of `length` items if given. `expected` describes it. */
export function requireListOf(
	operation: string,
	name: string,
	value: unknown,
	accepts: (item: unknown) => boolean,
	expected: string,
	length?: number,
): void {
	if (Array.isArray(value) && (length ?? value.length) === value.length && value.every(accepts)) return;
	throw wrongArgument(operation, name, expected, value);
}

/** Throws unless `value` is a function. `expected` describes it. */
export function requireFunction(operation: string, name: string, value: unknown, expected = 'a function'): void {
	if (typeof value !== 'function') throw wrongArgument(operation, name, expected, value);
}

/** Throws unless `value` is an array or a typed array. `what` describes its items. */
export function requireList(operation: string, what: string, value: unknown): void {
	if (Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))) return;
	throw new ArgumentError(`${operation}: it takes a list of ${what}, not ${describe(value)}`);
}

/** Throws unless `value` is a Uint8Array. */
export function requireBytes(operation: string, value: unknown): void {
	if (value instanceof Uint8Array) return;
	throw new ArgumentError(
		`${operation}: it takes the bytes of a file as a Uint8Array, not ${describe(value)}. For files and URLs use the functions read...`,
	);
}

/** Throws unless `value` is a string. `what` describes it. */
export function requireString(operation: string, what: string, value: unknown): void {
	if (typeof value !== 'string') throw new ArgumentError(`${operation}: it takes ${what}, not ${describe(value)}`);
}
