/** Checks of plain arguments, for programs that TypeScript did not check. Those of tensors and numbers are in ops/checks.ts. */
import { ArgumentError } from './errors';

/** Throws an ArgumentError that names `operation` unless `value` is one of `choices`. */
export function requireOneOf<const T extends string | number | null>(
	operation: string,
	name: string,
	value: unknown,
	choices: readonly T[],
): asserts value is T {
	if ((choices as readonly unknown[]).includes(value)) return;
	const list = choices.map(literal);
	throw new ArgumentError(
		`${operation}: ${name} must be ${list.slice(0, -1).join(', ')} or ${list.at(-1)}, not ${literal(value)}`,
	);
}

function literal(value: unknown): string {
	if (typeof value === 'string') return `'${value.slice(0, 40)}'`;
	return typeof value === 'object' && value !== null ? describe(value) : String(value);
}

/** Throws an ArgumentError that names `operation` unless every one of the named values is at least 0. */
export function requireNonNegative(operation: string, values: Readonly<Record<string, number>>): void {
	for (const [name, value] of Object.entries(values)) {
		if (!(value >= 0)) throw new ArgumentError(`${operation}: ${name} must be at least 0, not ${value}`);
	}
}

/** Throws unless `value` is an array or a typed array. `what` describes its items. */
export function requireList(operation: string, what: string, value: unknown): void {
	if (Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))) return;
	throw new ArgumentError(`${operation}: it takes a list of ${what}, not ${describe(value)}`);
}

export function requireBytes(operation: string, value: unknown): void {
	if (value instanceof Uint8Array) return;
	throw new ArgumentError(
		`${operation}: it takes the bytes of a file as a Uint8Array, not ${describe(value)}. For files and URLs use the functions read...`,
	);
}

export function requireString(operation: string, what: string, value: unknown): void {
	if (typeof value !== 'string') throw new ArgumentError(`${operation}: it takes ${what}, not ${describe(value)}`);
}

function describe(value: unknown): string {
	if (typeof value !== 'object' || value === null) return typeof value === 'string' ? 'a string' : String(value);
	return `a value of ${value.constructor?.name ?? 'no class'}`;
}
