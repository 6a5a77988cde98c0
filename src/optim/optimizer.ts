/**
 * The base of all optimizers: parameter groups, state and state dict. As `torch.optim.Optimizer`.
 *
 * Every option may differ between groups. `weightDecay` is an L2 penalty (decoupled in AdamW), `l1` an L1 penalty. Both are part of the
 * fused step, not terms of the loss.
 */

import { noGrad, withAutocast } from '../autograd/modes';
import { requireComplete } from '../autograd/pending';
import { live } from '../core/capture';
import { describe, requireFraction, requireInstance, requireListOf, requireNonNegative, requireNumber } from '../core/checks';
import { ArgumentError, formatShape } from '../core/errors';
import { requireOptions } from '../core/options';
import { runOperation } from '../core/scope';
import { sameShape } from '../core/shape';
import { checkState, isCount, isListOf, isNumber, isObject } from '../core/state';
import { ne, where } from '../ops/elementwise';
import { contiguousTarget, copy_, writeBack } from '../ops/inplace';
import { clone } from '../ops/layout';
import { markWritten, packed, requireDevice, Tensor } from '../tensor';
import { requireParameters } from '../tensorChecks';
import { keep, tidy } from '../tidy';
import { type Counting, loadedCount, StepCounter } from './counter';
import { addState, holdsStateOf, type ParamState, stateTensor } from './state';
import { type Counts, partsBy, type Run, runOf, type Target } from './targets';

/** Options of every optimizer. */
export interface CommonOptions {
	/** Learning rate. */
	lr: number;
	/** L2 penalty. Default 0 (AdamW: 0.01). */
	weightDecay: number;
	/** L1 penalty. Default 0. */
	l1: number;
	/** Ascend instead of descending. Default false. */
	maximize: boolean;
}

/** Parameters with their own options. Omitted options are the optimizer's. `initialLr` is for resuming a schedule. */
export type GroupInput<O> = { readonly params: Iterable<Tensor>; readonly initialLr?: number } & Partial<O>;

export type ParamGroup<O> = O & { readonly params: readonly Tensor[]; initialLr?: number };

/** Plain data. Keys number the parameters by position, as in PyTorch; tensors are clones. */
export interface OptimizerState<O> {
	readonly state: Readonly<Record<string, ParamState>>;
	readonly paramGroups: readonly (O & { readonly params: readonly number[]; readonly initialLr?: number })[];
}

export abstract class Optimizer<O extends CommonOptions> {
	readonly paramGroups: ParamGroup<O>[] = [];
	protected readonly state = new Map<Tensor, ParamState>();
	protected readonly defaults: O;
	/** Whether the kernel of `update` takes the control of `count`. If not, a skipped step restores what it has written. @internal */
	protected readonly skipsOnDevice: boolean = false;
	readonly #counter = new StepCounter();
	/** Whether this step must be skipped: int32 on the device, 0 or 1. */
	#found: Tensor | null = null;
	readonly #standard: O;
	readonly #initial: Readonly<Record<string, unknown>>[] = [];

	constructor(params: Iterable<Tensor> | Iterable<GroupInput<O>>, standard: O, options: Partial<O>) {
		const name = this.constructor.name;
		this.#standard = standard;
		this.#requireKnown(requireOptions(name, options));
		this.defaults = { ...standard, ...options };
		if (typeof params !== 'object' || params === null || !(Symbol.iterator in params))
			throw new ArgumentError(
				`${name}: parameters must be a list of tensors, such as model.parameters(), or of groups { params, ...options }`,
			);
		const list = [...(params as Iterable<Tensor | GroupInput<O>>)];
		if (list.length === 0)
			throw new ArgumentError(`${name}: no parameters; pass model.parameters() or a list of { params, ...options }`);
		if (list.every((item): item is Tensor => item instanceof Tensor))
			this.addParamGroup({ params: list } as unknown as GroupInput<O>);
		else for (const group of list as GroupInput<O>[]) this.addParamGroup(group);
	}

	/** Adds parameters with their own options, for example layers to unfreeze later. */
	addParamGroup(input: GroupInput<O>): void {
		const name = this.constructor.name;
		if (input instanceof Tensor || !input?.params)
			throw new ArgumentError(
				`${name}: parameters must be a list of tensors, such as model.parameters(), or of groups { params, ...options }, not mixed`,
			);
		const params = requireParameters(name, input.params);
		const { params: _, initialLr, ...options } = input;
		if (initialLr !== undefined) requireNonNegative(name, 'initialLr', initialLr);
		this.#requireKnown(options);
		const known = new Set(this.paramGroups.flatMap((group) => group.params));
		for (const param of params) {
			if (known.has(param)) throw new ArgumentError(`${name}: a parameter appears in two groups or twice in one`);
			if (!param.isLeaf)
				throw new ArgumentError(
					`${name}: a tensor of shape ${formatShape(param.shape)} is the result of an operation, and no parameter; pass the tensor that it was computed from, or its detach()`,
				);
			known.add(param);
		}
		const group = { ...this.defaults, ...input, params } as unknown as ParamGroup<O>;
		this.#check(group);
		const { params: _own, initialLr: _first, ...made } = group;
		this.paramGroups.push(group);
		this.#initial.push(made);
	}

	/**
	 * The options each group was created with. Schedules and callbacks change those in `paramGroups`.
	 *
	 * @internal
	 */
	get initialOptions(): readonly Readonly<Record<string, unknown>>[] {
		return this.#initial;
	}

	#check(group: ParamGroup<O>): void {
		const name = this.constructor.name;
		for (const [key, value] of Object.entries(group)) {
			if (typeof value === 'number') requireNumber(name, key, value);
		}
		for (const key of ['lr', 'weightDecay', 'l1'] as const) requireNonNegative(name, key, group[key]);
		this.validate(group);
	}

	#requireKnown(options: object): void {
		const known = Object.keys(this.#standard);
		const unknown = Object.keys(options).find((key) => !known.includes(key));
		if (unknown === undefined) return;
		throw new ArgumentError(`${this.constructor.name}: there is no option '${unknown}'; its options are ${known.join(', ')}`);
	}

	/** Throws an ArgumentError if an option is out of range. */
	protected abstract validate(group: ParamGroup<O>): void;

	/** Updates parameters of a group. */
	protected abstract update(targets: readonly Target[], group: ParamGroup<O>): void;

	/**
	 * Updates every parameter that has a gradient. An optional `closure` recomputes the loss and its gradients first; `step` returns its
	 * result. Throws, and updates nothing, if the device has reported an error since the last read, such as an index out of range.
	 *
	 * If the device has no memory for a tensor of the step, parameters and state tensors do not change, even if the error comes later. Host
	 * counters advance: `step` of the state, and the draws of random numbers. Running statistics may already include the batch.
	 */
	step<T>(closure: () => T): T;
	step(): void;
	step<T>(closure?: () => T): T | undefined {
		const result = closure?.();
		live(this, 'step', () => this.#step());
		return result;
	}

	#step(): void {
		// Check before any parameter changes.
		const operation = `${this.constructor.name}.step`;
		const devices = new Set<string>();
		for (const { params } of this.paramGroups) {
			for (const param of params) {
				if (!devices.has(param.device)) {
					requireDevice(operation, param);
					param.backend.throwReported();
					devices.add(param.device);
				}
				requireComplete(operation, param);
				requireStateOf(operation, param, this.state.get(param));
			}
		}
		runOperation(operation, () =>
			withAutocast(null, () =>
				noGrad(() => {
					for (const group of this.paramGroups) this.#updateGroup(operation, group);
					this.#counter.finish(this.state.values());
				}),
			),
		);
	}

	/**
	 * A step that changes nothing, counts included, where `found` is 1. For GradScaler.
	 *
	 * @internal
	 */
	stepUnless(found: Tensor): void {
		this.#found = found;
		try {
			this.step();
		} finally {
			this.#found = null;
		}
	}

	#updateGroup(operation: string, group: ParamGroup<O>): void {
		let targets: Target[] = [];
		const updateAll = () => {
			if (targets.length === 0) return;
			if (this.#found === null || this.skipsOnDevice)
				for (const part of partsBy(targets, ({ param }) => param.device)) this.update(part, group);
			else for (const target of targets) this.#updateOrRestore(target, group, this.#found);
			for (const { param } of targets) markWritten(param, operation);
			targets = [];
		};
		const copies: Tensor[] = [];
		for (const param of group.params) {
			const { grad } = param;
			if (grad === null) continue;
			requireGradientOf(operation, param, grad);
			const state = this.#stateOf(param) ?? {};
			this.state.set(param, state);
			const gradient = packed(grad);
			if (gradient !== grad) copies.push(gradient);
			const target = contiguousTarget(operation, param, gradient);
			// A copy is made, and written back, between the updates of the parameters around it, which may share its memory.
			if (target !== param) updateAll();
			targets.push({ param: target, gradient, state });
			if (target !== param) {
				updateAll();
				writeBack(operation, target, param);
			}
		}
		updateAll();
		for (const copy of copies) copy.dispose();
	}

	#updateOrRestore(target: Target, group: ParamGroup<O>, found: Tensor): void {
		tidy(() => {
			const tensors = () => [target.param, ...Object.values(target.state).filter((value) => value instanceof Tensor)];
			const before = new Map(tensors().map((tensor) => [tensor, clone(tensor)]));
			this.update([target], group);
			const skips = ne(found, 0);
			for (const tensor of tensors()) copy_(tensor, where(skips, before.get(tensor) ?? 0, tensor));
		});
	}

	/** The parameter's state without tensors that the device had no memory for; they are created again. */
	#stateOf(param: Tensor): ParamState | undefined {
		const state = this.state.get(param);
		for (const key in state) {
			const value = state[key];
			// Parameters share a count, and a load frees it with the first of them.
			if (!(value instanceof Tensor) || value.isDisposed || value.storage.isVoid !== true) continue;
			value.dispose();
			delete state[key];
		}
		return state;
	}

	/** Frees the gradients of all parameters. Their memory returns to the pool. */
	zeroGrad(): void {
		for (const group of this.paramGroups) {
			for (const param of group.params) param.clearGrad();
		}
	}

	/** Increments `state.step` and returns it: 1 in the first step. */
	protected advance(state: ParamState): number {
		const step = (typeof state.step === 'number' ? state.step : 0) + 1;
		state.step = step;
		return step;
	}

	/**
	 * As `advance`, for kernels that skip steps: where one may be skipped, they take `control` in place of what depends on the number `t`.
	 *
	 * @internal
	 */
	protected count(state: ParamState, param: Tensor, counting: Counting = { kind: 'count' }): Counts {
		if (!this.countsOnDevice(state)) return { t: this.advance(state), control: undefined };
		const { step = 0, muProduct = 1 } = state;
		const product = counting.kind === 'nadam' ? muProduct : null;
		const { next, nextProduct, control } = this.#counter.count(step, product, this.#found, param, counting);
		state.step = next;
		if (nextProduct !== null) state.muProduct = nextProduct;
		return { t: 1, control };
	}

	/** Counts a step of `targets`, and returns them in lists with equal counts. @internal */
	protected counted(targets: readonly Target[], counting?: Counting): readonly Run[] {
		const parts: { readonly counts: Counts; readonly targets: Target[] }[] = [];
		let part: (typeof parts)[number] | undefined;
		for (const target of targets) {
			const counts = this.count(target.state, target.param, counting);
			const isAlike = (other: Counts | undefined) => other?.t === counts.t && other.control === counts.control;
			if (!isAlike(part?.counts)) part = parts.find((known) => isAlike(known.counts));
			if (part === undefined) {
				part = { counts, targets: [] };
				parts.push(part);
			}
			part.targets.push(target);
		}
		return parts.map((each) => runOf(each.targets, each.counts));
	}

	/** Whether `count` counts on the device. @internal */
	protected countsOnDevice(state: ParamState): boolean {
		return this.#found !== null || state.step instanceof Tensor;
	}

	/** A state tensor of `param`'s shape, created as zeros on first use. float16 parameters have float32 state. */
	protected slot(state: ParamState, key: string, param: Tensor): Tensor {
		const existing = state[key];
		if (existing instanceof Tensor) return existing;
		const made = stateTensor(param);
		state[key] = made;
		return made;
	}

	/** For each key the state tensors of `targets`, as `slot` makes them. Those made at once share their memory. */
	protected slots(targets: readonly Target[], keys: readonly string[]): Tensor[][] {
		const needs = targets.filter(({ state }) => keys.some((key) => !(state[key] instanceof Tensor)));
		if (needs.length > 0) addState(needs.map(({ param, state }) => ({ param, state, keys })));
		return keys.map((key) => targets.map(({ state }) => state[key] as Tensor));
	}

	#checkGroups(name: string, groups: OptimizerState<O>['paramGroups']): void {
		const sizes = groups.map(({ params }) => (Array.isArray(params) ? params.length : 'unknown')).join(', ');
		const own = this.paramGroups.map(({ params }) => params.length).join(', ');
		if (sizes !== own)
			throw new ArgumentError(`${name}: the state has groups of ${sizes} parameters, but the optimizer has ${own}`);
		this.paramGroups.forEach((group, i) => {
			const { params: _, ...given } = groups[i]!;
			const unknown = Object.keys(given).filter((key) => !Object.hasOwn(group, key) && key !== 'initialLr');
			const missing = Object.keys(this.#standard).filter((key) => !Object.hasOwn(given, key));
			const differences = [
				...(unknown.length > 0 ? [`has ${unknown.join(', ')}`] : []),
				...(missing.length > 0 ? [`lacks ${missing.join(', ')}`] : []),
			];
			if (differences.length > 0) {
				throw new ArgumentError(
					`${name}: the state belongs to another kind of optimizer: its group ${i} ${differences.join(' and ')}`,
				);
			}
			for (const [key, value] of Object.entries({ initialLr: 0, ...given })) {
				const standard = key === 'initialLr' ? 0 : this.#standard[key as keyof O];
				if (!isLike(value, standard))
					throw new ArgumentError(`${name}: the option ${key} of group ${i} cannot be ${describe(value)}`);
			}
			this.#check({ ...group, ...given });
		});
	}

	/** Options and state, for a checkpoint. See `loadStateDict`. */
	stateDict(): OptimizerState<O> {
		const params = this.paramGroups.flatMap((group) => group.params);
		const state: Record<string, ParamState> = {};
		params.forEach((param, i) => {
			const own = this.#stateOf(param);
			if (own === undefined) return;
			const copy: ParamState = {};
			for (const [key, value] of Object.entries(own)) copy[key] = value instanceof Tensor ? noGrad(() => clone(value)) : value;
			state[String(i)] = copy;
		});
		let next = 0;
		const paramGroups = this.paramGroups.map((group) => ({ ...group, params: group.params.map(() => next++) }));
		return { state, paramGroups };
	}

	/**
	 * Restores options and state. Throws an ArgumentError unless the state is from the same kind of optimizer with groups of the same
	 * sizes.
	 */
	loadStateDict(saved: OptimizerState<O>): void {
		this.requireLoadable(saved);
		const params = this.paramGroups.flatMap((group) => group.params);
		saved.paramGroups.forEach((group, i) => {
			const { params: _, ...options } = group;
			Object.assign(this.paramGroups[i]!, options);
		});
		noGrad(() => {
			const loads = params.map((param, i) => {
				const own = Object.entries(saved.state[String(i)] ?? {});
				const keys = own.flatMap(([key, value]) => (value instanceof Tensor && !isCounter(key) ? [key] : []));
				return { param, own, keys, state: this.#emptied(param, keys) };
			});
			addState(loads);
			for (const { param, own, state } of loads) {
				// In the order of the saved state, so that it is saved again with the same bytes.
				const loaded: ParamState = {};
				for (const [key, value] of own) {
					if (!(value instanceof Tensor)) loaded[key] = value;
					else if (isCounter(key)) loaded[key] = loadedCount(value, (count) => keep(clone(count)));
					else loaded[key] = copy_(state[key] as Tensor, value);
				}
				this.state.set(param, loaded);
			}
		});
	}

	/** Makes a state for `param` with the memory of the present one for `keys`, as far as it can hold them. Frees the rest. */
	#emptied(param: Tensor, keys: readonly string[]): ParamState {
		const state: ParamState = {};
		for (const [key, value] of Object.entries(this.state.get(param) ?? {})) {
			if (!(value instanceof Tensor)) continue;
			// Parameters share their count of steps, which may have been freed with another one's state.
			if (keys.includes(key) && value.storage.isVoid !== true && holdsStateOf(param, value)) state[key] = value;
			else value.dispose();
		}
		return state;
	}

	/**
	 * What `loadStateDict` would throw. Changes nothing.
	 *
	 * @internal
	 */
	requireLoadable(saved: OptimizerState<O>): void {
		const name = `${this.constructor.name}.loadStateDict`;
		const { state } = checkState<OptimizerState<O>>(name, saved, { state: isObject, paramGroups: isListOf(isObject) });
		this.#checkGroups(name, saved.paramGroups);
		const params = this.paramGroups.flatMap((group) => group.params);
		for (const [index, own] of Object.entries(state)) checkParamState(name, index, params, own);
	}
}

/** Whether an entry of a state counts steps: it is a number, or a tensor where a GradScaler may skip steps. */
function isCounter(key: string): boolean {
	return key === 'step' || key === 'muProduct';
}

/** Throws an ArgumentError unless `state` can be the state of parameter `index`. */
function checkParamState(name: string, index: string, params: readonly Tensor[], state: unknown): void {
	const param = params[Number(index)];
	if (param === undefined || String(Number(index)) !== index)
		throw new ArgumentError(`${name}: the state names parameter ${index}; there are ${params.length}`);
	if (!isObject(state)) throw new ArgumentError(`${name}: the state of parameter ${index} is not an object`);
	for (const [key, value] of Object.entries(state)) {
		const subject = `'${key}' of parameter ${index}`;
		const count = value instanceof Tensor && isCounter(key) && value.size === 1 ? loadedCount(value, () => value) : value;
		if (count instanceof Tensor ? isCounter(key) && count.size !== 1 : !Number.isFinite(count))
			throw new ArgumentError(`${name}: ${subject} is neither a number nor a tensor of one element`);
		if (key === 'step' && !(count instanceof Tensor) && !isCount(count))
			throw new ArgumentError(`${name}: ${subject} is ${String(count)}, which is not a number of steps`);
		if (value instanceof Tensor && !isCounter(key) && !sameShape(value.shape, param.shape))
			throw new ArgumentError(`${name}: ${subject} has shape [${value.shape}], the parameter [${param.shape}]`);
	}
}

/** Whether an option of a state has the type of the default, `own`. */
function isLike(value: unknown, own: unknown): boolean {
	if (Array.isArray(own)) return isListOf(isNumber, own.length)(value);
	// `validate` checks the type of options that may be null.
	return own === null || typeof value === typeof own;
}

/** Throws an ArgumentError unless `optimizer` is one. */
export function requireOptimizer(operation: string, optimizer: unknown): asserts optimizer is Optimizer<CommonOptions> {
	requireInstance(operation, 'optimizer', optimizer, Optimizer, 'an optimizer, such as new optim.Adam(model.parameters())');
}

/** Throws an ArgumentError that names the optimizer unless `betas` are two numbers in [0, 1). */
export function requireBetas(optimizer: string, betas: readonly number[]): void {
	requireListOf(optimizer, 'betas', betas, () => true, 'two numbers', 2);
	for (const beta of betas) requireFraction(optimizer, 'betas', beta, '[0, 1)');
}

/** The kernels rely on a state on the device of its parameter, which moves with its model. */
function requireStateOf(operation: string, param: Tensor, state: ParamState | undefined): void {
	for (const key in state) {
		const value = state[key];
		// A count that a GradScaler keeps on the device moves with the next step.
		if (!(value instanceof Tensor) || key === 'step' || value.device === param.device) continue;
		throw new ArgumentError(
			`${operation}: a parameter is on ${param.device}, but its state '${key}' on ${value.device}. Move the model before you create the optimizer, or create a new one and pass its loadStateDict the stateDict() from before`,
		);
	}
}

/** The kernels rely on a gradient with the shape, dtype and device of its parameter. */
function requireGradientOf(operation: string, param: Tensor, gradient: Tensor): void {
	if (sameShape(param.shape, gradient.shape) && param.dtype === gradient.dtype && param.device === gradient.device) return;
	const facts = ({ shape, dtype, device }: Tensor) => `${formatShape(shape)} ${dtype} on ${device}`;
	throw new ArgumentError(
		`${operation}: a parameter of ${facts(param)} has a gradient of ${facts(gradient)}; shape, dtype and device must be equal`,
	);
}
