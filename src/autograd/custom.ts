/** Operations of users' own. */
import { ArgumentError } from '../core/errors';
import type { Shape } from '../core/shape';
import { Tensor, viewOf } from '../tensor';
import { tidy } from '../tidy';
import { inAutocast } from './autocast';
import { cast, zeroGradient } from './gradients';
import { type Autocast, currentAutocast } from './modes';
import { defineOperation } from './operation';
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
	/**
	 * Within `autocast`, brings floating inputs to this dtype and runs both functions without casts. By default the inputs come as they
	 * are, and both functions run within `autocast` if the call does. As `torch.amp.custom_fwd`.
	 */
	readonly castInputs?: 'float16' | 'float32';
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
	const { castInputs } = operation;
	if (castInputs !== undefined && castInputs !== 'float16' && castInputs !== 'float32')
		throw new ArgumentError(`${name}: castInputs must be 'float16' or 'float32', not '${String(castInputs)}'`);
	const run = (...inputs: A): R => {
		const tensors = inputs.filter((input): input is A[number] & Tensor => input instanceof Tensor);
		if (tensors.length === 0) throw new ArgumentError(`${name}: at least one argument must be a Tensor`);
		const call = new Call(operation as unknown as AnyOperation, inputs);
		const outputs = callOperation(tensors, call, { name });
		outputs.forEach((output, i) => {
			const twin = [...tensors, ...outputs.slice(0, i)].find((other) => !other.isDisposed && other.storage === output.storage);
			if (twin !== undefined) noteView(output, twin, CUSTOM);
		});
		return (call.isSingle ? outputs[0]! : outputs) as R;
	};
	const runCast = (...inputs: A): R =>
		castInputs === undefined || currentAutocast() === null
			? run(...inputs)
			: tidy(() => run(...(converted(inputs, castInputs) as A)));
	// Messages, gradcheck's among them, name a function by its name.
	return Object.defineProperty(runCast, 'name', { value: name });
}

/** The arguments with float32 and float16 tensors in another dtype, as far as their devices have it. */
function converted(inputs: readonly unknown[], dtype: 'float16' | 'float32'): unknown[] {
	return inputs.map((input) => {
		if (!(input instanceof Tensor) || (input.dtype !== 'float32' && input.dtype !== 'float16')) return input;
		return input.dtype === dtype || !input.backend.hasFloat16 ? input : cast(input, dtype);
	});
}

type AnyOperation = CustomOperation<unknown[], Tensor | readonly Tensor[]>;

/** What is known of one call. */
class Call {
	/** The arguments, until `forward` has run. */
	inputs: readonly unknown[];
	readonly count: number;
	/** Which of the arguments are tensors. */
	readonly places: readonly number[];
	/** What `forward` keeps for `backward`, until the tape has it. */
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
		this.places = inputs.flatMap((input, i) => (input instanceof Tensor ? [i] : []));
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
		// An input that is returned as it is must not change its place on the tape.
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
		const { count, places, shapes, operation } = call;
		const needed = Array.from({ length: count }, (_, i) => (needs[places.indexOf(i)] ?? null) !== null);
		const filled = gradients.map(
			(gradient, i) => gradient ?? zeroGradient(shapes[i]!, gradients.find((given) => given !== null)!),
		);
		const result = call.run(() => operation.backward(call.context(Object.values<Tensor>(saved), needed), ...filled));
		const list = result === null || result instanceof Tensor ? [result] : result;
		if (!Array.isArray(list) || !list.every((found) => found === null || found instanceof Tensor))
			throw new ArgumentError(`${name}: backward must return a Tensor, null, or an array of them`);
		if (list.length !== count && !(list.length === 1 && places.length === 1))
			throw new ArgumentError(`${name}: backward returned ${list.length} gradients for ${count} arguments of forward`);
		return places.map((place, i) => (list.length === count ? list[place]! : list[i]!));
	},
});
