/** `evaluate` measures a model on data, `predict` computes its outputs. */

import { noGrad } from '../autograd/modes';
import type { DeviceName } from '../backends/contract';
import { defaultDevice } from '../backends/registry';
import { requireCounts } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { defaultGenerator, drawFrom, type Generator } from '../core/generator';
import { checkOptions } from '../core/options';
import { discard, moveToDevice, type TensorList } from '../data/batch';
import type { Metric } from '../metrics/metric';
import type { Module } from '../nn';
import { requireModule } from '../nn/module';
import { full } from '../ops/creation';
import { cat, detach } from '../ops/layout';
import { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { type Batches, batchesOf, type Data } from './batches';
import { isTraining } from './lock';
import { type Loss, Objective, outputOf, type StepResult, type TrainStep } from './loss';
import { Meters, type MetricFunction, type Metrics } from './meters';

export interface EvaluateOptions<M extends Module = Module, R extends Metrics = Metrics> {
	/** The loss, without class and sample weights. Default none: only metrics, and `loss` is NaN. */
	readonly loss?: Loss;
	/** Replaces `loss`: computes the loss of a batch, here with the model in inference mode. */
	readonly trainStep?: TrainStep<M>;
	/** Metrics by name: objects of `wgrad/metrics`, or functions, averaged over samples. */
	readonly metrics?: R;
	/** Samples per batch, unless `data` is a loader. Default 32. */
	readonly batchSize?: number;
	/** The device to compute on; moves the model there. Default: the model's device. */
	readonly device?: DeviceName;
}

type ValueOf<T> = T extends Metric<infer V> ? V : T extends MetricFunction ? number : never;

/** The mean loss, and each metric by name. */
export type Evaluation<R extends Metrics> = { readonly loss: number } & { readonly [K in keyof R]: ValueOf<R[K]> };

/** Throws if a tensor takes the place of the options: the target belongs into the list of the data. */
export function requireNoTarget(caller: string, options: unknown): void {
	if (options instanceof Tensor)
		throw new ArgumentError(`${caller}: pass inputs and target as one list: ${caller}(model, [x, y], { loss, ... })`);
}

/** The device of the model's parameters, or the default device if it has none. */
export function deviceOf(model: Module): DeviceName {
	return (model.parameters()[0] ?? model.buffers()[0])?.device ?? defaultDevice();
}

/**
 * Runs `fn` in inference mode, inside `noGrad` and `tidy`. Then restores each module's own mode, because some may be frozen. `fn` must not
 * be async, so that code that trains the model at the same time never sees the mode.
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

/** Moves the model to `device`. Throws if a running `fit` trains it on another device. */
async function place(caller: string, model: Module, device: DeviceName): Promise<void> {
	const now = deviceOf(model);
	if (device !== now && isTraining(model)) {
		throw new ArgumentError(
			`${caller}: a fit that still runs trains the model on device '${now}'; leave out device '${device}', or await the fit first`,
		);
	}
	await model.to(device);
}

/** One pass of `forward` in inference mode with random numbers from `generator`. The caller resets the meters. */
export async function measure(
	model: Module,
	batches: Batches,
	epoch: number,
	forward: (fields: TensorList) => StepResult,
	meters: Meters,
	device: DeviceName,
	generator: Generator = defaultGenerator,
): Promise<Record<string, unknown>> {
	let batch = 0;
	for await (const fetched of batches.iterate({ epoch, firstBatch: 0, generator })) {
		const fields = await moveToDevice(fetched, device);
		const values = drawFrom(generator, () => inferring(model, () => meters.measure(forward(fields))));
		meters.add(values, fields[0]!.shape[0] ?? 1, ++batch, 0);
		discard(fields);
		if (meters.due) await meters.turn();
	}
	await meters.flush();
	return await meters.results();
}

/**
 * Computes the mean loss over all samples and the metrics, in inference mode and without gradients.
 *
 *     const { loss, accuracy } = await evaluate(model, [x, y], { loss: crossEntropy, metrics: { accuracy: new Accuracy() } });
 *
 * `data` is `[x, y]` tensors (the target comes last, after one or more inputs), a dataset, a DataLoader, or any iterable of batches. May
 * run while `fit` trains the model: it uses the current weights and switches modes only while it computes a batch, so that training gives
 * the same bits as without it. Resets metrics at the start but not at the end, so you may call `metrics.f1.perClass()` afterwards.
 */
export async function evaluate<M extends Module, R extends Metrics = Record<never, never>>(
	model: M,
	data: Data,
	options: EvaluateOptions<M, R>,
): Promise<Evaluation<R>> {
	requireModule('evaluate', 'model', model);
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
		const results = await measure(model, batches, batches.firstEpoch, (fields) => objective.plain(model, fields), meters, device);
		if (meters.samples === 0) throw new ArgumentError('evaluate: the data have no samples');
		return results as Evaluation<R>;
	} catch (error) {
		meters.reset();
		throw error;
	}
}

/** The step without a loss, for metrics only. */
function withoutLoss(model: Module, batch: TensorList): StepResult {
	if (batch.length < 2)
		throw new ArgumentError(`evaluate: a batch of the data has ${batch.length} field; it needs inputs and, last, the target`);
	const output = outputOf('evaluate', model, batch.slice(0, -1));
	return { loss: full([], Number.NaN, { device: output.device }), output, target: batch.at(-1)! };
}

export interface PredictOptions {
	/** Samples per batch, unless `data` is a loader. Default 32. */
	readonly batchSize?: number;
	/** The device to compute on; moves the model there. Default: the model's device. */
	readonly device?: DeviceName;
	/** The number of fields of a batch that are inputs. Default: all except the last, the target; a single field is an input. */
	readonly inputs?: number;
}

/**
 * Computes the model's outputs for all samples, in inference mode and without gradients, concatenated along dim 0.
 *
 * `data` is one tensor of inputs, or any data that `fit` takes. If batches have several fields, `predict` ignores the last one, the target,
 * unless `inputs` gives the number of inputs. The caller owns the result, which is on the model's device. May run while `fit` trains the
 * model, like `evaluate`.
 */
export async function predict(model: Module, data: Tensor | Data, options: PredictOptions = {}): Promise<Tensor> {
	requireModule('predict', 'model', model);
	checkOptions('predict', options, ['batchSize', 'device', 'inputs']);
	const { batchSize = 32, device = deviceOf(model), inputs } = options;
	if (inputs !== undefined) requireCounts('predict', { inputs }, 1);
	await place('predict', model, device);
	const batches = batchesOf('predict', data instanceof Tensor ? [data] : data, { batchSize, device });
	const outputs: Tensor[] = [];
	try {
		for await (const fetched of batches.iterate({ epoch: batches.firstEpoch, firstBatch: 0, generator: defaultGenerator })) {
			const fields: TensorList = await moveToDevice(fetched, device);
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
