/**
 * `defineOperation`: an operation as data. A definition holds what runs forward, what it saves by name, and its vector-Jacobian product.
 *
 * A definition stands at the top level of its module, so no function in it can close over the tensors of a call: what a VJP reads is
 * saved, or an attribute. A node on the tape holds the definition, the attributes and the saved tensors.
 */
import { isFloating } from '../core/dtype';
import type { IndexCheck } from '../core/indexCheck';
import { closeScope, currentOperation, onNodeCreated, openScope } from '../core/scope';
import { type GradEdge, requireDevice, Tensor } from '../tensor';
import { callerStack, isWatching, observe } from './anomaly';
import { currentAutocast, setGradEnabled } from './modes';
import { currentRecorder, type Recorder, withRecorder } from './recorder';
import { type InputGradients, type OutputInfo, outputInfo, type Rule, TapeNode } from './tape';
import { markView, type ViewRestriction, type ViewStep } from './views';

/** Declares, where a VJP would stand, that an operation has no gradient: its output never requires one. */
export const NO_GRADIENT = Symbol('no gradient');

type Absent = null | undefined;

/** The name without the `?` that marks an optional tensor. */
type Bare<N extends string> = N extends `${infer B}?` ? B : N;
type Required<N extends string> = Exclude<N, `${string}?`>;
type Optional<N extends string> = Bare<Extract<N, `${string}?`>>;
type Named<N extends string> = { readonly [K in Required<N>]: Tensor } & { readonly [K in Optional<N>]?: Tensor | Absent };

/** The names of the inputs in order, or 'list' for any number of tensors. */
type InputNames = readonly string[] | 'list';
type Inputs<I extends InputNames, C extends string> = I extends readonly string[] ? Named<I[number] | C> : readonly Tensor[];

/** What `forward` returns: the output; or a list of outputs; or tensors by name. */
type Returned = Tensor | readonly Tensor[] | { readonly [name: string]: Tensor | Absent };

/** The return type of a call. */
type Result<R, O extends string> = R extends Tensor
	? Tensor
	: R extends readonly Tensor[]
		? Tensor[]
		: [O] extends [never]
			? Tensor
			: { readonly [K in O]: K extends keyof R ? R[K] : never };

/** The gradient of the output, or those of the outputs; null for one of several that nothing depends on. */
type OutputGradients<R, O extends string> = R extends Tensor
	? Tensor
	: R extends readonly Tensor[]
		? readonly (Tensor | null)[]
		: [O] extends [never]
			? Tensor
			: { readonly [K in O]: Tensor | null };

/**
 * The shape and dtype of each input with a wanted gradient, which the gradient must have; null for others. An only input is always wanted.
 */
type Needs<I extends InputNames> = I extends readonly [string]
	? { readonly [K in Bare<I[0]>]: OutputInfo }
	: I extends readonly string[]
		? { readonly [K in Bare<I[number]>]: OutputInfo | null }
		: readonly (OutputInfo | null)[];

type Gradients<I extends InputNames> = I extends readonly string[]
	? { readonly [K in Bare<I[number]>]: Tensor | Absent }
	: InputGradients;

/** Undefined for a name that the operation does not know, so that a use of it is a type error. */
type SavedTensor<K, N extends string, R> =
	K extends Required<N>
		? Tensor
		: K extends Optional<N>
			? Tensor | null
			: R extends Tensor
				? K extends 'output'
					? Tensor
					: undefined
				: K extends keyof R
					? R[K] extends Tensor
						? Tensor
						: Tensor | null
					: undefined;

type Saved<S extends string, I extends InputNames, C extends string, R> = {
	readonly [K in S]: SavedTensor<K, (I extends readonly string[] ? I[number] : never) | C, R>;
};

/** Attributes stay with the node, so a tensor must not be among them: it would escape the count of references. */
type NoTensors<A> = { readonly [K in keyof A]: Extract<A[K], Tensor> extends never ? A[K] : never };

type Vjp<I extends InputNames, C extends string, A, R, O extends string, S extends string> = (
	gradient: OutputGradients<R, O>,
	saved: Saved<S, I, C, R>,
	attributes: A,
	needs: Needs<I>,
	name: string,
) => Gradients<I>;

export interface Definition<I extends InputNames, C extends string, A, R, O extends string, S extends string> {
	/** The public name, for messages, labels and profiles. A call can give another. */
	readonly name: string;
	/** The tensors that have gradients, in order; `?` marks one that may be absent. */
	readonly inputs: I;
	/** Tensors that have no gradient, such as indices. */
	readonly constants?: readonly C[];
	/**
	 * Computes the output from the inputs and constants. Runs unrecorded; temporaries are disposed of. It returns the output, a list of
	 * outputs, or tensors by name: the outputs (`output`, or those that `outputs` names) and others to save.
	 */
	readonly forward: (inputs: Inputs<I, C>, attributes: A, check?: IndexCheck) => R & Returned;
	/** The names of several outputs, or 'list'. Those of integer dtypes never require a gradient. */
	readonly outputs?: readonly O[] | 'list';
	/**
	 * What the VJP reads of the inputs, the constants and what `forward` returns; a single output is named `output`. By input: what the
	 * gradient of that input reads, which is there only if that gradient is wanted.
	 */
	readonly saves?:
		| readonly S[]
		| (Readonly<Record<string, readonly S[]>> & { readonly [K in Bare<I[number]>]: readonly string[] });
	/** In place of `saves`, where only the call tells what it saves. The VJP gets the list. */
	readonly savesOf?: (attributes: A) => readonly Tensor[];
	/** Whether an output that shares the memory of the only input is a view of it; or why recorded writes into it are refused. */
	readonly view?: true | ViewRestriction;
	/** Whether `forward` consists of operations only, so that a recorder sees these instead. */
	readonly isComposed?: true;
	/** The vector-Jacobian product, written in differentiable operations. */
	readonly vjp: Vjp<I, C, A, R, O, S> | typeof NO_GRADIENT;
	/** The VJP of a walk that is not recorded, for operations with a faster kernel. */
	readonly fusedVjp?: Vjp<I, C, A, R, O, S>;
}

/** Options of one call that the VJP does not get. */
interface CallOptions {
	/** The public name of what runs, instead of the definition's. */
	readonly name?: string | undefined;
	/** The range that the kernel checks its indices against. */
	readonly check?: IndexCheck | undefined;
}

/** Runs the operation and, if an input requires a gradient, puts it on the tape. */
type Operation<I extends InputNames, C extends string, A, R, O extends string> = (
	inputs: Inputs<I, C>,
	attributes: A,
	options?: CallOptions,
) => Result<R, O>;

/** The function that runs the operation of a definition. */
export function defineOperation<
	const I extends InputNames,
	const C extends string = never,
	A extends NoTensors<A> = Readonly<Record<string, never>>,
	R extends Returned = Tensor,
	const O extends string = never,
	const S extends string = never,
>(definition: Definition<I, C, A, R, O, S>): Operation<I, C, A, R, O> {
	const rule = new OperationRule(definition as unknown as AnyDefinition);
	return (inputs, attributes, options) => rule.run(inputs as AnyInputs, attributes, options) as Result<R, O>;
}

type Tensors = Readonly<Record<string | number, Tensor | Absent>>;
type Keys = readonly (string | number)[];
type Outputs = readonly (Tensor | Absent)[];
type AnyInputs = Tensors | readonly Tensor[];
type AnyVjp = (gradient: unknown, saved: unknown, attributes: unknown, needs: unknown, name: string) => Tensors | InputGradients;

/** A definition as the tape sees it, without the types of its names. */
interface AnyDefinition {
	readonly name: string;
	readonly inputs: InputNames;
	readonly constants?: readonly string[];
	readonly forward: (inputs: AnyInputs, attributes: unknown, check?: IndexCheck) => Returned;
	readonly outputs?: readonly string[] | 'list';
	readonly saves?: readonly string[] | ByInput;
	readonly savesOf?: (attributes: unknown) => readonly Tensor[];
	readonly view?: true | ViewRestriction;
	readonly isComposed?: true;
	readonly vjp: AnyVjp | typeof NO_GRADIENT;
	readonly fusedVjp?: AnyVjp;
}

type ByInput = Readonly<Record<string, readonly string[]>>;

function isByInput(saves: NonNullable<AnyDefinition['saves']>): saves is ByInput {
	return !Array.isArray(saves);
}

/** By saved name, the inputs with a gradient that reads it. */
function readersIn(saves: ByInput): Map<string, string[]> {
	const readers = new Map<string, string[]>();
	for (const [input, names] of Object.entries(saves))
		for (const name of names) readers.set(name, [...(readers.get(name) ?? []), input]);
	return readers;
}

const bare = (name: string) => (name.endsWith('?') ? name.slice(0, -1) : name);

/** Runs a definition, and finds the tensors of its names at their places on the tape. */
class OperationRule implements Rule<unknown> {
	/** The names of the inputs, and of inputs and constants; null for a list. */
	readonly #inputs: readonly string[] | null;
	readonly #tensors: readonly string[] | null;
	readonly #saves: readonly string[];
	/** The inputs with a gradient that reads a saved tensor; null where `saves` does not tell. */
	readonly #readers: ReadonlyMap<string, readonly string[]> | null;
	readonly #definition: AnyDefinition;

	constructor(definition: AnyDefinition) {
		const { inputs, constants = [], saves = [] } = definition;
		this.#definition = definition;
		this.#inputs = inputs === 'list' ? null : inputs.map(bare);
		this.#tensors = this.#inputs && [...this.#inputs, ...constants.map(bare)];
		if (isByInput(saves)) {
			this.#readers = readersIn(saves);
			this.#saves = [...this.#readers.keys()];
		} else {
			this.#readers = null;
			this.#saves = saves;
		}
	}

	get savedNames(): readonly string[] {
		return this.#saves;
	}

	// A function that makes closures keeps all of its variables on the heap, so the methods that each call runs make none.
	run(given: AnyInputs, attributes: unknown, options?: CallOptions): unknown {
		const definition = this.#definition;
		const name = options?.name ?? definition.name;
		if (currentAutocast() !== null) return this.#runCast(name, given, attributes, options);
		const recorder = currentRecorder();
		if (recorder !== null && definition.isComposed === undefined)
			return this.#runRecorded(recorder, name, given, attributes, options);
		const inputs = given as Tensors;
		const keys = this.#inputs ?? numbersOf(given as readonly Tensor[]);
		for (const key of this.#tensors ?? keys) {
			const tensor = inputs[key];
			if (tensor != null) requireDevice(currentOperation() || name, tensor);
		}
		const scope = openScope(name);
		const mode = setGradEnabled(false);
		let outputs: Outputs = [];
		try {
			const returned = definition.forward(given, attributes, options?.check);
			setGradEnabled(mode);
			outputs = this.#outputsOf(returned);
			if (isWatching()) for (const output of outputs) if (output != null) observe('forward', name, output, callerStack());
			this.#noteViews(outputs, inputs[keys[0]!], attributes, name);
			if (mode && definition.vjp !== NO_GRADIENT && anyFloating(outputs) && anyRequires(name, inputs, keys))
				this.#record(name, inputs, keys, attributes, returned, outputs);
			if (returned instanceof Tensor || Array.isArray(returned) || definition.outputs !== undefined) return returned;
			return outputs[0];
		} finally {
			setGradEnabled(mode);
			closeScope(scope, isAmong(outputs));
		}
	}

	#runCast(name: string, given: AnyInputs, attributes: unknown, options?: CallOptions): unknown {
		return currentAutocast()!.call(name, given, (inputs) => this.run(inputs, attributes, options));
	}

	#runRecorded(recorder: Recorder, name: string, given: AnyInputs, attributes: unknown, options?: CallOptions): unknown {
		const returned = withRecorder(null, () => this.run(given, attributes, options));
		const outputs = this.#outputsOf(returned as Returned);
		recorder.called({ kind: this.#definition.name, name, inputs: given as Tensors, attributes, outputs });
		return returned;
	}

	#record(name: string, inputs: Tensors, keys: Keys, attributes: unknown, returned: Returned, outputs: Outputs): void {
		const edges = new Array<GradEdge | null>(keys.length);
		for (let i = 0; i < keys.length; i++) edges[i] = inputs[keys[i]!]?.edge ?? null;
		const node = new TapeNode(name, edges, outputs.map(outputInfo), this, attributes);
		for (let index = 0; index < outputs.length; index++) {
			const output = outputs[index];
			if (output != null && isFloating(output.dtype)) output.edge = { node, index };
		}
		const { savesOf } = this.#definition;
		if (savesOf !== undefined) node.save(savesOf(attributes));
		else if (this.#saves.length > 0) node.save(this.#savedOf(inputs, returned));
		onNodeCreated(node);
	}

	/** The outputs in order, among what `forward` returned. */
	#outputsOf(returned: Returned): Outputs {
		if (returned instanceof Tensor) return [returned];
		if (Array.isArray(returned)) return returned;
		const tensors = returned as Tensors;
		const { outputs } = this.#definition;
		return outputs === undefined ? [tensors.output] : (outputs as readonly string[]).map((name) => tensors[name]);
	}

	#noteViews(outputs: Outputs, input: Tensor | Absent, attributes: unknown, name: string): void {
		const { view } = this.#definition;
		for (const output of outputs) {
			if (output == null) continue;
			// An operation within `forward` may have made it as a view of what is a temporary here.
			output.viewing = null;
			if (view !== undefined && output.storage === input!.storage)
				markView(output, input!, view === true ? this.#viewStep(attributes, name) : view);
		}
	}

	// A closure made in `run` would keep the inputs alive as long as the view, so this is a method of its own.
	#viewStep(attributes: unknown, name: string): ViewStep {
		const key = this.#inputs![0]!;
		return (x) => this.run({ [key]: x }, attributes, { name }) as Tensor;
	}

	#savedOf(inputs: Tensors, returned: Returned): (Tensor | null)[] {
		const names = this.#saves;
		const saved = new Array<Tensor | null>(names.length);
		for (let i = 0; i < names.length; i++) saved[i] = this.#find(names[i]!, inputs, returned);
		return saved;
	}

	#find(name: string, inputs: Tensors, returned: Returned): Tensor | null {
		if (this.#readers !== null && !this.#readers.get(name)!.some((key) => inputs[key]?.requiresGrad)) return null;
		if (this.#tensors?.includes(name)) return inputs[name] ?? null;
		return returned instanceof Tensor ? returned : ((returned as Tensors)[name] ?? null);
	}

	pullBack(
		gradients: readonly (Tensor | null)[],
		saved: readonly (Tensor | null)[],
		attributes: unknown,
		needs: readonly (OutputInfo | null)[],
		name: string,
		isRecorded: boolean,
	): InputGradients {
		const { vjp, fusedVjp, outputs, savesOf } = this.#definition;
		const chosen = isRecorded || fusedVjp === undefined ? (vjp as AnyVjp) : fusedVjp;
		const read = savesOf === undefined ? byName(this.#saves, saved) : saved;
		const gradient = outputs === undefined ? gradients[0] : outputs === 'list' ? gradients : byName(outputs, gradients);
		const inputs = this.#inputs;
		if (inputs === null) return chosen(gradient, read, attributes, needs, name) as InputGradients;
		const found = chosen(gradient, read, attributes, byName(inputs, needs), name) as Tensors;
		const results = new Array<Tensor | null>(inputs.length);
		for (let i = 0; i < inputs.length; i++) results[i] = found[inputs[i]!] ?? null;
		return results;
	}
}

function byName<T>(names: readonly string[], values: readonly T[]): Record<string, T> {
	const result: Record<string, T> = {};
	for (let i = 0; i < names.length; i++) result[names[i]!] = values[i]!;
	return result;
}

function numbersOf(list: readonly Tensor[]): number[] {
	return list.map((_, i) => i);
}

function anyFloating(outputs: Outputs): boolean {
	for (const output of outputs) if (output != null && isFloating(output.dtype)) return true;
	return false;
}

function isAmong(outputs: Outputs): (tensor: unknown) => boolean {
	return (tensor) => outputs.includes(tensor as Tensor);
}

/** Whether an input requires a gradient. Updates the inputs' places on the tape first; errors name the operation. */
function anyRequires(name: string, inputs: Tensors, keys: Keys): boolean {
	let any = false;
	for (const key of keys) {
		const input = inputs[key];
		if (input == null) continue;
		input.renew(name);
		if (input.requiresGrad) any = true;
	}
	return any;
}
