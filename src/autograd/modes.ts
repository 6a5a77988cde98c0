/** Whether operations go on the tape, and what casts their inputs. A mode belongs to synchronous code; it never spans an `await`. */
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

/** Runs the function of a user that a mode spans; throws an ArgumentError, in the name of `caller`, if it is async. */
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
	/** Runs `body` on the inputs, a list or by name, in the dtypes that the operation takes; its parts are not cast again. */
	call<const I extends object, R>(operation: string, inputs: I, body: (inputs: I) => R): R;
}

let casting: Autocast | null = null;

/** What casts the inputs of operations now; null outside `autocast`. */
export function currentAutocast(): Autocast | null {
	return casting;
}

/** Sets what casts inputs and returns what did before: for the engine's own code, which restores it in a `finally`. */
export function setAutocast(mode: Autocast | null): Autocast | null {
	const before = casting;
	casting = mode;
	return before;
}

/** Runs `fn` with other casts, or with null without any. */
export function withAutocast<T>(mode: Autocast | null, fn: () => T): T {
	const before = setAutocast(mode);
	try {
		return fn();
	} finally {
		casting = before;
	}
}

/** Runs `fn` without recording, so no gradient flows through its results. Returns its result. `fn` must not be async. As `torch.no_grad`. */
export function noGrad<T>(fn: () => T): T {
	return withGradMode(false, fn, 'noGrad');
}

/** Runs `fn` with recording, also inside `noGrad`. Returns its result. `fn` must not be async. As `torch.enable_grad`. */
export function enableGrad<T>(fn: () => T): T {
	return withGradMode(true, fn, 'enableGrad');
}
