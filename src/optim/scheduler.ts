/**
 * Learning-rate schedules. A scheduler sets the `lr` of its optimizer's groups when it is made (epoch 0) and at each `step()`.
 * Rates are computed in closed form from the step count where there is one, on the host, in float64. As `torch.optim.lr_scheduler`.
 */
import { ArgumentError } from '../core/errors';
import type { CommonOptions, Optimizer } from './optimizer';

/** State as plain data: see `stateDict`. */
export type SchedulerState = Readonly<Record<string, unknown>>;

export interface SchedulerOptions {
	/** The index of the last step, to resume at. Default -1: start. */
	readonly lastEpoch?: number;
}

export abstract class LRScheduler {
	/** Steps taken so far. */
	lastEpoch: number;
	/** The rate of each group before any schedule. */
	readonly baseLrs: readonly number[];

	constructor(
		readonly optimizer: Optimizer<CommonOptions>,
		{ lastEpoch = -1 }: SchedulerOptions = {},
	) {
		for (const group of optimizer.paramGroups) group.initialLr ??= group.lr;
		this.baseLrs = optimizer.paramGroups.map((group) => group.initialLr ?? group.lr);
		this.lastEpoch = lastEpoch;
	}

	/** The rate of a group after `lastEpoch` steps, given its base rate and its rate now. */
	protected abstract rate(base: number, current: number, group: number): number;

	/** Subclasses call it at the end of their constructors: PyTorch's schedulers take their first step when made. */
	protected start(): void {
		this.step();
	}

	/** Moves on by one step (an epoch, or a batch: whatever the schedule counts). */
	step(): void {
		this.lastEpoch++;
		this.optimizer.paramGroups.forEach((group, i) => {
			group.lr = this.rate(this.baseLrs[i]!, group.lr, i);
		});
	}

	/** The rate of each group now. */
	getLastLr(): number[] {
		return this.optimizer.paramGroups.map((group) => group.lr);
	}

	stateDict(): SchedulerState {
		return { lastEpoch: this.lastEpoch, baseLrs: [...this.baseLrs], lastLr: this.getLastLr() };
	}

	loadStateDict(state: SchedulerState): void {
		const { lastEpoch, baseLrs, lastLr } = state as { lastEpoch: number; baseLrs: number[]; lastLr: number[] };
		if (!Number.isInteger(lastEpoch) || baseLrs?.length !== this.baseLrs.length) {
			throw new ArgumentError(
				`${this.constructor.name}.loadStateDict: the state is not one of this scheduler with ${this.baseLrs.length} groups`,
			);
		}
		this.lastEpoch = lastEpoch;
		(this as { baseLrs: readonly number[] }).baseLrs = [...baseLrs];
		this.optimizer.paramGroups.forEach((group, i) => {
			group.lr = lastLr[i]!;
		});
	}
}

/** Multiplies the rate by `gamma` (default 0.1) every `stepSize` steps. */
export class StepLR extends LRScheduler {
	readonly gamma: number;

	constructor(
		optimizer: Optimizer<CommonOptions>,
		readonly stepSize: number,
		{ gamma = 0.1, ...rest }: SchedulerOptions & { gamma?: number } = {},
	) {
		super(optimizer, rest);
		if (!Number.isInteger(stepSize) || stepSize < 1)
			throw new ArgumentError(`StepLR: stepSize must be a whole number of at least 1, not ${stepSize}`);
		this.gamma = gamma;
		this.start();
	}

	protected override rate(_base: number, current: number): number {
		return this.lastEpoch === 0 || this.lastEpoch % this.stepSize !== 0 ? current : current * this.gamma;
	}
}

/** Multiplies the rate by `gamma` at every step. */
export class ExponentialLR extends LRScheduler {
	constructor(
		optimizer: Optimizer<CommonOptions>,
		readonly gamma: number,
		options: SchedulerOptions = {},
	) {
		super(optimizer, options);
		this.start();
	}

	protected override rate(_base: number, current: number): number {
		return this.lastEpoch === 0 ? current : current * this.gamma;
	}
}

/** Half a cosine from the base rate down to `etaMin` (default 0) over `tMax` steps, and up again. Loshchilov and Hutter 2017. */
export class CosineAnnealingLR extends LRScheduler {
	readonly etaMin: number;

	constructor(
		optimizer: Optimizer<CommonOptions>,
		readonly tMax: number,
		{ etaMin = 0, ...rest }: SchedulerOptions & { etaMin?: number } = {},
	) {
		super(optimizer, rest);
		if (!(tMax > 0)) throw new ArgumentError(`CosineAnnealingLR: tMax must be above 0, not ${tMax}`);
		this.etaMin = etaMin;
		this.start();
	}

	// PyTorch's recurrence rather than the closed form: it continues from a rate that somebody else has changed.
	protected override rate(base: number, current: number): number {
		const { lastEpoch: t, tMax, etaMin } = this;
		if (t === 0) return current;
		if ((t - 1 - tMax) % (2 * tMax) === 0) return current + ((base - etaMin) * (1 - Math.cos(Math.PI / tMax))) / 2;
		return ((1 + Math.cos((Math.PI * t) / tMax)) / (1 + Math.cos((Math.PI * (t - 1)) / tMax))) * (current - etaMin) + etaMin;
	}
}

/** Linear from `startFactor` (default 1/3) to `endFactor` (default 1) times the base rate over `totalIters` (default 5) steps: a warm-up. */
export class LinearLR extends LRScheduler {
	readonly startFactor: number;
	readonly endFactor: number;
	readonly totalIters: number;

	constructor(
		optimizer: Optimizer<CommonOptions>,
		{
			startFactor = 1 / 3,
			endFactor = 1,
			totalIters = 5,
			...rest
		}: SchedulerOptions & { startFactor?: number; endFactor?: number; totalIters?: number } = {},
	) {
		super(optimizer, rest);
		if (!(startFactor > 0 && startFactor <= 1))
			throw new ArgumentError(`LinearLR: startFactor must lie in (0, 1], not ${startFactor}`);
		if (!(endFactor >= 0 && endFactor <= 1)) throw new ArgumentError(`LinearLR: endFactor must lie in [0, 1], not ${endFactor}`);
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
