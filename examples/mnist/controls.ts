/** The page's form, and what can be pressed when. */
import { element } from '../page';
import type { Settings } from './training';

/**
 * loading: no device or no images yet. waiting: not without the person's decision. ready: fresh weights. running, paused,
 * finished: as training goes. testing: on the test images. failed: only a reset helps.
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

/** Lets the person press what makes sense in that phase. */
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

/** What the form says. The browser has checked it when the form is submitted. */
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
