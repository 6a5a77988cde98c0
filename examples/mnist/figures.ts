/** Shows the figures of a training run: progress, remaining time, loss, accuracy, speed. */
import { element, showProgress } from '../page';
import type { Settings, Step } from './training';

/** Number of steps to average loss, accuracy and speed over. */
const WINDOW = 30;

const loss = element('loss', HTMLElement);
const accuracy = element('accuracy', HTMLElement);
const speed = element('speed', HTMLElement);
const testAccuracy = element('test-accuracy', HTMLElement);

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const count = (value: number) => value.toLocaleString('en');

/** Shows the accuracy after `judged` of `total` test images. */
export function showTest(judged: number, correct: number, total: number): void {
	testAccuracy.textContent = percent(correct / judged);
	showProgress(judged / total, `${count(judged)} of ${count(total)} test images`);
}

export class Figures {
	readonly #settings: Settings;
	#done = 0;
	#epoch = 1;
	#recent: (Step & { readonly time: number })[] = [];
	#lastTime = performance.now();

	constructor(settings: Settings) {
		this.#settings = settings;
		for (const figure of [loss, accuracy, speed, testAccuracy]) figure.textContent = '–';
		showProgress(0, '');
	}

	add(step: Step): void {
		const now = performance.now();
		this.#done += step.images;
		this.#epoch = step.epoch;
		this.#recent.push({ ...step, time: now - this.#lastTime });
		if (this.#recent.length > WINDOW) this.#recent.shift();
		this.#lastTime = now;
	}

	/** Resumes after a break, without counting its time. */
	resume(): void {
		this.#lastTime = performance.now();
	}

	show(): void {
		const sum = (of: (step: Step & { time: number }) => number) => this.#recent.reduce((total, step) => total + of(step), 0);
		const images = sum((step) => step.images);
		const perSecond = (1000 * images) / sum((step) => step.time);
		loss.textContent = (sum((step) => step.loss * step.images) / images).toFixed(4);
		accuracy.textContent = percent(sum((step) => step.correct) / images);
		speed.textContent = count(Math.round(perSecond));
		const { images: size, epochs } = this.#settings;
		const left = Math.ceil((size * epochs - this.#done) / perSecond);
		const time = left < 60 ? `${left} s` : `${Math.floor(left / 60)} min ${left % 60} s`;
		const done = this.#done - (this.#epoch - 1) * size;
		showProgress(
			this.#done / (size * epochs),
			`epoch ${this.#epoch} of ${epochs} · ${count(done)} of ${count(size)} images · ${time} left`,
		);
	}
}
