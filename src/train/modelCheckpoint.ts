/** Writes checkpoints during training. */
import { requireCounts, requireOneOf } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import { checkState, isListOf, isNumber } from '../core/state';
import { type Callback, directionOf, monitoredValue, type TrainContext } from './callbacks';
import type { CheckpointTree } from './checkpointTree';
import { defaults } from './defaults';
import type { EpochRecord } from './history';
import type { CheckpointStore } from './store';

export interface ModelCheckpointOptions {
	/** Also save every so many optimizer steps, within epochs. Default never. */
	readonly everySteps?: number;
	/** Save every so many epochs; 0 means never. Default 1. */
	readonly everyEpochs?: number;
	/** Keep this many of the newest files; with bestOnly, of the best. The name must contain {epoch} or {step}. Default all. */
	readonly keep?: number;
	/** The value that `bestOnly` compares. Default 'valLoss'. */
	readonly monitor?: string;
	/** Whether smaller or larger is better. Default 'auto': 'min' for names that contain loss or error, otherwise 'max'. */
	readonly mode?: 'min' | 'max' | 'auto';
	/** Save only epochs that are better than all earlier ones. Not with `everySteps`. Default false. */
	readonly bestOnly?: boolean;
	/** Default: files in Node, the origin's private file system in browsers. */
	readonly store?: CheckpointStore;
}

const NAMES = ['everySteps', 'everyEpochs', 'keep', 'monitor', 'mode', 'bestOnly', 'store'] as const;

/**
 * Saves the whole run: model, optimizer, schedule, averages, random state, position in the data, history and the states of all callbacks.
 * `fit` with `resumeFrom` then continues with the same bits. `name` is a path in Node and a name in browsers; `{epoch}` and `{step}` in it
 * are replaced. Writes are atomic, even if the program is killed.
 */
export class ModelCheckpoint implements Callback {
	readonly name: string;
	readonly #options: ModelCheckpointOptions;
	readonly #mode: 'min' | 'max';
	/** The best monitoredValue value so far, with `bestOnly`. */
	best: number;
	/** The files on disk, oldest first. */
	#saved: string[] = [];

	constructor(name: string, options: ModelCheckpointOptions = {}) {
		checkOptions('ModelCheckpoint', options, NAMES);
		const { everySteps, everyEpochs = 1, keep, monitor = 'valLoss', mode = 'auto', bestOnly = false } = options;
		if (typeof name !== 'string' || name === '')
			throw new ArgumentError('ModelCheckpoint: it takes the name of the file to write');
		requireOneOf('ModelCheckpoint', 'mode', mode, ['min', 'max', 'auto']);
		if (everySteps !== undefined) requireCounts('ModelCheckpoint', { everySteps }, 1);
		requireCounts('ModelCheckpoint', { everyEpochs });
		if (keep !== undefined) requireCounts('ModelCheckpoint', { keep }, 1);
		if (keep !== undefined && !/\{(epoch|step)\}/.test(name))
			throw new ArgumentError(
				`ModelCheckpoint: to keep ${keep} files the name must contain {epoch} or {step}: 'run-{epoch}.safetensors'`,
			);
		if (bestOnly && everySteps !== undefined)
			throw new ArgumentError('ModelCheckpoint: bestOnly compares whole epochs; use a second ModelCheckpoint for everySteps');
		this.name = name;
		this.#options = options;
		this.#mode = mode === 'auto' ? directionOf(monitor) : mode;
		this.best = this.#worst;
	}

	get #worst(): number {
		return this.#mode === 'min' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
	}

	onTrainBegin({ step }: TrainContext): void {
		if (step > 0) return;
		this.best = this.#worst;
		this.#saved = [];
	}

	onBatchEnd(context: TrainContext): void {
		const { everySteps } = this.#options;
		if (everySteps !== undefined && context.step % everySteps === 0) this.#save(context);
	}

	onEpochEnd(context: TrainContext, record: EpochRecord): void {
		const { everyEpochs = 1, monitor = 'valLoss', bestOnly = false } = this.#options;
		if (bestOnly) {
			const value = monitoredValue('ModelCheckpoint', monitor, record);
			if (!(this.#mode === 'min' ? value < this.best : value > this.best)) return;
			this.best = value;
			this.#save(context);
		} else if (everyEpochs > 0 && record.epoch % everyEpochs === 0) this.#save(context);
	}

	#save(context: TrainContext): void {
		const { store, keep } = this.#options;
		const name = this.#nameAt(context.epoch, context.step);
		this.#saved = [...this.#saved.filter((other) => other !== name), name];
		context.save(name, {
			...(store && { store }),
			// Remove old files only after the new one exists. A run killed in between resumes with all of them.
			afterwards: async () => {
				while (keep !== undefined && this.#saved.length > keep) {
					await (store ?? defaults().checkpoints).remove(this.#saved[0]!);
					this.#saved.shift();
				}
			},
		});
	}

	stateDict(): CheckpointTree {
		return { best: this.best, saved: [...this.#saved] };
	}

	loadStateDict(state: CheckpointTree): void {
		const { best, saved } = checkState<{ best: number; saved: string[] }>('ModelCheckpoint.loadStateDict', state, {
			best: isNumber,
			saved: isListOf((name) => typeof name === 'string'),
		});
		this.best = best;
		// A checkpoint may come from anywhere, and the files that it lists are removed later.
		this.#saved = [...new Set(saved)].filter((name) => this.#isOwn(name));
	}

	/** Whether this callback writes files with that name, for some epoch and step. */
	#isOwn(name: string): boolean {
		const parts = this.name.split(/\{(epoch|step)\}/);
		// Parts at odd indices are placeholders for numbers.
		const pattern = parts.map((part, i) => (i % 2 === 0 ? part.replace(/[^\w]/g, '\\$&') : '(\\d+)'));
		const numbers = new RegExp(`^${pattern.join('')}$`).exec(name)?.slice(1) ?? [];
		const placeholders = parts.filter((_, i) => i % 2 === 1);
		const [epoch, step] = ['epoch', 'step'].map((placeholder) => numbers[placeholders.indexOf(placeholder)] ?? '');
		return this.#nameAt(Number(epoch), Number(step)) === name;
	}

	#nameAt(epoch: number, step: number): string {
		return this.name.replaceAll('{epoch}', String(epoch)).replaceAll('{step}', String(step));
	}
}
