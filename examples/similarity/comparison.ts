/** Controls the page: the model, the sentences, and their ranking. */
import { type Device, matmul, noGrad } from 'wgrad';
import { BertModel, type Pretrained } from 'wgrad/models';
import { type Chosen, enableOpening, inPlainWords, kindOf, onModel, openModel } from '../openModel';
import { element, hideNotice, messageOf, showNotice, showProgress } from '../page';

/** waiting: needs the visitor's decision. */
type Phase = 'loading' | 'waiting' | 'ready' | 'opening' | 'comparing';

const LABELS: Readonly<Record<Phase, string>> = {
	loading: 'Loading',
	waiting: 'Waiting',
	ready: 'Ready',
	opening: 'Opening the model',
	comparing: 'Comparing',
};

const compare = element('compare', HTMLButtonElement);
const cancel = element('cancel', HTMLButtonElement);
const modelInfo = element('model', HTMLElement);

export function showPhase(phase: Phase, hasModel = false): void {
	element('phase', HTMLElement).textContent = LABELS[phase];
	enableOpening(phase === 'ready');
	cancel.hidden = phase !== 'opening';
	compare.disabled = !(phase === 'ready' && hasModel);
}

export class Comparison {
	readonly #device: Device;
	#pretrained: Pretrained<BertModel> | null = null;
	/** Ends the opening under way. */
	#work = new AbortController();

	constructor(device: Device) {
		this.#device = device;
		onModel((chosen) => void this.#attempt('opening', 'The model was not opened', () => this.#open(chosen)));
		cancel.addEventListener('click', () => this.#work.abort());
		element('comparing', HTMLFormElement).addEventListener('submit', (event) => {
			event.preventDefault();
			if (!compare.disabled) void this.#attempt('comparing', 'The sentences were not compared', () => this.#compare());
		});
		showPhase('ready');
	}

	/** Runs `action` in a phase, and shows its problems. */
	async #attempt(phase: Phase, title: string, action: () => Promise<void>): Promise<void> {
		hideNotice();
		this.#work = new AbortController();
		showPhase(phase);
		try {
			await action();
		} catch (error) {
			if (!this.#work.signal.aborted) showNotice(title, inPlainWords(messageOf(error)));
		}
		showProgress(0, '');
		showPhase('ready', this.#pretrained !== null);
	}

	async #open(chosen: Chosen): Promise<void> {
		const opened = await openModel(chosen, this.#device, this.#work.signal);
		const { model, tokenizer } = opened;
		if (!(model instanceof BertModel))
			throw new Error(
				`A model of the kind '${kindOf(opened)}' gives no vectors of sentences. Open a BERT, such as all-MiniLM-L6-v2.`,
			);
		if (tokenizer === null) throw new Error('There is no tokenizer.json, which turns text into tokens. Add it to the files.');
		this.#pretrained = opened as Pretrained<BertModel>;
		const parameters = model.parameters().reduce((sum, { size }) => sum + size, 0);
		modelInfo.textContent = `${chosen.name}: ${parameters.toLocaleString('en')} parameters.`;
	}

	async #compare(): Promise<void> {
		const { model, tokenizer } = this.#pretrained!;
		const sentences = element('sentences', HTMLTextAreaElement)
			.value.split('\n')
			.map((line) => line.trim())
			.filter((line) => line !== '');
		if (sentences.length === 0) throw new Error('There are no sentences to compare with. Write one on each line.');
		const query = element('query', HTMLInputElement).value;
		const start = performance.now();
		const { tokens, attentionMask } = tokenizer!.encodeBatch([query, ...sentences], { maxLength: model.maxLength });
		using ids = tokens;
		using mask = attentionMask;
		using vectors = noGrad(() => model.embed(ids, { attentionMask: mask }));
		using products = matmul(vectors.narrow(0, 1, sentences.length), vectors.select(0, 0));
		const similarities = await products.data();
		const ranked = sentences
			.map((text, i) => ({ text, similarity: similarities[i]! }))
			.sort((a, b) => b.similarity - a.similarity);
		element('ranking', HTMLElement).replaceChildren(...ranked.map(rowOf));
		element('summary', HTMLElement).textContent =
			`${sentences.length} sentences in ${Math.round(performance.now() - start)} ms. ${vectors.shape[1]} numbers stand for each.`;
	}
}

function rowOf({ text, similarity }: { text: string; similarity: number }): HTMLElement {
	const row = document.createElement('li');
	const sentence = document.createElement('span');
	sentence.textContent = text;
	const value = document.createElement('data');
	value.value = String(similarity);
	value.textContent = similarity.toFixed(3);
	const track = document.createElement('div');
	track.className = 'track';
	const fill = document.createElement('span');
	fill.className = 'fill';
	fill.style.transform = `scaleX(${Math.max(0, similarity)})`;
	track.append(fill);
	row.append(sentence, value, track);
	return row;
}
