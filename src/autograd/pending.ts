/** Gradients that are not complete yet: other ranks have not added theirs. An optimizer that took one would train on it silently. */

import { AutogradError } from '../core/errors';
import type { Tensor } from '../tensor';

const pending = new WeakMap<Tensor, string>();
/** Whether there may be any, so that programs without them look nothing up. */
let isUsed = false;

/** Makes steps throw for the gradient of `tensor` until `markComplete`. `cure` ends the message. */
export function markPending(tensor: Tensor, cure: string): void {
	isUsed = true;
	pending.set(tensor, cure);
}

export function markComplete(tensor: Tensor): void {
	pending.delete(tensor);
}

/** Throws an AutogradError if the gradient of `tensor` is not complete. */
export function requireComplete(operation: string, tensor: Tensor): void {
	const cure = isUsed ? pending.get(tensor) : undefined;
	if (cure !== undefined) throw new AutogradError(`${operation}: a gradient is not complete. ${cure}`);
}
