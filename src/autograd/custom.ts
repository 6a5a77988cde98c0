/** Operations of users' own. */
import { ArgumentError } from '../core/errors';
import type { Shape } from '../core/shape';
import { Tensor, viewOf } from '../tensor';
import { zeroGradient } from './gradients';
import { recordMany } from './tape';
import { CUSTOM, noteView } from './views';

/** What `forward` and `backward` of one call share. */
export interface OperationContext {
	/** Keeps tensors (inputs, outputs or results in between) for `backward`, where they are `saved`. */
	saveForBackward(...tensors: Tensor[]): void;
	/** The tensors given to `saveForBackward`, in that order. */
	readonly saved: readonly Tensor[];
	/** Whether each input needs a gradient. */
	readonly needsInputGrad: readonly boolean[];
	/** Anything else that backward needs. */
	[key: string]: unknown;
}

export interface CustomOperation<A extends unknown[], R extends Tensor | readonly Tensor[]> {
	/** For messages. Default 'customOp'. */
	readonly name?: string;
	/** Computes the outputs; runs unrecorded. Arguments that are not tensors are passed through. */
	forward(context: OperationContext, ...inputs: A): R;
	/**
	 * The gradient of each argument of `forward` (null for those that are not tensors or have none), from the gradients of its
	 * outputs. Written in differentiable operations it can be differentiated again.
	 */
	backward(context: OperationContext, ...gradients: Tensor[]): Tensor | null | readonly (Tensor | null)[];
}

/**
 * Makes a function that goes on the tape as one operation with the gradient that you give it. As `torch.autograd.Function`.
 *
 * ```ts
 * const cube = customOp({
 *   forward: (context, x: Tensor) => { context.saveForBackward(x); return x.mul(x).mul(x); },
 *   backward: (context, gradient) => gradient.mul(context.saved[0]!.square()).mul(3),
 * });
 * ```
 */
export function customOp<A extends unknown[], R extends Tensor | readonly Tensor[]>(
	operation: CustomOperation<A, R>,
): (...inputs: A) => R {
	if (typeof operation?.forward !== 'function' || typeof operation.backward !== 'function')
		throw new ArgumentError('customOp: takes an object with the functions forward and backward');
	const name = operation.name ?? 'customOp';
	const run = (...inputs: A): R => {
		const tensors = inputs.filter((input): input is A[number] & Tensor => input instanceof Tensor);
		if (tensors.length === 0) throw new ArgumentError(`${name}: at least one argument must be a Tensor`);
		const places = inputs.flatMap((input, i) => (input instanceof Tensor ? [i] : []));
		const notes: Record<string, unknown> = {};
		let kept: readonly Tensor[] = [];
		let shapes: readonly Shape[] = [];
		let single = true;
		const needs = inputs.map((input) => input instanceof Tensor && input.requiresGrad);
		const context = (saved: readonly Tensor[], needsInputGrad: readonly boolean[]): OperationContext =>
			Object.assign(notes, {
				saved,
				needsInputGrad,
				saveForBackward(...list: Tensor[]) {
					kept = list;
				},
			});
		const outputs = recordMany({
			name,
			inputs: tensors,
			forward: () => {
				const result = operation.forward(context([], needs), ...inputs);
				single = result instanceof Tensor;
				const list = (result instanceof Tensor ? [result] : result) as readonly Tensor[];
				if (!Array.isArray(list) || !list.every((output) => output instanceof Tensor))
					throw new ArgumentError(`${name}: forward must return a Tensor or an array of Tensors`);
				shapes = list.map((output) => output.shape);
				// An input that is returned as it is must not change its place on the tape.
				return list.map((output) =>
					tensors.includes(output) ? viewOf(output, output.shape, output.strides, output.offset) : output,
				);
			},
			save: () => kept,
			vjp: (gradients, saved, wanted) => {
				const needed = inputs.map((_, i) => wanted[places.indexOf(i)] ?? false);
				const filled = gradients.map(
					(gradient, i) => gradient ?? zeroGradient(shapes[i]!, gradients.find((given) => given !== null)!),
				);
				const result = operation.backward(context(saved, needed), ...filled);
				const list = result === null || result instanceof Tensor ? [result] : result;
				if (!Array.isArray(list) || !list.every((found) => found === null || found instanceof Tensor))
					throw new ArgumentError(`${name}: backward must return a Tensor, null, or an array of them`);
				if (list.length !== inputs.length && !(list.length === 1 && tensors.length === 1)) {
					throw new ArgumentError(
						`${name}: backward returned ${list.length} gradients for ${inputs.length} arguments of forward`,
					);
				}
				return places.map((place, i) => (list.length === inputs.length ? list[place]! : list[i]!));
			},
		});
		outputs.forEach((output, i) => {
			const twin = [...tensors, ...outputs.slice(0, i)].find((other) => !other.isDisposed && other.storage === output.storage);
			if (twin !== undefined) noteView(output, twin, CUSTOM);
		});
		return (single ? outputs[0]! : outputs) as R;
	};
	// Messages, gradcheck's among them, name a function by its name.
	return Object.defineProperty(run, 'name', { value: name });
}
