/** Shows the figures of a training run: progress, speed and losses. */
import { element, showProgress } from '../page';
import type { GptTraining } from './training';

/** Number of steps to average loss and speed over. */
const WINDOW = 20;

const loss = element('loss', HTMLElement);
const validation = element('validation', HTMLElement);
const best = element('best', HTMLElement);
const speed = element('speed', HTMLElement);

const count = (value: number) => value.toLocaleString('en');

export class Figures {
	#times: number[] = [];

	/** Counts a step. */
	tick(): void {
		this.#times.push(performance.now());
		if (this.#times.length > WINDOW) this.#times.shift();
	}

	/** Restarts the clock after a break. */
	pause(): void {
		this.#times = [];
	}

	show({ settings, losses, validations, corpus }: GptTraining): void {
		const recent = losses.slice(-WINDOW);
		const mean = recent.reduce((sum, value) => sum + value, 0) / recent.length;
		const each = (value: number | undefined) => (value === undefined ? '–' : (value / corpus.charactersPerToken).toFixed(3));
		loss.textContent = each(recent.length === 0 ? undefined : mean);
		validation.textContent = each(validations.at(-1)?.loss);
		best.textContent = each(validations.length === 0 ? undefined : Math.min(...validations.map((one) => one.loss)));
		const [done, steps] = [losses.length, settings.steps];
		const milliseconds = this.#times.length < 2 ? null : (this.#times.at(-1)! - this.#times[0]!) / (this.#times.length - 1);
		speed.textContent =
			milliseconds === null ? '–' : count(Math.round((1000 * settings.batchSize * settings.context) / milliseconds));
		const left = milliseconds === null || done >= steps ? '' : ` · ${time(((steps - done) * milliseconds) / 1000)} left`;
		showProgress(done / steps, `step ${count(done)} of ${count(steps)}${left}`);
	}
}

function time(seconds: number): string {
	return seconds < 60 ? `${Math.ceil(seconds)} s` : `${Math.floor(seconds / 60)} min ${Math.ceil(seconds % 60)} s`;
}
