/** The schedule of stochastic weight averaging. */
import { requireCounts, requireOneOf } from '../../core/checks';
import { checkOptions } from '../../core/options';
import type { CommonOptions, Optimizer } from '../optimizer';
import { RateScheduler, type SchedulerOptions } from './base';

export interface SWALROptions extends SchedulerOptions {
	/** Steps until the rate is `swaLr`. Default 10. */
	readonly annealEpochs?: number;
	/** The shape of the change: half a cosine, or a line. Default 'cos'. */
	readonly annealStrategy?: 'cos' | 'linear';
}

/**
 * Moves the rate from its current value to `swaLr` (one for all groups, or one for each) and keeps it there. Start it when averaging
 * starts. As `torch.optim.swa_utils.SWALR`.
 */
export class SWALR extends RateScheduler {
	readonly annealEpochs: number;
	readonly annealStrategy: 'cos' | 'linear';
	readonly #rates: readonly number[];

	constructor(optimizer: Optimizer<CommonOptions>, swaLr: number | readonly number[], options: SWALROptions = {}) {
		const {
			annealEpochs = 10,
			annealStrategy = 'cos',
			...rest
		} = checkOptions('SWALR', options, ['lastEpoch', 'annealEpochs', 'annealStrategy']);
		super(optimizer, rest);
		requireCounts('SWALR', { annealEpochs });
		requireOneOf('SWALR', 'annealStrategy', annealStrategy, ['cos', 'linear']);
		this.annealEpochs = annealEpochs;
		this.annealStrategy = annealStrategy;
		this.#rates = this.perGroup('swaLr', swaLr);
		this.start();
	}

	/** The fraction of the change after `step` steps, from 0 to 1. */
	#progress(step: number): number {
		const t = Math.max(0, Math.min(1, step / Math.max(1, this.annealEpochs)));
		return this.annealStrategy === 'linear' ? t : (1 - Math.cos(Math.PI * t)) / 2;
	}

	protected override rate(_base: number, current: number, group: number): number {
		const goal = this.#rates[group]!;
		const step = this.annealEpochs === 0 ? Math.max(1, this.lastEpoch) : this.lastEpoch;
		const [before, now] = [this.#progress(step - 1), this.#progress(step)];
		// Derives the starting rate from the current one, because other schedules may have changed it.
		const start = before === 1 ? goal : (current - before * goal) / (1 - before);
		return goal * now + start * (1 - now);
	}
}
