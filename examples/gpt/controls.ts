/** The page's forms and buttons, and when each is enabled. */
import { element } from '../page';
import { type Phase, readNumbers, showNumbers, showTrainingPhase } from '../trainingPage';
import type { SamplingOptions } from './sampling';
import { DEFAULTS, type Settings } from './settings';

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
	const { resting, usable } = showTrainingPhase(phase);
	file.disabled = !resting;
	proceed.disabled = !resting || !saved;
	write.disabled = !usable;
}

/** Reads the form. The browser has validated it on submission. */
export function readSettings(): Settings {
	return { ...DEFAULTS, ...readNumbers(fields), tokenizer: tokenizer.value as Settings['tokenizer'] };
}

export function showSettings(values: Partial<Settings>): void {
	if (values.tokenizer !== undefined) tokenizer.value = values.tokenizer;
	showNumbers(fields, { ...values });
}

/** Reads the prompt, the length and the sampling options. */
export function readSampling(): { prompt: string; length: number; options: SamplingOptions } {
	return { prompt: prompt.value, length: length.valueAsNumber, options: readNumbers(sampling) };
}
