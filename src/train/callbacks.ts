/** What may watch a run and act on it: the protocol of callbacks, and the small ones. */
import type { DeviceName } from '../backends/contract';
import { ArgumentError } from '../core/errors';
import type { Module } from '../nn';
import type { CommonOptions, Optimizer } from '../optim';
import type { EpochRecord, History } from './history';
import type { CheckpointStore } from './store';
import type { CheckpointTree } from './tree';

/** The loss of one optimizer step, once it has been read from the device. */
export interface StepLoss {
	/** The optimizer step, from 1 on over the whole run. */
	readonly step: number;
	/** The mean over the samples of the step. */
	readonly loss: number;
	readonly samples: number;
	readonly lr: number;
}

/** What callbacks see of a run. The fields are those of the moment of the call. */
export interface TrainContext {
	readonly model: Module;
	readonly optimizer: Optimizer<CommonOptions>;
	readonly device: DeviceName;
	/** How many epochs the run is to have. */
	readonly epochs: number;
	/** The epoch that runs, from 1 on. */
	readonly epoch: number;
	/** Optimizer steps taken so far, in all epochs. */
	readonly step: number;
	/** Batches that this epoch has trained on so far. */
	readonly batch: number;
	/** Batches of an epoch, where the data tell it. */
	readonly batchesPerEpoch: number | undefined;
	/** Samples that this epoch has trained on so far. */
	readonly samples: number;
	/** Samples of an epoch, where the data tell it. */
	readonly samplesPerEpoch: number | undefined;
	/** The epochs so far. */
	readonly history: History;
	/** The rate of the first parameter group now. */
	readonly lr: number;
	/** Ends the run after the step or epoch that runs now; `reason` stands in the history. */
	stop(reason?: string): void;
	/** Writes a checkpoint once all callbacks of this moment have run, so that it holds their states. */
	save(name: string, options?: SaveOptions): void;
}

export interface SaveOptions {
	/** Default: files in Node, the origin's private file system in browsers. */
	readonly store?: CheckpointStore;
	/** Called when the checkpoint is there. */
	readonly afterwards?: () => void | Promise<void>;
}

/**
 * Each hook is optional and may be async. A function in the place of a callback is its `onEpochEnd`. `onBatchBegin` and `onBatchEnd`
 * surround one optimizer step, which is several batches with `accumulateSteps`. Losses are read in groups, so that the device does not
 * wait: `onLosses` gets each group, some steps late; at the end of an epoch it has had them all.
 */
export interface Callback {
	onTrainBegin?(context: TrainContext): void | Promise<void>;
	onEpochBegin?(context: TrainContext): void | Promise<void>;
	onBatchBegin?(context: TrainContext): void | Promise<void>;
	onBatchEnd?(context: TrainContext): void | Promise<void>;
	onLosses?(context: TrainContext, losses: readonly StepLoss[]): void | Promise<void>;
	onEpochEnd?(context: TrainContext, record: EpochRecord): void | Promise<void>;
	onTrainEnd?(context: TrainContext, history: History): void | Promise<void>;
	/** What a checkpoint keeps of this callback. Its tensors are disposed of when it is written. */
	stateDict?(): CheckpointTree | Promise<CheckpointTree>;
	/** Continues where `stateDict` was taken; tensors are on the CPU, and the callback's to dispose of. */
	loadStateDict?(state: CheckpointTree): void | Promise<void>;
}

/** A function called after each epoch. */
export type EpochFunction = (context: TrainContext, record: EpochRecord) => void | Promise<void>;

/** A callback made of functions; for those who like Keras' name. An object with the same fields serves as well. */
export class LambdaCallback implements Callback {
	declare onTrainBegin?: Callback['onTrainBegin'];
	declare onEpochBegin?: Callback['onEpochBegin'];
	declare onBatchBegin?: Callback['onBatchBegin'];
	declare onBatchEnd?: Callback['onBatchEnd'];
	declare onLosses?: Callback['onLosses'];
	declare onEpochEnd?: Callback['onEpochEnd'];
	declare onTrainEnd?: Callback['onTrainEnd'];

	constructor(hooks: Callback) {
		Object.assign(this, hooks);
	}
}

/**
 * Ends the run at the first loss that is NaN or infinite, and says at which step it was. Losses are read in groups, so a few steps more
 * have been taken by then: the weights are those after them.
 */
export class TerminateOnNaN implements Callback {
	/** The step of the first loss that was no number, or null. */
	step: number | null = null;

	onTrainBegin(): void {
		this.step = null;
	}

	onLosses(context: TrainContext, losses: readonly StepLoss[]): void {
		const bad = losses.find(({ loss }) => !Number.isFinite(loss));
		if (bad === undefined || this.step !== null) return;
		this.step = bad.step;
		context.stop(`the loss of step ${bad.step} is ${bad.loss}`);
	}
}

/** A number of an epoch's record by name; an error in words when there is none. */
export function monitored(caller: string, monitor: string, record: EpochRecord): number {
	const value = record[monitor];
	if (value === undefined) {
		throw new ArgumentError(
			`${caller}: the epoch has no '${monitor}' to monitor; it has ${Object.keys(record).join(', ')}. Values with 'val' need validationData or validationSplit`,
		);
	}
	return value;
}

/** Whether smaller is better: names with loss or error in them fall, the others rise. */
export function directionOf(monitor: string): 'min' | 'max' {
	return /loss|error|mse|mae|perplexity/i.test(monitor) ? 'min' : 'max';
}
