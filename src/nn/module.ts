/**
 * `Module`: a tree of layers with parameters and buffers, as `torch.nn.Module`.
 *
 * Parameters and child modules are found among a module's own properties, in the order in which they were assigned; buffers are
 * registered by name. The path of properties, joined with dots, is the key in `stateDict`: PyTorch's own keys for the
 * layers of this library.
 */
import { noGrad } from '../autograd/modes';
import { addHook, type HookHandle } from '../autograd/tape';
import type { DeviceName } from '../backends/contract';
import { type DType, isFloating } from '../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { type Shape, sameShape } from '../core/shape';
import { to } from '../ops/elementwise';
import { copy_ } from '../ops/inplace';
import { detach, reshape } from '../ops/layout';
import { requireState, requireTensor } from '../ops/requirements';
import type { Tensor } from '../tensor';
import { keep } from '../tidy';
import { Parameter } from './parameter';
import { formatSummary, type SummaryOptions, summarize } from './summary';

export type StateDict = Record<string, Tensor>;

export interface LoadResult {
	/** Keys that the module has and the state lacks. */
	readonly missingKeys: readonly string[];
	/** Keys that the state has and the module lacks. */
	readonly unexpectedKeys: readonly string[];
}

/** Where a layer's parameters live and what they are made of. Default: the default device, float32. */
export interface FactoryOptions {
	readonly device?: DeviceName;
	readonly dtype?: DType;
}

/** Sees a module's inputs before its forward; an array that it returns takes their place, anything else but undefined that of the only one. */
export type ForwardPreHook = (module: Module, inputs: readonly unknown[]) => unknown;

/** Sees a module's inputs and output after its forward; what it returns, unless undefined, takes the output's place. */
export type ForwardHook = (module: Module, inputs: readonly unknown[], output: unknown) => unknown;

/** What stands under one key of a state. */
interface StateEntry {
	readonly path: string;
	readonly tensor: Tensor;
	readonly optional: boolean;
}

interface Hooks {
	readonly before: Set<{ readonly hook: ForwardPreHook }>;
	readonly after: Set<{ readonly hook: ForwardHook }>;
}

export abstract class Module {
	/** Whether dropout drops and batch norm learns its statistics: see `train` and `eval`. */
	training = true;
	#hooks: Hooks | null = null;
	readonly #buffers = new Map<string, { tensor: Tensor; persistent: boolean }>();

	/** Computes the output. Subclasses say of what. */
	abstract forward(...inputs: never[]): unknown;

	/**
	 * Makes `tensor` part of the module's state without learning it (running statistics, masks). A buffer that is not `persistent`
	 * moves with the module and stays out of `stateDict`.
	 */
	registerBuffer(name: string, tensor: Tensor, options: { persistent?: boolean } = {}): void {
		const { persistent = true } = checkOptions('Module.registerBuffer', options, ['persistent']);
		requireName('registerBuffer', name);
		this.#buffers.set(name, { tensor: keep(tensor), persistent });
	}

	/** The buffer of that name. */
	buffer(name: string): Tensor {
		const entry = this.#buffers.get(name);
		if (entry === undefined)
			throw new ArgumentError(
				`buffer: ${this.constructor.name} has no buffer '${name}'; it has: ${[...this.#buffers.keys()].join(', ') || 'none'}`,
			);
		return entry.tensor;
	}

	/** Makes `parameter` a property of that name, or null for one that this module does without; assigning the property is the same. */
	registerParameter(name: string, parameter: Parameter | null): void {
		if (parameter !== null && !(parameter instanceof Parameter))
			throw new ArgumentError(
				`registerParameter: '${name}' must be a Parameter or null: wrap the tensor, new nn.Parameter(tensor)`,
			);
		this.#assign('registerParameter', name, parameter, Parameter);
	}

	/** Makes `module` a child under a name that the program finds out; assigning the property of that name is the same. */
	addModule(name: string, module: Module): void {
		if (!(module instanceof Module)) throw new ArgumentError(`addModule: '${name}' must be a module, not ${typeof module}`);
		this.#assign('addModule', name, module, Module);
	}

	#assign(operation: string, name: string, value: unknown, kind: typeof Module | typeof Parameter): void {
		requireName(operation, name);
		const own = this as unknown as Record<string, unknown>;
		if (name in this && own[name] != null && !(own[name] instanceof kind))
			throw new ArgumentError(`${operation}: ${this.constructor.name} has something else called '${name}'`);
		own[name] = value;
	}

	/** The module at a path such as 'encoder.0.conv'; '' is this one. */
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
		return Object.entries(this).filter((entry): entry is [string, Module] => entry[1] instanceof Module);
	}

	/** Child modules, in order; each once. */
	children(): Module[] {
		return [...new Set(this.namedChildren().map(([, child]) => child))];
	}

	/** This module and all below it, by path, in order; each module once. */
	namedModules(prefix = '', seen: Set<Module> = new Set()): [string, Module][] {
		if (seen.has(this)) return [];
		seen.add(this);
		const below = this.namedChildren().flatMap(([name, child]) => child.namedModules(join(prefix, name), seen));
		return [[prefix, this], ...below];
	}

	/** This module and all below it; each once. */
	modules(): Module[] {
		return this.namedModules().map(([, module]) => module);
	}

	/** This module's own parameters by name. Containers of parameters override it. */
	ownParameters(): [string, Parameter][] {
		return Object.entries(this).filter((entry): entry is [string, Parameter] => entry[1] instanceof Parameter);
	}

	/** Parameters by path; one that is shared between modules comes once, under its first path. */
	namedParameters(): [string, Parameter][] {
		const seen = new Set<Parameter>();
		return this.allParameters().filter(([, parameter]) => !seen.has(parameter) && seen.add(parameter));
	}

	/** All parameters, each once: what optimizers take. */
	parameters(): Parameter[] {
		return this.namedParameters().map(([, parameter]) => parameter);
	}

	/** Buffers by path; one that is shared between modules comes once, under its first path. */
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
	 * Parameters and persistent buffers by path, detached, sharing memory with the module. Clone what must not change. What is used in several
	 * places stands under each of its paths, as in PyTorch.
	 */
	stateDict(): StateDict {
		return Object.fromEntries(this.#state().map(({ path, tensor }) => [path, detach(tensor)]));
	}

	/** Names of own parameters and buffers that a state may lack: those that older formats do not have. */
	protected optionalState(): readonly string[] {
		return [];
	}

	/**
	 * Copies values into parameters and persistent buffers by key. With `strict` (the default) missing and unexpected keys are
	 * errors; shapes that differ always are. Values are converted to the dtype and moved to the device that the module has. If that was lost,
	 * the values go to the device of the latest `init()`. Of a parameter or buffer with several keys one is enough: safetensors files of tied
	 * models hold one.
	 */
	loadStateDict(state: Readonly<StateDict>, options: { strict?: boolean } = {}): LoadResult {
		const { strict = true } = checkOptions('Module.loadStateDict', options, ['strict']);
		requireState(`loadStateDict(${this.constructor.name})`, state);
		const entries = this.#state();
		const own = new Map(entries.map(({ path, tensor }) => [path, tensor]));
		const given = new Set(entries.filter(({ path }) => Object.hasOwn(state, path)).map(({ tensor }) => tensor));
		const missingKeys = entries.filter(({ tensor, optional }) => !optional && !given.has(tensor)).map(({ path }) => path);
		const unexpectedKeys = Object.keys(state).filter((key) => !own.has(key));
		const problems: string[] = [];
		if (strict && missingKeys.length > 0) problems.push(`missing keys: ${missingKeys.join(', ')}`);
		if (strict && unexpectedKeys.length > 0) problems.push(`unexpected keys: ${unexpectedKeys.join(', ')}`);
		for (const [key, tensor] of own) {
			if (Object.hasOwn(state, key) && !fits(state[key]!.shape, tensor.shape)) {
				problems.push(`${key}: shape ${formatShape(state[key]!.shape)} in the state, ${formatShape(tensor.shape)} in the module`);
			}
		}
		if (problems.length > 0) throw new ShapeError(`loadStateDict(${this.constructor.name}): ${problems.join('; ')}`);
		noGrad(() => {
			for (const [key, tensor] of own) {
				const value = Object.hasOwn(state, key) ? state[key]! : null;
				if (value !== null) copy_(tensor, value.ndim === tensor.ndim ? value : reshape(value, []));
			}
		});
		return { missingKeys, unexpectedKeys };
	}

	/** Sets training mode here and below. Returns the module. */
	train(mode = true): this {
		for (const module of this.modules()) module.training = mode;
		return this;
	}

	/** Sets inference mode here and below. Returns the module. */
	eval(): this {
		return this.train(false);
	}

	/** Drops the gradients of all parameters. */
	zeroGrad(): void {
		for (const parameter of this.parameters()) clearGrad(parameter);
	}

	/** Makes all parameters require a gradient, or none. Returns the module. */
	requiresGrad_(on = true): this {
		for (const parameter of this.parameters()) parameter.requiresGrad_(on);
		return this;
	}

	/** Calls `hook` before each forward of this module. As `torch.nn.Module.register_forward_pre_hook`. */
	registerForwardPreHook(hook: ForwardPreHook): HookHandle {
		return addHook('registerForwardPreHook', this.#hooked().before, hook);
	}

	/**
	 * Calls `hook` after each forward of this module, e.g. to look at features inside a model. Results inside a Sequential are given back
	 * when it is done: a hook that stores one must `keep` it. As `torch.nn.Module.register_forward_hook`.
	 */
	registerForwardHook(hook: ForwardHook): HookHandle {
		return addHook('registerForwardHook', this.#hooked().after, hook);
	}

	/** The hooks; the first call puts a forward that calls them before the module's own. */
	#hooked(): Hooks {
		if (this.#hooks !== null) return this.#hooks;
		const hooks: Hooks = { before: new Set(), after: new Set() };
		const own = this as unknown as { forward: (...inputs: readonly unknown[]) => unknown };
		const forward = own.forward;
		own.forward = (...inputs) => {
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

	/** Calls `fn` on every module below and then on this one, e.g. to initialise weights. Returns the module. */
	apply(fn: (module: Module) => void): this {
		for (const child of this.children()) child.apply(fn);
		fn(this);
		return this;
	}

	/**
	 * Moves parameters and buffers to a device, or converts the floating ones to a dtype; gradients are dropped. Handles stay the
	 * same, so optimizers keep working. From WebGPU to the CPU there is a wait: await the promise.
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
			clearGrad(tensor);
			// A mode ends at the first wait: what goes to the CPU is a handle that requires no gradient.
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
	 * A table of this module and those below it: output shapes, parameters, FLOPs of the forward pass (a multiply-add is 2) and bytes that its
	 * results take, for an input of shape `inputShape` (or inputs of several shapes) of float32 or the given `dtype`; and in total, with an
	 * estimate of a training step's memory. The trial run computes nothing: it is quick for large models, and changes nothing. Without
	 * a shape only parameters are listed. A line counts what the module itself does, without the modules below it.
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

	/** What `toString` prints between the parentheses: a layer's sizes and options. */
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

	/** The state by path. `above` are the modules on the way here: one that holds itself ends the path. */
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

/** Throws unless `name` can be one part of a path. */
export function requireName(operation: string, name: string): void {
	if (name.includes('.') || name === '')
		throw new ArgumentError(`${operation}: '${name}' is no name: it must not be empty or hold a dot`);
}

/** Old states hold scalars as lists of one. */
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

function clearGrad(tensor: Tensor): void {
	tensor.grad?.dispose();
	tensor.grad = null;
}
