/**
 * The operation that runs now: the name that errors, allocations and launches carry.
 *
 * The name belongs to synchronous code and is reset when the outermost operation returns or throws, so an error never carries the name of
 * an earlier call. Operations that the outermost one calls run under its name.
 */

let running = '';
let number = 0;

/** The name of the operation that runs now, or '' outside of operations. */
export function currentOperation(): string {
	return running;
}

/** The number of the operation that runs now. Work between two operations has one too. */
export function operationNumber(): number {
	return number;
}

/** Starts the operation `name` unless another one runs. Returns whether it started; if so, the caller must call `leaveOperation`. */
export function enterOperation(name: string): boolean {
	if (running !== '') return false;
	running = name;
	number++;
	return true;
}

export function leaveOperation(): void {
	running = '';
	number++;
}

/** Runs `fn` as the operation `name`, or as part of the operation that already runs. */
export function runOperation<T>(name: string, fn: () => T): T {
	const outermost = enterOperation(name);
	try {
		return fn();
	} finally {
		if (outermost) leaveOperation();
	}
}
