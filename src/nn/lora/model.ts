/** Low-rank adapters for a frozen model. Hu et al. 2021, https://arxiv.org/abs/2106.09685. Names and meanings are those of PEFT. */
import type { DeviceName } from '../../backends/contract';
import { noteModelChange } from '../../core/capture';
import { requireCounts, requireFraction, requireNumber, wrongArgument } from '../../core/checks';
import type { DType } from '../../core/dtype';
import { ArgumentError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { forbidClone } from '../deepCopy';
import type { Linear } from '../linear';
import { Module, requireModule, requireName } from '../module';
import type { Parameter } from '../parameter';
import { type AdaptedLayer, type AdapterSettings, adaptedLayers } from './layers';

/**
 * Which layers get adapters: the ends of their paths, such as ['q_proj', 'v_proj']; an expression that the whole path matches; or
 * 'all-linear', every layer with `inFeatures` and `outFeatures`.
 */
export type Targets = readonly string[] | RegExp | 'all-linear';

export interface LoraOptions {
	readonly targets: Targets;
	/** The rank of the adapters' matrices. Default 8. */
	readonly rank?: number;
	/** The adapter's product is multiplied by alpha / rank. Default 8. */
	readonly alpha?: number;
	/** Dropout probability of the adapters' input during training; not in embeddings and the in-projections of attention. Default 0. */
	readonly dropout?: number;
	/** Multiply by alpha / sqrt(rank) instead. Kalajdzievski 2023. Default false. */
	readonly rslora?: boolean;
	/** Whether the targets' weights are [in, out], as in GPT-2's files. Default false. */
	readonly fanInFanOut?: boolean;
	/** The adapter's name. Default 'default'. */
	readonly name?: string;
}

export type AdapterConfig = Required<Omit<LoraOptions, 'name'>>;

const LORA_OPTIONS = ['targets', 'rank', 'alpha', 'dropout', 'rslora', 'fanInFanOut', 'name'] as const;

/** The adapters of each model. */
const models = new WeakMap<Module, LoraModel>();

/**
 * Freezes `model` and adds an adapter to its layers: y = W x + alpha / rank B A x, where only A [rank, in] and B [out, rank] are trained.
 * A starts as Kaiming uniform with a = sqrt(5), and B as zeros, so the outputs do not change at first. Train the result's parameters:
 *
 *     const lora = nn.lora.apply(model, { rank: 8, alpha: 16, targets: ['q_proj', 'v_proj'] });
 *     const optimizer = new optim.AdamW(lora.parameters(), { lr: 1e-3 });
 *
 * A second call with another `name` adds a second adapter, and activates it instead of the first. Works on quantised layers too.
 */
export function apply(model: Module, options: LoraOptions): LoraModel {
	requireModule('lora.apply', 'model', model);
	const base = model instanceof LoraModel ? model.base : model;
	const { name = 'default', ...config } = checkOptions('lora.apply', options, LORA_OPTIONS);
	const lora = models.get(base) ?? new LoraModel(base);
	lora.add(name, checkConfig(config));
	models.set(base, lora);
	return lora;
}

function checkConfig(options: Omit<LoraOptions, 'name'>): AdapterConfig {
	const { targets, rank = 8, alpha = 8, dropout = 0, rslora = false, fanInFanOut = false } = options;
	requireCounts('lora.apply', { rank }, 1);
	requireNumber('lora.apply', 'alpha', alpha);
	requireFraction('lora.apply', 'dropout', dropout);
	const list = Array.isArray(targets) && targets.length > 0 && targets.every((target) => typeof target === 'string');
	if (!list && !(targets instanceof RegExp) && targets !== 'all-linear')
		throw wrongArgument(
			'lora.apply',
			'targets',
			"a list of ends of paths such as ['q_proj'], a RegExp, or 'all-linear'",
			targets,
		);
	return { targets, rank, alpha, dropout, rslora, fanInFanOut };
}

/** Whether a layer is a target, by PEFT's rules. */
function isTarget(path: string, module: Module, targets: Targets): boolean {
	if (targets === 'all-linear') return typeof (module as unknown as Partial<Linear>).outFeatures === 'number';
	if (targets instanceof RegExp) return new RegExp(`^(?:${targets.source})$`, targets.flags).test(path);
	return targets.some((target) => path === target || path.endsWith(`.${target}`));
}

/**
 * A model with adapters, made by `nn.lora.apply`. `parameters()` and `stateDict()` hold only the active adapters, so optimizers and
 * checkpoints do too. `forward` is the model's. The original model computes with the adapters as well.
 */
export class LoraModel extends Module {
	readonly #layers = new Map<Module, AdaptedLayer[]>();
	readonly #configs = new Map<string, AdapterConfig>();
	readonly #base: Module;
	/** The parameters of the base that required gradients before. */
	readonly #trained: readonly Parameter[];
	#active: readonly string[] = [];
	#merged = false;

	constructor(base: Module) {
		super();
		this.#base = base;
		forbidClone(this, 'a LoraModel cannot be copied. Clone the model before lora.apply');
		this.training = base.training;
		this.#trained = base.parameters().filter((parameter) => parameter.requiresGrad);
	}

	/** The model that the adapters belong to. */
	get base(): Module {
		return this.#base;
	}

	/** The names of the active adapters. */
	get active(): readonly string[] {
		return this.#active;
	}

	/** The names of all adapters. */
	get names(): readonly string[] {
		return [...this.#configs.keys()];
	}

	get isMerged(): boolean {
		return this.#merged;
	}

	/** The settings of an adapter. */
	config(name: string): AdapterConfig {
		const config = this.#configs.get(name);
		if (config === undefined)
			throw new ArgumentError(`lora: there is no adapter '${name}'; there are: ${this.names.join(', ') || 'none'}`);
		return config;
	}

	/** The paths of the layers that have this adapter. */
	targets(name: string): string[] {
		return this.#all().flatMap(({ path, settings }) => (settings.has(name) ? [path] : []));
	}

	/** @internal */
	add(name: string, config: AdapterConfig): void {
		requireName('lora.apply', name);
		if (this.#configs.has(name)) throw new ArgumentError(`lora.apply: there is an adapter '${name}' already; give another name`);
		this.#requireUnmerged('apply');
		const own = new Set(this.#all().flatMap((layer) => layer.children));
		const chosen = this.#base
			.namedModules()
			.filter(([path, module]) => !own.has(module) && path !== '' && isTarget(path, module, config.targets));
		if (chosen.length === 0) {
			const paths = this.#base.namedModules().flatMap(([path]) => (path === '' ? [] : [path]));
			throw new ArgumentError(`lora.apply: no layer matches the targets; the model has: ${paths.slice(0, 40).join(', ')}`);
		}
		const { rank, alpha, dropout, rslora, fanInFanOut } = config;
		const settings: AdapterSettings = { rank, scaling: alpha / (rslora ? Math.sqrt(rank) : rank), dropout, fanInFanOut };
		const isFirst = this.#configs.size === 0;
		for (const parameter of this.#trained) parameter.requiresGrad_(false);
		const attached: Module[] = [];
		try {
			for (const [path, module] of chosen) {
				if (!this.#layers.has(module)) {
					this.#layers.set(module, adaptedLayers(path, module));
					attached.push(module);
				}
				for (const layer of this.#layers.get(module)!) if (!layer.settings.has(name)) layer.add(name, settings);
			}
		} catch (error) {
			for (const layer of this.#all()) layer.delete(name);
			for (const module of attached) {
				for (const layer of this.#layers.get(module)!) layer.remove();
				this.#layers.delete(module);
			}
			if (isFirst) for (const parameter of this.#trained) parameter.requiresGrad_(true);
			throw error;
		}
		this.#configs.set(name, config);
		this.use(name);
	}

	/** Removes an adapter. */
	delete(name: string): this {
		this.config(name);
		this.use(this.#active.filter((other) => other !== name));
		this.#configs.delete(name);
		for (const layer of this.#all()) layer.delete(name);
		return this;
	}

	#all(): AdaptedLayer[] {
		return [...this.#layers.values()].flat();
	}

	/** Activates one adapter, several adapters that add up, or none (null). Only active adapters are trained. */
	use(names: string | readonly string[] | null): this {
		this.#requireUnmerged('use');
		const list = names === null ? [] : typeof names === 'string' ? [names] : [...new Set(names)];
		for (const name of list) this.config(name);
		noteModelChange();
		this.#active = list;
		for (const layer of this.#all()) {
			layer.active = list;
			for (const name of layer.settings.keys())
				for (const [, parameter] of layer.parameters(name)) parameter.requiresGrad_(list.includes(name));
		}
		return this;
	}

	/**
	 * Adds the active adapters to the weights, so that they cost no time in inference. Keeps a copy of the weights for `unmerge`, because
	 * subtracting the sum again would round.
	 */
	merge(): this {
		this.#requireUnmerged('merge');
		const layers = this.#all().filter(({ settings }) => this.#active.some((name) => settings.has(name)));
		const shared = this.#sharedParameters();
		for (const layer of layers) {
			const problem = layer.mergeProblem(shared);
			if (problem !== null) throw new ArgumentError(`lora.merge: '${layer.path}': ${problem}. Keep the adapters unmerged`);
		}
		noteModelChange();
		for (const layer of layers) layer.merge();
		this.#merged = true;
		return this;
	}

	/** Undoes `merge`. The weights have their old bits again. */
	unmerge(): this {
		noteModelChange();
		for (const layer of this.#all()) layer.unmerge();
		this.#merged = false;
		return this;
	}

	/** Removes all adapters and returns the model, which can be trained as before. Merged adapters stay in its weights. */
	unload(): Module {
		noteModelChange();
		for (const layer of this.#all()) layer.remove();
		for (const parameter of this.#trained) parameter.requiresGrad_(true);
		this.#layers.clear();
		this.#configs.clear();
		this.#active = [];
		models.delete(this.#base);
		return this.#base;
	}

	/** The parameters of the base that several modules use. */
	#sharedParameters(): ReadonlySet<Parameter> {
		const all = this.#base.modules().flatMap((module) => module.ownParameters().map(([, parameter]) => parameter));
		return new Set(all.filter((parameter, i) => all.indexOf(parameter) !== i));
	}

	#requireUnmerged(operation: string): void {
		if (this.#merged) throw new ArgumentError(`lora.${operation}: the adapters are merged; call unmerge() first`);
	}

	/** The parameters of one adapter, by PEFT's keys. */
	parametersOf(name: string): [string, Parameter][] {
		this.config(name);
		return this.#all().flatMap((layer) =>
			layer.settings.has(name)
				? layer
						.parameters(name)
						.map(([key, parameter]): [string, Parameter] => [`base_model.model.${layer.path}.${key}`, parameter])
				: [],
		);
	}

	override ownParameters(): [string, Parameter][] {
		const [first, ...others] = this.#active;
		if (first === undefined) return [];
		if (others.length === 0) return this.parametersOf(first);
		return this.#active.flatMap((name) =>
			this.parametersOf(name).map(([key, parameter]): [string, Parameter] => [`${name}.${key}`, parameter]),
		);
	}

	override namedParameters(): [string, Parameter][] {
		return this.ownParameters();
	}

	override namedChildren(): [string, Module][] {
		return [];
	}

	/** This module and those of the model, so that `train` and `eval` reach them and checkpoints save their buffers. */
	override namedModules(prefix = '', seen: Set<Module> = new Set()): [string, Module][] {
		const path = prefix === '' ? 'base_model' : `${prefix}.base_model`;
		return [...super.namedModules(prefix, seen), ...this.#base.namedModules(path, seen)];
	}

	override forward(...inputs: never[]): unknown {
		return this.#base.forward(...inputs);
	}

	override to(target: 'webgpu' | DType): this;
	override to(target: DeviceName): this | Promise<this>;
	override to(target: DeviceName | DType): this | Promise<this> {
		const moved = this.#base.to(target as DeviceName);
		return moved instanceof Promise ? moved.then(() => this) : this;
	}

	override extraRepr(): string {
		return `${this.#base.constructor.name}, adapters: ${this.names.join(', ')}, active: ${this.#active.join(', ')}`;
	}
}
