/**
 * Views and in-place writes on the tape.
 *
 * A view shares memory with its base, and knows the operations that lead from the base to it. An in-place write gives the base a new place
 * on the tape; after a write into a view, the gradient of the base passes through that part (ops/inplace.ts). At its next use each view
 * derives its own new place from the base. The semantics are PyTorch's: Note [View + Inplace update], torch/csrc/autograd/variable.h.
 */
import { AutogradError, formatShape } from '../core/errors';
import { closeScope, onTensorJoined, openScope } from '../core/scope';
import { type GradEdge, type GradNode, Tensor, type Viewing } from '../tensor';
import { isGradEnabled, setGradEnabled } from './modes';

/** An operation that returns a view. It runs again on the base, or on another tensor of the base's shape. It must hold no tensor. */
export type ViewStep = (x: Tensor) => Tensor;

/** The operations from a base to a view, last first. */
export interface ViewPath {
	readonly before: ViewPath | null;
	readonly step: ViewStep;
}

/** Why a recorded write into a view is refused, and the cure. */
export interface ViewRestriction {
	readonly what: string;
	readonly cure: string;
}

const UNRECORDED: ViewRestriction = {
	what: 'a view that was made under noGrad',
	cure: 'Make the view and write both under noGrad, or both outside',
};

export const MULTI_OUTPUT_VIEW: ViewRestriction = {
	what: 'one of several views that one operation returned',
	cure: 'Use narrow() or select() instead, or the operation without _',
};

export const CUSTOM_OP_VIEW: ViewRestriction = {
	what: 'a result of a customOp that shares memory with its input or another result',
	cure: 'Return a clone() from forward',
};

class View implements Viewing {
	seen: number;

	constructor(
		readonly base: Tensor,
		/** Null if there is a restriction. */
		readonly path: ViewPath | null,
		readonly restriction: ViewRestriction | null,
	) {
		this.seen = base.writes;
	}

	renew(view: Tensor, operation: string): void {
		const { base, path, restriction } = this;
		if (path === null) {
			throw new AutogradError(
				`${operation}: the tensor of shape ${formatShape(view.shape)} is ${restriction!.what}, and '${base.edge?.node.operation}' has written into its memory since. ${restriction!.cure}`,
			);
		}
		const mode = setGradEnabled(true);
		const scope = openScope();
		let edge: GradEdge | null;
		try {
			const whole = new Tensor(view.storage, base.shape, base.strides, base.offset);
			whole.edge = base.edge;
			edge = replayView(path, whole).edge;
		} finally {
			closeScope(scope, () => false);
			setGradEnabled(mode);
		}
		this.seen = base.writes;
		move(view, edge!);
	}
}

/** Notes that `output` is a view of `input`, by a step or with a restriction. */
export function markView(output: Tensor, input: Tensor, step: ViewStep | ViewRestriction): void {
	const from = input.viewing as View | null;
	const own = isGradEnabled() ? null : UNRECORDED;
	const restriction = own ?? (typeof step === 'function' ? (from?.restriction ?? null) : step);
	const path = restriction === null ? { before: from?.path ?? null, step: step as ViewStep } : null;
	output.viewing = new View(from?.base ?? input, path, restriction);
}

/** Applies `path` to `x`, which replaces the base. */
export function replayView(path: ViewPath, x: Tensor): Tensor {
	const steps: ViewStep[] = [];
	for (let at: ViewPath | null = path; at !== null; at = at.before) steps.push(at.step);
	return steps.reduceRight((result, step) => step(result), x);
}

/** The base of a view, and the view operations that lead from it to x. A tensor that is not a view is its own base. */
export function baseOf(x: Tensor): { readonly base: Tensor; readonly path: ViewPath | null } {
	return x.viewing === null ? { base: x, path: null } : (x.viewing as View);
}

/** Throws an AutogradError unless a write into `x` can be recorded. */
export function requireRecordable(operation: string, x: Tensor): void {
	const { viewing } = x;
	const restriction = (viewing as View | null)?.restriction;
	if (restriction != null) throw new AutogradError(`${operation}: the tensor is ${restriction.what}. ${restriction.cure}`);
	const isLeaf = ({ edge }: Tensor) => edge?.node.isLeaf ?? false;
	const what = viewing !== null && isLeaf(viewing.base) ? 'a view of a leaf' : isLeaf(x) ? 'a leaf' : null;
	if (what === null) return;
	throw new AutogradError(
		`${operation}: the tensor is ${what} that requires a gradient. Write to it under noGrad(() => ...), or to a clone()`,
	);
}

/** Moves the tensor that a recorded operation wrote into, or the base of that view, to the operation's node. */
export function rebase(x: Tensor, node: GradNode): void {
	const { base } = baseOf(x);
	const retains = base !== x && x.edge?.node.retained != null;
	move(base, { node, index: 0 });
	base.writes++;
	if (retains) x.renew(node.operation);
	else if (base !== x) onTensorJoined(x);
}

/** Moves a tensor on the tape. Hooks stay with its previous value; `retainGrad` moves with the tensor. */
function move(x: Tensor, edge: GradEdge): void {
	const before = x.edge;
	if (before?.node.retained?.get(before.index) === x) {
		before.node.retained.delete(before.index);
		edge.node.retained ??= new Map();
		edge.node.retained.set(edge.index, x);
	}
	x.edge = edge;
	onTensorJoined(x);
}
