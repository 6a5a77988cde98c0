/** Controls the page: training, pausing, writing, continuing and resetting. */
import type { Device } from 'wgrad';
import { BrowserStore } from 'wgrad/train';
import { element, messageOf } from '../page';
import { type Phase, TrainingSession } from '../trainingPage';
import { LossChart } from './chart';
import { readSampling, readSettings, showPhase, showSettings } from './controls';
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

export class Session extends TrainingSession {
	readonly #chart = new LossChart(element('chart', HTMLElement));
	readonly #store = new BrowserStore();
	#text: string;
	#training: GptTraining;
	#figures = new Figures();
	#saved = false;
	/** The running loop, or the last one. */
	#loop: Promise<void> = Promise.resolve();
	#writeWanted = false;
	#writing = false;

	constructor(device: Device, text: string) {
		super(device);
		this.#text = text;
		this.#training = GptTraining.begin(readSettings(), text, device);
		this.on('continue', 'click', () => this.#continue());
		this.on('sampling', 'submit', () => this.#askToWrite());
		this.on('file', 'change', () => this.#read());
		this.enter('ready');
		this.#draw();
		void this.attempt(async () => {
			this.#saved = (await this.#store.size(SAVED)) > 0;
			this.enter(this.phase);
		});
	}

	protected override show(phase: Phase): void {
		showPhase(phase, this.#saved);
	}

	protected override async press(): Promise<void> {
		if (this.phase === 'running') {
			this.enter('paused');
			return;
		}
		if (this.phase !== 'paused') this.renew();
		await this.#start();
	}

	/** Continues the run saved by the last validation, in this page or an earlier one. */
	async #continue(): Promise<void> {
		this.#change(await GptTraining.resume(SAVED, this.#text, this.device, { store: this.#store }));
		showSettings(this.#training.settings);
		await this.#start();
	}

	/** Replaces the text by that of the user's file. */
	async #read(): Promise<void> {
		const file = element('file', HTMLInputElement).files?.[0];
		if (file === undefined) return;
		this.#text = await file.text();
		await this.reset();
		element('text-name', HTMLElement).textContent = file.name;
	}

	protected override renew(): void {
		this.#change(GptTraining.begin(readSettings(), this.#text, this.device));
	}

	/** Switches to another run. */
	#change(training: GptTraining): void {
		this.#training = training;
		this.#figures = new Figures();
		this.#draw();
	}

	protected override async reset(): Promise<void> {
		await super.reset();
		output.textContent = '';
	}

	async #start(): Promise<void> {
		this.enter('running');
		await this.#loop.catch(() => {});
		this.#loop = this.#train(this.#training);
		await this.#loop;
	}

	async #train(training: GptTraining): Promise<void> {
		const isMine = () => training === this.#training && this.phase === 'running';
		while (isMine() && !training.finished) {
			let shown = performance.now();
			for await (const _ of training.run(EVERY - (training.step % EVERY))) {
				this.#figures.tick();
				if (!isMine() || this.#writeWanted) break;
				if (performance.now() - shown < REFRESH) continue;
				shown = performance.now();
				this.#draw();
			}
			if (training !== this.#training) return;
			if (training.finished || training.step % EVERY === 0) {
				await training.validate();
				await training.save(SAVED, this.#store);
				this.#saved = true;
				this.#writeWanted = true;
			}
			this.#draw();
			if (this.#writeWanted) await this.#write(training);
			this.#figures.pause();
		}
		if (training === this.#training && training.finished) this.enter('finished');
	}

	#draw(): void {
		const { settings, model, corpus } = this.#training;
		this.#figures.show(this.#training);
		this.#chart.draw(this.#training);
		const parameters = model.parameters().reduce((sum, { size }) => sum + size, 0);
		network.textContent = `${settings.layers} blocks of ${settings.width} features in ${settings.heads} heads, ${parameters.toLocaleString('en')} parameters, ${corpus.tokenizer.size.toLocaleString('en')} kinds of tokens`;
	}

	/** Writes between two steps while training, otherwise at once. */
	async #askToWrite(): Promise<void> {
		this.#writeWanted = true;
		if (this.phase === 'running' || this.#writing) return;
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
