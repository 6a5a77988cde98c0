/** The page's form, and when each control is enabled. */
import { enableModelFile } from '../modelFile';
import { element } from '../page';
import { type Phase, readNumbers, showNumbers, showTrainingPhase } from '../trainingPage';
import type { Settings } from './training';

const number = (id: string) => element(id, HTMLInputElement);
const numbers = {
	images: number('images'),
	epochs: number('epochs'),
	batchSize: number('batch-size'),
	lr: number('lr'),
	hidden: number('hidden'),
	seed: number('seed'),
};

/** Enables the controls of a phase. */
export function showPhase(phase: Phase): void {
	const { resting } = showTrainingPhase(phase);
	enableModelFile(resting || phase === 'paused');
}

/** Reads the form. The browser has validated it on submission. */
export function readSettings(): Settings {
	return readNumbers(numbers);
}

export function showSettings(settings: unknown): void {
	showNumbers(numbers, Object(settings) as Record<string, unknown>);
	if (!element('controls', HTMLFormElement).checkValidity()) throw new Error('its settings are out of range');
}
