/** A model measured on data, and its outputs for data. */
import { noGrad } from '../autograd/modes';
import type { DeviceName } from '../backends/contract';
import { defaultDevice } from '../backends/registry';
import { ArgumentError } from '../core/errors';
import { defaultGenerator, drawFrom, type Generator } from '../core/generator';
import { checkOptions } from '../core/options';
import { discard, type Fields, moved } from '../data/fields';
import type { Metric } from '../metrics/metric';
import { Module } from '../nn';
import { full } from '../ops/creation';
import { cat, detach } from '../ops/layout';
import { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { type Batches, batchesOf, type Data } from './batches';
import { isTraining } from './claims';
import { type Loss, Objective, outputOf, type StepResult, type TrainStep } from './loss';
import { Meters, type MetricFunction, type Metrics } from './meters';

export interface EvaluateOptions<M extends Module = Module, R extends Metrics = Metrics> {
	/** Weights of classes and samples have no part in it. Default none: then there are only the metrics, and `loss` is NaN. */
	readonly loss?: Loss;
	/** In the place of `loss`: computes the loss of a batch, here with the model in inference mode. */
	readonly trainStep?: TrainStep<M>;
	/** Metrics by name: objects of `wgrad/metrics`, or functions whose mean over the samples is taken. */
	readonly metrics?: R;
	/** Samples of a batch, unless `data` is a loader. Default 32. */
	readonly batchSize?: number;
	/** Where to compute; the model is moved there. Default: where the model is. */
	readonly device?: DeviceName;
}

type ValueOf<T> = T extends Metric<infer V> ? V : T extends MetricFunction ? number : never;

/** The mean loss, and each metric under its name. */
export type Evaluation<R extends Metrics> = { readonly loss: number } & { readonly [K in keyof R]: ValueOf<R[K]> };

/** Throws unless `model` is one. */
export function requireModel(caller: string, model: unknown): asserts model is Module {
	if (!(model instanceof Module)) throw new ArgumentError(`${caller}: the model must be an nn.Module, not ${typeof model}`);
}

/** Throws where a tensor came in the place of the options: the target must be in the list of the data. */
export function requireNoTarget(caller: string, options: unknown): void {
	if (options instanceof Tensor)
		throw new ArgumentError(`${caller}: inputs and target come as one list: ${caller}(model, [x, y], { loss, ... })`);
}

/** The device of the model's parameters; of a model without any, the default device. */
export function deviceOf(model: Module): DeviceName {
	return (model.parameters()[0] ?? model.buffers()[0])?.device ?? defaultDevice();
}

/**
 * Runs `fn` in inference mode, unrecorded and tidily, and restores the modes of now, module by module: some may be frozen. `fn` must not be
 * async: whoever trains the model meanwhile never sees the mode.
 */
function inferring<T>(model: Module, fn: () => T): T {
	const modes = model.modules().map((module) => [module, module.training] as const);
	model.eval();
	try {
		return noGrad(() => tidy(fn));
	} finally {
		for (const [module, training] of modes) module.training = training;
	}
}

/** Moves the model to `device`. Throws where that would take it away from a `fit`. */
async function place(caller: string, model: Module, device: DeviceName): Promise<void> {
	const now = deviceOf(model);
	if (device !== now && isTraining(model)) {
		throw new ArgumentError(
			`${caller}: a fit that still runs trains the model on device '${now}'; leave out device '${device}', or await the fit first`,
		);
	}
	await model.to(device);
}

/** One pass in inference mode, whose random numbers come from `generator`. The meters are the caller's to reset. */
export async function measure(
	model: Module,
	batches: Batches,
	epoch: number,
	objective: Objective,
	meters: Meters,
	device: DeviceName,
	generator: Generator = defaultGenerator,
): Promise<Record<string, unknown>> {
	let batch = 0;
	for await (const fetched of batches.iterate({ epoch, firstBatch: 0, generator })) {
		const fields = await moved(fetched, device);
		const values = drawFrom(generator, () => inferring(model, () => meters.measure(objective.plain(model, fields))));
		meters.add(values, fields[0]!.shape[0] ?? 1, ++batch, 0);
		discard(fields);
		if (meters.due) await meters.turn();
	}
	await meters.flush();
	return await meters.results();
}

/**
 * Measures the model on data, in inference mode and without gradients: the mean loss over all samples and the metrics, by name.
 *
 *     const { loss, accuracy } = await evaluate(model, [x, y], { loss: crossEntropy, metrics: { accuracy: new Accuracy() } });
 *
 * `data` is `[x, y]` tensors (several inputs come before the target), a dataset, a DataLoader, or any iterable of batches. The modes of
 * the model's modules change only while a batch is computed, so that it may run while `fit` trains the model: it sees the weights of each
 * moment, and the training comes to the same bits as without it. Metrics begin anew and stay as they are at the end: `metrics.f1.perClass()` may follow.
 */
export async function evaluate<M extends Module, R extends Metrics = Record<never, never>>(
	model: M,
	data: Data,
	options: EvaluateOptions<M, R>,
): Promise<Evaluation<R>> {
	requireModel('evaluate', model);
	requireNoTarget('evaluate', options);
	checkOptions('evaluate', options, ['loss', 'trainStep', 'metrics', 'batchSize', 'device']);
	const { loss, trainStep, metrics, batchSize = 32, device = deviceOf(model) } = options;
	await place('evaluate', model, device);
	const step = (trainStep as TrainStep | undefined) ?? (loss === undefined ? withoutLoss : undefined);
	const objective = new Objective('evaluate', { loss, trainStep: step });
	const meters = new Meters('evaluate', metrics);
	const batches = batchesOf('evaluate', data, { batchSize, device });
	meters.reset();
	try {
		const results = await measure(model, batches, batches.firstEpoch, objective, meters, device);
		if (meters.samples === 0) throw new ArgumentError('evaluate: the data have no samples');
		return results as Evaluation<R>;
	} catch (error) {
		meters.reset();
		throw error;
	}
}

/** For metrics alone. */
function withoutLoss(model: Module, batch: Fields): StepResult {
	if (batch.length < 2)
		throw new ArgumentError(`evaluate: a batch of the data has ${batch.length} field; it takes inputs and, last, the target`);
	const output = outputOf('evaluate', model, batch.slice(0, -1));
	return { loss: full([], Number.NaN, { device: output.device }), output, target: batch.at(-1)! };
}

export interface PredictOptions {
	/** Samples of a batch, unless `data` is a loader. Default 32. */
	readonly batchSize?: number;
	/** Where to compute; the model is moved there. Default: where the model is. */
	readonly device?: DeviceName;
	/** How many fields of a batch are inputs. Default: all but the last, which is the target; the only one where there is one. */
	readonly inputs?: number;
}

/**
 * The model's outputs for all samples, in inference mode and without gradients, joined along dim 0.
 *
 * `data` is one tensor of inputs, or whatever `fit` and `evaluate` take: then the last field of several is the target, and left out, unless
 * `inputs` says how many fields are inputs. The result is on the device of the model, and the caller's. As `evaluate`, it may run while `fit`
 * trains the model.
 */
export async function predict(model: Module, data: Tensor | Data, options: PredictOptions = {}): Promise<Tensor> {
	requireModel('predict', model);
	checkOptions('predict', options, ['batchSize', 'device', 'inputs']);
	const { batchSize = 32, device = deviceOf(model), inputs } = options;
	if (inputs !== undefined && (!Number.isInteger(inputs) || inputs < 1))
		throw new ArgumentError(`predict: inputs must be a whole number of at least 1, not ${inputs}`);
	await place('predict', model, device);
	const batches = batchesOf('predict', data instanceof Tensor ? [data] : data, { batchSize, device });
	const outputs: Tensor[] = [];
	try {
		for await (const fetched of batches.iterate({ epoch: batches.firstEpoch, firstBatch: 0, generator: defaultGenerator })) {
			const fields: Fields = await moved(fetched, device);
			const count = inputs ?? Math.max(1, fields.length - 1);
			if (count > fields.length) throw new ArgumentError(`predict: inputs is ${count}, but a batch has ${fields.length} fields`);
			outputs.push(inferring(model, () => detach(outputOf('predict', model, fields.slice(0, count)))));
			discard(fields);
		}
		if (outputs.length === 0) throw new ArgumentError('predict: the data have no samples');
		return noGrad(() => (outputs.length === 1 ? outputs.pop()! : cat(outputs, 0)));
	} finally {
		for (const output of outputs) output.dispose();
	}
}
