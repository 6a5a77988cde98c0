/**
 * What a capture sees of a call: see src/compile. While `compile` records a call, the tensor layer reports here which tensors, gradients and
 * modules the call uses, so that a replay can tell whether they are still the same.
 *
 * Library code whose launches depend on host state, such as a step count or a learning rate, runs within `live`: a replay calls it again
 * instead of repeating its launches. So host state needs no further rule.
 */
export interface Witness {
	/** A tensor handle was made. */
	made(tensor: object): void;
	/** The memory of a tensor is used. */
	used(tensor: object, storage: object): void;
	gradRead(tensor: object, grad: object | null): void;
	gradSet(tensor: object, grad: object | null): void;
	/** The gradient will be freed, whatever it is. */
	gradCleared(tensor: object): void;
	modeRead(module: object, training: boolean): void;
	modeSet(module: object, training: boolean): void;
	live(owner: object, method: string, fn: () => void): void;
	/** The call cannot be replayed. */
	refuse(reason: string): void;
}

/** The capture that runs now. */
export let witness: Witness | null = null;

/** Sets the capture and returns the previous one. */
export function setWitness(next: Witness | null): Witness | null {
	const before = witness;
	witness = next;
	return before;
}

/**
 * Runs `fn`, and runs it again in each replay of a captured call. `fn` sets its own modes, and may use gradients in `.grad` and tensors that
 * outlive the call, but no other results of it. It is the work of `method` of `owner`.
 */
export function live(owner: object, method: string, fn: () => void): void {
	if (witness === null) fn();
	else witness.live(owner, method, fn);
}

const repeatable = new WeakSet<object>();

/** Marks a hook that does nothing besides operations on tensors: a replay repeats these. */
export function repeats<H extends object>(hook: H): H {
	repeatable.add(hook);
	return hook;
}

/** Whether a replay does all that these hooks do. */
export function areRepeatable(hooks: Iterable<{ readonly hook: object }>): boolean {
	for (const { hook } of hooks) if (!repeatable.has(hook)) return false;
	return true;
}

let changes = 0;

/** Counts changes after which modules compute something else: hooks, adapters, replaced modules. */
export function modelChanges(): number {
	return changes;
}

export function noteModelChange(): void {
	changes++;
}
