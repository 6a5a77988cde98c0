/** The page's form, and when each control is enabled. */
import { enableModelFile } from '../modelFile';
import { element } from '../page';
import { type Phase, showTrainingPhase } from '../trainingPage';
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
	return Object.fromEntries(Object.entries(numbers).map(([name, field]) => [name, field.valueAsNumber])) as unknown as Settings;
}

export function showSettings(settings: unknown): void {
	const given = Object(settings) as Record<string, unknown>;
	for (const [name, field] of Object.entries(numbers)) if (given[name] !== undefined) field.valueAsNumber = Number(given[name]);
	if (!element('controls', HTMLFormElement).checkValidity()) throw new Error('its settings are out of range');
}
