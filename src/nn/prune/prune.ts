/**
 * Pruning by masks. A pruned parameter `weight` becomes the parameter `weight_orig` and the buffer `weight_mask` of zeros and ones. The
 * layer computes weight_orig * weight_mask at each use. Masks therefore survive optimizer steps and checkpoints, and pruned elements get
 * no gradient.
 */
import { noGrad } from '../../autograd/modes';
import { requireNumber } from '../../core/checks';
import type { TypedArray } from '../../core/dtype';
import { ArgumentError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { numel, type Shape } from '../../core/shape';
import { tensor } from '../../ops/creation';
import { mul, to } from '../../ops/elementwise';
import { copy_ } from '../../ops/inplace';
import { detach } from '../../ops/layout';
import type { Tensor } from '../../tensor';
import { requireSameDevice, requireShape, requireTensor } from '../../tensorChecks';
import { tidy } from '../../tidy';
import { type Module, requireModule } from '../module';
import { computeProperty, type OwnParameter, ownParameter, restoreProperty } from '../parametrize';
import { anyChannels, anyOf, Channels, type Mask, type Scores, smallest, smallestChannels } from './masks';

export interface ScoreOptions {
	/** Values to compare instead of the parameter's, in the parameter's shape. */
	readonly importanceScores?: Tensor;
}

/** The property of a module that holds its pruned parameters by name. A property, so that a clone has its own. */
const PRUNED = Symbol('pruned');

function prunedOf(module: Module): Map<string, OwnParameter> | undefined {
	return (module as { [PRUNED]?: Map<string, OwnParameter> })[PRUNED];
}

type Choose = (scores: Scores, mask: Mask, shape: Shape) => Mask | Promise<Mask>;

/** A parameter, pruned or not, with its current mask. */
interface Target {
	readonly parameter: Tensor;
	/** Null before the first pruning. */
	readonly mask: Tensor | null;
}

function targetOf(operation: string, module: Module, name: string): Target {
	requireModule(operation, 'module', module);
	const found = prunedOf(module)?.get(name);
	return found === undefined
		? { parameter: ownParameter(operation, module, name).parameter, mask: null }
		: { parameter: found.parameter, mask: module.buffer(`${name}_mask`) };
}

/** Reads the mask to the host. */
async function maskData({ parameter, mask }: Target): Promise<Mask> {
	if (mask === null) return new Uint8Array(parameter.size).fill(1);
	return Uint8Array.from(await mask.data(), (value) => Number(value !== 0));
}

/** The values to compare: those given, or the masked parameter's. */
async function scoreData(operation: string, target: Target, given: Tensor | undefined): Promise<TypedArray> {
	if (given === undefined) return scoresOf(target);
	requireTensor(operation, given, 'importanceScores');
	requireShape(operation, 'importanceScores', given, target.parameter.shape, target.parameter, 'the parameter');
	return given.data();
}

async function scoresOf({ parameter, mask }: Target): Promise<TypedArray> {
	using values = noGrad(() => (mask === null ? detach(parameter) : mul(parameter, mask)));
	return await values.data();
}

/** Multiplies the mask of a parameter by `mask`, which has the parameter's shape. */
function setMask(operation: string, module: Module, name: string, mask: Tensor): void {
	const { parameter, mask: earlier } = targetOf(operation, module, name);
	noGrad(() =>
		tidy(() => {
			const own = to(mask, parameter.dtype);
			if (earlier !== null) copy_(earlier, mul(earlier, own));
			else reparametrize(operation, module, name, mul(own, 1));
		}),
	);
}

/** Splits a parameter into `<name>_orig` and `<name>_mask`. */
function reparametrize(operation: string, module: Module, name: string, mask: Tensor): void {
	const found = ownParameter(operation, module, name);
	computeProperty(module, found.property, (owner) => mul(owner.getParameter(`${name}_orig`), owner.buffer(`${name}_mask`)));
	module.registerParameter(`${name}_orig`, found.parameter);
	module.registerBuffer(`${name}_mask`, mask);
	const names = prunedOf(module) ?? new Map<string, OwnParameter>();
	Object.defineProperty(module, PRUNED, { value: names.set(name, found), configurable: true });
}

async function prune<M extends Module>(
	operation: string,
	module: M,
	name: string,
	choose: Choose,
	options: ScoreOptions = {},
): Promise<M> {
	const { importanceScores } = checkOptions(operation, options, ['importanceScores']);
	const target = targetOf(operation, module, name);
	const scores = await scoreData(operation, target, importanceScores);
	const mask = await choose(scores, await maskData(target), target.parameter.shape);
	using values = maskTensor(mask, target.parameter);
	setMask(operation, module, name, values);
	return module;
}

function maskTensor(mask: Mask, { shape, dtype, device }: Tensor): Tensor {
	return tensor(Float32Array.from(mask), { shape, dtype, device });
}

/**
 * Prunes the elements with the smallest absolute values. `amount`: a fraction below 1 of the elements that are left, or a whole number of
 * elements; ties prune the element that comes first. As `torch.nn.utils.prune.l1_unstructured`.
 */
export function l1Unstructured<M extends Module>(
	module: M,
	name: string,
	amount: number,
	options: ScoreOptions = {},
): Promise<M> {
	return prune('l1Unstructured', module, name, byL1('l1Unstructured', amount), options);
}

function byL1(operation: string, amount: number): Choose {
	const choose = smallest(operation, amount);
	return (scores, mask) => choose(Float64Array.from(scores, Math.abs), mask);
}

/** Prunes random elements. `amount` as in `l1Unstructured`. As `torch.nn.utils.prune.random_unstructured`. */
export function randomUnstructured<M extends Module>(module: M, name: string, amount: number): Promise<M> {
	return prune('randomUnstructured', module, name, anyOf('randomUnstructured', amount));
}

/**
 * Prunes the channels along `dim` with the smallest `n`-norm (n may be Infinity). `amount`: a fraction below 1 of the channels that are
 * left, or a whole number of channels. `dim` 0 prunes output channels. As `torch.nn.utils.prune.ln_structured`.
 */
export function lnStructured<M extends Module>(
	module: M,
	name: string,
	amount: number,
	n: number,
	dim: number,
	options: ScoreOptions = {},
): Promise<M> {
	requireNumber('lnStructured', 'n', n);
	const choose: Choose = (scores, mask, shape) =>
		smallestChannels('lnStructured', amount, new Channels('lnStructured', shape, dim), n)(scores, mask);
	return prune('lnStructured', module, name, choose, options);
}

/** Prunes random channels along `dim`. `amount` as in `lnStructured`. As `torch.nn.utils.prune.random_structured`. */
export function randomStructured<M extends Module>(module: M, name: string, amount: number, dim: number): Promise<M> {
	const choose: Choose = (scores, mask, shape) =>
		anyChannels('randomStructured', amount, new Channels('randomStructured', shape, dim))(scores, mask);
	return prune('randomStructured', module, name, choose);
}

export interface GlobalOptions {
	/** A fraction below 1 of all elements that are left, or a whole number of elements. */
	readonly amount: number;
	/** For each parameter, a tensor to compare instead of its values, or undefined. */
	readonly importanceScores?: readonly (Tensor | undefined)[];
}

/**
 * Prunes several parameters together, so that layers with smaller values lose more. `method` is `l1Unstructured` or `randomUnstructured`.
 * As `torch.nn.utils.prune.global_unstructured`.
 */
export async function globalUnstructured(
	parameters: readonly (readonly [module: Module, name: string])[],
	method: typeof l1Unstructured | typeof randomUnstructured,
	options: GlobalOptions,
): Promise<void> {
	const operation = 'globalUnstructured';
	const { amount, importanceScores = [] } = checkOptions(operation, options, ['amount', 'importanceScores']);
	if (method !== l1Unstructured && method !== randomUnstructured)
		throw new ArgumentError(`${operation}: the method must be nn.prune.l1Unstructured or nn.prune.randomUnstructured`);
	if (!Array.isArray(parameters) || parameters.length === 0)
		throw new ArgumentError(`${operation}: it takes a list of [module, name], such as [[model.at(0), 'weight']]`);
	const targets = parameters.map(([module, name]) => targetOf(operation, module, name));
	const scores = await Promise.all(targets.map((target, i) => scoreData(operation, target, importanceScores[i])));
	const masks = await Promise.all(targets.map(maskData));
	const choose = method === l1Unstructured ? byL1(operation, amount) : anyOf(operation, amount);
	const size = targets.reduce((sum, { parameter }) => sum + numel(parameter.shape), 0);
	const mask = await choose(joined(scores, new Float64Array(size)), joined(masks, new Uint8Array(size)), [size]);
	let start = 0;
	for (const [i, [module, name]] of parameters.entries()) {
		const { parameter } = targets[i]!;
		using values = maskTensor(mask.subarray(start, start + parameter.size), parameter);
		setMask(operation, module, name, values);
		start += parameter.size;
	}
}

function joined<A extends Float64Array | Uint8Array>(parts: readonly ArrayLike<number>[], result: A): A {
	let start = 0;
	for (const part of parts) {
		result.set(part, start);
		start += part.length;
	}
	return result;
}

/** Prunes the elements where `mask`, in the parameter's shape, is 0. As `torch.nn.utils.prune.custom_from_mask`. */
export function customFromMask<M extends Module>(module: M, name: string, mask: Tensor): M {
	const { parameter } = targetOf('customFromMask', module, name);
	requireTensor('customFromMask', mask, 'mask');
	requireShape('customFromMask', 'the mask', mask, parameter.shape, parameter, 'the parameter');
	requireSameDevice('customFromMask', mask, parameter);
	setMask('customFromMask', module, name, mask);
	return module;
}

/**
 * Prunes nothing, but gives the parameter a mask, for example before `loadStateDict` of a pruned model. As
 * `torch.nn.utils.prune.identity`.
 */
export function identity<M extends Module>(module: M, name: string): M {
	const { parameter } = targetOf('identity', module, name);
	using mask = maskTensor(new Uint8Array(parameter.size).fill(1), parameter);
	setMask('identity', module, name, mask);
	return module;
}

/** Makes pruning permanent: the parameter holds its masked values, and the mask is gone. As `torch.nn.utils.prune.remove`. */
export function remove<M extends Module>(module: M, name: string): M {
	const names = prunedOf(module);
	const found = names?.get(name);
	if (names === undefined || found === undefined)
		throw new ArgumentError(`remove: '${name}' of ${module.constructor.name} is not pruned`);
	const { parameter, property } = found;
	const mask = module.buffer(`${name}_mask`);
	noGrad(() => tidy(() => void copy_(parameter, mul(parameter, mask))));
	names.delete(name);
	module.registerBuffer(`${name}_mask`, null);
	delete (module as unknown as Record<string, unknown>)[`${name}_orig`];
	restoreProperty(module, property, parameter);
	mask.dispose();
	return module;
}

/** Whether the module or one of its descendants has a mask. As `torch.nn.utils.prune.is_pruned`. */
export function isPruned(module: Module): boolean {
	return module.modules().some((part) => prunedNames(part).length > 0);
}

/** The names of the module's own pruned parameters. */
export function prunedNames(module: Module): string[] {
	return [...(prunedOf(module)?.keys() ?? [])];
}
