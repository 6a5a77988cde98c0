/** Checks arguments of programs that TypeScript did not check. */
import { ArgumentError } from '../core/errors';

function describe(value: unknown): string {
	if (typeof value !== 'object' || value === null) return typeof value === 'string' ? 'a string' : String(value);
	return `a value of ${value.constructor?.name ?? 'no class'}`;
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
