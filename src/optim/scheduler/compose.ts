/** Schedules that combine schedules. */
import { live } from '../../core/capture';
import { requireCounts, requireListOf } from '../../core/checks';
import { ArgumentError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { checkState, isListOf, isObject } from '../../core/state';
import type { CommonOptions, Optimizer } from '../optimizer';
import { LRScheduler, requireMilestones, type SchedulerOptions, type SchedulerState } from './base';
import { LinearLR } from './decay';

interface ComposedState {
	readonly lastEpoch: number;
	readonly lastLr: readonly number[];
	readonly schedulers: readonly SchedulerState[];
}

function isScheduler(value: unknown): value is LRScheduler {
	return value instanceof LRScheduler;
}

function requireSameOptimizer(name: string, schedulers: readonly LRScheduler[], optimizer: Optimizer<CommonOptions>): void {
	if (schedulers.some((scheduler) => scheduler.optimizer !== optimizer))
		throw new ArgumentError(`${name}: all schedulers must belong to the same optimizer`);
}

/** The base of schedules that combine schedules: its state holds theirs. */
abstract class ComposedScheduler extends LRScheduler {
	abstract readonly schedulers: readonly LRScheduler[];

	override stateDict(): SchedulerState {
		const schedulers = this.schedulers.map((scheduler) => scheduler.stateDict());
		return { lastEpoch: this.lastEpoch, lastLr: this.getLastLr(), schedulers };
	}

	/** @internal */
	override requireLoadable(state: SchedulerState): void {
		const { schedulers: states } = checkState<ComposedState>(`${this.constructor.name}.loadStateDict`, state, {
			lastEpoch: Number.isSafeInteger,
			lastLr: isListOf(Number.isFinite, this.optimizer.paramGroups.length),
			schedulers: isListOf(isObject, this.schedulers.length),
		});
		this.schedulers.forEach((scheduler, i) => {
			scheduler.requireLoadable(states[i]!);
		});
	}

	override loadStateDict(state: SchedulerState): void {
		this.requireLoadable(state);
		const { lastEpoch, lastLr, schedulers: states } = state as unknown as ComposedState;
		this.schedulers.forEach((scheduler, i) => {
			scheduler.loadStateDict(states[i]!);
		});
		this.lastEpoch = lastEpoch;
		this.optimizer.paramGroups.forEach((group, i) => {
			group.lr = lastLr[i]!;
		});
	}
}

/**
 * Runs schedules one after another: schedule i + 1 starts from the base rate at step milestones[i]. With `lastEpoch` it resumes as if it
 * had taken the steps up to then.
 */
export class SequentialLR extends ComposedScheduler {
	constructor(
		optimizer: Optimizer<CommonOptions>,
		readonly schedulers: readonly LRScheduler[],
		readonly milestones: readonly number[],
		options: SchedulerOptions = {},
	) {
		super(optimizer, options);
		const resumedAt = this.lastEpoch;
		requireListOf(this.constructor.name, 'schedulers', schedulers, isScheduler, 'one list of schedulers, [first, second]');
		requireSameOptimizer(this.constructor.name, schedulers, optimizer);
		requireMilestones(this.constructor.name, milestones);
		if (schedulers.length === 0 || milestones.length !== schedulers.length - 1) {
			throw new ArgumentError(
				`${this.constructor.name}: ${schedulers.length} schedulers need one milestone fewer, not ${milestones.length}`,
			);
		}
		this.restart();
		while (this.lastEpoch <= resumedAt) this.step();
	}

	override begin(): void {
		this.lastEpoch = 0;
		this.schedulers[0]!.begin();
	}

	override step(): void {
		live(this, 'step', () => {
			this.lastEpoch++;
			const active = this.milestones.filter((milestone) => milestone <= this.lastEpoch).length;
			const scheduler = this.schedulers[active]!;
			if (active > 0 && this.milestones[active - 1] === this.lastEpoch) scheduler.restart();
			else scheduler.step();
		});
	}
}

/** Steps all schedules in order, so that their factors multiply. */
export class ChainedScheduler extends ComposedScheduler {
	constructor(readonly schedulers: readonly LRScheduler[]) {
		requireListOf('ChainedScheduler', 'schedulers', schedulers, isScheduler, 'one list of schedulers, [first, second]');
		if (schedulers.length === 0) throw new ArgumentError('ChainedScheduler: the list of schedulers is empty');
		super(schedulers[0]!.optimizer, { lastEpoch: 0 });
		requireSameOptimizer('ChainedScheduler', schedulers, this.optimizer);
	}

	override step(): void {
		live(this, 'step', () => {
			this.lastEpoch++;
			for (const scheduler of this.schedulers) scheduler.step();
		});
	}

	override begin(): void {
		this.lastEpoch = 0;
		for (const scheduler of this.schedulers) scheduler.begin();
	}
}

/**
 * Rises linearly from `startFactor` (default 1e-3) times the base rate over `warmupSteps` steps, then starts `after`, or stays at the base
 * rate. As PyTorch's SequentialLR of a LinearLR and `after`.
 */
export class WarmupLR extends SequentialLR {
	constructor(
		optimizer: Optimizer<CommonOptions>,
		warmupSteps: number,
		options: SchedulerOptions & { startFactor?: number; after?: LRScheduler } = {},
	) {
		const { startFactor = 1e-3, after, ...rest } = checkOptions('WarmupLR', options, ['startFactor', 'after', 'lastEpoch']);
		requireCounts('WarmupLR', { warmupSteps }, 1);
		const rise = new LinearLR(optimizer, { startFactor, totalIters: warmupSteps });
		super(optimizer, after === undefined ? [rise] : [rise, after], after === undefined ? [] : [warmupSteps], rest);
	}
}
