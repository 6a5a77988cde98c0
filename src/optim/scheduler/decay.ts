/** Monotonic and other simple schedules. */
import { requireCounts, requireFraction, requireNumber, requirePositive } from '../../core/checks';
import { checkOptions } from '../../core/options';
import type { CommonOptions, Optimizer } from '../optimizer';
import { RateScheduler, requireMilestones, type SchedulerOptions } from './base';

/** Multiplies the rate by `gamma` (default 0.1) every `stepSize` steps. */
export class StepLR extends RateScheduler {
	readonly gamma: number;

	constructor(
		optimizer: Optimizer<CommonOptions>,
		readonly stepSize: number,
		options: SchedulerOptions & { gamma?: number } = {},
	) {
		const { gamma = 0.1, ...rest } = checkOptions('StepLR', options, ['lastEpoch', 'gamma']);
		super(optimizer, rest);
		requireCounts('StepLR', { stepSize }, 1);
		this.gamma = gamma;
		this.start();
	}

	protected override rate(_base: number, current: number): number {
		return this.lastEpoch === 0 || this.lastEpoch % this.stepSize !== 0 ? current : current * this.gamma;
	}
}

/** Multiplies the rate by `gamma` at every step. */
export class ExponentialLR extends RateScheduler {
	constructor(
		optimizer: Optimizer<CommonOptions>,
		readonly gamma: number,
		options: SchedulerOptions = {},
	) {
		super(optimizer, options);
		requireNumber('ExponentialLR', 'gamma', gamma);
		this.start();
	}

	protected override rate(_base: number, current: number): number {
		return this.lastEpoch === 0 ? current : current * this.gamma;
	}
}

/**
 * Falls along half a cosine from the base rate to `etaMin` (default 0) over `tMax` steps, and then rises again. Loshchilov and Hutter 2017.
 */
export class CosineAnnealingLR extends RateScheduler {
	readonly etaMin: number;

	constructor(
		optimizer: Optimizer<CommonOptions>,
		readonly tMax: number,
		options: SchedulerOptions & { etaMin?: number } = {},
	) {
		const { etaMin = 0, ...rest } = checkOptions('CosineAnnealingLR', options, ['lastEpoch', 'etaMin']);
		super(optimizer, rest);
		requirePositive('CosineAnnealingLR', 'tMax', tMax);
		this.etaMin = etaMin;
		this.start();
	}

	// After the first step, PyTorch's recurrence instead of the closed form, to continue from a rate that other code has changed.
	protected override rate(base: number, current: number): number {
		const { lastEpoch: t, tMax, etaMin } = this;
		if (t === 0) return current;
		if (this.starting) return etaMin + ((base - etaMin) * (1 + Math.cos((Math.PI * t) / tMax))) / 2;
		if ((t - 1 - tMax) % (2 * tMax) === 0) return current + ((base - etaMin) * (1 - Math.cos(Math.PI / tMax))) / 2;
		return ((1 + Math.cos((Math.PI * t) / tMax)) / (1 + Math.cos((Math.PI * (t - 1)) / tMax))) * (current - etaMin) + etaMin;
	}
}

/**
 * A warm-up: moves linearly from `startFactor` (default 1/3) to `endFactor` (default 1) times the base rate over `totalIters` (default 5)
 * steps.
 */
export class LinearLR extends RateScheduler {
	readonly startFactor: number;
	readonly endFactor: number;
	readonly totalIters: number;

	constructor(
		optimizer: Optimizer<CommonOptions>,
		options: SchedulerOptions & { startFactor?: number; endFactor?: number; totalIters?: number } = {},
	) {
		const {
			startFactor = 1 / 3,
			endFactor = 1,
			totalIters = 5,
			...rest
		} = checkOptions('LinearLR', options, ['lastEpoch', 'startFactor', 'endFactor', 'totalIters']);
		super(optimizer, rest);
		requireFraction('LinearLR', 'startFactor', startFactor, '(0, 1]');
		requireFraction('LinearLR', 'endFactor', endFactor);
		this.startFactor = startFactor;
		this.endFactor = endFactor;
		this.totalIters = totalIters;
		this.start();
	}

	protected override rate(_base: number, current: number): number {
		const { lastEpoch: t, startFactor, endFactor, totalIters } = this;
		if (t === 0) return current * startFactor;
		if (t > totalIters) return current;
		return current * (1 + (endFactor - startFactor) / (totalIters * startFactor + (t - 1) * (endFactor - startFactor)));
	}
}

/** Multiplies the rate by `gamma` (default 0.1) at each milestone. A repeated milestone counts repeatedly. */
export class MultiStepLR extends RateScheduler {
	readonly gamma: number;

	constructor(
		optimizer: Optimizer<CommonOptions>,
		readonly milestones: readonly number[],
		options: SchedulerOptions & { gamma?: number } = {},
	) {
		requireMilestones('MultiStepLR', milestones);
		const { gamma = 0.1, ...rest } = checkOptions('MultiStepLR', options, ['lastEpoch', 'gamma']);
		super(optimizer, rest);
		this.gamma = gamma;
		this.start();
	}

	protected override rate(_base: number, current: number): number {
		return current * this.gamma ** this.milestones.filter((milestone) => milestone === this.lastEpoch).length;
	}
}

/** `factor` (default 1/3) times the base rate until step `totalIters` (default 5), then the base rate. */
export class ConstantLR extends RateScheduler {
	readonly factor: number;
	readonly totalIters: number;

	constructor(optimizer: Optimizer<CommonOptions>, options: SchedulerOptions & { factor?: number; totalIters?: number } = {}) {
		const {
			factor = 1 / 3,
			totalIters = 5,
			...rest
		} = checkOptions('ConstantLR', options, ['lastEpoch', 'factor', 'totalIters']);
		super(optimizer, rest);
		requireFraction('ConstantLR', 'factor', factor, '(0, 1]');
		this.factor = factor;
		this.totalIters = totalIters;
		this.start();
	}

	protected override rate(_base: number, current: number): number {
		if (this.lastEpoch === 0) return current * this.factor;
		return this.lastEpoch === this.totalIters ? current * (1 / this.factor) : current;
	}
}

/** (1 - t / totalIters)^power times the base rate, and 0 after `totalIters` (default 5) steps. Default power 1. */
export class PolynomialLR extends RateScheduler {
	readonly totalIters: number;
	readonly power: number;

	constructor(optimizer: Optimizer<CommonOptions>, options: SchedulerOptions & { totalIters?: number; power?: number } = {}) {
		const { totalIters = 5, power = 1, ...rest } = checkOptions('PolynomialLR', options, ['lastEpoch', 'totalIters', 'power']);
		super(optimizer, rest);
		requirePositive('PolynomialLR', 'totalIters', totalIters);
		this.totalIters = totalIters;
		this.power = power;
		this.start();
	}

	protected override rate(_base: number, current: number): number {
		const { lastEpoch: t, totalIters, power } = this;
		if (t === 0 || t > totalIters) return current;
		return current * ((1 - t / totalIters) / (1 - (t - 1) / totalIters)) ** power;
	}
}

/** Maps the step to a factor: one function for all groups, or one per group. */
export type LRFunction = ((epoch: number) => number) | readonly ((epoch: number) => number)[];

/** The base rate times the function of the step. Functions are not part of the state. */
export class LambdaLR extends RateScheduler {
	readonly #lambdas: readonly ((epoch: number) => number)[];

	constructor(optimizer: Optimizer<CommonOptions>, lrLambda: LRFunction, options: SchedulerOptions = {}) {
		super(optimizer, options);
		this.#lambdas = this.perGroup('lrLambda', lrLambda, 'function');
		this.start();
	}

	protected override rate(base: number, _current: number, group: number): number {
		return base * this.#lambdas[group]!(this.lastEpoch);
	}
}

/** Multiplies the rate by the function of the step at every step except the first. Functions are not part of the state. */
export class MultiplicativeLR extends RateScheduler {
	readonly #lambdas: readonly ((epoch: number) => number)[];

	constructor(optimizer: Optimizer<CommonOptions>, lrLambda: LRFunction, options: SchedulerOptions = {}) {
		super(optimizer, options);
		this.#lambdas = this.perGroup('lrLambda', lrLambda, 'function');
		this.start();
	}

	protected override rate(_base: number, current: number, group: number): number {
		return this.lastEpoch > 0 ? current * this.#lambdas[group]!(this.lastEpoch) : current;
	}

	/** Continues from the rate that the previous schedule has reached. */
	override restart(): void {
		this.begin();
	}
}
