/** The page's form, and when each control is enabled. */
import { enableModelFile } from '../modelFile';
import { element } from '../page';
import { type Phase, readNumbers, showTrainingPhase } from '../trainingPage';
import { ACTIVATIONS, OPTIMIZERS, type Settings } from './model';

const number = (id: string) => element(id, HTMLInputElement);
const choice = (id: string) => element(id, HTMLSelectElement);

const numbers = {
	points: number('points'),
	noise: number('noise'),
	layers: number('layers'),
	width: number('width'),
	lr: number('lr'),
	l2: number('l2'),
	l1: number('l1'),
	batchSize: number('batch-size'),
	steps: number('steps'),
	seed: number('seed'),
};
const choices = { shape: choice('shape'), activation: choice('activation'), optimizer: choice('optimizer') };

/** Enables the controls of a phase. */
export function showPhase(phase: Phase): void {
	const { resting } = showTrainingPhase(phase);
	enableModelFile(resting || phase === 'paused');
}

/** Reads the form. The browser has validated it on submission. */
export function readSettings(): Settings {
	const read = {
		...readNumbers(numbers),
		...Object.fromEntries(Object.entries(choices).map(([name, field]) => [name, field.value])),
	};
	return read as unknown as Settings;
}

/** Puts settings of a file into the form. Throws unless they can be those of this page. */
export function showSettings(settings: unknown): void {
	const given = Object(settings) as Record<string, unknown>;
	const { activation, optimizer } = given as Partial<Settings>;
	if (!Object.hasOwn(ACTIVATIONS, String(activation)) || !Object.hasOwn(OPTIMIZERS, String(optimizer)))
		throw new Error('its settings are not those of this page');
	for (const [name, field] of Object.entries(numbers)) field.valueAsNumber = Number(given[name]);
	for (const [name, field] of Object.entries(choices)) field.value = String(given[name]);
	if (!element('controls', HTMLFormElement).checkValidity()) throw new Error('its settings are out of range');
}
