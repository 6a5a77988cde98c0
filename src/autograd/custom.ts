/** `customOp`: operations that users define. */
import { requireOneOf } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { isHalf } from '../core/halves';
import type { Shape } from '../core/shape';
import { Tensor, viewOf } from '../tensor';
import { tidy } from '../tidy';
import { inAutocast } from './autocast';
import { cast, zeroGradient } from './gradients';
import { type Autocast, currentAutocast } from './modes';
import { defineOperation } from './operation';
import { CUSTOM_OP_VIEW, markView } from './views';

/** The data that `forward` and `backward` of one call share. */
export interface OperationContext {
	/** Saves tensors (inputs, outputs or intermediate results) for `backward`, which reads them from `saved`. */
	saveForBackward(...tensors: Tensor[]): void;
	/** The tensors that `saveForBackward` got, in that order. */
	readonly saved: readonly Tensor[];
	/** Whether each input needs a gradient. */
	readonly needsInputGrad: readonly boolean[];
	/** Anything else that backward needs. */
	[key: string]: unknown;
}

export interface CustomOperation<A extends unknown[], R extends Tensor | readonly Tensor[]> {
	/** The name in messages. Default 'customOp'. */
	readonly name?: string;
	/**
	 * Within `autocast`, brings floating inputs to this dtype and runs both functions without casts. By default the inputs come as they
	 * are, and both functions run within `autocast` if the call does. As `torch.amp.custom_fwd`.
	 */
	readonly castInputs?: 'float16' | 'float32';
	/** Computes the outputs. Runs unrecorded. Arguments that are not tensors pass unchanged. */
	forward(context: OperationContext, ...inputs: A): R;
	/**
	 * Returns the gradient of each argument of `forward`, from the gradients of the outputs. Return null for an argument that is not a
	 * tensor or has no gradient. If it uses differentiable operations only, it can be differentiated again.
	 */
	backward(context: OperationContext, ...gradients: Tensor[]): Tensor | null | readonly (Tensor | null)[];
}

/**
 * Makes a function that goes on the tape as one operation with your own gradient. As `torch.autograd.Function`.
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
	const { castInputs } = operation;
	if (castInputs !== undefined) requireOneOf(name, 'castInputs', castInputs, ['float16', 'float32']);
	const run = (...inputs: A): R => {
		const tensors = inputs.filter((input): input is A[number] & Tensor => input instanceof Tensor);
		if (tensors.length === 0) throw new ArgumentError(`${name}: at least one argument must be a Tensor`);
		const call = new Call(operation as unknown as AnyOperation, inputs);
		const outputs = callOperation(tensors, call, { name });
		outputs.forEach((output, i) => {
			const twin = [...tensors, ...outputs.slice(0, i)].find((other) => !other.isDisposed && other.storage === output.storage);
			if (twin !== undefined) markView(output, twin, CUSTOM_OP_VIEW);
		});
		return (call.isSingle ? outputs[0]! : outputs) as R;
	};
	const runCast = (...inputs: A): R =>
		castInputs === undefined || currentAutocast() === null
			? run(...inputs)
			: tidy(() => run(...(converted(inputs, castInputs) as A)));
	// Messages, such as those of gradcheck, use the name of the function.
	return Object.defineProperty(runCast, 'name', { value: name });
}

/** Converts the float32 and half-precision tensors among the arguments to `dtype`. Tensors stay as they are if their device lacks float16. */
function converted(inputs: readonly unknown[], dtype: 'float16' | 'float32'): unknown[] {
	return inputs.map((input) => {
		if (!(input instanceof Tensor) || (input.dtype !== 'float32' && !isHalf(input.dtype))) return input;
		return input.dtype === dtype || !input.backend.hasFloat16 ? input : cast(input, dtype);
	});
}

type AnyOperation = CustomOperation<unknown[], Tensor | readonly Tensor[]>;

/** The state of one call. */
class Call {
	/** The arguments, until `forward` has run. */
	inputs: readonly unknown[];
	readonly count: number;
	/** Which of the arguments are tensors. */
	readonly tensorIndices: readonly number[];
	/** The tensors that `forward` saves, until the tape holds them. */
	kept: readonly Tensor[] = [];
	shapes: readonly Shape[] = [];
	isSingle = true;
	readonly #autocast: Autocast | null;
	readonly #notes: Record<string, unknown> = {};

	constructor(
		readonly operation: AnyOperation,
		inputs: readonly unknown[],
	) {
		this.#autocast = operation.castInputs === undefined ? currentAutocast() : null;
		this.inputs = inputs;
		this.count = inputs.length;
		this.tensorIndices = inputs.flatMap((input, i) => (input instanceof Tensor ? [i] : []));
	}

	/** Runs one of the user's functions in the modes of the call. */
	run<T>(fn: () => T): T {
		return inAutocast(this.#autocast, fn);
	}

	context(saved: readonly Tensor[], needsInputGrad: readonly boolean[]): OperationContext {
		return Object.assign(this.#notes, {
			saved,
			needsInputGrad,
			saveForBackward: (...list: Tensor[]) => {
				this.kept = list;
			},
		});
	}
}

const callOperation = defineOperation({
	name: 'customOp',
	inputs: 'list',
	outputs: 'list',
	isComposed: true,
	forward: (tensors, call: Call) => {
		const { operation, inputs } = call;
		call.inputs = [];
		const needs = inputs.map((input) => input instanceof Tensor && input.requiresGrad);
		const result = call.run(() => operation.forward(call.context([], needs), ...inputs));
		call.isSingle = result instanceof Tensor;
		const list = (result instanceof Tensor ? [result] : result) as readonly Tensor[];
		if (!Array.isArray(list) || !list.every((output) => output instanceof Tensor))
			throw new ArgumentError(`${operation.name ?? 'customOp'}: forward must return a Tensor or an array of Tensors`);
		call.shapes = list.map((output) => output.shape);
		// A returned input must keep its place on the tape, so the output is a view of it.
		return list.map((output) =>
			tensors.includes(output) ? viewOf(output, output.shape, output.strides, output.offset) : output,
		) as readonly Tensor[];
	},
	savesOf: (call) => {
		const { kept } = call;
		call.kept = [];
		return kept;
	},
	vjp: (gradients, saved, call, needs, name) => {
		const { count, tensorIndices, shapes, operation } = call;
		const needed = Array.from({ length: count }, (_, i) => (needs[tensorIndices.indexOf(i)] ?? null) !== null);
		const filled = gradients.map(
			(gradient, i) => gradient ?? zeroGradient(shapes[i]!, gradients.find((given) => given !== null)!),
		);
		const result = call.run(() => operation.backward(call.context(Object.values<Tensor>(saved), needed), ...filled));
		const list = result === null || result instanceof Tensor ? [result] : result;
		if (!Array.isArray(list) || !list.every((found) => found === null || found instanceof Tensor))
			throw new ArgumentError(`${name}: backward must return a Tensor, null, or an array of them`);
		if (list.length !== count && !(list.length === 1 && tensorIndices.length === 1))
			throw new ArgumentError(`${name}: backward returned ${list.length} gradients for ${count} arguments of forward`);
		return tensorIndices.map((index, i) => (list.length === count ? list[index]! : list[i]!));
	},
});
