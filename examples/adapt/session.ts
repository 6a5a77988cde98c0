/** Controls the page: the model, its adapter, and what they write. */
import { type Device, init, nn, ones } from 'wgrad';
import { BrowserStore, MemoryStore } from 'wgrad/train';
import { addAdapters, baseDigest, countOf, readable } from '../gpt/adapting';
import { LossChart } from '../gpt/chart';
import { Corpus } from '../gpt/corpus';
import { Figures } from '../gpt/figures';
import { write } from '../gpt/sampling';
import { GptTraining, type Writer } from '../gpt/training';
import { element, hideNotice, messageOf, offerDownload, showNotice } from '../page';
import { onTextFile, type Phase, readAdapter, readSampling, readSizes, showPhase } from './form';

/** Milliseconds between two updates of the figures and the curve. */
const REFRESH = 200;
/** Steps between validations. */
const EVERY = 25;
/** The checkpoint's name in the browser's private file system. The page of examples/gpt writes it too. */
const SAVED = 'gpt.safetensors';
const FILES = ['adapter_config.json', 'adapter_model.safetensors'] as const;

const modelInfo = element('model', HTMLElement);
const adapterInfo = element('adapter-info', HTMLElement);
const text = element('text', HTMLTextAreaElement);

const shown = (count: number) => count.toLocaleString('en');

export class Session {
	readonly #device: Device;
	readonly #mobyDick: string;
	readonly #chart = new LossChart(element('chart', HTMLElement));
	readonly #disk = new BrowserStore();
	/** Has the model's checkpoint, from which a lost device gets it again. */
	readonly #memory = new MemoryStore();
	#phase: Phase = 'loading';
	#model: Writer | null = null;
	#lora: nn.lora.LoraModel | null = null;
	/** The files of the adapter. */
	#files: nn.lora.LoraFiles | null = null;
	#stopWanted = false;

	constructor(device: Device, mobyDick: string) {
		this.#device = device;
		this.#mobyDick = mobyDick;
		const on = (id: string, event: string, phase: Phase, title: string, action: () => Promise<void>) =>
			element(id, HTMLElement).addEventListener(event, (happened) => {
				happened.preventDefault();
				// A second press stops the work of the first.
				if (this.#phase === phase) this.#stopWanted = true;
				else void this.#attempt(phase, title, action);
			});
		on('pretraining', 'submit', 'pretraining', 'The model was not trained', () => this.#pretrain());
		on('adapting', 'submit', 'adapting', 'The model was not adapted', () => this.#adapt());
		on('sampling', 'submit', 'writing', 'The model did not write', () => this.#write());
		on('reset', 'click', 'loading', 'The device did not start', () => this.#restore());
		on('save', 'click', 'loading', 'The adapter was not saved', () => this.#save());
		on('checkpoint', 'change', 'loading', 'The checkpoint was not opened', () => this.#openCheckpoint());
		on('adapter-files', 'change', 'loading', 'The adapter was not opened', () => this.#openAdapter());
		onTextFile((file) => void this.#attempt('loading', 'The file was not read', () => this.#readText(file)));
		text.addEventListener('input', () => this.#describeText());
	}

	/** Loads the model that this browser has saved, if there is one. */
	async open(): Promise<void> {
		await this.#attempt('loading', 'The saved model was not opened', async () => {
			const bytes = await this.#disk.read(SAVED);
			if (bytes === null) return;
			await this.#memory.write(SAVED, bytes);
			await this.#loadModel();
		});
		this.#describeModel();
	}

	/** Runs `action` in a phase. Problems are shown; only a lost device stops the page. */
	async #attempt(phase: Phase, title: string, action: () => Promise<void>): Promise<void> {
		hideNotice();
		this.#stopWanted = false;
		this.#enter(phase);
		try {
			await action();
			this.#enter('ready');
		} catch (error) {
			const works = await this.#deviceWorks();
			if (!works) console.error(error);
			this.#enter(works ? 'ready' : 'failed');
			showNotice(title, `${messageOf(error)}${works ? '' : ' The button below starts the device again.'}`);
		}
	}

	#enter(phase: Phase): void {
		this.#phase = phase;
		showPhase(phase, { model: this.#model !== null, adapter: this.#files !== null });
	}

	async #deviceWorks(): Promise<boolean> {
		try {
			using one = ones([1], { device: this.#device });
			return (await one.item()) === 1;
		} catch {
			return false;
		}
	}

	/** Starts the device again, with the model and the adapter as they were. */
	async #restore(): Promise<void> {
		await init({ device: this.#device });
		if ((await this.#memory.read(SAVED)) === null) return;
		const files = this.#files;
		await this.#loadModel();
		if (files !== null) this.#loadAdapter(files);
	}

	async #loadModel(): Promise<void> {
		this.#setModel(await GptTraining.load(SAVED, { store: this.#memory }));
	}

	/** Takes another model. Its adapter is gone. */
	#setModel(model: Writer): void {
		this.#model = model;
		this.#lora = null;
		this.#files = null;
		for (const id of ['alone', 'adapted']) element(id, HTMLElement).textContent = '';
		adapterInfo.textContent = 'None yet.';
		this.#describeModel();
		this.#describeText();
	}

	#describeModel(): void {
		if (this.#model === null) {
			modelInfo.textContent = 'None yet: train one, which the page saves for the next time, or open one.';
			return;
		}
		const { settings, model } = this.#model;
		const { layers, width, heads, context } = settings;
		const size = shown(countOf(model.parameters()));
		modelInfo.textContent = `${size} parameters: layers ${layers}, width ${width}, heads ${heads}, context ${context}.`;
	}

	/** Trains a new model and saves it. If training stops early, saves the steps so far. */
	async #pretrain(): Promise<void> {
		const training = GptTraining.begin(readSizes(), this.#mobyDick, this.#device);
		element('before', HTMLElement).textContent = '–';
		await this.#run(training);
		await training.save(SAVED, this.#memory);
		await this.#loadModel();
		await this.#keep();
	}

	/** Saves the model in this browser. If that fails, the model works until the page closes. */
	async #keep(): Promise<void> {
		try {
			await this.#disk.write(SAVED, (await this.#memory.read(SAVED))!);
		} catch (error) {
			showNotice('The model is not saved', `${messageOf(error)}. It works until this page closes.`);
		}
	}

	async #openCheckpoint(): Promise<void> {
		const [file] = chosenFiles('checkpoint');
		if (file === undefined) return;
		const bytes = await bytesOf(file);
		const store = new MemoryStore();
		await store.write(file.name, bytes);
		this.#setModel(await GptTraining.load(file.name, { store }));
		await this.#memory.write(SAVED, bytes);
		await this.#keep();
	}

	/** Runs a training to its end, or until the visitor stops it. */
	async #run(training: GptTraining): Promise<void> {
		const figures = new Figures();
		const show = () => {
			figures.show(training);
			this.#chart.draw(training);
		};
		while (!training.finished && !this.#stopWanted) {
			let last = performance.now();
			for await (const _ of training.run(EVERY - (training.step % EVERY))) {
				figures.tick();
				if (this.#stopWanted) break;
				if (performance.now() - last < REFRESH) continue;
				last = performance.now();
				show();
			}
			await training.validate();
			show();
			figures.pause();
		}
	}

	async #readText(file: File): Promise<void> {
		text.value = await file.text();
		this.#describeText();
	}

	/** Says how much of the text the model can read, and returns that part. */
	#describeText(): string {
		const info = element('text-info', HTMLElement);
		const known = this.#model === null ? text.value : readable(text.value, this.#model.tokenizer);
		const lost = [...text.value].length - [...known].length;
		const others = lost === 0 ? '' : ` The model does not know ${shown(lost)} others, which are left out.`;
		info.textContent = text.value === '' ? 'A few pages are best.' : `${shown(known.length)} characters.${others}`;
		return known;
	}

	async #adapt(): Promise<void> {
		const base = this.#model!;
		const corpus = new Corpus(this.#describeText(), base.tokenizer);
		const least = 10 * (base.settings.context + 1);
		const tokens = corpus.training.length + corpus.validation.length;
		if (tokens < least)
			throw new Error(
				`your text has ${shown(tokens)} tokens; for a context of ${base.settings.context}, the model needs at least ${shown(least)}`,
			);
		const { rank, alpha, steps, lr } = readAdapter();
		this.#dropAdapter();
		const digest = await baseDigest(base.model);
		this.#lora = addAdapters(base.model, { rank, alpha });
		const settings = { ...base.settings, steps, lr, warmup: 0, weightDecay: 0 };
		const training = new GptTraining(settings, corpus, this.#device, { model: base.model, lora: this.#lora });
		const before = (await training.validate()) / corpus.charactersPerToken;
		element('before', HTMLElement).textContent = before.toFixed(3);
		await this.#run(training);
		this.#files = await nn.lora.save(this.#lora);
		const same = (await baseDigest(base.model)) === digest;
		this.#describeAdapter(`The model's own weights ${same ? 'have kept all their bits' : 'have CHANGED'}.`);
		this.#stopWanted = false;
		await this.#write();
	}

	#dropAdapter(): void {
		this.#lora?.unload();
		this.#lora = null;
		this.#files = null;
	}

	#describeAdapter(more: string): void {
		const own = countOf(this.#lora!.parameters());
		const all = countOf(this.#model!.model.parameters()) - own;
		adapterInfo.textContent = `${shown(own)} parameters, ${((100 * own) / all).toFixed(2)} % of the model's ${shown(all)}; ${shown(this.#files![FILES[1]].length)} bytes. ${more}`;
	}

	async #save(): Promise<void> {
		for (const name of FILES) offerDownload(name, this.#files![name]);
	}

	async #openAdapter(): Promise<void> {
		const files = chosenFiles('adapter-files');
		const [config, weights] = FILES.map((name) => files.find((file) => file.name === name));
		if (config === undefined || weights === undefined) throw new Error(`choose the two files ${FILES.join(' and ')} together`);
		this.#loadAdapter({ [FILES[0]]: await config.text(), [FILES[1]]: await bytesOf(weights) });
		await this.#write();
	}

	#loadAdapter(files: nn.lora.LoraFiles): void {
		this.#dropAdapter();
		this.#lora = nn.lora.load(this.#model!.model, files);
		this.#files = files;
		this.#describeAdapter('From its files.');
	}

	/** Writes with the same seed, without and with the adapter. */
	async #write(): Promise<void> {
		const lora = this.#lora;
		try {
			for (const [id, adapter] of [['alone', null] as const, ['adapted', 'default'] as const]) {
				if (lora === null && adapter !== null) return;
				lora?.use(adapter);
				await this.#writeInto(element(id, HTMLElement));
			}
		} finally {
			lora?.use('default');
		}
	}

	async #writeInto(output: HTMLElement): Promise<void> {
		const { prompt, length, options } = readSampling();
		output.textContent = '';
		for await (const text of write(this.#model!, prompt, length, options)) {
			output.textContent = text;
			if (this.#stopWanted) return;
		}
	}
}

/** The files that the visitor has chosen. The same ones can be chosen again. */
function chosenFiles(id: string): File[] {
	const input = element(id, HTMLInputElement);
	const files = Array.from(input.files ?? []);
	input.value = '';
	return files;
}

async function bytesOf(file: File): Promise<Uint8Array> {
	return new Uint8Array(await file.arrayBuffer());
}
