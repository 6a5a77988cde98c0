/** The training loop: epochs, groups of batches, and the work between them. */
import { noGrad } from '../autograd/modes';
import type { DeviceName } from '../backends/contract';
import { ArgumentError } from '../core/errors';
import { drawFrom } from '../core/generator';
import { checkState, isObject } from '../core/state';
import { discard, moveToDevice, type TensorList } from '../data/batch';
import type { DataLoaderState } from '../data/loader';
import { detach } from '../ops/layout';
import { clipGradNorm, clipGradValue, type EMA, LBFGS, lrScheduler } from '../optim';
import { Tensor } from '../tensor';
import { tidy } from '../tidy';
import type { Batches } from './batches';
import { type Callback, monitoredValue, type SaveOptions, type StepLoss, type TrainContext } from './callbacks';
import { type CheckpointLocation, checkParts, encodeCheckpoint, noteCheckpoint, stateOf } from './checkpoint';
import { type CheckpointTree, releaseTree } from './checkpointTree';
import { type CompiledForward, CompiledSteps } from './compiledStep';
import { defaults } from './defaults';
import type { Distribution } from './distribution';
import { measure } from './evaluate';
import { type Batch, type GradientPlan, Gradients } from './gradients';
import { type EpochRecord, type History, type Setting, validationName } from './history';
import { callbackStates, checkLoopState, type LoopState, onDevice, requireSamePosition, restoreCallbacks } from './loopState';
import type { Meters } from './meters';
import type { FitOptions, ResolvedScheduler } from './options';
import type { CheckpointStore } from './store';

/** Everything that a run needs, already checked. */
export interface Plan extends GradientPlan {
	readonly device: DeviceName;
	readonly epochs: number;
	readonly accumulateSteps: number;
	readonly batches: Batches;
	readonly validation: {
		readonly batches: Batches;
		readonly meters: Meters;
		/** Null if its forward passes run as usual. */
		readonly forward: CompiledForward | null;
	} | null;
	/** The source of sample weights: the last field of each batch, or a function of the batch. */
	readonly sampleWeight: 'field' | ((batch: TensorList) => Tensor) | null;
	readonly scheduler: ResolvedScheduler | null;
	readonly ema: EMA | undefined;
	readonly clip: Pick<FitOptions, 'clipGradNorm' | 'clipGradValue'>;
	readonly callbacks: readonly Callback[];
	readonly settings: Readonly<Record<string, Setting>>;
	/** The job of several ranks that the run is part of; null alone. */
	readonly distribution: Distribution | null;
	/** The store of the run's own checkpoints, to resume after a lost device; null if it keeps none. */
	readonly snapshots: CheckpointStore | null;
	/** Whether steps are compiled, if the device is a GPU. */
	readonly compile: boolean;
}

interface Save extends SaveOptions {
	readonly name: string;
}

/** The run writes its own checkpoint when the time since the last one is this many times the duration of writing it. */
const SNAPSHOT_INTERVAL = 20;

export class TrainingLoop {
	/** The last checkpoint written or read. */
	last: CheckpointLocation | null = null;
	readonly #plan: Plan;
	readonly #gradients: Gradients;
	readonly #context: TrainContext;
	#epoch = 0;
	#step = 0;
	/** Batches and samples that the current epoch has trained on. */
	#batch = 0;
	#samples = 0;
	/** The learning rates of the last step by group. */
	#rates: readonly number[] = [];
	#epochStarted = 0;
	/** Seconds that an earlier program spent in the current epoch. */
	#epochSeconds = 0;
	#records: EpochRecord[] = [];
	#stopReason: string | null = null;
	#saves: Save[] = [];
	/** Null while steps run as usual. */
	#steps: CompiledSteps | null = null;
	/** The time when the run's next own checkpoint is due. */
	#snapshotDue = 0;

	constructor(plan: Plan) {
		this.#plan = plan;
		this.#gradients = new Gradients(plan);
		this.#context = this.#makeContext();
	}

	#makeContext(): TrainContext {
		const loop = this;
		const { model, optimizer, device, epochs, batches } = this.#plan;
		return {
			model,
			optimizer,
			device,
			epochs,
			get epoch() {
				return Math.min(loop.#epoch + 1, epochs);
			},
			get step() {
				return loop.#step;
			},
			get batch() {
				return loop.#batch;
			},
			get batchesPerEpoch() {
				return batches.length;
			},
			get samples() {
				return loop.#samples;
			},
			get samplesPerEpoch() {
				return batches.samples;
			},
			get history() {
				return loop.history();
			},
			get lr() {
				return optimizer.paramGroups[0]!.lr;
			},
			get compiled() {
				return loop.#steps?.report() ?? null;
			},
			stop(reason = 'a callback stopped the run') {
				loop.#stopReason ??= reason;
			},
			save(name, options = {}) {
				loop.#saves.push({ name, ...options });
			},
		};
	}

	/** The number of optimizer steps so far. */
	get step(): number {
		return this.#step;
	}

	/** Whether the run is complete. */
	get isFinished(): boolean {
		return this.#epoch >= this.#plan.epochs || (this.#stopReason !== null && this.#batch === 0);
	}

	history(): History {
		return {
			epochs: [...this.#records],
			settings: this.#plan.settings,
			steps: this.#step,
			stoppedEarly: this.#stopReason !== null,
			stopReason: this.#stopReason,
			seconds: this.#records.reduce((total, { seconds }) => total + seconds, 0),
		};
	}

	async run(): Promise<History> {
		const { batches, meters, validation, optimizer, offload, distribution, device, compile } = this.#plan;
		const { firstEpoch } = batches;
		// Plans of an earlier run may belong to a device that was lost.
		if (compile && device === 'webgpu' && offload === null && distribution === null && !(optimizer instanceof LBFGS))
			this.#steps = new CompiledSteps(this.#plan, this.#gradients, () => this.#takeStep());
		try {
			await this.#call((callback) => callback.onTrainBegin?.(this.#context));
			if (this.#plan.snapshots !== null && this.last === null) await this.#writeSaves();
			while (!this.isFinished) await this.#runEpoch(firstEpoch);
			const history = this.history();
			await this.#call((callback) => callback.onTrainEnd?.(this.#context, history));
			await this.#writeSaves();
			batches.finished(this.#epoch);
			return history;
		} finally {
			meters.reset();
			validation?.meters.reset();
			this.#steps?.dispose();
		}
	}

	async #call(hook: (callback: Callback) => void | Promise<void> | undefined): Promise<void> {
		for (const callback of this.#plan.callbacks) {
			const result = hook(callback);
			if (result instanceof Promise) await result;
		}
	}

	async #runEpoch(firstEpoch: number): Promise<void> {
		const { batches, meters, accumulateSteps, generator } = this.#plan;
		this.#epochStarted = performance.now();
		await this.#call((callback) => callback.onEpochBegin?.(this.#context));
		// Reset after the callbacks, which may evaluate with the same metric objects.
		if (this.#batch === 0) meters.reset();
		const source = batches.iterate({ epoch: firstEpoch + this.#epoch, firstBatch: this.#batch, generator });
		let group: Batch[] = [];
		try {
			if (this.#stopReason === null) {
				for await (const fetched of source) {
					group.push(await this.#prepare(fetched));
					if (group.length < accumulateSteps) continue;
					await this.#runGroup(group);
					group = [];
					if (this.#stopReason !== null) break;
				}
				if (group.length > 0 && this.#stopReason === null) await this.#runGroup(group);
			}
		} finally {
			// After an error these tensors still exist.
			for (const { fields, weights } of group) {
				discard(fields);
				weights?.dispose();
			}
		}
		await this.#finishEpoch();
	}

	async #prepare(fetched: TensorList): Promise<Batch> {
		const ready = moveToDevice(fetched, this.#plan.device);
		const fields = ready instanceof Promise ? await ready : ready;
		const samples = fields[0]!.shape[0] ?? 1;
		const { sampleWeight, generator } = this.#plan;
		if (sampleWeight === null) return { fields, weights: null, samples };
		if (sampleWeight === 'field') return { fields: fields.slice(0, -1), weights: fields.at(-1)!, samples };
		return { fields, weights: drawFrom(generator, () => noGrad(() => tidy(() => detach(sampleWeight(fields))))), samples };
	}

	async #runGroup(group: readonly Batch[]): Promise<void> {
		const { optimizer, scheduler, ema, meters, generator, offload } = this.#plan;
		for (const callback of this.#plan.callbacks) {
			const result = callback.onBatchBegin?.(this.#context);
			if (result instanceof Promise) await result;
		}
		const step = this.#step + 1;
		this.#rates = optimizer.paramGroups.map(({ lr }) => lr);
		const lr = this.#rates[0]!;
		const values =
			optimizer instanceof LBFGS
				? await this.#searchStep(optimizer, group)
				: offload !== null
					? await this.#offloadedStep(group)
					: this.#plan.distribution !== null
						? await this.#sharedStep(group, this.#plan.distribution)
						: drawFrom(generator, () => this.#plainStep(group));
		for (const [i, { samples }] of group.entries()) meters.add(values[i]!, samples, step, lr);
		for (const { fields, weights } of group) {
			discard(fields);
			weights?.dispose();
		}
		this.#step = step;
		this.#batch += group.length;
		this.#samples += group.reduce((total, { samples }) => total + samples, 0);
		ema?.update();
		if (scheduler?.interval === 'step') (scheduler.scheduler as lrScheduler.LRScheduler).step();
		for (const callback of this.#plan.callbacks) {
			const result = callback.onBatchEnd?.(this.#context);
			if (result instanceof Promise) await result;
		}
		if (meters.due) {
			await this.#tell(await meters.turn());
		}
		await this.#writeSaves();
	}

	#plainStep(group: readonly Batch[]) {
		if (this.#steps !== null) return this.#gradients.ofGroup(group, this.#steps.run);
		if (group.length === 1) {
			return tidy(() => {
				const values = this.#gradients.ofBatch(group[0]!);
				this.#takeStep();
				return [values];
			});
		}
		const values = this.#gradients.ofGroup(group);
		tidy(() => this.#takeStep());
		return values;
	}

	/** A step with the mean of the gradients of all ranks. */
	async #sharedStep(group: readonly Batch[], distribution: Distribution) {
		const { generator, model } = this.#plan;
		const values = drawFrom(generator, () => this.#gradients.ofGroup(group));
		await distribution.synchronize(model);
		drawFrom(generator, () => tidy(() => this.#takeStep()));
		return values;
	}

	async #offloadedStep(group: readonly Batch[]) {
		const values = await this.#gradients.ofOffloadedGroup(group);
		drawFrom(this.#plan.generator, () => tidy(() => this.#takeStep()));
		return values;
	}

	/** A step of an optimizer that evaluates the loss several times. Reports the first loss. */
	async #searchStep(optimizer: LBFGS, group: readonly Batch[]) {
		const { offload, generator } = this.#plan;
		let first: ReturnType<Meters['measure']>[] | null = null;
		await optimizer.step(async () => {
			const values =
				offload === null
					? drawFrom(generator, () => this.#gradients.ofGroup(group))
					: await this.#gradients.ofOffloadedGroup(group);
			this.#clip();
			const losses = await Promise.all(values.map(([loss]) => (loss as Tensor).item()));
			const total = group.reduce((sum, { samples }) => sum + samples, 0);
			if (first === null) first = values;
			else for (const value of values.flat()) if (value instanceof Tensor) value.dispose();
			return losses.reduce((sum, loss, i) => sum + (loss * group[i]!.samples) / total, 0);
		});
		return first!;
	}

	#takeStep(): void {
		const { optimizer, scaler } = this.#plan;
		this.#clip();
		if (scaler === undefined) {
			optimizer.step();
			return;
		}
		scaler.step(optimizer);
		scaler.update();
	}

	#clip(): void {
		const { clip, optimizer, scaler } = this.#plan;
		if (clip.clipGradNorm === undefined && clip.clipGradValue === undefined) return;
		scaler?.unscale_(optimizer);
		const parameters = optimizer.paramGroups.flatMap(({ params }) => params);
		const norm = clip.clipGradNorm;
		if (typeof norm === 'object')
			clipGradNorm(parameters, norm.maxNorm, norm.normType === undefined ? {} : { normType: norm.normType });
		else if (norm !== undefined) clipGradNorm(parameters, norm);
		if (clip.clipGradValue !== undefined) clipGradValue(parameters, clip.clipGradValue);
	}

	async #tell(losses: readonly StepLoss[]): Promise<void> {
		if (losses.length > 0) await this.#call((callback) => callback.onLosses?.(this.#context, losses));
	}

	async #finishEpoch(): Promise<void> {
		const { meters, validation, objective, model, device, scheduler, generator } = this.#plan;
		await this.#tell(await meters.flush());
		if (meters.samples === 0) throw new ArgumentError('fit: the data yielded no batches');
		const results = await meters.results();
		const { distribution } = this.#plan;
		const trained = distribution === null ? results : await distribution.average(numbers(results));
		meters.reset();
		const values: Record<string, unknown> = { ...trained };
		if (validation !== null) {
			validation.meters.reset();
			const epoch = validation.batches.firstEpoch + this.#epoch;
			const forward = validation.forward ?? ((fields: TensorList) => objective.plain(model, fields));
			const measured = await measure(model, validation.batches, epoch, forward, validation.meters, device, generator);
			if (validation.meters.samples === 0) throw new ArgumentError('fit: the validation data have no samples');
			validation.meters.reset();
			for (const [name, value] of Object.entries(measured)) values[validationName(name)] = value;
		}
		const further = this.#rates.slice(1).map((lr, i) => [`lr${i + 1}`, lr]);
		const record = {
			epoch: this.#epoch + 1,
			step: this.#step,
			...numbers(values),
			lr: this.#rates[0]!,
			...Object.fromEntries(further),
			seconds: this.#epochSeconds + (performance.now() - this.#epochStarted) / 1000,
		} as EpochRecord;
		if (scheduler?.interval === 'epoch') {
			if (scheduler.scheduler instanceof lrScheduler.ReduceLROnPlateau)
				scheduler.scheduler.step(monitoredValue('fit: ReduceLROnPlateau', scheduler.monitor, record));
			else scheduler.scheduler.step();
		}
		this.#records.push(record);
		await this.#call((callback) => callback.onEpochEnd?.(this.#context, record));
		this.#epoch++;
		this.#batch = 0;
		this.#samples = 0;
		this.#epochSeconds = 0;
		await this.#writeSaves();
	}

	async #writeSaves(): Promise<void> {
		const saves = this.#saves.splice(0);
		const { meters, snapshots } = this.#plan;
		const start = performance.now();
		if (snapshots !== null && start >= this.#snapshotDue && saves.length === 0 && (this.#batch === 0 || meters.hasState))
			saves.push({ name: 'the last of this run', store: snapshots });
		if (saves.length === 0) return;
		await this.#tell(await meters.flush());
		const state = await this.#state();
		let bytes: Uint8Array;
		try {
			bytes = await encodeCheckpoint(state);
		} finally {
			releaseTree(state);
		}
		const { distribution } = this.#plan;
		for (const { name, store: given = defaults().checkpoints, afterwards } of saves) {
			const store = distribution?.shared(given) ?? given;
			await store.write(name, bytes);
			this.note({ name, store });
			await afterwards?.();
		}
		const end = performance.now();
		this.#snapshotDue = end + SNAPSHOT_INTERVAL * (end - start);
	}

	/** Records that a checkpoint of the run was written or read. */
	note(location: CheckpointLocation): void {
		this.last = location;
		noteCheckpoint(this.#plan.model, location);
	}

	/** The contents of a checkpoint. The caller must dispose of the tensors. */
	async #state(): Promise<CheckpointTree> {
		const { callbacks, batches, validation, meters } = this.#plan;
		const within = this.#batch > 0;
		const loop: LoopState = {
			epoch: this.#epoch,
			step: this.#step,
			batch: this.#batch,
			samples: this.#samples,
			rates: this.#rates,
			epochSeconds: within ? this.#epochSeconds + (performance.now() - this.#epochStarted) / 1000 : 0,
			stopReason: this.#stopReason,
			records: this.#records,
			meters: within ? meters.stateDict() : null,
			loader: batches.stateDict() as CheckpointTree,
			validationLoader: (validation?.batches.stateDict() ?? null) as CheckpointTree,
			callbacks: await callbackStates(callbacks),
			...this.#position(),
		};
		return { parts: stateOf(this.#parts(), this.#plan.generator), loop: loop as unknown as CheckpointTree };
	}

	/** The settings that determine what a batch number means. */
	#position() {
		const { batches, accumulateSteps, settings } = this.#plan;
		const samplesPerEpoch = batches.samples ?? null;
		return { batchSize: batches.batchSize ?? null, accumulateSteps, samplesPerEpoch, shuffle: settings.shuffle ?? null };
	}

	#parts() {
		const { model, optimizer, scheduler, ema, scaler } = this.#plan;
		return {
			model,
			optimizer,
			...(scheduler && { scheduler: scheduler.scheduler }),
			...(ema && { ema }),
			...(scaler && { scaler }),
		};
	}

	/** Restores a checkpoint. */
	async restore(tree: CheckpointTree, source: string): Promise<void> {
		const { parts, loop: saved } = checkState<{ parts: CheckpointTree; loop?: unknown }>(source, tree, {
			parts: isObject,
			loop: () => true,
		});
		try {
			if (saved === undefined)
				throw new ArgumentError(`${source} was written by saveCheckpoint, not by fit; restore it with loadCheckpoint`);
			const loop = checkLoopState(source, saved);
			requireSamePosition(loop, this.#position(), source);
			const restore = checkParts(this.#parts(), parts, source, this.#plan.generator);
			// A callback or a metric may refuse its state.
			await this.#restoreLoop(loop);
			restore();
			this.#plan.distribution?.turn(this.#plan.generator);
		} finally {
			releaseTree(parts);
		}
	}

	async #restoreLoop(loop: LoopState): Promise<void> {
		const { callbacks, batches, validation, meters, device } = this.#plan;
		this.#epoch = loop.epoch;
		this.#step = loop.step;
		this.#batch = loop.batch;
		this.#samples = loop.samples;
		this.#rates = loop.rates;
		this.#epochSeconds = loop.epochSeconds;
		this.#stopReason = loop.stopReason;
		this.#records = [...loop.records];
		this.#saves = [];
		batches.loadStateDict(loop.loader as unknown as DataLoaderState | null);
		validation?.batches.loadStateDict(loop.validationLoader as unknown as DataLoaderState | null);
		if (loop.meters !== null) meters.loadStateDict(await onDevice(loop.meters, device));
		await restoreCallbacks(callbacks, loop.callbacks);
	}
}

/** Checks that an epoch's values are numbers, for the history. */
function numbers(values: Readonly<Record<string, unknown>>): Record<string, number> {
	for (const [name, value] of Object.entries(values)) {
		if (typeof value !== 'number')
			throw new ArgumentError(`fit: metric '${name}' is not a number; measure such metrics with evaluate, after training`);
	}
	return values as Record<string, number>;
}
