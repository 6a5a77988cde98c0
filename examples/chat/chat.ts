/** Controls the page: the model, the conversation, and what the visitor does. */
import { type Device, memory } from 'wgrad';
import { CausalModel, type ChatMessage, type Pretrained } from 'wgrad/models';
import { type Chosen, inPlainWords, kindOf, onModel, openModel } from '../openModel';
import { element, hideNotice, messageOf, showNotice, showProgress, showText } from '../page';
import { addTurn, clearLog, type Phase, readSettings, showEnd, showPhase } from './form';

/** Milliseconds between two updates of the figures. */
const REFRESH = 200;

const message = element('message', HTMLTextAreaElement);
const asking = element('asking', HTMLFormElement);

export class Chat {
	readonly #device: Device;
	#phase: Phase = 'ready';
	#pretrained: Pretrained<CausalModel> | null = null;
	readonly #turns: ChatMessage[] = [];
	/** Ends the work under way. */
	#work = new AbortController();

	constructor(device: Device) {
		this.#device = device;
		onModel((chosen) => void this.#attempt('opening', 'The model was not opened', () => this.#open(chosen)));
		element('cancel', HTMLButtonElement).addEventListener('click', () => this.#work.abort());
		element('clear', HTMLButtonElement).addEventListener('click', () => this.#clear());
		asking.addEventListener('submit', (event) => {
			event.preventDefault();
			if (this.#phase === 'answering') this.#work.abort();
			else if (element('choosing', HTMLFormElement).reportValidity())
				void this.#attempt('answering', 'The model did not answer', () => this.#answer());
		});
		message.addEventListener('keydown', (event) => {
			// Enter also ends the composition of a character.
			if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
			event.preventDefault();
			if (this.#phase === 'ready') asking.requestSubmit();
		});
		addEventListener('keydown', ({ key }) => {
			if (key === 'Escape') this.#work.abort();
		});
		this.#enter('ready');
	}

	#enter(phase: Phase): void {
		this.#phase = phase;
		showPhase(phase, this.#pretrained !== null);
	}

	/** Runs `action` in a phase, and shows its problems. */
	async #attempt(phase: Phase, title: string, action: () => Promise<void>): Promise<void> {
		hideNotice();
		this.#work = new AbortController();
		this.#enter(phase);
		try {
			await action();
		} catch (error) {
			if (!this.#work.signal.aborted) showNotice(title, inPlainWords(messageOf(error)));
		}
		showProgress(0, '');
		this.#showMemory();
		this.#enter('ready');
	}

	async #open(chosen: Chosen): Promise<void> {
		// First, so that two models need not fit.
		this.#release();
		const opened = await openModel(chosen, this.#device, this.#work.signal);
		const { model, tokenizer } = opened;
		try {
			if (!(model instanceof CausalModel))
				throw new Error(
					`A model of the kind '${kindOf(opened)}' does not write text. Open a language model, such as GPT-2 or a Llama.`,
				);
			if (tokenizer === null) throw new Error('There is no tokenizer.json, which turns text into tokens. Add it to the files.');
		} catch (error) {
			dispose(opened);
			throw error;
		}
		this.#pretrained = opened as Pretrained<CausalModel>;
		const parameters = model.parameters().reduce((sum, { size }) => sum + size, 0);
		const way = this.#hasTemplate ? 'It answers by its chat template.' : 'It has no chat template, so it continues your text.';
		showText(
			'model',
			`${chosen.name}: ${kindOf(opened)}, ${parameters.toLocaleString('en')} parameters, up to ${model.maxLength.toLocaleString('en')} tokens. ${way}`,
		);
		this.#clear();
		message.disabled = false;
		message.focus();
	}

	/** Frees the model. */
	#release(): void {
		if (this.#pretrained !== null) dispose(this.#pretrained);
		this.#pretrained = null;
		showText('model', 'None yet.');
	}

	get #hasTemplate(): boolean {
		const settings = this.#pretrained?.tokenizer?.files['tokenizer_config.json'] as { chat_template?: unknown } | undefined;
		return settings?.chat_template != null;
	}

	#clear(): void {
		this.#turns.length = 0;
		clearLog();
		showText('speed', '–');
		showText('tokens', '–');
	}

	/** The tokens of the conversation so far. */
	async #promptTokens(): Promise<number[]> {
		const tokenizer = this.#pretrained!.tokenizer!;
		if (!this.#hasTemplate) return tokenizer.encode(this.#turns.map(({ content }) => content).join(''));
		return tokenizer.encode(await tokenizer.applyChatTemplate(this.#turns), { addSpecialTokens: false });
	}

	async #answer(): Promise<void> {
		const { model, tokenizer, endTokens } = this.#pretrained!;
		const question = message.value;
		this.#turns.push({ role: 'user', content: question });
		addTurn('user', question);
		const output = addTurn('assistant', '…');
		message.value = '';
		const tokens: number[] = [];
		try {
			const prompt = await this.#promptTokens();
			const settings = { ...readSettings(), seed: this.#turns.length, stop: endTokens, signal: this.#work.signal };
			let [start, last] = [0, 0];
			for await (const token of model.generate(prompt, settings)) {
				const now = performance.now();
				if (tokens.length === 0) start = now;
				tokens.push(token);
				const text = tokenizer!.decode(tokens);
				// The bytes of a character may come with several tokens.
				if (!text.endsWith('\ufffd')) output.textContent = text;
				if (now - last < REFRESH) continue;
				last = now;
				this.#showSpeed(prompt.length + tokens.length, tokens.length - 1, now - start);
				showEnd();
				// Lets the browser paint and take a press of Stop.
				await new Promise((resolve) => setTimeout(resolve));
			}
			this.#showSpeed(prompt.length + tokens.length, tokens.length - 1, performance.now() - start);
		} finally {
			if (tokens.length === 0) {
				output.parentElement!.remove();
				// The visitor may send it again.
				this.#turns.pop();
				message.value ||= question;
			} else this.#turns.push({ role: 'assistant', content: output.textContent ?? '' });
		}
	}

	/** `count` tokens have taken `time` milliseconds. */
	#showSpeed(total: number, count: number, time: number): void {
		showText('tokens', total.toLocaleString('en'));
		if (count > 0) showText('speed', ((1000 * count) / time).toFixed(1));
		this.#showMemory();
	}

	#showMemory(): void {
		const { gpu } = memory();
		showText('memory', gpu === null ? '–' : `${(gpu.allocated / 2 ** 20).toFixed(1)} MiB`);
	}
}

function dispose({ model }: Pretrained): void {
	for (const tensor of [...model.parameters(), ...model.buffers()]) tensor.dispose();
}
