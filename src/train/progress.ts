/** Shows the progress of a run as lines of text, or reports it to a callback. */
import type { Callback, StepLoss, TrainContext } from './callbacks';
import type { EpochRecord } from './history';

/** The progress of a run. */
export interface Progress {
	readonly epoch: number;
	readonly epochs: number;
	/** Samples of this epoch done so far, and their number (`samplesPerEpoch`) if known. */
	readonly samples: number;
	readonly samplesPerEpoch: number | undefined;
	readonly samplesPerSecond: number;
	/** The epoch's mean loss so far. */
	readonly loss: number;
	readonly lr: number;
	/** The epoch's record, if it has just ended. */
	readonly record?: EpochRecord;
}

/** Calls a function after each read of losses and after each epoch, for your own progress bar. */
export class ProgressCallback implements Callback {
	#started = 0;
	#samples = 0;
	#sum = 0;
	#first = 0;

	constructor(readonly show: (progress: Progress) => void) {}

	onEpochBegin(context: TrainContext): void {
		this.#started = performance.now();
		this.#first = context.samples;
		this.#samples = 0;
		this.#sum = 0;
	}

	#progress(context: TrainContext): Progress {
		const { epoch, epochs, samplesPerEpoch, lr } = context;
		const seconds = (performance.now() - this.#started) / 1000;
		return {
			epoch,
			epochs,
			samples: this.#first + this.#samples,
			samplesPerEpoch,
			samplesPerSecond: seconds > 0 ? this.#samples / seconds : 0,
			loss: this.#sum / this.#samples,
			lr,
		};
	}

	onLosses(context: TrainContext, losses: readonly StepLoss[]): void {
		for (const { loss, samples } of losses) {
			this.#sum += loss * samples;
			this.#samples += samples;
		}
		this.show(this.#progress(context));
	}

	onEpochEnd(context: TrainContext, record: EpochRecord): void {
		this.show({ ...this.#progress(context), record });
	}
}

/** Formats a number with four significant digits, and rates in powers of ten. */
export function formatNumber(value: number): string {
	if (Number.isInteger(value)) return String(value);
	const size = Math.abs(value);
	return size < 1e-3 || size >= 1e6 ? value.toExponential(2) : value.toPrecision(4);
}

/** Formats the line of an epoch: `epoch 2/5: loss 0.1234, valLoss 0.2, accuracy 0.97, lr 0.001, 3.1 s`. */
export function epochLine(context: Pick<TrainContext, 'epochs'>, record: EpochRecord): string {
	const { epoch, step: _, seconds, ...values } = record;
	const parts = Object.entries(values).map(([name, value]) => `${name} ${formatNumber(value!)}`);
	return `epoch ${epoch}/${context.epochs}: ${parts.join(', ')}, ${seconds.toFixed(1)} s`;
}

const SECONDS_BETWEEN_LINES = 10;

/** Writes a line per epoch, and in long epochs one every ten seconds. `write` gets each line (default: the console). */
export class ConsoleProgress implements Callback {
	readonly #inner: ProgressCallback;
	#last = 0;

	constructor(
		readonly write: (line: string) => void = (line) => console.log(line),
		{ within = true }: { within?: boolean } = {},
	) {
		this.#inner = new ProgressCallback((progress) => {
			const now = performance.now();
			if (!within || progress.record !== undefined || now - this.#last < 1000 * SECONDS_BETWEEN_LINES) return;
			this.#last = now;
			const { epoch, epochs, samples, samplesPerEpoch, samplesPerSecond, loss } = progress;
			const of = samplesPerEpoch === undefined ? '' : ` of ${samplesPerEpoch}`;
			this.write(
				`epoch ${epoch}/${epochs}: ${samples}${of} samples, ${Math.round(samplesPerSecond)}/s, loss ${formatNumber(loss)}`,
			);
		});
	}

	onEpochBegin(context: TrainContext): void {
		this.#last = performance.now();
		this.#inner.onEpochBegin(context);
	}

	onLosses(context: TrainContext, losses: readonly StepLoss[]): void {
		this.#inner.onLosses(context, losses);
	}

	onEpochEnd(context: TrainContext, record: EpochRecord): void {
		this.write(epochLine(context, record));
	}

	onTrainEnd({ history }: TrainContext): void {
		if (history.stopReason !== null) this.write(`stopped: ${history.stopReason}`);
	}
}
