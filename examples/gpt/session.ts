/** Controls the page: training, pausing, writing, continuing and resetting. */
import { type Device, init } from 'wgrad';
import { BrowserStore } from 'wgrad/train';
import { element, hideNotice, messageOf, showNotice } from '../page';
import { LossChart } from './chart';
import { type Phase, readSampling, readSettings, showPhase, showSettings } from './controls';
import { Figures } from './figures';
import { GptTraining } from './training';

/** Milliseconds between two updates of the figures and the curve. */
const REFRESH = 200;
/** Steps between validations, samples and checkpoints. */
const EVERY = 50;
/** The checkpoint's name in the browser's private file system. */
const SAVED = 'gpt.safetensors';

const output = element('output', HTMLElement);
const network = element('network', HTMLElement);

export class Session {
	readonly #device: Device;
	readonly #chart = new LossChart(element('chart', HTMLElement));
	readonly #store = new BrowserStore();
	#text: string;
	#training: GptTraining;
	#figures = new Figures();
	#phase: Phase = 'ready';
	#saved = false;
	/** The running loop, or the last one. */
	#loop: Promise<void> = Promise.resolve();
	#writeWanted = false;
	#writing = false;

	constructor(device: Device, text: string) {
		this.#device = device;
		this.#text = text;
		this.#training = GptTraining.begin(readSettings(), text, device);
		const on = (id: string, event: string, action: () => void | Promise<void>) =>
			element(id, HTMLElement).addEventListener(event, (happened) => {
				happened.preventDefault();
				void this.#attempt(action);
			});
		on('controls', 'submit', () => this.#press());
		on('reset', 'click', () => this.#reset());
		on('continue', 'click', () => this.#continue());
		on('sampling', 'submit', () => this.#askToWrite());
		on('file', 'change', () => this.#read());
		this.#enter('ready');
		this.#show();
		void this.#attempt(async () => {
			this.#saved = (await this.#store.size(SAVED)) > 0;
			this.#enter(this.#phase);
		});
	}

	#enter(phase: Phase): void {
		this.#phase = phase;
		showPhase(phase, this.#saved);
	}

	async #attempt(action: () => void | Promise<void>): Promise<void> {
		try {
			await action();
		} catch (error) {
			console.error(error);
			this.#enter('failed');
			showNotice('Training has stopped', `${messageOf(error)}. Reset starts anew.`);
		}
	}

	/** Handles the button that starts, pauses and resumes. */
	async #press(): Promise<void> {
		if (this.#phase === 'running') {
			this.#enter('paused');
			return;
		}
		if (this.#phase !== 'paused') this.#renew(GptTraining.begin(readSettings(), this.#text, this.#device));
		await this.#start();
	}

	/** Continues the run saved by the last validation, in this page or an earlier one. */
	async #continue(): Promise<void> {
		this.#renew(await GptTraining.resume(SAVED, this.#text, this.#device, { store: this.#store }));
		showSettings(this.#training.settings);
		await this.#start();
	}

	/** Replaces the text by that of the user's file. */
	async #read(): Promise<void> {
		const file = element('file', HTMLInputElement).files?.[0];
		if (file === undefined) return;
		this.#text = await file.text();
		await this.#reset();
		element('text-name', HTMLElement).textContent = file.name;
	}

	/** Switches to another run. Work for the old one notices that it was replaced and ends. */
	#renew(training: GptTraining): void {
		this.#training = training;
		this.#figures = new Figures();
		this.#show();
	}

	async #reset(): Promise<void> {
		hideNotice();
		this.#enter('loading');
		// Needed only if the device was lost.
		await init({ device: this.#device });
		this.#renew(GptTraining.begin(readSettings(), this.#text, this.#device));
		output.textContent = '';
		this.#enter('ready');
	}

	async #start(): Promise<void> {
		this.#enter('running');
		await this.#loop.catch(() => {});
		this.#loop = this.#train(this.#training);
		await this.#loop;
	}

	async #train(training: GptTraining): Promise<void> {
		const isMine = () => training === this.#training && this.#phase === 'running';
		while (isMine() && !training.finished) {
			let shown = performance.now();
			for await (const _ of training.run(EVERY - (training.step % EVERY))) {
				this.#figures.tick();
				if (!isMine() || this.#writeWanted) break;
				if (performance.now() - shown < REFRESH) continue;
				shown = performance.now();
				this.#show();
			}
			if (training !== this.#training) return;
			if (training.finished || training.step % EVERY === 0) {
				await training.validate();
				await training.save(SAVED, this.#store);
				this.#saved = true;
				this.#writeWanted = true;
			}
			this.#show();
			if (this.#writeWanted) await this.#write(training);
			this.#figures.pause();
		}
		if (training === this.#training && training.finished) this.#enter('finished');
	}

	#show(): void {
		const { settings, model, corpus } = this.#training;
		this.#figures.show(this.#training);
		this.#chart.draw(this.#training);
		const parameters = model.parameters().reduce((sum, { size }) => sum + size, 0);
		network.textContent = `${settings.layers} blocks of ${settings.width} features in ${settings.heads} heads, ${parameters.toLocaleString('en')} parameters, ${corpus.tokenizer.size.toLocaleString('en')} kinds of tokens`;
	}

	/** Writes between two steps while training, otherwise at once. */
	async #askToWrite(): Promise<void> {
		this.#writeWanted = true;
		if (this.#phase === 'running' || this.#writing) return;
		await this.#loop.catch(() => {});
		await this.#write(this.#training);
	}

	async #write(training: GptTraining): Promise<void> {
		if (this.#writing) return;
		this.#writing = true;
		try {
			while (this.#writeWanted) {
				this.#writeWanted = false;
				const { prompt, length, options } = readSampling();
				try {
					training.tokenizer.encode(prompt);
				} catch (error) {
					output.textContent = `${messageOf(error)}.`;
					continue;
				}
				for await (const text of training.write(prompt, length, options)) {
					if (training !== this.#training) return;
					output.textContent = text;
					if (this.#writeWanted) break;
				}
			}
		} finally {
			this.#writing = false;
		}
	}
}
