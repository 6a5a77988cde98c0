/** What pages that train have in common: the phases of a training, the controls of each phase, pausing, resetting and failing. */
import { type Device, init } from 'wgrad';
import { element, hideNotice, messageOf, showNotice } from './page';

/**
 * loading: no device or data yet. waiting: needs the user's decision. ready: has new weights. running, paused, finished: the states of
 * training. testing: on the test data. failed: needs a reset.
 */
export type Phase = 'loading' | 'waiting' | 'ready' | 'running' | 'paused' | 'finished' | 'testing' | 'failed';

const PHASE_LABELS: Readonly<Record<Phase, string>> = {
	loading: 'Loading',
	waiting: 'Waiting',
	ready: 'Ready',
	running: 'Training',
	paused: 'Paused',
	finished: 'Finished',
	testing: 'Testing',
	failed: 'Stopped',
};
const START_LABELS: Partial<Record<Phase, string>> = { running: 'Pause', paused: 'Resume', finished: 'Train anew' };

const phaseLabel = element('phase', HTMLElement);
const settings = element('settings', HTMLFieldSetElement);
const start = element('start', HTMLButtonElement);
const reset = element('reset', HTMLButtonElement);

/** Names the phase and enables its controls. `resting`: nothing runs. `usable`: there are weights on a working device. */
export function showTrainingPhase(phase: Phase): { readonly resting: boolean; readonly usable: boolean } {
	phaseLabel.textContent = PHASE_LABELS[phase];
	// On a phone page.css folds the settings away while it runs.
	document.body.dataset.phase = phase;
	const resting = phase === 'ready' || phase === 'finished';
	const starting = phase === 'loading' || phase === 'waiting';
	const usable = !starting && phase !== 'failed';
	settings.disabled = !resting;
	start.disabled = !usable || phase === 'testing';
	start.textContent = START_LABELS[phase] ?? 'Start';
	reset.disabled = starting || phase === 'ready';
	return { resting, usable };
}

/** Controls a training: the button that starts, pauses and resumes it, and the button that resets it. */
export abstract class TrainingSession {
	#phase: Phase = 'loading';

	constructor(protected readonly device: Device) {
		this.on('controls', 'submit', () => this.press());
		this.on('reset', 'click', () => this.reset());
	}

	/** Enables the controls of a phase. */
	protected abstract show(phase: Phase): void;
	/** Starts, pauses or resumes. */
	protected abstract press(): Promise<void>;
	/** Creates new weights with the form's settings. Work for the old ones notices that it was replaced and ends. */
	protected abstract renew(): void;

	protected get phase(): Phase {
		return this.#phase;
	}

	protected enter(phase: Phase): void {
		this.#phase = phase;
		this.show(phase);
	}

	protected on(id: string, event: string, action: () => void | Promise<void>): void {
		element(id, HTMLElement).addEventListener(event, (happened) => {
			happened.preventDefault();
			void this.attempt(action);
		});
	}

	protected async attempt(action: () => void | Promise<void>): Promise<void> {
		try {
			await action();
		} catch (error) {
			this.fail(error);
		}
	}

	protected fail(error: unknown): void {
		console.error(error);
		this.enter('failed');
		showNotice('Training has stopped', `${messageOf(error)}. Reset starts anew.`);
	}

	protected async reset(): Promise<void> {
		hideNotice();
		this.enter('loading');
		// Needed only if the device was lost.
		await init({ device: this.device });
		this.renew();
		this.enter('ready');
	}
}

/** A session whose training waits between two steps while it is paused. */
export abstract class PausableSession extends TrainingSession {
	/** Ends the pause. */
	#resume = () => {};

	/** Trains the weights that are there, to the end. */
	protected abstract train(): Promise<void>;

	/** What happens before a training begins: new weights. */
	protected prepare(): void {
		this.renew();
	}

	protected override async press(): Promise<void> {
		if (this.phase === 'running') {
			this.enter('paused');
		} else if (this.phase === 'paused') {
			this.enter('running');
			this.#resume();
		} else {
			this.prepare();
			this.enter('running');
			await this.train();
		}
	}

	protected override renew(): void {
		this.#resume();
	}

	/** Settles when the training goes on, or is replaced by another one. */
	protected untilResumed(): Promise<void> {
		return new Promise((resolve) => {
			this.#resume = resolve;
		});
	}
}

/** The form's fields of numbers, by the names of the settings. The browser has validated them on submission. */
export type NumberFields<K extends string> = Readonly<Record<K, HTMLInputElement>>;

export function readNumbers<K extends string>(fields: NumberFields<K>): Record<K, number> {
	const numbers = Object.entries<HTMLInputElement>(fields).map(([name, field]) => [name, field.valueAsNumber]);
	return Object.fromEntries(numbers) as Record<K, number>;
}

/** Shows those of `given` that have a field. */
export function showNumbers(fields: NumberFields<string>, given: Readonly<Record<string, unknown>>): void {
	for (const [name, field] of Object.entries(fields)) if (given[name] !== undefined) field.valueAsNumber = Number(given[name]);
}
