/** Modules that hold modules. */
import { describe } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { Module, requireModule, requireName } from './module';
import { Parameter } from './parameter';

/** A module that maps one tensor to one tensor. */
export type Layer = Module & { forward(input: Tensor): Tensor };

/** Returns the module. Throws for anything else, such as a function, which would fail later with an unclear error. */
function asModule<M extends Module>(container: string, key: string | number, value: M): M {
	requireModule(container, String(key), value, 'a module, such as new nn.ReLU()');
	return value;
}

/**
 * Returns the value as a parameter, and wraps plain tensors as PyTorch does. Throws for anything else, which `stateDict` would silently
 * leave out.
 */
function asParameter(container: string, key: string | number, value: Tensor): Parameter {
	if (value instanceof Parameter) return value;
	if (value instanceof Tensor) return new Parameter(value);
	throw new ArgumentError(`${container}: ${key} must be a parameter, such as new nn.Parameter(tensor), not ${describe(value)}`);
}

function requireNames(container: string, what: string, values: unknown): void {
	if (typeof values === 'object' && values !== null) return;
	throw new ArgumentError(`${container}: it takes ${what} by name, { name: value }, not ${describe(values)}`);
}

/**
 * Runs layers one after another: `new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU())` with the keys 0, 1, 2, ..., or with your own
 * names: `new nn.Sequential({ conv: new nn.Conv2d(1, 8, 3), relu: new nn.ReLU() })`. As `torch.nn.Sequential`.
 */
export class Sequential extends Module {
	private readonly layersByName = new Map<string, Layer>();

	constructor(...layers: readonly Layer[] | readonly [Readonly<Record<string, Layer>>]) {
		super();
		const [first] = layers;
		const named = layers.length === 1 && typeof first === 'object' && first !== null && !(first instanceof Module);
		for (const [key, layer] of Object.entries(named ? first : layers)) this.addModule(key, layer);
	}

	/** The layers, in order. */
	get layers(): readonly Layer[] {
		return [...this.layersByName.values()];
	}

	override namedChildren(): [string, Module][] {
		return [...this.layersByName];
	}

	get length(): number {
		return this.layersByName.size;
	}

	/** The layer at `index`; negative ones count from the back. */
	at(index: number): Layer {
		return itemAt('Sequential', this.layers, index);
	}

	/** Adds a layer at the end, under the next number. */
	append(layer: Layer): this {
		this.addModule(String(this.length), layer);
		return this;
	}

	/** Adds a layer at the end, or replaces the one with that name. */
	override addModule(name: string, layer: Layer): void {
		requireName('Sequential', name);
		this.layersByName.set(name, asModule('Sequential', name, layer));
	}

	[Symbol.iterator](): Iterator<Layer> {
		return this.layersByName.values();
	}

	/** Returns the last layer's output. Frees the results in between as soon as the tape allows. */
	override forward(input: Tensor): Tensor {
		if (this.length === 0) return input;
		return tidy(() => {
			let x = input;
			for (const layer of this.layersByName.values()) x = layer.forward(x);
			return x;
		});
	}
}

/** A list of modules without a forward method. Keys are 0, 1, 2, ... As `torch.nn.ModuleList`. */
export class ModuleList<M extends Module = Module> extends Module {
	readonly items: M[];

	constructor(modules: Iterable<M> = []) {
		super();
		if (typeof (modules as Partial<Iterable<M>> | null)?.[Symbol.iterator] !== 'function')
			throw new ArgumentError('ModuleList: it takes one list of modules: new nn.ModuleList([first, second])');
		this.items = [];
		this.extend(modules);
	}

	override namedChildren(): [string, Module][] {
		return this.items.map((module, i) => [String(i), module]);
	}

	get length(): number {
		return this.items.length;
	}

	/** The module at `index`; negative ones count from the back. */
	at(index: number): M {
		return itemAt('ModuleList', this.items, index);
	}

	append(module: M): this {
		this.items.push(asModule('ModuleList', this.length, module));
		return this;
	}

	extend(modules: Iterable<M>): this {
		for (const module of modules) this.append(module);
		return this;
	}

	insert(index: number, module: M): void {
		this.items.splice(index, 0, asModule('ModuleList', index, module));
	}

	/** Adds a module at the end under its number, or replaces the one with that number. */
	override addModule(name: string, module: M): void {
		const index = Number(name);
		if (!Number.isInteger(index) || index < 0 || index > this.length)
			throw new ArgumentError(`ModuleList: '${name}' is not a number from 0 to ${this.length}; use ModuleDict for names`);
		this.items[index] = asModule('ModuleList', index, module);
	}

	[Symbol.iterator](): Iterator<M> {
		return this.items[Symbol.iterator]();
	}

	override forward(): never {
		throw new ArgumentError('ModuleList: it has no forward; call its modules one by one, or use Sequential');
	}
}

/** Modules by name, without a forward method. As `torch.nn.ModuleDict`. */
export class ModuleDict<M extends Module = Module> extends Module {
	readonly items: Map<string, M>;

	constructor(modules: Readonly<Record<string, M>> = {}) {
		super();
		requireNames('ModuleDict', 'modules', modules);
		this.items = new Map();
		for (const [key, module] of Object.entries(modules)) this.set(key, module);
	}

	override namedChildren(): [string, Module][] {
		return [...this.items];
	}

	get length(): number {
		return this.items.size;
	}

	get(key: string): M {
		const module = this.items.get(key);
		if (module === undefined)
			throw new ArgumentError(`ModuleDict: no module '${key}'; it has: ${[...this.items.keys()].join(', ') || 'none'}`);
		return module;
	}

	set(key: string, module: M): this {
		requireName('ModuleDict', key);
		this.items.set(key, asModule('ModuleDict', key, module));
		return this;
	}

	override addModule(name: string, module: M): void {
		this.set(name, module);
	}

	has(key: string): boolean {
		return this.items.has(key);
	}

	keys(): IterableIterator<string> {
		return this.items.keys();
	}

	values(): IterableIterator<M> {
		return this.items.values();
	}

	override forward(): never {
		throw new ArgumentError('ModuleDict: it has no forward; call its modules by name');
	}
}

/** A list of parameters; keys are 0, 1, 2, ... Plain tensors become parameters. As `torch.nn.ParameterList`. */
export class ParameterList extends Module {
	readonly items: Parameter[];

	constructor(parameters: Iterable<Tensor> = []) {
		super();
		if (typeof (parameters as Partial<Iterable<Tensor>> | null)?.[Symbol.iterator] !== 'function')
			throw new ArgumentError('ParameterList: it takes one list of parameters: new nn.ParameterList([first, second])');
		this.items = Array.from(parameters, (parameter, i) => asParameter('ParameterList', i, parameter));
	}

	override ownParameters(): [string, Parameter][] {
		return this.items.map((parameter, i) => [String(i), parameter]);
	}

	get length(): number {
		return this.items.length;
	}

	at(index: number): Parameter {
		return itemAt('ParameterList', this.items, index);
	}

	append(parameter: Tensor): this {
		this.items.push(asParameter('ParameterList', this.length, parameter));
		return this;
	}

	[Symbol.iterator](): Iterator<Parameter> {
		return this.items[Symbol.iterator]();
	}

	override forward(): never {
		throw new ArgumentError('ParameterList: it has no forward; use its parameters');
	}
}

/** Parameters by name; the keys are the names. Plain tensors become parameters. As `torch.nn.ParameterDict`. */
export class ParameterDict extends Module {
	readonly items: Map<string, Parameter>;

	constructor(parameters: Readonly<Record<string, Tensor>> = {}) {
		super();
		requireNames('ParameterDict', 'parameters', parameters);
		this.items = new Map();
		for (const [key, parameter] of Object.entries(parameters)) this.set(key, parameter);
	}

	override ownParameters(): [string, Parameter][] {
		return [...this.items];
	}

	get length(): number {
		return this.items.size;
	}

	get(key: string): Parameter {
		const parameter = this.items.get(key);
		if (parameter === undefined)
			throw new ArgumentError(`ParameterDict: no parameter '${key}'; it has: ${[...this.items.keys()].join(', ') || 'none'}`);
		return parameter;
	}

	set(key: string, parameter: Tensor): this {
		this.items.set(key, asParameter('ParameterDict', key, parameter));
		return this;
	}

	has(key: string): boolean {
		return this.items.has(key);
	}

	keys(): IterableIterator<string> {
		return this.items.keys();
	}

	values(): IterableIterator<Parameter> {
		return this.items.values();
	}

	override forward(): never {
		throw new ArgumentError('ParameterDict: it has no forward; use its parameters');
	}
}

function itemAt<T>(name: string, items: readonly T[], index: number): T {
	const item = items.at(index);
	if (item === undefined) throw new ArgumentError(`${name}: index ${index} is out of range for ${items.length} items`);
	return item;
}
