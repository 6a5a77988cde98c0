/** A training run, which train.ts drives in Node and the page in a browser. */
import {
	autocast,
	compile,
	crossEntropy,
	type Device,
	GradScaler,
	manualSeed,
	type nn,
	noGrad,
	optim,
	randint,
	type Tensor,
	tidy,
} from 'wgrad';
import { type CheckpointStore, loadCheckpoint, saveCheckpoint } from 'wgrad/train';
import { type Batch, Corpus, windows } from './corpus';
import { Gpt } from './model';
import { type SamplingOptions, write } from './sampling';
import { DEFAULTS, type Settings } from './settings';
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

async function readProgress(name: string, store: CheckpointStore | undefined): Promise<Progress> {
	const saved = (await loadCheckpoint(name, {}, store && { store })) as unknown as Progress | null;
	if (saved?.vocabulary === undefined) throw new Error(`${name} is a checkpoint, but not one of this program`);
	// Older checkpoints lack newer settings.
	return { ...saved, settings: { ...DEFAULTS, ...saved.settings } };
}

/** A model with its tokenizer, and the settings of its training. */
export interface Writer {
	readonly settings: Settings;
	readonly tokenizer: Tokenizer;
	readonly model: Gpt;
}

export class GptTraining implements Writer {
	readonly model: Gpt;
	/** The losses of all steps so far, and of the validations. */
	readonly losses: number[] = [];
	readonly validations: Step[] = [];
	readonly #optimizer: optim.AdamW;
	readonly #scaler: GradScaler;
	readonly #scheduler: optim.lrScheduler.LambdaLR;
	/** Without fusion, a run that resumes has the bits of one that never stopped, in float16 too. */
	readonly #update = compile(
		(inputs: Tensor, targets: Tensor) => {
			const loss = this.#loss(inputs, targets);
			this.#optimizer.zeroGrad();
			this.#scaler.scale(loss).backward();
			this.#scaler.unscale_(this.#optimizer);
			optim.clipGradNorm(this.model.parameters(), LARGEST_GRADIENT);
			this.#scaler.step(this.#optimizer);
			this.#scaler.update();
			this.#scheduler.step();
			return loss.detach();
		},
		{ fuse: false },
	);
	/** The number of steps started. */
	#step = 0;

	/** Trains a model with new weights, or only the adapters of `adapted`. */
	constructor(
		readonly settings: Settings,
		readonly corpus: Corpus,
		readonly device: Device,
		adapted: { readonly model: Gpt; readonly lora: nn.lora.LoraModel } | null = null,
	) {
		const { layers, width, heads, context, dropout, batchSize, lr, weightDecay, precision, seed } = settings;
		for (const [part, tokens] of Object.entries({ training: corpus.training, validation: corpus.validation })) {
			if (tokens.length <= context) {
				throw new Error(`the ${part} part of the text has ${tokens.length} tokens: too few for a context of ${context}`);
			}
		}
		if (batchSize < 1) throw new Error(`a batch size of ${batchSize} trains on nothing`);
		manualSeed(seed);
		this.model = adapted?.model ?? new Gpt({ vocabularySize: corpus.tokenizer.size, context, width, layers, heads, dropout });
		const groups = adapted ? [{ params: adapted.lora.parameters(), weightDecay }] : this.model.decayGroups(weightDecay);
		this.#optimizer = new optim.AdamW(groups, { lr, betas: [0.9, 0.99] });
		this.#scaler = new GradScaler({ enabled: precision === 'float16' });
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
		const saved = await readProgress(name, store);
		const corpus = new Corpus(text, restoreTokenizer(saved.vocabulary));
		if (corpus.fingerprint !== saved.fingerprint) throw new Error(`${name} was trained on another text`);
		const training = new GptTraining({ ...saved.settings, steps: steps ?? saved.settings.steps }, corpus, device);
		await loadCheckpoint(name, training.#parts(), store && { store });
		training.#step = saved.step;
		training.losses.push(...saved.losses);
		training.validations.push(...saved.validations);
		return training;
	}

	/** Loads only the model of a checkpoint, for which the text is not needed. */
	static async load(name: string, { store }: { store?: CheckpointStore } = {}): Promise<Writer> {
		const { settings, vocabulary } = await readProgress(name, store);
		const tokenizer = restoreTokenizer(vocabulary);
		const model = new Gpt({ ...settings, vocabularySize: tokenizer.size });
		await loadCheckpoint(name, { model }, store && { store });
		return { settings, tokenizer, model };
	}

	/** Writes a checkpoint atomically. Call it between steps, not while `run` is active. */
	async save(name: string, store?: CheckpointStore): Promise<void> {
		const { settings, corpus, losses, validations } = this;
		const { tokenizer, fingerprint } = corpus;
		const extra = { settings, step: this.#step, vocabulary: tokenizer.vocabulary, fingerprint, losses, validations };
		await saveCheckpoint(name, this.#parts(), { extra: extra as never, ...(store && { store }) });
	}

	#parts() {
		const parts = { model: this.model, optimizer: this.#optimizer, scheduler: this.#scheduler };
		return this.#scaler.enabled ? { ...parts, scaler: this.#scaler } : parts;
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
		using loss = this.#update(inputs, targets);
		this.#step++;
		inputs.dispose();
		targets.dispose();
		const read = loss.item();
		// If the caller stops, nobody awaits this; its error must not become an unhandled rejection.
		read.catch(() => {});
		return read;
	}

	#loss(inputs: Tensor, targets: Tensor): Tensor {
		const enabled = this.settings.precision === 'float16';
		return autocast(() => crossEntropy(this.model.forward(inputs).reshape([-1, this.tokenizer.size]), targets), { enabled });
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
			return noGrad(() => tidy(() => this.#loss(inputs, targets)));
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
	write(prompt: string, count: number, options: SamplingOptions = {}): AsyncGenerator<string, void> {
		return write(this, prompt, count, options);
	}
}
