/** Controls the page: trains, tests, and explains what is chosen. */
import type { Device } from 'wgrad';
import { LossChart } from '../mnist/chart';
import { startModelFile } from '../modelFile';
import { element, showProgress, showText } from '../page';
import { PausableSession, type Phase } from '../trainingPage';
import { readSettings, showPhase, showSettings } from './controls';
import { Gallery } from './gallery';
import { type Judged, Training } from './training';

/** Milliseconds between two updates of the figures and the curve. */
const REFRESH = 200;

export class Session extends PausableSession {
	readonly #chart = new LossChart(element('chart', HTMLElement));
	readonly #gallery = new Gallery();
	#training: Training;
	/** Counts requests, so that a late answer to an old one is dropped. */
	#asked = 0;

	constructor(device: Device) {
		super(device);
		this.#training = new Training(readSettings(), device);
		startModelFile('shapes', {
			model: () => this.#training.model,
			settings: () => this.#training.settings,
			renew: (settings) => {
				showSettings(settings);
				this.renew();
				return this.#training.model;
			},
			loaded: () => void this.attempt(() => this.#test(this.#training)),
		});
		this.#gallery.explain = (index, target) => void this.attempt(() => this.#explain(index, target));
		this.#gallery.list([], this.#training);
		this.enter('ready');
		this.#gallery.choose(0);
	}

	protected override show(phase: Phase): void {
		showPhase(phase);
	}

	protected override renew(): void {
		this.#training = new Training(readSettings(), this.device);
		this.#chart.clear();
		this.#gallery.list([], this.#training);
		for (const id of ['loss', 'speed', 'accuracy']) showText(id, '–');
		showProgress(0, '');
		super.renew();
	}

	protected override async reset(): Promise<void> {
		await super.reset();
		this.#gallery.choose(0);
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
			showText('loss', loss.toFixed(4));
			showText('speed', Math.round((1000 * images) / (performance.now() - shown)).toLocaleString('en'));
			showProgress(step / training.total, `step ${step} of ${training.total}`);
			this.#chart.draw();
			if (pausing) {
				await this.untilResumed();
				if (training !== this.#training) return;
			}
			[shown, images] = [performance.now(), 0];
		}
		if (training === this.#training) await this.#test(training);
	}

	async #test(training: Training): Promise<void> {
		this.enter('testing');
		const all: Judged[] = [];
		const { length } = training.test.labels;
		for await (const judged of training.judge()) {
			if (training !== this.#training) return;
			all.push(...judged);
			const right = all.filter(({ label, predicted }) => label === predicted).length;
			showText('accuracy', `${((100 * right) / all.length).toFixed(1)} %`);
			showProgress(all.length / length, `${all.length} of ${length} test pictures`);
		}
		this.#gallery.list(all, training);
		const worst = all.find(({ label, predicted }) => label !== predicted);
		await this.#explain(worst?.index ?? this.#gallery.chosen, null);
		if (training === this.#training) this.enter('finished');
	}

	async #explain(index: number, target: number | null): Promise<void> {
		const [training, mine] = [this.#training, ++this.#asked];
		await this.#gallery.show(training, Math.min(index, training.test.labels.length - 1), target, () => mine === this.#asked);
	}
}
