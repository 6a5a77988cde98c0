/** The options of `fit`, and their checks. */
import type { DeviceName } from '../backends/contract';
import { requireArray, requireBoolean, requireCounts, requireInstance, requireNonNegative, requireOneOf } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import type { TensorList } from '../data/batch';
import type { Module } from '../nn';
import { type CommonOptions, type EMA, LBFGS, lrScheduler, Optimizer } from '../optim';
import type { Tensor } from '../tensor';
import type { Data } from './batches';
import type { Callback, EpochFunction } from './callbacks';
import type { ClassWeight, Loss, TrainStep } from './loss';
import type { Metrics } from './meters';
import type { Progress } from './progress';
import type { CheckpointStore } from './store';

export type Scheduler = lrScheduler.LRScheduler | lrScheduler.ReduceLROnPlateau;

/** A schedule, and when it steps. */
export interface SchedulerConfig {
	readonly scheduler: Scheduler;
	/**
	 * Step the schedule after each optimizer step or each epoch. Default: 'step' for OneCycleLR, CyclicLR and WarmupLR, otherwise 'epoch'.
	 */
	readonly interval?: 'step' | 'epoch';
	/** The metric of ReduceLROnPlateau. Default 'valLoss', or 'loss' without validation. */
	readonly monitor?: string;
}

/** The checkpoint to resume from. */
export interface ResumeConfig {
	/** A path in Node, a name in browsers. */
	readonly name: string;
	/** Default: files in Node, the origin's private file system in browsers. */
	readonly store?: CheckpointStore;
	/** If the checkpoint does not exist, start a new run instead of throwing. Default false. */
	readonly optional?: boolean;
}

export interface FitOptions<M extends Module = Module> {
	/** A loss such as `crossEntropy`, or a loss module. */
	readonly loss?: Loss;
	/** Replaces `loss`: `(model, batch) => loss`, or `{ loss, output, target }` for metrics. */
	readonly trainStep?: TrainStep<M>;
	/** An optimizer of the model's parameters. */
	readonly optimizer: Optimizer<CommonOptions>;
	/** A schedule of the same optimizer. */
	readonly scheduler?: Scheduler | SchedulerConfig;
	/** Passes over the data, including those before a checkpoint. Default 1. */
	readonly epochs?: number;
	/** Samples per batch, unless `data` is a loader. Default 32. */
	readonly batchSize?: number;
	/** Data to evaluate the model on after each epoch; the same kinds as `data`. */
	readonly validationData?: Data;
	/** The fraction at the end of the data to use for validation instead of training. */
	readonly validationSplit?: number;
	/** Metrics by name: objects of `wgrad/metrics`, or functions of a batch's output and target, averaged over samples. */
	readonly metrics?: Metrics;
	/**
	 * Factors by class. Classification losses (crossEntropy, nllLoss) get them as their `weight`; their mean divides by the weights of the
	 * targets. For other losses, each sample's loss is multiplied, and the mean divides by the number of samples.
	 */
	readonly classWeight?: ClassWeight;
	/**
	 * A factor per sample: a list in the order of the data, or a function of a batch that returns [N]. The loss becomes mean(factor * loss
	 * of the sample), as in Keras. It must support `reduction: 'none'`.
	 */
	readonly sampleWeight?: Tensor | ArrayLike<number> | ((batch: TensorList) => Tensor);
	/** The largest norm of all gradients together: a number, or an object with the p of the norm. */
	readonly clipGradNorm?: number | { readonly maxNorm: number; readonly normType?: number };
	/** The largest absolute value of a gradient's element. */
	readonly clipGradValue?: number;
	/**
	 * 'float16' computes the model and the loss within `autocast`, and scales the loss by a `GradScaler`. Checkpoints hold its state. The
	 * model keeps its float32 parameters. Default 'float32'.
	 */
	readonly precision?: 'float32' | 'float16';
	/**
	 * Batches per optimizer step. Their gradients add up to the gradient of one large batch, even if the last group or batch is smaller.
	 * Your own loss or trainStep must average over samples. Default 1.
	 */
	readonly accumulateSteps?: number;
	/**
	 * Paths of modules that do not keep their activations for the backward pass, which computes them again: memory for time. * stands for one
	 * part of a path: ['blocks.*']. The bits of the run stay the same. See `checkpoint`.
	 */
	readonly checkpoint?: readonly string[];
	/**
	 * Paths of modules. Their activations wait for the backward pass in the host's memory, which saves GPU memory and costs time. Patterns are
	 * those of `checkpoint`, and a module may be in both. The bits of the run stay the same. See `saveOnCpu`.
	 */
	readonly offload?: readonly string[];
	/** A weight average to update after each step. */
	readonly ema?: EMA;
	/** Callbacks, in order. A function runs after each epoch. */
	readonly callbacks?: readonly (Callback | EpochFunction)[];
	/**
	 * The seed of the run's random numbers (dropout, noise) and of the data's order. Default: drawn from the default generator, see
	 * `manualSeed`.
	 */
	readonly seed?: number | bigint;
	/** Shuffle the data in each epoch, unless they are a loader or a stream. Default true. */
	readonly shuffle?: boolean;
	/** The device to compute on; `fit` moves the model there. Default: the model's device. */
	readonly device?: DeviceName;
	/**
	 * What to do when the WebGPU device is lost. 'throw' (the default) rejects with a DeviceLostError. 'resume' gets a new device and
	 * continues from the last checkpoint, with the same bits as an undisturbed run: weights, optimizer, schedule, random numbers, order of
	 * the data, history and callbacks with a `stateDict`. Callbacks without one see the steps since the checkpoint again, and all see
	 * `onTrainBegin` again, as with `resumeFrom`.
	 *
	 * Besides those of ModelCheckpoint, `fit` keeps its own checkpoints in the host's memory: one at the start, and one whenever it costs
	 * at most a twentieth of the time since the last. Each reads weights and optimizer state from the device. `fit` copies data tensors on
	 * the GPU to the host once, at the start. It cannot restore other GPU tensors, such as those that a trainStep captures: keep them on
	 * the CPU. A run that loses the device three times without a further step ends with the error.
	 */
	readonly onDeviceLost?: 'throw' | 'resume';
	/** A checkpoint to resume from, with the same bits as an uninterrupted run. The other options must be those of that run. */
	readonly resumeFrom?: string | ResumeConfig;
	/**
	 * Train on all ranks of the job of `wgrad/distributed`: each takes its part of every epoch, in batches of `batchSize`, and gradients, losses
	 * and metrics are averaged. Needs a `seed`, the same on all ranks, and a dataset or tensors. Rank 0 reads and writes checkpoints, and shows
	 * the progress. Default false.
	 */
	readonly distributed?: boolean;
	/**
	 * On WebGPU, repeat the GPU's work of steps and of validation as `compile` does, with the same bits and less work on the host. Metrics run
	 * as usual. What cannot be repeated runs as usual, silently: `context.compiled.reason` tells callbacks why. A model with host state that
	 * changes its work must say false. Default true with `loss`, and false with `trainStep`, which may do something else in each call.
	 */
	readonly compile?: boolean;
	/** 0: nothing; 1: a progress bar in a terminal, lines elsewhere; 2: one line per epoch. Default 1. */
	readonly verbose?: 0 | 1 | 2;
	/** Called at most a few times a second, for your own progress bar. */
	readonly onProgress?: (progress: Progress) => void;
}

const NAMES = [
	...(['loss', 'trainStep', 'optimizer', 'scheduler', 'epochs', 'batchSize', 'validationData', 'validationSplit'] as const),
	...([
		'metrics',
		'classWeight',
		'sampleWeight',
		'clipGradNorm',
		'clipGradValue',
		'precision',
		'accumulateSteps',
		'checkpoint',
		'offload',
		'ema',
	] as const),
	...([
		'callbacks',
		'seed',
		'shuffle',
		'device',
		'resumeFrom',
		'onDeviceLost',
		'distributed',
		'compile',
		'verbose',
		'onProgress',
	] as const),
] as const;

/** Throws for invalid options, before the run changes anything. */
export function checkFitOptions(options: FitOptions): void {
	checkOptions('fit', options, NAMES);
	const { optimizer, epochs = 1, accumulateSteps = 1, clipGradNorm, clipGradValue, verbose = 1, callbacks = [] } = options;
	const expected = 'an optimizer of the model, such as new optim.Adam(model.parameters())';
	requireInstance('fit', 'optimizer', optimizer, Optimizer, expected);
	requireCounts('fit', { epochs });
	requireCounts('fit', { accumulateSteps }, 1);
	const norm = typeof clipGradNorm === 'object' ? clipGradNorm.maxNorm : clipGradNorm;
	for (const [name, value] of Object.entries({ clipGradNorm: norm, clipGradValue })) {
		if (value !== undefined) requireNonNegative('fit', name, value);
	}
	requireOneOf('fit', 'verbose', verbose, [0, 1, 2]);
	requireOneOf('fit', 'precision', options.precision ?? 'float32', ['float32', 'float16']);
	if (options.precision === 'float16' && optimizer instanceof LBFGS)
		throw new ArgumentError('fit: LBFGS computes the loss several times a step. Train it in float32');
	const { onDeviceLost = 'throw' } = options;
	requireOneOf('fit', 'onDeviceLost', onDeviceLost, ['throw', 'resume']);
	requireBoolean('fit', 'compile', options.compile ?? true);
	requireArray('fit', 'callbacks', callbacks, 'a list');
	if (options.validationData !== undefined && options.validationSplit !== undefined)
		throw new ArgumentError('fit: pass either validationData or validationSplit');
}

export interface ResolvedScheduler {
	readonly scheduler: Scheduler;
	readonly interval: 'step' | 'epoch';
	readonly monitor: string;
}

/** When the schedule steps, and by which metric. */
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
	requireOneOf('fit', "the scheduler's interval", interval, ['step', 'epoch']);
	if (plateau && interval === 'step')
		throw new ArgumentError('fit: ReduceLROnPlateau steps after epochs, so its interval must be epoch');
	if (!plateau && config.monitor !== undefined) throw new ArgumentError('fit: only ReduceLROnPlateau takes monitor');
	return { scheduler, interval, monitor: config.monitor ?? (validates ? 'valLoss' : 'loss') };
}
