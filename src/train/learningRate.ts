/** Finds a learning rate with Smith's range test. */

import { requireCounts, requireFraction } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { defaultGenerator } from '../core/generator';
import { checkOptions } from '../core/options';
import { DataLoader } from '../data/loader';
import { generatorOf } from '../data/randomStream';
import type { Module } from '../nn';
import { requireModule } from '../nn/module';
import type { CommonOptions, Optimizer } from '../optim';
import type { Data } from './batches';
import type { Callback, StepLoss, TrainContext } from './callbacks';
import { checkParts, decodeCheckpoint, encodeCheckpoint, stateOf } from './checkpoint';
import { releaseTree } from './checkpointTree';
import { deviceOf } from './evaluate';
import { begin, train } from './fit';
import type { FitOptions } from './options';

export interface FindLearningRateOptions<M extends Module = Module>
	extends Pick<
		FitOptions<M>,
		| 'loss'
		| 'trainStep'
		| 'optimizer'
		| 'batchSize'
		| 'classWeight'
		| 'sampleWeight'
		| 'clipGradNorm'
		| 'clipGradValue'
		| 'accumulateSteps'
		| 'seed'
		| 'shuffle'
		| 'device'
	> {
	/** The first rate. Default 1e-7. */
	readonly startLr?: number;
	/** The last rate. Default 10. */
	readonly endLr?: number;
	/** Steps from the first rate to the last. Default 100. */
	readonly steps?: number;
	/** The decay of the running mean of the losses. Default 0.98. */
	readonly smoothing?: number;
	/** Stop when the smoothed loss exceeds the smallest by this factor. Default 4. */
	readonly divergence?: number;
}

export interface LearningRateCurve {
	/** The rate of each step. */
	readonly lrs: readonly number[];
	/** The smoothed loss at each rate: an exponential mean with bias correction. */
	readonly losses: readonly number[];
	/** The unsmoothed loss of each step. */
	readonly rawLosses: readonly number[];
	/** The rate where the smoothed loss falls fastest over the logarithm of the rate; null if it never falls. */
	readonly suggestion: number | null;
}

const NAMES = [
	...(['loss', 'trainStep', 'optimizer', 'batchSize', 'classWeight', 'sampleWeight', 'clipGradNorm', 'clipGradValue'] as const),
	...(['accumulateSteps', 'seed', 'shuffle', 'device', 'startLr', 'endLr', 'steps', 'smoothing', 'divergence'] as const),
] as const;

/** More epochs than any range test needs. */
const ENDLESS = Number.MAX_SAFE_INTEGER;

/** Raises the rates step by step and records the losses. */
class RangeTest implements Callback {
	readonly lrs: number[] = [];
	readonly losses: number[] = [];
	readonly rawLosses: number[] = [];
	readonly #factors: readonly number[];
	#mean = 0;
	#best = Number.POSITIVE_INFINITY;
	#diverged = false;

	constructor(
		readonly optimizer: Optimizer<CommonOptions>,
		readonly rate: (step: number) => number,
		readonly options: { readonly steps: number; readonly smoothing: number; readonly divergence: number },
	) {
		const first = optimizer.paramGroups[0]!.lr;
		this.#factors = optimizer.paramGroups.map(({ lr }) => (first > 0 ? lr / first : 1));
	}

	onBatchBegin({ step }: TrainContext): void {
		this.optimizer.paramGroups.forEach((group, i) => {
			group.lr = this.rate(step) * this.#factors[i]!;
		});
	}

	onBatchEnd(context: TrainContext): void {
		if (context.step >= this.options.steps) context.stop('the range test is complete');
	}

	onLosses(context: TrainContext, losses: readonly StepLoss[]): void {
		const { smoothing, divergence } = this.options;
		for (const { loss, lr } of losses) {
			if (this.#diverged) return;
			this.#mean = smoothing * this.#mean + (1 - smoothing) * loss;
			const smooth = this.#mean / (1 - smoothing ** (this.losses.length + 1));
			this.#diverged = !Number.isFinite(smooth) || smooth > divergence * this.#best;
			if (this.#diverged) {
				context.stop('the loss diverges');
				return;
			}
			this.lrs.push(lr);
			this.losses.push(smooth);
			this.rawLosses.push(loss);
			this.#best = Math.min(this.#best, smooth);
		}
	}
}

/**
 * Trains for some steps while the rate rises exponentially from `startLr` to `endLr`, and returns the loss at each rate. A good rate lies
 * where the loss falls fastest, well before it rises. Rates of further parameter groups keep their proportions. Afterwards restores the
 * model, the optimizer, the random state and a loader's position. Smith 2017, "Cyclical learning rates for training neural networks";
 * smoothing and suggestion as in fastai's `lr_find`.
 */
export async function findLearningRate<M extends Module>(
	model: M,
	data: Data,
	options: FindLearningRateOptions<M>,
): Promise<LearningRateCurve> {
	requireModule('findLearningRate', 'model', model);
	checkOptions('findLearningRate', options as unknown as FindLearningRateOptions, NAMES);
	const { startLr = 1e-7, endLr = 10, steps = 100, smoothing = 0.98, divergence = 4, ...rest } = options;
	if (!(startLr > 0 && endLr > startLr))
		throw new ArgumentError(`findLearningRate: it takes 0 < startLr < endLr, not ${startLr} and ${endLr}`);
	requireCounts('findLearningRate', { steps }, 3);
	requireFraction('findLearningRate', 'smoothing', smoothing, '[0, 1)');
	const { optimizer } = options;
	const fitted = { ...rest, epochs: ENDLESS, verbose: 0 } as unknown as FitOptions;
	// Like a run's generator, but without taking a key from the default generator.
	const random = defaultGenerator.getState();
	const generator = generatorOf(options.seed);
	defaultGenerator.setState(random);
	const release = begin('findLearningRate', model, fitted);
	const test = new RangeTest(optimizer, (step) => startLr * (endLr / startLr) ** (step / (steps - 1)), {
		steps,
		smoothing,
		divergence,
	});
	try {
		await model.to(options.device ?? deviceOf(model));
		const parts = { model, optimizer };
		const own = stateOf(parts, generator);
		// Keep it on the host, to save the device's memory.
		const saved = await encodeCheckpoint(own);
		releaseTree(own);
		const loaderState = data instanceof DataLoader ? data.stateDict() : null;
		try {
			await train(model, data, { ...fitted, callbacks: [test] }, generator);
		} finally {
			optimizer.zeroGrad();
			const before = await decodeCheckpoint(saved);
			checkParts(parts, before, 'findLearningRate', generator)();
			releaseTree(before);
			if (loaderState !== null) (data as DataLoader).loadStateDict(loaderState);
		}
	} finally {
		release();
	}
	const { lrs, losses, rawLosses } = test;
	return { lrs, losses, rawLosses, suggestion: steepest(lrs, losses) };
}

/** The rate before the lowest loss at which the loss falls fastest per step. Steps are even in the logarithm of the rate. */
function steepest(lrs: readonly number[], losses: readonly number[]): number | null {
	const lowest = losses.indexOf(Math.min(...losses));
	let [best, slope] = [-1, 0];
	for (let i = 1; i < Math.min(lowest + 1, losses.length - 1); i++) {
		const own = losses[i + 1]! - losses[i - 1]!;
		if (own < slope) [best, slope] = [i, own];
	}
	return best < 0 ? null : lrs[best]!;
}
