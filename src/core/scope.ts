/**
 * Scopes record the tensors and tape nodes made since a point in time, so that `tidy`, operations and the backward walk
 * can free their temporaries promptly. A scope belongs to synchronous code; it never spans an `await`.
 *
 * A scope also knows the operation that opened it, or the one that a scope around it belongs to: the name that errors, allocations and
 * launches carry. So the parts of an operation run under its name, and the name ends with the scope, however the operation ends.
 *
 * A scope holds strong references to its tensors, so the garbage collector cannot free them. Only tensors that leave the last
 * scope are registered with the collector. Most tensors never do, and registering them would cost more than a small operation.
 */

import { witness } from './capture';

interface Disposable {
	readonly isDisposed: boolean;
	/** Whether it outlives every scope: parameters, gradients, optimizer state, and tensors passed to `keep`. */
	readonly kept: boolean;
	/** Its place on the tape, or null if it has none. */
	readonly reach: unknown;
	dispose(): void;
	/** Called when no scope holds it any longer: from then on the garbage collector reports its end. */
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
	/** The name of the outermost operation that runs, or '' outside of operations. */
	readonly operation: string;
	/** The number of that call, or 0 outside of operations. */
	readonly call: number;
	readonly tensors: Disposable[];
	readonly nodes: ScopedNode[];
	/** Tensors outside `tensors` that may depend on `nodes`: older tensors that were written in place, and kept ones. */
	joined: Disposable[] | null;
}

/** Sees each operation that no other one surrounds, when it begins and when it ends. */
export interface OperationWatcher {
	began(operation: string): void;
	ended(): void;
}

let watcher: OperationWatcher | null = null;

/** Shows the operations of the program to `next` from now on; null ends it. */
export function watchOperations(next: OperationWatcher | null): void {
	watcher = next;
}

let current: Scope | null = null;
let calls = 0;
let live = 0;

export function onTensorCreated(tensor: Disposable): void {
	live++;
	if (witness !== null) witness.made(tensor);
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

/** Records a tensor that the scope need not hold but that may depend on nodes of the scope. */
export function onTensorJoined(tensor: Disposable): void {
	if (current === null) return;
	current.joined ??= [];
	current.joined.push(tensor);
}

/** The number of tensor handles that were neither disposed of nor collected. */
export function liveTensors(): number {
	return live;
}

/** Opens a scope. Inside it the operation `operation` runs, unless another one runs already. */
export function openScope(operation = ''): Scope {
	const parent = current;
	if (parent !== null && parent.call !== 0)
		current = { parent, operation: parent.operation, call: parent.call, tensors: [], nodes: [], joined: null };
	else {
		current = { parent, operation, call: operation === '' ? 0 : ++calls, tensors: [], nodes: [], joined: null };
		if (watcher !== null && operation !== '') watcher.began(operation);
	}
	return current;
}

/** The number of the operation's call that runs now, or 0 outside of operations. */
export function currentCall(): number {
	return current === null ? 0 : current.call;
}

/** The name of the outermost operation that runs now, or '' outside of operations. */
export function currentOperation(): string {
	return current === null ? '' : current.operation;
}

/** Runs `fn` as the operation `operation`, or as part of the operation that already runs. Its tensors stay. */
export function runOperation<T>(operation: string, fn: () => T): T {
	if (currentCall() !== 0) return fn();
	const scope = openScope(operation);
	try {
		return fn();
	} finally {
		closeScope(scope, () => true);
	}
}

/**
 * Closes `scope` and disposes of the tensors for which `survives` is false. The other tensors, and all nodes, move to the
 * parent scope.
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
	if (watcher !== null && scope.call !== 0 && (scope.parent === null || scope.parent.call === 0)) watcher.ended();
}
