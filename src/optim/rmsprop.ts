/** RMSprop, Adagrad and Adadelta, which derive a rate per element from its squared gradients. */
import { optimizerKernels } from '../backends/kernels';
import { requireFraction, requireNonNegative } from '../core/checks';
import { fill_ } from '../ops/inplace';
import type { Tensor } from '../tensor';
import { type CommonOptions, type GroupInput, Optimizer, type ParamGroup, type ParamState } from './optimizer';

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

	protected override update(param: Tensor, gradient: Tensor, group: ParamGroup<RMSpropOptions>, state: ParamState): void {
		const { t: _, ...control } = this.count(state, param);
		const square = this.slot(state, 'squareAvg', param);
		const mean = group.centered ? { mean: this.slot(state, 'gradAvg', param) } : {};
		const buffer = group.momentum > 0 ? { buffer: this.slot(state, 'momentumBuffer', param) } : {};
		optimizerKernels(param.backend).rmspropStep({ gradient, ...control }, { param, square, ...mean, ...buffer }, group);
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

	protected override update(param: Tensor, gradient: Tensor, group: ParamGroup<AdagradOptions>, state: ParamState): void {
		const { t, ...control } = this.count(state, param);
		const first = state.sum === undefined;
		const sum = this.slot(state, 'sum', param);
		if (first && group.initialAccumulatorValue !== 0) fill_(sum, group.initialAccumulatorValue);
		const lr = group.lr / (1 + (t - 1) * group.lrDecay);
		optimizerKernels(param.backend).adagradStep({ gradient, ...control }, { param, sum }, { ...group, lr });
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

	protected override update(param: Tensor, gradient: Tensor, group: ParamGroup<AdadeltaOptions>, state: ParamState): void {
		const { t: _, ...control } = this.count(state, param);
		const square = this.slot(state, 'squareAvg', param);
		const changes = this.slot(state, 'accDelta', param);
		optimizerKernels(param.backend).adadeltaStep({ gradient, ...control }, { param, square, changes }, group);
	}
}
