/**
 * Optimizers in Keras files: Adam, AdamW, SGD and RMSprop with their state.
 *
 * Keras adds epsilon to the root of the uncorrected square in Adam, and within the root in RMSprop; PyTorch after the correction and
 * after the root. Steps therefore differ a little where gradients are tiny. RMSprop's epsilon becomes its root, which agrees at 0.
 */
import { noGrad } from '../../autograd/modes';
import { ArgumentError } from '../../core/errors';
import { numel, sameShape } from '../../core/shape';
import { zerosLike } from '../../ops/creation';
import { mul } from '../../ops/elementwise';
import { contiguous } from '../../ops/layout';
import { Adam, type AdamOptions, AdamW, type Optimizer, RMSprop, type RMSpropOptions, SGD, type SGDOptions } from '../../optim';
import type { ParamState } from '../../optim/state';
import { Tensor } from '../../tensor';
import { tidy } from '../../tidy';
import type { KerasModel, OwnedSlot, StoredWeight } from './model';
import { type Config, fail, objectOf, Settings, told } from './settings';
import type { Slot } from './slots';

export type KerasOptimizer = Adam | SGD | RMSprop;

/** One kind of state: its name in wgrad and in Keras, and the factor from Keras's values to wgrad's. */
interface Kind {
	readonly own: string;
	readonly name: string;
	readonly factor: number;
}

/** What Keras keeps for each variable, in its order. */
function kindsOf(optimizer: KerasOptimizer): Kind[] {
	const [group] = optimizer.paramGroups;
	if (optimizer instanceof Adam) {
		const { amsgrad } = group as AdamOptions;
		const kinds = [
			{ own: 'expAvg', name: 'momentum', factor: 1 },
			{ own: 'expAvgSq', name: 'velocity', factor: 1 },
		];
		return amsgrad ? [...kinds, { own: 'maxExpAvgSq', name: 'velocity_hat', factor: 1 }] : kinds;
	}
	const { lr, momentum } = group as SGDOptions | RMSpropOptions;
	// Keras's momentum includes the learning rate.
	if (optimizer instanceof SGD) return momentum > 0 ? [{ own: 'momentumBuffer', name: 'momentum', factor: -1 / lr }] : [];
	const kinds = [{ own: 'squareAvg', name: 'velocity', factor: 1 }];
	if (momentum > 0) kinds.push({ own: 'momentumBuffer', name: 'momentum', factor: 1 / lr });
	if ((group as RMSpropOptions).centered) kinds.push({ own: 'gradAvg', name: 'average_gradient', factor: 1 });
	return kinds;
}

/** Makes the optimizer that `value`, { class_name, config }, describes. */
function makeOptimizer(value: unknown, params: readonly Tensor[]): KerasOptimizer {
	const object = typeof value === 'string' ? { className: value, config: {} } : objectOf(value);
	if (object === null) return fail('it has no optimizer');
	const name = object.className.replace(/^.*>/, '');
	const settings = new Settings('the optimizer', name, object.config);
	const given = settings.get('learning_rate') ?? settings.get('lr');
	const lr = typeof given === 'number' ? given : initialRate(given, settings);
	const decay = settings.get('weight_decay') === undefined ? 0 : settings.number('weight_decay');
	const eps = settings.number('epsilon', 1e-7);
	for (const clip of ['clipnorm', 'clipvalue', 'global_clipnorm']) settings.requireEqual(clip, null);
	switch (name.toLowerCase()) {
		case 'adam':
		case 'adamw': {
			const betas = [settings.number('beta_1', 0.9), settings.number('beta_2', 0.999)] as const;
			const options = { lr, betas, eps, amsgrad: settings.boolean('amsgrad', false) };
			// Keras decays the weights of Adam apart from the gradient, as AdamW does.
			const weightDecay = name.toLowerCase() === 'adamw' && settings.get('weight_decay') === undefined ? 0.004 : decay;
			return weightDecay === 0 ? new Adam(params, options) : new AdamW(params, { ...options, weightDecay });
		}
		case 'sgd':
			settings.requireEqual('weight_decay', null, 0);
			return new SGD(params, {
				lr,
				momentum: settings.number('momentum', 0),
				nesterov: settings.number('momentum', 0) > 0 && settings.boolean('nesterov', false),
			});
		case 'rmsprop': {
			settings.requireEqual('weight_decay', null, 0);
			const options = { momentum: settings.number('momentum', 0), centered: settings.boolean('centered', false) };
			return new RMSprop(params, { lr, alpha: settings.number('rho', 0.9), eps: Math.sqrt(eps), ...options });
		}
		default:
			return fail(`the optimizer '${name}' has no counterpart; Adam, AdamW, SGD and RMSprop have`);
	}
}

function initialRate(value: unknown, settings: Settings): number {
	if (value === undefined) return settings.className.toLowerCase() === 'sgd' ? 0.01 : 0.001;
	const rate = objectOf(value)?.config.initial_learning_rate;
	return typeof rate === 'number' ? rate : settings.fail(`has the learning rate ${told(value)}`);
}

/** The optimizer that a file describes, for all parameters of the model. `stored`: the optimizer's variables in the file, in order. */
export function readOptimizer(
	value: unknown,
	stored: readonly StoredWeight[],
	model: KerasModel,
	slots: readonly OwnedSlot[],
): KerasOptimizer {
	const params = model.parameters();
	const optimizer = makeOptimizer(value, params);
	if (stored.length === 0) return optimizer;
	const trained = slots.filter((owned) => owned.trained).map(({ slot }) => slot);
	const kinds = kindsOf(optimizer);
	// A step count and perhaps a learning rate come first; every other variable has the shape of a weight.
	const scalars = stored.findIndex(({ name, shape }) => shape.length > 0 && !/iter/.test(name));
	const counts = stored.slice(0, scalars < 0 ? stored.length : scalars);
	const variables = stored.slice(counts.length);
	if (variables.length !== kinds.length * trained.length) {
		fail(
			`the optimizer has ${variables.length} variables, and ${trained.length} trained weights with ${kinds.length} each need ${kinds.length * trained.length}`,
		);
	}
	const at = arrangementOf(optimizer, variables, trained, kinds.length);
	const device = params[0]?.device ?? 'cpu';
	const [count] = counts;
	const states = new Map<Tensor, ParamState>();
	return noGrad(() =>
		tidy(() => {
			const step = count === undefined ? 0 : stepOf(count);
			trained.forEach((slot, i) => {
				kinds.forEach(({ own, factor }, k) => {
					const variable = variables[at(i, k)]!;
					slot.read(variable.upload(device)).forEach((value, t) => {
						const target = slot.targets[t]!;
						if (!target.requiresGrad) return;
						const state = states.get(target) ?? (optimizer instanceof SGD ? {} : { step });
						state[own] = factor === 1 ? contiguous(value) : mul(value, factor);
						states.set(target, state);
					});
				});
			});
			if (step > 0 || optimizer instanceof SGD) {
				const state = Object.fromEntries(
					params.flatMap((param, i) => (states.has(param) ? [[String(i), states.get(param)!]] : [])),
				);
				load(optimizer, state);
			}
			return optimizer;
		}),
	);
}

function load(optimizer: KerasOptimizer, state: Record<string, ParamState>): void {
	const own = optimizer as Optimizer<AdamOptions>;
	own.loadStateDict({ ...own.stateDict(), state });
}

function stepOf({ name, shape, read }: StoredWeight): number {
	const values = read();
	const step = Number(values[0]);
	if (numel(shape) !== 1 || !Number.isSafeInteger(step) || step < 0)
		fail(`the optimizer's variable "${name}" is no count of steps`);
	return step;
}

/** The position of the variable of kind `kind` of weight `weight`. */
type Arrangement = (weight: number, kind: number) => number;

/** How versions of Keras order the variables; first as this library writes them. */
function arrangements(optimizer: KerasOptimizer, weights: number, kinds: number): readonly [Arrangement, ...Arrangement[]] {
	const grouped: Arrangement = (weight, kind) => kind * weights + weight;
	if (!(optimizer instanceof Adam)) return [grouped, (weight, kind) => weight * kinds + kind];
	// The mean and the square of each weight, then the largest squares.
	return [
		(weight, kind) => (kind < 2 ? weight * 2 + kind : grouped(weight, kind)),
		grouped,
		(weight, kind) => weight * kinds + kind,
	];
}

/** The arrangement that fits the shapes, and if several do the names. */
function arrangementOf(
	optimizer: KerasOptimizer,
	variables: readonly StoredWeight[],
	slots: readonly Slot[],
	kinds: number,
): Arrangement {
	const all = arrangements(optimizer, slots.length, kinds);
	const numbers = Array.from({ length: kinds }, (_, kind) => kind);
	const fitting = all.filter((at) =>
		slots.every(({ shape }, i) => numbers.every((kind) => sameShape(variables[at(i, kind)]!.shape, shape))),
	);
	// Names end or begin with the kind: Adam/dense/kernel/m:0, Adam/m/dense/kernel:0, adam/dense_kernel_momentum.
	const kindIn = ({ name }: StoredWeight) =>
		/(?:^|[/_])(m|v|vhat|momentum|velocity|velocity_hat|rms|mg|average_gradient)(?=[:/]|$)/.exec(name)?.[1];
	const named = fitting.filter((at) =>
		numbers.every((kind) => new Set(slots.map((_, i) => kindIn(variables[at(i, kind)]!))).size === 1),
	);
	return named[0] ?? fitting[0] ?? fail("the optimizer's variables have other shapes than the weights");
}

/** The optimizer's settings and variables, as Keras 3 orders them. */
export interface OptimizerVariables {
	readonly className: string;
	readonly config: Config;
	readonly steps: number;
	readonly variables: readonly { readonly name: string; readonly value: Tensor }[];
}

export function optimizerVariables(operation: string, optimizer: unknown, slots: readonly OwnedSlot[]): OptimizerVariables {
	if (!(optimizer instanceof Adam || optimizer instanceof SGD || optimizer instanceof RMSprop))
		throw new ArgumentError(`${operation}: Keras has a counterpart of the optimizers Adam, AdamW, SGD and RMSprop only`);
	if (optimizer.paramGroups.length !== 1)
		throw new ArgumentError(`${operation}: Keras optimizers have one group of parameters, not ${optimizer.paramGroups.length}`);
	const known: KerasOptimizer = optimizer;
	const { state } = known.stateDict();
	const params = known.paramGroups[0]!.params;
	const kinds = kindsOf(known);
	const trained = slots.filter((owned) => owned.trained);
	const [at] = arrangements(known, trained.length, kinds.length);
	const variables: { name: string; value: Tensor }[] = [];
	trained.forEach(({ leaf, spec, slot }, i) => {
		const own = slot.targets.map((target) => state[String(params.indexOf(target))]);
		kinds.forEach(({ own: key, name, factor }, k) => {
			const values = own.map((found, t) => {
				const value = found?.[key];
				if (!(value instanceof Tensor)) return zerosLike(slot.targets[t]!);
				return factor === 1 ? value : mul(value, 1 / factor);
			});
			variables[at(i, k)] = { name: `${leaf.path.join('_')}_${spec.name}_${name}`, value: slot.write(values, true) };
		});
	});
	const steps = Math.max(0, ...Object.values(state).map(({ step }) => (typeof step === 'number' ? step : 0)));
	return { ...described(known), steps, variables };
}

function described(optimizer: KerasOptimizer): { className: string; config: Config } {
	const [group] = optimizer.paramGroups;
	const { lr, weightDecay } = group!;
	const config = {
		learning_rate: lr,
		weight_decay: null,
		clipnorm: null,
		global_clipnorm: null,
		clipvalue: null,
		use_ema: false,
	};
	if (optimizer instanceof Adam) {
		const { betas, eps, amsgrad } = group as AdamOptions;
		const decoupled = optimizer instanceof AdamW;
		if (weightDecay !== 0 && !decoupled)
			throw new ArgumentError('saveKeras: Keras has no Adam with an L2 penalty; AdamW has decay');
		const own = {
			beta_1: betas[0],
			beta_2: betas[1],
			epsilon: eps,
			amsgrad,
			...(decoupled ? { weight_decay: weightDecay } : {}),
		};
		return { className: decoupled ? 'AdamW' : 'Adam', config: { name: decoupled ? 'adamw' : 'adam', ...config, ...own } };
	}
	if (weightDecay !== 0) throw new ArgumentError(`saveKeras: Keras's ${optimizer.constructor.name} has no L2 penalty`);
	if (optimizer instanceof SGD) {
		const { momentum, nesterov } = group as SGDOptions;
		return { className: 'SGD', config: { name: 'SGD', ...config, momentum, nesterov } };
	}
	const { alpha, eps, momentum, centered } = group as RMSpropOptions;
	return { className: 'RMSprop', config: { name: 'rmsprop', ...config, rho: alpha, momentum, epsilon: eps ** 2, centered } };
}
