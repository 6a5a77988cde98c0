/** `tidy` and `keep` free memory promptly. Without them dropped tensors wait for the garbage collector, which is safe. */
import { LeafNode, TapeNode } from './autograd/tape';
import { requireFunction, requireInstance } from './core/checks';
import { ArgumentError } from './core/errors';
import { closeScope, openScope, type Scope } from './core/scope';
import { type GradNode, Tensor } from './tensor';

/**
 * Runs `fn` and disposes of every tensor made in it, except those that it returns (directly, or within arrays and plain
 * objects), tensors passed to `keep`, gradients in `.grad`, parameters and optimizer state. Also frees recorded graphs that
 * no surviving tensor needs. `fn` must not be async.
 */
export function tidy<T>(fn: () => T): T {
	requireFunction('tidy', 'fn', fn, 'a function such as () => ...');
	return tidied(fn);
}

/** As `tidy`, in a scope of the operation `operation`. */
export function tidied<T>(fn: () => T, operation?: string): T {
	const scope = openScope(operation);
	const returned = new Set<unknown>();
	try {
		const result = fn();
		if (result instanceof Promise) {
			result.catch(() => {});
			throw new ArgumentError(
				'tidy: the function must not be async: its scope ends when it returns. Await outside, and use tidy inside',
			);
		}
		collectTensors(result, returned, new Set());
		return result;
	} finally {
		const survives = (tensor: unknown) => returned.has(tensor);
		freeGraphs(scope, survives);
		closeScope(scope, survives);
	}
}

/** Exempts a tensor from every `tidy`, until `dispose()`. Returns it. */
export function keep<T extends Tensor>(tensor: T): T {
	requireInstance('keep', 'the argument', tensor, Tensor, 'a tensor');
	tensor.kept = true;
	return tensor;
}

function collectTensors(value: unknown, found: Set<unknown>, seen: Set<unknown>): void {
	if (value instanceof Tensor) {
		found.add(value);
	} else if (typeof value === 'object' && value !== null && !seen.has(value)) {
		seen.add(value);
		const prototype = Object.getPrototypeOf(value);
		if (Array.isArray(value)) for (const item of value) collectTensors(item, found, seen);
		else if (value instanceof Map) for (const item of value.values()) collectTensors(item, found, seen);
		else if (prototype === Object.prototype || prototype === null)
			for (const item of Object.values(value)) collectTensors(item, found, seen);
	}
}

/** Releases the scope's nodes that no surviving tensor can reach. */
function freeGraphs({ nodes, tensors, joined }: Scope, survives: (tensor: unknown) => boolean): void {
	const pending = nodes.filter((node) => node instanceof TapeNode && !node.released);
	if (pending.length === 0) return;
	const reached = new Set<GradNode>();
	const stack: GradNode[] = [];
	const start = (tensor: unknown) => {
		const { isDisposed, reach } = tensor as Tensor;
		if (!isDisposed && reach !== null) stack.push(reach.node);
	};
	for (const tensor of tensors) if (tensor.kept || survives(tensor)) start(tensor);
	if (joined !== null) {
		const own = new Set(tensors);
		for (const tensor of joined) if (!own.has(tensor)) start(tensor);
	}
	while (stack.length > 0) {
		const node = stack.pop()!;
		if (reached.has(node) || node instanceof LeafNode) continue;
		reached.add(node);
		for (const edge of (node as TapeNode).edges) if (edge !== null) stack.push(edge.node);
	}
	nodes.length = 0;
	for (const node of pending) {
		if (reached.has(node as TapeNode)) nodes.push(node);
		else node.release();
	}
}
