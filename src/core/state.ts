/** Checks states before they are loaded. They may come from files that are forged, or that belong to another object. */
import { ArgumentError } from './errors';

type Check = (value: unknown) => boolean;

/** Whether `value` is an object of names and values. */
export function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isNumber(value: unknown): value is number {
	return typeof value === 'number';
}

/** Whether `value` is a whole number of at least 0. */
export function isCount(value: unknown): value is number {
	return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);
}

/** For lists whose items pass `check`; of `length` items, where it is given. */
export function isListOf(check: Check, length?: number): Check {
	return (value) => Array.isArray(value) && (length ?? value.length) === value.length && value.every((item) => check(item));
}

/** For null and for what passes `check`. */
export function orNull(check: Check): Check {
	return (value) => value === null || check(value);
}

/**
 * Checks each field of the state with the check of the same name, and returns the state. Throws an ArgumentError in the name of `operation` if
 * the state is not an object, or for the first field that fails.
 */
export function checkState<S extends object>(
	operation: string,
	state: unknown,
	checks: { readonly [Name in keyof S]-?: Check },
): S {
	if (!isObject(state)) throw new ArgumentError(`${operation}: it takes what stateDict() gave, not ${described(state)}`);
	for (const [name, check] of Object.entries<Check>(checks)) {
		if (check(state[name])) continue;
		const what = state[name] === undefined ? `it has no ${name}` : `${name} cannot be ${described(state[name])}`;
		throw new ArgumentError(`${operation}: this is no state of its own kind, or a damaged one: ${what}`);
	}
	return state as S;
}

function described(value: unknown): string {
	if (Array.isArray(value)) return `a list of ${value.length} items`;
	if (typeof value === 'string') return JSON.stringify(value.slice(0, 40));
	return isObject(value) ? 'an object' : String(value);
}
