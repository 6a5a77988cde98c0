/** What `fit` takes. */
import type { DeviceName } from '../backends/contract';
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import type { Fields } from '../data/fields';
import type { Module } from '../nn';
import { type CommonOptions, type EMA, lrScheduler, Optimizer } from '../optim';
import type { Tensor } from '../tensor';
import type { Data } from './batches';
import type { Callback, EpochFunction } from './callbacks';
import type { ClassWeight, Loss, TrainStep } from './loss';
import type { Metrics } from './meters';
import type { Progress } from './progress';
import type { CheckpointStore } from './store';

export type Scheduler = lrScheduler.LRScheduler | lrScheduler.ReduceLROnPlateau;

/** A schedule, and when it moves on. */
export interface SchedulerConfig {
	readonly scheduler: Scheduler;
	/** After each optimizer step or after each epoch. Default: 'step' for OneCycleLR, CyclicLR and WarmupLR, otherwise 'epoch'. */
	readonly interval?: 'step' | 'epoch';
	/** What ReduceLROnPlateau watches. Default 'valLoss', without validation 'loss'. */
	readonly monitor?: string;
}

/** Where a run goes on. */
export interface ResumeConfig {
	/** The checkpoint: a path in Node, a name in browsers. */
	readonly name: string;
	/** Default: files in Node, the origin's private file system in browsers. */
	readonly store?: CheckpointStore;
	/** Begin anew when there is no such checkpoint, instead of throwing. Default false. */
	readonly optional?: boolean;
}

export interface FitOptions<M extends Module = Module> {
	/** A loss such as `crossEntropy`, or a loss module. */
	readonly loss?: Loss;
	/** In the place of `loss`: computes the loss of a batch, `(model, batch) => loss` or `{ loss, output, target }` for metrics. */
	readonly trainStep?: TrainStep<M>;
	/** Over the model's parameters. */
	readonly optimizer: Optimizer<CommonOptions>;
	/** A schedule over the same optimizer. */
	readonly scheduler?: Scheduler | SchedulerConfig;
	/** Passes over the data, those before a checkpoint included. Default 1. */
	readonly epochs?: number;
	/** Samples of a batch, unless `data` is a loader. Default 32. */
	readonly batchSize?: number;
	/** What the model is measured on after each epoch; of the kinds that `data` may be. */
	readonly validationData?: Data;
	/** The share of the data, at their end, to validate with instead of training on it. */
	readonly validationSplit?: number;
	/** Metrics by name: objects of `wgrad/metrics`, or functions of a batch's output and target whose mean over the samples is taken. */
	readonly metrics?: Metrics;
	/**
	 * Factors by class. Losses of classes (crossEntropy, nllLoss) get them as their `weight`, whose mean divides by the weights of the
	 * targets; of others each sample's loss is multiplied, and their mean divides by the number of samples.
	 */
	readonly classWeight?: ClassWeight;
	/**
	 * A factor for each sample: of all data in their order, or a function of a batch that gives [N]. The loss is then
	 * mean(factor * loss of the sample), as in Keras; it must obey `reduction: 'none'`.
	 */
	readonly sampleWeight?: Tensor | ArrayLike<number> | ((batch: Fields) => Tensor);
	/** The largest norm of all gradients together: a number, or with the p of the norm. */
	readonly clipGradNorm?: number | { readonly maxNorm: number; readonly normType?: number };
	/** The largest size of any element of a gradient. */
	readonly clipGradValue?: number;
	/**
	 * Batches of one optimizer step. Their gradients add up to that of their samples as one batch, also when the last group or batch is
	 * smaller; a loss or trainStep of your own must be a mean over samples. Default 1.
	 */
	readonly accumulateSteps?: number;
	/** An average of the weights, which is updated after each step. */
	readonly ema?: EMA;
	/** Called in this order. A function is called after each epoch. */
	readonly callbacks?: readonly (Callback | EpochFunction)[];
	/** Decides what the run draws (dropout, noise) and the order of the data. Default: keys of the default generator do, see `manualSeed`. */
	readonly seed?: number | bigint;
	/** Whether each epoch has an order of its own, unless `data` is a loader or a stream. Default true. */
	readonly shuffle?: boolean;
	/** Where to compute; the model is moved there. Default: where the model is. */
	readonly device?: DeviceName;
	/**
	 * What happens when the WebGPU device is lost: 'throw' (the default) rejects with a DeviceLostError; 'resume' gets a new device and goes on
	 * from the last checkpoint to the bits of an undisturbed run: weights, optimizer, schedule, random numbers, order of the data, history and
	 * callbacks with a `stateDict`. Others see the steps since the checkpoint again, and all see `onTrainBegin` again, as with `resumeFrom`.
	 *
	 * Besides what ModelCheckpoint writes, `fit` takes checkpoints of its own into the host's memory: one at the start, and one whenever that
	 * costs at most a twentieth of the time since the last. Each reads weights and optimizer state from the device and keeps their bytes; data
	 * tensors on the GPU are copied to the host once, at the start. What else is on the GPU, such as tensors that a trainStep captures, cannot
	 * be brought back: keep it on the CPU. A run that loses the device three times without a further step ends with the error.
	 */
	readonly onDeviceLost?: 'throw' | 'resume';
	/** A checkpoint to go on from, bit by bit as if the run had not stopped; the other options must be those of that run. */
	readonly resumeFrom?: string | ResumeConfig;
	/** 0: nothing; 1: a progress bar in a terminal, lines elsewhere; 2: a line for each epoch. Default 1. */
	readonly verbose?: 0 | 1 | 2;
	/** Called some times a second at most: for a page's own progress bar. */
	readonly onProgress?: (progress: Progress) => void;
}

const NAMES = [
	...(['loss', 'trainStep', 'optimizer', 'scheduler', 'epochs', 'batchSize', 'validationData', 'validationSplit'] as const),
	...(['metrics', 'classWeight', 'sampleWeight', 'clipGradNorm', 'clipGradValue', 'accumulateSteps', 'ema'] as const),
	...(['callbacks', 'seed', 'shuffle', 'device', 'resumeFrom', 'onDeviceLost', 'verbose', 'onProgress'] as const),
] as const;

/** Throws for options that are not what they should be, before anything is done. */
export function checkFitOptions(options: FitOptions): void {
	checkOptions('fit', options, NAMES);
	const { optimizer, epochs = 1, accumulateSteps = 1, clipGradNorm, clipGradValue, verbose = 1, callbacks = [] } = options;
	if (!(optimizer instanceof Optimizer))
		throw new ArgumentError('fit: optimizer must be one of optim, over model.parameters(): new optim.Adam(model.parameters())');
	if (!Number.isInteger(epochs) || epochs < 0)
		throw new ArgumentError(`fit: epochs must be a whole number of at least 0, not ${epochs}`);
	if (!Number.isInteger(accumulateSteps) || accumulateSteps < 1)
		throw new ArgumentError(`fit: accumulateSteps must be a whole number of at least 1, not ${accumulateSteps}`);
	const norm = typeof clipGradNorm === 'object' ? clipGradNorm.maxNorm : clipGradNorm;
	for (const [name, value] of Object.entries({ clipGradNorm: norm, clipGradValue })) {
		if (value !== undefined && !(value >= 0)) throw new ArgumentError(`fit: ${name} must be at least 0, not ${value}`);
	}
	if (verbose !== 0 && verbose !== 1 && verbose !== 2)
		throw new ArgumentError(`fit: verbose must be 0, 1 or 2, not ${String(verbose)}`);
	const { onDeviceLost = 'throw' } = options;
	if (onDeviceLost !== 'throw' && onDeviceLost !== 'resume')
		throw new ArgumentError(`fit: onDeviceLost must be 'throw' or 'resume', not '${String(onDeviceLost)}'`);
	if (!Array.isArray(callbacks)) throw new ArgumentError('fit: callbacks must be a list');
	if (options.validationData !== undefined && options.validationSplit !== undefined)
		throw new ArgumentError('fit: pass either validationData or validationSplit');
}

export interface ResolvedScheduler {
	readonly scheduler: Scheduler;
	readonly interval: 'step' | 'epoch';
	readonly monitor: string;
}

/** When the schedule moves on, and by what. */
export function resolveScheduler(options: FitOptions, validates: boolean): ResolvedScheduler | null {
	const given = options.scheduler;
	if (given === undefined) return null;
	const config: SchedulerConfig = 'scheduler' in given ? given : { scheduler: given };
	const { scheduler } = config;
	const { LRScheduler, ReduceLROnPlateau, OneCycleLR, CyclicLR, WarmupLR } = lrScheduler;
	const plateau = scheduler instanceof ReduceLROnPlateau;
	if (!plateau && !(scheduler instanceof LRScheduler))
		throw new ArgumentError('fit: scheduler must be one of optim.lrScheduler, or { scheduler, interval, monitor }');
	if (scheduler.optimizer !== options.optimizer) throw new ArgumentError('fit: the scheduler belongs to another optimizer');
	const each = scheduler instanceof OneCycleLR || scheduler instanceof CyclicLR || scheduler instanceof WarmupLR;
	const interval = config.interval ?? (each ? 'step' : 'epoch');
	if (interval !== 'step' && interval !== 'epoch')
		throw new ArgumentError(`fit: the scheduler's interval must be 'step' or 'epoch', not '${String(interval)}'`);
	if (plateau && interval === 'step') throw new ArgumentError('fit: ReduceLROnPlateau moves on after epochs');
	if (!plateau && config.monitor !== undefined) throw new ArgumentError('fit: only ReduceLROnPlateau has something to monitor');
	return { scheduler, interval, monitor: config.monitor ?? (validates ? 'valLoss' : 'loss') };
}
