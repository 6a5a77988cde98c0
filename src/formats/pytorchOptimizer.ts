/**
 * The states of PyTorch's optimizers, which differ from ours in the case of names, in options, and in counts, which are tensors there.
 */
import { requireInstance } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { isObject } from '../core/state';
import { tensor } from '../ops/creation';
import { type CommonOptions, Optimizer, type OptimizerState } from '../optim/optimizer';
import type { ParamState } from '../optim/state';
import { Tensor } from '../tensor';

/** Options that say how PyTorch computes, and a mark of AdamW: they are dropped where we have no such option. */
const DROPPED = new Set(['foreach', 'capturable', 'differentiable', 'fused', 'decoupledWeightDecay']);
/** Options that old versions of PyTorch, or all, lack. */
const MISSING = { l1: 0, maximize: false, decoupledWeightDecay: false };

const camel = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/**
 * Gives an optimizer the state of PyTorch's of the same kind: what `loadPyTorch` read of an `optimizer.state_dict()`. The parameters must have the
 * same order. Throws an ArgumentError unless the state fits.
 */
export async function loadPyTorchOptimizer<O extends CommonOptions>(optimizer: Optimizer<O>, state: unknown): Promise<void> {
	requireOptimizer('loadPyTorchOptimizer', optimizer);
	if (!isObject(state) || !isObject(state.state) || !Array.isArray(state.param_groups))
		throw new ArgumentError(
			"loadPyTorchOptimizer: the state must be that of PyTorch's optimizer.state_dict(), with state and param_groups",
		);
	const groups = state.param_groups.map((group: unknown) => {
		if (isObject(group) && Array.isArray(group.params)) return group as Record<string, unknown> & { params: unknown[] };
		throw new ArgumentError('loadPyTorchOptimizer: each of param_groups must be a dict with params');
	});
	/** Maps PyTorch's indices of parameters to ours. */
	const numbers = new Map(groups.flatMap(({ params }) => params).map((id, i) => [String(id), i]));
	const states = Object.entries(state.state).map(
		async ([id, own]) => [numbers.get(id) ?? id, isObject(own) ? await ownState(own) : own] as const,
	);
	const hasOption = (name: string) => Object.hasOwn(optimizer.paramGroups[0]!, name);
	const paramGroups = groups.map(({ params, ...options }) => {
		const named = Object.entries(options).map(([name, value]) => [camel(name), value] as const);
		const missing = Object.entries(MISSING).filter(([name]) => hasOption(name));
		const own = named.filter(([name]) => !DROPPED.has(name) || hasOption(name));
		return { ...Object.fromEntries([...missing, ...own]), params: params.map((id) => numbers.get(String(id))) };
	});
	const saved = { state: Object.fromEntries(await Promise.all(states)), paramGroups };
	optimizer.loadStateDict(saved as unknown as OptimizerState<O>);
}

function requireOptimizer(operation: string, optimizer: unknown): void {
	requireInstance(operation, 'the optimizer', optimizer, Optimizer, 'an optimizer, such as optim.Adam');
}

/** A parameter's state with our names, its counts as numbers, and without the entries that are None. */
async function ownState(saved: Readonly<Record<string, unknown>>): Promise<ParamState> {
	const entries = Object.entries(saved).filter(([, value]) => value !== null);
	const values = entries.map(async ([name, value]) => {
		const isCount = (name === 'step' || name === 'mu_product') && value instanceof Tensor && value.size === 1;
		return [camel(name), isCount ? (await value.data())[0]! : value] as const;
	});
	return Object.fromEntries(await Promise.all(values)) as ParamState;
}

/**
 * The state of an optimizer as `load_state_dict` of PyTorch's optimizer of the same kind takes it, for `savePyTorch`. Throws an ArgumentError for an
 * `l1` that is not 0, which PyTorch lacks.
 */
export async function pyTorchOptimizerState<O extends CommonOptions>(optimizer: Optimizer<O>): Promise<object> {
	requireOptimizer('pyTorchOptimizerState', optimizer);
	const { state, paramGroups } = optimizer.stateDict();
	if (paramGroups.some(({ l1 }) => l1 !== 0))
		throw new ArgumentError('pyTorchOptimizerState: PyTorch has no option l1; set it to 0');
	const states = Object.entries(state).map(async ([index, own]) => {
		const values = Object.entries(own).map(async ([name, value]) => [snake(name), await theirs(name, value)] as const);
		return [Number(index), Object.fromEntries(await Promise.all(values))] as const;
	});
	const groups = paramGroups.map((group) => {
		const options = Object.entries(group).filter(([name]) => name !== 'l1');
		return Object.fromEntries(options.map(([name, value]) => [snake(name), value]));
	});
	return { state: new Map(await Promise.all(states)), param_groups: groups };
}

/** A count is a scalar on the host. */
async function theirs(name: string, value: Tensor | number): Promise<Tensor> {
	if (value instanceof Tensor && name !== 'step' && name !== 'muProduct') return value;
	const count = value instanceof Tensor ? (await value.data())[0]! : value;
	return tensor(count, { dtype: 'float32', device: 'cpu' });
}
