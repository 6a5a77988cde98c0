/**
 * `Module`: a tree of layers with parameters and buffers, as `torch.nn.Module`.
 *
 * A module finds parameters and child modules among its own properties, in order of assignment. Buffers are registered by name. The
 * property path, joined with dots, is the key in `stateDict`; the layers of this library have PyTorch's keys.
 */
import { noGrad } from '../autograd/modes';
import { addHook, type HookHandle } from '../autograd/tape';
import type { DeviceName } from '../backends/contract';
import { areRepeatable, witness } from '../core/capture';
import { requireInstance } from '../core/checks';
import { type DType, isFloating } from '../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { type Shape, sameShape } from '../core/shape';
import { to } from '../ops/elementwise';
import { copy_ } from '../ops/inplace';
import { detach, reshape } from '../ops/layout';
import type { Tensor } from '../tensor';
import { requireState, requireTensor } from '../tensorChecks';
import { keep, tidy } from '../tidy';
import { type Copies, deepCopy, requireClonable } from './deepCopy';
import { Parameter } from './parameter';
import { formatSummary, type SummaryOptions, summarize } from './summary';

export type StateDict = Record<string, Tensor>;

export interface LoadResult {
	/** Keys of the module that the state lacks. */
	readonly missingKeys: readonly string[];
	/** Keys of the state that the module lacks. */
	readonly unexpectedKeys: readonly string[];
}

/** The device and dtype of a layer's parameters. Default: the default device, float32. */
export interface FactoryOptions {
	readonly device?: DeviceName;
	readonly dtype?: DType;
}

/** Runs before a module's forward. A returned array replaces the inputs; any other value except undefined replaces the single input. */
export type ForwardPreHook = (module: Module, inputs: readonly unknown[]) => unknown;

/** Runs after a module's forward. A returned value except undefined replaces the output. */
export type ForwardHook = (module: Module, inputs: readonly unknown[], output: unknown) => unknown;

/** One entry of a state. */
interface StateEntry {
	readonly path: string;
	readonly tensor: Tensor;
	readonly optional: boolean;
}

interface Hooks {
	/** The forward that the hooks surround. */
	readonly forward: (...inputs: readonly unknown[]) => unknown;
	readonly before: Set<{ readonly hook: ForwardPreHook }>;
	readonly after: Set<{ readonly hook: ForwardHook }>;
}

export abstract class Module {
	/** Whether the module is in training mode: dropout is active and batch norm updates its statistics. Set it with `train` and `eval`. */
	declare training: boolean;
	#hooks: Hooks | null = null;
	readonly #buffers = new Map<string, { tensor: Tensor; persistent: boolean }>();

	constructor() {
		let training = true;
		const module = this;
		// A property of its own, as a field would be.
		Object.defineProperty(module, 'training', {
			enumerable: true,
			configurable: true,
			get(): boolean {
				if (witness !== null) witness.modeRead(module, training);
				return training;
			},
			set(mode: boolean) {
				if (witness !== null) witness.modeSet(module, mode);
				training = mode;
			},
		});
	}

	/** Computes the output. Subclasses define the inputs. */
	abstract forward(...inputs: never[]): unknown;

	/**
	 * Adds `tensor` to the module's state without training it (running statistics, masks). A buffer with `persistent: false` moves with the
	 * module but is not in `stateDict`. Default true. null removes the buffer.
	 */
	registerBuffer(name: string, tensor: Tensor | null, options: { persistent?: boolean } = {}): void {
		const { persistent = true } = checkOptions('Module.registerBuffer', options, ['persistent']);
		requireName('registerBuffer', name);
		if (tensor === null) this.#buffers.delete(name);
		else this.#buffers.set(name, { tensor: keep(tensor), persistent });
	}

	/** The buffer `name`. Throws an ArgumentError if there is none. */
	buffer(name: string): Tensor {
		const entry = this.#buffers.get(name);
		if (entry === undefined)
			throw new ArgumentError(
				`buffer: ${this.constructor.name} has no buffer '${name}'; it has: ${[...this.#buffers.keys()].join(', ') || 'none'}`,
			);
		return entry.tensor;
	}

	/** Puts another tensor in the place of a buffer: see functionalCall. @internal */
	exchangeBuffer(name: string, tensor: Tensor): void {
		const { persistent } = this.#buffers.get(name)!;
		this.#buffers.set(name, { tensor, persistent });
	}

	/**
	 * Sets the property `name` to a parameter, or to null for a parameter that this module does not use. Same as assigning the property.
	 */
	registerParameter(name: string, parameter: Parameter | null): void {
		if (parameter !== null && !(parameter instanceof Parameter))
			throw new ArgumentError(
				`registerParameter: '${name}' must be a Parameter or null: wrap the tensor, new nn.Parameter(tensor)`,
			);
		assign(this, 'registerParameter', name, parameter, (value) => value instanceof Parameter);
	}

	/** Adds a child module under a computed name. Same as assigning the property. */
	addModule(name: string, module: Module): void {
		requireModule('addModule', `'${name}'`, module);
		assign(this, 'addModule', name, module, isModule);
	}

	/** The module at a path such as 'encoder.0.conv'; '' is this module. */
	getSubmodule(path: string): Module {
		const names = path === '' ? [] : path.split('.');
		return names.reduce<Module>((module, name) => lookUp('getSubmodule', path, name, module, module.namedChildren()), this);
	}

	/** The parameter at a path such as 'encoder.0.weight'. */
	getParameter(path: string): Parameter {
		const [owner, name] = this.#ownerOf(path);
		return lookUp('getParameter', path, name, owner, owner.ownParameters());
	}

	/** The buffer at a path such as 'encoder.1.running_mean'. */
	getBuffer(path: string): Tensor {
		const [owner, name] = this.#ownerOf(path);
		return owner.buffer(name);
	}

	#ownerOf(path: string): [owner: Module, name: string] {
		const end = path.lastIndexOf('.');
		return [this.getSubmodule(path.slice(0, Math.max(0, end))), path.slice(end + 1)];
	}

	/** Child modules by name, in order. Containers override it. */
	namedChildren(): [string, Module][] {
		return Object.entries(this).filter((entry): entry is [string, Module] => isModule(entry[1]));
	}

	/** Child modules in order, each once. */
	children(): Module[] {
		return [...new Set(this.namedChildren().map(([, child]) => child))];
	}

	/** This module and all its descendants by path, in order, each once. */
	namedModules(prefix = '', seen: Set<Module> = new Set()): [string, Module][] {
		if (seen.has(this)) return [];
		seen.add(this);
		const below = this.namedChildren().flatMap(([name, child]) => child.namedModules(join(prefix, name), seen));
		return [[prefix, this], ...below];
	}

	/** This module and all its descendants, each once. */
	modules(): Module[] {
		return this.namedModules().map(([, module]) => module);
	}

	/** This module's own parameters by name. Containers of parameters override it. */
	ownParameters(): [string, Parameter][] {
		return Object.entries(this).filter((entry): entry is [string, Parameter] => entry[1] instanceof Parameter);
	}

	/** Parameters by path. A shared parameter appears once, under its first path. */
	namedParameters(): [string, Parameter][] {
		const seen = new Set<Parameter>();
		return this.allParameters().filter(([, parameter]) => !seen.has(parameter) && seen.add(parameter));
	}

	/** All parameters, each once. Optimizers take this list. */
	parameters(): Parameter[] {
		return this.namedParameters().map(([, parameter]) => parameter);
	}

	/** Buffers by path. A shared buffer appears once, under its first path. */
	namedBuffers(): [string, Tensor][] {
		const seen = new Set<Tensor>();
		return this.namedModules()
			.flatMap(([path, module]) => [...module.#buffers].map(([name, { tensor }]): [string, Tensor] => [join(path, name), tensor]))
			.filter(([, tensor]) => !seen.has(tensor) && seen.add(tensor));
	}

	/** All buffers. */
	buffers(): Tensor[] {
		return this.namedBuffers().map(([, tensor]) => tensor);
	}

	/**
	 * Parameters and persistent buffers by path, detached. They share memory with the module: clone what must not change. A shared tensor
	 * appears under each of its paths, as in PyTorch.
	 */
	stateDict(): StateDict {
		return Object.fromEntries(this.#state().map(({ path, tensor }) => [path, detach(tensor)]));
	}

	/** Names of this module's parameters and buffers that a state may lack, because older formats do. */
	protected optionalState(): readonly string[] {
		return [];
	}

	/**
	 * Copies values into parameters and persistent buffers by key. Throws a ShapeError for different shapes and, with `strict` (default
	 * true), for missing and unexpected keys. Converts values to the module's dtype and device; if that device was lost, to the device of
	 * the latest `init()`. A shared tensor needs only one of its keys: safetensors files of tied models hold one.
	 */
	loadStateDict(state: Readonly<StateDict>, options: { strict?: boolean } = {}): LoadResult {
		const { strict = true } = checkOptions('Module.loadStateDict', options, ['strict']);
		const result = this.requireLoadable(state, strict);
		noGrad(() => {
			for (const { path: key, tensor } of this.#state()) {
				const value = Object.hasOwn(state, key) ? state[key]! : null;
				if (value !== null) copy_(tensor, value.ndim === tensor.ndim ? value : reshape(value, []));
			}
		});
		return result;
	}

	/**
	 * What `loadStateDict` would return or throw. Changes nothing.
	 *
	 * @internal
	 */
	requireLoadable(state: Readonly<StateDict>, strict: boolean): LoadResult {
		requireState(`loadStateDict(${this.constructor.name})`, state);
		const { missingKeys, unexpectedKeys, misshapen } = this.compareState(state);
		const problems: string[] = [];
		if (strict && missingKeys.length > 0) problems.push(`missing keys: ${missingKeys.join(', ')}`);
		if (strict && unexpectedKeys.length > 0) problems.push(`unexpected keys: ${unexpectedKeys.join(', ')}`);
		problems.push(...misshapen);
		// The keys of saveCheckpoint's files.
		if (strict && unexpectedKeys.some((key) => key.startsWith('parts/model/')))
			problems.push("this is a whole checkpoint: load the model of it with loadCheckpoint(name, { model }) of 'wgrad/train'");
		if (problems.length > 0) throw new ShapeError(`loadStateDict(${this.constructor.name}): ${problems.join('; ')}`);
		return { missingKeys, unexpectedKeys };
	}

	/**
	 * How the keys and shapes of a state differ from the module's. `misshapen` describes each key with another shape.
	 *
	 * @internal
	 */
	compareState(
		state: Readonly<Record<string, { readonly shape: Shape }>>,
	): LoadResult & { readonly misshapen: readonly string[] } {
		const entries = this.#state();
		const own = this.ownState();
		const given = new Set(entries.filter(({ path }) => Object.hasOwn(state, path)).map(({ tensor }) => tensor));
		const missingKeys = entries.filter(({ tensor, optional }) => !optional && !given.has(tensor)).map(({ path }) => path);
		const unexpectedKeys = Object.keys(state).filter((key) => !own.has(key));
		const misshapen = [...own]
			.filter(([key, tensor]) => Object.hasOwn(state, key) && !fits(state[key]!.shape, tensor.shape))
			.map(
				([key, { shape }]) => `${key}: shape ${formatShape(state[key]!.shape)} in the state, ${formatShape(shape)} in the module`,
			);
		return { missingKeys, unexpectedKeys, misshapen };
	}

	/** Sets training mode for this module and its descendants. Returns the module. */
	train(mode = true): this {
		for (const module of this.modules()) module.training = mode;
		return this;
	}

	/** Sets inference mode for this module and its descendants. Returns the module. */
	eval(): this {
		return this.train(false);
	}

	/** Frees the gradients of all parameters. */
	zeroGrad(): void {
		for (const parameter of this.parameters()) parameter.clearGrad();
	}

	/** Sets `requiresGrad` of all parameters. Returns the module. */
	requiresGrad_(on = true): this {
		for (const parameter of this.parameters()) parameter.requiresGrad_(on);
		return this;
	}

	/** Calls `hook` before each forward of this module. As `torch.nn.Module.register_forward_pre_hook`. */
	registerForwardPreHook(hook: ForwardPreHook): HookHandle {
		return addHook('registerForwardPreHook', this.#hooked().before, hook);
	}

	/**
	 * Calls `hook` after each forward of this module, for example to inspect features. A Sequential frees the results between its layers: a
	 * hook that stores one must `keep` it. As `torch.nn.Module.register_forward_hook`.
	 */
	registerForwardHook(hook: ForwardHook): HookHandle {
		return addHook('registerForwardHook', this.#hooked().after, hook);
	}

	/** The hooks. The first call replaces the module's forward by one that calls them. */
	#hooked(): Hooks {
		if (this.#hooks !== null) return this.#hooks;
		const own = this as unknown as { forward: Hooks['forward'] };
		const { forward } = own;
		const hooks: Hooks = { forward, before: new Set(), after: new Set() };
		own.forward = (...inputs) => {
			if (witness !== null && !(areRepeatable(hooks.before) && areRepeatable(hooks.after)))
				witness.refuse(`${this.constructor.name} has a forward hook`);
			let given = inputs;
			for (const { hook } of [...hooks.before]) {
				const changed = hook(this, given);
				if (changed !== undefined) given = Array.isArray(changed) ? changed : [changed];
			}
			let output = forward.apply(this, given as unknown[]);
			for (const { hook } of [...hooks.after]) {
				const changed = hook(this, given, output);
				if (changed !== undefined) output = changed;
			}
			return output;
		};
		this.#hooks = hooks;
		return hooks;
	}

	/**
	 * A deep copy with parameters, buffers, modes and options of its own; what is shared within the module is shared within the copy.
	 * Gradients are not copied. Functions, such as hooks, and objects of other classes are shared by both. Private fields (`#x`) and
	 * private methods of a subclass cannot be copied: write `private x`. As `copy.deepcopy` of a module.
	 */
	clone(): this {
		return noGrad(() => tidy(() => this.#copy(new Map())));
	}

	#copy(copies: Copies): this {
		requireClonable(this);
		const copy = withoutConstructor(this);
		copies.set(this, copy);
		const copied = (value: unknown) => deepCopy(value, copies, (object) => (isModule(object) ? object.#copy(copies) : null));
		const { forward } = Object.getPrototypeOf(this) as { forward: unknown };
		for (const key of Reflect.ownKeys(this)) {
			const property = Object.getOwnPropertyDescriptor(this, key)!;
			if (key === 'forward' && this.#hooks !== null) property.value = this.#hooks.forward;
			if (key === 'forward' && property.value === forward) continue;
			if ('value' in property) property.value = copied(property.value);
			Object.defineProperty(copy, key, property);
		}
		for (const [name, { tensor, persistent }] of this.#buffers)
			copy.registerBuffer(name, copied(tensor) as Tensor, { persistent });
		if (this.#hooks !== null) {
			const { before, after } = copy.#hooked();
			for (const { hook } of this.#hooks.before) before.add({ hook });
			for (const { hook } of this.#hooks.after) after.add({ hook });
		}
		return copy;
	}

	/** Calls `fn` on every descendant and then on this module, for example to initialise weights. Returns the module. */
	apply(fn: (module: Module) => void): this {
		for (const child of this.children()) child.apply(fn);
		fn(this);
		return this;
	}

	/**
	 * Moves parameters and buffers to a device, or converts the floating ones to a dtype. Frees gradients. Keeps the tensor objects, so
	 * optimizers keep working. A move from WebGPU to the CPU returns a promise: await it.
	 */
	to(target: 'webgpu' | DType): this;
	to(target: DeviceName): this | Promise<this>;
	to(target: DeviceName | DType): this | Promise<this> {
		const waits: Promise<void>[] = [];
		for (const tensor of new Set([...this.parameters(), ...this.buffers()])) {
			requireTensor('Module.to', tensor);
			if (target === tensor.device || target === tensor.dtype) continue;
			const isDevice = target === 'cpu' || target === 'webgpu';
			if (!isDevice && !isFloating(tensor.dtype)) continue;
			tensor.clearGrad();
			// noGrad would end at the first await, so move a detached handle instead.
			const values = detach(tensor);
			const moved = to(values, target);
			if (moved instanceof Promise) waits.push(moved.then((result) => tensor.adopt(result)).finally(() => values.dispose()));
			else {
				tensor.adopt(moved);
				values.dispose();
			}
		}
		return waits.length === 0 ? this : Promise.all(waits).then(() => this);
	}

	/**
	 * A table of this module and its descendants, one line each: output shape, parameters, FLOPs of the forward pass (a multiply-add is 2)
	 * and bytes of activations. A line does not include submodules. Below stand the totals and an estimate of a training step's memory.
	 * `inputShape` is the shape of the input, or a list of shapes; `dtype` is float32 by default. The trial run computes and changes
	 * nothing, so it is fast for large models. Without `inputShape` the table lists only parameters.
	 */
	summary(inputShape?: readonly number[] | readonly (readonly number[])[], options: SummaryOptions = {}): string {
		return formatSummary(summarize(this, inputShape, checkOptions('Module.summary', options, ['dtype'])));
	}

	toString(): string {
		const children = this.namedChildren().map(([name, child]) => `  (${name}): ${child.toString().replaceAll('\n', '\n  ')}`);
		const inside = this.extraRepr();
		return children.length === 0
			? `${this.constructor.name}(${inside})`
			: `${this.constructor.name}(${inside}\n${children.join('\n')}\n)`;
	}

	/** The text between the parentheses of `toString`: a layer's sizes and options. */
	extraRepr(): string {
		return '';
	}

	[Symbol.for('nodejs.util.inspect.custom')](): string {
		return this.toString();
	}

	private allParameters(): [string, Parameter][] {
		return this.namedModules().flatMap(([path, module]) =>
			module.ownParameters().map(([name, parameter]): [string, Parameter] => [join(path, name), parameter]),
		);
	}

	/**
	 * The parameters and buffers of the state, under every path they have.
	 *
	 * @internal
	 */
	ownState(): Map<string, Tensor> {
		return new Map(this.#state().map(({ path, tensor }) => [path, tensor]));
	}

	/** The state by path. `above` lists the ancestors, to stop at a module that contains itself. */
	#state(prefix = '', above: readonly Module[] = []): StateEntry[] {
		if (above.includes(this)) return [];
		const optional = new Set(this.optionalState());
		const buffers = [...this.#buffers].filter(([, { persistent }]) => persistent);
		const own = [...this.ownParameters(), ...buffers.map(([name, { tensor }]): [string, Tensor] => [name, tensor])];
		return [
			...own.map(([name, tensor]) => ({ path: join(prefix, name), tensor, optional: optional.has(name) })),
			...this.namedChildren().flatMap(([name, child]) => child.#state(join(prefix, name), [...above, this])),
		];
	}
}

// Not within the class, because esbuild renames a class that refers to itself.
function isModule(value: unknown): value is Module {
	return value instanceof Module;
}

/** Throws an ArgumentError unless `value` is a module. `expected` describes one. */
export function requireModule(operation: string, name: string, value: unknown, expected = 'a module'): asserts value is Module {
	requireInstance(operation, name, value, Module, expected);
}

/** A module of the same class with the fields of Module only. */
function withoutConstructor<M extends Module>(module: M): M {
	return Reflect.construct(Module, [], module.constructor) as M;
}

function assign(owner: Module, operation: string, name: string, value: unknown, isKind: (value: unknown) => boolean): void {
	requireName(operation, name);
	const own = owner as unknown as Record<string, unknown>;
	if (name in owner && own[name] != null && !isKind(own[name]))
		throw new ArgumentError(`${operation}: ${owner.constructor.name} already has another property '${name}'`);
	own[name] = value;
}

/** Throws an ArgumentError unless `name` can be one part of a path. */
export function requireName(operation: string, name: string): void {
	if (name.includes('.') || name === '')
		throw new ArgumentError(`${operation}: '${name}' is not a valid name: it must not be empty or contain a dot`);
}

/** Old states store scalars with shape [1]. */
function fits(saved: Shape, own: Shape): boolean {
	return sameShape(saved, own) || (own.length === 0 && sameShape(saved, [1]));
}

function lookUp<T>(operation: string, path: string, name: string, owner: Module, entries: readonly [string, T][]): T {
	const found = entries.find(([key]) => key === name);
	if (found !== undefined) return found[1];
	const names = entries.map(([key]) => key).join(', ') || 'none';
	throw new ArgumentError(`${operation}('${path}'): ${owner.constructor.name} has no '${name}'; it has: ${names}`);
}

function join(path: string, name: string): string {
	return path === '' ? name : `${path}.${name}`;
}
