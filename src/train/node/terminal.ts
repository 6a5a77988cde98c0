/** Shows progress in a terminal. */
import { SingleBar } from 'cli-progress';
import type { Callback, StepLoss, TrainContext } from '../callbacks';
import type { EpochRecord } from '../history';
import { ConsoleProgress, epochLine, formatNumber, ProgressCallback } from '../progress';

/** The part of a stream, such as `process.stderr`, that the bar needs. */
export interface Terminal {
	readonly isTTY?: boolean;
	readonly columns?: number;
	write(text: string): unknown;
}

/** Shows a bar per epoch, and a line when the epoch ends. */
export class ProgressBar implements Callback {
	#bar: SingleBar | null = null;
	readonly #inner = new ProgressCallback(({ samples, samplesPerSecond, loss }) => {
		this.#bar?.update(samples, { speed: Math.round(samplesPerSecond), loss: formatNumber(loss) });
	});

	constructor(readonly stream: Terminal = process.stderr) {}

	onEpochBegin(context: TrainContext): void {
		this.#inner.onEpochBegin(context);
		const { epoch, epochs, samples, samplesPerEpoch } = context;
		const known = samplesPerEpoch !== undefined;
		const amount = known ? '{bar} {value}/{total}' : '{value} samples';
		this.#bar = new SingleBar({
			format: `epoch ${epoch}/${epochs} ${amount}  {speed} samples/s  loss {loss}${known ? '  {eta_formatted} left' : ''}`,
			barsize: 24,
			clearOnComplete: true,
			// The bar only calls write() and reads the width.
			stream: this.stream as NodeJS.WritableStream,
		});
		this.#bar.start(samplesPerEpoch ?? 0, samples, { speed: 0, loss: '-' });
	}

	onLosses(context: TrainContext, losses: readonly StepLoss[]): void {
		this.#inner.onLosses(context, losses);
	}

	onEpochEnd(context: TrainContext, record: EpochRecord): void {
		this.#bar?.stop();
		this.#bar = null;
		console.log(epochLine(context, record));
	}

	onTrainEnd({ history }: TrainContext): void {
		if (history.stopReason !== null) console.log(`stopped: ${history.stopReason}`);
	}
}

/** A bar in an interactive terminal, otherwise lines. */
export function terminalProgress(verbose: 1 | 2): Callback {
	if (verbose === 1 && process.stderr.isTTY && process.stdout.isTTY) return new ProgressBar();
	return new ConsoleProgress(undefined, { within: verbose === 1 });
}
