/** Checks states before loading. They may come from forged files or from another object. */
import { ArgumentError } from './errors';

type Check = (value: unknown) => boolean;

/** Whether `value` is an object and not an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isNumber(value: unknown): value is number {
	return typeof value === 'number';
}

/** Whether `value` is an integer of at least 0. */
export function isCount(value: unknown): value is number {
	return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);
}

/** Accepts arrays of items that pass `check`, of `length` items if given. */
export function isListOf(check: Check, length?: number): Check {
	return (value) => Array.isArray(value) && (length ?? value.length) === value.length && value.every((item) => check(item));
}

/** Accepts null and values that pass `check`. */
export function orNull(check: Check): Check {
	return (value) => value === null || check(value);
}

/**
 * Checks each field with the check of the same name and returns the state. Throws an ArgumentError that names `operation` if the state is
 * not an object, or for the first field that fails.
 */
export function checkState<S extends object>(
	operation: string,
	state: unknown,
	checks: { readonly [Name in keyof S]-?: Check },
): S {
	if (!isObject(state)) throw new ArgumentError(`${operation}: pass the result of stateDict(), not ${described(state)}`);
	for (const [name, check] of Object.entries<Check>(checks)) {
		if (check(state[name])) continue;
		const what = state[name] === undefined ? `${name} is missing` : `${name} cannot be ${described(state[name])}`;
		throw new ArgumentError(`${operation}: the state is damaged or belongs to another object: ${what}`);
	}
	return state as S;
}

function described(value: unknown): string {
	if (Array.isArray(value)) return `a list of ${value.length} items`;
	if (typeof value === 'string') return JSON.stringify(value.slice(0, 40));
	return isObject(value) ? 'an object' : String(value);
}
