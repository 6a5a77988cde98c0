/** The page's form, and when each control is enabled. */
import { enableModelFile } from '../modelFile';
import { element } from '../page';
import { type Phase, readNumbers, showNumbers, showTrainingPhase } from '../trainingPage';
import type { Settings } from './training';

const number = (id: string) => element(id, HTMLInputElement);
const numbers = {
	images: number('images'),
	tests: number('tests'),
	epochs: number('epochs'),
	batchSize: number('batch-size'),
	lr: number('lr'),
	seed: number('seed'),
};
const augment = element('augment', HTMLInputElement);
const others = ['another', 'target'].map((id) => document.getElementById(id) as HTMLButtonElement | HTMLSelectElement);

/** Enables the controls of a phase. */
export function showPhase(phase: Phase): void {
	const { resting } = showTrainingPhase(phase);
	const still = resting || phase === 'paused';
	enableModelFile(still);
	for (const other of others) other.disabled = !still;
}

/** Reads the form. The browser has validated it on submission. */
export function readSettings(): Settings {
	return { ...readNumbers(numbers), augment: augment.checked };
}

export function showSettings(settings: unknown): void {
	const given = Object(settings) as Record<string, unknown>;
	showNumbers(numbers, given);
	if (given.augment !== undefined) augment.checked = given.augment === true;
	if (!element('controls', HTMLFormElement).checkValidity()) throw new Error('its settings are out of range');
}
