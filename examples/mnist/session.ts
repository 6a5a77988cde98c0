/** Controls the page: training, pausing, testing, predicting and resetting. */
import type { Device } from 'wgrad';
import { element } from '../page';
import { PausableSession, type Phase } from '../trainingPage';
import type { LossChart } from './chart';
import { readSettings, showPhase } from './controls';
import type { Mnist } from './download';
import { Figures, showTest } from './figures';
import type { Guesser } from './guess';
import { Training } from './training';

/** Milliseconds between two updates of the figures, the curve and the prediction. */
const REFRESH = 150;

export class Session extends PausableSession {
	readonly #data: Mnist;
	readonly #chart: LossChart;
	readonly #guesser: Guesser;
	#training: Training;
	#figures: Figures;

	constructor(device: Device, data: Mnist, chart: LossChart, guesser: Guesser) {
		super(device);
		this.#data = data;
		this.#chart = chart;
		this.#guesser = guesser;
		const settings = readSettings();
		this.#training = new Training(settings, data, device);
		this.#figures = new Figures(settings);
		this.on('test', 'click', () => this.#test());
		this.on('example', 'click', () => this.#showExample());
		element('example', HTMLButtonElement).disabled = false;
		this.enter('ready');
		guesser.predict = (pixels) => this.#predict(pixels);
		void guesser.refresh();
	}

	protected override show(phase: Phase): void {
		showPhase(phase);
	}

	protected override renew(): void {
		const settings = readSettings();
		this.#training = new Training(settings, this.#data, this.device);
		this.#figures = new Figures(settings);
		this.#chart.clear();
		super.renew();
	}

	protected override async reset(): Promise<void> {
		await super.reset();
		await this.#guesser.refresh();
	}

	protected override async train(): Promise<void> {
		const [training, figures] = [this.#training, this.#figures];
		let shown = performance.now();
		for await (const step of training.steps()) {
			if (training !== this.#training) return;
			figures.add(step);
			this.#chart.add(step.step, step.loss);
			const pausing = this.phase === 'paused';
			if (pausing || performance.now() - shown > REFRESH) {
				shown = performance.now();
				this.#draw();
			}
			if (!pausing) continue;
			await this.untilResumed();
			if (training !== this.#training) return;
			figures.resume();
		}
		if (training !== this.#training) return;
		this.#draw();
		this.enter('finished');
		await this.#test();
	}

	#draw(): void {
		this.#figures.show();
		this.#chart.draw();
		void this.#guesser.refresh();
	}

	async #test(): Promise<void> {
		const [training, before] = [this.#training, this.phase];
		this.enter('testing');
		for await (const { judged, correct } of training.test()) {
			if (training !== this.#training) return;
			showTest(judged, correct, this.#data.test.length);
		}
		if (training === this.#training) this.enter(before);
	}

	async #predict(pixels: Uint8Array): Promise<ArrayLike<number> | null> {
		if (this.phase === 'failed') return null;
		const training = this.#training;
		try {
			return await training.predict(pixels);
		} catch (error) {
			if (training === this.#training) this.fail(error);
			return null;
		}
	}

	#showExample(): void {
		const { test } = this.#data;
		const index = Math.floor(Math.random() * test.length);
		this.#guesser.show(test.pixels(index), test.label(index));
	}
}
