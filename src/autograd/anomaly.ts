/**
 * `detectAnomaly` finds the first operation that returned a NaN or an infinity, and the line that called it.
 *
 * While it watches, the device reduces each result, forward and backward, to one bool by bit pattern. The host reads all bools together at
 * the end, so watching waits for nothing.
 */
import { elementwiseKernels, reduceKernels } from '../backends/kernels';
import { isFloating } from '../core/dtype';
import { ArgumentError, AutogradError, formatShape } from '../core/errors';
import { callerFrames, callSite } from '../core/indexCheck';
import { closeScope, openScope } from '../core/scope';
import { emptyOn, type Tensor } from '../tensor';

interface Observation {
	readonly phase: 'forward' | 'backward';
	readonly operation: string;
	readonly shape: readonly number[];
	/** Where the operation was called. */
	readonly caller: string;
	/** A scalar: whether all elements are finite. */
	readonly finite: Tensor;
}

let observations: Observation[] | null = null;

/** Whether `detectAnomaly` watches now. */
export function isWatching(): boolean {
	return observations !== null;
}

/** The stack of the current call, from the first frame outside this library. */
export function callerStack(): string {
	return callerFrames(callSite().stack ?? '');
}

/** Notes whether `tensor`, a result of `operation`, is finite. */
export function observe(phase: Observation['phase'], operation: string, tensor: Tensor, caller: string): void {
	if (observations === null || !isFloating(tensor.dtype) || tensor.size === 0) return;
	const { backend } = tensor;
	const scope = openScope();
	const finite = emptyOn(tensor, [], 'bool');
	finite.kept = true;
	try {
		const each = emptyOn(tensor, tensor.shape, 'bool');
		elementwiseKernels(backend).predicate({ x: tensor }, { y: each }, { op: 'isfinite' });
		reduceKernels(backend).reduce({ x: each }, { y: finite }, { op: 'all', dims: tensor.shape.map((_, i) => i) });
	} finally {
		closeScope(scope, () => false);
	}
	observations.push({ phase, operation, shape: tensor.shape, caller, finite });
}

/**
 * Runs `fn`, with any backward walk in it, and resolves to its result. Rejects with an AutogradError that names the first operation, forward
 * or backward, that produced a NaN or an infinity, and its call site. `fn` must not be async. Costs two small launches per operation. As
 * `torch.autograd.detect_anomaly`.
 */
export async function detectAnomaly<T>(fn: () => T): Promise<T> {
	if (observations !== null) throw new ArgumentError('detectAnomaly: it is already watching; calls do not nest');
	const made: Observation[] = [];
	observations = made;
	let result: T;
	try {
		result = fn();
		if (result instanceof Promise) {
			result.catch(() => {});
			throw new ArgumentError('detectAnomaly: the function must not be async. Await outside, and use detectAnomaly inside');
		}
	} finally {
		observations = null;
	}
	const finite = await Promise.all(made.map((observation) => observation.finite.item()));
	for (const observation of made) observation.finite.dispose();
	const first = made[finite.indexOf(0)];
	if (first !== undefined) {
		const what = first.phase === 'forward' ? `'${first.operation}'` : `the backward pass of '${first.operation}'`;
		throw new AutogradError(
			`detectAnomaly: ${what} first produced a NaN or an infinity, in a tensor of shape ${formatShape(first.shape)}. It was called at\n${first.caller}`,
		);
	}
	return result;
}
