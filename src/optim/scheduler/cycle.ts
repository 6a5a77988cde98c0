/** Cyclic schedules. Some also move the momentum against the rate. */
import { live } from '../../core/capture';
import { requireCounts, requireFraction, requireOneOf, requirePositive } from '../../core/checks';
import { ArgumentError } from '../../core/errors';
import { checkOptions, pickOptions } from '../../core/options';
import { checkState } from '../../core/state';
import type { CommonOptions, Optimizer, ParamGroup } from '../optimizer';
import { perGroup, RateScheduler, type SchedulerOptions, type SchedulerState } from './base';

interface RestartState {
	readonly tCur: number;
	readonly tI: number;
}

/**
 * Falls along half a cosine from the base rate to `etaMin` (default 0) over `t0` steps, then restarts with a cycle `tMult` (default 1)
 * times as long. Loshchilov and Hutter 2017.
 */
export class CosineAnnealingWarmRestarts extends RateScheduler {
	readonly tMult: number;
	readonly etaMin: number;
	#current: number;
	#length: number;

	constructor(
		optimizer: Optimizer<CommonOptions>,
		readonly t0: number,
		options: SchedulerOptions & { tMult?: number; etaMin?: number } = {},
	) {
		const {
			tMult = 1,
			etaMin = 0,
			...rest
		} = checkOptions('CosineAnnealingWarmRestarts', options, ['lastEpoch', 'tMult', 'etaMin']);
		super(optimizer, rest);
		requireCounts('CosineAnnealingWarmRestarts', { t0 }, 1);
		requireCounts('CosineAnnealingWarmRestarts', { tMult }, 1);
		this.tMult = tMult;
		this.etaMin = etaMin;
		this.#length = t0;
		this.#current = this.lastEpoch;
		while (this.#current >= this.#length) this.#turn();
		this.start();
	}

	#turn(): void {
		this.#current -= this.#length;
		this.#length *= this.tMult;
	}

	override step(): void {
		live(this, 'step', () => {
			if (++this.#current >= this.#length) this.#turn();
			super.step();
		});
	}

	override begin(): void {
		this.#current = 0;
		this.#length = this.t0;
		super.begin();
	}

	protected override rate(base: number): number {
		return this.etaMin + ((base - this.etaMin) * (1 + Math.cos((Math.PI * this.#current) / this.#length))) / 2;
	}

	override stateDict(): SchedulerState {
		return { ...super.stateDict(), tCur: this.#current, tI: this.#length };
	}

	/** @internal */
	override requireLoadable(state: SchedulerState): void {
		checkState<RestartState>(`${this.constructor.name}.loadStateDict`, state, {
			tCur: Number.isSafeInteger,
			tI: (value) => Number.isSafeInteger(value) && (value as number) >= 1,
		});
		super.requireLoadable(state);
	}

	override loadStateDict(state: SchedulerState): void {
		super.loadStateDict(state);
		const { tCur, tI } = state as unknown as RestartState;
		this.#current = tCur;
		this.#length = tI;
	}
}

type MomentumGroup = ParamGroup<CommonOptions> & { momentum?: number; betas?: readonly number[] };

/** Sets the momentum or the first beta of a group. */
function setMomentum(name: string, group: MomentumGroup, momentum: number): void {
	if (group.betas !== undefined) group.betas = [momentum, ...group.betas.slice(1)];
	else if (group.momentum !== undefined) group.momentum = momentum;
	else throw new ArgumentError(`${name}: the optimizer has neither momentum nor betas to cycle; pass cycleMomentum: false`);
}

export interface OneCycleOptions extends SchedulerOptions {
	/** Total number of steps. Alternatively give `epochs` and `stepsPerEpoch`. */
	readonly totalSteps?: number;
	readonly epochs?: number;
	readonly stepsPerEpoch?: number;
	/** The fraction of the steps in which the rate rises. Default 0.3. */
	readonly pctStart?: number;
	/** Default 'cos'. */
	readonly annealStrategy?: 'cos' | 'linear';
	/** Move the momentum (Adam: beta1) against the rate. Default true. */
	readonly cycleMomentum?: boolean;
	/** Momentum at the highest rate. Default 0.85. */
	readonly baseMomentum?: number | readonly number[];
	/** Momentum at the lowest rates. Default 0.95. */
	readonly maxMomentum?: number | readonly number[];
	/** The first rate is maxLr / divFactor. Default 25. */
	readonly divFactor?: number;
	/** The last rate is the first / finalDivFactor. Default 1e4. */
	readonly finalDivFactor?: number;
	/** Fall to the first rate as fast as the rise, then to the last. Default false. */
	readonly threePhase?: boolean;
}

const ONE_CYCLE_OPTIONS = [
	'totalSteps',
	'epochs',
	'stepsPerEpoch',
	'pctStart',
	'annealStrategy',
	'cycleMomentum',
	'baseMomentum',
	'maxMomentum',
	'divFactor',
	'finalDivFactor',
	'threePhase',
	'lastEpoch',
] as const;

/** A schedule that also moves the momentum of each group. */
abstract class MomentumScheduler extends RateScheduler {
	/** The momentum of a group at `lastEpoch`, or null to leave it. */
	protected abstract momentum(group: number): number | null;

	#applyMomentum(): void {
		this.optimizer.paramGroups.forEach((group, i) => {
			const momentum = this.momentum(i);
			if (momentum !== null) setMomentum(this.constructor.name, group, momentum);
		});
	}

	override step(): void {
		live(this, 'step', () => {
			super.step();
			this.#applyMomentum();
		});
	}

	override begin(): void {
		super.begin();
		this.#applyMomentum();
	}

	override loadStateDict(state: SchedulerState): void {
		super.loadStateDict(state);
		this.#applyMomentum();
	}
}

interface Phase {
	readonly end: number;
	readonly rates: readonly ['first' | 'max' | 'last', 'first' | 'max' | 'last'];
	/** Whether the momentum is at its base at the phase's start and end. */
	readonly low: readonly [boolean, boolean];
}

/** Rises once to `maxLr`, then falls far below the start, over the whole training. Smith and Topin 2019. Steps count batches. */
export class OneCycleLR extends MomentumScheduler {
	readonly totalSteps: number;
	readonly #phases: readonly Phase[];
	readonly #maxLrs: readonly number[];
	readonly #finalDivFactor: number;
	readonly #linear: boolean;
	readonly #momenta: { readonly base: readonly number[]; readonly max: readonly number[] } | null;

	constructor(optimizer: Optimizer<CommonOptions>, maxLr: number | readonly number[], options: OneCycleOptions) {
		const maxLrs = perGroup('OneCycleLR', optimizer, 'maxLr', maxLr);
		checkOptions('OneCycleLR', options, ONE_CYCLE_OPTIONS);
		const { divFactor = 25, finalDivFactor = 1e4, pctStart = 0.3, annealStrategy = 'cos', threePhase = false } = options;
		const { cycleMomentum = true, baseMomentum = 0.85, maxMomentum = 0.95, lastEpoch = -1 } = options;
		if (lastEpoch === -1) {
			optimizer.paramGroups.forEach((group, i) => {
				group.initialLr = maxLrs[i]! / divFactor;
			});
		}
		super(optimizer, { lastEpoch });
		const totalSteps = options.totalSteps ?? (options.epochs ?? Number.NaN) * (options.stepsPerEpoch ?? Number.NaN);
		if (!Number.isInteger(totalSteps) || totalSteps < 1)
			throw new ArgumentError('OneCycleLR: give totalSteps, or epochs and stepsPerEpoch, as whole numbers of at least 1');
		requireFraction('OneCycleLR', 'pctStart', pctStart);
		requireOneOf('OneCycleLR', 'annealStrategy', annealStrategy, ['cos', 'linear']);
		this.totalSteps = totalSteps;
		this.#linear = annealStrategy === 'linear';
		this.#finalDivFactor = finalDivFactor;
		this.#maxLrs = maxLrs;
		this.#momenta = cycleMomentum
			? { base: this.perGroup('baseMomentum', baseMomentum), max: this.perGroup('maxMomentum', maxMomentum) }
			: null;
		const rise: Phase = { end: pctStart * totalSteps - 1, rates: ['first', 'max'], low: [false, true] };
		this.#phases = threePhase
			? [
					rise,
					{ end: 2 * pctStart * totalSteps - 2, rates: ['max', 'first'], low: [true, false] },
					{ end: totalSteps - 1, rates: ['first', 'last'], low: [false, false] },
				]
			: [rise, { end: totalSteps - 1, rates: ['max', 'last'], low: [true, false] }];
		this.start();
	}

	/** The current phase, and the fraction of it that has passed. */
	#position(): { phase: Phase; passed: number } {
		const t = this.lastEpoch;
		if (t > this.totalSteps) throw new ArgumentError(`OneCycleLR: step ${t + 1} exceeds totalSteps, ${this.totalSteps}`);
		let start = 0;
		for (const phase of this.#phases) {
			if (t <= phase.end || phase === this.#phases.at(-1)) return { phase, passed: (t - start) / (phase.end - start) };
			start = phase.end;
		}
		throw new Error('unreachable: the last phase takes every step');
	}

	#between(from: number, to: number, passed: number): number {
		return this.#linear ? (to - from) * passed + from : to + ((from - to) / 2) * (Math.cos(Math.PI * passed) + 1);
	}

	protected override rate(base: number, _current: number, group: number): number {
		const { phase, passed } = this.#position();
		const rates = { first: base, max: this.#maxLrs[group]!, last: base / this.#finalDivFactor };
		return this.#between(rates[phase.rates[0]], rates[phase.rates[1]], passed);
	}

	protected override momentum(group: number): number | null {
		if (this.#momenta === null) return null;
		const { phase, passed } = this.#position();
		const { base, max } = this.#momenta;
		const [from, to] = phase.low.map((low) => (low ? base[group]! : max[group]!));
		return this.#between(from!, to!, passed);
	}
}

export interface CyclicOptions extends SchedulerOptions {
	/** Steps from the base rate to the highest. Default 2000. */
	readonly stepSizeUp?: number;
	/** Steps back down. Default: stepSizeUp. */
	readonly stepSizeDown?: number;
	/**
	 * 'triangular', 'triangular2' (halves the height each cycle) or 'exp_range' (scales the height by gamma^step). Default 'triangular'.
	 */
	readonly mode?: 'triangular' | 'triangular2' | 'exp_range';
	/** Default 1. */
	readonly gamma?: number;
	/** Replaces `mode`: the height as a function of the cycle (from 1) or of the step. Not part of the state. */
	readonly scaleFn?: (x: number) => number;
	/** The argument of `scaleFn`. Default 'cycle'. */
	readonly scaleMode?: 'cycle' | 'iterations';
	/** Move the momentum (Adam: beta1) against the rate. Default true. */
	readonly cycleMomentum?: boolean;
	/** Momentum at the highest rate. Default 0.8. */
	readonly baseMomentum?: number | readonly number[];
	/** Momentum at the base rate. Default 0.9. */
	readonly maxMomentum?: number | readonly number[];
}

/** Moves linearly between `baseLr` and `maxLr`, up and down, repeatedly. Smith 2017. Steps count batches. */
export class CyclicLR extends MomentumScheduler {
	readonly #maxLrs: readonly number[];
	readonly #period: number;
	readonly #up: number;
	readonly #scale: (cycle: number, step: number) => number;
	readonly #momenta: { readonly base: readonly number[]; readonly max: readonly number[] } | null;

	constructor(
		optimizer: Optimizer<CommonOptions>,
		baseLr: number | readonly number[],
		maxLr: number | readonly number[],
		options: CyclicOptions = {},
	) {
		checkOptions('CyclicLR', options, [
			'stepSizeUp',
			'stepSizeDown',
			'mode',
			'gamma',
			'scaleFn',
			'scaleMode',
			'cycleMomentum',
			'baseMomentum',
			'maxMomentum',
			'lastEpoch',
		]);
		const baseLrs = perGroup('CyclicLR', optimizer, 'baseLr', baseLr);
		if ((options.lastEpoch ?? -1) === -1) {
			// The initial rate is `baseLr`, not the optimizer's rate.
			optimizer.paramGroups.forEach((group, i) => {
				group.initialLr ??= baseLrs[i]!;
			});
		}
		super(optimizer, pickOptions(options, 'lastEpoch'));
		const { stepSizeUp = 2000, stepSizeDown = stepSizeUp, mode = 'triangular', gamma = 1 } = options;
		const { scaleFn, scaleMode = 'cycle', cycleMomentum = true, baseMomentum = 0.8, maxMomentum = 0.9 } = options;
		requirePositive('CyclicLR', 'stepSizeUp', stepSizeUp);
		requirePositive('CyclicLR', 'stepSizeDown', stepSizeDown);
		(this as { baseLrs: readonly number[] }).baseLrs = [...baseLrs];
		this.#maxLrs = this.perGroup('maxLr', maxLr);
		this.#period = stepSizeUp + stepSizeDown;
		this.#up = stepSizeUp / this.#period;
		requireOneOf('CyclicLR', 'mode', mode, ['triangular', 'triangular2', 'exp_range']);
		requireOneOf('CyclicLR', 'scaleMode', scaleMode, ['cycle', 'iterations']);
		if (scaleFn !== undefined) this.#scale = (cycle, step) => scaleFn(scaleMode === 'cycle' ? cycle : step);
		else if (mode === 'triangular') this.#scale = () => 1;
		else if (mode === 'triangular2') this.#scale = (cycle) => 1 / 2 ** (cycle - 1);
		else this.#scale = (_, step) => gamma ** step;
		this.#momenta = cycleMomentum
			? { base: this.perGroup('baseMomentum', baseMomentum), max: this.perGroup('maxMomentum', maxMomentum) }
			: null;
		this.start();
	}

	/** The position between the base (0) and the top (1). */
	#height(): number {
		const turns = this.lastEpoch / this.#period;
		const cycle = Math.floor(1 + turns);
		const x = 1 + turns - cycle;
		return (x <= this.#up ? x / this.#up : (x - 1) / (this.#up - 1)) * this.#scale(cycle, this.lastEpoch);
	}

	protected override rate(base: number, _current: number, group: number): number {
		return base + (this.#maxLrs[group]! - base) * this.#height();
	}

	protected override momentum(group: number): number | null {
		if (this.#momenta === null) return null;
		const [base, max] = [this.#momenta.base[group]!, this.#momenta.max[group]!];
		return max - (max - base) * this.#height();
	}
}
