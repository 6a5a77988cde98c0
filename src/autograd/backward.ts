/**
 * The backward walk. Nodes are numbered in the order of their creation, so descending order is a reverse topological order. The walk loops
 * over a sorted list and never recurses, so long chains do not overflow the stack.
 *
 * Exactly one slot owns each gradient in flight. The walk disposes of it, and of the temporaries of the node's VJP, when the node is done.
 * Without `createGraph` the walk is not recorded, and uses the fused VJP of an operation that has one.
 */

import { witness } from '../core/capture';
import { isFloating } from '../core/dtype';
import { ArgumentError, AutogradError, formatShape, ShapeError } from '../core/errors';
import { noteBackward } from '../core/leakWarning';
import { checkOptions } from '../core/options';
import { closeScope, openScope, runOperation } from '../core/scope';
import { isExpanded, sameShape } from '../core/shape';
import { type GradEdge, type GradNode, Tensor, viewOf } from '../tensor';
import { requireTensors } from '../tensorChecks';
import { isWatching, observe } from './anomaly';
import { addGradients, addInto, cast, copyGradient, onesLikeOutput } from './gradients';
import { setAutocast, setGradEnabled } from './modes';
import { LeafNode, type OutputInfo, TapeNode } from './tape';

export interface BackwardOptions {
	/** Whether to keep saved tensors for another walk. Default the value of `createGraph`. */
	retainGraph?: boolean;
	/** Whether to record the backward walk, for gradients of gradients. Default false. */
	createGraph?: boolean;
}

export interface GradOptions extends BackwardOptions {
	/** The incoming gradient of each output. Default ones for scalar outputs. */
	gradOutputs?: Tensor | readonly (Tensor | null)[];
	/** Whether to return null for inputs that the outputs do not depend on, instead of throwing. Default false. */
	allowUnused?: boolean;
}

type Slots = Map<GradNode, (Tensor | null)[]>;

/**
 * Computes the gradients of `output` by the leaves that require one, and adds them to their `.grad`. `gradOutput`, the incoming gradient, has
 * the shape of `output`; it defaults to 1 for a scalar. Throws an AutogradError if no graph leads to `output`. As `torch.Tensor.backward`.
 */
export function backward(output: Tensor, gradOutput?: Tensor | null, options: BackwardOptions = {}): void {
	checkOptions('backward', options, ['retainGraph', 'createGraph']);
	requireTensors('backward', 'the output', [output]);
	const edge = requireEdge('backward', output);
	const seed = seedGradient('backward', output, gradOutput ?? null);
	walk([{ edge, gradient: seed, given: gradOutput != null }], null, options);
}

/**
 * Returns the gradients of `outputs` by `inputs`, one for each input, and leaves every `.grad` unchanged. Throws an AutogradError for an input
 * that the outputs do not depend on; with `allowUnused` its gradient is null. As `torch.autograd.grad`.
 */
export function grad(
	outputs: Tensor | readonly Tensor[],
	inputs: readonly Tensor[],
	options?: GradOptions & { allowUnused?: false },
): Tensor[];
export function grad(outputs: Tensor | readonly Tensor[], inputs: readonly Tensor[], options: GradOptions): (Tensor | null)[];
export function grad(outputs: Tensor | readonly Tensor[], inputs: Tensor, options?: GradOptions): Tensor[];
export function grad(
	outputs: Tensor | readonly Tensor[],
	inputs: Tensor | readonly Tensor[],
	options: GradOptions = {},
): (Tensor | null)[] {
	checkOptions('grad', options, ['gradOutputs', 'allowUnused', 'retainGraph', 'createGraph']);
	const outs = outputs instanceof Tensor ? [outputs] : outputs;
	const ins = inputs instanceof Tensor ? [inputs] : inputs;
	requireTensors('grad', 'outputs', outs);
	requireTensors('grad', 'inputs', ins);
	const given = options.gradOutputs instanceof Tensor ? [options.gradOutputs] : options.gradOutputs;
	if (given !== undefined && !Array.isArray(given))
		throw new ArgumentError('grad: gradOutputs must be a tensor or an array of tensors and nulls');
	if (given !== undefined && given.length !== outs.length) {
		throw new AutogradError(`grad: ${outs.length} outputs but ${given.length} gradOutputs; give one for each output`);
	}
	const targets = ins.map((input, i) => {
		if (input.edge === null)
			throw new AutogradError(
				`grad: input ${i} of shape ${formatShape(input.shape)} does not require a gradient; call requiresGrad_() on it before it is used`,
			);
		return input.edge;
	});
	const roots = outs.map((output, i) => ({
		edge: requireEdge('grad', output),
		gradient: seedGradient('grad', output, given?.[i] ?? null),
		given: given?.[i] != null,
	}));
	const captured = walk(roots, targets, options);
	return captured.map((gradient, i) => {
		if (gradient === null && options.allowUnused !== true) {
			throw new AutogradError(
				`grad: the outputs do not depend on input ${i} of shape ${formatShape(ins[i]!.shape)}. Pass { allowUnused: true } to get null for it`,
			);
		}
		return gradient;
	});
}

interface Root {
	readonly edge: GradEdge;
	readonly gradient: Tensor;
	/** Whether the user passed the gradient, and so owns it. */
	readonly given: boolean;
}

/** The place of `output` on the tape. Throws an AutogradError if it has none. */
export function requireEdge(operation: string, output: Tensor): GradEdge {
	if (output.edge === null) {
		throw new AutogradError(
			`${operation}: the output of shape ${formatShape(output.shape)} does not depend on a tensor that requires a gradient, or was computed under noGrad`,
		);
	}
	return output.edge;
}

function seedGradient(operation: string, output: Tensor, given: Tensor | null): Tensor {
	if (given === null) {
		if (output.size !== 1) {
			throw new AutogradError(
				`${operation}: the output has shape ${formatShape(output.shape)}; only a scalar has an implicit gradient. Reduce it with sum() or mean(), or pass the gradient of the output`,
			);
		}
		return runOperation(operation, () => onesLikeOutput(output));
	}
	requireTensors(operation, 'the gradient of the output', [given]);
	if (!sameShape(given.shape, output.shape)) {
		throw new ShapeError(
			`${operation}: gradient of shape ${formatShape(given.shape)} for an output of shape ${formatShape(output.shape)}; they must be equal`,
		);
	}
	return given;
}

/** All nodes that `roots` reach, latest first. */
export function reachable(roots: readonly GradEdge[]): GradNode[] {
	const reached = new Set<GradNode>();
	const stack = roots.map(({ node }) => node);
	while (stack.length > 0) {
		const node = stack.pop()!;
		if (reached.has(node)) continue;
		reached.add(node);
		if (node instanceof TapeNode) for (const edge of node.edges) if (edge !== null) stack.push(edge.node);
	}
	return [...reached].sort((a, b) => b.sequence - a.sequence);
}

/** The nodes to visit, latest first: all that `roots` reach, or with `targets` those on a path to a target. */
function plan(roots: readonly Root[], targets: readonly GradEdge[] | null): GradNode[] {
	const order = reachable(roots.map(({ edge }) => edge));
	if (targets === null) return order;
	const wanted = new Set<GradNode>(targets.map((edge) => edge.node));
	for (let i = order.length - 1; i >= 0; i--) {
		const node = order[i]!;
		if (node instanceof TapeNode && node.edges.some((edge) => edge !== null && wanted.has(edge.node))) wanted.add(node);
	}
	return order.filter((node) => wanted.has(node));
}

/**
 * Moves each leaf with a hook after the last node that gives it a gradient. Otherwise leaves come last, because they are older than the
 * operations on them, and nothing could be done with their gradients during the walk.
 */
function withEarlyLeaves(order: readonly GradNode[]): readonly GradNode[] {
	const last = new Map<GradNode, GradNode | null>();
	for (const node of order) if (node instanceof LeafNode && node.afterwards.size > 0) last.set(node, null);
	if (last.size === 0) return order;
	for (const node of order) {
		if (node instanceof TapeNode)
			for (const edge of node.edges) if (edge !== null && last.has(edge.node)) last.set(edge.node, node);
	}
	const after = new Map<GradNode, GradNode[]>();
	for (const [leaf, node] of last) if (node !== null) after.set(node, [...(after.get(node) ?? []), leaf]);
	return order.filter((node) => last.get(node) == null).flatMap((node) => [node, ...(after.get(node) ?? [])]);
}

function walk(roots: readonly Root[], targets: readonly GradEdge[] | null, options: BackwardOptions): (Tensor | null)[] {
	const createGraph = options.createGraph ?? false;
	const retainGraph = options.retainGraph ?? createGraph;
	noteBackward();
	const order = plan(roots, targets);
	const visiting = new Set(order);
	// The walk ends at a target that is an inner result, unless it leads to another target.
	const targetNodes = new Set<GradNode>(targets?.map((edge) => edge.node));
	const slots: Slots = new Map();
	const captured: (Tensor | null)[] = (targets ?? []).map(() => null);
	const mode = setGradEnabled(createGraph);
	const autocast = setAutocast(null);
	const scope = openScope();
	const survivors = new Set<unknown>();
	try {
		for (const root of roots) {
			if (visiting.has(root.edge.node)) deposit(slots, root.edge, root.given ? alias(root.gradient) : root.gradient);
		}
		for (const node of targets === null ? withEarlyLeaves(order) : order) {
			const gradients = slots.get(node);
			if (gradients === undefined) continue;
			slots.delete(node);
			if (node.hooks !== null) runHooks(node, gradients);
			if (targets !== null) {
				targets.forEach((target, i) => {
					const gradient = target.node === node ? gradients[target.index] : null;
					if (gradient != null) {
						captured[i] = alias(gradient);
						survivors.add(captured[i]);
					}
				});
			}
			if (node instanceof LeafNode) {
				if (targets === null) {
					accumulate(node.tensor, gradients[0]!, createGraph, survivors);
					if (node.afterwards.size > 0) witness?.refuse('a hook sees a gradient');
					for (const { hook } of [...node.afterwards]) hook(node.tensor);
				}
			} else if (node instanceof TapeNode) {
				for (const [index, tensor] of node.retained ?? []) {
					const gradient = gradients[index];
					if (targets === null && gradient != null) accumulate(tensor, gradient, createGraph, survivors);
				}
				const leadsOn = targets === null || node.edges.some((edge) => edge !== null && visiting.has(edge.node));
				if (leadsOn) step(node, gradients, slots, visiting, createGraph);
				if (!retainGraph && !(targetNodes.has(node) && !leadsOn)) node.release();
			}
			for (const gradient of gradients) if (gradient != null && !survivors.has(gradient)) gradient.dispose();
		}
		return captured;
	} finally {
		setGradEnabled(mode);
		setAutocast(autocast);
		closeScope(scope, (tensor) => survivors.has(tensor));
	}
}

/** Passes the gradients of a node to its hooks, and replaces them by the tensors that the hooks return. */
function runHooks(node: GradNode, gradients: (Tensor | null)[]): void {
	for (const [index, hooks] of node.hooks ?? []) {
		if (hooks.size > 0) witness?.refuse('a hook sees a gradient');
		for (const { hook } of [...hooks]) {
			const arrived = gradients[index];
			if (arrived == null) break;
			const shown = alias(arrived);
			const changed = hook(shown);
			if (changed == null) {
				// The hook may have written into it.
				arrived.edge = shown.edge;
				continue;
			}
			if (!(changed instanceof Tensor) || !sameShape(changed.shape, arrived.shape) || changed.dtype !== arrived.dtype) {
				const found = changed instanceof Tensor ? `${formatShape(changed.shape)} ${changed.dtype}` : typeof changed;
				throw new AutogradError(
					`registerHook: the hook on the result of '${node.operation}' returned ${found} for a gradient of ${formatShape(arrived.shape)} ${arrived.dtype}`,
				);
			}
			gradients[index] = alias(changed);
			arrived.dispose();
		}
	}
}

/** Runs the VJP of a node and adds its results to the slots of the inputs. */
function step(
	node: TapeNode,
	gradients: readonly (Tensor | null)[],
	slots: Slots,
	visiting: ReadonlySet<GradNode>,
	isRecorded: boolean,
): void {
	const scope = openScope(`${node.operation} backward`);
	const passed = new Set<unknown>();
	try {
		const needs = node.edges.map((edge) => (edge !== null && visiting.has(edge.node) ? valueAt(edge) : null));
		const results = node.pullBack(
			node.outputs.map((_, i) => gradients[i] ?? null),
			needs,
			isRecorded,
		);
		node.edges.forEach((edge, i) => {
			const need = needs[i];
			if (edge === null || need == null || results[i] == null) return;
			const result = fitted(node, i, need, results[i]);
			if (isWatching()) observe('backward', node.operation, result, node.caller);
			// A VJP may return its argument, a saved tensor or one result twice. Then each slot gets its own handle.
			const fresh = scope.tensors.includes(result) && !passed.has(result);
			const owned = fresh ? result : alias(result);
			passed.add(owned);
			const kept = deposit(slots, edge, owned);
			passed.add(kept);
		});
	} finally {
		closeScope(scope, (tensor) => passed.has(tensor));
	}
}

/** The shape and dtype of the value at an edge. */
export function valueAt({ node, index }: GradEdge): OutputInfo {
	return node instanceof LeafNode ? node.tensor : (node as TapeNode).outputs[index]!;
}

/**
 * Converts a gradient to the dtype of its input, because VJPs may compute float16 in float32. Throws for a wrong shape or a dtype that is not
 * floating: that is a mistake in the operation, not in the call.
 */
function fitted(node: TapeNode, input: number, expected: OutputInfo, gradient: Tensor): Tensor {
	if (!sameShape(expected.shape, gradient.shape) || !isFloating(gradient.dtype)) {
		throw new AutogradError(
			`backward of '${node.operation}' gave input ${input} a gradient of shape ${formatShape(gradient.shape)} ${gradient.dtype}; the input is ${formatShape(expected.shape)} ${expected.dtype}`,
		);
	}
	return gradient.dtype === expected.dtype ? gradient : cast(gradient, expected.dtype);
}

/** Adds a gradient to a slot, which takes ownership. Returns the new value of the slot. */
function deposit(slots: Slots, edge: GradEdge, gradient: Tensor): Tensor {
	let slot = slots.get(edge.node);
	if (slot === undefined) {
		slot = [];
		slots.set(edge.node, slot);
	}
	const before = slot[edge.index];
	if (before == null) {
		slot[edge.index] = gradient;
		return gradient;
	}
	const total = addGradients(before, gradient);
	before.dispose();
	gradient.dispose();
	slot[edge.index] = total;
	return total;
}

function alias(x: Tensor): Tensor {
	const result = viewOf(x, x.shape, x.strides, x.offset);
	result.edge = x.edge;
	return result;
}

/** Adds `gradient` to `.grad`. The first gradient becomes `.grad` itself, unless another tensor shares its memory. */
function accumulate(tensor: Tensor, gradient: Tensor, createGraph: boolean, survivors: Set<unknown>): void {
	const before = tensor.grad;
	if (before === null || before.isDisposed) {
		const exclusive = gradient.isContiguous && gradient.storage.claims.references === 1;
		tensor.grad = exclusive ? gradient : runOperation('backward', () => copyGradient(gradient));
	} else if (!sameShape(before.shape, gradient.shape) || before.dtype !== gradient.dtype) {
		throw new AutogradError(
			`backward: a tensor of shape ${formatShape(tensor.shape)} ${tensor.dtype} has a .grad of shape ${formatShape(before.shape)} ${before.dtype}; shape and dtype must be equal`,
		);
	} else if (
		createGraph ||
		before.requiresGrad ||
		isExpanded(before.shape, before.strides) ||
		before.storage === gradient.storage
	) {
		tensor.grad = runOperation('backward', () => addGradients(before, gradient));
	} else {
		runOperation('backward', () => addInto(before, gradient));
		return;
	}
	tensor.grad.kept = true;
	survivors.add(tensor.grad);
}
