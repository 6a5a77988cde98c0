/** The page's form and buttons, and when each is enabled. */
import { element } from '../page';
import type { Settings } from './training';

/**
 * loading: no device or images yet. waiting: needs the user's decision. ready: has new weights. running, paused, finished: the states of
 * training. testing: on the test images. failed: needs a reset.
 */
export type Phase = 'loading' | 'waiting' | 'ready' | 'running' | 'paused' | 'finished' | 'testing' | 'failed';

const phaseLabel = element('phase', HTMLElement);
const settings = element('settings', HTMLFieldSetElement);
const start = element('start', HTMLButtonElement);
const reset = element('reset', HTMLButtonElement);
const test = element('test', HTMLButtonElement);
const fields = {
	images: element('images', HTMLInputElement),
	epochs: element('epochs', HTMLInputElement),
	batchSize: element('batch-size', HTMLInputElement),
	lr: element('lr', HTMLInputElement),
	seed: element('seed', HTMLInputElement),
};

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

/** Enables the buttons of a phase. */
export function showPhase(phase: Phase): void {
	phaseLabel.textContent = PHASE_LABELS[phase];
	const resting = phase === 'ready' || phase === 'finished';
	settings.disabled = !resting;
	const starting = phase === 'loading' || phase === 'waiting';
	start.disabled = starting || phase === 'testing' || phase === 'failed';
	start.textContent = START_LABELS[phase] ?? 'Start';
	reset.disabled = starting || phase === 'ready';
	test.disabled = !resting && phase !== 'paused';
}

/** Reads the form. The browser has validated it on submission. */
export function readSettings(): Settings {
	const { images, epochs, batchSize, lr, seed } = fields;
	return {
		images: images.valueAsNumber,
		epochs: epochs.valueAsNumber,
		batchSize: batchSize.valueAsNumber,
		lr: lr.valueAsNumber,
		seed: seed.valueAsNumber,
	};
}

export function suggest(values: Partial<Settings>): void {
	for (const [name, value] of Object.entries(values)) fields[name as keyof Settings].valueAsNumber = value;
}
