/** Controls the page: training, pausing, testing, predicting and resetting. */
import { type Device, init } from 'wgrad';
import { element, hideNotice, messageOf, showNotice } from '../page';
import type { LossChart } from './chart';
import { type Phase, readSettings, showPhase } from './controls';
import type { Mnist } from './download';
import { Figures, showTest } from './figures';
import type { Guesser } from './guess';
import { Training } from './training';

/** Milliseconds between two updates of the figures, the curve and the prediction. */
const REFRESH = 150;

export class Session {
	readonly #device: Device;
	readonly #data: Mnist;
	readonly #chart: LossChart;
	readonly #guesser: Guesser;
	#training: Training;
	#figures: Figures;
	#phase: Phase = 'ready';
	/** Ends the pause. */
	#resume = () => {};

	constructor(device: Device, data: Mnist, chart: LossChart, guesser: Guesser) {
		this.#device = device;
		this.#data = data;
		this.#chart = chart;
		this.#guesser = guesser;
		const settings = readSettings();
		this.#training = new Training(settings, data, device);
		this.#figures = new Figures(settings);
		element('controls', HTMLFormElement).addEventListener('submit', (event) => {
			event.preventDefault();
			void this.#attempt(() => this.#press());
		});
		const onClick = (id: string, action: () => void | Promise<void>) =>
			element(id, HTMLButtonElement).addEventListener('click', () => void this.#attempt(action));
		onClick('reset', () => this.#reset());
		onClick('test', () => this.#test());
		onClick('example', () => this.#showExample());
		element('example', HTMLButtonElement).disabled = false;
		this.#enter('ready');
		guesser.predict = (pixels) => this.#predict(pixels);
		void guesser.refresh();
	}

	#enter(phase: Phase): void {
		this.#phase = phase;
		showPhase(phase);
	}

	async #attempt(action: () => void | Promise<void>): Promise<void> {
		try {
			await action();
		} catch (error) {
			this.#fail(error);
		}
	}

	#fail(error: unknown): void {
		console.error(error);
		this.#enter('failed');
		showNotice('Training has stopped', `${messageOf(error)} Reset starts anew.`);
	}

	/** Handles the button that starts, pauses and resumes. */
	async #press(): Promise<void> {
		if (this.#phase === 'running') {
			this.#enter('paused');
		} else if (this.#phase === 'paused') {
			this.#enter('running');
			this.#resume();
		} else {
			this.#renew();
			this.#enter('running');
			await this.#train();
		}
	}

	/** Creates new weights with the form's settings. Work for the old ones notices that it was replaced and ends. */
	#renew(): void {
		const settings = readSettings();
		this.#training = new Training(settings, this.#data, this.#device);
		this.#figures = new Figures(settings);
		this.#chart.clear();
		this.#resume();
	}

	async #reset(): Promise<void> {
		hideNotice();
		this.#enter('loading');
		// Needed only if the device was lost.
		await init({ device: this.#device });
		this.#renew();
		this.#enter('ready');
		await this.#guesser.refresh();
	}

	async #train(): Promise<void> {
		const [training, figures] = [this.#training, this.#figures];
		let shown = performance.now();
		for await (const step of training.steps()) {
			if (training !== this.#training) return;
			figures.add(step);
			this.#chart.add(step.step, step.loss);
			const pausing = this.#phase === 'paused';
			if (pausing || performance.now() - shown > REFRESH) {
				shown = performance.now();
				this.#show();
			}
			if (!pausing) continue;
			await new Promise<void>((resolve) => (this.#resume = resolve));
			if (training !== this.#training) return;
			figures.resume();
		}
		if (training !== this.#training) return;
		this.#show();
		this.#enter('finished');
		await this.#test();
	}

	#show(): void {
		this.#figures.show();
		this.#chart.draw();
		void this.#guesser.refresh();
	}

	async #test(): Promise<void> {
		const [training, before] = [this.#training, this.#phase];
		this.#enter('testing');
		for await (const { judged, correct } of training.test()) {
			if (training !== this.#training) return;
			showTest(judged, correct, this.#data.test.length);
		}
		if (training === this.#training) this.#enter(before);
	}

	async #predict(pixels: Uint8Array): Promise<ArrayLike<number> | null> {
		if (this.#phase === 'failed') return null;
		const training = this.#training;
		try {
			return await training.predict(pixels);
		} catch (error) {
			if (training === this.#training) this.#fail(error);
			return null;
		}
	}

	#showExample(): void {
		const { test } = this.#data;
		const index = Math.floor(Math.random() * test.length);
		this.#guesser.show(test.pixels(index), test.label(index));
	}
}
