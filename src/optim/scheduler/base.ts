/** The base of all learning-rate schedules. */

import { live } from '../../core/capture';
import { requireCounts, requireListOf, wrongArgument } from '../../core/checks';
import { ArgumentError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { checkState, isListOf } from '../../core/state';
import type { CommonOptions, Optimizer } from '../optimizer';
import { requireOptimizer } from '../optimizer';

/** A schedule's state as plain data. See `stateDict`. */
export type SchedulerState = Readonly<Record<string, unknown>>;

export interface SchedulerOptions {
	/** The index of the last step, to resume from. Default -1: start from the beginning. */
	readonly lastEpoch?: number;
}

/** Sets the learning rates of an optimizer's groups at each `step()`. */
export abstract class LRScheduler {
	/** Steps taken so far. */
	lastEpoch: number;

	constructor(
		readonly optimizer: Optimizer<CommonOptions>,
		options: SchedulerOptions = {},
	) {
		const { lastEpoch = -1 } = checkOptions(this.constructor.name, options, ['lastEpoch']);
		requireCounts(this.constructor.name, { lastEpoch }, -1);
		requireOptimizer(this.constructor.name, optimizer);
		optimizer.paramGroups.forEach((group, i) => {
			if (lastEpoch !== -1 && group.initialLr === undefined) {
				throw new ArgumentError(
					`${this.constructor.name}: to resume at lastEpoch ${lastEpoch}, parameter group ${i} needs its initialLr, the rate before any schedule; load the optimizer's state, or pass initialLr in the group`,
				);
			}
			group.initialLr ??= group.lr;
		});
		this.lastEpoch = lastEpoch;
	}

	/** Advances by one step: an epoch or a batch, whichever the schedule counts. */
	abstract step(): void;

	/** Takes step 0 from the current rates. */
	abstract begin(): void;

	/** Takes step 0 from the rates before any schedule. Called when another schedule hands over. */
	restart(): void {
		for (const group of this.optimizer.paramGroups) group.lr = group.initialLr ?? group.lr;
		this.begin();
	}

	/** The schedule's progress and its base rates, but not its settings: pass those to the constructor again. */
	abstract stateDict(): SchedulerState;

	/** Restores a state of `stateDict`, including the rates. */
	abstract loadStateDict(state: SchedulerState): void;

	/**
	 * Throws the errors of `loadStateDict` that the schedule can detect without changing itself.
	 *
	 * @internal
	 */
	requireLoadable(_state: SchedulerState): void {}

	/** The current rate of each group. */
	getLastLr(): number[] {
		return this.optimizer.paramGroups.map((group) => group.lr);
	}

	/** Expands a value to one per group; accepts one for all groups or a list. */
	protected perGroup<T>(name: string, value: T | readonly T[], kind: 'number' | 'function' = 'number'): readonly T[] {
		return perGroup(this.constructor.name, this.optimizer, name, value, kind);
	}
}

/** Throws an ArgumentError that names `scheduler` unless `milestones` are whole numbers. */
export function requireMilestones(scheduler: string, milestones: unknown): void {
	requireListOf(scheduler, 'milestones', milestones, Number.isInteger, 'an array of steps');
}

/** Expands a value to one per group of `optimizer`; accepts one for all groups or a list. Errors name `scheduler`. */
export function perGroup<T>(
	scheduler: string,
	optimizer: Optimizer<CommonOptions>,
	name: string,
	value: T | readonly T[],
	kind: 'number' | 'function' = 'number',
): readonly T[] {
	requireOptimizer(scheduler, optimizer);
	const { paramGroups } = optimizer;
	const list: readonly T[] = Array.isArray(value) ? value : paramGroups.map(() => value as T);
	if (!list.every((item) => typeof item === kind && !Number.isNaN(item))) {
		throw wrongArgument(scheduler, name, `a ${kind}, or one for each of the ${paramGroups.length} parameter groups`, value);
	}
	if (list.length !== paramGroups.length)
		throw new ArgumentError(`${scheduler}: ${name} has ${list.length} values for ${paramGroups.length} parameter groups`);
	return list;
}

interface RateState {
	readonly lastEpoch: number;
	readonly baseLrs: readonly number[];
	readonly lastLr: readonly number[];
}

/** A schedule that computes each group's rate from its base rate, its current rate and the step number. */
export abstract class RateScheduler extends LRScheduler {
	/** The rate of each group before any schedule. */
	readonly baseLrs: readonly number[];
	/** Whether the constructor takes this step. When it resumes at `lastEpoch`, the current rates may belong to any step or to none. */
	protected starting = false;

	constructor(optimizer: Optimizer<CommonOptions>, options: SchedulerOptions = {}) {
		super(optimizer, options);
		this.baseLrs = optimizer.paramGroups.map((group) => group.initialLr ?? group.lr);
	}

	/** The rate of a group after `lastEpoch` steps, from its base rate and its current rate. */
	protected abstract rate(base: number, current: number, group: number): number;

	/** Subclasses call this at the end of their constructors: as in PyTorch, construction takes the first step. */
	protected start(): void {
		this.starting = true;
		this.step();
		this.starting = false;
	}

	override step(): void {
		live(this, 'step', () => {
			this.lastEpoch++;
			this.#apply();
		});
	}

	override begin(): void {
		this.lastEpoch = 0;
		this.#apply();
	}

	#apply(): void {
		this.optimizer.paramGroups.forEach((group, i) => {
			const rate = this.rate(this.baseLrs[i]!, group.lr, i);
			if (!Number.isFinite(rate))
				throw new ArgumentError(
					`${this.constructor.name}: the rate of step ${this.lastEpoch} is not finite; are all settings numbers?`,
				);
			group.lr = rate;
		});
	}

	override stateDict(): SchedulerState {
		return { lastEpoch: this.lastEpoch, baseLrs: [...this.baseLrs], lastLr: this.getLastLr() };
	}

	/** @internal */
	override requireLoadable(state: SchedulerState): void {
		const rates = isListOf(Number.isFinite, this.baseLrs.length);
		checkState<RateState>(`${this.constructor.name}.loadStateDict`, state, {
			lastEpoch: Number.isSafeInteger,
			baseLrs: rates,
			lastLr: rates,
		});
	}

	override loadStateDict(state: SchedulerState): void {
		this.requireLoadable(state);
		const { lastEpoch, baseLrs, lastLr } = state as unknown as RateState;
		this.lastEpoch = lastEpoch;
		(this as { baseLrs: readonly number[] }).baseLrs = [...baseLrs];
		this.optimizer.paramGroups.forEach((group, i) => {
			group.lr = lastLr[i]!;
		});
	}
}
