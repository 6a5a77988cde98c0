/** Stops a run when a value no longer improves. */
import { noGrad } from '../autograd/modes';
import { requireCounts, requireOneOf } from '../core/checks';
import { checkOptions } from '../core/options';
import { checkState, isCount, isNumber, isObject, orNull } from '../core/state';
import type { StateDict } from '../nn/module';
import { clone } from '../ops/layout';
import type { Tensor } from '../tensor';
import { requireState } from '../tensorChecks';
import { keep } from '../tidy';
import { type Callback, directionOf, monitoredValue, type TrainContext } from './callbacks';
import type { CheckpointTree } from './checkpointTree';
import type { EpochRecord } from './history';

export interface EarlyStoppingOptions {
	/** A name in the epoch's record. Default 'valLoss'. */
	readonly monitor?: string;
	/** Whether smaller or larger is better. Default 'auto': 'min' for names that contain loss or error, otherwise 'max'. */
	readonly mode?: 'min' | 'max' | 'auto';
	/** Epochs without improvement before the run ends. Default 0. */
	readonly patience?: number;
	/** Ignore improvements of this size or less. Default 0. */
	readonly minDelta?: number;
	/** An epoch must also be better than this value to count as an improvement. Default none. */
	readonly baseline?: number;
	/** Ignore epochs before this one; the first is 1. Default 1. */
	readonly startFromEpoch?: number;
	/** When the run ends, early or not, restore the weights and buffers of the best epoch. Default true. */
	readonly restoreBest?: boolean;
}

interface EarlyStoppingState {
	readonly best: number;
	readonly bestEpoch: number;
	readonly wait: number;
	readonly weights: Record<string, Tensor> | null;
}

const NAMES = ['monitor', 'mode', 'patience', 'minDelta', 'baseline', 'startFromEpoch', 'restoreBest'] as const;

/**
 * Ends a run when the monitoredValue value has not improved for `patience` epochs. As Keras' EarlyStopping, which by default does not restore
 * the best weights.
 */
export class EarlyStopping implements Callback {
	readonly monitor: string;
	readonly mode: 'min' | 'max';
	readonly patience: number;
	readonly minDelta: number;
	readonly baseline: number | undefined;
	readonly startFromEpoch: number;
	readonly restoreBest: boolean;
	/** The best value so far and its epoch; infinite and 0 before the first epoch. */
	best: number;
	bestEpoch = 0;
	#wait = 0;
	#weights: StateDict | null = null;

	constructor(options: EarlyStoppingOptions = {}) {
		checkOptions('EarlyStopping', options, NAMES);
		const { monitor = 'valLoss', mode = 'auto', patience = 0, minDelta = 0, startFromEpoch = 1, restoreBest = true } = options;
		requireOneOf('EarlyStopping', 'mode', mode, ['min', 'max', 'auto']);
		requireCounts('EarlyStopping', { patience });
		this.monitor = monitor;
		this.mode = mode === 'auto' ? directionOf(monitor) : mode;
		this.patience = patience;
		this.minDelta = Math.abs(minDelta);
		this.baseline = options.baseline;
		this.startFromEpoch = startFromEpoch;
		this.restoreBest = restoreBest;
		this.best = this.#worst;
	}

	get #worst(): number {
		return this.mode === 'min' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
	}

	/** Whether `value` is better than `reference` by more than minDelta. NaN is never better. */
	#improves(value: number, reference: number): boolean {
		return this.mode === 'min' ? value < reference - this.minDelta : value > reference + this.minDelta;
	}

	onTrainBegin({ epoch, history }: TrainContext): void {
		if (history.epochs.length > 0 || epoch > 1) return;
		this.#release();
		this.best = this.#worst;
		this.bestEpoch = 0;
		this.#wait = 0;
	}

	onEpochEnd(context: TrainContext, record: EpochRecord): void {
		const value = monitoredValue('EarlyStopping', this.monitor, record);
		if (record.epoch < this.startFromEpoch) return;
		this.#wait++;
		if (this.#improves(value, this.best)) {
			this.best = value;
			this.bestEpoch = record.epoch;
			if (this.restoreBest) this.#remember(context);
			if (this.baseline === undefined || this.#improves(value, this.baseline)) this.#wait = 0;
			return;
		}
		if (this.restoreBest && this.#weights === null) this.#remember(context);
		if (this.#wait < this.patience || record.epoch === 1) return;
		context.stop(`${this.monitor} has not improved since epoch ${this.bestEpoch} (${this.best})`);
	}

	#remember({ model }: TrainContext): void {
		this.#release();
		noGrad(() => {
			this.#weights = {};
			for (const [name, tensor] of Object.entries(model.stateDict())) {
				this.#weights[name] = keep(clone(tensor));
				tensor.dispose();
			}
		});
	}

	onTrainEnd({ model }: TrainContext): void {
		if (this.#weights !== null) model.loadStateDict(this.#weights);
		this.#release();
	}

	#release(): void {
		for (const tensor of Object.values(this.#weights ?? {})) tensor.dispose();
		this.#weights = null;
	}

	stateDict(): CheckpointTree {
		const weights = noGrad(() => Object.entries(this.#weights ?? {}).map(([name, tensor]) => [name, clone(tensor)] as const));
		return {
			best: this.best,
			bestEpoch: this.bestEpoch,
			wait: this.#wait,
			weights: this.#weights === null ? null : Object.fromEntries(weights),
		};
	}

	loadStateDict(state: CheckpointTree): void {
		const { best, bestEpoch, wait, weights } = checkState<EarlyStoppingState>('EarlyStopping.loadStateDict', state, {
			best: isNumber,
			bestEpoch: isCount,
			wait: isCount,
			weights: orNull(isObject),
		});
		if (weights !== null) requireState('EarlyStopping.loadStateDict', weights);
		this.#release();
		this.best = best;
		this.bestEpoch = bestEpoch;
		this.#wait = wait;
		this.#weights = weights;
		for (const tensor of Object.values(weights ?? {})) keep(tensor);
	}
}
