/** Controls the page: trains, and shows the plane of codes as it forms. */
import type { Device } from 'wgrad';
import { LossChart } from '../mnist/chart';
import type { Mnist } from '../mnist/download';
import { startModelFile } from '../modelFile';
import { element, showProgress, showText } from '../page';
import { PausableSession, type Phase } from '../trainingPage';
import { readSettings, showPhase, showSettings } from './controls';
import { GRID_PLACES, Plane, paintDigit } from './plane';
import { Training } from './training';

/** Milliseconds between two pictures of the plane. */
const REFRESH = 500;
/** Test images that are shown as dots. */
const DOTS = 400;

export class Session extends PausableSession {
	readonly #chart = new LossChart(element('chart', HTMLElement));
	readonly #plane = new Plane(element('plane', HTMLCanvasElement));
	readonly #data: Mnist;
	#training: Training;
	/** Whether a picture of the handle's place is being made, and whether the handle has moved meanwhile. */
	#decoding = false;
	#moved = false;

	constructor(device: Device, data: Mnist) {
		super(device);
		this.#data = data;
		this.#training = new Training(readSettings(), data, device);
		startModelFile('latent', {
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
		this.#plane.onMove = () => void this.attempt(() => this.#decode());
		this.on('dots', 'input', () => {
			this.#plane.dots = element('dots', HTMLInputElement).checked;
			this.#plane.draw();
		});
		this.enter('ready');
		void this.attempt(() => this.#draw(this.#training));
	}

	protected override show(phase: Phase): void {
		showPhase(phase);
	}

	protected override renew(): void {
		this.#training = new Training(readSettings(), this.#data, this.device);
		this.#chart.clear();
		for (const id of ['loss', 'speed']) showText(id, '–');
		showProgress(0, '');
		super.renew();
	}

	protected override async reset(): Promise<void> {
		await super.reset();
		await this.#draw(this.#training);
	}

	protected override async train(): Promise<void> {
		const training = this.#training;
		let [shown, images] = [performance.now(), 0];
		for await (const { step, loss, images: more } of training.steps()) {
			if (training !== this.#training) return;
			this.#chart.add(step, loss);
			images += more;
			const pausing = this.phase === 'paused';
			if (!pausing && step < training.total && performance.now() - shown < REFRESH) continue;
			showText('loss', loss.toFixed(1));
			showText('speed', Math.round((1000 * images) / (performance.now() - shown)).toLocaleString('en'));
			showProgress(step / training.total, `step ${step} of ${training.total}`);
			this.#chart.draw();
			await this.#draw(training);
			if (pausing) {
				await this.untilResumed();
				if (training !== this.#training) return;
			}
			[shown, images] = [performance.now(), 0];
		}
		if (training === this.#training) this.enter('finished');
	}

	async #draw(training: Training): Promise<void> {
		const [pictures, placed] = await Promise.all([training.decode(GRID_PLACES), training.place(DOTS)]);
		if (training !== this.#training) return;
		this.#plane.show(pictures, placed);
		await this.#decode();
	}

	/** Decodes the handle's place; a move in the meantime is decoded after it. */
	async #decode(): Promise<void> {
		this.#moved = true;
		if (this.#decoding) return;
		this.#decoding = true;
		try {
			while (this.#moved) {
				this.#moved = false;
				const { place } = this.#plane;
				const image = await this.#training.decode([place]);
				paintDigit(element('decoded', HTMLCanvasElement).getContext('2d')!, image, 0, 0, 0);
				showText('place', `${place[0].toFixed(2)}, ${place[1].toFixed(2)}`);
			}
		} finally {
			this.#decoding = false;
		}
	}
}
