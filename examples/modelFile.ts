/** The buttons that save a page's model to a file and load it, with the settings that it was made with. */
import { io, type nn } from 'wgrad';
import { element, hideNotice, messageOf, offerDownload, onFile, showNotice } from './page';

export interface ModelFile {
	/** The model to save. */
	model(): nn.Module;
	/** What makes a model of the same sizes. */
	settings(): unknown;
	/** Makes a model with these settings, which may come from a file that somebody wrote, and returns it to be filled. */
	renew(settings: unknown): nn.Module;
	/** Called when the weights are in place. */
	loaded(): void;
}

const save = element('save-model', HTMLButtonElement);
const load = element('load-model', HTMLInputElement);

/** Enables the buttons while nothing runs. */
export function enableModelFile(on: boolean): void {
	save.disabled = !on;
	load.disabled = !on;
}

/** Makes the buttons work. `name` is the file's, without its ending. */
export function startModelFile(name: string, file: ModelFile): void {
	save.addEventListener('click', async () => {
		const metadata = { page: name, settings: JSON.stringify(file.settings()) };
		offerDownload(`${name}.safetensors`, await io.saveSafetensors(file.model().stateDict(), metadata));
	});
	onFile(load, load.closest('section') ?? document.body, async (chosen) => {
		hideNotice();
		try {
			const bytes = new Uint8Array(await chosen.arrayBuffer());
			const { metadata } = io.decodeSafetensors(bytes);
			if (metadata.page !== name || metadata.settings === undefined) throw new Error(`it is no file that this page has saved`);
			file.renew(JSON.parse(metadata.settings)).loadStateDict(io.loadSafetensors(bytes));
			file.loaded();
		} catch (error) {
			showNotice('The file cannot be loaded', `${chosen.name}: ${messageOf(error)}`);
		}
	});
}
