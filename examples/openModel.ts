/** The card of a page that opens a pretrained model: from chosen or dropped files, a folder, or an address. */
import type { Device } from 'wgrad';
import { filesFromDrop } from 'wgrad/data';
import { fromPretrained, type ModelSource, type Pretrained } from 'wgrad/models';
import { element, showProgress } from './page';

/** A model to open, and what to call it. */
export interface Chosen {
	readonly source: ModelSource;
	readonly name: string;
}

const controls = element('source', HTMLFieldSetElement);
const address = element('address', HTMLInputElement);

export function enableOpening(on: boolean): void {
	controls.disabled = !on;
	for (const id of ['files', 'folder']) element(id, HTMLInputElement).disabled = !on;
}

/** Calls `open` when the visitor chooses or drops files, chooses a folder, or submits an address. */
export function onModel(open: (chosen: Chosen) => void): void {
	for (const id of ['files', 'folder']) {
		const input = element(id, HTMLInputElement);
		input.addEventListener('change', () => {
			const files = Array.from(input.files ?? []);
			// So that the same files can be chosen again.
			input.value = '';
			if (files.length > 0) open({ source: files, name: nameOf(files[0]!.webkitRelativePath || files[0]!.name) });
		});
	}
	element('opening', HTMLFormElement).addEventListener('submit', (event) => {
		event.preventDefault();
		const text = address.value.trim();
		if (text !== '') open({ source: text, name: text });
	});
	const card = element('model-card', HTMLElement);
	card.addEventListener('dragover', (event) => {
		if (event.dataTransfer?.types.includes('Files') !== true || controls.disabled) return;
		event.preventDefault();
		card.classList.add('dropping');
	});
	card.addEventListener('dragleave', () => card.classList.remove('dropping'));
	card.addEventListener('drop', (event) => {
		card.classList.remove('dropping');
		if (event.dataTransfer === null || controls.disabled) return;
		event.preventDefault();
		void filesFromDrop(event.dataTransfer).then((dropped) => {
			if (dropped.length > 0) open({ source: dropped.map(({ file }) => file), name: nameOf(dropped[0]!.path) });
		});
	});
}

/** The folder of a path, or 'your files'. */
function nameOf(path: string): string {
	return path.includes('/') ? path.split('/')[0]! : 'your files';
}

/** Opens a model and shows the progress. */
export function openModel({ source, name }: Chosen, device: Device, signal: AbortSignal): Promise<Pretrained> {
	return fromPretrained(source, {
		device,
		signal,
		onProgress: (loaded, total) => showProgress(loaded / total, `${name}: ${loaded} of ${total} tensors`),
	});
}

/** The model's `model_type`. A bundler may have shortened the name of its class. */
export function kindOf({ model }: Pretrained): string {
	return String(model.config.model_type);
}

/** What to do about a problem of the library, by its message. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
	[/no config\.json/, 'There is no config.json. Choose the whole folder of a model, or the address of one.'],
	[/model_type is/, 'The page does not know this kind of model.'],
	[
		/neither a folder nor an address/,
		'The page cannot find a model there. Give an address that begins with https://, or a name on the hub, such as HuggingFaceTB/SmolLM2-135M-Instruct.',
	],
	[/cannot be fetched|the server answered|download/i, 'The model could not be downloaded. Check the address and the network.'],
	[
		/memory|larger than|limit/i,
		'The model is too large for this device. Choose a smaller one, or close other tabs and programs that use the GPU.',
	],
	[/safetensors/, 'The weights cannot be read. The page needs model.safetensors, or all of its parts with their index.'],
];

export function inPlainWords(message: string): string {
	const advice = ADVICE.find(([pattern]) => pattern.test(message))?.[1];
	return advice === undefined ? message : `${advice} (${message})`;
}
