/** The page's forms and buttons, and when each is enabled. */
import type { AdapterSettings } from '../gpt/adapting';
import type { SamplingOptions } from '../gpt/sampling';
import { DEFAULTS, type Settings } from '../gpt/settings';
import { type DeviceChoice, element, onFile } from '../page';

/** waiting: needs the visitor's decision. failed: the device is lost. */
export type Phase = 'loading' | 'waiting' | 'ready' | 'pretraining' | 'adapting' | 'writing' | 'failed';

const LABELS: Readonly<Record<Phase, string>> = {
	loading: 'Loading',
	waiting: 'Waiting',
	ready: 'Ready',
	pretraining: 'Reading Moby Dick',
	adapting: 'Adapting',
	writing: 'Writing',
	failed: 'Stopped',
};

const input = (id: string) => element(id, HTMLInputElement);
const button = (id: string) => element(id, HTMLButtonElement);
const sizes = {
	layers: input('layers'),
	width: input('width'),
	heads: input('heads'),
	context: input('context'),
	steps: input('pretrain-steps'),
};
const [pretrain, adapt, write, save, reset] = ['pretrain', 'adapt', 'write', 'save', 'reset'].map(button) as [
	HTMLButtonElement,
	HTMLButtonElement,
	HTMLButtonElement,
	HTMLButtonElement,
	HTMLButtonElement,
];
const text = element('text', HTMLTextAreaElement);

/** What the page has. */
interface Possessions {
	readonly model: boolean;
	readonly adapter: boolean;
}

export function showPhase(phase: Phase, { model, adapter }: Possessions = { model: false, adapter: false }): void {
	element('phase', HTMLElement).textContent = LABELS[phase];
	const rests = phase === 'ready';
	for (const id of ['sizes', 'settings']) element(id, HTMLFieldSetElement).disabled = !rests;
	for (const id of ['checkpoint', 'file']) input(id).disabled = !rests;
	text.disabled = !rests;
	pretrain.disabled = !rests && phase !== 'pretraining';
	pretrain.textContent = phase === 'pretraining' ? 'Stop' : 'Train on Moby Dick';
	adapt.disabled = !(rests && model) && phase !== 'adapting';
	adapt.textContent = phase === 'adapting' ? 'Stop' : 'Adapt';
	write.disabled = !(rests && model) && phase !== 'writing';
	write.textContent = phase === 'writing' ? 'Stop' : 'Write';
	input('adapter-files').disabled = !(rests && model);
	save.disabled = !(rests && adapter);
	reset.hidden = phase !== 'failed';
}

/** Shows the sizes of a new model that a device trains within a minute or a few. */
export function showSizes(kind: DeviceChoice['kind']): void {
	const small = { layers: 1, width: 32, heads: 2, context: 32, steps: 200 };
	const values = kind === 'cpu' ? small : { ...DEFAULTS, steps: kind === 'gpu' ? DEFAULTS.steps : 300 };
	for (const [name, field] of Object.entries(sizes)) field.valueAsNumber = values[name as keyof typeof sizes];
}

/** The settings of a new model. The browser has validated the form on submission. */
export function readSizes(): Settings {
	const numbers = Object.fromEntries(Object.entries(sizes).map(([name, field]) => [name, field.valueAsNumber]));
	return { ...DEFAULTS, ...numbers, warmup: Math.min(DEFAULTS.warmup, Math.ceil(sizes.steps.valueAsNumber / 10)) };
}

/** The settings of the adapter, and of its training. */
export function readAdapter(): AdapterSettings & Pick<Settings, 'steps' | 'lr'> {
	const [rank, alpha, steps, lr] = ['rank', 'alpha', 'steps', 'lr'].map((id) => input(id).valueAsNumber) as [
		number,
		number,
		number,
		number,
	];
	return { rank, alpha, steps, lr };
}

export function readSampling(): { prompt: string; length: number; options: SamplingOptions } {
	const options = { temperature: input('temperature').valueAsNumber, seed: input('seed').valueAsNumber };
	return { prompt: element('prompt', HTMLTextAreaElement).value, length: input('length').valueAsNumber, options };
}

/** Calls `read` with a text file that is chosen, or dropped on the text. */
export function onTextFile(read: (file: File) => void): void {
	onFile(input('file'), text, read);
}
