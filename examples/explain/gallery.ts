/** The pictures that the network takes for something else, and the card that explains one of them. */
import { element } from '../page';
import { CLASSES } from './data';
import { paintMap, paintPicture, paintTiles } from './pictures';
import type { Judged, Training } from './training';

/** The most mistakes that the page lists. */
const LISTED = 24;
const MAPS = { saliency: 'map-saliency', integrated: 'map-integrated', occlusion: 'map-occlusion', gradCam: 'map-cam' } as const;

const list = element('mistakes', HTMLOListElement);
const target = element('target', HTMLSelectElement);
const verdict = element('verdict', HTMLElement);

/** "a square". */
const named = (index: number) => `a ${CLASSES[index]!}`;
const percent = (share: number) => `${(100 * share).toFixed(0)} %`;

export class Gallery {
	/** Called with the picture and the class to explain. */
	explain: (index: number, target: number | null) => void = () => {};
	#chosen = 0;

	constructor() {
		for (const [i, name] of CLASSES.entries()) target.append(new Option(`a ${name}`, String(i)));
		target.addEventListener('change', () => this.explain(this.#chosen, Number(target.value)));
		element('another', HTMLButtonElement).addEventListener('click', () => {
			this.choose(Math.floor(Math.random() * Number(list.dataset.total ?? 1)));
		});
	}

	/** Shows a picture, and explains the class that the network takes it for. */
	choose(index: number): void {
		this.#chosen = index;
		this.explain(index, null);
	}

	get chosen(): number {
		return this.#chosen;
	}

	/** Lists the mistakes, those that the network is surest of first. */
	list(judged: readonly Judged[], training: Training): void {
		list.dataset.total = String(training.test.labels.length);
		const wrong = judged.filter(({ label, predicted }) => label !== predicted).sort((a, b) => b.sure - a.sure);
		element('count', HTMLElement).textContent =
			judged.length === 0
				? 'They come when the training has ended.'
				: `${wrong.length} of ${judged.length} test pictures are mistaken${wrong.length > LISTED ? `; here are ${LISTED}` : ''}. Choose one.`;
		list.replaceChildren(
			...wrong.slice(0, LISTED).map(({ index, label, predicted, sure }) => {
				const item = document.createElement('li');
				const button = document.createElement('button');
				button.type = 'button';
				const canvas = document.createElement('canvas');
				paintPicture(canvas, training.test.pixels[index]!);
				const text = `${CLASSES[predicted]!} ${percent(sure)}`;
				button.setAttribute('aria-label', `${named(label)}, taken for: ${text}`);
				const caption = document.createElement('span');
				caption.textContent = text;
				button.append(canvas, caption);
				button.addEventListener('click', () => this.choose(index));
				item.append(button);
				return item;
			}),
		);
	}

	/** Shows the explanation of the picture for a class; null stands for the class that the network takes it for. */
	async show(training: Training, index: number, asked: number | null, isCurrent: () => boolean): Promise<void> {
		const pixels = training.test.pixels[index]!;
		let explained = asked;
		if (explained === null) {
			const judged = await training.judgeOne(index);
			if (!isCurrent()) return;
			explained = judged.predicted;
		}
		const found = await training.explain(index, explained);
		if (!isCurrent()) return;
		target.value = String(explained);
		paintPicture(element('picture', HTMLCanvasElement), pixels);
		for (const name of ['saliency', 'integrated', 'occlusion', 'gradCam'] as const)
			paintMap(element(MAPS[name], HTMLCanvasElement), found.maps[name], pixels);
		paintTiles(element('filters', HTMLCanvasElement), found.filters, 5, 3, 8);
		paintTiles(element('activations', HTMLCanvasElement), found.activations, 32, 1, 8);
		const sure = found.probabilities[explained]!;
		verdict.textContent = `This is ${named(training.test.labels[index]!)}. The network gives ${percent(sure)} to ${named(explained)}.`;
	}
}
