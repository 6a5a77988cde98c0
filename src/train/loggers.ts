/** Logs a run with one line per epoch, as CSV or JSON. */
import { requireCounts } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { checkOptions, requireOptions } from '../core/options';
import { checkState, isCount } from '../core/state';
import type { Callback, StepLoss, TrainContext } from './callbacks';
import type { CheckpointTree } from './checkpointTree';
import { defaults } from './defaults';
import type { EpochRecord } from './history';
import type { LogStore } from './store';

export interface LoggerOptions {
	/** Append to an existing log instead of replacing it. Default false. A resumed run always appends. */
	readonly append?: boolean;
	/** Default: files in Node, the origin's private file system in browsers. */
	readonly store?: LogStore;
}

/**
 * The base of the loggers. A checkpoint stores the length of the log. A resumed run truncates the log to that length and writes the later
 * lines again, so that no line is missing or repeated.
 */
abstract class Logger implements Callback {
	readonly name: string;
	readonly #append: boolean;
	readonly #store: LogStore | undefined;
	#resumeAt: number | null = null;

	constructor(name: string, options: LoggerOptions = {}) {
		const { append = false, store } = requireOptions(new.target.name, options);
		if (typeof name !== 'string' || name === '')
			throw new ArgumentError(`${new.target.name}: it takes the name of the file to write`);
		this.name = name;
		this.#append = append;
		this.#store = store;
	}

	get #log(): LogStore {
		return this.#store ?? defaults().logs;
	}

	protected write(lines: readonly string[]): Promise<void> {
		return this.#log.append(this.name, lines.map((line) => `${line}\n`).join(''));
	}

	/** The current size of the log in bytes. */
	protected size(): Promise<number> {
		return this.#log.size(this.name);
	}

	async onTrainBegin(context: TrainContext): Promise<void> {
		const at = this.#resumeAt;
		this.#resumeAt = null;
		if (at === null) {
			if (!this.#append && context.step === 0) await this.#log.truncate(this.name, 0);
			return;
		}
		const size = await this.size();
		if (size < at) {
			throw new ArgumentError(
				`${this.constructor.name}: '${this.name}' has ${size} bytes, but had ${at} when the checkpoint was written. Restore the log, or resume without this callback`,
			);
		}
		await this.#log.truncate(this.name, at);
	}

	async stateDict(): Promise<CheckpointTree> {
		return { bytes: await this.size() };
	}

	loadStateDict(state: CheckpointTree): void {
		this.#resumeAt = checkState<{ bytes: number }>(`${this.constructor.name}.loadStateDict`, state, { bytes: isCount }).bytes;
	}

	abstract onEpochEnd(context: TrainContext, record: EpochRecord): Promise<void>;
}

/** Writes a table of the epochs with a header line: epoch, step, loss, metrics, lr, seconds. As Keras' CSVLogger. */
export class CsvLogger extends Logger {
	constructor(name: string, options: LoggerOptions = {}) {
		super(name, checkOptions('CsvLogger', options, ['append', 'store']));
	}

	override async onEpochEnd(_: TrainContext, record: EpochRecord): Promise<void> {
		const lines = (await this.size()) === 0 ? [Object.keys(record).map(cell).join(',')] : [];
		await this.write([...lines, Object.values(record).map(cell).join(',')]);
	}
}

/** Spreadsheets evaluate text that begins like a formula. A leading apostrophe keeps it text. */
function cell(value: string | number | undefined): string {
	if (typeof value !== 'string') return value === undefined ? '' : String(value);
	const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
	return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export interface JsonlLoggerOptions extends LoggerOptions {
	/** Also write a line `{ step, loss, samples, lr }` every so many optimizer steps. Default none. */
	readonly everySteps?: number;
}

/** Writes each epoch's record as a line of JSON. Non-finite numbers become the strings "NaN", "Infinity" and "-Infinity". */
export class JsonlLogger extends Logger {
	readonly #everySteps: number | undefined;

	constructor(name: string, options: JsonlLoggerOptions = {}) {
		super(name, checkOptions('JsonlLogger', options, ['append', 'store', 'everySteps']));
		const { everySteps } = options;
		if (everySteps !== undefined) requireCounts('JsonlLogger', { everySteps }, 1);
		this.#everySteps = everySteps;
	}

	async onLosses(_: TrainContext, losses: readonly StepLoss[]): Promise<void> {
		const every = this.#everySteps;
		const lines = every === undefined ? [] : losses.filter(({ step }) => step % every === 0).map(json);
		if (lines.length > 0) await this.write(lines);
	}

	override async onEpochEnd(_: TrainContext, record: EpochRecord): Promise<void> {
		await this.write([json(record)]);
	}
}

function json(value: object): string {
	return JSON.stringify(value, (_, item: unknown) => (typeof item === 'number' && !Number.isFinite(item) ? String(item) : item));
}
