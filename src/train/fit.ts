/** `fit`: prepares a run from its options, and trains. */
import { wrongArgument } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { drawFrom, type Generator } from '../core/generator';
import { generatorOf } from '../data/randomStream';
import type { Module } from '../nn';
import { requireModule } from '../nn/module';
import { LBFGS } from '../optim';
import { GradScaler } from '../optim/gradScaler';
import { Tensor } from '../tensor';
import { batchesOf, type Data, splitValidation } from './batches';
import type { Callback, EpochFunction } from './callbacks';
import { decodeCheckpoint } from './checkpoint';
import { checkpointModules } from './checkpointModules';
import { compiledForward } from './compiledStep';
import { defaults } from './defaults';
import { keepOnHost, requireReadable, runThroughLosses } from './deviceLoss';
import { type Distribution, requireDistribution } from './distribution';
import { deviceOf, requireNoTarget } from './evaluate';
import type { History, Setting } from './history';
import { claim } from './lock';
import { TrainingLoop } from './loop';
import { classWeightList, type Loss, Objective } from './loss';
import { Meters } from './meters';
import { Offload } from './offloadModules';
import { checkFitOptions, type FitOptions, resolveScheduler } from './options';
import { ProgressCallback } from './progress';
import { MemoryStore } from './store';

/**
 * Trains a model and returns the history.
 *
 *     const history = await fit(model, [x, y], {
 *       loss: crossEntropy,
 *       optimizer: new optim.Adam(model.parameters()),
 *       epochs: 5,
 *       validationSplit: 0.1,
 *       metrics: { accuracy: new Accuracy() },
 *       callbacks: [new EarlyStopping({ patience: 2 })],
 *     });
 *
 * `data` is `[x, y]` tensors, a dataset, an IterableDataset, a DataLoader, or any iterable of batches; `fit` disposes of their tensors. The
 * target comes last; `forward` gets the inputs before it, in order. `fit` reads losses and metrics in groups, so that the device never
 * waits for the host.
 *
 * A run draws from its own generator, seeded by `seed` or by a key of the default generator. So a run with a `seed`, or after `manualSeed`,
 * gives the same bits every time, regardless of other code that draws. A killed run that resumes (`resumeFrom`) from a checkpoint of
 * `ModelCheckpoint` gives the same bits too. Code between the steps, such as callbacks, draws from the default generator.
 *
 * All modules start in training mode and get their earlier modes back at the end. `train()` and `eval()` in between take effect from the
 * next step, as in your own loop. So callbacks can freeze parts of the model; do it in `onTrainBegin` for the whole run. `evaluate` and
 * `predict` may run at the same time and change nothing. A second `fit` of the same model, a part of it or its optimizer throws. As Keras'
 * `Model.fit`.
 */
export async function fit<M extends Module>(model: M, data: Data, options: FitOptions<M>): Promise<History> {
	requireModule('fit', 'model', model);
	requireNoTarget('fit', options);
	const given = options as unknown as FitOptions;
	const release = begin('fit', model, given);
	try {
		return await train(model, data, given, generatorOf(given.seed));
	} finally {
		release();
	}
}

/** Checks the options and claims the objects that the run changes. Returns a function that releases them. */
export function begin(caller: string, model: Module, options: FitOptions): () => void {
	checkFitOptions(options);
	requireOwnParameters(model, options);
	return claim(caller, model, options);
}

/** The rest of `fit` after `begin`, with random numbers of `generator`. */
export async function train(model: Module, data: Data, options: FitOptions, generator: Generator): Promise<History> {
	const {
		optimizer,
		epochs = 1,
		batchSize = 32,
		accumulateSteps = 1,
		seed,
		shuffle = true,
		metrics = {},
		sampleWeight,
		ema,
		compile = options.trainStep === undefined,
	} = options;
	const device = options.device ?? deviceOf(model);
	const classWeight = await classWeightList('fit', options.classWeight);
	const distribution = options.distributed === true ? requireDistribution('fit') : null;
	if (distribution !== null) requireDistributable(options);
	const objective = new Objective('fit', {
		loss: options.loss,
		trainStep: options.trainStep,
		classWeight,
		mixed: options.precision === 'float16',
	});
	const split = options.validationSplit === undefined ? null : splitValidation('fit', data, options.validationSplit);
	const trainData = split === null ? data : split[0];
	const weights = await weightList(sampleWeight, split?.[0].length);
	const batches = drawFrom(generator, () =>
		batchesOf('fit', trainData, {
			batchSize,
			device,
			shuffle,
			seed,
			sampleWeight: weights,
			sampler: distribution === null ? undefined : (length) => distribution.sampler(length, shuffle),
		}),
	);
	const validationData = split === null ? options.validationData : split[1];
	const validation =
		validationData === undefined
			? null
			: {
					batches: drawFrom(generator, () => batchesOf('fit', validationData, { batchSize, device })),
					meters: new Meters('fit', metrics),
					forward: compile && device === 'webgpu' ? compiledForward(model, objective, Object.keys(metrics).length > 0) : null,
				};
	const scheduler = resolveScheduler(options, validation !== null);
	await model.to(device);
	await distribution?.begin(model);
	distribution?.turn(generator);
	const resumes = options.onDeviceLost === 'resume' && device === 'webgpu';
	if (resumes) for (const part of [data, options.validationData]) requireReadable(part);
	const putBack = resumes ? await keepOnHost([data, options.validationData, options.loss]) : () => {};
	const offload = options.offload === undefined ? null : new Offload(model, options.offload);
	const loop = new TrainingLoop({
		model,
		optimizer,
		device,
		epochs,
		accumulateSteps,
		batches,
		objective,
		meters: new Meters('fit', metrics),
		validation,
		sampleWeight: typeof sampleWeight === 'function' ? sampleWeight : weights === undefined ? null : 'field',
		scheduler,
		ema,
		scaler: options.precision === 'float16' ? new GradScaler() : undefined,
		offload,
		clip: options,
		generator,
		distribution,
		snapshots: resumes ? new MemoryStore() : null,
		compile,
		callbacks: callbacksOf(distribution === null || distribution.rank === 0 ? options : { ...options, verbose: 0 }),
		settings: settingsOf(model, options, {
			device,
			batchSize: batches.batchSize ?? null,
			samples: batches.samples ?? null,
		}),
	});
	const modes = model.modules().map((module) => [module, module.training] as const);
	const ends: (() => void)[] = [];
	try {
		ends.push(checkpointModules(model, options.checkpoint ?? []));
		if (offload !== null) ends.push(offload.start());
		model.train();
		await resume(loop, options.resumeFrom, distribution);
		if (!resumes) return await loop.run();
		const renew = () => {
			putBack();
			objective.dispose();
		};
		return await runThroughLosses(loop, renew, options.verbose === 0);
	} finally {
		for (const end of ends.reverse()) end();
		for (const [module, training] of modes) module.training = training;
		objective.dispose();
		validation?.forward?.dispose();
	}
}

/** What cannot run on several ranks, or would differ between them. */
function requireDistributable({ seed, onDeviceLost, optimizer, offload }: FitOptions): void {
	if (seed === undefined)
		throw new ArgumentError('fit: distributed needs a seed, the same on all ranks, for the order of the data');
	if (onDeviceLost === 'resume')
		throw new ArgumentError("fit: a job of several ranks cannot use onDeviceLost: 'resume'. Start it again with resumeFrom");
	if (optimizer instanceof LBFGS)
		throw new ArgumentError('fit: LBFGS searches along the losses of one rank. Use another optimizer');
	if (offload !== undefined) throw new ArgumentError('fit: distributed and offload do not go together. Leave one out');
}

async function resume(loop: TrainingLoop, from: FitOptions['resumeFrom'], distribution: Distribution | null): Promise<void> {
	if (from === undefined) return;
	const { name, store: given = defaults().checkpoints, optional = false } = typeof from === 'string' ? { name: from } : from;
	const store = distribution?.shared(given) ?? given;
	const bytes = await store.read(name);
	const source = `fit: checkpoint '${name}'`;
	if (bytes !== null) {
		await loop.restore(await decodeCheckpoint(bytes, source), source);
		loop.note({ name, store });
	} else if (!optional)
		throw new ArgumentError(
			`${source} does not exist. To start a new run if it is missing, pass resumeFrom: { name, optional: true }`,
		);
	if (loop.isFinished) {
		console.warn(
			`${source} holds a finished run, so there is nothing to train. Raise epochs to continue, or remove the checkpoint to start a new run`,
		);
	}
}

/** Reads the sample weights to the host, without those of the validation part. */
async function weightList(given: FitOptions['sampleWeight'], samples: number | undefined): Promise<Float32Array | undefined> {
	if (given === undefined || typeof given === 'function') return undefined;
	const values = Float32Array.from(given instanceof Tensor ? await given.data() : given);
	return samples === undefined || values.length < samples ? values : values.subarray(0, samples);
}

function callbacksOf({ callbacks = [], verbose = 1, onProgress }: FitOptions): Callback[] {
	const all = callbacks.map((callback: Callback | EpochFunction): Callback => {
		if (typeof callback === 'function' && isClass(callback))
			throw new ArgumentError(`fit: the callback ${callback.name} is a class; pass an instance: new ${callback.name}()`);
		if (typeof callback === 'function') return { onEpochEnd: callback };
		if (typeof callback === 'object' && callback !== null) return callback;
		throw wrongArgument('fit', 'a callback', 'an object with hooks or a function', callback);
	});
	if (onProgress !== undefined) all.push(new ProgressCallback(onProgress));
	if (verbose !== 0) all.push(defaults().progress(verbose));
	return all;
}

/** Classes are the only functions with a read-only prototype. */
function isClass(value: object): boolean {
	return Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false;
}

/** Throws if the optimizer has none of the model's parameters. Without a trainStep, the run would then change nothing. */
function requireOwnParameters(model: Module, { optimizer, trainStep }: FitOptions): void {
	const own = new Set<Tensor>(model.parameters());
	if (trainStep !== undefined || optimizer.paramGroups.some(({ params }) => params.some((param) => own.has(param)))) return;
	throw new ArgumentError(
		"fit: the optimizer has none of the model's parameters, so the run would change nothing. Create it from this model: new optim.Adam(model.parameters())",
	);
}

function settingsOf(model: Module, options: FitOptions, known: Record<string, Setting>): Record<string, Setting> {
	const { optimizer, loss, scheduler, seed } = options;
	const settings: Record<string, Setting> = {
		model: model.constructor.name,
		parameters: model.parameters().reduce((total, { size }) => total + size, 0),
		loss: loss === undefined ? 'trainStep' : lossName(loss),
		optimizer: optimizer.constructor.name,
	};
	const { params: _, ...group } = optimizer.paramGroups[0]!;
	for (const [name, value] of Object.entries(group)) if (name !== 'initialLr') settings[name] = asSetting(value);
	if (scheduler !== undefined) settings.scheduler = ('scheduler' in scheduler ? scheduler.scheduler : scheduler).constructor.name;
	Object.assign(settings, known, { epochs: options.epochs ?? 1, shuffle: options.shuffle ?? true });
	if (seed !== undefined) settings.seed = typeof seed === 'bigint' ? String(seed) : seed;
	for (const name of ['validationSplit', 'clipGradValue', 'accumulateSteps', 'precision'] as const) {
		const value = options[name];
		if (value !== undefined) settings[name] = value;
	}
	const { clipGradNorm } = options;
	if (clipGradNorm !== undefined) settings.clipGradNorm = typeof clipGradNorm === 'object' ? clipGradNorm.maxNorm : clipGradNorm;
	const { classWeight } = options;
	if (classWeight !== undefined) settings.classWeight = classWeight instanceof Tensor ? 'tensor' : JSON.stringify(classWeight);
	return settings;
}

function lossName(loss: Loss): string {
	return (typeof loss === 'function' ? loss.name : loss.constructor.name) || 'function';
}

function asSetting(value: unknown): Setting {
	return value === null || ['string', 'number', 'boolean'].includes(typeof value) ? (value as Setting) : JSON.stringify(value);
}
