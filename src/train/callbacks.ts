/** The interface of callbacks, which observe and control a run, and the small callbacks. */
import type { DeviceName } from '../backends/contract';
import type { CompileReport } from '../compile';
import { ArgumentError } from '../core/errors';
import type { Module } from '../nn';
import type { CommonOptions, Optimizer } from '../optim';
import type { CheckpointTree } from './checkpointTree';
import type { EpochRecord, History } from './history';
import type { CheckpointStore } from './store';

/** The loss of one optimizer step, read from the device. */
export interface StepLoss {
	/** The number of the optimizer step in the whole run, from 1. */
	readonly step: number;
	/** The mean over the step's samples. */
	readonly loss: number;
	readonly samples: number;
	readonly lr: number;
}

/** The state of a run that callbacks see, at the time of the call. */
export interface TrainContext {
	readonly model: Module;
	readonly optimizer: Optimizer<CommonOptions>;
	readonly device: DeviceName;
	/** The number of epochs of the run. */
	readonly epochs: number;
	/** The current epoch, from 1. */
	readonly epoch: number;
	/** The number of optimizer steps so far, in all epochs. */
	readonly step: number;
	/** The number of batches this epoch has trained on so far. */
	readonly batch: number;
	/** The number of batches per epoch, if known. */
	readonly batchesPerEpoch: number | undefined;
	/** The number of samples this epoch has trained on so far. */
	readonly samples: number;
	/** The number of samples per epoch, if known. */
	readonly samplesPerEpoch: number | undefined;
	/** The epochs so far. */
	readonly history: History;
	/** The current learning rate of the first parameter group. */
	readonly lr: number;
	/** What `compile` has done with the steps, and why steps run as usual; null where it is off: on the CPU, for LBFGS, with `offload` and on several ranks. */
	readonly compiled: CompileReport | null;
	/** Ends the run after the current step or epoch. The history records `reason`. */
	stop(reason?: string): void;
	/** Writes a checkpoint after all callbacks of this event have run, so that it contains their states. */
	save(name: string, options?: SaveOptions): void;
}

export interface SaveOptions {
	/** Default: files in Node, the origin's private file system in browsers. */
	readonly store?: CheckpointStore;
	/** Called after the checkpoint has been written. */
	readonly afterwards?: () => void | Promise<void>;
}

/**
 * Hooks of a run. All are optional and may be async. A function instead of a callback serves as `onEpochEnd`. `onBatchBegin` and
 * `onBatchEnd` surround one optimizer step, which has several batches with `accumulateSteps`. `fit` reads losses in groups, so that the
 * device does not wait: `onLosses` gets each group some steps late, but all by the end of the epoch.
 */
export interface Callback {
	onTrainBegin?(context: TrainContext): void | Promise<void>;
	onEpochBegin?(context: TrainContext): void | Promise<void>;
	onBatchBegin?(context: TrainContext): void | Promise<void>;
	onBatchEnd?(context: TrainContext): void | Promise<void>;
	onLosses?(context: TrainContext, losses: readonly StepLoss[]): void | Promise<void>;
	onEpochEnd?(context: TrainContext, record: EpochRecord): void | Promise<void>;
	onTrainEnd?(context: TrainContext, history: History): void | Promise<void>;
	/** The state of this callback for checkpoints. Its tensors are disposed of after writing. */
	stateDict?(): CheckpointTree | Promise<CheckpointTree>;
	/** Restores a state of `stateDict`. The callback owns the tensors, which are on the CPU. */
	loadStateDict?(state: CheckpointTree): void | Promise<void>;
}

/** A function that runs after each epoch. */
export type EpochFunction = (context: TrainContext, record: EpochRecord) => void | Promise<void>;

/** A callback made of functions, under Keras' name. A plain object with the same fields works too. */
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
 * Ends the run at the first NaN or infinite loss and reports its step. `fit` reads losses in groups, so a few more steps have changed the
 * weights by then.
 */
export class TerminateOnNaN implements Callback {
	/** The step of the first NaN or infinite loss, or null. */
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

/** Returns a value of an epoch's record. Throws if it is missing. */
export function monitoredValue(caller: string, monitor: string, record: EpochRecord): number {
	const value = record[monitor];
	if (value === undefined) {
		throw new ArgumentError(
			`${caller}: the epoch has no '${monitor}' to monitor; it has ${Object.keys(record).join(', ')}. Values with 'val' need validationData or validationSplit`,
		);
	}
	return value;
}

/** 'min' for names that contain loss or error, otherwise 'max'. */
export function directionOf(monitor: string): 'min' | 'max' {
	return /loss|error|mse|mae|perplexity/i.test(monitor) ? 'min' : 'max';
}
