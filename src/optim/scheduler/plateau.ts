/** The schedule that depends on a metric. */
import { witness } from '../../core/capture';
import { requireCounts, requireFraction, requireNumber, requireOneOf, wrongArgument } from '../../core/checks';
import { checkOptions } from '../../core/options';
import { checkState, isCount, isListOf, isNumber, orNull } from '../../core/state';
import type { CommonOptions, Optimizer } from '../optimizer';
import { perGroup, type SchedulerState } from './base';

export interface PlateauOptions {
	/** Whether the metric should fall or rise. Default 'min'. */
	readonly mode?: 'min' | 'max';
	/** The factor of the rate at each reduction. Default 0.1. */
	readonly factor?: number;
	/** Steps without improvement before a reduction. Default 10. */
	readonly patience?: number;
	/** The least change that counts as an improvement. Default 1e-4. */
	readonly threshold?: number;
	/** Whether the threshold is relative to the best value. Default 'rel'. */
	readonly thresholdMode?: 'rel' | 'abs';
	/** Steps after a reduction that never count as bad. Default 0. */
	readonly cooldown?: number;
	/** The lowest rate, for all groups or per group. Default 0. */
	readonly minLr?: number | readonly number[];
	/** Skip smaller changes of the rate. Default 1e-8. */
	readonly eps?: number;
}

interface PlateauState {
	readonly lastEpoch: number;
	readonly best: number | null;
	readonly numBadEpochs: number;
	readonly cooldownCounter: number;
	readonly lastLr: readonly number[];
}

/** Reduces the rate when a metric has stopped improving: call `step(metric)` after each validation. As `torch.optim.lr_scheduler.ReduceLROnPlateau`. */
export class ReduceLROnPlateau {
	lastEpoch = 0;
	/** The best value so far. */
	best: number;
	readonly #mode: 'min' | 'max';
	readonly #factor: number;
	readonly #patience: number;
	readonly #threshold: number;
	readonly #relative: boolean;
	readonly #cooldown: number;
	readonly #minLrs: readonly number[];
	readonly #eps: number;
	#bad = 0;
	#cooling = 0;

	constructor(
		readonly optimizer: Optimizer<CommonOptions>,
		options: PlateauOptions = {},
	) {
		const {
			mode = 'min',
			factor = 0.1,
			patience = 10,
			threshold = 1e-4,
			thresholdMode = 'rel',
			cooldown = 0,
			minLr = 0,
			eps = 1e-8,
		} = checkOptions('ReduceLROnPlateau', options, [
			'mode',
			'factor',
			'patience',
			'threshold',
			'thresholdMode',
			'cooldown',
			'minLr',
			'eps',
		]);
		requireFraction('ReduceLROnPlateau', 'factor', factor, '[0, 1)');
		requireOneOf('ReduceLROnPlateau', 'mode', mode, ['min', 'max']);
		requireOneOf('ReduceLROnPlateau', 'thresholdMode', thresholdMode, ['rel', 'abs']);
		requireCounts('ReduceLROnPlateau', { patience, cooldown });
		requireNumber('ReduceLROnPlateau', 'threshold', threshold);
		requireNumber('ReduceLROnPlateau', 'eps', eps);
		this.#mode = mode;
		this.#factor = factor;
		this.#patience = patience;
		this.#threshold = threshold;
		this.#relative = thresholdMode === 'rel';
		this.#cooldown = cooldown;
		this.#minLrs = perGroup('ReduceLROnPlateau', optimizer, 'minLr', minLr);
		this.#eps = eps;
		this.best = mode === 'min' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
	}

	#isBetter(metric: number): boolean {
		const margin = this.#threshold;
		if (this.#mode === 'min') return metric < (this.#relative ? this.best * (1 - margin) : this.best - margin);
		return metric > (this.#relative ? this.best * (1 + margin) : this.best + margin);
	}

	/** Records the metric of one validation. NaN is never an improvement. */
	step(metric: number): void {
		if (typeof metric !== 'number')
			throw wrongArgument('ReduceLROnPlateau.step', 'the metric', 'a number', metric, '. Await loss.item()');
		witness?.refuse('ReduceLROnPlateau.step takes a number of the host');
		this.lastEpoch++;
		if (this.#isBetter(metric)) {
			this.best = metric;
			this.#bad = 0;
		} else this.#bad++;
		if (this.#cooling > 0) {
			this.#cooling--;
			this.#bad = 0;
		}
		if (this.#bad <= this.#patience) return;
		this.#cooling = this.#cooldown;
		this.#bad = 0;
		this.optimizer.paramGroups.forEach((group, i) => {
			const lr = Math.max(group.lr * this.#factor, this.#minLrs[i]!);
			if (group.lr - lr > this.#eps) group.lr = lr;
		});
	}

	/** The current rate of each group. */
	getLastLr(): number[] {
		return this.optimizer.paramGroups.map((group) => group.lr);
	}

	/** `best` is null before the first step: JSON has no infinity. */
	stateDict(): SchedulerState {
		const best = Number.isFinite(this.best) ? this.best : null;
		return {
			lastEpoch: this.lastEpoch,
			best,
			numBadEpochs: this.#bad,
			cooldownCounter: this.#cooling,
			lastLr: this.getLastLr(),
		};
	}

	/**
	 * What `loadStateDict` would throw. Changes nothing.
	 *
	 * @internal
	 */
	requireLoadable(state: SchedulerState): void {
		checkState<PlateauState>('ReduceLROnPlateau.loadStateDict', state, {
			lastEpoch: Number.isSafeInteger,
			best: orNull(isNumber),
			numBadEpochs: isCount,
			cooldownCounter: isCount,
			lastLr: isListOf(Number.isFinite, this.optimizer.paramGroups.length),
		});
	}

	loadStateDict(state: SchedulerState): void {
		this.requireLoadable(state);
		const { lastEpoch, best, numBadEpochs, cooldownCounter, lastLr } = state as unknown as PlateauState;
		this.lastEpoch = lastEpoch;
		this.best = best ?? (this.#mode === 'min' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY);
		this.#bad = numBadEpochs;
		this.#cooling = cooldownCounter;
		this.optimizer.paramGroups.forEach((group, i) => {
			group.lr = lastLr[i]!;
		});
	}
}
