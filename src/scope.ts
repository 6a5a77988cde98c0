/**
 * Scopes: which tensors and tape nodes were made since a point in time, so that `tidy`, operations and the backward walk
 * can let go of their temporaries promptly. A scope belongs to synchronous code; it never spans an `await`.
 *
 * A scope holds what was made in it, so the garbage collector cannot: only what leaves the last scope is registered with it. Most
 * tensors never do, and registering them would cost more than a small operation.
 */

interface Disposable {
	readonly isDisposed: boolean;
	/** Outlives every scope: parameters, gradients, optimizer state, and what the user gave to `keep`. */
	readonly kept: boolean;
	/** Its place on the tape, if it has one. */
	readonly reach: unknown;
	dispose(): void;
	/** No scope holds it any longer: from now on the garbage collector has to tell of its end. */
	leave(): void;
}

/** Something on the tape that holds saved tensors, as scopes see it. */
export interface ScopedNode {
	release(): void;
	/** As for tensors. */
	leave(): void;
}

export interface Scope {
	readonly parent: Scope | null;
	readonly tensors: Disposable[];
	readonly nodes: ScopedNode[];
	/** Tensors that are not among `tensors` and may depend on `nodes`: older ones that were written in place, and kept ones. */
	joined: Disposable[] | null;
}

let current: Scope | null = null;
let live = 0;

export function onTensorCreated(tensor: Disposable): void {
	live++;
	if (current === null) tensor.leave();
	else current.tensors.push(tensor);
}

export function onTensorDisposed(): void {
	live--;
}

export function onNodeCreated(node: ScopedNode): void {
	if (current === null) node.leave();
	else current.nodes.push(node);
}

/** A tensor that the scope need not hold may depend on nodes of the scope. */
export function onTensorJoined(tensor: Disposable): void {
	if (current === null) return;
	current.joined ??= [];
	current.joined.push(tensor);
}

/** Tensor handles that were made and neither disposed of nor collected yet. */
export function liveTensors(): number {
	return live;
}

export function openScope(): Scope {
	current = { parent: current, tensors: [], nodes: [], joined: null };
	return current;
}

export function currentScope(): Scope | null {
	return current;
}

/**
 * Closes `scope`: tensors for which `survives` is false are disposed of; what is left, and all nodes, move to the scope
 * around it.
 */
export function closeScope(scope: Scope, survives: (tensor: Disposable) => boolean): void {
	current = scope.parent;
	for (const tensor of scope.tensors) {
		if (tensor.isDisposed) continue;
		if (tensor.kept) {
			tensor.leave();
			if (tensor.reach !== null) onTensorJoined(tensor);
		} else if (!survives(tensor)) tensor.dispose();
		else if (current !== null) current.tensors.push(tensor);
		else tensor.leave();
	}
	for (const node of scope.nodes) {
		if (current === null) node.leave();
		else current.nodes.push(node);
	}
	for (const tensor of scope.joined ?? []) if (!tensor.isDisposed) onTensorJoined(tensor);
}
