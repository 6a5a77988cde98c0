/** Modes: whether operations are recorded, and how their inputs are cast. A mode covers synchronous code only, never an `await`. */
import { requireFunction } from '../core/checks';
import { ArgumentError } from '../core/errors';

let enabled = true;

/** Whether operations on tensors that require a gradient are recorded now. */
export function isGradEnabled(): boolean {
	return enabled;
}

/** Sets the mode and returns the previous one. Internal: callers restore it in a `finally`. */
export function setGradEnabled(on: boolean): boolean {
	const before = enabled;
	enabled = on;
	return before;
}

/** Runs a user's function within a mode. Throws an ArgumentError that names `caller` if the function is async. */
export function synchronous<T>(caller: string, fn: () => T): T {
	requireFunction(caller, 'fn', fn, 'a function such as () => ...');
	const result = fn();
	if (result instanceof Promise) {
		result.catch(() => {});
		throw new ArgumentError(
			`${caller}: the function must not be async: the mode ends when it returns. Await outside, and use ${caller} inside`,
		);
	}
	return result;
}

/** Runs `fn` with recording on or off, and restores the mode, also if `fn` throws. */
function withGradMode<T>(on: boolean, fn: () => T, caller: string): T {
	const before = enabled;
	enabled = on;
	try {
		return synchronous(caller, fn);
	} finally {
		enabled = before;
	}
}

/** Casts the inputs of operations: see autocast.ts. */
export interface Autocast {
	/** Casts the inputs (a list, or an object by name) as the operation requires, and runs `body` on them without further casts. */
	call<const I extends object, R>(operation: string, inputs: I, body: (inputs: I) => R): R;
}

let casting: Autocast | null = null;

/** The current mode of casting; null outside `autocast`. */
export function currentAutocast(): Autocast | null {
	return casting;
}

/** Sets the mode of casting and returns the previous one. Internal: callers restore it in a `finally`. */
export function setAutocast(mode: Autocast | null): Autocast | null {
	const before = casting;
	casting = mode;
	return before;
}

/** Runs `fn` in another mode of casting; null means no casts. */
export function withAutocast<T>(mode: Autocast | null, fn: () => T): T {
	const before = setAutocast(mode);
	try {
		return fn();
	} finally {
		casting = before;
	}
}

/**
 * Runs `fn` without recording, so no gradient flows through its results. Returns its result. `fn` must not be async. As `torch.no_grad`.
 */
export function noGrad<T>(fn: () => T): T {
	return withGradMode(false, fn, 'noGrad');
}

/** Runs `fn` with recording, also inside `noGrad`. Returns its result. `fn` must not be async. As `torch.enable_grad`. */
export function enableGrad<T>(fn: () => T): T {
	return withGradMode(true, fn, 'enableGrad');
}
