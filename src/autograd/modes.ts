/** Whether operations go on the tape. A mode belongs to synchronous code; it never spans an `await`. */
import { ArgumentError } from '../core/errors';

let enabled = true;

/** Whether operations on tensors that require a gradient are recorded now. */
export function isGradEnabled(): boolean {
	return enabled;
}

/** Sets the mode and returns the one before: for the engine's own code, which restores it in a `finally`. */
export function setGradEnabled(on: boolean): boolean {
	const before = enabled;
	enabled = on;
	return before;
}

/** Runs `fn` with recording on or off, and restores the mode whatever happens. */
export function withGradMode<T>(on: boolean, fn: () => T, caller: string): T {
	if (typeof fn !== 'function') throw new ArgumentError(`${caller}: it takes a function: ${caller}(() => ...), not ${typeof fn}`);
	const before = enabled;
	enabled = on;
	try {
		const result = fn();
		if (result instanceof Promise) {
			result.catch(() => {});
			throw new ArgumentError(
				`${caller}: the function must not be async: the mode ends when it returns. Await outside, and use ${caller} inside`,
			);
		}
		return result;
	} finally {
		enabled = before;
	}
}

/** Runs `fn` without recording: no gradient flows through what it computes. As `torch.no_grad`. */
export function noGrad<T>(fn: () => T): T {
	return withGradMode(false, fn, 'noGrad');
}

/** Runs `fn` with recording on, inside `noGrad` too. As `torch.enable_grad`. */
export function enableGrad<T>(fn: () => T): T {
	return withGradMode(true, fn, 'enableGrad');
}
