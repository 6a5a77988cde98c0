/** A run as event files of TensorBoard. */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { requireCounts } from '../../core/checks';
import { ArgumentError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import type { Tensor } from '../../tensor';
import type { Callback, StepLoss, TrainContext } from '../callbacks';
import type { EpochRecord } from '../history';
import { type EventContent, encodeEvent, type Summary } from './eventFile';
import { FileStore } from './files';
import { histogramOf } from './histogram';

export interface TensorBoardOptions {
	/** Write the loss and the learning rate of every so many optimizer steps; 0 means never. Default 1. */
	readonly everySteps?: number;
	/** Write histograms of all weights and gradients every so many epochs; 0 means never. They read the whole model. Default 0. */
	readonly histograms?: number;
}

/** Files of this process so far, for their names. */
let files = 0;

/**
 * Writes a run for TensorBoard (`tensorboard --logdir runs`) into a folder, in Node. As Keras' `TensorBoard` and PyTorch's `SummaryWriter`.
 *
 * The tags are `step/loss` and `step/lr`; `epoch/` with every value of the epoch's record, such as `epoch/valLoss`; with `histograms`,
 * `weights/` and `gradients/` with each parameter's name. Gradients are those of the epoch's last step, as the optimizer saw them. Values that are
 * NaN or infinite are in no histogram; `nonfinite/` counts them. The horizontal axis is the optimizer step.
 *
 * Each run writes a file of its own. A resumed run, or a second one in the same folder, makes TensorBoard drop the steps of earlier files that it
 * computes again. Everything is on the disk when the epoch, or the group of losses, is done.
 */
export class TensorBoard implements Callback {
	readonly folder: string;
	readonly #everySteps: number;
	readonly #histograms: number;
	readonly #store = new FileStore();
	/** The file of the current run. */
	#file = '';

	constructor(folder: string, options: TensorBoardOptions = {}) {
		const { everySteps = 1, histograms = 0 } = checkOptions('TensorBoard', options, ['everySteps', 'histograms']);
		if (typeof folder !== 'string' || folder === '')
			throw new ArgumentError("TensorBoard: it takes the folder to write into, such as 'runs/first'");
		requireCounts('TensorBoard', { everySteps, histograms });
		this.folder = folder;
		this.#everySteps = everySteps;
		this.#histograms = histograms;
	}

	async onTrainBegin({ step }: TrainContext): Promise<void> {
		// TensorBoard finds files by 'tfevents' and reads those of a folder in the order of their names.
		const seconds = String(Math.floor(Date.now() / 1000)).padStart(10, '0');
		const order = String(files++).padStart(4, '0');
		this.#file = join(this.folder, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${order}`);
		await this.#store.truncate(this.#file, 0);
		await this.#write([
			[0, 'version'],
			[step + 1, 'start'],
		]);
	}

	async onLosses(_: TrainContext, losses: readonly StepLoss[]): Promise<void> {
		const every = this.#everySteps;
		const chosen = every === 0 ? [] : losses.filter(({ step }) => step % every === 0);
		await this.#write(
			chosen.map(({ step, loss, lr }) => [
				step,
				[
					{ tag: 'step/loss', scalar: loss },
					{ tag: 'step/lr', scalar: lr },
				],
			]),
		);
	}

	async onEpochEnd({ model }: TrainContext, record: EpochRecord): Promise<void> {
		const { epoch, step, ...values } = record;
		const summaries = Object.entries(values).flatMap(([name, value]): Summary[] =>
			value === undefined ? [] : [{ tag: `epoch/${name}`, scalar: value }],
		);
		await this.#write([[step, summaries]]);
		if (this.#histograms === 0 || epoch % this.#histograms !== 0) return;
		// One parameter after the other: the host never holds a second copy of the model.
		for (const [name, parameter] of model.namedParameters()) {
			await this.#writeHistogram(step, `weights/${name}`, parameter);
			if (parameter.grad !== null) await this.#writeHistogram(step, `gradients/${name}`, parameter.grad);
		}
	}

	async #writeHistogram(step: number, tag: string, tensor: Tensor): Promise<void> {
		const histogram = histogramOf(await tensor.data());
		const { nonFinite } = histogram;
		const warning: Summary[] = nonFinite > 0 ? [{ tag: `nonfinite/${tag}`, scalar: nonFinite }] : [];
		await this.#write([[step, [{ tag, histogram }, ...warning]]]);
	}

	async #write(events: readonly (readonly [step: number, content: EventContent])[]): Promise<void> {
		if (events.length === 0) return;
		const seconds = Date.now() / 1000;
		const records = events.map(([step, content]) => encodeEvent(seconds, step, content));
		await this.#store.append(this.#file, Buffer.concat(records));
	}
}
