/** A training run, which train.ts drives in Node and the page in a browser. */
import { crossEntropy, type Device, manualSeed, noGrad, optim, randint, type Tensor, tidy } from 'wgrad';
import { type CheckpointStore, loadCheckpoint, saveCheckpoint } from 'wgrad/train';
import { type Batch, Corpus, windows } from './corpus';
import { Gpt } from './model';
import { generate, Sampler, type SamplingOptions } from './sampling';
import type { Settings } from './settings';
import { restoreTokenizer, type Tokenizer, tokenizerOf, type Vocabulary } from './tokenizer';

export interface Step {
	/** The step, from 1. */
	readonly step: number;
	/** The loss of this step's batch, in nats per token. */
	readonly loss: number;
}

/** The contents of a checkpoint besides weights and optimizer state. */
interface Progress {
	readonly settings: Settings;
	readonly step: number;
	readonly vocabulary: Vocabulary;
	readonly fingerprint: number;
	readonly losses: readonly number[];
	readonly validations: readonly Step[];
}

const LOWEST_RATE = 0.1;
const LARGEST_GRADIENT = 1;
/** The number of steps the GPU runs ahead of the loss that the host waits for, so that it never idles. */
const AHEAD = 4;
/** The number of evenly spread windows in a validation, unless it uses all; and the tokens per batch. */
const VALIDATION_WINDOWS = 64;
const VALIDATION_TOKENS = 1024;

/** The rate of step `step`, from 0, as a fraction of the highest rate. */
function rateOf(step: number, { warmup, steps }: Settings): number {
	if (step < warmup) return (step + 1) / warmup;
	const done = Math.min(1, (step - warmup) / Math.max(1, steps - warmup));
	return LOWEST_RATE + (1 - LOWEST_RATE) * 0.5 * (1 + Math.cos(Math.PI * done));
}

export class GptTraining {
	readonly model: Gpt;
	/** The losses of all steps so far, and of the validations. */
	readonly losses: number[] = [];
	readonly validations: Step[] = [];
	readonly #optimizer: optim.AdamW;
	readonly #scheduler: optim.lrScheduler.LambdaLR;
	/** The number of steps started. */
	#step = 0;

	/** Creates a model with new weights. */
	constructor(
		readonly settings: Settings,
		readonly corpus: Corpus,
		readonly device: Device,
	) {
		const { layers, width, heads, context, dropout, batchSize, lr, weightDecay, seed } = settings;
		for (const [part, tokens] of Object.entries({ training: corpus.training, validation: corpus.validation })) {
			if (tokens.length <= context) {
				throw new Error(`the ${part} part of the text has ${tokens.length} tokens: too few for a context of ${context}`);
			}
		}
		if (batchSize < 1) throw new Error(`a batch size of ${batchSize} trains on nothing`);
		manualSeed(seed);
		this.model = new Gpt({ vocabularySize: corpus.tokenizer.size, context, width, layers, heads, dropout });
		this.#optimizer = new optim.AdamW(this.model.decayGroups(weightDecay), { lr, betas: [0.9, 0.99] });
		this.#scheduler = new optim.lrScheduler.LambdaLR(this.#optimizer, (step) => rateOf(step, settings));
	}

	/** Starts a new run on `text`. */
	static begin(settings: Settings, text: string, device: Device): GptTraining {
		return new GptTraining(settings, new Corpus(text, tokenizerOf(settings.tokenizer, text)), device);
	}

	/** Resumes the run of a checkpoint with the same bits as if it had never stopped. `steps` changes its end. */
	static async resume(
		name: string,
		text: string,
		device: Device,
		{ steps, store }: { steps?: number | undefined; store?: CheckpointStore } = {},
	): Promise<GptTraining> {
		const options = store === undefined ? {} : { store };
		const saved = (await loadCheckpoint(name, {}, options)) as unknown as Progress | null;
		if (saved?.vocabulary === undefined) throw new Error(`${name} is a checkpoint, but not one of this program`);
		const corpus = new Corpus(text, restoreTokenizer(saved.vocabulary));
		if (corpus.fingerprint !== saved.fingerprint) throw new Error(`${name} was trained on another text`);
		const training = new GptTraining({ ...saved.settings, steps: steps ?? saved.settings.steps }, corpus, device);
		await loadCheckpoint(name, training.#parts(), options);
		training.#step = saved.step;
		training.losses.push(...saved.losses);
		training.validations.push(...saved.validations);
		return training;
	}

	/** Writes a checkpoint atomically. Call it between steps, not while `run` is active. */
	async save(name: string, store?: CheckpointStore): Promise<void> {
		const { settings, corpus, losses, validations } = this;
		const { tokenizer, fingerprint } = corpus;
		const extra = { settings, step: this.#step, vocabulary: tokenizer.vocabulary, fingerprint, losses, validations };
		await saveCheckpoint(name, this.#parts(), { extra: extra as never, ...(store && { store }) });
	}

	#parts() {
		return { model: this.model, optimizer: this.#optimizer, scheduler: this.#scheduler };
	}

	get step(): number {
		return this.#step;
	}

	get finished(): boolean {
		return this.#step >= this.settings.steps;
	}

	get tokenizer(): Tokenizer {
		return this.corpus.tokenizer;
	}

	/** Trains for up to `count` steps and yields each when its loss is known. Finishes all started steps before it ends. */
	async *run(count = Number.POSITIVE_INFINITY): AsyncGenerator<Step, void> {
		const end = Math.min(this.settings.steps, this.#step + count);
		const ahead: Promise<number>[] = [];
		const next = async () => {
			this.losses.push(await ahead.shift()!);
			return { step: this.losses.length, loss: this.losses.at(-1)! };
		};
		try {
			while (this.#step < end) {
				ahead.push(this.#train(await this.#draw()));
				if (ahead.length > AHEAD) yield await next();
				await this.#breathe();
			}
			while (ahead.length > 0) yield await next();
		} finally {
			while (ahead.length > 0) await next();
		}
	}

	/** Draws random windows of the training text. */
	async #draw(): Promise<Batch> {
		const { batchSize, context } = this.settings;
		const { training } = this.corpus;
		using starts = randint(0, training.length - context, [batchSize], { device: 'cpu' });
		return windows(training, await starts.data(), context, this.device);
	}

	/** Launches one step. Resolves to its loss. */
	#train({ inputs, targets }: Batch): Promise<number> {
		using loss = tidy(() => {
			const loss = crossEntropy(this.model.forward(inputs).reshape([-1, this.tokenizer.size]), targets);
			this.#optimizer.zeroGrad();
			loss.backward();
			optim.clipGradNorm(this.model.parameters(), LARGEST_GRADIENT);
			this.#optimizer.step();
			return loss.detach();
		});
		this.#scheduler.step();
		this.#step++;
		inputs.dispose();
		targets.dispose();
		const read = loss.item();
		// If the caller stops, nobody awaits this; its error must not become an unhandled rejection.
		read.catch(() => {});
		return read;
	}

	/** The loss in nats per token on the validation text: on evenly spread windows, or on all of it. */
	async validate({ all = false }: { all?: boolean } = {}): Promise<number> {
		const { context } = this.settings;
		const { validation } = this.corpus;
		const together = Math.max(1, Math.floor(VALIDATION_TOKENS / context));
		const fitting = Math.floor((validation.length - 1) / context);
		const count = all ? fitting : Math.min(fitting, VALIDATION_WINDOWS);
		const starts = Array.from({ length: count }, (_, i) => Math.floor((i * fitting) / count) * context);
		let sum = 0;
		for (let first = 0; first < count; first += together) {
			const part = starts.slice(first, first + together);
			using loss = this.#judge(windows(validation, part, context, this.device));
			sum += (await loss.item()) * part.length;
			await this.#breathe();
		}
		if (!all) this.validations.push({ step: this.#step, loss: sum / count });
		return sum / count;
	}

	#judge({ inputs, targets }: Batch): Tensor {
		this.model.eval();
		try {
			return noGrad(() => tidy(() => crossEntropy(this.model.forward(inputs).reshape([-1, this.tokenizer.size]), targets)));
		} finally {
			this.model.train();
			inputs.dispose();
			targets.dispose();
		}
	}

	/** On WebGPU every readback yields to the page. On the CPU readbacks return at once, so it must pause. */
	async #breathe(): Promise<void> {
		if (this.device === 'cpu') await new Promise((resolve) => setTimeout(resolve));
	}

	/** Generates text after `prompt` and yields the text so far after each token. */
	async *write(prompt: string, count: number, options: SamplingOptions = {}): AsyncGenerator<string, void> {
		const tokens = Array.from(this.tokenizer.encode(prompt));
		for await (const token of generate(this.model, tokens, count, new Sampler(options))) {
			tokens.push(token);
			yield this.tokenizer.decode(tokens);
		}
	}
}
