/** The page's forms and buttons, and when each is enabled. */
import { element } from '../page';
import type { SamplingOptions } from './sampling';
import { DEFAULTS, type Settings } from './settings';

/**
 * loading: no device or text yet. waiting: needs the user's decision. ready: has new weights. running, paused, finished: the states of
 * training. failed: needs a reset.
 */
export type Phase = 'loading' | 'waiting' | 'ready' | 'running' | 'paused' | 'finished' | 'failed';

const PHASE_LABELS: Readonly<Record<Phase, string>> = {
	loading: 'Loading',
	waiting: 'Waiting',
	ready: 'Ready',
	running: 'Training',
	paused: 'Paused',
	finished: 'Finished',
	failed: 'Stopped',
};
const START_LABELS: Partial<Record<Phase, string>> = { running: 'Pause', paused: 'Resume', finished: 'Train anew' };

const phaseLabel = element('phase', HTMLElement);
const settings = element('settings', HTMLFieldSetElement);
const start = element('start', HTMLButtonElement);
const reset = element('reset', HTMLButtonElement);
const proceed = element('continue', HTMLButtonElement);
const file = element('file', HTMLInputElement);
const write = element('write', HTMLButtonElement);
const tokenizer = element('tokenizer', HTMLSelectElement);

const input = (id: string) => element(id, HTMLInputElement);
const fields = {
	layers: input('layers'),
	width: input('width'),
	heads: input('heads'),
	context: input('context'),
	dropout: input('dropout'),
	batchSize: input('batch-size'),
	steps: input('steps'),
	lr: input('lr'),
	seed: input('seed'),
};
const sampling = {
	temperature: input('temperature'),
	topK: input('top-k'),
	topP: input('top-p'),
	seed: input('sample-seed'),
};
const prompt = element('prompt', HTMLTextAreaElement);
const length = input('length');

/** Enables the buttons of a phase. `saved` tells whether there is a run to continue. */
export function showPhase(phase: Phase, saved = false): void {
	phaseLabel.textContent = PHASE_LABELS[phase];
	const resting = phase === 'ready' || phase === 'finished';
	const starting = phase === 'loading' || phase === 'waiting';
	settings.disabled = !resting;
	file.disabled = !resting;
	start.disabled = starting || phase === 'failed';
	start.textContent = START_LABELS[phase] ?? 'Start';
	reset.disabled = starting || phase === 'ready';
	proceed.disabled = !resting || !saved;
	write.disabled = starting || phase === 'failed';
}

/** Reads the form. The browser has validated it on submission. */
export function readSettings(): Settings {
	const numbers = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.valueAsNumber]));
	return { ...DEFAULTS, ...numbers, tokenizer: tokenizer.value as Settings['tokenizer'] };
}

export function showSettings(values: Partial<Settings>): void {
	if (values.tokenizer !== undefined) tokenizer.value = values.tokenizer;
	for (const [name, field] of Object.entries(fields)) {
		const value = values[name as keyof typeof fields];
		if (value !== undefined) field.valueAsNumber = value;
	}
}

/** Reads the prompt, the length and the sampling options. */
export function readSampling(): { prompt: string; length: number; options: SamplingOptions } {
	const options = Object.fromEntries(Object.entries(sampling).map(([name, field]) => [name, field.valueAsNumber]));
	return { prompt: prompt.value, length: length.valueAsNumber, options };
}
