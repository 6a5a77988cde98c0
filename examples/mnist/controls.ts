/** The page's form and buttons, and when each is enabled. */
import { element } from '../page';
import { type Phase, readNumbers, showNumbers, showTrainingPhase } from '../trainingPage';
import type { Settings } from './training';

const test = element('test', HTMLButtonElement);
const fields = {
	images: element('images', HTMLInputElement),
	epochs: element('epochs', HTMLInputElement),
	batchSize: element('batch-size', HTMLInputElement),
	lr: element('lr', HTMLInputElement),
	seed: element('seed', HTMLInputElement),
};

/** Enables the buttons of a phase. */
export function showPhase(phase: Phase): void {
	const { resting } = showTrainingPhase(phase);
	test.disabled = !resting && phase !== 'paused';
}

/** Reads the form. The browser has validated it on submission. */
export function readSettings(): Settings {
	return readNumbers(fields);
}

export function suggest(values: Partial<Settings>): void {
	showNumbers(fields, values);
}
