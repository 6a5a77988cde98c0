/** RMSprop, Adagrad and Adadelta, which derive a rate per element from its squared gradients. */
import { requireFraction, requireNonNegative } from '../core/checks';
import { fill_ } from '../ops/inplace';
import type { Tensor } from '../tensor';
import { type CommonOptions, type GroupInput, Optimizer, type ParamGroup } from './optimizer';
import type { Target } from './targets';

export interface RMSpropOptions extends CommonOptions {
	/** Decay of the running square. Default 0.99. */
	alpha: number;
	/** Added to the root of the square. Default 1e-8. */
	eps: number;
	/** Default 0. */
	momentum: number;
	/** Divide by the running standard deviation instead of the root of the running square. Default false. */
	centered: boolean;
}

/**
 * v = alpha v + (1 - alpha) g^2, param -= lr g / (sqrt(v) + eps). `centered` subtracts the square of the running mean from v. `momentum`
 * passes the quotient through a momentum buffer. Tieleman and Hinton 2012. Default lr 1e-2. As `torch.optim.RMSprop`.
 */
export class RMSprop extends Optimizer<RMSpropOptions> {
	protected override readonly skipsOnDevice = true;
	constructor(params: Iterable<Tensor> | Iterable<GroupInput<RMSpropOptions>>, options: Partial<RMSpropOptions> = {}) {
		super(
			params,
			{
				lr: 1e-2,
				alpha: 0.99,
				eps: 1e-8,
				momentum: 0,
				centered: false,
				weightDecay: 0,
				l1: 0,
				maximize: false,
			},
			options,
		);
	}

	protected override validate({ alpha, eps, momentum }: ParamGroup<RMSpropOptions>): void {
		requireNonNegative(this.constructor.name, 'alpha', alpha);
		requireNonNegative(this.constructor.name, 'eps', eps);
		requireNonNegative(this.constructor.name, 'momentum', momentum);
	}

	protected override update(targets: readonly Target[], group: ParamGroup<RMSpropOptions>): void {
		const { centered, momentum } = group;
		const slots = ['squareAvg', ...(centered ? ['gradAvg'] : []), ...(momentum > 0 ? ['momentumBuffer'] : [])];
		for (const run of this.counted(targets)) {
			const lists = this.slots(run.targets, slots);
			run.kernels.rmspropStep(
				run.inputs,
				{
					params: run.params,
					square: lists[0]!,
					...(centered && { mean: lists[1]! }),
					...(momentum > 0 && { buffer: lists.at(-1)! }),
				},
				group,
			);
		}
	}
}

export interface AdagradOptions extends CommonOptions {
	/** The rate of step t is lr / (1 + (t - 1) lrDecay). Default 0. */
	lrDecay: number;
	/** Initial value of the sum of squares. Default 0. */
	initialAccumulatorValue: number;
	/** Added to the root of the sum. Default 1e-10. */
	eps: number;
}

/** s += g^2, param -= lr g / (sqrt(s) + eps). Duchi, Hazan and Singer 2011. Default lr 1e-2. As `torch.optim.Adagrad`. */
export class Adagrad extends Optimizer<AdagradOptions> {
	protected override readonly skipsOnDevice = true;
	constructor(params: Iterable<Tensor> | Iterable<GroupInput<AdagradOptions>>, options: Partial<AdagradOptions> = {}) {
		super(
			params,
			{
				lr: 1e-2,
				lrDecay: 0,
				initialAccumulatorValue: 0,
				eps: 1e-10,
				weightDecay: 0,
				l1: 0,
				maximize: false,
			},
			options,
		);
	}

	protected override validate({ lrDecay, initialAccumulatorValue, eps }: ParamGroup<AdagradOptions>): void {
		requireNonNegative(this.constructor.name, 'lrDecay', lrDecay);
		requireNonNegative(this.constructor.name, 'initialAccumulatorValue', initialAccumulatorValue);
		requireNonNegative(this.constructor.name, 'eps', eps);
	}

	protected override update(targets: readonly Target[], group: ParamGroup<AdagradOptions>): void {
		for (const run of this.counted(targets)) {
			const isNew = run.targets.map(({ state }) => state.sum === undefined);
			const [sum] = this.slots(run.targets, ['sum']);
			if (group.initialAccumulatorValue !== 0)
				for (const [i, value] of sum!.entries()) if (isNew[i]) fill_(value, group.initialAccumulatorValue);
			const lr = group.lr / (1 + (run.t - 1) * group.lrDecay);
			run.kernels.adagradStep(run.inputs, { params: run.params, sum: sum! }, { ...group, lr });
		}
	}
}

export interface AdadeltaOptions extends CommonOptions {
	/** Decay of the running squares. Default 0.9. */
	rho: number;
	/** Added to both running squares before the root. Default 1e-6. */
	eps: number;
}

/**
 * v = rho v + (1 - rho) g^2, d = g sqrt((u + eps) / (v + eps)), u = rho u + (1 - rho) d^2, param -= lr d. Zeiler 2012. Default lr 1. As
 * `torch.optim.Adadelta`.
 */
export class Adadelta extends Optimizer<AdadeltaOptions> {
	protected override readonly skipsOnDevice = true;
	constructor(params: Iterable<Tensor> | Iterable<GroupInput<AdadeltaOptions>>, options: Partial<AdadeltaOptions> = {}) {
		super(params, { lr: 1, rho: 0.9, eps: 1e-6, weightDecay: 0, l1: 0, maximize: false }, options);
	}

	protected override validate({ rho, eps }: ParamGroup<AdadeltaOptions>): void {
		requireFraction('Adadelta', 'rho', rho);
		requireNonNegative(this.constructor.name, 'eps', eps);
	}

	protected override update(targets: readonly Target[], group: ParamGroup<AdadeltaOptions>): void {
		for (const run of this.counted(targets)) {
			const [square, changes] = this.slots(run.targets, ['squareAvg', 'accDelta']);
			run.kernels.adadeltaStep(run.inputs, { params: run.params, square: square!, changes: changes! }, group);
		}
	}
}
