/** Controls the training of the network: starts, pauses and resets it, and draws the plane as the network divides it. */
import type { Device } from 'wgrad';
import { LossChart } from '../mnist/chart';
import { startModelFile } from '../modelFile';
import { element, showProgress, showText } from '../page';
import { PausableSession, type Phase } from '../trainingPage';
import { readSettings, showPhase, showSettings } from './controls';
import { ofClass, paintField, paintPoints } from './picture';
import { GRID, Training, UNITS, type View } from './training';

/** Milliseconds between two pictures. */
const REFRESH = 150;

const plane = element('plane', HTMLCanvasElement);
const units = element('units', HTMLElement);
export class Session extends PausableSession {
	readonly #chart = new LossChart(element('chart', HTMLElement));
	#training: Training;

	constructor(device: Device) {
		super(device);
		this.#training = new Training(readSettings(), device);
		startModelFile('plane', {
			model: () => this.#training.model,
			settings: () => this.#training.settings,
			renew: (settings) => {
				showSettings(settings);
				this.renew();
				return this.#training.model;
			},
			loaded: () => {
				this.enter('ready');
				void this.attempt(() => this.#draw(this.#training));
			},
		});
		element('settings', HTMLFieldSetElement).addEventListener('change', () => {
			// The picture follows the form, so that a person sees what will be learned.
			if (!element('controls', HTMLFormElement).checkValidity()) return;
			this.renew();
			void this.attempt(() => this.#draw(this.#training));
		});
		this.enter('ready');
		void this.attempt(() => this.#draw(this.#training));
	}

	protected override show(phase: Phase): void {
		showPhase(phase);
	}

	protected override prepare(): void {
		// Weights that a file has brought are trained further.
		if (this.phase === 'finished') this.renew();
	}

	protected override renew(): void {
		this.#training = new Training(readSettings(), this.device);
		this.#chart.clear();
		for (const id of ['loss', 'test-loss', 'accuracy', 'speed']) showText(id, '–');
		showProgress(0, '');
		super.renew();
	}

	protected override async reset(): Promise<void> {
		await super.reset();
		await this.#draw(this.#training);
	}

	protected override async train(): Promise<void> {
		const training = this.#training;
		const { steps } = training.settings;
		let [step, since, sinceStep, shown] = [0, performance.now(), 0, performance.now()];
		for await (const loss of training.steps()) {
			if (training !== this.#training) return;
			this.#chart.add(++step, loss);
			const pausing = this.phase === 'paused';
			if (!pausing && step < steps && performance.now() - shown < REFRESH) continue;
			showText('loss', loss.toFixed(4));
			showText('speed', Math.round((1000 * (step - sinceStep)) / (performance.now() - since)).toLocaleString('en'));
			showProgress(step / steps, `step ${step} of ${steps}`);
			this.#chart.draw();
			await this.#draw(training);
			if (pausing) {
				await this.untilResumed();
				if (training !== this.#training) return;
			}
			shown = performance.now();
			[since, sinceStep] = [shown, step];
		}
		if (training === this.#training) this.enter('finished');
	}

	async #draw(training: Training): Promise<void> {
		const view = await training.look();
		if (training !== this.#training) return;
		const context = paintField(plane, GRID, (i) => ofClass(view.plane[i]!));
		paintPoints(context, training.test, true);
		paintPoints(context, training.train, false);
		this.#drawUnits(view);
		showText('test-loss', view.testLoss.toFixed(4));
		showText('accuracy', `${(100 * view.testAccuracy).toFixed(1)} %`);
	}

	#drawUnits({ units: values, width }: View): void {
		const count = Math.min(width, UNITS);
		while (units.children.length > count) units.lastElementChild!.remove();
		while (units.children.length < count) {
			const canvas = document.createElement('canvas');
			[canvas.width, canvas.height] = [GRID, GRID];
			units.append(canvas);
		}
		for (let unit = 0; unit < count; unit++) {
			let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
			for (let i = 0; i < GRID * GRID; i++) {
				low = Math.min(low, values[i * width + unit]!);
				high = Math.max(high, values[i * width + unit]!);
			}
			const span = high - low || 1;
			paintField(units.children[unit] as HTMLCanvasElement, GRID, (i) => ofClass((values[i * width + unit]! - low) / span));
		}
	}
}
